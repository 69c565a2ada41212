//! The cause and the remedy of a failure of a pipeline, in words for a person. It is a file of its own,
//! as several others find such words.

/// The beginning of the words for a pipeline that gave no frame in time.
pub const NO_FRAME: &str = "no frame came within";

/// The cause and the remedy, in words for a person.
pub struct Explanation {
    /// The cause; `None` where the element has said it well.
    pub cause: Option<String>,
    pub hint: String,
}
