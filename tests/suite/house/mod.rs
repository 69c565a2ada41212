//! The rules of the source and the documents.

pub mod docs;
pub mod imports;
pub mod layers;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub mod libraries;
pub mod reliability;
pub mod source;
