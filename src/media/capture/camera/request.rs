//! A request for a camera.

/// The wanted camera and the wanted frames.
#[derive(Clone, Debug)]
pub struct CameraRequest {
    /// The camera: a path, a number or a part of its name; `None` for the first that works.
    pub device: Option<String>,
    /// The width in pixels that frames will be scaled to.
    pub width: u32,
    /// Frames a second.
    pub fps: u32,
    /// Whether the camera's own JPEG frames are wanted, without decoding.
    pub mjpeg: bool,
}
