//! The meaning of keys on X11, from the server's keyboard layout.

use x11rb::connection::Connection;
use x11rb::errors::ReplyError;
use x11rb::protocol::xproto::{
    ConnectionExt as _, GetKeyboardMappingReply, KeyButMask, KeyPressEvent, Keysym,
};
use x11rb::rust_connection::RustConnection;

/// The keyboard layout: the symbols of group 0 for each key, plain and with Shift.
pub struct Keys {
    first: u8,
    map: GetKeyboardMappingReply,
}

impl Keys {
    /// Asks the server for its layout.
    pub fn load(conn: &RustConnection) -> Result<Self, ReplyError> {
        let (first, last) = (conn.setup().min_keycode, conn.setup().max_keycode);
        let count = last.saturating_sub(first).saturating_add(1);
        let map = conn.get_keyboard_mapping(first, count)?.reply()?;
        Ok(Self { first, map })
    }

    /// The typed character, in lower case; `None` with Ctrl, Alt or Super, and for arrows and the
    /// like.
    ///
    /// It is always from group 0, which has the Latin letters on most machines with several
    /// scripts.
    pub fn typed(&self, press: &KeyPressEvent) -> Option<char> {
        // Mod1 is usually Alt and Mod4 Super. Mod2, below, is Num Lock.
        if press
            .state
            .intersects(KeyButMask::CONTROL | KeyButMask::MOD1 | KeyButMask::MOD4)
        {
            return None;
        }
        let (row, levels) = (
            press.detail.checked_sub(self.first)?,
            usize::from(self.map.keysyms_per_keycode),
        );
        let symbols = self
            .map
            .keysyms
            .chunks_exact(levels.max(1))
            .nth(usize::from(row))?;
        let (plain, second) = (*symbols.first()?, symbols.get(1).copied().unwrap_or(0));
        let keypad = (0xff80..=0xffbd).contains(&second);
        let upper = press.state.contains(KeyButMask::SHIFT)
            != (keypad && press.state.contains(KeyButMask::MOD2));
        to_char(if upper && second != 0 { second } else { plain })
    }
}

/// The character of a key symbol.
fn to_char(symbol: Keysym) -> Option<char> {
    let typed = match symbol {
        0x20..=0x7e | 0xa0..=0xff => char::from_u32(symbol)?, // Latin-1 is as in Unicode
        0xff0d | 0xff8d => '\n',                              // Return, KP_Enter
        0xff1b => '\u{1b}',                                   // Escape
        0xffaa..=0xffb9 => char::from_u32(symbol - 0xff80)?,  // the keypad: * + , - . / and digits
        0x0100_0100..=0x0110_ffff => char::from_u32(symbol - 0x0100_0000)?, // all other Unicode
        _ => return None,
    };
    Some(typed.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_lower_case_and_the_rest_as_typed() {
        for (symbol, typed) in [
            (0x71, 'q'),
            (0x51, 'q'),
            (0x3f, '?'),
            (0x20, ' '),
            (0xe4, 'ä'),
        ] {
            assert_eq!(to_char(symbol), Some(typed), "{symbol:#x}");
        }
    }

    #[test]
    fn keys_that_are_no_letters() {
        for (symbol, typed) in [
            (0xff1b, '\u{1b}'),
            (0xff0d, '\n'),
            (0xffb7, '7'),
            (0xffab, '+'),
            (0x0100_20ac, '€'),
        ] {
            assert_eq!(to_char(symbol), Some(typed), "{symbol:#x}");
        }
        for symbol in [0, 0xff51, 0xffe1, 0x0100_d800, u32::MAX] {
            assert_eq!(to_char(symbol), None, "{symbol:#x}");
        }
    }

    #[test]
    fn shift_control_and_missing_levels() {
        // Keys 8 and 9 are "1 !" and "q".
        let map = GetKeyboardMappingReply {
            keysyms_per_keycode: 2,
            keysyms: vec![0x31, 0x21, 0x71, 0],
            ..Default::default()
        };
        let keys = Keys { first: 8, map };
        let typed = |detail, state| {
            keys.typed(&KeyPressEvent {
                detail,
                state,
                ..Default::default()
            })
        };
        let (none, shift) = (KeyButMask::default(), KeyButMask::SHIFT);
        assert_eq!([typed(8, none), typed(8, shift)], [Some('1'), Some('!')]);
        assert_eq!([typed(9, none), typed(9, shift)], [Some('q'), Some('q')]);
        assert_eq!(typed(9, KeyButMask::CONTROL | shift), None);
        assert_eq!([typed(7, none), typed(10, none)], [None, None]);
    }
}
