//! Files that are no video, and pipelines that could give no frame: the error has the reason and
//! the fix. And a check of a file touches nothing.

use std::fs;
use std::path::Path;

use gstreamer as gst;
use gstreamer::prelude::*;

use crate::support::{Ended, run_vidchat, written_pipeline};

/// Runs a pipeline to its end.
fn make(text: &str) {
    gst::init().unwrap();
    let pipeline = gst::parse::launch(text).unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let end = [gst::MessageType::Eos, gst::MessageType::Error];
    let message = pipeline.bus().unwrap().timed_pop_filtered(None, &end);
    let message = message.unwrap();
    assert_eq!(message.type_(), gst::MessageType::Eos, "{message:?}");
    pipeline.set_state(gst::State::Null).unwrap();
}

/// A short MP4, with its index at the end.
fn clip(folder: &Path) -> Vec<u8> {
    let path = folder.join("clip.mp4");
    let clip = "videotestsrc num-buffers=30 ! video/x-raw,width=320,height=240 ! x264enc ! mp4mux";
    make(&format!("{clip} ! filesink location={}", path.display()));
    fs::read(path).unwrap()
}

fn send(pipeline: &str, file: Option<&Path>) -> Ended {
    let set = file.map(|path| format!("file={}", path.display()));
    let mut args = vec!["send", "--port", "0", "--bind", "127.0.0.1", "--no-preview"];
    args.extend(["--pipeline", pipeline]);
    args.extend(set.iter().flat_map(|set| ["--set", set]));
    run_vidchat(args)
}

/// The box of an MP4 of this type and content.
fn mp4_box(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let length = (8 + content.len()) as u32;
    [&length.to_be_bytes()[..], kind, content].concat()
}

/// The same MP4 as if its video were encrypted.
fn encrypted(clip: &[u8]) -> Vec<u8> {
    let at = |kind: &[u8], from: usize| {
        let found = clip[from..].windows(4).position(|four| four == kind);
        from + found.unwrap() - 4
    };
    let length = |at: usize| u32::from_be_bytes(clip[at..at + 4].try_into().unwrap()) as usize;
    let entry = at(b"avc1", at(b"stsd", 0));
    let end = entry + length(entry);
    let key = [&[0, 0, 0, 0, 0, 0, 1, 8][..], &[7; 16]].concat();
    let scheme = [&[0; 4][..], b"cenc", &[0, 1, 0, 0]].concat();
    let protection = [
        mp4_box(b"frma", b"avc1"),
        mp4_box(b"schm", &scheme),
        mp4_box(b"schi", &mp4_box(b"tenc", &key)),
    ];
    let protection = mp4_box(b"sinf", &protection.concat());
    let content = [&clip[entry + 8..end], &protection].concat();
    let mut all = clip[..entry].to_vec();
    for around in [b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd"] {
        let at = at(around, 0);
        let longer = (length(at) + protection.len()) as u32;
        all[at..at + 4].copy_from_slice(&longer.to_be_bytes());
    }
    all.extend(mp4_box(b"encv", &content));
    all.extend(&clip[end..]);
    all
}

/// A GIF of one white pixel.
const GIF: &[u8] =
    b"GIF89a\x01\0\x01\0\x80\0\0\xff\xff\xff\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;";

#[test]
fn a_file_without_video_says_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let clip = clip(folder.path());
    let sound = at("sound.wav");
    let tone = "audiotestsrc num-buffers=100 ! wavenc ! filesink";
    make(&format!("{tone} location={}", sound.display()));
    fs::write(at("empty.mp4"), "").unwrap();
    fs::write(at("long.txt"), "This is a line of a text.\n".repeat(200)).unwrap();
    fs::write(
        at("page.mp4"),
        "<!DOCTYPE html>\n<html><body>No.</body></html>\n",
    )
    .unwrap();
    fs::write(at("text.mp4"), "This is a text, and no video.\n").unwrap();
    fs::write(at("frames.yuv"), vec![0x55; 115_200]).unwrap();
    let other: Vec<u8> = clip.clone();
    let place = other.windows(4).rposition(|four| four == b"avc1").unwrap();
    let mut other = other;
    other[place..place + 4].copy_from_slice(b"zzzz");
    fs::write(at("other.mp4"), other).unwrap();
    fs::write(at("encrypted.mp4"), encrypted(&clip)).unwrap();
    fs::write(at("picture.gif"), GIF).unwrap();
    let brand = [&b"heic"[..], &[0; 4], b"mif1heic"].concat();
    let content = [mp4_box(b"ftyp", &brand), mp4_box(b"meta", &[0; 4])];
    fs::write(at("picture.heic"), content.concat()).unwrap();
    let picture = at("cut.jpg");
    let still = "videotestsrc num-buffers=1 ! jpegenc ! filesink";
    make(&format!("{still} location={}", picture.display()));
    let whole = fs::read(&picture).unwrap();
    fs::write(&picture, &whole[..200]).unwrap();
    let takes = "--set file=PATH takes a video";
    let takes_a_picture = "--set file=PATH takes a video, or a picture as JPEG or PNG";
    for (path, cause, hint) in [
        (sound, "the file has no video, but sound alone", takes),
        (at("empty.mp4"), "the file is empty", takes),
        (at("long.txt"), "the file is a text", takes),
        (
            at("page.mp4"),
            "the file has no video, but text/html",
            takes,
        ),
        ("/dev/null".into(), "the file is empty", takes),
        (
            "~/clip.mp4".into(),
            "Resource not found",
            "write the whole path",
        ),
        (
            "file:///no/clip.mp4".into(),
            "Resource not found",
            "--set file=PATH takes a path alone: /no/clip.mp4",
        ),
        (
            "http://desk/clip".into(),
            "Resource not found",
            "filesrc takes no URL: in a pipeline",
        ),
        (
            at("text.mp4"),
            "the file is no video of a known kind",
            takes,
        ),
        (
            folder.path().to_owned(),
            "is a directory",
            "--set file=PATH takes a file, not a folder",
        ),
        (
            at("frames.yuv"),
            "a file of raw frames does not say their size and format",
            "docs/pipelines.md has a pipeline for raw frames from a file",
        ),
        (
            at("encrypted.mp4"),
            "the file is encrypted",
            "--set file=PATH takes a video file without copy protection",
        ),
        (
            at("other.mp4"),
            "no decoder is installed for video/x-gst-fourcc-zzzz",
            "",
        ),
        (
            at("picture.gif"),
            "no decoder is installed for pictures in GIF",
            takes_a_picture,
        ),
        (
            at("picture.heic"),
            "no decoder is installed for pictures in HEIC or AVIF",
            takes_a_picture,
        ),
        (
            picture,
            "the picture cannot be decoded as JPEG",
            "is the file whole? if it is, save it as JPEG or PNG",
        ),
        (
            at("absent.mp4"),
            "Resource not found",
            "--set file=PATH takes a file that is there",
        ),
    ] {
        let ended = send("file", Some(&path));
        let (first, rest) = ended.stderr.split_once('\n').expect("two lines");
        assert!(
            first.starts_with("error: the pipeline \"file\" failed: "),
            "{first}"
        );
        assert!(first.ends_with(cause), "{path:?}: {first}");
        assert!(rest.contains(&format!("hint: {hint}")), "{path:?}: {rest}");
        assert_eq!(ended.code(), 1, "{path:?}");
    }
}

#[test]
fn a_uri_without_video_says_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let sound = folder.path().join("sound.wav");
    let place = sound.display();
    make(&format!(
        "audiotestsrc num-buffers=100 ! wavenc ! filesink location={place}"
    ));
    let text = "uridecodebin uri=${uri} ! videoconvert ! appsink name=frames\n";
    let (_folder, path) = written_pipeline(text);
    let uri = format!("uri=file://{place}");
    let args = [
        "send",
        "--port",
        "0",
        "--no-preview",
        "--pipeline",
        &path,
        "--set",
        &uri,
    ];
    let said = format!(
        "error: the pipeline {path:?} failed: the file has no video, but sound alone\n\
         hint: --set uri=URI takes a video file"
    );
    assert_eq!(run_vidchat(args).stderr.trim_end(), said);
}

#[test]
fn a_file_that_was_cut_off_is_suspected() {
    let folder = tempfile::tempdir().unwrap();
    let whole = clip(folder.path());
    let path = folder.path().join("half.mp4");
    for length in [whole.len() / 2, 2000] {
        fs::write(&path, &whole[..length]).unwrap();
        let ended = send("file", Some(&path));
        let hint = "\nhint: is the file whole, and not protected? a copy that was cut off may lack \
                    its index";
        assert!(ended.stderr.contains(hint), "{length}: {}", ended.stderr);
        assert_eq!(ended.code(), 1);
    }
}

#[test]
fn a_pipeline_that_can_give_no_frame_names_the_fix() {
    for (text, said) in [
        (
            "videotestsrc ! tee name=t\n  ! appsink name=frames\nt. ! fakesink\n",
            "failed: no frame came within 10 s\n\
             hint: begin each branch of the tee in line 1 with a queue, or they wait for each \
             other: t. ! queue ! …",
        ),
        (
            "videotestsrc ! video/x-bayer,format=rggb ! appsink name=frames\n",
            "\nhint: put ! bayer2rgb ! videoconvert ! before appsink",
        ),
        (
            "videotestsrc ! video/x-bayer,format=rggb ! videoscale ! appsink name=frames\n",
            "\nhint: put ! bayer2rgb ! videoconvert ! between the two",
        ),
    ] {
        let (_folder, path) = written_pipeline(text);
        let ended = send(&path, None);
        assert!(ended.stderr.contains(said), "{text}: {}", ended.stderr);
        assert_eq!(ended.code(), 1);
    }
}

#[test]
fn other_ends_of_a_pipeline_are_named_with_their_fix() {
    for (text, said) in [
        (
            "videotestsrc\n  ! appsink\n",
            "(line 2) has no appsink for vidchat send: its appsink has no name\n\
             hint: write appsink name=frames",
        ),
        (
            "videotestsrc ! appsink name=mysink\n",
            "(line 1) has no appsink for vidchat send: its appsink is named \"mysink\"\n\
             hint: write appsink name=frames",
        ),
        (
            "videotestsrc ! tee name=t ! queue ! appsink name=a\nt. ! queue ! appsink name=b\n",
            "has no appsink for vidchat send: none of its appsinks is named \"frames\", but \"a\", \
             \"b\"\nhint: write appsink name=frames for the one that vidchat is to use",
        ),
        (
            "videotestsrc ! tee name=t ! appsink name=frames\nt. ! appsink name=frames\n",
            "(line 2) is not valid: two elements are named \"frames\"\n  \
             t. ! appsink name=frames\nhint: give each element a name of its own",
        ),
        (
            "videotestsrc ! appsink name=frames\nappsrc name=more ! fakesink\n",
            "(line 2) is not valid: nothing feeds its appsrc \"more\"\n\
             hint: write a source in its place, such as videotestsrc",
        ),
    ] {
        let (_folder, path) = written_pipeline(text);
        let said = format!("error: the pipeline {path:?} {said}");
        let ended = run_vidchat(["pipelines", "check", &path]);
        assert_eq!(
            (ended.stderr.trim_end(), ended.code()),
            (&said[..], 1),
            "{text}"
        );
        let ended = send(&path, None);
        assert_eq!(
            (ended.stderr.trim_end(), ended.code()),
            (&said[..], 1),
            "{text}"
        );
    }
    // The mistake of a receiving file, and of a file for the other end.
    let (_folder, path) =
        written_pipeline("videotestsrc ! fakesink name=frames\nappsrc ! fakesink\n");
    let ended = run_vidchat(["pipelines", "check", &path]);
    let said = "its element \"frames\" is fakesink\nhint: give the name to an appsrc";
    assert!(ended.stderr.contains(said), "{}", ended.stderr);
    let (_folder, path) = written_pipeline("appsrc name=frames ! fakesink\n");
    let said = "its element \"frames\" is appsrc\nhint: it is for vidchat recv HOST";
    let ended = send(&path, None);
    assert!(ended.stderr.contains(said), "{}", ended.stderr);
}

#[test]
fn a_check_touches_nothing_that_a_file_names() {
    let folder = tempfile::tempdir().unwrap();
    let film = folder.path().join("film.mkv");
    let name = film.to_str().unwrap();
    let sinks = [
        format!("filesink location={name}"),
        format!("filesink location='{name}'"),
        format!("multifilesink location={name}"),
        format!("splitmuxsink muxer=matroskamux location={name}"),
        format!("( matroskamux ! filesink location={name} )"),
    ];
    for sink in sinks {
        let lists = format!("#! one-of\n{sink}\n");
        for text in [
            format!("appsrc name=frames ! ${{decode}} ! jpegenc !\n{lists}"),
            format!("appsrc name=frames ! ${{decode}} ! jpegenc ! {sink}\n"),
            format!(
                "videotestsrc ! tee name=t ! queue ! appsink name=frames\nt. ! queue ! jpegenc !\n\
                 {lists}"
            ),
        ] {
            fs::write(&film, "a film that nobody wants to lose").unwrap();
            let (_folder, path) = written_pipeline(&text);
            let ended = run_vidchat(["pipelines", "check", &path]);
            assert!(ended.code() <= 1, "{ended:?}");
            let shown = run_vidchat(["pipelines", "show", &path]);
            assert_eq!(shown.code(), 0);
            let kept = fs::read_to_string(&film).unwrap();
            assert_eq!(kept, "a film that nobody wants to lose", "{text}");
        }
    }
}
