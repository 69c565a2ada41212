//! Tests of what is drawn, apart from it since they are longer.

use proptest::prelude::*;

use super::*;

const RED: Rgb = [255, 0, 0];
const GREEN: Rgb = [0, 255, 0];
const BLUE: Rgb = [0, 0, 255];

fn image(width: usize, pixels: &[Rgb]) -> (usize, Vec<u8>) {
    (width, pixels.concat())
}

fn drawn(canvas: &mut Canvas, (width, rgb): &(usize, Vec<u8>), columns: u16, rows: u16) -> String {
    let image = Image {
        width: *width,
        height: rgb.len() / 3 / width,
        stride: width * 3,
        rgb,
    };
    String::from_utf8(canvas.draw(&image, columns, rows).to_vec()).unwrap()
}

#[test]
fn two_by_two_pixels_are_two_cells() {
    let four = image(2, &[RED, GREEN, BLUE, WHITE]);
    assert_eq!(
        drawn(&mut Canvas::new(), &four, 2, 1),
        "\x1b[?2026h\x1b[0m\x1b[1;2H\x1b[1J\
         \x1b[1;1H\x1b[38;2;255;0;0;48;2;0;0;255m\u{2580}\
         \x1b[38;2;0;255;0;48;2;255;255;255m\u{2580}\
         \x1b[0m\x1b[?2026l"
    );
}

#[test]
fn an_unchanged_image_is_not_written() {
    let mut canvas = Canvas::new();
    let before = image(2, &[RED, GREEN, BLUE, WHITE]);
    drawn(&mut canvas, &before, 2, 1);
    assert_eq!(drawn(&mut canvas, &before, 2, 1), "");
    let after = image(2, &[RED, BLUE, BLUE, WHITE]);
    assert_eq!(
        drawn(&mut canvas, &after, 2, 1),
        "\x1b[?2026h\x1b[1;2H\x1b[38;2;0;0;255;48;2;255;255;255m\u{2580}\x1b[0m\x1b[?2026l"
    );
}

#[test]
fn noise_is_left_alone_and_drift_is_not() {
    let mut canvas = Canvas::new();
    let level = |value: u8| image(1, &[[value; 3], [value; 3]]);
    drawn(&mut canvas, &level(100), 1, 1);
    assert_eq!(drawn(&mut canvas, &level(103), 1, 1), "");
    assert_eq!(drawn(&mut canvas, &level(97), 1, 1), "");
    // In steps that are each too small to see.
    assert_ne!(drawn(&mut canvas, &level(104), 1, 1), "");
    assert_ne!(drawn(&mut Canvas::with_noise(0), &level(104), 1, 1), "");
}

#[test]
fn another_size_of_the_terminal_draws_it_all_again_in_the_middle() {
    let mut canvas = Canvas::new();
    let dot = image(1, &[RED, RED]);
    drawn(&mut canvas, &dot, 1, 1);
    let again = drawn(&mut canvas, &dot, 5, 3);
    assert!(again.contains("\x1b[2;3H"), "{again:?}");
    canvas.forget();
    assert_eq!(drawn(&mut canvas, &dot, 5, 3), again);
}

#[test]
fn the_shape_is_kept() {
    assert_eq!(fit(4.0 / 3.0, 80, 24), (64, 48));
    assert_eq!(fit(16.0 / 9.0, 80, 60), (80, 46));
    assert_eq!(fit(1.0, 0, 10), (0, 0));
    assert_eq!(fit(f64::NAN, 80, 24), (0, 0));
    assert_eq!(fit(1e9, 80, 24), (80, 2));
}

proptest! {
    #[test]
    fn any_image_in_any_terminal_is_drawn_within_it(
        width in 0usize..40,
        height in 0usize..40,
        padding in 0usize..8,
        missing in 0usize..9,
        columns in 0u16..50,
        rows in 0u16..30,
        colour in any::<u8>(),
    ) {
        let stride = width * 3 + padding;
        let rgb = vec![colour; (stride * height).saturating_sub(missing)];
        let image = Image { width, height, stride, rgb: &rgb };
        let mut canvas = Canvas::new();
        let bytes = canvas.draw(&image, columns, rows).to_vec();
        let text = String::from_utf8(bytes).unwrap();
        let cells = text.chars().filter(|c| matches!(c, ' ' | '\u{2580}')).count();
        prop_assert!(cells <= usize::from(columns) * usize::from(rows));
        let enough = width > 0 && height > 0 && missing <= padding;
        if !enough {
            prop_assert_eq!(cells, 0);
        } else if columns > 1 && rows > 0 {
            prop_assert!(cells > 0);
        }
    }
}

#[test]
fn a_dimmed_image_is_darker_and_its_text_is_in_the_middle() {
    let mut canvas = Canvas::new();
    let white = Image {
        width: 8,
        height: 6,
        stride: 24,
        rgb: &[255; 144],
    };
    let shown = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let dimmed = shown(canvas.draw_dimmed(&white, "gone", 8, 3));
    assert!(dimmed.contains("48;2;102;102;102m"), "{dimmed:?}");
    let text = "\x1b[2;2H\x1b[38;2;255;255;255;48;2;0;0;0m gone \x1b[0m\x1b[?2026l";
    assert!(dimmed.ends_with(text), "{dimmed:?}");
    // As often as it is asked for, and nothing of it is left then.
    assert_eq!(shown(canvas.draw_dimmed(&white, "gone", 8, 3)), dimmed);
    let live = shown(canvas.draw(&white, 8, 3));
    assert_eq!(live.matches(' ').count(), 24, "{live:?}");
    // Longer text has more lines, as many as there is room for.
    let dimmed = shown(canvas.draw_dimmed(&white, "gone for a while now", 8, 3));
    for line in [" gone f ", " or a w ", " hile n "] {
        assert!(dimmed.contains(line), "{dimmed:?}");
    }
    for (columns, rows) in [(0, 0), (1, 1), (2, 9), (3, 1)] {
        canvas.draw_dimmed(&white, "gone", columns, rows);
    }
}
