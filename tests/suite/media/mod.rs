//! Sources, codecs and pipeline files at work.

pub mod capture_time;
pub mod codecs;
pub mod containers;
pub mod end_to_end;
pub mod frame_identity;
pub mod recording;
pub mod replace;
pub mod slow_decoder;
#[cfg(unix)]
pub mod slow_pipeline;
pub mod source_files;
pub mod source_loss;
pub mod sources;
pub mod watch;
