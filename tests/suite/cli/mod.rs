//! What is typed and what is printed.

pub mod errors;
pub mod flags;
pub mod help;
pub mod missing_plugins;
pub mod pipeline_errors;
pub mod programs;
pub mod signals;
pub mod statistics;
