//! An array as a frame: its caps, and its bytes in the layout of raw frames.

use std::borrow::Cow;
use std::rc::Rc;

use super::PickleError as Error;
use super::value::{Array, Value};
use crate::wire::Caps;
use crate::wire::text::printable;

const JPEG: &[u8] = b"\xff\xd8";
const PNG: &[u8] = b"\x89PNG";

/// A frame inside a pickle.
#[derive(Clone, Debug)]
pub struct PickledFrame<'a> {
    caps: Caps,
    layout: Layout,
    data: Rc<Cow<'a, [u8]>>,
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

impl<'a> PickledFrame<'a> {
    /// The frame in the value of a whole pickle: an array, alone or as the first of a tuple.
    pub(super) fn of(value: Value<'a>) -> Result<Self, Error> {
        match value {
            Value::Array(array) => Self::of_array(&array),
            Value::Tuple(_, items) => match items.first() {
                Some(Value::Array(array)) => Self::of_array(array),
                _ => Err(Error::NotAFrame(
                    "a tuple that does not begin with an array".into(),
                )),
            },
            Value::Bytes(_) => Err(Error::NotAFrame("bytes".into())),
            Value::Text(_) => Err(Error::NotAFrame("text".into())),
            _ => Err(Error::NotAFrame("something else".into())),
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

    fn of_array(array: &Array<'a>) -> Result<Self, Error> {
        if !["u1", "|u1", "uint8", "<u1", ">u1", "B"].contains(&&**array.dtype) {
            let kind = printable(&array.dtype, 16);
            return Err(Error::NotAFrame(format!("an array of type {kind}")));
        }
        // The result of cv2.imencode: one dimension, or in its earlier versions a single column.
        if let [_] | [_, 1] = array.shape[..]
            && let Some(media_type) = compressed(&array.data)
        {
            return Ok(Self {
                caps: parse(media_type, array)?,
                layout: Layout::AsIs,
                data: Rc::clone(&array.data),
            });
        }
        let (height, width, channels, strides) = match (&array.shape[..], &array.strides[..]) {
            (&[height, width], &[down, across]) => (height, width, 1, [down, across, 1]),
            (&[height, width, channels @ (1 | 3 | 4)], &[down, across, deep]) => {
                (height, width, channels, [down, across, deep])
            }
            _ => {
                return Err(Error::NotAFrame(format!(
                    "an array of shape {:?}",
                    array.shape
                )));
            }
        };
        let format = match channels {
            1 => "GRAY8",
            3 => "BGR",
            _ => "BGRA",
        };
        let text = format!("video/x-raw, format={format}, width={width}, height={height}");
        Ok(Self {
            caps: parse(&text, array)?,
            layout: Layout::Pixels {
                height,
                width,
                channels,
                strides,
            },
            data: Rc::clone(&array.data),
        })
    }
}

/// The bounds of caps for sizes bound the array too.
fn parse(caps: &str, array: &Array<'_>) -> Result<Caps, Error> {
    Caps::parse(caps).map_err(|_| Error::NotAFrame(format!("an array of shape {:?}", array.shape)))
}

fn compressed(data: &[u8]) -> Option<&'static str> {
    match data {
        data if data.starts_with(JPEG) => Some("image/jpeg"),
        data if data.starts_with(PNG) => Some("image/png"),
        _ => None,
    }
}

fn padded(row: usize) -> usize {
    row.next_multiple_of(4)
}
