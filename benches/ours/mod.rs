//! vidchat's side of every figure: its library in processes of their own, so that each end's
//! processor time is that end's alone, and its program as anybody starts it.

pub mod encrypted;
pub mod program;
pub mod screen;
pub mod sender;
pub mod viewer;

use std::io;
use std::process::ExitCode;

use vidchat::wire::{Control, Hello, VERSION};

use crate::yardstick::meter::Clock;
use crate::yardstick::spec::{Framing, Spec};

/// What is sent: 320×240, the format at both ends.
#[derive(Clone, Copy, Debug, serde::Deserialize, serde::Serialize)]
pub enum Format {
    /// 24 bits a pixel.
    Bgr,
    /// 12 bits a pixel.
    I420,
    /// Bytes as short as frames of H.264.
    Small,
}

impl Format {
    /// Its caps, as the hello tells them.
    pub fn caps(self) -> &'static str {
        match self {
            Self::Bgr => "video/x-raw,format=BGR,width=320,height=240,framerate=30/1",
            Self::I420 => "video/x-raw,format=I420,width=320,height=240,framerate=30/1",
            Self::Small => "video/x-h264,stream-format=byte-stream,alignment=au",
        }
    }

    /// Bytes of one frame.
    pub fn bytes(self) -> usize {
        match self {
            Self::Bgr => crate::yardstick::BGR,
            Self::I420 => crate::yardstick::I420,
            Self::Small => crate::yardstick::SMALL,
        }
    }
}

/// Does a child's work when this process was started as one, as
/// [`yardstick::child`](crate::yardstick::child) does.
pub fn child() -> Option<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    let argument = arguments.next()?;
    let spec = arguments.next().unwrap_or_default();
    let ended = match argument.as_str() {
        sender::ARGUMENT => sender::run(&spec),
        viewer::ARGUMENT => viewer::run(&spec),
        _ => return None,
    };
    Some(match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{argument}: {error}");
            ExitCode::FAILURE
        }
    })
}

/// `spec`, for a sender that speaks vidchat's protocol.
pub fn spoken_to(spec: Spec) -> Spec {
    let hello = Hello {
        vidchat: VERSION,
        ..Hello::default()
    };
    Spec {
        preamble: Control::Hello(hello).encode(),
        framing: Framing::Messages {
            stamp: Some(Clock::Realtime),
        },
        ..spec
    }
}

/// The runtime that the program has too.
fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}
