//! Remote procedure calls over Commands: a trait that is the same at both ends.
//!
//! ```text
//! cargo run --example rpc
//! ```
//!
//! Commands are values, and code that builds and sends them sees a network. If callers should not see one, put a trait in
//! front. Here it is `Greeter`. The service implements it and does the work. `RemoteGreeter` implements it and sends
//! Commands, whose execution calls the service's methods. `meet` works with either, so its tests need no server.
//!
//! The trait hides where the work is done, and not that it may fail: `Greeter::Error` is `Infallible` for the service, and
//! a `CallError` for calls over a network.
//!
//! This is the façade by hand, 40 lines for two methods. The macro `cmd_stream::service!` writes such code.
//!
//! `cargo run --example rpc -- --listen 127.0.0.1:9000` is only the server, and `--connect 127.0.0.1:9000` only the
//! client. On the wire the service is that of the example `hello_world`, and the example `rpc` of the Go library can be at
//! either end.

use std::convert::Infallible;

use cmd_stream::mus::Mus;
use cmd_stream::{Answer, CallError, Context, Error, Failed, Mus, Sender, Server, protocol};
use examples::BoxError;

/// What callers see.
trait Greeter {
    /// Why a call failed.
    type Error;

    /// Greets somebody.
    async fn say_hello(&self, name: &str) -> Result<String, Self::Error>;

    /// Greets somebody at greater length.
    async fn say_fancy_hello(&self, name: &str) -> Result<String, Self::Error>;
}

/// What a caller does. It does not know whether there is a network.
async fn meet<G: Greeter>(greeter: &G) -> Result<(), G::Error> {
    let greeting = greeter.say_hello("world").await?;
    println!("Result: {greeting:?}");
    Ok(())
}

// The service: the Receiver of the Commands.

struct English;

impl Greeter for English {
    type Error = Infallible;

    async fn say_hello(&self, name: &str) -> Result<String, Infallible> {
        Ok(format!("Hello {name}"))
    }

    async fn say_fancy_hello(&self, name: &str) -> Result<String, Infallible> {
        Ok(format!("Hello incredible {name}"))
    }
}

// The façade. Each method is a Command: its fields are the arguments.

#[derive(Mus)]
struct SayHello {
    #[mus(max_len = 1000)]
    name: String,
}

#[derive(Mus)]
struct SayFancyHello {
    #[mus(max_len = 1000)]
    name: String,
}

#[derive(Mus)]
struct Greeting(String);

protocol! {
    struct Greetings {
        commands { 1 => SayHello -> Greeting, 2 => SayFancyHello -> Greeting }
        replies { 1 => Greeting }
        failure close_connection
    }
}

/// To execute a Command is to call the method. It works on every `Greeter` that can be shared between tasks, but the
/// example has only one.
impl Answer<English> for SayHello {
    async fn answer(self, greeter: &English, _: &Context<'_>) -> Result<Greeting, Failed> {
        Ok(Greeting(greeter.say_hello(&self.name).await?))
    }
}

impl Answer<English> for SayFancyHello {
    async fn answer(self, greeter: &English, _: &Context<'_>) -> Result<Greeting, Failed> {
        Ok(Greeting(greeter.say_fancy_hello(&self.name).await?))
    }
}

/// To call a method is to send the Command.
struct RemoteGreeter {
    sender: Sender<Greetings, Mus>,
}

impl Greeter for RemoteGreeter {
    type Error = CallError<Infallible>;

    async fn say_hello(&self, name: &str) -> Result<String, Self::Error> {
        let Greeting(text) = self.sender.send(SayHello { name: name.into() }).await?;
        Ok(text)
    }

    async fn say_fancy_hello(&self, name: &str) -> Result<String, Self::Error> {
        let Greeting(text) = self.sender.send(SayFancyHello { name: name.into() }).await?;
        Ok(text)
    }
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    examples::run(server, client).await
}

async fn server(address: String) -> Result<Server<Greetings, Mus, English>, Error> {
    Server::bind(address, Greetings, Mus, English).await
}

async fn client(address: String) -> Result<(), BoxError> {
    let sender = examples::connect(|| Sender::connect(&address, Greetings, Mus)).await?;
    meet(&RemoteGreeter { sender }).await?;
    Ok(())
}
