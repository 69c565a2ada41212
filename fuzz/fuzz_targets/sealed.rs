//! Sealed messages that somebody changes on their way: what is read is a beginning of what was sent, and
//! all of it only where nothing was changed.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use vidchat::net::secure::fuzzing::{Message, pass};

#[derive(Arbitrary, Debug)]
enum Change {
    Flip(u16, u8),
    Remove(u16),
    Insert(u16, u8),
    Cut(u16),
    Repeat(u16, u16),
    Swap(u16, u16),
    Append(Vec<u8>),
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let length = bytes.len();
        let at = |place: &u16| usize::from(*place) % length.max(1);
        match self {
            _ if length == 0 => {}
            Self::Flip(place, bits) => bytes[at(place)] ^= bits,
            Self::Remove(place) => drop(bytes.remove(at(place))),
            Self::Insert(place, byte) => bytes.insert(at(place), *byte),
            Self::Cut(place) => bytes.truncate(at(place)),
            Self::Repeat(from, to) if at(from) < at(to) => {
                let part = bytes[at(from)..at(to)].to_vec();
                bytes.splice(at(to)..at(to), part);
            }
            Self::Repeat(..) => {}
            Self::Swap(one, other) => bytes.swap(at(one), at(other)),
            Self::Append(more) => bytes.extend_from_slice(more),
        }
    }
}

fuzz_target!(|input: (Vec<Message>, Vec<Change>, u16)| {
    let (messages, changes, room) = input;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("there is a runtime");
    let sent: Vec<u8> = messages.iter().flat_map(|(m, _)| m.clone()).collect();
    let mut is_changed = false;
    let change = |bytes: &mut Vec<u8>| {
        let before = bytes.clone();
        for change in &changes {
            change.apply(bytes);
        }
        is_changed = *bytes != before;
    };
    let (read, ended) = runtime.block_on(pass(&messages, change, room.into()));
    assert!(sent.starts_with(&read));
    assert!(is_changed || (ended.is_ok() && read == sent));
});
