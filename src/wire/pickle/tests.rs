//! Tests of what is read and what is refused. The pickles that are read were written by Python with
//! NumPy 1.26 and 2.x, by tests/tutorial/make_pickles.py.

use proptest::prelude::*;

use crate::wire::pickle::*;

struct Sample {
    name: String,
    format: String,
    size: (i32, i32),
    frame: Vec<u8>,
    pickle: Vec<u8>,
}

fn bytes(hexadecimal: &str) -> Vec<u8> {
    let digits: Vec<u32> = hexadecimal
        .chars()
        .map(|c| c.to_digit(16).unwrap())
        .collect();
    digits
        .chunks_exact(2)
        .map(|pair| (pair[0] * 16 + pair[1]) as u8)
        .collect()
}

fn samples() -> Vec<Sample> {
    let lines = include_str!("../../../tests/tutorial/pickles.txt").lines();
    let samples: Vec<Sample> = lines
        .map(|line| {
            let [name, format, width, height, frame, pickle] =
                line.split(' ').collect::<Vec<_>>().try_into().unwrap();
            Sample {
                name: name.to_owned(),
                format: format.to_owned(),
                size: (width.parse().unwrap(), height.parse().unwrap()),
                frame: bytes(frame),
                pickle: bytes(pickle),
            }
        })
        .collect();
    assert!(samples.len() > 100);
    samples
}

fn written(pickled: &PickledFrame<'_>) -> Vec<u8> {
    // The bytes are not zero, so that unwritten ones are noticed.
    let mut frame = vec![0xaa; pickled.length()];
    pickled.write(&mut frame);
    frame
}

fn refusal(pickle: &[u8]) -> String {
    decode(pickle).unwrap_err().to_string()
}

#[test]
fn whatever_numpy_writes_is_read() {
    for sample in samples() {
        let name = &sample.name;
        let pickled = decode(&sample.pickle).unwrap_or_else(|e| panic!("{name} {e}"));
        let caps = pickled.caps();
        match caps.format() {
            Some(format) => {
                assert_eq!(format, sample.format, "{name}");
                assert_eq!(caps.size(), Some(sample.size), "{name}");
            }
            None => assert_eq!(caps.media_type(), sample.format, "{name}"),
        }
        assert_eq!(written(&pickled), sample.frame, "{name}");
    }
}

#[test]
fn what_ends_early_is_refused_wherever_it_ends() {
    for sample in samples() {
        for length in 0..sample.pickle.len() {
            let early = decode(&sample.pickle[..length]);
            assert!(early.is_err(), "{} after {length} bytes", sample.name);
        }
    }
}

#[test]
fn our_own_envelope_is_read_back() {
    let pixels: Vec<u8> = (0..4 * 2 * 3).collect();
    let envelope = Envelope::new(4, 2);
    let message = [&envelope.head, &pixels[..], envelope.tail].concat();
    let (length, pickle) = message.split_at(PREFIX_BYTES);
    assert_eq!(length, (pickle.len() as u64).to_le_bytes());
    let read = decode(pickle).unwrap();
    assert_eq!(read.caps().size(), Some((4, 2)));
    assert_eq!(written(&read), pixels);
}

#[test]
fn nothing_is_called_and_what_would_have_been_is_named() {
    for (pickle, name) in [
        (&b"cos\nsystem\n(S'echo'\ntR."[..], "calls os.system"),
        (b"cbuiltins\neval\n(V1+1\ntR.", "calls builtins.eval"),
        (
            b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x02id\x85R.",
            "calls posix.system",
        ),
        (b"cnumpy\nload\n(Vx\ntR.", "calls numpy.load"),
        (
            b"cnumpy.core.multiarray\nscalar\n.",
            "calls numpy.core.multiarray.scalar",
        ),
        (b"c__main__\nX\n)\x81.", "calls __main__.X"),
        (b"(ios\nsystem\n.", "has the instruction INST"),
        (b"Pid\n.", "has the instruction PERSID"),
        (b"cnumpy\nndarray\n)\x81.", "has the instruction NEWOBJ"),
        (b"\x80\x05\x97.", "has the instruction NEXT_BUFFER"),
        (b"\x82\x01.", "has the instruction EXT"),
        (b"]\x94.", "has the instruction LIST"),
        (b"\xff.", "has the unknown instruction 0xff"),
    ] {
        assert_eq!(refusal(pickle), name);
    }
}

#[test]
fn what_is_no_frame_is_refused_by_what_it_is() {
    for (pickle, what) in [
        (&b"N."[..], "holds something else, which is no frame"),
        (
            b"(Vx\nt.",
            "holds a tuple that does not begin with an array, which is no frame",
        ),
        (b"\x8c\x02hi.", "holds text, which is no frame"),
        (b"C\x02hi.", "holds bytes, which is no frame"),
        (b".", "is malformed at an empty stack"),
        (b"(.", "is malformed at an empty stack"),
        (b"t.", "is malformed at a mark"),
        (b"h\x05.", "is malformed at GET"),
        (b"NNR.", "is malformed at REDUCE"),
        (b"NNb.", "is malformed at BUILD"),
    ] {
        assert_eq!(refusal(pickle), what);
    }
}

/// `numpy.ndarray(shape, dtype, bytearray)` with these decimals as sides.
fn array(sides: &[i64], dtype: &str, length: usize) -> Vec<u8> {
    let mut pickle = b"cnumpy\nndarray\n((".to_vec();
    for side in sides {
        pickle.extend_from_slice(format!("L{side}L\n").as_bytes());
    }
    pickle.push(b't');
    pickle.extend_from_slice(format!("V{dtype}\n").as_bytes());
    pickle.push(0x96);
    pickle.extend_from_slice(&(length as u64).to_le_bytes());
    pickle.resize(pickle.len() + length, 0);
    pickle.extend_from_slice(b"tR.");
    pickle
}

#[test]
fn arrays_that_are_no_frames_are_refused() {
    assert!(decode(&array(&[2, 2, 3], "u1", 12)).is_ok());
    for (sides, dtype, length) in [
        (&[2, 2, 3][..], "u1", 11),
        (&[2, 2, 3], "f8", 12),
        (&[2, 2, 2], "u1", 8),
        (&[2, 2, 3, 1], "u1", 12),
        (&[12], "u1", 12),
        (&[], "u1", 1),
        (&[0, 0, 3], "u1", 0),
        (&[-2, -2, 3], "u1", 12),
        (&[i64::MAX, i64::MAX, 3], "u1", 12),
        (&[1 << 32, 1 << 32, 3], "u1", 0),
        (&[20_000, 1, 3], "u1", 60_000),
        (&[1; 100], "u1", 1),
    ] {
        assert!(
            decode(&array(sides, dtype, length)).is_err(),
            "{sides:?} {dtype}"
        );
    }
    // More bytes are declared than are there.
    assert_eq!(
        refusal(b"\x96\xff\xff\xff\xff\xff\xff\xff\x7f"),
        "ends in the middle"
    );
    assert_eq!(refusal(b"B\xff\xff\xff\xff"), "ends in the middle");
}

#[test]
fn bombs_are_refused_before_they_grow() {
    let stack = b"N".repeat(1 << 20);
    assert_eq!(refusal(&stack), "has too many things on the stack");
    let marks = b"(".repeat(1 << 20);
    assert_eq!(refusal(&marks), "has too many marks");
    let deep = [&b"("[..], &b"\x85".repeat(1 << 20)].concat();
    assert!(decode(&deep).is_err());
    let nested = [&b"N"[..], &b"\x85".repeat(1 << 20)].concat();
    assert_eq!(refusal(&nested), "has too many tuples within tuples");
    let memo = [&b"N"[..], &b"\x94".repeat(1 << 20)].concat();
    assert_eq!(refusal(&memo), "has too many things to remember");
    assert_eq!(
        refusal(b"Nr\xff\xff\xff\xff."),
        "has too many things to remember"
    );
    assert_eq!(
        refusal(b"Np999999999\n."),
        "has too many things to remember"
    );
    // Each tuple holds the previous one twice. Copies would need 2 to the power of the depth.
    let doubling = [&b"N"[..], &b"2\x86".repeat(1 << 20)].concat();
    assert_eq!(refusal(&doubling), "has too many tuples within tuples");
    let digits = [&b"I"[..], &b"9".repeat(1 << 20), b"\n."].concat();
    assert_eq!(refusal(&digits), "has too many characters in a name");
}

proptest! {
    #[test]
    fn any_bytes_are_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(&bytes);
    }

    #[test]
    fn a_sample_with_changed_bytes_never_panics(
        pick in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut pickle = pick.get(&samples()).pickle.clone();
        for (at, byte) in changes {
            let at = at.index(pickle.len());
            pickle[at] = byte;
        }
        if let Ok(pickled) = decode(&pickle) {
            written(&pickled);
        }
    }
}
