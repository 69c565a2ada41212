//! Calls without a picture: who is asked, how both sides get their streams, how it ends, and callers
//! that are something else.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use vidchat::net::call::dial::{Answered, CallError, Progress, Tries, dial};
use vidchat::net::call::{Accepted, IncomingCall, Reception, random_token};
use vidchat::net::receiver::{ReceiveError, ReceiveOptions};
use vidchat::net::sender::ServerOptions;
use vidchat::net::sender::dial as sending;
use vidchat::net::{self, Hub, Peer, Service, StreamStats, Target};
use vidchat::wire::{
    Bye, ByeCode, CallTicket, Control, Dialect, Hello, Loss, PREFIX_BYTES, Participant,
    Participants, Token,
};

use crate::support::peers::{CAPS, Eye, Seen, Stranger, caps, listener, test_frame, within};

/// The options of a party that receives.
fn party(name: &str, ticket: CallTicket) -> ReceiveOptions {
    ReceiveOptions {
        dialect: Some(Dialect::Native),
        name: name.into(),
        call: Some(ticket),
        decodes: vec!["h264".into()],
        ..ReceiveOptions::default()
    }
}

fn ticket() -> CallTicket {
    let token = || random_token().expect("the system gives random numbers");
    CallTicket {
        id: token(),
        party: token(),
        room: false,
    }
}

fn target(address: SocketAddr) -> Peer {
    Peer::from(Target {
        host: address.ip().to_string(),
        port: Some(address.port()),
    })
}

/// A side that is called.
async fn called() -> (Reception, SocketAddr) {
    let (socket, address) = listener().await;
    let own = CallTicket {
        id: Token(0),
        ..ticket()
    };
    (Reception::spawn(socket, party("desk", own)), address)
}

/// Calls, in a task.
fn calling(
    address: SocketAddr,
    options: ReceiveOptions,
) -> (
    JoinHandle<Result<Answered, CallError>>,
    mpsc::UnboundedReceiver<Progress>,
) {
    let (tell, told) = mpsc::unbounded_channel();
    let dialling = tokio::spawn(async move {
        dial(&target(address), &options, Tries::Once, move |progress| {
            drop(tell.send(progress));
        })
        .await
    });
    (dialling, told)
}

async fn next(reception: &mut Reception) -> IncomingCall {
    within("a call", reception.next()).await
}

/// The goodbye that a call ended with.
async fn refused(dialling: JoinHandle<Result<Answered, CallError>>) -> Bye {
    match within("the end", dialling).await.expect("no panic") {
        Err(CallError::Bye(bye)) => bye,
        Err(e) => panic!("{e}"),
        Ok(_) => panic!("it was answered"),
    }
}

/// A stream with one frame.
fn stream(options: ServerOptions) -> (Arc<Hub>, Arc<Service>) {
    let hub = Hub::new();
    hub.announce(caps(CAPS));
    hub.publish(test_frame(7));
    (Arc::clone(&hub), Service::new(hub, options))
}

/// Sees a frame over `connection`, and then the error that ends it.
fn watch(connection: net::Connection) -> (mpsc::UnboundedReceiver<Seen>, JoinHandle<ReceiveError>) {
    let (mut eye, seen) = Eye::new();
    let options = ReceiveOptions::default();
    let playing = tokio::spawn(async move {
        net::play(connection, &options, &StreamStats::default(), &mut eye).await
    });
    (seen, playing)
}

async fn sees_a_frame(seen: &mut mpsc::UnboundedReceiver<Seen>) {
    loop {
        match within("a frame", seen.recv()).await {
            Some(Seen::Frame(header, _)) => return assert_eq!(header.sequence, 7),
            Some(_) => {}
            None => panic!("no frame"),
        }
    }
}

#[tokio::test]
async fn both_see_each_other_after_the_answer_and_nothing_comes_before() {
    let (mut reception, address) = called().await;
    let ours = ticket();
    let (dialling, mut told) = calling(address, party("anna", ours.clone()));
    let mut call = next(&mut reception).await;
    assert_eq!(
        (call.name(), call.decodes()),
        ("anna".into(), &["h264".to_owned()][..])
    );
    assert_eq!(call.ticket(), &ours);
    let rings = tokio::spawn(async move {
        tokio::select! {
            reason = call.ring() => panic!("{reason}"),
            () = tokio::time::sleep(std::time::Duration::from_millis(1500)) => call,
        }
    });
    let theirs = match within("a hello", told.recv()).await {
        Some(Progress::Greeted(theirs)) => theirs,
        other => panic!("{other:?}"),
    };
    assert_eq!(theirs.id, ours.id);
    assert_ne!(theirs.party, ours.party);
    assert!(matches!(
        within("the bell", told.recv()).await,
        Some(Progress::Ringing)
    ));
    let call = rings.await.expect("it rings");
    assert!(!dialling.is_finished(), "nobody has answered");
    let (accepted, mut more) = call.answer().await;
    let answered = within("the answer", dialling).await.expect("no panic");
    let answered = answered.expect("it was answered");
    assert_eq!(answered.name, "desk");
    assert_eq!(answered.ticket.party, theirs.party);

    // The side that was called sends over the first connection.
    let (hub, service) = stream(ServerOptions::default());
    let serving = tokio::spawn(async move { accepted.serve(&service).await });
    let (mut seen, playing) = watch(answered.connection);
    sees_a_frame(&mut seen).await;

    // The side that has called sends over the second one, which is not asked about.
    let (own_hub, own) = stream(ServerOptions {
        name: "anna".into(),
        call: Some(ours.clone()),
        ..ServerOptions::default()
    });
    let first = sending::dial(&target(address), &own).await;
    let sends = Arc::clone(&own);
    let sending = tokio::spawn(async move {
        let target = target(address);
        sending::serve(&target, first, sends, std::future::pending()).await;
    });
    let second = within("the second connection", more.recv()).await;
    let second = second.expect("the line is open");
    assert!(second.sends());
    let (mut shown, shown_playing) = watch(second.into_connection(&party("desk", theirs)));
    sees_a_frame(&mut shown).await;

    // One side ends it, and the other hears why.
    let over = Bye {
        done: true,
        ..Bye::new(ByeCode::Over, "the call was ended")
    };
    own.end(over.clone());
    match within("the end", shown_playing).await.expect("no panic") {
        ReceiveError::Bye(bye) => assert_eq!(bye, over),
        other => panic!("{other}"),
    }
    within("the sender's end", sending).await.expect("no panic");
    hub.end("the call was ended");
    within("the end", playing).await.expect("no panic");
    within("the end", serving).await.expect("no panic");
    drop(own_hub);
}

#[tokio::test]
async fn who_comes_back_is_not_asked_about_while_the_call_goes_on_and_refused_after_it() {
    let (mut reception, address) = called().await;
    let ours = ticket();
    let options = party("anna", ours);
    let (dialling, _told) = calling(address, options.clone());
    let (_accepted, mut more) = next(&mut reception).await.answer().await;
    drop(within("the answer", dialling).await.expect("no panic"));
    let again = |options: &ReceiveOptions| calling(address, options.clone()).0;
    let answered = within("the answer", again(&options))
        .await
        .expect("no panic");
    assert!(answered.is_ok());
    let back: Accepted = within("the connection", more.recv())
        .await
        .expect("it is open");
    assert!(!back.sends());
    drop(more);
    // The call is over, so it is asked about like any other.
    let dialling = again(&options);
    let call = next(&mut reception).await;
    call.decline(Bye::new(ByeCode::Declined, "declined")).await;
    assert_eq!(refused(dialling).await.code, Some(ByeCode::Declined));
    // And nobody sends in it any more.
    let (_hub, service) = stream(ServerOptions {
        call: options.call.clone(),
        ..ServerOptions::default()
    });
    match sending::dial(&target(address), &service).await {
        Err(sending::DialError::Answer(reason)) => {
            assert_eq!(reason.to_string(), "that call does not go on any more");
        }
        Err(e) => panic!("{e}"),
        Ok(_) => panic!("it was let in"),
    }
}

#[tokio::test]
async fn each_way_to_turn_a_caller_away_is_told_with_its_code() {
    let (mut reception, address) = called().await;
    for code in [
        ByeCode::Declined,
        ByeCode::Unanswered,
        ByeCode::Busy,
        ByeCode::Glare,
        ByeCode::Full,
    ] {
        let (dialling, _told) = calling(address, party("anna", ticket()));
        let call = next(&mut reception).await;
        call.decline(Bye::new(code.clone(), "for a reason")).await;
        let bye = refused(dialling).await;
        assert_eq!((bye.code, &*bye.reason), (Some(code), "for a reason"));
    }
}

#[tokio::test]
async fn a_caller_that_hangs_up_while_it_rings_is_noticed() {
    let (mut reception, address) = called().await;
    let (dialling, _told) = calling(address, party("anna", ticket()));
    let mut call = next(&mut reception).await;
    dialling.abort();
    let reason = within("the caller to leave", call.ring()).await;
    assert!(
        [
            "the viewer left",
            "closed by the viewer",
            "connection closed"
        ]
        .contains(&&*reason.to_string()),
        "{reason}"
    );
}

#[tokio::test]
async fn senders_and_receivers_hear_that_only_calls_are_taken_and_callers_that_there_are_none() {
    let (_reception, address) = called().await;
    let hello = |hello: Hello| {
        Control::Hello(Hello {
            vidchat: 1,
            ..hello
        })
    };
    for hello in [
        hello(Hello::default()),
        hello(Hello {
            sends: true,
            ..Hello::default()
        }),
    ] {
        let mut stranger = Stranger::at(address).await;
        stranger.say(&hello.encode()).await;
        let heard = stranger.hears_the_end().await;
        match Control::decode(&heard[PREFIX_BYTES..]) {
            Ok(Control::Bye(bye)) => assert_eq!(bye.code, Some(ByeCode::Call)),
            other => panic!("{other:?}"),
        }
    }
    // The other way round: a call at a sender.
    let (socket, sender) = listener().await;
    let (_hub, service) = stream(ServerOptions::default());
    let serving = tokio::spawn(net::serve(socket, service, std::future::pending()));
    let (dialling, _told) = calling(sender, party("anna", ticket()));
    match within("the end", dialling).await.expect("no panic") {
        Err(CallError::NoCalls) => {}
        other => panic!("{:?}", other.map(|_| ())),
    }
    serving.abort();
}

#[tokio::test]
async fn silent_and_foreign_connections_take_no_place_from_a_caller() {
    let (mut reception, address) = called().await;
    let mut silent = Vec::new();
    // More than may wait; those of one network make way for each other's end only.
    for _ in 0..20 {
        silent.push(TcpStream::connect(address).await.expect("it listens"));
    }
    let mut foreign = TcpStream::connect(address).await.expect("it listens");
    tokio::io::AsyncWriteExt::write_all(&mut foreign, b"GET / HTTP/1.1\r\n\r\n")
        .await
        .expect("it takes it");
    let mut rest = Vec::new();
    within("the end", foreign.read_to_end(&mut rest))
        .await
        .expect("it is closed");
    assert_eq!(rest, b"");
    let (dialling, _told) = calling(address, party("anna", ticket()));
    let call = next(&mut reception).await;
    call.decline(Bye::new(ByeCode::Declined, "declined")).await;
    refused(dialling).await;
}

#[tokio::test]
async fn a_room_is_told_who_is_there_and_that_a_camera_is_off() {
    let (mut reception, address) = called().await;
    let (dialling, _told) = calling(address, party("anna", ticket()));
    let (accepted, _more) = next(&mut reception).await.answer().await;
    let answered = within("the answer", dialling).await.expect("no panic");
    let (hub, service) = stream(ServerOptions::default());
    let there = Participants {
        participants: vec![Participant {
            party: Token(9),
            name: "ben".into(),
        }],
    };
    hub.set_participants(there.clone());
    tokio::spawn(async move { accepted.serve(&service).await });
    let (mut seen, _playing) = watch(answered.expect("it was answered").connection);
    loop {
        let news = within("the parties", seen.recv()).await;
        if let Seen::Participants(told) = news.expect("it goes on") {
            break assert_eq!(told, there);
        }
    }
    hub.lose(Loss::off("camera off"));
    loop {
        let news = within("the loss", seen.recv()).await;
        if let Seen::Lost(reason) = news.expect("it goes on") {
            break assert_eq!(reason, "camera off");
        }
    }
}
