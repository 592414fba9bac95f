// compiles
//! Only who calls it is warned, or sends its Command by hand.
#![deny(warnings)]

use cmd_stream::mus::Mus;
use cmd_stream::server::Scheduling;
use cmd_stream::{Context, Failed, Json, service};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, Mus)]
pub struct Greeting(String);

service! {
    /// Greets.
    pub trait Greeter in Greetings {
        /// Greets by name.
        #[deprecated = "use `greet`"]
        0 => idempotent fn hello(name: String) -> Greeting;
        /// Greets.
        1 => fn greet() -> Greeting;
        #[deprecated(since = "1.1.0")]
        /// Says goodbye.
        2 => post fn bye();
    }
    commands #[derive(Debug, Serialize, Deserialize, Mus)]
    replies { 0 => Greeting }
    failure close_connection
}

pub struct Hello;

impl Greeter for Hello {
    const GREET_SCHEDULING: Scheduling = Scheduling::InPlace;

    async fn hello(&self, name: String, _: &Context<'_>) -> Result<Greeting, Failed> {
        Ok(Greeting(name))
    }

    async fn greet(&self, _: &Context<'_>) -> Result<Greeting, Failed> {
        Ok(Greeting("hello".into()))
    }

    async fn bye(&self, _: &Context<'_>) -> Result<(), Failed> {
        Ok(())
    }
}

pub async fn greet(greeter: &GreeterClient<Json>) {
    let _ = greeter.greet().await;
}

fn main() {}
