//! The libraries that the system loads before the program begins.

use crate::support::vidchat;

/// Each library takes a part of a millisecond of each start. `libgio` alone takes 0.7 ms, with the four
/// that it needs: any `ElementFactory` of the `gstreamer` crate asks for it.
#[test]
fn the_program_has_no_library_loaded_that_it_does_not_use() {
    let listed = vidchat().env("LD_TRACE_LOADED_OBJECTS", "1").output();
    let listed = String::from_utf8(listed.unwrap().stdout).unwrap();
    assert!(listed.contains("libgstreamer-1.0"), "{listed}");
    for unused in ["libgio", "libX11", "libwayland"] {
        assert!(!listed.contains(unused), "{listed}");
    }
}
