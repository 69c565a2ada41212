//! The sending end: the capture pipeline, its camera and encoder, and its recovery after a failure.

pub(crate) mod age;
pub(crate) mod appsink;
pub(crate) mod backlog;
pub mod camera;
#[cfg(test)]
#[path = "codec_bench_tests.rs"]
pub(crate) mod codec_bench;
#[cfg(test)]
mod codec_input_tests;
pub(crate) mod decoded_time;
pub mod encoder;
pub mod events;
mod frame_ends;
pub(crate) mod frame_parser;
pub(crate) mod handover;
mod network_source;
mod no_video;
pub(crate) mod pipeline;
pub mod placeholders;
pub mod recording;
pub(crate) mod recovery;
mod rtp_marks;
pub mod screen;
pub mod source;
pub(crate) mod source_thread;
pub(crate) mod stall;
pub(crate) mod stream_headers;
pub(crate) mod stream_time;
