//! The programs on the local network as a list for a person.

use crate::net::discovery::{Access, Found, What};

/// A line for each program: its name, the command that runs there, its addresses, and what it asks
/// for.
pub fn list(found: &[Found]) -> Vec<String> {
    let wide = |name: &str| name.chars().count();
    let width = found.iter().map(|one| wide(&one.name)).max().unwrap_or(0);
    let line = |one: &Found| {
        let gap = " ".repeat(width - wide(&one.name));
        let (what, places, needs) = (one.what.word(), places(one), needs(one.access));
        format!("{}{gap}  {what}  {places}{needs}\n", one.name)
    };
    found.iter().map(line).collect()
}

/// The secret that a program asks for, in words.
fn needs(access: Access) -> String {
    match access {
        Access::Open => String::new(),
        Access::Key => "  needs a key".into(),
        Access::Code(None) => "  needs a code".into(),
        Access::Code(Some(number)) => format!("  needs the code {number}-..."),
    }
}

/// The command to type for one of them. FILE and CODE are the person's own.
pub fn command(one: &Found) -> String {
    let command = match one.what {
        What::Send => "vidchat recv",
        What::Call | What::Room => "vidchat call",
    };
    let flags = match (one.access, one.what) {
        (Access::Open, What::Send) => "",
        (Access::Open, What::Call | What::Room) => " --open",
        (Access::Key, _) => " --key-file FILE",
        (Access::Code(_), _) => " --code CODE",
    };
    format!("{command} {}{flags}", one.name)
}

/// The addresses of a program, as they are typed. Those of one interface alone are left out where
/// there are others.
pub fn places(one: &Found) -> String {
    let (local, wide): (Vec<_>, Vec<_>) = one.places.iter().partition(|place| place.is_local());
    let shown = if wide.is_empty() { local } else { wide };
    let shown = shown.iter().map(|place| place.target().to_string());
    shown.collect::<Vec<_>>().join(", ")
}
