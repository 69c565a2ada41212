//! Draws a canvas in the way that shows most in this terminal: as images where it says that it
//! shows them, and as coloured blocks elsewhere.

use std::time::Instant;

use crate::console::{Abilities, AlternateScreen, Area, Ending, no_colour};
use crate::pixels::{BLACK, Pixel, Pixels, Rect};

use super::super::canvas::Canvas;
use super::super::canvas::painter::{Caption, Painter, Texts};
use super::half_blocks::{self, Blocks, Depth, HOLD, SHOW};
use super::kitty::{self, Colours, Kitty};
use super::labels::{Label, Place};
use super::pace::Pace;
use super::palette::Palette;
use super::sixel::{self, Sixel};

/// The most pixels of an image.
const MOST_PIXELS: usize = 1920 * 1080;

/// Frames of fewer pixels get this many all the same, for the texts on them.
const FEWEST_PIXELS: usize = 320 * 240;

/// How few colours a sixel image may have.
const FEWEST_COLOURS: u32 = 16;

/// Has nothing of what was there be seen.
const CLEAR: &[u8] = b"\x1b[0m\x1b[2J";

/// Draws on the terminal.
pub struct Drawing {
    screen: AlternateScreen,
    painter: Painter,
    pace: Pace,
    kind: Kind,
    method: Method,
    area: Option<Area>,
    pixels: Vec<Pixel>,
    out: Vec<u8>,
}

/// A way to draw, as far as the terminal decides it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Kitty { is_grey: bool },
    Sixel { colours: u32, is_grey: bool },
    Blocks(Depth),
}

enum Method {
    Kitty(Box<Kitty>),
    Sixel(Box<Sixel>),
    Blocks(Blocks),
}

impl Kind {
    /// The way for a terminal that says this of itself. An image needs the size of a cell.
    fn of(abilities: &Abilities, area: &Area, is_grey: bool) -> Self {
        let colours = abilities.sixel_colours.unwrap_or(256).min(256);
        if abilities.kitty && area.cell.is_some() {
            Self::Kitty { is_grey }
        } else if abilities.sixel && area.cell.is_some() && colours >= FEWEST_COLOURS {
            Self::Sixel { colours, is_grey }
        } else if is_grey {
            let is_light = abilities.is_light;
            Self::Blocks(Depth::Shades { is_light })
        } else if abilities.true_colour {
            Self::Blocks(Depth::Full)
        } else {
            Self::Blocks(Depth::Colours256)
        }
    }

    fn method(self) -> Method {
        match self {
            Self::Kitty { .. } => Method::Kitty(Box::default()),
            Self::Sixel { colours, is_grey } => match Palette::of(colours, is_grey) {
                Some(palette) => Method::Sixel(Box::new(Sixel::new(palette))),
                None => Method::Blocks(Blocks::new(Depth::Colours256)),
            },
            Self::Blocks(depth) => Method::Blocks(Blocks::new(depth)),
        }
    }
}

impl Method {
    fn ending(&self) -> Ending {
        match self {
            Self::Kitty(_) => kitty::ENDING,
            Self::Sixel(_) => sixel::ENDING,
            Self::Blocks(_) => Ending::NONE,
        }
    }
}

impl Drawing {
    /// Draws on this screen.
    pub fn on(screen: AlternateScreen) -> Self {
        let kind = Kind::Blocks(Depth::Full);
        Self {
            screen,
            painter: Painter::new(),
            pace: Pace::new(),
            kind,
            method: kind.method(),
            area: None,
            pixels: Vec::new(),
            out: Vec::new(),
        }
    }

    /// When the next picture is due at the latest; `None` where the terminal waits for it.
    pub fn turn(&self) -> Option<Instant> {
        self.screen.turn(self.pace.window())
    }

    /// Draws what is on the canvas. `anew` says that nothing is known of what is there.
    pub fn draw(&mut self, canvas: &Canvas, anew: bool) {
        let abilities = self.screen.abilities();
        let area = self.screen.area();
        if let Some(taken) = self.screen.taken() {
            self.pace.taken(taken);
        }
        self.out.clear();
        let kind = Kind::of(&abilities, &area, no_colour());
        if kind != self.kind || self.area != Some(area) || anew {
            let ending = self.method.ending().clear;
            self.out.extend_from_slice(ending.as_bytes());
            self.out.extend_from_slice(CLEAR);
            self.area = Some(area);
            if let Method::Blocks(blocks) = &mut self.method {
                blocks.forget();
            }
        }
        if kind != self.kind {
            tracing::debug!("terminal: {kind:?} in {area:?}");
            self.kind = kind;
            self.method = kind.method();
        }
        let load = match kind {
            Kind::Kitty { is_grey } => self.draw_kitty(canvas, area, is_grey),
            Kind::Sixel { .. } => self.draw_sixel(canvas, area, abilities.sixel_area),
            Kind::Blocks(_) => self.draw_blocks(canvas, area),
        };
        self.screen.draw(&self.out, load, self.method.ending());
    }

    /// Draws an image of as many pixels as there is time for. The terminal makes it as large as the
    /// area. Returns its load.
    fn draw_kitty(&mut self, canvas: &Canvas, area: Area, is_grey: bool) -> u32 {
        let seen = of_cells(area);
        let most = needed(canvas, seen).min(MOST_PIXELS);
        let plan = self.pace.plan(most, !is_grey);
        let colours = match (is_grey, plan.has_all_colours) {
            (true, _) => Colours::Greys,
            (false, true) => Colours::Full,
            (false, false) => Colours::Few,
        };
        let size = shrunk(seen, plan.pixels);
        self.paint(canvas, size, Texts::Drawn);
        if let Method::Kitty(kitty) = &mut self.method {
            let cells = (area.columns, area.rows);
            kitty.draw(&mut self.out, &self.pixels, size.0, colours, cells);
        }
        plan.load
    }

    /// Draws an image of as many pixels as there is time for, each as large as it has to be. Returns
    /// its load.
    fn draw_sixel(&mut self, canvas: &Canvas, area: Area, limit: Option<(u32, u32)>) -> u32 {
        let seen = of_sixel(area, limit);
        let plan = self.pace.plan(seen.0 * seen.1, false);
        let fits = |times: &usize| (seen.0 / times) * (seen.1 / times) <= plan.pixels;
        let times = sixel::TIMES.into_iter().find(fits);
        let times = times.unwrap_or(sixel::TIMES[sixel::TIMES.len() - 1]);
        let size = (seen.0 / times, seen.1 / times);
        self.paint(canvas, size, Texts::Drawn);
        let (row, column) = middle(area, (size.0 * times, size.1 * times));
        self.out.extend_from_slice(HOLD);
        let place = format!("\x1b[{row};{column}H");
        self.out.extend_from_slice(place.as_bytes());
        if let Method::Sixel(sixel) = &mut self.method {
            sixel.draw(&mut self.out, &self.pixels, size.0, times);
        }
        self.out.extend_from_slice(SHOW);
        plan.load
    }

    /// Draws coloured blocks, and texts in the terminal's own letters. They are so few that their
    /// load does not count.
    fn draw_blocks(&mut self, canvas: &Canvas, area: Area) -> u32 {
        let (columns, rows) = (area.columns, area.rows);
        let (width, height) = match canvas.shape() {
            Some((width, height)) => {
                let aspect = f64::from(width) / f64::from(height.max(1));
                half_blocks::fit(aspect, columns, rows)
            }
            None => (columns.into(), u32::from(rows) * 2),
        };
        // Both are as small as a terminal.
        let size = (width as usize, height as usize);
        let captions = self.paint(canvas, size, Texts::Left);
        let image = half_blocks::Image {
            width: size.0,
            height: size.1,
            pixels: &self.pixels,
        };
        if let Method::Blocks(blocks) = &mut self.method {
            let whole = Rect {
                x: 0,
                y: 0,
                width: size.0,
                height: size.1,
            };
            let (text, labels) = texts(captions, whole);
            let bytes = blocks.draw(&image, text.as_deref(), &labels, columns, rows);
            self.out.extend_from_slice(bytes);
        }
        0
    }

    /// Paints the canvas in this size.
    fn paint(
        &mut self,
        canvas: &Canvas,
        (width, height): (usize, usize),
        texts: Texts,
    ) -> Vec<Caption> {
        self.pixels.resize(width * height, BLACK);
        match Pixels::new(width, height, &mut self.pixels) {
            Some(mut target) => self.painter.paint(canvas, &mut target, 0, texts),
            None => Vec::new(),
        }
    }
}

/// Width and height of the area in pixels.
fn of_cells(area: Area) -> (usize, usize) {
    let (width, height) = area.cell.unwrap_or((1, 2));
    (
        usize::from(area.columns) * usize::from(width),
        usize::from(area.rows) * usize::from(height),
    )
}

/// The largest sixel image in the area, which larger pixels fill as well. It ends with a band, so that
/// no terminal moves the screen up to make room for the rest of one.
fn of_sixel(area: Area, limit: Option<(u32, u32)>) -> (usize, usize) {
    let (width, height) = of_cells(area);
    let (most_width, most_height) = limit.unwrap_or((u32::MAX, u32::MAX));
    let width = width.min(most_width as usize);
    let height = height.min(most_height as usize);
    let (width, height) = shrunk((width, height), MOST_PIXELS);
    let whole = |pixels: usize| pixels / sixel::BAND * sixel::BAND;
    (whole(width), whole(height))
}

/// The largest size of this shape with at most so many pixels.
fn shrunk((width, height): (usize, usize), most: usize) -> (usize, usize) {
    let all = width * height;
    if all <= most {
        return (width, height);
    }
    let part = (most as f64 / all as f64).sqrt();
    let shrink = |side: usize| ((side as f64 * part) as usize).max(1);
    (shrink(width), shrink(height))
}

/// How many pixels of this size show all that the frames have. The terminal makes them larger.
fn needed(canvas: &Canvas, (width, height): (usize, usize)) -> usize {
    let all = width * height;
    let Some(shape) = canvas.shape() else {
        return all;
    };
    let whole = Rect {
        x: 0,
        y: 0,
        width,
        height,
    };
    let part = whole.fit(shape);
    let frame = (shape.0 as usize).saturating_mul(shape.1 as usize);
    let frame = frame.max(FEWEST_PIXELS);
    let shown = (part.width * part.height).max(1);
    if frame >= shown {
        return all;
    }
    (all as f64 * frame as f64 / shown as f64) as usize
}

/// The first row and column of an image of this size in the middle of the area, from 1.
fn middle(area: Area, (width, height): (usize, usize)) -> (usize, usize) {
    let (cell_width, cell_height) = area.cell.unwrap_or((1, 2));
    let first = |cells: u16, pixels: usize, cell: u16| {
        let used = pixels.div_ceil(usize::from(cell.max(1)));
        usize::from(cells).saturating_sub(used) / 2 + 1
    };
    (
        first(area.rows, height, cell_height),
        first(area.columns, width, cell_width),
    )
}

/// The one text for the middle of the terminal: help, else news, else the reason why the frames that
/// fill the image stand still. All other texts are labels, which stay on their part of the image.
fn texts(captions: Vec<Caption>, whole: Rect) -> (Option<String>, Vec<Label>) {
    let (mut text, mut labels) = (None, Vec::new());
    let label = |text, part, place| Label { text, part, place };
    for caption in captions {
        match caption {
            Caption::Frozen(reason, part) if fills(part, whole) => text = Some(reason),
            Caption::Frozen(reason, part) => labels.push(label(reason, part, Place::Middle)),
            Caption::Name(name, part) => labels.push(label(name, part, Place::Below)),
            Caption::Banner(banner) => labels.push(label(banner, whole, Place::Above)),
            Caption::Notice(news) => text = Some(news),
            Caption::Help(keys) => text = Some(table(&keys)),
        }
    }
    (text, labels)
}

/// Whether a part is nearly all of an image.
fn fills(part: Rect, whole: Rect) -> bool {
    4 * part.width > 3 * whole.width && 4 * part.height > 3 * whole.height
}

/// Keys and meanings as lines of one length, so that each column stays one where they are centred.
fn table(keys: &[(String, String)]) -> String {
    let widest = |texts: &mut dyn Iterator<Item = &String>| {
        texts.map(|text| text.chars().count()).max().unwrap_or(0)
    };
    let key = widest(&mut keys.iter().map(|(key, _)| key));
    let meaning = widest(&mut keys.iter().map(|(_, meaning)| meaning));
    let lines = keys
        .iter()
        .map(|(is, means)| format!("{is:key$}  {means:meaning$}"));
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const AREA: Area = Area {
        columns: 80,
        rows: 23,
        cell: Some((8, 16)),
    };

    #[test]
    fn the_terminal_decides_how_it_is_drawn_on() {
        let silent = Abilities::NONE;
        let full = Abilities {
            true_colour: true,
            ..silent
        };
        let sixel = Abilities {
            sixel: true,
            ..full
        };
        let kitty = Abilities {
            kitty: true,
            ..sixel
        };
        let no_cell = Area { cell: None, ..AREA };
        let few = Abilities {
            sixel_colours: Some(4),
            ..sixel
        };
        for (abilities, area, is_grey, kind) in [
            (silent, AREA, false, Kind::Blocks(Depth::Colours256)),
            (
                silent,
                AREA,
                true,
                Kind::Blocks(Depth::Shades { is_light: false }),
            ),
            (full, AREA, false, Kind::Blocks(Depth::Full)),
            (
                sixel,
                AREA,
                false,
                Kind::Sixel {
                    colours: 256,
                    is_grey: false,
                },
            ),
            (sixel, no_cell, false, Kind::Blocks(Depth::Full)),
            (few, AREA, false, Kind::Blocks(Depth::Full)),
            (kitty, AREA, true, Kind::Kitty { is_grey: true }),
            (kitty, no_cell, false, Kind::Blocks(Depth::Full)),
        ] {
            assert_eq!(Kind::of(&abilities, &area, is_grey), kind, "{abilities:?}");
        }
    }

    #[test]
    fn a_sixel_image_ends_with_a_band_within_its_limits() {
        assert_eq!(of_sixel(AREA, None), (636, 366));
        assert_eq!(of_sixel(AREA, Some((600, 100))), (600, 96));
        let large = Area {
            columns: 500,
            rows: 200,
            ..AREA
        };
        let (width, height) = of_sixel(large, None);
        assert!(width * height <= MOST_PIXELS, "{width} {height}");
        for times in sixel::TIMES {
            assert_eq!((width % times, height % times), (0, 0), "{times}");
        }
    }

    #[test]
    fn the_texts_of_several_seats_are_each_on_their_own() {
        let rect = |x, y, width, height| Rect {
            x,
            y,
            width,
            height,
        };
        let (whole, small) = (rect(0, 0, 60, 44), rect(46, 34, 12, 9));
        let captions = vec![
            Caption::Frozen("reconnecting".into(), rect(0, 1, 60, 43)),
            Caption::Name("anna".into(), whole),
            Caption::Frozen("camera off".into(), small),
            Caption::Banner("ben is calling".into()),
        ];
        let label = |text: &str, part, place| Label {
            text: text.into(),
            part,
            place,
        };
        let labels = vec![
            label("anna", whole, Place::Below),
            label("camera off", small, Place::Middle),
            label("ben is calling", whole, Place::Above),
        ];
        let text = Some("reconnecting".to_owned());
        assert_eq!(texts(captions, whole), (text, labels));
        let help = vec![
            Caption::Notice("saved".into()),
            Caption::Help(vec![("q".into(), "quit".into())]),
        ];
        assert_eq!(texts(help, whole), (Some("q  quit".into()), Vec::new()));
    }

    #[test]
    fn an_image_is_in_the_middle() {
        assert_eq!(middle(AREA, (640, 368)), (1, 1));
        assert_eq!(middle(AREA, (600, 96)), (9, 3));
        assert_eq!(middle(AREA, (9000, 9000)), (1, 1));
    }
}
