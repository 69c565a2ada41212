//! Tests of what is drawn, apart from it since they are longer.

use proptest::prelude::*;

use super::super::labels::Place;
use super::*;

const RED: Rgb = [255, 0, 0];
const GREEN: Rgb = [0, 255, 0];
const BLUE: Rgb = [0, 0, 255];

fn image(width: usize, pixels: &[Rgb]) -> (usize, Vec<Pixel>) {
    let pixels = pixels
        .iter()
        .map(|[r, g, b]| Pixel::from_be_bytes([0, *r, *g, *b]));
    (width, pixels.collect())
}

fn drawn(
    blocks: &mut Blocks,
    (width, pixels): &(usize, Vec<Pixel>),
    columns: u16,
    rows: u16,
) -> String {
    let image = Image {
        width: *width,
        height: pixels.len() / width,
        pixels,
    };
    String::from_utf8(blocks.draw(&image, None, &[], columns, rows).to_vec()).unwrap()
}

#[test]
fn two_by_two_pixels_are_two_cells() {
    let four = image(2, &[RED, GREEN, BLUE, WHITE]);
    assert_eq!(
        drawn(&mut Blocks::new(Depth::Full), &four, 2, 1),
        "\x1b[?2026h\x1b[0m\x1b[1;2H\x1b[1J\
         \x1b[1;1H\x1b[38;2;255;0;0;48;2;0;0;255m\u{2580}\
         \x1b[38;2;0;255;0;48;2;255;255;255m\u{2580}\
         \x1b[0m\x1b[?2026l"
    );
}

#[test]
fn an_unchanged_image_is_not_written() {
    let mut blocks = Blocks::new(Depth::Full);
    let before = image(2, &[RED, GREEN, BLUE, WHITE]);
    drawn(&mut blocks, &before, 2, 1);
    assert_eq!(drawn(&mut blocks, &before, 2, 1), "");
    let after = image(2, &[RED, BLUE, BLUE, WHITE]);
    assert_eq!(
        drawn(&mut blocks, &after, 2, 1),
        "\x1b[?2026h\x1b[1;2H\x1b[38;2;0;0;255;48;2;255;255;255m\u{2580}\x1b[0m\x1b[?2026l"
    );
}

#[test]
fn noise_is_left_alone_and_drift_is_not() {
    let mut blocks = Blocks::new(Depth::Full);
    let level = |value: u8| image(1, &[[value; 3], [value; 3]]);
    drawn(&mut blocks, &level(100), 1, 1);
    assert_eq!(drawn(&mut blocks, &level(103), 1, 1), "");
    assert_eq!(drawn(&mut blocks, &level(97), 1, 1), "");
    // In steps that are each too small to see.
    assert_ne!(drawn(&mut blocks, &level(104), 1, 1), "");
    assert_ne!(drawn(&mut Blocks::with_noise(0), &level(104), 1, 1), "");
}

#[test]
fn another_size_of_the_terminal_draws_it_all_again_in_the_middle() {
    let mut blocks = Blocks::new(Depth::Full);
    let dot = image(1, &[RED, RED]);
    drawn(&mut blocks, &dot, 1, 1);
    let again = drawn(&mut blocks, &dot, 5, 3);
    assert!(again.contains("\x1b[2;3H"), "{again:?}");
    blocks.forget();
    assert_eq!(drawn(&mut blocks, &dot, 5, 3), again);
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
        missing in 0usize..3,
        columns in 0u16..50,
        rows in 0u16..30,
        colour in any::<u8>(),
    ) {
        let colour = Pixel::from_be_bytes([0, colour, colour, colour]);
        let pixels = vec![colour; (width * height).saturating_sub(missing)];
        let image = Image { width, height, pixels: &pixels };
        let mut blocks = Blocks::new(Depth::Full);
        let bytes = blocks.draw(&image, None, &[], columns, rows).to_vec();
        let text = String::from_utf8(bytes).unwrap();
        let cells = text.chars().filter(|c| matches!(c, ' ' | '\u{2580}')).count();
        prop_assert!(cells <= usize::from(columns) * usize::from(rows));
        let enough = width > 0 && height > 0 && missing == 0;
        if !enough {
            prop_assert_eq!(cells, 0);
        } else if columns > 1 && rows > 0 {
            prop_assert!(cells > 0);
        }
    }
}

#[test]
fn a_text_is_in_the_middle() {
    let mut blocks = Blocks::new(Depth::Full);
    let grey = Image {
        width: 8,
        height: 6,
        pixels: &[0x66_66_66; 48],
    };
    let mut shown = |text: Option<&str>| {
        let bytes = blocks.draw(&grey, text, &[], 8, 3);
        String::from_utf8(bytes.to_vec()).unwrap()
    };
    let captioned = shown(Some("gone"));
    assert!(captioned.contains("48;2;102;102;102m"), "{captioned:?}");
    let text = "\x1b[2;2H\x1b[38;2;255;255;255;48;2;0;0;0m gone \x1b[0m\x1b[?2026l";
    assert!(captioned.ends_with(text), "{captioned:?}");
    // As often as it is asked for, and nothing of it is left then.
    assert_eq!(shown(Some("gone")), captioned);
    let live = shown(None);
    assert_eq!(live.matches(' ').count(), 24, "{live:?}");
    // Longer text has more lines, as many as there is room for.
    let captioned = shown(Some("gone for a while now"));
    for line in [" gone ", " for a ", " while "] {
        assert!(captioned.contains(line), "{captioned:?}");
    }
    let captioned = shown(Some("q  quit\nf  full"));
    for line in [" q ", " quit ", " f "] {
        assert!(captioned.contains(line), "{captioned:?}");
    }
    for (columns, rows) in [(0, 0), (1, 1), (2, 9), (3, 1)] {
        blocks.draw(&grey, Some("gone"), &[], columns, rows);
    }
}

#[test]
fn a_label_is_written_once_and_the_image_around_it_goes_on() {
    let mut blocks = Blocks::new(Depth::Full);
    let label = Label {
        text: "ab".into(),
        part: Rect {
            x: 2,
            y: 2,
            width: 4,
            height: 2,
        },
        place: Place::Below,
    };
    let shown = |blocks: &mut Blocks, colour: Rgb, labels: &[Label]| {
        let (width, pixels) = image(6, &[colour; 24]);
        let image = Image {
            width,
            height: 4,
            pixels: &pixels,
        };
        String::from_utf8(blocks.draw(&image, None, labels, 6, 2).to_vec()).unwrap()
    };
    let labels = [label];
    let first = shown(&mut blocks, RED, &labels);
    let letters = "\x1b[38;2;255;255;255;48;2;0;0;0m ab ";
    assert!(
        first.contains(letters) && !first.contains("38;2;0;0;0"),
        "{first:?}"
    );
    assert_eq!(shown(&mut blocks, RED, &labels), "");
    let next = shown(&mut blocks, BLUE, &labels);
    assert!(
        !next.contains("ab") && next.contains("48;2;0;0;255m"),
        "{next:?}"
    );
    // Where it was, the image is drawn again.
    let without = shown(&mut blocks, BLUE, &[]);
    assert_eq!(
        without,
        "\x1b[?2026h\x1b[2;3H\x1b[48;2;0;0;255m    \x1b[0m\x1b[?2026l"
    );
}
