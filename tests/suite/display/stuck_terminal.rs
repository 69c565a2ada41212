//! A terminal that takes nothing, as after Ctrl-S or behind a link that is gone: signals end the
//! receiver that draws in it.

use std::fs::{File, OpenOptions};
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use rustix::io::ioctl_fionread;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use wait_timeout::ChildExt;

use crate::support::{PATIENCE, Sender, vidchat};

/// A terminal whose output nobody reads, and the end that a program writes to.
fn stuck_terminal() -> (rustix::fd::OwnedFd, File) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    grantpt(&master).expect("it is ours");
    unlockpt(&master).expect("it is ours");
    let name = ptsname(&master, Vec::new()).expect("it has a name");
    let name = name.into_string().expect("text");
    let slave = OpenOptions::new().read(true).write(true).open(name);
    (master, slave.expect("a terminal"))
}

/// Waits until nothing more gets into the terminal.
fn is_full(master: &rustix::fd::OwnedFd) {
    let (mut before, mut same) = (0, 0);
    while same < 20 {
        sleep(Duration::from_millis(50));
        let now = ioctl_fionread(master).expect("a terminal");
        same = if now == before && now > 0 {
            same + 1
        } else {
            0
        };
        before = now;
    }
}

#[test]
fn a_terminal_that_takes_nothing_cannot_keep_the_program_from_ending() {
    let sender = Sender::start(["--pipeline", "test", "--no-preview"]);
    for signal in ["INT", "TERM"] {
        let (master, slave) = stuck_terminal();
        let mut receiver = vidchat()
            .args(["recv", &sender.target(), "--display", "terminal"])
            .env("TERM", "xterm-256color")
            .stderr(slave)
            .spawn()
            .expect("it starts");
        is_full(&master);
        let sent = Command::new("kill")
            .args([&format!("-{signal}"), &receiver.id().to_string()])
            .status();
        assert!(sent.is_ok_and(|sent| sent.success()));
        let ended = receiver.wait_timeout(PATIENCE).expect("waiting works");
        if ended.is_none() {
            let _ = receiver.kill();
            let _ = receiver.wait();
        }
        let code = ended.map(|ended| ended.code());
        assert_eq!(code, Some(Some(0)), "SIG{signal}");
    }
}
