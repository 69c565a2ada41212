//! Engines that others make, started on this machine: nginx with its RTMP module, SRT's relay, and
//! GStreamer's RTSP server.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::support::{Ending, PATIENCE, first_line, project, skipped};

/// Where Debian has the module.
const MODULE: &str = "/usr/lib/nginx/modules/ngx_rtmp_module.so";

/// A port of TCP at which nothing listens. Engines cannot be told to take any that is free.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("there is a port");
    listener.local_addr().expect("it is bound").port()
}

/// A port of UDP that is free, and an even number, as RTP has it. The next one is free too.
pub fn free_even_port() -> u16 {
    loop {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("there is a port");
        let port = socket.local_addr().expect("it is bound").port();
        let is_free = |port: u16| UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
        if port.is_multiple_of(2) && port < u16::MAX && is_free(port + 1) {
            return port;
        }
    }
}

fn start(command: &mut Command) -> Ending {
    let started = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    Ending(started.unwrap_or_else(|e| panic!("cannot start {command:?}: {e}")))
}

/// nginx with its RTMP module, on a port and in a folder of its own.
pub struct Nginx {
    folder: TempDir,
    address: String,
    port: u16,
    wrap: Box<dyn Fn(&Command) -> Command>,
    process: Option<Ending>,
}

impl Nginx {
    /// One on this machine's loopback; `None`, said aloud, where it is not installed.
    pub fn start() -> Option<Self> {
        let nginx = Self::at("127.0.0.1", |command| {
            let mut same = Command::new(command.get_program());
            same.args(command.get_args());
            same
        })?;
        nginx.listens();
        Some(nginx)
    }

    /// One at `address`, whose command is changed by `wrap`, as to run it elsewhere.
    pub fn at(address: &str, wrap: impl Fn(&Command) -> Command + 'static) -> Option<Self> {
        let mut nginx = Self::stopped_at(address, wrap)?;
        nginx.run();
        Some(nginx)
    }

    /// One that pushes each stream that it gets to `next`, as the servers of a cluster do.
    pub fn pushing_to(next: &Self) -> Option<Self> {
        let mut nginx = Self::stopped()?;
        let Self { address, port, .. } = next;
        let path = nginx.folder.path().join("nginx.conf");
        let text = fs::read_to_string(&path).expect("it was written");
        let push = format!("live on; push rtmp://{address}:{port}/live;");
        let text = text.replace("live on;", &push);
        fs::write(&path, text).expect("the folder is ours");
        nginx.run_again();
        Some(nginx)
    }

    /// One that does not run yet.
    pub fn stopped() -> Option<Self> {
        Self::stopped_at("127.0.0.1", |command| {
            let mut same = Command::new(command.get_program());
            same.args(command.get_args());
            same
        })
    }

    fn stopped_at(address: &str, wrap: impl Fn(&Command) -> Command + 'static) -> Option<Self> {
        let is_there = Command::new("nginx").arg("-v").output().is_ok();
        if !is_there || !fs::exists(MODULE).unwrap_or(false) {
            skipped("nginx with its RTMP module is not installed");
            return None;
        }
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let (place, port) = (folder.path().display(), free_port());
        let text = format!(
            "load_module {MODULE};\ndaemon off;\nmaster_process off;\npid {place}/pid;\n\
             error_log {place}/log;\nevents {{ worker_connections 64; }}\n\
             rtmp {{ server {{ listen {address}:{port}; \
             application live {{ live on; }} }} }}\n"
        );
        fs::write(folder.path().join("nginx.conf"), text).expect("the folder is ours");
        Some(Self {
            folder,
            address: address.to_owned(),
            port,
            wrap: Box::new(wrap),
            process: None,
        })
    }

    /// Runs it, again where it was stopped.
    pub fn run(&mut self) {
        let mut command = Command::new("nginx");
        let folder = self.folder.path();
        command.arg("-p").arg(folder);
        command.arg("-c").arg(folder.join("nginx.conf"));
        command.arg("-e").arg(folder.join("log"));
        self.process = Some(start(&mut (self.wrap)(&command)));
    }

    /// Runs it, and waits until it takes connections on this machine.
    pub fn run_again(&mut self) {
        self.run();
        self.listens();
    }

    fn listens(&self) {
        let until = Instant::now() + PATIENCE;
        while TcpStream::connect((self.address.as_str(), self.port)).is_err() {
            assert!(Instant::now() < until, "nginx does not listen");
            sleep(Duration::from_millis(20));
        }
    }

    /// Kills it, as a crash would.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Sends it a signal, such as "STOP".
    pub fn signal(&self, name: &str) {
        let process = self.process.as_ref().expect("it runs");
        crate::support::signal(process.0.id(), name);
    }

    /// The URL of a stream of this name, perhaps with a user.
    pub fn url(&self, user: &str, stream: &str) -> String {
        let Self { address, port, .. } = self;
        format!("rtmp://{user}{address}:{port}/live/{stream}")
    }
}

/// SRT's relay between a publisher and one player, who connects to it.
pub struct SrtRelay {
    /// The URL of its way in, and that of its way out.
    ends: [String; 2],
    port: u16,
    /// Where to publish.
    to: String,
    process: Option<Ending>,
}

impl SrtRelay {
    /// One to which the publisher connects too; `None`, said aloud, where it is not installed.
    pub fn start() -> Option<Self> {
        let port = free_even_port();
        let to = format!("srt://127.0.0.1:{port}");
        Self::with_input(format!("{to}?mode=listener&latency=20"), to, "")
    }

    /// The same, for those alone who have this passphrase at both ends.
    pub fn locked(passphrase: &str) -> Option<Self> {
        let to = format!("srt://127.0.0.1:{}", free_even_port());
        let lock = format!("&passphrase={passphrase}&pbkeylen=16");
        Self::with_input(format!("{to}?mode=listener&latency=20{lock}"), to, &lock)
    }

    /// One that connects to a publisher, which listens at `url`.
    pub fn calling(url: &str) -> Option<Self> {
        Self::with_input(format!("{url}?mode=caller&latency=20"), url.to_owned(), "")
    }

    fn with_input(input: String, to: String, lock: &str) -> Option<Self> {
        if Command::new("srt-live-transmit")
            .arg("-version")
            .output()
            .is_err()
        {
            skipped("srt-live-transmit is not installed");
            return None;
        }
        let port = free_even_port();
        let output = format!("srt://127.0.0.1:{port}?mode=listener&latency=20{lock}");
        let mut relay = Self {
            ends: [input, output],
            port,
            to,
            process: None,
        };
        relay.run();
        Some(relay)
    }

    /// Runs it, again where it was stopped. SRT's own tries of a connection take three seconds, so it
    /// need not be ready.
    pub fn run(&mut self) {
        let mut command = Command::new("srt-live-transmit");
        self.process = Some(start(command.args(&self.ends)));
    }

    /// Kills it, as a crash would.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Where to publish, and where to play from.
    pub fn urls(&self) -> [String; 2] {
        [self.to.clone(), format!("srt://127.0.0.1:{}", self.port)]
    }
}

/// GStreamer's RTSP server, in Python, with a stream for one user alone.
pub struct RtspServer {
    port: u16,
    process: Option<Ending>,
}

impl RtspServer {
    /// The password in its URLs.
    pub const PASSWORD: &'static str = "pa55word";
    /// Python as the system's packages have it, with their modules.
    const PYTHON: &'static str = "/usr/bin/python3";

    /// One on a port of its own; `None`, said aloud, where it is not installed.
    pub fn start() -> Option<Self> {
        let import = "import gi; gi.require_version('GstRtspServer', '1.0')";
        let python = Command::new(Self::PYTHON).args(["-c", import]).output();
        if !python.is_ok_and(|python| python.status.success()) {
            skipped("there is no Python with GStreamer's RTSP server");
            return None;
        }
        if gstreamer::init().is_ok() && gstreamer::ElementFactory::find("rtspclientsink").is_none()
        {
            skipped("there is no rtspclientsink");
            return None;
        }
        let mut server = Self {
            port: 0,
            process: None,
        };
        server.run();
        Some(server)
    }

    /// Runs it, again where it was stopped, and waits until it listens.
    pub fn run(&mut self) {
        let mut command = Command::new(Self::PYTHON);
        command.arg(project().join("examples/engines/rtsp_server.py"));
        command.args(["cam", "--port", &self.port.to_string()]);
        command.args(["--user", &format!("anna:{}", Self::PASSWORD)]);
        // The library's own warnings are not this test's.
        command.env_remove("G_DEBUG").stdin(Stdio::null());
        let started = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut process = Ending(started.expect("it starts"));
        let url = first_line("it listens", &mut process.0);
        let port = url.trim().trim_end_matches("/cam").rsplit(':').next();
        let port = port.and_then(|port| port.parse().ok());
        self.port = port.unwrap_or_else(|| panic!("no port is in {url:?}"));
        self.process = Some(process);
    }

    /// Kills it, as a crash would.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Where to publish, and where to play from.
    pub fn urls(&self) -> [String; 2] {
        let Self { port, .. } = self;
        ["cam/in", "cam"].map(|path| {
            let password = Self::PASSWORD;
            format!("rtsp://anna:{password}@127.0.0.1:{port}/{path}")
        })
    }
}
