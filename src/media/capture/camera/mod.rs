//! The choice of a camera, and of one of its modes.
//!
//! Left alone, a camera element takes the largest frames that the camera has, often at a few
//! frames a second. So each camera is asked for its modes, and one of them is named.

pub(crate) mod device_nodes;
pub(crate) mod identity;
pub(crate) mod modes;
pub(crate) mod request;

pub use request::CameraRequest;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gst::prelude::*;
use gstreamer as gst;

use crate::failure::{Failure, Outcome, describe as describe_io};
use crate::media::gst::bus::{self, ElementError};
use crate::media::gst::element;
use crate::media::gst::install_hint;
use crate::media::gst::probe::{self, Probe};

use self::identity::Identity;
use self::modes::Mode;

/// A camera in one of its modes.
#[derive(Clone, Debug)]
pub struct Camera {
    description: String,
    device: Option<PathBuf>,
    launch: String,
    identity: Option<Identity>,
}

/// An element, and the device that it is to open; `None` where the element finds its own.
struct Candidate {
    element: &'static str,
    device: Option<PathBuf>,
}

/// The elements for a camera, by system, the best first.
#[cfg(target_os = "windows")]
const ELEMENTS: [&str; 2] = ["mfvideosrc", "ksvideosrc"];
#[cfg(target_os = "macos")]
const ELEMENTS: [&str; 1] = ["avfvideosrc"];
#[cfg(not(any(target_os = "windows", target_os = "macos")))]
const ELEMENTS: [&str; 2] = ["v4l2src", "libcamerasrc"];

const NO_CAMERA: &str = "vidchat send --pipeline test needs no camera";

/// The reason against a camera without JPEG frames of its own.
const NO_JPEG: &str = "it offers no JPEG frames";

/// Chooses a camera and a mode. Opens each camera for a moment and leaves it closed.
///
/// # Errors
///
/// Where no camera works, or not the one that was asked for.
pub fn choose(request: &CameraRequest) -> Outcome<Camera> {
    let candidates = candidates(request)?;
    let probes = candidates.iter().map(|candidate| candidate.probe(request));
    probe::choose(probes).map_err(|failed| none_usable(request, &failed))
}

/// Tries every camera that `request` may mean. Opens each for a moment and leaves it closed.
///
/// # Errors
///
/// Where no camera has the name that was asked for.
pub fn probes(request: &CameraRequest) -> Outcome<Vec<Probe<Camera>>> {
    let candidates = candidates(request)?.into_iter();
    Ok(candidates
        .map(|candidate| candidate.probe(request))
        .collect())
}

impl Camera {
    /// The camera for a person: its name, its device and the mode.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// The text for a pipeline: the element, the mode and, for compressed modes, the decoder.
    pub fn launch(&self) -> &str {
        &self.launch
    }

    /// The same camera once more, under its present number, in a mode for this request. No other
    /// camera is taken in its place: that one may look where nobody wants to be seen.
    ///
    /// # Errors
    ///
    /// Where the camera is unplugged or does not work.
    pub fn choose_again(&self, request: &CameraRequest) -> Outcome<Self> {
        let Some(identity) = &self.identity else {
            // Without an identity only the device is known, or not even that.
            let device = self.device.as_ref().map(|d| d.display().to_string());
            return choose(&CameraRequest {
                device: device.or_else(|| request.device.clone()),
                ..request.clone()
            });
        };
        let node = identity.find(Path::new(device_nodes::SYSTEM), &device_nodes::all());
        let Some(node) = node else {
            return Err(unplugged(self.cannot_use()));
        };
        let candidate = Candidate {
            element: "v4l2src",
            device: Some(node),
        };
        let probe = candidate.probe(request);
        probe
            .result
            .map_err(|reason| self.explain(&ElementError::new(&reason)))
    }

    /// Waits a moment, after a failure, for the camera's device to go. When a plug is pulled,
    /// reading fails shortly before the device goes, and then the cause could not be named.
    pub fn await_unplugged(&self) {
        const STEPS: u32 = 6;
        for _ in 0..STEPS {
            if self.device.as_ref().is_none_or(|device| !device.exists()) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The failure for an error of this camera: the program that holds it, or a remedy.
    pub fn explain(&self, error: &ElementError) -> Failure {
        let failure = self.cannot_use();
        let busy = error.message().to_lowercase().contains("busy");
        match &self.device {
            Some(device) if busy => {
                let holders = device_nodes::holders(device);
                let hint = match holders.first() {
                    Some(_) => "close that program, or take another camera with --device",
                    None => "close the program that uses it, or take another with --device",
                };
                failure.cause("it is busy").found(holders).hint(hint)
            }
            Some(device) if !device.exists() => unplugged(failure),
            _ => failure.cause(error.message()).hint(NO_CAMERA),
        }
    }

    fn cannot_use(&self) -> Failure {
        Failure::start(format!("cannot use the camera {}", self.description))
    }
}

fn unplugged(failure: Failure) -> Failure {
    failure.cause("it was unplugged").hint("plug it in again")
}

impl Candidate {
    /// Opens the camera and picks its mode.
    fn probe(&self, request: &CameraRequest) -> Probe<Camera> {
        let name = match &self.device {
            Some(device) => device.display().to_string(),
            None => self.element.to_owned(),
        };
        Probe::new(name, self.open(request))
    }

    fn open(&self, request: &CameraRequest) -> Result<Camera, String> {
        let Self { element, device } = self;
        if let Some(device) = device {
            let opened = fs::File::options().read(true).write(true).open(device);
            opened.map_err(|e| describe_io(&e))?;
        }
        // An `ElementFactory` would have each start of the program load libgio, for 0.7 ms.
        let source = gst::parse::launch(element).map_err(|e| e.message().to_owned())?;
        let mut launch = (*element).to_owned();
        if let Some(device) = device {
            let path = device.display().to_string();
            launch = format!("{element} device=\"{path}\"");
            source.set_property("device", path);
        } else if let Some(index) = &request.device {
            let index: i32 = index
                .parse()
                .map_err(|_| "--device takes a number here".to_owned())?;
            launch = format!("{element} device-index={index}");
            source.set_property("device-index", index);
        }
        let bus = gst::Bus::new();
        source.set_bus(Some(&bus));
        let opened = source.set_state(gst::State::Ready);
        let caps = source.static_pad("src").map(|pad| pad.query_caps(None));
        let name = source
            .has_property_with_type("device-name", String::static_type())
            .then(|| source.property::<Option<String>>("device-name"))
            .flatten();
        let _ = source.set_state(gst::State::Null);
        if opened.is_err() {
            let error = bus::first_error(&bus);
            return Err(error.map_or("it cannot be opened".into(), |e| e.message().to_owned()));
        }
        let mode = caps.as_ref().and_then(|caps| Mode::choose(caps, request));
        let mode = mode.ok_or_else(|| {
            if request.mjpeg {
                NO_JPEG.to_owned()
            } else {
                no_mode(caps.as_ref(), &launch)
            }
        })?;
        let name = name.unwrap_or_else(|| (*element).to_owned());
        let place = device.as_ref();
        let place = place.map_or(String::new(), |device| format!(" ({})", device.display()));
        let system = Path::new(device_nodes::SYSTEM);
        Ok(Camera {
            description: format!("{name:?}{place}, {mode}"),
            device: device.clone(),
            launch: mode.launch(&launch),
            identity: device.as_ref().and_then(|d| Identity::of(system, d)),
        })
    }
}

/// The reason against a camera, started by `launch`, with no mode that is raw or JPEG.
fn no_mode(caps: Option<&gst::Caps>, launch: &str) -> String {
    let structures = caps.into_iter().flat_map(|caps| caps.iter());
    let mut kinds: Vec<&str> = structures.map(|s| s.name().as_str()).collect();
    kinds.dedup();
    let decoder = match &kinds[..] {
        [] => return "it offers no frames".to_owned(),
        kinds if kinds.contains(&"video/x-bayer") => "bayer2rgb",
        _ => "decodebin",
    };
    let kinds = kinds.join(", ");
    format!("it offers {kinds} alone: --set camera='{launch} ! {decoder} ! videoconvert'")
}

/// The cameras that `request` may mean, the best first.
fn candidates(request: &CameraRequest) -> Outcome<Vec<Candidate>> {
    let mut candidates = Vec::new();
    for element in ELEMENTS
        .into_iter()
        .filter(|kind| element::is_installed(kind))
    {
        let devices = if element == "v4l2src" {
            nodes(request)?.into_iter().map(Some).collect()
        } else {
            vec![None]
        };
        let devices = devices.into_iter();
        candidates.extend(devices.map(|device| Candidate { element, device }));
    }
    Ok(candidates)
}

/// The device nodes that `request` may mean.
fn nodes(request: &CameraRequest) -> Outcome<Vec<PathBuf>> {
    let Some(wanted) = &request.device else {
        return Ok(device_nodes::all());
    };
    if wanted.contains('/') {
        return Ok(vec![PathBuf::from(wanted)]);
    }
    if wanted.parse::<u32>().is_ok() {
        return Ok(vec![PathBuf::from(format!("/dev/video{wanted}"))]);
    }
    let wanted_lower = wanted.to_lowercase();
    let mut found = device_nodes::all();
    found.retain(|node| {
        device_nodes::name(node)
            .to_lowercase()
            .contains(&wanted_lower)
    });
    if found.is_empty() {
        return Err(Failure::start(format!("cannot find the camera {wanted:?}"))
            .cause("no camera has that in its name")
            .found(present())
            .hint(another()));
    }
    Ok(found)
}

/// The system's video devices, with their names.
fn present() -> Vec<String> {
    let nodes = device_nodes::all().into_iter();
    nodes
        .map(|node| format!("{}: {}", node.display(), device_nodes::name(&node)))
        .collect()
}

/// The hint where the device that was asked for is not the right one.
fn another() -> &'static str {
    if !device_nodes::all().is_empty() {
        "--device takes one of those: its path, its number or a part of its name"
    } else if cfg!(target_os = "linux") {
        "ls /dev/video* lists the cameras once one is plugged in; --pipeline test needs none"
    } else {
        NO_CAMERA
    }
}

fn none_usable(request: &CameraRequest, failed: &[Probe<Camera>]) -> Failure {
    if !ELEMENTS.into_iter().any(element::is_installed) {
        let failure = Failure::start("cannot use a camera")
            .cause(format!("GStreamer has none of: {}", ELEMENTS.join(", ")));
        let hint = install_hint::install_hint(ELEMENTS[0]);
        return failure.hint(hint.unwrap_or_else(|| NO_CAMERA.into()));
    }
    let failure = match &request.device {
        Some(device) => Failure::start(format!("cannot use the camera {device:?}")),
        None => Failure::start("cannot find a camera"),
    };
    let any = |holds: &dyn Fn(&str) -> bool| failed.iter().filter_map(Probe::reason).any(holds);
    match failed {
        [] => failure.cause("none is plugged in").hint(NO_CAMERA),
        _ if any(&|reason| reason == NO_JPEG) => failure
            .cause("none can be used")
            .found(probe::lines(failed))
            .hint("--pipeline camera-jpeg encodes the frames of any camera as JPEG"),
        _ if any(&|reason| reason.contains("permission denied")) => failure
            .cause("no permission")
            .found(probe::lines(failed))
            .hint("sudo usermod -aG video $USER, then log in again"),
        // The first line of the error names the device, so only its reason is left to say.
        [only] if request.device.is_some() => failure
            .cause(only.reason().unwrap_or_default())
            .found(present())
            .hint(another()),
        _ => failure
            .cause("none can be used")
            .found(probe::lines(failed))
            .hint(NO_CAMERA),
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    fn request(device: Option<&str>, mjpeg: bool) -> CameraRequest {
        CameraRequest {
            device: device.map(str::to_owned),
            width: 640,
            fps: 30,
            mjpeg,
        }
    }

    #[test]
    fn a_camera_without_raw_frames_says_how_it_can_be_used() {
        gst::init().unwrap();
        let said = |caps: &str| no_mode(caps.parse().ok().as_ref(), "v4l2src");
        for (caps, kind, decoder) in [
            (
                "video/x-bayer,format=rggb;video/x-bayer,format=bggr",
                "video/x-bayer",
                "bayer2rgb",
            ),
            ("video/x-h264,width=640", "video/x-h264", "decodebin"),
        ] {
            let set = format!("--set camera='v4l2src ! {decoder} ! videoconvert'");
            assert_eq!(said(caps), format!("it offers {kind} alone: {set}"));
        }
        assert_eq!(said("EMPTY"), "it offers no frames");
    }

    #[test]
    fn a_camera_without_jpeg_is_told_from_none_at_all() {
        gst::init().unwrap();
        let request = request(None, true);
        let failed = [Probe::new("/dev/video0", Err(NO_JPEG.into()))];
        let said = none_usable(&request, &failed).to_string();
        assert!(said.contains("/dev/video0: it offers no JPEG"), "{said}");
        let hint = "hint: --pipeline camera-jpeg encodes";
        assert!(said.contains(hint), "{said}");
        let said = none_usable(&request, &[]).to_string();
        assert!(said.contains("none is plugged in"), "{said}");
    }

    #[test]
    fn the_device_that_was_asked_for_has_its_reason_in_the_first_line() {
        gst::init().unwrap();
        let reason = "Device '/dev/video3' is no capture device";
        let failed = [Probe::new("/dev/video3", Err(reason.into()))];
        let said = none_usable(&request(Some("3"), false), &failed).to_string();
        let first =
            "error: cannot use the camera \"3\": Device '/dev/video3' is no capture device\n";
        assert!(said.starts_with(first), "{said}");
    }
}
