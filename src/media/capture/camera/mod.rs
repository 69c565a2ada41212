//! Which camera, and in which of its modes.
//!
//! Left alone, a camera element takes the largest picture that the camera has, often at a few
//! frames a second. So each camera is asked what it offers, and one mode is named.

pub(crate) mod device_nodes;
pub(crate) mod identity;
pub(crate) mod modes;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gst::prelude::*;
use gstreamer as gst;

use crate::failure::{Failure, Outcome, describe as describe_io};

use self::identity::Identity;
use self::modes::Mode;

/// What is wanted of a camera.
#[derive(Clone, Debug)]
pub struct CameraRequest {
    /// Which one: a path, a number or a part of its name. The first that works where it is
    /// missing.
    pub device: Option<String>,
    /// The width in pixels that pictures will be scaled to.
    pub width: u32,
    /// Frames a second.
    pub fps: u32,
    /// The camera's own JPEG pictures, as they are.
    pub jpeg: bool,
}

/// A camera in one of its modes.
#[derive(Clone, Debug)]
pub struct Camera {
    /// For a person: its name, its device and the mode.
    pub description: String,
    /// The device, where the system has files for them.
    pub device: Option<PathBuf>,
    /// For a pipeline: the element, the mode and, for compressed modes, the decoder.
    pub launch: String,
    /// By what it is known again, where the system tells.
    pub identity: Option<Identity>,
}

/// Elements that bring a camera's pictures, by system, the best first.
#[cfg(target_os = "windows")]
const ELEMENTS: [&str; 2] = ["mfvideosrc", "ksvideosrc"];
#[cfg(target_os = "macos")]
const ELEMENTS: [&str; 1] = ["avfvideosrc"];
#[cfg(not(any(target_os = "windows", target_os = "macos")))]
const ELEMENTS: [&str; 2] = ["v4l2src", "libcamerasrc"];

const NO_CAMERA: &str = "vidchat send --pipeline test needs no camera";

/// Why a camera is not used for its own JPEG pictures.
const NO_JPEG: &str = "it offers no JPEG pictures";

/// Chooses a camera and a mode. Opens each camera for a moment and leaves it closed.
pub fn choose(request: &CameraRequest) -> Outcome<Camera> {
    let present: Vec<&str> = ELEMENTS
        .into_iter()
        .filter(|name| gst::ElementFactory::find(name).is_some())
        .collect();
    let mut reasons = Vec::new();
    for element in &present {
        for device in devices(element, request)? {
            match open(element, device.as_ref(), request) {
                Ok(Some(camera)) => return Ok(camera),
                Ok(None) => {}
                Err(reason) => reasons.push(match &device {
                    Some(device) => format!("{}: {reason}", device.display()),
                    None => format!("{element}: {reason}"),
                }),
            }
        }
    }
    Err(none_usable(request, &present, reasons))
}

/// The same camera once more, under whatever number it has by now, in a mode for this wish. No
/// other is taken in its place: it may look where nobody wants to be seen.
pub fn choose_again(known: &Camera, request: &CameraRequest) -> Outcome<Camera> {
    let Some(identity) = &known.identity else {
        // Without an identity only the device is known, or not even that.
        let device = known.device.as_ref().map(|d| d.display().to_string());
        return choose(&CameraRequest {
            device: device.or_else(|| request.device.clone()),
            ..request.clone()
        });
    };
    let Some(node) = identity.find(Path::new(device_nodes::SYSTEM), &device_nodes::all()) else {
        return Err(unplugged(cannot_use(known)));
    };
    match open("v4l2src", Some(&node), request) {
        Ok(Some(camera)) => Ok(camera),
        Ok(None) => Err(unplugged(cannot_use(known))),
        Err(reason) => Err(explain(known, &reason)),
    }
}

/// Waits a moment, after a failure, for the device of a camera to go: when a plug is pulled,
/// reading fails shortly before that, and then nobody could tell why.
pub fn await_unplugged(camera: &Camera) {
    const STEPS: u32 = 6;
    for _ in 0..STEPS {
        if camera.device.as_ref().is_none_or(|device| !device.exists()) {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Puts the failure of a camera into words: who holds it, what to do.
pub fn explain(camera: &Camera, message: &str) -> Failure {
    let failure = cannot_use(camera);
    let busy = message.to_lowercase().contains("busy");
    match &camera.device {
        Some(device) if busy => {
            let holders = device_nodes::holders(device);
            let hint = match holders.first() {
                Some(_) => "close that program, or take another camera with --device",
                None => "close the program that uses it, or take another with --device",
            };
            failure.cause("it is busy").found(holders).hint(hint)
        }
        Some(device) if !device.exists() => unplugged(failure),
        _ => failure
            .cause(message.trim().trim_end_matches('.'))
            .hint(NO_CAMERA),
    }
}

fn cannot_use(camera: &Camera) -> Failure {
    Failure::start(format!("cannot use the camera {}", camera.description))
}

fn unplugged(failure: Failure) -> Failure {
    failure.cause("it was unplugged").hint("plug it in again")
}

/// The devices to try for `element`; a single `None` where the element finds its own.
fn devices(element: &str, request: &CameraRequest) -> Outcome<Vec<Option<PathBuf>>> {
    if element != "v4l2src" {
        return Ok(vec![None]);
    }
    let Some(wanted) = &request.device else {
        return Ok(device_nodes::all().into_iter().map(Some).collect());
    };
    if wanted.contains('/') {
        return Ok(vec![Some(PathBuf::from(wanted))]);
    }
    if wanted.parse::<u32>().is_ok() {
        return Ok(vec![Some(PathBuf::from(format!("/dev/video{wanted}")))]);
    }
    // A name: those nodes whose camera is called so.
    let named = |node: &PathBuf| {
        device_nodes::name(node)
            .to_lowercase()
            .contains(&wanted.to_lowercase())
    };
    let found: Vec<_> = device_nodes::all()
        .into_iter()
        .filter(named)
        .map(Some)
        .collect();
    if found.is_empty() {
        return Err(Failure::start(format!("cannot find the camera {wanted:?}"))
            .cause("no camera has that in its name")
            .found(there_are())
            .hint(another()));
    }
    Ok(found)
}

/// The system's video devices, with their names.
fn there_are() -> Vec<String> {
    let nodes = device_nodes::all().into_iter();
    nodes
        .map(|node| format!("{}: {}", node.display(), device_nodes::name(&node)))
        .collect()
}

/// What to type where the device that was asked for is not the right one.
fn another() -> &'static str {
    match device_nodes::all().is_empty() {
        false => "--device takes one of those: its path, its number or a part of its name",
        true if cfg!(target_os = "linux") => {
            "ls /dev/video* lists the cameras once one is plugged in; --pipeline test needs none"
        }
        true => NO_CAMERA,
    }
}

/// Opens a camera and picks its mode; `None` when nothing is there that could be opened, an
/// error with the reason when it is no camera that can be used.
fn open(
    element: &str,
    device: Option<&PathBuf>,
    request: &CameraRequest,
) -> Result<Option<Camera>, String> {
    if let Some(device) = device {
        let opened = fs::File::options().read(true).write(true).open(device);
        opened.map_err(|e| describe_io(&e))?;
    }
    let mut builder = gst::ElementFactory::make(element);
    let mut launch = element.to_owned();
    if let Some(device) = device {
        let path = device.display().to_string();
        launch = format!("{element} device=\"{path}\"");
        builder = builder.property("device", path);
    } else if let Some(index) = &request.device {
        let index: i32 = index
            .parse()
            .map_err(|_| "--device takes a number here".to_owned())?;
        launch = format!("{element} device-index={index}");
        builder = builder.property("device-index", index);
    }
    let source = builder.build().map_err(|e| e.message.to_string())?;
    let bus = gst::Bus::new();
    source.set_bus(Some(&bus));
    let offered = match source.set_state(gst::State::Ready) {
        Ok(_) => Ok(source.static_pad("src").map(|pad| pad.query_caps(None))),
        Err(_) => Err(first_error(&bus)),
    };
    let name = source
        .has_property_with_type("device-name", String::static_type())
        .then(|| source.property::<Option<String>>("device-name"))
        .flatten();
    let _ = source.set_state(gst::State::Null);
    let Some(offered) = offered? else {
        return Ok(None);
    };
    let Some(mode) = Mode::choose(&offered, request) else {
        return Err(match request.jpeg {
            true => NO_JPEG.into(),
            false => "it offers no pictures".into(),
        });
    };
    Ok(Some(describe(
        &name.unwrap_or_else(|| element.to_owned()),
        device,
        &launch,
        &mode,
    )))
}

fn first_error(bus: &gst::Bus) -> String {
    while let Some(message) = bus.pop() {
        if let gst::MessageView::Error(error) = message.view() {
            return error.error().message().trim_end_matches('.').to_owned();
        }
    }
    "it cannot be opened".into()
}

fn describe(name: &str, device: Option<&PathBuf>, launch: &str, mode: &Mode) -> Camera {
    let place = device.map_or(String::new(), |device| format!(" ({})", device.display()));
    Camera {
        description: format!("{name:?}{place}, {mode}"),
        device: device.cloned(),
        launch: mode.launch(launch),
        identity: device.and_then(|device| Identity::of(Path::new(device_nodes::SYSTEM), device)),
    }
}

fn none_usable(request: &CameraRequest, present: &[&str], reasons: Vec<String>) -> Failure {
    if present.is_empty() {
        let failure = Failure::start("cannot use a camera")
            .cause(format!("GStreamer has none of: {}", ELEMENTS.join(", ")));
        return match crate::media::gst::install_hint::install_hint(ELEMENTS[0]) {
            Some(hint) => failure.hint(hint),
            None => failure.hint(NO_CAMERA),
        };
    }
    let denied = reasons
        .iter()
        .any(|reason| reason.contains("permission denied"));
    let failure = match &request.device {
        Some(device) => Failure::start(format!("cannot use the camera {device:?}")),
        None => Failure::start("cannot find a camera"),
    };
    let no_jpeg = reasons.iter().any(|reason| reason.ends_with(NO_JPEG));
    match reasons.is_empty() {
        false if no_jpeg => failure
            .cause("none can be used")
            .found(reasons)
            .hint("--pipeline camera-jpeg makes JPEG of any camera's pictures"),
        true => failure.cause("none is plugged in").hint(NO_CAMERA),
        false if denied => failure
            .cause("no permission")
            .found(reasons)
            .hint("sudo usermod -aG video $USER, then log in again"),
        // One that was asked for; its reason comes behind its own name.
        false if request.device.is_some() && reasons.len() == 1 => {
            let reason = reasons[0].split_once(": ").map_or("", |(_, reason)| reason);
            failure.cause(reason).found(there_are()).hint(another())
        }
        false => failure
            .cause("none can be used")
            .found(reasons)
            .hint(NO_CAMERA),
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_camera_without_jpeg_is_told_from_none_at_all() {
        let request = CameraRequest {
            device: None,
            width: 640,
            fps: 30,
            jpeg: true,
        };
        let reasons = vec![format!("/dev/video0: {NO_JPEG}")];
        let said = none_usable(&request, &ELEMENTS, reasons).to_string();
        assert!(said.contains("/dev/video0: it offers no JPEG"), "{said}");
        assert!(
            said.contains("hint: --pipeline camera-jpeg makes"),
            "{said}"
        );
        let said = none_usable(&request, &ELEMENTS, Vec::new()).to_string();
        assert!(said.contains("none is plugged in"), "{said}");
    }

    #[test]
    fn the_device_that_was_asked_for_has_its_reason_in_the_first_line() {
        let request = CameraRequest {
            device: Some("3".into()),
            width: 640,
            fps: 30,
            jpeg: false,
        };
        let reasons = vec!["/dev/video3: Device '/dev/video3' is no capture device".into()];
        let said = none_usable(&request, &ELEMENTS, reasons).to_string();
        let first =
            "error: cannot use the camera \"3\": Device '/dev/video3' is no capture device\n";
        assert!(said.starts_with(first), "{said}");
    }
}
