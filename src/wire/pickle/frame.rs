//! The frame in a pickle: its caps, and its bytes in the layout of raw frames.

use std::borrow::Cow;

use super::PickleError as Error;
use super::array::is_bytes;
use super::heap::{Array, Heap, Kinds, Part};
use super::value::{Bytes, Value};
use crate::wire::Caps;
use crate::wire::text::printable;

/// A frame inside a pickle.
#[derive(Clone, Debug)]
pub struct PickledFrame<'a> {
    caps: Caps,
    layout: Layout,
    data: Cow<'a, [u8]>,
}

#[derive(Clone, Debug)]
enum Layout {
    /// A compressed frame, byte for byte.
    AsIs,
    /// Pixels: the number of rows, columns and channels, and the distance between neighbours in
    /// each.
    Pixels {
        height: usize,
        width: usize,
        channels: usize,
        strides: [usize; 3],
    },
}

/// A part of a pickle that is a frame.
struct Candidate<'a> {
    caps: Caps,
    layout: Layout,
    data: Bytes<'a>,
}

impl<'a> PickledFrame<'a> {
    /// The one frame in all that `root` leads to.
    pub(super) fn find(root: Value<'a>, heap: &Heap<'a>) -> Result<Self, Error> {
        let mut frames: Vec<Candidate<'a>> = Vec::new();
        let mut plain = Kinds::default();
        let mut others = Vec::new();
        for part in heap.walk(root) {
            let found = match part {
                Part::Plain(kinds) => {
                    plain.add(kinds);
                    continue;
                }
                Part::Compressed(bytes) => compressed(bytes),
                Part::Array(number) => of_array(heap.of_array(number)),
            };
            match (found, part) {
                // The same bytes may be in several places.
                (Some(frame), _) if frames.iter().any(|known| known.is(&frame)) => {}
                (Some(_), _) if frames.len() > LISTED => {
                    // Too many are an error whatever their number.
                }
                (Some(frame), _) => frames.push(frame),
                (None, Part::Array(number)) if others.len() <= LISTED => {
                    others.push(describe_array(heap.of_array(number)));
                }
                (None, _) => {}
            }
        }
        match frames.pop() {
            None if heap.has_rows_of_numbers() => Err(Error::NumberLists),
            None => Err(Error::NoFrame(describe(root, heap, plain, &others))),
            Some(frame) if frames.is_empty() => Ok(Self {
                caps: frame.caps,
                layout: frame.layout,
                data: frame.data.decode(),
            }),
            Some(frame) => {
                frames.push(frame);
                let frames = frames.iter().map(|frame| frame.caps.describe());
                Err(Error::SeveralFrames(frames.collect()))
            }
        }
    }

    /// The caps of the frame that [`PickledFrame::write`] writes.
    pub fn caps(&self) -> &Caps {
        &self.caps
    }

    /// The number of bytes that [`PickledFrame::write`] writes.
    pub fn length(&self) -> usize {
        match self.layout {
            Layout::AsIs => self.data.len(),
            Layout::Pixels {
                width,
                height,
                channels,
                ..
            } => padded(width * channels) * height,
        }
    }

    /// Writes the frame into `frame`, of [`PickledFrame::length`] bytes. Rows of pixels begin at
    /// multiples of four bytes, as in all raw frames.
    pub fn write(&self, frame: &mut [u8]) {
        let Layout::Pixels {
            width,
            channels,
            strides: [down, across, deep],
            ..
        } = self.layout
        else {
            frame.copy_from_slice(&self.data);
            return;
        };
        let row = width * channels;
        let together = deep == 1 && across == channels;
        for (y, to) in frame.chunks_exact_mut(padded(row)).enumerate() {
            let (pixels, padding) = to.split_at_mut(row);
            if together {
                pixels.copy_from_slice(&self.data[y * down..][..row]);
            } else {
                for (at, byte) in pixels.iter_mut().enumerate() {
                    let (x, channel) = (at / channels, at % channels);
                    *byte = self.data[y * down + x * across + channel * deep];
                }
            }
            padding.fill(0);
        }
    }
}

/// The most things that an error lists.
const LISTED: usize = 3;

impl Candidate<'_> {
    fn is(&self, other: &Self) -> bool {
        self.data.is(other.data) && self.caps == other.caps
    }
}

fn compressed(data: Bytes<'_>) -> Option<Candidate<'_>> {
    Some(Candidate {
        caps: Caps::parse(data.media_type()?).ok()?,
        layout: Layout::AsIs,
        data,
    })
}

/// An array as a frame; `None` where its type or shape is that of other data.
fn of_array<'a>(array: &Array<'a>) -> Option<Candidate<'a>> {
    if !is_bytes(array.dtype) {
        return None;
    }
    // The result of cv2.imencode: one dimension, or in its earlier versions a single column.
    if let [_] | [_, 1] = array.shape[..]
        && let Some(frame) = compressed(array.data)
    {
        return Some(frame);
    }
    let (height, width, channels, strides) = match (&array.shape[..], &array.strides[..]) {
        (&[height, width], &[down, across]) => (height, width, 1, [down, across, 1]),
        (&[height, width, channels @ (1 | 3 | 4)], &[down, across, deep]) => {
            (height, width, channels, [down, across, deep])
        }
        _ => return None,
    };
    let format = match channels {
        1 => "GRAY8",
        3 => "BGR",
        _ => "BGRA",
    };
    let caps = format!("video/x-raw, format={format}, width={width}, height={height}");
    Some(Candidate {
        // The bounds of caps for sizes bound the array too.
        caps: Caps::parse(&caps).ok()?,
        layout: Layout::Pixels {
            height,
            width,
            channels,
            strides,
        },
        data: array.data,
    })
}

/// All that a pickle without a frame holds, in words.
fn describe(root: Value<'_>, heap: &Heap<'_>, plain: Kinds, arrays: &[String]) -> String {
    let kind = match root {
        Value::None => return "None".into(),
        Value::Bool(_) | Value::Int(_) | Value::Number => return "a number".into(),
        Value::Text(_) => return "text".into(),
        Value::Bytes(_) => return "bytes that are neither JPEG nor PNG".into(),
        Value::Name(_) | Value::Class(..) | Value::Dtype(_) | Value::Empty => {
            return "the name of a type".into();
        }
        Value::Array(number) => return describe_array(heap.of_array(number)),
        Value::Tuple(_) => "tuple",
        Value::Group(number) => heap.of_group(number).kind,
    };
    let mut parts: Vec<&str> = plain.words().collect();
    parts.extend(arrays.iter().take(LISTED).map(String::as_str));
    if arrays.len() > LISTED {
        parts.push("other arrays");
    }
    let article = if kind.starts_with('o') { "an" } else { "a" };
    match parts.split_last() {
        None => format!("an empty {kind}"),
        Some((last, [])) => format!("{article} {kind} of {last}"),
        Some((last, others)) => {
            format!("{article} {kind} of {} and {last}", others.join(", "))
        }
    }
}

fn describe_array(array: &Array<'_>) -> String {
    let (kind, shape) = (printable(array.dtype, 16), &array.shape);
    let shown = &shape[..shape.len().min(8)];
    format!("an array of type {kind} and shape {shown:?}")
}

fn padded(row: usize) -> usize {
    row.next_multiple_of(4)
}
