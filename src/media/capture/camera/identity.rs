//! The identity of a camera: the facts that stay the same when it is unplugged and comes back.
//!
//! Its number does not stay the same. The facts come from the kernel's own files, so neither udev
//! nor its links are needed.

use std::fs;
use std::path::{Path, PathBuf};

/// The facts that tell a video device from others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Vendor, product and serial number of a USB device that has one.
    serial: Option<String>,
    /// Vendor and product of a USB device.
    model: Option<String>,
    /// The part of the USB device. Some devices have two cameras.
    part: Option<String>,
    /// The port that it is plugged into: the device's place in the kernel's tree.
    port: Option<PathBuf>,
    /// The kernel's name for it.
    name: String,
    /// The number of the node among the device's nodes. A camera often has a second one, for
    /// metadata.
    index: String,
}

impl Identity {
    /// The camera behind `node`, such as `/dev/video0`. `system` is the kernel's tree, `/sys`.
    pub fn of(system: &Path, node: &Path) -> Option<Self> {
        // The person may have named a link of udev's.
        let node = fs::canonicalize(node).unwrap_or_else(|_| node.to_owned());
        let folder = system.join("class/video4linux").join(node.file_name()?);
        let name = word(&folder.join("name"))?;
        let port = fs::canonicalize(folder.join("device")).ok();
        let device = port.as_deref().and_then(Path::parent);
        let of_device = |file: &str| word(&device?.join(file));
        let model = of_device("idVendor")
            .zip(of_device("idProduct"))
            .map(|(vendor, product)| format!("{vendor}:{product}"));
        let serial = of_device("serial")
            .zip(model.as_ref())
            .map(|(serial, model)| format!("{model}:{serial}"));
        Some(Self {
            serial,
            model,
            part: port
                .as_deref()
                .and_then(|port| word(&port.join("bInterfaceNumber"))),
            port,
            name,
            index: word(&folder.join("index")).unwrap_or_default(),
        })
    }

    /// The one of `nodes` that is this camera: by its serial number, otherwise by its port, otherwise
    /// by its name where only one camera has it. Another camera is never taken for it.
    pub fn find(&self, system: &Path, nodes: &[PathBuf]) -> Option<PathBuf> {
        let others: Vec<(&PathBuf, Self)> = nodes
            .iter()
            .filter_map(|node| Some((node, Self::of(system, node)?)))
            .filter(|(_, other)| self.may_be(other))
            .collect();
        let here = |other: &Self| other.port.is_some() && other.port == self.port;
        let same_serial = |other: &Self| other.serial.is_some() && other.serial == self.serial;
        let one = |holds: &dyn Fn(&Self) -> bool| {
            let mut found = others.iter().filter(|(_, other)| holds(other));
            match (found.next(), found.next()) {
                (Some((node, _)), None) => Some((*node).clone()),
                _ => None,
            }
        };
        // Cheap cameras all have the same serial number: then the port decides.
        one(&same_serial)
            .or_else(|| one(&here))
            .or_else(|| one(&|_| true))
    }

    /// Whether no fact tells `other` from this camera.
    fn may_be(&self, other: &Self) -> bool {
        self.name == other.name
            && self.index == other.index
            && self.part == other.part
            && self.model == other.model
            && self.serial == other.serial
    }
}

/// The content of a small file, if it has any.
fn word(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    /// A tree like the kernel's.
    struct Tree(tempfile::TempDir);

    /// One node of a USB camera.
    struct Node<'a> {
        number: u32,
        port: &'a str,
        serial: Option<&'a str>,
        product: &'a str,
        name: &'a str,
        index: u32,
    }

    const WEBCAM: Node = Node {
        number: 0,
        port: "1-2",
        serial: Some("A1"),
        product: "0825",
        name: "Webcam",
        index: 0,
    };

    impl Tree {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn plug(&self, node: &Node) {
            let device = self.0.path().join("devices/usb1").join(node.port);
            let port = device.join(format!("{}:1.0", node.port));
            let class = self.0.path().join("class/video4linux");
            let folder = class.join(format!("video{}", node.number));
            fs::create_dir_all(&port).unwrap();
            fs::create_dir_all(&folder).unwrap();
            let write = |path: PathBuf, text: &str| fs::write(path, format!("{text}\n")).unwrap();
            write(device.join("idVendor"), "046d");
            write(device.join("idProduct"), node.product);
            if let Some(serial) = node.serial {
                write(device.join("serial"), serial);
            }
            write(port.join("bInterfaceNumber"), "00");
            write(folder.join("name"), node.name);
            write(folder.join("index"), &node.index.to_string());
            std::os::unix::fs::symlink(&port, folder.join("device")).unwrap();
        }

        fn unplug_all(&self) {
            for folder in ["devices", "class"] {
                fs::remove_dir_all(self.0.path().join(folder)).unwrap();
            }
        }

        fn who(&self, number: u32) -> Identity {
            Identity::of(self.0.path(), &path(number)).unwrap()
        }

        fn find(&self, identity: &Identity) -> Option<PathBuf> {
            let nodes: Vec<PathBuf> = (0..10).map(path).collect();
            identity.find(self.0.path(), &nodes)
        }
    }

    fn path(number: u32) -> PathBuf {
        PathBuf::from(format!("/nowhere/video{number}"))
    }

    /// Plugs `first` in, then the `later` ones in its place; where the first is then.
    fn found(first: &Node, later: &[Node]) -> Option<PathBuf> {
        let tree = Tree::new();
        tree.plug(first);
        let identity = tree.who(first.number);
        assert_eq!(tree.find(&identity), Some(path(first.number)));
        tree.unplug_all();
        assert_eq!(tree.find(&identity), None);
        later.iter().for_each(|node| tree.plug(node));
        tree.find(&identity)
    }

    #[test]
    fn a_camera_is_found_by_its_serial_number_at_another_port_and_number() {
        let other = Node {
            serial: Some("B2"),
            ..WEBCAM
        };
        let back = Node {
            number: 4,
            port: "1-3",
            ..WEBCAM
        };
        assert_eq!(found(&WEBCAM, &[other, back]), Some(path(4)));
    }

    #[test]
    fn another_camera_is_not_taken_for_it_even_in_its_place() {
        for other in [
            Node {
                serial: Some("B2"),
                ..WEBCAM
            },
            Node {
                serial: None,
                ..WEBCAM
            },
            Node {
                product: "0826",
                ..WEBCAM
            },
            Node {
                name: "Infrared",
                ..WEBCAM
            },
            Node { index: 1, ..WEBCAM },
        ] {
            assert_eq!(found(&WEBCAM, &[other]), None);
        }
    }

    #[test]
    fn one_without_a_serial_number_is_found_by_its_port() {
        let nameless = Node {
            serial: None,
            ..WEBCAM
        };
        let twin = Node {
            serial: None,
            port: "1-3",
            ..WEBCAM
        };
        let back = Node {
            serial: None,
            number: 2,
            ..WEBCAM
        };
        assert_eq!(found(&nameless, &[twin, back]), Some(path(2)));
    }

    #[test]
    fn at_another_port_its_name_counts_where_only_one_has_it() {
        let nameless = |number, port| Node {
            serial: None,
            number,
            port,
            ..WEBCAM
        };
        let first = nameless(0, "1-2");
        assert_eq!(found(&first, &[nameless(3, "1-3")]), Some(path(3)));
        let two = [nameless(3, "1-3"), nameless(4, "1-4")];
        assert_eq!(found(&first, &two), None);
    }

    #[test]
    fn equal_serial_numbers_are_told_apart_by_the_port() {
        let twin = Node {
            port: "1-3",
            ..WEBCAM
        };
        let back = Node {
            number: 5,
            ..WEBCAM
        };
        assert_eq!(found(&WEBCAM, &[twin, back]), Some(path(5)));
    }

    #[test]
    fn what_is_no_video_device_is_nobody() {
        let tree = Tree::new();
        assert_eq!(Identity::of(tree.0.path(), &path(0)), None);
    }
}
