//! What a player is asked for, and what it tells its owner.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use crate::failure::Failure;
use crate::media::display::stage::Place;
use crate::media::frame_sink::FrameSink;
use crate::media::pipeline::file::PipelineFile;
use crate::media::pipeline::placeholders::Values;

use super::encoded_time::CapturedAt;
use super::frame_tracker::OnShown;
use super::published::Published;

/// An event of a player.
#[derive(Debug)]
pub enum PlayerEvent {
    /// The person pressed q in the player's own window or closed it.
    Quit,
    /// As many frames as were asked for have been shown.
    Enough,
    /// The decoder cannot go on before the next key frame. At most a few times a second.
    NeedKey,
    /// The pipeline has an encoder of its own, which makes so many kbit/s. Said where it publishes.
    Encodes(u32),
    /// The pipeline came to its end by itself.
    Ended,
    /// The pipeline could not be built, or failed.
    Failed(Failure),
    /// The pipeline of [`super::player::Player::replace`] is in use. Its place, for a person.
    Replaced(String),
    /// The pipeline of [`super::player::Player::replace`] does not work. The old one goes on.
    Kept(Failure),
}

/// How to show frames.
#[derive(Clone)]
pub struct PlayerOptions {
    /// The receiving pipeline.
    pub file: PipelineFile,
    /// Values for its placeholders.
    pub values: Values,
    /// The title of the player's own window.
    pub title: String,
    /// The place of the frames on a stage that the player shares with others, whose owner hears of
    /// keys and of a lost display. `None` for a window or terminal of the player's own.
    pub place: Option<Place>,
    /// The number of frames after which the player says [`PlayerEvent::Enough`].
    pub enough: Option<u64>,
    /// Counts the frames that are shown.
    pub shown: Arc<AtomicU64>,
    /// Called for each of those with its header, when it reaches the sink, or when it enters the
    /// pipeline where the sink gets no frames. It runs on GStreamer's threads and must not block.
    pub seen: Option<OnShown>,
    /// Receives the frames that reach an `appsink name=taken`.
    pub taken: Option<Arc<dyn FrameSink>>,
    /// Counts what an engine was given, where the pipeline publishes the frames. They are then counted
    /// here alone, and `seen` is called for each of them.
    pub published: Option<Arc<Published>>,
    /// Tells the time of capture of a frame that is published: it is written into the frames of the
    /// pipeline's own encoder.
    pub captured: Option<CapturedAt>,
    /// [`super::player::Player::replace`] may be called. The player then keeps the newest key
    /// frame, with which another pipeline is tried.
    pub replaceable: bool,
}

impl PlayerOptions {
    /// Shows all frames, without an end.
    pub fn new(file: PipelineFile) -> Self {
        Self {
            file,
            values: Values::default(),
            title: String::new(),
            place: None,
            enough: None,
            shown: Arc::default(),
            seen: None,
            taken: None,
            published: None,
            captured: None,
            replaceable: false,
        }
    }
}
