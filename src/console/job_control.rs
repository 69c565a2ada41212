//! Job control: whether the terminal is ours at the moment, or that of a shell which runs us in the
//! background, where to read a key or to change the terminal's modes would stop the program.

#[cfg(unix)]
pub use unix::*;

#[cfg(unix)]
mod unix {
    use std::io::{self, IsTerminal};
    use std::os::fd::AsFd;

    use rustix::process::getpgrp;
    use rustix::termios::tcgetpgrp;

    /// Whether keys that are typed at standard input are for us.
    pub fn has_keyboard() -> bool {
        io::stdin().is_terminal() && leads(io::stdin()) == Some(true)
    }

    /// Whether `screen`, a terminal, may be drawn on. One that controls no session, as in some
    /// containers, is nobody else's.
    pub fn has_screen(screen: impl AsFd) -> bool {
        leads(screen).unwrap_or(true)
    }

    /// Whether Ctrl-C at the controlling terminal reaches us, whatever standard input is.
    pub fn hears_interrupt() -> bool {
        std::fs::File::open("/dev/tty").is_ok_and(|terminal| leads(terminal) == Some(true))
    }

    /// Whether we are the foreground of this terminal; `None` where it does not control our session.
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

#[cfg(not(unix))]
pub fn hears_interrupt() -> bool {
    true
}
