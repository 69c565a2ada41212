//! Turns an error of clap into a [`Failure`], so that all errors look alike. clap finds the error.
//! Of a value it only knows that it is not valid, and our own parsers know the reason.

use std::error::Error;

use clap::Command;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::failure::{Failure, Invalid};
use crate::net::Target;
use crate::net::secure::Code;

/// Arguments that exclude others, and the reason.
const CONFLICTS: [(&str, &[&str], &str); 11] = [
    (
        "--to",
        &[
            "--bind",
            "--port",
            "--max-viewers",
            "--name",
            "--no-announce",
            "--allow",
        ],
        "with --to the sender connects, and listens nowhere",
    ),
    (
        "--no-announce",
        &["--name"],
        "a name is for the announcement",
    ),
    (
        "--preview",
        &["--no-preview"],
        "one is the opposite of the other",
    ),
    (
        "--listen",
        &["HOST"],
        "the receiver waits for a sender, or connects to one",
    ),
    (
        "HOST",
        &["--bind"],
        "only a receiver with --listen has an address of its own",
    ),
    (
        "--room",
        &["HOST"],
        "the host of a room waits, and the others call it",
    ),
    (
        "--open",
        &["--code", "--key-file"],
        "an open call is not encrypted",
    ),
    (
        "--code",
        &["--key-file"],
        "each of them alone says who is let in",
    ),
    (
        "--pipeline",
        &["--display"],
        "a pipeline file has its own display",
    ),
    (
        "--listen",
        &["--file"],
        "the file is for the URL of an engine",
    ),
    (
        "--pipeline",
        &["HOST", "--port", "--code"],
        "frames come from a source of this machine, or from a sender",
    ),
];

/// Arguments that a command may need, the reason, and the hint.
const REQUIRED: [(&str, &str, &str); 5] = [
    (
        "--listen",
        "only a receiver with --listen has an address of its own",
        "vidchat recv --listen",
    ),
    (
        "--pipeline",
        "--watch is for a pipeline file",
        "--pipeline ./mine.gst",
    ),
    (
        "--caps",
        "with --wire bare the sender tells no caps",
        "vidchat send --wire bare prints the --caps to type here",
    ),
    (
        "--to",
        "the frames have to go somewhere",
        "--to rtmp://192.168.1.5/live/cam",
    ),
    (
        "NAME|PATH",
        "the command is about one pipeline",
        "vidchat pipelines list",
    ),
];

/// The failure for the person who typed `args` for `command`, which has been built. In the
/// arguments, bytes that are no text are U+FFFD. `None` where clap answers with help or the version.
pub fn failure(error: &clap::Error, command: &Command, args: &[String]) -> Option<Failure> {
    let typed = Typed::of(command, args);
    let known = match error.kind() {
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayVersion
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => return None,
        ErrorKind::ValueValidation => typed.not_valid(error),
        // clap reports an empty value as a missing one.
        ErrorKind::InvalidValue => typed
            .missing_value(error)
            .or_else(|| typed.not_known(error)),
        ErrorKind::TooManyValues => superfluous_value(error),
        ErrorKind::UnknownArgument => {
            port_apart_from_host(error, args).or_else(|| typed.unknown_argument(error))
        }
        ErrorKind::InvalidSubcommand => typed.unknown_command(error),
        ErrorKind::ArgumentConflict => conflict(error),
        ErrorKind::MissingRequiredArgument => required(error),
        ErrorKind::MissingSubcommand => Some(typed.missing_command()),
        ErrorKind::InvalidUtf8 => not_text(args),
        _ => None,
    };
    Some(known.unwrap_or_else(|| typed.any(error)))
}

/// The command that was typed, as far as it is known.
struct Typed<'c> {
    root: &'c Command,
    command: &'c Command,
    args: &'c [String],
}

impl<'c> Typed<'c> {
    fn of(root: &'c Command, args: &'c [String]) -> Self {
        let words = args.iter().skip(1).filter(|arg| *arg != "help");
        let command = words.fold(root, |command, arg| {
            command.find_subcommand(arg).unwrap_or(command)
        });
        Self {
            root,
            command,
            args,
        }
    }

    /// Such as `vidchat send`.
    fn name(&self) -> &str {
        self.command.get_bin_name().unwrap_or("vidchat")
    }

    fn help(&self) -> String {
        format!("{} --help", self.name())
    }

    fn missing_value(&self, error: &clap::Error) -> Option<Failure> {
        let (flag, value) = argument_and_value(error)?;
        if !value.is_empty() {
            return None;
        }
        let failure = Failure::usage(format!("{flag} needs a value"));
        Some(match known_values(error) {
            Some(known) => failure
                .cause(format!("it takes {}", joined(known, "or")))
                .hint(format!("{flag} {}", known.first()?)),
            None => failure
                .cause("none follows it")
                .hint(format!("{} says what it takes", self.help())),
        })
    }

    fn unknown_argument(&self, error: &clap::Error) -> Option<Failure> {
        let argument = text(error, ContextKind::InvalidArg)?;
        let name = self.name();
        let flags = self.args.iter().take_while(|arg| *arg != "--");
        let is_flag = |arg: &String| arg.starts_with('-') && arg.starts_with(argument);
        // A letter of several in one word is a flag too.
        let is_letter = argument.len() == 2 && argument.starts_with('-');
        if !flags.clone().any(is_flag) && !is_letter {
            let failure = Failure::usage(format!("unexpected {argument:?}"));
            if let Some(hint) = self.code_in_words() {
                return Some(failure.cause("a code is typed as one word").hint(hint));
            }
            if Code::has_form(argument) && self.takes_code() {
                let hint = format!("--code {argument}");
                return Some(failure.cause("a code goes behind --code").hint(hint));
            }
            let known: Vec<_> = self.command.get_positionals().collect();
            let cause = match known.first().map(|arg| named(&arg.to_string()).to_owned()) {
                Some(known) => format!("{name} takes one {known}"),
                None => format!("{name} takes flags alone"),
            };
            return Some(failure.cause(cause).hint(self.help()));
        }
        let failure = Failure::usage(format!("unknown flag {argument:?}"));
        if argument == "--open" && self.takes_code() {
            let cause = format!("{name} is open without --code and --key-file");
            return Some(failure.cause(cause).hint("leave --open out"));
        }
        let cause = format!("{name} has none of that name");
        if let Some(like) = text(error, ContextKind::SuggestedArg) {
            return Some(failure.cause(cause).hint(named(like)));
        }
        let long = argument.trim_start_matches('-').split('=').next()?;
        let elsewhere = self.root.get_subcommands().find(|other| {
            other.get_name() != self.command.get_name()
                && other
                    .get_arguments()
                    .any(|arg| arg.get_long() == Some(long))
        });
        Some(match elsewhere.and_then(Command::get_bin_name) {
            Some(other) => failure
                .cause(format!("{name} has none of that name, but {other} has"))
                .hint(format!("{other} --{long}")),
            None => failure.cause(cause).hint(self.help()),
        })
    }

    /// What to type in place of a code that was typed as three words.
    fn code_in_words(&self) -> Option<String> {
        if !self.takes_code() {
            return None;
        }
        let (command, name) = (self.command.get_name(), self.name());
        self.args.windows(4).find_map(|words| {
            let code = words[1..].join("-");
            if words[1..].iter().any(|word| word.starts_with('-')) || !Code::has_form(&code) {
                return None;
            }
            Some(match &words[0] {
                before if before == "call" && command == "call" => format!("{name} {code}"),
                before if before == command => format!("{name} --code {code}"),
                _ => format!("--code {code}"),
            })
        })
    }

    /// Whether the command has a flag for a code.
    fn takes_code(&self) -> bool {
        let mut arguments = self.command.get_arguments();
        arguments.any(|argument| argument.get_long() == Some("code"))
    }

    fn unknown_command(&self, error: &clap::Error) -> Option<Failure> {
        let word = text(error, ContextKind::InvalidSubcommand)?;
        let hint = match error.get(ContextKind::SuggestedSubcommand) {
            // The most alike is the last one.
            Some(ContextValue::Strings(like)) if !like.is_empty() => {
                format!("{} {}", self.name(), like.last()?)
            }
            _ => self.help(),
        };
        let failure = Failure::usage(format!("unknown command {word:?}"));
        Some(failure.cause(self.commands()).hint(hint))
    }

    fn missing_command(&self) -> Failure {
        let missing = "COMMAND";
        Failure::usage(format!("{missing} is missing"))
            .cause(self.commands())
            .hint(self.help())
    }

    /// The commands of this command, in words.
    fn commands(&self) -> String {
        let commands = self.command.get_subcommands().map(Command::get_name);
        let commands: Vec<_> = commands.filter(|name| *name != "help").collect();
        if commands.is_empty() {
            format!("{} has no commands", self.name())
        } else {
            format!("{} has {}", self.name(), joined(&commands, "and"))
        }
    }

    fn not_valid(&self, error: &clap::Error) -> Option<Failure> {
        let invalid = error.source()?.downcast_ref::<Invalid>()?;
        let (argument, value) = argument_and_value(error)?;
        let failure = Failure::usage(format!("{argument} {value:?} is not valid"));
        Some(invalid.clone().explain(failure, &self.before(argument)))
    }

    fn not_known(&self, error: &clap::Error) -> Option<Failure> {
        let (argument, value) = argument_and_value(error)?;
        let known = known_values(error)?;
        let like =
            text(error, ContextKind::SuggestedValue).or(known.first().map(|word| &word[..]))?;
        let invalid = Invalid::new(format!("it takes {}", joined(known, "or"))).instead(like);
        let failure = Failure::usage(format!("{argument} {value:?} is not valid"));
        Some(invalid.explain(failure, &self.before(argument)))
    }

    /// The text that is typed before the value of an argument.
    fn before(&self, argument: &str) -> String {
        if argument.starts_with('-') {
            format!("{argument} ")
        } else {
            format!("{} ", self.name())
        }
    }

    /// The failure for an error that nothing else is known of.
    fn any(&self, error: &clap::Error) -> Failure {
        let said = error.to_string();
        let line = said.lines().next().unwrap_or_default();
        Failure::usage("the command line is not valid")
            .cause(line.trim_start_matches("error: "))
            .hint(self.help())
    }
}

fn superfluous_value(error: &clap::Error) -> Option<Failure> {
    let (flag, value) = argument_and_value(error)?;
    let failure = Failure::usage(format!("{flag} {value:?} is not valid"));
    Some(failure.cause("it takes no value").hint(flag))
}

fn port_apart_from_host(error: &clap::Error, args: &[String]) -> Option<Failure> {
    let port = text(error, ContextKind::InvalidArg)?;
    let host = host_before(port, args)?;
    Some(
        Failure::usage(format!("unexpected {port:?} after the host {host:?}"))
            .cause("a port belongs to its host")
            .hint(format!("vidchat recv {host}:{port}")),
    )
}

fn conflict(error: &clap::Error) -> Option<Failure> {
    let one = named(text(error, ContextKind::InvalidArg)?);
    let others: Vec<&str> = match error.get(ContextKind::PriorArg)? {
        ContextValue::String(other) => vec![named(other)],
        ContextValue::Strings(others) => others.iter().map(|other| named(other)).collect(),
        _ => return None,
    };
    if others == [one] {
        return Some(
            Failure::usage(format!("{one} is there twice"))
                .cause("it can be given once")
                .hint(format!("leave one {one} out")),
        );
    }
    let all: Vec<&str> = [one].into_iter().chain(others).collect();
    let (first, rest, reason) = CONFLICTS.iter().find_map(|(first, excluded, reason)| {
        let (firsts, rest): (Vec<&str>, Vec<_>) = all.iter().partition(|name| *name == first);
        let is_this = !firsts.is_empty() && rest.iter().all(|name| excluded.contains(name));
        is_this.then_some((*first, rest, *reason))
    })?;
    let rest = joined(&rest, "and");
    Some(
        Failure::usage(format!("{first} and {rest} contradict each other"))
            .cause(reason)
            .hint(format!("leave {rest} out")),
    )
}

fn required(error: &clap::Error) -> Option<Failure> {
    let ContextValue::Strings(missing) = error.get(ContextKind::InvalidArg)? else {
        return None;
    };
    let missing = named(missing.first()?);
    let (_, reason, hint) = REQUIRED.iter().find(|(name, ..)| *name == missing)?;
    let failure = Failure::usage(format!("{missing} is missing"));
    Some(failure.cause(reason).hint(*hint))
}

fn not_text(args: &[String]) -> Option<Failure> {
    let named = args.iter().find(|arg| arg.contains('\u{fffd}'))?;
    Some(
        Failure::usage(format!("the argument {named:?} is not valid"))
            .cause("it is not UTF-8 text")
            .hint("a link to the file, under another name, does as well"),
    )
}

/// The flag with its dashes, or the name of a positional argument, and the value that it was given.
fn argument_and_value(error: &clap::Error) -> Option<(&str, &str)> {
    let argument = text(error, ContextKind::InvalidArg)?;
    Some((named(argument), text(error, ContextKind::InvalidValue)?))
}

/// The name in an argument as clap writes it: `--width <PIXELS>`, or `<HOST[:PORT]>`.
fn named(argument: &str) -> &str {
    let first = argument.split([' ', '=']).next().unwrap_or(argument);
    let name = first.trim_matches(['<', '>', '[', ']', '.']);
    name.split('[').next().unwrap_or(name)
}

/// The values that an argument takes, where they can be listed.
fn known_values(error: &clap::Error) -> Option<&[String]> {
    match error.get(ContextKind::ValidValue)? {
        ContextValue::Strings(known) if !known.is_empty() => Some(known),
        _ => None,
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

/// `a, b or c`, with `word` before the last one.
fn joined<S: AsRef<str>>(words: &[S], word: &str) -> String {
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    match words.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, others)) => format!("{} {word} {last}", others.join(", ")),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn each_two_arguments_that_exclude_each_other_have_a_reason() {
        let mut root = Cli::command();
        root.build();
        for command in root.get_subcommands() {
            for argument in command.get_arguments() {
                for other in command.get_arg_conflicts_with(argument) {
                    let (one, other) = (argument.to_string(), other.to_string());
                    let (one, other) = (named(&one), named(&other));
                    let is_known = CONFLICTS.iter().any(|(first, excluded, _)| {
                        let excludes = |a: &str, b: &str| *first == a && excluded.contains(&b);
                        excludes(one, other) || excludes(other, one)
                    });
                    let name = command.get_name();
                    assert!(is_known || one == other, "{name}: {one} and {other}");
                }
            }
        }
    }
}
