//! What an announced program does for others, what it asks of them, and which of that a command
//! looks for.

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

/// What an announced program asks of those who connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nothing: it speaks in clear with everybody.
    Open,
    /// The key that it has too.
    Key,
    /// The code that it shows. The number of the code is no secret, and may be announced.
    Code(Option<u8>),
}

impl Access {
    /// The word for it, in announcements and for other programs; `None` where it asks for nothing.
    pub fn word(self) -> Option<&'static str> {
        match self {
            Self::Open => None,
            Self::Key => Some("key"),
            Self::Code(_) => Some("code"),
        }
    }

    /// The number of the code, where that is announced.
    pub fn number(self) -> Option<u8> {
        match self {
            Self::Code(number) => number,
            Self::Open | Self::Key => None,
        }
    }

    /// Whether both ask for the same, whatever the number of the code.
    pub fn is_like(self, other: Self) -> bool {
        self.word() == other.word()
    }

    /// Reads the words of an announcement. `None` where it asks for something that this version does
    /// not know.
    pub(super) fn read(needs: Option<&str>, number: Option<&str>) -> Option<Self> {
        match needs {
            None => Some(Self::Open),
            Some("key") => Some(Self::Key),
            Some("code") => Some(Self::Code(number.and_then(|number| number.parse().ok()))),
            Some(_) => None,
        }
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

    #[test]
    fn what_is_asked_for_is_read_as_it_is_announced() {
        let all = [
            Access::Open,
            Access::Key,
            Access::Code(None),
            Access::Code(Some(4)),
        ];
        for access in all {
            let number = access.number().map(|number| number.to_string());
            let read = Access::read(access.word(), number.as_deref());
            assert_eq!(read, Some(access));
        }
        let odd = ["", "x", "-1", "256", "4-maple-otter"];
        for number in odd {
            let read = Access::read(Some("code"), Some(number));
            assert_eq!(read, Some(Access::Code(None)), "{number:?}");
        }
        assert_eq!(Access::read(Some("blood"), None), None);
    }
}
