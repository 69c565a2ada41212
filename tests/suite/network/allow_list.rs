//! `--allow`: connections from other networks are closed, and read nothing.

use std::io::{ErrorKind, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use crate::support::party::port_in;
use crate::support::{Running, run, vidchat};

/// Connects from an address of the loopback that is not the usual one.
fn from(address: [u8; 4], port: u16) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("there are sockets");
    let own = SocketAddr::from((address, 0));
    socket.bind(&own.into()).expect("the loopback has it");
    let there = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    socket.connect(&there.into()).expect("somebody listens");
    socket.into()
}

/// Whether the connection is closed before anything was said.
fn is_closed_at_once(mut stream: TcpStream) -> bool {
    let limit = Some(Duration::from_secs(30));
    stream.set_read_timeout(limit).expect("it is not zero");
    match stream.read(&mut [0; 64]) {
        Ok(count) => count == 0,
        Err(e) => e.kind() == ErrorKind::ConnectionReset,
    }
}

#[test]
fn a_sender_serves_the_networks_that_it_allows() {
    let mut sender = Running::start(
        vidchat()
            .args(["send", "--bind", "127.0.0.1", "--port", "0", "--no-preview"])
            .args(["--pipeline", "test", "--allow", "127.0.0.1,10.0.0.0/8"]),
    );
    let port = port_in(&sender.line_with("    vidchat recv 127.0.0.1:"));
    for address in [[127, 0, 0, 2], [127, 0, 0, 3]] {
        assert!(is_closed_at_once(from(address, port)));
    }
    sender.line_with("refused 127.0.0.2: --allow lets in 127.0.0.1 and 10.0.0.0/8 alone");
    let watched = run(vidchat()
        .args(["recv", &format!("127.0.0.1:{port}")])
        .args(["--display", "none", "--frames", "3"]));
    assert_eq!(watched.code(), 0, "{watched:?}");
}

#[test]
fn a_listening_receiver_and_a_waiting_call_allow_networks_too() {
    for (args, line) in [
        (&["recv", "--listen", "--display", "none"][..], "    vidchat send --to 127.0.0.1:"),
        (&["call", "--open", "--no-camera", "--display", "none"], "    vidchat call 127.0.0.1:"),
    ] {
        let mut waiting = Running::start(
            vidchat()
                .args(args)
                .args(["--bind", "127.0.0.1", "--port", "0", "--allow", "10.0.0.0/8"]),
        );
        let port = port_in(&waiting.line_with(line));
        assert!(is_closed_at_once(from([127, 0, 0, 1], port)), "{args:?}");
        waiting.line_with("refused 127.0.0.1: --allow lets in 10.0.0.0/8 alone");
    }
}
