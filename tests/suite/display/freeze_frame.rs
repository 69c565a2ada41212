//! What is shown while nothing new comes: the last frame, darker, with the reason on it, and
//! never as if it were live.

use std::process::Command;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use vidchat::frame::FrameHeader;
use vidchat::media::playback::events::PlayerEvent;

use crate::media::frame_identity;
use crate::support::player::{SERVER, Shown, TITLE, until, with_display};
use crate::support::x_display::Shot;
use crate::support::{in_one_try, run};

const WAITING: &str = "RECEIVING VIDEO from desk (waiting)";
const LIGHT: u8 = 200;

/// Whether the whole window has this grey.
fn is_grey(shot: &Shot, level: u8) -> bool {
    points(shot, &[1, 3, 5, 7, 9, 11, 13, 15])
        .all(|pixel| pixel.iter().all(|l| l.abs_diff(level) < 8))
}

/// Pixels in these sixteenths of the height.
fn points(shot: &Shot, rows: &'static [u16]) -> impl Iterator<Item = [u8; 3]> {
    let at = |all: u16, n: u16| (u32::from(all) * u32::from(n) / 16) as u16;
    let rows = rows
        .iter()
        .flat_map(move |y| (1..16).map(move |x| (at(shot.width, x), at(shot.height, *y))));
    rows.map(|(x, y)| shot.pixel(x, y))
}

/// How much of the middle band is brighter than what is around it, as letters are. A thin font has
/// no pixel that is as white as they are.
fn letters(shot: &Shot) -> f64 {
    let around = points(shot, &[1]).flatten().max().unwrap_or_default();
    let rows = shot.height * 2 / 5..shot.height * 3 / 5;
    let all = rows.flat_map(|y| (0..shot.width).map(move |x| (x, y)));
    let is_bright = |(x, y): &(u16, u16)| {
        let pixel = shot.pixel(*x, *y);
        pixel.iter().all(|l| *l > around.saturating_add(40))
    };
    all.clone().filter(is_bright).count() as f64 / all.count() as f64
}

/// Whether all but the middle is dark, at most as light as `most`, and there is text in it.
fn is_freeze_frame(shot: &Shot, least: u8, most: u8) -> bool {
    let mut around = points(shot, &[1, 3, 5, 11, 13, 15]).flatten();
    around.all(|level| (least..most).contains(&level)) && letters(shot) > 0.01
}

/// What the window shows, in a file to look at, where somebody wants to.
fn keep(shot: &Shot, name: &str) {
    let Some(folder) = std::env::var_os("VIDCHAT_TEST_SHOTS") else {
        return;
    };
    let mut file = format!("P6 {} {} 255\n", shot.width, shot.height).into_bytes();
    let rows = (0..shot.height).flat_map(|y| (0..shot.width).map(move |x| (x, y)));
    file.extend(rows.flat_map(|(x, y)| shot.pixel(x, y)));
    std::fs::write(std::path::Path::new(&folder).join(name), file).unwrap();
}

#[test]
fn a_display_shows_the_freeze_frame_until_a_live_frame_comes() {
    with_display(
        "display::freeze_frame::a_display_shows_the_freeze_frame_until_a_live_frame_comes",
        |screen| {
            let mut shown = Shown::on("window");
            shown.measure(320, 240);
            shown.show(1, 320, 240, LIGHT);
            let window = screen.window(TITLE);
            screen.wait_for(window, "live", |shot| is_grey(shot, LIGHT));
            shown.player.cover("reconnecting to desk (1 s)");
            let first = screen.wait_for(window, "freeze frame", |shot| {
                is_freeze_frame(shot, 40, 130)
            });
            keep(&first, "small.ppm");
            screen.window(WAITING);
            shown.player.cover("camera lost: it was unplugged (3 s)");
            screen.wait_for(window, "another text", |shot| {
                is_freeze_frame(shot, 40, 130) && (letters(shot) - letters(&first)).abs() > 0.002
            });
            // The next live one takes its place by itself, as often as that happens.
            for n in 2..6 {
                shown.show(n, 320, 240, LIGHT - n as u8 * 20);
                screen.wait_for(window, "live again", |shot| {
                    is_grey(shot, LIGHT - n as u8 * 20)
                });
                screen.window(TITLE);
                shown.player.cover("reconnecting to desk (1 s)");
                screen.wait_for(window, "frozen again", |shot| letters(shot) > 0.01);
            }
            // Freeze frames are no frames of the stream.
            assert_eq!(*shown.seen.lock().unwrap(), [1, 2, 3, 4, 5]);
            assert_eq!(shown.count.load(Relaxed), 5);
            assert!(shown.heard.try_recv().is_err());
        },
    );
}

#[test]
fn a_display_that_has_shown_nothing_yet_is_black_behind_the_text() {
    with_display(
        "display::freeze_frame::a_display_that_has_shown_nothing_yet_is_black_behind_the_text",
        |screen| {
            let mut shown = Shown::on("window");
            // Before anything is known, between, and for caps that no frame ever follows.
            shown.player.cover("waiting for the camera of desk");
            shown.measure(640, 360);
            let window = screen.window(WAITING);
            let shot = screen.wait_for(window, "frozen black", |shot| is_freeze_frame(shot, 0, 20));
            assert_eq!((shot.width, shot.height), (640, 360));
            shown.show(1, 640, 360, LIGHT);
            screen.wait_for(window, "live", |shot| is_grey(shot, LIGHT));
            screen.window(TITLE);
            assert_eq!(shown.count.load(Relaxed), 1);
            assert!(shown.heard.try_recv().is_err());
        },
    );
}

#[test]
fn a_freeze_frame_follows_its_windows_size_and_the_next_live_frame_does_too() {
    with_display(
        "display::freeze_frame::a_freeze_frame_follows_its_windows_size_and_the_next_live_frame_does_too",
        |screen| {
            let mut shown = Shown::on("window");
            shown.measure(320, 180);
            shown.show(1, 320, 180, LIGHT);
            let window = screen.window(TITLE);
            shown.player.cover("reconnecting to desk (12 s)");
            screen.wait_for(window, "freeze frame", |shot| {
                is_freeze_frame(shot, 40, 130)
            });
            for (width, height) in [(960, 540), (160, 90), (640, 360)] {
                for step in 0..20 {
                    screen.resize(window, 200 + step * 53 % 700, 150 + step * 37 % 500);
                }
                screen.resize(window, width, height);
                let shot =
                    screen.wait_for(window, &format!("frozen at {width}x{height}"), |shot| {
                        (u32::from(shot.width), u32::from(shot.height)) == (width, height)
                            && is_freeze_frame(shot, 40, 130)
                    });
                keep(&shot, &format!("{width}x{height}.ppm"));
            }
            shown.show(2, 320, 180, 100);
            screen.wait_for(window, "live", |shot| {
                shot.width == 640 && is_grey(shot, 100)
            });
            assert!(shown.heard.try_recv().is_err());
        },
    );
}

#[test]
fn a_display_keeps_its_picture_while_the_pipeline_is_changed_for_another_codec() {
    with_display(
        "display::freeze_frame::a_display_keeps_its_picture_while_the_pipeline_is_changed_for_another_codec",
        |screen| {
            let (jpeg, frames) = frame_identity::encoded("jpegenc").unwrap();
            let light = frames.last().unwrap();
            // JPEG's black is 0, and its white 255.
            let grey = frame_identity::grey(light.number);
            let mut shown = Shown::on("window");
            shown.measure(320, 240);
            shown.show(1, 320, 240, LIGHT);
            let window = screen.window(TITLE);
            screen.wait_for(window, "live", |shot| is_grey(shot, LIGHT));
            shown.player.cover("reconnecting to desk (1 s)");
            screen.wait_for(window, "freeze frame", |shot| {
                is_freeze_frame(shot, 40, 130)
            });
            shown.announce(&jpeg);
            // Nothing has come of the new caps, and never does so far.
            for text in ["reconnecting to desk (2 s)", "reconnecting to desk (31 s)"] {
                shown.player.cover(text);
                screen.wait_for(window, "still frozen", |shot| {
                    is_freeze_frame(shot, 40, 130)
                });
            }
            shown.push(light);
            screen.wait_for(window, "live", |shot| is_grey(shot, grey));
            shown.player.cover("lost (3 s)");
            screen.wait_for(window, "frozen while the decoder is idle", |shot| {
                letters(shot) > 0.01
            });
            // And back, without a cover: the last one stays until there is another.
            shown.push(light);
            screen.wait_for(window, "live", |shot| is_grey(shot, grey));
            shown.measure(320, 240);
            screen.wait_for(window, "what was there, in the new size", |shot| {
                shot.width == 320 && is_grey(shot, grey)
            });
            shown.show(9, 320, 240, 100);
            screen.wait_for(window, "live", |shot| is_grey(shot, 100));
            assert!(shown.heard.try_recv().is_err());
        },
    );
}

#[test]
fn a_delta_codec_goes_on_where_it_was_after_a_freeze_frame() {
    with_display(
        "display::freeze_frame::a_delta_codec_goes_on_where_it_was_after_a_freeze_frame",
        |screen| {
            let encoder = "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=100";
            let Some((caps, frames)) = frame_identity::encoded(encoder) else {
                return;
            };
            let mut shown = Shown::on("window");
            shown.announce(&caps);
            for frame in &frames {
                let before = shown.count.load(Relaxed);
                shown.push(frame);
                until("the frame", || shown.count.load(Relaxed) > before);
                let window = screen.window(TITLE);
                let level = (u32::from(frame_identity::grey(frame.number)) - 16) * 255 / 219;
                screen.wait_for(window, "live", |shot| is_grey(shot, level as u8));
                if frame.number % 5 == 4 {
                    shown.player.cover("the frame stands still (2 s)");
                    screen.wait_for(window, "freeze frame", |shot| letters(shot) > 0.01);
                    screen.window(WAITING);
                }
            }
            assert_eq!(shown.count.load(Relaxed), frames.len() as u64);
        },
    );
}

#[test]
fn a_display_that_is_lost_with_a_freeze_frame_ends_nothing_and_holds_nobody_up() {
    with_display(
        "display::freeze_frame::a_display_that_is_lost_with_a_freeze_frame_ends_nothing_and_holds_nobody_up",
        |screen| {
            let mut shown = Shown::on("window");
            shown.measure(320, 240);
            shown.show(1, 320, 240, LIGHT);
            let window = screen.window(TITLE);
            shown.player.cover("reconnecting to desk (1 s)");
            screen.wait_for(window, "freeze frame", |shot| {
                is_freeze_frame(shot, 40, 130)
            });
            let server = std::env::var(SERVER).unwrap();
            assert!(run(Command::new("kill").args(["-KILL", &server])).code() == 0);
            let mut lost = None;
            until("the loss", || {
                lost = shown.heard.try_recv().ok();
                lost.is_some()
            });
            assert!(matches!(lost, Some(PlayerEvent::Failed(_))), "{lost:?}");
            shown.player.cover("reconnecting to desk (2 s)");
            drop(shown);
        },
    );
}

#[test]
fn a_display_with_a_freeze_frame_closes_at_once() {
    with_display(
        "display::freeze_frame::a_display_with_a_freeze_frame_closes_at_once",
        |screen| {
            in_one_try(|| {
                let mut shown = Shown::on("window");
                shown.measure(320, 240);
                shown.show(1, 320, 240, LIGHT);
                screen.window(TITLE);
                for n in 0..50 {
                    shown.player.cover(&format!("reconnecting to desk ({n} s)"));
                }
                let started = Instant::now();
                drop(shown);
                let took = started.elapsed();
                // So long it would wait for a thread that does not end.
                (took.as_secs() < 2)
                    .then_some(())
                    .ok_or(format!("{took:?}"))
            });
        },
    );
}

#[test]
fn a_frame_that_comes_late_to_the_display_is_frozen_as_well() {
    with_display(
        "display::freeze_frame::a_frame_that_comes_late_to_the_display_is_frozen_as_well",
        |screen| {
            let slow = "appsrc name=frames ! identity sleep-time=300000 ! videoconvert ! ${window}";
            let mut shown = Shown::on(slow);
            shown.measure(320, 240);
            let frame = vec![LIGHT; 320 * 240];
            let header = FrameHeader::default();
            shown.is_ready();
            shown.player.show(&header, frame.into());
            shown.player.cover("reconnecting to desk (1 s)");
            let window = screen.window(WAITING);
            screen.wait_for(window, "freeze frame", |shot| {
                is_freeze_frame(shot, 40, 130)
            });
            assert_eq!(shown.count.load(Relaxed), 1);
            screen.window(WAITING);
        },
    );
}

#[test]
fn files_and_pipes_get_no_freeze_frames() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out");
    let path = path.to_str().unwrap();
    let size = 320 * 240;
    for end in [
        &format!("filesink location={path}"),
        &format!("videoconvert ! video/x-raw,format=GRAY8 ! filesink location={path}"),
        "fakesink sync=false",
    ] {
        let mut shown = Shown::on(&format!("appsrc name=frames ! {end}"));
        shown.player.cover("connecting to desk (1 s)");
        shown.measure(320, 240);
        shown.show(1, 320, 240, LIGHT);
        shown.player.cover("reconnecting to desk (1 s)");
        shown.player.cover("reconnecting to desk (2 s)");
        // Time for what must not come.
        std::thread::sleep(std::time::Duration::from_millis(300));
        shown.show(2, 320, 240, LIGHT);
        shown.player.finish();
        assert_eq!(shown.count.load(Relaxed), 2, "{end}");
        let bytes = std::fs::read(path).unwrap();
        assert_eq!(bytes.len(), 2 * size, "{end}");
        assert!(bytes.iter().all(|level| *level == LIGHT), "{end}");
    }
}

#[test]
fn a_display_of_ones_own_pipeline_has_the_freeze_frame_too() {
    with_display(
        "display::freeze_frame::a_display_of_ones_own_pipeline_has_the_freeze_frame_too",
        |screen| {
            // A sink that keeps to the frames' times leaves out the one that is late.
            for end in [
                "videoconvert ! autovideosink sync=false",
                "videoconvert ! queue ! ${window}",
                "videoconvert ! videobalance ! ximagesink sync=false",
                "tee name=both ! queue ! fakesink sync=false both. ! queue ! videoconvert ! ${window}",
            ] {
                // The title tells its window from those before.
                let text = format!("appsrc name=frames ! ${{decode}} ! {end}");
                let mut shown = Shown::titled(&text, end);
                shown.measure(320, 240);
                shown.show(1, 320, 240, LIGHT);
                // A sink's own window has more in its title.
                let window = screen.window_that(|title| title.starts_with(end));
                screen.wait_for(window, end, |shot| is_grey(shot, LIGHT));
                shown.player.cover("reconnecting to desk (1 s)");
                screen.wait_for(window, end, |shot| is_freeze_frame(shot, 40, 130));
                shown.show(2, 320, 240, 100);
                screen.wait_for(window, end, |shot| is_grey(shot, 100));
                assert_eq!(*shown.seen.lock().unwrap(), [1, 2], "{end}");
                assert!(shown.heard.try_recv().is_err());
            }
        },
    );
}

#[test]
fn a_display_never_shows_a_freeze_frame_after_a_live_one() {
    with_display(
        "display::freeze_frame::a_display_never_shows_a_freeze_frame_after_a_live_one",
        |screen| {
            let mut shown = Shown::on("window");
            shown.measure(640, 480);
            shown.show(0, 640, 480, LIGHT);
            let window = screen.window(TITLE);
            let moment = std::time::Duration::from_millis;
            for n in 1..60 {
                shown.player.cover("reconnecting to desk (1 s)");
                // The freeze frame is anywhere between being asked for and being shown.
                std::thread::sleep(moment(u64::from(n) / 3));
                let level = 100 + (n % 10) as u8 * 10;
                shown.show(n, 640, 480, level);
                screen.wait_for(window, "live", |shot| is_grey(shot, level));
                // Time for what must not come.
                std::thread::sleep(moment(20));
                let shot = screen.shot(window).unwrap();
                assert!(is_grey(&shot, level), "frozen again after {n}");
            }
        },
    );
}

/// Somebody has switched the camera off: the last frame is not to be seen any more.
#[test]
fn a_blank_display_shows_the_text_alone_whatever_the_sink() {
    with_display(
        "display::freeze_frame::a_blank_display_shows_the_text_alone_whatever_the_sink",
        |screen| {
            for pipeline in [
                "window",
                "appsrc name=frames ! videoconvert ! ximagesink sync=false",
            ] {
                let mut shown = Shown::on(pipeline);
                shown.measure(320, 240);
                shown.show(1, 320, 240, LIGHT);
                let window = screen.any_window();
                screen.wait_for(window, "live", |shot| is_grey(shot, LIGHT));
                shown.player.blank("camera off");
                screen.wait_for(window, "blank", |shot| is_freeze_frame(shot, 0, 40));
                // Another text brings nothing back.
                shown.player.cover("reconnecting to desk (1 s)");
                screen.wait_for(window, "blank again", |shot| is_freeze_frame(shot, 0, 40));
                shown.show(2, 320, 240, 100);
                screen.wait_for(window, "live again", |shot| is_grey(shot, 100));
                drop(shown);
                until("the end of the window", || screen.titles().is_empty());
            }
        },
    );
}
