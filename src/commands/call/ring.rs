//! Asks the person at this machine whether to answer a call.

use std::time::Duration;

use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep_until};
use tracing::info;

use super::options::CallOptions;
use super::person::{NATURAL, Person};
use crate::cli::{AnswerChoice, Display};
use crate::console;
use crate::failure::Outcome;
use crate::media::display::canvas::Canvas;
use crate::media::display::sink;
use crate::net::call::IncomingCall;
use crate::wire::{Bye, ByeCode};

/// How long the person is asked.
const RING_TIME: Duration = Duration::from_secs(30);
/// How often the bell rings, and how many times.
const BELL: Duration = Duration::from_secs(3);
const BELLS: u32 = 5;

/// Where the person can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asks {
    /// In the terminal.
    Terminal,
    /// In a window, since there is no keyboard.
    Window,
    /// Nowhere.
    Nowhere,
}

/// How a call that came in begins.
pub enum Begun {
    /// Nobody has to be asked.
    Answered(IncomingCall),
    /// It was turned away.
    Over,
    /// The person is asked.
    Rings(Ring),
}

/// A call that the person is asked about. Dropping it stops asking.
pub struct Ring {
    call: IncomingCall,
    caller: String,
    until: Instant,
    bell: Interval,
    bells: u32,
    canvas: Canvas,
}

/// Why a call rings no more, without an answer.
pub enum RingEnd {
    TimedOut,
    /// The caller has left, for this reason.
    Left(String),
}

/// Where this program can ask.
pub fn place(person: &Person, display: Display) -> Asks {
    if person.has_keyboard() {
        Asks::Terminal
    } else if matches!(display, Display::Auto | Display::Window) && sink::window().is_ok() {
        Asks::Window
    } else {
        Asks::Nowhere
    }
}

/// Begins to ask about a call, unless the options decide.
///
/// # Errors
/// The window that asks cannot be opened.
pub fn begin(call: IncomingCall, options: &CallOptions, person: &Person) -> Outcome<Begun> {
    let caller = described(&call);
    let asks = match options.answer {
        AnswerChoice::Always => {
            info!("call: {caller} is calling: answered");
            return Ok(Begun::Answered(call));
        }
        AnswerChoice::Never => Err("--answer never says so"),
        AnswerChoice::Ask => match place(person, options.display) {
            Asks::Nowhere => Err("there is nowhere to ask"),
            asks => Ok(asks),
        },
    };
    let asks = match asks {
        Ok(asks) => asks,
        Err(why) => {
            info!("call: {caller} is calling: declined, as {why}");
            turn_away(call, Bye::new(ByeCode::Declined, "nobody answers there"));
            return Ok(Begun::Over);
        }
    };
    let question = format!("{caller} is calling. Answer?");
    match asks {
        Asks::Window => {
            person.stage().open_window(NATURAL)?;
            person.stage().attract();
        }
        _ => ask(&question),
    }
    let canvas = person.stage().canvas().clone();
    canvas.set_banner(Some(&format!("{question} y: yes, n: no")));
    let mut bell = interval(BELL);
    bell.set_missed_tick_behavior(MissedTickBehavior::Delay);
    Ok(Begun::Rings(Ring {
        call,
        caller,
        until: Instant::now() + RING_TIME,
        bell,
        bells: 0,
        canvas,
    }))
}

/// Asks in the terminal.
fn ask(question: &str) {
    console::line(&format!("{question} [Y/n]"));
}

impl Ring {
    /// Asks again in the terminal.
    pub fn ask(&self) {
        ask(&format!("{} is calling. Answer?", self.caller));
    }

    /// Rings until the caller leaves or the time is over. The wait may be cancelled and begun again.
    pub async fn ends(&mut self) -> RingEnd {
        loop {
            tokio::select! {
                reason = self.call.ring() => return RingEnd::Left(reason.to_string()),
                _ = self.bell.tick(), if self.bells < BELLS => {
                    self.bells += 1;
                    console::bell();
                }
                () = sleep_until(self.until) => return RingEnd::TimedOut,
            }
        }
    }

    /// The answer that a key stands for.
    pub fn answer_of(typed: char) -> Option<bool> {
        match typed {
            'y' | '\r' | '\n' => Some(true),
            'n' | '\u{1b}' => Some(false),
            _ => None,
        }
    }

    /// The person has answered.
    pub fn answer(self) -> IncomingCall {
        self.canvas.set_banner(None);
        self.call
    }

    /// The person does not want to talk.
    pub fn decline(self) {
        self.canvas.set_banner(None);
        info!("call: {}: declined", self.caller);
        turn_away(self.call, Bye::new(ByeCode::Declined, "declined"));
    }

    /// The person ends the program. Returns when the caller has heard that.
    pub async fn hang_up(self) {
        let bye = Bye::new(ByeCode::Declined, "declined");
        self.answer().decline(bye).await;
    }

    /// It rings no more.
    pub fn over(self, end: RingEnd) {
        self.canvas.set_banner(None);
        let caller = &self.caller;
        match end {
            RingEnd::TimedOut => {
                info!(
                    "call: {caller}: not answered within {} s",
                    RING_TIME.as_secs()
                );
                turn_away(self.call, Bye::new(ByeCode::Unanswered, "no answer"));
            }
            RingEnd::Left(reason) => info!("call: {caller} has hung up: {reason}"),
        }
    }
}

/// Turns a caller away, without waiting for it.
pub fn turn_away(call: IncomingCall, bye: Bye) {
    tokio::spawn(call.decline(bye));
}

/// Turns a caller away while there is somebody else. Returns who it was.
pub fn busy(call: IncomingCall) -> String {
    let caller = described(&call);
    info!("call: {caller} is calling too, and was told that this side is busy");
    turn_away(call, Bye::new(ByeCode::Busy, "busy"));
    caller
}

/// A caller's name and address, for a person.
fn described(call: &IncomingCall) -> String {
    let address = call.peer().ip();
    match call.name() {
        name if name.is_empty() => address.to_string(),
        name => format!("{name} ({address})"),
    }
}
