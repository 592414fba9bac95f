// error: state what happens when a Command fails
//! As for a Protocol.

use cmd_stream::service;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
pub struct Greeting(String);

service! {
    pub trait Greeter in Greetings {
        0 => fn hello(name: String) -> Greeting;
    }
    commands #[derive(Serialize, Deserialize)]
    replies { 0 => Greeting }
}

fn main() {}
