//! Several clients behind one Sender.

#[path = "../common/lab.rs"]
mod lab;

mod members;
