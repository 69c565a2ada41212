//! What is wrong at once, and what is tried again.

use super::{Publisher, sender};
use crate::support::engines::{Nginx, free_port};
use crate::support::run_vidchat;

fn fails(args: &[&str], status: i32, said: &[&str]) {
    let ended = run_vidchat(args);
    assert_eq!(ended.code(), status, "{args:?}: {}", ended.stderr);
    for part in said {
        assert!(
            ended.stderr.contains(part),
            "{part:?} is not in {}",
            ended.stderr
        );
    }
}

#[test]
fn a_mistake_of_usage_is_an_error_at_once() {
    let to = "publish desk --to";
    for (args, said) in [
        (
            format!("{to} http://h/x"),
            &["the scheme \"http\" is not known", "rtmp://, "][..],
        ),
        (
            format!("{to} rtp://h:5005"),
            &["an even number", "hint: --to rtp://"],
        ),
        (
            format!("{to} rtmp://h/live"),
            &["an application and a stream"],
        ),
        (
            format!("{to} rtp://h:5004 --width 320"),
            &["--width is for a source of this machine"],
        ),
        ("publish desk".to_owned(), &["--to is missing"]),
        (
            format!("{to} rtp://h:5004 --pipeline test"),
            &["--pipeline and HOST contradict"],
        ),
        (
            "recv rtp://h:5004 --wire native".to_owned(),
            &["--wire and the URL of an engine"],
        ),
        (
            "recv desk --file srt-ts".to_owned(),
            &["--file is for the URL of an engine alone"],
        ),
        (
            "send --pipeline rtsp://h".to_owned(),
            &["the URL of --pipeline is not valid"],
        ),
    ] {
        let args: Vec<&str> = args.split(' ').collect();
        fails(&args, 2, said);
    }
    let nope = ["publish", "desk", "--to", "rtp://h:5004", "--file", "nope"];
    fails(
        &nope,
        1,
        &[
            "in the folder publish",
            "there are: moq, rtmp, rtp, rtsp, srt, srt-ts, zenoh",
        ],
    );
}

#[test]
fn a_missing_plugin_is_an_error_before_anybody_is_connected_to() {
    let (_folder, file) = crate::support::written_pipeline(
        "# Mine.\nappsrc name=frames ! ${h264} ! nosuchsink location=${url}\n",
    );
    let url = "rtmp://anna:pa55word@h/live/s3cr3t";
    let args = ["publish", "nobody.invalid", "--to", url, "--file", &file];
    fails(&args, 1, &["needs the GStreamer element \"nosuchsink\""]);
    vidchat::media::init().unwrap();
    if gstreamer::ElementFactory::find("moqsink").is_none() {
        let args = ["publish", "nobody.invalid", "--to", "moq+http://h:4443/cam"];
        fails(
            &args,
            1,
            &[
                "needs the GStreamer element \"moqsink\"",
                "how to build moq-gst",
            ],
        );
    }
}

#[test]
fn an_engine_that_comes_later_is_taken() {
    let Some(mut nginx) = Nginx::stopped() else {
        return;
    };
    let sender = sender();
    let mut publisher = Publisher::start(&[&sender.target()], &nginx.url("", "cam"));
    publisher.process.line_with("not there: ");
    nginx.run_again();
    publisher.process.line_with("there after");
    publisher.is_live();
    let said = publisher.quit();
    assert_eq!(said.matches("engine rtmp").count(), 2, "{said}");
}

#[test]
fn a_play_of_an_engine_that_is_not_there_is_an_error_without_its_key() {
    let url = format!("rtmp://anna:pa55word@127.0.0.1:{}/live/s3cr3t", free_port());
    let ended = run_vidchat(["recv", &url, "--display", "none", "-vv"]);
    assert_eq!(ended.code(), 1, "{}", ended.stderr);
    assert!(ended.stderr.contains("does not answer"), "{}", ended.stderr);
    for secret in ["pa55word", "s3cr3t"] {
        assert!(!ended.stderr.contains(secret), "{}", ended.stderr);
    }
}
