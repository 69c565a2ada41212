//! The failures of a receiver, and what to do about each.

use std::io;

use super::options::RecvOptions;
use crate::cli::LONGEST_FRAME;
use crate::failure::{Failure, Status, describe};
use crate::net::Target;
use crate::net::receiver::ReceiveError;
use crate::wire::{Wire, WireError};

/// There is no connection to `target`.
pub fn cannot_connect(target: &Target, error: &io::Error) -> Failure {
    let (host, port) = target.parts();
    let failure = Failure::start(format!("cannot connect to \"{target}\""));
    match error.kind() {
        io::ErrorKind::ConnectionRefused => failure
            .cause(format!("nothing listens at port {port} there"))
            .hint(format!(
                "start vidchat send on {host:?}, or give the port that it prints"
            )),
        io::ErrorKind::TimedOut => failure.cause("no answer").hint(format!(
            "is {host:?} on, and does its firewall let port {port} through?"
        )),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => failure
            .cause(describe(error))
            .hint("are both machines on the same network? vidchat send prints its addresses"),
        // The resolver's words differ from system to system, and so does its error's kind.
        _ if error.raw_os_error().is_none() => failure
            .cause("there is no machine of that name")
            .hint("vidchat send prints its addresses: type one of those"),
        _ => failure
            .cause(describe(error))
            .hint(format!("vidchat send on {host:?} prints what to type here")),
    }
}

/// No more frames come. `greeted`: a sender has introduced itself. `started`: the caps of its
/// frames were known.
pub fn lost(options: &RecvOptions, greeted: bool, started: bool, error: ReceiveError) -> Failure {
    let target = &options.target;
    let status = if started { Status::Lost } else { Status::Start };
    let (host, _) = target.parts();
    let ask_there = format!("vidchat send on {host:?} prints what to type here");
    match error {
        ReceiveError::Sink(failure) => failure.with_status(status),
        ReceiveError::Bye(_) | ReceiveError::Done(_) => {
            Failure::new(status, format!("the video from \"{target}\" ended"))
                .hint(after(&error, host, options.reconnect))
                .cause(error)
        }
        ReceiveError::Wire(WireError::Foreign(_)) | ReceiveError::Silent(_) => {
            Failure::new(status, format!("\"{target}\" is not a vidchat sender"))
                .cause(error)
                .hint(ask_there)
        }
        ReceiveError::Wire(WireError::Pickle(e)) => {
            Failure::new(status, format!("\"{target}\" sent a pickle that {e}"))
                .cause("refused")
                .hint("Python's pickle.loads would run what such a message names; vidchat does not")
        }
        ReceiveError::Wire(WireError::FrameBeforeCaps) => {
            Failure::new(status, format!("cannot show the video from \"{target}\""))
                .cause("it does not say what form its frames have")
                .hint("give the --caps that the sender prints, beside --wire bare")
        }
        ReceiveError::Wire(_) | ReceiveError::Slow(_) => {
            Failure::new(status, format!("the video from \"{target}\" is not valid"))
                .hint(against(&error, host, options.play.wire))
                .cause(error)
        }
        ReceiveError::Io(_) | ReceiveError::Closed | ReceiveError::Dead(_) if greeted => {
            Failure::new(status, format!("lost the connection to \"{target}\""))
                .cause(error)
                .hint(format!("vidchat recv {target} connects again"))
        }
        // A program that accepts a connection and drops it at our first word is seldom a sender.
        ReceiveError::Io(_) | ReceiveError::Closed | ReceiveError::Dead(_) => Failure::new(
            status,
            format!("no vidchat sender answered at \"{target}\""),
        )
        .cause(error)
        .hint(format!("another service may be at that port: {ask_there}")),
    }
}

/// The hint after a sender has said goodbye.
fn after(goodbye: &ReceiveError, host: &str, reconnect: bool) -> String {
    match goodbye {
        ReceiveError::Bye(reason) if reason.starts_with("the sender has no seat left") => {
            format!("vidchat send --max-viewers 500 on {host:?} has room for more")
        }
        ReceiveError::Bye(reason) if reason.starts_with("the sender failed") => {
            format!("look at what vidchat send says on {host:?}")
        }
        ReceiveError::Bye(_) if !reconnect => {
            "without --no-reconnect, vidchat recv waits until it is back".into()
        }
        _ => format!("start vidchat send on {host:?} again"),
    }
}

/// The hint where a sender does not keep to the protocol.
fn against(error: &ReceiveError, host: &str, wire: Wire) -> String {
    match error {
        ReceiveError::Wire(WireError::TooLong { length, .. }) if *length <= LONGEST_FRAME => {
            format!("where its pictures are that large: --max-frame {length}")
        }
        ReceiveError::Wire(WireError::NoHello) if wire == Wire::Native => {
            "leave --wire native out to have it found out what the sender speaks".into()
        }
        ReceiveError::Slow(_) => format!("vidchat send --width 160 --fps 5 on {host:?} sends less"),
        _ => format!("compare vidchat --version here and on {host:?}"),
    }
}
