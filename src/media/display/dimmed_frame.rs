//! Darkens a frame and writes a line of text on it, for the freeze frame.
//!
//! `appsrc ! videoconvert ! videobalance ! textoverlay ! videoscale ! videoconvert ! appsink`, a
//! small pipeline of its own, so that the stream's decoder and its state are left alone.

use anyhow::Context;
use gst::prelude::*;
use gstreamer as gst;
use gstreamer_app as gst_app;

use crate::media::gst::caps;

/// The elements, each used where it is installed. Enough of the colours stays to recognise the
/// frame, and white letters are brighter than any of it.
const STEPS: [(&str, &str); 2] = [
    (
        "videobalance",
        "videobalance brightness=-0.05 contrast=0.45 saturation=0.4",
    ),
    (
        "textoverlay",
        "textoverlay name=text wait-text=false auto-resize=false halignment=center \
         valignment=center line-alignment=center shaded-background=true shading-value=100",
    ),
];

/// The time that one frame may take.
const LIMIT: gst::ClockTime = gst::ClockTime::from_seconds(2);

/// Darkens frames of the same caps. Dropping it ends its pipeline.
pub struct Dimmer {
    pipeline: gst::Pipeline,
    bright: gst_app::AppSrc,
    dark: gst_app::AppSink,
    from: gst::Caps,
    to: gst::Caps,
    darker: bool,
    /// The number of frames so far, as the time of the next one: textoverlay takes no frame without a
    /// time.
    count: u64,
}

impl Dimmer {
    /// Makes raw frames with the caps `to` of frames with the caps `from`. Unless `darker`, it does
    /// nothing else.
    ///
    /// # Errors
    ///
    /// Where `from` are no raw caps, or where an element is not installed.
    pub fn new(from: &gst::Caps, to: &gst::Caps, darker: bool) -> anyhow::Result<Self> {
        let info = caps::raw_info(from)?;
        let wanted =
            |(element, _): &(&str, _)| darker && gst::ElementFactory::find(element).is_some();
        let steps = STEPS.into_iter().filter(wanted);
        let steps: String = steps.map(|(_, step)| format!("{step} ! ")).collect();
        let text = format!(
            "appsrc name=bright ! videoconvert ! {steps}videoscale add-borders=true \
             ! videoconvert ! appsink name=dark sync=false max-buffers=1"
        );
        let pipeline = gst::parse::launch(&text)?
            .downcast::<gst::Pipeline>()
            .map_err(|_| anyhow::anyhow!("no pipeline"))?;
        let bright = pipeline.by_name("bright").and_then(|e| e.downcast().ok());
        let dark = pipeline.by_name("dark").and_then(|e| e.downcast().ok());
        let (bright, dark): (gst_app::AppSrc, gst_app::AppSink) =
            bright.zip(dark).context("no ends")?;
        bright.set_format(gst::Format::Time);
        bright.set_caps(Some(&paced_as(from, to)));
        dark.set_caps(Some(to));
        if let Some(text) = pipeline.by_name("text") {
            text.set_property(
                "font-desc",
                format!("Sans Bold {}px", letters(info.width(), info.height())),
            );
        }
        let dimmer = Self {
            pipeline,
            bright,
            dark,
            from: from.clone(),
            to: to.clone(),
            darker,
            count: 0,
        };
        dimmer.pipeline.set_state(gst::State::Playing)?;
        Ok(dimmer)
    }

    /// Whether it was made for these caps and this darkness.
    pub fn is_for(&self, from: &gst::Caps, to: &gst::Caps, darker: bool) -> bool {
        self.from == *from && self.to == *to && self.darker == darker
    }

    /// A darker copy of `frame` with `text` in its middle, without a time of its own.
    ///
    /// # Errors
    ///
    /// Where the pipeline gives no frame in time.
    pub fn dim(&mut self, frame: &gst::Buffer, text: &str) -> anyhow::Result<gst::Buffer> {
        if let Some(element) = self.pipeline.by_name("text") {
            // The element reads Pango's markup.
            let text = glib::markup_escape_text(text);
            element.set_property("text", text.as_str());
        }
        // The copy shares the frame's memory.
        let mut frame = frame.copy();
        set_time(&mut frame, Some(gst::ClockTime::from_mseconds(self.count)));
        self.count += 1;
        self.bright.push_buffer(frame)?;
        let sample = self.dark.try_pull_sample(LIMIT).context("nothing came")?;
        let mut dark = sample.buffer_owned().context("nothing came of it")?;
        drop(sample);
        set_time(&mut dark, None);
        Ok(dark)
    }
}

impl Drop for Dimmer {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

/// A black frame of this size, with its caps.
///
/// # Errors
///
/// Where no frame can have this size.
pub fn black((width, height): (u32, u32)) -> anyhow::Result<(gst::Buffer, gst::Caps)> {
    use gstreamer_video::{VideoFormat, VideoInfo};
    let info = VideoInfo::builder(VideoFormat::Rgb, width, height).build()?;
    let frame = gst::Buffer::from_slice(vec![0; info.size()]);
    Ok((frame, info.to_caps()?))
}

fn set_time(frame: &mut gst::Buffer, time: Option<gst::ClockTime>) {
    let frame = frame.make_mut();
    frame.set_pts(time);
    frame.set_dts(None);
    frame.set_duration(None);
}

/// The size of the letters in pixels, for a frame of this size: about thirty of them fit across.
/// Longer text is wrapped.
fn letters(width: u32, height: u32) -> u32 {
    (height / 13).min(width / 19).max(9)
}

/// `from` at the frame rate of `to`. Converters change everything but the rate, and refuse another
/// one.
fn paced_as(from: &gst::Caps, to: &gst::Caps) -> gst::Caps {
    let mut paced = from.clone();
    let rate = to
        .structure(0)
        .and_then(|fields| fields.get::<gst::Fraction>("framerate").ok());
    if let Some(fields) = paced.make_mut().structure_mut(0) {
        match rate {
            Some(rate) => fields.set("framerate", rate),
            None => fields.remove_field("framerate"),
        }
    }
    paced
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
        assert_eq!(dark.pts(), None);
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
