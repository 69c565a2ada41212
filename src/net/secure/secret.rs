//! What a side has to prove that it may connect, and what it asks of the other side: a key, or a code.
//! One value serves both roles, and all connections of the program share it.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::code::Code;
use super::guesses::{Attempt, CodeBook, Uses, Wrong};
use super::key::Key;
use super::psk::Psk;

/// The most peers that are known from an earlier connection. The oldest has to have the code again.
const KNOWN_PEERS: usize = 256;

/// A key or a code, shared by all connections of this program.
#[derive(Clone, Debug)]
pub struct Secret(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Notified when the code is dead or used up.
    over: Notify,
    /// Notified when there is a new code.
    renewed: Notify,
}

#[derive(Debug)]
enum State {
    Key(Psk),
    Code {
        book: CodeBook,
        /// A key for each peer that had the code, with which it connects again. The peer that was seen
        /// last is the last one.
        known: VecDeque<Psk>,
        /// For the dialling side, once it has such a key. The waiting side never looks at it.
        next: Next,
    },
}

/// The secret that the dialling side tries next, once it has a key of an earlier connection. It keeps that
/// key for good: a call must not end because somebody closes a connection, or because the other side pauses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// The key.
    Key,
    /// The code, once, where it can still be used: the other side has refused the key, and knows a
    /// limited number of peers.
    Code,
    /// The key and never the code, which the other side does not have any more.
    KeyAlone,
}

/// What the dialling side proves itself with.
#[derive(Debug)]
pub(super) enum Proof {
    /// A key that the other side has.
    Key(Psk),
    /// A key from an earlier connection.
    Again(Psk),
    /// A code, of which both sides make a key.
    Code(Attempt),
}

impl Secret {
    /// A key that both sides have for good.
    pub fn key(key: &Key) -> Self {
        Self::new(State::Key(key.psk().clone()))
    }

    /// A code that a person tells another.
    pub fn code(code: Code, uses: Uses) -> Self {
        Self::of_book(CodeBook::new(code, uses))
    }

    /// A code that can be used no more, and of which no peer is known.
    pub(super) fn spent(code: Code) -> Self {
        Self::of_book(CodeBook::spent(code))
    }

    fn of_book(book: CodeBook) -> Self {
        Self::new(State::Code {
            book,
            known: VecDeque::new(),
            next: Next::Key,
        })
    }

    fn new(state: State) -> Self {
        Self(Arc::new(Shared {
            state: Mutex::new(state),
            over: Notify::new(),
            renewed: Notify::new(),
        }))
    }

    /// Whether it is a code.
    pub fn is_code(&self) -> bool {
        matches!(&*self.0.state.lock(), State::Code { .. })
    }

    /// The code, if there is one that can be used.
    pub fn usable_code(&self) -> Option<Code> {
        match &*self.0.state.lock() {
            State::Key(_) => None,
            State::Code { book, .. } => book.code(),
        }
    }

    /// Whether there was a code that is dead: three guesses at it were wrong.
    pub fn is_dead(&self) -> bool {
        match &*self.0.state.lock() {
            State::Key(_) => false,
            State::Code { book, .. } => book.is_dead(),
        }
    }

    /// Puts a new code in the place of the old one. Peers that had the old one can connect again.
    pub fn renew(&self, code: Code) {
        if let State::Code { book, .. } = &mut *self.0.state.lock() {
            book.renew(code);
        }
        self.0.renewed.notify_one();
    }

    /// Waits for a new code in the place of one that was dead or used up. For one waiter at a time.
    pub async fn renewed(&self) {
        self.0.renewed.notified().await;
    }

    /// Waits until the code can no longer be used: it is dead, or used up. For one waiter at a time.
    pub async fn code_over(&self) {
        self.0.over.notified().await;
    }

    /// What this side proves itself with when it connects; `None` where its code is dead.
    pub(super) fn proof(&self) -> Option<Proof> {
        match &mut *self.0.state.lock() {
            State::Key(psk) => Some(Proof::Key(psk.clone())),
            State::Code { book, known, next } => {
                let attempt = book.code().and_then(|code| book.attempt(code.number()));
                match known.back() {
                    Some(_) if *next == Next::Code && attempt.is_some() => {
                        *next = Next::Key;
                        attempt.map(Proof::Code)
                    }
                    Some(psk) => Some(Proof::Again(psk.clone())),
                    None => attempt.map(Proof::Code),
                }
            }
        }
    }

    /// Whether some peer has proved the code.
    pub(super) fn knows_peers(&self) -> bool {
        matches!(&*self.0.state.lock(), State::Code { known, .. } if !known.is_empty())
    }

    /// Notes that the other side has refused the key of an earlier connection.
    pub(super) fn refused_again(&self) {
        if let State::Code { next, .. } = &mut *self.0.state.lock()
            && *next == Next::Key
        {
            *next = Next::Code;
        }
    }

    /// The keys that a peer may connect with, the likeliest first.
    pub(super) fn keys(&self) -> Vec<Psk> {
        match &*self.0.state.lock() {
            State::Key(psk) => vec![psk.clone()],
            State::Code { known, .. } => known.iter().rev().cloned().collect(),
        }
    }

    /// Notes that a peer has come back with this key, so that it is forgotten later than the others.
    pub(super) fn came_back(&self, psk: &Psk) {
        if let State::Code { known, .. } = &mut *self.0.state.lock()
            && let Some(place) = known.iter().position(|known| known == psk)
            && let Some(psk) = known.remove(place)
        {
            known.push_back(psk);
        }
    }

    /// Begins an exchange over the code with this number; `None` where there is none.
    pub(super) fn attempt(&self, number: u8) -> Option<Attempt> {
        match &*self.0.state.lock() {
            State::Key(_) => None,
            State::Code { book, .. } => book.attempt(number),
        }
    }

    /// Notes that the other side has the code. `again` is the key for its next connections. False where
    /// the code is not good any more.
    pub(super) fn right(&self, attempt: Attempt, again: Psk) -> bool {
        let State::Code { book, known, .. } = &mut *self.0.state.lock() else {
            return false;
        };
        if !book.right(attempt) {
            return false;
        }
        if known.len() == KNOWN_PEERS {
            known.pop_front();
        }
        known.push_back(again);
        if book.code().is_none() {
            self.0.over.notify_one();
        }
        true
    }

    /// Notes a wrong guess at the code.
    pub(super) fn wrong(&self, attempt: Attempt) -> Wrong {
        let State::Code { book, known, next } = &mut *self.0.state.lock() else {
            return Wrong::Over;
        };
        let wrong = book.wrong(attempt);
        if !known.is_empty() {
            *next = Next::KeyAlone;
        }
        if wrong == Wrong::Dead {
            self.0.over.notify_one();
        }
        wrong
    }
}
