//! Every error that a person can meet at the start, word for word: what failed, why, and what to
//! type next, on standard error, with its exit status and nothing on standard output.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use crate::support::{Sender, run_vidchat, skipped};

/// Runs vidchat, which has to end with `status` and to say exactly `said`, which has a hint.
fn fails(args: &[&str], status: i32, said: &str) {
    assert!(said.contains("\nhint: "), "no hint in {said}");
    let ended = run_vidchat(args);
    assert_eq!(ended.stderr, said, "{args:?}");
    assert_eq!((ended.code(), &ended.stdout[..]), (status, ""), "{args:?}");
}

/// The same for `vidchat send` on a port of its own.
fn send_fails(args: &[&str], status: i32, said: &str) {
    let start = ["send", "--port", "0", "--bind", "127.0.0.1"];
    fails(&[&start, args].concat(), status, said);
}

/// A port where nothing listens.
fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

#[test]
fn a_port_that_is_taken() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let next = port.checked_add(1).unwrap_or(10050);
    let number = port.to_string();
    let args = ["send", "--pipeline", "test", "--port", &number];
    let hint = format!("another vidchat send may be running; --port {next} takes another port");
    for (bind, place) in [
        (
            &["--bind", "127.0.0.1"][..],
            format!("\"127.0.0.1:{port}\""),
        ),
        (&[], format!("port {port}")),
    ] {
        let said = format!("error: cannot listen at {place}: address already in use\nhint: {hint}");
        fails(&[&args[..], bind].concat(), 1, &said);
    }
}

#[test]
fn an_address_that_this_machine_has_not() {
    fails(
        &[
            "send",
            "--pipeline",
            "test",
            "--port",
            "0",
            "--bind",
            "203.0.113.9",
        ],
        1,
        "error: cannot listen at \"203.0.113.9:0\": this machine has no such address\n\
         hint: leave --bind out to listen at all of this machine's addresses",
    );
}

#[test]
fn a_port_where_nothing_listens() {
    let port = free_port();
    fails(
        &["recv", &format!("127.0.0.1:{port}"), "--display", "none"],
        1,
        &format!(
            "error: cannot connect to \"127.0.0.1:{port}\": nothing listens at port {port} there\n\
             hint: start vidchat send on \"127.0.0.1\", or give the port that it prints"
        ),
    );
}

#[test]
fn a_name_that_no_machine_has() {
    fails(
        &["recv", "desk.invalid", "--display", "none"],
        1,
        "error: cannot connect to \"desk.invalid\": there is no machine of that name\n\
         hint: vidchat send prints its addresses: type one of those",
    );
}

#[test]
fn a_service_that_is_no_sender() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let target = listener.local_addr().unwrap().to_string();
    let server = std::thread::spawn(move || {
        let (mut peer, _) = listener.accept().unwrap();
        peer.write_all(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n")
            .unwrap();
        peer
    });
    fails(
        &["recv", &target, "--display", "none"],
        1,
        &format!(
            "error: \"{target}\" is not a vidchat sender: its first bytes are \"SSH-2.0-OpenSSH_\"\n\
             hint: vidchat send on \"127.0.0.1\" prints what to type here"
        ),
    );
    drop(server.join());
}

#[test]
fn a_service_that_hangs_up_at_the_first_word() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let target = listener.local_addr().unwrap().to_string();
    let server = std::thread::spawn(move || {
        let (mut peer, _) = listener.accept().unwrap();
        // All of it is read: what is not would make a reset of the end.
        peer.set_read_timeout(Some(Duration::from_millis(200)))
            .unwrap();
        while peer.read(&mut [0; 4096]).is_ok_and(|length| length > 0) {}
    });
    fails(
        &["recv", &target, "--display", "none"],
        1,
        &format!(
            "error: no vidchat sender answered at \"{target}\": the sender closed the connection\n\
             hint: another service may be at that port: vidchat send on \"127.0.0.1\" prints what to \
             type here"
        ),
    );
    drop(server.join());
}

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
         none, terminal, window\n\
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
    let (folder, path) = file("# Mine.\nvideotestsrc ! appsink name=frames\n");
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
            "65537 bytes is too much for a pipeline file",
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
        let (_folder, path) = file(text);
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
        "error: the pipeline \"file\" (line 3) needs a value for \"file\"\nhint: --set file=VALUE",
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
    for (pipeline, name, value, least, most, usual) in [
        ("test", "width", "0", 1, 16_384, 320),
        ("test", "height", "16385", 1, 16_384, 240),
        ("test", "fps", "abc", 1, 1000, 30),
        ("test", "fps", "0", 1, 1000, 30),
        ("test", "fps", "5000", 1, 1000, 30),
        ("test-h264", "bitrate", "0", 1, 2_000_000, 1000),
        ("test-h264", "gop", "-1", 1, 1_000_000, 300),
        ("test-h264", "threads", "many", 1, 64, 1),
        ("test-av1", "rate", "29.97", 1, 1000, 30),
    ] {
        let set = format!("{name}={value}");
        let said = format!(
            "error: {name} \"{value}\" is not valid: it takes a whole number from {least} to \
             {most}\nhint: --set {name}={usual}"
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
fn a_value_in_a_file_that_its_property_does_not_take_names_its_line() {
    for (text, line, cause) in [
        (
            "# A number.\nvideotestsrc\n  ! jpegenc quality=500 ! appsink name=frames\n",
            3,
            "quality of jpegenc takes 0 to 100, not \"500\"\n\
             hint: gst-inspect-1.0 jpegenc explains its properties",
        ),
        (
            "# A word.\nvideotestsrc ! videoflip method=turn ! appsink name=frames\n",
            2,
            "method of videoflip does not know \"turn\"\n  it knows: none, clockwise, rotate-180, \
             counterclockwise, horizontal-flip, vertical-flip, upper-left-diagonal, \
             upper-right-diagonal, automatic\n\
             hint: gst-inspect-1.0 videoflip explains its properties",
        ),
    ] {
        let (_folder, path) = file(text);
        let said = format!("error: the pipeline {path:?} (line {line}) is not valid: {cause}");
        send_fails(&["--pipeline", &path], 1, &said);
        fails(&["pipelines", "check", &path], 1, &said);
    }
}

#[test]
fn the_least_and_the_most_of_each_number_make_a_pipeline() {
    for (pipeline, set) in [
        ("test", "width=1"),
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

/// A pipeline file, and its path.
fn file(text: &str) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.gst");
    fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
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
            "# A link.\nvideotestsrc ! video/x-raw,format=I420\n  ! h264parse ! appsink name=frames\n",
            3,
            "could not link videotestsrc0 to h264parse0, h264parse0 can't handle caps video/x-raw, \
             format=(string)I420",
            "! h264parse ! appsink name=frames",
            "put ! videoconvert ! between the two; gst-inspect-1.0 h264parse lists what it takes",
        ),
    ] {
        let (_folder, path) = file(text);
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
            "has no appsink for vidchat send: it has no element named \"frames\"\n\
             hint: end the pipeline in: ! appsink name=frames",
        ),
        (
            "#! jump\nvideotestsrc ! appsink name=frames\n",
            "(line 1) is not valid: \"jump\" is no directive\n  there are: #! loop, #! keep-open, #! one-of\n\
             hint: # jump is a comment: write one of those, or that",
        ),
        (
            "# Nothing.\nvideotestsrc num-buffers=0 ! appsink name=frames\n",
            "failed: it came to its end before its first picture\n\
             hint: GST_DEBUG=3 before the command has GStreamer say more",
        ),
        (
            "# Nothing, over and over.\n#! loop\n\
             videotestsrc num-buffers=0 ! appsink name=frames\n",
            "failed: it came to its end before its first picture\n\
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
        let (_folder, path) = file(text);
        let said = format!("error: the pipeline {path:?} {said}");
        send_fails(&["--pipeline", &path], 1, &said);
    }
}

#[test]
fn no_camera() {
    if Path::new("/dev/video0").exists() {
        return skipped("this machine has a camera");
    }
    let hint = "hint: vidchat send --pipeline test needs no camera";
    let none = format!("error: cannot find a camera: none is plugged in\n{hint}");
    send_fails(&[], 1, &none);
    let others =
        "hint: ls /dev/video* lists the cameras once one is plugged in; --pipeline test needs none";
    send_fails(
        &["--device", "3"],
        1,
        &format!("error: cannot use the camera \"3\": no such file or directory\n{others}"),
    );
    send_fails(
        &["--device", "Brio"],
        1,
        &format!(
            "error: cannot find the camera \"Brio\": no camera has that in its name\n{others}"
        ),
    );
}

#[test]
fn no_display_and_no_terminal() {
    let sender = Sender::start(["--pipeline", "test", "--no-preview"]);
    let target = sender.target();
    let nowhere = "error: cannot open a window: there is no display\n\
                   hint: run it in a terminal to see the video there, or give --display none";
    fails(&["recv", &target], 1, nowhere);
    fails(&["demo"], 1, nowhere);
    let window = "error: cannot open a window: there is no display\n\
                  hint: --display terminal shows the video in a terminal, --display none shows \
                  nothing";
    let terminal = "error: cannot draw in the terminal: standard error is no terminal\n\
                    hint: run it in a terminal, with standard error going there";
    for (display, said) in [("window", window), ("terminal", terminal)] {
        fails(&["recv", &target, "--display", display], 1, said);
        fails(&["demo", "--display", display], 1, said);
    }
    send_fails(
        &["--pipeline", "test", "--preview"],
        1,
        "error: cannot open a window: there is no display\n\
         hint: leave --preview out to send without a window here",
    );
    send_fails(
        &["--pipeline", "screen"],
        1,
        "error: cannot capture this machine's screen: there is no display that can be opened\n\
         hint: run it where $DISPLAY names an X display, or use --pipeline test",
    );
}
