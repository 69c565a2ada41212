//! Calls with the real program: who is seen where, who is asked, what is lost and comes back.

mod answering;
mod closed;
mod endings;
#[cfg(target_os = "linux")]
mod finding;
mod missing_cameras;
mod recovery;
mod room;
mod two_parties;
#[cfg(target_os = "linux")]
mod typed_codes;
