//! Draws images as text: each cell of the terminal shows two pixels, one above the other, in
//! 24-bit colours, in 256, or without any, in shades.
//!
//! A terminal takes much less than a camera gives, so only changes are written, as tersely as plain
//! escape sequences allow.

use std::collections::HashMap;

use super::labels::{Label, lines};
use super::palette::{xterm, xterm_rgb};
use crate::pixels::{self, Pixel, Rect};

/// Has the terminal hold the output that follows back until [`SHOW`], where it knows how.
pub(super) const HOLD: &[u8] = b"\x1b[?2026h";
pub(super) const SHOW: &[u8] = b"\x1b[?2026l";
const PLAIN: &[u8] = b"\x1b[0m";
/// Clears from the top left corner to the cursor.
const CLEAR_UP_TO_HERE: &[u8] = b"\x1b[1J";
/// Foreground on top, background below.
const UPPER_HALF: &[u8] = "\u{2580}".as_bytes();
const BACKGROUND_ONLY: &[u8] = b" ";

/// The difference in 256 levels that a colour has from one frame of a camera to the next although
/// nothing moves. It is too small to see.
const NOISE: u8 = 3;

/// What a cell without colours shows, from dark to light where letters are light.
const SHADES: [&str; 5] = [" ", "\u{2591}", "\u{2592}", "\u{2593}", "\u{2588}"];
/// The levels of these shades.
const SHADE: [u8; 5] = [0, 64, 128, 192, 255];
const LOWER_HALF: &str = "\u{2584}";
/// Two pixels of a cell that differ by more are shown as two halves.
const EDGE: u8 = 110;

type Rgb = [u8; 3];
const BLACK: Rgb = [0; 3];
const WHITE: Rgb = [255; 3];

/// The colours that a terminal has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Depth {
    /// 24 bits.
    #[default]
    Full,
    /// A cube of colours and some greys.
    Colours256,
    /// Its own two, and characters between them.
    Shades {
        /// Its background is the lighter one.
        is_light: bool,
    },
}

/// An image.
#[derive(Clone, Copy, Debug)]
pub struct Image<'a> {
    /// Pixels from left to right.
    pub width: usize,
    /// Pixels from top to bottom.
    pub height: usize,
    /// Row by row.
    pub pixels: &'a [Pixel],
}

/// The largest width and height in pixels, both even, that fit into so many cells and keep
/// `aspect`, which is width by height of the image as displayed. A cell is 1 pixel wide and 2
/// high. `(0, 0)` where nothing fits.
pub fn fit(aspect: f64, columns: u16, rows: u16) -> (u32, u32) {
    let widest = u32::from(columns) / 2 * 2;
    let highest = u32::from(rows) * 2;
    if widest == 0 || highest == 0 || !aspect.is_finite() || aspect <= 0.0 {
        return (0, 0);
    }
    // `as` keeps to the limits of u32, whatever the aspect.
    let even = |pixels: f64, most: u32| ((pixels / 2.0).round() as u32).clamp(1, most / 2) * 2;
    let height = f64::from(widest) / aspect;
    if height <= f64::from(highest) {
        (widest, even(height, highest))
    } else {
        (even(f64::from(highest) * aspect, widest), highest)
    }
}

/// The content of the screen, from which the next image is drawn.
#[derive(Debug, Default)]
pub struct Blocks {
    noise: u8,
    depth: Depth,
    /// The place of `cells`; `None` where the content of the screen is unknown.
    layout: Option<Layout>,
    /// The colours as written, row by row; `None` for a cell that was not written.
    cells: Vec<Option<Cell>>,
    out: Vec<u8>,
}

impl Blocks {
    /// One that leaves out changes that are too small to see.
    pub fn new(depth: Depth) -> Self {
        Self {
            noise: match depth {
                Depth::Full => NOISE,
                // Few colours are far from each other.
                Depth::Colours256 | Depth::Shades { .. } => 0,
            },
            depth,
            ..Self::default()
        }
    }

    /// One whose colours are up to `levels` of 256 off; 0 draws every change.
    pub fn with_noise(levels: u8) -> Self {
        Self {
            noise: levels,
            ..Self::default()
        }
    }

    /// The bytes that have the terminal show `image` in the middle of its first `columns` and
    /// `rows`, with `labels` on it, and `text` across its middle; none where it does already. A larger
    /// image is shrunk.
    ///
    /// Rows below those stay. The text style is plain afterwards, and the cursor anywhere.
    pub fn draw(
        &mut self,
        image: &Image<'_>,
        text: Option<&str>,
        labels: &[Label],
        columns: u16,
        rows: u16,
    ) -> &[u8] {
        self.out.clear();
        self.draw_image(image, labels, columns, rows);
        let width = usize::from(columns).saturating_sub(2);
        if let Some(text) = text.filter(|text| width > 0 && !text.is_empty()) {
            self.write(text, width, (columns.into(), rows.into()));
        }
        &self.out
    }

    fn draw_image(&mut self, image: &Image<'_>, labels: &[Label], columns: u16, rows: u16) {
        let Some(layout) = Layout::of(image, columns, rows) else {
            return self.forget();
        };
        self.out.extend_from_slice(HOLD);
        let before = self.out.len();
        if self.layout != Some(layout) {
            self.layout = Some(layout);
            self.cells.clear();
            self.cells
                .resize(layout.width * layout.height.div_ceil(2), None);
            self.out.extend_from_slice(PLAIN);
            move_to(&mut self.out, rows.into(), columns.into());
            self.out.extend_from_slice(CLEAR_UP_TO_HERE);
        }
        self.draw_cells(image, layout, &layout.letters(image, labels));
        if self.out.len() == before {
            self.out.clear();
        } else {
            self.out.extend_from_slice(PLAIN);
            self.out.extend_from_slice(SHOW);
        }
    }

    /// Writes `text` in the middle, white on black, in lines of up to `width` characters.
    fn write(&mut self, text: &str, width: usize, (columns, rows): (usize, usize)) {
        self.out.extend_from_slice(HOLD);
        let mut lines = lines(text, width);
        lines.truncate(rows);
        let top = (rows - lines.len()) / 2;
        for (row, line) in (top..).zip(lines) {
            let left = (columns - line.chars().count() - 2) / 2;
            move_to(&mut self.out, row + 1, left + 1);
            colours(&mut self.out, self.depth, Some(WHITE), Some(BLACK));
            self.out.extend_from_slice(format!(" {line} ").as_bytes());
        }
        self.out.extend_from_slice(PLAIN);
        self.out.extend_from_slice(SHOW);
        // The text may cover more than the image, so everything is drawn again after it.
        self.forget();
    }

    /// Has the next image drawn in full, whatever the screen shows by then.
    pub fn forget(&mut self) {
        self.layout = None;
    }

    fn draw_cells(&mut self, image: &Image<'_>, layout: Layout, letters: &Letters) {
        let mut pen = Pen {
            noise: self.noise,
            depth: self.depth,
            ..Pen::default()
        };
        for (row, cells) in self.cells.chunks_mut(layout.width).enumerate() {
            let upper = layout.line(image, row * 2);
            let lower = layout.line(image, row * 2 + 1);
            for (column, cell) in cells.iter_mut().enumerate() {
                let x = layout.across(image, column);
                let wanted = match letters.get(&(row, column)) {
                    Some(letter) => Cell::of(*letter),
                    None => Cell {
                        upper: pixel(upper, x),
                        lower: pixel(lower, x),
                        letter: None,
                    },
                };
                let wanted = wanted.in_depth(self.depth);
                // The colours on the screen count, not those of the last image: so colours that
                // drift are written in the end.
                if cell.is_none_or(|shown| !wanted.is_like(shown, self.noise)) {
                    pen.go(&mut self.out, layout.top + row, layout.left + column);
                    *cell = Some(pen.draw(&mut self.out, wanted));
                }
            }
        }
    }
}

/// The place of an image on the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Layout {
    columns: u16,
    rows: u16,
    /// The first cell.
    left: usize,
    top: usize,
    /// The size in pixels.
    width: usize,
    height: usize,
}

impl Layout {
    fn of(image: &Image<'_>, columns: u16, rows: u16) -> Option<Self> {
        let (widest, highest) = (usize::from(columns), usize::from(rows) * 2);
        if !is_whole(image) || widest == 0 || highest == 0 {
            return None;
        }
        let (mut width, mut height) = (image.width, image.height);
        if width > widest || height > highest {
            let (fit_width, fit_height) = fit(width as f64 / height as f64, columns, rows);
            width = usize::try_from(fit_width).ok().filter(|w| *w > 0)?;
            height = usize::try_from(fit_height).ok().filter(|h| *h > 0)?;
        }
        Some(Self {
            columns,
            rows,
            left: (widest - width) / 2,
            top: (usize::from(rows) - height.div_ceil(2)) / 2,
            width,
            height,
        })
    }

    /// The pixels of the image's row that is shown `y` pixels from the top; empty past the last.
    fn line<'a>(&self, image: &Image<'a>, y: usize) -> &'a [Pixel] {
        if y >= self.height {
            return &[];
        }
        let start = scale(y, image.height, self.height) * image.width;
        image.pixels.get(start..).unwrap_or_default()
    }

    /// The letters of labels by the row and column of their cells in the image.
    fn letters(&self, image: &Image<'_>, labels: &[Label]) -> Letters {
        let (across, down) = (
            |x: usize| scale(x, self.width, image.width),
            |y: usize| scale(y, self.height, image.height).div_ceil(2),
        );
        let letters = labels.iter().flat_map(|label| {
            let part = label.part;
            let (x, y) = (across(part.x), down(part.y));
            let right = across(part.x + part.width).min(self.width);
            let below = down(part.y + part.height).min(self.height / 2);
            label.letters(Rect {
                x,
                y,
                width: right.saturating_sub(x),
                height: below.saturating_sub(y),
            })
        });
        letters.collect()
    }

    /// The image's column that is shown in this column.
    fn across(&self, image: &Image<'_>, column: usize) -> usize {
        scale(column, image.width, self.width)
    }
}

/// Letters by the row and column of their cells in an image.
type Letters = HashMap<(usize, usize), char>;

/// The colours of one cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cell {
    upper: Rgb,
    lower: Rgb,
    /// In the colour above, with the one below behind it.
    letter: Option<char>,
}

impl Cell {
    /// A letter, white on black.
    fn of(letter: char) -> Self {
        Self {
            upper: WHITE,
            lower: BLACK,
            letter: Some(letter),
        }
    }

    /// The nearest colours that there are.
    fn in_depth(self, depth: Depth) -> Self {
        match depth {
            _ if self.letter.is_some() => self,
            Depth::Full => self,
            Depth::Colours256 => Self {
                upper: xterm_rgb(xterm(self.upper)),
                lower: xterm_rgb(xterm(self.lower)),
                letter: None,
            },
            Depth::Shades { .. } => {
                let (upper, lower) = (brightness(self.upper), brightness(self.lower));
                let (upper, lower) = if upper.abs_diff(lower) > EDGE {
                    let lighter = |level: u8, other: u8| if level > other { 255 } else { 0 };
                    (lighter(upper, lower), lighter(lower, upper))
                } else {
                    let shade = SHADE[shade(upper.midpoint(lower))];
                    (shade, shade)
                };
                Self {
                    upper: [upper; 3],
                    lower: [lower; 3],
                    letter: None,
                }
            }
        }
    }

    /// The character for these two levels.
    fn character(self, is_light: bool) -> &'static str {
        let level = |rgb: Rgb| if is_light { 255 - rgb[0] } else { rgb[0] };
        match (level(self.upper), level(self.lower)) {
            (upper, lower) if upper == lower => SHADES[shade(upper)],
            // Foreground on top.
            (upper, lower) if upper > lower => "\u{2580}",
            _ => LOWER_HALF,
        }
    }

    fn is_like(self, other: Self, noise: u8) -> bool {
        self.letter == other.letter
            && is_like(self.upper, other.upper, noise)
            && is_like(self.lower, other.lower, noise)
    }
}

/// The terminal's cursor and the colours that it writes in, as far as they are known.
#[derive(Default)]
struct Pen {
    noise: u8,
    depth: Depth,
    /// Row and column, from 0.
    at: Option<(usize, usize)>,
    foreground: Option<Rgb>,
    background: Option<Rgb>,
}

impl Pen {
    fn go(&mut self, out: &mut Vec<u8>, row: usize, column: usize) {
        match self.at {
            Some(at) if at == (row, column) => {}
            Some((at_row, at_column)) if at_row == row && at_column < column => {
                out.extend_from_slice(b"\x1b[");
                if column - at_column > 1 {
                    number(out, column - at_column);
                }
                out.push(b'C');
            }
            _ => move_to(out, row + 1, column + 1),
        }
        self.at = Some((row, column));
    }

    /// Writes a cell and returns its colours. A colour that the terminal already writes in is used
    /// where it is close enough.
    fn draw(&mut self, out: &mut Vec<u8>, wanted: Cell) -> Cell {
        let Cell {
            upper,
            lower,
            letter,
        } = wanted;
        if let Some(letter) = letter {
            return self.draw_letter(out, wanted, letter);
        }
        if let Depth::Shades { is_light } = self.depth {
            out.extend_from_slice(wanted.character(is_light).as_bytes());
            self.at = self.at.map(|(row, column)| (row, column + 1));
            return wanted;
        }
        let will_do = |pen: Option<Rgb>, colour| pen.filter(|p| is_like(*p, colour, self.noise));
        let background = will_do(self.background, lower).unwrap_or(lower);
        let flat = is_like(upper, background, self.noise);
        let foreground = if flat {
            None
        } else {
            Some(will_do(self.foreground, upper).unwrap_or(upper))
        };
        let new_foreground = foreground.filter(|f| self.foreground != Some(*f));
        let new_background = Some(background).filter(|b| self.background != Some(*b));
        colours(out, self.depth, new_foreground, new_background);
        out.extend_from_slice(if flat { BACKGROUND_ONLY } else { UPPER_HALF });
        self.foreground = foreground.or(self.foreground);
        self.background = Some(background);
        self.at = self.at.map(|(row, column)| (row, column + 1));
        Cell {
            upper: foreground.unwrap_or(background),
            lower: background,
            letter: None,
        }
    }

    fn draw_letter(&mut self, out: &mut Vec<u8>, wanted: Cell, letter: char) -> Cell {
        let foreground = Some(wanted.upper).filter(|f| self.foreground != Some(*f));
        let background = Some(wanted.lower).filter(|b| self.background != Some(*b));
        colours(out, self.depth, foreground, background);
        out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
        (self.foreground, self.background) = (Some(wanted.upper), Some(wanted.lower));
        self.at = self.at.map(|(row, column)| (row, column + 1));
        wanted
    }
}

fn is_whole(image: &Image<'_>) -> bool {
    image.width > 0 && image.width.checked_mul(image.height) == Some(image.pixels.len())
}

/// The pixel among `all` that is shown as the pixel `at` of `shown`.
fn scale(at: usize, all: usize, shown: usize) -> usize {
    if all == shown {
        return at;
    }
    // In 64 bits, for the product.
    (at as u64 * all as u64 / shown as u64) as usize
}

fn pixel(line: &[Pixel], x: usize) -> Rgb {
    let [_, rgb @ ..] = line.get(x).copied().unwrap_or(pixels::BLACK).to_be_bytes();
    rgb
}

fn is_like(a: Rgb, b: Rgb, noise: u8) -> bool {
    a.iter().zip(b).all(|(a, b)| a.abs_diff(b) <= noise)
}

/// Moves the cursor to a row and a column, from 1.
fn move_to(out: &mut Vec<u8>, row: usize, column: usize) {
    out.extend_from_slice(b"\x1b[");
    number(out, row);
    out.push(b';');
    number(out, column);
    out.push(b'H');
}

/// Changes the colours that are given, where there are colours.
fn colours(out: &mut Vec<u8>, depth: Depth, foreground: Option<Rgb>, background: Option<Rgb>) {
    if matches!(depth, Depth::Shades { .. }) {
        return;
    }
    let mut lead: &[u8] = b"\x1b[";
    for (which, colour) in [(b"38;", foreground), (b"48;", background)] {
        let Some(colour) = colour else {
            continue;
        };
        out.extend_from_slice(lead);
        out.extend_from_slice(which);
        if depth == Depth::Full {
            out.push(b'2');
            for level in colour {
                out.push(b';');
                number(out, level.into());
            }
        } else {
            out.extend_from_slice(b"5;");
            number(out, xterm(colour).into());
        }
        lead = b";";
    }
    if lead == b";" {
        out.push(b'm');
    }
}

/// The shade that is nearest to this level.
fn shade(level: u8) -> usize {
    (usize::from(level) + 31) / 64
}

/// The brightness of a colour, by the weights of the eye.
fn brightness([red, green, blue]: Rgb) -> u8 {
    let weighted = 77 * u32::from(red) + 150 * u32::from(green) + 29 * u32::from(blue);
    // The weights are 256 together.
    (weighted >> 8) as u8
}

fn number(out: &mut Vec<u8>, n: usize) {
    if n >= 10 {
        number(out, n / 10);
    }
    out.push(b'0' + (n % 10) as u8);
}

#[cfg(test)]
#[path = "half_blocks_tests.rs"]
mod tests;
