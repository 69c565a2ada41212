//! H.264 by `ffmpeg` and `ffplay`, set for as little delay as their manuals know.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{ChildStdin, Command, Stdio};

use super::FPS;
use super::process::{Process, Talks, one_piece};

/// A sender of what is written to its standard input, I420, which takes one viewer.
///
/// # Errors
/// It could not be started.
pub fn sender() -> io::Result<(Process, SocketAddr, ChildStdin)> {
    // It takes no port of the kernel's choice, so one is found that is free now.
    let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    let mut command = Command::new("ffmpeg");
    command
        .args(["-hide_banner", "-loglevel", "error", "-fflags", "nobuffer"])
        .args(["-probesize", "32", "-analyzeduration", "0"])
        .args(["-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", "320x240"])
        .args(["-r", &FPS.to_string(), "-i", "pipe:0"])
        .args([
            "-c:v",
            "libx264",
            "-preset",
            "veryfast",
            "-tune",
            "zerolatency",
        ])
        .args([
            "-b:v",
            "550k",
            "-g",
            "300",
            "-flush_packets",
            "1",
            "-f",
            "mpegts",
        ])
        .args(["-muxdelay", "0", "-muxpreload", "0"])
        .arg(format!("tcp://{address}?listen=1&tcp_nodelay=1"))
        .stdin(Stdio::piped());
    let mut process = Process::with_stdin(&mut command, Talks::Stderr)?;
    let stdin = process.stdin().ok_or(io::ErrorKind::BrokenPipe)?;
    one_piece(&stdin)?;
    Ok((process, address, stdin))
}

/// A viewer on `display`.
///
/// # Errors
/// It could not be started.
pub fn receiver(address: SocketAddr, display: &str) -> io::Result<Process> {
    let mut command = Command::new("sh");
    // The sender has no line that says when it listens.
    command
        .args(["-c", "until ffplay \"$@\"; do sleep 0.1; done", "ffplay"])
        .args(["-hide_banner", "-loglevel", "error", "-fflags", "nobuffer"])
        .args(["-flags", "low_delay", "-framedrop", "-sync", "ext"])
        .args(["-probesize", "32", "-analyzeduration", "0"])
        .args(["-noborder", "-left", "0", "-top", "0"])
        .arg(format!("tcp://{address}"))
        .env("DISPLAY", display);
    Process::start(&mut command, Talks::Stderr)
}
