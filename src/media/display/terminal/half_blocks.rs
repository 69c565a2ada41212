//! Draws pictures as text: each cell of the terminal shows two pixels, one above the other, in
//! 24-bit colours.
//!
//! A terminal takes much less than a camera gives, so only what changed is written, as tersely
//! as plain escape sequences allow.

/// Has the terminal show nothing of what follows until [`SHOW`], where it knows how.
const HOLD: &[u8] = b"\x1b[?2026h";
const SHOW: &[u8] = b"\x1b[?2026l";
const PLAIN: &[u8] = b"\x1b[0m";
/// Clears from the top left corner to the cursor.
const CLEAR_UP_TO_HERE: &[u8] = b"\x1b[1J";
/// Foreground on top, background below.
const UPPER_HALF: &[u8] = "\u{2580}".as_bytes();
const BACKGROUND_ONLY: &[u8] = b" ";

/// By how many of 256 levels a colour differs from one frame of a camera to the next although
/// nothing moves; nobody sees such a difference either.
const NOISE: u8 = 3;

type Rgb = [u8; 3];
const BLACK: Rgb = [0; 3];
const WHITE: Rgb = [255; 3];

/// An RGB picture: 3 bytes a pixel, rows `stride` bytes apart.
#[derive(Clone, Copy, Debug)]
pub struct Image<'a> {
    /// Pixels from left to right.
    pub width: usize,
    /// Pixels from top to bottom.
    pub height: usize,
    /// Bytes from the beginning of one row to the beginning of the next.
    pub stride: usize,
    /// Red, green and blue of each pixel; the last row may lack its padding.
    pub rgb: &'a [u8],
}

/// The largest width and height in pixels, both even, that fit into so many cells and keep
/// `aspect`, which is width by height of the picture as displayed. A cell is 1 pixel wide and 2
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

/// What is on the screen, and how to turn it into the next picture.
#[derive(Debug, Default)]
pub struct Canvas {
    noise: u8,
    /// Where `cells` are; `None` where nothing is known of the screen.
    layout: Option<Layout>,
    /// The colours as written, row by row; `None` for a cell that was not.
    cells: Vec<Option<Cell>>,
    out: Vec<u8>,
}

impl Canvas {
    /// A canvas that leaves alone what changed too little to see.
    pub fn new() -> Self {
        Self::with_noise(NOISE)
    }

    /// A canvas whose colours are up to `levels` of 256 off; 0 draws every change.
    pub fn with_noise(levels: u8) -> Self {
        Self {
            noise: levels,
            ..Self::default()
        }
    }

    /// The bytes that have the terminal show `picture` in the middle of its first `columns` and
    /// `rows`; none where it does already. A picture too large for them is shrunk.
    ///
    /// What is below those rows stays. The text style is plain afterwards, and the cursor
    /// anywhere.
    pub fn draw(&mut self, picture: &Image<'_>, columns: u16, rows: u16) -> &[u8] {
        self.out.clear();
        let Some(layout) = Layout::of(picture, columns, rows) else {
            self.forget();
            return &self.out;
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
        self.draw_cells(picture, layout);
        if self.out.len() == before {
            self.out.clear();
        } else {
            self.out.extend_from_slice(PLAIN);
            self.out.extend_from_slice(SHOW);
        }
        &self.out
    }

    /// As [`Canvas::draw`], but darker, and with `text` across the middle.
    pub fn cover(&mut self, picture: &Image<'_>, text: &str, columns: u16, rows: u16) -> &[u8] {
        // Two fifths: white letters are brighter than any of it.
        let dark = |level: &u8| level / 5 * 2;
        let rgb: Vec<u8> = picture.rgb.iter().map(dark).collect();
        let dark = Image {
            rgb: &rgb,
            ..*picture
        };
        self.draw(&dark, columns, rows);
        let width = usize::from(columns).saturating_sub(2);
        if width > 0 && !text.is_empty() {
            self.write(text, width, (columns.into(), rows.into()));
        }
        &self.out
    }

    /// Writes `text` in the middle, white on black, in lines of up to `width` characters.
    fn write(&mut self, text: &str, width: usize, (columns, rows): (usize, usize)) {
        self.out.extend_from_slice(HOLD);
        let letters: Vec<char> = text.chars().collect();
        let lines = letters.chunks(width).take(rows);
        let top = (rows - lines.len()) / 2;
        for (row, line) in (top..).zip(lines) {
            let left = (columns - line.len() - 2) / 2;
            move_to(&mut self.out, row + 1, left + 1);
            colours(&mut self.out, Some(WHITE), Some(BLACK));
            let line: String = line.iter().collect();
            self.out.extend_from_slice(format!(" {line} ").as_bytes());
        }
        self.out.extend_from_slice(PLAIN);
        self.out.extend_from_slice(SHOW);
        // What was written over has to be drawn again, and it may be more than the picture.
        self.forget();
    }

    /// Has the next picture drawn in full, whatever is on the screen by then.
    pub fn forget(&mut self) {
        self.layout = None;
    }

    fn draw_cells(&mut self, picture: &Image<'_>, layout: Layout) {
        let mut pen = Pen {
            noise: self.noise,
            ..Pen::default()
        };
        for (row, cells) in self.cells.chunks_mut(layout.width).enumerate() {
            let upper = layout.line(picture, row * 2);
            let lower = layout.line(picture, row * 2 + 1);
            for (column, cell) in cells.iter_mut().enumerate() {
                let x = layout.across(picture, column);
                let wanted = Cell {
                    upper: pixel(upper, x),
                    lower: pixel(lower, x),
                };
                // What is really there counts, not the last picture: colours that drift are
                // written in the end.
                if cell.is_none_or(|shown| !wanted.is_like(shown, self.noise)) {
                    pen.go(&mut self.out, layout.top + row, layout.left + column);
                    *cell = Some(pen.draw(&mut self.out, wanted));
                }
            }
        }
    }
}

/// Where a picture is on the screen.
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
    fn of(picture: &Image<'_>, columns: u16, rows: u16) -> Option<Self> {
        let (widest, highest) = (usize::from(columns), usize::from(rows) * 2);
        if !is_whole(picture) || widest == 0 || highest == 0 {
            return None;
        }
        let (mut width, mut height) = (picture.width, picture.height);
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

    /// The bytes of the picture's row that is shown `y` pixels from the top; empty past the last.
    fn line<'a>(&self, picture: &Image<'a>, y: usize) -> &'a [u8] {
        if y >= self.height {
            return &[];
        }
        let start = scale(y, picture.height, self.height) * picture.stride;
        picture.rgb.get(start..).unwrap_or_default()
    }

    /// The picture's column that is shown in this column.
    fn across(&self, picture: &Image<'_>, column: usize) -> usize {
        scale(column, picture.width, self.width)
    }
}

/// The colours of one cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cell {
    upper: Rgb,
    lower: Rgb,
}

impl Cell {
    fn is_like(self, other: Self, noise: u8) -> bool {
        is_like(self.upper, other.upper, noise) && is_like(self.lower, other.lower, noise)
    }
}

/// Where the terminal's cursor is and which colours it writes in, as far as known.
#[derive(Default)]
struct Pen {
    noise: u8,
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

    /// Writes a cell and says how it looks then: a colour that the terminal writes in already
    /// will do where it is close enough.
    fn draw(&mut self, out: &mut Vec<u8>, wanted: Cell) -> Cell {
        let Cell { upper, lower } = wanted;
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
        colours(out, new_foreground, new_background);
        out.extend_from_slice(if flat { BACKGROUND_ONLY } else { UPPER_HALF });
        self.foreground = foreground.or(self.foreground);
        self.background = Some(background);
        self.at = self.at.map(|(row, column)| (row, column + 1));
        Cell {
            upper: foreground.unwrap_or(background),
            lower: background,
        }
    }
}

fn is_whole(picture: &Image<'_>) -> bool {
    let Some(line) = picture.width.checked_mul(3).filter(|l| *l > 0) else {
        return false;
    };
    let above = picture
        .height
        .checked_sub(1)
        .and_then(|h| h.checked_mul(picture.stride));
    let needed = above.and_then(|a| a.checked_add(line));
    picture.stride >= line && needed.is_some_and(|n| n <= picture.rgb.len())
}

/// Where `at` of `shown` pixels is among `all`.
fn scale(at: usize, all: usize, shown: usize) -> usize {
    if all == shown {
        return at;
    }
    // In 64 bits, for the product.
    (at as u64 * all as u64 / shown as u64) as usize
}

fn pixel(line: &[u8], x: usize) -> Rgb {
    match line.get(x * 3..x * 3 + 3) {
        Some(&[r, g, b]) => [r, g, b],
        _ => BLACK,
    }
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

/// Changes the colours that there are.
fn colours(out: &mut Vec<u8>, foreground: Option<Rgb>, background: Option<Rgb>) {
    let mut lead: &[u8] = b"\x1b[";
    for (which, colour) in [(b"38;2", foreground), (b"48;2", background)] {
        if let Some(colour) = colour {
            out.extend_from_slice(lead);
            out.extend_from_slice(which);
            for level in colour {
                out.push(b';');
                number(out, level.into());
            }
            lead = b";";
        }
    }
    if lead == b";" {
        out.push(b'm');
    }
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
