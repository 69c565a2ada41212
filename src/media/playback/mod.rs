//! The receiving end: frames into a decoder, and which of them reached the sink.

pub(crate) mod appsrc;
pub(crate) mod bus;
#[cfg(not(fuzzing))]
pub(crate) mod coded_size;
#[cfg(fuzzing)]
pub mod coded_size;
pub(crate) mod decoder_monitor;
pub(crate) mod encoded_time;
pub mod events;
pub mod frame_check;
pub(crate) mod frame_counter;
pub mod frame_memory;
pub(crate) mod frame_tracker;
pub(crate) mod keyframe_gate;
pub(crate) mod pipeline;
pub mod placeholders;
pub mod player;
pub(crate) mod player_thread;
pub mod published;
pub(crate) mod published_codec;
pub(crate) mod sample;
pub(crate) mod transcode;
