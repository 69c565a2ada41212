//! What a sender is left with after very many viewers: nothing.

use vidchat::net::sender::ServerOptions;

use crate::support::peers::{Stage, Stranger, Viewer, hello, test_frame};

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
        stage.hub.publish(test_frame(round as u32));
        for stranger in strangers {
            stranger.hang_up().await;
        }
    }
    stage.watched_by(0).await;
    let mut viewer = Viewer::join(stage.address).await;
    stage.hub.publish(test_frame(70_000));
    while viewer.frame().await.0.sequence != 70_000 {}
    drop(viewer);
    stage.watched_by(0).await;
    let after = tasks();
    assert!(after <= before + 5, "{before} tasks became {after}");
    stage.close("done").await;
}

#[test]
#[cfg(target_os = "linux")]
fn a_viewer_that_hardly_reads_costs_no_memory_however_long_it_stays() {
    use crate::support::{PATIENCE, Sender, memory};
    use std::io::{Read, Write};
    use std::time::Duration;
    let sender = Sender::start(["--no-preview", "--pipeline", "test", "--width", "640"]);
    let mut viewer = std::net::TcpStream::connect(sender.target()).expect("it listens");
    viewer.set_read_timeout(Some(PATIENCE)).unwrap();
    // One that acknowledges nothing, so that only its socket bounds what it is sent.
    viewer.write_all(&hello("asleep")).expect("it is connected");
    let mut crumb = [0; 32 * 1024];
    let mut sizes = Vec::new();
    for _ in 0..35 {
        // Enough for a frame in the time that one may take, and little of what comes.
        viewer.read_exact(&mut crumb).expect("it is served");
        std::thread::sleep(Duration::from_secs(1));
        let size = memory(sender.process.id(), "VmRSS:");
        sizes.push(size.expect("it runs, and Linux tells it"));
    }
    let (before, after) = (sizes[9], sizes[34]);
    // In that time 345 MB were made.
    assert!(after < before + (4096 << 10), "{sizes:?} bytes");
}
