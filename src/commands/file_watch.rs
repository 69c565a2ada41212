//! Notices that a pipeline file was saved. The `--watch` flag of both ends uses it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::time::{Instant, sleep_until};

use crate::failure::{Failure, Outcome};
use crate::media::PipelineFile;
use crate::media::pipeline::catalog;

use super::or_never::or_never;

/// A file that was not touched for this long is complete: editors write in several steps.
const QUIET: Duration = Duration::from_millis(200);

/// Watches one pipeline file.
pub struct FileWatch {
    /// The file as it was last read.
    file: PipelineFile,
    touched: UnboundedReceiver<()>,
    /// When the file will have been quiet for [`QUIET`].
    whole_at: Option<Instant>,
    /// Dropping it ends the watch.
    _watcher: RecommendedWatcher,
}

impl FileWatch {
    /// Watches `file`. Fails where the pipeline is part of the program and not a file.
    pub fn open(file: &PipelineFile) -> Outcome<Self> {
        let Some(path) = &file.path else {
            return Err(
                Failure::usage(format!("cannot watch the pipeline {:?}", file.name))
                    .cause("it is part of the program, not a file")
                    .hint(format!(
                        "vidchat pipelines show {} > mine.gst makes a file of it",
                        file.name
                    )),
            );
        };
        let cannot = |e: notify::Error| {
            Failure::start(format!("cannot watch the pipeline {}", file.place(None))).cause(e)
        };
        let (touch, touched) = mpsc::unbounded_channel();
        let places = places(path);
        let names: Vec<_> = places.iter().filter_map(|p| p.file_name()).collect();
        let names: Vec<_> = names.into_iter().map(OsStr::to_owned).collect();
        let mut watcher =
            notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
                // An event with an error may have been about our file.
                let ours = event.is_ok_and(|event| {
                    writes(event.kind)
                        && (event.need_rescan()
                            || event.paths.iter().any(|path| {
                                path.file_name()
                                    .is_some_and(|name| names.iter().any(|n| n == name))
                            }))
                });
                if ours {
                    let _ = touch.send(());
                }
            })
            .map_err(cannot)?;
        // Folders are watched, since most editors write another file and give it the old one's
        // name.
        for place in &places {
            let folder = place.parent().unwrap_or(Path::new("."));
            watcher
                .watch(folder, RecursiveMode::NonRecursive)
                .map_err(cannot)?;
        }
        Ok(Self {
            file: file.clone(),
            touched,
            whole_at: None,
            _watcher: watcher,
        })
    }

    /// Waits until the file was saved with another content, and reads it. The wait may be cancelled
    /// without losing anything.
    pub async fn saved(&mut self) -> Outcome<PipelineFile> {
        loop {
            let whole_at = self.whole_at;
            tokio::select! {
                Some(()) = self.touched.recv() => self.whole_at = Some(Instant::now() + QUIET),
                () = or_never(whole_at.map(sleep_until)) => {
                    self.whole_at = None;
                    let file = catalog::find(self.file.direction, &self.file.name)?;
                    if file.text != self.file.text {
                        self.file = file.clone();
                        return Ok(file);
                    }
                }
            }
        }
    }

    /// The file as it was last read.
    pub fn file(&self) -> &PipelineFile {
        &self.file
    }
}

/// The pipeline file when it is saved. Waits for ever where no file is watched.
pub async fn saved(watch: &mut Option<FileWatch>) -> Outcome<PipelineFile> {
    or_never(watch.as_mut().map(FileWatch::saved)).await
}

/// Folders in which the file may be written: its own, and the one that a link leads to.
fn places(path: &Path) -> Vec<PathBuf> {
    let own = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut places = vec![own];
    if let Ok(real) = path.canonicalize()
        && !places.contains(&real)
    {
        places.push(real);
    }
    places
}

/// Whether something was written. Reading the file also causes events, and we read it ourselves.
fn writes(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(how) => how == AccessKind::Close(AccessMode::Write),
        _ => true,
    }
}
