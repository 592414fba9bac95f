//! A real run, over TCP and with a group of two servers, whose spans and metrics go to a real OTLP receiver.

mod receiver;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use cmd_stream::protocol::kind::Plain;
use cmd_stream::sender::Retry;
use cmd_stream::server::Handle;
use cmd_stream::{Answer, Command, Context, Failed, Json, Sender, Server, protocol};
use cmd_stream_otel::{OtelHooks, OtelInvoker, Traced};
use opentelemetry::trace::{TraceContextExt, Tracer, TracerProvider};
use opentelemetry_otlp::{MetricExporter, SpanExporter, WithExportConfig};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};
use opentelemetry_sdk::trace::SdkTracerProvider;
use serde::{Deserialize, Serialize};
use tracing::Instrument;
use tracing_subscriber::layer::SubscriberExt;

use receiver::{Received, attribute};

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Get {
    key: String,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Value(String);

impl Command for Get {
    type Reply = Value;
    type Kind = Plain;
    const IDEMPOTENT: bool = true;
}

protocol! {
    struct Store {
        commands { 0 => Traced<Get> as Get }
        replies { 0 => Value }
        failure close_connection
    }
}

/// One of the two servers.
#[derive(Debug)]
struct Shelf {
    tracers: SdkTracerProvider,
    /// The next Command fails, at whichever server it is.
    fails: Arc<AtomicBool>,
    /// The next Command ends with its connection.
    hangs: Arc<AtomicBool>,
}

impl Answer<Arc<Shelf>> for Get {
    async fn answer(self, shelf: &Arc<Shelf>, context: &Context<'_>) -> Result<Value, Failed> {
        if shelf.fails.swap(false, SeqCst) {
            return Err(Failed::new("the shelf has fallen")); // which ends the connection
        }
        if shelf.hangs.swap(false, SeqCst) {
            context.closed().await;
        }
        shelf.tracers.tracer("store").in_span("look up", |_| {});
        Ok(Value(self.key))
    }
}

struct World {
    received: Received,
    tracers: SdkTracerProvider,
    meters: SdkMeterProvider,
    fails: Arc<AtomicBool>,
    hangs: Arc<AtomicBool>,
    _handles: Vec<Handle>,
    addresses: Vec<String>,
}

async fn start() -> World {
    let (endpoint, received) = receiver::start();
    let spans = SpanExporter::builder().with_tonic().with_endpoint(&endpoint).build().expect("an exporter");
    let tracers = SdkTracerProvider::builder().with_batch_exporter(spans).build();
    let metrics =
        MetricExporter::builder().with_tonic().with_endpoint(&endpoint).build().expect("an exporter");
    let meters = SdkMeterProvider::builder().with_reader(PeriodicReader::builder(metrics).build()).build();
    let (mut handles, mut addresses) = (Vec::new(), Vec::new());
    let (fails, hangs) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
    for _ in 0..2 {
        let (fails, hangs) = (Arc::clone(&fails), Arc::clone(&hangs));
        let shelf = Arc::new(Shelf { tracers: tracers.clone(), fails, hangs });
        let invoker =
            OtelInvoker::builder().tracer_provider(tracers.clone()).meter_provider(meters.clone()).build();
        let limits = cmd_stream::server::Limits::default().half_closed(Duration::from_millis(10));
        let builder = Server::builder(Store, Json, shelf).limits(limits);
        let server = builder.invoker(invoker).bind("127.0.0.1:0").await;
        let server = server.expect("a free port");
        let handle = server.handle();
        addresses.push(handle.local_addr().to_string());
        handles.push(handle);
        tokio::spawn(server.serve());
    }
    World { received, tracers, meters, fails, hangs, _handles: handles, addresses }
}

impl World {
    async fn connect(
        &self,
        retry: Retry,
    ) -> Sender<Store, Json, OtelHooks<Store, opentelemetry_sdk::trace::SdkTracer>> {
        let hooks =
            OtelHooks::builder().tracer_provider(self.tracers.clone()).meter_provider(self.meters.clone());
        let sender = Sender::builder(Store, Json).endpoints(self.addresses.iter().map(String::as_str));
        sender.retry(retry).hooks(hooks.build()).minimum(2).connect().await.expect("both servers are there")
    }

    /// What the receiver has when everything was sent to it.
    async fn exported(&self) -> Received {
        let (tracers, meters) = (self.tracers.clone(), self.meters.clone());
        let flushed =
            tokio::task::spawn_blocking(move || (tracers.force_flush(), meters.force_flush())).await;
        let (spans, metrics) = flushed.expect("it does not panic");
        spans.expect("the receiver takes spans");
        metrics.expect("the receiver takes metrics");
        self.received.clone()
    }

    /// Waits until the receiver has spans for which this holds.
    async fn wait_for(&self, holds: impl Fn(&[Span]) -> bool) -> Vec<Span> {
        testkit::wait::within(async {
            loop {
                let spans = self.exported().await.spans();
                if holds(&spans) {
                    return spans;
                }
                tokio::task::yield_now().await;
            }
        })
        .await
    }
}

fn get(key: &str) -> Traced<Get> {
    Traced::new(Get { key: key.into() })
}

fn named<'a>(spans: &'a [Span], name: &str) -> Vec<&'a Span> {
    spans.iter().filter(|span| span.name == name).collect()
}

const SEND: &str = "Send Get (trace)";
const INVOKE: &str = "Invoke Get (trace)";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_trace_goes_from_the_caller_s_span_through_both_sides_to_the_command_s_own() {
    let world = start().await;
    let sender = world.connect(Retry::OFF).await;
    let layer = tracing_opentelemetry::layer().with_tracer(world.tracers.tracer("app"));
    let subscriber = tracing_subscriber::registry().with(layer);
    let guard = tracing::subscriber::set_default(subscriber);
    let call = async { sender.send(get("a")).await };
    let span = tracing::info_span!("handle request");
    assert_eq!(call.instrument(span).await.expect("it replies"), Value("a".into()));
    drop(guard);

    let spans = world.wait_for(|spans| spans.len() >= 4).await;
    let one = |name| {
        let [span] = named(&spans, name)[..] else { panic!("{name}: {spans:#?}") };
        span
    };
    let (request, send, invoke, look_up) = (one("handle request"), one(SEND), one(INVOKE), one("look up"));
    for (child, parent) in [(send, request), (invoke, send), (look_up, invoke)] {
        assert_eq!(
            (&child.trace_id, &child.parent_span_id),
            (&parent.trace_id, &parent.span_id),
            "{}",
            child.name
        );
    }
    assert_eq!((send.kind(), invoke.kind()), (SpanKind::Client, SpanKind::Server));
    let port = |span: &Span| attribute(&span.attributes, "network.peer.port");
    assert!(
        world.addresses.iter().any(|address| address.ends_with(&format!(":{}", port(send).expect("a port"))))
    );
    assert!(port(invoke).is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_is_an_event_of_the_one_span_of_its_call_and_both_attempts_are_its_children() {
    let world = start().await;
    let sender = world.connect(Retry::default()).await;
    world.fails.store(true, SeqCst);
    assert_eq!(sender.send(get("b")).await.expect("the other server replies"), Value("b".into()));
    let is_failed = |span: &&&Span| attribute(&span.attributes, "error.type").as_deref() == Some("Error");
    let spans =
        world.wait_for(|spans| named(spans, SEND).len() == 1 && named(spans, INVOKE).len() == 2).await;
    let send = named(&spans, SEND)[0];
    let [event] = &send.events[..] else { panic!("{send:#?}") };
    assert_eq!(attribute(&event.attributes, "cmd-stream.attempt").as_deref(), Some("1"));
    assert!(attribute(&event.attributes, "cmd-stream.group.member").is_some());
    assert!(attribute(&event.attributes, "error.type").is_some());
    let attempts = named(&spans, INVOKE);
    assert!(attempts.iter().all(|span| span.parent_span_id == send.span_id), "{spans:#?}");
    assert_eq!((attempts.len(), attempts.iter().filter(is_failed).count()), (2, 1), "{attempts:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hedge_is_an_event_of_the_one_span_of_its_call_and_both_attempts_are_its_children() {
    let world = start().await;
    let sender = world.connect(Retry::default().hedge(0.5).budget(100, 1000)).await;
    for _ in 0..64 {
        sender.send(get("warm")).await.expect("both reply");
    }
    world.hangs.store(true, SeqCst);
    sender.send(get("c")).await.expect("the other server replies");
    // The server that hangs gives the Command up when its client has gone.
    drop(sender);
    // Others may have been hedged before, where one took longer than half of them.
    let is_hedged = |span: &&Span| span.events.iter().any(|event| event.name == "hedge");
    let last_hedged = |spans: &[Span]| {
        named(spans, SEND).into_iter().filter(is_hedged).max_by_key(|span| span.start_time_unix_nano).cloned()
    };
    let attempts = |spans: &[Span], send: &Span| {
        named(spans, INVOKE).into_iter().filter(|span| span.parent_span_id == send.span_id).count()
    };
    let spans = world
        .wait_for(|spans| {
            let last = last_hedged(spans).is_some_and(|send| attempts(spans, &send) == 2);
            named(spans, SEND).len() == 65 && last
        })
        .await;
    let send = last_hedged(&spans).expect("it was there");
    assert!(named(&spans, SEND).iter().all(|span| span.start_time_unix_nano <= send.start_time_unix_nano));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_arrive_with_their_units_and_in_seconds() {
    let world = start().await;
    let sender = world.connect(Retry::OFF).await;
    for _ in 0..5 {
        sender.send(get("d")).await.expect("it replies");
    }
    world.wait_for(|spans| named(spans, INVOKE).len() == 5).await;
    let metrics = world.exported().await.metrics();
    for side in ["client", "server"] {
        for (name, unit) in [
            ("command.count", "{command}"),
            ("command.size", "By"),
            ("command.duration", "s"),
            ("result.count", "{result}"),
            ("result.size", "By"),
            ("result.duration", "s"),
        ] {
            let name = format!("cmd-stream.{side}.{name}");
            let metric =
                metrics.iter().rfind(|metric| metric.name == name).unwrap_or_else(|| panic!("{name}"));
            assert_eq!(metric.unit, unit, "{name}");
            let (count, sum) = match metric.data.as_ref() {
                // Both servers have an instrument of that name, with the same attributes, which the SDK keeps as one.
                Some(Data::Sum(sum)) => {
                    let values = sum.data_points.iter().map(|point| match point.value {
                        Some(opentelemetry_proto::tonic::metrics::v1::number_data_point::Value::AsInt(
                            value,
                        )) => value,
                        ref other => panic!("{name}: {other:?}"),
                    });
                    (values.sum::<i64>().cast_unsigned(), 0.0)
                }
                Some(Data::Histogram(histogram)) => {
                    let points = &histogram.data_points;
                    (
                        points.iter().map(|point| point.count).sum(),
                        points.iter().filter_map(|point| point.sum).sum(),
                    )
                }
                other => panic!("{name}: {other:?}"),
            };
            assert_eq!(count, 5, "{name}");
            assert!(unit != "s" || (0.0..20.0).contains(&sum), "{name}: {sum} s");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_s_span_has_the_current_context_as_its_parent() {
    let world = start().await;
    let sender = world.connect(Retry::OFF).await;
    let span = world.tracers.tracer("app").start("outer");
    let context = opentelemetry::Context::new().with_span(span);
    let call =
        opentelemetry::context::FutureExt::with_context(async { sender.send(get("e")).await }, context);
    call.await.expect("it replies");
    let spans =
        world.wait_for(|spans| named(spans, "outer").len() == 1 && named(spans, INVOKE).len() == 1).await;
    assert_eq!(named(&spans, SEND)[0].parent_span_id, named(&spans, "outer")[0].span_id);
}
