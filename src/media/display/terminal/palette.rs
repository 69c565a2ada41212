//! Fixed palettes: the same few colours in every image, mixed from neighbouring pixels.
//!
//! The colours of one image do not depend on the others, so what stands still does not flicker. A
//! palette made for each image would be better by a little, but takes many times as long
//! (docs/decisions/0041-a-terminal-is-asked-what-it-shows.md).

use crate::pixels::Pixel;

/// So much is added to the pixels of each square of eight by eight before they are rounded: every
/// number up to 63 once, near ones far from each other.
const THRESHOLDS: [[u8; 8]; 8] = [
    [0, 32, 8, 40, 2, 34, 10, 42],
    [48, 16, 56, 24, 50, 18, 58, 26],
    [12, 44, 4, 36, 14, 46, 6, 38],
    [60, 28, 52, 20, 62, 30, 54, 22],
    [3, 35, 11, 43, 1, 33, 9, 41],
    [51, 19, 59, 27, 49, 17, 57, 25],
    [15, 47, 7, 39, 13, 45, 5, 37],
    [63, 31, 55, 23, 61, 29, 53, 21],
];

/// How far from a level of the palette another one is mixed, in 255 parts of a step.
const MARGIN: u32 = 14;

/// How many thresholds there are.
const STEPS: u32 = 64;

/// Every mixture of a few levels of red, green and blue; or of grey.
pub struct Palette {
    /// How many levels red, green and blue have.
    levels: [u32; 3],
    /// Red, green and blue are the same.
    is_grey: bool,
    /// What a channel adds to the number of a colour, by threshold, channel and level.
    parts: Vec<[[u8; 256]; 3]>,
}

impl Palette {
    /// The finest palette of at most so many colours; `None` where they are too few.
    pub fn of(most: u32, is_grey: bool) -> Option<Self> {
        if is_grey {
            // With 52 greys each is a whole number.
            return (most >= 4).then(|| Self::with([most.min(52), 1, 1], true));
        }
        // The eye sees green best.
        [
            [6, 7, 6],
            [5, 5, 5],
            [4, 4, 4],
            [3, 3, 3],
            [2, 4, 2],
            [2, 2, 2],
        ]
        .into_iter()
        .find(|levels| levels.iter().product::<u32>() <= most)
        .map(|levels| Self::with(levels, false))
    }

    fn with(levels: [u32; 3], is_grey: bool) -> Self {
        let places = [levels[1] * levels[2], levels[2], 1];
        let part = |threshold: u32, channel: usize, level: u32| {
            let highest = levels[channel] - 1;
            // A little less than a step: a level that the palette has is not mixed, even where a
            // decoder was a little off.
            let added = MARGIN + threshold * (255 - 2 * MARGIN) / (STEPS - 1);
            let step = (level * highest + added) / 255;
            // There are at most 256 colours.
            (step.min(highest) * places[channel]) as u8
        };
        let parts = (0..STEPS)
            .map(|threshold| {
                std::array::from_fn(|channel| {
                    std::array::from_fn(|level| part(threshold, channel, level as u32))
                })
            })
            .collect();
        Self {
            levels,
            is_grey,
            parts,
        }
    }

    /// Whether all colours are grey.
    pub fn is_grey(&self) -> bool {
        self.is_grey
    }

    /// Red, green and blue of each colour, 0 to `most`.
    pub fn colours(&self, most: u32) -> impl Iterator<Item = [u32; 3]> {
        let [reds, greens, blues] = self.levels;
        let level = move |step: u32, steps: u32| match steps {
            0 | 1 => 0,
            steps => (step * most + (steps - 1) / 2) / (steps - 1),
        };
        let is_grey = self.is_grey;
        (0..reds * greens * blues).map(move |number| {
            let red = level(number / (greens * blues), reds);
            if is_grey {
                return [red; 3];
            }
            let green = level(number / blues % greens, greens);
            [red, green, level(number % blues, blues)]
        })
    }

    /// Puts the numbers of the colours of an image of this width into `numbers`: of colours that are
    /// mixed, or of the nearest ones, which take fewer bytes.
    pub fn reduce(&self, pixels: &[Pixel], width: usize, mixes: bool, numbers: &mut Vec<u8>) {
        numbers.clear();
        for (row, line) in pixels.chunks(width.max(1)).enumerate() {
            let thresholds = if mixes {
                &THRESHOLDS[row % 8]
            } else {
                &[(STEPS / 2) as u8; 8]
            };
            numbers.extend(line.iter().enumerate().map(|(column, &pixel)| {
                let parts = &self.parts[usize::from(thresholds[column % 8])];
                if self.is_grey {
                    return parts[0][usize::from(grey(pixel))];
                }
                let [_, red, green, blue] = pixel.to_be_bytes();
                let part = |channel: usize, level: u8| parts[channel][usize::from(level)];
                part(0, red) + part(1, green) + part(2, blue)
            }));
        }
    }
}

/// The brightness of a pixel, by the weights of the eye.
pub fn grey(pixel: Pixel) -> u8 {
    let [_, red, green, blue] = pixel.to_be_bytes().map(u32::from);
    // The weights are 256 together.
    ((77 * red + 150 * green + 29 * blue) >> 8) as u8
}

/// The number of the colour that is nearest to this one among those that terminals of 256 colours
/// share: a cube of colours and a row of greys. The sixteen before them differ from one terminal to
/// another.
pub fn xterm(rgb: [u8; 3]) -> u8 {
    const CUBE: [u8; 6] = [0, 95, 135, 175, 215, 255];
    let step = |level: u8| {
        let near = |step: &usize| CUBE[*step].abs_diff(level);
        (0..CUBE.len()).min_by_key(near).unwrap_or_default()
    };
    let [red, green, blue] = rgb.map(step);
    let sum: u32 = rgb.iter().copied().map(u32::from).sum();
    // Greys are 8, 18 … 238.
    let grey = ((sum / 3).saturating_sub(3) / 10).min(23);
    let level = (8 + 10 * grey) as u8;
    let distance = |other: [u8; 3]| -> u32 {
        let channels = rgb.iter().zip(other);
        channels.map(|(a, b)| u32::from(a.abs_diff(b)).pow(2)).sum()
    };
    if distance([level; 3]) < distance([CUBE[red], CUBE[green], CUBE[blue]]) {
        232 + grey as u8
    } else {
        (16 + 36 * red + 6 * green + blue) as u8
    }
}

/// Red, green and blue of a colour that [`xterm`] has returned.
pub fn xterm_rgb(number: u8) -> [u8; 3] {
    match number.checked_sub(232) {
        Some(grey) => [8 + 10 * grey; 3],
        None => {
            let number = number.saturating_sub(16);
            let level = |step: u8| if step == 0 { 0 } else { 55 + 40 * step };
            [number / 36, number / 6 % 6, number % 6].map(level)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reduced(palette: &Palette, pixels: &[Pixel], width: usize) -> Vec<[u32; 3]> {
        let colours: Vec<_> = palette.colours(255).collect();
        let mut numbers = Vec::new();
        palette.reduce(pixels, width, true, &mut numbers);
        let colour = |number: &u8| colours[usize::from(*number)];
        numbers.iter().map(colour).collect()
    }

    #[test]
    fn a_palette_has_no_more_colours_than_it_may() {
        for (most, colours) in [
            (1024, 252),
            (256, 252),
            (251, 125),
            (64, 64),
            (63, 27),
            (16, 16),
            (15, 8),
        ] {
            let palette = Palette::of(most, false).unwrap();
            assert_eq!(palette.colours(255).count(), colours, "{most}");
        }
        assert!(Palette::of(7, false).is_none());
        assert_eq!(Palette::of(256, true).unwrap().colours(100).count(), 52);
    }

    #[test]
    fn colours_that_it_has_are_not_mixed() {
        for (most, is_grey) in [(256, false), (16, false), (256, true)] {
            let palette = Palette::of(most, is_grey).unwrap();
            for [red, green, blue] in palette.colours(255) {
                let pixel = red << 16 | green << 8 | blue;
                let all = reduced(&palette, &[pixel; 64], 8);
                assert_eq!(all, [[red, green, blue]; 64], "{most} {is_grey}");
            }
        }
    }

    #[test]
    fn colours_that_it_has_not_are_mixed_to_the_same_brightness() {
        let palette = Palette::of(256, false).unwrap();
        for level in [10, 77, 128, 200, 250] {
            let all = reduced(&palette, &[level << 16 | level << 8 | level; 64], 8);
            for channel in 0..3 {
                let sum: u32 = all.iter().map(|colour| colour[channel]).sum();
                assert!((sum / 64).abs_diff(level) <= 3, "{level} {channel} {sum}");
            }
        }
    }

    #[test]
    fn the_nearest_colour_is_one_colour() {
        let palette = Palette::of(256, false).unwrap();
        let mut numbers = Vec::new();
        palette.reduce(&[0x20_20_20; 64], 8, false, &mut numbers);
        let colours: Vec<_> = palette.colours(255).collect();
        let seen = numbers.iter().map(|number| colours[usize::from(*number)]);
        assert!(seen.eq([[51, 43, 51]; 64]));
    }

    #[test]
    fn the_nearest_of_256_colours_is_found() {
        for (rgb, number) in [
            ([0, 0, 0], 16),
            ([255, 255, 255], 231),
            ([255, 0, 0], 196),
            ([95, 135, 175], 67),
            ([100, 100, 100], 241),
            ([238, 238, 238], 255),
        ] {
            assert_eq!(xterm(rgb), number, "{rgb:?}");
        }
        for number in 16..=255 {
            let rgb = xterm_rgb(number);
            assert_eq!(xterm_rgb(xterm(rgb)), rgb, "{number}");
        }
    }
}
