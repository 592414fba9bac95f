// error: a part of a service cannot have a `#[cfg]`, because both ends need the same Commands
//! The other end could not decode the Command.

use cmd_stream::service;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
pub struct Greeting(String);

service! {
    pub trait Greeter in Greetings {
        0 => idempotent fn hello(#[cfg(unix)] name: String) -> Greeting;
    }
    commands #[derive(Serialize, Deserialize)]
    replies { 0 => Greeting }
    failure close_connection
}

fn main() {}
