//! The processor time of both ends at 30 frames a second of 320×240 I420, whole programs.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use super::Run;
use crate::ours::program;
use crate::ours::screen::Screen;
use crate::yardstick::meter::{self, alternate, median};
use crate::yardstick::peers;
use crate::yardstick::table::{Bar, Row};

const ROUNDS: usize = 3;
const SECONDS: f64 = 2.5;

/// The sender's and the receiver's processor time, % of a core.
type Percent = [f64; 2];

pub fn run(run: &mut Run) -> io::Result<()> {
    let screen = Screen::open()?;
    let window = peers::Screen::Window(&screen.display);
    let [peer_none, none, peer_window, window] = alternate(
        ROUNDS,
        [
            &mut || run.peer(|| peer(peers::Screen::None)),
            &mut || ours("none", None).map(Some),
            &mut || run.peer(|| peer(window)),
            &mut || ours("window", Some(&screen.display)).map(Some),
        ],
    )?;
    for (what, peer, ours) in [
        ("no display", peer_none, none),
        ("a window", peer_window, window),
    ] {
        let peer: Vec<Percent> = peer.into_iter().flatten().collect();
        let ours: Vec<Percent> = ours.into_iter().flatten().collect();
        eprintln!("  {what}: peer {peer:.2?}\n    vidchat {ours:.2?}");
        for (end, name) in ["sender", "receiver"].into_iter().enumerate() {
            run.table.push(
                Row::new(format!("CPU at 30 fps, {what}, {name}: % of a core"))
                    .peer(median(&peer, |percent| percent[end]))
                    .vidchat(median(&ours, |percent| percent[end]))
                    .bar(Bar::BelowPeer),
            );
        }
    }
    Ok(())
}

fn peer(screen: peers::Screen<'_>) -> io::Result<Percent> {
    let pair = peers::pair(screen, SECONDS)?;
    Ok([pair.sender_percent, pair.receiver_percent])
}

fn ours(show: &str, display: Option<&str>) -> io::Result<Percent> {
    let sender = program::Sender::start("plain.gst", &[])?;
    let receiver = program::recv(sender.address, &["--display", show], display)?;
    receiver.line("sends ", Duration::from_secs(10))?;
    thread::sleep(Duration::from_secs(1));
    let cpu = || -> io::Result<[Duration; 2]> {
        Ok([
            meter::cpu_of(sender.process.id())?,
            meter::cpu_of(receiver.id())?,
        ])
    };
    let (begun, before) = (Instant::now(), cpu()?);
    thread::sleep(Duration::from_secs_f64(SECONDS));
    let (after, took) = (cpu()?, begun.elapsed());
    Ok([0, 1].map(|end| {
        after[end].saturating_sub(before[end]).as_secs_f64() * 100.0 / took.as_secs_f64()
    }))
}
