//! Tests that are run once more over encrypted connections: every program that such a test starts has the
//! same key.

use std::cell::RefCell;
use std::process::Command;

use vidchat::net::secure::KeyText;

thread_local! {
    /// The key of this test.
    static KEY: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Gives a key to all programs that this test starts from here on.
pub fn encrypt() {
    KEY.set(Some(KeyText::random().to_string()));
}

/// Whether this test has a key.
pub fn is_on() -> bool {
    KEY.with_borrow(Option::is_some)
}

/// Gives the test's key to a program, where there is one.
pub fn hand_out(command: &mut Command) {
    KEY.with_borrow(|key| match key {
        Some(key) => command.env("VIDCHAT_KEY", key),
        None => command.env_remove("VIDCHAT_KEY"),
    });
}

/// Runs each of these tests once more, encrypted.
macro_rules! also_encrypted {
    ($($name:ident),+ $(,)?) => {
        mod encrypted {
            $(
                #[test]
                fn $name() {
                    crate::support::encrypted::encrypt();
                    super::$name();
                }
            )+
        }
    };
}
pub(crate) use also_encrypted;
