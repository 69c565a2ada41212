//! The device nodes of cameras on Linux, and the facts that the kernel has about them.

use std::fs;
use std::path::{Path, PathBuf};

/// The folder in which the kernel describes its devices.
pub const SYSTEM: &str = "/sys";

/// The system's video devices, in the order of their numbers.
pub fn all() -> Vec<PathBuf> {
    let mut numbers: Vec<u32> = fs::read_dir("/dev")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            entry
                .file_name()
                .to_str()?
                .strip_prefix("video")?
                .parse()
                .ok()
        })
        .collect();
    numbers.sort_unstable();
    numbers
        .into_iter()
        .map(|number| PathBuf::from(format!("/dev/video{number}")))
        .collect()
}

/// The kernel's name for the camera behind a device.
pub fn name(node: &Path) -> String {
    let file = node.file_name().unwrap_or_default();
    let path = Path::new(SYSTEM).join("class/video4linux").join(file);
    let path = path.join("name");
    fs::read_to_string(path)
        .unwrap_or_default()
        .trim()
        .to_owned()
}

/// The programs that have `device` open, as far as this user may know.
pub fn holders(device: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
        // Other names are no processes, or this process by another name.
        let number = process.file_name().to_str().and_then(|n| n.parse().ok());
        let Some(number) = number.filter(|number: &u32| *number != std::process::id()) else {
            continue;
        };
        let descriptors = fs::read_dir(process.path().join("fd"))
            .into_iter()
            .flatten()
            .flatten();
        let mut links = descriptors.filter_map(|fd| fs::read_link(fd.path()).ok());
        if links.any(|link| link == device) {
            let command = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            found.push(format!("used by {} (process {number})", command.trim()));
        }
    }
    found
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn others_who_hold_a_device_are_named_and_we_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let device = folder.path().canonicalize().unwrap().join("video0");
        let own = fs::File::create(&device).unwrap();
        assert_eq!(holders(&device), Vec::<String>::new());
        let mut other = std::process::Command::new("sleep")
            .arg("60")
            .stdin(own.try_clone().unwrap())
            .spawn()
            .unwrap();
        let found = holders(&device);
        other.kill().unwrap();
        other.wait().unwrap();
        assert_eq!(found, [format!("used by sleep (process {})", other.id())]);
    }
}
