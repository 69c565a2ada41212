//! The terminal: the one place that prints, and the one that reads keys.
//!
//! Everything goes to standard error; standard output belongs to pipelines. Log lines, the status
//! line and a picture in the terminal share one screen, so they are coordinated here.
//!
//! The terminal may belong to a shell that runs this program in the background or has stopped it.
//! Then no key is read, no picture is drawn, and only lines are written.
//!
//! A terminal that knows more than text says so when it is asked. Its answers come the way that keys
//! come, so they are read here too.
//!
//! A terminal may be stopped and a pipe full, and viewers must not wait for that. So a thread,
//! "console", writes the lines. When it falls far behind, lines are dropped and counted.

// On Windows nothing is asked yet.
#[cfg_attr(not(unix), allow(dead_code))]
mod answers;
#[cfg_attr(not(unix), allow(dead_code))]
mod input;
mod job_control;
mod kept_lines;
mod keys;
mod log;
mod output;
mod question;
mod reader;
mod screen;
mod status;

pub use self::answers::{Abilities, Taken, no_colour};
pub use self::keys::{Key, Keyboard, way_out, way_out_line};
pub use self::log::log;
pub use self::output::{
    Ending, bell, can_draw, flush, is_dumb, knows_escapes, line, output, output_line, printed,
    write_line,
};
pub use self::question::{ask, can_ask};
pub use self::screen::{AlternateScreen, Area, restore, settle, suspend, waits_for_terminal};
pub use self::status::{GAP, status};
