//! This library with OpenTelemetry: a Sender with hooks over a group, and a server with an Invoker. Its Commands are `Traced`.
//!
//! With sampling, a batch exporter sends the spans of both sides to a receiver in this process, which counts them and throws
//! them away. It takes its share of the threads that all participants have.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use cmd_stream::format::{Decode, Encode};
use cmd_stream::server::{Handle, Limits, Served};
use cmd_stream::{Json, Mus, Protobuf, Sender, Server, protocol};
use cmd_stream_otel::{OtelHooks, OtelInvoker, Traced};
use opentelemetry::metrics::NoopMeterProvider;
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_sdk::metrics::{ManualReader, SdkMeterProvider};
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider};
use tokio::task::JoinHandle;
use tonic::transport::server::TcpIncoming;

use super::cmd_stream::{Arrived, Nothing, Sent};
use crate::counted::counted_loop;
use bench_harness::alloc::Allocated;
use bench_harness::format::Format;
use bench_harness::lines::Request;
use bench_harness::load::{self, Echo, Measured};
use bench_harness::workload::Value;

protocol! {
    struct TracedEcho {
        commands { 0 => Traced<Arrived> as Arrived }
        replies { 0 => Value }
        failure close_connection
    }
}

protocol! {
    /// The same protocol as its client sees it.
    struct TracedSend {
        commands { 0 => Traced<Sent> as Sent }
        replies { 0 => Value }
        failure close_connection
    }
}

/// A Format that can encode and decode all of these types.
trait TracedFormat:
    Encode<Traced<Sent>> + Encode<Value> + Decode<Traced<Arrived>> + Decode<Value> + Copy
{
}
impl<F> TracedFormat for F where
    F: Encode<Traced<Sent>> + Encode<Value> + Decode<Traced<Arrived>> + Decode<Value> + Copy
{
}

/// What is recorded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Records {
    /// No span is sampled, which hooks and Invoker are told, and there are no metrics.
    Nothing,
    /// The same, but only the tracer provider knows it.
    NothingAsTheProviderSays,
    /// No span is sampled, as in the first one.
    Metrics,
    /// So many of all traces are sampled, which the hooks decide. Their spans are exported.
    Traces(f64),
    /// All spans are sampled, and nobody exports them.
    SpansAlone,
    /// All spans are sampled and exported.
    Spans,
}

impl Records {
    fn has_exporter(self) -> bool {
        matches!(self, Self::Traces(_) | Self::Spans)
    }

    /// Whether Commands carry that they are not sampled. That is not needed where sampling is off.
    fn carries_unsampled(self) -> bool {
        self.has_exporter() || self == Self::SpansAlone
    }
}

/// Runs one round. Both ends are started for it, and stopped after it.
pub(crate) async fn measure(request: &Request, records: Records) -> Result<Measured, String> {
    match request.format {
        Format::Json => measure_in(Json, request, records).await,
        Format::Mus => measure_in(Mus, request, records).await,
        Format::Protobuf => measure_in(Protobuf, request, records).await,
    }
}

async fn measure_in(
    format: impl TracedFormat,
    request: &Request,
    records: Records,
) -> Result<Measured, String> {
    let session = Session::start(format, request.connections, records).await?;
    let measured = load::closed_loop(std::slice::from_ref(&session.traced), &request.round()).await;
    session.stop().await?;
    measured
}

/// Makes both ends, and counts what `calls` round trips of each of `in_flight` tasks allocate.
pub(crate) async fn count(
    records: Records,
    format: Format,
    connections: u32,
    in_flight: usize,
    calls: usize,
) -> Result<Allocated, String> {
    match format {
        Format::Json => count_in(records, Json, connections, in_flight, calls).await,
        Format::Mus => count_in(records, Mus, connections, in_flight, calls).await,
        Format::Protobuf => count_in(records, Protobuf, connections, in_flight, calls).await,
    }
}

async fn count_in(
    records: Records,
    format: impl TracedFormat,
    connections: u32,
    in_flight: usize,
    calls: usize,
) -> Result<Allocated, String> {
    let session = Session::start(format, connections, records).await?;
    let counted = counted_loop(std::slice::from_ref(&session.traced), in_flight, calls).await;
    session.stop().await?;
    counted
}

type Hooks = OtelHooks<TracedSend, SdkTracer>;

/// A Sender over all connections, as tasks share it.
struct Group<F: TracedFormat>(Sender<TracedSend, F, Hooks>);

/// Both ends, connected, and who makes their spans.
struct Session<F: TracedFormat> {
    traced: Group<F>,
    server: Handle,
    serving: JoinHandle<Served>,
    tracers: SdkTracerProvider,
    receiver: Option<Receiver>,
}

impl<F: TracedFormat> Session<F> {
    async fn start(format: F, connections: u32, records: Records) -> Result<Self, String> {
        let receiver = records.has_exporter().then(Receiver::start).transpose()?;
        let tracers = match &receiver {
            Some(receiver) => {
                let exporter = SpanExporter::builder().with_tonic().with_endpoint(&receiver.endpoint);
                let exporter = exporter.build().map_err(|error| error.to_string())?;
                SdkTracerProvider::builder()
                    .with_batch_exporter(exporter)
                    .with_sampler(by_parent(Sampler::AlwaysOn))
            }
            None if records == Records::SpansAlone => SdkTracerProvider::builder(),
            None => SdkTracerProvider::builder().with_sampler(Sampler::AlwaysOff),
        };
        let tracers = tracers.build();
        let carries = records.carries_unsampled();
        let hooks = OtelHooks::builder().tracer_provider(tracers.clone()).carry_unsampled(carries);
        let invoker = OtelInvoker::builder().tracer_provider(tracers.clone()).carry_unsampled(carries);
        let (hooks, invoker) = match records {
            Records::Nothing | Records::Metrics => {
                (hooks.pre_sampler(Sampler::AlwaysOff), invoker.pre_sampler(Sampler::AlwaysOff))
            }
            Records::Traces(ratio) => (
                hooks.pre_sampler(by_parent(Sampler::TraceIdRatioBased(ratio))),
                invoker.pre_sampler(by_parent(Sampler::AlwaysOn)),
            ),
            Records::NothingAsTheProviderSays | Records::SpansAlone | Records::Spans => (hooks, invoker),
        };
        let (hooks, invoker) = if records == Records::Metrics {
            // As with an exporter, each value is kept until it is collected.
            let meters = SdkMeterProvider::builder().with_reader(ManualReader::builder().build()).build();
            (hooks.meter_provider(meters.clone()), invoker.meter_provider(meters))
        } else {
            (hooks.meter_provider(NoopMeterProvider::new()), invoker.meter_provider(NoopMeterProvider::new()))
        };
        let server = Server::builder(TracedEcho, format, Nothing)
            .limits(Limits::default().connections(1 << 17))
            .invoker(invoker.build());
        let server = server.bind("127.0.0.1:0").await.map_err(text)?;
        let (handle, serving) = (server.handle(), tokio::spawn(server.serve()));
        let sender = Sender::builder(TracedSend, format)
            .endpoints([handle.local_addr()])
            .clients(connections as usize)
            .minimum(connections as usize)
            .timeout(std::time::Duration::MAX)
            .hooks(hooks.build());
        let traced = Group(sender.connect().await.map_err(text)?);
        Ok(Self { traced, server: handle, serving, tracers, receiver })
    }

    /// Ends both sides, and waits until they have ended: the next round must not share the machine with this one.
    async fn stop(self) -> Result<(), String> {
        let Self { traced, server, serving, tracers, receiver } = self;
        drop(traced);
        server.close();
        serving.await.map_err(|error| error.to_string())?;
        // It waits for the last export, which needs this runtime.
        let shutdown = tokio::task::spawn_blocking(move || tracers.shutdown());
        let ended = shutdown.await.map_err(|error| error.to_string())?;
        if let Some(receiver) = receiver {
            ended.map_err(|error| error.to_string())?;
            receiver.serving.abort();
            if receiver.spans.load(Relaxed) == 0 {
                return Err("no span has arrived".to_owned());
            }
        }
        Ok(())
    }
}

impl<F: TracedFormat> Clone for Group<F> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<F: TracedFormat> Echo for Group<F> {
    async fn echo(&self, value: &'static Value) -> Result<Value, String> {
        self.0.send(Traced::new(Sent(value))).await.map_err(|error| format!("{error:#}"))
    }
}

/// An OTLP receiver over gRPC.
struct Receiver {
    endpoint: String,
    spans: Arc<AtomicU64>,
    serving: JoinHandle<Result<(), tonic::transport::Error>>,
}

impl Receiver {
    fn start() -> Result<Self, String> {
        let incoming = TcpIncoming::bind(([127, 0, 0, 1], 0).into()).map_err(|error| error.to_string())?;
        let address = incoming.local_addr().map_err(|error| error.to_string())?;
        let spans = Arc::<AtomicU64>::default();
        let service = TraceServiceServer::new(Counts(Arc::clone(&spans)));
        let server = tonic::transport::Server::builder().add_service(service);
        let serving = tokio::spawn(server.serve_with_incoming(incoming));
        Ok(Self { endpoint: format!("http://{address}"), spans, serving })
    }
}

/// Counts spans.
struct Counts(Arc<AtomicU64>);

#[tonic::async_trait]
impl TraceService for Counts {
    async fn export(
        &self,
        request: tonic::Request<ExportTraceServiceRequest>,
    ) -> Result<tonic::Response<ExportTraceServiceResponse>, tonic::Status> {
        let resources = request.into_inner().resource_spans;
        let spans = resources.iter().flat_map(|resource| &resource.scope_spans);
        let count: usize = spans.map(|scope| scope.spans.len()).sum();
        self.0.fetch_add(count as u64, Relaxed);
        Ok(tonic::Response::new(ExportTraceServiceResponse::default()))
    }
}

/// The parent decides, and of a span without one this sampler.
fn by_parent(root: Sampler) -> Sampler {
    Sampler::ParentBased(Box::new(root))
}

fn text(error: cmd_stream::Error) -> String {
    format!("{error:#}")
}
