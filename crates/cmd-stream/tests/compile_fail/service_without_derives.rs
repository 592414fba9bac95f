// error: state what the Commands derive, before `replies`
//! A Format could not encode them.

use cmd_stream::service;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
pub struct Greeting(String);

service! {
    pub trait Greeter in Greetings {
        0 => fn hello(name: String) -> Greeting;
    }
    replies { 0 => Greeting }
    failure close_connection
}

fn main() {}
