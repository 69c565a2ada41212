//! The options of a receiver, made from the flags of `vidchat recv`.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;

use super::connector::SenderPlace;
use crate::commands::file_watch::FileWatch;
use crate::commands::stats_writer::StatsWriter;
use crate::media::display::stage::Place;
use crate::media::{PipelineFile, Values};
use crate::net::Hub;
use crate::net::receiver::ReceiveOptions;
use crate::wire::Participants;

/// The options of a receiver.
pub struct RecvOptions {
    /// Where the sender is.
    pub place: SenderPlace,
    /// The pipeline that shows the frames.
    pub file: PipelineFile,
    /// Values for its placeholders.
    pub values: Values,
    /// The options of each connection.
    pub play: ReceiveOptions,
    /// The number of frames after which to end.
    pub frames: Option<u64>,
    /// Connect again when the connection is lost.
    pub reconnect: bool,
    /// How long to try that; `None` for ever.
    pub give_up: Option<Duration>,
    /// Show the state of the stream on the status line.
    pub has_status_line: bool,
    /// The place of the frames, where others are shown beside them. `None` for a display of their
    /// own.
    pub seat: Option<Place>,
    /// Where the parties of the sender's room go.
    pub participants: Option<UnboundedSender<Participants>>,
    /// The frames are passed on to this hub too, with the times of this machine's clock.
    pub forward: Option<Arc<Hub>>,
    /// Where statistics go.
    pub stats: Option<StatsWriter>,
    /// Watches the pipeline file: the window changes over to it when it is saved.
    pub watch: Option<FileWatch>,
}
