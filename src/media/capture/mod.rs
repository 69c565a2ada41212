//! The sending end: the source pipeline, its camera and encoder, and how it comes back after a
//! failure.

pub(crate) mod age;
pub(crate) mod appsink;
pub mod camera;
#[cfg(test)]
#[path = "codec_bench_tests.rs"]
pub(crate) mod codec_bench;
pub mod encoder;
pub(crate) mod pipeline;
pub(crate) mod recovery;
pub(crate) mod replace;
pub(crate) mod screen;
pub mod source;
pub(crate) mod source_thread;
