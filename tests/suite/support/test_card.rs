//! The bars of GStreamer's test pictures, which the kernel's test camera has too.

/// From left to right, in red, green and blue.
pub const BARS: [[u8; 3]; 7] = of(255);

/// The same at three quarters of the full colour.
pub const DARKER_BARS: [[u8; 3]; 7] = of(191);

const fn of(full: u8) -> [[u8; 3]; 7] {
    [
        [full, full, full],
        [full, full, 0],
        [0, full, full],
        [0, full, 0],
        [full, 0, full],
        [full, 0, 0],
        [0, 0, full],
    ]
}
