//! Where each seat is on the canvas.

use crate::pixels::Rect;

/// How seats are arranged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// The first one as large as possible. The others are small, one above the other, in the corner
    /// at the right and the bottom.
    #[default]
    Leading,
    /// All of one size, in rows.
    Grid,
}

/// A small seat is this part of the canvas' width.
const SMALL: usize = 5;
/// The distance of a small seat from the edge, and of two of them.
const MARGIN: usize = 8;
/// It is no more than this part of the canvas' width, as in a terminal of blocks, but for the frame
/// around the seat and one pixel.
const MARGIN_PART: usize = 40;
const LEAST_MARGIN: usize = 2;

impl Layout {
    /// The room for each of `count` seats on `whole`.
    pub fn rooms(self, whole: Rect, count: usize) -> Vec<Rect> {
        match self {
            Self::Leading => (0..count).map(|seat| leading(whole, seat)).collect(),
            Self::Grid => grid(whole, count),
        }
    }

    /// The part of the room of this seat that frames of this shape fill.
    pub fn part(self, seat: usize, room: Rect, shape: (u32, u32)) -> Rect {
        let part = room.fit(shape);
        if !self.is_small(seat) {
            return part;
        }
        Rect {
            x: room.x + room.width - part.width,
            y: room.y + room.height - part.height,
            ..part
        }
    }

    /// Whether this seat is on top of another one.
    pub fn is_small(self, seat: usize) -> bool {
        self == Self::Leading && seat > 0
    }
}

fn leading(whole: Rect, seat: usize) -> Rect {
    if seat == 0 {
        return whole;
    }
    let width = whole.width / SMALL;
    let height = width * 3 / 4;
    let margin = MARGIN.min((whole.width / MARGIN_PART).max(LEAST_MARGIN));
    let below = (seat - 1) * (height + margin);
    let edge = |size: usize, taken: usize| size.saturating_sub(taken + margin);
    Rect {
        x: whole.x + edge(whole.width, width),
        y: whole.y + edge(whole.height, height + below),
        width,
        height: height.min(whole.height.saturating_sub(below)),
    }
}

/// As many columns as rows, or one more. The last row is in the middle.
fn grid(whole: Rect, count: usize) -> Vec<Rect> {
    let columns = (1..=count).find(|n| n * n >= count).unwrap_or(1);
    let rows = count.div_ceil(columns).max(1);
    let (width, height) = (whole.width / columns, whole.height / rows);
    let room = |seat: usize| {
        let (row, column) = (seat / columns, seat % columns);
        let in_row = (count - row * columns).min(columns);
        Rect {
            x: whole.x + (columns - in_row) * width / 2 + column * width,
            y: whole.y + row * height,
            width,
            height,
        }
    };
    (0..count).map(room).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: Rect = Rect {
        x: 0,
        y: 0,
        width: 640,
        height: 480,
    };

    fn places(layout: Layout, count: usize) -> Vec<(usize, usize, usize, usize)> {
        let rooms = layout.rooms(WHOLE, count).into_iter();
        rooms.map(|r| (r.x, r.y, r.width, r.height)).collect()
    }

    #[test]
    fn the_leading_seat_is_large_and_the_others_are_in_the_corner() {
        assert_eq!(places(Layout::Leading, 1), [(0, 0, 640, 480)]);
        assert_eq!(
            places(Layout::Leading, 3)[1..],
            [(504, 376, 128, 96), (504, 272, 128, 96)]
        );
    }

    #[test]
    fn a_small_seat_is_in_the_corner_whatever_its_shape() {
        let room = Layout::Leading.rooms(WHOLE, 2)[1];
        for (shape, left, top) in [((4, 3), 504, 376), ((16, 9), 504, 400), ((9, 16), 578, 376)] {
            let part = Layout::Leading.part(1, room, shape);
            assert_eq!((part.x, part.y), (left, top), "{shape:?}");
            let end = (part.x + part.width, part.y + part.height);
            assert_eq!(end, (632, 472), "{shape:?}");
        }
    }

    #[test]
    fn a_grid_has_as_many_columns_as_rows_or_one_more() {
        assert_eq!(places(Layout::Grid, 1), [(0, 0, 640, 480)]);
        assert_eq!(
            places(Layout::Grid, 2),
            [(0, 0, 320, 480), (320, 0, 320, 480)]
        );
        assert_eq!(places(Layout::Grid, 3)[2], (160, 240, 320, 240));
        let eight = places(Layout::Grid, 8);
        assert_eq!(eight[0], (0, 0, 213, 160));
        assert_eq!(eight[7], (106 + 213, 320, 213, 160));
        assert_eq!(places(Layout::Grid, 0), []);
    }

    #[test]
    fn no_seat_leaves_a_canvas_of_any_size() {
        for (width, height) in [(0, 0), (1, 1), (7, 3), (320, 16)] {
            let whole = Rect {
                width,
                height,
                ..WHOLE
            };
            for layout in [Layout::Leading, Layout::Grid] {
                for room in layout.rooms(whole, 8) {
                    assert!(room.x + room.width <= width, "{layout:?}: {room:?}");
                    assert!(room.y + room.height <= height, "{layout:?}: {room:?}");
                }
            }
        }
    }
}
