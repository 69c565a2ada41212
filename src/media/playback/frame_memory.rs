//! Memory for the frames of one stream. The network reads straight into it, and a pipeline plays
//! it without a copy.

use bytes::Bytes;
use gst::prelude::*;
use gstreamer as gst;

use crate::failure::{Failure, Outcome};
use crate::media::gst::caps;
use crate::wire::Caps;

/// Makes memory for frames, as their caps say.
#[derive(Default)]
pub struct FrameMemory {
    /// For raw frames, which all have one size.
    pool: Option<Pool>,
}

/// Memory for one frame, to be written to.
pub struct FrameBuffer(gst::MappedBuffer<gst::buffer::Writable>);

/// Buffers of one size, which are used again and again.
struct Pool {
    buffers: gst::BufferPool,
    /// Bytes of one frame.
    size: usize,
}

impl FrameMemory {
    /// Prepares for frames of these caps.
    ///
    /// # Errors
    /// The caps are no raw video that GStreamer knows.
    pub fn set_caps(&mut self, caps: &Caps) -> Outcome {
        let gst_caps = caps::to_gst(caps).map_err(|e| not_shown(caps, &e))?;
        self.pool = if caps.is_raw() {
            Some(Pool::new(&gst_caps).map_err(|e| not_shown(caps, &e))?)
        } else {
            None
        };
        Ok(())
    }

    /// Room for a frame of `length` bytes.
    ///
    /// # Errors
    /// The caps call for another length, which is checked before anything is allocated, or there
    /// is no memory.
    pub fn room(&self, length: usize) -> Outcome<FrameBuffer> {
        let wrong = |cause: String| Failure::lost("cannot take the sender's frame").cause(cause);
        let buffer = match &self.pool {
            Some(pool) if pool.size != length => {
                let size = pool.size;
                return Err(wrong(format!(
                    "it has {length} bytes where its caps call for {size}"
                )));
            }
            Some(pool) => pool
                .buffers
                .acquire_buffer(None)
                .map_err(|e| wrong(e.to_string()))?,
            None => gst::Buffer::with_size(length).map_err(|e| wrong(e.to_string()))?,
        };
        let mapped = buffer
            .into_mapped_buffer_writable()
            .map_err(|_| wrong("there is no memory for it".into()))?;
        Ok(FrameBuffer(mapped))
    }
}

impl AsMut<[u8]> for FrameBuffer {
    fn as_mut(&mut self) -> &mut [u8] {
        self.0.as_mut()
    }
}

impl FrameBuffer {
    /// The bytes, to be shared from here on. The memory goes back to its pool with the last of
    /// them.
    pub fn freeze(self) -> Bytes {
        Bytes::from_owner(self.0)
    }
}

impl Pool {
    fn new(caps: &gst::Caps) -> anyhow::Result<Self> {
        let size = caps::raw_info(caps)?.size();
        let buffers = gst::BufferPool::new();
        let mut config = buffers.config();
        config.set_params(Some(caps), u32::try_from(size)?, 0, 0);
        buffers.set_config(config)?;
        buffers.set_active(true)?;
        Ok(Self { buffers, size })
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        // Buffers that are still in use are freed when they come back.
        let _ = self.buffers.set_active(false);
    }
}

/// Why frames of these caps cannot be shown.
pub(super) fn not_shown(caps: &Caps, e: &anyhow::Error) -> Failure {
    Failure::lost(format!("cannot show {:?}", caps.describe())).cause(format!("{e:#}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw() -> FrameMemory {
        gst::init().unwrap();
        let mut memory = FrameMemory::default();
        let caps = Caps::parse("video/x-raw, format=GRAY8, width=8, height=2").unwrap();
        memory.set_caps(&caps).unwrap();
        memory
    }

    #[test]
    fn raw_frames_of_another_length_are_refused() {
        let failure = raw().room(15).err().unwrap();
        let cause = "it has 15 bytes where its caps call for 16";
        assert_eq!(failure.why(), cause);
    }

    #[test]
    fn a_frame_is_shared_without_a_copy_and_its_memory_is_used_again() {
        let memory = raw();
        let mut buffer = memory.room(16).unwrap();
        buffer.as_mut().fill(7);
        let address = buffer.as_mut().as_ptr();
        let bytes = buffer.freeze();
        assert_eq!((bytes.as_ptr(), &bytes[..]), (address, &[7; 16][..]));
        let shared = bytes.clone();
        drop(bytes);
        let mut other = memory.room(16).unwrap();
        assert_ne!(other.as_mut().as_ptr(), address, "it is still in use");
        drop(shared);
        let mut again = memory.room(16).unwrap();
        assert_eq!(again.as_mut().as_ptr(), address);
    }

    #[test]
    fn encoded_frames_may_have_any_length() {
        gst::init().unwrap();
        let mut memory = FrameMemory::default();
        memory
            .set_caps(&Caps::parse("video/x-vp8").unwrap())
            .unwrap();
        for length in [1, 9, 70_000] {
            assert_eq!(memory.room(length).unwrap().as_mut().len(), length);
        }
    }
}
