//! Traffic with all that a dashboard should show: Commands that fail, panic, are late or shed, a server that hangs and goes
//! away, breakers that open, limits that are reached. It goes on until a signal ends it.
//!
//! - The server `front` is always there. It takes few connections, and few Commands in flight of each.
//! - Its neighbour is as good at first, then hangs, then goes away, and comes back. It stands for another process, so its
//!   numbers are not among ours.
//! - The server `crowded` has one thread, and gets more than that can do.
//! - Nobody listens where the Sender `lonely` sends.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use cmd_stream::circuit_breaker::{self, CircuitBreaker};
use cmd_stream::client::{Backoff, Limits as ClientLimits};
use cmd_stream::group::RoundRobin;
use cmd_stream::hooks::Hooks;
use cmd_stream::sender::Retry;
use cmd_stream::server::{Handle, Limits, Served};
use cmd_stream::{Json, Sender};
use cmd_stream_otel::{OtelHooks, Traced};
use examples::BoxError;
use opentelemetry_sdk::trace::SdkTracer;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;

use crate::service::{Compute, Crash, Fail, Greeter, Greetings, Report, SayHello, Wait, bind};
use crate::telemetry::{Numbers, Telemetry, record_breaker};

type Tracing = OtelHooks<Greetings, SdkTracer>;

/// Runs until the signal.
pub(crate) async fn run(telemetry: &Telemetry, numbers: &Numbers) -> Result<(), BoxError> {
    let signal = examples::signal()?;
    let front = serve_front(telemetry, numbers).await?;
    let address = front.local_addr().to_string();
    let (first, neighbour) = (Greeter::default(), "127.0.0.1:0");
    let server = bind(neighbour, first.clone(), Limits::default(), telemetry).await?;
    let handle = server.handle();
    let neighbour = handle.local_addr().to_string();
    let serving = tokio::spawn(server.serve());
    let crowded = serve_crowded(telemetry, numbers).await?;

    let main = connect_main([&*address, &*neighbour], telemetry, numbers).await?;
    let steady = connect_steady([&*address, &*neighbour], telemetry, numbers).await?;
    let crowd = connect_crowd(&crowded, telemetry, numbers).await?;
    let lonely = connect_lonely(telemetry, numbers);
    println!("there is traffic, until a signal ends it");
    tokio::select! {
        () = signal => {}
        ended = neighbour_comes_and_goes((handle, serving), first, &neighbour, telemetry) => ended?,
        () = calls(&main) => {}
        () = steady_calls(&steady) => {}
        () = crowds(&crowd) => {}
        () = calls_to_nobody(&lonely) => {}
        ended = visits(&address) => ended?,
    }
    Ok(())
}

async fn serve_front(telemetry: &Telemetry, numbers: &Numbers) -> Result<Handle, BoxError> {
    let limits =
        Limits::default().connections(4).waiting(1, Duration::from_secs(5)).make_room(None).in_flight(4);
    let server = bind("127.0.0.1:0", Greeter::default(), limits, telemetry).await?;
    let handle = server.handle();
    let counted = handle.clone();
    numbers.add(move || counted.stats().record(&[("server", "front")]));
    tokio::spawn(server.serve());
    Ok(handle)
}

/// It has a runtime of its own, with one thread. Returns its address.
async fn serve_crowded(telemetry: &Telemetry, numbers: &Numbers) -> Result<String, BoxError> {
    let limits = Limits::default().shed_after(Duration::from_millis(5));
    let (told, address) = tokio::sync::oneshot::channel();
    let telemetry = Telemetry { tracers: telemetry.tracers.clone(), meters: telemetry.meters.clone() };
    let numbers = numbers.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::spawn(move || {
        runtime.block_on(async {
            let server = bind("127.0.0.1:0", Greeter::default(), limits, &telemetry).await?;
            let handle = server.handle();
            let _ = told.send(handle.local_addr().to_string());
            numbers.add(move || handle.stats().record(&[("server", "crowded")]));
            server.serve().await;
            Ok::<_, cmd_stream::Error>(())
        })
    });
    Ok(address.await?)
}

async fn connect_main(
    servers: [&str; 2],
    telemetry: &Telemetry,
    numbers: &Numbers,
) -> Result<Sender<Greetings, Json, Tracing>, BoxError> {
    let breaker =
        circuit_breaker::Settings::default().window(4).open_time(Duration::from_secs(1)).successes(1);
    let sender = Sender::builder(Greetings, Json)
        .endpoints(servers)
        .minimum(2)
        .breaker(breaker)
        .backoff(quick())
        .retry(Retry::default().hedge(0.9).budget(100, 1000))
        .hooks(hooks(telemetry))
        .connect()
        .await?;
    add_sender(numbers, &sender, "main");
    Ok(sender)
}

/// It has neither a breaker nor hedges, and every second call goes to the neighbour. So there are some when that goes away, and
/// they are sent again.
async fn connect_steady(
    servers: [&str; 2],
    telemetry: &Telemetry,
    numbers: &Numbers,
) -> Result<Sender<Greetings, Json, Tracing>, BoxError> {
    let builder = Sender::builder(Greetings, Json).endpoints(servers).minimum(2).backoff(quick());
    let sender = builder.strategy(RoundRobin::default()).hooks(hooks(telemetry)).connect().await?;
    add_sender(numbers, &sender, "steady");
    Ok(sender)
}

async fn connect_crowd(
    server: &str,
    telemetry: &Telemetry,
    numbers: &Numbers,
) -> Result<Sender<Greetings, Json, Tracing>, BoxError> {
    let limits = ClientLimits::default().in_flight(64);
    let builder = Sender::builder(Greetings, Json).endpoints([server]).limits(limits);
    let sender = builder.hooks(hooks(telemetry)).connect().await?;
    add_sender(numbers, &sender, "crowd");
    Ok(sender)
}

fn connect_lonely(
    telemetry: &Telemetry,
    numbers: &Numbers,
) -> Sender<Greetings, Json, (Tracing, CircuitBreaker)> {
    let breaker = CircuitBreaker::new(circuit_breaker::Settings::default().window(4));
    let limits = ClientLimits::default().connection_wait(Duration::ZERO);
    let builder = Sender::builder(Greetings, Json).endpoints(["127.0.0.1:1"]).limits(limits).backoff(quick());
    let sender = builder.hooks((hooks(telemetry), breaker.clone())).connect_lazy();
    add_sender(numbers, &sender, "lonely");
    numbers.add(move || record_breaker(&breaker, "lonely"));
    sender
}

fn hooks(telemetry: &Telemetry) -> Tracing {
    let tracers = OtelHooks::builder().tracer_provider(telemetry.tracers.clone());
    tracers.meter_provider(telemetry.meters.clone()).build()
}

fn quick() -> Backoff {
    Backoff::default().longest(Duration::from_millis(200))
}

fn add_sender<H: Hooks<Greetings>>(
    numbers: &Numbers,
    sender: &Sender<Greetings, Json, H>,
    name: &'static str,
) {
    let sender = sender.clone();
    numbers.add(move || sender.stats().record(&[("sender", name)]));
}

/// It is well for a second, hangs for another, and is away for a third.
async fn neighbour_comes_and_goes(
    (mut handle, mut serving): (Handle, JoinHandle<Served>),
    mut greeter: Greeter,
    address: &str,
    telemetry: &Telemetry,
) -> Result<(), BoxError> {
    loop {
        sleep(Duration::from_secs(1)).await;
        greeter.delay.store(400, Relaxed);
        sleep(Duration::from_secs(1)).await;
        handle.close();
        serving.await?;
        sleep(Duration::from_secs(1)).await;
        greeter = Greeter::default();
        // Somebody else may have been given the port for a moment.
        let server = loop {
            match bind(address, greeter.clone(), Limits::default(), telemetry).await {
                Ok(server) => break server,
                Err(_) => sleep(Duration::from_millis(20)).await,
            }
        };
        (handle, serving) = (server.handle(), tokio::spawn(server.serve()));
    }
}

/// Some of all. Its errors are what the dashboard shows.
async fn calls(sender: &Sender<Greetings, Json, Tracing>) {
    let mut running = JoinSet::new();
    for round in 0_u64.. {
        for name in ["Alice", "Bob", "Carol"] {
            let sender = sender.clone();
            running.spawn(async move { drop(sender.send(Traced::new(SayHello(name.into()))).await) });
        }
        for millis in 1..=8 {
            let sender = sender.clone();
            let patience = Duration::from_millis(150);
            running.spawn(async move { drop(sender.send(Wait(millis)).timeout(patience).await) });
        }
        let sender = sender.clone();
        running.spawn(async move {
            match round % 10 {
                0 | 4 => drop(sender.send(Report).await),
                1 => drop(sender.send(Crash).await),
                3 => drop(tokio::time::timeout(Duration::from_millis(2), sender.send(Wait(20))).await),
                _ => drop(sender.send(Fail).await),
            }
        });
        sleep(Duration::from_millis(50)).await;
        while running.try_join_next().is_some() {}
    }
}

/// Twenty per second.
async fn steady_calls(sender: &Sender<Greetings, Json, Tracing>) {
    let mut running = JoinSet::new();
    loop {
        let sender = sender.clone();
        running.spawn(async move { drop(sender.send(Traced::new(SayHello("Dave".into()))).await) });
        sleep(Duration::from_millis(50)).await;
        while running.try_join_next().is_some() {}
    }
}

/// A hundred at once, each second.
async fn crowds(sender: &Sender<Greetings, Json, Tracing>) {
    loop {
        let mut crowd = JoinSet::new();
        for _ in 0..100 {
            let sender = sender.clone();
            crowd.spawn(async move { drop(sender.send(Compute(6)).await) });
        }
        crowd.join_all().await;
        sleep(Duration::from_millis(500)).await;
    }
}

async fn calls_to_nobody(sender: &Sender<Greetings, Json, (Tracing, CircuitBreaker)>) {
    loop {
        drop(sender.send(Traced::new(SayHello("is anybody there?".into()))).await);
        sleep(Duration::from_millis(50)).await;
    }
}

/// Connections that send nothing, or no Commands: two find a place, one waits, one is refused.
async fn visits(address: &str) -> Result<(), BoxError> {
    loop {
        let mut visitors = Vec::new();
        for _ in 0..4 {
            visitors.push(TcpStream::connect(address).await?);
        }
        sleep(Duration::from_secs(2)).await;
        // It has no such Command. The server may have closed the connection before.
        let _ = visitors[0].write_all(&[2, 0x7e]).await;
        sleep(Duration::from_millis(100)).await;
    }
}
