//! An X display of our own, and when a frame is on it: that is when the X server itself says
//! that it has drawn (the DAMAGE extension) and the middle of its screen has the new colour.

use std::io;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::time::Timespec;
use x11rb::connection::Connection;
use x11rb::protocol::Event;
use x11rb::protocol::damage::{ConnectionExt as _, ReportLevel};
use x11rb::protocol::xproto::{ConnectionExt as _, ImageFormat, Window};
use x11rb::rust_connection::RustConnection;

use crate::yardstick::process::{Process, Talks};

/// A running Xvfb, as large as a frame, which is ended when this is dropped.
pub struct Screen {
    /// Its name for `$DISPLAY`.
    pub display: String,
    connection: RustConnection,
    root: Window,
    _xvfb: Process,
}

impl Screen {
    /// Starts one on a free display.
    ///
    /// # Errors
    /// Xvfb could not be started, or it cannot tell when it draws.
    pub fn open() -> io::Result<Self> {
        let mut command = Command::new("Xvfb");
        command
            .args(["-displayfd", "1", "-screen", "0", "320x240x24"])
            .args(["-nolisten", "tcp", "-noreset"]);
        let xvfb = Process::start(&mut command, Talks::Stdout)?;
        let (_, number) = xvfb.line("", Duration::from_secs(10))?;
        let display = format!(":{}", number.trim());
        let (connection, screen) = x11rb::connect(Some(&display)).map_err(io::Error::other)?;
        let root = connection.setup().roots[screen].root;
        let watched = || -> Result<(), x11rb::errors::ReplyOrIdError> {
            connection.damage_query_version(1, 1)?.reply()?;
            let damage = connection.generate_id()?;
            // The root's damage is that of all windows in it; each time that something is drawn.
            connection
                .damage_create(damage, root, ReportLevel::RAW_RECTANGLES)?
                .check()?;
            Ok(())
        };
        watched().map_err(io::Error::other)?;
        Ok(Self {
            display,
            connection,
            root,
            _xvfb: xvfb,
        })
    }

    /// Waits until something is drawn after which the green in the middle is as `wanted`, and
    /// returns when the X server's word of it came in.
    ///
    /// # Errors
    /// It was not within `patience`.
    pub fn drawn(&self, wanted: impl Fn(u8) -> bool, patience: Duration) -> io::Result<Instant> {
        let end = Instant::now() + patience;
        loop {
            let event = self.connection.poll_for_event().map_err(io::Error::other)?;
            match event {
                Some(Event::DamageNotify(_)) => {
                    let at = Instant::now();
                    if wanted(self.green()?) {
                        return Ok(at);
                    }
                }
                Some(_) => {}
                None if Instant::now() > end => {
                    return Err(io::Error::other("no frame came to the screen"));
                }
                None => self.wait()?,
            }
        }
    }

    /// Waits a little for the X server to say something.
    fn wait(&self) -> io::Result<()> {
        let mut waiting = [PollFd::new(self.connection.stream(), PollFlags::IN)];
        let limit = Timespec {
            tv_sec: 0,
            tv_nsec: 100_000_000,
        };
        match poll(&mut waiting, Some(&limit)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// The green of the pixel in the middle, 0 to 255.
    fn green(&self) -> io::Result<u8> {
        let pixel = self
            .connection
            .get_image(ImageFormat::Z_PIXMAP, self.root, 160, 120, 1, 1, !0)
            .map_err(io::Error::other)?
            .reply()
            .map_err(io::Error::other)?;
        // Blue, green, red, nothing: Xvfb's 24 bits on a little-endian machine.
        Ok(pixel.data.get(1).copied().unwrap_or_default())
    }
}
