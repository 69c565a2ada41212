//! Through GStreamer's own RTSP server.

use super::{Player, Publisher, plays, sender};
use crate::support::engines::RtspServer;
use crate::support::run_vidchat;

#[test]
fn a_stream_passes_a_server_that_wants_a_password_and_it_is_not_printed() {
    let Some(server) = RtspServer::start() else {
        return;
    };
    let sender = sender();
    let [to, from] = server.urls();
    let publisher = Publisher::start(&[&sender.target(), "-vv"], &to);
    publisher.is_live();
    let first = Player::start(&from, &["-vv"]);
    first.shows_frames();
    let late = plays(&from, &["-vv"]);
    assert!(late.contains("sends 320x240 H264"), "{late}");
    first.shows_frames();
    let said = [publisher.quit(), first.quit(), late].concat();
    assert!(!said.contains(RtspServer::PASSWORD), "{said}");
}

#[test]
fn a_player_without_the_password_is_told_where_to_write_it() {
    let Some(server) = RtspServer::start() else {
        return;
    };
    let sender = sender();
    let [to, from] = server.urls();
    let publisher = Publisher::start(&[&sender.target()], &to);
    publisher.is_live();
    let login = format!("anna:{}@", RtspServer::PASSWORD);
    for (url, parts) in [
        (
            from.replace(&login, ""),
            ["wants a user's name and password", "://NAME:PASSWORD@"],
        ),
        (
            from.replace("pa55", "wr0ng"),
            [
                "does not take this user's name and password",
                "are both right",
            ],
        ),
    ] {
        let ended = run_vidchat(["recv", &url, "--display", "none"]);
        assert_eq!(ended.code(), 1, "{}", ended.stderr);
        for part in parts {
            assert!(ended.stderr.contains(part), "{}", ended.stderr);
        }
        assert!(!ended.stderr.contains("wr0ng"), "{}", ended.stderr);
    }
    publisher.quit();
}
