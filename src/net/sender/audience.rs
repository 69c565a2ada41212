//! The parts that all viewers of one stream share.

use std::sync::Arc;

use super::fan_out::FanOut;
use crate::net::hub::Hub;
use crate::net::secure::MediaKeys;

/// The parts that all viewers of one stream share. It exists while the stream has viewers.
#[derive(Debug)]
pub(super) struct Audience {
    pub fan_out: Arc<FanOut>,
    /// The keys with which frames are sealed for all of them.
    pub media_keys: Arc<MediaKeys>,
}

impl Audience {
    pub fn new(hub: &Hub) -> Self {
        Self {
            fan_out: FanOut::new(hub),
            media_keys: Arc::default(),
        }
    }
}
