//! A client that gets over the outage of its server, and does not press it meanwhile.
//!
//! ```text
//! cargo run --example resilient
//! ```
//!
//! A Sender has two connections, which reconnect, and a circuit breaker around all its calls. While the server is away, calls
//! fail. When half of the last four have failed, the breaker opens, and further calls are refused at once: nothing waits, and
//! the server is left alone. After a second the breaker lets one call through on trial. If that is answered, it closes.
//!
//! `cargo run --example resilient -- --listen 127.0.0.1:9000` is only the server. `--connect 127.0.0.1:9000` is only the
//! client: stop the server when its first message is answered, and start it again when the fourth is refused. It waits up to
//! 15 s for either. The example of the same name of the Go library speaks the same bytes, so it can be at either end.

use std::time::Duration;

use cmd_stream::circuit_breaker::{self, CircuitBreaker};
use cmd_stream::client::{Backoff, Limits, Link};
use cmd_stream::{Answer, Context, Error, ErrorKind, Failed, Json, Sender, Server, protocol};
use examples::BoxError;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep, timeout};

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

/// The breaker is a hook: it is asked before each call, and told how the call ended.
type ResilientSender = Sender<EchoService, Json, CircuitBreaker>;

/// How long the server may take to stop, and to return.
const PATIENCE: Duration = Duration::from_secs(15);

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    if std::env::args().len() > 1 {
        return examples::run(server, client).await;
    }

    // Both ends in one process.
    let first = server("127.0.0.1:0".into()).await?;
    let handle = first.handle();
    let address = handle.local_addr().to_string();
    let serving = tokio::spawn(first.serve());
    let sender = connect(&address).await?;
    before_the_outage(&sender).await?;

    eprintln!("the server goes away");
    handle.shutdown();
    serving.await?;
    during_the_outage(&sender).await?;

    let second = server_on_the_same_port(address).await?;
    eprintln!("the server is back");
    let handle = second.handle();
    let serving = tokio::spawn(second.serve());
    after_the_outage(&sender).await?;

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

async fn client(address: String) -> Result<(), BoxError> {
    let sender = connect(&address).await?;
    before_the_outage(&sender).await?;
    during_the_outage(&sender).await?;
    after_the_outage(&sender).await
}

async fn connect(address: &str) -> Result<ResilientSender, BoxError> {
    let settings = circuit_breaker::Settings::default()
        .window(4) // it looks at the last 4 calls,
        .failure_rate(0.5) // opens when half of them have failed,
        .open_time(Duration::from_secs(1)) // refuses all for a second,
        .successes(1) // and closes after one success
        .on_change(|state| println!("Circuit breaker state changed to: {state}"));
    let breaker = CircuitBreaker::new(settings);
    let connect = || {
        Sender::builder(EchoService, Json)
            .endpoints([address])
            .clients(2)
            .limits(Limits::default().connection_wait(Duration::ZERO)) // calls fail at once; 5 s by default
            .backoff(Backoff::default().longest(Duration::from_millis(200))) // 30 s by default
            .hooks(breaker.clone())
            .connect()
    };
    examples::connect(connect).await
}

async fn before_the_outage(sender: &ResilientSender) -> Result<(), BoxError> {
    let Echoed(echo) = sender.send(Echo("message1".into())).await?;
    println!(r#"Sending "message1"... Result: {echo:?}"#);
    Ok(())
}

async fn during_the_outage(sender: &ResilientSender) -> Result<(), BoxError> {
    let stopped = until(sender, |link| !matches!(link, Link::Up(_)));
    timeout(PATIENCE, stopped).await.map_err(|_| "the server has not stopped")?;
    for text in ["message2", "message3", "message4"] {
        match sender.send(Echo(text.into())).await.map_err(Error::from) {
            Ok(Echoed(echo)) => return Err(format!("{text} was answered with {echo:?}").into()),
            // The breaker. Nothing was sent.
            Err(error) if error.kind() == ErrorKind::Refused => {
                println!("Sending {text:?}... Error: {error:#}")
            }
            // `{:#}` would add the reason, which names the port.
            Err(error) => println!("Sending {text:?}... Error: {error}"),
        }
    }
    Ok(())
}

async fn after_the_outage(sender: &ResilientSender) -> Result<(), BoxError> {
    // Connecting is no call, so the breaker does not mind.
    let returned = until(sender, |link| matches!(link, Link::Up(_)));
    timeout(PATIENCE, returned).await.map_err(|_| "the server has not returned")?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        match sender.send(Echo("message5".into())).await {
            Ok(Echoed(echo)) => {
                println!(r#"Sending "message5"... Result: {echo:?}"#);
                return Ok(());
            }
            // Refused, until the breaker lets one call through on trial.
            Err(_) if Instant::now() < deadline => sleep(Duration::from_millis(20)).await,
            Err(error) => return Err(error.into()),
        }
    }
}

/// Waits until all connections of the Sender are as they should be.
async fn until(sender: &ResilientSender, is_so: impl Fn(&Link) -> bool) {
    for member in sender.group().members() {
        let Some(mut links) = sender.group().links(member.number()) else { return };
        let mut link = Some(links.current());
        // `None`: the Sender was closed.
        while link.is_some_and(|link| !is_so(&link)) {
            link = links.changed().await;
        }
    }
}
