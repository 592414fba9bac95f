// error: a service is declared as: `pub trait Name in ProtocolName
//! The Protocol needs a name.

use cmd_stream::service;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
pub struct Greeting(String);

service! {
    pub trait Greeter {
        0 => fn hello(name: String) -> Greeting;
    }
    commands #[derive(Serialize, Deserialize)]
    replies { 0 => Greeting }
    failure close_connection
}

fn main() {}
