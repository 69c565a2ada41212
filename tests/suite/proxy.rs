//! Bad networks: the two programs with a proxy between them that splits, delays, stalls and cuts.

use std::net::{Ipv4Addr, SocketAddr};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::support::{Ended, Running, Sender, run_vidchat, vidchat};

/// What a proxy does to the bytes on their way from the sender to the viewer.
#[derive(Clone, Copy, Debug, Default)]
struct Fault {
    /// They come in pieces of at most so many bytes.
    pieces: Option<usize>,
    /// After so many bytes, no more come.
    stall_after: Option<usize>,
    /// After so many bytes, both connections are closed.
    cut_after: Option<usize>,
    /// Nothing passes in either direction for so long at first.
    delay: Duration,
}

/// A proxy on a thread of its own, which ends when this is dropped.
struct Proxy {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Between a viewer who connects to it and the sender at `port`.
    fn to(port: u16, fault: Fault) -> Self {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("it is bound");
        listener.set_nonblocking(true).expect("it is a socket");
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("there is room for a runtime")
                .block_on(async {
                    let listener = TcpListener::from_std(listener).expect("it is a socket");
                    tokio::select! {
                        () = serve(listener, port, fault) => {}
                        _ = stopped => {}
                    }
                });
        });
        Self {
            address,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// What to give to `vidchat recv`.
    fn target(&self) -> String {
        self.address.to_string()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn serve(listener: TcpListener, port: u16, fault: Fault) {
    while let Ok((viewer, _)) = listener.accept().await {
        if let Ok(sender) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await {
            tokio::spawn(pass(viewer, sender, fault));
        }
    }
}

async fn pass(mut viewer: TcpStream, mut sender: TcpStream, fault: Fault) {
    let _ = viewer.set_nodelay(true);
    let _ = sender.set_nodelay(true);
    sleep(fault.delay).await;
    let (mut from_viewer, mut to_viewer) = viewer.split();
    let (mut from_sender, mut to_sender) = sender.split();
    let back = async {
        let _ = copy(&mut from_viewer, &mut to_sender).await;
        let _ = to_sender.shutdown().await;
    };
    let forth = async {
        let mut passed = 0;
        let mut buffer = vec![0; fault.pieces.unwrap_or(16 * 1024)];
        let end = fault.cut_after.or(fault.stall_after).unwrap_or(usize::MAX);
        while passed < end {
            let room = buffer.len().min(end - passed);
            let count = match from_sender.read(&mut buffer[..room]).await {
                Ok(0) | Err(_) => break,
                Ok(count) => count,
            };
            if to_viewer.write_all(&buffer[..count]).await.is_err() {
                break;
            }
            passed += count;
        }
        if fault.stall_after.is_some() {
            std::future::pending::<()>().await;
        }
        let _ = to_viewer.shutdown().await;
    };
    tokio::join!(back, forth);
}

/// A sender of small pictures, which even single bytes can carry.
fn sender() -> Sender {
    Sender::start([
        "--no-preview",
        "--pipeline",
        "test",
        "--width",
        "64",
        "--fps",
        "20",
    ])
}

/// Watches five pictures through a proxy with this fault.
fn watch(fault: Fault) -> Ended {
    let sender = sender();
    let proxy = Proxy::to(sender.port, fault);
    run_vidchat([
        "recv",
        &proxy.target(),
        "--display",
        "none",
        "--frames",
        "5",
    ])
}

#[test]
fn a_stream_in_tiny_pieces_is_the_same_stream() {
    for pieces in 1..=7 {
        let ended = watch(Fault {
            pieces: Some(pieces),
            ..Fault::default()
        });
        assert_eq!(ended.code(), 0, "{pieces} bytes: {}", ended.stderr);
        assert_eq!(ended.stdout, "");
    }
}

#[test]
fn a_connection_that_is_slow_to_begin_works_all_the_same() {
    let ended = watch(Fault {
        delay: Duration::from_millis(600),
        ..Fault::default()
    });
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
}

#[test]
fn a_connection_that_is_cut_in_a_picture_is_lost() {
    let mut sender = sender();
    let fault = Fault {
        cut_after: Some(20_000),
        ..Fault::default()
    };
    let proxy = Proxy::to(sender.port, fault);
    let target = proxy.target();
    let ended = run_vidchat(["recv", &target, "--display", "none", "--no-reconnect"]);
    assert_eq!(ended.code(), 3, "{}", ended.stderr);
    let error =
        format!("error: lost the connection to \"{target}\": the sender closed the connection");
    assert!(ended.stderr.contains(&error), "{}", ended.stderr);
    assert!(
        ended
            .stderr
            .contains(&format!("hint: vidchat recv {target}")),
        "{}",
        ended.stderr
    );
    sender.process.line_with("left: ");
}

#[test]
fn a_connection_that_is_cut_before_the_first_picture_never_was_one() {
    for (cut_after, error) in [
        (0, "the sender closed the connection"),
        (4, "is not a vidchat sender"),
        (40, "the sender closed the connection"),
    ] {
        let ended = watch(Fault {
            cut_after: Some(cut_after),
            ..Fault::default()
        });
        assert_eq!(ended.code(), 1, "{cut_after}: {}", ended.stderr);
        assert!(ended.stderr.contains(error), "{}", ended.stderr);
    }
}

#[test]
fn a_stalled_connection_ends_when_it_is_asked_to_and_delays_nobody_else() {
    let mut sender = sender();
    let stall = Fault {
        stall_after: Some(20_000),
        ..Fault::default()
    };
    let proxy = Proxy::to(sender.port, stall);
    let mut stalled =
        Running::start(vidchat().args(["recv", &proxy.target(), "--display", "none"]));
    stalled.line_with("sends 64x48");
    let other = run_vidchat([
        "recv",
        &sender.target(),
        "--display",
        "none",
        "--frames",
        "20",
    ]);
    assert_eq!(other.code(), 0, "{}", other.stderr);
    stalled.signal("INT");
    let ended = stalled.wait();
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
    sender.process.line_with("(0 watching)");
    sender.process.signal("INT");
    let ended = sender.process.wait();
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
}

#[test]
fn a_sender_ends_when_it_is_asked_to_though_a_viewer_is_stalled() {
    let sender = sender();
    let stall = Fault {
        stall_after: Some(20_000),
        ..Fault::default()
    };
    let proxy = Proxy::to(sender.port, stall);
    let mut stalled =
        Running::start(vidchat().args(["recv", &proxy.target(), "--display", "none"]));
    stalled.line_with("sends 64x48");
    sender.process.signal("INT");
    let ended = sender.process.wait();
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
}
