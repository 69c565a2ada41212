//! What is typed and what is printed.

pub mod errors;
pub mod flags;
pub mod help;
pub mod job_control;
pub mod keys;
pub mod missing_plugins;
pub mod output;
pub mod pasted_files;
pub mod pipeline_errors;
pub mod programs;
pub mod signals;
pub mod statistics;
#[cfg(target_os = "linux")]
pub mod system_limits;
pub mod usage;
