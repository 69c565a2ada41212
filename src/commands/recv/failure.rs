//! The failures of a receiver, each with its hint.

use std::time::Duration;

use super::connector::SenderPlace;
use super::options::RecvOptions;
use crate::cli::MAX_FRAME;
use crate::failure::{Failure, Status};
use crate::net::Target;
use crate::net::receiver::{ReceiveError, ReceiveOptions};
use crate::wire::pickle::PickleError;
use crate::wire::{Bye, ByeCode, Dialect, WireError};

/// The failure where no more frames come from the sender that the log calls `target`. `greeted`
/// says that it has said hello, `started` that the caps of its frames were known.
pub fn lost(
    options: &RecvOptions,
    target: &str,
    greeted: bool,
    started: bool,
    error: ReceiveError,
) -> Failure {
    let failure = explain(options, target, greeted, started, error);
    if options.place.is_listening() {
        failure.hint("without --no-reconnect, vidchat recv --listen waits for the next sender")
    } else {
        failure
    }
}

/// The failure where the other side of a call has not come back within `limit`. `refusal` is its answer
/// where it was reached.
pub fn gone(sender: &str, limit: Duration, refusal: Option<&str>) -> Failure {
    let cause = format!("it has not come back for {} s", limit.as_secs());
    let failure = the_call_with(sender, Status::Lost).cause(cause);
    failure.found(refusal.map(str::to_owned))
}

/// The line of the log where a sender that was open is reached again, and closes each connection before
/// it has said anything.
pub fn maybe_closed(target: &Target) -> String {
    format!(
        "sender {target}: it closes the connection before it says anything, so it may have a code or a \
         key now: vidchat recv {target} --code CODE, or --key-file FILE; trying again as before"
    )
}

/// The failure of the call with the party of this name.
fn the_call_with(name: &str, status: Status) -> Failure {
    Failure::new(status, format!("the call with \"{name}\" ended")).hint("vidchat call calls again")
}

fn explain(
    options: &RecvOptions,
    target: &str,
    greeted: bool,
    started: bool,
    error: ReceiveError,
) -> Failure {
    let status = if started { Status::Lost } else { Status::Start };
    if let SenderPlace::Party { name } = &options.place {
        return match error {
            ReceiveError::Sink(failure) => failure.with_status(status),
            error => the_call_with(name, status).cause(error),
        };
    }
    let host = match &options.place {
        SenderPlace::Target(target) => target.parts().0,
        SenderPlace::Listening(_) | SenderPlace::Engine(_) | SenderPlace::Party { .. } => target,
    };
    let ask_there = format!("vidchat send on {host:?} prints what to type here");
    match error {
        ReceiveError::Sink(failure) => failure.with_status(status),
        ReceiveError::Bye(ref bye) => {
            Failure::new(status, format!("the video from \"{target}\" ended"))
                .hint(after(bye, target, host, options.reconnect))
                .cause(&bye.reason)
        }
        ReceiveError::Wire(WireError::Foreign(_)) | ReceiveError::NoFirstBytes(_) => {
            Failure::new(status, format!("\"{target}\" is not a vidchat sender"))
                .cause(error)
                .hint(ask_there)
        }
        ReceiveError::Wire(WireError::Pickle(e)) => {
            Failure::new(status, format!("\"{target}\" sent a pickle that {e}"))
                .cause("refused")
                .hint(pickle(&e))
        }
        ReceiveError::Wire(WireError::FrameBeforeCaps) => {
            Failure::new(status, format!("cannot show the video from \"{target}\""))
                .cause("it does not say which caps its frames have")
                .hint("give the --caps that the sender prints, beside --wire bare")
        }
        ReceiveError::Wire(_) | ReceiveError::Slow(_) => {
            Failure::new(status, format!("the video from \"{target}\" is not valid"))
                .hint(against(&error, host, options))
                .cause(error)
        }
        ReceiveError::Io(_) | ReceiveError::Closed | ReceiveError::TimedOut(_) if greeted => {
            Failure::new(status, format!("lost the connection to \"{target}\""))
                .cause(error)
                .hint(format!("vidchat recv {target} connects again"))
        }
        // A program that accepts a connection and drops it at our hello is a sender with a secret, or
        // seldom one.
        ReceiveError::Io(_)
        | ReceiveError::Closed
        | ReceiveError::Unheard
        | ReceiveError::TimedOut(_) => Failure::new(
            status,
            format!("no vidchat sender answered at \"{target}\""),
        )
        .cause(error)
        .hint(match options.play.secret {
            None => format!(
                "if it has a code or a key: vidchat recv {target} --code CODE, or --key-file FILE"
            ),
            Some(_) => ask_there,
        }),
    }
}

/// The hint after a sender's goodbye.
fn after(bye: &Bye, target: &str, host: &str, reconnect: bool) -> String {
    match bye.code {
        Some(ByeCode::Full) => {
            format!("vidchat send --max-viewers 500 on {host:?} has room for more")
        }
        Some(ByeCode::Failed) => format!("look at what vidchat send says on {host:?}"),
        Some(ByeCode::Role) => format!("vidchat send --to sends to a receiver such as {host:?}"),
        Some(ByeCode::Call) => format!("vidchat call {target} calls it"),
        _ if !bye.done && !reconnect => {
            "without --no-reconnect, vidchat recv waits until it is back".into()
        }
        _ => format!("start vidchat send on {host:?} again"),
    }
}

/// The hint where a pickle is refused.
fn pickle(error: &PickleError) -> &'static str {
    match error {
        PickleError::Calls(_) => {
            "Python's pickle.loads would run what such a message names; vidchat does not"
        }
        PickleError::NoFrame(_) => {
            "it takes an array of uint8 (grey, BGR or BGRA), or the bytes of a JPEG or PNG, also in \
             a tuple, list or dict"
        }
        PickleError::NumberLists => {
            "leave out .tolist(): pickle.dumps(frame) of the array itself is shorter, and is shown"
        }
        PickleError::SeveralFrames(_) => {
            "it takes one frame a message, beside any text, numbers and times: send one of them"
        }
        _ => "docs/python.md says which pickles are taken",
    }
}

/// The hint where a sender breaks the protocol.
fn against(error: &ReceiveError, host: &str, options: &RecvOptions) -> String {
    let ReceiveOptions {
        dialect, max_frame, ..
    } = options.play;
    match error {
        // The limit of a control message is no flag.
        ReceiveError::Wire(WireError::TooLong { length, limit })
            if *limit == max_frame && *length <= MAX_FRAME.most =>
        {
            format!("where its frames are that large: --max-frame {length}")
        }
        ReceiveError::Wire(WireError::NoHello) if dialect == Some(Dialect::Native) => {
            "leave --wire native out to have it found out what the sender speaks".into()
        }
        ReceiveError::Wire(WireError::NoPickle) => {
            "leave --wire pickle out to have it found out what the sender speaks".into()
        }
        ReceiveError::Slow(_) => format!("vidchat send --width 160 --fps 5 on {host:?} sends less"),
        _ => format!("compare vidchat --version here and on {host:?}"),
    }
}
