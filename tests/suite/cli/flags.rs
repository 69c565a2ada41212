//! Flags do what their help says: ports and addresses, sizes and rates, limits, and the log.

use std::fs;
use std::net::{IpAddr, Ipv6Addr, TcpListener};
use std::process::Command;

use vidchat::net::address::reachable;

use crate::support::{Ended, Running, Sender, run, skipped, vidchat};

const TEST: [&str; 3] = ["--pipeline", "test", "--no-preview"];

/// A sender with the test picture that listens at `address`.
fn sender_at(address: &[&str], args: &[&str]) -> Sender {
    let mut command = vidchat();
    Sender::start_as(
        command
            .args(["send", "--no-announce"])
            .args(address)
            .args(TEST)
            .args(args),
    )
}

fn recv(args: &[&str]) -> Ended {
    run(vidchat().arg("recv").args(args).args(["--display", "none"]))
}

#[test]
fn a_sender_invites_to_all_its_addresses_and_each_is_good() {
    let mut sender = sender_at(&["--port", "0"], &[]);
    let mut invited = vec![sender.process.seen().last().unwrap().clone()];
    if reachable(Ipv6Addr::UNSPECIFIED.into()).is_empty() {
        return skipped("this machine has no network");
    }
    assert_eq!(
        sender.process.seen()[sender.process.seen().len() - 2],
        "On the other machine, type:"
    );
    loop {
        let line = sender.process.line_with("");
        // The tests' standard input is no keyboard.
        if line.ends_with(" ends it.") && !line.contains("q ") {
            break;
        }
        invited.push(line);
    }
    assert_eq!(
        invited.pop().as_deref(),
        Some("Anybody who reaches this port can watch. --code lets in only those who type a code.")
    );
    let own: Vec<IpAddr> = invited
        .iter()
        .map(|line| {
            let target = line.strip_prefix("    vidchat recv ").expect("a command");
            let (address, port) = target.rsplit_once(':').expect("it has a port");
            assert_eq!(port, sender.port.to_string());
            address.trim_matches(['[', ']']).parse().unwrap()
        })
        .collect();
    assert!(own.is_sorted_by_key(|address| address.is_ipv6()), "{own:?}");
    for (address, line) in own.iter().zip(&invited) {
        TcpListener::bind((*address, 0)).expect("it is an address of this machine");
        let target = line.strip_prefix("    vidchat recv ").unwrap();
        let ended = recv(&[target, "--frames", "2"]);
        assert_eq!(ended.code(), 0, "{target}: {}", ended.stderr);
    }
}

#[test]
fn a_sender_for_this_machine_alone_says_so() {
    for address in ["127.0.0.1", "localhost", "[127.0.0.1]"] {
        let sender = sender_at(&["--bind", address, "--port", "0"], &[]);
        let seen = sender.process.seen();
        assert_eq!(seen[1], "On this machine, in another terminal, type:");
        let typed = format!("    vidchat recv 127.0.0.1:{}", sender.port);
        assert_eq!(seen[2], typed, "{address}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_sender_without_a_network_says_that_nobody_can_reach_it() {
    let possible = Command::new("unshare")
        .args(["--net", "ip", "link"])
        .output();
    if !possible.is_ok_and(|output| output.status.success()) {
        return skipped("no network namespaces");
    }
    for bind in [&[][..], &["--bind", "0.0.0.0"]] {
        let mut command = Command::new("unshare");
        // A network of its own, in which nothing is but the loopback.
        command
            .args([
                "--net",
                "sh",
                "-c",
                "ip link set lo up && exec \"$@\"",
                "sh",
            ])
            .arg(env!("CARGO_BIN_EXE_vidchat"))
            .args(["send", "--port", "0"])
            .args(TEST)
            .args(bind);
        let sender = Sender::start_as(&mut command);
        let seen = sender.process.seen();
        assert_eq!(
            seen[1..],
            [
                "No other machine can reach this one: it has no address on a network. Connect it \
                 to one, and start vidchat send again."
                    .to_owned(),
                "On this machine, in another terminal, type:".to_owned(),
                format!("    vidchat recv 127.0.0.1:{}", sender.port),
            ]
        );
    }
}

#[test]
fn the_port_may_be_part_of_the_host_or_a_flag() {
    if TcpListener::bind("[::1]:0").is_err() {
        return skipped("this machine has no IPv6");
    }
    let sender = sender_at(&["--bind", "::1", "--port", "0"], &[]);
    let port = sender.port.to_string();
    for args in [
        &[&format!("[::1]:{port}")[..]][..],
        &["::1", "--port", &port],
        &["[::1]", "--port", &port],
        // What the host says counts.
        &[&format!("[::1]:{port}"), "--port", "1"],
    ] {
        let ended = recv(&[args, &["--frames", "2"]].concat());
        assert_eq!(ended.code(), 0, "{args:?}: {}", ended.stderr);
    }
    let ended = recv(&["127.0.0.1", "--port", &port]);
    assert_eq!(ended.code(), 1, "it listens at ::1 alone");
}

#[test]
fn a_latency_has_a_unit_or_is_in_milliseconds() {
    let here = ["--bind", "127.0.0.1", "--port", "0"];
    for latency in ["150", "150ms", "0.15s"] {
        let sender = sender_at(&here, &["--max-latency", latency]);
        let args = [&sender.target(), "--max-latency", latency, "--frames", "2"];
        let ended = recv(&args);
        assert_eq!(ended.code(), 0, "{latency}: {}", ended.stderr);
    }
}

#[test]
fn width_rate_and_pattern_reach_the_picture() {
    for (args, opened) in [
        (&[][..], "sent as 320x240 I420 at 30 fps"),
        (
            &["--width", "640", "--fps", "15"],
            "sent as 640x480 I420 at 15 fps",
        ),
        (&["--set", "height=100"], "sent as 320x100 I420 at 30 fps"),
        // The later one counts.
        (
            &["--set", "width=64", "--set", "width=128"],
            "sent as 128x96 I420 at 30 fps",
        ),
    ] {
        let sender = sender_at(&["--bind", "127.0.0.1", "--port", "0"], args);
        let line = &sender.process.seen()[0];
        assert!(line.contains(opened), "{args:?}: {line}");
        let ended = recv(&[&sender.target(), "--frames", "1"]);
        let size = opened.split(' ').nth(2).unwrap();
        let sent = format!("sends {size} I420");
        assert_eq!(ended.code(), 0, "{args:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(&sent), "{args:?}: {}", ended.stderr);
    }
}

#[test]
fn one_viewer_too_many_is_told_so() {
    let here = ["--bind", "127.0.0.1", "--port", "0"];
    let mut sender = sender_at(&here, &["--max-viewers", "1"]);
    let target = sender.target();
    let mut first = Running::start(vidchat().args(["recv", &target, "--display", "none"]));
    first.line_with("sends 320x240 I420");
    let ended = recv(&[&target]);
    assert_eq!((ended.code(), &ended.stdout[..]), (1, ""));
    let told = "the sender has no seat left (1 watching)\n\
                hint: vidchat send --max-viewers 500 on \"127.0.0.1\" has room for more";
    assert!(ended.stderr.ends_with(told), "{}", ended.stderr);
    sender
        .process
        .line_with("WARN listener: turned away a viewer: 1 watching of 1 connected; vidchat send");
    drop(first);
    sender.process.line_with("(0 watching)");
    let ended = recv(&[&target, "--frames", "1"]);
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
}

#[test]
fn a_frame_beyond_the_limit_is_refused_with_the_limit() {
    let here = ["--bind", "127.0.0.1", "--port", "0"];
    let sender = sender_at(&here, &["--width", "640"]);
    let ended = recv(&[&sender.target(), "--max-frame", "100000"]);
    assert_eq!((ended.code(), &ended.stdout[..]), (3, ""));
    // 640 by 480 pixels in I420, and the header of a frame.
    let length = 640 * 480 * 3 / 2 + 24;
    let said = format!(
        "a message of {length} bytes (the limit is 100000)\n\
         hint: where its frames are that large: --max-frame {length}"
    );
    assert!(ended.stderr.ends_with(&said), "{}", ended.stderr);
    let ended = recv(&[&sender.target(), "--max-frame", "500000", "--frames", "1"]);
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
}

#[test]
fn the_log_says_more_or_less_as_it_is_told() {
    let demo = |args: &[&str], filter: Option<&str>| {
        let mut command = vidchat();
        command.args(["demo", "--display", "none", "--frames", "3"]);
        if let Some(filter) = filter {
            command.env("RUST_LOG", filter);
        }
        let ended = run(command.args(args));
        assert_eq!((ended.code(), &ended.stdout[..]), (0, ""));
        ended.stderr
    };
    let filled = "DEBUG pipeline \"test\": videotestsrc is-live=true pattern=smpte ";
    let usual = demo(&[], None);
    let unlike = |line: &&str| !line.starts_with("INFO ");
    assert_eq!(usual.lines().find(unlike), None, "{usual}");
    let first = usual.lines().next().unwrap_or_default();
    let (start, way_out) = first.rsplit_once("; ").expect("it says how to end it");
    assert!(start.ends_with(", shown nowhere"), "{first}");
    let signal = way_out.starts_with("kill ") && way_out.ends_with(" ends it");
    assert!(signal || way_out == "Ctrl-C quits", "{first}");
    for more in ["-v", "-vv", "--verbose"] {
        let said = demo(&[more], None);
        assert!(said.contains(filled), "{more}: {said}");
    }
    let silent = demo(&["-v"], Some("off"));
    assert!(
        !silent.contains("INFO ") && !silent.contains("DEBUG "),
        "{silent}"
    );
}

#[test]
fn a_log_in_a_file_has_plain_lines_although_the_keyboard_is_a_terminals() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    // util-linux's script gives it a terminal.
    let typed = format!(
        "{} demo --display none --frames 3 2>{}",
        env!("CARGO_BIN_EXE_vidchat"),
        log.display()
    );
    let mut terminal = Command::new("script");
    terminal.args(["-qec", &typed, "/dev/null"]);
    let ended = run(&mut terminal);
    assert_eq!(ended.code(), 0, "{ended:?}");
    let said = fs::read_to_string(log).unwrap();
    assert!(said.contains("\nINFO "), "{said:?}");
    let other = |c: char| c.is_control() && c != '\n';
    assert!(!said.contains(other), "{said:?}");
}
