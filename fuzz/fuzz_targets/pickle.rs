//! Any bytes as a pickle from the network: refused or read, never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vidchat::wire::pickle;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(frame) = pickle::decode(bytes) {
        // A frame of a bound length: rows are padded to four bytes.
        assert!(frame.length() <= 4 * bytes.len());
        frame.write(&mut vec![0; frame.length()]);
    }
});
