//! Encoded frames as containers, network cameras and other people's pipelines give them: a viewer
//! that joins later can decode each of them, and the rest is refused with its reason.

use std::path::Path;
use std::process::Command;
use std::str::FromStr;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use vidchat::frame::FrameHeader;
use vidchat::media::capture::events::SourceEvent;
use vidchat::media::pipeline::decoders;
use vidchat::net::sender::ServerOptions;
use vidchat::wire::Caps;

use super::codecs::are_bars;
use super::source_loss::{said, source};
use crate::support::peers::{Seen, Stage, Viewer};
use crate::support::{PATIENCE, run, skipped_in_part};

/// The frames of each clip: two seconds, with a key frame each ten.
const BARS: &str = "videotestsrc num-buffers=60 pattern=smpte75 \
    ! video/x-raw,format=I420,width=320,height=240,framerate=30/1,colorimetry=bt601";
const H264: &str = "x264enc speed-preset=ultrafast key-int-max=10";
/// As broadcasters have it: only the first key frame can be told by its type. The decoder of libav in
/// Debian 12 and 13 loses the one that it begins with, and shows nothing before the next.
const OPEN: &str = "x264enc key-int-max=10 bframes=2 b-adapt=false \
    option-string=open-gop=1:scenecut=0";
const H265: &str = "x265enc speed-preset=ultrafast key-int-max=10";
const AV1: &str = "av1enc cpu-used=8 keyframe-max-dist=10 lag-in-frames=0 ! av1parse";
const VP8: &str = "vp8enc deadline=1 keyframe-max-dist=10 target-bitrate=4000000";
const VP9: &str = "vp9enc deadline=1 cpu-used=8 keyframe-max-dist=10 target-bitrate=4000000";

/// Makes a clip of the bars; false, said aloud, where something for it is missing.
fn make_clip(path: &Path, encoder_and_muxer: &str) -> bool {
    let path = path.display();
    let launch = format!("{BARS} ! videoconvert ! {encoder_and_muxer} ! filesink location={path}");
    let made = run(Command::new("gst-launch-1.0")
        .arg("-q")
        .args(launch.split_whitespace()));
    if made.code() != 0 {
        skipped_in_part(&format!("gst-launch-1.0 makes no {path}: {}", made.stderr));
    }
    made.code() == 0
}

/// Frames of one stream as a viewer gets them, with three key frames that have followers.
async fn three_groups(text: &str) -> Result<(Caps, Vec<(FrameHeader, Vec<u8>)>), String> {
    let stage = Stage::open_without_caps(ServerOptions::default()).await;
    let (source, mut heard) = source(&stage, text);
    let mut viewer = Viewer::join(stage.address).await;
    source.open();
    loop {
        match said(&mut heard).await {
            SourceEvent::Opened(_) => break,
            SourceEvent::Failed(failure) => return Err(failure.to_string()),
            _ => {}
        }
    }
    let mut caps = None;
    let mut frames: Vec<(FrameHeader, Vec<u8>)> = Vec::new();
    let has_three = |frames: &[(FrameHeader, Vec<u8>)]| {
        let keys = frames.iter().filter(|(header, _)| header.key);
        keys.count() >= 4
    };
    while !has_three(&frames) {
        match viewer.next().await {
            Seen::Caps(now) => caps = Some(now),
            Seen::Frame(header, data) => frames.push((header, data)),
            _ => {}
        }
    }
    drop(source);
    stage.close("done").await;
    Ok((caps.expect("caps come before frames"), frames))
}

/// The first frame that a receiver's decoder gives of these, in red, green and blue.
fn decoded(caps: &Caps, frames: &[(FrameHeader, Vec<u8>)]) -> Option<Vec<u8>> {
    let mut decoders = decoders::probes(caps.media_type());
    let decode = decoders.find_map(|probe| probe.result.ok()).unwrap();
    let text = format!(
        "appsrc name=in format=time ! {decode} ! videoconvert \
         ! video/x-raw,format=RGB ! appsink name=out sync=false"
    );
    let pipeline = gst::parse::launch(&text).unwrap();
    let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap();
    let input: gst_app::AppSrc = pipeline.by_name("in").unwrap().downcast().unwrap();
    let output: gst_app::AppSink = pipeline.by_name("out").unwrap().downcast().unwrap();
    input.set_caps(Some(&gst::Caps::from_str(&caps.to_string()).unwrap()));
    pipeline.set_state(gst::State::Playing).unwrap();
    for (number, (_, data)) in frames.iter().enumerate() {
        let mut buffer = gst::Buffer::from_slice(data.clone());
        let time = gst::ClockTime::from_mseconds(33 * number as u64);
        buffer.get_mut().unwrap().set_pts(time);
        let _ = input.push_buffer(buffer);
    }
    let _ = input.end_of_stream();
    let patience = gst::ClockTime::try_from(PATIENCE).unwrap();
    let sample = output.try_pull_sample(patience);
    let frame = sample.map(|sample| {
        let map = sample.buffer().unwrap().map_readable().unwrap();
        map.to_vec()
    });
    pipeline.set_state(gst::State::Null).unwrap();
    frame
}

/// Viewers that join at the first and at the second key frame see the bars.
async fn reaches_a_late_viewer(name: &str, text: &str, described: &[&str]) {
    let (caps, frames) = three_groups(text)
        .await
        .unwrap_or_else(|e| panic!("{name}: {e}"));
    let shown = caps.to_string();
    for part in described {
        assert!(shown.contains(part), "{name}: no {part} in {shown}");
    }
    let keys = (0..frames.len()).filter(|at| frames[*at].0.key);
    for joined in keys.take(2) {
        let Some(frame) = decoded(&caps, &frames[joined..]) else {
            panic!("{name}: who joins at frame {joined} sees nothing of {shown}");
        };
        are_bars(&frame).unwrap_or_else(|wrong| panic!("{name}, frame {joined}: {wrong}"));
    }
}

const NALS: &[&str] = &["stream-format=(string)byte-stream", "alignment=(string)au"];
const OBUS: &[&str] = &["stream-format=(string)obu-stream", "alignment=(string)tu"];

#[tokio::test]
async fn a_container_passes_its_frames_on_so_that_a_late_viewer_can_decode_them() {
    let folder = tempfile::tempdir().unwrap();
    let hvc1 = "h265parse ! video/x-h265,stream-format=hvc1 ! mp4mux";
    let hev1 = "h265parse ! video/x-h265,stream-format=hev1 ! mp4mux";
    let avc3 = "h264parse ! video/x-h264,stream-format=avc3 ! mp4mux";
    for (name, encoder, muxer, demuxer, described) in [
        ("avc1.mp4", H264, "mp4mux", "qtdemux", NALS),
        ("open.mp4", OPEN, "mp4mux", "qtdemux", NALS),
        ("avc3.mp4", H264, avc3, "qtdemux", NALS),
        (
            "parts.mp4",
            H264,
            "mp4mux fragment-duration=500",
            "qtdemux",
            NALS,
        ),
        ("h264.mkv", H264, "matroskamux", "matroskademux", NALS),
        ("h264.flv", H264, "flvmux", "flvdemux", NALS),
        ("h264.ts", H264, "h264parse ! mpegtsmux", "tsdemux", NALS),
        ("hvc1.mp4", H265, hvc1, "qtdemux", NALS),
        ("hev1.mp4", H265, hev1, "qtdemux", NALS),
        (
            "h265.mkv",
            H265,
            "h265parse ! matroskamux",
            "matroskademux",
            NALS,
        ),
        ("h265.ts", H265, "h265parse ! mpegtsmux", "tsdemux", NALS),
        ("av1.mkv", AV1, "matroskamux", "matroskademux", OBUS),
        ("av1.mp4", AV1, "mp4mux", "qtdemux", OBUS),
        ("vp8.webm", VP8, "webmmux", "matroskademux", &[]),
        ("vp9.mkv", VP9, "matroskamux", "matroskademux", &[]),
    ] {
        let path = folder.path().join(name);
        if make_clip(&path, &format!("{encoder} ! {muxer}")) {
            let path = path.display();
            let text =
                format!("#! loop\nfilesrc location={path} ! {demuxer} ! appsink name=frames");
            reaches_a_late_viewer(name, &text, described).await;
        }
    }
}

#[tokio::test]
async fn a_camera_on_rtp_and_any_way_to_cut_frames_up_reach_a_late_viewer_too() {
    let live = BARS.replace("num-buffers=60", "is-live=true");
    let h264 = format!("{H264} tune=zerolatency");
    let h265 = format!("{H265} tune=zerolatency");
    for (chain, described) in [
        // The parameter sets come beside the stream, as most cameras have it.
        (
            format!("{h264} ! rtph264pay config-interval=0 ! rtph264depay"),
            NALS,
        ),
        (
            format!("{h264} ! rtph264pay ! rtph264depay ! video/x-h264,stream-format=avc"),
            NALS,
        ),
        (
            format!("{h265} ! rtph265pay config-interval=0 ! rtph265depay"),
            NALS,
        ),
        (
            format!("{h264} ! h264parse ! video/x-h264,alignment=nal,stream-format=byte-stream"),
            NALS,
        ),
        (format!("{h264} ! video/x-h264,stream-format=avc"), NALS),
        (format!("{h264} ! tee ! queue"), NALS),
        (
            format!("{h265} ! h265parse ! video/x-h265,alignment=nal,stream-format=byte-stream"),
            NALS,
        ),
        (
            format!("{AV1} ! video/x-av1,stream-format=annexb,alignment=tu"),
            OBUS,
        ),
        (
            format!("{AV1} ! video/x-av1,stream-format=obu-stream,alignment=frame"),
            OBUS,
        ),
        (
            format!("{AV1} ! video/x-av1,stream-format=obu-stream,alignment=obu"),
            OBUS,
        ),
        (format!("{VP8} ! rtpvp8pay ! rtpvp8depay"), &[]),
        (format!("{VP9} ! rtpvp9pay ! rtpvp9depay"), &[]),
    ] {
        let missing = chain
            .split(" ! ")
            .filter(|part| !part.starts_with("video/"))
            .find(|part| {
                let kind = part.split_whitespace().next().unwrap();
                gst::init().unwrap();
                gst::ElementFactory::find(kind).is_none()
            });
        if let Some(missing) = missing {
            skipped_in_part(&format!("there is no {missing}"));
            continue;
        }
        let text = format!("{live} ! {chain} ! appsink name=frames");
        reaches_a_late_viewer(&chain, &text, described).await;
    }
    // The person's own end asks for what cannot be sent.
    let text = format!(
        "{live} ! {h264} ! appsink name=frames caps=video/x-h264,stream-format=avc,alignment=au"
    );
    reaches_a_late_viewer("caps of appsink", &text, NALS).await;
}

#[tokio::test]
async fn codecs_that_cannot_be_sent_are_refused_with_the_reason_and_the_fix() {
    let decode = "hint: put ! decodebin ! videoconvert ! before appsink";
    for (chain, reason, hint) in [
        (
            "avenc_mpeg4",
            "the pipeline ends in video/mpeg, which is no codec",
            decode,
        ),
        (
            "theoraenc",
            "the pipeline ends in video/x-theora, which is no codec",
            decode,
        ),
        (
            "avenc_ffv1",
            "the pipeline ends in video/x-ffv, which is no codec",
            decode,
        ),
        (
            "x264enc ! capssetter replace=true caps=video/x-h264,stream-format=avc,alignment=au",
            "H.264 as \"avc\" comes without its codec_data",
            "hint: the caps have to keep codec_data",
        ),
        (
            "x265enc ! h265parse ! video/x-h265,stream-format=hvc1 \
             ! capssetter replace=true caps=video/x-h265,stream-format=hvc1,alignment=au",
            "H.265 as \"hvc1\" comes without its codec_data",
            "hint: the caps have to keep codec_data",
        ),
    ] {
        let text = format!("{BARS} ! videoconvert ! {chain} ! appsink name=frames");
        let said = three_groups(&text).await.expect_err(chain);
        if said.contains("is not installed") {
            skipped_in_part(&said);
            continue;
        }
        assert!(
            said.contains(reason) && said.contains(hint),
            "{chain}: {said}"
        );
    }
}
