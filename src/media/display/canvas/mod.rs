//! The canvas: several streams of frames become one picture, for a window or a terminal.
//!
//! Each stream has a seat, which holds its newest frame, so no stream ever waits for another. The
//! picture is drawn when the leading stream has a new frame; in a grid, when any has. What is on
//! top of the frames is drawn here as well: the freeze frame's text, names, help.
//!
//! A display asks for the picture when it can show one. Each frame is converted straight into the
//! display's own memory, in the size in which it is shown.

mod layout;
pub(crate) mod painter;
pub(super) mod scaler;
mod typesetter;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use gst::prelude::*;
use gstreamer as gst;
use gstreamer_app as gst_app;
use gstreamer_video as gst_video;
use parking_lot::Mutex;

pub use layout::Layout;

/// A stream that leads and has brought no frame for this long leads no more: the others have the
/// picture drawn meanwhile.
const LEADS_FOR: Duration = Duration::from_millis(100);

/// How long a piece of news is shown.
const NOTICE_TIME: Duration = Duration::from_secs(2);

/// The most characters of a text.
const TEXT_LIMIT: usize = 200;

/// Tells a display that the picture has changed; false where the display is gone.
type OnChange = Box<dyn Fn() -> bool + Send + Sync>;

/// A picture made of the newest frames of several streams.
#[derive(Clone, Default)]
pub struct Canvas(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// The displays that show the picture.
    changed: Mutex<Vec<OnChange>>,
}

#[derive(Default)]
struct State {
    /// The leading one first.
    seats: Vec<SeatState>,
    layout: Layout,
    /// Keys and their meanings, while they are shown.
    help: Vec<(String, String)>,
    /// News for the person, and when it has been shown for long enough.
    notice: Option<(String, Instant)>,
    /// A text at the upper edge that stays.
    banner: Option<String>,
    /// The number of the next seat.
    next: u64,
}

#[derive(Clone)]
struct SeatState {
    id: u64,
    /// The width and height of the frames in square pixels, while none has come.
    shape: (u32, u32),
    newest: Option<Newest>,
    frozen: Option<String>,
    name: String,
    is_mirrored: bool,
    is_hidden: bool,
    /// Nothing but the text is shown until a live frame comes.
    is_blank: bool,
    /// New seats come before it.
    stays_last: bool,
}

/// The newest frame of a stream.
#[derive(Clone)]
struct Newest {
    sample: gst::Sample,
    came: Instant,
    /// Its width and height in square pixels, where its caps tell them.
    shape: Option<(u32, u32)>,
}

/// The place of one stream on a canvas. Dropping it gives the place up.
pub struct Seat {
    shared: Arc<Shared>,
    id: u64,
    live: Arc<AtomicBool>,
}

impl Canvas {
    /// A seat behind those that there are, and before those that stay last.
    pub fn seat(&self) -> Seat {
        let mut state = self.0.state.lock();
        let id = state.next;
        state.next += 1;
        let seat = SeatState {
            id,
            shape: (4, 3),
            newest: None,
            frozen: None,
            name: String::new(),
            is_mirrored: false,
            is_hidden: false,
            is_blank: false,
            stays_last: false,
        };
        let last = state.seats.iter().position(|seat| seat.stays_last);
        let place = last.unwrap_or(state.seats.len());
        state.seats.insert(place, seat);
        Seat {
            shared: Arc::clone(&self.0),
            id,
            live: Arc::default(),
        }
    }

    /// The arrangement of the seats.
    pub fn layout(&self) -> Layout {
        self.0.state.lock().layout
    }

    /// Arranges the seats in this way from here on.
    pub fn arrange(&self, layout: Layout) {
        self.0.change(|state| state.layout = layout);
    }

    /// Shows keys and their meanings on the picture; none hides them.
    pub fn show_help(&self, help: Vec<(String, String)>) {
        self.0.change(|state| state.help = help);
    }

    /// Whether keys and their meanings are shown.
    pub fn shows_help(&self) -> bool {
        !self.0.state.lock().help.is_empty()
    }

    /// Shows a piece of news for a moment.
    pub fn notify(&self, text: &str) {
        let until = Instant::now() + NOTICE_TIME;
        self.0
            .change(|state| state.notice = Some((text.to_owned(), until)));
    }

    /// Shows a text at the upper edge until there is another one or none.
    pub fn set_banner(&self, text: Option<&str>) {
        let banner = text.map(visible).filter(|text| !text.is_empty());
        self.0.change(|state| state.banner = banner);
    }

    /// The width and height of the picture as it is best seen; `None` where any will do.
    pub fn shape(&self) -> Option<(u32, u32)> {
        let state = self.0.state.lock();
        let leading = state.shown().next()?;
        (state.layout == Layout::Leading).then(|| leading.shape())
    }

    /// The width and height of the newest frame of the leading stream, where they are known and
    /// there is one that leads.
    pub fn natural(&self) -> Option<(u32, u32)> {
        let state = self.0.state.lock();
        let leading = (state.layout == Layout::Leading).then(|| state.shown().next());
        leading??.newest.as_ref()?.shape
    }

    /// Calls `changed` with `display` when the picture has changed, for as long as there is that
    /// display. It is called on any thread and must not block.
    pub fn on_change<T: Send + Sync + 'static>(
        &self,
        display: &Arc<T>,
        changed: impl Fn(&T) + Send + Sync + 'static,
    ) {
        let display = Arc::downgrade(display);
        self.0.changed.lock().push(Box::new(move || {
            let display = display.upgrade();
            display.map(|display| changed(&display)).is_some()
        }));
    }

    /// Whether the leading stream is frozen; in a grid, whether all are.
    pub fn is_frozen(&self) -> bool {
        let state = self.0.state.lock();
        let count = match state.layout {
            Layout::Leading => 1,
            Layout::Grid => usize::MAX,
        };
        let mut leading = state.shown().take(count).peekable();
        leading.peek().is_some() && leading.all(|seat| seat.frozen.is_some() && !seat.is_blank)
    }

    /// The newest frame of the leading stream, as it came.
    pub fn newest(&self) -> Option<gst::Sample> {
        let state = self.0.state.lock();
        let newest = state.shown().next()?.newest.as_ref()?;
        Some(newest.sample.clone())
    }
}

impl State {
    /// The seats that are shown, the leading one first.
    fn shown(&self) -> impl Iterator<Item = &SeatState> {
        self.seats.iter().filter(|seat| !seat.is_hidden)
    }
}

impl Seat {
    /// Set this with every frame from the network. Frames that came before the text do not end the
    /// freeze frame, however late they leave a decoder.
    pub fn live(&self) -> &Arc<AtomicBool> {
        &self.live
    }

    /// Shows the frames that reach `sink` from here on.
    pub fn take_from(&self, sink: &gst_app::AppSink) {
        sink.set_property("sync", false);
        sink.set_max_buffers(1);
        sink.set_drop(true);
        allow_any_layout(sink);
        let show = self.shower();
        sink.set_callbacks(
            gst_app::AppSinkCallbacks::builder()
                .new_sample(move |sink| {
                    let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                    show(sample);
                    Ok(gst::FlowSuccess::Ok)
                })
                .build(),
        );
    }

    /// Shows a frame.
    pub fn show(&self, sample: gst::Sample) {
        let is_live = self.live.load(Relaxed);
        self.shared.show(self.id, sample, is_live);
    }

    /// A function that shows frames on this seat.
    fn shower(&self) -> impl Fn(gst::Sample) + Send + Sync + 'static {
        let (shared, id, live) = (Arc::clone(&self.shared), self.id, Arc::clone(&self.live));
        move |sample| shared.show(id, sample, live.load(Relaxed))
    }

    /// Frames have the shape of this many square pixels.
    pub fn set_shape(&self, shape: (u32, u32)) {
        self.change(|seat| seat.shape = shape);
    }

    /// Shows the last frame darker and with this text, until a live frame comes.
    pub fn freeze(&self, text: &str) {
        self.live.store(false, Relaxed);
        self.change(|seat| seat.frozen = Some(visible(text)));
    }

    /// Forgets the last frame and shows this text alone, until a live frame comes. Nothing that was
    /// seen stays to be seen.
    pub fn blank(&self, text: &str) {
        self.live.store(false, Relaxed);
        self.change(|seat| {
            seat.shape = seat.shape();
            seat.newest = None;
            seat.is_blank = true;
            seat.frozen = Some(visible(text));
        });
    }

    /// A hidden seat takes no room: the others are arranged as if it were not there.
    pub fn set_hidden(&self, is_hidden: bool) {
        self.change(|seat| seat.is_hidden = is_hidden);
    }

    /// Goes behind the other seats, and stays behind those that come later.
    pub fn stay_last(&self) {
        self.shared.change(|state| {
            if let Some(place) = state.seats.iter().position(|seat| seat.id == self.id) {
                let mut seat = state.seats.remove(place);
                seat.stays_last = true;
                state.seats.push(seat);
            }
        });
    }

    /// Whether it is the leading one of a canvas that has one.
    pub fn leads(&self) -> bool {
        let state = self.shared.state.lock();
        let leading = state.shown().next();
        state.layout == Layout::Leading && leading.is_some_and(|seat| seat.id == self.id)
    }

    /// Whether there are other seats.
    pub fn has_company(&self) -> bool {
        self.shared.state.lock().seats.len() > 1
    }

    /// The name on the frame; an empty one for none.
    pub fn set_name(&self, name: &str) {
        let name = name.chars().filter(|c| !c.is_control());
        let name = name.take(TEXT_LIMIT).collect();
        self.change(|seat| seat.name = name);
    }

    /// Whether left and right are swapped, as in a mirror.
    pub fn set_mirrored(&self, is_mirrored: bool) {
        self.change(|seat| seat.is_mirrored = is_mirrored);
    }

    fn change(&self, change: impl FnOnce(&mut SeatState)) {
        self.shared.change(|state| {
            if let Some(seat) = state.seats.iter_mut().find(|seat| seat.id == self.id) {
                change(seat);
            }
        });
    }
}

impl SeatState {
    /// The width and height of its frames in square pixels.
    fn shape(&self) -> (u32, u32) {
        let newest = self.newest.as_ref();
        newest.and_then(|newest| newest.shape).unwrap_or(self.shape)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.shared
            .change(|state| state.seats.retain(|seat| seat.id != self.id));
    }
}

impl Shared {
    /// Puts a frame onto a seat.
    fn show(&self, id: u64, sample: gst::Sample, is_live: bool) {
        let mut state = self.state.lock();
        let now = Instant::now();
        let waits = |newest: &Option<Newest>| {
            let newest = newest.as_ref();
            newest.is_none_or(|newest| now - newest.came > LEADS_FOR)
        };
        let leader = state.shown().next();
        let leads = state.layout == Layout::Grid
            || leader.is_some_and(|leader| leader.id == id || waits(&leader.newest));
        let Some(seat) = state.seats.iter_mut().find(|seat| seat.id == id) else {
            return;
        };
        if seat.is_blank && !is_live {
            // It was on its way when the seat was blanked.
            return;
        }
        let shape = match &seat.newest {
            Some(before) if before.sample.caps() == sample.caps() => before.shape,
            _ => shape_of(&sample),
        };
        seat.newest = Some(Newest {
            sample,
            came: now,
            shape,
        });
        if is_live {
            seat.frozen = None;
            seat.is_blank = false;
        }
        let is_hidden = seat.is_hidden;
        drop(state);
        if leads && !is_hidden {
            self.tell();
        }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock());
        self.tell();
    }

    fn tell(&self) {
        self.changed.lock().retain(|changed| changed());
    }
}

/// A text as it may be drawn, whoever it is from.
fn visible(text: &str) -> String {
    let visible = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    visible.take(TEXT_LIMIT).collect()
}

/// Width and height of a frame in square pixels.
fn shape_of(sample: &gst::Sample) -> Option<(u32, u32)> {
    let info = gst_video::VideoInfo::from_caps(sample.caps()?).ok()?;
    let (width, height) = (u64::from(info.width()), u64::from(info.height()));
    let (across, down) = match (info.par().numer(), info.par().denom()) {
        (across @ 1.., down @ 1..) => (across.unsigned_abs(), down.unsigned_abs()),
        _ => (1, 1),
    };
    let (mut width, mut height) = (width * u64::from(across), height * u64::from(down));
    while width.max(height) > u64::from(u32::MAX) {
        (width, height) = (width / 2, height / 2);
    }
    Some((width as u32, height as u32))
}

/// Has decoders leave their frames as they are in memory, with gaps between rows for example. They
/// copy each frame for a sink that does not say that it knows how to read them.
fn allow_any_layout(sink: &gst_app::AppSink) {
    let Some(pad) = sink.static_pad("sink") else {
        return;
    };
    pad.add_probe(gst::PadProbeType::QUERY_DOWNSTREAM, |_, info| {
        if let Some(query) = info.query_mut()
            && let gst::QueryViewMut::Allocation(allocation) = query.view_mut()
        {
            allocation.add_allocation_meta::<gst_video::VideoMeta>(None);
            return gst::PadProbeReturn::Handled;
        }
        gst::PadProbeReturn::Ok
    });
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
