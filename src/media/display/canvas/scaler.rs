//! Brings a raw frame of any format and size onto pixels, by GStreamer's converter.
//!
//! Where the size changes there are two steps, with the fewer pixels between them: a frame that becomes
//! larger is converted first, one that becomes smaller is scaled first.

use anyhow::{Context, Result};
use gst_video::{VideoConverter, VideoConverterConfig, VideoFormat, VideoFrame, VideoInfo};
use gstreamer as gst;
use gstreamer_video as gst_video;

use crate::media::gst::{caps, ffi};
use crate::pixels::{Pixel, Pixels, Rect};

/// From so many pixels on the work is shared between two threads.
const TWO_THREADS: u64 = 1280 * 720;

/// Draws the frames of one stream. It is made anew when their caps or their place change.
#[derive(Default)]
pub struct Scaler {
    made: Option<Made>,
}

struct Made {
    caps: gst::Caps,
    place: Place,
    /// The layout of a frame as it comes.
    layout: VideoInfo,
    before: Option<Step>,
    /// The layout of the part of the pixels.
    pixels: VideoInfo,
    last: VideoConverter,
}

/// The first of two steps.
struct Step {
    convert: VideoConverter,
    layout: VideoInfo,
    made: VideoFrame<gst_video::video_frame::Writable>,
}

/// Where a frame goes.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Place {
    size: (usize, usize),
    part: Rect,
}

impl Scaler {
    /// Draws `frame`, whose caps are `caps`, so that it fills `part`.
    ///
    /// # Errors
    ///
    /// Where the caps describe no raw video in the computer's own memory, or the frame is none of
    /// these caps.
    pub fn draw(
        &mut self,
        frame: &gst::BufferRef,
        caps: &gst::CapsRef,
        pixels: &mut Pixels<'_>,
        part: Rect,
    ) -> Result<()> {
        if part.is_empty() {
            return Ok(());
        }
        let place = Place {
            size: (pixels.width(), pixels.height()),
            part,
        };
        let is_made = |made: &Made| made.place == place && *made.caps == *caps;
        if !self.made.as_ref().is_some_and(is_made) {
            self.made = None;
        }
        let made = match &mut self.made {
            Some(made) => made,
            none => none.insert(Made::new(caps, place)?),
        };
        made.draw(frame, pixels)
    }
}

impl Made {
    fn new(caps: &gst::CapsRef, place: Place) -> Result<Self> {
        let layout = caps::raw_info(caps)?;
        let (width, height) = (place.part.width as u32, place.part.height as u32);
        let before = if (layout.width(), layout.height()) == (width, height) {
            None
        } else {
            Some(Step::new(&layout, width, height)?)
        };
        // A part of the pixels is a frame whose rows are far apart.
        let row = place.size.0 * PIXEL_BYTES;
        let (stride, offset) = (
            [i32::try_from(row)?],
            [place.part.y * row + place.part.x * PIXEL_BYTES],
        );
        let pixels = like(&layout, PIXELS, width, height)
            .stride(&stride)
            .offset(&offset)
            .size(row * place.size.1)
            .build()?;
        let from = before.as_ref().map_or(&layout, |step| &step.layout);
        let last = VideoConverter::new(from, &pixels, Some(config(width, height)))?;
        Ok(Self {
            caps: caps.to_owned(),
            place,
            layout,
            before,
            pixels,
            last,
        })
    }

    fn draw(&mut self, frame: &gst::BufferRef, pixels: &mut Pixels<'_>) -> Result<()> {
        let frame = gst_video::VideoFrameRef::from_buffer_ref_readable(frame, &self.layout)
            .context("the frame is not as its caps say")?;
        if let Some(step) = &mut self.before {
            let mut made = step.made.as_mut_video_frame_ref();
            step.convert.frame_ref(&frame, &mut made);
        }
        ffi::draw_on_pixels(pixels.all(), &self.pixels, |target| match &self.before {
            Some(step) => self.last.frame_ref(&step.made.as_video_frame_ref(), target),
            None => self.last.frame_ref(&frame, target),
        })
    }
}

impl Step {
    /// The first step on the way to this size.
    fn new(from: &VideoInfo, width: u32, height: u32) -> Result<Self> {
        use VideoFormat::{I420, Nv12, Nv21, Uyvy, Y42b, Y444, Yuy2, Yv12};
        let is_smaller = u64::from(width) * u64::from(height)
            < u64::from(from.width()) * u64::from(from.height());
        let to = if is_smaller {
            // It keeps all the colours that its size has room for.
            let format = match from.format() {
                I420 | Yv12 | Nv12 | Nv21 | Y42b | Yuy2 | Uyvy => Y444,
                format => format,
            };
            like(from, format, width, height)
                .colorimetry(&from.colorimetry())
                .build()?
        } else {
            like(from, PIXELS, from.width(), from.height()).build()?
        };
        let convert = VideoConverter::new(from, &to, Some(config(to.width(), to.height())))?;
        let room = gst::Buffer::with_size(to.size()).context("no memory for a frame")?;
        let made = VideoFrame::from_buffer_writable(room, &to)
            .map_err(|_| anyhow::anyhow!("no memory for a frame"))?;
        Ok(Self {
            convert,
            layout: to,
            made,
        })
    }
}

/// [`crate::pixels::Pixel`] in memory.
pub const PIXELS: VideoFormat = if cfg!(target_endian = "big") {
    VideoFormat::Xrgb
} else {
    VideoFormat::Bgrx
};

const PIXEL_BYTES: usize = size_of::<Pixel>();

/// A layout that differs in its format and its size alone: the converter changes nothing else.
pub fn like(
    from: &VideoInfo,
    format: VideoFormat,
    width: u32,
    height: u32,
) -> gst_video::VideoInfoBuilder<'_> {
    VideoInfo::builder(format, width, height)
        .fps(from.fps())
        .interlace_mode(from.interlace_mode())
}

fn config(width: u32, height: u32) -> VideoConverterConfig {
    let mut config = VideoConverterConfig::new();
    config.set_resampler_method(gst_video::VideoResamplerMethod::Linear);
    let is_large = u64::from(width) * u64::from(height) >= TWO_THREADS;
    config.set_threads(if is_large { 2 } else { 1 });
    config
}
