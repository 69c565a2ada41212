//! Why an engine takes or gives no stream, in words for a person. Elements tell it in the words of
//! their protocol, or in those of a library.

use super::explanation::{Explanation, NO_FRAME};
use crate::engine_url::EngineUrl;

/// Words of an element, with the cause and the hint that they stand for.
type Case = (&'static [&'static str], String, String);

/// The beginning of the words for an engine that has yet to take its first frame.
pub const TAKES_NOTHING: &str = "it has taken no frame for ";
/// The words for an engine whose sink has no connection.
pub const CUT_OFF: &str = "there is no connection to it";

/// Explains a failure of a pipeline that speaks with the engine of `url`, from `words`: what the element
/// has said and its details. `None` where these are all that is known.
pub fn explain(url: &EngineUrl, words: &str) -> Option<Explanation> {
    let cases = match url.pipeline() {
        "rtsp" => of_rtsp(url),
        "rtmp" => of_rtmp(url),
        "srt" => of_srt(url),
        "moq" => of_moq(url),
        "zenoh" => of_zenoh(words),
        _ => Vec::new(),
    };
    let mut cases = cases.into_iter().chain(of_all(url));
    let has = |part: &&str| words.contains(*part);
    if let Some((_, cause, hint)) = cases.find(|(parts, ..)| parts.iter().any(has)) {
        let cause = Some(cause);
        return Some(Explanation { cause, hint });
    }
    // A camera has RTSP too, and no publisher.
    let is_silent = words.contains(NO_FRAME) && url.pipeline() != "rtsp";
    is_silent.then(|| Explanation {
        cause: None,
        hint: format!("does anybody publish there? vidchat publish HOST --to {url}"),
    })
}

fn of_rtsp(url: &EngineUrl) -> Vec<Case> {
    let (path, address) = (url.path(), url.address());
    let (login, login_hint) = if url.has_password() {
        (
            "the server does not take this user's name and password",
            "are both right, and does the server know this user?".to_owned(),
        )
    } else {
        (
            "the server wants a user's name and password",
            format!("write both into the URL: ://NAME:PASSWORD@{address}/{path}"),
        )
    };
    vec![
        (&["(401)", "Unauthorized"], login.to_owned(), login_hint),
        (
            &["(403)", "Forbidden"],
            "the server forbids it to this user".to_owned(),
            format!("has this user the right to use {path:?}?"),
        ),
        (
            &["(404)", "(Not Found)", "Not found"],
            format!("the server has nothing at the path {path:?}"),
            "is the path right? the settings of the server, or the manual of the camera, have it"
                .to_owned(),
        ),
        (
            // The path of players has no session of a publisher, knows no such request, or has it
            // wait for ever.
            &["(454)", "454 (", "405 (", "455 (", TAKES_NOTHING],
            format!("the server takes no stream at the path {path:?}"),
            "a server may take a stream at another path than that of its players, such as cam/in \
             beside cam"
                .to_owned(),
        ),
        (
            &["no streams"],
            format!("the server has no stream at the path {path:?} now"),
            "does anybody publish there?".to_owned(),
        ),
        (
            &["Failed to connect"],
            format!("no server answers at {address}"),
            "does it run there, and are the host and the port right?".to_owned(),
        ),
    ]
}

fn of_rtmp(url: &EngineUrl) -> Vec<Case> {
    let application = url
        .path()
        .rsplit_once('/')
        .map_or("", |(application, _)| application);
    let log = "may this machine do so? the server's settings and its log say it";
    vec![
        (
            &["stream already exists", "Publish.BadName"],
            "another publisher has the stream of this name".to_owned(),
            "end that one, or take another name".to_owned(),
        ),
        (
            &["'connect' cmd failed: connection closed", "InvalidApp"],
            format!("the server turns the application {application:?} away"),
            "is it one of the server's? nginx has it in its settings, behind the word application"
                .to_owned(),
        ),
        (
            &["connection closed remotely"],
            "the server closes the connection".to_owned(),
            log.to_owned(),
        ),
        (
            &["EOS before any data"],
            "the server ends the stream before its first frame".to_owned(),
            log.to_owned(),
        ),
    ]
}

fn of_srt(url: &EngineUrl) -> Vec<Case> {
    let address = url.address();
    vec![
        (
            &["Password required or unexpected"],
            if url.has_query("passphrase") {
                "the other side has no passphrase, and this one has".to_owned()
            } else {
                "the other side wants a passphrase".to_owned()
            },
            format!("both ends need the same one, or none: 'srt://{address}?passphrase=…'"),
        ),
        (
            &["Incorrect passphrase"],
            "the other side has another passphrase".to_owned(),
            "both ends need the same one".to_owned(),
        ),
        (
            &["failed to set passphrase"],
            "SRT does not take this passphrase".to_owned(),
            "it has 10 to 79 characters".to_owned(),
        ),
        (
            &["Rogue peer", "ejected"],
            "the other side turns the connection away".to_owned(),
            if url.has_query("streamid") {
                "does it know this streamid?".to_owned()
            } else {
                format!("does it want a streamid? 'srt://{address}?streamid=…'")
            },
        ),
        (
            &["Connection timeout"],
            format!("nothing answers at {address}"),
            "does anything listen there by SRT, and do firewalls let UDP pass?".to_owned(),
        ),
    ]
}

/// The cases of every protocol.
fn of_all(url: &EngineUrl) -> [Case; 2] {
    let (host, address) = (url.host(), url.address());
    [
        (
            &["onnection refused"],
            format!("nothing listens at {address}"),
            "does it run there, and are the host and the port right?".to_owned(),
        ),
        (
            &["Error resolving", "Failed to resolve", "failed to lookup"],
            format!("no machine of the name {host:?} was found"),
            "is the name right? an address does it too".to_owned(),
        ),
    ]
}

fn of_moq(url: &EngineUrl) -> Vec<Case> {
    vec![(
        &[CUT_OFF],
        format!("no relay answers at {}", url.address()),
        "does it run there, and do firewalls let UDP pass? the log of moq-gst says more".to_owned(),
    )]
}

/// Those of zenoh, whose `words` have what it looked for.
fn of_zenoh(words: &str) -> Vec<Case> {
    const UNREACHED: &str = "Unable to connect to any of [";
    let routers = words.split_once(UNREACHED).map_or("", |(_, rest)| rest);
    let routers = routers.split(']').next().unwrap_or_default();
    // Two of its parts say where a mistake is, and each in its own way.
    let between = |before: &str, after: &[char]| {
        let (_, rest) = words.split_once(before)?;
        rest.split(after).next()
    };
    let place = between("--> ", &[' ', ';', '\n']).and_then(|place| place.split_once(':'));
    let place = place.map(|(line, column)| format!(" at line {line}, column {column}"));
    let mistake = between("msg: \"", &['"']).map(|mistake| format!(": {mistake}"));
    let mistake = place.or(mistake).unwrap_or_default();
    let folder = std::env::current_dir().unwrap_or_default();
    vec![
        (
            &[UNREACHED],
            format!("no router of zenoh answers at {routers}"),
            "does zenohd run there? the file of --set config= names the routers".to_owned(),
        ),
        (
            &["No such file"],
            "the file of its configuration is not there".to_owned(),
            format!(
                "the path of --set config= counts from the folder {}",
                folder.display()
            ),
        ),
        (
            &["Unsupported file type"],
            "zenoh reads no configuration from a file of this kind".to_owned(),
            "its name has to end in .json5".to_owned(),
        ),
        (
            &["/zenoh-config-"],
            format!("the file of its configuration is not valid{mistake}"),
            "docs/scale.md has one to copy".to_owned(),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_each_protocol_become_those_of_a_person() {
        for (url, words, cause, hint) in [
            (
                "rtsp://h/nope",
                "Resource not found (Not Found)",
                "nothing at the path \"nope\"",
                "path right",
            ),
            (
                "rtsp://h/cam",
                "Could not read from resource (Got error response: 454 (Session Not Found).)",
                "takes no stream at the path \"cam\"",
                "cam/in beside cam",
            ),
            (
                "rtsp://h/cam",
                "it has taken no frame for 15 s",
                "takes no stream at the path \"cam\"",
                "cam/in",
            ),
            (
                "rtsp://h:8/cam",
                "Not authorized (Unauthorized)",
                "wants a user's name",
                "://NAME:PASSWORD@h:8/cam",
            ),
            (
                "rtsp://me:pw@h/cam",
                "Not authorized (Unauthorized)",
                "does not take this user's",
                "know this user",
            ),
            (
                "rtsp://h:8/cam",
                "Could not open resource for reading and writing (Failed to connect. (Generic error))",
                "no server answers at h:8",
                "does it run there",
            ),
            (
                "rtsp://h/cam",
                "Could not get/set settings (SDP contains no streams)",
                "no stream at",
                "publish there",
            ),
            (
                "rtmp://h/nope/key",
                "Failed to connect: 'connect' cmd failed: connection closed remotely",
                "turns the application \"nope\" away",
                "nginx",
            ),
            (
                "rtmp://h/live/key",
                "connection closed remotely",
                "the server closes the connection",
                "log",
            ),
            (
                "rtmp://h/live/key",
                "publish denied; stream already exists: {",
                "another publisher",
                "another name",
            ),
            (
                "rtmp://h/live/key",
                "Internal data stream error\nGot EOS before any data",
                "before its first",
                "log",
            ),
            (
                "rtmp://h:1/live/key",
                "Connection refused: Could not connect to h",
                "nothing listens at h:1",
                "run there",
            ),
            (
                "rtmp://no.invalid/live/key",
                "Failed to connect: Error resolving “no.invalid”: Name or service not known",
                "no machine of the name \"no.invalid\"",
                "name right",
            ),
            (
                "srt://h:1",
                "Failed to authenticate: Password required or unexpected",
                "wants a passphrase",
                "h:1?passphrase=",
            ),
            (
                "srt://h:1?passphrase=0123456789",
                "Password required or unexpected",
                "has no passphrase",
                "or none",
            ),
            (
                "srt://h:1?passphrase=0123456789",
                "Incorrect passphrase",
                "another passphrase",
                "same one",
            ),
            (
                "srt://h:1?passphrase=0",
                "failed to set passphrase (reason: Bad parameters)",
                "not take",
                "10 to 79",
            ),
            (
                "srt://h:1",
                "Error on SRT socket: Connection timeout",
                "nothing answers at h:1",
                "UDP",
            ),
            (
                "srt://h:1",
                "Error on SRT socket: Rogue peer or incorrect parameters",
                "turns the connection",
                "?streamid=",
            ),
            (
                "srt://h:1?streamid=a",
                "Rogue peer",
                "turns the connection",
                "this streamid",
            ),
            (
                "moq+http://h:1/cam",
                CUT_OFF,
                "no relay answers at h:1",
                "UDP",
            ),
            (
                "zenoh/a/b",
                "Zenoh session initialization failed: Unable to connect to any of [tcp/h:1]!  at /zenoh",
                "no router of zenoh answers at tcp/h:1",
                "zenohd",
            ),
            (
                "zenoh/a/b",
                "failed:  --> 1:40; |; = expected boolean at /zenoh-config-1.7.1/src/lib.rs:1320",
                "not valid at line 1, column 40",
                "scale.md",
            ),
            (
                "zenoh/a/b",
                "failed: JSON error: Message { msg: \"unknown variant `nope`\", .. } at /zenoh-config-1.7.1/",
                "configuration is not valid: unknown variant `nope`",
                "scale.md",
            ),
            (
                "zenoh/a/b",
                "No such file or directory (os error 2) at /zenoh-config-1",
                "configuration is not there",
                "from the folder",
            ),
        ] {
            let url: EngineUrl = url.parse().unwrap();
            let explained = explain(&url, words).unwrap_or_else(|| panic!("{words}"));
            let found = explained.cause.unwrap();
            assert!(found.contains(cause), "{cause:?} is not in {found:?}");
            assert!(
                explained.hint.contains(hint),
                "{hint:?} is not in {:?}",
                explained.hint
            );
            assert!(
                ![&found, &explained.hint]
                    .iter()
                    .any(|text| text.contains("key")),
                "{found}"
            );
        }
    }

    #[test]
    fn silence_and_other_words_are_left_as_they_are() {
        let url: EngineUrl = "rtmp://h/live/key".parse().unwrap();
        let explained = explain(&url, "no frame came within 10 s").unwrap();
        assert!(explained.cause.is_none());
        assert!(
            explained.hint.ends_with("--to rtmp://h/live/…"),
            "{}",
            explained.hint
        );
        assert!(explain(&url, "Internal data stream error").is_none());
        let camera: EngineUrl = "rtsp://h/cam".parse().unwrap();
        assert!(explain(&camera, "no frame came within 10 s").is_none());
    }
}
