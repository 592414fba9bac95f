//! A sampler that hooks and Invoker ask before the tracer provider: what it drops has no span, and others are told of it as the
//! SDK would tell them.

mod common;

use std::sync::{Arc, Mutex};

use cmd_stream::hooks::{Hooks, Refused};
use cmd_stream::protocol::kind::Plain;
use cmd_stream::protocol::{CommandOf, Entry, Protocol};
use cmd_stream::transport::memory;
use cmd_stream::{Answer, Command, Failed, Mus, Sender, Server, protocol};
use cmd_stream_otel::{HooksBuilder, InvokerBuilder, OtelHooks, OtelInvoker, Traced};
use mus_format::Mus as MusDerive;
use opentelemetry::trace::{
    Link, SpanContext, SpanId, SpanKind, TraceContextExt, TraceFlags, TraceId, TraceState, Tracer,
    TracerProvider,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{
    Sampler, SamplingDecision, SamplingResult, SdkTracer, SdkTracerProvider, ShouldSample,
};

use common::Exported;

/// Asks what the current context of the Command is, and lets it make a span.
#[derive(Clone, PartialEq, Debug, MusDerive)]
struct Look {}

#[derive(Clone, PartialEq, Debug, MusDerive)]
struct Seen {
    trace: String,
    span: String,
    is_sampled: bool,
    is_remote: bool,
}

impl Command for Look {
    type Reply = Seen;
    type Kind = Plain;
}

protocol! {
    struct Looks {
        commands { 0 => Traced<Look> as Look, 1 => Look as PlainLook }
        replies { 0 => Seen }
        failure close_connection
    }
}

struct Desk(SdkTracerProvider);

impl Answer<Desk> for Look {
    async fn answer(self, desk: &Desk, _: &cmd_stream::Context<'_>) -> Result<Seen, Failed> {
        desk.0.tracer("desk").in_span("inner", |_| {});
        let current = Context::current();
        let (span, hex) =
            (current.span(), |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect());
        let of = span.span_context();
        let (trace, span) = (hex(&of.trace_id().to_bytes()), hex(&of.span_id().to_bytes()));
        Ok(Seen { trace, span, is_sampled: of.is_sampled(), is_remote: of.is_remote() })
    }
}

/// Keeps the `traceparent` of each Command that is sent.
#[derive(Clone, Default)]
struct Sent(Arc<Mutex<Vec<Option<String>>>>);

impl<P: Protocol> Hooks<P> for Sent {
    type Call = ();

    fn before_send<C: CommandOf<P>>(&self, command: &mut C, _: &'static Entry) -> Result<(), Refused> {
        let carried = command.metadata().and_then(|metadata| metadata.get("traceparent").map(str::to_owned));
        self.0.lock().expect("nobody panics").push(carried);
        Ok(())
    }
}

struct World {
    client: Exported,
    server: Exported,
    sent: Sent,
    sender: Sender<Looks, Mus, (OtelHooks<Looks, SdkTracer>, Sent)>,
}

type Client = HooksBuilder<Looks, SdkTracerProvider>;
type Service = InvokerBuilder<Looks, SdkTracerProvider>;

/// Both providers sample what they are asked for, but for what has a parent that is not sampled.
async fn start(client_side: fn(Client) -> Client, server_side: fn(Service) -> Service) -> World {
    let (client, server, sent) = (Exported::new(), Exported::new(), Sent::default());
    let invoker =
        OtelInvoker::builder().tracer_provider(server.tracers.clone()).meter_provider(server.meters.clone());
    let (connector, listener) = memory::pair();
    let serving = Server::builder(Looks, Mus, Desk(server.tracers.clone()))
        .invoker(server_side(invoker).build())
        .listen(listener)
        .expect("in memory");
    tokio::spawn(serving.serve());
    let hooks =
        OtelHooks::builder().tracer_provider(client.tracers.clone()).meter_provider(client.meters.clone());
    let hooks = (client_side(hooks).build(), sent.clone());
    let sender = Sender::builder(Looks, Mus).endpoints(["looks:1"]).hooks(hooks);
    let sender = sender.connect_by(move |_| connector.clone()).await.expect("the server is there");
    World { client, server, sent, sender }
}

impl World {
    async fn look(&self) -> Seen {
        self.sender.send(Traced::new(Look {})).await.expect("it is answered")
    }

    fn last_sent(&self) -> Option<String> {
        self.sent.0.lock().expect("nobody panics").last().cloned().flatten()
    }

    /// How many spans there are on the client, and on the server.
    fn spans(&self) -> [usize; 2] {
        [self.client.spans().len(), self.server.spans().len()]
    }
}

/// A span of somebody else's, as the parent.
fn parent(flags: TraceFlags) -> Context {
    let state = TraceState::from_key_value([("vendor", "value")]).expect("it is valid");
    let span = SpanContext::new(TraceId::from(7), SpanId::from(8), flags, false, state);
    Context::new().with_remote_span_context(span)
}

#[tokio::test(start_paused = true)]
async fn what_is_dropped_is_carried_as_not_sampled() {
    let world = start(|hooks| hooks.pre_sampler(Sampler::AlwaysOff), |invoker| invoker).await;
    let seen = world.look().await;
    let carried = world.last_sent().expect("it carries a context");
    assert!(carried.ends_with("-00") && carried.contains(&seen.trace), "{carried} {seen:?}");
    assert!(!seen.is_sampled && !seen.is_remote && !carried.contains(&seen.span), "{carried} {seen:?}");
    assert_eq!(world.spans(), [0, 0]);
    // The next one is of another trace.
    assert_ne!(world.look().await.trace, seen.trace);
}

#[tokio::test(start_paused = true)]
async fn what_is_dropped_below_a_span_is_of_its_trace() {
    for flags in [TraceFlags::SAMPLED, TraceFlags::default()] {
        let world = start(|hooks| hooks.pre_sampler(Sampler::AlwaysOff), |invoker| invoker).await;
        let seen = {
            let _current = parent(flags).attach();
            world.look().await
        };
        let carried = world.last_sent().expect("it carries a context");
        assert!(
            carried.starts_with(&format!("00-{}-", TraceId::from(7))) && carried.ends_with("-00"),
            "{carried}"
        );
        assert!(!carried.contains(&SpanId::from(8).to_string()), "it has an id of its own: {carried}");
        assert_eq!((seen.trace, seen.is_sampled), (TraceId::from(7).to_string(), false));
        assert_eq!(world.spans(), [0, 0]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_dropped_is_not_carried_if_so_set() {
    let hooks = |hooks: Client| hooks.pre_sampler(Sampler::AlwaysOff).carry_unsampled(false);
    let world = start(hooks, |invoker| invoker).await;
    assert!(world.look().await.is_sampled, "the server decides for itself");
    assert_eq!(world.last_sent(), None);
    world.server.wait_for_spans(2).await;
    assert_eq!(world.spans(), [0, 2]);
}

#[tokio::test(start_paused = true)]
async fn metrics_are_recorded_all_the_same() {
    let world = start(
        |hooks| hooks.pre_sampler(Sampler::AlwaysOff).carry_unsampled(false),
        |invoker| invoker.pre_sampler(Sampler::AlwaysOff).carry_unsampled(false),
    )
    .await;
    world.look().await;
    for side in [&world.client, &world.server] {
        let is_there = || side.metrics().iter().any(|point| point.name.ends_with("command.count"));
        testkit::wait::until(is_there).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_command_below_one_that_a_server_drops_is_of_its_trace_and_not_sampled() {
    let world = start(|hooks| hooks, |invoker| invoker.pre_sampler(Sampler::AlwaysOff)).await;
    let seen = world.look().await;
    let client = &world.client.wait_for_spans(1).await[0];
    assert_eq!(seen.trace, client.span_context.trace_id().to_string());
    assert_ne!(seen.span, client.span_context.span_id().to_string());
    assert!(!seen.is_sampled && !seen.is_remote, "{seen:?}");
    assert_eq!(world.spans(), [1, 0]);
    // So is one that carries nothing.
    let seen = world.sender.send(Look {}).await.expect("it is answered");
    assert!(!seen.is_sampled && seen.span != SpanId::INVALID.to_string(), "{seen:?}");
    world.client.wait_for_spans(2).await;
    assert_eq!(world.spans(), [2, 0]);
}

#[tokio::test(start_paused = true)]
async fn what_a_sampler_lets_pass_is_as_without_it() {
    type Set = (fn(Client) -> Client, fn(Service) -> Service);
    let set: [Set; 2] = [
        (|hooks| hooks, |invoker| invoker),
        (
            |hooks| hooks.pre_sampler(Sampler::ParentBased(Box::new(Sampler::AlwaysOn))),
            |invoker| invoker.pre_sampler(Sampler::ParentBased(Box::new(Sampler::AlwaysOn))),
        ),
    ];
    for (client_side, server_side) in set {
        let world = start(client_side, server_side).await;
        let seen = world.look().await;
        let (client, server) = (world.client.wait_for_spans(1).await, world.server.wait_for_spans(2).await);
        let [inner, invoke] = &server[..] else { panic!("{server:?}") };
        assert_eq!(inner.parent_span_id, invoke.span_context.span_id());
        assert_eq!(invoke.parent_span_id, client[0].span_context.span_id());
        assert_eq!((seen.span, seen.is_sampled), (invoke.span_context.span_id().to_string(), true));
        // Below a span that is not sampled there are none.
        let _current = parent(TraceFlags::default()).attach();
        assert!(!world.look().await.is_sampled);
        assert_eq!(world.spans(), [1, 2]);
    }
}

/// Drops all, and keeps what it was asked.
#[derive(Clone, Debug, Default)]
struct Asked(Arc<Mutex<Vec<String>>>);

impl ShouldSample for Asked {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace: TraceId,
        name: &str,
        kind: &SpanKind,
        _: &[KeyValue],
        _: &[Link],
    ) -> SamplingResult {
        let of = parent.expect("there is always one").span().span_context().clone();
        self.0.lock().expect("nobody panics").push(format!(
            "{name} {kind:?} {} {}",
            trace == of.trace_id() && of.is_valid(),
            of.is_remote()
        ));
        let state = TraceState::from_key_value([("by", "sampler")]).expect("it is valid");
        SamplingResult { decision: SamplingDecision::Drop, attributes: Vec::new(), trace_state: state }
    }
}

#[tokio::test(start_paused = true)]
async fn any_sampler_is_asked_once_for_each_span() {
    static ASKED: Mutex<Option<Asked>> = Mutex::new(None);
    fn asked() -> Asked {
        ASKED.lock().expect("nobody panics").get_or_insert_default().clone()
    }
    let world = start(|hooks| hooks.pre_sampler(asked()), |invoker| invoker.pre_sampler(asked())).await;
    world.look().await;
    let asked = asked().0.lock().expect("nobody panics").clone();
    assert_eq!(asked, ["Send Look (trace) Client false false", "Invoke Look (trace) Server true true"]);
    assert_eq!(world.spans(), [0, 0]);
}

#[tokio::test(start_paused = true)]
async fn where_telemetry_is_suppressed_the_sampler_is_not_asked() {
    let world = start(|hooks| hooks.pre_sampler(Sampler::AlwaysOff), |invoker| invoker).await;
    let _current = parent(TraceFlags::SAMPLED).with_telemetry_suppressed().attach();
    world.look().await;
    // There is no span, so the one of the caller is carried.
    let expected = format!("00-{}-{}-01", TraceId::from(7), SpanId::from(8));
    assert_eq!(world.last_sent(), Some(expected));
}
