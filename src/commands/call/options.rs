//! The options of a call, made from the flags of `vidchat call`.

use std::net::IpAddr;
use std::time::Duration;

use crate::cli::{AnswerChoice, CallArgs, Display};
use crate::commands::file_watch::FileWatch;
use crate::commands::host_name::host_name;
use crate::commands::recv;
use crate::commands::secrets::{self, CodeOf};
use crate::commands::settings;
use crate::commands::stats_writer::StatsWriter;
use crate::console;
use crate::failure::{Failure, Outcome};
use crate::media::capture::encoder;
use crate::media::pipeline::{catalog, decoders};
use crate::media::{Direction, PipelineFile, Values};
use crate::net::call::{Callee, random_token};
use crate::net::discovery::{Offers, name};
use crate::net::receiver::ReceiveOptions;
use crate::net::secure::{Code, Secret, TypedCodes, Uses};
use crate::net::{AllowList, Peer};
use crate::wire::{CallTicket, Dialect, Token};

/// The codecs of a call, the best first. Behind them there is raw video, which every side takes.
const CODECS: [&str; 2] = ["h264", "jpeg"];
/// The width of a camera's frames in a call, unless a person asks for another.
const WIDTH: u32 = 640;

/// The options of a call.
#[derive(Clone)]
pub struct CallOptions {
    /// Whom to call; `None` to wait for calls, or to look who waits for one.
    pub whom: Option<Whom>,
    pub is_room: bool,
    pub answer: AnswerChoice,
    /// Whether the camera is on from the start.
    pub has_camera: bool,
    pub bind: Option<IpAddr>,
    /// The port that the person has given.
    pub port: Option<u16>,
    /// The name under which this program is announced on the local network, if it is.
    pub announced_as: Option<String>,
    /// This machine's name for the others.
    pub name: String,
    pub display: Display,
    /// The pipeline that shows the frames of the others.
    pub shown: PipelineFile,
    pub max_latency: Duration,
    pub stats: Option<StatsWriter>,
    /// The party that this program is.
    pub party: Token,
    /// The codecs that this machine decodes.
    pub decodes: Vec<String>,
    /// The key or code that all parties have. `None` where the call is open, or where the code of the
    /// other side is not known yet.
    pub secret: Option<Secret>,
    /// The networks from which calls are accepted.
    pub allowed: AllowList,
    /// Whether the call is in clear.
    pub is_open: bool,
    /// Whether the person wants to be called with a code.
    shows_code: bool,
    /// The codes of others that the person has typed.
    typed: TypedCodes,
    source: SourceChoice,
}

/// The party to call.
#[derive(Clone, Debug)]
pub enum Whom {
    /// This one.
    Peer(Peer),
    /// The one that shows this code.
    Code(Code),
}

/// The frames that are sent.
#[derive(Clone)]
struct SourceChoice {
    /// The pipeline that the person has named.
    named: Option<String>,
    /// The codecs that this machine encodes, the best first.
    encodes: Vec<&'static str>,
    values: Values,
    watch: bool,
}

/// The source of a call.
pub struct CallSource {
    pub file: PipelineFile,
    pub values: Values,
    pub watch: Option<FileWatch>,
}

impl CallOptions {
    /// The options that the flags give. It finds out what this machine decodes, which may take a
    /// second. GStreamer has to have been started.
    ///
    /// # Errors
    /// There is no such pipeline, it does not take these values, there is no display, or a file
    /// cannot be used.
    pub fn new(args: CallArgs) -> Outcome<Self> {
        // A code is good for one call, so this side uses it once too: the call comes back with a key, and
        // nobody who closes connections can have the code sent again.
        let mut typed = TypedCodes::new(Uses::Once, None);
        let secret = secret(&args, &mut typed)?;
        let shown = recv::file(None, args.display)?;
        let named = args.pipeline.pipeline;
        let encodes = CODECS.into_iter().filter(|codec| encoder::encodes(codec));
        let source = SourceChoice {
            encodes: match &named {
                Some(_) => Vec::new(),
                None => encodes.collect(),
            },
            named,
            values: settings::of_source(args.pipeline.settings, args.width, args.camera)?,
            watch: args.watch,
        };
        let party = random_token().map_err(|e| Failure::start("cannot call").cause(e))?;
        let options = Self {
            secret,
            allowed: args.allow.into(),
            is_open: args.open,
            shows_code: args.code.is_some(),
            typed,
            whom: args.callee.map(|callee| match callee {
                Callee::Host(mut target) => {
                    target.port = target.port.or(args.port);
                    Whom::Peer(Peer::typed(target, Offers::Call))
                }
                Callee::Code(code) => Whom::Code(code),
            }),
            announced_as: (!args.no_announce).then(|| {
                let name = args.name.clone();
                name.unwrap_or_else(|| name::of_machine(&host_name()))
            }),
            is_room: args.room,
            answer: args.answer,
            has_camera: !args.no_camera,
            bind: args.bind,
            port: args.port,
            name: args.name.unwrap_or_else(host_name),
            display: args.display,
            shown,
            max_latency: args.max_latency,
            stats: StatsWriter::open(&args.stats)?,
            party,
            decodes: decoders::decodable(),
            source,
        };
        // A mistake in it is told at once, not when somebody calls.
        options.source(&[])?;
        Ok(options)
    }

    /// Whether somebody is looked for who waits for a call. A person who says how to answer, or that
    /// there is to be a code, wants to be called. The code of somebody else has to be typed.
    pub fn may_look(&self) -> bool {
        let is_alone = self.bind.is_some_and(|address| address.is_loopback());
        let is_called = self.is_room || self.shows_code || self.answer != AnswerChoice::Ask;
        let can_type = !self.has_code() || console::can_ask();
        !is_alone && !is_called && can_type
    }

    /// Whether the person may type the code of somebody else while this side shows its own.
    pub fn may_type(&self) -> bool {
        let is_asked = !self.is_room && self.answer == AnswerChoice::Ask;
        is_asked && self.has_code() && console::can_ask() && console::can_draw()
    }

    /// The code of the other side is this one.
    pub fn take_code(&mut self, code: Code) {
        self.secret = Some(self.typed.secret(code));
    }

    /// Whether the parties have a code, and no key.
    pub fn has_code(&self) -> bool {
        self.secret.as_ref().is_some_and(Secret::is_code)
    }

    /// The options of connections as a receiver, for the call with this ticket.
    pub fn receiving(&self, ticket: CallTicket) -> ReceiveOptions {
        ReceiveOptions {
            dialect: Some(Dialect::Native),
            name: self.name.clone(),
            max_latency: self.max_latency,
            call: Some(ticket),
            decodes: self.decodes.clone(),
            secret: self.secret.clone(),
            allowed: self.allowed.clone(),
            ..ReceiveOptions::default()
        }
    }

    /// The ticket of this party for a call.
    pub fn ticket(&self, call: Token) -> CallTicket {
        CallTicket {
            id: call,
            party: self.party,
            room: self.is_room,
        }
    }

    /// The source that the person has named, or else the camera in the best codec that this machine
    /// encodes and that is among `decoded`.
    ///
    /// # Errors
    /// There is no such pipeline, or it does not take the values that were given.
    pub fn source(&self, decoded: &[String]) -> Outcome<CallSource> {
        let SourceChoice {
            named,
            encodes,
            values,
            watch,
        } = &self.source;
        let name = match named {
            Some(name) => name.clone(),
            None => usual_source(encodes, decoded),
        };
        let file = catalog::find(Direction::Send, &name)?;
        let mut values = values.clone();
        values.check(&file)?;
        let takes = |name: &str| {
            let placeholders = file.placeholders().unwrap_or_default();
            placeholders.iter().any(|known| known.name == name)
        };
        // A screen has text to be read, and a test picture has a height of its own.
        let is_camera = file.name.starts_with("camera");
        if is_camera && values.get("width").is_none() && takes("width") {
            values.set("width", WIDTH.to_string());
        }
        let watch = watch.then(|| FileWatch::open(&file)).transpose()?;
        Ok(CallSource {
            file,
            values,
            watch,
        })
    }
}

/// The key or code of a call: a new code, unless the flags say otherwise.
///
/// # Errors
/// The flags contradict each other, or the key cannot be read.
fn secret(args: &CallArgs, typed: &mut TypedCodes) -> Outcome<Option<Secret>> {
    if args.open {
        secrets::check_open()?;
    }
    let code_of = match (&args.callee, args.room) {
        (Some(Callee::Code(code)), _) => {
            check_code_alone(args)?;
            return Ok(Some(typed.secret(*code)));
        }
        (Some(Callee::Host(_)), _) => CodeOf::There,
        (None, true) => CodeOf::Here(Uses::Many),
        (None, false) => CodeOf::Here(Uses::Once),
    };
    if let (CodeOf::Here(_), Some(Some(code))) = (code_of, args.code) {
        return Err(Failure::usage("--code takes no value here")
            .cause("without a host, this side makes the code and prints it")
            .hint(format!(
                "vidchat call {code} calls the machine that shows it"
            )));
    }
    match (secrets::secret(&args.key, args.code, code_of)?, code_of) {
        (None, CodeOf::Here(uses)) if !args.open => Ok(Some(Secret::code(Code::random(), uses))),
        (secret, CodeOf::There) => Ok(args
            .code
            .flatten()
            .map(|code| typed.secret(code))
            .or(secret)),
        (secret, CodeOf::Here(_)) => Ok(secret),
    }
}

/// Refuses another secret beside the code of the party that is called.
fn check_code_alone(args: &CallArgs) -> Outcome {
    let others = [
        ("--open", args.open),
        ("--code", args.code.is_some()),
        ("--key-file", args.key.key_file.is_some()),
    ];
    match others.iter().find(|(_, is_given)| *is_given) {
        Some((flag, _)) => Err(Failure::usage(format!(
            "a code to call and {flag} contradict each other"
        ))
        .cause("the code finds the other machine, and proves that it is the one")
        .hint(format!("leave {flag} out"))),
        None => Ok(()),
    }
}

/// The camera in the best codec that one side encodes and the other decodes, or in none.
fn usual_source(encoded: &[&str], decoded: &[String]) -> String {
    let suits = |codec: &&&str| decoded.iter().any(|other| other == *codec);
    match encoded.iter().find(suits) {
        Some(codec) => format!("camera-{codec}"),
        None => "camera".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_codec_of_both_sides_is_taken_and_raw_video_where_there_is_none() {
        let decoded = |codecs: &[&str]| codecs.iter().map(ToString::to_string).collect::<Vec<_>>();
        for (encoded, other, source) in [
            (&["h264", "jpeg"][..], &["jpeg", "h264"][..], "camera-h264"),
            (&["h264", "jpeg"], &["vp8", "jpeg"], "camera-jpeg"),
            (&["jpeg"], &["h264", "jpeg"], "camera-jpeg"),
            (&["h264"], &["jpeg"], "camera"),
            (&[], &["h264"], "camera"),
            (&["h264"], &[], "camera"),
        ] {
            assert_eq!(usual_source(encoded, &decoded(other)), source);
        }
    }
}
