//! Control messages: small JSON objects beside the frames.
//!
//! Unknown keys and types are ignored, so that later versions can add some.

use serde::{Deserialize, Serialize};

use super::text::{printable, printable_name, printable_reason};
use super::token::Token;
use super::{PREFIX_BYTES, WireError};

/// The longest reason from a peer, or description of a fault in its message, in characters.
pub const REASON_LIMIT: usize = 200;
/// The longest name from a peer, in characters.
pub const NAME_LIMIT: usize = 64;
/// The most parties of a room beside its host.
pub const PARTICIPANTS_LIMIT: usize = 7;
/// The most names of streams that are taken from a peer.
const STREAMS_LIMIT: usize = 32;

/// A message of one side to the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Control {
    /// The first message of each side.
    Hello(Hello),
    /// The caps of the frames that follow, as GStreamer writes them.
    Caps { caps: String },
    /// The viewer asks for a frame that can be decoded by itself.
    Key,
    /// The viewer asks for the sender's time.
    Ping {
        /// When the ping was sent, in nanoseconds of the viewer's own clock. The sender only
        /// repeats it in its answer.
        sent: u64,
    },
    /// The sender's answer to a ping.
    Pong(Pong),
    /// The viewer has received a whole frame.
    Ack(Ack),
    /// Once a second: the frames that a viewer has shown.
    Report(Report),
    /// No frames come from the source, for this reason. The next frame ends this.
    Lost(Loss),
    /// From a side that is called: the person there is asked. It comes again each second.
    Ringing,
    /// From a side that is called: the person there has answered. Frames may follow.
    Answer,
    /// From the host of a room: who is there, whenever that changes.
    Participants(Participants),
    /// The sending side is about to close the connection, for this reason.
    Bye(Bye),
    /// A message type of a later version.
    #[serde(other)]
    Unknown,
}

/// The introduction of each side.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The version of the protocol.
    pub vidchat: u32,
    /// The machine's name, to be shown to the person on the other side.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// From a viewer: it acknowledges frames, pings, and reports the frames that it has shown.
    #[serde(default, skip_serializing_if = "is_false")]
    pub acks: bool,
    /// From a viewer: how old a frame may be on its screen, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_latency: Option<u32>,
    /// From the sender, if they are known already: the caps of its frames. Otherwise they come as
    /// [`Control::Caps`] before the first frame.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caps: Option<String>,
    /// From a sender that has connected to a receiver: whether this side sends.
    #[serde(default, skip_serializing_if = "is_false")]
    pub sends: bool,
    /// From a viewer: the name of the stream that it asks for; `None` for the sender's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    /// In a call: which one, and the party that this side is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<CallTicket>,
    /// In a call: the codecs that this side decodes, such as `h264`. Raw frames need none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decodes: Vec<String>,
}

/// What ties the connections of one call together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallTicket {
    /// The call. It is secret: with it a party comes back without being asked again.
    pub id: Token,
    /// The party that this side is, for as long as its program runs.
    pub party: Token,
    /// From a host: the call is a room, in which there may be more than two.
    #[serde(default, skip_serializing_if = "is_false")]
    pub room: bool,
}

/// Why no frames come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// The reason in words, for a person.
    pub reason: String,
    /// A person has switched the camera off, or has none: nothing is wrong.
    #[serde(default, skip_serializing_if = "is_false")]
    pub off: bool,
}

/// The parties of a room beside its host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Participants {
    /// In the order in which they came.
    pub participants: Vec<Participant>,
}

/// A party of a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Participant {
    /// The party, and the name of the stream with its frames.
    pub party: Token,
    /// Its machine's name.
    pub name: String,
}

/// Why a connection is about to be closed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bye {
    /// The reason in words, for a person.
    pub reason: String,
    /// The reason for a program. Older peers give none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<ByeCode>,
    /// Whether nothing more will come, so that connecting again is of no use.
    #[serde(default, skip_serializing_if = "is_false")]
    pub done: bool,
    /// With [`ByeCode::Stream`]: the names that the sender has streams for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub streams: Vec<String>,
}

/// The reason of a goodbye, for a program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ByeCode {
    /// All seats at the sender are taken.
    Full,
    /// The receiver shows another sender.
    Busy,
    /// A person stopped the sender.
    Stopped,
    /// The video has come to its end.
    Ended,
    /// The sender failed.
    Failed,
    /// The viewer left.
    Left,
    /// The sender has no stream of the name that the viewer asked for.
    Stream,
    /// Both sides are senders, or both are receivers.
    Role,
    /// The person who is called does not want to talk.
    Declined,
    /// Nobody answered the call.
    Unanswered,
    /// Both sides call each other, and the other call goes on.
    Glare,
    /// A person has ended the call.
    Over,
    /// Only calls are taken here.
    Call,
    /// No such call goes on here, or not any more.
    NoCall,
    /// The other side encrypts, and this one has no key or code.
    Open,
    /// A code of a later version.
    #[serde(untagged)]
    Unknown(String),
}

/// Ages of frames at one point of their path, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AgesMs {
    /// Half of the frames are younger.
    pub p50: f64,
    /// 95 of 100 frames are younger.
    pub p95: f64,
    /// The oldest.
    pub max: f64,
}

// JSON has no NaN, so `==` is an equivalence.
impl Eq for AgesMs {}

/// The times of a ping, from which a viewer computes the sender's clock as in NTP. The fourth is
/// the arrival of this message, by the viewer's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pong {
    /// The time in the ping, by the viewer's own clock.
    pub sent: u64,
    /// When the ping arrived, in nanoseconds since 1970 by the sender's clock.
    pub received: u64,
    /// When the pong was sent, in nanoseconds since 1970 by the sender's clock.
    pub replied: u64,
    /// Ages, when they left, of the frames that left since the last pong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_ms: Option<AgesMs>,
}

/// The acknowledgement of a frame that has arrived whole, and of all before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ack {
    /// The frame's number.
    pub sequence: u32,
    /// The time from the frame's first byte to its last, in microseconds.
    #[serde(default)]
    pub took: u64,
}

/// The frames that a viewer has shown in the last second, for the sender's statistics. Unknown
/// values are left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Report {
    /// Frames that reached the screen.
    pub shown: u32,
    /// Ages of the frames when they had arrived.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arrived_ms: Option<AgesMs>,
    /// Ages of the frames when they reached the screen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age_ms: Option<AgesMs>,
    /// The shortest recent round trip to the sender, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rtt_ms: Option<f64>,
    /// The rate of the path, measured on frames that took a while, in Mbit/s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub carries_mbit_s: Option<f64>,
    /// From a viewer that passes the frames on, while that way takes less than it gets: the rate of
    /// the way, in Mbit/s. The sender's encoder follows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub onward_mbit_s: Option<f64>,
}

// As for [`AgesMs`].
impl Eq for Report {}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_false(value: &bool) -> bool {
    !value
}

impl Bye {
    /// A goodbye that leaves connecting again open.
    pub fn new(code: ByeCode, reason: impl Into<String>) -> Self {
        Self {
            code: Some(code),
            ..Self::from(reason.into())
        }
    }

    /// The goodbye of a side without a key or code to one that encrypts.
    pub fn open() -> Self {
        Self::new(
            ByeCode::Open,
            "this side is open: it has no key and no code",
        )
    }

    /// The same goodbye, with a reason that is fit to be shown.
    pub fn printable(mut self) -> Self {
        self.reason = printable_reason(&self.reason, REASON_LIMIT);
        self.streams.truncate(STREAMS_LIMIT);
        for name in &mut self.streams {
            *name = printable_name(name, NAME_LIMIT);
        }
        self
    }
}

/// A goodbye without a code.
impl From<String> for Bye {
    fn from(reason: String) -> Self {
        Self {
            reason,
            ..Self::default()
        }
    }
}

impl Loss {
    /// The frames have stopped for this reason.
    pub fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            off: false,
        }
    }

    /// A person has switched the camera off, or has none.
    pub fn off(reason: impl Into<String>) -> Self {
        Self {
            off: true,
            ..Self::new(reason)
        }
    }

    /// The same loss, with a reason that is fit to be shown.
    pub fn printable(mut self) -> Self {
        self.reason = printable_reason(&self.reason, REASON_LIMIT);
        self
    }
}

impl Participants {
    /// The same parties, no more than a room holds, with names that are fit to be shown.
    pub fn printable(mut self) -> Self {
        self.participants.truncate(PARTICIPANTS_LIMIT);
        for participant in &mut self.participants {
            participant.name = printable_name(&participant.name, NAME_LIMIT);
        }
        self
    }
}

impl Control {
    /// A goodbye without a code.
    pub fn bye(reason: impl Into<String>) -> Self {
        Self::Bye(Bye::from(reason.into()))
    }

    /// The whole message, with its length first.
    pub fn encode(&self) -> Vec<u8> {
        let mut message = vec![0; PREFIX_BYTES];
        serde_json::to_writer(&mut message, self)
            .expect("writing strings and numbers to memory cannot fail");
        let length = (message.len() - PREFIX_BYTES) as u64;
        message[..PREFIX_BYTES].copy_from_slice(&length.to_le_bytes());
        message
    }

    /// Reads the JSON of one message, without its length.
    ///
    /// # Errors
    /// It is not valid.
    pub fn decode(json: &[u8]) -> Result<Self, WireError> {
        // The parser quotes unexpected text, however long it is.
        serde_json::from_slice(json)
            .map_err(|e| WireError::Control(printable(&e.to_string(), REASON_LIMIT)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goodbye_without_words_says_so() {
        for empty in ["", "  ", "\u{1b}"] {
            let bye = Bye::from(empty.to_owned()).printable();
            assert_eq!(bye.reason, "no reason was given");
        }
    }

    #[test]
    fn every_message_reads_back() {
        let messages = [
            Control::Hello(Hello {
                vidchat: 1,
                name: "desk".into(),
                acks: true,
                max_latency: Some(200),
                caps: Some("image/jpeg".into()),
                sends: true,
                stream: Some("screen".into()),
                call: Some(CallTicket {
                    id: Token(7),
                    party: Token(u128::MAX),
                    room: true,
                }),
                decodes: vec!["h264".into()],
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
            Control::Lost(Loss {
                reason: "it was unplugged".into(),
                off: false,
            }),
            Control::Ringing,
            Control::Answer,
            Control::Participants(Participants {
                participants: vec![Participant {
                    party: Token(1),
                    name: "desk".into(),
                }],
            }),
            Control::Caps {
                caps: "video/x-raw".into(),
            },
            Control::Key,
            Control::Bye(Bye {
                done: true,
                streams: vec!["camera".into()],
                ..Bye::new(ByeCode::Stream, "no such stream")
            }),
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
        assert_eq!(Control::decode(more), Ok(Control::bye("x")));
    }

    #[test]
    fn a_code_that_nobody_knows_yet_reads_back_as_it_is() {
        let bye = |code| Control::Bye(Bye::new(code, "x"));
        for (text, code) in [
            ("full", ByeCode::Full),
            ("busy", ByeCode::Busy),
            ("stopped", ByeCode::Stopped),
            ("ended", ByeCode::Ended),
            ("failed", ByeCode::Failed),
            ("left", ByeCode::Left),
            ("stream", ByeCode::Stream),
            ("role", ByeCode::Role),
            ("declined", ByeCode::Declined),
            ("unanswered", ByeCode::Unanswered),
            ("glare", ByeCode::Glare),
            ("over", ByeCode::Over),
            ("call", ByeCode::Call),
            ("nocall", ByeCode::NoCall),
            ("Full", ByeCode::Unknown("Full".into())),
            ("password", ByeCode::Unknown("password".into())),
            ("", ByeCode::Unknown(String::new())),
        ] {
            let json = format!(r#"{{"type":"bye","reason":"x","code":"{text}"}}"#);
            let message = Control::decode(json.as_bytes()).unwrap();
            assert_eq!(message, bye(code), "{text}");
            assert_eq!(message.encode()[PREFIX_BYTES..], *json.as_bytes());
        }
    }

    #[test]
    fn a_goodbye_from_a_peer_is_cut_to_what_can_be_shown() {
        let bye = Bye {
            reason: "a\nb".repeat(REASON_LIMIT),
            streams: vec!["\x1b[2J".repeat(NAME_LIMIT); STREAMS_LIMIT + 1],
            ..Bye::default()
        }
        .printable();
        assert_eq!(bye.reason, "ab".repeat(REASON_LIMIT / 2));
        assert_eq!(bye.streams.len(), STREAMS_LIMIT);
        assert!(bye.streams.iter().all(|name| name.len() == NAME_LIMIT));
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
