//! The common part of the fuzz targets for whole conversations: the messages of a peer, most of them
//! with valid framing, so that the fuzzer gets beyond the first bytes.

use std::time::Duration;

use arbitrary::Arbitrary;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use vidchat::frame::FrameHeader;
use vidchat::wire::head::encode_frame_head;
use vidchat::wire::{Ack, Bye, Control, Hello, Loss, Pong, Report};

/// Bytes after which a test with a message of any length is of no more use.
const LONGEST: usize = 4096;

/// The next message of a peer.
#[derive(Arbitrary, Debug)]
pub enum Said {
    Hello {
        version: u32,
        name: String,
        caps: Option<CapsText>,
        acks: bool,
        max_latency: Option<u32>,
        stream: Option<String>,
        sends: bool,
    },
    Caps(CapsText),
    Ack {
        sequence: u32,
        took: u64,
    },
    Ping(u64),
    Pong {
        sent: u64,
        received: u64,
        replied: u64,
    },
    Report {
        rtt_ms: Option<f64>,
        carries_mbit_s: Option<f64>,
    },
    Key,
    Lost(String),
    Bye(String),
    /// A control message of any text.
    Json(String),
    Frame {
        sequence: u32,
        key: bool,
        ack: bool,
        pts: u64,
        captured_at: u64,
        data: Vec<u8>,
        /// How much longer the frame's head says that it is.
        longer: u8,
    },
    /// A length with no regard to what follows.
    Length(u64),
    Bytes(Vec<u8>),
    /// A pause, in tenths of a second.
    Pause(u8),
}

/// Caps that are often good.
#[derive(Arbitrary, Debug)]
pub enum CapsText {
    Raw { width: u16, height: u16, rate: u32 },
    Small,
    Jpeg,
    H264,
    Text(String),
}

impl CapsText {
    fn text(&self) -> String {
        match self {
            Self::Raw {
                width,
                height,
                rate,
            } => format!(
                "video/x-raw, format=(string)GRAY8, width=(int){width}, height=(int){height}, \
                 framerate=(fraction){rate}/1"
            ),
            Self::Small => "video/x-raw, format=(string)GRAY8, width=(int)16, height=(int)4, \
                 framerate=(fraction)30/1"
                .into(),
            Self::Jpeg => "image/jpeg, width=(int)16, height=(int)4".into(),
            Self::H264 => "video/x-h264, stream-format=(string)byte-stream, alignment=(string)au"
                .into(),
            Self::Text(text) => text.clone(),
        }
    }
}

impl Said {
    /// Says it to `peer`, whose own words are read meanwhile and dropped.
    pub async fn say(&self, peer: &mut DuplexStream) {
        match self.bytes() {
            Ok(bytes) => {
                let (mut read, mut write) = tokio::io::split(peer);
                let mut scrap = [0; 4096];
                let saying = write.write_all(&bytes);
                let reading = async { while matches!(read.read(&mut scrap).await, Ok(1..)) {} };
                tokio::select! {
                    _ = saying => {}
                    () = reading => {}
                }
            }
            Err(tenths) => {
                tokio::time::sleep(Duration::from_millis(u64::from(tenths) * 100)).await;
            }
        }
    }

    /// The bytes on the wire; `Err` with tenths of a second for a pause.
    fn bytes(&self) -> Result<Vec<u8>, u8> {
        let control = match self {
            Self::Hello {
                version,
                name,
                caps,
                acks,
                max_latency,
                stream,
                sends,
            } => Control::Hello(Hello {
                vidchat: *version,
                name: name.clone(),
                caps: caps.as_ref().map(CapsText::text),
                acks: *acks,
                max_latency: *max_latency,
                stream: stream.clone(),
                sends: *sends,
                ..Hello::default()
            }),
            Self::Caps(caps) => Control::Caps { caps: caps.text() },
            Self::Ack { sequence, took } => Control::Ack(Ack {
                sequence: *sequence,
                took: *took,
            }),
            Self::Ping(sent) => Control::Ping { sent: *sent },
            Self::Pong {
                sent,
                received,
                replied,
            } => Control::Pong(Pong {
                sent: *sent,
                received: *received,
                replied: *replied,
                sent_ms: None,
            }),
            Self::Report {
                rtt_ms,
                carries_mbit_s,
            } => Control::Report(Report {
                rtt_ms: *rtt_ms,
                carries_mbit_s: *carries_mbit_s,
                ..Report::default()
            }),
            Self::Key => Control::Key,
            Self::Lost(reason) => Control::Lost(Loss::new(reason.clone())),
            Self::Bye(reason) => Control::Bye(Bye::from(reason.clone())),
            Self::Json(text) => return Ok(message(text.as_bytes())),
            Self::Frame {
                sequence,
                key,
                ack,
                pts,
                captured_at,
                data,
                longer,
            } => {
                let header = FrameHeader {
                    key: *key,
                    ack: *ack,
                    sequence: *sequence,
                    pts: *pts,
                    captured_at: *captured_at,
                    ..FrameHeader::default()
                };
                let head = encode_frame_head(&header, data.len() + usize::from(*longer));
                return Ok([&head[..], data].concat());
            }
            Self::Length(length) => return Ok(length.to_le_bytes().to_vec()),
            Self::Bytes(bytes) => return Ok(bytes.clone()),
            Self::Pause(tenths) => return Err(*tenths),
        };
        Ok(control.encode())
    }
}

fn message(json: &[u8]) -> Vec<u8> {
    let json = &json[..json.len().min(LONGEST)];
    [&(json.len() as u64).to_le_bytes()[..], json].concat()
}

/// Says no more to `peer`, and waits until it has ended too.
pub async fn hang_up(mut peer: DuplexStream) {
    let _ = peer.shutdown().await;
    let _ = tokio::io::copy(&mut peer, &mut tokio::io::sink()).await;
}
