//! The options of a receiver, made from the flags of `vidchat recv`.

use super::connector::SenderPlace;
use crate::commands::file_watch::FileWatch;
use crate::commands::stats_writer::StatsWriter;
use crate::media::{PipelineFile, Values};
use crate::net::receiver::ReceiveOptions;

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
    /// Where statistics go.
    pub stats: Option<StatsWriter>,
    /// Watches the pipeline file: the window changes over to it when it is saved.
    pub watch: Option<FileWatch>,
}
