//! Log lines that wait while a picture covers the terminal. The first and the last lines are kept.
//! A repeated line is kept once, with a count.

use std::collections::VecDeque;

/// How many lines are kept from the beginning, and how many from the end.
const PART: usize = 100;

/// The lines that wait.
#[derive(Debug)]
pub struct KeptLines {
    /// The first lines, which are never left out: they tell the start and the first advice.
    first: Vec<Line>,
    last: VecDeque<Line>,
    /// How many lines were left out between the two.
    lost: usize,
}

#[derive(Debug)]
struct Line {
    text: String,
    /// How often the line came.
    count: usize,
}

impl KeptLines {
    /// No lines.
    pub const fn new() -> Self {
        Self {
            first: Vec::new(),
            last: VecDeque::new(),
            lost: 0,
        }
    }

    /// Keeps the lines of `text`.
    pub fn add(&mut self, text: &str) {
        let same = |line: &&mut Line| line.text == text;
        let mut lines = self.first.iter_mut().chain(&mut self.last);
        if let Some(line) = lines.find(same) {
            line.count += 1;
            return;
        }
        let line = Line {
            text: text.to_owned(),
            count: 1,
        };
        if self.first.len() < PART {
            return self.first.push(line);
        }
        if self.last.len() == PART {
            self.last.pop_front();
            self.lost += 1;
        }
        self.last.push_back(line);
    }

    /// Takes all kept lines, in the order in which each came first.
    pub fn take(&mut self) -> Vec<String> {
        let kept = std::mem::replace(self, Self::new());
        let gap = (kept.lost > 0).then(|| format!("({} lines are left out here)", kept.lost));
        kept.first
            .into_iter()
            .map(Line::shown)
            .chain(gap)
            .chain(kept.last.into_iter().map(Line::shown))
            .collect()
    }
}

impl Line {
    fn shown(self) -> String {
        match self.count {
            1 => self.text,
            count => format!("{} ({count} times)", self.text.trim_end()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_repeats_is_kept_once_where_it_was_said_first() {
        let mut kept = KeptLines::new();
        for _ in 0..1000 {
            kept.add("lost\n");
            kept.add("connected again\n");
        }
        kept.add("the end");
        assert_eq!(
            kept.take(),
            [
                "lost (1000 times)",
                "connected again (1000 times)",
                "the end"
            ]
        );
        assert_eq!(kept.take(), [""; 0]);
    }

    #[test]
    fn the_first_lines_and_the_last_ones_are_kept_whatever_comes_between() {
        let mut kept = KeptLines::new();
        for number in 0..1000 {
            kept.add(&format!("line {number}"));
        }
        let lines = kept.take();
        assert_eq!(lines.len(), 2 * PART + 1);
        let ends = [0, PART - 1, PART, PART + 1, 2 * PART].map(|at| &lines[at][..]);
        assert_eq!(
            ends,
            [
                "line 0",
                "line 99",
                "(800 lines are left out here)",
                "line 900",
                "line 999"
            ]
        );
    }
}
