//! Each shipped codec with each raw format that GStreamer has, with sizes even and odd, and with
//! ranges and matrices as cameras and files have them: it starts, and the colour that a receiver
//! shows is the one that went in.

use gst::prelude::*;
use gstreamer as gst;
use gstreamer_app as gst_app;
use gstreamer_video as gst_video;
use gstreamer_video::{VideoFormat, VideoFrame, VideoInfo};

use crate::failure::Outcome;
use crate::media::Values;
use crate::media::capture::codec_bench;
use crate::media::capture::placeholders;
use crate::media::gst::bus;
use crate::media::gst::caps;
use crate::media::pipeline::build;
use crate::media::pipeline::decoders;
use crate::media::pipeline::ends;
use crate::media::pipeline::file::{Direction, PipelineFile};

/// The most by which red, green or blue may be off, of 255.
const TOLERANCE: f64 = 4.0;
/// The longest wait for a frame, which takes some milliseconds.
const FRAME_LIMIT: gst::ClockTime = gst::ClockTime::from_seconds(120);
/// The colour of the whole frame: red, green and blue. Formats of few bits can hold it too.
const COLOUR: [u8; 3] = [198, 66, 41];

/// The formats that are looked at with each colorimetry.
const COLOUR_FORMATS: [VideoFormat; 5] = [
    VideoFormat::I420,
    VideoFormat::Nv12,
    VideoFormat::Yuy2,
    VideoFormat::Y42b,
    VideoFormat::Y444,
];
/// The first three are those of files and cameras, `2:4:7:1` that of most webcams, and 1 at the
/// beginning is the full range.
const COLORIMETRIES: [&str; 9] = [
    "bt601",
    "bt709",
    "bt2020",
    "smpte240m",
    "2:4:7:1",
    "1:4:0:0",
    "1:4:16:4",
    "1:3:5:1",
    "1:6:13:7",
];

/// The raw formats that can be converted.
fn formats() -> Vec<VideoFormat> {
    let converter = gst::ElementFactory::make("videoconvert").build().unwrap();
    let taken = converter.static_pad("sink").unwrap().pad_template_caps();
    let is_taken = |format: &VideoFormat| {
        let info = VideoInfo::builder(*format, 64, 64).build();
        info.is_ok_and(|info| taken.can_intersect(&info.to_caps().unwrap()))
    };
    VideoFormat::iter_raw().filter(is_taken).collect()
}

fn is_yuv(format: VideoFormat) -> bool {
    gst_video::VideoFormatInfo::from_format(format).is_yuv()
}

/// The layout of frames of this size, with this colorimetry where they are YUV.
fn layout(format: VideoFormat, width: u32, height: u32, colorimetry: &str) -> VideoInfo {
    let colorimetry: gst_video::VideoColorimetry = colorimetry.parse().unwrap();
    let builder = VideoInfo::builder(format, width, height).fps(gst::Fraction::new(30, 1));
    let builder = if is_yuv(format) {
        builder.colorimetry(&colorimetry)
    } else {
        builder
    };
    builder.build().unwrap()
}

/// The frame in another layout of the same size.
fn converted(frame: gst::Buffer, from: &VideoInfo, to: &VideoInfo) -> gst::Buffer {
    let room = gst::Buffer::with_size(to.size()).unwrap();
    let from_frame = VideoFrame::from_buffer_readable(frame, from).unwrap();
    let mut to_frame = VideoFrame::from_buffer_writable(room, to).unwrap();
    let converter = gst_video::VideoConverter::new(from, to, None).unwrap();
    converter.frame(&from_frame, &mut to_frame);
    to_frame.into_buffer()
}

/// Red, green and blue with 16 bits each, so that the test itself rounds nothing.
fn fine(info: &VideoInfo) -> VideoInfo {
    let (width, height) = (info.width(), info.height());
    let builder = VideoInfo::builder(VideoFormat::Argb64, width, height);
    builder.fps(info.fps()).build().unwrap()
}

/// A frame of one colour.
fn raw_frame(info: &VideoInfo) -> gst::Buffer {
    let fine = fine(info);
    let [red, green, blue] = COLOUR;
    let pixel = [255, red, green, blue].map(|part| (u16::from(part) * 257).to_ne_bytes());
    let pixels = pixel.as_flattened().repeat(fine.size() / 8);
    converted(gst::Buffer::from_slice(pixels), &fine, info)
}

/// The mean colour of a frame without its edges: converters spread what a format cannot hold over
/// the pixels, and chroma over the edge.
fn colour(frame: gst::Buffer, info: &VideoInfo) -> [f64; 3] {
    let edge = |length: u32| if length > 16 { 4 } else { 0 };
    let (across, down) = (edge(info.width()), edge(info.height()));
    let frame = converted(frame, info, &fine(info));
    let frame = frame.map_readable().unwrap();
    let (width, height) = (info.width() as usize, info.height() as usize);
    let mut sum = [0.0; 3];
    for row in frame.chunks(width * 8).take(height - down).skip(down) {
        for pixel in row.chunks(8).take(width - across).skip(across) {
            for (sum, part) in sum.iter_mut().zip(pixel[2..].chunks(2)) {
                *sum += f64::from(u16::from_ne_bytes([part[0], part[1]])) / 257.0;
            }
        }
    }
    let count = (width - across * 2) * (height - down * 2);
    sum.map(|sum| (sum / count as f64).round())
}

/// Starts a pipeline of `text`, puts one frame in, and takes one out.
fn through(text: &str, caps: &gst::Caps, frame: gst::Buffer) -> Result<gst::Sample, String> {
    let file = PipelineFile::new(Direction::Send, "bench", text);
    let pipeline = build::build(&file, text).map_err(|e| e.to_string())?;
    let source = pipeline.by_name("raw").and_downcast::<gst_app::AppSrc>();
    let sink = pipeline.by_name(ends::SEAM);
    let (source, sink) = (
        source.unwrap(),
        sink.and_downcast::<gst_app::AppSink>().unwrap(),
    );
    source.set_caps(Some(caps));
    source.set_format(gst::Format::Time);
    let started = pipeline.set_state(gst::State::Playing);
    let _ = source.push_buffer(frame);
    let _ = source.end_of_stream();
    let sample = sink.try_pull_sample(FRAME_LIMIT);
    let error = bus::start_error(&pipeline).message().to_owned();
    pipeline.set_state(gst::State::Null).unwrap();
    match (started, sample) {
        (Ok(_), Some(sample)) => Ok(sample),
        _ => Err(error),
    }
}

/// A codec's pipelines, from raw frames to encoded ones and back.
struct Codec {
    encode: String,
    decode: Option<String>,
}

impl Codec {
    /// The codec of this name with each of its encoders that the tests know.
    fn all_of(name: &str) -> Vec<Self> {
        Self::all_behind("", name)
    }

    /// The same behind these elements of a source.
    fn all_behind(source: &str, name: &str) -> Vec<Self> {
        let all = codec_bench::all().into_iter();
        let of_name = all.filter(|codec| codec.name == name);
        of_name
            .filter_map(|file| Self::of(source, file).ok())
            .collect()
    }

    fn of(source: &str, mut file: PipelineFile) -> Outcome<Self> {
        let part = file.text;
        file.text =
            format!("appsrc name=raw ! {source}\n{part}\n ! appsink name=frames sync=false");
        let mut values = Values::default();
        // Enough for each colour to stay as it is.
        values.set("bitrate", "4000");
        let filled = placeholders::fill(&values, &file)?;
        Ok(Self {
            encode: filled.text,
            decode: None,
        })
    }

    /// Whether frames of this layout come out in their colour.
    fn carries(&mut self, info: &VideoInfo) -> Result<(), String> {
        self.carries_within(info, TOLERANCE)
    }

    fn carries_within(&mut self, info: &VideoInfo, tolerance: f64) -> Result<(), String> {
        let mut frame = raw_frame(info);
        let expected = colour(frame.clone(), info);
        frame.make_mut().set_pts(gst::ClockTime::ZERO);
        let encoded = through(&self.encode, &info.to_caps().unwrap(), frame)
            .map_err(|e| format!("does not start: {e}"))?;
        let sent = caps::from_gst(encoded.caps().unwrap()).map_err(|e| e.to_string())?;
        let decode = self.decode.get_or_insert_with(|| {
            let decoder = decoders::decoder(&sent).unwrap();
            format!("appsrc name=raw ! {decoder} ! appsink name=frames sync=false")
        });
        let received = caps::to_gst(&sent).map_err(|e| e.to_string())?;
        let shown = through(decode, &received, encoded.buffer_owned().unwrap())
            .map_err(|e| format!("cannot be decoded: {e}"))?;
        let shown_info = VideoInfo::from_caps(shown.caps().unwrap()).unwrap();
        let size = (shown_info.width(), shown_info.height());
        if size.0.abs_diff(info.width()) > 1 || size.1.abs_diff(info.height()) > 1 {
            return Err(format!("is shown with {size:?}"));
        }
        let found = colour(shown.buffer_owned().unwrap(), &shown_info);
        let pairs = found.iter().zip(&expected);
        let off = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        if off > tolerance {
            return Err(format!("is {found:?} and not {expected:?}, as {sent}"));
        }
        Ok(())
    }
}

fn carries_all(name: &str) {
    gst::init().unwrap();
    let formats = formats();
    assert!(formats.len() > 90, "{formats:?}");
    let codecs = Codec::all_of(name);
    if codecs.is_empty() {
        eprintln!("there is no encoder for {name}");
    }
    for mut codec in codecs {
        let mut wrong = Vec::new();
        let mut look = |format: VideoFormat, (width, height), colorimetry: &str| {
            let info = layout(format, width, height, colorimetry);
            if let Err(reason) = codec.carries(&info) {
                wrong.push(format!("{format} {width}x{height} {colorimetry}: {reason}"));
            }
        };
        for format in &formats {
            look(*format, (36, 34), "bt601");
            look(*format, (35, 33), "bt601");
        }
        for format in COLOUR_FORMATS {
            for colorimetry in COLORIMETRIES {
                look(format, (36, 34), colorimetry);
            }
            look(format, (35, 34), "1:4:0:0");
            look(format, (36, 33), "bt709");
        }
        // A still picture, or a source that names no frame rate.
        let mut still = layout(VideoFormat::I420, 36, 34, "bt601")
            .to_caps()
            .unwrap();
        still.make_mut().set("framerate", gst::Fraction::new(0, 1));
        let still = VideoInfo::from_caps(&still).unwrap();
        if let Err(reason) = codec.carries(&still) {
            wrong.push(format!("without a frame rate: {reason}"));
        }
        let count = wrong.len();
        assert!(
            wrong.is_empty(),
            "{}: {count} wrong: {wrong:#?}",
            codec.encode
        );
    }
}

#[test]
fn jpeg_carries_every_raw_format_size_and_range() {
    carries_all("jpeg");
}

#[test]
fn h264_carries_every_raw_format_size_and_range() {
    carries_all("h264");
}

#[test]
fn h265_carries_every_raw_format_size_and_range() {
    carries_all("h265");
}

#[test]
fn vp8_carries_every_raw_format_size_and_range() {
    carries_all("vp8");
}

#[test]
fn vp9_carries_every_raw_format_size_and_range() {
    carries_all("vp9");
}

#[test]
fn av1_carries_every_raw_format_size_and_range() {
    carries_all("av1");
}

#[test]
fn the_converter_of_a_source_spoils_no_colour() {
    gst::init().unwrap();
    // The end of the shipped sources.
    let source = "videoconvert ! video/x-raw,format=I420 !";
    let mut wrong = Vec::new();
    for name in ["jpeg", "h264", "h265", "vp8", "vp9", "av1"] {
        for mut codec in Codec::all_behind(source, name) {
            let formats = [VideoFormat::Rgb, VideoFormat::I42010le];
            for format in COLOUR_FORMATS.into_iter().chain(formats) {
                // Those of files and cameras. Others are calculated twice, and rounded twice.
                for colorimetry in &COLORIMETRIES[..5] {
                    let info = layout(format, 36, 34, colorimetry);
                    if let Err(reason) = codec.carries(&info) {
                        wrong.push(format!("{name} {format} {colorimetry}: {reason}"));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The shortest side that a codec takes in each of its encoders here.
fn shortest_sides(name: &str) -> &'static [u32] {
    match name {
        // x264enc, and openh264enc.
        "h264" => &[2, 16],
        "h265" => &[16],
        "av1" => &[4],
        _ => &[1],
    }
}

#[test]
fn each_codec_carries_frames_of_few_pixels_as_docs_pipelines_says() {
    const SIDES: [u32; 9] = [1, 2, 3, 4, 5, 8, 15, 16, 640];
    /// A single pixel is encoded less exactly than many.
    const TOLERANCE: f64 = 20.0;
    gst::init().unwrap();
    for name in ["jpeg", "h264", "h265", "vp8", "vp9", "av1"] {
        for mut codec in Codec::all_of(name) {
            let mut shortest = u32::MAX;
            for (width, height) in SIDES.into_iter().flat_map(|w| SIDES.map(|h| (w, h))) {
                let info = layout(VideoFormat::I420, width, height, "bt601");
                let least = width.min(height);
                match codec.carries_within(&info, TOLERANCE) {
                    Ok(()) => shortest = shortest.min(least),
                    Err(reason) => assert!(
                        least < 16 && least < shortest && reason.starts_with("does not start"),
                        "{name} {width}x{height}: {reason}"
                    ),
                }
            }
            assert!(
                shortest_sides(name).contains(&shortest),
                "{name}: {shortest}"
            );
        }
    }
}
