//! Draws images as sixels: DEC's format for images in terminals, of a few colours.
//!
//! An image is bands of six rows. In each band every colour has a line of its own, in which each
//! letter is six pixels above each other, set or not, and repeated letters are counted.

use super::palette::Palette;
use crate::console::Ending;
use crate::pixels::Pixel;

/// The rows of a band. Images have a multiple of them in both directions.
pub const BAND: usize = 6;

/// How many pixels of the screen may be one pixel of an image, across and down, the smallest first.
/// A band has whole pixels of all of them.
pub const TIMES: [usize; 4] = [1, 2, 3, 6];

/// The largest pixels that are mixed. Mixing larger ones is seen, and takes many bytes.
const MIXED: usize = 2;

/// A screen with such images is cleared before it is left.
pub const ENDING: Ending = Ending {
    cut: "",
    clear: "\x1b[2J",
};

/// Draws one image after another.
pub struct Sixel {
    palette: Palette,
    /// Red, green and blue of each colour in hundredths.
    colours: Vec<[u32; 3]>,
    numbers: Vec<u8>,
    /// The lines of the band that is drawn, one for each colour.
    lines: Vec<Line>,
}

/// The pixels of one colour in a band.
#[derive(Clone, Default)]
struct Line {
    /// The pixels above each other, a bit each, by column.
    bits: Vec<u8>,
    /// The columns that have some, from the first to behind the last.
    first: usize,
    end: usize,
}

impl Sixel {
    /// One that draws in these colours.
    pub fn new(palette: Palette) -> Self {
        let colours: Vec<_> = palette.colours(100).collect();
        Self {
            palette,
            lines: vec![Line::default(); colours.len()],
            colours,
            numbers: Vec::new(),
        }
    }

    /// Adds to `out` what has a terminal show an image of this width at the cursor, each pixel `times`
    /// as wide and as high.
    pub fn draw(&mut self, out: &mut Vec<u8>, pixels: &[Pixel], width: usize, times: usize) {
        let times = times.max(1);
        if width == 0 || pixels.len() < width {
            return;
        }
        let mixes = times <= MIXED;
        self.palette.reduce(pixels, width, mixes, &mut self.numbers);
        let height = pixels.len() / width;
        self.begin(out, width * times, height * times);
        for top in (0..height * times).step_by(BAND) {
            let rows = (top..(top + BAND).min(height * times)).map(|row| row / times);
            self.collect(rows, width);
            self.write_band(out, times);
        }
        out.extend_from_slice(b"\x1b\\");
    }

    /// Begins an image of square pixels, of which none is left as it was, and names the colours that
    /// it has.
    fn begin(&self, out: &mut Vec<u8>, width: usize, height: usize) {
        let mut used = [false; 256];
        for number in &self.numbers {
            used[usize::from(*number)] = true;
        }
        out.extend_from_slice(b"\x1bP0;1q\"1;1;");
        decimal(out, width);
        out.push(b';');
        decimal(out, height);
        for (number, colour) in self.colours.iter().enumerate() {
            if !used[number] {
                continue;
            }
            out.push(b'#');
            decimal(out, number);
            out.extend_from_slice(b";2");
            for level in colour {
                out.push(b';');
                // Up to 100.
                decimal(out, *level as usize);
            }
        }
    }

    /// Takes the rows of a band apart by colour. The same row may come several times.
    fn collect(&mut self, rows: impl Iterator<Item = usize>, width: usize) {
        for (bit, row) in rows.enumerate() {
            let numbers = &self.numbers[row * width..(row + 1) * width];
            for (column, number) in numbers.iter().enumerate() {
                let line = &mut self.lines[usize::from(*number)];
                if line.end == 0 {
                    line.bits.resize(width, 0);
                    line.first = column;
                }
                line.first = line.first.min(column);
                line.end = line.end.max(column + 1);
                line.bits[column] |= 1 << bit;
            }
        }
    }

    fn write_band(&mut self, out: &mut Vec<u8>, times: usize) {
        let mut is_first = true;
        for (number, line) in self.lines.iter_mut().enumerate() {
            if line.end == 0 {
                continue;
            }
            if !std::mem::take(&mut is_first) {
                // Back to the beginning of the band.
                out.push(b'$');
            }
            out.push(b'#');
            decimal(out, number);
            repeat(out, 0, line.first * times);
            let bits = &mut line.bits[line.first..line.end];
            for same in bits.chunk_by(|a, b| a == b) {
                repeat(out, same[0], same.len() * times);
            }
            bits.fill(0);
            line.end = 0;
            // Another image may be narrower or wider.
            line.first = 0;
        }
        out.push(b'-');
    }
}

/// Writes the letter of these pixels so many times.
fn repeat(out: &mut Vec<u8>, bits: u8, times: usize) {
    let letter = b'?' + bits;
    if times > 3 {
        out.push(b'!');
        decimal(out, times);
        out.push(letter);
    } else {
        out.extend(std::iter::repeat_n(letter, times));
    }
}

fn decimal(out: &mut Vec<u8>, number: usize) {
    if number >= 10 {
        decimal(out, number / 10);
    }
    out.push(b'0' + (number % 10) as u8);
}
