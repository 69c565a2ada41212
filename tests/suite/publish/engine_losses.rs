//! What is wrong at once, and what is tried again.

use super::{Publisher, sender};
use crate::support::engines::{Nginx, RtspServer, SrtRelay, free_even_port, free_port};
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

/// A publisher to `url` says this, and goes on.
fn is_turned_away(url: &str, cause: &str, hint: &str) {
    let mut publisher = Publisher::start(&["--pipeline", "test-h264"], url);
    let said = publisher.process.line_with("not there: ");
    for part in [cause, hint] {
        assert!(said.contains(part), "{url}: {part:?} is not in {said}");
    }
    let lost = publisher
        .stats
        .line("its state", |line| line["state"] == "engine lost");
    let reason = lost["reason"].as_str().unwrap_or_default();
    assert!(
        reason.contains(cause) && !reason.contains(hint),
        "{url}: {reason}"
    );
    publisher.quit();
}

#[test]
fn an_rtsp_server_that_takes_no_stream_is_told_with_its_reason() {
    let Some(server) = RtspServer::start() else {
        return;
    };
    let [to, from] = server.urls();
    let login = format!("anna:{}@", RtspServer::PASSWORD);
    for (url, cause, hint) in [
        (
            to.replace("cam/in", "nope"),
            "nothing at the path \"nope\"",
            "is the path right?",
        ),
        // It has no stream yet, and lets a publisher wait for it.
        (
            from.clone(),
            "takes no stream at the path \"cam\"",
            "such as cam/in beside cam",
        ),
        (
            to.replace(&login, ""),
            "wants a user's name and password",
            "://NAME:PASSWORD@",
        ),
        (
            to.replace("pa55", "wr0ng"),
            "does not take this user's name and password",
            "does the server know this user?",
        ),
        (
            format!("rtsp://127.0.0.1:{}/cam", free_port()),
            "no server answers at 127.0.0.1:",
            "does it run there",
        ),
    ] {
        is_turned_away(&url, cause, hint);
    }
    let publisher = Publisher::start(&["--pipeline", "test-h264"], &to);
    publisher.is_live();
    is_turned_away(
        &from,
        "takes no stream at the path \"cam\"",
        "such as cam/in",
    );
    publisher.quit();
}

#[test]
fn an_rtmp_server_that_takes_no_stream_is_told_with_its_reason() {
    let Some(nginx) = Nginx::start() else { return };
    let url = nginx.url("", "cam");
    let publisher = Publisher::start(&["--pipeline", "test-h264"], &url);
    publisher.is_live();
    for (url, cause, hint) in [
        (
            url.replace("/live/", "/nope/"),
            "turns the application \"nope\" away",
            "is it one of the server's?",
        ),
        (url, "another publisher has the stream", "another name"),
        (
            format!("rtmp://127.0.0.1:{}/live/cam", free_port()),
            "nothing listens at 127.0.0.1:",
            "are the host and the port right?",
        ),
    ] {
        is_turned_away(&url, cause, hint);
    }
    publisher.quit();
    fails(
        &[
            "recv",
            &nginx.url("", "cam").replace("/live/", "/nope/"),
            "--display",
            "none",
        ],
        1,
        &["turns the application \"nope\" away", "hint: is it one of"],
    );
}

#[test]
fn both_ends_of_srt_are_told_that_they_need_the_passphrase() {
    let Some(relay) = SrtRelay::locked("the-right-one") else {
        return;
    };
    let [to, from] = relay.urls();
    let other = "passphrase=another-one";
    let wanted = ["the other side wants a passphrase", "?passphrase=…"];
    let wrong = ["the other side has another passphrase", "the same one"];
    is_turned_away(&to, wanted[0], wanted[1]);
    is_turned_away(&format!("{to}?{other}"), wrong[0], wrong[1]);
    let plays = |url: &str, said| fails(&["recv", url, "--display", "none"], 1, said);
    plays(&from, &wanted);
    plays(&format!("{from}?{other}"), &wrong);
    let nobody = format!("srt://127.0.0.1:{}", free_even_port());
    is_turned_away(&nobody, "nothing answers at 127.0.0.1:", "let UDP pass?");
    plays(&nobody, &["nothing answers at 127.0.0.1:"]);
}

#[test]
fn a_play_of_an_engine_that_is_not_there_is_an_error_without_its_key() {
    let url = format!("rtmp://anna:pa55word@127.0.0.1:{}/live/s3cr3t", free_port());
    let ended = run_vidchat(["recv", &url, "--display", "none", "-vv"]);
    assert_eq!(ended.code(), 1, "{}", ended.stderr);
    assert!(
        ended.stderr.contains("nothing listens at"),
        "{}",
        ended.stderr
    );
    for secret in ["pa55word", "s3cr3t"] {
        assert!(!ended.stderr.contains(secret), "{}", ended.stderr);
    }
}
