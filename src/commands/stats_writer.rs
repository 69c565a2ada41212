//! Statistics for other programs: one JSON object a line, once a second.
//!
//! A reader may be slow or stop, and neither viewers nor the picture may wait for it. So a thread,
//! "stats", writes the lines, and lines are left out when it falls behind.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;
use std::sync::mpsc::{SyncSender, sync_channel};

use serde::Serialize;
use tracing::{info, warn};

use crate::cli::StatsArgs;
use crate::console;
use crate::failure::{Failure, Outcome, describe};
use crate::frame::TimeOrigin;

/// How many lines may wait to be written.
const BACKLOG: usize = 16;

/// Where statistics go.
#[derive(Clone, Debug)]
pub struct StatsWriter(SyncSender<String>);

impl StatsWriter {
    /// Opens the output that the flags ask for; `None` where they ask for none.
    pub fn open(args: &StatsArgs) -> Outcome<Option<Self>> {
        if args.stats.is_none() && args.stats_file.is_none() {
            return Ok(None);
        }
        let mut file = args.stats_file.as_deref().map(create).transpose()?;
        let (lines, written) = sync_channel::<String>(BACKLOG);
        std::thread::Builder::new()
            .name("stats".into())
            .spawn(move || {
                let (mut begun, mut missing, mut is_torn) = (false, false, false);
                for line in written {
                    let ending = match &mut file {
                        Some(file) => {
                            if !std::mem::replace(&mut begun, true) {
                                let _ = file.set_len(0);
                            }
                            let written = console::write_line(file, &line, &mut is_torn);
                            written.map_err(|e| describe(&e))
                        }
                        None => console::output_line(&line, &mut is_torn)
                            .map_err(|failure| failure.summary()),
                    };
                    // A full disk does not end the video.
                    match (&ending, missing) {
                        (Err(reason), false) => warn!("stats: lines are missing: {reason}"),
                        (Ok(()), true) => info!("stats: written again"),
                        _ => {}
                    }
                    missing = ending.is_err();
                }
            })
            .map_err(|e| Failure::start("cannot write statistics").cause(e))?;
        Ok(Some(Self(lines)))
    }

    /// Writes a line, unless too many wait already.
    pub fn write(&self, line: &impl Serialize) {
        if let Ok(mut text) = serde_json::to_string(line) {
            text.push('\n');
            let _ = self.0.try_send(text);
        }
    }
}

/// Opens the file. It is truncated at the first line, so a program that could not start leaves the
/// old content.
fn create(path: &Path) -> Outcome<File> {
    let mut options = File::options();
    options.append(true).create(true);
    open(&mut options, path).map_err(|e| {
        let failure = Failure::start(format!(
            "cannot write statistics to {:?}",
            path.display().to_string()
        ));
        if is_unread(&e) {
            return failure
                .cause("it is a FIFO that nobody reads")
                .hint("start the program that reads it first");
        }
        failure
            .cause(describe(&e))
            .hint("--stats-file takes the path of a file that may be written")
    })
}

/// Opens a file without waiting for a reader of a FIFO.
#[cfg(unix)]
fn open(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    let file = options.custom_flags(libc::O_NONBLOCK).open(path)?;
    // The thread that writes waits for a slow reader, as lines would be cut off otherwise.
    rustix::io::ioctl_fionbio(&file, false)?;
    Ok(file)
}

#[cfg(not(unix))]
fn open(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    options.open(path)
}

/// Whether a FIFO could not be opened as it has no reader.
#[cfg(unix)]
fn is_unread(e: &io::Error) -> bool {
    e.raw_os_error() == Some(libc::ENXIO)
}

#[cfg(not(unix))]
fn is_unread(_: &io::Error) -> bool {
    false
}

/// The place from which the ages of frames count, in one word.
pub fn age_since(origin: TimeOrigin) -> &'static str {
    match origin {
        TimeOrigin::Source | TimeOrigin::Stream => "camera",
        TimeOrigin::Arrival => "engine",
    }
}

/// Rounds a number to three decimal places.
pub fn rounded(number: f64) -> f64 {
    (number * 1e3).round() / 1e3
}
