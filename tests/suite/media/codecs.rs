//! Each codec that comes with vidchat, from one program to the other: the frame that comes out
//! is the one that went in.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use crate::support::test_card::DARKER_BARS;
use crate::support::{Sender, in_one_try, run, run_vidchat, skipped_in_part, vidchat};

const WIDTH: usize = 320;
const FRAME_BYTES: usize = WIDTH * 240 * 3;

/// How far a bar's mean colour may be off. Raw frames are off by 1; a wrong colour space by 20.
const TOLERANCE: f64 = 6.0;

/// The codecs, and where their files are.
fn codecs() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines/encode");
    let files = fs::read_dir(folder).unwrap();
    files
        .map(|file| {
            file.unwrap()
                .path()
                .file_stem()
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned()
        })
        .collect()
}

/// The mean colour of a bar, without its edges.
fn mean(frame: &[u8], bar: usize) -> [f64; 3] {
    let columns = WIDTH * bar / 7 + 8..WIDTH * (bar + 1) / 7 - 8;
    let mut sum = [0.0; 3];
    let mut count = 0.0;
    for row in 10..80 {
        for column in columns.clone() {
            let at = (row * WIDTH + column) * 3;
            for (sum, value) in sum.iter_mut().zip(&frame[at..at + 3]) {
                *sum += f64::from(*value);
            }
            count += 1.0;
        }
    }
    sum.map(|sum| sum / count)
}

/// Whether the frame shows the bars in their colours; what is wrong otherwise.
pub fn are_bars(frame: &[u8]) -> Result<(), String> {
    for (bar, expected) in DARKER_BARS.into_iter().enumerate() {
        let found = mean(frame, bar);
        let pairs = found.iter().zip(expected);
        let off = pairs.map(|(f, e)| (f - f64::from(e)).abs());
        if off.fold(0.0, f64::max) >= TOLERANCE {
            return Err(format!("bar {bar}: {found:.0?} and not {expected:?}"));
        }
    }
    Ok(())
}

#[test]
fn a_codec_carries_the_test_picture_from_one_program_to_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.gst");
    let text = "# Colours.\nappsrc name=frames ! ${decode} ! videoconvert \
                ! video/x-raw,format=RGB ! fdsink fd=1\n";
    fs::write(&out, text).unwrap();
    let mut names = vec!["test".to_owned()];
    names.extend(codecs().into_iter().map(|codec| format!("test-{codec}")));
    for name in names {
        let checked = run_vidchat(["pipelines", "check", &name]);
        if checked.stderr.contains("has nothing to choose from") {
            skipped_in_part(&format!("there is no encoder for {name}"));
            continue;
        }
        let sender = Sender::start([
            "--no-preview",
            "--pipeline",
            &name,
            "--set",
            "speed=0",
            "--set",
            "pattern=smpte75",
        ]);
        // The second one joins in the middle of what the first one gets.
        for viewer in 1..=2 {
            let target = sender.target();
            let arguments = ["recv", &target, "--frames", "20", "--pipeline"];
            // An encoder that has little of the processor makes coarse pictures at first.
            in_one_try(|| {
                let ended = run(vidchat().args(arguments).arg(&out));
                let said = &ended.stderr;
                assert_eq!(ended.code(), 0, "{name}: {said}");
                assert_eq!(said.contains("INFO decoder: "), name != "test", "{said}");
                let frame = &ended.bytes[ended.bytes.len() - FRAME_BYTES..];
                are_bars(frame).map_err(|wrong| format!("{name}, viewer {viewer}, {wrong}"))
            });
        }
        let lines = sender.process.seen();
        let encoders = lines
            .iter()
            .filter(|line| line.starts_with("INFO encoder: "));
        // It is opened for each viewer, and named once.
        assert_eq!(encoders.count(), usize::from(name != "test"), "{lines:#?}");
    }
}

#[test]
fn every_source_goes_with_every_codec() {
    for source in ["camera", "screen", "test", "file"] {
        for codec in codecs() {
            let name = format!("{source}-{codec}");
            let mut arguments = vec!["pipelines", "check", &name];
            if source == "file" {
                arguments.extend(["--set", "file=clip.mkv"]);
            }
            let ended = run_vidchat(arguments);
            if ended.stderr.contains("has nothing to choose from") {
                skipped_in_part(&format!("there is no encoder for {name}"));
            } else {
                assert_eq!(ended.code(), 0, "{name}: {}", ended.stderr);
            }
        }
    }
}

#[test]
fn a_height_that_follows_from_the_width_is_one_that_the_codec_takes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wide.gst");
    // As the camera's pipeline does it: of 16 to 9, 200 pixels wide are 112.5 high.
    let scaled = "video/x-raw,width=${width:-200},pixel-aspect-ratio=1/1";
    for codec in ["h264", "h265"] {
        let shown = run_vidchat(["pipelines", "show", &format!("test-{codec}")]).stdout;
        let (_, encoder) = shown.split_once("\"Sans, 24\"").expect("it has a clock");
        let source = "videotestsrc is-live=true ! video/x-raw,width=1280,height=720";
        let text = format!("# Wide.\n{source}\n  ! videoscale\n  ! {scaled}\n  {encoder}");
        fs::write(&path, text).unwrap();
        if run_vidchat([
            OsStr::new("pipelines"),
            OsStr::new("check"),
            path.as_os_str(),
        ])
        .code()
            != 0
        {
            skipped_in_part(&format!("there is no encoder for {codec}"));
            continue;
        }
        let path = path.to_str().unwrap();
        let sender = Sender::start(["--no-preview", "--pipeline", path]);
        let opened = sender
            .process
            .seen()
            .iter()
            .any(|line| line.contains(" 200x112 "));
        assert!(opened, "{codec}: {:#?}", sender.process.seen());
    }
}

#[test]
fn a_codec_goes_with_a_source_of_ones_own_and_may_be_ones_own() {
    let config = tempfile::tempdir().unwrap();
    let folder = config.path().join("vidchat/pipelines");
    for kind in ["send", "encode"] {
        fs::create_dir_all(folder.join(kind)).unwrap();
    }
    let write = |name: &str, text: &str| fs::write(folder.join(name), text).unwrap();
    write(
        "send/my-ball.gst",
        "# A ball.\nvideotestsrc pattern=ball ! ${encode}\n  ! appsink name=frames\n",
    );
    write(
        "send/closed.gst",
        "# No place.\nvideotestsrc ! appsink name=frames\n",
    );
    write(
        "send/test-vp8.gst",
        "# My own.\nvideotestsrc ! appsink name=frames\n",
    );
    write(
        "encode/tiny.gst",
        "# Tiny JPEG.\njpegenc quality=${quality:-5}\n",
    );
    let pipelines = |args: &[&str]| {
        let mut command = vidchat();
        command.env("XDG_CONFIG_HOME", config.path());
        run(command.arg("pipelines").args(args))
    };
    for name in ["my-ball", "my-ball-jpeg", "my-ball-tiny", "test-tiny"] {
        let ended = pipelines(&["check", name]);
        assert_eq!(
            ended.stdout,
            format!("{name}: good for vidchat send\n"),
            "{}",
            ended.stderr
        );
    }
    let list = pipelines(&["list"]).stdout;
    assert!(list.contains("  SOURCE-tiny  Tiny JPEG.  ("), "{list}");
    assert!(list.contains("  SOURCE-h264  H.264 "), "{list}");
    // What is shown is a whole pipeline.
    let shown = pipelines(&["show", "my-ball-tiny"]).stdout;
    assert!(
        shown.starts_with("# A ball. Tiny JPEG.\nvideotestsrc"),
        "{shown}"
    );
    write("send/saved.gst", &shown);
    let ended = pipelines(&["check", "saved", "--set", "quality=9"]);
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
    // A file of that very name comes first.
    let shown = pipelines(&["show", "test-vp8"]).stdout;
    assert!(shown.starts_with("# My own."), "{shown}");
    for (name, said) in [
        ("closed-h264", "has no place for a codec"),
        ("test-h266", "there are: "),
        ("nobody-h264", "SOURCE-h264"),
    ] {
        let ended = pipelines(&["check", name]);
        assert_eq!(ended.code(), 1, "{name}");
        assert!(ended.stderr.contains(said), "{name}: {}", ended.stderr);
    }
}
