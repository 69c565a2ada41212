//! Segments for applications in JPEG (APP9): a name, and any bytes.
//!
//! A comment would do as well for decoders, but GStreamer's `jpegparse` passes each comment on as
//! news of the stream, thirty times a second.

use std::ops::Range;

use super::edit::Edit;
use super::message::UUID;

const START_OF_IMAGE: [u8; 2] = [0xff, 0xd8];
const APP9: u8 = 0xe9;
/// More segments than a real image begins with.
const SEGMENTS_LIMIT: usize = 64;

/// The segment with `message`, which has fewer than 65,000 bytes.
fn segment(message: &[u8]) -> Vec<u8> {
    let [high, low] = (message.len() as u16 + 2).to_be_bytes();
    [&[0xff, APP9, high, low], message].concat()
}

/// The messages in an image that begin with our identifier.
pub fn messages(image: &[u8]) -> Vec<Vec<u8>> {
    let ours = segments(image).into_iter().flatten();
    ours.filter_map(|place| message(&image[place]))
        .map(<[u8]>::to_vec)
        .collect()
}

/// The change that puts `message` behind the segments for applications that an image begins with;
/// `None` where it is no image.
pub fn edit(image: &[u8], message_to_add: &[u8]) -> Option<Edit> {
    let segments = segments(image)?;
    let at = segments
        .last()
        .map_or(START_OF_IMAGE.len(), |last| last.end);
    let ours = segments
        .into_iter()
        .filter(|place| message(&image[place.clone()]).is_some());
    Some(Edit {
        removed: ours.map(|place| (place, Vec::new())).collect(),
        at,
        new: segment(message_to_add),
    })
}

/// The segments for applications that an image begins with; `None` where it is no image.
fn segments(image: &[u8]) -> Option<Vec<Range<usize>>> {
    image.strip_prefix(&START_OF_IMAGE)?;
    let mut found: Vec<Range<usize>> = Vec::new();
    while found.len() < SEGMENTS_LIMIT {
        let begin = found.last().map_or(START_OF_IMAGE.len(), |last| last.end);
        let Some([0xff, 0xe0..=0xef, high, low]) = image.get(begin..begin + 4) else {
            break;
        };
        // The length counts its own two bytes.
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let end = begin + 2 + length;
        if length < 2 || end > image.len() {
            break;
        }
        found.push(begin..end);
    }
    Some(found)
}

fn message(segment: &[u8]) -> Option<&[u8]> {
    let message = segment.strip_prefix(&[0xff, APP9])?.get(2..)?;
    message.starts_with(&UUID).then_some(message)
}
