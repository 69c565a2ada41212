//! Control messages: small JSON objects beside the pictures.
//!
//! Unknown keys and unknown types are ignored, which is how the protocol grows.

use serde::{Deserialize, Serialize};

use super::text::printable;
use super::{PREFIX_BYTES, WireError};

/// The longest explanation of what is wrong with a message, in characters.
const REASON_LIMIT: usize = 200;

/// What one side tells the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Control {
    /// The first message of each side.
    Hello(Hello),
    /// The form of the frames that follow, as the text of GStreamer caps.
    Caps { caps: String },
    /// The viewer asks for a picture that can be decoded by itself.
    Key,
    /// The viewer asks what time it is at the sender.
    Ping {
        /// When it was sent, in nanoseconds since the Unix epoch by the viewer's clock.
        sent: u64,
    },
    /// The sender's answer to a ping.
    Pong(Pong),
    /// The viewer has taken a whole picture off the network.
    Ack(Ack),
    /// Once a second: what a viewer has shown.
    Report(Report),
    /// No pictures come from the source, for this reason; the next one says that they do again.
    Lost { reason: String },
    /// The side that says it is about to close the connection, and why.
    Bye {
        reason: String,
        /// There will be no more: connecting again is of no use.
        #[serde(default, skip_serializing_if = "is_false")]
        done: bool,
    },
    /// A type of a later version.
    #[serde(other)]
    Unknown,
}

/// How each side introduces itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The version of the protocol.
    pub vidchat: u32,
    /// The machine's name, to be shown to the person on the other side.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// From a viewer: it acknowledges pictures, pings, and reports what it has shown.
    #[serde(default, skip_serializing_if = "is_false")]
    pub acks: bool,
    /// From a viewer: how old a picture may be on its screen, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_latency: Option<u32>,
    /// From the sender, when it knows them already: the form of its frames. Where they are
    /// missing they come as [`Control::Caps`] before the first frame.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caps: Option<String>,
}

/// Ages of pictures at one point of their way, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AgesMs {
    /// Half of them are younger.
    pub p50: f64,
    /// 95 of 100 are younger.
    pub p95: f64,
    /// The oldest.
    pub max: f64,
}

// JSON has no number that differs from itself.
impl Eq for AgesMs {}

/// The times of a ping's way, from which a viewer knows the sender's clock as NTP does. All in
/// nanoseconds since the Unix epoch; the fourth is when this arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pong {
    /// When the ping was sent, by the viewer's clock: what the ping said.
    pub sent: u64,
    /// When it arrived, by the sender's clock.
    pub received: u64,
    /// When this was sent, by the sender's clock.
    pub replied: u64,
    /// Ages of the pictures that began to leave since the last pong, when they did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_ms: Option<AgesMs>,
}

/// That a picture has arrived whole, and those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ack {
    /// The picture's number.
    pub sequence: u32,
    /// From its first byte to its last, in microseconds.
    #[serde(default)]
    pub took: u64,
}

/// What a viewer has shown in the last second, for the sender's statistics. What it does not know
/// is left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Report {
    /// Pictures that reached the screen.
    pub shown: u32,
    /// Ages of the pictures when they had arrived.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arrived_ms: Option<AgesMs>,
    /// Ages of the pictures when they reached the screen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age_ms: Option<AgesMs>,
    /// The round trip to the sender in milliseconds, the shortest of late.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rtt_ms: Option<f64>,
    /// What the path carries: the rate at which pictures came that took a while, in Mbit/s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub carries_mbit_s: Option<f64>,
}

// As above.
impl Eq for Report {}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_false(value: &bool) -> bool {
    !value
}

impl Control {
    /// A goodbye after which connecting again is worth a try.
    pub fn bye(reason: impl Into<String>) -> Self {
        Self::Bye {
            reason: reason.into(),
            done: false,
        }
    }

    /// The whole message, its length in front.
    pub fn encode(&self) -> Vec<u8> {
        let mut message = vec![0; PREFIX_BYTES];
        serde_json::to_writer(&mut message, self)
            .expect("writing strings and numbers to memory cannot fail");
        let length = (message.len() - PREFIX_BYTES) as u64;
        message[..PREFIX_BYTES].copy_from_slice(&length.to_le_bytes());
        message
    }

    /// Reads the JSON of one message, without its length.
    pub fn decode(json: &[u8]) -> Result<Self, WireError> {
        // The parser quotes what it did not expect, however long that is.
        serde_json::from_slice(json)
            .map_err(|e| WireError::Control(printable(&e.to_string(), REASON_LIMIT)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_reads_back() {
        let messages = [
            Control::Hello(Hello {
                vidchat: 1,
                name: "desk".into(),
                acks: true,
                max_latency: Some(200),
                caps: Some("image/jpeg".into()),
            }),
            Control::Ping { sent: 1 << 60 },
            Control::Pong(Pong {
                sent: 1,
                received: 2,
                replied: 3,
                sent_ms: Some(AgesMs {
                    p50: 0.25,
                    p95: 0.5,
                    max: 1.0,
                }),
            }),
            Control::Ack(Ack {
                sequence: u32::MAX,
                took: 92_000,
            }),
            Control::Report(Report {
                shown: 30,
                rtt_ms: Some(1.5),
                ..Report::default()
            }),
            Control::Lost {
                reason: "it was unplugged".into(),
            },
            Control::Caps {
                caps: "video/x-raw".into(),
            },
            Control::Key,
            Control::Bye {
                reason: "done".into(),
                done: true,
            },
        ];
        for message in messages {
            let bytes = message.encode();
            let (length, json) = bytes.split_at(PREFIX_BYTES);
            assert_eq!(length, (json.len() as u64).to_le_bytes());
            assert_eq!(Control::decode(json), Ok(message));
        }
    }

    #[test]
    fn unknown_types_and_keys_are_ignored() {
        let later = br#"{"type":"zoom","level":3,"inner":{"a":[1]}}"#;
        assert_eq!(Control::decode(later), Ok(Control::Unknown));
        let more = br#"{"type":"bye","reason":"x","when":12}"#;
        assert_eq!(
            Control::decode(more),
            Ok(Control::Bye {
                reason: "x".into(),
                done: false
            })
        );
    }

    #[test]
    fn what_is_not_a_control_message_is_refused() {
        for json in [
            &b"{"[..],
            b"[]",
            b"{}",
            br#"{"type":1}"#,
            br#"{"type":"hello"}"#,
            br#"{"type":"hello","vidchat":-1}"#,
            br#"{"type":"caps"}"#,
            b"\xff",
        ] {
            assert!(
                matches!(Control::decode(json), Err(WireError::Control(_))),
                "{json:?}"
            );
        }
        let deep = [&b"{\"a\":"[..], &b"[".repeat(20_000)].concat();
        assert!(Control::decode(&deep).is_err());
    }
}
