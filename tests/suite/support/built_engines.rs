//! Engines that `scripts/engines` builds, as no system has a package of them: an RTSP server, two
//! relays of Media over QUIC, two routers of zenoh. Where there are two, a stream goes into the one
//! and comes out of the other.

use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use std::{env, fs};

use tempfile::TempDir;

use super::{Ending, PATIENCE, project, skipped, vidchat};

/// An engine of some processes, on this machine's loopback.
pub struct BuiltEngine {
    /// Its processes in the order of their start, each with the port of TCP that it listens at.
    nodes: Vec<(Command, u16)>,
    running: Vec<Ending>,
    /// Where the plugins are.
    plugins: PathBuf,
    /// The arguments behind `vidchat publish HOST`, and those behind `vidchat recv`.
    publish: Vec<String>,
    play: Vec<String>,
    files: TempDir,
}

impl BuiltEngine {
    /// xiu, with RTSP. `None`, said aloud, where it is not built, as with the others.
    pub fn xiu() -> Option<Self> {
        let mut engine = Self::of(&["bin/xiu"])?;
        let port = free_port();
        engine.node("xiu", &["--rtsp", &port.to_string()], port);
        let url = format!("rtsp://127.0.0.1:{port}/cam");
        Some(engine.started([&["--to", &url], &[&url]]))
    }

    /// Two relays of Media over QUIC, the second of which asks the first for what it lacks.
    pub fn moq() -> Option<Self> {
        let mut engine = Self::of(&["bin/moq-relay", "lib/libgstmoq.so"])?;
        let ports = [free_port(), free_port()];
        let [first, second] = ports.map(|port| format!("127.0.0.1:{port}"));
        let peer = format!("http://{first}/");
        for (address, port, more) in [
            (&first, ports[0], &[][..]),
            (&second, ports[1], &["--cluster-connect", &peer]),
        ] {
            let common = [
                ["--listen", address],
                ["--listen-tls-generate", "localhost"],
                ["--web-http-listen", address],
                ["--auth-public", "**"],
            ];
            let args = [common.as_flattened(), more].concat();
            engine.node("moq-relay", &args, port);
        }
        let [to, from] = [first, second].map(|address| format!("moq+http://{address}/cam"));
        Some(engine.started([&["--to", &to], &[&from]]))
    }

    /// Two routers of zenoh, the second of which connects to the first.
    pub fn zenoh() -> Option<Self> {
        let mut engine = Self::of(&["bin/zenohd", "lib/libgstzenoh.so"])?;
        let ports = [free_port(), free_port()];
        let [first, second] = ports.map(|port| format!("tcp/127.0.0.1:{port}"));
        for (address, port, more) in [
            (&first, ports[0], &[][..]),
            (&second, ports[1], &["--connect", &first]),
        ] {
            let args = [&["--no-multicast-scouting", "--listen", address], more].concat();
            engine.node("zenohd", &args, port);
        }
        // A client speaks with one router alone, whatever else is on this network.
        let [to, from] = [("to", first), ("from", second)].map(|(name, address)| {
            let text = format!(
                "{{ mode: \"client\", connect: {{ endpoints: [\"{address}\"] }}, \
                 scouting: {{ multicast: {{ enabled: false }} }} }}\n"
            );
            let path = engine.files.path().join(format!("{name}.json5"));
            fs::write(&path, text).expect("the folder is ours");
            format!("config={}", path.display())
        });
        let key = "zenoh/vidchat/cam";
        Some(engine.started([&["--to", key, "--set", &to], &[key, "--set", &from]]))
    }

    /// One without processes yet, where all of these are built.
    fn of(needed: &[&str]) -> Option<Self> {
        let folder = match env::var_os("VIDCHAT_ENGINES") {
            Some(folder) => folder.into(),
            None => project().join("target/engines"),
        };
        let mut missing = needed.iter().filter(|path| !folder.join(path).exists());
        if let Some(missing) = missing.next() {
            let folder = folder.display();
            skipped(&format!(
                "there is no {missing} in {folder}, which scripts/engines builds"
            ));
            return None;
        }
        Some(Self {
            nodes: Vec::new(),
            running: Vec::new(),
            plugins: folder.join("lib"),
            publish: Vec::new(),
            play: Vec::new(),
            files: tempfile::tempdir().expect("there is room for a folder"),
        })
    }

    fn node(&mut self, program: &str, args: &[&str], port: u16) {
        let path = self.plugins.with_file_name("bin").join(program);
        let mut command = Command::new(path);
        command.args(args).current_dir(self.files.path());
        command.stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        self.nodes.push((command, port));
    }

    fn started(mut self, [publish, play]: [&[&str]; 2]) -> Self {
        let owned = |args: &[&str]| args.iter().map(|arg| (*arg).to_owned()).collect();
        (self.publish, self.play) = (owned(publish), owned(play));
        self.run();
        self
    }

    /// Runs all its processes, again where they were killed, and waits until each listens.
    pub fn run(&mut self) {
        for (command, port) in &mut self.nodes {
            let started = command.spawn();
            let started = started.unwrap_or_else(|e| panic!("cannot start {command:?}: {e}"));
            self.running.push(Ending(started));
            let until = Instant::now() + PATIENCE;
            while TcpStream::connect((Ipv4Addr::LOCALHOST, *port)).is_err() {
                assert!(Instant::now() < until, "{command:?} does not listen");
                sleep(Duration::from_millis(20));
            }
        }
    }

    /// Kills all its processes, as a crash of each would.
    pub fn kill(&mut self) {
        self.running.clear();
    }

    /// A command that publishes the frames of the sender at `target`.
    pub fn publisher(&self, target: &str) -> Command {
        let mut command = self.vidchat("publish");
        command.arg(target).args(&self.publish);
        command
    }

    /// A command that plays them.
    pub fn player(&self) -> Command {
        let mut command = self.vidchat("recv");
        command.args(&self.play);
        command
    }

    fn vidchat(&self, name: &str) -> Command {
        let mut command = vidchat();
        command.arg(name);
        command.env("GST_PLUGIN_PATH", &self.plugins);
        // zenohsrc tells the segment before the caps, of which GStreamer warns.
        command.env_remove("G_DEBUG");
        // GStreamer's list of its plugins is for other programs without these.
        command.env("GST_REGISTRY", self.plugins.join("registry.bin"));
        command
    }
}

/// A port that is free for TCP and for UDP, as relays of Media over QUIC use both.
fn free_port() -> u16 {
    loop {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("there is a port");
        let port = tcp.local_addr().expect("it is bound").port();
        if UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}
