//! Which camera, and in which of its modes.
//!
//! Left alone, a camera element takes the largest picture that the camera has, often at a few
//! frames a second. So each camera is asked what it offers, and one mode is named.

use std::cmp::Ordering;
use std::fs;
use std::path::{Path, PathBuf};

use gst::prelude::*;
use gstreamer as gst;

use crate::report::{Failure, Outcome, describe as describe_io};

/// What is wanted of a camera.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Which one: a path, a number or a part of its name. The first that works where it is
    /// missing.
    pub device: Option<String>,
    /// The width in pixels that pictures will be scaled to.
    pub width: u32,
    /// Frames a second.
    pub fps: u32,
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
}

/// One of the ways in which a camera can be run.
#[derive(Clone, Debug, PartialEq)]
struct Mode {
    /// The pixel format; `None` for JPEG.
    format: Option<String>,
    width: i32,
    height: i32,
    fps: gst::Fraction,
    /// How much wider than high a pixel is.
    pixel_shape: gst::Fraction,
}

/// Elements that bring a camera's pictures, by system, the best first.
#[cfg(target_os = "windows")]
const ELEMENTS: [&str; 2] = ["mfvideosrc", "ksvideosrc"];
#[cfg(target_os = "macos")]
const ELEMENTS: [&str; 1] = ["avfvideosrc"];
#[cfg(not(any(target_os = "windows", target_os = "macos")))]
const ELEMENTS: [&str; 2] = ["v4l2src", "libcamerasrc"];

/// Pixel formats that cost little to make I420 of, the cheapest first.
const FORMATS: [&str; 7] = ["I420", "YV12", "NV12", "NV21", "YUY2", "UYVY", "YVYU"];

/// Smaller modes than this are often cropped or squashed, so a picture is made of no less.
const FAIR_WIDTH: i32 = 640;

const NO_CAMERA: &str = "vidchat send --pipeline test needs no camera";

/// Chooses a camera and a mode. Opens each camera for a moment and leaves it closed.
pub fn choose(wish: &Wish) -> Outcome<Camera> {
    let present: Vec<&str> = ELEMENTS
        .into_iter()
        .filter(|name| gst::ElementFactory::find(name).is_some())
        .collect();
    let mut reasons = Vec::new();
    for element in &present {
        for device in devices(element, wish)? {
            match open(element, device.as_ref(), wish) {
                Ok(Some(camera)) => return Ok(camera),
                Ok(None) => {}
                Err(reason) => reasons.push(match &device {
                    Some(device) => format!("{}: {reason}", device.display()),
                    None => format!("{element}: {reason}"),
                }),
            }
        }
    }
    Err(none_usable(wish, &present, reasons))
}

/// The element that brings this machine's screen.
pub fn screen() -> Outcome<String> {
    let candidates = [
        ("ximagesrc", "ximagesrc use-damage=false show-pointer=true"),
        (
            "d3d11screencapturesrc",
            "d3d11screencapturesrc show-cursor=true ! d3d11download",
        ),
        ("dx9screencapsrc", "dx9screencapsrc"),
        (
            "avfvideosrc",
            "avfvideosrc capture-screen=true capture-screen-cursor=true",
        ),
    ];
    for (name, launch) in candidates {
        if let Some(factory) = gst::ElementFactory::find(name)
            && let Ok(element) = factory.create().build()
        {
            // ximagesrc opens the display only later on.
            let display = name != "ximagesrc" || super::window::display_answers();
            let works = display && element.set_state(gst::State::Ready).is_ok();
            let _ = element.set_state(gst::State::Null);
            if works {
                return Ok(launch.to_owned());
            }
        }
    }
    Err(Failure::start("cannot capture this machine's screen")
        .cause("there is no display that can be opened")
        .hint("run it where $DISPLAY names an X display, or use --pipeline test"))
}

/// Puts the failure of a camera into words: who holds it, what to do.
pub fn explain(camera: &Camera, message: &str) -> Failure {
    let failure = Failure::start(format!("cannot use the camera {}", camera.description));
    let busy = message.to_lowercase().contains("busy");
    match &camera.device {
        Some(device) if busy => {
            let holders = holders(device);
            let hint = match holders.first() {
                Some(_) => "close that program, or take another camera with --device",
                None => "close the program that uses it, or take another with --device",
            };
            failure.cause("it is busy").found(holders).hint(hint)
        }
        Some(device) if !device.exists() => failure
            .cause("it was unplugged")
            .hint("plug it in again, then start vidchat send again"),
        _ => failure
            .cause(message.trim().trim_end_matches('.'))
            .hint(NO_CAMERA),
    }
}

/// The devices to try for `element`; a single `None` where the element finds its own.
fn devices(element: &str, wish: &Wish) -> Outcome<Vec<Option<PathBuf>>> {
    if element != "v4l2src" {
        return Ok(vec![None]);
    }
    let Some(wanted) = &wish.device else {
        return Ok(nodes().into_iter().map(Some).collect());
    };
    if wanted.contains('/') {
        return Ok(vec![Some(PathBuf::from(wanted))]);
    }
    if wanted.parse::<u32>().is_ok() {
        return Ok(vec![Some(PathBuf::from(format!("/dev/video{wanted}")))]);
    }
    // A name: those nodes whose camera is called so.
    let named = |node: &PathBuf| {
        node_name(node)
            .to_lowercase()
            .contains(&wanted.to_lowercase())
    };
    let found: Vec<_> = nodes().into_iter().filter(named).map(Some).collect();
    if found.is_empty() {
        return Err(Failure::start(format!("cannot find the camera {wanted:?}"))
            .cause("no camera has that in its name")
            .found(
                nodes()
                    .iter()
                    .map(|n| format!("{}: {}", n.display(), node_name(n))),
            )
            .hint("--device takes a path, a number or a part of a name"));
    }
    Ok(found)
}

/// The system's video devices, in the order of their numbers.
fn nodes() -> Vec<PathBuf> {
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

/// What the kernel calls the camera behind a device.
fn node_name(node: &Path) -> String {
    let file = node.file_name().unwrap_or_default();
    let path = Path::new("/sys/class/video4linux").join(file).join("name");
    fs::read_to_string(path)
        .unwrap_or_default()
        .trim()
        .to_owned()
}

/// Opens a camera and picks its mode; `None` when nothing is there that could be opened, an
/// error with the reason when it is no camera that can be used.
fn open(element: &str, device: Option<&PathBuf>, wish: &Wish) -> Result<Option<Camera>, String> {
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
    } else if let Some(index) = &wish.device {
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
    let modes = modes(&offered, wish);
    let Some(mode) = best(modes, wish) else {
        return Err("it offers no pictures".into());
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
    let (n, d) = (mode.fps.numer(), mode.fps.denom());
    let (width, height) = (mode.width, mode.height);
    let form = mode.format.as_deref().unwrap_or("JPEG");
    let (pn, pd) = (mode.pixel_shape.numer(), mode.pixel_shape.denom());
    let size =
        format!("width={width},height={height},framerate={n}/{d},pixel-aspect-ratio={pn}/{pd}");
    let place = device.map_or(String::new(), |device| format!(" ({})", device.display()));
    Camera {
        description: format!(
            "{name:?}{place}, {width}x{height} {form} at {} fps",
            (f64::from(n) / f64::from(d) * 100.0).round() / 100.0
        ),
        device: device.cloned(),
        launch: match &mode.format {
            Some(format) => format!("{launch} ! video/x-raw,format={format},{size}"),
            None => format!("{launch} ! image/jpeg,{size} ! jpegdec"),
        },
    }
}

/// Every mode in `caps`, with the frame rate that suits best in each.
fn modes(caps: &gst::Caps, wish: &Wish) -> Vec<Mode> {
    let mut modes = Vec::new();
    for (structure, features) in caps.iter_with_features() {
        let formats: Vec<Option<String>> = match structure.name().as_str() {
            "video/x-raw" if is_system_memory(features) => {
                strings(structure, "format").into_iter().map(Some).collect()
            }
            "image/jpeg" => vec![None],
            _ => continue,
        };
        let Some(fps) = rate(structure, wish.fps) else {
            continue;
        };
        // Caps without a pixel shape leave it open, and videoscale's wish for square pixels then
        // makes v4l2src settle on 1/2147483647.
        let square = gst::Fraction::new(1, 1);
        let pixel_shape = structure.get("pixel-aspect-ratio").unwrap_or(square);
        for (width, height) in sizes(structure, wish) {
            for format in &formats {
                modes.push(Mode {
                    format: format.clone(),
                    width,
                    height,
                    fps,
                    pixel_shape,
                });
            }
        }
    }
    modes
}

fn is_system_memory(features: &gst::CapsFeaturesRef) -> bool {
    features.is_equal(gst::CapsFeatures::new_empty().as_ref())
        || features.contains("memory:SystemMemory")
}

/// The mode that comes nearest to the wish: fast enough before large enough, no larger than
/// needed, the shape of the whole sensor, and a form that costs little.
fn best(modes: Vec<Mode>, wish: &Wish) -> Option<Mode> {
    let target = FAIR_WIDTH.max(i32::try_from(wish.width).unwrap_or(i32::MAX));
    let whole = modes
        .iter()
        .max_by_key(|m| i64::from(m.width) * i64::from(m.height))?;
    let shape = f64::from(whole.width) / f64::from(whole.height);
    let cost = |mode: &Mode| {
        let fps = f64::from(mode.fps.numer()) / f64::from(mode.fps.denom());
        let wanted = f64::from(wish.fps);
        let form = match &mode.format {
            Some(format) => FORMATS
                .iter()
                .position(|f| f == format)
                .unwrap_or(FORMATS.len()),
            None => FORMATS.len() + 1,
        };
        [
            // A camera that promises 29.97 keeps a promise of 30.
            (wanted * 0.98 - fps).max(0.0),
            f64::from((wish.width as i32 - mode.width).max(0)),
            f64::from(u8::from(mode.format.is_none())),
            f64::from((target - mode.width).abs()),
            (f64::from(mode.width) / f64::from(mode.height) - shape).abs(),
            form as f64,
            fps,
        ]
    };
    let order = |a: &Mode, b: &Mode| cost(a).partial_cmp(&cost(b)).unwrap_or(Ordering::Equal);
    modes.iter().min_by(|a, b| order(a, b)).cloned()
}

/// The values of a field that is one string or a list of them.
fn strings(structure: &gst::StructureRef, field: &str) -> Vec<String> {
    if let Ok(one) = structure.get::<String>(field) {
        return vec![one];
    }
    let list = structure.get::<gst::List>(field);
    let values = list.iter().flat_map(|list| list.iter());
    values.filter_map(|value| value.get().ok()).collect()
}

/// Width and height pairs; from a range, the size that suits best.
fn sizes(structure: &gst::StructureRef, wish: &Wish) -> Vec<(i32, i32)> {
    let target = FAIR_WIDTH.max(i32::try_from(wish.width).unwrap_or(i32::MAX));
    let widths = numbers(structure, "width", target);
    widths
        .into_iter()
        .flat_map(|width| {
            let heights = numbers(structure, "height", width.saturating_mul(3) / 4);
            heights.into_iter().map(move |height| (width, height))
        })
        .filter(|(width, height)| *width > 0 && *height > 0)
        .collect()
}

/// The values of a field that is a number, a list of them, or a range, of which it takes the
/// value nearest to `target`.
fn numbers(structure: &gst::StructureRef, field: &str, target: i32) -> Vec<i32> {
    if let Ok(one) = structure.get::<i32>(field) {
        return vec![one];
    }
    if let Ok(range) = structure.get::<gst::IntRange<i32>>(field) {
        let step = range.step().max(1);
        let nearest = target.clamp(range.min(), range.max());
        return vec![nearest - (nearest - range.min()) % step];
    }
    let list = structure.get::<gst::List>(field);
    let values = list.iter().flat_map(|list| list.iter());
    values.filter_map(|value| value.get().ok()).collect()
}

/// The slowest rate that reaches `wanted` frames a second, or the fastest.
fn rate(structure: &gst::StructureRef, wanted: u32) -> Option<gst::Fraction> {
    let enough = gst::Fraction::new(i32::try_from(wanted).ok()?, 1);
    if let Ok(one) = structure.get::<gst::Fraction>("framerate") {
        return Some(one);
    }
    if let Ok(range) = structure.get::<gst::FractionRange>("framerate") {
        return Some(enough.clamp(range.min(), range.max()));
    }
    let list = structure.get::<gst::List>("framerate").ok()?;
    let rates: Vec<gst::Fraction> = list.iter().filter_map(|value| value.get().ok()).collect();
    let reaching = rates.iter().filter(|rate| **rate >= enough).min();
    reaching.or(rates.iter().max()).copied()
}

/// Who has `device` open, as far as this user may know.
fn holders(device: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let descriptors = fs::read_dir(process.path().join("fd"))
            .into_iter()
            .flatten()
            .flatten();
        let mut links = descriptors.filter_map(|fd| fs::read_link(fd.path()).ok());
        let own = process.file_name().to_str() == Some(&std::process::id().to_string());
        if !own && links.any(|link| link == device) {
            let command = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            let number = process.file_name();
            found.push(format!(
                "used by {} (process {})",
                command.trim(),
                number.display()
            ));
        }
    }
    found
}

fn none_usable(wish: &Wish, present: &[&str], reasons: Vec<String>) -> Failure {
    if present.is_empty() {
        let failure = Failure::start("cannot use a camera")
            .cause(format!("GStreamer has none of: {}", ELEMENTS.join(", ")));
        return match super::packages::install_hint(ELEMENTS[0]) {
            Some(hint) => failure.hint(hint),
            None => failure.hint(NO_CAMERA),
        };
    }
    let denied = reasons
        .iter()
        .any(|reason| reason.contains("permission denied"));
    let failure = match &wish.device {
        Some(device) => Failure::start(format!("cannot use the camera {device:?}")),
        None => Failure::start("cannot find a camera"),
    };
    match reasons.is_empty() {
        true => failure.cause("none is plugged in").hint(NO_CAMERA),
        false if denied => failure
            .cause("no permission")
            .found(reasons)
            .hint("sudo usermod -aG video $USER, then log in again"),
        false => failure
            .cause("none can be used")
            .found(reasons)
            .hint(NO_CAMERA),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::str::FromStr;

    fn chosen(caps: &str, width: u32, fps: u32) -> String {
        gst::init().unwrap();
        let wish = Wish {
            device: None,
            width,
            fps,
        };
        let caps = gst::Caps::from_str(caps).unwrap();
        let mode = best(modes(&caps, &wish), &wish).unwrap();
        describe("cam", None, "src", &mode).launch
    }

    /// What the Linux kernel's test camera offers, in the order in which it does.
    const VIVID: &str = "video/x-raw,format=YUY2,width=3840,height=2160,framerate={1/1,2/1};\
        video/x-raw,format=YUY2,width=1280,height=720,framerate={1/1,12/1,25/2};\
        video/x-raw,format=YUY2,width=640,height=480,framerate={10/1,25/1};\
        video/x-raw,format={YUY2,NV12},width=640,height=360,framerate={15/1,30/1,40/1};\
        video/x-raw,format=YUY2,width=320,height=180,framerate={30/1,60/1}";

    #[test]
    fn fast_enough_comes_before_large() {
        assert_eq!(
            chosen(VIVID, 320, 30),
            "src ! video/x-raw,format=NV12,width=640,height=360,framerate=30/1,pixel-aspect-ratio=1/1"
        );
        assert_eq!(
            chosen(VIVID, 320, 60),
            "src ! video/x-raw,format=YUY2,width=320,height=180,framerate=60/1,pixel-aspect-ratio=1/1"
        );
        assert_eq!(
            chosen(VIVID, 1280, 10),
            "src ! video/x-raw,format=YUY2,width=1280,height=720,framerate=12/1,pixel-aspect-ratio=1/1"
        );
    }

    #[test]
    fn jpeg_is_taken_where_raw_is_too_slow() {
        let webcam = "video/x-raw,format=YUY2,width=1280,height=720,framerate=10/1;\
            video/x-raw,format=YUY2,width=640,height=480,framerate=30/1;\
            image/jpeg,width=1280,height=720,framerate=30/1";
        assert_eq!(
            chosen(webcam, 1280, 30),
            "src ! image/jpeg,width=1280,height=720,framerate=30/1,pixel-aspect-ratio=1/1 ! jpegdec"
        );
        assert_eq!(
            chosen(webcam, 320, 30),
            "src ! video/x-raw,format=YUY2,width=640,height=480,framerate=30/1,pixel-aspect-ratio=1/1"
        );
    }

    #[test]
    fn ranges_are_narrowed_to_one_size() {
        let any =
            "video/x-raw,format=NV12,width=[32,4096,2],height=[32,4096,2],framerate=[1/1,120/1]";
        assert_eq!(
            chosen(any, 320, 30),
            "src ! video/x-raw,format=NV12,width=640,height=480,framerate=30/1,pixel-aspect-ratio=1/1"
        );
    }

    #[test]
    fn nearly_thirty_is_thirty() {
        let ntsc = "video/x-raw,format=YUY2,width=640,height=480,framerate=30000/1001;\
            video/x-raw,format=YUY2,width=160,height=120,framerate=60/1";
        assert!(chosen(ntsc, 320, 30).contains("width=640"));
    }
}
