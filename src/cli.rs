//! The command line: the flags and their help. [`crate::commands`] runs the subcommands.
//!
//! All subcommands are in one file, long as it is: they share flags, and their help is read side by side.

use std::fmt::Display as Shown;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::engine_url::EngineUrl;
use crate::failure::Invalid;
use crate::limits::{self, Number};
use crate::net::call::Callee;
use crate::net::discovery::name;
use crate::net::secure::Code;
use crate::net::{DEFAULT_PORT, Network, Target, address};
use crate::wire::{Caps, Dialect, FRAME_LIMIT, LengthFormat};

const EXIT_STATUS: &str = "\
Exit status: 0 as asked, 1 could not start, 2 wrong usage, 3 lost while running.";

/// A port to connect to.
const PORT: Number<u16> = Number {
    name: "port",
    least: 1,
    most: u16::MAX,
    usual: DEFAULT_PORT,
    unit: "",
};
/// A port to listen at: 0 takes any that is free.
const OWN_PORT: Number<u16> = Number { least: 0, ..PORT };
/// The number of viewers at once.
const VIEWERS: Number<usize> = Number {
    name: "max-viewers",
    least: 1,
    most: 100_000,
    usual: 250,
    unit: "",
};
/// Frames until the end: at most those of a year.
const FRAMES: Number<u64> = Number {
    name: "frames",
    least: 1,
    most: 1_000_000_000,
    usual: 100,
    unit: "",
};
/// The longest message that is accepted.
pub const MAX_FRAME: Number<u64> = Number {
    name: "max-frame",
    least: 1024,
    most: 1 << 32,
    usual: FRAME_LIMIT,
    unit: "bytes",
};

/// Live video from one machine to another.
///
/// To see each other: vidchat call on both machines. To see a camera: vidchat send on its machine,
/// vidchat recv on another one of its network, vidchat recv HOST from elsewhere. To try it on this
/// machine alone: vidchat demo.
#[derive(Debug, Parser)]
#[command(version, after_help = EXIT_STATUS)]
pub struct Cli {
    /// Log more: -v for details, -vv for everything.
    #[arg(short, long, global = true, display_order = 900, action = clap::ArgAction::Count)]
    pub verbose: u8,
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// See each other: wait for a call, or call another machine.
    #[command(after_long_help = CALL_EXAMPLES)]
    Call(CallArgs),
    /// Send this machine's camera to everybody who connects.
    #[command(after_long_help = SEND_EXAMPLES)]
    Send(SendArgs),
    /// Show the video of a sender.
    #[command(after_long_help = RECV_EXAMPLES)]
    Recv(RecvArgs),
    /// List who is on this network.
    #[command(after_long_help = FIND_EXAMPLES)]
    Find(FindArgs),
    /// Pass a sender's video on to an engine that others run, such as an RTMP server.
    #[command(after_long_help = PUBLISH_EXAMPLES)]
    Publish(PublishArgs),
    /// Make a key, with which machines know each other.
    #[command(after_long_help = KEY_EXAMPLES)]
    Key(KeyCommandArgs),
    /// Send and receive a test picture on this machine, over real TCP.
    #[command(after_long_help = DEMO_EXAMPLES)]
    Demo(DemoArgs),
    /// List, show and check pipeline files.
    #[command(after_long_help = PIPELINES_EXAMPLES)]
    Pipelines(PipelinesArgs),
}

const SEND_EXAMPLES: &str = "\
Examples:
  vidchat send                              the camera, to everybody who connects
  vidchat send --pipeline test              a test picture: needs no camera
  vidchat send --pipeline screen            this machine's screen
  vidchat send --pipeline file --set file=clip.mp4
  vidchat send --device 2 --width 640 --fps 15
  vidchat send --pipeline ./mine.gst --watch   and each time the file is saved
  vidchat send --bind 127.0.0.1             only for this machine
  vidchat send --name wall-camera           as vidchat find lists it
  vidchat send --no-announce                vidchat find does not list it
  vidchat send --to 192.168.1.7             to a vidchat recv --listen there
  vidchat send --to 192.168.1.7:8485 --wire pickle-jpeg --length '>L'
                                            to a Python program of the tutorial's family there

The camera is opened for a moment at the start, to see that it works, and then only while
somebody watches. q or Ctrl-C ends it.

Exit status: 0 as asked, 1 could not start, 2 wrong usage, 3 lost while running.";

const RECV_EXAMPLES: &str = "\
Examples:
  vidchat recv                              the sender on this network, or one of several
  vidchat recv anna-laptop                  one that vidchat find lists
  vidchat recv 192.168.1.7                  in a window, or in the terminal without a display
  vidchat recv desk.local:10051             another port
  vidchat recv desk --display terminal      in the terminal
  vidchat recv desk --frames 100 --display none
  vidchat recv desk --pipeline ./mine.gst   where the frames go is up to you
  vidchat recv --listen                     a vidchat send --to this machine
  vidchat recv rtmp://desk/live/cam         from an engine into which vidchat publish sends

When the connection is lost it connects again, for ever. q in the window or in the terminal,
Ctrl-C, or closing the window ends it.

Exit status: 0 as asked, 1 could not start, 2 wrong usage, 3 lost while running.";

const FIND_EXAMPLES: &str = "\
Examples:
  vidchat find                              names, what runs there, and addresses
  vidchat find -v                           listens for two seconds instead of one
  vidchat find --json                       a JSON object for each
  vidchat recv anna-laptop                  one of them by its name

It asks by multicast DNS, which some networks and firewalls do not let through. A sender and a call
that waits are listed unless they were started with --no-announce. The exit status is 1 where nobody is found.

Exit status: 0 as asked, 1 could not start, 2 wrong usage, 3 lost while running.";

const PUBLISH_EXAMPLES: &str = "\
Examples:
  vidchat publish desk --to rtmp://media.example.com/live/cam
  vidchat publish --pipeline camera-h264 --to srt://media.example.com:7001
  vidchat publish desk --to rtp://239.1.2.3:5004     to everybody on this network, by multicast
  vidchat publish desk --to srt://h:7001 --file srt-ts    MPEG-TS, as most programs take it
  vidchat publish desk --to rtmp://h/live/cam --file ./mine.gst
  vidchat recv rtmp://media.example.com/live/cam     shows it, on any machine
  vidchat send --pipeline rtmp://media.example.com/live/cam

Schemes: rtp, srt, rtmp, rtmps, rtsp, rtsps, moq+http, moq+https, and zenoh/KEY. An engine that is not
there is tried again until it is, for ever. q or Ctrl-C ends it.

Exit status: 0 as asked, 1 could not start, 2 wrong usage, 3 lost while running.";

const CALL_EXAMPLES: &str = "\
Examples:
  vidchat call                              waits and shows a code, and takes the code of
                                            somebody else who waits
  vidchat call 4-maple-otter                calls the one on this network that shows this code
  vidchat call 192.168.1.7 --code 4-maple-otter
                                            calls one anywhere, with the code that it shows
  vidchat call desk --pipeline screen-h264  shows this machine's screen instead of the camera;
                                            the code is asked for
  vidchat call --room                       up to eight: the others call this machine
  vidchat call --answer always --key-file camera.key
                                            answers by itself, as for a camera in another room

A call is encrypted. Only those who type the code, or have the key file, get through to the
person. A code is good for one call, or for a room, and for three wrong guesses. With --open
everybody who reaches this machine can call, and nothing is encrypted.

Keys: q ends it, s hides oneself, m mirrors, c turns the camera off and on, f full screen,
p saves a picture, ? shows them all. Nothing is sent before the other side has answered.

Exit status: 0 as asked, 1 could not start, 2 wrong usage, 3 lost while running.";

const KEY_EXAMPLES: &str = "\
Examples:
  vidchat key --out camera.key              a new key, in a file that nobody else can read
  vidchat send --key-file camera.key        nobody without it can watch, or read along
  vidchat recv desk --key-file camera.key   the same file on the other machine

Without --out the key is printed, to be read aloud and typed. A file with the line
\"passphrase: \" and a long passphrase behind it is a key file too.

Exit status: 0 as asked, 1 could not start, 2 wrong usage, 3 lost while running.";

const DEMO_EXAMPLES: &str = "\
Examples:
  vidchat demo
  vidchat demo --display terminal
  vidchat demo --pipeline camera            this machine's camera, there and back

Exit status: 0 as asked, 1 could not start, 2 wrong usage, 3 lost while running.";

const PIPELINES_EXAMPLES: &str = "\
Examples:
  vidchat pipelines                         those that there are
  vidchat pipelines show camera > mine.gst  one of them, as a start for your own
  vidchat pipelines check mine.gst          what is wrong with it, and where";

/// The flags that choose a pipeline and fill its placeholders.
#[derive(Debug, Args)]
pub struct PipelineArgs {
    /// A pipeline by its name, or by its path: one with a / in it or that ends in .gst.
    #[arg(long, value_name = "NAME|PATH")]
    pub pipeline: Option<String>,
    /// Fill a placeholder of the pipeline; may be given more than once.
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = parse_setting)]
    pub settings: Vec<(String, String)>,
}

/// The flags that let in nobody but those with the same key.
#[derive(Debug, Args)]
pub struct KeyArgs {
    /// Encrypt everything, and connect with nobody but those who have the key in this file too.
    /// vidchat key makes one. The variable VIDCHAT_KEY may hold a key in place of a file.
    #[arg(long, value_name = "PATH")]
    pub key_file: Option<PathBuf>,
}

/// The flags that say which camera, and how often.
#[derive(Debug, Args)]
pub struct CameraArgs {
    /// Frames a second, at the most [default: 30].
    #[arg(long, value_name = "RATE", allow_negative_numbers = true,
          value_parser = number(&limits::FPS))]
    pub fps: Option<u32>,
    /// Which camera: its device, its number or a part of its name.
    #[arg(long, value_name = "DEVICE")]
    pub device: Option<String>,
}

/// The flags for statistics, for other programs.
#[derive(Debug, Args)]
pub struct StatsArgs {
    /// Write the statistics, a line a second, to standard output.
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub stats: Option<StatsFormat>,
    /// Write them to this file instead; in JSON unless --stats says otherwise.
    #[arg(long, value_name = "PATH")]
    pub stats_file: Option<PathBuf>,
}

/// How statistics are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StatsFormat {
    /// One JSON object a line.
    Json,
}

/// Flags of `vidchat send`.
#[derive(Debug, Args)]
pub struct SendArgs {
    #[command(flatten)]
    pub pipeline: PipelineArgs,
    /// Width of the picture in pixels; the height follows [default: 320].
    #[arg(long, value_name = "PIXELS", allow_negative_numbers = true,
          value_parser = number(&limits::WIDTH))]
    pub width: Option<u32>,
    #[command(flatten)]
    pub camera: CameraArgs,
    /// Connect to a receiver that runs vidchat recv --listen, instead of listening here.
    #[arg(long, value_name = "HOST[:PORT]", conflicts_with_all = ["bind", "port", "max_viewers", "name", "no_announce"])]
    pub to: Option<Target>,
    /// The address to listen at: this machine's, or 127.0.0.1 for this machine alone [default:
    /// all of them].
    #[arg(long, value_name = "ADDRESS", value_parser = address::own)]
    pub bind: Option<IpAddr>,
    /// The port to listen at; 0 takes any that is free.
    #[arg(long, default_value_t = DEFAULT_PORT, allow_negative_numbers = true,
          value_parser = number(&OWN_PORT))]
    pub port: u16,
    /// How many may watch at once.
    #[arg(long, value_name = "COUNT", default_value_t = VIEWERS.usual,
          allow_negative_numbers = true, value_parser = number(&VIEWERS))]
    pub max_viewers: usize,
    /// The name under which vidchat find lists this sender [default: the machine's].
    #[arg(long, value_name = "NAME", conflicts_with = "no_announce", value_parser = name::read)]
    pub name: Option<String>,
    /// Do not announce this sender on the local network.
    #[arg(long)]
    pub no_announce: bool,
    /// Show the sent picture here too, or fail where there is no display.
    #[arg(long, conflicts_with = "no_preview")]
    pub preview: bool,
    /// Do not show the sent picture here.
    #[arg(long)]
    pub no_preview: bool,
    /// Change over to the pipeline file when it is saved.
    #[arg(long, requires = "pipeline")]
    pub watch: bool,
    /// Leave the camera on while nobody watches.
    #[arg(long)]
    pub keep_open: bool,
    /// The dialect that is spoken.
    #[arg(long, value_enum, default_value_t)]
    pub wire: WireChoice,
    /// How the length before each pickle or bare frame is written, as in Python's struct.pack: Q or
    /// L (8 bytes, little-endian), I or <L (4 bytes, little-endian), >Q (8 bytes, big-endian), >L
    /// or !I (4 bytes, big-endian). Python on Windows means I by L. A number such as 16 is text:
    /// digits, with spaces up to so many bytes [default: Q].
    #[arg(long, value_name = "FORMAT", value_parser = parse_length)]
    pub length: Option<LengthFormat>,
    /// How far behind the newest frame a viewer may fall before frames are left out. What viewers
    /// ask for themselves counts where it is less. A time such as 200ms or 1s.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true,
          value_parser = limits::latency)]
    pub max_latency: Option<Duration>,
    /// Accept connections from these networks alone, such as 192.168.1.0/24; several with commas
    /// between them.
    #[arg(
        long,
        value_name = "NETWORK",
        value_delimiter = ',',
        conflicts_with = "to"
    )]
    pub allow: Vec<Network>,
    #[command(flatten)]
    pub key: KeyArgs,
    /// Encrypt everything, and let in nobody but those who type a code, which is printed; or the code
    /// that the receiver of --to prints.
    #[arg(long, value_name = "CODE", num_args = 0..=1, conflicts_with = "key_file")]
    pub code: Option<Option<Code>>,
    #[command(flatten)]
    pub stats: StatsArgs,
}

/// The dialect of a connection, as a flag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum WireChoice {
    /// The other side's: vidchat's own protocol or the tutorial's pickles.
    #[default]
    Auto,
    /// vidchat's own protocol alone.
    Native,
    /// The tutorial's pickles alone.
    Pickle,
    /// Pickles alone, of JPEG: for programs that call cv2.imdecode. A receiver takes any pickle.
    PickleJpeg,
    /// Nothing but the length and the buffer: for programs that you write yourself.
    Bare,
}

impl WireChoice {
    /// The one dialect to speak; `None` where the other side chooses.
    pub fn dialect(self) -> Option<Dialect> {
        match self {
            Self::Auto => None,
            Self::Native => Some(Dialect::Native),
            Self::Pickle | Self::PickleJpeg => Some(Dialect::Pickle),
            Self::Bare => Some(Dialect::Bare),
        }
    }
}

/// The display for the video, as a flag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Display {
    /// A window where there is a display, otherwise the terminal.
    #[default]
    Auto,
    /// A window.
    Window,
    /// The terminal: as images where it shows them, else in coloured blocks.
    Terminal,
    /// Nowhere.
    None,
}

/// Flags of `vidchat recv`.
#[derive(Debug, Args)]
pub struct RecvArgs {
    /// The sender, as its vidchat prints it: a name or an address, with :PORT where it is not
    /// 10050; or a name that vidchat find lists. Without it, a sender on this network is taken. Or the
    /// URL of an engine, such as rtmp://media.example.com/live/cam.
    #[arg(value_name = "HOST[:PORT]", conflicts_with = "listen")]
    pub target: Option<RecvTarget>,
    /// The pipeline file that speaks with the engine of a URL, by name or path [default: that of its
    /// scheme].
    #[arg(long, value_name = "NAME|PATH", conflicts_with = "listen")]
    pub file: Option<String>,
    /// Wait for a sender that runs vidchat send --to, instead of connecting to one.
    #[arg(long)]
    pub listen: bool,
    /// The address to listen at: this machine's, or 127.0.0.1 for this machine alone [default:
    /// all of them].
    #[arg(long, value_name = "ADDRESS", conflicts_with = "target", requires = "listen",
          value_parser = address::own)]
    pub bind: Option<IpAddr>,
    #[command(flatten)]
    pub pipeline: PipelineArgs,
    /// Change over to the pipeline file when it is saved.
    #[arg(long, requires = "pipeline")]
    pub watch: bool,
    /// The sender's port, where HOST does not name one; with --listen, the port to listen at, where
    /// 0 takes any that is free [default: 10050].
    #[arg(long, allow_negative_numbers = true, value_parser = number(&OWN_PORT))]
    pub port: Option<u16>,
    /// Stop after so many frames.
    #[arg(long, value_name = "COUNT", allow_negative_numbers = true,
          value_parser = number(&FRAMES))]
    pub frames: Option<u64>,
    /// Where to show the video.
    #[arg(long, value_enum, default_value_t, conflicts_with = "pipeline")]
    pub display: Display,
    /// The dialect that the sender speaks.
    #[arg(long, value_enum, default_value_t)]
    pub wire: WireChoice,
    /// The caps of bare frames, such as "video/x-raw,format=I420,width=320,height=240".
    #[arg(long, value_name = "CAPS", required_if_eq("wire", "bare"), value_parser = parse_caps)]
    pub caps: Option<Caps>,
    /// How the length before each bare frame is written, as for vidchat send. It is found out for
    /// pickles, and for JPEG without --wire [default: Q].
    #[arg(long, value_name = "FORMAT", value_parser = parse_length)]
    pub length: Option<LengthFormat>,
    /// The longest message that is accepted, in bytes.
    #[arg(long, value_name = "BYTES", default_value_t = FRAME_LIMIT,
          allow_negative_numbers = true, value_parser = number(&MAX_FRAME))]
    pub max_frame: u64,
    /// How old a frame may be on the screen: older ones are left out. A time such as 200ms or 1s.
    #[arg(long, value_name = "TIME", default_value = "200ms", allow_hyphen_values = true,
          value_parser = limits::latency)]
    pub max_latency: Duration,
    /// End when the connection is lost, instead of connecting again.
    #[arg(long)]
    pub no_reconnect: bool,
    /// Accept connections from these networks alone, such as 192.168.1.0/24; several with commas
    /// between them.
    #[arg(
        long,
        value_name = "NETWORK",
        value_delimiter = ',',
        requires = "listen"
    )]
    pub allow: Vec<Network>,
    #[command(flatten)]
    pub key: KeyArgs,
    /// The code that the sender prints; or, with --listen, let in nobody but a sender that is given
    /// a code, which is printed.
    #[arg(long, value_name = "CODE", num_args = 0..=1, conflicts_with = "key_file")]
    pub code: Option<Option<Code>>,
    #[command(flatten)]
    pub stats: StatsArgs,
}

/// Where a receiver's frames come from.
#[derive(Clone, Debug)]
pub enum RecvTarget {
    /// A sender.
    Sender(Target),
    /// An engine that others run.
    Engine(EngineUrl),
}

impl RecvTarget {
    /// The sender; `None` for an engine.
    pub fn sender(self) -> Option<Target> {
        match self {
            Self::Sender(target) => Some(target),
            Self::Engine(_) => None,
        }
    }
}

impl FromStr for RecvTarget {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if EngineUrl::is_meant(text) {
            text.parse().map(Self::Engine)
        } else {
            text.parse().map(Self::Sender)
        }
    }
}

impl RecvArgs {
    /// The engine whose URL was typed in the place of a sender.
    pub fn engine(&self) -> Option<EngineUrl> {
        match &self.target {
            Some(RecvTarget::Engine(url)) => Some(url.clone()),
            _ => None,
        }
    }
}

/// Flags of `vidchat publish`.
#[derive(Debug, Args)]
pub struct PublishArgs {
    /// The sender, as its vidchat prints it: a name or an address, with :PORT where it is not
    /// 10050; or a name that vidchat find lists. Without it, the source of --pipeline is taken, or else
    /// a sender on this network.
    #[arg(value_name = "HOST[:PORT]", conflicts_with = "pipeline")]
    pub target: Option<Target>,
    /// Where the frames go: the URL of an engine. Its scheme chooses the pipeline file.
    #[arg(long, value_name = "URL")]
    pub to: String,
    /// The pipeline file that speaks with the engine of a URL, by name or path [default: that of its
    /// scheme].
    #[arg(long, value_name = "NAME|PATH")]
    pub file: Option<String>,
    #[command(flatten)]
    pub pipeline: PipelineArgs,
    /// Width of the picture of --pipeline in pixels; the height follows [default: 320].
    #[arg(long, value_name = "PIXELS", allow_negative_numbers = true, requires = "pipeline",
          value_parser = number(&limits::WIDTH))]
    pub width: Option<u32>,
    #[command(flatten)]
    pub camera: CameraArgs,
    /// The sender's port, where HOST does not name one [default: 10050].
    #[arg(long, allow_negative_numbers = true, conflicts_with = "pipeline",
          value_parser = number(&PORT))]
    pub port: Option<u16>,
    /// How old a frame may be when it comes from the sender: older ones are left out. A time such as
    /// 200ms or 1s.
    #[arg(long, value_name = "TIME", default_value = "200ms", allow_hyphen_values = true,
          value_parser = limits::latency)]
    pub max_latency: Duration,
    #[command(flatten)]
    pub key: KeyArgs,
    /// The code that the sender prints.
    #[arg(long, value_name = "CODE", conflicts_with_all = ["key_file", "pipeline"])]
    pub code: Option<Code>,
    #[command(flatten)]
    pub stats: StatsArgs,
}

/// Flags of `vidchat find`.
#[derive(Debug, Args)]
pub struct FindArgs {
    /// Print a JSON object for each, a line each.
    #[arg(long)]
    pub json: bool,
}

/// Flags of `vidchat call`.
#[derive(Debug, Args)]
pub struct CallArgs {
    /// The machine to call, on which vidchat call waits: the code that it shows, where both are on
    /// one network; or its name or address, with :PORT where it is not 10050. Without it, this
    /// machine waits and shows a code, and that of one that waits elsewhere can be typed.
    #[arg(value_name = "HOST[:PORT]|CODE", conflicts_with = "room")]
    pub callee: Option<Callee>,
    /// Let up to eight see each other: the others call this machine.
    #[arg(long)]
    pub room: bool,
    /// Whether to answer those who call.
    #[arg(long, value_enum, default_value_t)]
    pub answer: AnswerChoice,
    /// Leave the call open to everybody who reaches this machine, and encrypt nothing; or call a HOST
    /// that does.
    #[arg(long, conflicts_with = "key_file")]
    pub open: bool,
    /// Begin without the camera. The key c turns it on.
    #[arg(long)]
    pub no_camera: bool,
    #[command(flatten)]
    pub pipeline: PipelineArgs,
    /// Width of one's own picture in pixels; the height follows [default: 640 for a camera].
    #[arg(long, value_name = "PIXELS", allow_negative_numbers = true,
          value_parser = number(&limits::WIDTH))]
    pub width: Option<u32>,
    #[command(flatten)]
    pub camera: CameraArgs,
    /// Change over to the pipeline file when it is saved.
    #[arg(long, requires = "pipeline")]
    pub watch: bool,
    /// Where to show the call.
    #[arg(long, value_enum, default_value_t)]
    pub display: Display,
    /// This machine's name for the others, under which vidchat find lists it [default: its own].
    #[arg(long, value_name = "NAME", value_parser = name::read)]
    pub name: Option<String>,
    /// Do not announce on the local network that this machine waits for a call. The code alone does
    /// not find it then.
    #[arg(long)]
    pub no_announce: bool,
    /// The address to listen at: this machine's, or 127.0.0.1 for this machine alone [default:
    /// all of them].
    #[arg(long, value_name = "ADDRESS", value_parser = address::own)]
    pub bind: Option<IpAddr>,
    /// The port to listen at, where 0 takes any that is free; and the port of HOST, where it does
    /// not name one [default: 10050].
    #[arg(long, allow_negative_numbers = true, value_parser = number(&OWN_PORT))]
    pub port: Option<u16>,
    /// How old a frame may be on the screen: older ones are left out. A time such as 200ms or 1s.
    #[arg(long, value_name = "TIME", default_value = "200ms", allow_hyphen_values = true,
          value_parser = limits::latency)]
    pub max_latency: Duration,
    /// Accept connections from these networks alone, such as 192.168.1.0/24; several with commas
    /// between them.
    #[arg(long, value_name = "NETWORK", value_delimiter = ',')]
    pub allow: Vec<Network>,
    #[command(flatten)]
    pub key: KeyArgs,
    /// The code that HOST shows. Without HOST, a code is made and shown in any case: wait at once,
    /// and do not look for others who wait.
    #[arg(long, value_name = "CODE", num_args = 0..=1, conflicts_with_all = ["key_file", "open"])]
    pub code: Option<Option<Code>>,
    #[command(flatten)]
    pub stats: StatsArgs,
}

/// Whether calls are answered, as a flag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum AnswerChoice {
    /// Ask here, for half a minute. Where nobody can be asked: never.
    #[default]
    Ask,
    /// Everybody, at once.
    Always,
    /// Nobody.
    Never,
}

/// Flags of `vidchat key`.
#[derive(Debug, Args)]
pub struct KeyCommandArgs {
    /// Write the key to this file, which must not be there yet, instead of printing it.
    #[arg(long, value_name = "PATH")]
    pub out: Option<PathBuf>,
}

/// Flags of `vidchat demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// The sending pipeline, by name or path.
    #[arg(long, value_name = "NAME|PATH", default_value = "test")]
    pub pipeline: String,
    /// Fill a placeholder of the sending pipeline; may be given more than once.
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = parse_setting)]
    pub settings: Vec<(String, String)>,
    /// Where to show the video.
    #[arg(long, value_enum, default_value_t)]
    pub display: Display,
    /// Stop after so many frames.
    #[arg(long, value_name = "COUNT", allow_negative_numbers = true,
          value_parser = number(&FRAMES))]
    pub frames: Option<u64>,
    /// Show what is sent as well, in a window of its own.
    #[arg(long)]
    pub preview: bool,
}

/// Flags of `vidchat pipelines`.
#[derive(Debug, Args)]
pub struct PipelinesArgs {
    #[command(subcommand)]
    pub action: Option<PipelinesAction>,
}

/// The actions of `vidchat pipelines`.
#[derive(Debug, Subcommand)]
pub enum PipelinesAction {
    /// List the pipelines that have a name.
    List,
    /// Print a pipeline file.
    Show {
        /// A name or a path.
        #[arg(value_name = "NAME|PATH")]
        pipeline: String,
    },
    /// Build a pipeline and say what is wrong with it.
    Check {
        /// A name or a path.
        #[arg(value_name = "NAME|PATH")]
        pipeline: String,
        /// Fill a placeholder; may be given more than once.
        #[arg(long = "set", value_name = "NAME=VALUE", value_parser = parse_setting)]
        settings: Vec<(String, String)>,
    },
}

/// A parser for a number with the bounds of `number`.
fn number<T>(number: &'static Number<T>) -> impl Fn(&str) -> Result<T, Invalid> + Clone
where
    T: Copy + Shown + FromStr + PartialOrd,
{
    |text| number.read(text)
}

fn parse_setting(text: &str) -> Result<(String, String), Invalid> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(Invalid::new("it takes a name, a = and a value").instead("width=640")),
    }
}

fn parse_length(text: &str) -> Result<LengthFormat, Invalid> {
    text.parse().map_err(|_| {
        Invalid::new("it takes a format of struct.pack, or the number of bytes of a text")
            .found("Q, L, I, <L, >Q, >L, !I and the like, or 8 to 20")
            .instead(">L")
    })
}

fn parse_caps(text: &str) -> Result<Caps, Invalid> {
    Caps::decodable(text).map_err(|e| {
        Invalid::new(e.to_string()).hint("vidchat send --wire bare prints the --caps to type here")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_declarations_agree_with_each_other() {
        Cli::command().debug_assert();
    }
}
