//! The time at which a frame was captured, where the stream itself may tell it: one that comes out of
//! an engine, after a `vidchat publish` has put it in.
//!
//! Clocks in, times out, so that it can be tested without a pipeline.

use std::time::Duration;

use tracing::{debug, warn};

use crate::clock::{CaptureTime, WallNanos};
use crate::frame::TimeOrigin;
use crate::media::capture_time::CaptureTimeReader;
use crate::wire::Caps;

/// So many frames without a time are taken to be as late as the one before that had one. Some
/// payloaders make two frames of one that has several slices, and only the first has the time.
const ALIKE: u32 = 30;

/// Finds out when the frames of one pipeline were captured.
#[derive(Debug)]
pub struct StreamTime {
    /// Whether the pipeline reads from the network.
    is_network: bool,
    /// `None` where the frames have no place for a time.
    reader: Option<CaptureTimeReader>,
    /// How old the last frame with a time was before it came to this pipeline, and how many without
    /// one have come since.
    before: Option<(Duration, u32)>,
    /// Whether the log has a line about a time that was used, and about one that was not.
    has_told: bool,
    has_warned: bool,
}

impl StreamTime {
    /// For a pipeline that reads from the network, or for any other.
    pub fn new(is_network: bool) -> Self {
        Self {
            is_network,
            reader: None,
            before: None,
            has_told: false,
            has_warned: false,
        }
    }

    /// The frames have these caps from now on.
    pub fn set_caps(&mut self, caps: &Caps) {
        self.reader = CaptureTimeReader::of(caps);
        self.before = None;
    }

    /// When a frame was captured, and how that is known. A decoder may have `marked` it with its time. It
    /// has been in this pipeline for the time `age`. Frames that are `paced` come from a file, and are new again whenever they were
    /// captured.
    pub fn of_frame(
        &mut self,
        is_key: bool,
        frame: &[u8],
        marked: Option<CaptureTime>,
        age: Duration,
        paced: bool,
        now: WallNanos,
    ) -> (WallNanos, TimeOrigin) {
        let counts = self.is_network || !paced;
        let reader = self.reader.as_mut().filter(|_| counts && marked.is_none());
        let read = reader.and_then(|reader| reader.read(is_key, frame));
        let told = read.or(marked.filter(|_| counts));
        match told.map(|time| (time, time.age(now))) {
            Some((time, Ok(told))) => {
                if !std::mem::replace(&mut self.has_told, true) {
                    debug!(
                        "source: its frames tell when they were captured, to within {} ms",
                        time.uncertainty.as_millis()
                    );
                }
                self.before = Some((told.saturating_sub(age), 0));
                return (now.before(told), TimeOrigin::Stream);
            }
            Some((_, Err(reason))) if !std::mem::replace(&mut self.has_warned, true) => {
                warn!(
                    "source: the time of capture in its frames is not used: {reason}; is the clock \
                     wrong, here or where the stream is published?"
                );
            }
            _ => {}
        }
        if let Some((before, count)) = self.before.as_mut().filter(|(_, count)| *count < ALIKE) {
            *count += 1;
            return (now.before(age + *before), TimeOrigin::Stream);
        }
        let origin = if self.is_network {
            TimeOrigin::Arrival
        } else {
            TimeOrigin::Source
        };
        (now.before(age), origin)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::frame::{Frame, FrameHeader};
    use crate::media::capture_time::stamped;

    const NOW: WallNanos = WallNanos(1_800_000_000_000_000_000);
    const HERE: Duration = Duration::from_millis(2);

    fn h264() -> Caps {
        Caps::parse("video/x-h264, stream-format=byte-stream, alignment=au").unwrap()
    }

    /// A frame that tells that it was captured at this time.
    fn telling(at: WallNanos) -> Bytes {
        let time = CaptureTime {
            at,
            ahead: 0,
            uncertainty: Duration::ZERO,
        };
        let frame = Frame {
            header: FrameHeader::default(),
            data: Bytes::from_static(&[0, 0, 0, 1, 0x65, 9]),
        };
        stamped(&h264(), frame, &time).data
    }

    fn known(is_network: bool, paced: bool, frame: &[u8]) -> (WallNanos, TimeOrigin) {
        let mut time = StreamTime::new(is_network);
        time.set_caps(&h264());
        time.of_frame(true, frame, None, HERE, paced, NOW)
    }

    #[test]
    fn a_time_in_the_frame_takes_the_place_of_the_time_of_arrival() {
        let captured = NOW.before(Duration::from_millis(120));
        let frame = telling(captured);
        let by_stream = (captured, TimeOrigin::Stream);
        assert_eq!(known(true, false, &frame), by_stream);
        assert_eq!(known(true, true, &frame), by_stream);
        // A pipe may have it from an engine too.
        assert_eq!(known(false, false, &frame), by_stream);
        // A recording does not get old by being a recording.
        let by_source = (NOW.before(HERE), TimeOrigin::Source);
        assert_eq!(known(false, true, &frame), by_source);
    }

    #[test]
    fn a_time_that_was_read_before_a_decoder_counts_for_a_raw_frame() {
        let captured = NOW.before(Duration::from_millis(120));
        let marked = Some(CaptureTime {
            at: captured,
            ahead: 0,
            uncertainty: Duration::ZERO,
        });
        let by = |is_network, paced| {
            let mut time = StreamTime::new(is_network);
            time.set_caps(&Caps::parse("image/png").unwrap());
            time.of_frame(true, &[1, 2], marked, HERE, paced, NOW)
        };
        assert_eq!(by(true, true), (captured, TimeOrigin::Stream));
        assert_eq!(by(false, false), (captured, TimeOrigin::Stream));
        let by_source = (NOW.before(HERE), TimeOrigin::Source);
        assert_eq!(by(false, true), by_source);
    }

    #[test]
    fn a_frame_without_a_time_counts_from_its_arrival_or_from_its_source() {
        let frame = [0, 0, 0, 1, 0x65, 9];
        let here = NOW.before(HERE);
        assert_eq!(known(true, false, &frame), (here, TimeOrigin::Arrival));
        assert_eq!(known(false, false, &frame), (here, TimeOrigin::Source));
    }

    #[test]
    fn a_time_that_cannot_be_true_is_not_used() {
        let here = NOW.before(HERE);
        let year = Duration::from_secs(365 * 24 * 3600);
        for wrong in [
            WallNanos(NOW.0 + 1_000_000_000),
            WallNanos(u64::MAX),
            NOW.before(year),
            WallNanos(0),
        ] {
            let frame = telling(wrong);
            assert_eq!(known(true, false, &frame), (here, TimeOrigin::Arrival));
            assert_eq!(known(false, false, &frame), (here, TimeOrigin::Source));
        }
    }

    #[test]
    fn a_few_frames_without_a_time_are_as_late_as_the_one_before() {
        let mut time = StreamTime::new(true);
        time.set_caps(&h264());
        let mut next = |frame: &[u8], age| {
            let age = Duration::from_millis(age);
            let (at, origin) = time.of_frame(true, frame, None, age, false, NOW);
            (NOW.since(at).as_millis(), origin)
        };
        let without = [0, 0, 0, 1, 0x65, 9];
        assert_eq!(next(&without, 2), (2, TimeOrigin::Arrival));
        let told = telling(NOW.before(Duration::from_millis(120)));
        assert_eq!(next(&told, 20), (120, TimeOrigin::Stream));
        for _ in 0..ALIKE {
            assert_eq!(next(&without, 5), (105, TimeOrigin::Stream));
        }
        assert_eq!(next(&without, 5), (5, TimeOrigin::Arrival));
        assert_eq!(next(&told, 130), (120, TimeOrigin::Stream));
        assert_eq!(next(&without, 5), (5, TimeOrigin::Stream));
    }

    #[test]
    fn frames_without_a_place_for_a_time_have_none() {
        let mut time = StreamTime::new(true);
        let frame = telling(NOW);
        let arrival = (NOW.before(HERE), TimeOrigin::Arrival);
        assert_eq!(time.of_frame(true, &frame, None, HERE, false, NOW), arrival);
        time.set_caps(&Caps::parse("video/x-vp8").unwrap());
        assert_eq!(time.of_frame(true, &frame, None, HERE, false, NOW), arrival);
        time.set_caps(&h264());
        let by_stream = (NOW, TimeOrigin::Stream);
        assert_eq!(
            time.of_frame(true, &frame, None, HERE, false, NOW),
            by_stream
        );
    }
}
