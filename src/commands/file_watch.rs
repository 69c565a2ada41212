//! Notices that a pipeline file was saved. The `--watch` flag of both ends uses it.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use parking_lot::Mutex;
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::time::{Instant, sleep_until};

use crate::failure::{Failure, Outcome};
use crate::media::PipelineFile;

use super::link_chain::{self, Place};
use super::or_never::or_never;

/// A file that was not touched for this long is complete: editors write in several steps.
const QUIET: Duration = Duration::from_millis(200);
/// A file may be gone for this long, as while a link is made anew.
const GONE: Duration = Duration::from_secs(1);

/// Watches one pipeline file.
pub struct FileWatch {
    /// The file as it was last read.
    file: PipelineFile,
    path: PathBuf,
    touched: UnboundedReceiver<()>,
    /// When the file will have been quiet for [`QUIET`].
    whole_at: Option<Instant>,
    /// When a file that is gone will have been so for [`GONE`].
    gone_at: Option<Instant>,
    /// The places whose changes count, which the watcher's thread compares with.
    places: Arc<Mutex<Vec<Place>>>,
    /// Dropping it ends the watch.
    watcher: RecommendedWatcher,
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
        let places: Arc<Mutex<Vec<Place>>> = Arc::default();
        let known = Arc::clone(&places);
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // An event with an error may have been about our file.
            let ours = event.is_ok_and(|event| {
                let places = known.lock();
                writes(event.kind)
                    && (event.need_rescan()
                        || event
                            .paths
                            .iter()
                            .any(|p| places.iter().any(|at| at.is_met(p))))
            });
            if ours {
                let _ = touch.send(());
            }
        })
        .map_err(cannot)?;
        let mut watch = Self {
            file: file.clone(),
            path: path.clone(),
            touched,
            // The file may have been saved since it was read.
            whole_at: Some(Instant::now()),
            gone_at: None,
            places,
            watcher,
        };
        watch.follow().map_err(cannot)?;
        Ok(watch)
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
                    if let Some(file) = self.read()? {
                        return Ok(file);
                    }
                }
            }
        }
    }

    /// Reads the file; `None` where it is the same as before, or gone for a moment.
    fn read(&mut self) -> Outcome<Option<PipelineFile>> {
        // The watch comes before the reading, so no change falls between the two.
        if let Err(e) = self.follow() {
            tracing::warn!("{}: cannot be watched: {e}", self.file.place(None));
        }
        let is_gone = |e: io::Error| e.kind() == io::ErrorKind::NotFound;
        if self.path.metadata().is_err_and(is_gone) {
            let now = Instant::now();
            let until = *self.gone_at.get_or_insert(now + GONE);
            if now < until {
                self.whole_at = Some(until);
                return Ok(None);
            }
        } else {
            self.gone_at = None;
        }
        let file = PipelineFile::read(self.file.direction, &self.file.name, &self.path)?;
        if file.text == self.file.text {
            return Ok(None);
        }
        self.file = file.clone();
        Ok(Some(file))
    }

    /// Watches the folders of the file and of every link on the way to it. Folders are watched,
    /// since most editors write another file and give it the old one's name.
    fn follow(&mut self) -> notify::Result<()> {
        // A place may change while it is about to be watched. Then the way is another one.
        loop {
            let places = link_chain::places(&self.path);
            let before = std::mem::replace(&mut *self.places.lock(), places.clone());
            let mut paths = self.watcher.paths_mut();
            // A folder that was replaced has the name of the one that is watched.
            for place in &before {
                let _ = paths.remove(place.folder());
            }
            let mut watched = Ok(());
            for place in &places {
                watched = watched.and(paths.add(place.folder(), RecursiveMode::NonRecursive));
            }
            paths.commit()?;
            if link_chain::places(&self.path) == places {
                return watched;
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

/// Whether something was written. Reading the file also causes events, and we read it ourselves.
fn writes(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(how) => how == AccessKind::Close(AccessMode::Write),
        _ => true,
    }
}
