//! The properties that describe a window to a window manager on X11, after ICCCM and EWMH, and the
//! check for a window manager.

use anyhow::Result;
use x11rb::connection::Connection;
use x11rb::properties::{WmHints, WmSizeHints};
use x11rb::protocol::xproto::{AtomEnum, ConnectionExt as _, EventMask, PropMode, Window};
use x11rb::rust_connection::RustConnection;
use x11rb::wrapper::ConnectionExt as _;

x11rb::atom_manager! {
    /// The names in the properties of X windows.
    pub Atoms: AtomsCookie {
        UTF8_STRING,
        WM_CLASS,
        WM_DELETE_WINDOW,
        WM_PROTOCOLS,
        _NET_WM_ICON_NAME,
        _NET_WM_NAME,
        _NET_WM_PID,
        VIDCHAT_WAKE,
    }
}

/// A smaller window can hardly be found or grabbed.
const MIN_SIZE: (i32, i32) = (64, 48);

/// Sets every property that a window manager needs before the window is mapped, except its title.
pub fn describe(conn: &RustConnection, id: Window, atoms: &Atoms) -> Result<()> {
    let class = b"vidchat\0vidchat\0"; // instance and class
    conn.change_property8(
        PropMode::REPLACE,
        id,
        atoms.WM_CLASS,
        AtomEnum::STRING,
        class,
    )?;
    let protocols = [atoms.WM_DELETE_WINDOW];
    conn.change_property32(
        PropMode::REPLACE,
        id,
        atoms.WM_PROTOCOLS,
        AtomEnum::ATOM,
        &protocols,
    )?;
    let pid = [std::process::id()];
    conn.change_property32(
        PropMode::REPLACE,
        id,
        atoms._NET_WM_PID,
        AtomEnum::CARDINAL,
        &pid,
    )?;
    WmSizeHints {
        min_size: Some(MIN_SIZE),
        ..WmSizeHints::new()
    }
    .set_normal_hints(conn, id)?;
    // Without this hint some window managers never give the window the keyboard.
    WmHints {
        input: Some(true),
        ..WmHints::new()
    }
    .set(conn, id)?;
    Ok(())
}

/// Sets the title of a window.
pub fn set_title(conn: &RustConnection, id: Window, atoms: &Atoms, title: &str) -> Result<()> {
    for name in [atoms._NET_WM_NAME, atoms._NET_WM_ICON_NAME] {
        conn.change_property8(
            PropMode::REPLACE,
            id,
            name,
            atoms.UTF8_STRING,
            title.as_bytes(),
        )?;
    }
    // The old property is Latin-1.
    let latin: Vec<u8> = title
        .chars()
        .map(|c| u8::try_from(c).unwrap_or(b'?'))
        .collect();
    conn.change_property8(
        PropMode::REPLACE,
        id,
        AtomEnum::WM_NAME,
        AtomEnum::STRING,
        &latin,
    )?;
    Ok(())
}

/// Whether there is a window manager: only that redirects events of the root's children.
pub fn has_window_manager(conn: &RustConnection, screen: usize) -> Result<bool> {
    let root = conn.setup().roots[screen].root; // `connect` checks the number against `roots`
    let attributes = conn.get_window_attributes(root)?.reply()?;
    Ok(attributes
        .all_event_masks
        .contains(EventMask::SUBSTRUCTURE_REDIRECT))
}
