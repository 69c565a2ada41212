//! Handshakes with right, wrong and missing secrets, and with somebody between both sides who alters
//! them.

use std::time::Duration;

use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf, duplex, split};
use tokio::time::timeout;

use super::code::Code;
use super::guesses::{Uses, Wrong};
use super::handshake::{AcceptError, Channel, DialError, accept, dial};
use super::key::{Key, KeyText};
use super::noise::{Suite, TAG_BYTES};
use super::secret::Secret;
/// Bytes of each part of the handshake.
pub(super) const KEY_OPENING: usize = 8 + 48;
pub(super) const CODE_OPENING: usize = 8 + 1 + 33;

pub(super) type Dialled = Result<Channel, Option<DialError>>;
type Accepted = Result<Channel, Option<AcceptError>>;

pub(super) fn key() -> Secret {
    let key: Key = KeyText::random().to_string().parse().unwrap();
    Secret::key(&key)
}

fn code(text: &str, uses: Uses) -> Secret {
    Secret::code(text.parse().unwrap(), uses)
}

/// Two sides that have the same code.
pub(super) fn same_code(uses: Uses) -> (Secret, Secret) {
    let text = Code::random().to_string();
    (code(&text, Uses::Many), code(&text, uses))
}

/// A side of a connection that only waits for so long. The clock stands still, and passes at once when
/// both sides wait.
async fn patient<T, E>(side: impl Future<Output = Result<T, E>>) -> Result<T, Option<E>> {
    match timeout(Duration::from_secs(3), side).await {
        Ok(ended) => ended.map_err(Some),
        Err(_) => Err(None),
    }
}

pub(super) async fn dialling(mut stream: DuplexStream, secret: Secret, suite: Suite) -> Dialled {
    patient(dial(&mut stream, &secret, suite)).await
}

async fn accepting(mut stream: DuplexStream, secret: Secret) -> Accepted {
    patient(accept(&mut stream, &secret)).await
}

/// Passes bytes on, and each of them through `change`. Returns all that came.
async fn pass(
    mut from: ReadHalf<DuplexStream>,
    mut to: WriteHalf<DuplexStream>,
    change: impl Fn(usize, u8) -> Vec<u8>,
) -> Vec<u8> {
    let mut came = Vec::new();
    let mut byte = [0];
    while let Ok(1) = from.read(&mut byte).await {
        let changed = change(came.len(), byte[0]);
        came.push(byte[0]);
        if to.write_all(&changed).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
    came
}

fn unchanged(_: usize, byte: u8) -> Vec<u8> {
    vec![byte]
}

/// A handshake with somebody in the middle. Returns the results of both sides and all that each said.
async fn between(
    (dials, waits): (&Secret, &Secret),
    suite: Suite,
    there: impl Fn(usize, u8) -> Vec<u8>,
    back: impl Fn(usize, u8) -> Vec<u8>,
) -> (Dialled, Accepted, Vec<u8>, Vec<u8>) {
    let (near, far) = (duplex(1024), duplex(1024));
    let ((near_read, near_write), (far_read, far_write)) = (split(near.1), split(far.1));
    tokio::join!(
        dialling(near.0, dials.clone(), suite),
        accepting(far.0, waits.clone()),
        pass(near_read, far_write, there),
        pass(far_read, near_write, back),
    )
}

/// Whether what one side seals is what the other opens.
fn understand(dialled: &mut Channel, accepted: &mut Channel) -> bool {
    let fits = |from: &mut Channel, to: &mut Channel| {
        let (mut sealed, mut plain) = ([0; 5 + TAG_BYTES], [0; 5 + TAG_BYTES]);
        from.sending.seal(&[], b"hello", &mut sealed).unwrap();
        to.receiving.open(&[], &sealed, &mut plain) == Ok(5) && plain.starts_with(b"hello")
    };
    fits(dialled, accepted) && fits(accepted, dialled)
}

#[tokio::test(start_paused = true)]
async fn both_sides_with_the_same_secret_understand_each_other() {
    for suite in Suite::ALL {
        let key = key();
        for (dials, waits) in [(key.clone(), key), same_code(Uses::Once)] {
            // The second time a code is not needed any more.
            for _ in 0..2 {
                let both = (&dials, &waits);
                let (dialled, accepted, ..) = between(both, suite, unchanged, unchanged).await;
                let (mut dialled, mut accepted) = (dialled.unwrap(), accepted.unwrap());
                assert!(understand(&mut dialled, &mut accepted));
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn another_key_is_refused_on_both_sides() {
    let (dialled, accepted, _, answer) =
        between((&key(), &key()), Suite::AesGcm, unchanged, unchanged).await;
    assert!(matches!(dialled, Err(Some(DialError::OtherKey))));
    assert!(matches!(accepted, Err(Some(AcceptError::NoKey))));
    assert_eq!(answer, b"", "nothing was said to it");
}

#[tokio::test(start_paused = true)]
async fn a_key_and_a_code_do_not_fit() {
    let (_, code) = same_code(Uses::Many);
    let (dialled, accepted, _, answer) =
        between((&key(), &code), Suite::AesGcm, unchanged, unchanged).await;
    assert!(matches!(dialled, Err(Some(DialError::OtherKey))));
    assert!(matches!(accepted, Err(Some(AcceptError::NoKey))));
    assert_eq!(answer, b"");
    let (dialled, accepted, _, answer) =
        between((&code, &key()), Suite::AesGcm, unchanged, unchanged).await;
    assert!(matches!(dialled, Err(Some(DialError::NoSuchCode(_)))));
    assert!(matches!(accepted, Err(Some(AcceptError::NoCode))));
    assert_eq!(answer, b"");
}

#[tokio::test(start_paused = true)]
async fn three_wrong_codes_are_all_that_a_stranger_has() {
    let waits = code("4-maple-otter", Uses::Many);
    for (guess, left) in [("badger", 2), ("falcon", 1), ("gecko", 0)] {
        let dials = code(&format!("4-maple-{guess}"), Uses::Many);
        let (dialled, accepted, ..) =
            between((&dials, &waits), Suite::AesGcm, unchanged, unchanged).await;
        let dialled = dialled.unwrap_err().unwrap();
        assert_eq!(dialled.to_string(), "the code is wrong");
        assert!(matches!(accepted, Err(Some(AcceptError::WrongCode(n))) if n == left));
    }
    timeout(Duration::from_secs(1), waits.code_over())
        .await
        .expect("its side hears of it");
    assert!(waits.is_dead() && waits.usable_code().is_none());
    let right = code("4-maple-otter", Uses::Many);
    let (dialled, accepted, _, answer) =
        between((&right, &waits), Suite::AesGcm, unchanged, unchanged).await;
    assert!(matches!(dialled, Err(Some(DialError::NoSuchCode(4)))));
    assert!(matches!(accepted, Err(Some(AcceptError::NoCode))));
    assert_eq!(answer, b"", "as if there had never been a code");
    waits.renew("4-maple-wren".parse().unwrap());
    let new = code("4-maple-wren", Uses::Many);
    let (dialled, ..) = between((&new, &waits), Suite::AesGcm, unchanged, unchanged).await;
    assert!(dialled.is_ok());
}

/// Somebody who waits in the place of the right side, and guesses, has three guesses too.
#[tokio::test(start_paused = true)]
async fn the_side_that_dials_gives_its_code_three_times_to_a_wrong_one() {
    let dials = code("4-maple-otter", Uses::Many);
    for left in [2, 1, 0] {
        let waits = code("4-maple-badger", Uses::Many);
        let (dialled, ..) = between((&dials, &waits), Suite::AesGcm, unchanged, unchanged).await;
        assert!(matches!(dialled, Err(Some(DialError::WrongCode(n))) if n == left));
    }
    let right = code("4-maple-otter", Uses::Many);
    let (dialled, _, said, _) =
        between((&dials, &right), Suite::AesGcm, unchanged, unchanged).await;
    assert!(matches!(dialled, Err(Some(DialError::DeadCode))));
    assert_eq!(said, b"");
}

/// It may answer nothing after it has the proof, and keep the connection open: that is a guess too.
#[tokio::test(start_paused = true)]
async fn a_silent_wrong_side_has_no_more_guesses() {
    let (dials, waits) = same_code(Uses::Many);
    for _ in 0..3 {
        let ((near, mut between), (mut there, far)) = (duplex(1024), duplex(1024));
        let silent = async {
            let (mut opening, mut answer) = ([0; CODE_OPENING], [0; 33]);
            between.read_exact(&mut opening).await.unwrap();
            there.write_all(&opening).await.unwrap();
            there.read_exact(&mut answer).await.unwrap();
            between.write_all(&answer).await.unwrap();
            between.read_exact(&mut [0; 48]).await.unwrap();
        };
        let (dialled, ..) = tokio::join!(
            dialling(near, dials.clone(), Suite::AesGcm),
            accepting(far, waits.clone()),
            silent,
        );
        assert!(matches!(dialled, Err(None)), "it has waited");
    }
    assert!(dials.is_dead());
}

#[tokio::test(start_paused = true)]
async fn a_code_for_one_call_is_used_up_by_the_first() {
    let text = Code::random().to_string();
    let waits = code(&text, Uses::Once);
    let (first, second) = (code(&text, Uses::Many), code(&text, Uses::Many));
    let (dialled, ..) = between((&first, &waits), Suite::AesGcm, unchanged, unchanged).await;
    assert!(dialled.is_ok());
    let (dialled, ..) = between((&second, &waits), Suite::AesGcm, unchanged, unchanged).await;
    assert!(matches!(dialled, Err(Some(DialError::NoSuchCode(_)))));
    let (dialled, ..) = between((&first, &waits), Suite::AesGcm, unchanged, unchanged).await;
    assert!(dialled.is_ok(), "the first one connects again");
}

/// A connection that is closed once its opening was read. Returns that, and the error.
async fn closed(dials: &Secret) -> (Vec<u8>, DialError) {
    let (near, mut far) = duplex(1024);
    let reads = async move {
        let mut opening = vec![0; KEY_OPENING];
        let count = far.read(&mut opening).await.unwrap();
        opening.truncate(count);
        opening
    };
    let (dialled, opening) = tokio::join!(dialling(near, dials.clone(), Suite::AesGcm), reads);
    (opening, dialled.unwrap_err().unwrap())
}

/// A pause of the other side closes openings, and it has heard nothing of the code. So the code can be
/// tried later as if it had not been tried.
#[tokio::test(start_paused = true)]
async fn openings_that_are_closed_cost_no_guess_at_a_code() {
    let (dials, waits) = same_code(Uses::Once);
    for _ in 0..10 {
        let (opening, error) = closed(&dials).await;
        assert_eq!((opening[7], opening.len()), (0x11, CODE_OPENING));
        assert!(matches!(error, DialError::NoSuchCode(_)), "{error}");
    }
    let (dialled, ..) = between((&dials, &waits), Suite::AesGcm, unchanged, unchanged).await;
    assert!(dialled.is_ok());
    let (dials, _) = same_code(Uses::Many);
    closed(&dials).await;
    let attempt = dials
        .attempt(dials.usable_code().unwrap().number())
        .unwrap();
    assert_eq!(dials.wrong(attempt), Wrong::Left(2));
}

/// Somebody on the path, or a pause of the other side, closes the openings of a call. The code was used
/// up by its first connection and is never sent again.
#[tokio::test(start_paused = true)]
async fn openings_that_are_closed_lose_no_key_and_send_no_code_of_a_call() {
    let text = Code::random().to_string();
    let (dials, waits) = (code(&text, Uses::Once), code(&text, Uses::Once));
    let both = (&dials, &waits);
    let (dialled, ..) = between(both, Suite::AesGcm, unchanged, unchanged).await;
    assert!(dialled.is_ok());
    for times in 1..6 {
        for _ in 0..times {
            let (opening, error) = closed(&dials).await;
            assert_eq!(opening[7], 1, "it proves the key");
            assert!(matches!(error, DialError::Forgotten), "{error}");
        }
        let (dialled, ..) = between(both, Suite::AesGcm, unchanged, unchanged).await;
        assert!(dialled.is_ok(), "after {times} that were closed");
    }
}

/// A sender knows a limited number of viewers, so one whose key was refused sends the code too. Here the
/// sender has a new code, and still knows the viewer.
#[tokio::test(start_paused = true)]
async fn a_viewer_tries_its_key_and_the_code_in_turn() {
    let (dials, waits) = same_code(Uses::Many);
    let both = (&dials, &waits);
    let (dialled, ..) = between(both, Suite::AesGcm, unchanged, unchanged).await;
    assert!(dialled.is_ok());
    waits.renew(Code::random());
    for times in 1..6 {
        for tried in 0..times {
            let (opening, error) = closed(&dials).await;
            let kind = if tried % 2 == 0 { 1 } else { 0x11 };
            assert_eq!(opening[7], kind);
            assert!(matches!(error, DialError::Forgotten), "{error}");
        }
        if times % 2 == 1 {
            closed(&dials).await;
        }
        let (dialled, ..) = between(both, Suite::AesGcm, unchanged, unchanged).await;
        assert!(dialled.is_ok(), "after {times} that were closed");
    }
}

#[tokio::test(start_paused = true)]
async fn a_side_that_forgot_its_peers_takes_the_code_again() {
    let text = Code::random().to_string();
    let dials = code(&text, Uses::Many);
    for round in 0..3 {
        let waits = code(&text, Uses::Many);
        let both = (&dials, &waits);
        if round > 0 {
            let (dialled, ..) = between(both, Suite::AesGcm, unchanged, unchanged).await;
            assert!(matches!(dialled, Err(Some(DialError::Forgotten))));
        }
        let (dialled, ..) = between(both, Suite::AesGcm, unchanged, unchanged).await;
        assert!(dialled.is_ok(), "round {round}");
    }
}

/// The other side was started again, with another code. It may have the same number.
#[tokio::test(start_paused = true)]
async fn a_code_that_was_wrong_after_it_was_right_is_not_sent_again() {
    let dials = code("4-maple-otter", Uses::Many);
    let before = code("4-maple-otter", Uses::Many);
    let (dialled, ..) = between((&dials, &before), Suite::AesGcm, unchanged, unchanged).await;
    assert!(dialled.is_ok());
    let after = code("4-maple-badger", Uses::Many);
    for expected in [1, 0x11, 1, 1, 1] {
        let (dialled, _, said, _) =
            between((&dials, &after), Suite::AesGcm, unchanged, unchanged).await;
        let error = dialled.unwrap_err().unwrap();
        assert_eq!(said[7], expected);
        assert!(matches!(error, DialError::Forgotten), "{error}");
    }
    let (dialled, ..) = between((&dials, &before), Suite::AesGcm, unchanged, unchanged).await;
    assert!(dialled.is_ok(), "the key is kept");
}

/// The one that was seen last is the last to be forgotten.
#[tokio::test(start_paused = true)]
async fn a_peer_that_comes_back_is_remembered_longer() {
    let (dials, waits) = same_code(Uses::Many);
    let both = (&dials, &waits);
    let text = dials.usable_code().unwrap().to_string();
    for _ in 0..3 {
        let (dialled, _, said, _) = between(both, Suite::AesGcm, unchanged, unchanged).await;
        assert!(dialled.is_ok() && (said[7] == 1 || waits.keys().len() == 1));
        for _ in 0..150 {
            let other = code(&text, Uses::Many);
            let both = (&other, &waits);
            let (dialled, ..) = between(both, Suite::AesGcm, unchanged, unchanged).await;
            assert!(dialled.is_ok());
        }
    }
}

/// Whoever is in the middle can end a handshake, and nothing else.
#[tokio::test(start_paused = true)]
async fn no_byte_of_a_handshake_can_be_altered_left_out_or_repeated() {
    // With a code the curve takes its time, so one suite is enough there.
    for (suite, has_code) in [
        (Suite::AesGcm, false),
        (Suite::ChaChaPoly, false),
        (Suite::AesGcm, true),
    ] {
        let (there, back) = if has_code {
            (CODE_OPENING + 48, 33 + 48)
        } else {
            (KEY_OPENING, 48)
        };
        for place in 0..there + back {
            for change in [
                |place: usize, byte: u8| vec![byte ^ 1 << (place % 8)],
                |_, _| vec![],
                |_, byte| vec![byte, byte],
            ] {
                let is_last = place + 1 == there || place + 1 == there + back;
                let mut is_refused = false;
                // A byte that is repeated before an equal last one is the same as a last one that is
                // repeated. It is not so three times.
                for _ in 0..3 {
                    let key = key();
                    let (dials, waits) = if has_code {
                        same_code(Uses::Many)
                    } else {
                        (key.clone(), key)
                    };
                    let at = |wanted: Option<usize>| {
                        move |now: usize, byte: u8| match wanted {
                            Some(place) if place == now => change(now, byte),
                            _ => vec![byte],
                        }
                    };
                    let (dialled, accepted, ..) = between(
                        (&dials, &waits),
                        suite,
                        at((place < there).then_some(place)),
                        at(place.checked_sub(there)),
                    )
                    .await;
                    let what = format!("{suite:?}, code {has_code}, byte {place}");
                    match (dialled, accepted) {
                        // A last byte that is repeated is the first one of a record.
                        (Ok(mut dialled), Ok(mut accepted)) => {
                            assert!(understand(&mut dialled, &mut accepted), "{what}");
                        }
                        // The waiting side cannot know whether its last message arrives.
                        (Err(_), _) => is_refused = true,
                        (Ok(_), Err(_)) => panic!("{what}: the dialling side believes it"),
                    }
                    if is_refused || is_last {
                        break;
                    }
                }
                assert!(is_refused || is_last, "{suite:?}, {has_code}, byte {place}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_suite_cannot_be_changed_on_the_way() {
    let key = key();
    for (suite, other) in [(Suite::AesGcm, 2), (Suite::ChaChaPoly, 1)] {
        let there = |place: usize, byte: u8| vec![if place == 7 { other } else { byte }];
        let (dialled, accepted, ..) = between((&key, &key), suite, there, unchanged).await;
        assert!(matches!(dialled, Err(Some(DialError::OtherKey))));
        assert!(matches!(accepted, Err(Some(AcceptError::NoKey))));
    }
}

/// Everything that a side says, to somebody else.
async fn replay(said: &[u8], waits: &Secret) -> (Accepted, Vec<u8>) {
    let (mut near, far) = duplex(1024);
    let accepted = tokio::spawn(accepting(far, waits.clone()));
    near.write_all(said).await.unwrap();
    let mut answer = Vec::new();
    let _ = timeout(Duration::from_secs(9), near.read_to_end(&mut answer)).await;
    (accepted.await.unwrap(), answer)
}

/// The first message of a handshake with a key can be repeated. The answer is of no use to somebody who
/// does not have the key, and what was sealed then does not fit.
#[tokio::test(start_paused = true)]
async fn a_recorded_connection_cannot_be_repeated() {
    let key = key();
    let (dialled, accepted, said, _) =
        between((&key, &key), Suite::AesGcm, unchanged, unchanged).await;
    let (mut dialled, mut accepted) = (dialled.unwrap(), accepted.unwrap());
    let (mut record, mut plain) = ([0; 5 + TAG_BYTES], [0; 5 + TAG_BYTES]);
    dialled.sending.seal(&[], b"hello", &mut record).unwrap();
    assert_eq!(accepted.receiving.open(&[], &record, &mut plain), Ok(5));
    let (again, answer) = replay(&said, &key).await;
    assert_eq!(answer.len(), 48);
    let mut again = again.unwrap();
    assert!(again.receiving.open(&[], &record, &mut plain).is_err());

    let (dials, waits) = same_code(Uses::Many);
    let (.., said, _) = between((&dials, &waits), Suite::AesGcm, unchanged, unchanged).await;
    let (again, answer) = replay(&said, &waits).await;
    assert!(matches!(again, Err(Some(AcceptError::WrongCode(2)))));
    assert_eq!(answer.len(), 33);
}

/// The answers of two waiting sides change places.
#[tokio::test(start_paused = true)]
async fn two_connections_cannot_be_swapped() {
    for has_code in [false, true] {
        let key = key();
        let (dials, waits) = if has_code {
            same_code(Uses::Many)
        } else {
            (key.clone(), key)
        };
        let [near, far] = [(); 2].map(|()| [duplex(1024), duplex(1024)]);
        let [(d0, n0), (d1, n1)] = near;
        let [(a0, f0), (a1, f1)] = far;
        let [n0, n1, f0, f1] = [n0, n1, f0, f1].map(split);
        let (first, second, ..) = tokio::join!(
            dialling(d0, dials.clone(), Suite::AesGcm),
            dialling(d1, dials.clone(), Suite::AesGcm),
            accepting(a0, waits.clone()),
            accepting(a1, waits.clone()),
            pass(n0.0, f0.1, unchanged),
            pass(n1.0, f1.1, unchanged),
            pass(f0.0, n1.1, unchanged),
            pass(f1.0, n0.1, unchanged),
        );
        assert!(first.is_err() && second.is_err());
    }
}

/// A stranger learns nothing, not even that there is a vidchat.
#[tokio::test(start_paused = true)]
async fn strangers_are_answered_nothing() {
    let (_, waits) = same_code(Uses::Many);
    let number = waits.usable_code().unwrap().number();
    let other = number % 99 + 1;
    // No point of the curve has this y.
    let invalid_point = [&b"vidsec1\x11"[..], &[number, b'A', 2], &[0; 31]].concat();
    let other_number = [&b"vidsec1\x11"[..], &[other, b'A'], &[1; 32]].concat();
    let known_key = [&b"vidsec1\x01"[..], &[1; 48]].concat();
    for secret in [key(), waits] {
        for said in [
            &b""[..],
            b"\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            b"SSH-2.0-scanner\r\n",
            b"\x20\0\0\0\0\0\0\0{\"type\":\"hello\",\"vidchat\":1    }",
            b"vidsec1",
            b"vidsec1\x03aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            b"vidsec2\x01aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            &known_key,
            &invalid_point,
            &other_number,
            &[0; 200],
            &[255; 200],
        ] {
            let (accepted, answer) = replay(said, &secret).await;
            assert!(accepted.is_err() && answer.is_empty(), "{said:02x?}");
        }
    }
}

/// Neither the code nor the key is in what passes, and no two handshakes look alike but for the clear
/// bytes.
#[tokio::test(start_paused = true)]
async fn a_handshake_shows_the_suite_and_the_number_alone() {
    let text = "4-maple-otter";
    let mut seen = Vec::new();
    for _ in 0..2 {
        let (dials, waits) = (code(text, Uses::Many), code(text, Uses::Many));
        let (.., there, back) =
            between((&dials, &waits), Suite::AesGcm, unchanged, unchanged).await;
        for part in ["maple", "otter"] {
            let both = [&there[..], &back].concat();
            assert!(
                !both
                    .windows(part.len())
                    .any(|bytes| bytes == part.as_bytes())
            );
        }
        seen.push((there, back));
    }
    assert_eq!(seen[0].0[..10], *b"vidsec1\x11\x04A");
    let alike = |a: &[u8], b: &[u8]| a.iter().zip(b).filter(|(a, b)| a == b).count();
    assert!(alike(&seen[0].0[10..], &seen[1].0[10..]) < 8);
    assert!(alike(&seen[0].1[1..], &seen[1].1[1..]) < 8);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Any first bytes, whole or in parts, end in a refusal and without an answer.
    #[test]
    fn no_bytes_are_let_in_by_chance(
        bytes in proptest::collection::vec(any::<u8>(), 0..120),
        valid in 0..8_usize,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let said = [&b"vidsec1\x01"[..valid], &bytes].concat();
            let (accepted, answer) = replay(&said, &key()).await;
            assert!(accepted.is_err() && answer.is_empty());
        });
    }
}
