//! Beside the Python tutorial's own two programs: how many frames of 320×240 in BGR a second,
//! and the processor time at thirty of them, each of the two replaced by vidchat in turn.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::Run;
use crate::ours::program;
use crate::yardstick::meter::{self, alternate, median};
use crate::yardstick::process::{Process, Talks};
use crate::yardstick::table::{Bar, Row};

const ROUNDS: usize = 3;
const SECONDS: f64 = 3.0;
const PATIENCE: Duration = Duration::from_secs(20);

/// What was seen of one pair of programs.
#[derive(Clone, Copy, Debug)]
struct Pair {
    /// Frames a second at the client.
    fps: f64,
    /// Per cent of a core, of the sending and the receiving program.
    cpu: [f64; 2],
}

pub fn run(run: &mut Run) -> io::Result<()> {
    if !python().exists() {
        eprintln!("  without the tutorial: scripts/python-peers was not run");
        return Ok(());
    }
    for (rate, what) in [("30", "at 30 fps"), ("0", "as fast as it goes")] {
        let file = if rate == "0" {
            "bgr-fast.gst"
        } else {
            "bgr.gst"
        };
        let [theirs, sent, received] = alternate(
            ROUNDS,
            [
                &mut || both_theirs(rate),
                &mut || our_sender(file),
                &mut || our_receiver(rate),
            ],
        )?;
        eprintln!("  {what}: theirs {theirs:.2?}\n    our sender {sent:.2?}");
        eprintln!("    our receiver {received:.2?}");
        if rate == "0" {
            for (name, ours) in [
                ("sent by vidchat", &sent),
                ("received by vidchat", &received),
            ] {
                run.table.push(
                    Row::new(format!("the tutorial's frames a second, {name}"))
                        .peer(median(&theirs, |pair| pair.fps))
                        .vidchat(median(ours, |pair| pair.fps)),
                );
            }
        } else {
            for (end, name, ours) in [(0, "sender", &sent), (1, "receiver", &received)] {
                run.table.push(
                    Row::new(format!(
                        "the tutorial's frames at 30 fps, {name}: % of a core"
                    ))
                    .peer(median(&theirs, |pair| pair.cpu[end]))
                    .vidchat(median(ours, |pair| pair.cpu[end]))
                    .bar(Bar::BelowPeer),
                );
            }
        }
    }
    Ok(())
}

fn both_theirs(rate: &str) -> io::Result<Pair> {
    let (server, address) = server(rate)?;
    with_client(address, server.id())
}

fn our_sender(file: &str) -> io::Result<Pair> {
    let sender = program::Sender::start(file, &[])?;
    with_client(sender.address, sender.process.id())
}

/// The tutorial's client at `address`, where the process `sender` listens.
fn with_client(address: SocketAddr, sender: u32) -> io::Result<Pair> {
    let client = Process::with_stdin(
        script("client.py")
            .args([&address.port().to_string(), &SECONDS.to_string()])
            .stdin(Stdio::piped()),
        Talks::Stdout,
    )?;
    // The first second is for Python to start in.
    thread::sleep(Duration::from_secs(1));
    let cpu = || Ok::<_, io::Error>([meter::cpu_of(sender)?, meter::cpu_of(client.id())?]);
    let (begun, before) = (Instant::now(), cpu()?);
    let (_, line) = client.line("frames", PATIENCE)?;
    let (after, took) = (cpu()?, begun.elapsed());
    let fps = line.rsplit(' ').next().unwrap_or_default();
    Ok(Pair {
        fps: fps.parse().map_err(io::Error::other)?,
        cpu: [0, 1].map(|end| percent(before[end], after[end], took)),
    })
}

fn our_receiver(rate: &str) -> io::Result<Pair> {
    let (server, address) = server(rate)?;
    let counted = if rate == "0" { 6000 } else { 120 };
    let frames = counted.to_string();
    let receiver = program::recv(address, &["--display", "none", "--frames", &frames], None)?;
    receiver.line("sends ", PATIENCE)?;
    let cpu = || Ok::<_, io::Error>([meter::cpu_of(server.id())?, meter::cpu_of(receiver.id())?]);
    let (begun, before) = (Instant::now(), cpu()?);
    // Well before the last of so many frames at thirty a second; looked at as often as that
    // goes, as a program that has ended has no processor time to be read.
    let mut after = before;
    let mut took = begun.elapsed();
    while let Ok(now) = cpu() {
        (after, took) = (now, begun.elapsed());
        thread::sleep(Duration::from_millis(10));
    }
    receiver.end(PATIENCE)?;
    Ok(Pair {
        fps: f64::from(counted) / begun.elapsed().as_secs_f64(),
        cpu: [0, 1].map(|end| percent(before[end], after[end], took)),
    })
}

/// The tutorial's server, and where it listens.
fn server(rate: &str) -> io::Result<(Process, SocketAddr)> {
    let server = Process::start(script("server.py").arg(rate), Talks::Stdout)?;
    let (_, line) = server.line("port", PATIENCE)?;
    let port = line.rsplit(' ').next().unwrap_or_default();
    let address = format!("127.0.0.1:{port}");
    Ok((server, address.parse().map_err(io::Error::other)?))
}

fn script(name: &str) -> Command {
    let project = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new(python());
    command
        .arg(project.join("benches/tutorial").join(name))
        // Python complains when it is ended.
        .stderr(Stdio::null());
    command
}

fn python() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/python/numpy2/bin/python")
}

fn percent(before: Duration, after: Duration, took: Duration) -> f64 {
    after.saturating_sub(before).as_secs_f64() * 100.0 / took.as_secs_f64()
}
