//! Sources as people have them: still pictures, cameras over HTTP, clips of telephones, interlaced
//! ones, and senders that name no frame rate. Each is shown, and none ends a process.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::support::{Running, Sender, run, skipped_in_part, vidchat};

/// Makes a file with `gst-launch-1.0`; false, said aloud, where that does not work here.
fn made(path: &Path, chain: &str) -> bool {
    let launch = format!("{chain} ! filesink location={}", path.display());
    let made = run(Command::new("gst-launch-1.0")
        .arg("-q")
        .args(launch.split_whitespace()));
    if made.code() != 0 {
        skipped_in_part(&format!("gst-launch-1.0 cannot make it: {}", made.stderr));
    }
    made.code() == 0
}

/// The file pipeline `name` with the file at `path`.
fn sends(name: &str, path: &Path, more: &[&str]) -> Sender {
    let set = format!("file={}", path.display());
    let arguments = ["--no-preview", "--pipeline", name, "--set", &set];
    Sender::start(arguments.iter().chain(more))
}

const PICTURE: &str = "videotestsrc num-buffers=1 ! video/x-raw,format=I420,width=64,height=48";

#[test]
fn a_still_picture_is_sent_and_stays_also_for_those_who_come_later() {
    let folder = tempfile::tempdir().unwrap();
    for (name, encoder, pipeline) in [
        ("photo.jpg", "jpegenc", "file"),
        ("photo.png", "videoconvert ! pngenc", "file-jpeg"),
        ("photo2.jpg", "jpegenc", "file-h264"),
        ("photo3.jpg", "jpegenc", "file-h265"),
    ] {
        let path = folder.path().join(name);
        if !made(&path, &format!("{PICTURE} ! {encoder}")) {
            continue;
        }
        let sender = sends(pipeline, &path, &[]);
        let target = sender.target();
        let watch = ["recv", &target, "--display", "none", "--frames"];
        let mut first = Running::start(vidchat().args(watch).arg("1000"));
        first.line_with(" sends 320x240 ");
        // More than there would be without a repetition.
        for _ in 0..2 {
            let later = run(vidchat().args(watch).arg("2"));
            assert_eq!(later.code(), 0, "{name}: {}", later.stderr);
        }
        first.signal("INT");
        let ended = first.wait();
        assert_eq!(ended.code(), 0, "{}", ended.stderr);
        for lost in ["lost", "ended"] {
            assert!(!ended.stderr.contains(lost), "{name}: {}", ended.stderr);
        }
        sender.process.signal("INT");
        let ended = sender.process.wait();
        assert_eq!(ended.code(), 0, "{name}: {}", ended.stderr);
        assert!(!ended.stderr.contains("no frame"), "{}", ended.stderr);
    }
}

#[test]
fn a_picture_of_one_row_or_column_is_sent_or_refused_with_the_fix() {
    let folder = tempfile::tempdir().unwrap();
    let picture = |width, height| {
        let path = folder.path().join(format!("{width}x{height}.png"));
        let chain = format!(
            "videotestsrc num-buffers=1 pattern=white \
             ! video/x-raw,width={width},height={height} ! videoconvert ! pngenc"
        );
        made(&path, &chain).then_some(path)
    };
    let refused = |name: &str, path: &Path, words: [&str; 2]| {
        let set = format!("file={}", path.display());
        let ended = run(vidchat().args(["send", "--port", "0", "--pipeline", name, "--set", &set]));
        assert_eq!(ended.code(), 1, "{}", ended.stderr);
        for words in words {
            assert!(ended.stderr.contains(words), "{words:?}: {}", ended.stderr);
        }
    };
    if let Some(row) = picture(640, 1) {
        for name in ["file", "file-jpeg", "file-vp8", "file-vp9"] {
            let sender = sends(name, &row, &[]);
            let shown = "${decode} ! videoconvert ! video/x-raw,format=GRAY8";
            let luma = last_frame(folder.path(), &sender, shown, 320);
            assert!(luma.iter().all(|luma| *luma >= 225), "{name}: {luma:?}");
        }
        for name in ["file-h264", "file-av1"] {
            let hint = "hint: --pipeline file-jpeg takes frames of any size";
            refused(name, &row, [" takes no frames of ", hint]);
        }
    }
    if let Some(column) = picture(1, 640) {
        let cause = "height 32767 is not within 1 to 16384";
        refused(
            "file",
            &column,
            [cause, "hint: make the frames smaller: with --width 16"],
        );
        let sender = sends("file", &column, &["--width", "16"]);
        let opened = &sender.process.seen()[0];
        assert!(opened.contains(" sent as 16x10240 I420"), "{opened}");
    }
}

/// A blue BMP of 64 × 48 pixels.
fn bmp() -> Vec<u8> {
    let pixels = [255, 0, 0].repeat(64 * 48);
    let numbers = |numbers: &[u32]| -> Vec<u8> {
        numbers
            .iter()
            .flat_map(|number| number.to_le_bytes())
            .collect()
    };
    let length = 54 + pixels.len() as u32;
    let planes_and_depth = [1, 0, 24, 0];
    [
        b"BM".to_vec(),
        numbers(&[length, 0, 54, 40, 64, 48]),
        planes_and_depth.to_vec(),
        numbers(&[0, pixels.len() as u32, 0, 0, 0, 0]),
        pixels,
    ]
    .concat()
}

#[test]
fn a_picture_of_a_scanner_or_an_old_program_is_sent_too() {
    let folder = tempfile::tempdir().unwrap();
    let picture = folder.path().join("photo.bmp");
    fs::write(&picture, bmp()).unwrap();
    let sender = sends("file", &picture, &[]);
    let target = sender.target();
    let watch = ["recv", &target, "--display", "none", "--frames", "2"];
    let ended = run(vidchat().args(watch));
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
    assert!(ended.stderr.contains("sends 320x240 "), "{}", ended.stderr);
}

/// A camera over HTTP that gives `picture` fifty times a second to each who asks.
fn http_camera(picture: Vec<u8>) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("there is a port");
    let port = listener.local_addr().expect("it is bound").port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let picture = picture.clone();
            std::thread::spawn(move || give(stream, &picture));
        }
    });
    port
}

fn give(mut stream: TcpStream, picture: &[u8]) -> std::io::Result<()> {
    let _ = stream.read(&mut [0; 4096])?;
    let head = "HTTP/1.0 200 OK\r\n\
        Content-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n";
    stream.write_all(head.as_bytes())?;
    loop {
        let length = picture.len();
        let part =
            format!("--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {length}\r\n\r\n");
        stream.write_all(part.as_bytes())?;
        stream.write_all(picture)?;
        stream.write_all(b"\r\n")?;
        // The pace of the camera.
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_camera_over_http_is_live_video_at_no_more_than_the_wanted_rate() {
    let folder = tempfile::tempdir().unwrap();
    let picture = folder.path().join("photo.jpg");
    if !made(&picture, &format!("{PICTURE} ! jpegenc")) {
        return;
    }
    let port = http_camera(fs::read(&picture).unwrap());
    let path = folder.path().join("http.gst");
    for part in ["jpegdec", "image/jpeg"] {
        let text = format!(
            "# A camera over HTTP.\nsouphttpsrc location=http://127.0.0.1:{port}/\n  \
             ! multipartdemux\n  ! {part}\n  ! videorate drop-only=true max-rate=${{fps:-30}}\n  \
             ! appsink name=frames\n"
        );
        fs::write(&path, text).unwrap();
        let pipeline = path.to_str().unwrap();
        let sender = Sender::start(["--no-preview", "--pipeline", pipeline, "--fps", "5"]);
        let target = sender.target();
        let watch = ["recv", &target, "--display", "none", "--stats", "json"];
        let ended = run(vidchat().args(watch).args(["--frames", "20"]));
        assert_eq!(ended.code(), 0, "{part}: {}", ended.stderr);
        // Twenty frames at fifty a second would be there within the first of these lines.
        let lines = ended.stdout.lines().count();
        assert!(lines >= 3, "{part}: {}", ended.stdout);
    }
}

/// A camera over HTTP that answers each request with this, and nothing more.
fn http_answer(answer: &'static str) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("there is a port");
    let port = listener.local_addr().expect("it is bound").port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    port
}

#[test]
fn a_camera_over_http_that_gives_no_video_says_why_and_keeps_its_password() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("http.gst");
    let unused = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("there is a port");
    let nobody = unused.local_addr().expect("it is bound").port();
    drop(unused);
    for (port, said) in [
        (
            http_answer("HTTP/1.0 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"),
            "wants a user's name and password",
        ),
        (
            http_answer("HTTP/1.0 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
            "there is nothing at http://127.0.0.1",
        ),
        (
            http_answer(
                "HTTP/1.0 200 OK\r\nContent-Type: text/html\r\nContent-Length: 14\r\n\r\n\
                 <html>A</html>",
            ),
            "is no stream of JPEG frames",
        ),
        (nobody, "does not answer, or breaks off"),
    ] {
        let text = format!(
            "# A camera.\nsouphttpsrc location=http://me:secret@127.0.0.1:{port}/ \
             ! multipartdemux ! image/jpeg ! appsink name=frames\n"
        );
        fs::write(&path, text).unwrap();
        let pipeline = path.to_str().unwrap();
        let ended = run(vidchat().args(["send", "--port", "0", "--pipeline", pipeline]));
        assert_eq!(ended.code(), 1, "{}", ended.stderr);
        assert!(ended.stderr.contains(said), "{said}: {}", ended.stderr);
        assert!(!ended.stderr.contains("secret"), "{}", ended.stderr);
    }
}

#[test]
fn a_sender_that_names_no_frame_rate_ends_no_receiver() {
    let folder = tempfile::tempdir().unwrap();
    let (there, here) = (
        folder.path().join("there.gst"),
        folder.path().join("here.gst"),
    );
    let text = "# Rates.\nappsrc name=frames ! ${decode} ! videoconvert \
                ! videorate drop-only=true max-rate=20 ! videorate ! fakesink sync=false\n";
    fs::write(&here, text).unwrap();
    for rate in ["0/1", "2147483647/1", "1/2147483647"] {
        for codec in ["", "! jpegenc ", "! vp8enc deadline=1 "] {
            let text = format!(
                "# No rate.\nvideotestsrc is-live=true\n  \
                 ! video/x-raw,format=I420,width=64,height=48,framerate=50/1 {codec}\n  \
                 ! capssetter caps=\"{},framerate={rate}\" ! appsink name=frames\n",
                match codec.split_whitespace().nth(1) {
                    None => "video/x-raw",
                    Some("jpegenc") => "image/jpeg",
                    Some(_) => "video/x-vp8",
                }
            );
            fs::write(&there, text).unwrap();
            let sender = Sender::start(["--no-preview", "--pipeline", there.to_str().unwrap()]);
            let target = sender.target();
            let arguments = ["recv", &target, "--frames", "20", "--pipeline"];
            let ended = run(vidchat().args(arguments).arg(&here));
            assert_eq!(ended.code(), 0, "{rate} {codec}: {}", ended.stderr);
        }
    }
}

#[test]
fn what_was_filmed_upright_is_sent_upright() {
    let folder = tempfile::tempdir().unwrap();
    let clip = folder.path().join("clip.mp4");
    let chain = "videotestsrc num-buffers=10 ! video/x-raw,format=I420,width=64,height=36 \
                 ! x264enc ! mp4mux";
    if made(&clip, chain) {
        let mut bytes = fs::read(&clip).unwrap();
        let at = |bytes: &[u8], part: &[u8]| bytes.windows(part.len()).position(|w| w == part);
        // Where the header of a track has its matrix: 40 bytes of other fields come before it.
        let matrix = at(&bytes, b"tkhd").unwrap() + 4 + 40;
        let quarter: [i32; 9] = [0, 1 << 16, 0, -(1 << 16), 0, 0, 36 << 16, 0, 1 << 30];
        let quarter = quarter.map(i32::to_be_bytes);
        bytes[matrix..matrix + 36].copy_from_slice(quarter.as_flattened());
        fs::write(&clip, bytes).unwrap();
        let sender = sends("file", &clip, &["--width", "180"]);
        let opened = &sender.process.seen()[0];
        assert!(opened.contains(" sent as 180x320 I420"), "{opened}");
    }
    let photo = folder.path().join("photo.jpg");
    if made(&photo, &format!("{PICTURE} ! jpegenc")) {
        let bytes = fs::read(&photo).unwrap();
        // One entry of EXIF: the orientation, 6, which is a quarter to the right.
        let exif = b"\xff\xe1\0\x22Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
        let (start, rest) = bytes.split_at(2);
        fs::write(&photo, [start, exif, rest].concat()).unwrap();
        let sender = sends("file", &photo, &["--width", "240"]);
        let opened = &sender.process.seen()[0];
        assert!(opened.contains(" sent as 240x320 I420"), "{opened}");
    }
}

/// The last `length` bytes of the frames that `sender` sends, behind these elements.
fn last_frame(folder: &Path, sender: &Sender, elements: &str, length: usize) -> Vec<u8> {
    let out = folder.join("out.gst");
    let text = format!("# Frames.\nappsrc name=frames ! {elements} ! fdsink fd=1\n");
    fs::write(&out, text).unwrap();
    let target = sender.target();
    let arguments = ["recv", &target, "--frames", "3", "--pipeline"];
    let ended = run(vidchat().args(arguments).arg(&out));
    assert_eq!(ended.code(), 0, "{}", ended.stderr);
    ended.bytes[ended.bytes.len() - length..].to_vec()
}

#[test]
fn an_interlaced_clip_is_sent_without_combs() {
    const WIDTH: usize = 32;
    let folder = tempfile::tempdir().unwrap();
    let clip = folder.path().join("clip.mkv");
    let interlaced = "interlace-mode=interleaved,field-order=top-field-first";
    for (format, encoder) in [
        ("I420", ""),
        ("YUY2", ""),
        ("I422_10LE", "! avenc_ffv1"),
        ("I420_10LE", "! avenc_ffv1"),
    ] {
        // The rows of the two fields differ as much as they can.
        let chain = format!(
            "videotestsrc num-buffers=30 pattern=checkers-1 \
             ! video/x-raw,format={format},width=32,height=24,framerate=30/1 \
             ! capssetter caps=video/x-raw,{interlaced} {encoder} ! matroskamux"
        );
        if !made(&clip, &chain) {
            continue;
        }
        let sender = sends("file", &clip, &["--width", "32"]);
        let frame = last_frame(folder.path(), &sender, "identity", WIDTH * 24 * 3 / 2);
        let rows: Vec<&[u8]> = frame.chunks(WIDTH).take(24).collect();
        assert_ne!(rows[0][0], rows[0][1], "{format}: {:?}", rows[0]);
        let same = rows.iter().all(|row| *row == rows[0]);
        assert!(same, "{format}: {rows:?}");
    }
}

/// The luma of a frame in I420, row by row, as a receiver shows it that gets the file as `chain`
/// reads it, not decoded.
fn shown_rows(folder: &Path, clip: &Path, chain: &str, height: usize) -> Vec<Vec<u8>> {
    const WIDTH: usize = 64;
    let path = folder.join("there.gst");
    let text = format!(
        "# Not decoded.\n#! loop\nfilesrc location={} {chain} ! appsink name=frames\n",
        clip.display()
    );
    fs::write(&path, text).unwrap();
    let sender = Sender::start(["--no-preview", "--pipeline", path.to_str().unwrap()]);
    let shown = "${decode} ! videoconvert ! video/x-raw,format=I420";
    let frame = last_frame(folder, &sender, shown, WIDTH * height * 3 / 2);
    let rows = frame.chunks(WIDTH).take(height);
    rows.map(<[u8]>::to_vec).collect()
}

#[test]
fn interlaced_frames_that_are_passed_on_as_they_are_are_shown_without_combs() {
    let folder = tempfile::tempdir().unwrap();
    let clip = folder.path().join("clip");
    // The rows of the two fields differ as much as they can: bars that stand in one field where the
    // other has gaps.
    let fields = |format: &str, order: &str| {
        format!(
            "videotestsrc num-buffers=20 pattern=checkers-1 \
             ! video/x-raw,format={format},width=64,height=48,framerate=30/1 \
             ! capssetter caps=video/x-raw,interlace-mode=interleaved,field-order={order}"
        )
    };
    let h264 = "x264enc interlaced=true tune=zerolatency quantizer=1 pass=quant";
    let (eight, ten) = (["I420"].as_slice(), ["I420", "I420_10LE"].as_slice());
    for (formats, made_as, read_as) in [
        (ten, format!("{h264} ! matroskamux"), "! matroskademux"),
        (
            ten,
            format!("{h264} ! mpegtsmux"),
            "! tsdemux ! h264parse ! video/x-h264,stream-format=byte-stream,alignment=nal",
        ),
        (eight, "matroskamux".to_owned(), "! matroskademux"),
    ] {
        let orders = ["top-field-first", "bottom-field-first"];
        for (format, order) in formats.iter().flat_map(|f| orders.map(|order| (f, order))) {
            let chain = format!("{} ! {made_as}", fields(format, order));
            if !made(&clip, &chain) {
                continue;
            }
            let rows = shown_rows(folder.path(), &clip, read_as, 48);
            let across = rows[8][8].abs_diff(rows[8][9]);
            assert!(across > 60, "{made_as} {format}: {:?}", rows[8]);
            for pair in rows.windows(2) {
                let apart = pair[0].iter().zip(&pair[1]).map(|(a, b)| a.abs_diff(*b));
                let apart = apart.max();
                assert!(apart < Some(20), "{made_as} {order} {format}: {pair:?}");
            }
        }
    }
}

#[test]
fn fields_that_h265_has_one_by_one_are_shown_as_whole_frames() {
    let folder = tempfile::tempdir().unwrap();
    let clip = folder.path().join("clip");
    // Each frame that goes in is a field here: the top ones are of one colour, the others of
    // another.
    let chain = "videotestsrc num-buffers=20 pattern=blink \
                 ! video/x-raw,format=I420,width=64,height=64,framerate=60/1 \
                 ! x265enc tune=zerolatency option-string=interlace=1 ! h265parse ! mpegtsmux";
    if !made(&clip, chain) {
        return;
    }
    let rows = shown_rows(folder.path(), &clip, "! tsdemux ! h265parse", 128);
    let values = || rows.iter().flatten();
    let apart = values()
        .max()
        .zip(values().min())
        .map(|(most, least)| most - least);
    assert!(apart < Some(8), "{rows:?}");
}

#[test]
fn a_recording_in_jpeg_has_the_colours_that_other_programs_read() {
    let folder = tempfile::tempdir().unwrap();
    let documents = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/pipelines.md");
    let documents = fs::read_to_string(documents).unwrap();
    let recipes = documents.split("```gst\n").skip(1);
    let recipes = recipes.filter_map(|part| part.split("```").next());
    let recipes: Vec<&str> = recipes.filter(|text| text.contains("! jpegenc")).collect();
    assert_eq!(recipes.len(), 2, "{recipes:#?}");
    let pattern = ["--set", "pattern=white"];
    let arguments = ["--no-preview", "--pipeline", "test", "--set", "speed=0"];
    let sender = Sender::start(arguments.into_iter().chain(pattern));
    for recipe in recipes {
        let path = folder.path().join("mine.gst");
        fs::write(&path, recipe).unwrap();
        let out = folder.path().join("recorded");
        let set = format!("out={}", out.display());
        let target = sender.target();
        let arguments = [
            "recv",
            &target,
            "--frames",
            "2",
            "--set",
            &set,
            "--pipeline",
        ];
        let ended = run(vidchat().args(arguments).arg(&path));
        assert_eq!(ended.code(), 0, "{}", ended.stderr);
        let demuxer = if recipe.contains("matroskamux") {
            "! matroskademux"
        } else {
            ""
        };
        let luma = folder.path().join("luma");
        let chain = format!(
            "filesrc location={} {demuxer} ! jpegdec ! video/x-raw,format=I420",
            out.display()
        );
        // White has the luma 255 in JPEG, and 235 in other video.
        if made(&luma, &chain) {
            let luma = fs::read(&luma).unwrap();
            // In the middle of the left side, where no clock is.
            assert!(
                luma[120 * 320 + 8] >= 251,
                "{}: {recipe}",
                luma[120 * 320 + 8]
            );
        }
    }
}
