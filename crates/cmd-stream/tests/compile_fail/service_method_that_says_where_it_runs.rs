// error: where a Command runs is not declared, because the Receiver decides it: for a method `find`, write `const FIND_SCHEDULING
//! It is not a matter of the client's.

use cmd_stream::service;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
pub struct Greeting(String);

service! {
    pub trait Greeter in Greetings {
        #[scheduling(InPlace)]
        0 => fn hello(name: String) -> Greeting;
    }
    commands #[derive(Serialize, Deserialize)]
    replies { 0 => Greeting }
    failure close_connection
}

fn main() {}
