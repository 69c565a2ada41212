//! Crowds of strangers from many addresses, with a call, a receiver or a sender: whoever never finishes
//! keeps nobody out, and the log counts them.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Instant;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use vidchat::net::call::Reception;
use vidchat::net::call::dial::{Tries, dial as call};
use vidchat::net::receiver::{ReceiveOptions, SenderListener};
use vidchat::net::secure::{Code, Key, KeyText, Secret, Uses};
use vidchat::net::sender::{ServerOptions, dial};
use vidchat::net::{Hub, Network, Peer, Service, Target};
use vidchat::wire::{Bye, ByeCode, CallTicket, Dialect, Token};

use crate::support::peers::{
    CAPS, Log, Stage, Stranger, Viewer, caps, listener, test_frame, within,
};

/// More than any limit of connections that have not finished.
const CROWD: u32 = 150;

/// What both sides have: nothing, a key, and a code.
fn secrets() -> [Option<(Secret, Secret)>; 3] {
    let text = KeyText::random().to_string();
    let key: Key = text.parse().expect("a key is read as it is printed");
    let code = Code::random();
    let code = || Secret::code(code, Uses::Many);
    [
        None,
        Some((Secret::key(&key), Secret::key(&key))),
        Some((code(), code())),
    ]
}

fn target(address: SocketAddr) -> Peer {
    Peer::from(Target {
        host: address.ip().to_string(),
        port: Some(address.port()),
    })
}

fn receiving(secret: Option<Secret>) -> ReceiveOptions {
    ReceiveOptions {
        secret,
        ..ReceiveOptions::default()
    }
}

fn party(number: u128, secret: Option<Secret>) -> ReceiveOptions {
    ReceiveOptions {
        dialect: Some(Dialect::Native),
        call: Some(CallTicket {
            id: Token(number),
            party: Token(number + 1),
            room: false,
        }),
        ..receiving(secret)
    }
}

#[tokio::test]
async fn a_silent_crowd_keeps_nobody_out_of_a_call() {
    for secret in secrets() {
        let (ours, theirs) = secret.unzip();
        let (socket, address) = listener().await;
        let mut reception = Reception::spawn(socket, party(0, ours));
        let _strangers = Stranger::crowd(address, CROWD, b"").await;
        let dialling = tokio::spawn(async move {
            let bye = call(&target(address), &party(7, theirs), Tries::Once, |_| {}).await;
            bye.map(|_| ()).map_err(|e| e.to_string())
        });
        let mut ringing = within("a call", reception.next()).await;
        // A call that rings is not over, and has more right to its place than those who come now.
        let _more = tokio::select! {
            reason = ringing.ring() => panic!("{reason}"),
            more = Stranger::crowd(address, CROWD, b"") => more,
        };
        let goodbye = Bye::new(ByeCode::Declined, "not now");
        ringing.decline(goodbye).await;
        let ended = within("the end", dialling).await.expect("no panic");
        assert_eq!(ended, Err("not now".into()));
    }
}

#[tokio::test]
async fn a_silent_crowd_keeps_no_sender_from_a_receiver() {
    for secret in secrets() {
        let (ours, theirs) = secret.unzip();
        let (socket, address) = listener().await;
        let mut senders = SenderListener::spawn(socket, receiving(ours));
        let _strangers = Stranger::crowd(address, CROWD, b"").await;
        let hub = Hub::new();
        hub.announce(caps(CAPS));
        let service = Service::new(
            hub,
            ServerOptions {
                secret: theirs,
                ..ServerOptions::default()
            },
        );
        let sending = tokio::spawn(async move {
            let first = dial::dial(&target(address), &service).await;
            first.map(|_| ()).map_err(|e| e.to_string())
        });
        within("a sender", senders.accept()).await;
        assert_eq!(
            within("the answer", sending).await.expect("no panic"),
            Ok(())
        );
    }
}

/// The seats may be free, or taken: then one who comes is told so, and is given the seat of a network that
/// has several.
#[tokio::test]
async fn a_silent_crowd_keeps_no_viewer_from_a_sender() {
    for (secret, seats) in secrets().into_iter().flat_map(|s| [(s.clone(), 2), (s, 1)]) {
        let (ours, theirs) = secret.unzip();
        let stage = Stage::open(ServerOptions {
            secret: ours,
            max_viewers: seats,
            ..ServerOptions::default()
        })
        .await;
        let join = async |last| {
            let source = (Ipv4Addr::new(127, 0, 0, last), 0).into();
            let stranger = Stranger::from(source, stage.address).await;
            Viewer::watch(stranger.0, receiving(theirs.clone()), |_| {})
        };
        let mut first = join(2).await;
        stage.watched_by(1).await;
        let _strangers = Stranger::crowd(stage.address, CROWD, b"").await;
        let mut second = join(3).await;
        if seats == 1 {
            let (error, _) = second.end().await;
            let full = "the sender has no seat left (1 watching)";
            assert_eq!(error.to_string(), full);
        } else {
            stage.watched_by(2).await;
            stage.hub.publish(test_frame(5));
            assert_eq!(second.frame().await.0.sequence, 5);
        }
        stage.hub.publish(test_frame(6));
        while first.frame().await.0.sequence != 6 {}
        stage.close("done").await;
    }
}

/// How many strangers the lines of the log with `part` tell of, and how many lines these are.
fn counted(log: &Log, part: &str) -> (usize, usize) {
    let text = log.text();
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| line.contains("INFO") && line.contains(part))
        .collect();
    let more = |line: &&str| {
        let (_, more) = line.rsplit_once(" (and ")?;
        more.split(' ').next()?.parse::<usize>().ok()
    };
    let more: usize = lines.iter().filter_map(more).sum();
    (lines.len() + more, lines.len())
}

/// One that listens and refuses other programs, with the words of its log on them.
fn refusing(words: &str, socket: TcpListener) -> JoinHandle<()> {
    let calls = |socket, options| {
        let mut reception = Reception::spawn(socket, options);
        tokio::spawn(async move { drop(reception.next().await) })
    };
    match words {
        "does not call: " => calls(socket, party(0, None)),
        "--allow lets in " => {
            let network: Network = "10.0.0.0/8".parse().expect("it is a network");
            let options = ReceiveOptions {
                allowed: vec![network].into(),
                ..party(0, None)
            };
            calls(socket, options)
        }
        "is no sender: " => {
            let mut senders = SenderListener::spawn(socket, receiving(None));
            tokio::spawn(async move { drop(senders.accept().await) })
        }
        _ => {
            let service = Service::new(Hub::new(), ServerOptions::default());
            tokio::spawn(vidchat::net::serve(socket, service, std::future::pending()))
        }
    }
}

#[tokio::test]
async fn a_refused_crowd_is_counted_in_one_line_a_second() {
    for words in [
        "does not call: ",
        "--allow lets in ",
        "is no sender: ",
        "left before it watched: ",
    ] {
        let (log, _guard) = Log::listen();
        let (socket, address) = listener().await;
        let began = Instant::now();
        let serving = refusing(words, socket);
        let request = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n";
        for stranger in Stranger::crowd(address, CROWD, request).await {
            assert_eq!(stranger.hears_the_end().await, b"");
        }
        // The last of them are told of without another one.
        log.until("a count of all", || {
            counted(&log, words).0 >= CROWD as usize
        })
        .await;
        let (told, lines) = counted(&log, words);
        assert_eq!(told, CROWD as usize, "{}", log.text());
        let allowed = 1 + began.elapsed().as_secs() as usize;
        assert!((2..=allowed).contains(&lines), "{lines}: {}", log.text());
        assert!(log.text().contains(" addresses in the last "));
        serving.abort();
    }
}
