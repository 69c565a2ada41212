//! What of a status line is shown where there is little room.

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
