//! The receiving end: frames into a decoder, and which of them reached the sink.

pub(crate) mod appsrc;
pub(crate) mod buffer_pool;
pub(crate) mod bus;
pub(crate) mod frame_counter;
pub(crate) mod frame_tracker;
pub(crate) mod keyframe_gate;
pub(crate) mod pipeline;
pub mod placeholders;
pub mod player;
pub(crate) mod replace;
