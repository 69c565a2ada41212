//! What an announced program does for others, and which of that a command looks for.

/// The type of the service, as DNS writes it.
pub(super) const SERVICE: &str = "_vidchat._tcp.local.";

/// What an announced program does: the command that runs there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// `vidchat send`: it sends its video to everybody who connects.
    Send,
    /// `vidchat call`: it waits for a call.
    Call,
    /// `vidchat call --room`: it lets several see each other.
    Room,
}

impl What {
    /// The word for it, in announcements and for people.
    pub fn word(self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::Call => "call",
            Self::Room => "room",
        }
    }

    /// Reads the word of an announcement.
    pub(super) fn read(word: &str) -> Option<Self> {
        let all = [Self::Send, Self::Call, Self::Room];
        all.into_iter().find(|what| what.word() == word)
    }
}

/// The programs that a command can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offers {
    /// Every one.
    Any,
    /// Those that a receiver can watch.
    Video,
    /// Those that can be called.
    Call,
}

impl Offers {
    /// Whether a program that does `what` is one of them.
    pub fn include(self, what: What) -> bool {
        match self {
            Self::Any => true,
            Self::Video => what == What::Send,
            Self::Call => matches!(what, What::Call | What::Room),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_takes_senders_and_a_call_takes_calls_and_rooms() {
        let all = [What::Send, What::Call, What::Room];
        let included = |offers: Offers| all.map(|what| offers.include(what));
        assert_eq!(included(Offers::Any), [true; 3]);
        assert_eq!(included(Offers::Video), [true, false, false]);
        assert_eq!(included(Offers::Call), [false, true, true]);
        for what in all {
            assert_eq!(What::read(what.word()), Some(what));
        }
        assert_eq!(What::read("fax"), None);
    }
}
