//! `vidchat recv --listen`, the senders that connect to it, and an honest one as the judge.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::cli::statistics::Stats;
use crate::support::{PATIENCE, Running, vidchat};

/// A receiver that listens, and goes on after a sender that it refuses.
pub struct ListeningReceiver {
    pub process: Running,
    pub stats: Stats,
    port: u16,
    _folder: tempfile::TempDir,
}

impl ListeningReceiver {
    /// With this pipeline file.
    pub fn start(pipeline: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("mine.gst");
        std::fs::write(&file, pipeline).expect("a file");
        let mut command = vidchat();
        command
            // At this level each loss has a line.
            .args([
                "-v",
                "recv",
                "--listen",
                "--bind",
                "127.0.0.1",
                "--port",
                "0",
            ])
            .arg("--pipeline")
            .arg(&file);
        let stats = Stats::of(&mut command);
        let mut process = Running::start(&mut command);
        let line = process.line_with("vidchat send --to 127.0.0.1:");
        let port = line.rsplit(':').next().and_then(|port| port.parse().ok());
        Self {
            process,
            stats,
            port: port.expect("it tells its port"),
            _folder: folder,
        }
    }

    /// Sends a conversation from one sender, and returns when the receiver has hung up.
    pub fn hears(&self, script: &[u8]) {
        let mut sender = self.connection();
        // It may have been refused in the middle.
        let _ = sender.write_all(script);
        let _ = sender.read_to_end(&mut Vec::new());
    }

    pub fn connection(&self) -> TcpStream {
        let sender = TcpStream::connect(("127.0.0.1", self.port)).expect("it listens");
        sender.set_read_timeout(Some(PATIENCE)).expect("a socket");
        sender.set_write_timeout(Some(PATIENCE)).expect("a socket");
        sender
    }

    /// The judge: an honest sender is shown.
    pub fn shows_an_honest_sender(&self) {
        let sender = Running::start(
            vidchat()
                .args(["send", "--to", &format!("127.0.0.1:{}", self.port)])
                .args(["--pipeline", "test-jpeg", "--no-preview"]),
        );
        self.stats.line("frames", |line| {
            line["state"] == "live" && line["shown"].as_u64() > Some(0)
        });
        drop(sender);
    }

    /// The most memory that it has had so far.
    pub fn peak_memory(&self) -> usize {
        self.process.peak_memory()
    }
}
