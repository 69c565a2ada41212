//! Every way in which people write a host, and the answer to those that are not valid.

use super::*;

fn target(text: &str) -> Result<(String, Option<u16>), Invalid> {
    text.parse::<Target>().map(|t| (t.host, t.port))
}

#[test]
fn reads_every_way_to_write_a_target() {
    for (text, host, port) in [
        ("desk", "desk", None),
        ("desk.local:9", "desk.local", Some(9)),
        ("192.168.1.7", "192.168.1.7", None),
        ("192.168.1.7:65535", "192.168.1.7", Some(65535)),
        ("::1", "::1", None),
        ("desk.", "desk.", None),
        ("my_desk-2", "my_desk-2", None),
        ("büro.local", "büro.local", None),
        ("[::1]", "::1", None),
        ("[::1]:10051", "::1", Some(10051)),
    ] {
        assert_eq!(target(text), Ok((host.to_owned(), port)), "{text}");
    }
}

#[test]
fn another_way_to_write_a_target_is_answered_with_the_right_one() {
    for (text, cause, instead) in [
        (
            "http://localhost:10050",
            "it is a URL, not a host",
            "localhost:10050",
        ),
        ("https://desk/", "it is a URL, not a host", "desk"),
        ("tcp://[::1]:9", "it is a URL, not a host", "[::1]:9"),
        (
            "rtsp://me:secret@desk:9/live?x#y",
            "it is a URL, not a host",
            "desk:9",
        ),
        ("desk/", "there is a path behind the host", "desk"),
        ("desk:9/video", "there is a path behind the host", "desk:9"),
        ("me@desk", "there is a user in front of the host", "desk"),
        (
            "me@desk:9",
            "there is a user in front of the host",
            "desk:9",
        ),
        ("desk 10050", "there is a space in it", "desk:10050"),
        ("::1 9", "there is a space in it", "[::1]:9"),
        (" desk", "there is a space in it", "desk"),
        ("desk\n", "there is a space in it", "desk"),
        ("desk:", "there is no port after the :", "desk"),
        (
            "192.168.1.7:",
            "there is no port after the :",
            "192.168.1.7",
        ),
        ("[::1]:", "there is no port after the :", "[::1]"),
        (":10050", "there is no host before the :", "localhost:10050"),
        (":", "there is no host before the :", "localhost:10050"),
        ("desk:0", "\"0\" is no port (1 to 65535)", "desk:10050"),
        (
            "desk:99999",
            "\"99999\" is no port (1 to 65535)",
            "desk:10050",
        ),
        ("[::1]:x", "\"x\" is no port (1 to 65535)", "[::1]:10050"),
        ("10050", "it is a port without a host", "localhost:10050"),
        ("[::1", "a [ without its ]", "[::1]"),
        ("::1]", "a ] without its [", "[::1]"),
        ("[::1]9", "a port goes after ]:", "[::1]:9"),
        (
            "::1:10050",
            "an IPv6 address in front of a port is written in brackets",
            "[::1]:10050",
        ),
        (
            "[desk]:9",
            "only an IPv6 address is written in brackets",
            "desk:9",
        ),
        (
            "192.168.010.1",
            "it is no IPv4 address: a number in it begins with 0",
            "192.168.10.1",
        ),
        (
            "\u{201c}desk\u{201d}",
            "there is no \"\u{201c}\" in a name",
            "desk",
        ),
        ("desk,", "there is no \",\" in a name", "desk"),
        ("'desk'", "there is no \"'\" in a name", "desk"),
    ] {
        let said = text.parse::<Target>().unwrap_err();
        assert_eq!(said, Invalid::new(cause).instead(instead), "{text:?}");
        assert!(instead.parse::<Target>().is_ok(), "{instead}");
    }
}

#[test]
fn a_target_that_can_be_none_says_why() {
    let long = "a".repeat(64);
    let ipv4 = |fault: &str| format!("it is no IPv4 address: {fault}");
    let name = "a name has 253 letters at most, and 1 to 63 between two dots";
    for (text, cause) in [
        ("", "it is empty".to_owned()),
        ("a b c", "there is a space in it".into()),
        (" ", "there is a space in it".into()),
        ("http://", "it is a URL, not a host".into()),
        ("300.1.1.1", ipv4("300 is more than 255")),
        ("300.1.1.1:9", ipv4("300 is more than 255")),
        ("1.2.3", ipv4("it has 3 of the four numbers")),
        ("1.2.3.4.5", ipv4("it has 5 of the four numbers")),
        ("99999", ipv4("it has 1 of the four numbers")),
        ("1..2.3", ipv4("\"\" is no number")),
        ("desk.1", ipv4("\"desk\" is no number")),
        ("[desk", "a [ without its ]".into()),
        ("[a b]", "there is a space in it".into()),
        (
            "[1.2.3]",
            "what is in the brackets is no IPv6 address".into(),
        ),
        (
            "1.2.3.4:5:6",
            "it is no IPv6 address, and a name has no : but before its port".into(),
        ),
        ("a,b", "there is no \",\" in a name".into()),
        ("$HOST", "there is no \"$\" in a name".into()),
        ("a..b", name.into()),
        (&long, name.into()),
    ] {
        let said = text.parse::<Target>().unwrap_err();
        assert_eq!(said, Invalid::new(cause).hint(ASK_THERE), "{text:?}");
    }
}

#[test]
fn an_address_of_one_link_needs_an_interface_of_this_machine() {
    let known = interfaces();
    for (text, cause, meant) in [
        (
            "fe80::1",
            "an address that begins with fe80 needs the interface that leads there",
            ["fe80::1%", ""],
        ),
        (
            "[fe80::1]:9",
            "an address that begins with fe80 needs the interface that leads there",
            ["[fe80::1%", "]:9"],
        ),
        (
            "fe80::1%no-such",
            "this machine has no network interface \"no-such\"",
            ["fe80::1%", ""],
        ),
    ] {
        let invalid = Invalid::new(cause);
        let expected = match known.first() {
            None => invalid.hint(ASK_THERE),
            Some(first) => invalid
                .found(format!("the interfaces are: {}", known.join(", ")))
                .instead(meant.join(first)),
        };
        assert_eq!(text.parse::<Target>().unwrap_err(), expected, "{text}");
    }
    for zone in known.iter().map(String::as_str).chain(["1"]) {
        let text = format!("fe80::1%{zone}");
        assert_eq!(target(&text), Ok((text.clone(), None)));
    }
}

#[test]
fn an_address_to_listen_at_is_one_of_this_machine() {
    for (text, ip) in [
        ("localhost", "127.0.0.1"),
        ("[::1]", "::1"),
        ("0.0.0.0", "0.0.0.0"),
    ] {
        assert_eq!(own(text), Ok(ip.parse().unwrap()));
    }
    let port = Invalid::new("the port has a flag of its own");
    for (text, hint) in [
        ("127.0.0.1:9", "--bind 127.0.0.1 --port 9"),
        ("localhost:9", "--bind localhost --port 9"),
        ("[::1]:9", "--bind ::1 --port 9"),
    ] {
        assert_eq!(own(text), Err(port.clone().hint(hint)));
    }
    for text in ["fe80::1", "fe80::1%eth0"] {
        let said = own(text).unwrap_err().to_string();
        assert_eq!(
            said,
            "an address that begins with fe80 is one of a single interface"
        );
    }
    for (text, cause) in [
        ("224.0.0.1", "it is an address of many machines at once"),
        ("ff02::1", "it is an address of many machines at once"),
        (
            "255.255.255.255",
            "it is an address of many machines at once",
        ),
        ("", "it takes an address of this machine"),
        ("*", "it takes an address of this machine"),
        ("desk", "it takes an address of this machine"),
        ("desk:9", "it takes an address of this machine"),
        ("300.1.1.1", "it is no IPv4 address: 300 is more than 255"),
    ] {
        assert_eq!(own(text).unwrap_err().to_string(), cause, "{text:?}");
    }
}

#[test]
fn shows_a_target_as_it_is_typed() {
    for text in ["desk", "desk:1", "::1", "[::1]:1"] {
        assert_eq!(text.parse::<Target>().unwrap().to_string(), text);
    }
    assert_eq!("desk:10050".parse::<Target>().unwrap().to_string(), "desk");
}

#[test]
fn a_listener_for_one_address_is_reached_at_that() {
    let one = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 9));
    assert_eq!(reachable(one), [one]);
    let all = reachable(Ipv4Addr::UNSPECIFIED.into());
    assert!(all.iter().all(|ip| ip.is_ipv4() && !ip.is_loopback()));
}
