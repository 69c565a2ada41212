//! Calls: who is called hears of it and is asked, and then both sides send and receive.
//!
//! A call has a connection for each direction. The side that calls makes both, so only the other
//! one has to be reachable: first the one over which it watches, on which the person at the other
//! side is asked, and after the answer the one over which it sends. Both carry the call's token,
//! with which the side that calls comes back after a loss without being asked again.

mod accepted;
mod callee;
pub mod dial;
mod incoming;
mod lines;
mod reception;

pub use accepted::Accepted;
pub use callee::Callee;
pub use incoming::{IncomingCall, RING_INTERVAL};
pub use reception::{Arrived, Reception};

use std::io;

use crate::wire::Token;

/// A token that nobody can guess.
///
/// # Errors
/// The system gives no random numbers.
pub fn random_token() -> io::Result<Token> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(Token(u128::from_le_bytes(bytes)))
}
