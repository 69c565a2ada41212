//! Control messages: small JSON objects beside the pictures.
//!
//! Unknown keys and unknown types are ignored, which is how the protocol grows.

use serde::{Deserialize, Serialize};

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
    /// The side that says it is about to close the connection, and why.
    Bye { reason: String },
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
    /// From the sender, when it knows them already: the form of its frames. Where they are
    /// missing they come as [`Control::Caps`] before the first frame.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caps: Option<String>,
}

impl Control {
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

/// Text from a peer, made fit to be shown: one line, no control characters, no more than
/// `limit` characters.
pub fn printable(text: &str, limit: usize) -> String {
    text.chars()
        .filter(|c| !c.is_control() && !is_bidi_control(*c))
        .take(limit)
        .collect()
}

/// Characters that turn the direction of text around, with which a peer could make a line say
/// something else than it does.
fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
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
                caps: Some("image/jpeg".into()),
            }),
            Control::Caps {
                caps: "video/x-raw".into(),
            },
            Control::Key,
            Control::Bye {
                reason: "done".into(),
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
            Ok(Control::Bye { reason: "x".into() })
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

    #[test]
    fn shown_text_cannot_move_the_cursor() {
        assert_eq!(printable("de\x1b[2Jsk\n\u{202e}x", 64), "de[2Jskx");
        assert_eq!(printable("abcdef", 3), "abc");
    }
}
