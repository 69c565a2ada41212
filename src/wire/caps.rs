//! The caps of a stream's frames, as GStreamer writes them.
//!
//! Text from the network never reaches GStreamer's own parser, which can name any type that is
//! registered in the process. It is read here: a known media type, known fields of one simple
//! type each, sizes within bounds. Everything else is dropped or refused.

use std::fmt;

use super::WireError;

/// The longest text that is parsed, in bytes.
const TEXT_LIMIT: usize = 4096;
/// The largest width and height, in pixels.
const SIDE_LIMIT: i32 = 16_384;
/// The largest frame, in pixels: 8K.
const AREA_LIMIT: i64 = 8192 * 4352;
/// The longest value of a text field, in bytes.
const VALUE_LIMIT: usize = 64;

/// Media types whose frames may be taken from the network.
const MEDIA_TYPES: [&str; 8] = [
    RAW,
    "image/jpeg",
    "image/png",
    "video/x-h264",
    "video/x-h265",
    "video/x-vp8",
    "video/x-vp9",
    "video/x-av1",
];
const RAW: &str = "video/x-raw";

/// Whether buffers of this media type are frames, and not blocks of a file.
pub fn is_frame_type(media_type: &str) -> bool {
    MEDIA_TYPES.contains(&media_type)
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Int,
    Fraction,
    Text,
}

/// The fields that are kept. A receiver needs no others.
const FIELDS: [(&str, Kind); 15] = [
    ("format", Kind::Text),
    ("width", Kind::Int),
    ("height", Kind::Int),
    ("framerate", Kind::Fraction),
    ("pixel-aspect-ratio", Kind::Fraction),
    ("interlace-mode", Kind::Text),
    ("field-order", Kind::Text),
    ("colorimetry", Kind::Text),
    ("chroma-site", Kind::Text),
    ("stream-format", Kind::Text),
    ("alignment", Kind::Text),
    ("profile", Kind::Text),
    ("level", Kind::Text),
    ("tier", Kind::Text),
    ("obu-type", Kind::Text),
];

/// The modes in which each buffer is one whole frame. With any other, decoders of GStreamer write
/// whole frames into memory for half of them.
const INTERLACE_MODES: [&str; 4] = ["progressive", "interleaved", "mixed", "fields"];

/// The reason against raw frames of any other mode.
pub const SINGLE_FIELDS: &str = "each frame is a single field (interlace-mode=alternate)";

/// The stream formats that need nothing beside the frames themselves.
const STREAM_FORMATS: [(&str, &str); 3] = [
    ("video/x-h264", "byte-stream"),
    ("video/x-h265", "byte-stream"),
    ("video/x-av1", "obu-stream"),
];

/// One value of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Int(i32),
    /// Numerator and denominator; the latter is never zero.
    Fraction(i32, i32),
    Text(String),
}

/// Caps that have been checked: a known media type and known, fixed fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caps {
    media_type: &'static str,
    fields: Vec<(&'static str, Value)>,
}

impl Caps {
    /// Reads caps as GStreamer writes them, such as
    /// `video/x-raw, format=(string)I420, width=(int)320, height=(int)240`.
    ///
    /// # Errors
    /// The text is not caps, or the caps are not accepted.
    pub fn parse(text: &str) -> Result<Self, WireError> {
        parse(text).map_err(|reason| refused(&reason, text))
    }

    /// As [`Caps::parse`], for caps of frames that are to be decoded here. It also refuses those that
    /// no decoder can be trusted with.
    ///
    /// # Errors
    /// As [`Caps::parse`], or the frames are no whole frames, or need more than they bring.
    pub fn decodable(text: &str) -> Result<Self, WireError> {
        let caps = Self::parse(text)?;
        check_decodable(&caps).map_err(|reason| refused(&reason, text))?;
        Ok(caps)
    }

    /// The media type, such as `video/x-raw`.
    pub fn media_type(&self) -> &'static str {
        self.media_type
    }

    /// The fields, in the order of the text.
    pub fn fields(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        self.fields.iter().map(|(name, value)| (*name, value))
    }

    /// Whether the frames are raw, with nothing to decode.
    pub fn is_raw(&self) -> bool {
        self.media_type == RAW
    }

    /// Whether the stream is inter-coded: frames depend on those before them, so none may be lost.
    pub fn is_delta(&self) -> bool {
        self.media_type.starts_with("video/x-") && !self.is_raw()
    }

    /// Whether the frames need nothing beside themselves, as far as `stream-format` tells.
    pub fn is_self_contained(&self) -> bool {
        let mut formats = STREAM_FORMATS.iter();
        let right = formats.find(|(media_type, _)| *media_type == self.media_type);
        match (self.text("stream-format"), right) {
            (Some(format), Some((_, right))) => format == *right,
            _ => true,
        }
    }

    /// Whether the caps say that some of the frames may hold two fields, taken one after the other.
    pub fn is_interlaced(&self) -> bool {
        let mode = self.text("interlace-mode");
        mode.is_some_and(|mode| ["interleaved", "mixed"].contains(&mode))
    }

    /// Width and height in pixels, where they are known.
    pub fn size(&self) -> Option<(i32, i32)> {
        Some((self.int("width")?, self.int("height")?))
    }

    /// The size in square pixels at which a frame has its right shape.
    pub fn display_size(&self) -> (u32, u32) {
        let (width, height) = self.size().unwrap_or((320, 240));
        let ratio = match self.field("pixel-aspect-ratio") {
            Some(Value::Fraction(n, d)) => f64::from(*n) / f64::from(*d),
            _ => 1.0,
        };
        let width = (f64::from(width) * ratio).round();
        (width.max(1.0) as u32, height.unsigned_abs())
    }

    /// The pixel format of raw frames, such as `I420`.
    pub fn format(&self) -> Option<&str> {
        self.text("format")
    }

    /// Frames a second, where the sender promises a rate.
    pub fn framerate(&self) -> Option<f64> {
        match self.field("framerate") {
            Some(Value::Fraction(n, d)) if *n > 0 => Some(f64::from(*n) / f64::from(*d)),
            _ => None,
        }
    }

    /// A few words for a person: `320x180 I420` or `1280x720 JPEG`.
    pub fn describe(&self) -> String {
        let format = match self.format() {
            Some(format) => format.to_owned(),
            None => {
                let (_, name) = self.media_type.split_once('/').unwrap_or_default();
                name.trim_start_matches("x-").to_uppercase()
            }
        };
        match self.size() {
            Some((width, height)) => format!("{width}x{height} {format}"),
            None => format,
        }
    }

    fn field(&self, name: &str) -> Option<&Value> {
        self.fields
            .iter()
            .find_map(|(n, value)| (*n == name).then_some(value))
    }

    fn text(&self, name: &str) -> Option<&str> {
        match self.field(name) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    fn int(&self, name: &str) -> Option<i32> {
        match self.field(name) {
            Some(Value::Int(value)) => Some(*value),
            _ => None,
        }
    }
}

/// The text that [`Caps::parse`] reads.
impl fmt::Display for Caps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.media_type)?;
        for (name, value) in &self.fields {
            match value {
                Value::Int(value) => write!(f, ", {name}=(int){value}")?,
                Value::Fraction(n, d) => write!(f, ", {name}=(fraction){n}/{d}")?,
                Value::Text(text) => write!(f, ", {name}=(string){text}")?,
            }
        }
        Ok(())
    }
}

fn parse(text: &str) -> Result<Caps, String> {
    if text.len() > TEXT_LIMIT {
        return Err(format!("{} bytes of text", text.len()));
    }
    if text.contains([';', '{', '[', '<']) {
        return Err("more than one possible form".into());
    }
    let mut parts = split_fields(text)?.into_iter();
    let media_type = parts.next().unwrap_or_default();
    let media_type = media_type
        .strip_suffix("(memory:SystemMemory)")
        .unwrap_or(media_type);
    let Some(media_type) = MEDIA_TYPES.into_iter().find(|known| *known == media_type) else {
        return Err("not a media type that vidchat shows".into());
    };
    let mut fields: Vec<(&'static str, Value)> = Vec::new();
    for part in parts {
        let Some((name, value)) = part.split_once('=') else {
            return Err(format!("{} is no field", shown(part)));
        };
        let Some((name, kind)) = FIELDS.into_iter().find(|(known, _)| *known == name.trim()) else {
            continue;
        };
        if fields.iter().any(|(taken, _)| *taken == name) {
            return Err(format!("{name} twice"));
        }
        let value = parse_value(value.trim(), kind)
            .ok_or_else(|| format!("{name} is not valid: {}", shown(value.trim())))?;
        fields.push((name, value));
    }
    let caps = Caps { media_type, fields };
    check(&caps)?;
    Ok(caps)
}

/// Splits at commas outside of quotes.
fn split_fields(text: &str) -> Result<Vec<&str>, String> {
    let mut quoted = false;
    let parts = text
        .split(|c| {
            quoted ^= c == '"';
            c == ',' && !quoted
        })
        .map(str::trim)
        .collect();
    if quoted {
        return Err("a quote that is never closed".into());
    }
    Ok(parts)
}

fn parse_value(text: &str, kind: Kind) -> Option<Value> {
    let (names, rest): (&[&str], _) = match kind {
        Kind::Int => (&["int", "i"], text),
        Kind::Fraction => (&["fraction"], text),
        Kind::Text => (&["string", "str", "s"], text),
    };
    let text = match rest.strip_prefix('(') {
        Some(typed) => {
            let (name, value) = typed.split_once(')')?;
            names.contains(&name).then_some(value)?
        }
        None => rest,
    };
    match kind {
        Kind::Int => Some(Value::Int(text.parse().ok()?)),
        Kind::Fraction => {
            let (n, d) = text.split_once('/').unwrap_or((text, "1"));
            let (n, d) = (n.parse().ok()?, d.parse().ok()?);
            (n >= 0 && d > 0).then_some(Value::Fraction(n, d))
        }
        Kind::Text => {
            let text = text.trim_matches('"');
            let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.:+/".contains(&b);
            let fits = !text.is_empty() && text.len() <= VALUE_LIMIT;
            (fits && text.bytes().all(plain)).then(|| Value::Text(text.to_owned()))
        }
    }
}

fn refused(reason: &str, text: &str) -> WireError {
    WireError::Caps(format!("{reason} (in {})", shown(text)))
}

fn check_decodable(caps: &Caps) -> Result<(), String> {
    if let Some(mode) = caps.text("interlace-mode")
        && !INTERLACE_MODES.contains(&mode)
    {
        return Err(format!("interlace-mode {mode}"));
    }
    match caps.text("stream-format") {
        Some(format) if !caps.is_self_contained() => Err(format!("stream-format {format}")),
        _ => Ok(()),
    }
}

fn check(caps: &Caps) -> Result<(), String> {
    if caps.is_raw() && (caps.format().is_none() || caps.size().is_none()) {
        return Err("raw video without format, width or height".into());
    }
    for side in ["width", "height"] {
        if let Some(value) = caps.int(side)
            && !(1..=SIDE_LIMIT).contains(&value)
        {
            return Err(format!("{side} {value} is not within 1 to {SIDE_LIMIT}"));
        }
    }
    if let Some((width, height)) = caps.size()
        && i64::from(width) * i64::from(height) > AREA_LIMIT
    {
        return Err(format!("{width}x{height} is more than {AREA_LIMIT} pixels"));
    }
    if caps.is_raw() && caps.text("interlace-mode") == Some("alternate") {
        return Err(SINGLE_FIELDS.into());
    }
    if let Some(Value::Fraction(n, d)) = caps.field("pixel-aspect-ratio")
        && !(1.0 / 16.0..=16.0).contains(&(f64::from(*n) / f64::from(*d)))
    {
        return Err(format!("pixel-aspect-ratio {n}/{d}"));
    }
    Ok(())
}

fn shown(text: &str) -> String {
    format!("{:?}", super::text::printable(text, 80))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAMERA: &str = "video/x-raw, format=(string)I420, width=(int)320, height=(int)180, \
        interlace-mode=(string)progressive, multiview-mode=(string)mono, \
        multiview-flags=(GstVideoMultiviewFlagsSet)0:ffffffff:/right-view-first, \
        pixel-aspect-ratio=(fraction)1/1, chroma-site=(string)mpeg2, \
        colorimetry=(string)1:4:0:0, framerate=(fraction)30/1";

    #[test]
    fn pixels_that_are_not_square_widen_the_frame() {
        let size = |ratio| {
            let text = format!(
                "video/x-raw, format=I420, width=720, height=576, pixel-aspect-ratio={ratio}"
            );
            Caps::parse(&text).unwrap().display_size()
        };
        assert_eq!(size("1/1"), (720, 576));
        assert_eq!(size("16/15"), (768, 576));
    }

    #[test]
    fn reads_what_gstreamer_writes() {
        let caps = Caps::parse(CAMERA).unwrap();
        assert_eq!(caps.size(), Some((320, 180)));
        assert_eq!(caps.format(), Some("I420"));
        assert_eq!(caps.framerate(), Some(30.0));
        assert_eq!(caps.describe(), "320x180 I420");
        assert_eq!(Caps::parse(&caps.to_string()), Ok(caps));
    }

    #[test]
    fn drops_fields_that_nobody_needs() {
        let caps = Caps::parse("image/jpeg, width=640, height=480, evil=(GstFoo)x").unwrap();
        assert_eq!(
            caps.to_string(),
            "image/jpeg, width=(int)640, height=(int)480"
        );
        assert_eq!(caps.describe(), "640x480 JPEG");
    }

    #[test]
    fn quotes_are_text_too() {
        let caps = Caps::parse("video/x-h264, level=\"3.1\", profile=(string)\"high\"").unwrap();
        assert_eq!(
            caps.to_string(),
            "video/x-h264, level=(string)3.1, profile=(string)high"
        );
    }

    #[test]
    fn refuses_what_is_not_fixed_caps_of_video() {
        let raw = "video/x-raw, format=I420, width=320, height=240";
        for text in [
            "",
            "audio/x-raw, rate=48000",
            "video/x-raw",
            "video/x-raw(memory:DMABuf), format=I420, width=320, height=240",
            "video/x-raw, format=I420, width=0, height=240",
            "video/x-raw, format=I420, width=320, height=-1",
            "video/x-raw, format=I420, width=16385, height=1",
            "video/x-raw, format=I420, width=16384, height=16384",
            "video/x-raw, format=I420, width=[1,320], height=240",
            "video/x-raw, format={I420,NV12}, width=320, height=240",
            "video/x-raw, format=I420, width=99999999999, height=240",
            "video/x-raw, format=(int)3, width=320, height=240",
            "video/x-raw, format=I420, width=320, width=640, height=240",
            &format!("{raw}; {raw}"),
            &format!("{raw}, framerate=1/0"),
            &format!("{raw}, framerate=-1/1"),
            &format!("{raw}, pixel-aspect-ratio=1000/1"),
            &format!("{raw}, interlace-mode=alternate"),
            &format!(
                "{}, interlace-mode=alternate",
                raw.replace(',', "(format:Interlaced),")
            ),
            &format!("{raw}, colorimetry=\"a b\""),
            &format!("{raw}, colorimetry=\""),
            &format!("{raw}, nonsense"),
            &format!("{raw}{}", ", x=1".repeat(2000)),
        ] {
            assert!(Caps::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn refuses_what_no_decoder_can_be_trusted_with() {
        for text in [
            "video/x-h264, interlace-mode=(string)alternate",
            "video/x-h264, stream-format=avc",
            "video/x-h265, stream-format=(string)hev1",
            "video/x-av1, stream-format=annexb",
        ] {
            // A sender brings them into another form.
            assert!(Caps::parse(text).is_ok(), "{text}");
            assert!(Caps::decodable(text).is_err(), "{text}");
        }
        let text = "video/x-h264, stream-format=byte-stream, interlace-mode=mixed";
        assert!(Caps::decodable(text).is_ok());
        assert!(Caps::decodable("audio/x-raw, rate=48000").is_err());
    }
}
