//! The terminal: the one place that prints, and the one that reads keys.
//!
//! Everything goes to standard error; standard output belongs to pipelines. Lines of log, the
//! status line and a picture drawn in the terminal share that one screen, so they are kept apart
//! here.
//!
//! The terminal may be a shell's, which runs us in the background or has stopped us: then no key is
//! read, nothing is drawn, and lines alone are written.
//!
//! A terminal may be stopped and a pipe full, and viewers must not wait for that: lines are
//! written by a thread, "console", and are lost, and counted, when it falls far behind.

mod job_control;
mod kept_lines;
mod keys;
mod log;
mod output;
mod screen;
mod status;

pub use self::keys::{Key, Keyboard, way_out, way_out_line};
pub use self::log::log;
pub use self::output::{can_draw, flush, is_dumb, knows_escapes, line, output, printed};
pub use self::screen::{AlternateScreen, restore, settle, suspend, waits_for_terminal};
pub use self::status::{GAP, status};
