//! The tests of the whole program, in one binary: one module for each thing that it promises.

mod camera;
mod cells;
mod cli;
mod codecs;
mod covered;
mod display;
mod docs;
mod ends;
mod endurance;
mod errors;
mod fault_proxy;
mod flags;
mod forms;
mod golden;
mod hostile;
mod impostor;
mod layers;
mod liar;
#[cfg(target_os = "linux")]
mod link;
mod loopback;
mod losses;
mod missing;
mod peers;
mod proxy;
mod recovery;
mod screen;
mod seen;
mod shown;
mod signals;
mod streams;
mod support;
mod terminal;
mod tutorial;
mod watch;
mod wire;
