//! A greeter: two Commands and one Reply, with MUS on the wire.
//!
//! ```text
//! cargo run --example hello_world
//! ```
//!
//! MUS is the smallest and the fastest of the Formats: a value is the bytes of its fields, in their order, and nothing
//! else. So both ends must agree on what the fields are. Any type that derives `Mus` can be a Command or a Reply.
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
//! For its sake both ends keep the default `ServerInfo`. A service of your own had better greet with
//! `ServerInfo::of::<Greetings, Mus>()`: then a client with other fields is refused when it connects, instead of reading
//! one field as another.

use cmd_stream::mus::Mus;
use cmd_stream::{Answer, Context, Error, Failed, Mus, Sender, Server, protocol};
use examples::BoxError;

/// The Receiver: the service that Commands act on. It knows nothing of the network.
struct Greeter;

impl Greeter {
    fn greet(&self, words: &[&str]) -> String {
        words.join(" ")
    }
}

// Commands and their Reply: plain values that both ends share. `Mus` is the name of the derive here, which comes from
// `cmd_stream::mus`, and of the Format below.

/// Asks to greet somebody, by a name of at most 1000 bytes. A longer one is not sent: the call fails. Nor is it
/// received: the server closes the connection as soon as it has read the length.
#[derive(Mus)]
struct SayHelloCmd(#[mus(max_len = 1000)] String);

/// Asks for a longer greeting.
#[derive(Mus)]
struct SayFancyHelloCmd(#[mus(max_len = 1000)] String);

#[derive(Mus)]
struct Greeting(String);

protocol! {
    /// Which Commands and Replies there are, which Reply answers which Command, and what each is on the wire. These
    /// Commands never fail. If one did, its connection would be closed, as it is with the Go library; `calc_json` shows
    /// how to answer with a failure instead.
    struct Greetings {
        commands { 1 => SayHelloCmd -> Greeting, 2 => SayFancyHelloCmd -> Greeting }
        replies { 1 => Greeting }
        failure close_connection
    }
}

// How a Command acts on the Receiver: only the server needs this.

impl Answer<Greeter> for SayHelloCmd {
    async fn answer(self, greeter: &Greeter, _: &Context<'_>) -> Result<Greeting, Failed> {
        Ok(Greeting(greeter.greet(&["Hello", &self.0])))
    }
}

impl Answer<Greeter> for SayFancyHelloCmd {
    async fn answer(self, greeter: &Greeter, _: &Context<'_>) -> Result<Greeting, Failed> {
        Ok(Greeting(greeter.greet(&["Hello", "incredible", &self.0])))
    }
}

// Both ends name the Protocol and the Format. `examples::run` reads the command line and starts what it asks for: the
// server serves until it is told to shut down, the client makes its calls.

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    examples::run(server, client).await
}

async fn server(address: String) -> Result<Server<Greetings, Mus, Greeter>, Error> {
    Server::bind(address, Greetings, Mus, Greeter).await
}

async fn client(address: String) -> Result<(), BoxError> {
    let sender = examples::connect(|| Sender::connect(&address, Greetings, Mus)).await?;

    let Greeting(greeting) = sender.send(SayHelloCmd("world".into())).await?;
    println!("{greeting}");
    let Greeting(greeting) = sender.send(SayFancyHelloCmd("world".into())).await?;
    println!("{greeting}");
    Ok(())
}
