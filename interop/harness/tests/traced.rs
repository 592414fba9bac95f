//! One trace across Rust and Go, with the Go program `tracepeer`. Both sides say which spans they have ended.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use cmd_stream::format::{Encode, Format};
use cmd_stream::protocol::{ClientProtocol, CommandOf};
use cmd_stream::server::ServerProtocol;
use cmd_stream::{Json, Mus, Sender, Server, protocol};
use cmd_stream_otel::{OtelHooks, OtelInvoker, Traced};
use interop::go;
use opentelemetry::trace::{FutureExt, TraceContextExt, Tracer, TracerProvider};
use opentelemetry::{Context, trace::SpanId};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use serde::Deserialize;
use testkit::process::Process;
use testkit::sample::{EchoCmd, EchoResult, Service, StreamCmd, StreamResult};
use testkit::wait::{until, within};

/// The sample service with our wrapper, which has the tag and the bytes of `TraceCmd`.
mod json {
    use super::*;

    protocol! {
        pub(super) struct Sample {
            commands { 0 => EchoCmd, 1 => StreamCmd, 4 => Traced<EchoCmd> as TraceEchoCmd }
            replies { 0 => EchoResult, 1 => StreamResult }
            failure close_connection
        }
    }
}

mod mus {
    use super::*;

    protocol! {
        pub(super) struct Sample {
            commands { 1 => EchoCmd, 2 => StreamCmd, 5 => Traced<EchoCmd> as TraceEchoCmd }
            replies { 1 => EchoResult, 2 => StreamResult }
            failure close_connection
        }
    }
}

/// A Format with the service's Protocol. The name is that of the Go program.
trait Traces: Format + Encode<EchoCmd> + Encode<Traced<EchoCmd>> + Copy {
    type Protocol: ClientProtocol<Self> + ServerProtocol<Self, Service> + Clone;
    const PROTOCOL: Self::Protocol;
    const GO_NAME: &'static str;
}

impl Traces for Json {
    type Protocol = json::Sample;
    const PROTOCOL: json::Sample = json::Sample;
    const GO_NAME: &'static str = "json";
}

impl Traces for Mus {
    type Protocol = mus::Sample;
    const PROTOCOL: mus::Sample = mus::Sample;
    const GO_NAME: &'static str = "mus";
}

/// A span that has ended, on either side.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
struct Span {
    name: String,
    kind: String,
    trace_id: String,
    span_id: String,
    /// Zeros if there is none.
    #[serde(rename = "parent_span_id")]
    parent: String,
    #[serde(rename = "attributes", deserialize_with = "names")]
    attributes: BTreeSet<String>,
    events: Vec<String>,
    status: String,
}

/// The names of the attributes.
fn names<'de, D: serde::Deserializer<'de>>(from: D) -> Result<BTreeSet<String>, D::Error> {
    let map = serde_json::Map::deserialize(from)?;
    Ok(map.into_iter().map(|(name, _)| name).collect())
}

impl From<SpanData> for Span {
    fn from(span: SpanData) -> Self {
        Self {
            name: span.name.into_owned(),
            kind: format!("{:?}", span.span_kind).to_lowercase(),
            trace_id: span.span_context.trace_id().to_string(),
            span_id: span.span_context.span_id().to_string(),
            parent: span.parent_span_id.to_string(),
            attributes: span.attributes.iter().map(|attribute| attribute.key.to_string()).collect(),
            events: span.events.events.iter().map(|event| event.name.to_string()).collect(),
            status: format!("{:?}", span.status),
        }
    }
}

fn parse<S: AsRef<str>>(lines: impl IntoIterator<Item = S>) -> Vec<Span> {
    let parse = |line: S| {
        serde_json::from_str(line.as_ref()).unwrap_or_else(|error| panic!("{}: {error}", line.as_ref()))
    };
    lines.into_iter().map(parse).collect()
}

/// The Go program; the first caller builds it.
fn tracepeer() -> &'static Path {
    static PEER: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let built = PEER.get_or_init(|| go::build("go", "tracepeer", Path::new(env!("CARGO_TARGET_TMPDIR"))));
    built.as_deref().unwrap_or_else(|message| panic!("{message}"))
}

fn exporter() -> (SdkTracerProvider, InMemorySpanExporter) {
    let spans = InMemorySpanExporter::default();
    (SdkTracerProvider::builder().with_simple_exporter(spans.clone()).build(), spans)
}

fn ended(spans: &InMemorySpanExporter) -> Vec<Span> {
    let spans = spans.get_finished_spans().expect("the exporter lives");
    spans.into_iter().map(Span::from).collect()
}

fn echo() -> EchoCmd {
    EchoCmd { bool: true, int64: 1, string: "traced".into(), float64: 0.0 }
}

/// Our client, the Go server.
async fn from_rust<F: Traces>(format: F)
where
    EchoCmd: CommandOf<F::Protocol>,
    Traced<EchoCmd>: CommandOf<F::Protocol>,
{
    let (mut server, address) = Process::start_server(tracepeer(), &["server", "--format", F::GO_NAME]).await;
    let (tracers, spans) = exporter();
    let sender = Sender::builder(F::PROTOCOL, format)
        .endpoints([address])
        .hooks(OtelHooks::builder().tracer_provider(tracers.clone()).build())
        .connect();
    let sender = within(sender).await.expect("the server is there");
    let root = Context::new().with_span(tracers.tracer("test").start("root"));
    let calls = async {
        let expected = echo();
        for reply in [sender.send(echo()).await, sender.send(Traced::new(echo())).await] {
            let reply = reply.expect("an echo is answered");
            assert_eq!((reply.string, reply.int64), (expected.string.clone(), expected.int64));
        }
    };
    within(calls.with_context(root)).await; // which drops it, so that the root ends
    let client = ended(&spans);
    let server = parse([server.line().await, server.line().await]);
    expect_one_trace(&client, &server);
}

/// The Go client, our server.
async fn from_go<F: Traces>(format: F)
where
    EchoCmd: CommandOf<F::Protocol>,
    Traced<EchoCmd>: CommandOf<F::Protocol>,
{
    let (tracers, spans) = exporter();
    let server = Server::builder(F::PROTOCOL, format, Service)
        .invoker(OtelInvoker::builder().tracer_provider(tracers.clone()).build())
        .bind("127.0.0.1:0");
    let server = within(server).await.expect("a free port");
    let handle = server.handle();
    let address = handle.local_addr().to_string();
    let serving = tokio::spawn(server.serve());
    let client = Process::start(tracepeer(), &["client", "--format", F::GO_NAME, "--connect", &address]);
    let client = client.end().await;
    assert_eq!(client.code, Some(0), "{}", client.complaints);
    until(|| ended(&spans).len() >= 2).await; // a server ends its span after it has replied
    handle.close();
    within(serving).await.expect("it does not panic");
    expect_one_trace(&parse(&client.lines), &ended(&spans));
    drop(tracers); // not before: the exporter forgets its spans when the last provider is gone
}

/// The client's calls are within its root, and so is the server's span of the Command that carries a context. That of the plain
/// one is the root of a trace of its own.
fn expect_one_trace(client: &[Span], server: &[Span]) {
    let none = SpanId::INVALID.to_string();
    let [plain_call, traced_call, root] = client else { panic!("{client:#?}") };
    let [plain, traced] = server else { panic!("{server:#?}") };
    let name_and_kind = |span: &Span| format!("{}, {}", span.name, span.kind);
    let all = [root, plain_call, plain, traced_call, traced];
    assert_eq!(
        all.map(name_and_kind),
        [
            "root, internal",
            "Send EchoCmd, client",
            "Invoke EchoCmd, server",
            "Send EchoCmd (trace), client",
            "Invoke EchoCmd (trace), server",
        ]
    );
    assert_eq!(all.map(|span| &span.status), ["Unset"; 5]);
    let ids: BTreeSet<_> = all.iter().map(|span| &span.span_id).collect();
    assert!(ids.len() == 5 && !ids.contains(&none), "{all:#?}");
    assert_eq!(root.parent, none);
    for (child, parent) in [(plain_call, root), (traced_call, root), (traced, traced_call)] {
        assert_eq!((&child.trace_id, &child.parent), (&parent.trace_id, &parent.span_id), "{child:#?}");
    }
    assert_eq!(plain.parent, none);
    assert_ne!(plain.trace_id, root.trace_id);
    expect_same_contents(client, server);
}

/// Each side says the same of its spans, in whichever language.
fn expect_same_contents(client: &[Span], server: &[Span]) {
    let peer = ["network.peer.address", "network.peer.port", "network.protocol.name"];
    let command = ["cmd-stream.command.seq", "cmd-stream.command.size"];
    let of_calls: BTreeSet<_> = [&peer[..], &command].concat().into_iter().map(String::from).collect();
    let of_commands: BTreeSet<_> = peer.into_iter().map(String::from).collect();
    for call in &client[..2] {
        assert_eq!((&call.attributes, &call.events[..]), (&of_calls, &[][..]), "{}", call.name);
    }
    for command in server {
        let result = ["result".to_owned()];
        assert_eq!(
            (&command.attributes, &command.events[..]),
            (&of_commands, &result[..]),
            "{}",
            command.name
        );
    }
}

#[tokio::test]
async fn trace_goes_from_rust_to_go_in_mus() {
    from_rust(Mus).await;
}

#[tokio::test]
async fn trace_goes_from_rust_to_go_in_json() {
    from_rust(Json).await;
}

#[tokio::test]
async fn trace_goes_from_go_to_rust_in_mus() {
    from_go(Mus).await;
}

#[tokio::test]
async fn trace_goes_from_go_to_rust_in_json() {
    from_go(Json).await;
}
