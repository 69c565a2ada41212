//! Gives RTP's mark to the last packet of each frame, before a depayloader takes its word for it.
//!
//! The payloads are those of RFC 6184 and RFC 7798, as cameras and servers have them: single units,
//! several units of one time, and fragments.

use gst::prelude::*;
use gstreamer as gst;
use gstreamer_rtp as gst_rtp;
use parking_lot::Mutex;

use super::frame_ends::{FrameEnds, Part};
use crate::media::gst::element;
use crate::media::leading_units::UnitCodec;

/// The depayloaders that end a frame at a mark.
const DEPAYLOADERS: [(&str, UnitCodec); 2] = [
    ("rtph264depay", UnitCodec::H264),
    ("rtph265depay", UnitCodec::H265),
];

/// Watches the packets of all depayloaders of a pipeline, also of those that are added later.
pub fn watch(pipeline: &gst::Pipeline) {
    pipeline.connect_deep_element_added(|_, _, element| watch_element(element));
    for element in pipeline.iterate_recurse().into_iter().flatten() {
        watch_element(&element);
    }
}

fn watch_element(element: &gst::Element) {
    let kind = element::kind(element);
    let known = DEPAYLOADERS.iter().find(|(name, _)| *name == kind);
    let (Some((_, codec)), Some(pad)) = (known, element.static_pad("sink")) else {
        return;
    };
    let packets = Mutex::new(Packets::new(*codec));
    let data = gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST;
    pad.add_probe(data, move |_, info| {
        let packets = &mut *packets.lock();
        match &mut info.data {
            Some(gst::PadProbeData::Buffer(packet)) => packets.mark(packet),
            Some(gst::PadProbeData::BufferList(list)) => {
                list.make_mut().foreach_mut(|mut packet, _| {
                    packets.mark(&mut packet);
                    std::ops::ControlFlow::Continue(Some(packet))
                });
            }
            _ => {}
        }
        gst::PadProbeReturn::Ok
    });
}

/// The packets of one stream.
struct Packets {
    codec: UnitCodec,
    ends: FrameEnds,
    /// The part of the unit whose fragments are coming.
    fragmented: Part,
}

impl Packets {
    fn new(codec: UnitCodec) -> Self {
        Self {
            codec,
            ends: FrameEnds::new(),
            fragmented: Part::Nothing,
        }
    }

    /// Gives the next packet the mark that it should have.
    fn mark(&mut self, packet: &mut gst::Buffer) {
        let Ok(rtp) = gst_rtp::RTPBuffer::from_buffer_readable(packet) else {
            return;
        };
        let (time, is_marked) = (rtp.timestamp(), rtp.is_marker());
        let Ok(payload) = rtp.payload() else { return };
        let is_end = self.is_end(payload, time, is_marked);
        drop(rtp);
        if is_end != is_marked
            && let Ok(mut rtp) = gst_rtp::RTPBuffer::from_buffer_writable(packet.make_mut())
        {
            rtp.set_marker(is_end);
        }
    }

    /// Whether the packet with this payload is the last one of its frame.
    fn is_end(&mut self, payload: &[u8], time: u32, is_marked: bool) -> bool {
        let Some(kind) = payload.first().map(|header| self.codec.nal_kind(*header)) else {
            return is_marked;
        };
        let header = self.header_bytes();
        match (self.codec, kind) {
            (UnitCodec::H264, 1..=23) | (UnitCodec::H265, 0..=47) => {
                let part = self.part(kind, payload.get(header..));
                self.ends.is_end(part, time, is_marked)
            }
            (UnitCodec::H264, 24) => self.is_end_of_many(&payload[1..], time, is_marked),
            (UnitCodec::H265, 48) => {
                self.is_end_of_many(payload.get(header..).unwrap_or_default(), time, is_marked)
            }
            (UnitCodec::H264, 28) | (UnitCodec::H265, 49) => {
                self.is_end_of_fragment(payload.get(header..).unwrap_or_default(), time, is_marked)
            }
            // Forms that no known sender uses.
            _ => is_marked,
        }
    }

    /// The same for several units, each behind its length of two bytes.
    fn is_end_of_many(&mut self, mut units: &[u8], time: u32, is_marked: bool) -> bool {
        let mut is_end = false;
        while let Some((length, rest)) = units.split_first_chunk() {
            let length = usize::from(u16::from_be_bytes(*length));
            let Some((unit, rest)) = rest.split_at_checked(length) else {
                break;
            };
            let part = unit.first().map_or(Part::Nothing, |header| {
                self.part(
                    self.codec.nal_kind(*header),
                    unit.get(self.header_bytes()..),
                )
            });
            // The mark is that of the last one.
            is_end |= self.ends.is_end(part, time, is_marked && rest.is_empty());
            units = rest;
        }
        is_end
    }

    /// The same for a fragment of a unit, from the byte on that says which one it is.
    fn is_end_of_fragment(&mut self, fragment: &[u8], time: u32, is_marked: bool) -> bool {
        let Some((which, slice)) = fragment.split_first() else {
            return is_marked;
        };
        if which & 0x80 != 0 {
            let kind = match self.codec {
                UnitCodec::H264 => which & 0x1f,
                _ => which & 0x3f,
            };
            self.fragmented = self.part(kind, Some(slice));
        }
        // No other fragment ends a unit, so none ends a frame.
        which & 0x40 != 0 && self.ends.is_end(self.fragmented, time, is_marked)
    }

    /// The bytes of a NAL unit's header.
    fn header_bytes(&self) -> usize {
        match self.codec {
            UnitCodec::H264 => 1,
            _ => 2,
        }
    }

    /// The part that a unit of this type holds, by its bytes behind the header.
    fn part(&self, kind: u8, slice: Option<&[u8]>) -> Part {
        // A bit says that the image begins, but for later partitions of a slice of H.264.
        let is_partition = self.codec == UnitCodec::H264 && matches!(kind, 3 | 4);
        let first = slice.and_then(|slice| slice.first()).copied();
        match first {
            _ if !self.codec.is_image(kind) => Part::Nothing,
            Some(byte) if byte & 0x80 != 0 && !is_partition => Part::First,
            _ => Part::Later,
        }
    }
}

#[cfg(test)]
#[path = "rtp_marks_tests.rs"]
mod tests;
