//! What a drain is asked and what it answers, as JSON between two processes. Apart from `drain` and
//! `reading`, which both use it.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::meter::Clock;

/// What a drain is to do.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Spec {
    /// The sender.
    pub address: SocketAddr,
    /// How many viewers to be.
    pub connections: usize,
    /// Sent on each connection before anything is read: vidchat's hello, its length before it.
    pub preamble: Vec<u8>,
    /// The key of an encrypted sender, which each connection proves before that.
    pub key: Option<String>,
    /// What is counted as a frame.
    pub framing: Framing,
    /// Copy the frames into memory as a real viewer must, or let the kernel throw them away.
    pub body: Body,
    /// Seconds between two looks at the connections. Without a pause each frame has to be noted for the
    /// drain, and wakes it up where it is faster than the sender. Both take processor time of the sender.
    pub pause: f64,
    /// Seconds to go by, from the moment every connection has a frame, before counting begins.
    pub warm_up: f64,
    /// Seconds to count for.
    pub seconds: f64,
}

/// How frames lie in the stream of bytes.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub enum Framing {
    /// 8 bytes of length, little-endian, then as many bytes. A message that begins with 1 is a
    /// frame with vidchat's 24-byte header, others are passed over.
    Messages {
        /// The clock of the header's "captured at"; `None` when latency is not asked for.
        stamp: Option<Clock>,
    },
    /// Not to be looked into: every so many bytes are a frame.
    Bytes {
        /// Bytes of one frame with all its overhead.
        frame: u64,
    },
}

/// What becomes of a frame's bytes.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub enum Body {
    /// Read into a buffer that is used again.
    Copy,
    /// `MSG_TRUNC`: the kernel drops them uncopied. Fan-out would measure the drain otherwise.
    Discard,
}

impl Spec {
    /// One viewer who really reads the frames, for throughput and latency.
    pub fn one(address: SocketAddr, seconds: f64) -> Self {
        Self {
            connections: 1,
            body: Body::Copy,
            ..Self::many(address, 1, seconds)
        }
    }

    /// `connections` viewers whose frames the kernel drops, for the sender's fan-out.
    pub fn many(address: SocketAddr, connections: usize, seconds: f64) -> Self {
        Self {
            address,
            connections,
            preamble: Vec::new(),
            key: None,
            framing: Framing::Messages { stamp: None },
            body: Body::Discard,
            pause: 0.0,
            warm_up: 0.5,
            seconds,
        }
    }
}

/// What a drain saw in its seconds.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Report {
    /// Viewers connected.
    pub connections: usize,
    /// Connections that the sender closed before the end.
    pub closed: usize,
    /// Whole frames, on the connection that had the fewest.
    pub frames_min: u64,
    /// Whole frames, the mean over the connections.
    pub frames_mean: f64,
    /// Seconds that were counted, measured.
    pub seconds: f64,
    /// Seconds of processor time that the drain used in them: near `seconds`, it was the limit.
    pub cpu_seconds: f64,
    /// Stamp to last byte read, over all connections: p50, p95 and p99 in µs.
    pub latency: Option<[f64; 3]>,
}

impl Report {
    /// Frames a second of the viewer that had the fewest.
    pub fn fps_min(&self) -> f64 {
        self.frames_min as f64 / self.seconds
    }

    /// Frames a second, the mean over the viewers.
    pub fn fps_mean(&self) -> f64 {
        self.frames_mean / self.seconds
    }
}
