//! Pipeline files as people have them: pasted commands, quotes and bytes of all kinds. Each works,
//! or the error names the line and what to type instead.

use std::fs;

use crate::support::run_vidchat;

/// A pipeline that vidchat can use, in one line.
const GOOD: &str = "videotestsrc ! appsink name=frames";

/// What `pipelines check` says of a file of these bytes: its standard output, or its error behind
/// the place of the file.
fn checked(bytes: &[u8]) -> Result<String, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.gst");
    fs::write(&path, bytes).unwrap();
    let path = path.to_str().unwrap();
    let ended = run_vidchat(["pipelines", "check", path]);
    let said = |text: &str| text.replace(path, "mine.gst");
    match ended.code() {
        0 => Ok(said(&ended.stdout)),
        _ => Err(said(&ended.stderr)),
    }
}

fn is_good(text: &str) {
    let good = "mine.gst: good for vidchat send\n";
    assert_eq!(checked(text.as_bytes()).as_deref(), Ok(good), "{text}");
}

#[test]
fn a_pasted_command_is_a_pipeline() {
    for front in [
        "gst-launch-1.0 ",
        "gst-launch-1.0 -v ",
        "gst-launch-1.0 -e -v --gst-debug=3 ",
        "gst-launch-1.0 --gst-debug 3 -X caps -q ",
        "$ gst-launch-1.0 -ev ",
        "me@desk:~$ sudo -E gst-launch-1.0 ",
        "sudo /usr/bin/gst-launch-1.0 --no-fault ",
        "gst-launch-1.0.exe -v ",
        "# A comment: it's one.\n\ngst-launch-1.0 -v \\\n  ",
        "#!/bin/sh\nset -e\ngst-launch-1.0 ",
        "gst-launch-1.0 \u{2013}v \u{2014}gst-debug=3 ",
    ] {
        is_good(&format!("{front}{GOOD}"));
        is_good(&format!("{front}{GOOD} -e\n"));
    }
    let variable = format!("GST_DEBUG=3 LIBVA_DRIVER_NAME=iHD gst-launch-1.0 -v {GOOD}\n");
    is_good(&variable);
}

#[test]
fn quotes_of_a_shell_are_taken_off() {
    for caps in [
        "'video/x-raw,width=320'",
        "\"video/x-raw,width=320\"",
        "\"video/x-raw, width=320\"",
        "'video/x-raw, width=(int)320, format=(string)I420'",
        "\"video/x-raw,format=\\\"I420\\\"\"",
        "'video/x-raw(memory:SystemMemory), format=\"I420\"'",
        "video/x-raw,format='I420'",
        "video/x-raw,format=\\(string\\)I420",
        "video/x-raw,width=\\[1,320\\]",
        "\u{201c}video/x-raw,width=320\u{201d}",
        "\u{2018}video/x-raw, width=320\u{2019}",
        "capsfilter caps='video/x-raw, format=\"I420\"'",
        "capsfilter \"caps=video/x-raw, width=320\"",
        "video/x-raw,\u{a0}width=320",
        "video/x-raw, \\\n  width=320, \\  \n  height=240",
        "'video/x-raw,\n  width=320'",
        "textoverlay text='it # is \"so\"'",
        "textoverlay text=it's # it's a comment",
        "textoverlay text=5\" # inches",
    ] {
        for front in ["", "gst-launch-1.0 -v "] {
            let is_open = caps.contains("it's") || caps.contains("5\"");
            if front.is_empty() || !is_open {
                is_good(&format!(
                    "{front}videotestsrc ! {caps}\n  ! appsink name=frames\n"
                ));
            }
        }
    }
    is_good("videotestsrc \\! 'identity' '!' \"appsink\" 'name=frames'");
}

#[test]
fn a_value_in_quotes_is_the_same_text_as_in_a_shell() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.gst");
    for (value, file) in [
        ("'/no/a b # c'", "/no/a b # c"),
        ("\"/no/a b # c\"", "/no/a b # c"),
        ("'/no/\"a\" b'", "/no/\"a\" b"),
        ("/no/a\\ b", "/no/a b"),
        ("/no/it's", "/no/it's"),
        ("\u{201c}/no/a b\u{201d}", "/no/a b"),
        ("\"/no/a\u{a0}b\"", "/no/a\u{a0}b"),
    ] {
        let text = format!("filesrc location={value} ! jpegdec ! appsink name=frames\n");
        fs::write(&path, text).unwrap();
        let args = ["send", "--port", "0", "--no-preview", "--pipeline"];
        let ended = run_vidchat(args.into_iter().chain([path.to_str().unwrap()]));
        let said = format!("No such file \"{file}\"\n");
        assert!(ended.stderr.contains(&said), "{value}: {}", ended.stderr);
    }
}

#[test]
fn what_cannot_be_meant_is_refused_with_its_line() {
    for (text, said) in [
        (
            "# A.\nvideotestsrc\n  ! textoverlay text=\"open\n  ! appsink name=frames\n".to_owned(),
            "error: the pipeline \"mine.gst\" (line 3) is not valid: the quote \" is not closed\n  \
             ! textoverlay text=\"open\n\
             hint: close it, or write \\\" for a quote that is text",
        ),
        (
            "videotestsrc ! textoverlay text='open ! appsink name=frames".to_owned(),
            "error: the pipeline \"mine.gst\" (line 1) is not valid: the quote ' is not closed\n  \
             videotestsrc ! textoverlay text='open ! appsink name=frames\n\
             hint: close it, or write \\' for a quote that is text",
        ),
        (
            format!("gst-launch-1.0 {GOOD} \\\n  2>&1 | tee log\n"),
            "error: the pipeline \"mine.gst\" (line 2) is not valid: \"2>&1\" is an instruction to \
             the shell\n  2>&1 | tee log\n\
             hint: take it out: a pipeline file has the pipeline alone",
        ),
        (
            "gst-launch-1.0 v4l2src device=$CAM ! appsink name=frames".to_owned(),
            "error: the pipeline \"mine.gst\" (line 1) is not valid: \"$CAM\" is a variable of the \
             shell\n  gst-launch-1.0 v4l2src device=$CAM ! appsink name=frames\n\
             hint: write ${CAM} for it, and give it a value: --set CAM=VALUE",
        ),
        (
            format!("gst-launch-1.0 {GOOD}\ngst-launch-1.0 {GOOD}\n"),
            "error: the pipeline \"mine.gst\" (line 2) is not valid: \"gst-launch-1.0\" comes a \
             second time\n  gst-launch-1.0 videotestsrc ! appsink name=frames\n\
             hint: write each pipeline into a file of its own",
        ),
        (
            "gst-launch-1.0 -v \\\n  videotestsrc \\\n  ! autovideosink\n".to_owned(),
            "error: the pipeline \"mine.gst\" (line 3) has no appsink for vidchat send: it has no \
             element named \"frames\"\n\
             hint: write appsink name=frames in the place of autovideosink",
        ),
        (
            format!("# gst-launch-1.0 {GOOD}\n"),
            "error: the pipeline \"mine.gst\" is not valid: there is no element in it\n\
             hint: take the # out of line 1, which makes a comment of it",
        ),
    ] {
        assert_eq!(checked(text.as_bytes()), Err(said.to_owned()), "{text}");
    }
}

#[test]
fn text_of_any_editor_is_read_and_other_bytes_are_named() {
    let text = format!("# F\u{fc}r alle.\r\n{GOOD}\r\n");
    let units: Vec<u16> = text.encode_utf16().collect();
    let le: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
    let be: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
    let marked = |mark: &[u8], bytes: &[u8]| [mark, bytes].concat();
    for bytes in [
        text.clone().into_bytes(),
        text.replace("\r\n", "\r").into_bytes(),
        marked(&[0xef, 0xbb, 0xbf], text.as_bytes()),
        marked(&[0xff, 0xfe], &le),
        marked(&[0xfe, 0xff], &be),
        le,
        be,
    ] {
        let good = "mine.gst: good for vidchat send\n";
        assert_eq!(checked(&bytes).as_deref(), Ok(good), "{bytes:?}");
    }
    for (bytes, said) in [
        (
            marked(b"# A.\n# F\xfcr alle.\n", GOOD.as_bytes()),
            "error: cannot read the pipeline \"mine.gst\" (line 2): byte 0xfc is not UTF-8; in \
             Latin-1 it is 'ü'\nhint: iconv -f latin1 -t utf-8 mine.gst > new.gst",
        ),
        (
            marked(GOOD.as_bytes(), b"\0\n"),
            "error: cannot read the pipeline \"mine.gst\" (line 1): it has a NUL byte, which no \
             text has\nhint: tr -d '\\000' < mine.gst > new.gst",
        ),
        (
            marked(&[0xff, 0xfe, 0, 0], b"a\0\0\0"),
            "error: cannot read the pipeline \"mine.gst\" (line 1): it begins as UTF-32 does and \
             then is not valid\nhint: save it as UTF-8 text",
        ),
    ] {
        assert_eq!(checked(&bytes), Err(said.to_owned()));
    }
}

#[test]
fn variables_before_a_command_are_not_set_and_that_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.gst");
    fs::write(&path, format!("# Mine.\nA=b gst-launch-1.0 {GOOD}\n")).unwrap();
    let ended = run_vidchat(["pipelines", "check", path.to_str().unwrap()]);
    let said =
        format!("WARN the pipeline {path:?} (line 2) does not set A=b: type it before vidchat");
    assert!(ended.stderr.contains(&said), "{}", ended.stderr);
    assert_eq!(ended.code(), 0);
}

#[test]
#[cfg(unix)]
fn a_pipe_is_read_once_and_a_device_without_end_is_refused() {
    let said = run_vidchat(["pipelines", "check", "/dev/zero"]).stderr;
    let too_much =
        "error: cannot read the pipeline \"/dev/zero\": more than 65536 bytes is too much";
    assert!(said.starts_with(too_much), "{said}");
    let program = env!("CARGO_BIN_EXE_vidchat");
    let script = format!("printf '{GOOD}' | '{program}' pipelines check /dev/stdin");
    let shell = std::process::Command::new("sh")
        .args(["-c", &script])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&shell.stdout).into_owned();
    assert_eq!(said, "/dev/stdin: good for vidchat send\n", "{shell:?}");
}
