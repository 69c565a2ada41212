//! Pictures for the programs of the Python tutorial: those that are sent, as BGR.
//!
//! They are made once for all such viewers, on a pipeline of their own that runs only while there
//! are some, so nobody else's picture waits for them.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use bytes::{Bytes, BytesMut};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tracing::{info, warn};

use crate::failure::{Failure, Outcome};
use crate::frame::Frame;
use crate::media::FrameSink;
use crate::media::playback::player::{PlayerEvent, PlayerOptions};
use crate::media::{Direction, PipelineFile, Player};
use crate::net::{Hub, Subscription, Update};
use crate::wire::Caps;

const PIPELINE: &str = "appsrc name=frames ! ${decode} ! videoconvert \
    ! video/x-raw,format=BGR ! appsink name=taken";

/// A thread, "tutorial", that translates what one hub has for another. It ends with the first
/// hub's stream.
pub struct BgrConverter {
    thread: Option<JoinHandle<()>>,
}

impl BgrConverter {
    /// Translates from `hub` to `bgr` while somebody has a seat there.
    pub fn open(hub: &Arc<Hub>, bgr: &Arc<Hub>) -> Outcome<Self> {
        let (hub, bgr, runtime) = (Arc::clone(hub), Arc::clone(bgr), Handle::current());
        let thread = std::thread::Builder::new()
            .name("tutorial".into())
            .spawn(move || runtime.block_on(run(&hub, &bgr)))
            .map_err(|e| Failure::start("cannot serve the tutorial's programs").cause(e))?;
        Ok(Self {
            thread: Some(thread),
        })
    }

    /// Waits for the end, after the hub's stream has ended.
    pub fn join(mut self) {
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn run(hub: &Arc<Hub>, bgr: &Arc<Hub>) {
    let mut watching = bgr.watching();
    loop {
        tokio::select! {
            () = hub.ended() => return,
            Ok(_) = watching.wait_for(|count| *count > 0) => {}
        }
        info!("tutorial: begins to make pictures for its programs");
        let mut subscription = hub.subscribe();
        match translate(hub, &mut subscription, bgr, &mut watching).await {
            Ok(Stop::NobodyWatches) => bgr.clear(),
            Ok(Stop::Ended) => return,
            Err(failure) => {
                warn!(
                    "tutorial: no pictures for its programs: {}",
                    failure.summary()
                );
                return bgr.end(&failure.summary());
            }
        }
        info!("tutorial: makes no more pictures, as none of its programs watches");
    }
}

enum Stop {
    NobodyWatches,
    Ended,
}

async fn translate(
    hub: &Hub,
    subscription: &mut Subscription,
    bgr: &Arc<Hub>,
    watching: &mut watch::Receiver<usize>,
) -> Outcome<Stop> {
    let (events, mut heard) = mpsc::unbounded_channel();
    let options = PlayerOptions {
        taken: Some(Arc::new(BgrPacker {
            bgr: Arc::clone(bgr),
            size: Mutex::default(),
        })),
        ..PlayerOptions::new(PipelineFile::new(Direction::Recv, "tutorial", PIPELINE))
    };
    let mut player = Player::new(options, events);
    loop {
        tokio::select! {
            update = subscription.next() => match update {
                Update::Caps(caps) => player.set_caps(&caps)?,
                Update::Frame(frame) => player.show_shared(&frame.header, frame.data),
                Update::Lost(_) => {}
                Update::End(_) => return Ok(Stop::Ended),
            },
            Some(event) = heard.recv() => match event {
                PlayerEvent::Failed(failure) => return Err(failure),
                PlayerEvent::NeedKey => hub.want_key(),
                PlayerEvent::Quit | PlayerEvent::Enough | PlayerEvent::Ended => {}
            },
            Ok(_) = watching.wait_for(|count| *count == 0) => return Ok(Stop::NobodyWatches),
        }
    }
}

/// Takes the gaps between rows out, which raw frames have where a row is no multiple of four
/// bytes, and pickled arrays have not.
struct BgrPacker {
    bgr: Arc<Hub>,
    /// Bytes of a row, and rows.
    size: Mutex<(usize, usize)>,
}

impl FrameSink for BgrPacker {
    fn announce(&self, caps: Caps) {
        let (width, height) = caps.size().unwrap_or_default();
        let size = (
            width.unsigned_abs() as usize * 3,
            height.unsigned_abs() as usize,
        );
        *self.size.lock().unwrap_or_else(PoisonError::into_inner) = size;
        self.bgr.announce(caps);
    }

    fn publish(&self, mut frame: Frame) {
        let (row, rows) = *self.size.lock().unwrap_or_else(PoisonError::into_inner);
        frame.data = packed(frame.data, row, rows);
        // Anything else would be a message that its length does not fit.
        if frame.data.len() == row * rows {
            self.bgr.publish(frame);
        }
    }

    fn clear(&self) {
        self.bgr.clear();
    }

    // Its own source, the hub, loses nothing; and the dialect has no word for it.
    fn lose(&self, _reason: &str) {}
}

fn packed(data: Bytes, row: usize, rows: usize) -> Bytes {
    if data.len() <= row * rows || rows == 0 {
        return data;
    }
    let mut tight = BytesMut::with_capacity(row * rows);
    for line in data.chunks_exact(data.len() / rows) {
        tight.extend_from_slice(&line[..row.min(line.len())]);
    }
    tight.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_between_rows_are_taken_out() {
        let padded = Bytes::from_static(b"abc.def.");
        assert_eq!(packed(padded, 3, 2), &b"abcdef"[..]);
        let tight = Bytes::from_static(b"abcdef");
        let address = tight.as_ptr();
        let same = packed(tight, 3, 2);
        assert_eq!(same.as_ptr(), address, "nothing was copied");
    }
}
