// error: the Format `Mus` cannot encode `HelloCommand`
//! The Commands derive what JSON needs.

use cmd_stream::service;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
pub struct Greeting(String);

service! {
    pub trait Greeter in Greetings {
        0 => fn hello(name: String) -> Reply;
    }
    commands #[derive(Serialize, Deserialize)]
    replies { 0 => Reply }
    failure close_connection
}

#[derive(Serialize, Deserialize, cmd_stream::mus::Mus)]
pub struct Reply(String);

pub async fn call(greeter: GreeterClient<cmd_stream::Mus>) {
    let _ = greeter.hello("you".into()).await;
}

fn main() {}
