//! The URL of an engine that others run: its scheme, its parts, and the form in which it may be
//! printed. The command line, the commands and the pipeline files all need them, so they are here.

use std::fmt;
use std::str::FromStr;

use crate::failure::Invalid;

/// What stands for something that is not printed.
const HIDDEN: &str = "…";
/// Shorter secrets are not looked for in the words of others, which would lose other words to them.
const LEAST_SECRET: usize = 4;

/// The schemes, each with the pipeline file that speaks it, and an example.
const SCHEMES: [(&str, &str, &str); 8] = [
    ("rtp", "rtp", "rtp://239.1.2.3:5004"),
    ("srt", "srt", "srt://192.168.1.5:7001"),
    ("rtmp", "rtmp", "rtmp://192.168.1.5/live/cam"),
    ("rtmps", "rtmp", "rtmps://192.168.1.5/live/cam"),
    ("rtsp", "rtsp", "rtsp://192.168.1.5:8554/cam"),
    ("rtsps", "rtsp", "rtsps://192.168.1.5:8322/cam"),
    ("moq+http", "moq", "moq+http://192.168.1.5:4443/cam"),
    ("moq+https", "moq", "moq+https://relay.example.com/cam"),
];
/// What a key of zenoh begins with, which has no host.
const ZENOH: &str = "zenoh/";
const ZENOH_EXAMPLE: &str = "zenoh/vidchat/cam";

/// The URL of an engine. Its text as a person typed it is for the engine alone: whatever is printed
/// is printed by its [`fmt::Display`], without a password.
#[derive(Clone, PartialEq, Eq)]
pub struct EngineUrl {
    text: String,
    scheme: String,
    pipeline: &'static str,
    user: Option<String>,
    password: Option<String>,
    host: String,
    port: Option<u16>,
    /// Without the `/` in front.
    path: String,
    query: Option<String>,
}

impl EngineUrl {
    /// Whether a text begins as one: a file, a host and a name do not.
    pub fn is_meant(text: &str) -> bool {
        let scheme = text.split_once("://").map(|(scheme, _)| scheme);
        text.starts_with(ZENOH) || scheme.is_some_and(|scheme| known(scheme).is_some())
    }

    /// A URL that the pipeline file of this name speaks with, for a check of the file.
    pub fn example(pipeline: &str) -> Option<Self> {
        let pipeline = pipeline.strip_suffix("-ts").unwrap_or(pipeline);
        let urls = SCHEMES
            .iter()
            .map(|(.., example)| *example)
            .chain([ZENOH_EXAMPLE]);
        let mut urls = urls.filter_map(|url| url.parse::<Self>().ok());
        urls.find(|url| url.pipeline == pipeline)
    }

    /// The name of the pipeline file that speaks its scheme.
    pub fn pipeline(&self) -> &'static str {
        self.pipeline
    }

    /// The name or the address of its machine.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Its host, with the port where the URL has one.
    pub fn address(&self) -> String {
        let host = bracketed(&self.host);
        let port = self.port.map_or(String::new(), |port| format!(":{port}"));
        format!("{host}{port}")
    }

    /// The part behind the host, without the `/` in front. That of RTMP ends in a secret.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether there is a password in it.
    pub fn has_password(&self) -> bool {
        self.password.is_some()
    }

    /// Whether its query gives a value to `key`.
    pub fn has_query(&self, key: &str) -> bool {
        let mut parts = self.query.iter().flat_map(|query| query.split('&'));
        parts.any(|part| part.split('=').next() == Some(key))
    }

    /// The port of the engine, where its connection is one of TCP.
    pub fn tcp_port(&self) -> Option<u16> {
        let usual = match self.scheme.as_str() {
            "rtmp" => 1935,
            "rtmps" => 443,
            "rtsp" => 554,
            "rtsps" => 322,
            _ => return None,
        };
        Some(self.port.unwrap_or(usual))
    }

    /// The value that it gives to a placeholder of a pipeline file.
    pub fn value(&self, placeholder: &str) -> Option<String> {
        Some(match placeholder {
            "url" => self.text.clone(),
            "host" => self.host.clone(),
            "port" => self.port?.to_string(),
            "path" => self.path.clone(),
            "server" => {
                let scheme = self.scheme.trim_start_matches("moq+");
                format!("{scheme}://{}", self.address())
            }
            _ => return None,
        })
    }

    /// A text of somebody else, such as an element's error, without what is not to be printed.
    pub fn hide_in(&self, text: &str) -> String {
        let mut hidden = text.replace(&self.text, &self.to_string());
        // The name of a value is no secret, and a word of others too, such as "passphrase".
        let parts = self.query.iter().flat_map(|query| query.split('&'));
        let values = parts.map(|part| part.split_once('=').map_or(part, |(_, value)| value));
        let secrets = self
            .password
            .as_deref()
            .into_iter()
            .chain(self.stream_key());
        for secret in secrets.chain(self.query.as_deref()).chain(values) {
            if secret.len() >= LEAST_SECRET {
                hidden = hidden.replace(secret, HIDDEN);
            }
        }
        hidden
    }

    /// The last part of an RTMP path, which most services take for a password.
    fn stream_key(&self) -> Option<&str> {
        let key = self.path.rsplit_once('/').map(|(_, key)| key);
        key.filter(|key| self.pipeline == "rtmp" && !key.is_empty())
    }
}

/// Without a password, a query, and the last part of an RTMP path.
impl fmt::Display for EngineUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.scheme.is_empty() {
            return f.write_str(&self.text);
        }
        write!(f, "{}://", self.scheme)?;
        match (&self.user, &self.password) {
            (Some(user), Some(_)) => write!(f, "{user}:{HIDDEN}@")?,
            (Some(user), None) => write!(f, "{user}@")?,
            (None, _) => {}
        }
        f.write_str(&self.address())?;
        match self.stream_key() {
            Some(key) => write!(f, "/{}{HIDDEN}", &self.path[..self.path.len() - key.len()])?,
            None if self.path.is_empty() => {}
            None => write!(f, "/{}", self.path)?,
        }
        match &self.query {
            Some(_) => write!(f, "?{HIDDEN}"),
            None => Ok(()),
        }
    }
}

/// As [`fmt::Display`]: what is logged for a programmer has no password either.
impl fmt::Debug for EngineUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EngineUrl({self})")
    }
}

impl FromStr for EngineUrl {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(key) = text.strip_prefix(ZENOH) {
            return zenoh(text, key);
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(Invalid::new("it is no URL")
                .found(schemes())
                .instead(SCHEMES[0].2));
        };
        let Some((_, pipeline, example)) = known(scheme) else {
            return Err(Invalid::new(format!("the scheme {scheme:?} is not known"))
                .found(schemes())
                .hint("--file ./mine.gst --to with one of these publishes anywhere else"));
        };
        let wrong = |cause: &str| Invalid::new(cause).instead(example);
        if text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '"') {
            return Err(wrong("there is a space or a quote in it"));
        }
        let (rest, query) = match rest.split_once('?') {
            Some((rest, query)) => (rest, Some(query.to_owned())),
            None => (rest, None),
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, address) = match authority.rsplit_once('@') {
            Some((user, address)) => (Some(user), address),
            None => (None, authority),
        };
        let (user, password) = match user.map(|user| user.split_once(':').ok_or(user)) {
            Some(Ok((user, password))) => (Some(user.to_owned()), Some(password.to_owned())),
            Some(Err(user)) => (Some(user.to_owned()), None),
            None => (None, None),
        };
        let (host, port) = split(address).ok_or_else(|| wrong("its host or port is not valid"))?;
        let needs_port = matches!(pipeline, "rtp" | "srt");
        match port {
            None if needs_port => return Err(wrong("there is no port in it")),
            // The next one is that of RTCP.
            Some(port) if pipeline == "rtp" && !port.is_multiple_of(2) => {
                return Err(wrong("its port has to be an even number"));
            }
            _ => {}
        }
        let has_path = !path.is_empty();
        if !has_path && matches!(pipeline, "rtmp" | "rtsp" | "moq") {
            return Err(wrong("there is no name of a stream behind the host"));
        }
        if pipeline == "rtmp" && !path.contains('/') {
            return Err(wrong(
                "there has to be an application and a stream behind the host",
            ));
        }
        Ok(Self {
            text: text.to_owned(),
            scheme: scheme.to_owned(),
            pipeline,
            user,
            password,
            host,
            port,
            path: path.to_owned(),
            query,
        })
    }
}

fn known(scheme: &str) -> Option<(&'static str, &'static str, &'static str)> {
    SCHEMES.into_iter().find(|(name, ..)| *name == scheme)
}

fn schemes() -> String {
    let mut all: Vec<String> = SCHEMES
        .iter()
        .map(|(name, ..)| format!("{name}://"))
        .collect();
    all.push(format!("{ZENOH}KEY"));
    format!("there are: {}", all.join(", "))
}

fn zenoh(text: &str, key: &str) -> Result<EngineUrl, Invalid> {
    let is_key = |part: &str| !part.is_empty() && !part.contains(['*', '?', '#', '$', ' ', '"']);
    if !key.split('/').all(is_key) {
        return Err(
            Invalid::new("it has no key, or one that zenoh does not take")
                .instead(format!("{ZENOH}vidchat/cam")),
        );
    }
    Ok(EngineUrl {
        text: text.to_owned(),
        scheme: String::new(),
        pipeline: "zenoh",
        user: None,
        password: None,
        host: String::new(),
        port: None,
        path: key.to_owned(),
        query: None,
    })
}

/// The host without its brackets, and the port.
fn split(address: &str) -> Option<(String, Option<u16>)> {
    let (host, port) = match address.strip_prefix('[') {
        Some(inner) => {
            let (host, rest) = inner.split_once(']')?;
            (
                host,
                rest.strip_prefix(':')
                    .or(rest.is_empty().then_some(""))
                    .map(str::to_owned)?,
            )
        }
        None => match address.split_once(':') {
            Some((host, port)) => (host, port.to_owned()),
            None => (address, String::new()),
        },
    };
    let port = match port.as_str() {
        "" if address.ends_with(':') => return None,
        "" => None,
        port => Some(port.parse().ok().filter(|port| *port > 0)?),
    };
    let is_host = !host.is_empty() && !host.contains(['[', ']', '@', '/', '!']);
    is_host.then(|| (host.to_owned(), port))
}

fn bracketed(host: &str) -> String {
    if host.contains(':') {
        format!("[{host}]")
    } else {
        host.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> EngineUrl {
        text.parse().unwrap_or_else(|e| panic!("{text}: {e:?}"))
    }

    #[test]
    fn a_password_a_query_and_a_stream_key_are_never_printed() {
        for (text, shown) in [
            ("rtp://239.1.2.3:5004", "rtp://239.1.2.3:5004"),
            ("rtp://[ff15::1]:5004", "rtp://[ff15::1]:5004"),
            ("rtmp://me:secret@h/live/hidden", "rtmp://me:…@h/live/…"),
            (
                "rtmp://h:1936/live/room/hidden",
                "rtmp://h:1936/live/room/…",
            ),
            ("rtsp://me:se:cret@h:8554/cam", "rtsp://me:…@h:8554/cam"),
            ("rtsp://me@h/cam", "rtsp://me@h/cam"),
            ("srt://h:1?passphrase=secretsecret", "srt://h:1?…"),
            ("moq+https://h/cam?jwt=secret", "moq+https://h/cam?…"),
            ("zenoh/vidchat/cam", "zenoh/vidchat/cam"),
        ] {
            let url = url(text);
            assert_eq!(url.to_string(), shown);
            assert!(!format!("{url:?}").contains("cret"), "{text}");
            let said = format!("no {text} there: secret, hidden, se:cret, passphrase=secretsecret");
            let hidden = url.hide_in(&said);
            assert!(hidden.starts_with(&format!("no {shown} there")), "{hidden}");
            for secret in [&url.password, &url.query].into_iter().flatten() {
                assert!(!hidden.contains(secret.as_str()), "{hidden}");
            }
        }
    }

    #[test]
    fn its_parts_are_the_values_of_placeholders() {
        let moq = url("moq+http://relay:4443/room/cam");
        let values = ["server", "path", "host", "port", "bitrate"].map(|name| moq.value(name));
        let expected = [
            Some("http://relay:4443"),
            Some("room/cam"),
            Some("relay"),
            Some("4443"),
        ];
        assert_eq!(values[..4], expected.map(|text| text.map(str::to_owned)));
        assert_eq!(values[4], None);
        let ports =
            ["rtmp://h/a/b", "rtsp://h:8554/a", "srt://h:7001"].map(|text| url(text).tcp_port());
        assert_eq!(ports, [Some(1935), Some(8554), None]);
        assert_eq!(url("zenoh/a/b").value("path").as_deref(), Some("a/b"));
        assert_eq!(
            url("rtp://[ff15::1]:5004").value("host").as_deref(),
            Some("ff15::1")
        );
    }

    #[test]
    fn what_is_no_url_of_an_engine_is_refused_with_one_that_is() {
        for text in [
            "desk",
            "http://h/x",
            "rtp://h",
            "rtp://h:5005",
            "rtp://:5004",
            "srt://h:0",
            "srt://h:70000",
            "srt://h:7001:2",
            "rtmp://h/live",
            "rtsp://h",
            "rtsp://[::1/cam",
            "rtmp://h/live/a b",
            "moq+http://h:4443/",
            "zenoh/",
            "zenoh/a//b",
            "zenoh/*",
        ] {
            assert!(text.parse::<EngineUrl>().is_err(), "{text}");
        }
        let meant = ["rtp://h:5004", "rtsps://h/x", "zenoh/x", "srt://"];
        assert!(meant.into_iter().all(EngineUrl::is_meant));
        let others = ["desk", "./mine.gst", "http://h/", "zenoh", "rtp"];
        assert!(!others.into_iter().any(EngineUrl::is_meant));
    }
}
