//! From starting the receiver to its first frame. The sender runs already.

use std::io;
use std::time::{Duration, Instant};

use super::Run;
use crate::ours::program;
use crate::ours::screen::Screen;
use crate::yardstick::meter::{alternate, median};
use crate::yardstick::peers;
use crate::yardstick::table::{Bar, Row};

const ROUNDS: usize = 7;

/// How long a frame may take.
const PATIENCE: Duration = Duration::from_secs(10);

pub fn run(run: &mut Run) -> io::Result<()> {
    // Each of them has somebody who watches, so that none opens its source for this.
    let sender = program::Sender::start("plain.gst", &["--keep-open"])?;
    let peer = run.peer(|| peers::live_sender(60.0))?;
    let peer = peer.as_ref().map(|(_, address)| *address);
    let of_peer = |measure: &dyn Fn(std::net::SocketAddr) -> io::Result<f64>| match peer {
        Some(address) => run.peer(|| measure(address)),
        None => Ok(None),
    };
    let [peer_none, none, peer_auto, peer_window, window] = alternate(
        ROUNDS,
        [
            &mut || of_peer(&|at| timed(|| peers::one_frame(at))),
            &mut || {
                let once = ["--display", "none", "--frames", "1"];
                timed(|| program::recv(sender.address, &once, None)?.end(PATIENCE)).map(Some)
            },
            &mut || {
                of_peer(&|at| {
                    on_screen(|d| peers::window_receiver(at, "videoconvert ! autovideosink", d))
                })
            },
            &mut || {
                of_peer(&|at| {
                    on_screen(|d| peers::window_receiver(at, "videoconvert ! ximagesink", d))
                })
            },
            &mut || {
                let window = ["--display", "window"];
                on_screen(|d| program::recv(sender.address, &window, Some(d))).map(Some)
            },
        ],
    )?;
    let middle = |found: &[Option<f64>]| {
        let found: Vec<f64> = found.iter().copied().flatten().collect();
        median(&found, |seconds| *seconds)
    };
    for (what, peer, ours) in [
        ("no display, to the program's end", &peer_none, &none),
        ("in a window, peer with ximagesink", &peer_window, &window),
        ("in a window, peer with autovideosink", &peer_auto, &window),
    ] {
        eprintln!("  {what}: peer {peer:.3?}\n    vidchat {ours:.3?}");
        run.table.push(
            Row::new(format!("first frame, {what}: s"))
                .peer(middle(peer))
                .vidchat(middle(ours))
                .bar(Bar::AtMost(0.2)),
        );
    }
    Ok(())
}

/// Seconds that `what` takes.
fn timed(what: impl FnOnce() -> io::Result<()>) -> io::Result<f64> {
    let begun = Instant::now();
    what()?;
    Ok(begun.elapsed().as_secs_f64())
}

/// Seconds until what `start` starts has drawn on a display of its own, which was black.
fn on_screen<P>(start: impl FnOnce(&str) -> io::Result<P>) -> io::Result<f64> {
    let screen = Screen::open()?;
    let begun = Instant::now();
    let _receiver = start(&screen.display)?;
    let drawn = screen.drawn(|green| green > 0, PATIENCE)?;
    Ok(drawn.saturating_duration_since(begun).as_secs_f64())
}
