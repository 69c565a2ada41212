//! Any frames of any codec, whose headers are read before a decoder has them: sizes or a refusal,
//! never a panic or a loop.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vidchat::media::playback::coded_size::CodedSizes;
use vidchat::wire::Caps;

const CODECS: [&str; 7] = [
    "image/jpeg",
    "image/png",
    "video/x-h264, stream-format=(string)byte-stream, alignment=(string)au",
    "video/x-h265, stream-format=(string)byte-stream, alignment=(string)au",
    "video/x-vp8",
    "video/x-vp9",
    "video/x-av1, stream-format=(string)obu-stream, alignment=(string)tu",
];

fuzz_target!(|input: (u8, Vec<Vec<u8>>)| {
    let (codec, frames) = input;
    let codec = CODECS[usize::from(codec) % CODECS.len()];
    let caps = Caps::parse(codec).expect("the caps are good");
    let mut sizes = CodedSizes::of(&caps);
    for frame in frames {
        let mut count = 0;
        let _ = sizes.read(&frame, &mut |_| count += 1);
        assert!(count <= frame.len());
    }
});
