//! A decoder that takes seconds to open, as those of hardware may: the receiver goes on to answer
//! its sender while it tries which decoder works.
//!
//! The decoder is an element of this process, so the receiver runs in it too. It is tried before all
//! others, waits for the test, and does not open then.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;

use clap::Parser;
use gst_video::prelude::*;
use gst_video::subclass::prelude::*;
use gstreamer as gst;
use gstreamer_video as gst_video;
use vidchat::cli::Cli;
use vidchat::wire::Control;
use vidchat::{commands, media};

use crate::media::frame_identity::encoded;
use crate::support::played_sender::PlayedPort;
use crate::support::{bounded, written_pipeline};

/// The decoder of VP8 that is tried first.
const FIRST: &str = "nvvp8dec";
const RAW: &str = "video/x-raw, format=(string)GRAY8, width=(int)16, height=(int)4, \
    framerate=(fraction)30/1";

/// The test's end of the decoder.
struct Gate {
    opening: Receiver<()>,
    go: Sender<()>,
}

/// The decoder's end.
struct Waiting {
    opening: Sender<()>,
    go: Receiver<()>,
}

static WAITING: OnceLock<Mutex<Waiting>> = OnceLock::new();
static TRIALS: AtomicUsize = AtomicUsize::new(0);

mod element {
    use super::*;

    #[derive(Default)]
    pub struct SlowDecoder;

    #[glib::object_subclass]
    impl ObjectSubclass for SlowDecoder {
        const NAME: &'static str = "VidchatTestSlowDecoder";
        type Type = super::SlowDecoder;
        type ParentType = gst_video::VideoDecoder;
    }

    impl ObjectImpl for SlowDecoder {}
    impl GstObjectImpl for SlowDecoder {}

    impl ElementImpl for SlowDecoder {
        fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
            static METADATA: OnceLock<gst::subclass::ElementMetadata> = OnceLock::new();
            Some(METADATA.get_or_init(|| {
                let (name, class) = ("Slow decoder", "Codec/Decoder/Video/Hardware");
                gst::subclass::ElementMetadata::new(name, class, "Opens slowly", "The tests")
            }))
        }

        fn pad_templates() -> &'static [gst::PadTemplate] {
            static TEMPLATES: OnceLock<Vec<gst::PadTemplate>> = OnceLock::new();
            TEMPLATES.get_or_init(|| {
                let template = |name, direction, kind| {
                    let caps = gst::Caps::new_empty_simple(kind);
                    gst::PadTemplate::new(name, direction, gst::PadPresence::Always, &caps)
                        .expect("it is a good template")
                };
                vec![
                    template("sink", gst::PadDirection::Sink, "video/x-vp8"),
                    template("src", gst::PadDirection::Src, "video/x-raw"),
                ]
            })
        }
    }

    impl VideoDecoderImpl for SlowDecoder {
        fn open(&self) -> Result<(), gst::ErrorMessage> {
            TRIALS.fetch_add(1, Relaxed);
            let waiting = WAITING.get().expect("the test has it");
            let waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
            // The test may be over.
            let _ = waiting.opening.send(());
            let _ = waiting.go.recv();
            Err(gst::error_msg!(
                gst::ResourceError::NotFound,
                ["there is no hardware for it"]
            ))
        }
    }
}

glib::wrapper! {
    pub struct SlowDecoder(ObjectSubclass<element::SlowDecoder>)
        @extends gst_video::VideoDecoder, gst::Element, gst::Object;
}

impl Gate {
    /// Puts the decoder in its place, closed.
    fn install() -> Self {
        media::init().expect("GStreamer");
        let (opened, opening) = channel();
        let (go, waited) = channel();
        let waiting = Waiting {
            opening: opened,
            go: waited,
        };
        assert!(WAITING.set(Mutex::new(waiting)).is_ok(), "one test has it");
        let kind = SlowDecoder::static_type();
        gst::Element::register(None, FIRST, gst::Rank::NONE, kind).expect("an element");
        Self { opening, go }
    }

    /// Waits until the decoder is tried.
    fn wait(self) -> Self {
        bounded("the decoder is tried", move || {
            self.opening.recv().expect("it is there");
            self
        })
    }

    /// Lets it end its trial.
    fn open(self) {
        self.go.send(()).expect("it waits");
    }
}

/// `vidchat recv` with these arguments. Its error, if it ends with one.
fn receive(arguments: &[&str]) -> JoinHandle<Result<(), String>> {
    let arguments = [&["vidchat", "recv"], arguments].concat();
    let cli = Cli::parse_from(arguments);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let ended = runtime.block_on(commands::run(cli));
        ended.map_err(|failure| failure.to_string())
    })
}

#[test]
fn a_receiver_lives_while_its_decoders_are_tried() {
    let Some((vp8, frames)) = encoded("vp8enc deadline=1 keyframe-max-dist=20") else {
        return;
    };
    let vp8 = Control::Caps {
        caps: vp8.to_string(),
    };
    let gate = Gate::install();
    let port = PlayedPort::open();
    let (_folder, file) =
        written_pipeline("# Decodes.\nappsrc name=frames ! ${decode} ! fakesink\n");
    let receiving = receive(&[&port.target(), "--frames", "100", "--pipeline", &file]);
    // The caps change while frames are shown.
    let mut sender = port.accept(RAW);
    for sequence in 1..=5 {
        sender.send(sequence, true, &[7; 64]);
    }
    sender.say(&vp8);
    let gate = gate.wait();
    let mut encoded = (6..).zip(frames.iter().cycle());
    for (sequence, frame) in encoded.by_ref().take(50) {
        sender.send(sequence, frame.key, &frame.bytes);
    }
    // The last of these come a second apart: a receiver that is held up for three seconds is
    // dropped, and it drops its sender.
    sender.hear_pings(8);
    sender.has_no_other_connection();
    gate.open();
    // The decoder that was found is known when the caps come again.
    sender.say(&Control::Caps { caps: RAW.into() });
    sender.say(&vp8);
    for (sequence, frame) in encoded {
        if !sender.try_send(sequence, frame.key, &frame.bytes) {
            break;
        }
    }
    let ended = bounded("the receiver's end", || receiving.join());
    assert_eq!(ended.expect("no panic"), Ok(()));
    assert_eq!(TRIALS.load(Relaxed), 1, "it was tried again");
}
