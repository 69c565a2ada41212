//! Who is on the local network: programs that announce themselves there by multicast DNS (RFC 6762
//! and 6763), and those that look for them.
//!
//! Everything that is found comes from strangers. It has no character that a terminal would obey,
//! and each size has a bound.

pub mod announcement;
pub mod browse;
pub mod found;
pub mod interfaces;
pub mod name;
pub mod offer;

pub use announcement::{Announced, Announcement};
pub use browse::{LISTEN, collect, with_number};
pub use found::{Found, Place};
pub use offer::{Access, Offers, What};
