//! The receiving end: frames into a pipeline that shows them, always the newest.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use gst::prelude::*;
use gstreamer as gst;
use tokio::sync::mpsc::UnboundedSender;

use crate::failure::{Failure, Outcome};
use crate::frame::FrameHeader;
use crate::wire::Caps;

use super::buffer_pool::BufferPool;
use super::frame_tracker::{FrameTracker, OnShown};
use super::pipeline::{Place, PlaybackPipeline};
use super::replace::Sample;
use crate::media::capture::source::Outlet;
use crate::media::display::freeze_frame::FreezeFrame;
use crate::media::display::terminal::Terminal;
use crate::media::display::window::{Window, WindowAction};
use crate::media::gst::caps;
use crate::media::gst::stop;
use crate::media::pipeline::file::PipelineFile;
use crate::media::pipeline::placeholders::Values;

/// What a player tells its owner.
#[derive(Debug)]
pub enum PlayerEvent {
    /// The person pressed q in the window or closed it.
    Quit,
    /// As many pictures as were asked for have been shown.
    Enough,
    /// What comes cannot be decoded before the next key frame. At most a few times a second.
    NeedKey,
    /// The pipeline came to its end by itself.
    Ended,
    /// The pipeline failed.
    Failed(Failure),
}

/// How to show frames.
#[derive(Clone)]
pub struct PlayerOptions {
    /// The receiving pipeline.
    pub file: PipelineFile,
    /// Values for its placeholders.
    pub values: Values,
    /// The window's title.
    pub title: String,
    /// After how many pictures to say [`PlayerEvent::Enough`].
    pub enough: Option<u64>,
    /// Counts the pictures that are shown.
    pub shown: Arc<AtomicU64>,
    /// Is told of each of those, with the header that it came in with, when it reaches the sink;
    /// when it comes in, where the sink gets no pictures. On threads of GStreamer: it must not
    /// block.
    pub seen: Option<OnShown>,
    /// Where pictures go that reach an `appsink name=taken`.
    pub taken: Option<Arc<dyn Outlet>>,
}

impl PlayerOptions {
    /// Shows what comes, without an end, and tells nobody of it.
    pub fn new(file: PipelineFile) -> Self {
        Self {
            file,
            values: Values::default(),
            title: String::new(),
            enough: None,
            shown: Arc::default(),
            seen: None,
            taken: None,
        }
    }
}

/// Memory for a picture on its way into the pipeline.
pub type Picture = gst::MappedBuffer<gst::buffer::Writable>;

/// A receiving pipeline. Dropping it stops the pipeline.
pub struct Player {
    /// Dropped first: its sink must not draw in a window that is gone.
    pub(super) stage: Option<PlaybackPipeline>,
    pub(super) window: Window,
    pub(super) options: PlayerOptions,
    pub(super) events: UnboundedSender<PlayerEvent>,
    pub(super) marks: Option<Arc<FrameTracker>>,
    pub(super) cover: FreezeFrame,
    /// What another pipeline is tried with, where that is wanted.
    pub(super) sample: Option<Sample>,
    /// The kind of decoder that was last told of.
    pub(super) decoder: Mutex<String>,
}

impl Player {
    /// A player that opens its pipeline when it knows the caps.
    pub fn new(options: PlayerOptions, events: UnboundedSender<PlayerEvent>) -> Self {
        let quit = events.clone();
        let cover = FreezeFrame::new();
        let redraw = cover.redrawer();
        let window = Window::new(&options.title, move |act| match act {
            WindowAction::Exposed => redraw(),
            WindowAction::Quit => {
                let _ = quit.send(PlayerEvent::Quit);
            }
            WindowAction::Lost(reason) => {
                let failure = Failure::lost("lost the display").cause(reason);
                let _ = quit.send(PlayerEvent::Failed(failure));
            }
        });
        Self {
            marks: options.seen.clone().map(FrameTracker::new),
            options,
            events,
            window,
            stage: None,
            cover,
            sample: None,
            decoder: Mutex::default(),
        }
    }

    /// Gets ready for frames of `form`. The pipeline goes on where it can take them.
    pub fn set_caps(&mut self, form: &Caps) -> Outcome {
        let gst_caps = caps::to_gst(form).map_err(|e| not_shown(form, &e))?;
        let text = self.options.values.fill_recv(&self.options.file, form)?;
        if self.stage.as_ref().is_none_or(|stage| stage.text != text) {
            // The terminal stays, as the window does, with what it shows.
            let terminal = self
                .stage
                .take()
                .and_then(|mut stage| stage.terminal.take());
            let stage = self.open(text, form, &gst_caps, Place::Kept(terminal))?;
            self.settle(stage, form);
        }
        if let Some(sample) = &mut self.sample {
            *sample = Sample::of(form);
        }
        self.fit(form, &gst_caps)
    }

    /// Has the pipeline take frames of `form`.
    pub(super) fn fit(&mut self, form: &Caps, gst_caps: &gst::Caps) -> Outcome {
        let Some(stage) = &mut self.stage else {
            return Ok(());
        };
        self.window.resize(form.display_size());
        if let Some(terminal) = &stage.terminal {
            terminal.set_aspect(form.display_size());
        }
        stage.feed.set_form(form, gst_caps);
        stage.pool = match form.is_raw() {
            true => Some(BufferPool::new(gst_caps).map_err(|e| not_shown(form, &e))?),
            false => None,
        };
        Ok(())
    }

    /// Room for a picture of `length` bytes; refused where the caps call for another length.
    pub fn buffer(&self, length: usize) -> Outcome<Picture> {
        let wrong = |cause: String| Failure::lost("cannot take the sender's picture").cause(cause);
        let pool = self.stage.as_ref().and_then(|stage| stage.pool.as_ref());
        let buffer = match pool {
            Some(pool) if pool.size != length => {
                let size = pool.size;
                return Err(wrong(format!(
                    "it has {length} bytes where its caps call for {size}"
                )));
            }
            Some(pool) => pool
                .buffers
                .acquire_buffer(None)
                .map_err(|e| wrong(e.to_string()))?,
            None => gst::Buffer::with_size(length).map_err(|e| wrong(e.to_string()))?,
        };
        buffer
            .into_mapped_buffer_writable()
            .map_err(|_| wrong("there is no memory for it".into()))
    }

    /// Shows a picture that was written to room from [`Player::buffer`].
    pub fn show(&self, header: &FrameHeader, picture: Picture) {
        self.push(header, picture.into_buffer());
    }

    /// Shows a picture that is shared with others.
    pub fn show_shared(&self, header: &FrameHeader, picture: Bytes) {
        self.push(header, gst::Buffer::from_slice(picture));
    }

    /// Shows the last picture darker and with `text` on it, at once: while nothing new comes it
    /// must not pass for a live one. Call it again for another text. The next live picture takes
    /// its place by itself. Without a window or a terminal there is nothing to cover.
    pub fn cover(&mut self, text: &str) {
        let text = self.cover.cover(text, &self.window);
        if let Some(terminal) = self.terminal() {
            terminal.cover(&text);
        }
    }

    /// Ends the stream and waits until the pipeline is through with what it has: the last picture
    /// is shown, and a file is whole.
    pub fn finish(&mut self) {
        if let Some(stage) = &self.stage
            && !self.window.is_lost()
        {
            // What was said before is no answer.
            while stage.ended.try_recv().is_ok() {}
            if stage.frames.end_of_stream().is_ok() {
                let _ = stage.ended.recv_timeout(stop::LIMIT);
            }
        }
        self.stage = None;
    }

    fn push(&self, header: &FrameHeader, mut buffer: gst::Buffer) {
        let Some(stage) = &self.stage else {
            return;
        };
        if self.window.is_lost() {
            return;
        }
        if let Some(buffer) = buffer.get_mut() {
            let mut flags = buffer.flags() - gst::BufferFlags::TAG_MEMORY;
            flags.set(gst::BufferFlags::DELTA_UNIT, !header.key);
            flags.set(gst::BufferFlags::DISCONT, header.discontinuity);
            buffer.set_flags(flags);
            if let Some(marks) = &self.marks {
                marks.mark(header, buffer);
            }
        }
        if let Some(sample) = &self.sample {
            sample.note(header, &buffer);
        }
        self.cover.live().store(true, Relaxed);
        stage.feed.push(header, buffer);
    }

    fn terminal(&self) -> Option<&Terminal> {
        self.stage.as_ref()?.terminal.as_ref()
    }

    /// Goes on with a pipeline that was opened for pictures of `form`.
    pub(super) fn settle(&mut self, stage: PlaybackPipeline, form: &Caps) {
        if stage.tried {
            self.cover.attach(&stage.pipeline, form.display_size());
        }
        self.count(&stage);
        self.stage = Some(stage);
        self.cover.resume(&self.window);
    }
}

pub(super) fn not_shown(form: &Caps, e: &anyhow::Error) -> Failure {
    Failure::lost(format!("cannot show {:?}", form.describe())).cause(format!("{e:#}"))
}
