//! `--watch`: every way in which a pipeline file comes to have another text is seen, through links
//! too.

use std::fs;
use std::path::Path;

use tokio::time::timeout;
use vidchat::commands::file_watch::FileWatch;
use vidchat::media::{Direction, PipelineFile};

use crate::support::PATIENCE;

struct Watched(FileWatch);

impl Watched {
    fn open(path: &Path) -> Self {
        let name = path.to_str().unwrap();
        let file = PipelineFile::read(Direction::Send, name, path).unwrap();
        Self(FileWatch::open(&file).unwrap())
    }

    /// Waits until the file has this text. It may be seen as it was in between.
    async fn becomes(&mut self, text: &str) {
        loop {
            let saved = timeout(PATIENCE, self.0.saved()).await;
            let saved = saved.unwrap_or_else(|_| panic!("{text:?} is not seen"));
            if saved.is_ok_and(|file| file.text == text) {
                return;
            }
        }
    }
}

/// Gives a link another target as `ln -sfn` does: in one step.
#[cfg(unix)]
fn relink(target: impl AsRef<Path>, link: &Path) {
    let new = link.with_file_name("new link");
    std::os::unix::fs::symlink(target, &new).unwrap();
    fs::rename(new, link).unwrap();
}

#[tokio::test]
async fn a_file_is_seen_however_it_is_saved() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.gst");
    fs::write(&path, "one").unwrap();
    let mut watched = Watched::open(&path);
    fs::write(&path, "two").unwrap();
    watched.becomes("two").await;
    fs::write(path.with_extension("new"), "three").unwrap();
    fs::rename(path.with_extension("new"), &path).unwrap();
    watched.becomes("three").await;
    fs::remove_file(&path).unwrap();
    fs::write(&path, "four").unwrap();
    watched.becomes("four").await;
}

#[tokio::test]
async fn a_file_that_is_saved_while_it_is_about_to_be_watched_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.gst");
    fs::write(&path, "one").unwrap();
    let file = PipelineFile::read(Direction::Send, "mine", &path).unwrap();
    fs::write(&path, "two").unwrap();
    Watched(FileWatch::open(&file).unwrap())
        .becomes("two")
        .await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_that_leads_elsewhere_is_followed_to_its_new_file() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for (link, first, second) in [
        ("absolute.gst", at("a.gst"), at("b.gst")),
        ("relative.gst", "a.gst".into(), "sub/c.gst".into()),
        ("chain.gst", "hop.gst".into(), "sub/../sub/c.gst".into()),
    ] {
        fs::create_dir_all(at("sub")).unwrap();
        fs::write(at("a.gst"), "a").unwrap();
        fs::write(at("b.gst"), "b").unwrap();
        fs::write(at("sub/c.gst"), "c").unwrap();
        relink("a.gst", &at("hop.gst"));
        relink(&first, &at(link));
        let mut watched = Watched::open(&at(link));
        fs::write(at("a.gst"), "a again").unwrap();
        watched.becomes("a again").await;
        relink(&second, &at(link));
        let target = folder.path().join(&second);
        watched.becomes(&fs::read_to_string(&target).unwrap()).await;
        for text in ["later", "and later"] {
            fs::write(&target, text).unwrap();
            watched.becomes(text).await;
        }
        relink(&first, &at(link));
        watched.becomes("a again").await;
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_in_the_middle_of_a_chain_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("a.gst"), "a").unwrap();
    fs::write(at("b.gst"), "b").unwrap();
    relink("a.gst", &at("hop.gst"));
    relink("hop.gst", &at("mine.gst"));
    let mut watched = Watched::open(&at("mine.gst"));
    relink("b.gst", &at("hop.gst"));
    watched.becomes("b").await;
    fs::write(at("b.gst"), "b again").unwrap();
    watched.becomes("b again").await;
}

/// Kubernetes makes a folder for each version of a configuration, and `..data` leads to the newest.
/// Nix and stow change links of folders in the same way.
#[cfg(unix)]
#[tokio::test]
async fn a_link_of_a_folder_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let version = |name: &str| {
        fs::create_dir(at(name)).unwrap();
        fs::write(at(name).join("mine.gst"), name).unwrap();
    };
    version("..v1");
    relink("..v1", &at("..data"));
    relink("..data/mine.gst", &at("mine.gst"));
    relink("..data", &at("profile"));
    let mut of_file = Watched::open(&at("mine.gst"));
    let mut of_folder = Watched::open(&at("profile/mine.gst"));
    for name in ["..v2", "..v3"] {
        version(name);
        relink(name, &at("..data"));
        of_file.becomes(name).await;
        of_folder.becomes(name).await;
    }
    fs::remove_dir_all(at("..v1")).unwrap();
    fs::write(at("..v3/mine.gst"), "in place").unwrap();
    of_file.becomes("in place").await;
    of_folder.becomes("in place").await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_that_is_gone_for_a_moment_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("old")).unwrap();
    fs::write(at("old/mine.gst"), "old").unwrap();
    relink("old", &at("now"));
    relink("now/mine.gst", &at("mine.gst"));
    let mut watched = Watched::open(&at("mine.gst"));
    // The link dangles for longer than a moment, so that the reader says so.
    relink("new", &at("now"));
    let gone = timeout(PATIENCE, watched.0.saved())
        .await
        .expect("it is told");
    let gone = gone.unwrap_err().to_string();
    assert!(gone.contains("no such file or directory"), "{gone}");
    fs::create_dir(at("new")).unwrap();
    fs::write(at("new/mine.gst"), "new").unwrap();
    watched.becomes("new").await;
    // A folder that is replaced as a whole.
    fs::create_dir(at("next")).unwrap();
    fs::write(at("next/mine.gst"), "next").unwrap();
    fs::rename(at("new"), at("gone")).unwrap();
    fs::rename(at("next"), at("new")).unwrap();
    watched.becomes("next").await;
    fs::write(at("new/mine.gst"), "last").unwrap();
    watched.becomes("last").await;
}
