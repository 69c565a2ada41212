//! The program's icon: a camera, drawn here, so that no picture has to be shipped and read.

use winit::window::Icon;

const SIDE: u32 = 64;

/// The icon; `None` where the system takes none.
pub fn icon() -> Option<Icon> {
    let points = (0..SIDE).flat_map(|y| (0..SIDE).map(move |x| (x, y)));
    Icon::from_rgba(points.flat_map(|(x, y)| colour(x, y)).collect(), SIDE, SIDE).ok()
}

/// Red, green, blue and opacity of one pixel: a body with a lens, and a cone at its right.
fn colour(x: u32, y: u32) -> [u8; 4] {
    const BODY: [u8; 4] = [0x2b, 0x5c, 0x8a, 0xff];
    const RING: [u8; 4] = [0xf2, 0xf4, 0xf6, 0xff];
    const GLASS: [u8; 4] = [0x12, 0x1c, 0x26, 0xff];
    let (x, y) = (i64::from(x), i64::from(y));
    let from = |cx: i64, cy: i64| (x - cx).pow(2) + (y - cy).pow(2);
    let in_body = (4..46).contains(&x) && (14..50).contains(&y);
    let in_cone = (48..61).contains(&x) && (y - 32).abs() <= 6 + (x - 48);
    match from(25, 32) {
        0..=64 => GLASS,
        65..=144 => RING,
        _ if in_body || in_cone => BODY,
        _ => [0; 4],
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_icon_has_a_lens_a_body_and_nothing_around() {
        assert!(super::icon().is_some());
        assert_eq!(super::colour(0, 0)[3], 0);
        assert_eq!(super::colour(5, 20)[3], 0xff);
        assert_ne!(super::colour(25, 32), super::colour(5, 20));
    }
}
