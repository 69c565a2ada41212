//! Pipeline files: finding, reading, filling and building them. Nothing here runs a pipeline.

pub mod alternatives;
pub mod build;
pub mod catalog;
pub mod codec_list;
pub mod compose;
pub mod decoders;
pub mod encoder_defaults;
mod encoder_input;
pub mod ends;
pub mod engine_failure;
pub mod explanation;
pub mod file;
pub(crate) mod gst_launch;
pub mod jpeg_range;
pub(crate) mod notation;
pub mod placeholders;
pub(crate) mod property_check;
pub(crate) mod quoting;
pub mod template;
pub(crate) mod text;
pub(crate) mod text_encoding;
