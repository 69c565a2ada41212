//! The picture in a terminal as pixels again, read from what tmux says is there.

use crate::support::test_card::BARS;

type Rgb = [u8; 3];

/// The coloured pixels of a terminal, two above each other in each cell; `None` where it has its
/// own colour.
pub struct Pixels {
    rows: Vec<Vec<[Option<Rgb>; 2]>>,
}

impl Pixels {
    /// Reads what `tmux capture-pane -e` prints.
    pub fn read(text: &str) -> Self {
        let (mut foreground, mut background) = (None, None);
        let mut rows = Vec::new();
        for line in text.lines() {
            let mut row = Vec::new();
            let mut rest = line.chars();
            while let Some(character) = rest.next() {
                if character != '\x1b' {
                    let half = character == '▀';
                    row.push([if half { foreground } else { background }, background]);
                    continue;
                }
                let style: String = rest.by_ref().take_while(|c| *c != 'm').collect();
                restyle(
                    style.trim_start_matches('['),
                    &mut foreground,
                    &mut background,
                );
            }
            rows.push(row);
        }
        Self { rows }
    }

    /// The first and last column and the first and last row that have colours.
    pub fn extent(&self) -> Option<[usize; 4]> {
        let mut found: Option<[usize; 4]> = None;
        for (y, row) in self.rows.iter().enumerate() {
            for (x, _) in row.iter().enumerate().filter(|(_, cell)| cell[0].is_some()) {
                let [left, right, top, bottom] = found.unwrap_or([x, x, y, y]);
                found = Some([left.min(x), right.max(x), top.min(y), bottom.max(y)]);
            }
        }
        found
    }

    /// The colour of the upper half of a cell; `None` where the terminal has its own.
    pub fn cell(&self, x: usize, y: usize) -> Option<Rgb> {
        self.rows.get(y)?.get(x)?[0]
    }

    /// The colours of a row of cells, each once where it is beside itself.
    pub fn across(&self, y: usize) -> Vec<Rgb> {
        let row = self.rows.get(y).map_or(&[][..], |row| row);
        let mut colours: Vec<Rgb> = row.iter().filter_map(|cell| cell[0]).collect();
        colours.dedup_by(|a, b| is_near(*a, *b));
        colours
    }

    /// Whether the bars of the test picture fill these columns and rows, and nothing else.
    pub fn are_bars_in(&self, extent: [usize; 4]) -> bool {
        let row = extent[2] + 1;
        // Between two bars a pixel or two have something of both. The second may be near enough to its
        // neighbour to be taken for it, and yet not to the bar.
        let cells = self.rows.get(row).into_iter().flatten();
        let mut seen = cells.filter_map(|cell| cell[0]);
        self.extent() == Some(extent)
            && self.across(row).len() < 3 * BARS.len()
            && BARS
                .iter()
                .all(|bar| seen.any(|colour| is_near(colour, *bar)))
    }
}

/// Follows the numbers of one sequence that sets colours.
fn restyle(style: &str, foreground: &mut Option<Rgb>, background: &mut Option<Rgb>) {
    let mut numbers = style.split(';').map(|number| number.parse().unwrap_or(0));
    while let Some(number) = numbers.next() {
        match number {
            0 => (*foreground, *background) = (None, None),
            39 => *foreground = None,
            49 => *background = None,
            38 | 48 => {
                assert_eq!(numbers.next(), Some(2), "24-bit colour, not {style:?}");
                let mut channel = || numbers.next().expect("a colour has three channels");
                let colour = Some([channel(), channel(), channel()]);
                *(if number == 38 {
                    &mut *foreground
                } else {
                    &mut *background
                }) = colour;
            }
            _ => {}
        }
    }
}

/// Whether two colours differ by no more than what rounding and saving bytes cost.
pub fn is_near(a: Rgb, b: Rgb) -> bool {
    a.iter().zip(b).all(|(a, b)| a.abs_diff(b) <= 12)
}
