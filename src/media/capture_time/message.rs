//! The message itself: an identifier, a version, and the time of capture. It is the same for every
//! codec.

use std::time::Duration;

use crate::clock::{CaptureTime, WallNanos};

/// Marks our messages: a random UUID. None of its bytes looks like a part of a start code, so that it
/// is found in bytes with and without emulation prevention.
pub const UUID: [u8; 16] = [
    0x4d, 0x62, 0x48, 0x4c, 0x7a, 0x17, 0x44, 0xa4, 0xb6, 0xaa, 0x11, 0xbb, 0x4f, 0xbf, 0xe9, 0xe2,
];

const VERSION: u8 = 1;
/// The bytes of a message of this version.
pub const LENGTH: usize = UUID.len() + 1 + 8 + 8 + 4;

/// Microseconds have this many nanoseconds.
const MICRO: u64 = 1000;

/// The message with this time.
pub fn write(time: &CaptureTime) -> Vec<u8> {
    let uncertainty = u32::try_from(time.uncertainty.as_micros()).unwrap_or(u32::MAX);
    let mut message = Vec::with_capacity(LENGTH);
    message.extend_from_slice(&UUID);
    message.push(VERSION);
    message.extend_from_slice(&(time.at.0 / MICRO).to_be_bytes());
    message.extend_from_slice(&(time.ahead / MICRO as i64).to_be_bytes());
    message.extend_from_slice(&uncertainty.to_be_bytes());
    message
}

/// The time in a message; `None` where it is of another version or length, or tells no time that
/// there is.
pub fn read(message: &[u8]) -> Option<CaptureTime> {
    let fields = message.strip_prefix(&UUID)?;
    let ([VERSION], fields) = fields.split_first_chunk()? else {
        return None;
    };
    let (at, fields) = fields.split_first_chunk()?;
    let (ahead, fields) = fields.split_first_chunk()?;
    let uncertainty = fields.try_into().ok()?;
    Some(CaptureTime {
        at: WallNanos(u64::from_be_bytes(*at).checked_mul(MICRO)?),
        ahead: i64::from_be_bytes(*ahead).checked_mul(MICRO as i64)?,
        uncertainty: Duration::from_micros(u32::from_be_bytes(uncertainty).into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: CaptureTime = CaptureTime {
        at: WallNanos(1_700_000_000_123_456_000),
        ahead: -1_500_000,
        uncertainty: Duration::from_micros(250),
    };

    #[test]
    fn a_time_reads_back_to_the_microsecond() {
        assert_eq!(write(&TIME).len(), LENGTH);
        assert_eq!(read(&write(&TIME)), Some(TIME));
        let finer = CaptureTime {
            at: WallNanos(TIME.at.0 + 999),
            ahead: TIME.ahead - 999,
            uncertainty: TIME.uncertainty + Duration::from_nanos(999),
        };
        assert_eq!(read(&write(&finer)), Some(TIME));
        let wildest = CaptureTime {
            at: WallNanos(u64::MAX),
            ahead: i64::MIN,
            uncertainty: Duration::MAX,
        };
        assert!(read(&write(&wildest)).is_some());
    }

    #[test]
    fn another_version_or_length_or_identifier_tells_nothing() {
        let good = write(&TIME);
        for cut in 0..good.len() {
            assert_eq!(read(&good[..cut]), None, "{cut} bytes");
        }
        assert_eq!(read(&[&good[..], &[0]].concat()), None);
        for at in 0..=UUID.len() {
            let mut other = good.clone();
            other[at] ^= 1;
            assert_eq!(read(&other), None, "byte {at}");
        }
        // More microseconds than there are nanoseconds.
        let mut late = good.clone();
        late[UUID.len() + 1] = 0xff;
        assert_eq!(read(&late), None);
        let mut far = good;
        far[UUID.len() + 9] = 0x7f;
        assert_eq!(read(&far), None);
    }
}
