//! Text for the canvas: shaped, wrapped and drawn by `cosmic-text`.
//!
//! A font comes with the program, so that a machine without fonts has letters too. The system's fonts
//! are read once a text has a letter that this one lacks. That can take a second, so a thread,
//! "fonts", does it, and the letters appear when the text is drawn the next time.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};

use cosmic_text::fontdb::{Database, Source};
use cosmic_text::{Align, Attrs, Buffer, Color, Family, FontSystem, Metrics, Shaping, SwashCache};

use crate::pixels::{Pixel, Pixels, Rect};

const FONT: &[u8] = include_bytes!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/packaging/fonts/DejaVuSans-Bold.ttf"
));
const FAMILY: &str = "DejaVu Sans";

/// The texts that stay ready to be drawn.
const KEPT: usize = 32;

/// The distance of two lines, as a multiple of the size of the letters.
const LINE: f32 = 1.25;

/// Text with its place in each line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lines {
    Centred,
    Left,
}

/// The look of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// The size of the letters in pixels.
    pub size: u32,
    /// The pixels that a line has room for. A longer text is wrapped.
    pub width: usize,
    pub lines: Lines,
}

/// A text that is ready to be drawn.
#[derive(Debug)]
pub struct Lettering {
    text: String,
    style: Style,
    /// Pixels across and down.
    pub width: usize,
    pub height: usize,
    /// How much of each pixel is covered by letters, row by row.
    cover: Vec<u8>,
}

/// Makes letterings, and keeps the newest of them.
pub struct Typesetter {
    fonts: FontSystem,
    glyphs: SwashCache,
    kept: Vec<Arc<Lettering>>,
    system_fonts: SystemFonts,
}

/// The fonts of the system.
enum SystemFonts {
    Unneeded,
    /// A thread reads them.
    Coming(Receiver<Database>),
    /// They are read, or cannot be.
    Here,
}

impl Lettering {
    /// Draws it in `colour`, its first pixel at (`x`, `y`). What of it is not in `part` is left out.
    pub fn draw(&self, pixels: &mut Pixels<'_>, (x, y): (usize, usize), part: Rect, colour: Pixel) {
        let columns = (part.x + part.width).saturating_sub(x);
        let rows = (part.y + part.height).saturating_sub(y);
        let covers = self.cover.chunks_exact(self.width.max(1)).take(rows);
        for (down, row) in covers.enumerate() {
            let row = row.iter().take(columns).enumerate();
            for (across, cover) in row.filter(|(_, cover)| **cover > 0) {
                pixels.mix(x + across, y + down, colour, *cover);
            }
        }
    }
}

impl Typesetter {
    /// With the program's own font.
    pub fn new() -> Self {
        Self {
            fonts: fonts(Database::new()),
            glyphs: SwashCache::new(),
            kept: Vec::new(),
            system_fonts: SystemFonts::Unneeded,
        }
    }

    /// The text in this style.
    pub fn set(&mut self, text: &str, style: Style) -> Arc<Lettering> {
        self.take_system_fonts();
        let same = |kept: &Arc<Lettering>| kept.text == text && kept.style == style;
        if let Some(kept) = self.kept.iter().find(|kept| same(kept)) {
            return Arc::clone(kept);
        }
        let made = Arc::new(self.make(text, style));
        if self.kept.len() == KEPT {
            self.kept.remove(0);
        }
        self.kept.push(Arc::clone(&made));
        made
    }

    fn make(&mut self, text: &str, style: Style) -> Lettering {
        let size = style.size.max(1) as f32;
        let mut buffer = Buffer::new(&mut self.fonts, Metrics::relative(size, LINE));
        buffer.set_size(Some(style.width as f32), None);
        let align = match style.lines {
            Lines::Centred => Align::Center,
            Lines::Left => Align::Left,
        };
        let look = Attrs::new()
            .family(Family::Name(FAMILY))
            .weight(cosmic_text::Weight::BOLD);
        buffer.set_text(text, &look, Shaping::Advanced, Some(align));
        buffer.shape_until_scroll(&mut self.fonts, false);
        let (mut left, mut right, mut height) = (f32::MAX, 0.0_f32, 0.0_f32);
        let mut lacks_letters = false;
        for run in buffer.layout_runs() {
            let ends = run.glyphs.iter().map(|glyph| (glyph.x, glyph.x + glyph.w));
            for (start, end) in ends {
                (left, right) = (left.min(start), right.max(end));
            }
            height = height.max(run.line_top + run.line_height);
            lacks_letters |= run.glyphs.iter().any(|glyph| glyph.glyph_id == 0);
        }
        if lacks_letters {
            self.want_system_fonts();
        }
        let left = left.min(right).floor();
        // The size is bounded by the style's width and the text's length.
        let (width, height) = ((right - left).ceil() as usize, height.ceil() as usize);
        let mut cover = vec![0; width * height];
        let white = Color::rgb(0xff, 0xff, 0xff);
        buffer.draw(
            &mut self.fonts,
            &mut self.glyphs,
            white,
            |x, y, across, down, colour| {
                let (x, y) = (i64::from(x) - left as i64, i64::from(y));
                for (x, y) in (0..i64::from(down))
                    .flat_map(|dy| (0..i64::from(across)).map(move |dx| (x + dx, y + dy)))
                {
                    let (Ok(x), Ok(y)) = (usize::try_from(x), usize::try_from(y)) else {
                        continue;
                    };
                    if x < width
                        && let Some(covered) = cover.get_mut(y * width + x)
                    {
                        *covered = colour.a().max(*covered);
                    }
                }
            },
        );
        Lettering {
            text: text.to_owned(),
            style,
            width,
            height,
            cover,
        }
    }

    /// Has the system's fonts read, once.
    fn want_system_fonts(&mut self) {
        if !matches!(self.system_fonts, SystemFonts::Unneeded) {
            return;
        }
        let (send, receive) = mpsc::channel();
        let read = move || {
            let mut all = Database::new();
            all.load_system_fonts();
            // The program may have ended.
            let _ = send.send(all);
        };
        let started = std::thread::Builder::new().name("fonts".into()).spawn(read);
        self.system_fonts = match started {
            Ok(_) => SystemFonts::Coming(receive),
            Err(_) => SystemFonts::Here,
        };
    }

    /// Uses the system's fonts from now on, if they have been read.
    fn take_system_fonts(&mut self) {
        let SystemFonts::Coming(coming) = &self.system_fonts else {
            return;
        };
        match coming.try_recv() {
            Ok(all) => self.fonts = fonts(all),
            Err(mpsc::TryRecvError::Empty) => return,
            Err(mpsc::TryRecvError::Disconnected) => {}
        }
        self.system_fonts = SystemFonts::Here;
        self.glyphs = SwashCache::new();
        self.kept.clear();
    }
}

/// The program's own font, and `others` for letters that it lacks.
fn fonts(mut others: Database) -> FontSystem {
    others.load_font_source(Source::Binary(Arc::new(FONT)));
    FontSystem::new_with_locale_and_db(locale(), others)
}

/// The person's language, as `en-GB`. Languages share letters that they draw differently.
fn locale() -> String {
    let named = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .filter_map(|name| std::env::var(name).ok())
        .find(|value| !value.is_empty())
        .unwrap_or_default();
    let language = named.split(['.', '@']).next().unwrap_or_default();
    match language {
        "" | "C" | "POSIX" => "en-US".into(),
        language => language.replace('_', "-"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn style(size: u32, width: usize) -> Style {
        Style {
            size,
            width,
            lines: Lines::Centred,
        }
    }

    fn covered(lettering: &Lettering) -> usize {
        lettering.cover.iter().filter(|cover| **cover > 128).count()
    }

    #[test]
    fn a_text_has_letters_as_large_as_asked() {
        let mut typesetter = Typesetter::new();
        let small = typesetter.set("reconnecting", style(12, 1000));
        let large = typesetter.set("reconnecting", style(24, 1000));
        assert!(covered(&small) > 100, "{}", covered(&small));
        assert!(covered(&large) > 2 * covered(&small));
        assert_eq!((small.height, large.height), (15, 30));
        assert!(
            large.width.abs_diff(2 * small.width) < 20,
            "{}",
            large.width
        );
    }

    #[test]
    fn a_long_text_is_wrapped_and_no_wider_than_its_room() {
        let mut typesetter = Typesetter::new();
        let one = typesetter.set("camera lost", style(20, 1000));
        let text = "camera lost: it was unplugged, and is not back yet";
        let wrapped = typesetter.set(text, style(20, 200));
        assert!(wrapped.width <= 200, "{}", wrapped.width);
        assert!(wrapped.height >= 3 * one.height, "{}", wrapped.height);
        let unbroken = typesetter.set(&"w".repeat(60), style(20, 200));
        assert!(unbroken.width <= 200 && unbroken.height > one.height);
    }

    #[test]
    fn any_text_can_be_set() {
        let mut typesetter = Typesetter::new();
        for text in [
            "",
            " ",
            "a & <b",
            "\u{1f3a5} 100 %",
            "שלום",
            "李雷",
            "\u{200b}\u{301}",
        ] {
            for width in [0, 1, 300] {
                let lettering = typesetter.set(text, style(16, width));
                assert_eq!(lettering.cover.len(), lettering.width * lettering.height);
            }
        }
    }

    #[test]
    fn a_lettering_is_drawn_where_it_is_put_and_cut_off_at_the_edge() {
        let mut typesetter = Typesetter::new();
        let lettering = typesetter.set("H", style(20, 100));
        let mut pixels = vec![0; 100 * 40];
        let mut target = Pixels::new(100, 40, &mut pixels).unwrap();
        let whole = target.whole();
        lettering.draw(&mut target, (50, 10), whole, 0xff_ff_ff);
        lettering.draw(&mut target, (95, 35), whole, 0xff_ff_ff);
        let left = Rect { width: 0, ..whole };
        lettering.draw(&mut target, (10, 10), left, 0xff_ff_ff);
        let white = |pixels: &[u32], x: usize, y: usize| pixels[y * 100 + x] & 0xff > 200;
        let lit = (0..40).flat_map(|y| (0..100).map(move |x| (x, y)));
        let lit: Vec<_> = lit.filter(|(x, y)| white(&pixels, *x, *y)).collect();
        assert!(lit.len() > 40, "{lit:?}");
        assert!(lit.iter().all(|(x, y)| *x >= 50 && *y >= 10), "{lit:?}");
    }

    #[test]
    fn a_text_that_is_drawn_again_is_not_made_again() {
        let mut typesetter = Typesetter::new();
        let first = typesetter.set("desk", style(16, 100));
        assert!(Arc::ptr_eq(&first, &typesetter.set("desk", style(16, 100))));
        for n in 0..100 {
            typesetter.set(&n.to_string(), style(16, 100));
        }
        assert!(typesetter.kept.len() <= KEPT);
    }
}
