//! What features cost: the same echoes through a Sender over a group, with each feature on and off, everything else alike.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use bench_harness::format::Format;
use bench_harness::lines::{Description, Load, Measure, Outcome, Request, Setting};
use bench_harness::load::{Client, Echo};
use bench_harness::participant::Adapter;
use bench_harness::rounds;
use bench_harness::workload::Value;
use cmd_stream::hooks::{About, Hooks, NoHooks, Refused};
use cmd_stream::protocol::{CommandOf, Entry};
use cmd_stream::sender::Retry;
use cmd_stream::server::{Handle, Limits, Served};
use cmd_stream::{Mus, Sender, Server, protocol};
use mus_format::Output;
use tokio::task::JoinHandle;

use super::cmd_stream::{Arrived, text};
use super::otel::{self, Records};
use super::suite_cmd_stream::Desk;

/// Each feature, off and on.
pub(crate) const VARIANTS: &[&str] = &[
    "deadlines-off",
    "deadlines-on",
    "hooks-off",
    "hooks-on",
    "tracing-off",
    "tracing-on",
    "retries-off",
    "retries-on",
];

/// A deadline that is not reached.
const DEADLINE: Duration = Duration::from_secs(30);

/// What the client sends: a value, by reference. It may be sent again.
#[derive(Debug)]
pub(crate) struct Again(&'static Value);

impl mus_format::Encode for Again {
    fn encode<O: Output + ?Sized>(&self, out: &mut O) {
        mus_format::Encode::encode(self.0, out);
    }
}

protocol! {
    struct FeaturesProtocol {
        commands { 0 => Arrived }
        replies { 0 => Value }
        failure close_connection
    }
}

protocol! {
    /// The same protocol as its client sees it.
    struct FeaturesSend {
        commands { 0 => Again -> Value }
        replies { 0 => Value }
        idempotent { Again }
        failure close_connection
    }
}

/// Counts what it is told, as the simplest hooks do that are of any use.
#[derive(Default)]
struct Counts {
    sent: AtomicU64,
    done: AtomicU64,
}

impl Hooks<FeaturesSend> for Counts {
    type Call = ();

    fn before_send<C: CommandOf<FeaturesSend>>(&self, _: &mut C, _: &'static Entry) -> Result<(), Refused> {
        self.sent.fetch_add(1, Relaxed);
        Ok(())
    }

    fn on_done(&self, (): &mut (), _: &About<'_>) {
        self.done.fetch_add(1, Relaxed);
    }
}

/// One round with a variant.
pub(crate) async fn measure(measure: &Measure, variant: &str) -> Result<Outcome, String> {
    if measure.setting.format != Format::Mus.name() {
        return Err("features are measured in MUS".to_owned());
    }
    let group = |hooks_are, timeout, attempts| Group { hooks: hooks_are, timeout, attempts };
    match variant {
        "deadlines-off" | "hooks-off" | "retries-off" => {
            rounds::measure(&group(|| NoHooks, Duration::MAX, 1), measure).await
        }
        "deadlines-on" => rounds::measure(&group(|| NoHooks, DEADLINE, 1), measure).await,
        "hooks-on" => {
            let group = Group { hooks: Counts::default, timeout: Duration::MAX, attempts: 1 };
            rounds::measure(&group, measure).await
        }
        "retries-on" => rounds::measure(&group(|| NoHooks, Duration::MAX, 3), measure).await,
        "tracing-off" => traced(measure, Records::Nothing).await,
        "tracing-on" => traced(measure, Records::Spans).await,
        _ => Err(format!("{variant} is no feature")),
    }
}

/// With the hooks and the Invoker of cmd-stream-otel. Off: no span is sampled. On: all are, and go to a receiver.
async fn traced(measure: &Measure, records: Records) -> Result<Outcome, String> {
    let Load::Closed { in_flight } = measure.load else {
        return Err("tracing is measured in a closed loop".to_owned());
    };
    let request = Request {
        format: Format::Mus,
        in_flight,
        connections: measure.connections,
        duration_ms: measure.duration_ms,
        warmup_ms: measure.warmup_ms,
    };
    otel::measure(&request, records).await.map(Outcome::from)
}

/// A Sender with one member for each connection.
struct Group<H> {
    hooks: fn() -> H,
    timeout: Duration,
    attempts: u32,
}

struct Shared<H: Hooks<FeaturesSend>>(Sender<FeaturesSend, Mus, H>);

impl<H: Hooks<FeaturesSend>> Clone for Shared<H> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<H: Hooks<FeaturesSend>> Adapter for Group<H> {
    type Client = Shared<H>;
    type Server = (Handle, JoinHandle<Served>);

    fn describe(&self) -> Description {
        Description::default()
    }

    async fn serve(&self, setting: &Setting) -> Result<(String, Self::Server), String> {
        let builder = Server::builder(FeaturesProtocol, Mus, Desk::new(setting));
        let server = builder.limits(Limits::default()).bind("127.0.0.1:0").await.map_err(text)?;
        let handle = server.handle();
        Ok((handle.local_addr().to_string(), (handle, tokio::spawn(server.serve()))))
    }

    async fn connect(&self, _: &Setting, address: &str) -> Result<Shared<H>, String> {
        let sender = Sender::builder(FeaturesSend, Mus)
            .endpoints([address])
            .clients(1)
            .minimum(1)
            .timeout(self.timeout)
            .retry(Retry::default().attempts(self.attempts))
            .hooks((self.hooks)());
        Ok(Shared(sender.connect().await.map_err(text)?))
    }

    async fn stop(&self, (handle, serving): Self::Server) -> Result<(), String> {
        handle.close();
        serving.await.map(drop).map_err(|error| error.to_string())
    }
}

impl<H: Hooks<FeaturesSend>> Echo for Shared<H> {
    async fn echo(&self, value: &'static Value) -> Result<Value, String> {
        self.0.send(Again(value)).await.map_err(|error| format!("{error:#}"))
    }
}

impl<H: Hooks<FeaturesSend>> Client for Shared<H> {}
