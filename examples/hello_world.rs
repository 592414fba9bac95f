//! A greeter: two Commands, one Reply, MUS on the wire.
//!
//! ```text
//! cargo run --example hello_world
//! ```
//!
//! MUS is the smallest and the fastest of the Formats: a value is the bytes of its fields in their order and nothing
//! else, so both ends must agree on what those are. Any type that derives `Mus` can be a Command or a Reply.
//! `SayHelloCmd("world")`, the first Command of a connection, and its Reply are these bytes:
//!
//! ```text
//! 01 01 05 77 6f 72 6c 64                    01 01 0b 48 65 6c 6c 6f 20 77 6f 72 6c 64
//! │  │  │  └ world                           │  │  │  └ Hello world
//! │  │  └ the length, a varint               │  │  └ the length
//! │  └ the tag: which Command it is          │  └ the tag: which Reply it is
//! └ seq: the number of the Command           └ seq: the Command that it answers
//! ```
//!
//! `cargo run --example hello_world -- --listen 127.0.0.1:9000` is only the server, and `--connect 127.0.0.1:9000` only
//! the client. The example of the same name of the Go library speaks the same bytes, so it can be at either end.

use cmd_stream::{Command, Error, Execute, Failed, Mus, Proxy, Reply, Sender, Server, protocol};
use examples::Failure;
use mus_format::Mus;

/// The Receiver: the service that Commands act on. It knows nothing of the network.
struct Greeter;

impl Greeter {
    fn greet(&self, words: &[&str]) -> Greeting {
        Greeting(words.join(" "))
    }
}

// Commands and their Reply: plain values that both ends share. (`Mus` is the name of the derive here, and below of the
// Format.)

/// Asks to greet somebody. A longer name is not sent: the call fails. And it is not received: the server closes the
/// connection as soon as it has read the length.
#[derive(Mus)]
struct SayHelloCmd(#[mus(max_len = 1000)] String);

/// Asks for more than that.
#[derive(Mus)]
struct SayFancyHelloCmd(#[mus(max_len = 1000)] String);

#[derive(Mus)]
struct Greeting(String);

impl Reply for Greeting {}

impl Command for SayHelloCmd {
    type Reply = Greeting;
}

impl Command for SayFancyHelloCmd {
    type Reply = Greeting;
}

// How a Command acts on the Receiver: only the server needs this.

impl Execute<Greeter> for SayHelloCmd {
    async fn execute(self, greeter: &Greeter, proxy: Proxy<'_, Greeting>) -> Result<(), Failed> {
        proxy.send(greeter.greet(&["Hello", &self.0])).await
    }
}

impl Execute<Greeter> for SayFancyHelloCmd {
    async fn execute(self, greeter: &Greeter, proxy: Proxy<'_, Greeting>) -> Result<(), Failed> {
        proxy.send(greeter.greet(&["Hello", "incredible", &self.0])).await
    }
}

protocol! {
    /// Which Commands and Replies there are, and what each is on the wire.
    struct Greetings {
        commands { 1 => SayHelloCmd, 2 => SayFancyHelloCmd }
        replies { 1 => Greeting }
    }
}

// Both ends name the Protocol and the Format. `examples::run` reads the command line and starts what it asks for: the
// server serves until it is told to shut down, the client makes its calls.

#[tokio::main]
async fn main() -> Result<(), Failure> {
    examples::run(server, client).await
}

async fn server(address: String) -> Result<Server<Greetings, Mus, Greeter>, Error> {
    Server::bind(address, Greetings, Mus, Greeter).await
}

async fn client(address: String) -> Result<(), Failure> {
    let sender = examples::connect(|| Sender::connect(&address, Greetings, Mus)).await?;

    let Greeting(greeting) = sender.send(SayHelloCmd("world".into())).await?;
    println!("{greeting}");
    let Greeting(greeting) = sender.send(SayFancyHelloCmd("world".into())).await?;
    println!("{greeting}");
    Ok(())
}
