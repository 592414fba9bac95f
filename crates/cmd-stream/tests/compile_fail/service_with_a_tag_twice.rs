// error: `Hello` and `Bye` have the same tag, 0
//! Named by the methods.

use cmd_stream::service;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
pub struct Greeting(String);

service! {
    pub trait Greeter in Greetings {
        0 => fn hello(name: String) -> Greeting;
        0 => fn bye(name: String) -> Greeting;
    }
    commands #[derive(Serialize, Deserialize)]
    replies { 0 => Greeting }
    failure close_connection
}

fn main() {}
