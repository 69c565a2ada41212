//! Pipeline files: finding, reading, filling and building them. Nothing here runs a pipeline.

pub mod alternatives;
pub mod build;
pub mod catalog;
pub mod compose;
pub mod decoders;
pub mod encoder_defaults;
mod encoder_input;
pub mod file;
pub mod jpeg_range;
pub mod placeholders;
pub(crate) mod property_check;
pub mod template;
pub(crate) mod text;
