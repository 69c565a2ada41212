//! The status line, which is written in place at the bottom of the terminal.

use std::io;

use super::job_control;
use super::output::{can_draw, lock, size};

/// The separator between the parts of a status line.
pub const GAP: &str = "  ";

/// Shows `text` in place at the bottom, only on a terminal. Its parts are separated by [`GAP`], the
/// most important first. Where not all of them fit, the last part stays and those before it are
/// left out.
pub fn status(text: &str) {
    let mut state = lock();
    if !can_draw() || state.status == text {
        return;
    }
    let (columns, _) = size();
    // While a picture covers the terminal, the line is drawn with the next picture.
    if state.covered {
        state.status = text.to_owned();
    } else if !job_control::has_screen(io::stderr()) {
        // The shell's prompt is there now.
        state.status.clear();
    } else {
        state.status = cut(text, columns);
        let out = format!("\r{}\x1b[K", state.status);
        state.put(out);
    }
}

/// The parts of a status line that fit into `columns`. One column stays free for the cursor.
pub(super) fn cut(line: &str, columns: u16) -> String {
    let most = usize::from(columns).saturating_sub(1);
    let mut parts: Vec<&str> = line.split(GAP).collect();
    while parts.len() > 1 && parts.join(GAP).chars().count() > most {
        // Removes the last but one, or the last of two.
        parts.remove((parts.len() - 2).max(1));
    }
    parts.join(GAP).chars().take(most).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_narrow_status_line_keeps_its_first_part_and_its_last() {
        let line = "2.2 ms old  30.0 frames/s  0 skipped  27.6 Mbit/s  320x240 I420  (q quits)";
        for (columns, shown) in [
            (80, line),
            (75, line),
            (
                74,
                "2.2 ms old  30.0 frames/s  0 skipped  27.6 Mbit/s  (q quits)",
            ),
            (60, "2.2 ms old  30.0 frames/s  0 skipped  (q quits)"),
            (40, "2.2 ms old  30.0 frames/s  (q quits)"),
            (22, "2.2 ms old  (q quits)"),
            (21, "2.2 ms old"),
            (7, "2.2 ms"),
            (0, ""),
        ] {
            assert_eq!(cut(line, columns), shown, "{columns}");
        }
        assert_eq!(cut("one part", 5), "one ");
    }
}
