//! The bytes on the wire, and peers that keep to them or do not.

pub mod bad_senders;
pub mod bad_senders_cli;
pub mod bad_viewers;
pub mod bytes;
pub mod calls;
pub mod dialled;
pub mod encrypted;
pub mod large_frames;
pub mod late_hello;
pub mod loopback;
pub mod properties;
pub mod sender_words;
pub mod silent_strangers;
pub mod tunnel;
