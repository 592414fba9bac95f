//! The Protobuf Format: frames of Commands or Replies, and a whole server that is fed arbitrary bytes.

use super::bodies::check_side;
use super::input::Input;
use super::sample::protobuf::{Command, Reply};
use super::session;

/// Checks a stream of frames in either direction, or a session.
pub fn check(data: &[u8]) {
    let mut input = Input::new(data);
    match input.byte() % 8 {
        0 => check_side::<Command>(&mut input, false),
        1 => check_side::<Reply>(&mut input, false),
        2 => check_side::<Command>(&mut input, true),
        3 => check_side::<Reply>(&mut input, true),
        _ => session::check_protobuf(input.rest()),
    }
}
