//! The first connection to a sender, for which a person may type the code again where it was wrong.

use tokio::task::spawn_blocking;

use super::connector::{Connector, SenderPlace};
use crate::commands::connect_failure::cannot_connect;
use crate::commands::secrets;
use crate::console;
use crate::failure::{Failure, Outcome};
use crate::net::Connection;
use crate::net::receiver::ReceiveOptions;
use crate::net::secure::{Secret, TypedCodes, Uses, WRONG_GUESSES};

/// The first connection of `connector`, which has the options `play`. Both have the code that the person
/// has typed last. A receiver that listens has none yet.
///
/// # Errors
/// There is no connection.
pub async fn first_connection(
    place: &SenderPlace,
    connector: &mut Connector,
    play: &mut ReceiveOptions,
) -> Outcome<Option<Connection>> {
    let mut typed = TypedCodes::new(Uses::Many, play.secret.as_ref());
    let mut codes = 1;
    // The sender has a new code after so many wrong ones.
    loop {
        let error = match connector.first().await {
            Ok(connection) => return Ok(connection),
            Err(error) => error,
        };
        let SenderPlace::Target(target) = place else {
            return Err(Failure::start("cannot listen").cause(error));
        };
        let failure = cannot_connect(target, "vidchat send", &error);
        let has_code = play.secret.as_ref().is_some_and(Secret::is_code);
        if !error.is_about_code() || !has_code || codes == WRONG_GUESSES || !console::can_ask() {
            return Err(failure);
        }
        console::line(&format!("{}.", failure.summary()));
        let shown_by = target.to_string();
        let asked = spawn_blocking(move || secrets::ask_code(&shown_by, ", or Enter to give up"));
        let Some(code) = asked.await.ok().flatten() else {
            return Err(failure);
        };
        let secret = typed.secret(code);
        connector.set_secret(&secret);
        play.secret = Some(secret);
        codes += 1;
    }
}
