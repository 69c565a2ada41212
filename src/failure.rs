//! The error that a person sees when a command fails, and its exit status.
//!
//! The code that knows most about a failure makes a [`Failure`] of it, once. `main` prints it.

use std::fmt;
use std::io;
use std::path::Path;
use std::process::ExitCode;

/// The exit status of a command that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// The command could not start.
    Start = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// The video was lost while the command ran.
    Lost = 3,
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        ExitCode::from(status as u8)
    }
}

/// A failure in the words of the person who typed the command.
///
/// Prints as `error: <what>: <cause>`, a line for each thing found, and `hint: <hint>`.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The exit status.
    pub status: Status,
    what: String,
    cause: Option<String>,
    found: Vec<String>,
    hint: Option<String>,
    by_peer: bool,
}

/// The result of a command.
pub type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    /// A failure of `what`, with the person's own value in quotes.
    pub fn new(status: Status, what: impl Into<String>) -> Self {
        Self {
            status,
            what: what.into(),
            cause: None,
            found: Vec::new(),
            hint: None,
            by_peer: false,
        }
    }

    /// A failure to start.
    pub fn start(what: impl Into<String>) -> Self {
        Self::new(Status::Start, what)
    }

    /// A request that makes no sense.
    pub fn usage(what: impl Into<String>) -> Self {
        Self::new(Status::Usage, what)
    }

    /// A loss while running.
    pub fn lost(what: impl Into<String>) -> Self {
        Self::new(Status::Lost, what)
    }

    /// Adds the cause, in a few words.
    pub fn cause(mut self, cause: impl fmt::Display) -> Self {
        self.cause = Some(cause.to_string());
        self
    }

    /// Adds facts that were found, one for each line.
    pub fn found<S: Into<String>>(mut self, found: impl IntoIterator<Item = S>) -> Self {
        self.found.extend(found.into_iter().map(Into::into));
        self
    }

    /// Adds one thing to type or to do.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same failure, for which the frames of a peer may be the cause. Those of another peer may do.
    pub fn by_peer(mut self) -> Self {
        self.by_peer = true;
        self
    }

    /// Whether the frames of a peer may be the cause.
    pub fn is_by_peer(&self) -> bool {
        self.by_peer
    }

    /// The same failure with another exit status. A wrong usage keeps its own.
    pub fn with_status(mut self, status: Status) -> Self {
        if self.status != Status::Usage {
            self.status = status;
        }
        self
    }

    /// The same failure with each of its texts as `shown` makes it, such as one without a password.
    pub fn shown_as(self, shown: impl Fn(&str) -> String) -> Self {
        Self {
            what: shown(&self.what),
            cause: self.cause.as_deref().map(&shown),
            found: self.found.iter().map(|text| shown(text)).collect(),
            hint: self.hint.as_deref().map(&shown),
            ..self
        }
    }

    /// The cause in a few words, or else what failed.
    pub fn why(&self) -> &str {
        self.cause.as_deref().unwrap_or(&self.what)
    }

    /// The cause and the facts that were found, on one line.
    pub fn why_exactly(&self) -> String {
        if self.found.is_empty() {
            self.why().to_owned()
        } else {
            format!("{} ({})", self.why(), self.found.join("; "))
        }
    }

    /// The whole failure on one line, for a log.
    pub fn line(&self) -> String {
        let more: Vec<&str> = self
            .found
            .iter()
            .chain(&self.hint)
            .map(|s| &s[..])
            .collect();
        if more.is_empty() {
            self.summary()
        } else {
            format!("{} ({})", self.summary(), more.join("; "))
        }
    }

    /// Adds the cause of another failure as the cause of this one.
    pub fn because_of(mut self, other: Self) -> Self {
        self.cause = Some(other.why().to_owned());
        self.found = other.found;
        self
    }

    /// What failed and its cause on one line, for a log or a peer.
    pub fn summary(&self) -> String {
        match &self.cause {
            Some(cause) => format!("{}: {cause}", self.what),
            None => self.what.clone(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.summary())?;
        for line in &self.found {
            write!(f, "\n  {line}")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\nhint: {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}

/// Why a typed value is not valid, and what to type instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    cause: String,
    found: Vec<String>,
    hint: Option<Hint>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Hint {
    /// The value to type instead.
    Instead(String),
    /// Another piece of advice.
    Words(String),
}

impl Invalid {
    /// A fault, given as the value that would be valid.
    pub fn new(cause: impl Into<String>) -> Self {
        Self {
            cause: cause.into(),
            found: Vec::new(),
            hint: None,
        }
    }

    /// Adds a fact that was found on this machine.
    pub fn found(mut self, found: impl Into<String>) -> Self {
        self.found.push(found.into());
        self
    }

    /// Adds the value to type instead.
    pub fn instead(mut self, value: impl Into<String>) -> Self {
        self.hint = Some(Hint::Instead(value.into()));
        self
    }

    /// Adds advice, where no other value is known.
    pub fn hint(mut self, words: impl Into<String>) -> Self {
        self.hint = Some(Hint::Words(words.into()));
        self
    }

    /// Adds this to `failure`. `before` is the text that is typed before the value.
    pub fn explain(self, failure: Failure, before: &str) -> Failure {
        let failure = failure.cause(self.cause).found(self.found);
        match self.hint {
            Some(Hint::Instead(value)) => failure.hint(format!("{before}{}", quoted(&value))),
            Some(Hint::Words(words)) => failure.hint(words),
            None => failure,
        }
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.cause)
    }
}

impl std::error::Error for Invalid {}

/// A value, quoted for a shell where needed.
fn quoted(value: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./:=,%@+[]".contains(c);
    if !value.is_empty() && value.chars().all(plain) {
        value.to_owned()
    } else if value.contains(['"', '$', '`', '\\', '!']) {
        format!("'{}'", value.replace('\'', r"'\''"))
    } else {
        format!("\"{value}\"")
    }
}

/// The path of a file as an argument of a command that a person types: quoted where needed, and never
/// taken for a flag.
pub fn typed_path(path: &Path) -> String {
    let path = path.display().to_string();
    let in_folder = if path.starts_with('-') { "./" } else { "" };
    quoted(&format!("{in_folder}{path}"))
}

/// An I/O error in words for a person, without the system's number.
pub fn describe(e: &io::Error) -> String {
    match e.kind() {
        io::ErrorKind::ConnectionReset => "connection reset".into(),
        io::ErrorKind::ConnectionRefused => "connection refused".into(),
        io::ErrorKind::BrokenPipe => "connection closed".into(),
        io::ErrorKind::TimedOut => "no answer".into(),
        io::ErrorKind::AddrInUse => "address already in use".into(),
        io::ErrorKind::AddrNotAvailable => "this machine has no such address".into(),
        io::ErrorKind::PermissionDenied => "permission denied".into(),
        io::ErrorKind::HostUnreachable => "no route to the host".into(),
        io::ErrorKind::NetworkUnreachable => "network is unreachable".into(),
        _ => {
            let text = e.to_string();
            match text.split_once(" (os error") {
                Some((words, _)) => words.to_lowercase(),
                None => text,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_what_why_what_was_found_and_what_to_do() {
        let failure = Failure::start("cannot find the pipeline \"cam\"")
            .cause("no such name")
            .found(["camera", "test"])
            .hint("vidchat pipelines list");
        assert_eq!(
            failure.to_string(),
            "error: cannot find the pipeline \"cam\": no such name\n  camera\n  test\n\
             hint: vidchat pipelines list"
        );
    }
}
