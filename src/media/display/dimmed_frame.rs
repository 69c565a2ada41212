//! A darker copy of a frame with a text on it, for sinks that draw in a window of their own.

use anyhow::{Context, Result};
use gst_video::{VideoConverter, VideoFormat, VideoInfo};
use gstreamer as gst;
use gstreamer_video as gst_video;

use super::canvas::painter::{Painter, Texts};
use super::canvas::scaler;
use super::canvas::{Canvas, Seat};
use crate::media::gst::{caps, ffi};
use crate::pixels::{Pixel, Pixels};

/// Makes frames of one kind of caps from frames of another.
pub struct Dimmer {
    from: gst::Caps,
    /// `from` as the canvas gets it.
    square_from: gst::Caps,
    to: gst::Caps,
    darker: bool,
    canvas: Canvas,
    seat: Seat,
    painter: Painter,
    /// The frame as the canvas draws it, in the size of `to`.
    pixels: Vec<Pixel>,
    drawn: VideoInfo,
    made: VideoInfo,
    convert: VideoConverter,
}

impl Dimmer {
    /// Makes raw frames with the caps `to` of frames with the caps `from`. Unless `darker`, it does
    /// nothing else.
    ///
    /// # Errors
    ///
    /// Where either are no raw caps.
    pub fn new(from: &gst::Caps, to: &gst::Caps, darker: bool) -> Result<Self> {
        let (source, made) = (caps::raw_info(from)?, caps::raw_info(to)?);
        let (width, height) = (made.width(), made.height());
        let drawn = scaler::like(&made, scaler::PIXELS, width, height).build()?;
        let convert = VideoConverter::new(&drawn, &made, None)?;
        let canvas = Canvas::default();
        let seat = canvas.seat();
        let mut square_from = from.clone();
        // The canvas has square pixels. Where both have others of one shape, none is changed.
        if source.par() == made.par() {
            let square = gst::Fraction::new(1, 1);
            square_from.make_mut().set("pixel-aspect-ratio", square);
        }
        Ok(Self {
            from: from.clone(),
            square_from,
            to: to.clone(),
            darker,
            canvas,
            seat,
            painter: Painter::new(),
            pixels: vec![0; width as usize * height as usize],
            drawn,
            made,
            convert,
        })
    }

    /// Whether it was made for these caps and this darkness.
    pub fn is_for(&self, from: &gst::Caps, to: &gst::Caps, darker: bool) -> bool {
        self.from == *from && self.to == *to && self.darker == darker
    }

    /// A darker copy of `frame` with `text` in its middle, without a time of its own.
    ///
    /// # Errors
    ///
    /// Where there is no memory for it.
    pub fn dim(&mut self, frame: &gst::Buffer, text: &str) -> Result<gst::Buffer> {
        let sample = gst::Sample::builder().buffer(frame).caps(&self.square_from);
        self.seat.show(sample.build());
        if self.darker {
            self.seat.freeze(text);
        }
        let (width, height) = (self.made.width() as usize, self.made.height() as usize);
        let mut pixels = Pixels::new(width, height, &mut self.pixels).context("no pixels")?;
        self.painter
            .paint(&self.canvas, &mut pixels, 0, Texts::Drawn);
        let mut buffer = gst::Buffer::with_size(self.made.size())?;
        let inside = buffer.get_mut().context("a new buffer has one owner")?;
        let mut made = gst_video::VideoFrameRef::from_buffer_ref_writable(inside, &self.made)?;
        ffi::draw_on_pixels(&mut self.pixels, &self.drawn, |drawn| {
            self.convert.frame_ref(drawn, &mut made);
        })?;
        drop(made);
        Ok(buffer)
    }
}

/// A black frame of this size, with its caps.
///
/// # Errors
///
/// Where no frame can have this size.
pub fn black((width, height): (u32, u32)) -> Result<(gst::Buffer, gst::Caps)> {
    let info = VideoInfo::builder(VideoFormat::Rgb, width, height).build()?;
    let frame = gst::Buffer::from_slice(vec![0; info.size()]);
    Ok((frame, info.to_caps()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZES: [(u32, u32); 2] = [(320, 240), (1280, 720)];

    /// The levels of a grey frame of this size after it was dimmed with `text`.
    fn dimmed((width, height): (u32, u32), text: &str) -> Vec<u8> {
        gst::init().unwrap();
        let caps = gst::Caps::builder("video/x-raw")
            .field("format", "GRAY8")
            .field("width", width as i32)
            .field("height", height as i32)
            .field("framerate", gst::Fraction::new(30, 1))
            .build();
        let mut dimmer = Dimmer::new(&caps, &caps, true).unwrap();
        let bright = gst::Buffer::from_slice(vec![200; (width * height) as usize]);
        let dark = dimmer.dim(&bright, text).unwrap();

        assert_eq!(
            bright.map_readable().unwrap()[0],
            200,
            "the original is left alone"
        );
        dark.map_readable().unwrap().to_vec()
    }

    #[test]
    fn a_dimmed_frame_is_darker_and_its_text_is_in_the_middle() {
        for (width, height) in SIZES {
            let levels = dimmed((width, height), "reconnecting to desk (12 s)");
            let row = |y: u32| &levels[(y * width) as usize..((y + 1) * width) as usize];
            for y in [0, height / 4, height * 3 / 4, height - 1] {
                let lightest = row(y).iter().max().unwrap();
                assert!((40..130).contains(lightest), "{lightest} in row {y}");
            }
            let middle = (height * 2 / 5..height * 3 / 5).flat_map(row);
            let white = middle.filter(|level| **level > 220).count() as u32;
            assert!(white > width * height / 200, "{white} of {width}x{height}");
        }
    }

    #[test]
    fn text_is_text_whatever_it_says() {
        for text in ["a & <b", "<span size='100'>x</span>", "", "\u{1f3a5} 100 %"] {
            dimmed(SIZES[0], text);
        }
    }
}
