//! The errors of pipeline files and of the values that are given for them, word for word.

use std::fs;

use crate::cli::errors::{fails, send_fails};
use crate::support::{run_vidchat, written_pipeline};

#[test]
fn a_pipeline_that_there_is_not() {
    send_fails(
        &["--pipeline", "tset"],
        1,
        "error: cannot find the pipeline \"tset\": there is none of that name for vidchat send\n  \
         there are: camera, camera-mjpeg, file, screen, test, SOURCE-av1, SOURCE-h264, SOURCE-h265, \
         SOURCE-jpeg, SOURCE-vp8, SOURCE-vp9\n\
         hint: give a path with a / in it to use a file: --pipeline ./mine.gst",
    );
    fails(
        &["demo", "--pipeline", "tset", "--display", "none"],
        1,
        "error: cannot find the pipeline \"tset\": there is none of that name for vidchat send\n  \
         there are: camera, camera-mjpeg, file, screen, test, SOURCE-av1, SOURCE-h264, SOURCE-h265, \
         SOURCE-jpeg, SOURCE-vp8, SOURCE-vp9\n\
         hint: give a path with a / in it to use a file: --pipeline ./mine.gst",
    );
    fails(
        &["pipelines", "show", "tset"],
        1,
        "error: cannot find the pipeline \"tset\": there is none of that name\n  \
         there are: camera, camera-mjpeg, file, screen, test, SOURCE-av1, SOURCE-h264, SOURCE-h265, \
         SOURCE-jpeg, SOURCE-vp8, SOURCE-vp9, \
         auto, none, terminal, window\n\
         hint: give a path with a / in it to use a file: ./mine.gst",
    );
    for args in [
        &["send", "--pipeline", "./no/such.gst"][..],
        &["pipelines", "show", "./no/such.gst"],
        &["pipelines", "check", "./no/such.gst"],
    ] {
        let said = "error: cannot read the pipeline \"./no/such.gst\": no such file or directory\n\
                    hint: vidchat pipelines lists those that need no file";
        fails(args, 1, said);
    }
}

#[test]
fn a_file_that_cannot_be_read() {
    let (folder, path) = written_pipeline("# Mine.\nvideotestsrc ! appsink name=frames\n");
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    // One that leads nowhere is there, and cannot be read either.
    #[cfg(unix)]
    std::os::unix::fs::symlink(at("gone"), at("link.gst")).unwrap();
    #[cfg(unix)]
    let others = "link.gst, mine.gst";
    #[cfg(not(unix))]
    let others = "mine.gst";
    let absent = at("mien.gst");
    send_fails(
        &["--pipeline", &absent],
        1,
        &format!(
            "error: cannot read the pipeline {absent:?}: no such file or directory\n  there are: \
             {others}\nhint: vidchat pipelines show camera > {absent} makes one to begin with"
        ),
    );
    let like = "hint: vidchat pipelines show camera shows what such a file looks like";
    for (text, cause) in [
        (vec![0xff; 9], "it is no text"),
        (
            vec![b' '; 65_537],
            "more than 65536 bytes is too much for a pipeline file",
        ),
    ] {
        fs::write(&path, text).unwrap();
        let said = format!("error: cannot read the pipeline {path:?}: {cause}\n{like}");
        send_fails(&["--pipeline", &path], 1, &said);
    }
}

#[test]
fn a_file_without_an_element() {
    for text in ["", "# Nothing.\n", "\n\n\n"] {
        let (_folder, path) = written_pipeline(text);
        let said = format!(
            "error: the pipeline {path:?} is not valid: there is no element in it\n\
             hint: vidchat pipelines show camera shows what one looks like"
        );
        send_fails(&["--pipeline", &path], 1, &said);
        fails(&["pipelines", "check", &path], 1, &said);
    }
}

#[test]
fn a_value_that_is_missing_or_has_no_place() {
    send_fails(
        &["--pipeline", "file"],
        1,
        "error: the pipeline \"file\" (line 6) needs a value for \"file\"\nhint: --set file=VALUE",
    );
    send_fails(
        &["--pipeline", "file", "--set", "file=/no/such/clip.mkv"],
        1,
        &format!(
            "error: the pipeline \"file\" failed: Resource not found\n  \
             No such file \"/no/such/clip.mkv\"\n\
             hint: --set file=PATH takes a file that is there; the paths in it count from the \
             folder {}",
            std::env::current_dir().unwrap().display()
        ),
    );
    let known =
        "  it has: pattern, speed, width, height, fps, encode\nhint: vidchat pipelines show test";
    send_fails(
        &["--pipeline", "test", "--set", "patern=ball"],
        2,
        &format!("error: the pipeline \"test\" has no placeholder \"patern\"\n{known}"),
    );
    fails(
        &["pipelines", "check", "test", "--set", "patern=ball"],
        2,
        &format!("error: the pipeline \"test\" has no placeholder \"patern\"\n{known}"),
    );
    send_fails(
        &["--pipeline", "test", "--device", "2"],
        2,
        &format!("error: the pipeline \"test\" has no placeholder \"device\"\n{known}"),
    );
}

#[test]
fn a_number_that_is_none_or_beyond_its_bounds() {
    let pixels = "16 to 8192, in pixels";
    let rate = "1 to 1000, in frames a second";
    for (pipeline, name, value, bounds, usual) in [
        ("test", "width", "0", pixels, 320),
        ("test", "height", "8193", pixels, 240),
        ("test", "fps", "abc", rate, 30),
        ("test", "fps", "0", rate, 30),
        ("test", "fps", "5000", rate, 30),
        ("test", "fps", "24000/1001", rate, 24),
        ("test-h264", "bitrate", "0", "1 to 2000000, in kbit/s", 1000),
        (
            "test-h264",
            "bitrate",
            "2M",
            "1 to 2000000, in kbit/s",
            1000,
        ),
        ("test-h264", "gop", "-1", "1 to 1000000, in frames", 300),
        ("test-h264", "threads", "many", "1 to 64", 1),
        ("test-av1", "rate", "29.97", rate, 30),
    ] {
        let set = format!("{name}={value}");
        let said = format!(
            "error: {name} \"{value}\" is not valid: it takes a whole number from {bounds}\n\
             hint: --set {name}={usual}"
        );
        send_fails(&["--pipeline", pipeline, "--set", &set], 2, &said);
        fails(&["pipelines", "check", pipeline, "--set", &set], 2, &said);
    }
}

#[test]
fn a_value_that_its_property_does_not_take() {
    for (pipeline, set, said) in [
        (
            "test-jpeg",
            "quality=500",
            "quality \"500\" is not valid: jpegenc takes 0 to 100\nhint: --set quality=85",
        ),
        (
            "test",
            "speed=",
            "speed \"\" is not valid: horizontal-speed of videotestsrc takes -2147483648 to \
             2147483647\nhint: --set speed=2",
        ),
        (
            "test",
            "speed=fast",
            "speed \"fast\" is not valid: horizontal-speed of videotestsrc takes -2147483648 to \
             2147483647\nhint: --set speed=2",
        ),
        (
            "test-h265",
            "preset=foo",
            "preset \"foo\" is not valid: speed-preset of x265enc does not know \"foo\"\n  it knows: \
             No preset, ultrafast, superfast, veryfast, faster, fast, medium, slow, slower, \
             veryslow, placebo\nhint: --set preset=ultrafast",
        ),
        (
            "test-h264",
            "buffer=-1",
            "buffer \"-1\" is not valid: vbv-buf-capacity of x264enc takes 0 to 10000\n\
             hint: --set buffer=200",
        ),
    ] {
        let said = format!("error: {said}");
        send_fails(&["--pipeline", pipeline, "--set", set], 2, &said);
        fails(&["pipelines", "check", pipeline, "--set", set], 2, &said);
    }
}

#[test]
fn no_other_encoder_is_taken_for_a_value_that_one_does_not_know() {
    let ended = run_vidchat(["pipelines", "check", "test-h264", "--set", "preset=foo"]);
    let said =
        "error: preset \"foo\" is not valid: speed-preset of x264enc does not know \"foo\"\n";
    assert!(ended.stderr.starts_with(said), "{}", ended.stderr);
    assert!(
        ended.stderr.ends_with("\nhint: --set preset=veryfast"),
        "{}",
        ended.stderr
    );
    assert_eq!(ended.code(), 2);
}

#[test]
fn the_least_and_the_most_of_each_number_make_a_pipeline() {
    for (pipeline, set) in [
        ("test", "width=16"),
        ("test", "width=8192"),
        ("test-h265", "width=16"),
        ("test", "fps=1000"),
        ("test-h264", "bitrate=2000000"),
        ("test-h264", "gop=1000000"),
        ("test-vp8", "bitrate=2000000"),
        ("test-vp9", "threads=64"),
        ("test-av1", "bitrate=1"),
    ] {
        let ended = run_vidchat(["pipelines", "check", pipeline, "--set", set]);
        let good = format!("{pipeline}: good for vidchat send\n");
        assert_eq!(
            (&ended.stdout[..], &ended.stderr[..]),
            (&good[..], ""),
            "{set}"
        );
    }
}

#[test]
fn a_file_with_a_mistake_names_its_line() {
    for (text, line, cause, shown, hint) in [
        (
            "# A slip.\nvideotestsrc\n  ! ! videoconvert\n  ! appsink name=frames\n",
            3,
            "syntax error",
            "! ! videoconvert",
            "look for a ! too many or too few, and for a quote that is not closed",
        ),
        (
            "# A property.\n\nvideotestsrc patern=ball\n  ! appsink name=frames\n",
            3,
            "no property \"patern\" in element \"videotestsrc\"",
            "videotestsrc patern=ball",
            "gst-inspect-1.0 videotestsrc explains its properties",
        ),
        (
            "# A word.\nvideotestsrc\n  ! videoflip method=turn ! appsink name=frames\n",
            3,
            "could not set property \"method\" in element \"videoflip\" to \"turn\"",
            "! videoflip method=turn ! appsink name=frames",
            "gst-inspect-1.0 videoflip explains its properties",
        ),
        (
            "# A link.\nvideotestsrc ! video/x-raw,format=I420\n  ! h264parse ! appsink name=frames\n",
            3,
            "could not link videotestsrc0 to h264parse0, h264parse0 can't handle caps video/x-raw, \
             format=(string)I420",
            "! h264parse ! appsink name=frames",
            "put ! videoconvert ! between the two; gst-inspect-1.0 h264parse lists what it takes",
        ),
    ] {
        let (_folder, path) = written_pipeline(text);
        let said = format!(
            "error: the pipeline {path:?} (line {line}) is not valid: {cause}\n  {shown}\n\
             hint: {hint}"
        );
        send_fails(&["--pipeline", &path], 1, &said);
        fails(&["pipelines", "check", &path], 1, &said);
    }
}

#[test]
fn a_file_that_cannot_be_used_says_what_it_lacks() {
    for (text, said) in [
        (
            "# Unknown.\nvideotestsrc\n  ! nosuchelement\n  ! appsink name=frames\n",
            "(line 3) needs the GStreamer element \"nosuchelement\": it is not installed\n\
             hint: is the name right? gst-inspect-1.0 nosuchelement",
        ),
        (
            "# No end.\nvideotestsrc ! fakesink\n",
            "(line 2) has no appsink for vidchat send: it has no element named \"frames\"\n\
             hint: write appsink name=frames in the place of fakesink",
        ),
        (
            "#! jump\nvideotestsrc ! appsink name=frames\n",
            "(line 1) is not valid: \"jump\" is no directive\n  there are: #! loop, #! keep-open, #! one-of\n\
             hint: # jump is a comment: write one of those, or that",
        ),
        (
            "# Nothing.\nvideotestsrc num-buffers=0 ! appsink name=frames\n",
            "failed: it came to its end before its first frame\n\
             hint: GST_DEBUG=3 before the command has GStreamer say more",
        ),
        (
            "# Nothing, over and over.\n#! loop\n\
             videotestsrc num-buffers=0 ! appsink name=frames\n",
            "failed: it came to its end before its first frame\n\
             hint: GST_DEBUG=3 before the command has GStreamer say more",
        ),
        (
            "# Sound.\naudiotestsrc ! appsink name=frames\n",
            "failed: the pipeline ends in audio/x-raw, which is not video\n\
             hint: what reaches appsink has to be video: raw, or of a codec that vidchat knows",
        ),
        (
            "# Open.\nvideotestsrc ! appsink name=${x\n",
            "(line 2) is not valid: a ${ without its }\n\
             hint: write ${name} or ${name:-default}, with letters, digits, - and _ in the name",
        ),
    ] {
        let (_folder, path) = written_pipeline(text);
        let said = format!("error: the pipeline {path:?} {said}");
        send_fails(&["--pipeline", &path], 1, &said);
    }
}
