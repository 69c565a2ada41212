//! Which package brings a GStreamer element, so that an error about a missing one can say what to
//! type. The table is `packaging/packages.txt`, which `scripts/setup` installs from.

use std::fs;

const TABLE: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/packaging/packages.txt"
));

/// How RPM tells a library of this machine's own kind from one of 32 bits.
const RPM_BITS: &str = if cfg!(target_pointer_width = "64") {
    "()(64bit)"
} else {
    ""
};

/// One line of the table. A package is `-` where the system has none.
struct Row<'a> {
    apt: &'a str,
    pacman: &'a str,
    brew: &'a str,
    /// Names of elements, separated by spaces; one that ends in `*` stands for all that begin so.
    elements: &'a str,
}

/// By what packages are installed.
#[derive(Clone, Copy)]
enum Manager {
    Apt,
    /// The command to type. Its packages tell which elements they have.
    Rpm(&'static str),
    Pacman,
    Brew,
    /// GStreamer's own, on Windows.
    Installer,
}

/// The Linux systems by `ID` or `ID_LIKE` of /etc/os-release.
const SYSTEMS: [(&str, Manager); 7] = [
    ("debian", Manager::Apt),
    ("ubuntu", Manager::Apt),
    ("fedora", Manager::Rpm("dnf")),
    ("rhel", Manager::Rpm("dnf")),
    ("opensuse", Manager::Rpm("zypper")),
    ("suse", Manager::Rpm("zypper")),
    ("arch", Manager::Pacman),
];

/// Elements of which no system has a package, with the crate whose plugin has them.
const BUILT: [(&str, &str); 4] = [
    ("moqsink", "moq-gst"),
    ("moqsrc", "moq-gst"),
    ("zenohsink", "gst-plugin-zenoh"),
    ("zenohsrc", "gst-plugin-zenoh"),
];

/// What to type on this machine so that `element` is there, such as
/// `sudo apt install gstreamer1.0-plugins-good`; `None` where nothing is known.
pub fn install_hint(element: &str) -> Option<String> {
    if let Some((_, plugin)) = BUILT.iter().find(|(known, _)| *known == element) {
        return Some(format!(
            "no package has it: docs/pipelines.md says how to build {plugin}"
        ));
    }
    hint_for(element, this_manager()?)
}

/// What to type on this machine so that a shared library is there, such as
/// `sudo apt install libxkbcommon-x11-0`.
pub fn library(name: &str) -> Option<String> {
    library_hint(name, this_manager()?)
}

fn library_hint(name: &str, manager: Manager) -> Option<String> {
    let probe = format!("shared:{name}");
    let mut rows = table().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let row = rows.find(|fields| fields.get(1) == Some(&&*probe))?;
    let (command, package) = match manager {
        Manager::Apt => ("apt install", row.get(2)?),
        Manager::Rpm(command) => return Some(format!("sudo {command} install {}", row.get(3)?)),
        Manager::Pacman => ("pacman -S", row.get(4)?),
        Manager::Brew | Manager::Installer => return None,
    };
    Some(format!("sudo {command} {package}"))
}

fn this_manager() -> Option<Manager> {
    if cfg!(target_os = "macos") {
        Some(Manager::Brew)
    } else if cfg!(target_os = "windows") {
        Some(Manager::Installer)
    } else {
        manager_of(&fs::read_to_string("/etc/os-release").unwrap_or_default())
    }
}

/// The package manager of the system that `os_release` describes.
fn manager_of(os_release: &str) -> Option<Manager> {
    os_release
        .lines()
        .filter_map(|line| line.strip_prefix("ID=").or(line.strip_prefix("ID_LIKE=")))
        .flat_map(|value| value.trim_matches(['"', '\'']).split([' ', '-']))
        .find_map(|id| SYSTEMS.iter().find(|system| system.0 == id))
        .map(|system| system.1)
}

fn hint_for(element: &str, manager: Manager) -> Option<String> {
    let row = row_of(element)?;
    let (command, package) = match manager {
        Manager::Apt => ("sudo apt install", row.apt),
        Manager::Pacman => ("sudo pacman -S", row.pacman),
        Manager::Brew => ("brew install", row.brew),
        Manager::Installer => {
            return Some("run GStreamer's installer again and choose Complete".into());
        }
        // What Debian has no package of is not for Linux.
        Manager::Rpm(_) if row.apt == "-" => return None,
        Manager::Rpm(command) => {
            return Some(format!(
                "sudo {command} install 'gstreamer1(element-{element}){RPM_BITS}'"
            ));
        }
    };
    (package != "-").then(|| format!("{command} {package}"))
}

/// The row that has `element`: by its full name, else by how it begins.
fn row_of(element: &str) -> Option<Row<'static>> {
    let begins = |name: &str| {
        name.strip_suffix('*')
            .is_some_and(|start| element.starts_with(start))
    };
    rows()
        .find(|row| row.elements.split(' ').any(|name| name == element))
        .or_else(|| rows().find(|row| row.elements.split(' ').any(begins)))
}

fn rows() -> impl Iterator<Item = Row<'static>> {
    table().filter_map(row)
}

fn table() -> impl Iterator<Item = &'static str> {
    TABLE.lines().filter(|line| !line.starts_with('#'))
}

/// `None` where the line names no elements.
fn row(line: &str) -> Option<Row<'_>> {
    let mut rest = line;
    let mut field = || {
        let (field, after) = rest.split_once(' ')?;
        rest = after.trim_start();
        Some(field)
    };
    let [_, _, apt, _, pacman, brew] = [field()?, field()?, field()?, field()?, field()?, field()?];
    Some(Row {
        apt,
        pacman,
        brew,
        elements: rest,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEBIAN: &str = "PRETTY_NAME=\"Debian\"\nID=debian\n";

    fn hint(element: &str, os_release: &str) -> Option<String> {
        hint_for(element, manager_of(os_release)?)
    }

    #[test]
    fn each_system_is_told_in_its_own_words() {
        let debian = "sudo apt install gstreamer1.0-plugins-good";
        let rpm =
            |command| format!("sudo {command} install 'gstreamer1(element-v4l2src){RPM_BITS}'");
        for (os_release, expected) in [
            (DEBIAN, debian),
            ("ID=raspbian\nID_LIKE=debian", debian),
            ("ID=nobara\nID_LIKE=\"rhel fedora\"", &rpm("dnf")),
            ("ID=\"opensuse-leap\"", &rpm("zypper")),
            ("ID=arch", "sudo pacman -S gst-plugins-good"),
        ] {
            let found = hint("v4l2src", os_release);
            assert_eq!(found.as_deref(), Some(expected), "{os_release}");
        }
        assert_eq!(hint("v4l2src", "ID=haiku"), None);
    }

    #[test]
    fn the_package_is_the_one_that_has_the_element() {
        for (element, expected) in [
            // Each of these begins as elements of another package do.
            ("vaapih264dec", Some("vaapi")),
            ("vah264dec", Some("plugins-bad")),
            ("avdec_h264", Some("libav")),
            ("avimux", Some("plugins-good")),
            ("rtpsrc", Some("plugins-bad")),
            ("rtspclientsink", Some("rtsp")),
            ("hlsdemux2", Some("plugins-good")),
            ("decodebin3", Some("plugins-base")),
            ("glimagesink", Some("gl")),
            ("x264enc", Some("plugins-ugly")),
            ("clockoverlay", Some("x")),
            ("gtksink", Some("gtk3")),
            ("libcamerasrc", Some("libcamera")),
            // Not for Linux, or of none of these packages.
            ("vtenc_h264", None),
            ("mfh264enc", None),
            ("valve", None),
            ("nvv4l2decoder", None),
            ("nosuchthing", None),
        ] {
            let expected = expected.map(|name| format!("sudo apt install gstreamer1.0-{name}"));
            assert_eq!(hint(element, DEBIAN), expected, "{element}");
        }
        assert_eq!(hint("vtenc_h264", "ID=fedora"), None);
        let arch = Some("sudo pacman -S gst-plugin-va".into());
        assert_eq!(hint("vah264enc", "ID=arch"), arch);
        let brew = Some("brew install gstreamer".into());
        assert_eq!(hint_for("vtenc_h264", Manager::Brew), brew);
    }

    #[test]
    fn every_line_of_the_table_is_whole() {
        let mut names = Vec::new();
        for line in TABLE.lines().filter(|line| !line.starts_with('#')) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let uses = ["build", "run", "tests", "hint"];
            assert!(fields.len() >= 6 && uses.contains(&fields[0]), "{line}");
            let is_hint = fields[0] == "hint";
            assert_eq!(
                (fields[1] == "-", fields.len() > 6),
                (is_hint, is_hint),
                "{line}"
            );
            names.extend_from_slice(&fields[6..]);
        }
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(
            (names.len(), count > 300),
            (count, true),
            "a name stands twice"
        );
    }
}
