//! The cause and the remedy of a pipeline's failure, in words for a person. It is a file of its own,
//! as several others find such words.

/// The cause and the remedy, in words for a person.
pub struct Explanation {
    /// The cause; `None` where the element has said it well.
    pub cause: Option<String>,
    pub hint: String,
}
