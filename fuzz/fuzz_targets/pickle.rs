//! Any bytes as a pickle from the network: refused or read, never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vidchat::wire::pickle;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(frame) = pickle::decode(bytes) {
        let mut frame = vec![0; frame.length()];
        frame.write(&mut frame);
    }
});
