//! What is on a test's own X display, pixel by pixel, and what a window manager would do there.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use x11rb::connection::Connection;
use x11rb::protocol::xproto::{
    AtomEnum, ClientMessageEvent, ConfigureWindowAux, ConnectionExt as _, EventMask, ImageFormat,
    MapState, StackMode,
};
use x11rb::rust_connection::RustConnection;

use crate::support::test_card::BARS;
use crate::support::{PATIENCE, Xvfb, skipped};

pub const BLACK: [u8; 3] = [0, 0, 0];

/// A connection to a display.
pub struct Screen {
    connection: RustConnection,
    root: u32,
    display: String,
}

/// What a window shows at one moment.
pub struct Shot {
    pub width: u16,
    pub height: u16,
    /// Blue, green, red and nothing, row by row.
    bytes: Vec<u8>,
}

impl Screen {
    pub fn of(xvfb: &Xvfb) -> Self {
        Self::on(&xvfb.display)
    }

    /// A connection to the display of this name.
    pub fn on(display: &str) -> Self {
        let (connection, number) = x11rb::connect(Some(display)).expect("Xvfb answers");
        let root = connection.setup().roots[number].root;
        Self {
            connection,
            root,
            display: display.to_owned(),
        }
    }

    /// The titles of the windows that are on the screen.
    pub fn titles(&self) -> Vec<String> {
        self.windows().into_iter().map(|(_, title)| title).collect()
    }

    /// The window with this title, once it is on the screen.
    pub fn window(&self, title: &str) -> u32 {
        self.window_that(|found| found == title)
    }

    /// The window with a title such as this, once it is on the screen.
    pub fn window_that(&self, is_it: impl Fn(&str) -> bool) -> u32 {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            if let Some((id, _)) = self.windows().into_iter().find(|(_, title)| is_it(title)) {
                return id;
            }
            pause();
        }
        panic!("no such window, only {:?}", self.titles());
    }

    /// The only window, once there is one, whatever its title.
    pub fn any_window(&self) -> u32 {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            if let [(id, _)] = self.windows()[..] {
                return id;
            }
            pause();
        }
        panic!("not one window, but {:?}", self.titles());
    }

    /// Waits until a window manager is at work.
    pub fn wait_for_manager(&self) {
        let until = Instant::now() + PATIENCE;
        let check = self.atom("_NET_SUPPORTING_WM_CHECK");
        loop {
            let (root, any) = (self.root, AtomEnum::ANY);
            let asked = self.connection.get_property(false, root, check, any, 0, 1);
            if asked.unwrap().reply().is_ok_and(|found| found.length > 0) {
                return;
            }
            assert!(Instant::now() < until, "no window manager");
            pause();
        }
    }

    /// The window with this title within the frame of a window manager, once it is on the screen.
    pub fn managed_window(&self, title: &str) -> u32 {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            let mut below = vec![self.root];
            while let Some(id) = below.pop() {
                if self.title(id).as_deref() == Some(title) {
                    return id;
                }
                let tree = self.connection.query_tree(id).unwrap().reply();
                below.extend(tree.map_or(Vec::new(), |tree| tree.children));
            }
            pause();
        }
        panic!("no {title:?} in any frame");
    }

    fn windows(&self) -> Vec<(u32, String)> {
        let tree = self.connection.query_tree(self.root).unwrap();
        let children = tree.reply().expect("the root stays").children;
        children
            .into_iter()
            .filter_map(|id| Some((id, self.title(id)?)))
            .collect()
    }

    /// `None` where the window is not on the screen, or just went.
    fn title(&self, id: u32) -> Option<String> {
        let attributes = self.connection.get_window_attributes(id).unwrap();
        if attributes.reply().ok()?.map_state != MapState::VIEWABLE {
            return None;
        }
        let (name, any) = (self.atom("_NET_WM_NAME"), AtomEnum::ANY);
        let property = self
            .connection
            .get_property(false, id, name, any, 0, 1000)
            .unwrap();
        Some(String::from_utf8_lossy(&property.reply().ok()?.value).into_owned())
    }

    fn atom(&self, name: &str) -> u32 {
        let asked = self.connection.intern_atom(false, name.as_bytes()).unwrap();
        asked.reply().expect("the server knows atoms").atom
    }

    /// What the window shows now; `None` where it just went or changes its size.
    pub fn shot(&self, id: u32) -> Option<Shot> {
        let size = self.connection.get_geometry(id).unwrap().reply().ok()?;
        let (width, height) = (size.width, size.height);
        let image = self
            .connection
            .get_image(ImageFormat::Z_PIXMAP, id, 0, 0, width, height, u32::MAX)
            .unwrap();
        let bytes = image.reply().ok()?.data;
        Some(Shot {
            width,
            height,
            bytes,
        })
    }

    /// Waits until the window shows what is wanted; `what` says it for the error.
    pub fn wait_for(&self, id: u32, what: &str, wanted: impl Fn(&Shot) -> bool) -> Shot {
        let until = Instant::now() + PATIENCE;
        let mut last = None;
        while Instant::now() < until {
            last = self.shot(id).or(last);
            match last.take() {
                Some(shot) if wanted(&shot) => return shot,
                other => last = other,
            }
            pause();
        }
        let last = last.map(|shot| (shot.width, shot.height, shot.row(20, 16)));
        panic!("never {what}; at last width, height and colours near the top are {last:?}");
    }

    /// Puts the window above the others.
    pub fn raise(&self, id: u32) {
        let above = ConfigureWindowAux::new().stack_mode(StackMode::ABOVE);
        self.connection.configure_window(id, &above).unwrap();
        self.connection.flush().unwrap();
    }

    /// Gives the window another size, as dragging its edge does.
    pub fn resize(&self, id: u32, width: u32, height: u32) {
        let size = ConfigureWindowAux::new().width(width).height(height);
        self.connection.configure_window(id, &size).unwrap();
        self.connection.flush().unwrap();
    }

    /// Takes the window away from its program, without a question.
    pub fn destroy(&self, id: u32) {
        let gone = self.connection.destroy_window(id).unwrap();
        gone.check().expect("the window was there");
    }

    /// Presses the close button.
    pub fn close(&self, id: u32) {
        let data = [self.atom("WM_DELETE_WINDOW"), 0, 0, 0, 0];
        let message = ClientMessageEvent::new(32, id, self.atom("WM_PROTOCOLS"), data);
        let sent = self
            .connection
            .send_event(false, id, EventMask::NO_EVENT, message);
        sent.unwrap().check().expect("the window is there");
    }

    /// Gives the keyboard to the window; does nothing where xdotool is not installed.
    pub fn focus(&self, id: u32) {
        let _ = Command::new("xdotool")
            .args(["windowfocus", "--sync", &id.to_string()])
            .env("DISPLAY", &self.display)
            .stdin(Stdio::null())
            .status();
    }

    /// Presses a key of the keyboard while the window has it; `false`, said aloud, where xdotool
    /// is not installed.
    pub fn press(&self, id: u32, key: &str) -> bool {
        let id = id.to_string();
        let pressed = Command::new("xdotool")
            .args(["windowfocus", "--sync", &id, "key", key])
            .env("DISPLAY", &self.display)
            .stdin(Stdio::null())
            .status();
        match pressed {
            Ok(status) => assert!(status.success(), "xdotool: {status}"),
            Err(_) => skipped("xdotool is not installed"),
        }
        pressed.is_ok()
    }
}

impl Shot {
    /// That of a PPM file, as programs write them that take pictures of a screen; `None` where it is
    /// none.
    pub fn of_ppm(file: &[u8]) -> Option<Self> {
        // "P6", the width, the height and 255, each with one character behind it.
        let mut words = file.splitn(4, |byte| byte.is_ascii_whitespace());
        let mut next = || std::str::from_utf8(words.next()?).ok();
        let (kind, width, height) = (next()?, next()?, next()?);
        let rest = words.next()?;
        let rgb = rest.strip_prefix(b"255\n").filter(|_| kind == "P6")?;
        let (width, height) = (width.parse().ok()?, height.parse().ok()?);
        let pixels = rgb.chunks_exact(3);
        let bytes: Vec<u8> = pixels.flat_map(|rgb| [rgb[2], rgb[1], rgb[0], 0]).collect();
        let is_whole = bytes.len() == usize::from(width) * usize::from(height) * 4;
        is_whole.then_some(Self {
            width,
            height,
            bytes,
        })
    }

    /// A part of it; `None` where it has no such part.
    pub fn part(&self, [left, top, width, height]: [u16; 4]) -> Option<Self> {
        let fits =
            left.checked_add(width)? <= self.width && top.checked_add(height)? <= self.height;
        let row = |y: u16| {
            let start = (usize::from(y) * usize::from(self.width) + usize::from(left)) * 4;
            &self.bytes[start..start + usize::from(width) * 4]
        };
        fits.then(|| Self {
            width,
            height,
            bytes: (top..top + height).flat_map(row).copied().collect(),
        })
    }

    pub fn has_same_pixels(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }

    /// Whether each pixel of the middle row differs from the one beside it, as in a frame of tiny
    /// squares that is shown pixel by pixel.
    pub fn is_sharp(&self) -> bool {
        let row = (0..self.width).map(|x| self.pixel(x, self.height / 2));
        let row: Vec<_> = row.collect();
        row.windows(2).all(|two| !is_near(two[0], two[1]))
    }

    pub fn pixel(&self, x: u16, y: u16) -> [u8; 3] {
        let at = (usize::from(y) * usize::from(self.width) + usize::from(x)) * 4;
        [self.bytes[at + 2], self.bytes[at + 1], self.bytes[at]]
    }

    /// `count` pixels, evenly spread over one row.
    fn row(&self, y: u16, count: u16) -> Vec<[u8; 3]> {
        let at = |i: u16| u32::from(self.width) * (2 * u32::from(i) + 1) / (2 * u32::from(count));
        let y = y.min(self.height - 1);
        (0..count).map(|i| self.pixel(at(i) as u16, y)).collect()
    }

    /// Whether the bars of the test pattern fill this part of the window, and all around it is
    /// black.
    pub fn shows_bars_at(&self, left: u16, top: u16, width: u16, height: u16) -> bool {
        let bar = |i: u16| left + (u32::from(width) * (2 * u32::from(i) + 1) / 14) as u16;
        let bars = (0u16..).zip(BARS).all(|(i, colour)| {
            // Well within the upper part, and just below its upper edge.
            let rows = [top + 3, top + height / 5];
            rows.iter().all(|y| is_near(self.pixel(bar(i), *y), colour))
        });
        let (middle, side) = (left + width / 2, top + height / 5);
        let mut around = Vec::new();
        if left > 3 {
            around.extend([(left - 3, side), (left + width + 3, side), (0, side)]);
        }
        if top > 3 {
            around.extend([(middle, top - 3), (middle, top + height + 3), (middle, 0)]);
        }
        let edges = [left + 3, left + width - 4];
        let whole = edges.iter().zip([BARS[0], BARS[6]]);
        bars && whole
            .into_iter()
            .all(|(x, colour)| is_near(self.pixel(*x, side), colour))
            && around
                .into_iter()
                .all(|(x, y)| is_near(self.pixel(x, y), BLACK))
    }

    /// How many pixels of the upper half are as white as letters. Below is the noise of the test
    /// pattern.
    pub fn letters(&self) -> usize {
        let upper = usize::from(self.width) * usize::from(self.height / 2);
        let pixels = self.bytes.chunks_exact(4).take(upper);
        pixels
            .filter(|pixel| pixel[..3].iter().all(|l| *l == 255))
            .count()
    }

    /// Whether the bars fill the window.
    pub fn shows_bars(&self) -> bool {
        self.shows_bars_at(0, 0, self.width, self.height)
    }
}

/// A window manager, which a desktop has.
pub struct WindowManager(Child);

impl WindowManager {
    /// `None`, said aloud, where it is not installed.
    pub fn start(display: &Xvfb) -> Option<Self> {
        let started = Command::new("openbox")
            .args(["--sm-disable", "--config-file", "/dev/null"])
            .env("DISPLAY", &display.display)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        if started.is_err() {
            skipped("openbox is not installed");
        }
        started.ok().map(Self)
    }
}

impl Drop for WindowManager {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whether two colours differ by no more than the rounding between YUV and RGB.
pub fn is_near(a: [u8; 3], b: [u8; 3]) -> bool {
    a.iter().zip(b).all(|(a, b)| a.abs_diff(b) <= 8)
}

fn pause() {
    std::thread::sleep(Duration::from_millis(20));
}
