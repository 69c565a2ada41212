//! Every error that a person can meet at the start, word for word: what failed, why, and what to
//! type next, on standard error, with its exit status and nothing on standard output. Those of
//! pipeline files and their values are in `pipeline_errors`.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
#[cfg(target_os = "linux")]
use std::process::Command;
use std::time::Duration;

#[cfg(target_os = "linux")]
use crate::support::run;
use crate::support::{PATIENCE, Running, Sender, bounded, run_vidchat, skipped, vidchat};

/// Runs vidchat, which has to end with `status` and to say exactly `said`, which has a hint.
pub fn fails(args: &[&str], status: i32, said: &str) {
    assert!(said.contains("\nhint: "), "no hint in {said}");
    let ended = run_vidchat(args);
    assert_eq!(ended.stderr, said, "{args:?}");
    assert_eq!((ended.code(), &ended.stdout[..]), (status, ""), "{args:?}");
}

/// The same for `vidchat send` on a port of its own.
pub fn send_fails(args: &[&str], status: i32, said: &str) {
    let start = ["send", "--port", "0", "--bind", "127.0.0.1"];
    fails(&[&start, args].concat(), status, said);
}

/// A port where nothing listens.
fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// The one connection that fits into the queue of this listener is there. Linux drops later ones,
/// as a firewall does.
#[test]
#[cfg(target_os = "linux")]
fn a_machine_that_does_not_answer_is_named_while_it_is_waited_for() {
    let listener = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
    let listener = listener.expect("there are sockets");
    let any = std::net::SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    listener.bind(&any.into()).expect("any port is free");
    listener.listen(0).expect("it is bound");
    let address = listener.local_addr().expect("it is bound").as_socket();
    let address = address.expect("it is an address of IPv4");
    let _queued = std::net::TcpStream::connect(address).expect("there is room for one");
    let target = address.to_string();
    let said = format!("connecting to {target}: no answer yet");
    let waiting = [
        &["recv", &target, "--display", "none"][..],
        &["send", "--pipeline", "test", "--to", &target],
    ]
    .map(|args| Running::start(vidchat().args(args)));
    for mut waiting in waiting {
        let line = waiting.line_with("connecting to");
        assert!(line.contains(&said), "{line}");
        let ended = waiting.wait();
        let failed = format!("error: cannot connect to \"{target}\": no answer\nhint: ");
        assert!(ended.stderr.contains(&failed), "{}", ended.stderr);
        assert_eq!(ended.code(), 1);
        let lines = ended.stderr.matches("connecting to").count();
        assert_eq!(lines, 1, "{}", ended.stderr);
    }
}

#[test]
fn a_machine_that_says_nothing_is_named_while_it_is_waited_for() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let target = listener.local_addr().unwrap().to_string();
    let mut waiting = Running::start(vidchat().args(["recv", &target, "--display", "none"]));
    let (_silent, _) = listener.accept().expect("it connects");
    let line = waiting.line_with("connected to");
    let said = format!("connected to {target}: waiting for its first words");
    assert!(line.contains(&said), "{line}");
    let ended = waiting.wait();
    assert_eq!(ended.code(), 1);
    assert!(
        ended.stderr.contains("it said nothing for 5 s"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_port_that_is_taken() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let next = port.checked_add(1).unwrap_or(10050);
    let number = port.to_string();
    let args = ["send", "--pipeline", "test", "--port", &number];
    let hint = format!("another vidchat send may be running; --port {next} takes another port");
    for (bind, place) in [
        (
            &["--bind", "127.0.0.1"][..],
            format!("\"127.0.0.1:{port}\""),
        ),
        (&[], format!("port {port}")),
    ] {
        let said = format!("error: cannot listen at {place}: address already in use\nhint: {hint}");
        fails(&[&args[..], bind].concat(), 1, &said);
    }
}

#[test]
fn an_address_that_this_machine_has_not() {
    fails(
        &[
            "send",
            "--pipeline",
            "test",
            "--port",
            "0",
            "--bind",
            "203.0.113.9",
        ],
        1,
        "error: cannot listen at \"203.0.113.9:0\": this machine has no such address\n\
         hint: leave --bind out to listen at all of this machine's addresses",
    );
}

#[test]
fn a_port_where_nothing_listens() {
    let port = free_port();
    fails(
        &["recv", &format!("127.0.0.1:{port}"), "--display", "none"],
        1,
        &format!(
            "error: cannot connect to \"127.0.0.1:{port}\": nothing listens at port {port} there\n\
             hint: start vidchat send on \"127.0.0.1\", or give the port that it prints"
        ),
    );
}

#[test]
fn a_name_that_no_machine_has() {
    fails(
        &["recv", "desk.invalid", "--display", "none"],
        1,
        "error: cannot connect to \"desk.invalid\": no machine of that name was found\n\
         hint: vidchat send prints its addresses: type one of those",
    );
}

#[test]
fn a_code_in_the_place_of_a_machine() {
    for (words, program) in [
        (
            &["recv", "4-maple-otter", "--display", "none"][..],
            "vidchat send",
        ),
        (
            &["send", "--to", "4-maple-otter", "--pipeline", "test"],
            "vidchat recv --listen",
        ),
    ] {
        // Before that a line says that the name is looked for.
        let ended = run_vidchat(words);
        let said = format!(
            "error: cannot connect to \"4-maple-otter\": no machine of that name was found\n\
             hint: a code is given behind the address that {program} prints: ADDRESS --code \
             4-maple-otter"
        );
        assert!(ended.stderr.ends_with(&said), "{ended:?}");
        assert_eq!(ended.code(), 1);
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_name_of_which_no_address_answers_names_them_all() {
    let folder = tempfile::tempdir().unwrap();
    let hosts = folder.path().join("hosts");
    std::fs::write(&hosts, "127.0.0.9 desk\n127.0.0.1 desk\n").unwrap();
    let port = free_port();
    // The machine's own list of names, for this process alone.
    let mut command = Command::new("unshare");
    command.args([
        "--mount",
        "sh",
        "-c",
        "mount --bind \"$0\" /etc/hosts || exit 9; exec \"$@\"",
    ]);
    command.arg(&hosts).arg(env!("CARGO_BIN_EXE_vidchat"));
    let ended = run(command.args(["recv", &format!("desk:{port}"), "--display", "none"]));
    if ended.code() != 1 || ended.stderr.starts_with("unshare: ") {
        return skipped(&format!("no mount namespaces: {}", ended.stderr));
    }
    assert_eq!(
        ended.stderr,
        format!(
            "error: cannot connect to \"desk:{port}\": nothing listens at port {port} there\n  \
             tried 127.0.0.1: connection refused\n  tried 127.0.0.9: connection refused\n\
             hint: start vidchat send on \"desk\", or give the port that it prints"
        )
    );
}

#[test]
fn a_service_that_is_no_sender() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let target = listener.local_addr().unwrap().to_string();
    let server = std::thread::spawn(move || {
        let (mut peer, _) = listener.accept().unwrap();
        peer.write_all(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n")
            .unwrap();
        peer
    });
    fails(
        &["recv", &target, "--display", "none"],
        1,
        &format!(
            "error: \"{target}\" is not a vidchat sender: its first bytes are \"SSH-2.0-OpenSSH_\"\n\
             hint: vidchat send on \"127.0.0.1\" prints what to type here"
        ),
    );
    drop(bounded("the viewer came", || server.join()));
}

#[test]
fn a_service_that_hangs_up_at_the_first_word() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let target = listener.local_addr().unwrap().to_string();
    let server = std::thread::spawn(move || {
        let (mut peer, _) = listener.accept().unwrap();
        peer.set_read_timeout(Some(PATIENCE)).unwrap();
        let _ = peer.read(&mut [0; 4096]);
        // All of it is read: what is not would make a reset of the end.
        peer.set_read_timeout(Some(Duration::from_millis(200)))
            .unwrap();
        while peer.read(&mut [0; 4096]).is_ok_and(|length| length > 0) {}
    });
    fails(
        &["recv", &target, "--display", "none"],
        1,
        &format!(
            "error: no vidchat sender answered at \"{target}\": the sender closed the connection \
             before it said anything\n\
             hint: if it has a code or a key: vidchat recv {target} --code CODE, or --key-file FILE"
        ),
    );
    drop(bounded("the viewer came", || server.join()));
}

#[test]
fn no_camera() {
    if Path::new("/dev/video0").exists() {
        return skipped("this machine has a camera");
    }
    let hint = "hint: vidchat send --pipeline test needs no camera";
    let none = format!("error: cannot find a camera: none is plugged in\n{hint}");
    send_fails(&[], 1, &none);
    let others =
        "hint: ls /dev/video* lists the cameras once one is plugged in; --pipeline test needs none";
    send_fails(
        &["--device", "3"],
        1,
        &format!("error: cannot use the camera \"3\": no such file or directory\n{others}"),
    );
    send_fails(
        &["--device", "Brio"],
        1,
        &format!(
            "error: cannot find the camera \"Brio\": no camera has that in its name\n{others}"
        ),
    );
}

#[test]
fn no_display_and_no_terminal() {
    let sender = Sender::start(["--pipeline", "test", "--no-preview"]);
    let target = sender.target();
    let nowhere = "error: cannot open a window: there is no display\n\
                   hint: run it in a terminal to see the video there, or give --display none";
    fails(&["recv", &target], 1, nowhere);
    fails(&["demo"], 1, nowhere);
    let window = "error: cannot open a window: there is no display\n\
                  hint: --display terminal shows the video in a terminal, --display none shows \
                  nothing";
    let terminal = "error: cannot draw in the terminal: standard error is no terminal\n\
                    hint: run it in a terminal, with standard error going there";
    for (display, said) in [("window", window), ("terminal", terminal)] {
        fails(&["recv", &target, "--display", display], 1, said);
        fails(&["demo", "--display", display], 1, said);
    }
    send_fails(
        &["--pipeline", "test", "--preview"],
        1,
        "error: cannot open a window: there is no display\n\
         hint: leave --preview out to send without a window here",
    );
    send_fails(
        &["--pipeline", "screen"],
        1,
        "error: cannot capture this machine's screen: there is no display that can be opened\n\
         hint: run it where $DISPLAY names an X display, or use --pipeline test",
    );
}
