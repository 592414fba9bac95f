//! A client that gets over the loss of its connection.
//!
//! ```text
//! cargo run --example reconnect
//! ```
//!
//! The server goes away for a second and comes back. Meanwhile the client tries to connect again, with pauses between its
//! attempts. A Command that is sent in this time waits for the next connection.
//!
//! `cargo run --example reconnect -- --listen 127.0.0.1:9000` is only the server. `--connect 127.0.0.1:9000` is only the
//! client: it sends a Command every 200 ms, for 10 s or for `--seconds N`. Stop the server meanwhile and start it again!
//! The client says when the connection is lost and when it is back, waits up to 10 s for the server, and exits with 0 if
//! every Command was answered in the end. The example of the same name of the Go library speaks the same bytes, so it can
//! be at either end.

use std::time::Duration;

use cmd_stream::client::{Backoff, Limits, Link, Links};
use cmd_stream::{Answer, Client, Context, Error, Failed, Json, Server, protocol};
use examples::BoxError;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

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

/// How long a Command may take, with all the times it is sent. The server may be away for 10 s of it. The rest is for the
/// next attempt to connect, whose pause is a second at most, and for the Reply.
const PATIENCE: Duration = Duration::from_secs(15);

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    if std::env::args().len() > 1 {
        return examples::run_with(&["--seconds"], server, client).await;
    }

    // Both ends in one process.
    let first = server("127.0.0.1:0".into()).await?;
    let handle = first.handle();
    let address = handle.local_addr().to_string();
    let serving = tokio::spawn(first.serve());
    let client = connect(&address).await?;

    eprintln!("the server goes away");
    handle.shutdown();
    serving.await?;
    let restarting = tokio::spawn(async move {
        sleep(Duration::from_secs(1)).await;
        let second = server_on_the_same_port(address).await?;
        eprintln!("the server is back");
        let handle = second.handle();
        Ok::<_, Error>((handle, tokio::spawn(second.serve())))
    });

    // Nobody listens now. The Command waits.
    say(&client, "message").await?;

    let (handle, serving) = restarting.await??;
    handle.shutdown();
    serving.await?;
    Ok(())
}

async fn server(address: String) -> Result<Server<EchoService, Json, Service>, Error> {
    Server::bind(address, EchoService, Json, Service).await
}

/// Somebody else may have been given the port for a moment.
async fn server_on_the_same_port(address: String) -> Result<Server<EchoService, Json, Service>, Error> {
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        match server(address.clone()).await {
            Err(_) if Instant::now() < deadline => sleep(Duration::from_millis(20)).await,
            bound => return bound,
        }
    }
}

/// Makes a client. It reconnects by default, after any loss, until it is closed. What is set here is how long that may
/// take.
async fn connect(address: &str) -> Result<Client<EchoService, Json>, BoxError> {
    let connect = || {
        Client::builder(EchoService, Json)
            .limits(Limits::default().connection_wait(PATIENCE)) // 5 s by default
            .backoff(Backoff::default().longest(Duration::from_secs(1))) // 30 s by default
            .connect(address)
    };
    examples::connect(connect).await
}

/// What a client does that is started with `--connect`.
async fn client(address: String) -> Result<(), BoxError> {
    let seconds = match examples::option("--seconds")? {
        Some(seconds) => seconds.parse()?,
        None => 10,
    };
    let client = connect(&address).await?;
    tokio::spawn(tell(client.links()));

    let end = Instant::now() + Duration::from_secs(seconds);
    let mut ticks = interval(Duration::from_millis(200));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await; // the first one does not wait
        say(&client, "message").await?;
        if Instant::now() >= end {
            return Ok(());
        }
    }
}

/// Sends a Command until it is answered.
async fn say(client: &Client<EchoService, Json>, text: &str) -> Result<(), BoxError> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match client.send(Echo(text.into())).deadline(deadline).await {
            Ok(Echoed(echo)) => {
                println!("Sending {text:?}... Result: {echo:?}");
                return Ok(());
            }
            // The connection was lost before the Reply came, and nobody knows if the Command was executed. An echo may be
            // executed twice, so it is sent again. There is no need to pause here: the client pauses before it connects.
            Err(error) if error.was_sent() && Instant::now() < deadline => {
                println!("Sending {text:?}... lost, sending it again");
            }
            // It was not executed: there was no connection in time. An application may send it again as well.
            Err(error) => return Err(error.into()),
        }
    }
}

/// Says when the connection is lost, and when it is back.
async fn tell(mut links: Links) {
    let mut is_up = true;
    while let Some(link) = links.changed().await {
        match link {
            Link::Down { reason, .. } if is_up => {
                println!("connection lost: {reason:#}");
                is_up = false;
            }
            Link::Up(peer) if !is_up => {
                println!("connection back: {peer}");
                is_up = true;
            }
            _ => {} // another attempt, or another one that failed
        }
    }
}
