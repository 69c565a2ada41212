//! Converts the frames of a sender to BGR or JPEG, for the programs of the Python tutorial.
//!
//! They are converted once for all such viewers, on a pipeline of its own that runs only while some
//! watch. So no other viewer's frame waits for them. JPEG that is to be JPEG is passed on as it is.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tracing::{info, warn};

use crate::commands::local_viewer::{LocalViewer, LocalViewerOptions};
use crate::failure::{Failure, Outcome};
use crate::frame::Frame;
use crate::media::FrameSink;
use crate::media::playback::events::{PlayerEvent, PlayerOptions};
use crate::media::{Direction, PipelineFile};
use crate::net::Hub;
use crate::net::hub::Update;
use crate::wire::Caps;

const JPEG: &str = "image/jpeg";

/// The contents of the pickles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PickleContent {
    /// Pixels in BGR, as OpenCV has them.
    #[default]
    Pixels,
    /// JPEG, as `cv2.imencode` gives it.
    Jpeg,
}

/// A task that converts the frames of one hub for another. It ends when the first hub's stream
/// ends.
pub struct TutorialFrames(JoinHandle<()>);

impl TutorialFrames {
    /// Converts from `hub` to `pickled` while a viewer has a seat there.
    pub fn spawn(hub: &Arc<Hub>, pickled: &Arc<Hub>, content: PickleContent) -> Self {
        let (hub, pickled) = (Arc::clone(hub), Arc::clone(pickled));
        Self(tokio::spawn(
            async move { run(&hub, &pickled, content).await },
        ))
    }

    /// Waits for the task to end, after the hub's stream has ended.
    pub async fn close(self) {
        let _ = self.0.await;
    }
}

async fn run(hub: &Arc<Hub>, pickled: &Arc<Hub>, content: PickleContent) {
    let mut watching = pickled.watching();
    loop {
        tokio::select! {
            () = hub.ended() => return,
            Ok(_) = watching.wait_for(|count| *count > 0) => {}
        }
        info!("tutorial: begins to make frames for its programs");
        let passed_on = match content {
            PickleContent::Jpeg => pass_on(hub, pickled, &mut watching).await,
            PickleContent::Pixels => None,
        };
        let stop = match passed_on {
            Some(stop) => Ok(stop),
            None => convert(hub, pickled, content, &mut watching).await,
        };
        match stop {
            Ok(Stop::NobodyWatches) => pickled.clear(),
            Ok(Stop::Ended) => return,
            Err(failure) => {
                warn!(
                    "tutorial: no frames for its programs: {}",
                    failure.summary()
                );
                return pickled.end(&failure.summary());
            }
        }
        info!("tutorial: makes no more frames, as none of its programs watches");
    }
}

impl PickleContent {
    fn pipeline(self) -> &'static str {
        match self {
            Self::Pixels => {
                "appsrc name=frames ! ${decode} ! videoconvert ! video/x-raw,format=BGR \
                 ! appsink name=taken"
            }
            // From BGR the encoder itself makes the full range of colours that JPEG has.
            Self::Jpeg => {
                "appsrc name=frames ! ${decode} ! videoconvert ! video/x-raw,format=BGR \
                 ! jpegenc ! appsink name=taken"
            }
        }
    }
}

enum Stop {
    NobodyWatches,
    Ended,
}

/// Passes frames on as they are, while they are JPEG; `None` where they are not.
async fn pass_on(
    hub: &Arc<Hub>,
    pickled: &Arc<Hub>,
    watching: &mut watch::Receiver<usize>,
) -> Option<Stop> {
    let mut frames = hub.subscribe();
    loop {
        let update = tokio::select! {
            Ok(_) = watching.wait_for(|count| *count == 0) => return Some(Stop::NobodyWatches),
            update = frames.next() => update,
        };
        match update {
            Update::Caps(caps) if caps.media_type() == JPEG => pickled.announce(Caps::clone(&caps)),
            Update::Caps(_) => return None,
            Update::Frame(frame) => pickled.publish(frame),
            // The dialect has no message for it.
            Update::Lost(_) | Update::Participants(_) => {}
            Update::End(_) => return Some(Stop::Ended),
        }
    }
}

async fn convert(
    hub: &Arc<Hub>,
    pickled: &Arc<Hub>,
    content: PickleContent,
    watching: &mut watch::Receiver<usize>,
) -> Outcome<Stop> {
    let (events, mut heard) = mpsc::unbounded_channel();
    let options = LocalViewerOptions {
        player: PlayerOptions {
            taken: Some(Arc::new(Packer {
                pickled: Arc::clone(pickled),
                size: Mutex::default(),
            })),
            ..PlayerOptions::new(PipelineFile::new(
                Direction::Recv,
                "tutorial",
                content.pipeline(),
            ))
        },
        max_latency: None,
        covers_losses: false,
    };
    let viewer = LocalViewer::spawn(hub, options, events);
    let stop = tokio::select! {
        () = hub.ended() => Ok(Stop::Ended),
        failure = failure(&mut heard) => Err(failure),
        Ok(_) = watching.wait_for(|count| *count == 0) => Ok(Stop::NobodyWatches),
    };
    // No frame may come after this line.
    viewer.finish(Duration::ZERO).await;
    stop
}

/// Waits for the player's failure.
async fn failure(heard: &mut mpsc::UnboundedReceiver<PlayerEvent>) -> Failure {
    while let Some(event) = heard.recv().await {
        if let PlayerEvent::Failed(failure) = event {
            return failure;
        }
    }
    std::future::pending().await
}

/// Removes the padding of rows. Raw frames have it where a row's length is not a multiple of four
/// bytes. Pickled arrays have none.
struct Packer {
    pickled: Arc<Hub>,
    /// Bytes of a row, and the number of rows; `None` for JPEG.
    size: Mutex<Option<(usize, usize)>>,
}

impl FrameSink for Packer {
    fn announce(&self, caps: Caps) {
        let (width, height) = caps.size().unwrap_or_default();
        let size = (
            width.unsigned_abs() as usize * 3,
            height.unsigned_abs() as usize,
        );
        *self.size.lock() = caps.is_raw().then_some(size);
        self.pickled.announce(caps);
    }

    fn publish(&self, mut frame: Frame) {
        let size = *self.size.lock();
        if let Some((row, rows)) = size {
            frame.data = packed(frame.data, row, rows);
            // A frame of another length would not match the length in the message.
            if frame.data.len() != row * rows {
                return;
            }
        }
        self.pickled.publish(frame);
    }

    fn clear(&self) {
        self.pickled.clear();
    }

    // The hub that is converted reports losses itself, and the dialect has no message for them.
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
    use crate::frame::FrameHeader;

    #[test]
    fn gaps_between_rows_are_taken_out() {
        let padded = Bytes::from_static(b"abc.def.");
        assert_eq!(packed(padded, 3, 2), &b"abcdef"[..]);
        let tight = Bytes::from_static(b"abcdef");
        let address = tight.as_ptr();
        let same = packed(tight, 3, 2);
        assert_eq!(same.as_ptr(), address, "nothing was copied");
    }

    #[tokio::test]
    async fn jpeg_is_passed_on_until_other_frames_come_or_nobody_watches() {
        let (hub, pickled) = (Hub::new(), Hub::new());
        let mut watching = pickled.watching();
        let seat = pickled.seat(1);
        hub.announce(Caps::parse("image/jpeg, width=4, height=2").unwrap());
        let mut taken = pickled.subscribe();
        let task = tokio::spawn({
            let (hub, pickled) = (Arc::clone(&hub), Arc::clone(&pickled));
            async move { pass_on(&hub, &pickled, &mut watching).await.is_none() }
        });
        assert!(matches!(taken.next().await, Update::Caps(caps) if caps.media_type() == JPEG));
        let data = Bytes::from_static(b"a jpeg");
        let address = data.as_ptr();
        let header = FrameHeader {
            key: true,
            ..FrameHeader::default()
        };
        hub.publish(Frame { header, data });
        match taken.next().await {
            Update::Frame(frame) => assert_eq!(frame.data.as_ptr(), address, "it was copied"),
            other => panic!("{other:?}"),
        }
        hub.announce(Caps::parse("video/x-vp8").unwrap());
        assert!(task.await.unwrap(), "other frames are converted");
        drop(seat);
        let mut watching = pickled.watching();
        let stop = pass_on(&Hub::new(), &pickled, &mut watching).await;
        assert!(matches!(stop, Some(Stop::NobodyWatches)));
    }
}
