//! The service: a greeter, and Commands that have all that can go wrong.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use cmd_stream::protocol::kind::Plain;
use cmd_stream::server::{Direct, Limits, Server, Stack};
use cmd_stream::{Answer, Command, Context, Error, Failed, Json, Problem, protocol};
use cmd_stream_otel::{OtelInvoker, Traced};
use opentelemetry_sdk::trace::SdkTracer;
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use crate::telemetry::Telemetry;

#[derive(Clone, Default)]
pub(crate) struct Greeter {
    /// How long each Command waits beside its own time, in milliseconds.
    pub(crate) delay: Arc<AtomicU64>,
}

/// It carries the context of its trace.
#[derive(Serialize, Deserialize)]
pub(crate) struct SayHello(pub(crate) String);

/// Takes so many milliseconds, and waits in them.
#[derive(Serialize, Deserialize)]
pub(crate) struct Wait(pub(crate) u64);

/// Takes so many milliseconds, and keeps its thread busy in them.
#[derive(Serialize, Deserialize)]
pub(crate) struct Compute(pub(crate) u64);

/// Takes longer than anybody likes.
#[derive(Serialize, Deserialize)]
pub(crate) struct Report;

/// Fails.
#[derive(Serialize, Deserialize)]
pub(crate) struct Fail;

/// Panics.
#[derive(Serialize, Deserialize)]
pub(crate) struct Crash;

#[derive(Serialize, Deserialize)]
pub(crate) struct Greeting(pub(crate) String);

impl Command for SayHello {
    type Reply = Greeting;
    type Kind = Plain;
    const IDEMPOTENT: bool = true;
}

protocol! {
    pub(crate) struct Greetings {
        commands {
            0 => Traced<SayHello> as SayHello,
            1 => Wait -> Greeting,
            2 => Compute -> Greeting,
            3 => Report -> Greeting,
            4 => Fail -> Greeting,
            5 => Crash -> Greeting,
        }
        replies { 0 => Greeting, 1 => Problem }
        failure Problem
    }
}

impl Greeter {
    async fn waits(&self, millis: u64) -> Greeting {
        sleep(Duration::from_millis(millis + self.delay.load(Relaxed))).await;
        Greeting("there it is".into())
    }
}

impl Answer<Greeter> for SayHello {
    async fn answer(self, greeter: &Greeter, _: &Context<'_>) -> Result<Greeting, Failed> {
        let delay = greeter.delay.load(Relaxed);
        if delay > 0 {
            sleep(Duration::from_millis(delay)).await;
        }
        Ok(Greeting(format!("Hello {}", self.0)))
    }
}

impl Answer<Greeter> for Wait {
    async fn answer(self, greeter: &Greeter, _: &Context<'_>) -> Result<Greeting, Failed> {
        Ok(greeter.waits(self.0).await)
    }
}

impl Answer<Greeter> for Compute {
    async fn answer(self, _: &Greeter, _: &Context<'_>) -> Result<Greeting, Failed> {
        // What a real service must not do. Here it stands for a Command that computes.
        std::thread::sleep(Duration::from_millis(self.0));
        Ok(Greeting("42".into()))
    }
}

impl Answer<Greeter> for Report {
    async fn answer(self, greeter: &Greeter, _: &Context<'_>) -> Result<Greeting, Failed> {
        Ok(greeter.waits(1200).await)
    }
}

impl Answer<Greeter> for Fail {
    async fn answer(self, _: &Greeter, _: &Context<'_>) -> Result<Greeting, Failed> {
        Err(Failed::new(Problem::new(Problem::NOT_FOUND, "nobody has this name")))
    }
}

impl Answer<Greeter> for Crash {
    async fn answer(self, _: &Greeter, _: &Context<'_>) -> Result<Greeting, Failed> {
        panic!("a Command of the example panics, as it is asked to");
    }
}

/// A server whose Commands have spans and metrics.
pub(crate) type GreetingServer =
    Server<Greetings, Json, Greeter, Stack<Direct, OtelInvoker<Greetings, SdkTracer>>>;

pub(crate) async fn bind(
    address: &str,
    greeter: Greeter,
    limits: Limits,
    telemetry: &Telemetry,
) -> Result<GreetingServer, Error> {
    let invoker = OtelInvoker::builder()
        .tracer_provider(telemetry.tracers.clone())
        .meter_provider(telemetry.meters.clone())
        .build();
    Server::builder(Greetings, Json, greeter).limits(limits).invoker(invoker).bind(address).await
}
