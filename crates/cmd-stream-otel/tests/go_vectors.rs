//! What Go's hooks and Invoker recorded (`wire/vectors/otel.json`), and what ours do in the same exchanges.
//!
//! Three things are not compared. Go's texts of errors of the client are Go's own. A `PORT` stands for any. And Go sets the
//! attributes of a span again for each result, which a span keeps once.

mod common;

use std::collections::BTreeMap;
use std::time::Duration;

use cmd_stream::client::{Keepalive, Limits};
use cmd_stream::{ErrorKind, Mus, Sender};
use cmd_stream_otel::{HooksBuilder, OtelHooks, Traced};
use opentelemetry::trace::{SpanId, SpanKind, Status};
use opentelemetry::{KeyValue, Value};
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider, SpanData};
use serde_json::{Value as Json, json};
use testkit::sample::{DelayCmd, FailCmd, StreamCmd};
use testkit::vectors::{Layout, files_of};

use common::metrics::Point;
use common::{Exported, Sample, World, echo, start};

type Hooks = OtelHooks<Sample, SdkTracer>;
type Builder = HooksBuilder<Sample, SdkTracerProvider>;

/// Both sides as Go's are.
async fn go(set: impl FnOnce(Builder) -> Builder) -> World<Hooks> {
    start(
        |hooks| set(hooks.go_compatible(true).server_address("127.0.0.1", 9000)).build(),
        |invoker| invoker.go_compatible(true).build(),
    )
    .await
}

#[tokio::test(start_paused = true)]
async fn unary_plain_command() {
    let world = go(|hooks| hooks).await;
    world.sender.send(echo()).await.expect("it echoes");
    holds("unary_plain_command", &world).await;
}

#[tokio::test(start_paused = true)]
async fn unary_trace_command() {
    let world = go(|hooks| hooks).await;
    world.sender.send(Traced::new(echo())).await.expect("it echoes");
    holds("unary_trace_command", &world).await;
}

#[tokio::test(start_paused = true)]
async fn slow_command() {
    let world = go(|hooks| hooks).await;
    world.sender.send(DelayCmd { id: 1, delay_ms: 60 }).await.expect("it replies");
    holds("slow_command", &world).await;
    for side in [&world.client, &world.server] {
        for point in side.metrics().iter().filter(|point| point.name.ends_with("duration")) {
            assert!((60.0..65.0).contains(&point.sum), "{point:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn server_streaming() {
    let world = go(|hooks| hooks).await;
    let mut stream = world.sender.stream(StreamCmd { init: 1, count: 3 }).await.expect("it opens");
    while let Some(reply) = stream.next().await {
        reply.expect("a reply");
    }
    holds("server_streaming", &world).await;
}

#[tokio::test(start_paused = true)]
async fn exec_error() {
    let world = go(|hooks| hooks).await;
    world.sender.send(FailCmd {}).await.expect_err("it fails");
    holds("exec_error", &world).await;
}

#[tokio::test(start_paused = true)]
async fn timeout() {
    let world = go(|hooks| hooks).await;
    let call = world.sender.send(DelayCmd { id: 1, delay_ms: 200 }).timeout(Duration::from_millis(50));
    call.await.expect_err("it takes longer");
    holds("timeout", &world).await;
}

/// Go's client is closed; a Sender that is closed asks no hooks. Here it has no server, which its hooks see.
#[tokio::test(start_paused = true)]
async fn send_error() {
    let (client, server) = (Exported::new(), Exported::new());
    let hooks =
        OtelHooks::builder().tracer_provider(client.tracers.clone()).meter_provider(client.meters.clone());
    let hooks = hooks.go_compatible(true).server_address("127.0.0.1", 9000).build();
    let (connector, _) = cmd_stream::transport::memory::pair();
    let sender = Sender::builder(Sample, Mus)
        .endpoints(["127.0.0.1:9000"])
        .limits(Limits::default().connection_wait(Duration::from_secs(1)))
        .hooks(hooks)
        .connect_lazy_by(move |_| common::ToLocal(connector.clone()));
    sender.send(echo()).await.expect_err("there is no server");
    check("send_error", &client, &server).await;
}

/// Go's server takes a ping for a Command. Ours does not: an Invoker sees none, so there is neither a span nor a metric.
#[tokio::test(start_paused = true)]
async fn keepalive_ping() {
    let (client, server) = (Exported::new(), Exported::new());
    let invoker = cmd_stream_otel::OtelInvoker::builder()
        .tracer_provider(server.tracers.clone())
        .meter_provider(server.meters.clone());
    let (connector, handle) = common::serve(invoker.go_compatible(true).build());
    let sender = common::connect(connector, |sender| {
        sender.keepalive(Keepalive::default().idle(Duration::from_secs(1)))
    })
    .await;
    testkit::wait::until(|| handle.counters().pings > 0).await;
    assert_eq!((server.spans(), server.metrics()), (Vec::new(), Vec::new()));
    assert_eq!(scenario("keepalive_ping")["server_spans"].as_array().map(Vec::len), Some(1), "as Go has it");
    drop((sender, client));
}

#[tokio::test(start_paused = true)]
async fn client_result_event_fn() {
    let world = go(|hooks| {
        hooks
            .span_attributes(|_| vec![KeyValue::new("my.span", "x")])
            .result_event(|_, number| vec![KeyValue::new("my.result.seq", number as i64)])
    })
    .await;
    world.sender.send(echo()).await.expect("it echoes");
    holds("client_result_event_fn", &world).await;
}

#[tokio::test(start_paused = true)]
async fn custom_attributes_come_first_in_all_metrics_and_events() {
    let world = start(
        |hooks| {
            hooks
                .command_metric_attributes(|_, status| vec![KeyValue::new("my.status", status.as_str())])
                .result_metric_attributes(|about| {
                    vec![KeyValue::new("my.attempt", i64::from(about.attempt()))]
                })
                .build()
        },
        |invoker| {
            invoker
                .span_attributes(|received| vec![KeyValue::new("my.seq", received.seq.get())])
                .result_event_attributes(|_, number| vec![KeyValue::new("my.number", number as i64)])
                .command_metric_attributes(|received| vec![KeyValue::new("my.name", received.entry.name)])
                .result_metric_attributes(|reply| vec![KeyValue::new("my.last", reply.is_last())])
                .build()
        },
    )
    .await;
    world.sender.send(echo()).await.expect("it echoes");
    let span = &world.server.wait_for_spans(1).await[0];
    assert_eq!(
        (span.attributes[0].key.as_str(), span.events[0].attributes[0].key.as_str()),
        ("my.seq", "my.number")
    );
    let has = |points: &[Point], part: &str, key: &str, value: &str| {
        let points: Vec<_> = points.iter().filter(|point| point.name.contains(part)).collect();
        assert_eq!(points.len(), 3, "{points:?}");
        for point in points {
            assert_eq!(point.attributes.get(key).map(String::as_str), Some(value), "{point:?}");
        }
    };
    has(&world.client.metrics(), "client.command", "my.status", "OK");
    has(&world.client.metrics(), "client.result", "my.attempt", "1");
    has(&world.server.metrics(), "server.command", "my.name", "EchoCmd");
    has(&world.server.metrics(), "server.result", "my.last", "true");
}

#[test]
fn each_scenario_has_a_test() {
    let tests = [
        "unary_plain_command",
        "unary_trace_command",
        "slow_command",
        "server_streaming",
        "exec_error",
        "timeout",
        "send_error",
        "keepalive_ping",
        "client_result_event_fn",
    ];
    let scenarios: Vec<_> = file().1.iter().map(|scenario| scenario["name"].to_string()).collect();
    assert_eq!(scenarios, tests.map(|name| format!("{name:?}")));
}

/// The contents of the file, and its scenarios.
fn file() -> (Json, Vec<Json>) {
    let [file] = <[_; 1]>::try_from(files_of(Layout::OpenTelemetry)).expect("there is one file");
    (file.content, file.vectors)
}

fn scenario(name: &str) -> Json {
    file()
        .1
        .into_iter()
        .find(|scenario| scenario["name"] == name)
        .unwrap_or_else(|| panic!("{name} is not there"))
}

async fn holds(name: &str, world: &World<Hooks>) {
    check(name, &world.client, &world.server).await;
}

/// Compares what both sides have exported with the scenario of this name.
async fn check(name: &str, client: &Exported, server: &Exported) {
    let (content, scenario) = (file().0, scenario(name));
    let list = |name: &str| scenario[name].as_array().cloned().unwrap_or_default();
    let expected: Vec<_> = ["client_spans", "server_spans"]
        .map(|side| list(side).iter().map(expected_span).collect::<Vec<_>>())
        .into();
    let spans = [
        client.wait_for_spans(list("client_spans").len()).await,
        server.wait_for_spans(list("server_spans").len()).await,
    ];
    let actual: Vec<Vec<_>> = spans.iter().map(|spans| spans.iter().map(span).collect()).collect();
    assert_eq!(actual, expected, "the spans of {name}");

    // A parent in the file is the only span of the client.
    for (span, expected) in spans[1].iter().zip(list("server_spans")) {
        let parent = if expected.get("parent_span_id").is_some() {
            assert_eq!(span.span_context.trace_id(), spans[0][0].span_context.trace_id());
            assert!(span.parent_span_is_remote);
            spans[0][0].span_context.span_id()
        } else {
            SpanId::INVALID
        };
        assert_eq!(span.parent_span_id, parent, "{name}");
    }
    for (exported, side) in [(client, "client_metrics"), (server, "server_metrics")] {
        let points = exported.metrics();
        assert_eq!(totals(&points), expected_totals(&list(side)), "{side} of {name}");
        for point in points {
            let (scope, version) = (json!(point.scope.0), json!(point.scope.1));
            assert_eq!((&scope, &version), (&content["scope_name"], &content["scope_version"]));
        }
    }
    for span in spans.iter().flatten() {
        assert_eq!(json!(span.instrumentation_scope.name()), content["scope_name"]);
    }
}

/// A span as the file has it.
fn span(span: &SpanData) -> Json {
    let is_client = span.span_kind == SpanKind::Client;
    let (status, text) = match &span.status {
        Status::Unset => ("Unset", None),
        Status::Ok => ("Ok", None),
        Status::Error { description } => ("Error", Some(description)),
    };
    let events = span.events.iter();
    json!({
        "name": span.name,
        "kind": if is_client { "client" } else { "server" },
        "attributes": attributes(&span.attributes),
        "events": events.map(|event| json!([event.name, attributes(&event.attributes)])).collect::<Vec<_>>(),
        "status": status,
        "text": text.filter(|_| !is_client),
        "has_text": text.is_some_and(|text| !text.is_empty()),
    })
}

fn expected_span(span: &Json) -> Json {
    let events = span["events"].as_array().cloned().unwrap_or_default();
    let text = &span["status_description"];
    json!({
        "name": span["name"],
        "kind": span["kind"],
        "attributes": expected_attributes(&span["attributes_in_set_order"]),
        "events": events
            .iter()
            .map(|event| json!([event["name"], expected_attributes(&event["attributes"])]))
            .collect::<Vec<_>>(),
        "status": span["status"],
        "text": if span["kind"] == "client" { &Json::Null } else { text },
        "has_text": !text.is_null(),
    })
}

fn attributes(attributes: &[KeyValue]) -> Vec<Json> {
    let value = |value: &Value| match value {
        Value::I64(number) => json!(number),
        Value::String(text) => json!(text.as_str()),
        other => panic!("{other:?}"),
    };
    attributes
        .iter()
        .map(|attribute| match attribute.key.as_str() {
            key @ "network.peer.port" => json!([key, "PORT"]),
            key => json!([key, value(&attribute.value)]),
        })
        .collect()
}

/// In the order in which they were first set.
fn expected_attributes(attributes: &Json) -> Vec<Json> {
    let mut once: Vec<Json> = Vec::new();
    for attribute in attributes.as_array().into_iter().flatten() {
        let attribute = json!([attribute["key"], attribute["value"]]);
        if !once.contains(&attribute) {
            once.push(attribute);
        }
    }
    once
}

/// Of each instrument and set of attributes: how many values, and their sum unless they are durations.
type Totals = BTreeMap<(String, String, String, String, String), (Option<u64>, Option<f64>)>;

fn totals(points: &[Point]) -> Totals {
    let total = |point: &Point| {
        let key = (
            point.name.clone(),
            point.instrument.into(),
            point.unit.clone(),
            point.description.clone(),
            format!("{:?}", point.attributes),
        );
        (key, (point.count, (point.instrument != "histogram<float64>").then_some(point.sum)))
    };
    points.iter().map(total).collect()
}

fn expected_totals(records: &[Json]) -> Totals {
    let mut totals = Totals::new();
    for record in records {
        let text = |name: &str| record[name].as_str().expect(name).to_owned();
        let attributes: BTreeMap<_, _> = record["attributes"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|attribute| {
                (attribute["key"].as_str().expect("a key"), attribute["value"].as_str().expect("a text"))
            })
            .collect();
        let is_counter = text("instrument") == "counter<int64>";
        let key =
            (text("name"), text("instrument"), text("unit"), text("description"), format!("{attributes:?}"));
        let count = if is_counter { None } else { Some(0) };
        let (count, sum) = totals.entry(key).or_insert((count, None));
        if let Some(count) = count {
            *count += 1;
        }
        if let Some(value) = record["value"].as_f64() {
            *sum = Some(sum.unwrap_or_default() + value);
        }
    }
    totals
}

/// A timeout of the client's is not taken for an error of the server's.
#[tokio::test(start_paused = true)]
async fn errors_are_told_apart_unless_they_are_go_s() {
    let world = start(|hooks| hooks.build(), |invoker| invoker.build()).await;
    let call = world.sender.send(DelayCmd { id: 1, delay_ms: 200 }).timeout(Duration::from_millis(50));
    let error = call.await.expect_err("it takes longer");
    assert_eq!(cmd_stream::Error::from(error).kind(), ErrorKind::Timeout);
    let error_type = |span: &SpanData| {
        span.attributes
            .iter()
            .find(|attribute| attribute.key.as_str() == "error.type")
            .map(|it| it.value.to_string())
    };
    assert_eq!(error_type(&world.client.wait_for_spans(1).await[0]).as_deref(), Some("Timeout"));
    world.server.wait_for_spans(1).await; // it has run to its end
    world.sender.send(FailCmd {}).await.expect_err("it fails");
    let spans = world.server.wait_for_spans(2).await;
    assert_eq!(spans.iter().filter_map(error_type).collect::<Vec<_>>(), ["Error"]);
}
