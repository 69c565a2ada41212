//! Answers to the dialling side that are no handshake.

use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use super::guesses::Uses;
use super::handshake_tests::{CODE_OPENING, KEY_OPENING, dialling, key, same_code};
use super::noise::Suite;
use crate::wire::{Bye, ByeCode, Control};

/// A side that is open says so in clear, and services of other kinds answer in their own ways. None of
/// that is mistaken for a proof, and nothing is said after it.
#[tokio::test(start_paused = true)]
async fn answers_of_open_sides_and_of_other_services_are_told_apart() {
    let bye = Control::Bye(Bye::open()).encode();
    let full = Control::Bye(Bye::new(ByeCode::Full, "no seat")).encode();
    let (open, foreign) = ("it is open: ", "its first bytes are ");
    for (answer, said) in [
        (&bye[..], open),
        (&full, open),
        (b"SSH-2.0-OpenSSH_9.2\r\n", foreign),
        (
            b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n",
            foreign,
        ),
        (b"220 mail ready\r\n", foreign),
        (b"\x16\x03\x01\x02\x00", foreign),
        (&[200; 100], "it does not have the key"),
        (&[200; 10], "it does not have the key"),
        (&[0; 100], "it does not have the key"),
    ] {
        for (dials, opening) in [
            (key(), KEY_OPENING),
            (same_code(Uses::Many).0, CODE_OPENING),
        ] {
            for piece in [1, 9, 1000] {
                let (near, mut far) = duplex(1024);
                let answering = async move {
                    far.read_exact(&mut vec![0; opening]).await.unwrap();
                    for piece in answer.chunks(piece) {
                        // It may be closed already.
                        let _ = far.write_all(piece).await;
                    }
                    let _ = far.shutdown().await;
                    let mut more = Vec::new();
                    let _ = far.read_to_end(&mut more).await;
                    more
                };
                let dialling = dialling(near, dials.clone(), Suite::AesGcm);
                let (dialled, more) = tokio::join!(dialling, answering);
                let error = dialled.unwrap_err().unwrap().to_string();
                assert!(error.contains(said), "{answer:02x?}: {error}");
                assert_eq!(more, b"", "{answer:02x?}");
            }
        }
    }
}
