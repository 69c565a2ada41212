//! The rules of the source and the documents.

pub mod docs;
pub mod imports;
pub mod layers;
pub mod reliability;
pub mod source;
