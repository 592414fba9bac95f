//! A connection that stays open while nobody has anything to say.
//!
//! ```text
//! cargo run --example keepalive
//! ```
//!
//! The server closes a connection on which nothing arrives for 500 ms. The client sends a ping, a single byte, when it
//! has sent nothing for 200 ms, and the server answers it. So the connection outlasts a second of silence. The client
//! also learns that way when a server is dead that never closed the connection.
//!
//! `cargo run --example keepalive -- --listen 127.0.0.1:9000` is only the server, and `--connect 127.0.0.1:9000` only the
//! client. The example of the same name of the Go library speaks the same bytes, so it can be at either end.

use std::time::Duration;

use cmd_stream::client::Keepalive;
use cmd_stream::server::Limits;
use cmd_stream::{Answer, Client, Context, Error, Failed, Json, Server, protocol};
use examples::BoxError;
use serde::{Deserialize, Serialize};

// The service: a text that is sent back.

struct Service;

#[derive(Serialize, Deserialize)]
struct Echo(String);

#[derive(Serialize, Deserialize)]
struct Echoed(String);

impl Answer<Service> for Echo {
    async fn answer(self, _: &Service, _: &Context<'_>) -> Result<Echoed, Failed> {
        Ok(Echoed(self.0))
    }
}

protocol! {
    struct EchoService {
        commands { 0 => Echo -> Echoed }
        replies { 0 => Echoed }
        failure close_connection
    }
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    examples::run(server, client).await
}

async fn server(address: String) -> Result<Server<EchoService, Json, Service>, Error> {
    let limits = Limits::default().idle(Duration::from_millis(500)); // off by default
    Server::builder(EchoService, Json, Service).limits(limits).bind(address).await
}

async fn client(address: String) -> Result<(), BoxError> {
    let connect = || {
        Client::builder(EchoService, Json)
            .keepalive(Keepalive::default().idle(Duration::from_millis(200))) // the default is 10 s
            .reconnect(false) // only for this example: a connection that was closed would be replaced, and nobody would see it
            .connect(&address)
    };
    let client = examples::connect(connect).await?;

    say(&client, "one").await?;
    println!("Ping-Pong time...");
    tokio::time::sleep(Duration::from_secs(1)).await;
    say(&client, "two").await
}

async fn say(client: &Client<EchoService, Json>, text: &str) -> Result<(), BoxError> {
    let Echoed(echo) = client.send(Echo(text.into())).await?;
    println!("Sending {text:?}... Result: {echo:?}");
    Ok(())
}
