//! Where frames of H.264 and H.265 end that come over RTP, whatever their marks say.
//!
//! RTP marks the last packet of a frame, so that nobody has to wait for the next frame. Some servers and
//! cameras mark each packet, or each unit. Units and times in, ends out, so that it can be tested
//! without a pipeline.

/// The part of the image that a unit holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Nothing: it is a delimiter, a parameter set or a message.
    Nothing,
    /// The slice that the image begins with.
    First,
    /// A later slice.
    Later,
}

/// How the end of a frame is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// By its mark, as in most streams.
    Mark,
    /// Marks are wrong here. The slices of a whole frame are counted first.
    Counting,
    /// By the number of slices, which was that of another frame.
    Slices(u32),
    /// By the next frame, as the number of slices differs too.
    NextFrame,
}

/// Finds the ends of the frames of one stream.
#[derive(Debug)]
pub struct FrameEnds {
    end: End,
    /// The time of the present frame.
    time: Option<u32>,
    /// Its slices so far.
    slices: u32,
    /// Whether its end has been told.
    has_ended: bool,
}

impl FrameEnds {
    /// For a stream whose marks are believed until one is wrong.
    pub fn new() -> Self {
        Self {
            end: End::Mark,
            time: None,
            slices: 0,
            has_ended: false,
        }
    }

    /// Whether a unit is the last one of its frame.
    pub fn is_end(&mut self, part: Part, time: u32, is_marked: bool) -> bool {
        if self.time != Some(time) {
            self.time = Some(time);
            self.begin();
        }
        let is_slice = part != Part::Nothing;
        if is_slice {
            match part {
                Part::First if self.has_ended => self.begin(),
                _ if self.has_ended => self.told_too_soon(),
                _ => {}
            }
            self.slices += 1;
        } else if is_marked && self.end == End::Mark && (self.slices == 0 || self.has_ended) {
            // No frame is without an image, nor has two ends.
            self.end = End::Counting;
        }
        let is_end = match self.end {
            End::Mark => is_marked && !self.has_ended,
            End::Slices(count) => is_slice && self.slices == count,
            End::Counting | End::NextFrame => false,
        };
        self.has_ended |= is_end;
        is_end
    }

    /// Another frame begins.
    fn begin(&mut self) {
        if self.end == End::Counting && self.slices > 0 {
            self.end = End::Slices(self.slices);
        }
        self.slices = 0;
        self.has_ended = false;
    }

    /// A slice follows the end of its frame.
    fn told_too_soon(&mut self) {
        self.end = match self.end {
            End::Mark | End::Counting => End::Counting,
            End::Slices(_) | End::NextFrame => End::NextFrame,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::Part::{First, Later, Nothing};
    use super::*;

    /// The places of the ends in a stream of units, each with its time and whether it is marked.
    fn ends(units: &[(u32, Part, bool)]) -> Vec<usize> {
        let mut ends = FrameEnds::new();
        let numbers = units.iter().enumerate();
        let found = numbers.filter(|(_, (time, part, mark))| ends.is_end(*part, *time, *mark));
        found.map(|(number, _)| number).collect()
    }

    #[test]
    fn right_marks_are_the_ends() {
        let stream = [
            (0, Nothing, false),
            (0, First, false),
            (0, Later, true),
            (1, First, true),
            // Bytes that only fill the link.
            (2, First, false),
            (2, Nothing, true),
            // Two fields of one frame.
            (3, First, false),
            (3, First, true),
            // Another frame of the same time.
            (3, Nothing, false),
            (3, First, true),
        ];
        assert_eq!(ends(&stream), [2, 3, 5, 7, 9]);
    }

    #[test]
    fn a_mark_before_the_image_is_none_and_the_slices_tell_from_then_on() {
        let frame = |time| [Nothing, Nothing, First, Later].map(|part| (time, part, true));
        let stream = [frame(0), frame(1), frame(2)];
        // The first one ends with the next.
        assert_eq!(ends(stream.as_flattened()), [7, 11]);
    }

    #[test]
    fn a_mark_between_slices_is_wrong_once() {
        let frame = |time| [First, Later, Later].map(|part| (time, part, true));
        let stream = [frame(0), frame(1), frame(2)];
        assert_eq!(ends(stream.as_flattened()), [0, 5, 8]);
    }

    #[test]
    fn sets_with_the_time_of_the_frame_before_do_not_end_it_again() {
        let stream = [
            (0, First, true),
            (0, Nothing, true),
            (1, First, true),
            (1, Nothing, true),
            (2, First, true),
        ];
        assert_eq!(ends(&stream), [0, 2, 4]);
    }

    #[test]
    fn a_frame_with_more_slices_than_another_ends_with_the_next() {
        let stream = [
            (0, Nothing, true),
            (0, First, true),
            (1, First, true),
            (1, Later, true),
            (2, First, true),
            (3, First, true),
        ];
        assert_eq!(ends(&stream), [2]);
    }

    #[test]
    fn a_lost_slice_ends_no_other_frame() {
        let stream = [
            (0, First, true),
            (0, Later, true),
            (1, First, true),
            (2, Later, true),
            (3, First, true),
            (3, Later, true),
        ];
        assert_eq!(ends(&stream), [0, 5]);
    }
}
