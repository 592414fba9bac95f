//! The example as a user runs it: both ends in one process, each in its own, and with a receiver of what it exports.

#[path = "../../../crates/cmd-stream-otel/tests/otlp/receiver.rs"]
mod receiver;

use std::collections::BTreeSet;

use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use receiver::attribute;
use testkit::process::Process;
use testkit::wait::until;

const EXAMPLE: &str = env!("CARGO_BIN_EXE_otel");
const ANY_PORT: &str = "127.0.0.1:0";

/// What the client prints while the server is away, and when it is back.
const OUTAGE: [&str; 5] = [
    "Alice was not greeted: no member of the group has a connection",
    "Circuit breaker: Open",
    "Bob was not greeted: no member of the group has a connection",
    "Carol was not greeted: a hook refuses the command: the circuit breaker is open",
    "Circuit breaker: HalfOpen",
];

#[tokio::test(flavor = "multi_thread")]
async fn each_end_can_be_a_process_of_its_own_and_the_traces_go_across() {
    let (endpoint, received) = receiver::start();
    let server_args = ["--listen", ANY_PORT, "--otlp", &endpoint];
    let (server, address) = Process::start_server(EXAMPLE, &server_args).await;
    let mut client = Process::start(EXAMPLE, &["--connect", &address, "--otlp", &endpoint]);
    client.expect_line("Hello world").await;

    server.signal("TERM");
    server.expect_success(&[]).await;
    for line in &OUTAGE[..4] {
        client.expect_line(line).await;
    }
    let server =
        Process::restart_server(EXAMPLE, &["--listen", &address, "--otlp", &endpoint], &address).await;
    client.expect_success(&[OUTAGE[4], "Circuit breaker: Closed", "Hello again, world"]).await;
    server.signal("TERM");
    server.expect_success(&[]).await;

    let spans = received.spans();
    let server_spans = of_kind(&spans, SpanKind::Server);
    let client_spans = of_kind(&spans, SpanKind::Client);
    assert_eq!(server_spans.len(), 2, "{server_spans:#?}");
    for span in server_spans {
        assert_eq!(span.name, "Invoke SayHello (trace)");
        let caller = client_spans.iter().find(|caller| caller.span_id == span.parent_span_id);
        let caller = caller.unwrap_or_else(|| panic!("its caller was not exported: {span:#?}"));
        assert_eq!((&caller.name[..], &caller.trace_id), ("Send SayHello (trace)", &span.trace_id));
    }
    // Those that failed have spans as well: Alice, Bob, Carol, and whoever asked before the breaker closed.
    let failed = client_spans.iter().filter(|span| has_failed(span));
    let reasons: Vec<_> = failed.filter_map(|span| attribute(&span.attributes, "error.type")).collect();
    assert!(reasons.len() >= 3, "{reasons:?}");
    assert_eq!(client_spans.len() - reasons.len(), 2, "{client_spans:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn both_ends_in_one_process_export_metrics_and_tell_what_was_lost() {
    let (endpoint, received) = receiver::start();
    let mut example = Process::start(EXAMPLE, &["--otlp", &endpoint, "--http", ANY_PORT]);
    let line = example.line().await;
    assert!(line.starts_with("metrics on http://127.0.0.1:"), "{line}");
    let last = [
        "Circuit breaker: Closed",
        "Hello again, world",
        r#"cmd_stream_sender_connections_lost_total{sender="demo"} 2"#,
    ];
    example.expect_success(&[&["Hello world"], &OUTAGE[..], &last].concat()).await;

    let metrics = received.metrics();
    let names: BTreeSet<_> = metrics.iter().map(|metric| &metric.name[..]).collect();
    for name in ["cmd-stream.client.command.count", "cmd-stream.server.command.count"] {
        assert!(names.contains(name), "{names:?}");
    }
    let duration = metrics.iter().rfind(|metric| metric.name == "cmd-stream.server.command.duration");
    let Some(Data::Histogram(histogram)) = duration.and_then(|metric| metric.data.as_ref()) else {
        panic!("no histogram: {duration:?}")
    };
    assert_eq!(histogram.data_points.iter().map(|point| point.count).sum::<u64>(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_traffic_has_retries_and_hedges_in_its_spans_and_ends_when_it_is_asked_to() {
    let (endpoint, received) = receiver::start();
    let mut example = Process::start(EXAMPLE, &["--traffic", "--otlp", &endpoint]);
    example.expect_line("there is traffic, until a signal ends it").await;
    until(|| {
        let spans = received.spans();
        let has = |name| spans.iter().any(|span| span.events.iter().any(|event| event.name == name));
        has("retry") && has("hedge")
    })
    .await;
    example.signal("INT");
    example.expect_success(&[]).await;
}

#[tokio::test]
async fn a_collector_that_is_not_there_harms_nothing_else() {
    // Port 1 is never given to anybody who asks for a free one.
    let ended = Process::start(EXAMPLE, &["--otlp", "http://127.0.0.1:1"]).end().await;
    assert_eq!((ended.code, ended.lines.len()), (Some(0), 9), "{ended:?}");
    assert!(ended.complaints.contains("some spans or metrics were not exported"), "{ended:?}");
}

#[tokio::test]
async fn the_command_line_is_explained_when_it_is_wrong() {
    for wrong in [&["--listen"][..], &["sing"], &["--otlp"]] {
        let ended = Process::start(EXAMPLE, wrong).end().await;
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(ended.complaints.contains("usage: [--listen ADDRESS"), "{ended:?}");
    }
}

fn of_kind(spans: &[Span], kind: SpanKind) -> Vec<&Span> {
    spans.iter().filter(|span| span.kind() == kind).collect()
}

fn has_failed(span: &Span) -> bool {
    span.status.as_ref().is_some_and(|status| status.code() == StatusCode::Error)
}
