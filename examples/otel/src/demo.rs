//! A message is answered, the server goes away and comes back, and messages are answered again.

use std::time::Duration;

use cmd_stream::circuit_breaker::{self, CircuitBreaker};
use cmd_stream::client::{Backoff, Limits as ClientLimits, Link};
use cmd_stream::server::Limits;
use cmd_stream::{Error, ErrorKind, Json, Sender};
use cmd_stream_otel::{OtelHooks, Traced};
use examples::BoxError;
use opentelemetry_sdk::trace::SdkTracer;
use tokio::time::{Instant, sleep, timeout};

use crate::service::{Greeter, Greeting, GreetingServer, Greetings, SayHello, bind};
use crate::telemetry::{Numbers, Telemetry, record_breaker};

/// The first hook surrounds the second: what the breaker refuses has a span as well, and an error in it.
type DemoSender = Sender<Greetings, Json, (OtelHooks<Greetings, SdkTracer>, CircuitBreaker)>;

/// How long the server may take to stop, and to return. Somebody may do both by hand.
const PATIENCE: Duration = Duration::from_secs(60);

/// Both ends.
pub(crate) async fn both(telemetry: &Telemetry, numbers: &Numbers) -> Result<(), BoxError> {
    let first = bind("127.0.0.1:0", Greeter::default(), Limits::default(), telemetry).await?;
    let handle = first.handle();
    let address = handle.local_addr().to_string();
    add_server(numbers, &first, "first");
    let serving = tokio::spawn(first.serve());
    let sender = connect(&address, telemetry, numbers).await?;
    before_the_outage(&sender).await?;

    eprintln!("the server goes away");
    handle.shutdown();
    serving.await?;
    during_the_outage(&sender).await?;

    let second = bind_again(&address, telemetry).await?;
    eprintln!("the server is back");
    let handle = second.handle();
    add_server(numbers, &second, "second");
    let serving = tokio::spawn(second.serve());
    after_the_outage(&sender).await?;

    let text = numbers.text();
    let lost = text.lines().find(|line| line.starts_with("cmd_stream_sender_connections_lost_total{"));
    println!("{}", lost.ok_or("there is no such metric")?);
    handle.shutdown();
    serving.await?;
    Ok(())
}

/// Only the server, until a signal asks it to end.
pub(crate) async fn listen(address: &str, telemetry: &Telemetry, numbers: &Numbers) -> Result<(), BoxError> {
    let server = bind(address, Greeter::default(), Limits::default(), telemetry).await?;
    let handle = server.handle();
    let signal = examples::signal()?; // caught from here on: whoever reads the next line may send one
    println!("listening on {}", handle.local_addr());
    add_server(numbers, &server, "only");
    let serving = tokio::spawn(server.serve());
    signal.await;
    handle.shutdown();
    serving.await?;
    Ok(())
}

/// Only the client. Stop the server when its first message is answered, and start it again when the fourth is refused.
pub(crate) async fn client(address: &str, telemetry: &Telemetry, numbers: &Numbers) -> Result<(), BoxError> {
    let sender = connect(address, telemetry, numbers).await?;
    before_the_outage(&sender).await?;
    during_the_outage(&sender).await?;
    after_the_outage(&sender).await
}

/// The numbers of two servers of one process must differ in a label.
fn add_server(numbers: &Numbers, server: &GreetingServer, name: &'static str) {
    let handle = server.handle();
    numbers.add(move || handle.stats().record(&[("server", name)]));
}

/// Somebody else may have been given the port for a moment.
async fn bind_again(address: &str, telemetry: &Telemetry) -> Result<GreetingServer, Error> {
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        match bind(address, Greeter::default(), Limits::default(), telemetry).await {
            Err(_) if Instant::now() < deadline => sleep(Duration::from_millis(20)).await,
            bound => return bound,
        }
    }
}

async fn connect(address: &str, telemetry: &Telemetry, numbers: &Numbers) -> Result<DemoSender, BoxError> {
    let settings = circuit_breaker::Settings::default()
        .window(4)
        .open_time(Duration::from_secs(1))
        .successes(1)
        .on_change(|state| println!("Circuit breaker: {state}"));
    let breaker = CircuitBreaker::new(settings);
    let connect = || {
        let hooks = OtelHooks::builder()
            .tracer_provider(telemetry.tracers.clone())
            .meter_provider(telemetry.meters.clone())
            .build();
        Sender::builder(Greetings, Json)
            .endpoints([address])
            .clients(2)
            .minimum(2)
            .limits(ClientLimits::default().connection_wait(Duration::ZERO)) // calls fail at once; 5 s by default
            .backoff(Backoff::default().longest(Duration::from_millis(200))) // 30 s by default
            .hooks((hooks, breaker.clone()))
            .connect()
    };
    let sender = examples::connect(connect).await?;
    let counted = sender.clone();
    numbers.add(move || {
        counted.stats().record(&[("sender", "demo")]);
        record_breaker(&breaker, "demo");
    });
    Ok(sender)
}

async fn before_the_outage(sender: &DemoSender) -> Result<(), BoxError> {
    let Greeting(greeting) = sender.send(hello("world")).await?;
    println!("{greeting}");
    Ok(())
}

async fn during_the_outage(sender: &DemoSender) -> Result<(), BoxError> {
    let stopped = until(sender, |link| !matches!(link, Link::Up(_)));
    timeout(PATIENCE, stopped).await.map_err(|_| "the server has not stopped")?;
    for name in ["Alice", "Bob", "Carol"] {
        match sender.send(hello(name)).await.map_err(Error::from) {
            Ok(Greeting(greeting)) => return Err(format!("there was an answer: {greeting}").into()),
            // The breaker. Nothing was sent.
            Err(error) if error.kind() == ErrorKind::Refused => println!("{name} was not greeted: {error:#}"),
            // `{:#}` would add the reason, which names the port.
            Err(error) => println!("{name} was not greeted: {error}"),
        }
    }
    Ok(())
}

async fn after_the_outage(sender: &DemoSender) -> Result<(), BoxError> {
    // Both connections, so that each was lost once.
    let returned = until(sender, |link| matches!(link, Link::Up(_)));
    timeout(PATIENCE, returned).await.map_err(|_| "the server has not returned")?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        match sender.send(hello("again, world")).await {
            Ok(Greeting(greeting)) => {
                println!("{greeting}");
                return Ok(());
            }
            // Refused, until the breaker lets one call through on trial.
            Err(_) if Instant::now() < deadline => sleep(Duration::from_millis(20)).await,
            Err(error) => return Err(error.into()),
        }
    }
}

fn hello(name: &str) -> Traced<SayHello> {
    Traced::new(SayHello(name.into()))
}

/// Waits until all connections of the Sender are as they should be.
async fn until(sender: &DemoSender, is_so: impl Fn(&Link) -> bool) {
    for member in sender.group().members() {
        let Some(mut links) = sender.group().links(member.number()) else { return };
        let mut link = Some(links.current());
        // `None`: the Sender was closed.
        while link.is_some_and(|link| !is_so(&link)) {
            link = links.changed().await;
        }
    }
}
