//! Each shipped codec with the encoder that this machine takes for it: no frame is held back, a key
//! frame comes when it is asked for, and the bit rate can be changed.

use super::*;
use crate::media::capture::codec_bench::{Bench, all, is_key};

#[test]
fn a_codec_gives_a_frame_for_each_frame_and_a_key_frame_when_asked() {
    for codec in all() {
        let mut bench = Bench::of(&codec);
        assert!(is_key(&bench.next()), "{}", codec.name);
        let keys = (0..20).filter(|_| is_key(&bench.next())).count();
        if codec.name == "jpeg" {
            assert_eq!(keys, 20);
            continue;
        }
        assert_eq!(keys, 0, "{}", codec.name);
        ask_for_key(Some(&bench.encoder), &bench.frames);
        let wait = (0..2).position(|_| is_key(&bench.next()));
        assert!(wait.is_some(), "{} makes no key frame", codec.name);
    }
}

#[test]
fn a_codec_takes_another_bit_rate_while_it_runs() {
    for codec in all().into_iter().filter(|codec| codec.name != "jpeg") {
        let mut bench = Bench::of(&codec);
        let kind = bench.encoder.kind().to_owned();
        assert_eq!(bench.encoder.bitrate(), Some(550), "{kind}");
        let mut found = Vec::new();
        for kbit in [550, 200, 1000] {
            bench.encoder.set_bitrate(kbit);
            assert_eq!(bench.encoder.bitrate(), Some(kbit), "{kind}");
            found.push(bench.bytes_of_a_second() * 8 / 1000);
        }
        eprintln!("{kind}: {found:?} kbit/s");
        assert!(found[1] * 10 < found[0] * 6, "{kind}: {found:?} kbit/s");
        assert!(found[2] > found[1] * 2, "{kind}: {found:?} kbit/s");
    }
}
