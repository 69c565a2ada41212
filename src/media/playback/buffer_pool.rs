//! Memory for raw pictures, which all have one size: apart from `player`, whose hot path only takes
//! from it.

use gst::prelude::*;
use gstreamer as gst;

use crate::media::gst::caps;

/// Buffers of one size, which are used again and again.
pub struct BufferPool {
    /// Where they come from.
    pub buffers: gst::BufferPool,
    /// Bytes of one picture.
    pub size: usize,
}

impl BufferPool {
    /// For raw pictures of this form.
    pub fn new(form: &gst::Caps) -> anyhow::Result<Self> {
        let size = caps::raw_info(form)?.size();
        let buffers = gst::BufferPool::new();
        let mut config = buffers.config();
        config.set_params(Some(form), u32::try_from(size)?, 0, 0);
        buffers.set_config(config)?;
        buffers.set_active(true)?;
        Ok(Self { buffers, size })
    }
}

impl Drop for BufferPool {
    fn drop(&mut self) {
        // Buffers that are still in the pipeline are freed when they come back.
        let _ = self.buffers.set_active(false);
    }
}
