// error: `Farewell` is not a Reply of the Protocol `Greetings`
//! Every Reply is listed.

use cmd_stream::service;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
pub struct Greeting(String);

#[derive(Serialize, Deserialize)]
pub struct Farewell(String);

service! {
    pub trait Greeter in Greetings {
        0 => fn hello(name: String) -> Greeting;
        1 => fn bye(name: String) -> Farewell;
    }
    commands #[derive(Serialize, Deserialize)]
    replies { 0 => Greeting }
    failure close_connection
}

fn main() {}
