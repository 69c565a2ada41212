//! Brings a pipeline as people have it into the notation of GStreamer's parser. Text in, text out.
//!
//! People paste what they typed into a shell: a `gst-launch-1.0` in front, caps in the shell's
//! quotes, `\` at the ends of lines. Word processors and web pages put typographic quotes and
//! no-break spaces into it. Each line keeps its number, and text in the notation already stays as
//! it is.
//!
//! In the parser's notation a quote opens a string at the start of a value alone: `text="a b"`.
//! Elsewhere it is text, as in `text=it's`. The parser keeps single quotes as a part of the value.
//! After this file, `"` is the one quote that delimits, and a `"` that is text is written `\"`.

use super::gst_launch;
use super::quoting::{
    closing, escape, hide_comments, next_length, placeholder, quote, requote, unescape,
};

/// A text in the notation of GStreamer's parser.
#[derive(Clone, Debug, Default)]
pub(crate) struct Notation {
    pub(crate) text: String,
    /// The first mistake, where there is one.
    pub(crate) fault: Option<Fault>,
    /// Words in front of a `gst-launch-1.0` that set variables of the environment, with their
    /// lines.
    pub(crate) variables: Vec<(usize, String)>,
}

/// A mistake that no reading of the text makes good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The line, counted from 1.
    pub(crate) line: usize,
    /// The line as the person wrote it.
    pub(crate) shown: String,
    pub(crate) cause: String,
    pub(crate) hint: String,
}

/// Brings `text` into the notation of GStreamer's parser.
pub(crate) fn normalize(text: &str) -> Notation {
    let written = text.replace("\r\n", "\n").replace('\r', "\n");
    let command = gst_launch::strip(&written);
    let shell = command.is_some();
    let (text, variables) = match command {
        Some(command) => (command.rest, command.variables),
        None => (written.clone(), Vec::new()),
    };
    let mut scanner = Scanner {
        written: &written,
        rest: &text,
        line: 1,
        out: String::with_capacity(text.len()),
        shell,
        in_caps: false,
        value_follows: false,
        skips_word: false,
        continued: false,
        fault: None,
    };
    scanner.run();
    Notation {
        text: scanner.out,
        fault: scanner.fault,
        variables,
    }
}

struct Scanner<'t> {
    /// All of the text as the person wrote it.
    written: &'t str,
    rest: &'t str,
    line: usize,
    out: String,
    /// The text is a shell's command. There a quote opens within a word too.
    shell: bool,
    /// Caps are read. They may hold blanks, and go on to the next `!`.
    in_caps: bool,
    /// The last word ended in `=`.
    value_follows: bool,
    /// The next word is the value of an option of `gst-launch-1.0`.
    skips_word: bool,
    /// The last line ended in a `\`.
    continued: bool,
    fault: Option<Fault>,
}

/// A part of a word.
enum Part {
    /// Outside of quotes, in the parser's notation.
    Bare(String),
    Quoted(Quoted),
}

/// A string in quotes.
struct Quoted {
    /// Its content, without the escapes of the quotes. Placeholders are as they were.
    plain: String,
    /// The string with its quotes, where the parser reads it as it is.
    verbatim: Option<String>,
}

/// The place of a word in a pipeline.
#[derive(Clone, Copy, PartialEq)]
enum Role {
    /// `name=value`, or a value alone.
    Assignment,
    Caps,
    Other,
}

impl Scanner<'_> {
    fn run(&mut self) {
        while let Some(c) = self.rest.chars().next() {
            let is_start = self.out.is_empty() || self.out.ends_with(char::is_whitespace);
            if c == '\n' {
                self.newline();
            } else if is_invisible(c) {
                self.skip(c.len_utf8());
            } else if is_blank(c) {
                self.out.push(if c.is_ascii() { c } else { ' ' });
                self.skip(c.len_utf8());
            } else if let Some(length) = self.continuation() {
                self.skip(length);
                self.continued = true;
            } else if c == '#' && is_start {
                let end = self.rest.find('\n').unwrap_or(self.rest.len());
                self.out.push_str(&self.rest[..end]);
                self.skip(end);
            } else {
                self.word(c);
            }
        }
    }

    fn newline(&mut self) {
        // Caps that end a line end there, unless they say that they go on.
        self.in_caps &= self
            .out
            .trim_end()
            .ends_with([',', ';', '=', '{', '[', '(']);
        self.out.push('\n');
        self.skip(1);
        // The prompt of a shell for the rest of a command.
        let prompt = self.rest.trim_start_matches(is_blank);
        if self.shell && self.continued && prompt.starts_with("> ") {
            self.skip(self.rest.len() - prompt.len() + 1);
        }
        self.continued = false;
    }

    /// Reads on, past `length` bytes.
    fn skip(&mut self, length: usize) {
        self.line += self.rest[..length].matches('\n').count();
        self.rest = &self.rest[length..];
    }

    /// The length of a mark by which a shell goes on with the next line, with the blanks after it.
    fn continuation(&self) -> Option<usize> {
        let mark = self.rest.chars().next()?;
        let windows = self.shell && matches!(mark, '^' | '`');
        if mark != '\\' && !windows {
            return None;
        }
        let after = self.rest[1..].trim_start_matches(is_blank);
        (after.is_empty() || after.starts_with('\n')).then(|| self.rest.len() - after.len())
    }

    /// Reads one word that begins with `first`.
    fn word(&mut self, first: char) {
        if !self.value_follows && matches!(first, '!' | '(') {
            self.in_caps &= first == '(';
            self.out.push(first);
            return self.skip(1);
        }
        if self.skips_word {
            self.skips_word = false;
            return self.drop_word();
        }
        if !self.in_caps && !self.value_follows {
            let end = self.rest.find(char::is_whitespace);
            let token = &self.rest[..end.unwrap_or(self.rest.len())];
            if let Some(has_value) = gst_launch::option(token) {
                self.skips_word = has_value;
                return self.drop_word();
            }
            if self.shell {
                self.check_shell_word(token.to_owned());
            }
        }
        let (role, prefix, parts) = self.parts();
        let line = self.out.len();
        self.out.push_str(&prefix);
        match role {
            Role::Assignment => self.push_value(&parts),
            Role::Caps => self.push_caps(&parts),
            Role::Other => self.push_other(&parts),
        }
        self.value_follows = self.out[line..].ends_with('=') && parts.is_empty();
        if matches!(parts.last(), Some(Part::Quoted(_))) && self.rest.starts_with(['!', ')', ';']) {
            self.out.push(' ');
        }
    }

    /// Leaves the next word out.
    fn drop_word(&mut self) {
        let line = self.line;
        self.parts();
        self.out.extend((line..self.line).map(|_| '\n'));
    }

    /// Refuses what a shell would do with a word.
    fn check_shell_word(&mut self, token: String) {
        let operator = token.trim_start_matches(|c: char| c.is_ascii_digit());
        if operator.starts_with(['|', '&', ';', '>', '<']) {
            self.blame(
                format!("{token:?} is an instruction to the shell"),
                "take it out: a pipeline file has the pipeline alone",
            );
        } else if gst_launch::is_command(&token) {
            self.blame(
                format!("{token:?} comes a second time"),
                "write each pipeline into a file of its own",
            );
        }
    }

    /// The parts of the next word, and what stands before them: the `name=` of an assignment.
    fn parts(&mut self) -> (Role, String, Vec<Part>) {
        let mut role = if self.in_caps || is_caps(self.rest) {
            Role::Caps
        } else if self.value_follows {
            Role::Assignment
        } else {
            Role::Other
        };
        self.in_caps = role == Role::Caps;
        let mut prefix = String::new();
        let mut parts: Vec<Part> = Vec::new();
        let mut bare = String::new();
        // A quote opens a string here.
        let mut opens = true;
        while let Some(c) = self.rest.chars().next() {
            let follows_string = matches!(parts.last(), Some(Part::Quoted(_))) && bare.is_empty();
            if self.ends_word(c, role, follows_string) {
                break;
            }
            let is_open = match quote(c) {
                Some(_) if c.is_ascii() => opens || role == Role::Caps || self.shell,
                Some(_) => opens || role == Role::Caps,
                None => false,
            };
            if is_open && let Some(quoted) = self.quoted(c) {
                if !bare.is_empty() {
                    parts.push(Part::Bare(std::mem::take(&mut bare)));
                }
                parts.push(Part::Quoted(quoted));
                opens = false;
                continue;
            }
            if is_invisible(c) {
                self.skip(c.len_utf8());
                continue;
            }
            if let Some(end) = placeholder(self.rest) {
                bare.push_str(&self.rest[..end]);
                self.skip(end);
            } else if c == '\\' {
                self.escape(&mut bare);
            } else {
                self.check_expansion();
                match c {
                    '"' if role == Role::Caps => bare.push('"'),
                    '"' => bare.push_str("\\\""),
                    c => bare.push(c),
                }
                self.skip(c.len_utf8());
            }
            opens = false;
            if c == '=' {
                let named = is_name(&bare[..bare.len() - 1]) || bare == "=";
                if role == Role::Other && parts.is_empty() && named {
                    role = Role::Assignment;
                    prefix = std::mem::take(&mut bare);
                    opens = true;
                }
            }
        }
        if !bare.is_empty() {
            parts.push(Part::Bare(bare));
        }
        (role, prefix, parts)
    }

    /// Whether a word ends before `c`. `follows_string` says whether `c` comes right behind a string.
    fn ends_word(&self, c: char, role: Role, follows_string: bool) -> bool {
        let is_operator = match role {
            Role::Caps => c == '!',
            _ => follows_string && matches!(c, '!' | ')' | ';'),
        };
        is_operator || c.is_whitespace() || self.continuation().is_some()
    }

    /// Reads a `\` outside of quotes and the character after it. The parser knows no escapes in
    /// caps, and none are needed for what only a shell reads otherwise.
    fn escape(&mut self, bare: &mut String) {
        let escaped = self.rest[1..].chars().next();
        let length = 1 + escaped.map_or(0, char::len_utf8);
        match escaped {
            Some(c) if "()[]{}<>;&|!*?,".contains(c) || (c == '$' && self.shell) => bare.push(c),
            _ => bare.push_str(&self.rest[..length]),
        }
        self.skip(length);
    }

    /// Refuses what a shell would put a value in the place of.
    fn check_expansion(&mut self) {
        if self.shell {
            self.check_expansion_at(self.rest);
        }
    }

    fn check_expansion_at(&mut self, text: &str) {
        let Some(after) = text.strip_prefix(['$', '`']) else {
            return;
        };
        let length = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let name = &after[..length.unwrap_or(after.len())];
        if text.starts_with('`') || after.starts_with('(') {
            self.blame(
                "a command within the pipeline is for the shell alone".into(),
                "write what the command prints in its place",
            );
        } else if !name.is_empty() {
            let hint = format!("write ${{{name}}} for it, and give it a value: --set {name}=VALUE");
            self.blame(format!("\"${name}\" is a variable of the shell"), &hint);
        }
    }

    /// Reads a string that the quote `open` begins; `None` where the quote is not closed, which is
    /// a fault.
    fn quoted(&mut self, open: char) -> Option<Quoted> {
        let kind = quote(open)?;
        let start = open.len_utf8();
        let Some((end, close)) = closing(&self.rest[start..], open, self.shell) else {
            let hint = match kind {
                '"' => "close it, or write \\\" for a quote that is text",
                _ => "close it, or write \\' for a quote that is text",
            };
            self.blame(format!("the quote {open} is not closed"), hint);
            return None;
        };
        let content = &self.rest[start..start + end];
        if self.shell && kind == '"' {
            let mut rest = content;
            while let Some(at) = rest.find(['$', '`', '\\']) {
                rest = &rest[at..];
                let skipped = match placeholder(rest) {
                    Some(end) => end,
                    None if rest.starts_with('\\') => 1 + next_length(&rest[1..]),
                    None => {
                        self.check_expansion_at(rest);
                        1
                    }
                };
                rest = &rest[skipped..];
            }
        }
        let content = content.replace("\\\n", "\n");
        let mut verbatim = None;
        if open == '"' && !content.ends_with('\\') {
            verbatim = Some(format!("\"{}\"", hide_comments(&content)));
        }
        let plain = unescape(&content, |c| {
            c == kind && (kind == '"' || !self.shell) || kind == '"' && c == '\\'
        });
        self.skip(start + end + close);
        Some(Quoted { plain, verbatim })
    }

    fn push_value(&mut self, parts: &[Part]) {
        match parts {
            [] => {}
            [Part::Bare(bare)] => self.out.push_str(bare),
            [
                Part::Quoted(Quoted {
                    verbatim: Some(verbatim),
                    ..
                }),
            ] => self.out.push_str(verbatim),
            parts => {
                let joined: String = parts.iter().map(Part::plain).collect();
                self.out.push_str(&requote(&joined));
            }
        }
    }

    fn push_caps(&mut self, parts: &[Part]) {
        for (index, part) in parts.iter().enumerate() {
            match part {
                Part::Bare(bare) => self.out.push_str(bare),
                Part::Quoted(quoted) => {
                    let text = in_caps(&quoted.plain);
                    let is_word = !text.contains(|c: char| c.is_whitespace() || ";!\"".contains(c));
                    if index == 0 || (self.shell && is_word) {
                        self.out.push_str(&text);
                    } else {
                        self.out.push('"');
                        self.out.push_str(&escape(&text));
                        self.out.push('"');
                    }
                }
            }
        }
    }

    fn push_other(&mut self, parts: &[Part]) {
        if let [Part::Bare(bare)] = parts {
            return self.out.push_str(bare);
        }
        let joined: String = parts.iter().map(Part::plain).collect();
        match joined.split_once('=') {
            Some((name, value)) if is_name(name.trim_end()) => {
                self.out.push_str(name.trim_end());
                self.out.push('=');
                self.out.push_str(&requote(value));
            }
            _ => {
                let text = in_caps(&joined);
                self.in_caps = is_caps(text.trim_start()) && !text.contains('!');
                self.out.push_str(&text);
            }
        }
    }

    /// Notes a mistake, unless there is one already.
    fn blame(&mut self, cause: String, hint: &str) {
        let (line, written) = (self.line, self.written);
        self.fault.get_or_insert_with(|| Fault {
            line,
            shown: written
                .lines()
                .nth(line - 1)
                .unwrap_or_default()
                .trim()
                .to_owned(),
            cause,
            hint: hint.to_owned(),
        });
    }
}

impl Part {
    fn plain(&self) -> String {
        match self {
            Self::Bare(bare) => unescape(bare, |_| true),
            Self::Quoted(quoted) => quoted.plain.clone(),
        }
    }
}

/// Whether a character separates words, but for the end of a line.
fn is_blank(c: char) -> bool {
    c != '\n' && c.is_whitespace()
}

/// Whether a character has no width. Web pages put such characters within words.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}' | '\u{feff}')
}

/// Whether `text` begins with caps: `video/x-raw`.
fn is_caps(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let second = text.trim_start_matches(is_part);
    second.len() < text.len()
        && second
            .strip_prefix('/')
            .is_some_and(|s| s.starts_with(is_part))
}

/// Whether `text` may be the name of a property.
fn is_name(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "_-%:".contains(c);
    text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') && text.chars().all(is_part)
}

/// The content of a string as caps outside of quotes: with plain blanks, and without a shell's
/// escapes.
fn in_caps(plain: &str) -> String {
    let plain = unescape(plain, |c| "()[]{}<>;,".contains(c));
    let blank = |c: char| if is_blank(c) && !c.is_ascii() { ' ' } else { c };
    plain.chars().map(blank).collect()
}

#[cfg(test)]
#[path = "notation_tests.rs"]
mod tests;
