//! What a sender is left with after very many viewers: nothing.

use vidchat::net::server::ServerOptions;

use crate::peers::{Stage, Stranger, Viewer, hello, picture};

const CONNECTIONS: usize = 10_000;
const AT_ONCE: usize = 50;

#[tokio::test]
async fn thousands_who_come_and_go_leave_nothing_behind() {
    let stage = Stage::open(ServerOptions::default()).await;
    let tasks = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    let before = tasks();
    for round in 0..CONNECTIONS / AT_ONCE {
        let mut strangers = Vec::new();
        for number in 0..AT_ONCE {
            let mut stranger = Stranger::at(stage.address).await;
            let words = hello("passing by");
            match number % 3 {
                0 => stranger.say(&words).await,
                1 => stranger.say(&words[..words.len() / 2]).await,
                _ => {}
            }
            strangers.push(stranger);
        }
        stage.hub.publish(picture(round as u32));
        for stranger in strangers {
            stranger.hang_up().await;
        }
    }
    stage.watched_by(0).await;
    let mut viewer = Viewer::join(stage.address).await;
    stage.hub.publish(picture(70_000));
    while viewer.frame().await.0.sequence != 70_000 {}
    drop(viewer);
    stage.watched_by(0).await;
    let after = tasks();
    assert!(after <= before + 5, "{before} tasks became {after}");
    stage.close("done").await;
}
