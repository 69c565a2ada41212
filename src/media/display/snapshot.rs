//! Saves the frame that is shown as a PNG file, as it came: without anything that was drawn on it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use gstreamer as gst;
use gstreamer_video as gst_video;

use super::canvas::Canvas;

/// The time that the encoder may take.
const LIMIT: Option<gst::ClockTime> = Some(gst::ClockTime::from_seconds(10));

/// Saves the leading frame of `canvas` in the current folder, on a thread of its own: "picture".
/// `title` is where it is from.
pub fn save(canvas: &Canvas, title: &str) {
    let (canvas, title) = (canvas.clone(), title.to_owned());
    let spawned = std::thread::Builder::new()
        .name("picture".into())
        .spawn(move || {
            let saved = canvas
                .newest()
                .context("there is no frame yet")
                .and_then(|frame| write(&frame, Path::new("."), &title));
            match saved {
                Ok(path) => {
                    let name = path.display();
                    tracing::info!("picture: saved {name}");
                    canvas.notify(&format!("saved {name}"));
                }
                Err(e) => {
                    tracing::warn!("picture: not saved: {e:#}");
                    canvas.notify("the picture was not saved");
                }
            }
        });
    if let Err(e) = spawned {
        tracing::warn!("picture: not saved: {e}");
    }
}

/// Writes `frame` into a new file in `folder`.
fn write(frame: &gst::Sample, folder: &Path, title: &str) -> Result<PathBuf> {
    let png = gst::Caps::new_empty_simple("image/png");
    let encoded = gst_video::convert_sample(frame, &png, LIMIT).context("cannot make a PNG")?;
    let bytes = encoded.buffer().context("no PNG came")?.map_readable()?;
    let now = glib::DateTime::now_local().context("no time of day")?;
    let now = now.format("%Y-%m-%d %H.%M.%S")?;
    let name = format!("{} {now}", safe(title));
    for number in 1.. {
        let name = match number {
            1 => format!("{name}.png"),
            number => format!("{name} ({number}).png"),
        };
        let path = folder.join(name);
        let mut options = std::fs::OpenOptions::new();
        match options.write(true).create_new(true).open(&path) {
            Ok(mut file) => {
                std::io::Write::write_all(&mut file, &bytes)
                    .with_context(|| path.display().to_string())?;
                return Ok(path.strip_prefix(".").map(Path::to_owned).unwrap_or(path));
            }
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(e).with_context(|| path.display().to_string()),
        }
    }
    anyhow::bail!("every name is taken")
}

/// A title as the name of a file, whatever the sender calls itself.
fn safe(title: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || " -_.".contains(c);
    let plain = title.chars().map(|c| if is_plain(c) { c } else { '_' });
    let plain: String = plain.take(60).collect();
    let plain = plain.trim_start_matches(['.', ' ', '-']);
    plain.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use gst_video::VideoFormat;

    #[test]
    fn a_saved_picture_has_the_frames_own_size_and_each_a_file_of_its_own() {
        gst::init().unwrap();
        let info = gst_video::VideoInfo::builder(VideoFormat::Gray8, 64, 48);
        let info = info.build().unwrap();
        let frame = gst::Sample::builder()
            .buffer(&gst::Buffer::from_slice(vec![200; info.size()]))
            .caps(&info.to_caps().unwrap())
            .build();
        let folder = tempfile::tempdir().unwrap();
        let written: Vec<_> = (0..3)
            .map(|_| write(&frame, folder.path(), "from a/../b\u{202e}").unwrap())
            .collect();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3);
        for path in written {
            let bytes = std::fs::read(&path).unwrap();
            assert_eq!(bytes[..8], *b"\x89PNG\r\n\x1a\n");
            let side = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
            assert_eq!((side(16), side(20)), (64, 48));
            let name = path.file_name().unwrap().to_str().unwrap();
            assert!(name.starts_with("from a_.._b_ 2"), "{name}");
        }
    }

    #[test]
    fn no_title_leads_out_of_the_folder_or_hides_the_file() {
        for (title, name) in [
            ("RECEIVING VIDEO from desk", "RECEIVING VIDEO from desk"),
            ("../../etc/passwd", "_.._etc_passwd"),
            (".hidden", "hidden"),
            ("-rf", "rf"),
            ("", ""),
        ] {
            assert_eq!(safe(title), name);
        }
    }
}
