//! The tests of the whole program, in one binary: one module for each thing that it promises.

mod call;
mod cli;
mod display;
mod house;
mod machine;
mod media;
mod network;
mod protocol;
mod publish;
mod support;
