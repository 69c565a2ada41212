//! What the program says where GStreamer's plugins are not installed: which element it needs, in
//! which line, and what to type.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::{Ended, run, vidchat};

/// vidchat on a machine without a single plugin.
fn bare_vidchat(folder: &Path) -> Command {
    let plugins = folder.join("plugins");
    fs::create_dir_all(&plugins).unwrap();
    let mut command = vidchat();
    for version in ["", "_1_0"] {
        command
            .env(format!("GST_PLUGIN_SYSTEM_PATH{version}"), &plugins)
            .env_remove(format!("GST_PLUGIN_PATH{version}"))
            .env(format!("GST_REGISTRY{version}"), folder.join("registry"));
    }
    command
}

fn send(folder: &Path, args: &[&str]) -> Ended {
    let start = ["send", "--bind", "127.0.0.1", "--port", "0", "--no-preview"];
    run(bare_vidchat(folder).args(start).args(args))
}

/// Asserts that it could not start for this reason, with Debian's way to mend it.
fn fails(ended: &Ended, said: &str, package: &str) {
    assert_eq!((ended.code(), &ended.stdout[..]), (1, ""));
    let (error, hint) = ended
        .stderr
        .split_once("\nhint: ")
        .expect("there is a hint");
    assert_eq!(error, format!("error: {said}"));
    // Other systems have packages of other names.
    if Path::new("/etc/debian_version").exists() {
        assert_eq!(hint, format!("sudo apt install {package}"));
    }
}

#[test]
fn an_element_that_is_not_installed_names_its_line_and_its_package() {
    let folder = tempfile::tempdir().unwrap();
    fails(
        &send(folder.path(), &["--pipeline", "test"]),
        "the pipeline \"test\" (line 4) needs the GStreamer element \"videotestsrc\": it is not \
         installed",
        "gstreamer1.0-plugins-base",
    );
    let path = folder.path().join("mine.gst");
    fs::write(&path, "# Mine.\n\nx264enc\n  ! appsink name=frames\n").unwrap();
    let path = path.to_str().unwrap();
    let said = format!(
        "the pipeline {path:?} (line 3) needs the GStreamer element \"x264enc\": it is not installed"
    );
    for ended in [
        send(folder.path(), &["--pipeline", path]),
        run(bare_vidchat(folder.path()).args(["pipelines", "check", path])),
    ] {
        fails(&ended, &said, "gstreamer1.0-plugins-ugly");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_camera_needs_an_element_too() {
    let folder = tempfile::tempdir().unwrap();
    fails(
        &send(folder.path(), &[]),
        "cannot use a camera: GStreamer has none of: v4l2src, libcamerasrc",
        "gstreamer1.0-plugins-good",
    );
}

#[test]
fn the_demo_fails_for_the_reason_of_its_sender() {
    let folder = tempfile::tempdir().unwrap();
    let ended = run(bare_vidchat(folder.path()).args(["demo", "--display", "none"]));
    assert_eq!((ended.code(), &ended.stdout[..]), (1, ""));
    let errors: Vec<&str> = ended
        .stderr
        .lines()
        .filter(|line| line.starts_with("error: "))
        .collect();
    let said = "error: the pipeline \"test\" (line 4) needs the GStreamer element \"videotestsrc\": \
                it is not installed";
    assert_eq!(errors, [said]);
}
