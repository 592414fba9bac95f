// error: `Dog` does not implement the service `Greeter`
// error: a Receiver of the Protocol `Greetings` implements its trait: `impl Greeter for Dog`
//! The server is given another Receiver.

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
    failure close_connection
}

struct Dog;

pub async fn server() -> Result<(), cmd_stream::Error> {
    cmd_stream::Server::bind("127.0.0.1:9000", Greetings, cmd_stream::Json, Dog).await?.serve().await;
    Ok(())
}

fn main() {}
