//! What spans and metrics say where Go has nothing to compare with.

mod common;

use std::time::Duration;

use cmd_stream::protocol::kind::Plain;
use cmd_stream::server::{Execute, OwnedProxy, Proxy};
use cmd_stream::transport::memory;
use cmd_stream::{Answer, Command, Context, Failed, Mus, Problem, Sender, Server, protocol};
use cmd_stream_otel::{OtelHooks, OtelInvoker, Traced};
use mus_format::Mus as MusDerive;
use opentelemetry::metrics::NoopMeterProvider;
use opentelemetry::trace::{Status, TraceContextExt};
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider, SpanData};
use tokio::sync::mpsc;

use common::Exported;

#[derive(Clone, PartialEq, Debug, MusDerive)]
struct Ask {
    fails: bool,
}

/// Answered by somebody else, later.
#[derive(Clone, PartialEq, Debug, MusDerive)]
struct Order {}

/// Handed over, and failed before it returns.
#[derive(Clone, PartialEq, Debug, MusDerive)]
struct Decline {}

#[derive(Clone, PartialEq, Debug, MusDerive)]
struct Done {}

impl Command for Ask {
    type Reply = Done;
    type Kind = Plain;
}

protocol! {
    struct Shop {
        commands { 0 => Traced<Ask> as Ask, 1 => Order -> Done, 2 => Decline -> Done, 9 => Note -> () }
        replies { 0 => Done, 3 => Problem }
        failure Problem
    }
}

/// One-way.
#[derive(Clone, PartialEq, Debug, MusDerive)]
struct Note {}

struct Desk(mpsc::UnboundedSender<OwnedProxy<Done>>, SdkTracerProvider);

impl Answer<Desk> for Ask {
    async fn answer(self, desk: &Desk, _: &Context<'_>) -> Result<Done, Failed> {
        use opentelemetry::trace::{Tracer, TracerProvider};
        desk.1.tracer("desk").in_span("inner", |_| {});
        if self.fails { Err(Failed::new("sold out")) } else { Ok(Done {}) }
    }
}

impl Execute<Desk> for Order {
    async fn execute(self, desk: &Desk, proxy: Proxy<'_, Done>) -> Result<(), Failed> {
        desk.0.send(proxy.into_owned()).map_err(|_| Failed::new("the desk is closed"))
    }
}

impl Execute<Desk> for Decline {
    async fn execute(self, _: &Desk, proxy: Proxy<'_, Done>) -> Result<(), Failed> {
        proxy.into_owned().fail(Failed::new("sold out"));
        Ok(())
    }
}

impl Answer<Desk> for Note {
    async fn answer(self, _: &Desk, _: &Context<'_>) -> Result<(), Failed> {
        Ok(())
    }
}

struct World {
    client: Exported,
    server: Exported,
    sender: Sender<Shop, Mus, OtelHooks<Shop, SdkTracer>>,
    orders: mpsc::UnboundedReceiver<OwnedProxy<Done>>,
}

/// Starts both sides. `tracers` are those of the client, if not the ones that record everything.
async fn start(tracers: Option<SdkTracerProvider>) -> World {
    start_with(tracers, true).await
}

async fn start_with(tracers: Option<SdkTracerProvider>, has_metrics: bool) -> World {
    let (client, server) = (Exported::new(), Exported::new());
    let (taken, orders) = mpsc::unbounded_channel();
    let (connector, listener) = memory::pair();
    let invoker = OtelInvoker::builder().tracer_provider(server.tracers.clone());
    let invoker = match has_metrics {
        true => invoker.meter_provider(server.meters.clone()),
        false => invoker.meter_provider(NoopMeterProvider::new()),
    };
    let desk = Desk(taken, server.tracers.clone());
    let serving =
        Server::builder(Shop, Mus, desk).invoker(invoker.build()).listen(listener).expect("in memory");
    tokio::spawn(serving.serve());
    let tracers = tracers.unwrap_or_else(|| client.tracers.clone());
    let hooks = OtelHooks::builder().tracer_provider(tracers);
    let hooks = match has_metrics {
        true => hooks.meter_provider(client.meters.clone()),
        false => hooks.meter_provider(NoopMeterProvider::new()),
    };
    let sender = Sender::builder(Shop, Mus).endpoints(["shop:1"]).hooks(hooks.build());
    let sender = sender.connect_by(move |_| connector.clone()).await.expect("the server is there");
    World { client, server, sender, orders }
}

fn attribute(span: &SpanData, key: &str) -> Option<String> {
    span.attributes.iter().find(|attribute| attribute.key.as_str() == key).map(|it| it.value.to_string())
}

#[tokio::test(start_paused = true)]
async fn the_failure_of_a_protocol_is_a_result_and_fails_the_command_on_both_sides() {
    let world = start(None).await;
    world.sender.send(Traced::new(Ask { fails: true })).await.expect_err("it fails");
    let client = &world.client.wait_for_spans(1).await[0];
    let server = &world.server.wait_for_spans(2).await[1];
    assert_eq!(client.status, Status::error("answered with Problem"));
    assert_eq!(server.status, Status::error("sold out"));
    let types = [client, server].map(|span| attribute(span, "error.type"));
    assert_eq!(types.map(Option::unwrap_or_default), ["Problem", "Error"]);
    for side in [&world.client, &world.server] {
        let points = side.metrics();
        let count = |part: &str| points.iter().find(|point| point.name.ends_with(part)).expect(part).clone();
        let (command, result) = (count("command.count"), count("result.count"));
        assert_eq!((command.sum, result.sum), (1.0, 1.0));
        assert_eq!(command.attributes["cmd-stream.command.status"], "FAILED");
        assert_eq!(result.attributes["cmd-stream.result.type"], "Problem");
    }
}

/// What the spans of both sides say of three calls, but for ids and times.
async fn spans_of_three(has_metrics: bool) -> Vec<String> {
    let world = start_with(None, has_metrics).await;
    world.sender.send(Traced::new(Ask { fails: false })).await.expect("it is answered");
    world.sender.send(Traced::new(Ask { fails: true })).await.expect_err("it fails");
    world.sender.post(Note {}).await.expect("it is written");
    let spans = [world.client.wait_for_spans(3).await, world.server.wait_for_spans(5).await].concat();
    let said = |span: &SpanData| {
        let events: Vec<_> = span.events.iter().map(|event| (&event.name, &event.attributes)).collect();
        format!("{} {:?} {:?} {events:?}", span.name, span.status, span.attributes)
    };
    spans.iter().map(said).collect()
}

#[tokio::test(start_paused = true)]
async fn spans_are_the_same_without_metrics() {
    let spans = spans_of_three(true).await;
    assert_eq!(spans, spans_of_three(false).await);
    assert_eq!(spans.iter().filter(|span| span.contains("cmd-stream.result.size")).count(), 1, "{spans:?}");
}

#[tokio::test(start_paused = true)]
async fn the_span_of_a_command_that_is_handed_over_ends_with_its_last_reply() {
    let mut world = start(None).await;
    let call = async { world.sender.send(Order {}).await };
    let answer = async {
        let proxy = world.orders.recv().await.expect("an order");
        tokio::time::sleep(Duration::from_secs(5)).await; // of a paused clock
        assert_eq!(world.server.spans(), Vec::new());
        proxy.send(Done {}).await.expect("it is sent");
    };
    let (reply, ()) = tokio::join!(call, answer);
    reply.expect("it is answered");
    let spans = world.server.wait_for_spans(1).await;
    assert_eq!((spans[0].name.as_ref(), spans[0].events.len()), ("Invoke Order", 1));
}

#[tokio::test(start_paused = true)]
async fn a_command_that_is_handed_over_is_measured_until_its_last_reply() {
    let mut world = start(None).await;
    let measured = |world: &World| {
        let points = world.server.metrics();
        let duration = points.iter().find(|point| point.name.ends_with("command.duration"));
        duration.map(|point| (point.attributes["cmd-stream.command.status"].clone(), point.count, point.sum))
    };
    let call = async { world.sender.send(Order {}).await };
    let answer = async {
        let proxy = world.orders.recv().await.expect("an order");
        tokio::time::sleep(Duration::from_secs(5)).await; // of a paused clock
        proxy.send(Done {}).await.expect("it is sent");
        proxy
    };
    let (reply, proxy) = tokio::join!(call, answer);
    reply.expect("it is answered");
    // Whoever holds it for longer does not make it longer.
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(measured(&world), None);
    drop(proxy);
    let (status, count, seconds) = measured(&world).expect("it has ended");
    assert_eq!((status.as_str(), count), ("OK", Some(1)));
    assert!((5.0..5.1).contains(&seconds), "{seconds}");
}

#[tokio::test(start_paused = true)]
async fn a_command_that_is_handed_over_and_is_not_answered_has_failed() {
    let mut world = start(None).await;
    let call = async { world.sender.send(Order {}).await };
    let forget = async { drop(world.orders.recv().await.expect("an order")) };
    let (reply, ()) = tokio::join!(call, forget);
    reply.expect_err("it has no reply");
    let points = world.server.metrics();
    let counts: Vec<_> = points.iter().filter(|point| point.name.ends_with("command.count")).collect();
    assert_eq!((counts.len(), counts[0].sum), (1, 1.0));
    assert_eq!(counts[0].attributes["cmd-stream.command.status"], "FAILED");
}

#[tokio::test(start_paused = true)]
async fn the_span_of_a_command_whose_proxy_is_dropped_ends_with_an_error() {
    let mut world = start(None).await;
    let call = async { world.sender.send(Order {}).await };
    let forget = async {
        let proxy = world.orders.recv().await.expect("an order");
        tokio::task::yield_now().await;
        drop(proxy);
    };
    let (reply, ()) = tokio::join!(call, forget);
    reply.expect_err("it has no reply");
    let spans = world.server.wait_for_spans(1).await;
    assert_eq!(spans[0].status, Status::error("answered with Problem"));
}

#[tokio::test(start_paused = true)]
async fn the_span_of_a_command_that_failed_before_it_returned_has_an_error() {
    let world = start(None).await;
    world.sender.send(Decline {}).await.expect_err("it fails");
    let spans = world.server.wait_for_spans(1).await;
    assert_eq!(spans[0].status, Status::error("answered with Problem"));
}

#[tokio::test(start_paused = true)]
async fn functions_that_panic_add_no_attributes_and_fail_no_command() {
    let exported = Exported::new();
    let invoker = OtelInvoker::builder()
        .tracer_provider(exported.tracers.clone())
        .meter_provider(exported.meters.clone())
        .span_attributes(|_| panic!("on purpose"))
        .result_event_attributes(|_, _| panic!("on purpose"))
        .command_metric_attributes(|_| panic!("on purpose"))
        .result_metric_attributes(|_| panic!("on purpose"));
    let (connector, listener) = memory::pair();
    let desk = Desk(mpsc::unbounded_channel().0, exported.tracers.clone());
    let server = Server::builder(Shop, Mus, desk).invoker(invoker.build()).listen(listener);
    tokio::spawn(server.expect("in memory").serve());
    let client = cmd_stream::Client::builder(Shop, Mus).connect_by(connector).await.expect("it is there");
    client.send(Traced::new(Ask { fails: false })).await.expect("it is answered");
    let spans = exported.wait_for_spans(2).await;
    assert_eq!(spans[1].events.len(), 1, "{spans:?}");
    assert!(exported.metrics().iter().any(|point| point.name.ends_with("result.count")));
}

#[tokio::test(start_paused = true)]
async fn a_one_way_command_has_no_result() {
    let world = start(None).await;
    world.sender.post(Note {}).await.expect("it is written");
    for side in [&world.client, &world.server] {
        let span = &side.wait_for_spans(1).await[0];
        assert_eq!((&span.status, span.events.len()), (&Status::Unset, 0));
        let names: Vec<_> = side.metrics().into_iter().map(|point| point.name).collect();
        assert!(names.iter().all(|name| name.contains("command")), "{names:?}");
        assert_eq!(names.len(), 3);
    }
}

#[tokio::test(start_paused = true)]
async fn a_span_that_is_not_sampled_makes_the_server_sample_none_either() {
    let off = SdkTracerProvider::builder().with_sampler(Sampler::AlwaysOff).build();
    let world = start(Some(off)).await;
    world.sender.send(Traced::new(Ask { fails: false })).await.expect("it is answered");
    testkit::wait::until(|| world.server.metrics().iter().any(|point| point.name.ends_with("command.count")))
        .await;
    assert_eq!(world.server.spans(), Vec::new());
}

#[tokio::test(start_paused = true)]
async fn the_spans_that_a_command_makes_are_children_of_its_own() {
    let world = start(None).await;
    world.sender.send(Traced::new(Ask { fails: false })).await.expect("it is answered");
    let client = &world.client.wait_for_spans(1).await[0];
    let spans = world.server.wait_for_spans(2).await;
    let [inner, invoke] = &spans[..] else { panic!("{spans:#?}") };
    assert_eq!((inner.name.as_ref(), inner.parent_span_id), ("inner", invoke.span_context.span_id()));
    assert_eq!(invoke.parent_span_id, client.span_context.span_id());
    assert!(!opentelemetry::Context::current().span().span_context().is_valid(), "nothing is left attached");
}

#[tokio::test(start_paused = true)]
async fn durations_are_in_seconds_with_buckets_for_them() {
    let mut world = start(None).await;
    let call = async { world.sender.send(Order {}).await };
    let answer = async {
        let proxy = world.orders.recv().await.expect("an order");
        tokio::time::sleep(std::time::Duration::from_millis(250)).await; // of a paused clock
        proxy.send(Done {}).await.expect("it is sent");
    };
    tokio::join!(call, answer).0.expect("it is answered");
    let points = world.client.metrics();
    let point = points.iter().find(|point| point.name.ends_with("command.duration")).expect("a duration");
    assert!((0.25..0.3).contains(&point.sum), "{point:?}");
    assert!(point.bounds.contains(&0.25) && point.bounds.contains(&0.001), "{:?}", point.bounds);
    assert_eq!(point.scope.0, "cmd-stream-otel");
}
