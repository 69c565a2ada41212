//! Job control: whether the terminal is ours at the moment, or belongs to a shell that runs us in
//! the background. There, reading a key or changing the terminal's modes would stop the program.

#[cfg(unix)]
pub use unix::*;

#[cfg(unix)]
mod unix {
    use std::io::{self, IsTerminal};
    use std::os::fd::{AsFd, BorrowedFd};

    use rustix::fs::fstat;
    use rustix::process::getpgrp;
    use rustix::termios::{tcgetpgrp, tcgetsid};

    /// Whether keys at standard input come to this program.
    pub fn has_keyboard() -> bool {
        io::stdin().is_terminal() && leads(io::stdin()) == Some(true)
    }

    /// Whether `screen`, a terminal, may be drawn on. A terminal that controls no session, as in
    /// some containers, belongs to nobody else.
    pub fn has_screen(screen: impl AsFd) -> bool {
        leads(screen).unwrap_or(true)
    }

    /// Whether standard input and standard error are the same terminal.
    pub fn is_one_terminal() -> bool {
        let (input, screen) = (io::stdin(), io::stderr());
        let is_one_device = match (fstat(&input), fstat(&screen)) {
            (Ok(input), Ok(screen)) => input.st_rdev == screen.st_rdev,
            _ => false,
        };
        // A session has one terminal, which may have two names.
        let is_ours = |terminal: BorrowedFd<'_>| tcgetsid(terminal).is_ok();
        let is_terminal = input.is_terminal() && screen.is_terminal();
        is_terminal && (is_one_device || (is_ours(input.as_fd()) && is_ours(screen.as_fd())))
    }

    /// Whether Ctrl-C at the controlling terminal reaches this program, whatever standard input is.
    pub fn hears_interrupt() -> bool {
        std::fs::File::open("/dev/tty").is_ok_and(|terminal| leads(terminal) == Some(true))
    }

    /// Whether this program is in the terminal's foreground; `None` where the terminal does not
    /// control our session.
    fn leads(terminal: impl AsFd) -> Option<bool> {
        Some(tcgetpgrp(terminal).ok()? == getpgrp())
    }
}

#[cfg(not(unix))]
pub fn has_keyboard() -> bool {
    std::io::IsTerminal::is_terminal(&std::io::stdin())
}

#[cfg(not(unix))]
pub fn has_screen<T>(_screen: T) -> bool {
    true
}

/// Answers are not read here.
#[cfg(not(unix))]
pub fn is_one_terminal() -> bool {
    false
}

#[cfg(not(unix))]
pub fn hears_interrupt() -> bool {
    true
}
