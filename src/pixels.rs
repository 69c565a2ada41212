//! A rectangle of pixels in memory, to draw on.

/// A pixel: nothing, red, green and blue, from the highest byte to the lowest.
pub type Pixel = u32;

/// A part of so few pixels keeps its exact shape.
const NARROW: usize = 16;

/// The black pixel.
pub const BLACK: Pixel = 0;

/// Pixels to draw on, row by row, without anything between the rows.
#[derive(Debug)]
pub struct Pixels<'a> {
    width: usize,
    height: usize,
    pixels: &'a mut [Pixel],
}

/// A part of a picture: the place of its first pixel, and its size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rect {
    pub x: usize,
    pub y: usize,
    pub width: usize,
    pub height: usize,
}

impl<'a> Pixels<'a> {
    /// Draws on `pixels`; `None` where there are more or fewer than `width` by `height`.
    pub fn new(width: usize, height: usize, pixels: &'a mut [Pixel]) -> Option<Self> {
        let whole = width.checked_mul(height) == Some(pixels.len());
        whole.then_some(Self {
            width,
            height,
            pixels,
        })
    }

    /// Pixels from left to right.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Pixels from top to bottom.
    pub fn height(&self) -> usize {
        self.height
    }

    /// All of it.
    pub fn whole(&self) -> Rect {
        Rect {
            x: 0,
            y: 0,
            width: self.width,
            height: self.height,
        }
    }

    /// All pixels, row by row.
    pub fn all(&mut self) -> &mut [Pixel] {
        self.pixels
    }

    /// The rows of a part, from top to bottom. What of the part lies outside is left out.
    pub fn rows(&mut self, part: Rect) -> impl Iterator<Item = &mut [Pixel]> {
        let right = part.x.saturating_add(part.width).min(self.width);
        let left = part.x.min(right);
        self.pixels
            .chunks_exact_mut(self.width.max(1))
            .skip(part.y)
            .take(part.height)
            .map(move |row| &mut row[left..right])
    }

    /// Gives all pixels of a part one colour.
    pub fn fill(&mut self, part: Rect, colour: Pixel) {
        for row in self.rows(part) {
            row.fill(colour);
        }
    }

    /// Gives all pixels outside of a part one colour.
    pub fn fill_around(&mut self, part: Rect, colour: Pixel) {
        let Rect {
            x,
            y,
            width,
            height,
        } = part;
        let whole = self.whole();
        let below = y.saturating_add(height);
        let right = x.saturating_add(width);
        for around in [
            Rect { height: y, ..whole },
            Rect { y: below, ..whole },
            Rect {
                y,
                width: x,
                height,
                ..whole
            },
            Rect {
                x: right,
                y,
                height,
                ..whole
            },
        ] {
            self.fill(around, colour);
        }
    }

    /// Gives the outermost pixels of a part one colour.
    pub fn outline(&mut self, part: Rect, colour: Pixel) {
        if part.is_empty() {
            return;
        }
        let (right, below) = (part.x + part.width - 1, part.y + part.height - 1);
        for line in [
            Rect { height: 1, ..part },
            Rect {
                y: below,
                height: 1,
                ..part
            },
            Rect { width: 1, ..part },
            Rect {
                x: right,
                width: 1,
                ..part
            },
        ] {
            self.fill(line, colour);
        }
    }

    /// Mixes `colour` into one pixel: 0 leaves it, 255 replaces it.
    pub fn mix(&mut self, x: usize, y: usize, colour: Pixel, strength: u8) {
        if x < self.width
            && let Some(pixel) = self.pixels.get_mut(y * self.width + x)
        {
            *pixel = mixed(*pixel, colour, strength);
        }
    }

    /// Mixes `colour` into all pixels of a part.
    pub fn shade(&mut self, part: Rect, colour: Pixel, strength: u8) {
        for row in self.rows(part) {
            for pixel in row {
                *pixel = mixed(*pixel, colour, strength);
            }
        }
    }

    /// Makes a part darker and less colourful. Enough of it stays to be recognised, and white letters
    /// are brighter than any of it.
    pub fn dim(&mut self, part: Rect) {
        for row in self.rows(part) {
            for pixel in row {
                *pixel = dimmed(*pixel);
            }
        }
    }

    /// Swaps left and right in a part.
    pub fn mirror(&mut self, part: Rect) {
        for row in self.rows(part) {
            row.reverse();
        }
    }
}

impl Rect {
    /// The largest part of this one, in its middle, whose width and height are as those of `shape`. A
    /// border of one pixel is left out: it is seen, and that the shape is not exact is not.
    pub fn fit(self, shape: (u32, u32)) -> Self {
        let (across, down) = (u64::from(shape.0.max(1)), u64::from(shape.1.max(1)));
        let (width, height) = (self.width as u64, self.height as u64);
        let rounded = |product: u64, divisor: u64| (product + divisor / 2) / divisor;
        let (width, height) = if width.saturating_mul(down) <= height.saturating_mul(across) {
            (width, rounded(width * down, across).min(height))
        } else {
            (rounded(height * across, down).min(width), height)
        };
        // Neither is more than before, so both fit.
        let nearly = |part: u64, whole: usize| match whole - part as usize {
            1 if whole > NARROW => whole,
            _ => part as usize,
        };
        let (width, height) = (nearly(width, self.width), nearly(height, self.height));
        Self {
            x: self.x + (self.width - width) / 2,
            y: self.y + (self.height - height) / 2,
            width,
            height,
        }
    }

    /// This part without a margin on each side; empty where there is no more.
    pub fn inset(self, margin: usize) -> Self {
        Self {
            x: self.x + margin.min(self.width / 2),
            y: self.y + margin.min(self.height / 2),
            width: self.width.saturating_sub(2 * margin),
            height: self.height.saturating_sub(2 * margin),
        }
    }

    /// This part with a pixel more on each side; none where it has none.
    pub fn outset(self) -> Self {
        if self.is_empty() {
            return self;
        }
        let (left, above) = (self.x.min(1), self.y.min(1));
        Self {
            x: self.x - left,
            y: self.y - above,
            width: self.width + left + 1,
            height: self.height + above + 1,
        }
    }

    /// Whether it has no pixel.
    pub fn is_empty(self) -> bool {
        self.width == 0 || self.height == 0
    }
}

/// Two channels are worked out at once: each has 16 bits of the number.
fn mixed(below: Pixel, above: Pixel, strength: u8) -> Pixel {
    let strength = u32::from(strength) + u32::from(strength >> 7);
    let mix = |shift: u32| {
        let (below, above) = (below >> shift & 0xff_00ff, above >> shift & 0xff_00ff);
        (below * (256 - strength) + above * strength) >> 8 & 0xff_00ff
    };
    (mix(8) & 0xff) << 8 | mix(0)
}

fn dimmed(pixel: Pixel) -> Pixel {
    let channel = |shift: u32| pixel >> shift & 0xff;
    let (red, green, blue) = (channel(16), channel(8), channel(0));
    // The weights of the eye, in 256.
    let grey = (77 * red + 150 * green + 29 * blue) >> 8;
    // 0.45 of the brightness, of which 0.6 is grey.
    let dim = |level: u32| (level * 46 + grey * 69) >> 8;
    dim(red) << 16 | dim(green) << 8 | dim(blue)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rect(x: usize, y: usize, width: usize, height: usize) -> Rect {
        Rect {
            x,
            y,
            width,
            height,
        }
    }

    #[test]
    fn pixels_are_as_many_as_their_size_says() {
        assert!(Pixels::new(3, 2, &mut [0; 6]).is_some());
        assert!(Pixels::new(3, 2, &mut [0; 5]).is_none());
        assert!(Pixels::new(usize::MAX, 2, &mut [0; 4]).is_none());
        assert!(Pixels::new(0, 0, &mut []).is_some());
    }

    #[test]
    fn a_shape_is_fitted_into_the_middle() {
        for (whole, shape, fitted) in [
            (rect(0, 0, 640, 480), (320, 240), rect(0, 0, 640, 480)),
            (rect(0, 0, 640, 240), (320, 240), rect(160, 0, 320, 240)),
            (rect(0, 0, 320, 600), (320, 240), rect(0, 180, 320, 240)),
            (rect(0, 0, 900, 450), (320, 240), rect(150, 0, 600, 450)),
            (rect(7, 9, 100, 100), (2, 1), rect(7, 34, 100, 50)),
            (rect(0, 0, 10, 10), (u32::MAX, 1), rect(0, 5, 10, 0)),
            (rect(0, 0, 62, 46), (4, 3), rect(0, 0, 62, 46)),
            (rect(0, 0, 640, 361), (16, 9), rect(0, 0, 640, 361)),
            (rect(0, 0, 640, 362), (16, 9), rect(0, 1, 640, 360)),
            (rect(0, 0, 0, 10), (4, 3), rect(0, 5, 0, 0)),
            (rect(0, 0, 10, 10), (0, 0), rect(0, 0, 10, 10)),
        ] {
            assert_eq!(whole.fit(shape), fitted, "{shape:?} in {whole:?}");
        }
    }

    #[test]
    fn parts_outside_are_left_out() {
        let mut pixels = [1; 12];
        let mut target = Pixels::new(4, 3, &mut pixels).unwrap();
        target.fill(rect(2, 1, 9, 9), 5);
        target.fill(rect(9, 9, 1, 1), 7);
        target.mix(4, 0, 9, 255);
        target.mix(0, 3, 9, 255);
        assert_eq!(pixels, [1, 1, 1, 1, 1, 1, 5, 5, 1, 1, 5, 5]);
        let mut target = Pixels::new(4, 3, &mut pixels).unwrap();
        target.fill_around(rect(1, 1, 2, 1), 0);
        assert_eq!(pixels, [0, 0, 0, 0, 0, 1, 5, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn an_outline_is_one_pixel_wide() {
        let mut pixels = [1; 12];
        let mut target = Pixels::new(4, 3, &mut pixels).unwrap();
        target.outline(rect(0, 0, 3, 3), 5);
        assert_eq!(pixels, [5, 5, 5, 1, 5, 1, 5, 1, 5, 5, 5, 1]);
        let mut target = Pixels::new(4, 3, &mut pixels).unwrap();
        target.outline(rect(1, 1, 0, 3), 7);
        target.outline(rect(2, 1, 1, 1).outset(), 8);
        assert_eq!(pixels, [5, 8, 8, 8, 5, 8, 5, 8, 5, 8, 8, 8]);
        assert_eq!(rect(0, 0, 2, 2).outset(), rect(0, 0, 3, 3));
        assert_eq!(rect(3, 3, 0, 2).outset(), rect(3, 3, 0, 2));
    }

    #[test]
    fn mixing_goes_from_nothing_to_all() {
        for (strength, mixed_to) in [(0, 0x10_20_30), (128, 0x88_90_98), (255, 0xff_ff_ff)] {
            assert_eq!(
                mixed(0x10_20_30, 0xff_ff_ff, strength),
                mixed_to,
                "{strength}"
            );
        }
    }

    #[test]
    fn a_dimmed_pixel_is_dark_and_keeps_some_colour() {
        assert_eq!(dimmed(0), 0);
        let white = dimmed(0xff_ff_ff);
        assert!((100..130).contains(&(white & 0xff)), "{white:x}");
        let red = dimmed(0xff_00_00);
        assert!(red >> 16 > (red & 0xff) + 20, "{red:x}");
    }

    #[test]
    fn a_mirrored_part_has_left_and_right_swapped() {
        let mut pixels = [1, 2, 3, 4, 5, 6];
        Pixels::new(3, 2, &mut pixels)
            .unwrap()
            .mirror(rect(1, 0, 2, 2));
        assert_eq!(pixels, [1, 3, 2, 4, 6, 5]);
    }
}
