//! The key or the code of a command, from its flags, and `vidchat key`.

use std::convert::Infallible;
use std::env;
use std::ffi::OsStr;
use std::future::pending;
use std::path::Path;

use tracing::info;

use crate::cli::{KeyArgs, KeyCommandArgs, WireChoice};
use crate::console;
use crate::failure::{Failure, Invalid, Outcome, typed_path};
use crate::net::discovery::Access;
use crate::net::secure::{Code, Key, KeyText, Secret, Uses, read_key_file, write_key_file};

/// The variable that may hold a key.
const VARIABLE: &str = "VIDCHAT_KEY";

/// Where a code is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeOf {
    /// This side makes one and prints it.
    Here(Uses),
    /// The other side has printed it.
    There,
}

/// The key or code that the flags and the environment give; `None` where everybody is let in.
///
/// # Errors
/// The key cannot be read, or the code is missing or there is one too many.
pub fn secret(
    key: &KeyArgs,
    code: Option<Option<Code>>,
    code_of: CodeOf,
) -> Outcome<Option<Secret>> {
    match (code, code_of) {
        (Some(Some(code)), CodeOf::There) => Ok(Some(Secret::code(code, Uses::Many))),
        (Some(None), CodeOf::Here(uses)) => Ok(Some(Secret::code(Code::random(), uses))),
        (Some(None), CodeOf::There) => Err(Failure::usage("--code needs a value")
            .cause("the other side has printed one")
            .hint("type it behind --code, such as --code 4-maple-otter")),
        (Some(Some(_)), CodeOf::Here(_)) => Err(Failure::usage("--code takes no value here")
            .cause("this side makes the code and prints it")
            .hint("--code")),
        (None, _) => self::key(key),
    }
}

fn key(args: &KeyArgs) -> Outcome<Option<Secret>> {
    let key = match (&args.key_file, env::var_os(VARIABLE)) {
        (Some(path), _) => read_key_file(path).map_err(|invalid| {
            let path = path.display().to_string();
            let failure = Failure::start(format!("cannot use the key file {path:?}"));
            invalid.explain(failure, "")
        })?,
        (None, Some(text)) => of_variable(&text).map_err(|invalid| {
            invalid.explain(Failure::start("cannot use the key in VIDCHAT_KEY"), "")
        })?,
        (None, None) => return Ok(None),
    };
    Ok(Some(Secret::key(&key)))
}

/// A variable that holds no key is refused: somebody meant to let in nobody without one.
fn of_variable(text: &OsStr) -> Result<Key, Invalid> {
    let unset = format!("unset {VARIABLE}");
    match text.to_str() {
        Some("") => Err(Invalid::new("it is empty").hint(unset)),
        Some(text) => text.parse().map_err(|invalid| {
            if Path::new(text).is_file() {
                let path = typed_path(Path::new(text));
                let hint = format!("{unset}; --key-file {path}");
                Invalid::new("it is the name of a file, and no key").hint(hint)
            } else {
                invalid
            }
        }),
        None => Err(Invalid::new("it is no text").hint(unset)),
    }
}

/// Refuses a key in the environment beside `--open`, since one of both is a mistake.
///
/// # Errors
/// There is one.
pub fn check_open() -> Outcome {
    match env::var_os(VARIABLE) {
        Some(_) => Err(
            Failure::usage(format!("--open and {VARIABLE} contradict each other"))
                .cause("an open call is not encrypted")
                .hint(format!("leave --open out, or: unset {VARIABLE}")),
        ),
        _ => Ok(()),
    }
}

/// Refuses dialects that cannot be encrypted.
///
/// # Errors
/// The dialect is one of those.
pub fn check_dialect(secret: Option<&Secret>, wire: WireChoice) -> Outcome {
    let is_own = matches!(wire, WireChoice::Auto | WireChoice::Native);
    if secret.is_none() || is_own {
        return Ok(());
    }
    Err(
        Failure::usage("--wire and a key or code contradict each other")
            .cause("only vidchat's own protocol is encrypted")
            .hint("leave --wire out"),
    )
}

/// For the announcement of a program that lets in those who have `secret`.
pub fn access(secret: Option<&Secret>) -> Access {
    match secret {
        None => Access::Open,
        Some(secret) if secret.is_code() => Access::Code(secret.usable_code().map(Code::number)),
        Some(_) => Access::Key,
    }
}

/// Asks for the code that `shown_by` shows, until a code is typed. `None` where nothing is typed. It
/// must not be called while keys are read one by one.
pub fn ask_code(shown_by: &str, way_out: &str) -> Option<Code> {
    loop {
        let typed = console::ask(&format!("Code that {shown_by} shows{way_out}:"))?;
        if typed.is_empty() {
            return None;
        }
        let code: Result<Code, Invalid> = typed.parse();
        match code {
            Ok(code) => return Some(code),
            Err(invalid) => console::line(&no_code(&typed, invalid).line()),
        }
    }
}

/// The failure of a person who has typed this where a code is asked for.
pub fn no_code(typed: &str, invalid: Invalid) -> Failure {
    invalid.explain(Failure::usage(format!("{typed:?} is no code")), "")
}

/// The flags for the other side, in a command that is printed here.
pub fn flags(secret: Option<&Secret>) -> String {
    match secret.and_then(Secret::usable_code) {
        Some(code) => format!(" --code {code}"),
        None if secret.is_some() => " --key-file FILE".into(),
        None => String::new(),
    }
}

/// Makes another code where the one before was used up. Returns whether there is a new one.
pub fn replace_used(secret: Option<&Secret>) -> bool {
    let is_used =
        |secret: &&Secret| secret.is_code() && secret.usable_code().is_none() && !secret.is_dead();
    let used = secret.filter(is_used);
    used.inspect(|secret| secret.renew(Code::random()))
        .is_some()
}

/// Makes another code whenever the one before is dead, and calls `invite`. It waits for ever where
/// there is no code.
pub async fn keep_code(secret: Option<&Secret>, invite: impl Fn()) -> Infallible {
    let Some(secret) = secret else {
        return pending().await;
    };
    loop {
        secret.code_over().await;
        if secret.is_dead() {
            info!("three wrong codes were tried, so the code is good no more");
            secret.renew(Code::random());
            invite();
        }
    }
}

/// Makes a key: `vidchat key`.
///
/// # Errors
/// The file cannot be written, or the key cannot be printed.
pub fn run(args: &KeyCommandArgs) -> Outcome {
    let key = KeyText::random();
    let Some(path) = &args.out else {
        return console::output(&format!("{key}\n"));
    };
    write_key_file(path, &key).map_err(|invalid| {
        let path = path.display().to_string();
        let failure = Failure::start(format!("cannot write the key file {path:?}"));
        invalid.explain(failure, "")
    })
}
