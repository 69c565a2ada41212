//! Frames as images in the terminal, by kitty's graphics protocol and by sixel, and as blocks where
//! it shows no images or has few colours: in a terminal of the tests' own, which is asked.

use std::process::Command;
use std::time::Duration;

use proptest::prelude::*;
use vidchat::console::Keyboard;
use vidchat::media::display::terminal::kitty::{Colours, Kitty};
use vidchat::media::display::terminal::palette::{Palette, grey};
use vidchat::media::display::terminal::sixel::Sixel;
use vidchat::pixels::Pixel;

use crate::support::image_terminal::{Abilities, Colour, Image, ImageTerminal, Rgb, Screen, TEXT};
use crate::support::image_terminal::{CELL, Program, shown};
use crate::support::player::{Shown, until};
use crate::support::test_card::BARS;
use crate::support::{signal, vidchat};

const KITTY: Abilities = Abilities {
    kitty: true,
    true_colour: true,
    ..TEXT
};

const SIXEL: Abilities = Abilities {
    sixel: true,
    true_colour: true,
    ..TEXT
};

const SILENT: Abilities = Abilities {
    answers: false,
    ..TEXT
};

/// Bars that stand still.
fn demo() -> Command {
    let mut command = vidchat();
    command.args(["demo", "--display", "terminal", "--set", "speed=0"]);
    command
}

/// Whether the image has the bars of the test picture in its middle, as high as it is.
fn has_bars(image: &Image) -> bool {
    let height = image.rows.len();
    let part = (height as f64 * 4.0 / 3.0) / image.width as f64;
    let near = |a: Rgb, b: Rgb| a.iter().zip(b).all(|(a, b)| a.abs_diff(b) <= 12);
    BARS.iter().enumerate().all(|(number, bar)| {
        let across = (number as f64 + 0.5) / BARS.len() as f64;
        let x = (1.0 - part) / 2.0 + across * part;
        image.mean(x, 0.3).is_some_and(|colour| near(colour, *bar))
    })
}

/// Presses q, and looks at what is left.
fn quits(terminal: &ImageTerminal, program: &mut Program, modes: &str) {
    terminal.press("q");
    assert_eq!(program.end(), Some(0));
    is_as_before(terminal, modes);
}

fn is_as_before(terminal: &ImageTerminal, modes: &str) {
    terminal.catch_up();
    assert_eq!(terminal.modes(), modes);
    assert!(!terminal.has_input(), "an answer is left for the shell");
    let screen = terminal.screen();
    assert!(!screen.is_covered && !screen.is_cursor_hidden);
    assert_eq!((screen.kept(), screen.placed.len()), (0, 0));
    assert!(screen.sixel.is_none());
    assert_eq!(screen.errors, [""; 0]);
    // The log alone is on the shell's screen.
    let is_log = |line: &str| line.is_empty() || line.starts_with("INFO ") || line == "<all of it>";
    assert!(screen.text().lines().all(is_log), "{}", screen.text());
}

fn shows_bars(screen: &Screen) -> bool {
    screen.image().is_some_and(has_bars) && screen.row(23).ends_with("(q quits)")
}

#[test]
fn kitty_shows_the_demo_and_is_left_clean() {
    let terminal = ImageTerminal::new(KITTY);
    let modes = terminal.modes();
    let mut program = terminal.run(&demo());
    terminal.until("bars", shows_bars);
    {
        let screen = terminal.screen();
        // All of the area but the row of the status line.
        assert!(screen.placed.values().all(|size| *size == (80, 23)));
        assert!(screen.kept() <= 2, "old images are deleted");
        assert!(screen.is_covered && screen.is_cursor_hidden);
    }
    terminal.resize(100, 40);
    terminal.until("bars in the new size", |screen| {
        screen.placed.values().any(|size| *size == (100, 39))
            && screen.image().is_some_and(has_bars)
    });
    quits(&terminal, &mut program, &modes);
}

#[test]
fn sixel_shows_the_demo_and_is_left_clean() {
    let terminal = ImageTerminal::new(SIXEL);
    let modes = terminal.modes();
    let mut program = terminal.run(&demo());
    // As many pixels as there are, in bands of six.
    let fills = |screen: &Screen, width: usize, height: usize| {
        let (image, row, column) = screen.sixel.as_ref().unwrap();
        (image.width, image.rows.len(), *row, *column) == (width, height, 0, 0)
    };
    terminal.until("bars", |screen| {
        shows_bars(screen) && fills(screen, 80 * CELL.0 / 6 * 6, 23 * CELL.1 / 6 * 6)
    });
    terminal.resize(100, 40);
    terminal.until("bars in the new size", |screen| {
        screen.image().is_some_and(has_bars)
            && fills(screen, 100 * CELL.0 / 6 * 6, 39 * CELL.1 / 6 * 6)
    });
    quits(&terminal, &mut program, &modes);
}

#[test]
fn a_terminal_says_itself_how_many_pixels_it_has() {
    for abilities in [KITTY, SIXEL] {
        let terminal = ImageTerminal::new(Abilities {
            has_pixels: false,
            ..abilities
        });
        let modes = terminal.modes();
        let mut program = terminal.run(&demo());
        terminal.until("bars", shows_bars);
        quits(&terminal, &mut program, &modes);
    }
}

#[test]
fn a_signal_takes_the_images_away() {
    let terminal = ImageTerminal::new(KITTY);
    let modes = terminal.modes();
    let mut program = terminal.run(&demo());
    terminal.until("bars", shows_bars);
    let kill = Command::new("kill").arg(program.id().to_string()).status();
    assert!(kill.is_ok_and(|status| status.success()));
    assert_eq!(program.end(), Some(0));
    is_as_before(&terminal, &modes);
}

#[test]
fn a_stopped_program_takes_its_images_away_and_brings_them_back() {
    let terminal = ImageTerminal::new(KITTY);
    let mut command = Command::new("sh");
    command.arg("-im");
    for (name, value) in demo().get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
        .env("VIDCHAT", env!("CARGO_BIN_EXE_vidchat"))
        .env("PS1", "$ ");
    let mut shell = terminal.run(&command);
    terminal.until("prompt", |screen| screen.text().contains('$'));
    terminal.press("\"$VIDCHAT\" demo --display terminal --set speed=0\r");
    terminal.until("bars", |screen| screen.image().is_some_and(has_bars));
    for _ in 0..5 {
        terminal.press("\x1a");
        terminal.until("the shell", |screen| {
            !screen.is_covered && screen.kept() == 0 && screen.text().contains("$")
        });
        terminal.press("fg\r");
        terminal.until("bars again", |screen| {
            screen.is_covered && screen.image().is_some_and(has_bars)
        });
    }
    terminal.press("q");
    terminal.until("the shell", |screen| {
        !screen.is_covered && screen.kept() == 0
    });
    terminal.press("exit\r");
    assert_eq!(shell.end(), Some(0));
    assert_eq!(terminal.screen().errors, [""; 0]);
}

/// The program takes the keyboard anew when it goes on. The key may have been read before that.
#[test]
fn a_key_that_is_typed_as_the_program_goes_on_is_heard() {
    for _ in 0..8 {
        let terminal = ImageTerminal::new(KITTY);
        let modes = terminal.modes();
        let mut program = terminal.run(&demo());
        terminal.until("bars", |screen| screen.image().is_some_and(has_bars));
        signal(program.id(), "STOP");
        terminal.press("q");
        signal(program.id(), "CONT");
        assert_eq!(program.end(), Some(0));
        is_as_before(&terminal, &modes);
    }
}

#[test]
fn a_terminal_that_answers_nothing_gets_256_colours() {
    let terminal = ImageTerminal::new(SILENT);
    let modes = terminal.modes();
    let mut program = terminal.run(&demo());
    terminal.until("bars", |screen| blocks_are_bars(screen, false));
    quits(&terminal, &mut program, &modes);
}

/// Whether the blocks of a terminal of 80 by 24 are bars, in 24-bit colours or in 256.
fn blocks_are_bars(screen: &Screen, in_full: bool) -> bool {
    let row = &screen.cells[5];
    BARS.iter().enumerate().all(|(number, bar)| {
        // As in `IN_80_BY_24`.
        let column = 9 + (62 * number + 31) / BARS.len();
        match row[column].background {
            Some(Colour::Full(colour)) => {
                in_full && colour.iter().zip(bar).all(|(a, b)| a.abs_diff(*b) <= 12)
            }
            Some(Colour::Number(number)) => !in_full && number == cube(*bar),
            None => false,
        }
    })
}

/// The number of a colour whose channels are all or nothing.
fn cube(rgb: Rgb) -> u8 {
    let step = |level: u8| if level > 127 { 5 } else { 0 };
    16 + 36 * step(rgb[0]) + 6 * step(rgb[1]) + step(rgb[2])
}

#[test]
fn the_colours_of_text_are_those_that_the_terminal_has() {
    let full = Abilities {
        true_colour: true,
        ..TEXT
    };
    for (abilities, environment, in_full) in [
        (TEXT, None, false),
        (full, None, true),
        (SILENT, Some(("COLORTERM", "truecolor")), true),
        (full, Some(("TERM", "screen-256color")), false),
    ] {
        let terminal = ImageTerminal::new(abilities);
        let modes = terminal.modes();
        let mut command = demo();
        command.envs(environment);
        let mut program = terminal.run(&command);
        terminal.until("bars", |screen| blocks_are_bars(screen, in_full));
        quits(&terminal, &mut program, &modes);
    }
}

#[test]
fn without_colours_the_bars_are_shades() {
    for (is_light, white) in [(false, '█'), (true, ' ')] {
        let terminal = ImageTerminal::new(Abilities { is_light, ..TEXT });
        let modes = terminal.modes();
        let mut command = demo();
        command.env("NO_COLOR", "1");
        let mut program = terminal.run(&command);
        terminal.until("shades", |screen| {
            let letter = |bar: usize| screen.cells[5][9 + (62 * bar + 31) / BARS.len()].letter;
            // White, then green, then blue.
            letter(0) == white && "░▒▓".contains(letter(3)) && letter(6) != letter(3)
        });
        let has_colours = {
            let screen = terminal.screen();
            let mut cells = screen.cells.iter().flatten();
            cells.any(|cell| cell.foreground.is_some() || cell.background.is_some())
        };
        assert!(!has_colours);
        quits(&terminal, &mut program, &modes);
    }
}

#[test]
fn without_colours_images_are_grey() {
    for abilities in [KITTY, SIXEL] {
        let terminal = ImageTerminal::new(abilities);
        let modes = terminal.modes();
        let mut command = demo();
        command.env("NO_COLOR", "1");
        let mut program = terminal.run(&command);
        terminal.until("an image", |screen| screen.image().is_some());
        let is_grey = {
            let screen = terminal.screen();
            let mut pixels = screen.image().unwrap().rows.iter().flatten().flatten();
            pixels.all(|[red, green, blue]| red == green && green == blue)
        };
        assert!(is_grey);
        quits(&terminal, &mut program, &modes);
    }
}

#[test]
fn an_answer_that_comes_late_is_no_key_and_counts() {
    let terminal = ImageTerminal::new(KITTY);
    terminal.screen().is_late = true;
    let modes = terminal.modes();
    let mut program = terminal.run(&demo());
    // It does not wait.
    terminal.until("blocks", |screen| blocks_are_bars(screen, false));
    assert_eq!(terminal.screen().image_count, 0);
    terminal.answer();
    terminal.until("bars", shows_bars);
    quits(&terminal, &mut program, &modes);
}

#[test]
fn only_a_terminal_whose_keys_are_read_is_asked() {
    let terminal = ImageTerminal::new(KITTY);
    let mut command = Command::new("sh");
    let line = "exec \"$VIDCHAT\" demo --display terminal --set speed=0 < /dev/null";
    command.args(["-c", line]);
    for (name, value) in demo().get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.env("VIDCHAT", env!("CARGO_BIN_EXE_vidchat"));
    let mut program = terminal.run(&command);
    terminal.until("bars", |screen| blocks_are_bars(screen, false));
    assert_eq!(terminal.screen().question_count, 0);
    // The keyboard is the terminal's own: this is Ctrl-C.
    terminal.press("\x03");
    assert_eq!(program.end(), Some(0));
}

#[test]
fn a_slow_line_gets_small_images_and_is_left_clean() {
    for abilities in [KITTY, SIXEL] {
        let terminal = ImageTerminal::slow(abilities, Some(50e3));
        let modes = terminal.modes();
        let mut program = terminal.run(&demo());
        terminal.until("small images", |screen| {
            // A quarter of a second, and what the writer does not know yet.
            screen.image_count > 3 && screen.last_image_bytes < 25_000
        });
        quits(&terminal, &mut program, &modes);
    }
}

/// What runs in the terminal: a grey for each file that appears.
fn shows_greys(folder: &std::path::Path) {
    let keyboard = Keyboard::open();
    assert!(keyboard.is_some(), "the keyboard is ours");
    let mut shown = Shown::on("terminal");
    shown.measure(320, 240);
    for (number, level) in (1..).zip((100..160).chain([200])) {
        shown.show(number, 320, 240, level);
        if number == 1 {
            until("the first one is seen", || folder.join("seen").exists());
        }
        // Time to draw it, for a program that does not wait for the terminal.
        std::thread::sleep(Duration::from_millis(20));
    }
    std::fs::write(folder.join("shown"), "").unwrap();
    until("the end", || folder.join("end").exists());
}

#[test]
fn a_terminal_that_is_behind_gets_the_newest_frame_and_no_old_one() {
    if std::env::var_os("VIDCHAT_TEST_INSIDE").is_some() {
        let folder = std::env::var_os("FOLDER").expect("it is set for the terminal");
        return shows_greys(folder.as_ref());
    }
    let name = "display::terminal_images::\
                a_terminal_that_is_behind_gets_the_newest_frame_and_no_old_one";
    for abilities in [KITTY, SIXEL] {
        let folder = tempfile::tempdir().unwrap();
        let terminal = ImageTerminal::new(abilities);
        let mut command = Command::new(std::env::current_exe().expect("the test has a file"));
        command
            .args(["--exact", name])
            .env("VIDCHAT_TEST_INSIDE", "1")
            .env("FOLDER", folder.path());
        let mut program = terminal.run(&command);
        let level = |screen: &Screen| {
            let image = screen.image()?;
            Some(image.mean(0.5, 0.5)?[0])
        };
        terminal.until("the first frame", |screen| {
            level(screen).is_some_and(|level| level > 90)
        });
        let before = {
            let mut screen = terminal.screen();
            screen.withholds = true;
            screen.image_count
        };
        std::fs::write(folder.path().join("seen"), "").unwrap();
        // All of them have been shown by then, as far as the pipeline knows.
        until("all frames", || folder.path().join("shown").exists());
        {
            let screen = terminal.screen();
            let more = screen.image_count - before;
            assert!(more <= 2, "{more} more images were sent without an answer");
        }
        terminal.acknowledge();
        terminal.until("the newest frame", |screen| {
            level(screen).is_some_and(|level| level.abs_diff(200) < 8)
        });
        // At most two were on their way. The others, of sixty, were never sent.
        let more = terminal.screen().image_count - before;
        assert!(more <= 3, "{more} images, and one was new");
        std::fs::write(folder.path().join("end"), "").unwrap();
        assert_eq!(program.end(), Some(0));
    }
}

/// Pixels as a picture may have them: some runs, some noise.
fn pixels() -> impl Strategy<Value = (usize, Vec<Pixel>)> {
    (1usize..30, 1usize..20).prop_flat_map(|(width, height)| {
        let pixel = prop_oneof![Just(0), Just(0xff_ff_ff), 0u32..0x100_0000];
        proptest::collection::vec(pixel, width * height).prop_map(move |pixels| (width, pixels))
    })
}

fn rgb(pixel: Pixel) -> Rgb {
    let [_, rgb @ ..] = pixel.to_be_bytes();
    rgb
}

proptest! {
    #[test]
    fn kitty_gets_the_pixels_back((width, pixels) in pixels()) {
        let palette = Palette::of(256, false).unwrap();
        let entries: Vec<_> = palette.colours(255).map(|c| c.map(|level| level as u8)).collect();
        let mut numbers = Vec::new();
        palette.reduce(&pixels, width, true, &mut numbers);
        let full: Vec<Rgb> = pixels.iter().map(|pixel| rgb(*pixel)).collect();
        let few: Vec<Rgb> = numbers.iter().map(|n| entries[usize::from(*n)]).collect();
        let greys: Vec<Rgb> = pixels.iter().map(|pixel| [grey(*pixel); 3]).collect();
        let mut kitty = Kitty::default();
        for (colours, expected) in [
            (Colours::Full, full),
            (Colours::Few, few),
            (Colours::Greys, greys),
        ] {
            let mut out = Vec::new();
            kitty.draw(&mut out, &pixels, width, colours, (80, 23));
            let screen = shown(&out, KITTY);
            prop_assert_eq!(&screen.errors, &[""; 0]);
            let image = screen.image().unwrap();
            prop_assert_eq!(image.width, width);
            let seen: Vec<Rgb> = image.rows.iter().flatten().map(|pixel| pixel.unwrap()).collect();
            prop_assert_eq!(seen, expected, "{:?}", colours);
        }
    }

    #[test]
    fn sixel_gets_the_pixels_back((width, pixels) in pixels(), times in 1usize..5, grey: bool) {
        let palette = Palette::of(256, grey).unwrap();
        let level = |hundredths: u32| ((hundredths * 255 + 50) / 100) as u8;
        let entries: Vec<_> = palette.colours(100).map(|colour| colour.map(level)).collect();
        let mut numbers = Vec::new();
        palette.reduce(&pixels, width, times <= 2, &mut numbers);
        let mut sixel = Sixel::new(Palette::of(256, grey).unwrap());
        // Nothing of one image is left in the next, which may be narrower.
        let wide = vec![0x80_80_80; 40 * 6];
        for (pixels, width, numbers) in [(&wide, 40, None), (&pixels, width, Some(&numbers))] {
            let mut out = Vec::new();
            sixel.draw(&mut out, pixels, width, times);
            let screen = shown(&out, SIXEL);
            prop_assert_eq!(&screen.errors, &[""; 0]);
            let Some(numbers) = numbers else {
                continue;
            };
            let image = screen.image().unwrap();
            let height = pixels.len() / width * times;
            prop_assert_eq!((image.width, image.rows.len()), (width * times, height));
            for (y, row) in image.rows.iter().enumerate() {
                for (x, pixel) in row.iter().enumerate() {
                    let number = numbers[y / times * width + x / times];
                    prop_assert_eq!(*pixel, Some(entries[usize::from(number)]));
                }
            }
        }
    }
}
