//! The size of a window for what it shows.

/// A small content is enlarged until the window has this part of the screen's width.
const LEAST_PART: u32 = 4;
/// The most that a window takes of the screen's width and height at first, in percent.
const MOST: u32 = 80;

/// The size of a window at first: as large as the content, larger on a screen where that would be
/// tiny, smaller in the same shape where the screen has no room for it. `scale` is the desktop's own:
/// how many pixels a dot of the content takes.
pub fn first(natural: (u32, u32), scale: f64, screen: Option<(u32, u32)>) -> (u32, u32) {
    let whole = |side: u32| (f64::from(side.max(1)) * scale).round().max(1.0);
    let (width, height) = (whole(natural.0), whole(natural.1));
    let Some((across, down)) = screen.filter(|(w, h)| *w > 0 && *h > 0) else {
        return (width as u32, height as u32);
    };
    let least = f64::from(across / LEAST_PART);
    let (room_across, room_down) = (f64::from(across), f64::from(down));
    let fits = |times: f64| {
        let most = f64::from(MOST) / 100.0;
        width * times <= room_across * most && height * times <= room_down * most
    };
    let times = (1..=16).map(f64::from).find(|times| width * times >= least);
    let times = times.filter(|times| fits(*times)).unwrap_or(1.0);
    let times = times.min(room_across / width).min(room_down / height);
    let side = |side: f64| ((side * times).round() as u32).clamp(1, SIDE_LIMIT);
    (side(width), side(height))
}

/// The next size when a person makes a window larger or smaller by a key: by a quarter.
pub fn step(size: (u32, u32), is_larger: bool) -> (u32, u32) {
    let times = if is_larger { 1.25 } else { 0.8 };
    let side = |side: u32| ((f64::from(side) * times).round() as u32).clamp(LEAST, SIDE_LIMIT);
    (side(size.0), side(size.1))
}

/// A size with `times` as many pixels on each side.
pub fn scaled(size: (u32, u32), times: f64) -> (u32, u32) {
    let side = |side: u32| ((f64::from(side) * times).round() as u32).clamp(1, SIDE_LIMIT);
    (side(size.0), side(size.1))
}

/// Whether two sizes differ by no more than the rounding between a desktop's units and pixels.
pub fn is_near(a: (u32, u32), b: (u32, u32)) -> bool {
    a.0.abs_diff(b.0) <= 1 && a.1.abs_diff(b.1) <= 1
}

/// A window is never smaller than this by a key.
const LEAST: u32 = 40;
/// X11 has 16 bits for a side, signed in places.
const SIDE_LIMIT: u32 = 32_767;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_as_large_as_its_content_where_that_can_be_seen() {
        for (natural, scale, screen, size) in [
            ((320, 240), 1.0, (1024, 768), (320, 240)),
            ((640, 480), 1.0, (1920, 1080), (640, 480)),
            // A stamp on a large screen.
            ((320, 240), 1.0, (1920, 1080), (640, 480)),
            ((320, 240), 1.0, (3840, 2160), (960, 720)),
            ((320, 240), 2.0, (3840, 2160), (1280, 960)),
            ((320, 240), 1.5, (2560, 1440), (960, 720)),
            // The screen has no room.
            ((1280, 720), 1.0, (1024, 768), (1024, 576)),
            ((720, 1536), 1.0, (1024, 768), (360, 768)),
            ((32_767, 4096), 1.0, (1024, 768), (1024, 128)),
            // Enlarged it would leave the screen.
            ((100, 700), 1.0, (1024, 768), (100, 700)),
            ((0, 0), 1.0, (16, 16), (4, 4)),
            ((1, u32::MAX), 1.0, (1024, 768), (1, 768)),
        ] {
            assert_eq!(
                first(natural, scale, Some(screen)),
                size,
                "{natural:?} {screen:?}"
            );
        }
        assert_eq!(first((320, 240), 2.0, None), (640, 480));
    }

    #[test]
    fn keys_change_the_size_by_a_quarter_within_bounds() {
        assert_eq!(step((320, 240), true), (400, 300));
        assert_eq!(step((400, 300), false), (320, 240));
        assert_eq!(step((40, 41), false), (40, 40));
        assert_eq!(step((32_767, 30_000), true), (32_767, 32_767));
    }

    #[test]
    fn a_size_follows_the_scale_of_the_display_and_back() {
        for (size, times, scaled_size) in [
            ((320, 240), 2.0, (640, 480)),
            ((320, 240), 1.5, (480, 360)),
            ((341, 1), 1.5, (512, 2)),
            ((3, 32_767), 0.1, (1, 3277)),
        ] {
            assert_eq!(scaled(size, times), scaled_size);
        }
        let there = scaled((341, 255), 1.25);
        assert!(is_near(scaled(there, 1.0 / 1.25), (341, 255)), "{there:?}");
        assert!(!is_near((320, 240), (322, 240)));
        assert!(!is_near((320, 240), (320, 238)));
    }
}
