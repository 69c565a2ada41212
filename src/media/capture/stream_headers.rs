//! The parameter sets of a stream, which every key frame has to bring: a viewer that joins later
//! begins with a key frame and has seen nothing before it.
//!
//! Files keep the parameter sets once, and some cameras send them once. Here they are kept and put
//! into each key frame that lacks them. Bytes in, bytes out, so that all of it can be tested
//! without a pipeline.

use bytes::Bytes;

use crate::media::leading_units::{Unit, UnitCodec};

/// The most bytes of parameter sets that are kept. Those of a real stream are a few hundred.
const KEPT_LIMIT: usize = 64 << 10;

/// The parameter sets of one stream.
#[derive(Debug)]
pub struct StreamHeaders {
    codec: UnitCodec,
    /// Parameter sets with their types, the newest of each type last.
    kept: Vec<(u8, Bytes)>,
}

impl StreamHeaders {
    /// For frames of this media type. `None` where each key frame stands for itself.
    pub fn of(media_type: &str) -> Option<Self> {
        let codec = UnitCodec::of(media_type)?;
        let kept = Vec::new();
        Some(Self { codec, kept })
    }

    /// Takes in the `codec_data` of the caps. Only AV1 has it beside frames that are whole
    /// otherwise.
    pub fn take_codec_data(&mut self, codec_data: &[u8]) {
        // Four bytes about the stream come before its open bitstream units.
        if let (UnitCodec::Av1, Some(units)) = (self.codec, codec_data.get(4..)) {
            self.take(&Bytes::copy_from_slice(units));
        }
    }

    /// The frame with all that a decoder needs to begin with it, where it is a key frame. Any other
    /// frame stays as it is.
    pub fn complete(&mut self, is_key: bool, frame: Bytes) -> Bytes {
        let found = self.take(&frame);
        if !is_key {
            return frame;
        }
        let missing = self.kept.iter();
        let missing: Vec<&Bytes> = missing
            .filter(|(kind, _)| found.iter().all(|unit| unit.kind != *kind))
            .map(|(_, set)| set)
            .collect();
        if missing.is_empty() {
            return frame;
        }
        // They follow the unit that begins a frame, and the sets that they may build on.
        let leads =
            |unit: &&Unit| self.codec.begins_frame(unit.kind) || self.codec.is_set(unit.kind);
        let at = found.iter().rfind(leads).map_or(0, |unit| unit.place.end);
        let mut whole =
            Vec::with_capacity(frame.len() + missing.iter().map(|set| set.len()).sum::<usize>());
        whole.extend_from_slice(&frame[..at]);
        for set in missing {
            whole.extend_from_slice(set);
        }
        whole.extend_from_slice(&frame[at..]);
        whole.into()
    }

    /// Keeps the parameter sets of a frame, and returns the units that it begins with.
    fn take(&mut self, frame: &Bytes) -> Vec<Unit> {
        let found: Vec<Unit> = self
            .codec
            .units(frame)
            .take_while(|unit| !unit.is_image)
            .collect();
        let sets = || found.iter().filter(|unit| self.codec.is_set(unit.kind));
        let is_kept = |unit: &Unit| {
            let known = |(_, set): &(u8, Bytes)| set[..] == frame[unit.place.clone()];
            self.kept.iter().any(known)
        };
        // Another sequence begins, and the sets of the one before it say nothing about it.
        let sequence = sequence_set(self.codec);
        if sets().any(|unit| unit.kind == sequence && !is_kept(unit)) {
            self.kept.clear();
        }
        for unit in found.iter().filter(|unit| self.codec.is_set(unit.kind)) {
            let set = Bytes::copy_from_slice(&frame[unit.place.clone()]);
            self.kept.retain(|(_, kept)| *kept != set);
            let size: usize = self.kept.iter().map(|(_, kept)| kept.len()).sum();
            if size + set.len() <= KEPT_LIMIT {
                self.kept.push((unit.kind, set));
            }
        }
        self.kept.sort_by_key(|(kind, _)| order(self.codec, *kind));
        found
    }
}

/// The type of the set that begins a sequence.
fn sequence_set(codec: UnitCodec) -> u8 {
    match codec {
        UnitCodec::H264 => 7,
        UnitCodec::H265 => 33,
        UnitCodec::Av1 => 1,
    }
}

/// The place of a set among those of a frame: each builds on the ones before it.
fn order(codec: UnitCodec, kind: u8) -> u8 {
    match (codec, kind) {
        // The picture's set, after all of the sequence's.
        (UnitCodec::H264, 8) => u8::MAX,
        _ => kind,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: [u8; 4] = [0, 0, 0, 1];
    const SHORT: [u8; 3] = [0, 0, 1];

    /// A frame of NAL units, with the long start code before each.
    fn nals(units: &[&[u8]]) -> Bytes {
        units
            .iter()
            .flat_map(|unit| [&LONG[..], unit].concat())
            .collect()
    }

    fn obu(kind: u8, body: &[u8]) -> Vec<u8> {
        [&[kind << 3 | 2, body.len() as u8], body].concat()
    }

    #[test]
    fn a_key_frame_of_h264_gets_the_sets_that_it_lacks_after_its_delimiter() {
        let mut headers = StreamHeaders::of("video/x-h264").unwrap();
        let (delimiter, sps, pps, other) = (
            &[9, 16][..],
            &[0x67, 1, 2][..],
            &[0x68, 3][..],
            &[0x68, 4][..],
        );
        let (idr, delta) = (&[0x65, 9, 9, 9][..], &[0x41, 8, 8][..]);
        let whole = nals(&[delimiter, sps, pps, idr]);
        assert_eq!(headers.complete(true, whole.clone()), whole);
        let rest = nals(&[delimiter, delta]);
        assert_eq!(headers.complete(false, rest.clone()), rest);
        assert_eq!(headers.complete(true, nals(&[delimiter, idr])), whole);
        assert_eq!(headers.complete(true, nals(&[idr])), nals(&[sps, pps, idr]));
        // A set of the picture comes by itself, and the key frame after it lacks both.
        headers.complete(false, nals(&[delimiter, other, delta]));
        assert_eq!(
            headers.complete(true, nals(&[idr])),
            nals(&[sps, pps, other, idr])
        );
        // Only what is missing is added, behind what it builds on.
        assert_eq!(
            headers.complete(true, nals(&[delimiter, sps, idr])),
            nals(&[delimiter, sps, pps, other, idr])
        );
    }

    #[test]
    fn another_sequence_takes_the_place_of_the_one_before() {
        let mut headers = StreamHeaders::of("video/x-h264").unwrap();
        headers.complete(true, nals(&[&[0x67, 1], &[0x68, 1], &[0x65]]));
        headers.complete(true, nals(&[&[0x67, 2], &[0x68, 2], &[0x65]]));
        let whole = nals(&[&[0x67, 2], &[0x68, 2], &[0x65]]);
        assert_eq!(headers.complete(true, nals(&[&[0x65]])), whole);
    }

    #[test]
    fn short_start_codes_and_zeros_are_no_part_of_a_set() {
        let mut headers = StreamHeaders::of("video/x-h264").unwrap();
        let first = [
            &SHORT[..],
            &[0x67, 1, 0, 0],
            &SHORT,
            &[0x68, 2],
            &SHORT,
            &[0x65, 1],
        ]
        .concat();
        headers.complete(true, first.into());
        let completed = headers.complete(true, [&SHORT[..], &[0x65, 7]].concat().into());
        let expected = [
            &SHORT[..],
            &[0x67, 1],
            &[0, 0],
            &SHORT,
            &[0x68, 2],
            &SHORT,
            &[0x65, 7],
        ];
        assert_eq!(completed, expected.concat());
    }

    #[test]
    fn h265_has_three_kinds_of_sets() {
        let mut headers = StreamHeaders::of("video/x-h265").unwrap();
        let (vps, sps, pps) = (&[64, 1, 1][..], &[66, 1, 2][..], &[68, 1, 3][..]);
        let (delimiter, idr) = (&[70, 1, 80][..], &[38, 1, 9][..]);
        headers.complete(true, nals(&[delimiter, vps, sps, pps, idr]));
        assert_eq!(
            headers.complete(true, nals(&[delimiter, idr])),
            nals(&[delimiter, vps, sps, pps, idr])
        );
    }

    #[test]
    fn av1_has_its_sequence_header_from_the_frames_or_from_the_caps() {
        let (delimiter, sequence, frame) = (obu(2, &[]), obu(1, &[7, 7]), obu(6, &[1, 2, 3]));
        let whole: Bytes = [&delimiter[..], &sequence, &frame].concat().into();
        let bare: Bytes = [&delimiter[..], &frame].concat().into();
        let mut from_frames = StreamHeaders::of("video/x-av1").unwrap();
        assert_eq!(
            from_frames.complete(true, bare.clone()),
            bare,
            "it knows none"
        );
        from_frames.complete(true, whole.clone());
        assert_eq!(from_frames.complete(true, bare.clone()), whole);
        let mut from_caps = StreamHeaders::of("video/x-av1").unwrap();
        from_caps.take_codec_data(&[&[0x81, 0, 0, 0], &sequence[..]].concat());
        assert_eq!(from_caps.complete(true, bare), whole);
    }

    #[test]
    fn other_codecs_need_nothing() {
        for media_type in ["video/x-raw", "image/jpeg", "video/x-vp8", "video/x-vp9"] {
            assert!(StreamHeaders::of(media_type).is_none(), "{media_type}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_keep_all_of_the_frame(frames in proptest::collection::vec(
            proptest::collection::vec(proptest::prelude::prop_oneof![
                3 => proptest::prelude::Just(0_u8),
                2 => proptest::prelude::Just(1),
                3 => proptest::prelude::any::<u8>(),
            ], 0..80),
            0..20,
        )) {
            for media_type in ["video/x-h264", "video/x-h265", "video/x-av1"] {
                let mut headers = StreamHeaders::of(media_type).unwrap();
                for (number, frame) in frames.iter().enumerate() {
                    let frame = Bytes::from(frame.clone());
                    let whole = headers.complete(number % 2 == 0, frame.clone());
                    let added = whole.len() - frame.len();
                    let at = (0..=frame.len()).find(|at| {
                        whole[..*at] == frame[..*at] && whole[at + added..] == frame[*at..]
                    });
                    assert!(at.is_some());
                    assert!(added <= KEPT_LIMIT);
                }
            }
        }
    }
}
