//! Draws a canvas on pixels.

use std::collections::HashMap;
use std::time::Instant;

use anyhow::Result;
use gstreamer as gst;

use super::scaler::Scaler;
use super::typesetter::{Lines, Style, Typesetter};
use super::{Canvas, Layout, SeatState};
use crate::pixels::{BLACK, Pixel, Pixels, Rect};

const WHITE: Pixel = 0xff_ff_ff;

/// A seat without a frame, and its border. Both can be told from the black around.
const FIELD: Pixel = 0x1c_20_24;
const BORDER: Pixel = 0x44_4a_50;

/// How black it is behind a text, of 255.
const SHADE: u8 = 110;
const HELP_SHADE: u8 = 190;

/// Who writes the texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Texts {
    /// The painter, letter by letter.
    Drawn,
    /// The display, which has letters of its own.
    Left,
}

/// A text that is left to the display.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caption {
    /// The reason why frames stand still, for the middle of this part.
    Frozen(String, Rect),
    /// A name, for the lower edge of this part.
    Name(String, Rect),
    /// A text that stays, for the upper edge of the picture.
    Banner(String),
    /// A piece of news, for the upper edge of the picture, below the banner.
    Notice(String),
    /// Keys with their meanings, for the middle of the picture.
    Help(Vec<(String, String)>),
}

/// Draws canvases, and keeps what it needs for the next time.
pub struct Painter {
    typesetter: Typesetter,
    scalers: HashMap<u64, Scaler>,
    arrangement: Arrangement,
    /// How many pictures have had this arrangement.
    since: u32,
}

/// The content of a canvas at one moment.
struct Shown {
    seats: Vec<SeatState>,
    layout: Layout,
    help: Vec<(String, String)>,
    banner: Option<String>,
    notice: Option<String>,
}

/// What decides which pixels of a picture are drawn on.
#[derive(Default, PartialEq, Eq)]
struct Arrangement {
    size: (usize, usize),
    parts: Vec<Rect>,
    /// Texts are on it that may be larger than the seats.
    is_covered: bool,
}

impl Default for Painter {
    fn default() -> Self {
        Self::new()
    }
}

impl Painter {
    /// One that has drawn nothing yet.
    pub fn new() -> Self {
        Self {
            typesetter: Typesetter::new(),
            scalers: HashMap::new(),
            arrangement: Arrangement::default(),
            since: 0,
        }
    }

    /// Draws the picture. `pixels` hold the picture that was drawn `age` pictures ago; 0 says that
    /// nothing is known of them. Returns the texts that are left to the display.
    pub fn paint(
        &mut self,
        canvas: &Canvas,
        pixels: &mut Pixels<'_>,
        age: u32,
        texts: Texts,
    ) -> Vec<Caption> {
        let Shown {
            seats,
            layout,
            help,
            banner,
            notice,
        } = Shown::on(canvas);
        let rooms = layout.rooms(pixels.whole(), seats.len());
        let parts = seats.iter().zip(rooms).enumerate();
        let parts: Vec<_> = parts
            .map(|(place, (seat, room))| layout.part(place, room, seat.shape()))
            .collect();
        let is_covered = !help.is_empty() || banner.is_some() || notice.is_some();
        self.clear(pixels, age, &parts, is_covered);
        self.scalers
            .retain(|id, _| seats.iter().any(|seat| seat.id == *id));
        let mut captions = Vec::new();
        let is_alone = seats.len() == 1;
        for (place, (seat, part)) in seats.iter().zip(parts).enumerate() {
            if layout.is_small(place) {
                pixels.outline(part.outset(), BLACK);
            }
            self.paint_seat(seat, pixels, part, is_alone);
            if layout == Layout::Grid && seat.newest.is_none() {
                pixels.outline(part, BORDER);
            }
            if let Some(text) = seat.frozen.clone().filter(|text| !text.is_empty()) {
                captions.push(Caption::Frozen(text, part));
            }
            if !seat.name.is_empty() {
                captions.push(Caption::Name(seat.name.clone(), part));
            }
        }
        captions.extend(banner.map(Caption::Banner));
        captions.extend(notice.map(Caption::Notice));
        if !help.is_empty() {
            captions.push(Caption::Help(help));
        }
        if texts == Texts::Left {
            return captions;
        }
        let mut below = pixels.whole();
        for caption in captions {
            match caption {
                Caption::Frozen(text, part) => self.write_reason(&text, pixels, part),
                Caption::Name(name, part) => self.write_name(&name, pixels, part),
                Caption::Banner(text) => {
                    let banner = self.write_above(&text, banner_letters(below), pixels, below);
                    below.y += banner.height;
                    below.height -= banner.height;
                }
                Caption::Notice(text) => {
                    self.write_above(&text, small_letters(below), pixels, below);
                }
                Caption::Help(help) => self.write_help(&help, pixels),
            }
        }
        Vec::new()
    }

    /// Makes the pixels black that no seat is drawn on, where something else may be there.
    fn clear(&mut self, pixels: &mut Pixels<'_>, age: u32, parts: &[Rect], is_covered: bool) {
        let arrangement = Arrangement {
            size: (pixels.width(), pixels.height()),
            parts: parts.to_vec(),
            is_covered,
        };
        if self.arrangement != arrangement {
            self.arrangement = arrangement;
            self.since = 0;
        }
        if age == 0 || age > self.since || is_covered {
            match parts {
                [part] => pixels.fill_around(*part, BLACK),
                _ => pixels.fill(pixels.whole(), BLACK),
            }
        }
        self.since = self.since.saturating_add(1);
    }

    fn paint_seat(
        &mut self,
        seat: &SeatState,
        pixels: &mut Pixels<'_>,
        part: Rect,
        is_alone: bool,
    ) {
        let Some(newest) = &seat.newest else {
            let is_plain = is_alone && !seat.is_blank;
            return pixels.fill(part, if is_plain { BLACK } else { FIELD });
        };
        let scaler = self.scalers.entry(seat.id).or_default();
        let drawn = draw(scaler, &newest.sample, pixels, part);
        if let Err(e) = drawn {
            tracing::debug!("canvas: {e:#}");
            pixels.fill(part, BLACK);
        }
        if seat.is_mirrored {
            pixels.mirror(part);
        }
        if seat.frozen.is_some() {
            pixels.dim(part);
        }
    }

    /// Writes in the middle of a part: about thirty letters fit across.
    fn write_reason(&mut self, text: &str, pixels: &mut Pixels<'_>, part: Rect) {
        let size = (part.height / 13).min(part.width / 19).max(9);
        self.write(text, size, pixels, part, |part, (width, height)| Rect {
            x: part.x + (part.width - width) / 2,
            y: part.y + (part.height - height) / 2,
            width,
            height,
        });
    }

    /// Writes at the left of a part's lower edge.
    fn write_name(&mut self, name: &str, pixels: &mut Pixels<'_>, part: Rect) {
        self.write(
            name,
            small_letters(part),
            pixels,
            part,
            |part, (width, height)| Rect {
                x: part.x,
                y: part.y + part.height - height,
                width,
                height,
            },
        );
    }

    /// Writes in the middle of the upper edge of a part. Returns where.
    fn write_above(
        &mut self,
        text: &str,
        size: usize,
        pixels: &mut Pixels<'_>,
        part: Rect,
    ) -> Rect {
        self.write(text, size, pixels, part, |part, (width, height)| Rect {
            x: part.x + (part.width - width) / 2,
            y: part.y,
            width,
            height,
        })
    }

    /// Writes at the place that `put` gives a shaded box of this size within the part. Returns the
    /// place.
    fn write(
        &mut self,
        text: &str,
        size: usize,
        pixels: &mut Pixels<'_>,
        part: Rect,
        put: impl FnOnce(Rect, (usize, usize)) -> Rect,
    ) -> Rect {
        let margin = size / 3;
        let style = Style {
            size: size as u32,
            width: part.width.saturating_sub(2 * margin),
            lines: Lines::Centred,
        };
        let lettering = self.typesetter.set(text, style);
        let width = (lettering.width + 2 * margin).min(part.width);
        let height = (lettering.height + margin).min(part.height);
        let place = put(part, (width, height));
        pixels.shade(place, BLACK, SHADE);
        let corner = (place.x + margin, place.y + margin / 2);
        lettering.draw(pixels, corner, place, WHITE);
        place
    }

    /// Writes keys and their meanings in the middle, in two columns.
    fn write_help(&mut self, help: &[(String, String)], pixels: &mut Pixels<'_>) {
        let whole = pixels.whole();
        let rows = help.len().max(1);
        let size = (whole.height / (2 * rows + 2))
            .min(whole.width / 22)
            .clamp(8, 28);
        let style = Style {
            size: size as u32,
            width: whole.width,
            lines: Lines::Left,
        };
        let mut column = |texts: Vec<&str>| self.typesetter.set(&texts.join("\n"), style);
        let keys = column(help.iter().map(|(key, _)| &**key).collect());
        let meanings = column(help.iter().map(|(_, meaning)| &**meaning).collect());
        let width = keys.width + meanings.width + 4 * size;
        let height = keys.height.max(meanings.height) + 2 * size;
        let place = Rect {
            x: whole.width.saturating_sub(width) / 2,
            y: whole.height.saturating_sub(height) / 2,
            width,
            height,
        };
        pixels.shade(place, BLACK, HELP_SHADE);
        keys.draw(pixels, (place.x + size, place.y + size), place, WHITE);
        let beside = place.x + keys.width + 3 * size;
        meanings.draw(pixels, (beside, place.y + size), place, WHITE);
    }
}

impl Shown {
    fn on(canvas: &Canvas) -> Self {
        let state = canvas.0.state.lock();
        let notice = state.notice.as_ref();
        let notice = notice.filter(|(_, until)| Instant::now() < *until);
        Self {
            seats: state.shown().cloned().collect(),
            layout: state.layout,
            help: state.help.clone(),
            banner: state.banner.clone(),
            notice: notice.map(|(text, _)| text.clone()),
        }
    }
}

/// The size of letters that are read at once: about thirty-five fit across.
fn banner_letters(part: Rect) -> usize {
    (part.height / 15).min(part.width / 22).clamp(9, 32)
}

/// The size of letters that leave most of a part free.
fn small_letters(part: Rect) -> usize {
    (part.height / 20).min(part.width / 24).clamp(9, 24)
}

fn draw(
    scaler: &mut Scaler,
    sample: &gst::Sample,
    pixels: &mut Pixels<'_>,
    part: Rect,
) -> Result<()> {
    match (sample.buffer(), sample.caps()) {
        (Some(frame), Some(caps)) => scaler.draw(frame, caps, pixels, part),
        _ => Ok(()),
    }
}
