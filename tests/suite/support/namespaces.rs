//! Network namespaces: machines of their own, as far as their networks go. As root, on Linux.

use std::fmt;
use std::io;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// A namespace with nothing but a loopback, gone when this is dropped.
pub struct Namespace {
    name: String,
}

impl Namespace {
    /// Makes one. `end` is a part of its name.
    pub fn new(end: &str) -> io::Result<Self> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("vidchat-{end}-{}-{count}", std::process::id());
        words(&format!("ip netns add {name}"))?;
        let namespace = Self { name };
        words(&format!("ip -n {namespace} link set lo up"))?;
        Ok(namespace)
    }

    /// The command, to be run in here, without standard input. `ip` becomes the command that it is
    /// given, so the process id is the program's own.
    pub fn command(&self, command: &Command) -> Command {
        let mut wrapped = Command::new("ip");
        wrapped
            .args(["netns", "exec", &self.name])
            .arg(command.get_program())
            .args(command.get_args())
            .stdin(Stdio::null());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => wrapped.env(name, value),
                None => wrapped.env_remove(name),
            };
        }
        if let Some(folder) = command.get_current_dir() {
            wrapped.current_dir(folder);
        }
        wrapped
    }

    /// Runs `work` in here, on a thread of its own. Sockets and threads that it makes stay here when
    /// it hands them back.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let there = std::fs::File::open(format!("/run/netns/{self}")).expect("it was made");
        thread::scope(|scope| {
            let thread = scope.spawn(move || {
                use std::os::fd::AsFd;
                // For this thread alone.
                move_into_link_name_space(there.as_fd(), Some(LinkNameSpaceType::Network))
                    .expect("root may enter");
                work()
            });
            thread.join().expect("the work does not panic")
        })
    }
}

/// Its name, as `ip -n` takes it.
impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // Where it was never made, there is nothing to complain of.
        let _ = words(&format!("ip netns del {self}"));
    }
}

/// Runs a command, whose complaint becomes the error.
pub fn words(line: &str) -> io::Result<()> {
    let mut words = line.split_whitespace();
    let output = Command::new(words.next().unwrap_or_default())
        .args(words)
        .stdin(Stdio::null())
        .output()?;
    if output.status.success() {
        return Ok(());
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("{line}: {}", complaint.trim())))
}
