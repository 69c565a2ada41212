//! Senders that are found on the local network: between machines on a switch. As root, on Linux.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use mdns_sd::{ServiceDaemon, ServiceInfo};
use serde_json::Value;
use socket2::{Domain, Socket, Type};

use crate::display::terminal::Terminal;
use crate::support::lan::{Host, Lan};
use crate::support::{Ended, PATIENCE, Running, in_one_try, run, skipped_in_part, vidchat};

const SERVICE: &str = "_vidchat._tcp.local.";
const LISTED: &str = "announcement: vidchat find lists this machine as ";

/// A `vidchat send` on a machine, with these further arguments.
fn send(host: &Host, args: &[&str]) -> Running {
    let mut command = vidchat();
    command
        .args(["send", "--pipeline", "test", "--no-preview", "--port", "0"])
        .args(args);
    Running::start(&mut host.command(&command))
}

/// The same, once it is announced.
fn announced(host: &Host, args: &[&str]) -> Running {
    let mut sender = send(host, args);
    sender.line_with(LISTED);
    sender
}

/// The port that a sender has told.
fn port(sender: &Running) -> String {
    let line = sender
        .seen()
        .iter()
        .find(|l| l.contains("    vidchat recv "));
    let port = line.and_then(|line| line.rsplit(':').next());
    port.expect("it has told its port").to_owned()
}

/// A command on a machine, run to its end.
fn on(host: &Host, args: &[&str]) -> Ended {
    run(&mut host.command(vidchat().args(args)))
}

/// What `vidchat find --json` prints on a machine, a line for each.
fn found(host: &Host) -> Vec<Value> {
    let lines = on(host, &["find", "--json"]).stdout;
    let read = |line| serde_json::from_str(line).expect("each line is JSON");
    lines.lines().map(read).collect()
}

/// The addresses of the sender of this name, as a machine finds them.
fn addresses(host: &Host, name: &str) -> Result<Vec<String>, String> {
    let all = found(host);
    let one = all.iter().find(|one| one["name"] == name);
    let one = one.ok_or(format!("no {name} in {all:?}"))?;
    let addresses = one["addresses"].as_array().expect("it has addresses");
    let text = |address: &Value| address.as_str().expect("it is text").to_owned();
    Ok(addresses.iter().map(text).collect())
}

#[test]
fn a_sender_is_found_by_its_name_its_addresses_and_what_it_does() {
    let Some(lan) = Lan::start(2) else { return };
    let sender = announced(lan.host(0), &["--name", "wall"]);
    let port = port(&sender);
    in_one_try(|| {
        let ended = on(lan.host(1), &["find"]);
        let line = format!("wall  send  10.79.0.1:{port}\n");
        (ended.stdout == line)
            .then_some(())
            .ok_or(format!("{ended:?}"))?;
        assert_eq!(ended.code(), 0);
        assert_eq!(ended.stderr, "To watch a sender: vidchat recv wall");
        Ok(())
    });
    in_one_try(|| {
        let addresses = addresses(lan.host(1), "wall")?;
        assert_eq!(addresses[0], format!("10.79.0.1:{port}"));
        let local = addresses.iter().find(|a| a.starts_with("[fe80::"));
        let local = local.ok_or(format!("{addresses:?}"))?;
        assert!(local.ends_with(&format!("%lan]:{port}")), "{local}");
        Ok(())
    });
}

/// A `vidchat send` on a machine that has this name.
fn send_as(host: &Host, name: &str, args: &[&str]) -> Running {
    let program = vidchat();
    let mut command = Command::new("unshare");
    command
        .args([
            "--uts",
            "sh",
            "-c",
            "hostname \"$1\"; shift; exec \"$@\"",
            "-",
        ])
        .args([name.as_ref(), program.get_program()])
        .args(["send", "--pipeline", "test", "--no-preview"])
        .args(args);
    Running::start(&mut host.command(&command))
}

#[test]
fn the_name_is_by_itself_that_of_the_machine() {
    let Some(lan) = Lan::start(1) else { return };
    let mut sender = send_as(lan.host(0), "anna-laptop.example.org", &[]);
    let line = sender.line_with(LISTED);
    assert!(line.ends_with(" as anna-laptop"), "{line}");
}

/// What is said to everybody on a network.
fn everything_said(host: &Host) -> UdpSocket {
    let own: Ipv4Addr = host.address.parse().unwrap();
    let group = Ipv4Addr::new(224, 0, 0, 251);
    host.namespace.run(|| {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
        socket.set_reuse_address(true).unwrap();
        socket.set_reuse_port(true).unwrap();
        socket
            .bind(&SocketAddr::from((group, 5353)).into())
            .unwrap();
        socket.join_multicast_v4(&group, &own).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.into()
    })
}

fn has(message: &[u8], part: &[u8]) -> bool {
    message.windows(part.len()).any(|window| window == part)
}

#[test]
fn a_sender_that_ends_says_goodbye_and_the_name_of_the_machine_is_never_said() {
    let Some(lan) = Lan::start(2) else { return };
    let ear = everything_said(lan.host(1));
    let sender = send_as(lan.host(0), "anna", &["--name", "wall"]);
    let pointer = [&dns_name(&VIDCHAT)[..], &PTR.to_be_bytes(), &[0, 1]].concat();
    let goodbye = [&pointer[..], &[0; 4]].concat();
    let mut sender = Some(sender);
    let mut said = Vec::new();
    while !said.iter().any(|message: &Vec<u8>| has(message, &goodbye)) {
        let mut message = [0; 9000];
        let length = ear.recv(&mut message).expect("more is said");
        said.push(message[..length].to_vec());
        // It is announced.
        if has(&message[..length], &pointer)
            && let Some(sender) = sender.take()
        {
            sender.signal("INT");
            assert_eq!(sender.wait().code(), 0);
        }
    }
    assert!(sender.is_none(), "goodbye comes last");
    assert!(said.iter().any(|message| has(message, b"vidchat-")));
    let named = said.iter().find(|message| has(message, b"anna"));
    assert_eq!(named, None, "the machine's own name");
    assert_eq!(on(lan.host(1), &["find"]).code(), 1);
}

#[test]
fn a_name_that_is_taken_gets_a_number() {
    let Some(lan) = Lan::start(3) else { return };
    let _first = announced(lan.host(0), &["--name", "wall"]);
    let mut second = send(lan.host(1), &["--name", "wall"]);
    second.line_with(&format!("{LISTED}wall-2: wall is taken"));
    in_one_try(|| {
        let first = addresses(lan.host(2), "wall")?;
        let second = addresses(lan.host(2), "wall-2")?;
        let are_right = first[0].starts_with("10.79.0.1:") && second[0].starts_with("10.79.0.2:");
        are_right
            .then_some(())
            .ok_or(format!("{first:?} {second:?}"))
    });
    in_one_try(|| {
        let args = ["recv", "wall-2", "--display", "none", "--frames", "3"];
        let ended = on(lan.host(2), &args);
        (ended.code() == 0)
            .then_some(())
            .ok_or(format!("{ended:?}"))
    });
    second.line_with("viewer 10.79.0.3:");
}

#[test]
fn a_receiver_takes_the_one_sender_that_is_there() {
    let Some(lan) = Lan::start(2) else { return };
    let mut sender = announced(lan.host(0), &["--name", "wall"]);
    let port = port(&sender);
    let few = ["--display", "none", "--frames", "3"];
    for (args, says) in [
        (&["recv"][..], format!("Found wall: 10.79.0.1:{port}")),
        (
            &["recv", "--port", &port],
            format!("Found wall: 10.79.0.1:{port}"),
        ),
        (&["recv", "wall"], "sender wall: connected".to_owned()),
        (&["recv", "WALL"], "sender WALL: connected".to_owned()),
        (
            &["recv", &format!("wall:{port}")],
            format!("sender wall:{port}: connected"),
        ),
    ] {
        in_one_try(|| {
            let ended = on(lan.host(1), &[args, &few].concat());
            let is_right = ended.code() == 0 && ended.stderr.contains(&says);
            is_right.then_some(()).ok_or(format!("{ended:?}"))
        });
        sender.line_with("joined");
    }
    for args in [&["recv", "--port", "1"][..], &["recv", "wall:1"]] {
        let ended = on(lan.host(1), &[args, &few].concat());
        assert_eq!(ended.code(), 1, "another port: {ended:?}");
    }
}

#[test]
fn of_several_senders_a_person_chooses_one_by_number() {
    let Some(lan) = Lan::start(3) else { return };
    let _anna = announced(lan.host(0), &["--name", "anna"]);
    let mut desk = announced(lan.host(1), &["--name", "desk"]);
    let here = lan.host(2);
    in_one_try(|| {
        let ended = on(here, &["recv", "--display", "none"]);
        let lines: Vec<&str> = ended.stderr.lines().collect();
        let are_listed = lines.len() == 4
            && lines[0]
                == "error: cannot choose a sender: 2 are on this network, and there is no terminal \
                    to ask in"
            && lines[1].starts_with("  anna  send  10.79.0.1:")
            && lines[2].starts_with("  desk  send  10.79.0.2:")
            && lines[3] == "hint: vidchat recv anna"
            && ended.code() == 2;
        are_listed.then_some(()).ok_or(format!("{ended:?}"))
    });
    let namespace = here.namespace.to_string();
    let shell = ["ip", "netns", "exec", &namespace, "sh"];
    let Some(terminal) = Terminal::of(&shell) else {
        return;
    };
    let question = "Which one? (1 to 2, q for none)";
    let asked = |terminal: &Terminal| terminal.has_line(question);
    // A machine that is busy may miss an answer.
    for _ in 0..20 {
        terminal.enter("clear; \"$VIDCHAT\" recv --display none --frames 3; echo \"ended $?\"");
        let is_over = |t: &Terminal| t.lines().iter().any(|line| line.starts_with("ended "));
        terminal.until("question", |t| asked(t) || is_over(t));
        if asked(&terminal) {
            break;
        }
    }
    assert!(asked(&terminal), "{:#?}", terminal.lines());
    terminal.enter("7");
    terminal.until("another question", |t| {
        let lines = t.lines();
        lines
            .iter()
            .filter(|line| line.starts_with(question))
            .count()
            == 2
    });
    terminal.enter("2");
    desk.line_with("joined");
    terminal.until("end", |t| t.has_line("ended 0"));
    terminal.enter("clear; \"$VIDCHAT\" recv; echo \"left $?\"");
    terminal.until("question", asked);
    terminal.enter("q");
    terminal.until("end", |t| t.has_line("left 0"));
}

#[test]
fn where_nobody_is_found_it_says_what_may_be_in_the_way() {
    let Some(lan) = Lan::start(1) else { return };
    let hint = "hint: some networks and firewalls let no multicast through: vidchat recv ADDRESS, \
                with an address that the other side prints";
    for (args, whom, seconds) in [
        (&["find"][..], "nobody", "1.3"),
        (&["find", "--json"], "nobody", "1.3"),
        (&["find", "-v"], "nobody", "2"),
        (&["recv", "--display", "none"], "no sender", "1.3"),
    ] {
        let ended = on(lan.host(0), args);
        let said = format!(
            "error: found {whom} on this network: nobody answered within {seconds} s\n  asked on \
             lan (10.79.0.1)\n"
        );
        assert!(ended.stderr.starts_with(&said), "{ended:?}");
        assert!(ended.stderr.ends_with(hint), "{ended:?}");
        assert_eq!((ended.code(), &ended.stdout[..]), (1, ""));
    }
    let ended = on(lan.host(0), &["recv", "wall", "--display", "none"]);
    assert_eq!(
        ended
            .stderr
            .lines()
            .filter(|line| !line.starts_with("INFO "))
            .collect::<Vec<_>>(),
        [
            "error: cannot connect to \"wall\": no machine of that name was found",
            "hint: vidchat find lists who is on this network, by name and address"
        ]
    );
    // Another program has the port for itself.
    let taken = lan.host(0).namespace.run(|| {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
        socket
            .bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, 5353)).into())
            .unwrap();
        socket
    });
    let said = "error: found nobody on this network: cannot ask at UDP port 5353: address already \
                in use\nhint: vidchat recv ADDRESS connects without asking";
    assert_eq!(on(lan.host(0), &["find"]).stderr, said);
    let mut sender = send(lan.host(0), &["-v"]);
    sender.line_with("DEBUG announcement: cannot announce this program: ");
    sender.signal("INT");
    assert_eq!(sender.wait().code(), 0);
    drop(taken);
    lan.host(0).ip("link set lan down");
    let said = "error: found nobody on this network: this machine has no address on a network\n\
                hint: connect it to a network; over a VPN: vidchat recv ADDRESS";
    assert_eq!(on(lan.host(0), &["find"]).stderr, said);
}

/// Whether a process has a socket on the port of multicast DNS.
fn multicasts(process: &Running) -> bool {
    let mut sockets = BTreeSet::new();
    for table in ["udp", "udp6"] {
        let path = format!("/proc/{}/net/{table}", process.id());
        let text = std::fs::read_to_string(path).expect("it runs");
        let ports = text.lines().skip(1).filter_map(|line| {
            let local = line.split_whitespace().nth(1)?;
            u16::from_str_radix(local.rsplit(':').next()?, 16).ok()
        });
        sockets.extend(ports);
    }
    sockets.contains(&5353)
}

#[test]
fn nothing_is_announced_where_nobody_is_to_find_it() {
    let Some(lan) = Lan::start(2) else { return };
    let receiver = Running::start(&mut lan.host(1).command(vidchat().args([
        "recv",
        "--listen",
        "--display",
        "none",
    ])));
    for args in [
        &["--bind", "127.0.0.1"][..],
        &["--bind", "::1"],
        &["--no-announce"],
    ] {
        let mut sender = send(lan.host(0), args);
        sender.line_with("    vidchat recv ");
        sender.line_with("source: closed");
        assert!(!multicasts(&sender), "{args:?}");
    }
    let mut sender = Running::start(&mut lan.host(0).command(vidchat().args([
        "send",
        "--pipeline",
        "test",
        "--no-preview",
        "--to",
        "10.79.0.2",
    ])));
    sender.line_with("source: open");
    sender.line_with("The receiver is ");
    assert!(!multicasts(&sender), "a sender that connects");
    assert!(!multicasts(&receiver), "a receiver that listens");
    assert_eq!(on(lan.host(1), &["find"]).code(), 1);
    let sender = announced(lan.host(0), &[]);
    assert!(multicasts(&sender), "the judge");
}

#[test]
fn a_sender_is_announced_only_with_the_address_that_it_listens_at() {
    let Some(lan) = Lan::start(2) else { return };
    lan.host(0).ip("addr add 10.79.0.77/24 dev lan");
    let both = announced(lan.host(0), &["--name", "both"]);
    in_one_try(|| {
        let addresses = addresses(lan.host(1), "both")?;
        let has = |ip: &str| addresses.iter().any(|address| address.starts_with(ip));
        let all = has("10.79.0.1:") && has("10.79.0.77:") && has("[fe80::");
        all.then_some(()).ok_or(format!("{addresses:?}"))
    });
    drop(both);
    for bound in ["10.79.0.77", "10.79.0.1"] {
        let sender = announced(lan.host(0), &["--name", "one", "--bind", bound]);
        let port = port(&sender);
        in_one_try(|| {
            let addresses = addresses(lan.host(1), "one")?;
            assert_eq!(addresses, [format!("{bound}:{port}")]);
            Ok(())
        });
        sender.signal("INT");
        sender.wait();
    }
}

#[test]
fn nothing_is_announced_to_containers() {
    let Some(lan) = Lan::start(2) else { return };
    // The judge: a bridge whose name is not that of one for containers.
    let neighbour = lan.host(1).container("lab0");
    let _sender = announced(lan.host(1), &["--name", "open"]);
    in_one_try(|| addresses(&neighbour, "open").map(drop));
    let container = lan.host(0).container("docker0");
    let _sender = announced(lan.host(0), &["--name", "wall"]);
    for _ in 0..3 {
        assert_eq!(found(&container), [] as [Value; 0]);
    }
    in_one_try(|| {
        let addresses = addresses(lan.host(1), "wall")?;
        let foreign = addresses.iter().find(|address| address.starts_with("172."));
        assert_eq!(foreign, None, "{addresses:?}");
        Ok(())
    });
}

#[test]
fn a_sender_without_ipv4_is_reached_by_its_link_local_address() {
    let Some(lan) = Lan::start(2) else { return };
    for number in [0, 1] {
        lan.host(number).ip("-4 addr flush dev lan");
    }
    let mut sender = announced(lan.host(0), &["--name", "wall"]);
    in_one_try(|| {
        let listed = on(lan.host(1), &["find"]).stdout;
        let is_right = listed.starts_with("wall  send  [fe80::") && listed.contains("%lan]:");
        is_right.then_some(()).ok_or(listed)
    });
    in_one_try(|| {
        let ended = on(lan.host(1), &["recv", "--display", "none", "--frames", "3"]);
        (ended.code() == 0)
            .then_some(())
            .ok_or(format!("{ended:?}"))
    });
    sender.line_with("joined");
}

#[test]
fn a_sender_is_looked_up_again_when_the_connection_is_lost() {
    let Some(lan) = Lan::start(2) else { return };
    let sender = lan.host(0);
    // Its address of IPv6 would stay.
    for host in [sender, lan.host(1)] {
        host.ip("-6 addr flush dev lan");
    }
    let mut sending = announced(sender, &["--name", "wall"]);
    for args in [&["recv"][..], &["recv", "wall"]] {
        let mut receiver = in_one_try(|| {
            let mut command = vidchat();
            command.args(args).args(["--display", "none"]);
            let mut receiver = Running::start(&mut lan.host(1).command(&command));
            let connected = receiver.line_before_end("sender wall: connected to", PATIENCE);
            connected.ok_or(format!("{:?}", receiver.seen()))?;
            Ok(receiver)
        });
        receiver.line_with("sends 320x240");
        sending.line_with("joined");
        sender.ip("-4 addr flush dev lan");
        let number = if args.len() == 1 { 8 } else { 9 };
        sender.ip(&format!("addr add 10.79.0.{number}/24 dev lan"));
        receiver.line_with("sender wall: connected again");
        sending.line_with("joined");
    }
}

/// Avahi, as every desktop has it, on a machine by the name "anna".
fn avahi(host: &Host) -> Option<(tempfile::TempDir, Running)> {
    let folder = tempfile::tempdir().expect("there is a folder for temporary files");
    let file = folder.path().join("avahi.conf");
    let settings = "[server]\nhost-name=anna\nenable-dbus=no\n\
                    [publish]\npublish-hinfo=no\npublish-workstation=no\n";
    std::fs::write(&file, settings).expect("the folder can be written");
    // It keeps a file of its own in /run, one on each machine.
    let script = "mount -t tmpfs none /run && exec avahi-daemon --file=\"$1\" --no-drop-root \
                  --no-chroot --no-rlimits";
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "sh", "-c", script, "-"])
        .arg(&file);
    if Command::new("avahi-daemon")
        .arg("--version")
        .output()
        .is_err()
    {
        skipped_in_part("avahi-daemon is not installed");
        return None;
    }
    let mut avahi = Running::start(&mut host.command(&command));
    avahi.line_with("Server startup complete. Host name is anna.local.");
    Some((folder, avahi))
}

#[test]
fn the_name_of_the_machine_stays_its_own_beside_avahi() {
    let Some(lan) = Lan::start(2) else { return };
    let Some((_folder, mut avahi)) = avahi(lan.host(0)) else {
        return;
    };
    let mut sender = send_as(lan.host(0), "anna", &[]);
    sender.line_with(&format!("{LISTED}anna"));
    in_one_try(|| {
        let addresses = addresses(lan.host(1), "anna")?;
        assert_eq!(addresses[0], "10.79.0.1:10050");
        Ok(())
    });
    sender.signal("INT");
    assert_eq!(sender.wait().code(), 0);
    // The judge: a program that announces the machine by its own name takes it away.
    let daemon = lan.host(1).namespace.run(|| ServiceDaemon::new().unwrap());
    let text: &[(&str, &str)] = &[];
    let rude = ServiceInfo::new(SERVICE, "rude", "anna.local.", "10.79.0.2", 1, text);
    let mut rude = rude.unwrap();
    rude.set_requires_probe(false);
    daemon.register(rude).unwrap();
    avahi.line_with("conflict");
    let before = avahi.seen().iter().filter(|line| line.contains("conflict"));
    assert_eq!(before.count(), 1, "{:#?}", avahi.seen());
    daemon.shutdown().unwrap();
}

/// A record of DNS, as it is sent. Its class says that it takes the place of others.
fn record(name: &[&[u8]], kind: u16, data: &[u8]) -> Vec<u8> {
    let lasts: u32 = 1_000_000;
    let mut bytes = dns_name(name);
    bytes.extend(kind.to_be_bytes());
    bytes.extend(if kind == PTR { [0, 1] } else { [0x80, 1] });
    bytes.extend(lasts.to_be_bytes());
    bytes.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
    bytes.extend(data);
    bytes
}

const VIDCHAT: [&[u8]; 3] = [b"_vidchat", b"_tcp", b"local"];
const A: u16 = 1;
const PTR: u16 = 12;
const TXT: u16 = 16;
const SRV: u16 = 33;

fn dns_name(labels: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in labels {
        bytes.push(u8::try_from(label.len()).unwrap());
        bytes.extend(*label);
    }
    bytes.push(0);
    bytes
}

/// A message with these records.
fn message(records: &[Vec<u8>]) -> Vec<u8> {
    let count = u16::try_from(records.len()).unwrap().to_be_bytes();
    let head = [0, 0, 0x84, 0, 0, 0, count[0], count[1], 0, 0, 0, 0];
    [&head[..], &records.concat()].concat()
}

/// The announcement of a sender that is not there.
fn fake(instance: &[u8]) -> Vec<u8> {
    fake_with(instance, &["txtvers=1", "what=send"], [10, 79, 0, 250])
}

/// An announcement with this text, of a program at this address, at whose port nobody listens.
pub fn fake_with(instance: &[u8], text: &[&str], address: [u8; 4]) -> Vec<u8> {
    let mut words = Vec::new();
    for word in text {
        words.push(u8::try_from(word.len()).unwrap());
        words.extend(word.as_bytes());
    }
    let full = [&[instance][..], &VIDCHAT].concat();
    let host: [&[u8]; 2] = [b"fake", b"local"];
    let target = [&[0, 0, 0, 0, 0, 9][..], &dns_name(&host)].concat();
    message(&[
        record(&VIDCHAT, PTR, &dns_name(&full)),
        record(&full, SRV, &target),
        record(&full, TXT, &words),
        record(&host, A, &address),
    ])
}

/// Somebody on a machine who sends messages to everybody, again and again until it is dropped.
pub struct Flood {
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Flood {
    pub fn start(host: &Host, messages: Vec<Vec<u8>>, pause: Duration) -> Self {
        let own: Ipv4Addr = host.address.parse().unwrap();
        let socket = host.namespace.run(|| {
            let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
            socket.set_reuse_address(true).unwrap();
            socket.set_reuse_port(true).unwrap();
            socket.bind(&SocketAddr::from((own, 5353)).into()).unwrap();
            socket.set_multicast_if_v4(&own).unwrap();
            socket
        });
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let everybody = SocketAddr::from(([224, 0, 0, 251], 5353)).into();
            for message in messages.iter().cycle() {
                if stopped.load(Relaxed) {
                    return;
                }
                socket.send_to(message, &everybody).unwrap();
                std::thread::sleep(pause);
            }
        });
        Self {
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        let thread = self.thread.take().expect("it is there until now");
        thread.join().expect("it sends without a fault");
    }
}

#[test]
fn a_thousand_announcements_of_a_stranger_neither_touch_the_terminal_nor_hide_a_sender() {
    let Some(lan) = Lan::start(3) else { return };
    let mut sender = announced(lan.host(0), &["--name", "wall"]);
    let fakes = (0..1000).map(|n| fake(format!("\x1b]0;x\x07\x1b[2J {n} \u{202e}\r\n").as_bytes()));
    let _flood = Flood::start(lan.host(1), fakes.collect(), Duration::from_micros(500));
    in_one_try(|| {
        let ended = on(lan.host(2), &["find"]);
        let lines: Vec<&str> = ended.stdout.lines().collect();
        assert!(
            ended.stdout.chars().all(|c| c == '\n' || !c.is_control()),
            "{ended:?}"
        );
        assert!(lines.len() <= 100, "{}", lines.len());
        let fakes = lines.iter().filter(|line| line.contains("0-x-2J"));
        (fakes.count() > 10)
            .then_some(())
            .ok_or(format!("{lines:?}"))
    });
    in_one_try(|| {
        let args = ["recv", "wall", "--display", "none", "--frames", "3"];
        let ended = on(lan.host(2), &args);
        (ended.code() == 0)
            .then_some(())
            .ok_or(format!("{ended:?}"))
    });
    sender.line_with("joined");
}

#[test]
fn a_flood_of_records_is_not_kept_by_a_sender() {
    let Some(lan) = Lan::start(2) else { return };
    let mut sender = announced(lan.host(0), &["--name", "wall"]);
    // No record of a service is among them, so that each is taken for an answer to somebody.
    let host = |n: u32| record(&[format!("h{n}").as_bytes(), b"local"], A, &[10, 0, 0, 1]);
    let messages =
        (0..200).map(|m| message(&(0..40).map(|n| host(m * 40 + n)).collect::<Vec<_>>()));
    let flood = Flood::start(lan.host(1), messages.collect(), Duration::from_micros(500));
    sender.line_with("announcement: not announced for 60 s: somebody floods the network");
    drop(flood);
    assert!(!multicasts(&sender));
    let args = ["recv", "10.79.0.1", "--port", &port(&sender)];
    let few = ["--display", "none", "--frames", "3"];
    let ended = on(lan.host(1), &[&args[..], &few].concat());
    assert_eq!(ended.code(), 0, "it still sends: {ended:?}");
}
