//! The programs on the local network as a list for a person.

use crate::net::discovery::Found;

/// A line for each program: its name, the command that runs there, its addresses.
pub fn list(found: &[Found]) -> Vec<String> {
    let wide = |name: &str| name.chars().count();
    let width = found.iter().map(|one| wide(&one.name)).max().unwrap_or(0);
    let line = |one: &Found| {
        let gap = " ".repeat(width - wide(&one.name));
        format!("{}{gap}  {}  {}\n", one.name, one.what.word(), places(one))
    };
    found.iter().map(line).collect()
}

/// The addresses of a program, as they are typed. Those of one interface alone are left out where
/// there are others.
pub fn places(one: &Found) -> String {
    let (local, wide): (Vec<_>, Vec<_>) = one.places.iter().partition(|place| place.is_local());
    let shown = if wide.is_empty() { local } else { wide };
    let shown = shown.iter().map(|place| place.target().to_string());
    shown.collect::<Vec<_>>().join(", ")
}
