//! What a canvas looks like, pixel by pixel.

use gstreamer_app as gst_app;
use gstreamer_video as gst_video;

use super::painter::{Caption, Painter, Texts};
use super::*;
use crate::pixels::{Pixel, Pixels};

/// A frame of one grey, or of one colour where the format has three.
fn frame(format: &str, width: i32, height: i32, level: u8) -> gst::Sample {
    gst::init().unwrap();
    let caps = gst::Caps::builder("video/x-raw")
        .field("format", format)
        .field("width", width)
        .field("height", height)
        .field("framerate", gst::Fraction::new(30, 1))
        .build();
    let info = gst_video::VideoInfo::from_caps(&caps).unwrap();
    let buffer = gst::Buffer::from_slice(vec![level; info.size()]);
    gst::Sample::builder().buffer(&buffer).caps(&caps).build()
}

/// A picture of a canvas.
struct Picture {
    width: usize,
    pixels: Vec<Pixel>,
}

impl Picture {
    fn of(canvas: &Canvas, width: usize, height: usize) -> Self {
        Self::by(&mut Painter::new(), canvas, width, height)
    }

    fn by(painter: &mut Painter, canvas: &Canvas, width: usize, height: usize) -> Self {
        let mut pixels = vec![0xaa_bb_cc; width * height];
        let mut target = Pixels::new(width, height, &mut pixels).unwrap();
        let left = painter.paint(canvas, &mut target, 0, Texts::Drawn);
        assert_eq!(left, []);
        Self { width, pixels }
    }

    /// Red, green and blue of one pixel.
    fn at(&self, x: usize, y: usize) -> [u8; 3] {
        let [_, rgb @ ..] = self.pixels[y * self.width + x].to_be_bytes();
        rgb
    }

    fn is(&self, x: usize, y: usize, level: u8) -> bool {
        self.at(x, y).iter().all(|l| l.abs_diff(level) < 4)
    }

    /// The pixels that are as light as letters.
    fn letters(&self) -> usize {
        let light = |p: &&Pixel| p.to_be_bytes()[1..].iter().all(|l| *l > 220);
        self.pixels.iter().filter(light).count()
    }
}

/// A canvas with one seat that shows a frame.
fn one(sample: gst::Sample) -> (Canvas, Seat) {
    let canvas = Canvas::default();
    let seat = canvas.seat();
    seat.show(sample);
    (canvas, seat)
}

#[test]
fn a_frame_fills_a_picture_of_its_shape_and_is_centred_in_black_in_others() {
    for format in ["GRAY8", "BGRx", "RGB"] {
        let (canvas, _seat) = one(frame(format, 320, 240, 200));
        for ((width, height), inside, outside) in [
            ((320, 240), (0, 0), None),
            ((640, 480), (639, 479), None),
            ((640, 240), (160, 0), Some((159, 0))),
            ((320, 600), (0, 180), Some((0, 179))),
            ((900, 450), (749, 449), Some((750, 449))),
            ((161, 121), (80, 60), None),
        ] {
            let picture = Picture::of(&canvas, width, height);
            assert!(
                picture.is(inside.0, inside.1, 200),
                "{format} {width}x{height}"
            );
            if let Some((x, y)) = outside {
                assert!(picture.is(x, y, 0), "{format} {width}x{height}");
            }
        }
    }
}

/// The colour bars of `videotestsrc` in the middle of each bar.
#[test]
fn each_format_has_the_colours_that_it_was_made_of() {
    gst::init().unwrap();
    const BARS: [[u8; 3]; 6] = [
        [255, 255, 0],
        [0, 255, 255],
        [0, 255, 0],
        [255, 0, 255],
        [255, 0, 0],
        [0, 0, 255],
    ];
    for format in [
        "I420",
        "YV12",
        "NV12",
        "NV21",
        "YUY2",
        "UYVY",
        "Y42B",
        "Y444",
        "I420_10LE",
        "P010_10LE",
        "RGB",
        "BGR",
        "RGBA",
        "BGRx",
        "xRGB",
        "AYUV",
        "v210",
        "RGB16",
    ] {
        for (colorimetry, (width, height)) in [("bt601", (320, 240)), ("bt709", (332, 249))] {
            let is_yuv = !format.contains("RGB") && !format.contains("BGR");
            let colours = if is_yuv {
                format!(",colorimetry={colorimetry}")
            } else {
                String::new()
            };
            let text = format!(
                "videotestsrc num-buffers=1 pattern=smpte100 ! \
                 video/x-raw,format={format},width=320,height=240{colours} ! appsink name=s sync=false"
            );
            let pipeline = gst::parse::launch(&text).unwrap();
            let sink = pipeline.downcast_ref::<gst::Bin>().unwrap().by_name("s");
            let sink = sink.unwrap().downcast::<gst_app::AppSink>().unwrap();
            pipeline.set_state(gst::State::Playing).unwrap();
            let sample = sink.pull_sample().unwrap();
            pipeline.set_state(gst::State::Null).unwrap();
            let (canvas, _seat) = one(sample);
            let picture = Picture::of(&canvas, width, height);
            for (bar, wanted) in (1..).zip(BARS) {
                let found = picture.at((2 * bar + 1) * width / 14, height / 3);
                let off = found.iter().zip(wanted).map(|(a, b)| a.abs_diff(b)).max();
                assert!(
                    off < Some(12),
                    "{format} {colorimetry}: {found:?} for {wanted:?}"
                );
            }
        }
    }
}

#[test]
fn pixels_that_are_not_square_are_shown_in_their_shape() {
    gst::init().unwrap();
    let sample = frame("GRAY8", 320, 240, 200);
    let mut caps = sample.caps_owned().unwrap();
    caps.make_mut()
        .set("pixel-aspect-ratio", gst::Fraction::new(2, 1));
    let buffer = sample.buffer_owned().unwrap();
    let wide = gst::Sample::builder().buffer(&buffer);
    let (canvas, _seat) = one(wide.caps(&caps).build());
    let picture = Picture::of(&canvas, 640, 480);
    assert!(picture.is(0, 120, 200) && picture.is(639, 359, 200));
    assert!(picture.is(320, 119, 0) && picture.is(320, 360, 0));
}

#[test]
fn a_freeze_frame_is_dark_with_letters_until_a_live_frame_comes() {
    let (canvas, seat) = one(frame("GRAY8", 320, 240, 200));
    seat.freeze("reconnecting to desk (3 s)");
    assert!(canvas.is_frozen());
    let frozen = Picture::of(&canvas, 320, 240);
    assert!(
        (60..130).contains(&frozen.at(5, 5)[0]),
        "{:?}",
        frozen.at(5, 5)
    );
    assert!(frozen.letters() > 300, "{}", frozen.letters());
    // One that was on its way when the text came does not end it.
    seat.show(frame("GRAY8", 320, 240, 190));
    assert!(canvas.is_frozen());
    seat.live().store(true, Relaxed);
    seat.show(frame("GRAY8", 320, 240, 180));
    assert!(!canvas.is_frozen());
    let live = Picture::of(&canvas, 320, 240);
    assert!(live.is(160, 120, 180) && live.letters() == 0);
}

#[test]
fn before_the_first_frame_a_canvas_is_black_behind_the_text() {
    let canvas = Canvas::default();
    assert!(Picture::of(&canvas, 64, 48).is(10, 10, 0));
    let seat = canvas.seat();
    seat.set_shape((16, 9));
    seat.freeze("waiting for the camera of desk");
    let picture = Picture::of(&canvas, 640, 360);
    assert!(picture.is(5, 5, 0) && picture.letters() > 300);
}

#[test]
fn each_stream_is_in_its_seat_and_none_waits_for_another() {
    let canvas = Canvas::default();
    let (large, small) = (canvas.seat(), canvas.seat());
    large.show(frame("GRAY8", 320, 240, 100));
    small.show(frame("GRAY8", 160, 120, 240));
    let picture = Picture::of(&canvas, 640, 480);
    assert!(picture.is(320, 240, 100) && picture.is(568, 424, 240));
    // A dark frame is around it.
    assert!(picture.is(503, 424, 0) && picture.is(632, 424, 0) && picture.is(568, 375, 0));
    assert!(picture.is(502, 424, 100) && picture.is(633, 424, 100));
    canvas.arrange(Layout::Grid);
    let picture = Picture::of(&canvas, 640, 240);
    assert!(picture.is(160, 120, 100) && picture.is(480, 120, 240));
    // One that has left makes room.
    drop(large);
    let picture = Picture::of(&canvas, 320, 240);
    assert!(picture.is(5, 5, 240));
}

#[test]
fn a_picture_is_asked_for_when_the_leading_stream_has_a_frame() {
    let canvas = Canvas::default();
    let (large, small) = (canvas.seat(), canvas.seat());
    let asked = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    canvas.on_change(&asked, |count| {
        count.fetch_add(1, Relaxed);
    });
    small.show(frame("GRAY8", 16, 12, 1));
    assert_eq!(
        asked.swap(0, Relaxed),
        1,
        "the leading one has no frame yet"
    );
    large.show(frame("GRAY8", 16, 12, 1));
    small.show(frame("GRAY8", 16, 12, 1));
    assert_eq!(asked.swap(0, Relaxed), 1);
    canvas.arrange(Layout::Grid);
    small.show(frame("GRAY8", 16, 12, 1));
    assert_eq!(asked.swap(0, Relaxed), 2);
}

#[test]
fn a_mirrored_seat_has_left_and_right_swapped() {
    let sample = frame("GRAY8", 64, 48, 0);
    let mut buffer = sample.buffer_owned().unwrap();
    let lit: Vec<u8> = (0..64 * 48)
        .map(|n| if n % 64 < 32 { 255 } else { 0 })
        .collect();
    buffer.make_mut().copy_from_slice(0, &lit).unwrap();
    let lit = gst::Sample::builder().buffer(&buffer);
    let (canvas, seat) = one(lit.caps(&sample.caps_owned().unwrap()).build());
    assert!(Picture::of(&canvas, 64, 48).is(5, 5, 255));
    seat.set_mirrored(true);
    let mirrored = Picture::of(&canvas, 64, 48);
    assert!(mirrored.is(5, 5, 0) && mirrored.is(60, 5, 255));
}

#[test]
fn only_what_has_changed_is_cleared() {
    let (canvas, _seat) = one(frame("GRAY8", 320, 240, 200));
    let mut painter = Painter::new();
    let mut pixels = vec![7; 640 * 240];
    let mut paint = |age| {
        let mut target = Pixels::new(640, 240, &mut pixels).unwrap();
        painter.paint(&canvas, &mut target, age, Texts::Drawn);
        let edge = pixels[0];
        pixels[0] = 9;
        edge
    };
    assert_eq!(paint(0), 0, "of a new one nothing is known");
    assert_eq!(paint(1), 9);
    assert_eq!(paint(3), 0, "it is older than the arrangement");
    assert_eq!(paint(3), 9);
    canvas.show_help(vec![("q".into(), "quit".into())]);
    assert_eq!(paint(1), 0);
    canvas.show_help(Vec::new());
    assert_eq!(paint(1), 0, "help was larger");
}

#[test]
fn names_and_help_are_written_or_left_to_the_display() {
    let (canvas, seat) = one(frame("GRAY8", 320, 240, 20));
    seat.set_name("desk\u{7}");
    let named = Picture::of(&canvas, 320, 240);
    let low: usize = (210..240)
        .flat_map(|y| (0..100).map(move |x| (x, y)))
        .filter(|(x, y)| named.at(*x, *y)[0] > 220)
        .count();
    assert!(
        low > 20 && low == named.letters(),
        "{low} of {}",
        named.letters()
    );
    let help = vec![
        ("q".to_owned(), "quit".to_owned()),
        ("f".into(), "full screen".into()),
    ];
    canvas.show_help(help.clone());
    assert!(canvas.shows_help());
    assert!(Picture::of(&canvas, 320, 240).letters() > named.letters() + 100);
    let mut pixels = vec![0; 64 * 48];
    let mut target = Pixels::new(64, 48, &mut pixels).unwrap();
    let left = Painter::new().paint(&canvas, &mut target, 0, Texts::Left);
    let part = target.whole();
    assert_eq!(
        left,
        [Caption::Name("desk".into(), part), Caption::Help(help)]
    );
}

#[test]
fn a_frame_that_is_not_as_its_caps_say_is_black_and_ends_nothing() {
    let whole = frame("GRAY8", 320, 240, 200);
    let cut = gst::Buffer::from_slice(vec![200; 100]);
    let cut = gst::Sample::builder().buffer(&cut);
    let (canvas, _seat) = one(cut.caps(&whole.caps_owned().unwrap()).build());
    assert!(Picture::of(&canvas, 64, 48).is(32, 24, 0));
}

#[test]
fn no_picture_is_too_small() {
    let (canvas, seat) = one(frame("I420", 320, 240, 200));
    seat.freeze("frozen");
    canvas.show_help(vec![("q".into(), "quit".into())]);
    let mut painter = Painter::new();
    for (width, height) in [(0, 0), (1, 1), (3, 40), (40, 1), (2, 2)] {
        Picture::by(&mut painter, &canvas, width, height);
    }
}

#[test]
fn each_display_is_told_of_a_change_until_it_is_gone() {
    let canvas = Canvas::default();
    let seat = canvas.seat();
    let [first, second] = [(); 2].map(|()| Arc::new(std::sync::atomic::AtomicUsize::new(0)));
    for display in [&first, &second] {
        canvas.on_change(display, |count| {
            count.fetch_add(1, Relaxed);
        });
    }
    seat.show(frame("GRAY8", 16, 12, 1));
    drop(second);
    seat.show(frame("GRAY8", 16, 12, 1));
    assert_eq!(first.load(Relaxed), 2);
    assert_eq!(canvas.0.changed.lock().len(), 1);
}

#[test]
fn a_blank_seat_shows_its_text_alone_until_a_live_frame_comes() {
    let (canvas, seat) = one(frame("GRAY8", 320, 240, 200));
    seat.live().store(true, Relaxed);
    seat.blank("camera off");
    let blank = |canvas: &Canvas| {
        let picture = Picture::of(canvas, 320, 240);
        let field = picture.at(5, 5);
        assert!(field.iter().all(|l| (16..60).contains(l)), "{field:?}");
        assert!(picture.letters() > 100, "{}", picture.letters());
    };
    blank(&canvas);
    assert!(!canvas.is_frozen(), "nothing is waited for");
    assert!(canvas.newest().is_none() && canvas.shape() == Some((320, 240)));
    // One that was on its way is not seen.
    seat.show(frame("GRAY8", 320, 240, 190));
    blank(&canvas);
    seat.live().store(true, Relaxed);
    seat.show(frame("GRAY8", 320, 240, 180));
    let live = Picture::of(&canvas, 320, 240);
    assert!(live.is(5, 5, 180) && live.letters() == 0);
}

#[test]
fn a_seat_without_a_frame_is_told_from_the_black_around() {
    let canvas = Canvas::default();
    let (first, second) = (canvas.seat(), canvas.seat());
    canvas.arrange(Layout::Grid);
    first.show(frame("GRAY8", 320, 240, 100));
    second.freeze("waiting for ben");
    let picture = Picture::of(&canvas, 640, 480);
    // Of the two, each 320x480, the second is 320x240 in the middle.
    let (outside, border, field) = (
        picture.at(480, 118)[0],
        picture.at(480, 120)[0],
        picture.at(480, 122)[0],
    );
    assert!(outside == 0, "{outside}");
    assert!(
        (16..60).contains(&field) && border > field + 20,
        "{border} {field}"
    );
    assert!(picture.at(160, 120)[0] == 100, "no border on a frame");
    assert!(picture.letters() > 100);
}

#[test]
fn a_hidden_seat_takes_no_room_and_does_not_lead() {
    let canvas = Canvas::default();
    let (own, other) = (canvas.seat(), canvas.seat());
    own.show(frame("GRAY8", 160, 120, 240));
    other.show(frame("GRAY8", 320, 200, 100));
    own.set_hidden(true);
    assert_eq!(canvas.shape(), Some((320, 200)));
    assert_eq!(canvas.natural(), Some((320, 200)));
    assert!(other.leads() && !own.leads());
    own.freeze("camera lost");
    assert!(!canvas.is_frozen());
    let picture = Picture::of(&canvas, 640, 400);
    assert!(picture.is(5, 5, 100) && picture.is(568, 350, 100) && picture.letters() == 0);
    canvas.arrange(Layout::Grid);
    let picture = Picture::of(&canvas, 640, 400);
    assert!(picture.is(5, 5, 100) && picture.is(635, 395, 100));
    assert!(
        !other.leads() && canvas.natural().is_none(),
        "none leads in a grid"
    );
    let asked = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    canvas.on_change(&asked, |count| {
        count.fetch_add(1, Relaxed);
    });
    own.show(frame("GRAY8", 160, 120, 240));
    assert_eq!(asked.load(Relaxed), 0, "it is not seen");
    own.set_hidden(false);
    assert!(Picture::of(&canvas, 640, 240).at(160, 120)[0] > 50);
}

#[test]
fn a_seat_that_stays_last_is_behind_those_that_come_later() {
    let canvas = Canvas::default();
    let own = canvas.seat();
    own.stay_last();
    own.show(frame("GRAY8", 320, 240, 240));
    let first = canvas.seat();
    first.show(frame("GRAY8", 320, 240, 100));
    assert!(first.leads());
    let second = canvas.seat();
    second.show(frame("GRAY8", 320, 240, 150));
    canvas.arrange(Layout::Grid);
    let picture = Picture::of(&canvas, 640, 480);
    let levels = [(160, 120), (480, 120), (320, 360)].map(|(x, y)| picture.at(x, y)[0]);
    assert_eq!(levels, [100, 150, 240]);
}

#[test]
fn a_grid_is_frozen_where_all_of_it_is() {
    let canvas = Canvas::default();
    canvas.arrange(Layout::Grid);
    assert!(!canvas.is_frozen());
    let (first, second) = (canvas.seat(), canvas.seat());
    first.freeze("waiting");
    assert!(!canvas.is_frozen());
    second.freeze("waiting");
    assert!(canvas.is_frozen());
}

#[test]
fn a_banner_stays_at_the_upper_edge_and_long_ones_are_wrapped() {
    let (canvas, _seat) = one(frame("GRAY8", 320, 240, 20));
    let rows = |canvas: &Canvas| {
        let picture = Picture::of(canvas, 320, 240);
        let is_lit = |y: &usize| (0..320).any(|x| picture.at(x, *y)[0] > 220);
        let lit: Vec<_> = (0..240).filter(is_lit).collect();
        (lit.first().copied(), lit.last().copied().unwrap_or(0))
    };
    canvas.set_banner(Some("anna calls"));
    let (first, one) = rows(&canvas);
    assert!(first.is_some_and(|y| y < 10) && one < 25, "{first:?} {one}");
    canvas.set_banner(Some("anna-laptop (192.168.1.7) is calling. Answer? y or n"));
    let (_, two) = rows(&canvas);
    assert!(two > one + 10, "{two}");
    // News is below it.
    canvas.notify("saved it");
    let (_, three) = rows(&canvas);
    assert!(three > two + 5, "{three}");
    canvas.0.state.lock().notice = None;
    canvas.set_banner(None);
    assert_eq!(rows(&canvas), (None, 0));
}

#[test]
fn a_text_beside_the_seats_is_cleared_when_it_goes() {
    let (canvas, _seat) = one(frame("GRAY8", 320, 240, 20));
    let mut painter = Painter::new();
    // The frame is in the middle of a high picture.
    let mut pixels = vec![0; 320 * 600];
    let mut letters = |age| {
        let mut target = Pixels::new(320, 600, &mut pixels).unwrap();
        painter.paint(&canvas, &mut target, age, Texts::Drawn);
        pixels.iter().filter(|p| **p & 0xff > 100).count()
    };
    assert_eq!(letters(0), 0);
    canvas.set_banner(Some("anna calls"));
    assert!(letters(1) > 100);
    canvas.set_banner(Some("b"));
    assert!(letters(1) < 100, "the longer one is gone");
    canvas.set_banner(None);
    assert_eq!(letters(1), 0);
}

#[test]
fn a_text_stays_within_its_seat() {
    let canvas = Canvas::default();
    let (large, small) = (canvas.seat(), canvas.seat());
    large.show(frame("GRAY8", 320, 240, 20));
    small.set_name(&"a long name ".repeat(16));
    small.freeze(&"a reason of many words ".repeat(8));
    let picture = Picture::of(&canvas, 320, 240);
    let lit = (0..240).flat_map(|y| (0..320).map(move |x| (x, y)));
    let lit: Vec<_> = lit.filter(|(x, y)| picture.at(*x, *y)[0] > 120).collect();
    assert!(lit.len() > 100);
    let outside = lit
        .iter()
        .find(|(x, y)| *x < 248 || *y < 184 || *x > 312 || *y > 232);
    assert_eq!(outside, None);
}
