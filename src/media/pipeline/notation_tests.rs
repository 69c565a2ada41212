//! Tests of `notation`: texts as people have them, and in the notation of the parser.

use super::*;

fn normal(text: &str) -> String {
    let notation = normalize(text);
    assert_eq!(notation.fault, None, "{text}");
    notation.text
}

#[test]
fn text_in_the_notation_of_the_parser_stays_as_it_is() {
    for text in [
        "# It's a file.\n#! loop\nfilesrc location=\"${file}\"\n  ! decodebin # it's\n",
        "a ! video/x-raw,format={ I420, NV12 },framerate=[1/1,30/1] ! b name=c\tc. ! d",
        "a ! video/x-raw, format=(string)\"I420\", width=(int)[ 2, 8192, 2 ] ! b",
        "a text=it's font-desc=\"Sans, 24\" time=\"%H:%M # %S\" color=#ff x=a\\ b y=a\\\"b",
        "a text=\"say \\\"it's\\\" \\\\ now\" ! b",
        "a text = \"a b\" ! b text =c",
        "a text=\"${text:-say \"it's}\" ! ${x:-b text='y'} ! video/x-raw,width=${w:-3}",
        "s name=b sink_0::xpos=0 ! ( a ! b ) s. ! c",
        "a text=\"one\ntwo\" ! b",
        "rtsp://h/?a=\\\"b ! /dev/video0 x=/a/b y=a/b",
    ] {
        assert_eq!(normal(text), text);
    }
}

#[test]
fn a_second_reading_changes_nothing() {
    for text in [
        "a text='it\\'s \"x\"' ! b",
        "a 'location=/a b\\' text=5' ! b",
        "a text=\u{201c}a \"b\u{201d} ! 'video/x-raw, format=\"I420\"' ! b",
        "gst-launch-1.0 a x=\"1\"'2'\\ 3 ! \"video/x-raw,format=\\\"I420\\\"\" ! b",
    ] {
        let once = normal(text);
        assert_eq!(normal(&once), once);
    }
}

#[test]
fn quotes_and_escapes_of_a_shell_become_those_of_the_parser() {
    for (text, expected) in [
        (
            "a ! 'video/x-raw,width=320' ! b",
            "a ! video/x-raw,width=320 ! b",
        ),
        (
            "a ! \"video/x-raw, width=320\" ! b",
            "a ! video/x-raw, width=320 ! b",
        ),
        (
            "a ! 'video/x-raw(memory:NVMM), format=\"I420\"' ! b",
            "a ! video/x-raw(memory:NVMM), format=\"I420\" ! b",
        ),
        (
            "a ! \"video/x-raw,format=\\\"I420\\\"\" ! b",
            "a ! video/x-raw,format=\"I420\" ! b",
        ),
        (
            "a ! video/x-raw,format=\\(string\\)I420,width=\\[1,2\\] \\! b",
            "a ! video/x-raw,format=(string)I420,width=[1,2] ! b",
        ),
        (
            "a ! video/x-raw,format='I420' ! b",
            "a ! video/x-raw,format=\"I420\" ! b",
        ),
        ("a '!' \"b\" \"(\" c ')'", "a ! b ( c )"),
        ("a text='a b' x='c' ! b", "a text=\"a b\" x=c ! b"),
        (
            "a text='say \"#1\" \\o/' ! b",
            "a text=\"say \\\"#1\\\" \\\\o/\" ! b",
        ),
        (
            "a \"location=/a b.mp4\" 'x=1' ! b",
            "a location=\"/a b.mp4\" x=1 ! b",
        ),
        ("a location='${file}' ! b", "a location=\"${file}\" ! b"),
        ("a text='' ! b", "a text=\"\" ! b"),
        ("a text='C:\\' x=1", "a text=C:\\\\ x=1"),
        ("a text=\"a b\"! b", "a text=\"a b\" ! b"),
        ("a text=5\" x=\"a b\"", "a text=5\\\" x=\"a b\""),
        ("a \\\n  x=1 \\ \t\r\n  ! b\\\n", "a \n  x=1 \n  ! b\n"),
        (
            "a text=\u{201c}a b\u{201d} x=\u{2018}c\u{2019} ! b",
            "a text=\"a b\" x=c ! b",
        ),
        (
            "a ! \u{201e}video/x-raw,\u{a0}width=3\u{201c}\u{a0}!\u{a0}b",
            "a ! video/x-raw, width=3 ! b",
        ),
        (
            "a ! video/x-raw,a=b\ng text=it's x=\"5\" # it's",
            "a ! video/x-raw,a=b\ng text=it's x=\"5\" # it's",
        ),
        (
            "a\u{200b} ! vi\u{ad}deo/x-raw\u{feff} ! b",
            "a ! video/x-raw ! b",
        ),
        ("a text=\"a\u{a0}b\" ! b", "a text=\"a\u{a0}b\" ! b"),
        (
            "a ! caps caps='x/y, z=\"I\"' ! b",
            "a ! caps caps=\"x/y, z=\\\"I\\\"\" ! b",
        ),
        ("a -v ! b -e", "a  ! b "),
        ("a text='one\n# two' ! b", "a text=\"one\n\\# two\" ! b"),
    ] {
        assert_eq!(normal(text), expected, "{text}");
    }
}

#[test]
fn a_command_is_read_as_a_shell_reads_it() {
    for (text, expected) in [
        ("gst-launch-1.0 -v a ! b", "  a ! b"),
        (
            "# Mine.\n$ sudo -E GST_DEBUG=3 /usr/bin/gst-launch-1.0 -ve --gst-debug=3 a ! b",
            "# Mine.\n   a ! b",
        ),
        (
            "gst-launch-1.0 --gst-debug \"*:3\" -X b \u{2013}e \u{2014}gst-plugin-path x a",
            "        a",
        ),
        (
            "#!/bin/sh\nset -e\n\ngst-launch-1.0 \\\n  -v \\\n  a \\\n> ! b",
            "#!/bin/sh\n\n\n \n   \n  a \n ! b",
        ),
        ("gst-launch-1.0 a ^\n ! b `\n ! c", " a \n ! b \n ! c"),
        ("C:\\> \"C:\\gst\\gst-launch-1.0.exe\" a ! b", " a ! b"),
        (
            "gst-launch-1.0 a location=/me/\"my file\".mp4 x=a\\ b ! b",
            " a location=\"/me/my file.mp4\" x=a\\ b ! b",
        ),
        (
            "gst-launch-1.0 a ! video/x-raw,width=\"320\",format='(string)I420' ! b",
            " a ! video/x-raw,width=320,format=(string)I420 ! b",
        ),
        (
            "gst-launch-1.0 a text='it'\\''s $5' x=\"\\$5\"",
            " a text=\"it's $5\" x=\"\\$5\"",
        ),
    ] {
        assert_eq!(normal(text), expected, "{text}");
    }
    let variables = normalize("A=b \\\n c=1 gst-launch-1.0 d=e ! f").variables;
    assert_eq!(variables, [(1, "A=b".into()), (2, "c=1".into())]);
}

proptest::proptest! {
    #[test]
    fn any_text_keeps_its_lines(
        text in "(gst-launch-1[.]0 )?([-!#$\"'\\\\=,;(){}`^ \n\ta/\u{201c}\u{a0}\u{200b}]{1,2}|\\$\\{a:-|-X|video/x-raw){0,24}"
    ) {
        let normal = normalize(&text);
        let count = |text: &str| text.matches('\n').count();
        proptest::prop_assert_eq!(count(&normal.text), count(&text), "{:?}", normal.text);
        let line = normal.fault.map_or(1, |fault| fault.line);
        proptest::prop_assert!(line <= count(&text) + 1);
    }
}

#[test]
fn a_mistake_has_its_line() {
    for (text, line, cause) in [
        ("# It's.\na text=\"b ! c", 2, "the quote \" is not closed"),
        (
            "a\nb text='c\n ! d text='e'",
            2,
            "the quote ' is not closed",
        ),
        (
            "a\nb text=\"c\nd text=\"e\"",
            2,
            "the quote \" is not closed",
        ),
        (
            "a text=\u{201c}b c ! d",
            1,
            "the quote \u{201c} is not closed",
        ),
        (
            "gst-launch-1.0 a ! b 2>&1 | tee x",
            1,
            "\"2>&1\" is an instruction to the shell",
        ),
        (
            "gst-launch-1.0 a \n ! b &",
            2,
            "\"&\" is an instruction to the shell",
        ),
        (
            "gst-launch-1.0 a x=$DEV ! b",
            1,
            "\"$DEV\" is a variable of the shell",
        ),
        (
            "gst-launch-1.0 a x=\"$DEV\" ! b",
            1,
            "\"$DEV\" is a variable of the shell",
        ),
        (
            "gst-launch-1.0 a x=$(b) ! b",
            1,
            "a command within the pipeline",
        ),
        (
            "gst-launch-1.0 a ! b\ngst-launch-1.0 c",
            2,
            "\"gst-launch-1.0\" comes a second",
        ),
    ] {
        let fault = normalize(text).fault.expect(text);
        assert_eq!(fault.line, line, "{text}");
        assert!(fault.cause.starts_with(cause), "{fault:?}");
    }
}
