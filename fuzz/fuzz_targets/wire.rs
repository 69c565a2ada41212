//! Any bytes as what a peer sends: heads, control messages, caps, the first bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vidchat::wire::{Caps, Control, HeadBuffer};
use vidchat::wire::dialect;

fuzz_target!(|bytes: &[u8]| {
    let _ = dialect::detect(bytes);
    let _ = Control::decode(bytes);
    if let Ok(text) = str::from_utf8(bytes)
        && let Ok(caps) = Caps::parse(text)
    {
        assert_eq!(Caps::parse(&caps.to_string()).as_ref(), Ok(&caps));
    }
    let mut head = HeadBuffer::default();
    let count = bytes.len().min(head.space().len());
    head.space()[..count].copy_from_slice(&bytes[..count]);
    head.advance(count);
    let _ = head.head(1 << 20);
});
