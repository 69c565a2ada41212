//! vidchat in a real terminal: tmux has one for each test, which is typed into and looked at.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::support::player::{Shown, until};
use crate::support::terminal_pixels::Pixels;
use crate::support::{PATIENCE, Sender, skipped};

/// A shell in a terminal of 80 columns and 24 rows. It is ended when dropped.
pub struct Terminal {
    name: String,
    folder: tempfile::TempDir,
}

impl Terminal {
    /// Starts one; `None`, said aloud, where tmux is not installed.
    pub fn start() -> Option<Self> {
        Self::of(&["sh"])
    }

    /// One with this shell.
    pub fn of(shell: &[&str]) -> Option<Self> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Relaxed);
        let terminal = Self {
            name: format!("vidchat-test-{}-{number}", std::process::id()),
            folder: tempfile::tempdir().expect("there is a folder for temporary files"),
        };
        let settings = terminal.path("tmux.conf");
        std::fs::write(&settings, "set -g status off\n").expect("the folder can be written");
        let started = terminal
            .tmux()
            .arg("-f")
            .arg(settings)
            .args(["new-session", "-d", "-x", "80", "-y", "24"])
            .args(shell)
            .status();
        match started {
            Ok(status) => assert!(status.success(), "tmux does not start"),
            Err(_) => {
                skipped("tmux is not installed");
                return None;
            }
        }
        // What is typed before the prompt is there would be seen twice.
        terminal.until("prompt", |t| t.lines().iter().any(|l| !l.is_empty()));
        Some(terminal)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// tmux for this terminal alone.
    fn tmux(&self) -> Command {
        let mut command = Command::new("tmux");
        command
            .args(["-u", "-L", &self.name])
            .stdin(Stdio::null())
            .env("TMUX_TMPDIR", self.folder.path())
            .env("VIDCHAT", env!("CARGO_BIN_EXE_vidchat"))
            .env(
                "TEST",
                std::env::current_exe().expect("the test has a file"),
            )
            .env("XDG_CONFIG_HOME", env!("CARGO_TARGET_TMPDIR"))
            .env("FOLDER", self.folder.path());
        for name in ["TMUX", "ENV", "DISPLAY", "WAYLAND_DISPLAY", "RUST_LOG"] {
            command.env_remove(name);
        }
        command
    }

    /// What tmux answers.
    pub fn ask(&self, args: &[&str]) -> String {
        let output = self.tmux().args(args).output().expect("tmux starts");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "tmux {args:?}: {errors}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Types a line.
    pub fn enter(&self, line: &str) {
        self.ask(&["send-keys", "-l", line]);
        self.press("Enter");
    }

    /// Presses one key, by the name that tmux has for it.
    pub fn press(&self, key: &str) {
        self.ask(&["send-keys", key]);
    }

    /// The lines that are seen.
    pub fn lines(&self) -> Vec<String> {
        let text = self.ask(&["capture-pane", "-p"]);
        text.lines().map(|line| line.trim_end().into()).collect()
    }

    /// Whether no line begins where the one before it ended.
    pub fn has_no_staircase(&self) -> bool {
        let text = self.ask(&["capture-pane", "-p", "-J"]);
        // What to type is indented a little.
        text.lines()
            .all(|line| line.trim().is_empty() || !line.starts_with("     "))
    }

    pub fn has_line(&self, line: &str) -> bool {
        self.lines().iter().any(|seen| seen == line)
    }

    /// Whether the line at the very bottom is that of a running receiver.
    pub fn has_status_in_row(&self, row: usize) -> bool {
        self.lines()[row - 1..].first().is_some_and(|line| {
            line.contains(" ms old  ")
                && line.contains(" frames/s ")
                && line.ends_with("  (q quits)")
        })
    }

    /// What a sender that was started here says is to be received.
    pub fn target(&self) -> String {
        let lines = self.lines();
        let command = |line: &String| Some(line.trim().strip_prefix("vidchat recv ")?.to_owned());
        lines
            .iter()
            .find_map(command)
            .expect("it says what to type")
    }

    pub fn pixels(&self) -> Pixels {
        Pixels::read(&self.ask(&["capture-pane", "-p", "-e", "-N"]))
    }

    /// Waits for something to be seen.
    pub fn until(&self, what: &str, is_seen: impl Fn(&Self) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !is_seen(self) {
            assert!(
                Instant::now() < end,
                "no {what} in time:\n{}",
                self.lines().join("\n")
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// What a file of this terminal's folder says, once it says something.
    pub fn file(&self, name: &str) -> String {
        let text = || std::fs::read_to_string(self.path(name)).unwrap_or_default();
        self.until(name, |_| text().ends_with('\n'));
        text().trim().to_owned()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.tmux().arg("kill-server").output();
    }
}

/// Where the picture is in 80 columns and 23 rows: 62 by 46 pixels are 4 by 3, with the next
/// even number.
pub const IN_80_BY_24: [usize; 4] = [9, 70, 0, 22];

#[test]
fn without_a_display_the_demo_is_drawn_in_the_terminal() {
    let Some(terminal) = Terminal::start() else {
        return;
    };
    terminal.enter("\"$VIDCHAT\" demo; echo status $?");
    terminal.until("status line at the bottom", |t| t.has_status_in_row(24));
    // It moves, so only the shape of the whole is known, and the clock makes half blocks.
    terminal.until("picture", |t| {
        t.pixels().extent() == Some(IN_80_BY_24) && t.lines().iter().any(|l| l.contains('▀'))
    });
    assert!(!terminal.lines().iter().any(|line| line.contains("INFO")));
}

#[test]
fn bars_have_their_colours_in_the_terminal_and_fill_it_when_its_size_changes() {
    let Some(terminal) = Terminal::start() else {
        return;
    };
    terminal.enter("\"$VIDCHAT\" demo --set speed=0; echo status $?");
    terminal.until("bars", |t| t.pixels().are_bars_in(IN_80_BY_24));
    for (columns, rows, extent) in [
        ("120", "31", [20, 99, 0, 29]),
        // Higher than wide: black above and below.
        ("40", "40", [0, 39, 12, 26]),
        ("80", "24", IN_80_BY_24),
    ] {
        terminal.ask(&["resize-window", "-x", columns, "-y", rows]);
        terminal.until("bars in the new size", |t| t.pixels().are_bars_in(extent));
        let row = rows.parse().unwrap();
        terminal.until("status line at the bottom", |t| t.has_status_in_row(row));
    }
}

#[test]
fn keys_show_help_and_save_the_frame_as_it_came() {
    let Some(terminal) = Terminal::start() else {
        return;
    };
    terminal.enter("cd \"$FOLDER\" && \"$VIDCHAT\" demo --set speed=0; echo status $?");
    terminal.until("bars", |t| t.pixels().are_bars_in(IN_80_BY_24));
    let says = |t: &Terminal, text: &str| t.lines().iter().any(|line| line.contains(text));
    terminal.press("?");
    terminal.until("help", |t| says(t, "save a picture") && says(t, "quit"));
    terminal.press("?");
    terminal.until("no help", |t| !says(t, "save a picture"));
    terminal.press("p");
    terminal.until("the news", |t| says(t, "saved RECEIVING VIDEO from demo"));
    let files = std::fs::read_dir(terminal.path("")).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let pictures = names.filter(|name| name.ends_with(".png"));
    assert_eq!(pictures.count(), 1);
    terminal.press("q");
    terminal.until("end", |t| t.has_line("status 0"));
}

/// How tmux tells what the terminal was set to.
pub const MODES: &str = "covered #{alternate_on}, cursor #{cursor_flag}, wraps #{wrap_flag}";

/// Draws in the terminal with this command, ends it, and looks at what it leaves.
fn leaves_the_terminal_as_it_was(command: &str, end: impl Fn(&Terminal), left: &[&str]) {
    let Some(terminal) = Terminal::start() else {
        return;
    };
    terminal.enter("stty -g > \"$FOLDER/before\"");
    let before = terminal.file("before");
    terminal.enter("clear; echo 'what was ''here'");
    terminal.until("the line before", |t| t.has_line("what was here"));
    terminal.enter(&format!(
        "sh -c 'echo $$ > \"$FOLDER/pid\"; exec \"$VIDCHAT\" {command}'; echo status $?"
    ));
    terminal.until("picture", |t| t.pixels().extent() == Some(IN_80_BY_24));
    assert_eq!(
        terminal.ask(&["display-message", "-p", MODES]),
        "covered 1, cursor 0, wraps 0\n"
    );
    end(&terminal);
    terminal.until("end", |t| {
        let mut lines = t.lines().into_iter();
        lines.any(|line| {
            line.strip_prefix("status ")
                .is_some_and(|n| n.parse::<i32>().is_ok())
        })
    });
    assert_eq!(
        terminal.ask(&["display-message", "-p", MODES]),
        "covered 0, cursor 1, wraps 1\n"
    );
    // Every line begins at the left, in this order.
    let lines = terminal.lines();
    let mut rest = lines.iter();
    for start in [&["what was here"], left].concat() {
        assert!(
            rest.any(|line| line.starts_with(start)),
            "no {start:?} in {lines:#?}"
        );
    }
    assert!(terminal.has_no_staircase(), "{lines:#?}");
    assert_eq!(terminal.pixels().extent(), None, "plain colours");
    terminal.enter("stty -g > \"$FOLDER/after\"; stty -a > \"$FOLDER/all\"");
    assert_eq!(terminal.file("after"), before);
    let all = terminal.file("all");
    for mode in ["icanon", "echo", "isig", "onlcr"] {
        assert!(
            all.split_whitespace().any(|word| word == mode),
            "no {mode} in {all}"
        );
    }
}

/// What a demo says that ended as it was asked to.
const DEMO: [&str; 4] = [
    "INFO demo: \"test\" over TCP at 127.0.0.1:",
    "INFO source: open: \"test\"",
    "INFO viewer 127.0.0.1:",
    "status 0",
];

#[test]
fn q_gives_the_terminal_back() {
    leaves_the_terminal_as_it_was("demo", |terminal| terminal.press("q"), &DEMO);
}

#[test]
fn control_c_gives_the_terminal_back() {
    leaves_the_terminal_as_it_was("demo", |terminal| terminal.press("C-c"), &DEMO);
}

#[test]
fn a_signal_gives_the_terminal_back() {
    let end = |terminal: &Terminal| {
        let status = Command::new("kill").arg(terminal.file("pid")).status();
        assert!(status.is_ok_and(|status| status.success()));
    };
    leaves_the_terminal_as_it_was("demo --display terminal", end, &DEMO);
}

#[test]
fn a_lost_sender_is_told_below_what_was_there() {
    let sender = Sender::start(["--pipeline", "test", "--no-preview"]);
    let target = sender.target();
    let lost = format!("error: lost the connection to \"{target}\"");
    leaves_the_terminal_as_it_was(
        &format!("recv {target} --no-reconnect"),
        |_| sender.process.signal("KILL"),
        &[
            "INFO sender 127.0.0.1:",
            &lost,
            "hint: vidchat recv",
            "status 3",
        ],
    );
}

#[test]
fn q_without_a_picture_ends_a_sender_and_its_log_is_no_staircase() {
    let Some(terminal) = Terminal::start() else {
        return;
    };
    terminal.enter(
        "stty -g > \"$FOLDER/before\"; \
         \"$VIDCHAT\" send --pipeline test --bind 127.0.0.1 --port 0; \
         echo status $?; stty -g > \"$FOLDER/after\"",
    );
    terminal.until("invitation", |t| t.has_line("q or Ctrl-C ends it."));
    // Said while the keyboard gives keys one by one.
    let closed = "INFO source: closed, as nobody watches";
    terminal.until("log", |t| t.has_line(closed));
    terminal.press("x");
    terminal.press("q");
    terminal.until("end", |t| t.has_line("status 0"));
    assert_eq!(terminal.file("after"), terminal.file("before"));
    assert!(terminal.has_no_staircase(), "{:#?}", terminal.lines());
    assert!(!terminal.lines().iter().any(|line| line.contains("error")));
}

#[test]
fn in_the_background_of_a_shell_it_is_not_stopped() {
    let Some(terminal) = Terminal::start() else {
        return;
    };
    terminal.enter("\"$VIDCHAT\" send --pipeline test --bind 127.0.0.1 --port 0 &");
    let ends = |line: &String| line.starts_with("kill ") && line.ends_with(" ends it.");
    terminal.until("invitation", |t| t.lines().iter().any(ends));
    let target = terminal.target();
    terminal.enter(&format!(
        "clear; \"$VIDCHAT\" recv {target} --display none --frames 10; echo status $?"
    ));
    terminal.until("frames", |t| t.has_line("status 0"));
    terminal.enter("clear; jobs > \"$FOLDER/jobs\"");
    let jobs = terminal.file("jobs");
    assert!(jobs.contains("Running"), "{jobs}");
    // The keyboard is the shell's.
    terminal.enter("kill $!; wait $!; echo status $?");
    terminal.until("end", |t| t.has_line("status 0"));
}

const LIGHT: u8 = 200;

/// What runs in the terminal: a step for each file that appears.
fn freezes_and_goes_on(folder: &std::path::Path) {
    let step = |name: &str| until(name, || folder.join(name).exists());
    let mut shown = Shown::on("terminal");
    shown.player.cover("connecting to desk (1 s)");
    shown.measure(320, 240);
    step("live");
    shown.show(1, 320, 240, LIGHT);
    step("cover");
    shown.player.cover("reconnecting to desk (1 s)");
    shown.player.cover("reconnecting \x1b[31mto desk (12 s)");
    step("again");
    shown.show(2, 320, 240, LIGHT - 50);
    step("end");
}

#[test]
fn the_terminal_shows_the_freeze_frame_until_a_live_frame_comes() {
    if std::env::var_os("VIDCHAT_TEST_INSIDE").is_some() {
        let folder = std::env::var_os("FOLDER").expect("it is set for the terminal");
        return freezes_and_goes_on(folder.as_ref());
    }
    let Some(terminal) = Terminal::start() else {
        return;
    };
    let name = "display::terminal::the_terminal_shows_the_freeze_frame_until_a_live_frame_comes";
    terminal.enter(&format!(
        "VIDCHAT_TEST_INSIDE=1 \"$TEST\" --exact {name} > /dev/null; echo status $?"
    ));
    let says = |t: &Terminal, text: &str| t.lines().iter().any(|line| line.contains(text));
    let is_grey = |t: &Terminal, row: usize, level: u8| {
        let near = |colour: &[u8; 3]| colour.iter().all(|l| l.abs_diff(level) < 8);
        let row = t.pixels().across(row);
        !row.is_empty() && row.iter().all(near)
    };
    let step = |name: &str| std::fs::write(terminal.path(name), "").unwrap();
    terminal.until("black with a text", |t| {
        says(t, " connecting to desk (1 s)") && is_grey(t, 5, 0)
    });
    step("live");
    terminal.until("live", |t| (1..22).all(|row| is_grey(t, row, LIGHT)));
    step("cover");
    terminal.until("freeze frame", |t| {
        says(t, " reconnecting  [31mto desk (12 s)") && is_grey(t, 5, LIGHT / 20 * 9)
    });
    step("again");
    terminal.until("live again", |t| {
        (1..22).all(|row| is_grey(t, row, LIGHT - 50)) && !says(t, "desk")
    });
    step("end");
    terminal.until("end", |t| t.has_line("status 0"));
}
