//! The rules of the source and the documents.

pub mod docs;
pub mod layers;
