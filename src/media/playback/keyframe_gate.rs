//! The key-frame gate: which frames a decoder gets, and when a key frame is asked for.
//!
//! It knows nothing of GStreamer, so that all of it can be tested with numbers.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// A key frame is large: it is asked for no more often than this.
const ASK_INTERVAL: Duration = Duration::from_millis(250);

/// The least number of frames that may wait, or bring no output, whatever the frame rate.
const LEAST: u64 = 5;
/// The frame rate is the sender's word. Above this it is not believed.
const MOST_FPS: f64 = 120.0;
/// More than [`LEAST`] frames wait no longer than this.
const WAIT_LIMIT: Duration = Duration::from_millis(500);
/// No frame joins so many bytes that wait.
const WAIT_BYTES: u64 = 32 << 20;

/// Decides on each frame in turn.
pub struct KeyframeGate {
    /// Frames of half a second.
    limit: u64,
    /// The last frame's number.
    last: Option<u32>,
    /// Frames are left out until a key frame comes.
    closed: bool,
    /// The frames in the pipeline are of no use any more.
    stale: bool,
    /// Frames that were fed since the decoder last gave one.
    unanswered: u64,
    /// Frames that the decoder had given by then.
    decoded: u64,
    /// When each of the frames came that wait, the oldest first.
    came: VecDeque<Instant>,
    /// A key frame is to be asked for.
    wanted: bool,
    asked: Option<Instant>,
}

/// The facts that are known when a frame comes.
pub struct GateInput {
    /// The frame can be decoded by itself.
    pub key: bool,
    /// Frames that follow a key frame and are shown before it may need frames from before it.
    pub open: bool,
    /// The frame's number, counted at the source.
    pub sequence: u32,
    /// Frames that wait in front of the decoder.
    pub waiting: u64,
    /// Bytes of these frames.
    pub waiting_bytes: u64,
    /// When the frame came.
    pub now: Instant,
    /// Frames that the decoder gave; `None` where there is no decoder.
    pub decoded: Option<u64>,
    /// The decoder says that it needs a key frame.
    pub key_wanted: bool,
    /// The decoder has failed.
    pub broken: bool,
    /// Frames need those before them.
    pub delta: bool,
}

/// The fate of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// The decoder gets it.
    Decode,
    /// The pipeline is emptied, then the decoder gets it.
    Flush,
    /// It is left out.
    Drop,
}

impl KeyframeGate {
    /// Closed until the first key frame, for so many frames a second.
    pub fn new(fps: f64) -> Self {
        Self {
            limit: ((fps.min(MOST_FPS) / 2.0) as u64).max(LEAST),
            last: None,
            closed: true,
            stale: false,
            unanswered: 0,
            decoded: 0,
            came: VecDeque::new(),
            wanted: false,
            asked: None,
        }
    }

    /// Decides on the frame that has come.
    pub fn admit(&mut self, input: &GateInput) -> Admission {
        let gap = self
            .last
            .is_some_and(|last| last.wrapping_add(1) != input.sequence);
        self.last = Some(input.sequence);
        // The frames wait here, so this machine is too slow and the sender is not at fault.
        let slow = input.delta && self.is_behind(input);
        if slow && input.decoded.is_none() {
            // Without a decoder nothing is emptied, so that a key frame would wait with the others.
            self.closed = true;
            self.wanted = !input.key;
            return Admission::Drop;
        }
        self.stale |= slow || input.broken;
        self.closed |= self.stale || (gap && input.delta);
        if let Some(decoded) = input.decoded {
            if decoded != self.decoded {
                (self.decoded, self.unanswered) = (decoded, 0);
            }
            // Frames that wait have had no chance yet.
            self.wanted |= self.unanswered > self.limit + input.waiting;
        }
        self.wanted |= input.key_wanted;
        if self.closed && input.delta && !input.key {
            self.wanted = true;
            return Admission::Drop;
        }
        if input.key {
            self.wanted = false;
        }
        // A decoder leaves out what it cannot decode after this key frame only where it begins with
        // it. One that goes on shows grey frames, and frames from before the gap too late.
        let begins_anew = self.closed && input.open && input.decoded > Some(0);
        self.closed = false;
        self.unanswered += 1;
        self.came.push_back(input.now);
        if std::mem::take(&mut self.stale) || begins_anew {
            Admission::Flush
        } else {
            Admission::Decode
        }
    }

    /// Whether too many frames wait, or too long, or too many of their bytes.
    fn is_behind(&mut self, input: &GateInput) -> bool {
        while self.came.len() as u64 > input.waiting {
            self.came.pop_front();
        }
        let oldest = self.came.front();
        let waited = oldest.map(|came| input.now.saturating_duration_since(*came));
        input.waiting > self.limit
            || input.waiting_bytes > WAIT_BYTES
            || (input.waiting > LEAST && waited.is_some_and(|waited| waited > WAIT_LIMIT))
    }

    /// Whether to ask for a key frame now. The request counts as made.
    pub fn take_request(&mut self, now: Instant) -> bool {
        let due = self
            .asked
            .is_none_or(|at| now.duration_since(at) >= ASK_INTERVAL);
        let is_requested = self.wanted && due;
        if is_requested {
            self.asked = Some(now);
            // The decoder, or the next frame that is left out, says it again.
            self.wanted = false;
        }
        is_requested
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A gate at 30 frames a second with frames that come one by one.
    struct Frames {
        gate: KeyframeGate,
        state: GateInput,
        now: Instant,
    }

    impl Frames {
        fn new() -> Self {
            let state = GateInput {
                key: false,
                open: false,
                sequence: 0,
                waiting: 0,
                waiting_bytes: 0,
                now: Instant::now(),
                decoded: Some(0),
                key_wanted: false,
                broken: false,
                delta: true,
            };
            Self {
                gate: KeyframeGate::new(30.0),
                state,
                now: Instant::now(),
            }
        }

        /// The next frame, 1/30 s later, with what is different about it this once.
        fn next(&mut self, differs: impl Fn(&mut GateInput)) -> (Admission, bool) {
            let mut state = GateInput {
                now: self.now,
                ..self.state
            };
            differs(&mut state);
            let verdict = self.gate.admit(&state);
            let asks = self.gate.take_request(self.now);
            self.state.sequence = state.sequence + 1;
            self.now += Duration::from_millis(33);
            if verdict != Admission::Drop && !state.broken {
                self.state.decoded = self.state.decoded.map(|decoded| decoded + 1);
            }
            (verdict, asks)
        }

        fn started() -> Self {
            let mut frames = Self::new();
            assert_eq!(frames.next(|s| s.key = true), (Admission::Decode, false));
            assert_eq!(frames.next(|_| {}), (Admission::Decode, false));
            frames
        }
    }

    #[test]
    fn it_begins_with_a_key_frame_which_is_asked_for_a_few_times_a_second() {
        let mut frames = Frames::new();
        let asked = (0..30)
            .filter(|_| frames.next(|_| {}) == (Admission::Drop, true))
            .count();
        assert_eq!(asked, 4);
        assert_eq!(frames.next(|s| s.key = true).0, Admission::Decode);
        assert_eq!(frames.next(|_| {}), (Admission::Decode, false));
    }

    #[test]
    fn after_a_gap_it_waits_for_a_key_frame() {
        let mut frames = Frames::started();
        assert_eq!(frames.next(|s| s.sequence += 1), (Admission::Drop, true));
        assert_eq!(frames.next(|_| {}), (Admission::Drop, false));
        assert_eq!(frames.next(|s| s.key = true), (Admission::Decode, false));
        let skipped_to_key = |s: &mut GateInput| (s.key, s.sequence) = (true, s.sequence + 9);
        assert_eq!(frames.next(skipped_to_key), (Admission::Decode, false));
    }

    #[test]
    fn a_decoder_is_emptied_after_a_gap_whose_key_frame_has_frames_shown_before_it() {
        let open = |s: &mut GateInput| (s.key, s.open) = (true, true);
        let mut frames = Frames::new();
        assert_eq!(frames.next(open).0, Admission::Decode, "it is the first");
        assert_eq!(frames.next(open).0, Admission::Decode, "none is missing");
        assert_eq!(frames.next(|s| s.sequence += 1).0, Admission::Drop);
        assert_eq!(frames.next(open), (Admission::Flush, false));
        assert_eq!(frames.next(open).0, Admission::Decode);
        let after_gap = |s: &mut GateInput| (s.key, s.open, s.sequence) = (true, true, 9);
        assert_eq!(frames.next(after_gap).0, Admission::Flush);
        let without_decoder = |s: &mut GateInput| {
            (s.key, s.open, s.sequence, s.decoded) = (true, true, 19, None);
        };
        assert_eq!(frames.next(without_decoder).0, Admission::Decode);
    }

    #[test]
    fn a_slow_machine_skips_to_the_next_key_frame() {
        let mut frames = Frames::started();
        assert_eq!(frames.next(|s| s.waiting = 15).0, Admission::Decode);
        assert_eq!(frames.next(|s| s.waiting = 16), (Admission::Drop, true));
        assert_eq!(frames.next(|_| {}).0, Admission::Drop);
        assert_eq!(frames.next(|s| s.key = true), (Admission::Flush, false));
        assert_eq!(frames.next(|_| {}), (Admission::Decode, false));
    }

    #[test]
    fn whatever_frame_rate_the_sender_claims_few_frames_wait_and_not_for_long() {
        let mut frames = Frames::started();
        frames.gate.limit = KeyframeGate::new(2_147_483_647.0).limit;
        assert_eq!(frames.gate.limit, 60);
        // Nothing is decoded from here on.
        let admitted = (1..200)
            .take_while(|n| frames.next(|s| s.waiting = *n).0 == Admission::Decode)
            .count();
        assert_eq!(admitted, 15, "of 33 ms each");
    }

    #[test]
    fn no_frame_joins_many_bytes_that_wait() {
        let mut frames = Frames::started();
        let large = |bytes| move |s: &mut GateInput| (s.waiting, s.waiting_bytes) = (1, bytes);
        assert_eq!(frames.next(large(WAIT_BYTES)).0, Admission::Decode);
        assert_eq!(frames.next(large(WAIT_BYTES + 1)), (Admission::Drop, true));
        assert_eq!(frames.next(|s| s.key = true).0, Admission::Flush);
    }

    #[test]
    fn where_nothing_can_be_emptied_key_frames_wait_in_no_crowd_either() {
        let mut frames = Frames::started();
        let crowd = |s: &mut GateInput| (s.key, s.decoded, s.waiting) = (true, None, 16);
        for _ in 0..100 {
            assert_eq!(frames.next(crowd), (Admission::Drop, false));
        }
        let room = |s: &mut GateInput| (s.key, s.decoded) = (true, None);
        assert_eq!(frames.next(room).0, Admission::Decode);
    }

    #[test]
    fn a_decoder_that_failed_is_emptied_before_the_next_key_frame() {
        let mut frames = Frames::started();
        assert_eq!(frames.next(|s| s.broken = true), (Admission::Drop, true));
        assert_eq!(
            frames.next(|s| (s.key, s.broken) = (true, true)).0,
            Admission::Flush
        );
        assert_eq!(frames.next(|_| {}), (Admission::Decode, false));
        // Frames that need no others are all key frames.
        let jpeg = |s: &mut GateInput| (s.key, s.delta, s.broken) = (true, false, true);
        assert_eq!(frames.next(jpeg), (Admission::Flush, false));
    }

    #[test]
    fn a_decoder_that_gives_nothing_or_says_so_gets_a_key_frame() {
        let mut frames = Frames::started();
        assert_eq!(
            frames.next(|s| s.key_wanted = true),
            (Admission::Decode, true)
        );
        let silent = |frames: &mut Frames| frames.next(|s| s.decoded = Some(1));
        let asked: Vec<bool> = (0..30).map(|_| silent(&mut frames).1).collect();
        let first = asked.iter().position(|asks| *asks);
        assert!((14..=17).contains(&first.unwrap()), "{asked:?}");
        assert!(asked.iter().filter(|asks| **asks).count() <= 2, "{asked:?}");
    }
}
