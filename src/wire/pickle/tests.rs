//! Tests of what is read and what is refused. The pickles that are read were written by Python with
//! NumPy 1.26 and 2.x, by tests/tutorial/make_pickles.py.

use std::sync::LazyLock;

use proptest::prelude::*;

use crate::wire::pickle::machine::Machine;
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

/// The samples, read once.
static SAMPLES: LazyLock<Vec<Sample>> = LazyLock::new(samples);

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
    for sample in SAMPLES.iter() {
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
fn what_python_2_writes_is_read() {
    // A dict with a name and an array of two rows of three, as its protocol 0 has them.
    let array = |bytes: &str| {
        format!(
            "cnumpy.core.multiarray\n_reconstruct\np2\n(cnumpy\nndarray\np3\n(I0\ntp4\nS'b'\np5\n\
             tp6\nRp7\n(I1\n(I2\nI3\ntp8\ncnumpy\ndtype\np9\n(S'u1'\np10\nI0\nI1\ntp11\nRp12\n\
             (I3\nS'|'\np13\nNNNI-1\nI-1\nI0\ntp14\nbI00\nS'{bytes}'\np15\ntp16\nb"
        )
    };
    let bytes = array(r"\x00\n\\\'\xffA");
    let pickle = format!("(dp0\nS'frame'\np1\n{bytes}sS'name'\np17\nS'camera'\np18\nsL7L\n0.");
    let read = decode(pickle.as_bytes()).unwrap();
    assert_eq!(read.caps().describe(), "3x2 GRAY8");
    assert_eq!(written(&read), [0, 10, 92, 0, 39, 255, 65, 0]);
    let jpeg = decode(
        br"S'\xff\xd8\xff\xe0\tabc'
p0
.",
    )
    .unwrap();
    assert_eq!(written(&jpeg), b"\xff\xd8\xff\xe0\tabc");
}

#[test]
fn what_ends_early_is_refused_wherever_it_ends() {
    for sample in SAMPLES.iter() {
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
    let (length, pickle) = message.split_at(LengthFormat::default().width());
    assert_eq!(length, (pickle.len() as u64).to_le_bytes());
    let read = decode(pickle).unwrap();
    assert_eq!(read.caps().size(), Some((4, 2)));
    assert_eq!(written(&read), pixels);
}

#[test]
fn our_own_envelope_of_a_jpeg_is_read_back_behind_any_length() {
    for format in ["Q", "I", ">Q", ">L", "16"].map(|name| name.parse::<LengthFormat>().unwrap()) {
        for length in [5, 300, 70_000] {
            let mut jpeg = b"\xff\xd8\xff\xe0".to_vec();
            jpeg.resize(length, 7);
            let envelope = Envelope::jpeg(format, length);
            let message = [&envelope.head, &jpeg[..], envelope.tail].concat();
            let (prefix, pickle) = message.split_at(format.width());
            assert_eq!(format.decode(prefix), Ok(Some(pickle.len() as u64)));
            let read = decode(pickle).unwrap();
            assert_eq!(read.caps().media_type(), "image/jpeg");
            assert_eq!(written(&read), jpeg);
        }
    }
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
        (b"c__main__\nX\n)R.", "calls __main__.X"),
        (b"]cos\nsystem\n(S'echo'\ntRa.", "calls os.system"),
        (b"cbuiltins\ngetattr\n(NVx\ntR.", "calls builtins.getattr"),
        (b"(ios\nsystem\n.", "has the instruction INST"),
        (b"Pid\n.", "has the instruction PERSID"),
        (b"cnumpy\nndarray\n)\x81.", "has the instruction NEWOBJ"),
        (b"\x80\x05\x97.", "has the instruction NEXT_BUFFER"),
        (b"\x82\x01.", "has the instruction EXT"),
        (b"\xff.", "has the unknown instruction 0xff"),
    ] {
        assert_eq!(refusal(pickle), name);
    }
}

#[test]
fn what_holds_no_frame_is_refused_by_what_it_holds() {
    for (pickle, holds) in [
        (&b"N."[..], "None"),
        (b"I7\n.", "a number"),
        (b"(Vx\nI1\nNt.", "a tuple of None, numbers and text"),
        (b"\x8c\x02hi.", "text"),
        (b"C\x02hi.", "bytes that are neither JPEG nor PNG"),
        (b"]\x94.", "an empty list"),
        (b"}Vframe\nNs.", "a dict of None and text"),
        (b"](((NtI1\ntC\x02hie.", "a list of None, numbers and bytes"),
        (b"c__main__\nX\n)\x81}Va\nVb\nsb.", "an object of text"),
        (b"cos\nsystem\n.", "the name of a type"),
        (b"]cos\nsystem\na.", "a list of objects"),
        (
            b"cnumpy\nndarray\n((K\x02tVf4\nC\x08--------tR.",
            "an array of type f4 and shape [2]",
        ),
        (
            b"](cnumpy\nndarray\n((K\x02tVf4\nC\x08--------tRNe.",
            "a list of None and an array of type f4 and shape [2]",
        ),
    ] {
        let expected = format!("holds no frame, only {holds}");
        assert_eq!(refusal(pickle), expected);
    }
}

#[test]
fn lists_of_numbers_in_place_of_an_array_are_refused_by_that_however_many() {
    // A list of the values that follow its mark.
    let list = |values: Vec<u8>| [b"](".as_slice(), &values, b"e"].concat();
    let pickle = |root: Vec<u8>| [root.as_slice(), b"."].concat();
    let pixel = || list(b"K\x01K\x02K\xff".to_vec());
    for (rows, columns) in [(16, 1), (480, 640)] {
        let grey = list(list(b"K\x07".repeat(columns)).repeat(rows));
        let colours = list(list(pixel().repeat(columns)).repeat(rows));
        let dict = [b"}Vframe\n", grey.as_slice(), b"s"].concat();
        for root in [grey, colours, dict] {
            let refused = refusal(&pickle(root));
            assert_eq!(refused, "holds lists of numbers in place of an array");
        }
    }
    // The boxes of a detector, without a frame.
    let boxes = list(list(b"K\x01K\x02K\x03K\x04".to_vec()).repeat(3));
    assert_eq!(
        refusal(&pickle(boxes)),
        "holds no frame, only a list of numbers"
    );
}

#[test]
fn what_makes_no_sense_is_refused_by_its_place() {
    for (pickle, place) in [
        (&b"."[..], "an empty stack"),
        (b"(.", "an empty stack"),
        (b"t.", "a mark"),
        (b"h\x05.", "GET"),
        (b"NNR.", "REDUCE"),
        (b"NNb.", "BUILD"),
        (b"Na.", "APPEND"),
        (b"NNa.", "APPEND"),
        (b"](a.", "APPEND"),
        (b"](Na.", "APPEND"),
        (b"]N(e.", "APPEND"),
        (b"}Ns.", "APPEND"),
        (b"](\x85.", "TUPLE"),
        (b"I1x\n.", "a number"),
        (b"V\\u12\n.", "text"),
        (b"S'\\q'\n.", "a string"),
    ] {
        assert_eq!(
            refusal(pickle),
            format!("is malformed at {place}"),
            "{pickle:?}"
        );
    }
}

#[test]
fn of_two_frames_none_is_chosen() {
    let one = array(&[2, 2, 3], "u1", 12);
    let one = &one[..one.len() - 1];
    let jpeg = b"C\x04\xff\xd8\xff\xe0";
    let both = [b"](", one, jpeg, b"Vx\ne."].concat();
    assert_eq!(refusal(&both), "holds 2 frames: 2x2 BGR, JPEG");
    let many = [b"](", &[one, jpeg].concat().repeat(20)[..], b"e."].concat();
    assert!(
        refusal(&many).starts_with("holds 4 frames: "),
        "{}",
        refusal(&many)
    );
    // It is one frame, in two places.
    let same = [b"](", one, b"\x94h\x00h\x00e."].concat();
    assert!(decode(&same).is_ok());
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
        (&[0, 1 << 40, 1 << 40], "u1", 0),
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

/// The bytes that a pickle took beside itself, refused or not, and its length.
fn spent(pickle: &[u8]) -> usize {
    let mut machine = Machine::new(pickle);
    let root = machine.run();
    if let Ok(root) = root {
        let visited = machine.heap.walk(root).count();
        assert!(visited <= pickle.len(), "{visited} visits");
    }
    machine.heap.spent()
}

/// The bytes that a pickle may take beside itself and its decoded frame.
fn allowed(pickle: &[u8]) -> usize {
    pickle.len() + (1 << 20)
}

#[test]
fn bombs_are_refused_before_they_grow() {
    let many = 1 << 20;
    let memo = |number: &[u8]| [b"Nr", number, b"."].concat();
    for (pickle, refused) in [
        (b"N".repeat(many), "has too many things on the stack"),
        (b"(".repeat(many), "has too many marks"),
        (
            [&b"N"[..], &b"\x94".repeat(many)].concat(),
            "has too many things to remember",
        ),
        (memo(b"\xff\xff\xff\xff"), "has too many things to remember"),
        (memo(b"\xff\xff\xff\x00"), "has too many things to remember"),
        (
            b"Np999999999\n.".to_vec(),
            "has too many things to remember",
        ),
        (
            b"Np99999999999999999999\n.".to_vec(),
            "has too many things to remember",
        ),
        (
            [&b"I"[..], &b"9".repeat(many), b"\n."].concat(),
            "has too many characters in a name",
        ),
        (b"]0".repeat(many), "has too many lists and objects"),
        (
            [&b"N"[..], &b"\x85".repeat(many)].concat(),
            "has too many values",
        ),
        // Each tuple holds the previous one twice. Copies would need 2 to the power of the depth.
        (
            [&b"N"[..], &b"2\x86".repeat(many)].concat(),
            "has too many values",
        ),
        (
            [&b"]"[..], &b"(])e".repeat(many)].concat(),
            "has too many values",
        ),
    ] {
        let start = &pickle[..8.min(pickle.len())];
        assert_eq!(refusal(&pickle), refused, "{start:?}");
        assert!(spent(&pickle) <= allowed(&pickle), "{start:?}");
    }
}

#[test]
fn what_is_remembered_is_never_copied() {
    let text = [&b"X\x00\x00\x08\x00"[..], &b"x".repeat(1 << 19), b"\x940"].concat();
    let bytes = [&b"B\x00\x00\x08\x00"[..], &b"x".repeat(1 << 19), b"\x940"].concat();
    let escaped = [&b"V"[..], &b"x".repeat(1 << 19), b"\n\x940"].concat();
    let calls: [(&[u8], &[u8], &[u8]); 5] = [
        (&text, b"c_codecs\nencode\n\x940", b"h\x01h\x00\x85R0"),
        (&escaped, b"c_codecs\nencode\n\x940", b"h\x01h\x00\x85R0"),
        (&text, b"cbuiltins\nbytearray\n\x940", b"h\x01h\x00\x85R0"),
        (&bytes, b"cbuiltins\nbytes\n\x940", b"h\x01h\x00\x85R0"),
        (&text, b"cnumpy\ndtype\n\x940", b"h\x01h\x00\x85R0"),
    ];
    for (remembered, name, call) in calls {
        // As many calls as are allowed, then far more.
        for count in [1000, 100_000] {
            let pickle = [remembered, name, &call.repeat(count), b"N."].concat();
            let refused = refusal(&pickle);
            assert!(
                refused == "holds no frame, only None" || refused.starts_with("has too many"),
                "{refused}"
            );
            assert!(spent(&pickle) <= allowed(&pickle));
        }
    }
    // The frame itself is decoded once, though its bytes are made a thousand times.
    let making = b"h\x01h\x00\x85R";
    let array = b"cnumpy\nndarray\n(M\x00\x04M\x00\x02\x86Vu1\n";
    let again = [making, &b"0"[..]].concat().repeat(1000);
    let frame = [
        &text,
        &b"c_codecs\nencode\n\x940"[..],
        &again,
        array,
        making,
        b"tR.",
    ]
    .concat();
    let read = decode(&frame).unwrap();
    assert_eq!(
        (read.caps().size(), read.length()),
        (Some((512, 1024)), 1 << 19)
    );
}

#[test]
fn a_loop_of_references_ends() {
    let gray = array(&[2, 4], "u1", 8);
    let gray = &gray[..gray.len() - 1];
    // A list that holds itself and the frame, and a dict that holds the list and itself.
    let pickle = [b"]\x94(h\x00", gray, b"}\x94(h\x00h\x01h\x01Nue."].concat();
    assert_eq!(decode(&pickle).unwrap().caps().size(), Some((4, 2)));
    assert_eq!(
        refusal(b"]\x94h\x00a."),
        "holds no frame, only an empty list"
    );
}

proptest! {
    #[test]
    fn any_bytes_are_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(&bytes);
    }

    #[test]
    fn no_bytes_take_more_than_is_allowed(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                &b"N"[..], b"(", b"t", b"]", b"}", b"e", b"a", b"u", b"s", b"\x94", b"h\x00", b"2",
                b"0", b"\x85", b"\x86", b"R", b"b", b"cnumpy\ndtype\n", b"c_codecs\nencode\n",
                b"Vu1\n", b"C\x04\xff\xd8\xff\xe0", b"c__main__\nX\n", b")", b"\x81", b"K\x04",
                b"cnumpy\nndarray\n",
            ]),
            0..400,
        ),
        times in 1usize..50,
    ) {
        let pickle = [&parts.concat().repeat(times), &b"."[..]].concat();
        let _ = decode(&pickle);
        prop_assert!(spent(&pickle) <= allowed(&pickle));
    }

    #[test]
    fn a_sample_with_changed_bytes_never_panics(
        pick in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut pickle = pick.get(&SAMPLES).pickle.clone();
        for (at, byte) in changes {
            let at = at.index(pickle.len());
            pickle[at] = byte;
        }
        if let Ok(pickled) = decode(&pickle) {
            written(&pickled);
        }
    }
}
