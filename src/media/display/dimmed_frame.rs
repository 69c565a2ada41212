//! A picture made darker, with a line of text on it: what a viewer sees while there is no live one.
//!
//! `appsrc ! videoconvert ! videobalance ! textoverlay ! videoscale ! videoconvert ! appsink`, a
//! small pipeline of its own, so that the stream's decoder and its state are left alone.

use anyhow::Context;
use gst::prelude::*;
use gstreamer as gst;
use gstreamer_app as gst_app;

use crate::media::gst::caps;

/// Each where it is installed. What stays of the colours still tells what was to be seen, and
/// white letters are brighter than any of it.
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

/// How long one picture may take.
const LIMIT: gst::ClockTime = gst::ClockTime::from_seconds(2);

/// Darkens pictures of one form. Dropping it ends its pipeline.
pub struct Dimmer {
    pipeline: gst::Pipeline,
    bright: gst_app::AppSrc,
    dark: gst_app::AppSink,
    from: gst::Caps,
    to: gst::Caps,
    darker: bool,
    /// How many pictures it was given: textoverlay takes none without a time.
    count: u64,
}

impl Dimmer {
    /// For raw pictures of the form `from`, which shall have the form `to` then, and that alone
    /// unless `darker`.
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

    /// Whether it was made for the same.
    pub fn is_for(&self, from: &gst::Caps, to: &gst::Caps, darker: bool) -> bool {
        self.from == *from && self.to == *to && self.darker == darker
    }

    /// A darker copy of `picture` with `text` in its middle, without a time of its own.
    pub fn dim(&mut self, picture: &gst::Buffer, text: &str) -> anyhow::Result<gst::Buffer> {
        if let Some(element) = self.pipeline.by_name("text") {
            // It reads Pango's markup.
            let text = glib::markup_escape_text(text);
            element.set_property("text", text.as_str());
        }
        // Shares the picture's memory.
        let mut picture = picture.copy();
        timed(
            &mut picture,
            Some(gst::ClockTime::from_mseconds(self.count)),
        );
        self.count += 1;
        self.bright.push_buffer(picture)?;
        let sample = self.dark.try_pull_sample(LIMIT).context("nothing came")?;
        let mut dark = sample.buffer_owned().context("nothing came of it")?;
        drop(sample);
        timed(&mut dark, None);
        Ok(dark)
    }
}

impl Drop for Dimmer {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

/// A black picture of this size, with its form.
pub fn black((width, height): (u32, u32)) -> anyhow::Result<(gst::Buffer, gst::Caps)> {
    use gstreamer_video::{VideoFormat, VideoInfo};
    let info = VideoInfo::builder(VideoFormat::Rgb, width, height).build()?;
    let picture = gst::Buffer::from_slice(vec![0; info.size()]);
    Ok((picture, info.to_caps()?))
}

fn timed(picture: &mut gst::Buffer, time: Option<gst::ClockTime>) {
    let picture = picture.make_mut();
    picture.set_pts(time);
    picture.set_dts(None);
    picture.set_duration(None);
}

/// How large the letters are, in pixels, in a picture of this size: about thirty of them fit
/// across. Longer text is wrapped.
fn letters(width: u32, height: u32) -> u32 {
    (height / 13).min(width / 19).max(9)
}

/// `from` at the frame rate of `to`: converters change everything but that, and complain.
fn paced_as(from: &gst::Caps, to: &gst::Caps) -> gst::Caps {
    let mut paced = from.clone();
    let rate = to
        .structure(0)
        .and_then(|form| form.get::<gst::Fraction>("framerate").ok());
    if let Some(form) = paced.make_mut().structure_mut(0) {
        match rate {
            Some(rate) => form.set("framerate", rate),
            None => form.remove_field("framerate"),
        }
    }
    paced
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZES: [(u32, u32); 2] = [(320, 240), (1280, 720)];

    /// The levels of a grey picture of this size after it was dimmed with `text`.
    fn dimmed((width, height): (u32, u32), text: &str) -> Vec<u8> {
        gst::init().unwrap();
        let form = |format| {
            gst::Caps::builder("video/x-raw")
                .field("format", format)
                .field("width", width as i32)
                .field("height", height as i32)
                .field("framerate", gst::Fraction::new(30, 1))
                .build()
        };
        let form = form("GRAY8");
        let mut dimmer = Dimmer::new(&form, &form, true).unwrap();
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
    fn a_dimmed_picture_is_darker_and_its_text_is_in_the_middle() {
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
