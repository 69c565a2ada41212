//! A viewer that does not keep up, as the sender's log has it.

use crate::support::slow_link::Link;
use crate::support::{Running, Sender, vidchat};

#[test]
fn a_viewer_on_a_thin_link_is_told_of_once_with_the_remedy() {
    let Some(link) = Link::start("5mbit", "latency 50ms") else {
        return;
    };
    let mut send = vidchat();
    send.args(["send", "--bind", Link::SENDER, "--port", "0"]);
    send.args(["--pipeline", "test", "--no-preview"]);
    let mut sender = Sender::start_as(&mut link.sender_command(&send));
    let mut recv = vidchat();
    let target = format!("{}:{}", Link::SENDER, sender.port);
    // At about five a second.
    recv.args(["recv", &target, "--display", "none", "--frames", "60"]);
    let viewer = Running::start(&mut link.viewer_command(&recv));
    let told = sender.process.line_with("too slow: skips ");
    assert!(
        told.contains(" frames a second: the stream needs "),
        "{told}"
    );
    assert!(
        told.ends_with("; vidchat send with a codec, such as --pipeline camera-h264"),
        "{told}"
    );
    let ended = viewer.wait();
    assert_eq!(ended.code(), 0, "{ended:?}");
    sender.process.line_with("(0 watching)");
    // It may well have become worse, which is told as well, but not each second.
    let lines = sender.process.seen();
    let told = lines.iter().filter(|line| line.contains(" skips ")).count();
    assert!(told <= 3, "{lines:#?}");
    let advice = ended.stderr.matches("of --max-latency").count();
    assert!(advice <= 3, "{ended:?}");
}
