//! Any bytes of a peer before it has proved the key or the code, against either side: no panic, an end
//! with a reason, and never a connection.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use vidchat::net::secure::handshake::{accept, dial};
use vidchat::net::secure::{Secret, Suite, Uses};

/// What a peer says: as it is, behind the first bytes of a handshake with a key, or of one with a code.
type Input = (u8, bool, Vec<u8>);

const LIMIT: Duration = Duration::from_secs(3);

fn secret(has_code: bool) -> Secret {
    if has_code {
        let code = "4-maple-otter".parse().expect("it is a code");
        return Secret::code(code, Uses::Many);
    }
    let words = "passphrase: gravel uncle tinsel orbit mustard wren";
    static KEY: std::sync::OnceLock<Secret> = std::sync::OnceLock::new();
    let key = || Secret::key(&words.parse().expect("it is a strong one"));
    KEY.get_or_init(key).clone()
}

fuzz_target!(|input: Input| {
    let (start, has_code, bytes) = input;
    let start: &[u8] = match start % 4 {
        0 => b"",
        1 => b"vidsec1\x01",
        2 => b"vidsec1\x02",
        _ => b"vidsec1\x11\x04A",
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("there is a runtime");
    runtime.block_on(async {
        let secret = secret(has_code);
        let (mut peer, mut stream) = tokio::io::duplex(1024);
        let accepting = async {
            let accepted = timeout(LIMIT, accept(&mut stream, &secret)).await;
            assert!(!matches!(accepted, Ok(Ok(_))));
            drop(stream);
        };
        let saying = async {
            let _ = peer.write_all(&[start, &bytes].concat()).await;
            let mut heard = Vec::new();
            let _ = timeout(2 * LIMIT, peer.read_to_end(&mut heard)).await;
            // Only the number of the code and a point of the curve have an answer.
            assert!(heard.is_empty() || (has_code && heard.len() == 33));
        };
        tokio::join!(accepting, saying);
        let (mut peer, mut stream) = tokio::io::duplex(1024);
        let dialling = async {
            let dialled = timeout(LIMIT, dial(&mut stream, &secret, Suite::AesGcm)).await;
            assert!(!matches!(dialled, Ok(Ok(_))));
            drop(stream);
        };
        let saying = async {
            let _ = peer.write_all(&bytes).await;
            let _ = timeout(2 * LIMIT, peer.read_to_end(&mut Vec::new())).await;
        };
        tokio::join!(dialling, saying);
    });
});
