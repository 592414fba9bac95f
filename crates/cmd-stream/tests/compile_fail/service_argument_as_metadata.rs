// error: the Commands of a service carry no metadata: implement a Command that does by hand, and declare it with `protocol!`
//! Where hooks could put their data.

use cmd_stream::service;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
pub struct Greeting(String);

service! {
    pub trait Greeter in Greetings {
        0 => post fn hello(#[metadata] values: Vec<(String, String)>);
    }
    commands #[derive(Serialize, Deserialize)]
    replies { 0 => Greeting }
    failure close_connection
}

fn main() {}
