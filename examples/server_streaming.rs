//! A greeter that answers one Command with several Replies.
//!
//! ```text
//! cargo run --example server_streaming
//! ```
//!
//! A Command may send any number of Replies before its last one. The Reply itself says which one is the last: both ends
//! ask its `is_last`, as the wire has no flag for it. Such a Command implements `Execute` instead of `Answer`, and sends
//! its Replies through a `Proxy`. The client calls `stream` instead of `send`, and takes the Replies as they come: it can
//! read the first one while the server still works on the second. Command and Replies are in MUS, as in `hello_world`.
//!
//! `cargo run --example server_streaming -- --listen 127.0.0.1:9000` is only the server, and `--connect 127.0.0.1:9000`
//! only the client. The example of the same name of the Go library speaks the same bytes, so it can be at either end.

use cmd_stream::mus::Mus;
use cmd_stream::{Error, Execute, Failed, Mus, Proxy, Reply, Sender, Server, protocol};
use examples::BoxError;

/// The Receiver.
struct Greeter;

impl Greeter {
    fn words(&self, name: String) -> [String; 3] {
        ["Hello".into(), "incredible".into(), name]
    }
}

/// Asks to greet somebody, by name.
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

impl Execute<Greeter> for SayFancyHello {
    async fn execute(self, greeter: &Greeter, proxy: Proxy<'_, Greeting>) -> Result<(), Failed> {
        let mut words = greeter.words(self.0).into_iter().peekable();
        while let Some(message) = words.next() {
            // It waits while too much output is unsent, so a long stream does not fill the server's memory.
            proxy.send(Greeting { message, last: words.peek().is_none() }).await?;
        }
        Ok(())
    }
}

protocol! {
    /// One Command, answered with any number of Replies of one type.
    struct Greetings {
        commands { 1 => SayFancyHello -> Greeting }
        replies { 1 => Greeting }
        failure close_connection
    }
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    examples::run(server, client).await
}

async fn server(address: String) -> Result<Server<Greetings, Mus, Greeter>, Error> {
    Server::bind(address, Greetings, Mus, Greeter).await
}

async fn client(address: String) -> Result<(), BoxError> {
    let sender = examples::connect(|| Sender::connect(&address, Greetings, Mus)).await?;

    let mut greetings = sender.stream(SayFancyHello("world".into())).await?;
    // The stream ends after the last Reply, or with an error that says why there are no more.
    while let Some(greeting) = greetings.next().await {
        println!("{}", greeting?.message);
    }
    Ok(())
}
