//! Draws images by kitty's graphics protocol, as PNG files in base64.
//!
//! PNG, since it takes fewer bytes and less time than the protocol's own pixels with zlib, and may
//! have a palette (docs/decisions/0041-a-terminal-is-asked-what-it-shows.md).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::palette::{Palette, grey};
use crate::console::Ending;
use crate::pixels::Pixel;

/// The most bytes of base64 in one sequence.
const PIECE: usize = 4096;

/// Images stay until they are deleted.
pub const ENDING: Ending = Ending {
    // The last piece of an image of which some may be missing.
    cut: "\x1b_Gm=0,q=2;\x1b\\",
    clear: "\x1b_Ga=d,d=A,q=2\x1b\\",
};

/// The colours of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colours {
    /// All of them.
    Full,
    /// Those of a palette, in a fifth of the bytes.
    Few,
    Greys,
}

/// Draws one image after another.
pub struct Kitty {
    palette: Option<Palette>,
    /// The number of the image that is shown. Other programs' images have other numbers.
    shown: u32,
    bytes: Vec<u8>,
    png: Vec<u8>,
    text: String,
}

impl Default for Kitty {
    fn default() -> Self {
        Self {
            palette: Palette::of(256, false),
            shown: fastrand::u32(1 << 24..1 << 30),
            bytes: Vec::new(),
            png: Vec::new(),
            text: String::new(),
        }
    }
}

impl Kitty {
    /// Adds to `out` what has a terminal show an image of this width, as large as so many columns and
    /// rows, from the top left corner.
    pub fn draw(
        &mut self,
        out: &mut Vec<u8>,
        pixels: &[Pixel],
        width: usize,
        colours: Colours,
        (columns, rows): (u16, u16),
    ) {
        if self.encode(pixels, width, colours).is_none() {
            return;
        }
        self.text.clear();
        STANDARD.encode_string(&self.png, &mut self.text);
        let (before, new) = (self.shown, self.shown.wrapping_add(1).max(1));
        self.shown = new;
        // Nothing is seen of it until all of it is there.
        let mut begin = format!("a=t,i={new},f=100,");
        let mut rest = &self.text[..];
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(rest.len().min(PIECE));
            let more = u8::from(!after.is_empty());
            let piece = format!("\x1b_G{begin}q=2,m={more};{piece}\x1b\\");
            out.extend_from_slice(piece.as_bytes());
            begin.clear();
            rest = after;
        }
        let swap = format!(
            "\x1b[?2026h\x1b[H\x1b_Ga=p,i={new},c={columns},r={rows},C=1,q=2\x1b\\\
             \x1b_Ga=d,d=I,i={before},q=2\x1b\\\x1b[?2026l"
        );
        out.extend_from_slice(swap.as_bytes());
    }

    /// Makes a PNG file of the image; `None` where it has no pixels.
    fn encode(&mut self, pixels: &[Pixel], width: usize, colours: Colours) -> Option<()> {
        let height = pixels
            .len()
            .checked_div(width)
            .filter(|height| *height > 0)?;
        self.png.clear();
        self.bytes.clear();
        let size = u32::try_from(width).ok().zip(u32::try_from(height).ok())?;
        let mut encoder = png::Encoder::new(&mut self.png, size.0, size.1);
        encoder.set_depth(png::BitDepth::Eight);
        match (colours, &self.palette) {
            (Colours::Few, Some(palette)) => {
                palette.reduce(pixels, width, true, &mut self.bytes);
                let entries = palette.colours(255).flatten();
                // Up to 255.
                let entries: Vec<u8> = entries.map(|level| level as u8).collect();
                encoder.set_color(png::ColorType::Indexed);
                encoder.set_palette(entries);
                // The numbers of colours say nothing about those beside them.
                encoder.set_filter(png::Filter::NoFilter);
                encoder.set_compression(png::Compression::Balanced);
            }
            (Colours::Greys, _) => {
                self.bytes.extend(pixels.iter().map(|pixel| grey(*pixel)));
                encoder.set_color(png::ColorType::Grayscale);
                encoder.set_filter(png::Filter::Sub);
                encoder.set_compression(png::Compression::Fast);
            }
            (Colours::Full | Colours::Few, _) => {
                let rgb = |pixel: &Pixel| {
                    let [_, rgb @ ..] = pixel.to_be_bytes();
                    rgb
                };
                self.bytes.extend(pixels.iter().flat_map(rgb));
                encoder.set_color(png::ColorType::Rgb);
                encoder.set_filter(png::Filter::Sub);
                encoder.set_compression(png::Compression::Fast);
            }
        }
        // It writes to memory, and there are as many bytes as the size says.
        let mut writer = encoder.write_header().ok()?;
        writer.write_image_data(&self.bytes).ok()?;
        writer.finish().ok()
    }
}
