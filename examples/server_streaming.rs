//! A greeter that answers one Command with several Replies.
//!
//! ```text
//! cargo run --example server_streaming
//! ```
//!
//! A Command may send any number of Replies before its last one. Which one that is, the Reply itself knows: its
//! `is_last` says so, and nothing else on the wire does. The client calls `stream` instead of `send`, and takes the
//! Replies as they come; it can read the first one while the server still works on the second. Command and Replies are
//! in MUS, as in `hello_world`.
//!
//! `cargo run --example server_streaming -- --listen 127.0.0.1:9000` is only the server, and `--connect 127.0.0.1:9000`
//! only the client. The example of the same name of the Go library speaks the same bytes, so it can be at either end.

use cmd_stream::{Command, Error, Execute, Failed, Mus, Proxy, Reply, Sender, Server, protocol};
use examples::Failure;
use mus_format::Mus;

/// The Receiver.
struct Greeter;

impl Greeter {
    fn words(&self, name: String) -> [String; 3] {
        ["Hello".into(), "incredible".into(), name]
    }
}

/// The name of whom to greet.
#[derive(Mus)]
struct SayFancyHello(String);

/// One word of the greeting.
#[derive(Mus)]
struct Greeting {
    message: String,
    last: bool,
}

impl Reply for Greeting {
    fn is_last(&self) -> bool {
        self.last
    }
}

impl Command for SayFancyHello {
    type Reply = Greeting;
}

impl Execute<Greeter> for SayFancyHello {
    async fn execute(self, greeter: &Greeter, proxy: Proxy<'_, Greeting>) -> Result<(), Failed> {
        let mut words = greeter.words(self.0).into_iter().peekable();
        while let Some(message) = words.next() {
            // It waits while the client takes nothing, so a long stream does not fill the server's memory.
            proxy.send(Greeting { message, last: words.peek().is_none() }).await?;
        }
        Ok(())
    }
}

protocol! {
    /// Which Commands and Replies there are, and what each is on the wire.
    struct Greetings {
        commands { 1 => SayFancyHello }
        replies { 1 => Greeting }
    }
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    examples::run(server, client).await
}

async fn server(address: String) -> Result<Server<Greetings, Mus, Greeter>, Error> {
    Server::bind(address, Greetings, Mus, Greeter).await
}

async fn client(address: String) -> Result<(), Failure> {
    let sender = examples::connect(|| Sender::connect(&address, Greetings, Mus)).await?;

    let mut greetings = sender.stream(SayFancyHello("world".into())).await?;
    // It ends after the last Reply, or with an error that says why there are no more.
    while let Some(greeting) = greetings.next().await {
        println!("{}", greeting?.message);
    }
    Ok(())
}
