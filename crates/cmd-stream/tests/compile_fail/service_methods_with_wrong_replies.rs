// error: `hello` has no Reply: write `-> Reply`, or `post fn` if nothing is to be answered
// error: `list` has no Reply: write `-> Reply`, the type of each that it sends
// error: `note` is never answered, as it is a `post fn`: remove its Reply, or write `fn`
//! Whether there are Replies depends on the kind of a method.

use cmd_stream::service;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
pub struct Greeting(String);

service! {
    pub trait Greeter in Greetings {
        0 => fn hello(name: String);
        1 => stream fn list();
        2 => post fn note(text: String) -> Greeting;
    }
    commands #[derive(Serialize, Deserialize)]
    replies { 0 => Greeting }
    failure close_connection
}

fn main() {}
