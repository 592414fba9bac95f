//! Frames in JSON, Commands or Replies.

use super::bodies::check_side;
use super::input::Input;
use super::sample::json::{Command, Reply};

/// Checks a stream of frames in either direction.
pub fn check(data: &[u8]) {
    let mut input = Input::new(data);
    match input.byte() % 4 {
        0 => check_side::<Command>(&mut input, false),
        1 => check_side::<Reply>(&mut input, false),
        2 => check_side::<Command>(&mut input, true),
        _ => check_side::<Reply>(&mut input, true),
    }
}
