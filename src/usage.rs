//! Turns an error of clap into a [`Failure`], so that all errors look alike. clap finds the error.
//! Of a value it only knows that it is not valid, and our own parsers know the reason.

use std::error::Error;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::failure::{Failure, Invalid};
use crate::net::Target;

/// The failure for the person who typed `args`, in which bytes that are no text are U+FFFD; `None`
/// where clap's own message is best.
pub fn failure(error: &clap::Error, args: &[String]) -> Option<Failure> {
    match error.kind() {
        ErrorKind::ValueValidation => {
            let invalid = error.source()?.downcast_ref::<Invalid>()?;
            let (argument, value) = argument_and_value(error)?;
            let failure = Failure::usage(format!("{argument} {value:?} is not valid"));
            Some(invalid.clone().explain(failure, &before(argument)))
        }
        // clap reports an empty value as a missing one.
        ErrorKind::InvalidValue => {
            let (argument, value) = argument_and_value(error).filter(|(_, v)| !v.is_empty())?;
            let ContextValue::Strings(known) = error.get(ContextKind::ValidValue)? else {
                return None;
            };
            let like = match error.get(ContextKind::SuggestedValue) {
                Some(ContextValue::String(like)) => Some(like),
                _ => known.first(),
            };
            let invalid = Invalid::new(format!("it takes {}", either(known))).instead(like?);
            let failure = Failure::usage(format!("{argument} {value:?} is not valid"));
            Some(invalid.explain(failure, &before(argument)))
        }
        ErrorKind::UnknownArgument => {
            let port = text(error, ContextKind::InvalidArg)?;
            let host = host_before(port, args)?;
            Some(
                Failure::usage(format!("unexpected {port:?} after the host {host:?}"))
                    .cause("a port belongs to its host")
                    .hint(format!("vidchat recv {host}:{port}")),
            )
        }
        ErrorKind::InvalidUtf8 => {
            let named = args.iter().find(|arg| arg.contains('\u{fffd}'))?;
            Some(
                Failure::usage(format!("the argument {named:?} is not valid"))
                    .cause("it is not UTF-8 text")
                    .hint("a link to the file, under another name, does as well"),
            )
        }
        _ => None,
    }
}

/// The flag with its dashes, or the name of a positional argument, and the value that it was given.
fn argument_and_value(error: &clap::Error) -> Option<(&str, &str)> {
    let argument = text(error, ContextKind::InvalidArg)?;
    // `--width <PIXELS>`, or `<HOST[:PORT]>`.
    let name = argument.split(' ').next()?;
    let name = name.trim_matches(['<', '>', '[', ']']).split('[').next()?;
    Some((name, text(error, ContextKind::InvalidValue)?))
}

/// The text that is typed before a value.
fn before(argument: &str) -> String {
    if argument.starts_with('-') {
        format!("{argument} ")
    } else {
        "vidchat recv ".into()
    }
}

/// The host that was typed as a separate word before a port.
fn host_before<'a>(port: &str, args: &'a [String]) -> Option<&'a str> {
    port.parse::<u16>().ok().filter(|port| *port > 0)?;
    let at = args.iter().position(|arg| arg == port)?;
    let host = args.get(at.checked_sub(1)?)?;
    let target = host.parse::<Target>().ok()?;
    let in_recv = args[..at - 1].iter().any(|arg| arg == "recv");
    (in_recv && target.port.is_none() && !host.contains(':')).then_some(host)
}

fn text(error: &clap::Error, kind: ContextKind) -> Option<&str> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(text),
        _ => None,
    }
}

/// `a, b or c`.
fn either(words: &[String]) -> String {
    match words.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}
