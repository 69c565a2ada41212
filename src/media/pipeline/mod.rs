//! Pipeline files: finding, reading, filling and building them. Nothing here runs a pipeline.

pub(crate) mod alternatives;
pub mod build;
pub mod codecs;
pub mod decoders;
pub mod file;
pub mod placeholders;
pub(crate) mod property_check;
pub mod template;
