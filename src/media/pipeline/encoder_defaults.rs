//! The bit rate and the threads of an encoder, where neither the person nor the file names them.

/// The default bit rate in kbit/s: 550 for 320 by 240 at 30 frames a second. Larger frames get
/// less for each pixel, since neighbouring pixels are more alike there.
pub fn bitrate(width: u32, height: u32, fps: u32) -> u32 {
    let pixels = f64::from(width) * f64::from(height) * f64::from(fps);
    let rate = 550.0 * (pixels / (320.0 * 240.0 * 30.0)).powf(0.75);
    ((rate / 10.0).round() as u32 * 10).max(50)
}

/// The default number of threads for one frame. Each thread takes some time to wake, so small
/// frames have one.
pub fn threads(width: u32, height: u32) -> u32 {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let useful = width.saturating_mul(height) / (640 * 360);
    useful.clamp(1, u32::try_from(processors).unwrap_or(1).min(8))
}

/// The default number of frames from one key frame to the next. A viewer that needs a key frame
/// asks for one, so they may be far apart.
pub fn gop(fps: u32) -> u32 {
    fps * 10
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bit_rate_grows_less_than_the_frame() {
        assert_eq!(bitrate(320, 240, 30), 550);
        assert_eq!(bitrate(640, 480, 30), 1560);
        assert_eq!(bitrate(1920, 1080, 30), 6510);
        assert_eq!(bitrate(16, 16, 1), 50);
    }

    #[test]
    fn small_frames_have_one_thread_and_large_ones_at_most_eight() {
        assert_eq!(threads(320, 240), 1);
        assert!(threads(16_384, 16_384) <= 8);
    }
}
