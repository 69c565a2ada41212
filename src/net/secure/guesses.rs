//! How often a code may be tried before it is dead. No input or output, and no clock.

use super::code::Code;

/// A code is dead after so many wrong guesses.
pub const WRONG_GUESSES: u8 = 3;

/// How often a code may be used with success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Uses {
    /// Once, as for a call.
    Once,
    /// As often as somebody has it, as for the viewers of a sender.
    Many,
}

/// A code and the guesses at it.
#[derive(Debug)]
pub struct CodeBook {
    code: Code,
    uses: Uses,
    state: State,
    /// How many codes came before this one. A guess at one of these counts for nothing.
    generation: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Wrong guesses so far.
    Open(u8),
    /// Too many were wrong.
    Dead,
    /// The code was used, and is good for once only.
    Used,
}

/// One exchange over a code, from the time at which the code was taken for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    code: Code,
    generation: u32,
}

/// The result of a wrong guess.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// So many wrong guesses are left.
    Left(u8),
    /// The code is dead from now on.
    Dead,
    /// The code was dead, used or replaced before.
    Over,
}

impl CodeBook {
    /// A code that nobody has tried.
    pub fn new(code: Code, uses: Uses) -> Self {
        Self {
            code,
            uses,
            state: State::Open(0),
            generation: 0,
        }
    }

    /// A code that can be used no more.
    pub fn spent(code: Code) -> Self {
        Self {
            state: State::Dead,
            ..Self::new(code, Uses::Once)
        }
    }

    /// The code, if it can be used.
    pub fn code(&self) -> Option<Code> {
        matches!(self.state, State::Open(_)).then_some(self.code)
    }

    /// Whether too many guesses were wrong.
    pub fn is_dead(&self) -> bool {
        self.state == State::Dead
    }

    /// Puts another code in the place of this one.
    pub fn renew(&mut self, code: Code) {
        self.code = code;
        self.state = State::Open(0);
        self.generation += 1;
    }

    /// Begins an exchange over the code with this number; `None` where there is no such code.
    pub fn attempt(&self, number: u8) -> Option<Attempt> {
        let code = self.code().filter(|code| code.number() == number)?;
        Some(Attempt {
            code,
            generation: self.generation,
        })
    }

    /// Notes that the other side has proved that it has the code. False where the code is not good any
    /// more: too many others have guessed in the meantime, or somebody has used it up.
    pub fn right(&mut self, attempt: Attempt) -> bool {
        let is_good = self.is_of(attempt) && self.code().is_some();
        if is_good && self.uses == Uses::Once {
            self.state = State::Used;
        }
        is_good
    }

    /// Notes a wrong guess.
    pub fn wrong(&mut self, attempt: Attempt) -> Wrong {
        let State::Open(wrong) = self.state else {
            return Wrong::Over;
        };
        if !self.is_of(attempt) {
            return Wrong::Over;
        }
        let wrong = wrong + 1;
        if wrong < WRONG_GUESSES {
            self.state = State::Open(wrong);
            Wrong::Left(WRONG_GUESSES - wrong)
        } else {
            self.state = State::Dead;
            Wrong::Dead
        }
    }

    fn is_of(&self, attempt: Attempt) -> bool {
        self.generation == attempt.generation
    }
}

impl Attempt {
    /// The code of this exchange.
    pub fn code(self) -> Code {
        self.code
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn book(uses: Uses) -> (CodeBook, Attempt) {
        let code: Code = "4-maple-otter".parse().unwrap();
        let book = CodeBook::new(code, uses);
        let attempt = book.attempt(4).unwrap();
        (book, attempt)
    }

    #[test]
    fn the_third_wrong_guess_kills_a_code_for_everybody() {
        let (mut book, attempt) = book(Uses::Many);
        assert_eq!(book.wrong(attempt), Wrong::Left(2));
        assert!(book.right(attempt), "a right guess between them");
        assert_eq!(book.wrong(attempt), Wrong::Left(1));
        assert_eq!(book.wrong(attempt), Wrong::Dead);
        assert!(book.is_dead() && book.code().is_none());
        assert_eq!(book.wrong(attempt), Wrong::Over, "a fourth one");
        assert!(!book.right(attempt), "an exchange that began before");
        assert_eq!(book.attempt(4), None);
    }

    #[test]
    fn a_code_for_once_is_used_up_by_the_first_that_has_it() {
        let (mut book, attempt) = book(Uses::Once);
        assert!(book.right(attempt));
        assert!(!book.right(attempt), "another exchange that began before");
        assert_eq!((book.attempt(4), book.code()), (None, None));
        assert_eq!(book.wrong(attempt), Wrong::Over);
        assert!(!book.is_dead());
    }

    #[test]
    fn a_new_code_knows_nothing_of_the_old_one() {
        let (mut book, old) = book(Uses::Many);
        for _ in 0..WRONG_GUESSES {
            book.wrong(old);
        }
        let code: Code = "4-maple-badger".parse().unwrap();
        book.renew(code);
        assert_eq!(book.code(), Some(code));
        assert!(!book.right(old), "a right guess at the old code");
        assert_eq!(book.wrong(old), Wrong::Over);
        let new = book.attempt(4).unwrap();
        assert_eq!(book.wrong(new), Wrong::Left(2));
    }

    #[test]
    fn another_number_is_another_code() {
        let (book, attempt) = book(Uses::Many);
        assert_eq!(book.attempt(5), None);
        assert_eq!(attempt.code(), book.code().unwrap());
    }
}
