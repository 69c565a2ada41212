//! The way to a file through symbolic links: every place where the path may come to mean another
//! file.
//!
//! A link may stand for the file or for a folder on the way to it, and may lead to other links, as
//! those of stow, Nix and mounted configuration do.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};

/// As many links as Linux follows.
const MOST_LINKS: usize = 40;

/// A name in a folder, whose change changes the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    folder: PathBuf,
    name: OsString,
}

impl Place {
    /// The folder, which has no links in its path.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether a change at `path` is one of this name or of the whole folder.
    pub(crate) fn is_met(&self, path: &Path) -> bool {
        path.file_name() == Some(&self.name) || path == self.folder
    }
}

/// The places of the links on the way to `path`, and the place of the file itself. Where the way
/// ends early, the last place is the name that is missing.
pub(crate) fn places(path: &Path) -> Vec<Place> {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut places = Vec::new();
    let mut folder = PathBuf::new();
    let mut rest = parts(&path);
    let mut links = 0;
    while let Some(part) = rest.pop_front() {
        if part == OsStr::new("..") {
            folder.pop();
            continue;
        }
        let step = folder.join(&part);
        if step.parent().is_none() || part.is_empty() {
            folder = step;
            continue;
        }
        let target = step.read_link().ok();
        let is_missing = step.symlink_metadata().is_err();
        if target.is_some() || is_missing || rest.is_empty() {
            let folder = folder.clone();
            places.push(Place { folder, name: part });
        }
        match target {
            Some(_) if links == MOST_LINKS => break,
            Some(target) => {
                links += 1;
                if target.is_absolute() {
                    folder = PathBuf::new();
                }
                for part in parts(&target).into_iter().rev() {
                    rest.push_front(part);
                }
            }
            None if is_missing => break,
            None => folder = step,
        }
    }
    places
}

/// The parts of a path, with its root.
fn parts(path: &Path) -> VecDeque<OsString> {
    let parts = path.components().filter(|part| *part != Component::CurDir);
    parts.map(|part| part.as_os_str().to_owned()).collect()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    /// The places as `folder/name`, from `root` on.
    fn seen(root: &Path, path: &str) -> Vec<String> {
        let places = places(&root.join(path)).into_iter();
        let shown = |place: Place| {
            let path = place.folder.join(place.name);
            path.strip_prefix(root).unwrap().display().to_string()
        };
        places.map(shown).collect()
    }

    #[test]
    fn every_link_on_the_way_is_a_place() {
        let folder = tempfile::tempdir().unwrap();
        let root = &folder.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("store/v1/deep")).unwrap();
        fs::write(root.join("store/v1/mine.gst"), "").unwrap();
        symlink("v1", root.join("store/..data")).unwrap();
        symlink("..data/mine.gst", root.join("store/mine.gst")).unwrap();
        symlink(root.join("store/mine.gst"), root.join("far.gst")).unwrap();
        symlink("../..data/deep/../mine.gst", root.join("store/v1/up.gst")).unwrap();
        symlink("loop.gst", root.join("loop.gst")).unwrap();
        symlink("store/gone/mine.gst", root.join("gone.gst")).unwrap();
        let file = "store/v1/mine.gst";
        assert_eq!(seen(root, file), [file]);
        let whole = ["far.gst", "store/mine.gst", "store/..data", file];
        assert_eq!(seen(root, "far.gst"), whole);
        assert_eq!(seen(root, "store/mine.gst"), whole[1..]);
        let up = ["store/..data", "store/v1/up.gst", "store/..data", file];
        assert_eq!(seen(root, "store/..data/up.gst"), up);
        assert_eq!(seen(root, "gone.gst"), ["gone.gst", "store/gone"]);
        assert_eq!(seen(root, "loop.gst").len(), MOST_LINKS + 1);
    }
}
