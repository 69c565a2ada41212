//! The modes that a camera offers in its caps, and the choice of one.

use std::cmp::Ordering;
use std::fmt;

use gstreamer as gst;

use super::request::CameraRequest;

/// A mode of a camera.
#[derive(Clone, Debug, PartialEq)]
pub struct Mode {
    /// The pixel format; `None` for JPEG.
    format: Option<String>,
    width: i32,
    height: i32,
    fps: gst::Fraction,
    /// The width of a pixel by its height.
    pixel_shape: gst::Fraction,
    /// JPEG frames are passed on without decoding.
    passes_jpeg: bool,
}

/// Pixel formats that cost little to convert to I420, the cheapest first.
const FORMATS: [&str; 7] = ["I420", "YV12", "NV12", "NV21", "YUY2", "UYVY", "YVYU"];

/// The least width in pixels for frames that are scaled. Smaller modes are often cropped or
/// squashed.
const LEAST_WIDTH: i32 = 640;

impl Mode {
    /// The mode in `caps` that comes nearest to the request.
    pub fn choose(caps: &gst::Caps, request: &CameraRequest) -> Option<Self> {
        best(modes(caps, request), request)
    }

    /// The text for a pipeline: `source` in this mode, and the decoder where frames are compressed.
    pub fn launch(&self, source: &str) -> String {
        let (n, d) = (self.fps.numer(), self.fps.denom());
        let (pn, pd) = (self.pixel_shape.numer(), self.pixel_shape.denom());
        let size = format!(
            "width={},height={},framerate={n}/{d},pixel-aspect-ratio={pn}/{pd}",
            self.width, self.height
        );
        match &self.format {
            Some(format) => format!("{source} ! video/x-raw,format={format},{size}"),
            None if self.passes_jpeg => format!("{source} ! image/jpeg,{size}"),
            None => format!("{source} ! image/jpeg,{size} ! jpegdec"),
        }
    }
}

/// For a person: `640x360 YUY2 at 30 fps`.
impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let format = self.format.as_deref().unwrap_or("JPEG");
        let fps = f64::from(self.fps.numer()) / f64::from(self.fps.denom());
        let fps = (fps * 100.0).round() / 100.0;
        write!(f, "{}x{} {format} at {fps} fps", self.width, self.height)
    }
}

/// Every mode in `caps`, each with the frame rate that suits best.
fn modes(caps: &gst::Caps, request: &CameraRequest) -> Vec<Mode> {
    let mut modes = Vec::new();
    for (structure, features) in caps.iter_with_features() {
        let formats: Vec<Option<String>> = match structure.name().as_str() {
            "video/x-raw" if is_system_memory(features) && !request.mjpeg => {
                strings(structure, "format").into_iter().map(Some).collect()
            }
            "image/jpeg" => vec![None],
            _ => continue,
        };
        let Some(fps) = rate(structure, request.fps) else {
            continue;
        };
        // Caps without a pixel shape leave it open. As videoscale asks for square pixels, v4l2src
        // then takes 1/2147483647.
        let square = gst::Fraction::new(1, 1);
        let pixel_shape = structure.get("pixel-aspect-ratio").unwrap_or(square);
        for (width, height) in sizes(structure, request) {
            for format in &formats {
                modes.push(Mode {
                    format: format.clone(),
                    width,
                    height,
                    fps,
                    pixel_shape,
                    passes_jpeg: request.mjpeg,
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

/// The mode that comes nearest to the request: fast enough before large enough, no larger than
/// needed, the shape of the whole sensor, and a pixel format that costs little.
fn best(modes: Vec<Mode>, request: &CameraRequest) -> Option<Mode> {
    let target = target(request);
    let whole = modes
        .iter()
        .max_by_key(|m| i64::from(m.width) * i64::from(m.height))?;
    let shape = f64::from(whole.width) / f64::from(whole.height);
    let cost = |mode: &Mode| {
        let fps = f64::from(mode.fps.numer()) / f64::from(mode.fps.denom());
        let wanted = f64::from(request.fps);
        let format = match &mode.format {
            Some(format) => FORMATS
                .iter()
                .position(|f| f == format)
                .unwrap_or(FORMATS.len()),
            None => FORMATS.len() + 1,
        };
        [
            // A camera that promises 29.97 fps is fast enough for 30.
            (wanted * 0.98 - fps).max(0.0),
            f64::from((request.width as i32 - mode.width).max(0)),
            f64::from(u8::from(mode.format.is_none())),
            f64::from((target - mode.width).abs()),
            (f64::from(mode.width) / f64::from(mode.height) - shape).abs(),
            format as f64,
            fps,
        ]
    };
    let order = |a: &Mode, b: &Mode| cost(a).partial_cmp(&cost(b)).unwrap_or(Ordering::Equal);
    modes.iter().min_by(|a, b| order(a, b)).cloned()
}

/// The width that suits best. JPEG frames that are passed on cannot be scaled afterwards.
fn target(request: &CameraRequest) -> i32 {
    let width = i32::try_from(request.width).unwrap_or(i32::MAX);
    if request.mjpeg {
        width
    } else {
        LEAST_WIDTH.max(width)
    }
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
fn sizes(structure: &gst::StructureRef, request: &CameraRequest) -> Vec<(i32, i32)> {
    let widths = numbers(structure, "width", target(request));
    widths
        .into_iter()
        .flat_map(|width| {
            let heights = numbers(structure, "height", width.saturating_mul(3) / 4);
            heights.into_iter().map(move |height| (width, height))
        })
        .filter(|(width, height)| *width > 0 && *height > 0)
        .collect()
}

/// The values of a field that is a number, a list of numbers, or a range. Of a range, only the value
/// nearest to `target`.
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

/// The slowest rate that reaches `wanted` frames a second, or else the fastest.
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::str::FromStr;

    fn chosen(caps: &str, width: u32, fps: u32) -> String {
        choice(caps, width, fps, false).unwrap()
    }

    fn choice(caps: &str, width: u32, fps: u32, mjpeg: bool) -> Option<String> {
        gst::init().unwrap();
        let request = CameraRequest {
            device: None,
            width,
            fps,
            mjpeg,
        };
        let caps = gst::Caps::from_str(caps).unwrap();
        Some(Mode::choose(&caps, &request)?.launch("src"))
    }

    /// The caps of the Linux kernel's test camera, in its order.
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
    fn jpeg_that_is_passed_on_has_the_size_that_is_wanted() {
        let webcam = "video/x-raw,format=YUY2,width=640,height=480,framerate=30/1;\
            image/jpeg,width=1280,height=720,framerate=30/1;\
            image/jpeg,width=640,height=480,framerate={15/1,30/1};\
            image/jpeg,width=320,height=240,framerate=30/1";
        for (width, fps, expected) in [
            (320, 30, "width=320,height=240,framerate=30/1"),
            (640, 15, "width=640,height=480,framerate=15/1"),
            (800, 30, "width=1280,height=720,framerate=30/1"),
        ] {
            let launch = format!("src ! image/jpeg,{expected},pixel-aspect-ratio=1/1");
            assert_eq!(choice(webcam, width, fps, true), Some(launch));
        }
        assert_eq!(choice(VIVID, 320, 30, true), None);
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
