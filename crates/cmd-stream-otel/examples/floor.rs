//! What the SDK takes for the two spans of a call, without this library: the floor under what a traced call costs. One thread
//! makes them as fast as it can, with the attributes and the event that they have on a client and on a server.
//!
//! ```sh
//! cargo run --release -p cmd-stream-otel --example floor -- 200000
//! ```

#![allow(unsafe_code, reason = "an allocator that counts")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::error::Error;
use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use opentelemetry::trace::{Span as _, SpanBuilder, SpanKind, TraceContextExt, Tracer, TracerProvider};
use opentelemetry::{Context, KeyValue, StringValue};
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider};
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

/// Counts the allocations of each thread, and of all.
struct Counting;

thread_local! {
    static OF_THREAD: Cell<u64> = const { Cell::new(0) };
}
static OF_ALL: AtomicU64 = AtomicU64::new(0);

fn count() {
    OF_ALL.fetch_add(1, Relaxed);
    let _ = OF_THREAD.try_with(|count| count.set(count.get() + 1));
}

// SAFETY: all is passed on to the allocator of the system, and counting does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        unsafe { System.realloc(memory, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() -> Result<(), Box<dyn Error>> {
    let calls = std::env::args().nth(1).map_or(Ok(200_000), |calls| calls.parse())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let off = SdkTracerProvider::builder().with_sampler(Sampler::AlwaysOff).build();
    measure("nothing is sampled", calls, &off);
    let on = SdkTracerProvider::builder().with_sampler(Sampler::AlwaysOn).build();
    measure("all are sampled, no exporter", calls, &on);

    let received = Arc::<AtomicU64>::default();
    let tracers = {
        let _runtime = runtime.enter();
        let any: SocketAddr = ([127, 0, 0, 1], 0).into();
        let incoming = TcpIncoming::bind(any)?;
        let endpoint = format!("http://{}", incoming.local_addr()?);
        let service = TraceServiceServer::new(Receiver(Arc::clone(&received)));
        runtime.spawn(tonic::transport::Server::builder().add_service(service).serve_with_incoming(incoming));
        let exporter = SpanExporter::builder().with_tonic().with_endpoint(endpoint).build()?;
        SdkTracerProvider::builder().with_sampler(Sampler::AlwaysOn).with_batch_exporter(exporter).build()
    };
    measure("all are sampled, batch exporter and receiver", calls, &tracers);
    tracers.shutdown()?;
    let received = received.load(Relaxed);
    println!("{received} of {} spans have arrived", 2 * calls);
    Ok(())
}

/// Makes the spans of so many calls, and prints what each call takes.
fn measure(what: &str, calls: u64, provider: &SdkTracerProvider) {
    let tracer = provider.tracer("floor");
    let address: Arc<str> = "127.0.0.1".into();
    let before = (cpu_of_thread(), cpu_of_all(), OF_THREAD.get(), OF_ALL.load(Relaxed), Instant::now());
    for seq in 0..calls {
        call(&tracer, &address, i64::try_from(seq).unwrap_or(0));
    }
    let rate = calls as f64 / before.4.elapsed().as_secs_f64();
    let each = |time: Duration| time.as_nanos() as u64 / calls;
    println!(
        "{what}: {rate:.0} calls/s; per call {} ns of its thread, {} ns of all; {:.1} allocations in its thread, {:.1} in all",
        each(cpu_of_thread() - before.0),
        each(cpu_of_all() - before.1),
        (OF_THREAD.get() - before.2) as f64 / calls as f64,
        (OF_ALL.load(Relaxed) - before.3) as f64 / calls as f64,
    );
}

/// The span of a client, and that of its server.
fn call(tracer: &SdkTracer, address: &Arc<str>, seq: i64) {
    let peer = || {
        [
            KeyValue::new("network.peer.address", StringValue::from(Arc::clone(address))),
            KeyValue::new("network.peer.port", 9000),
            KeyValue::new("network.protocol.name", "tcp"),
        ]
    };
    let mut client = Context::map_current(|current| {
        let mut builder = SpanBuilder::from_name("Send Command");
        builder.span_kind = Some(SpanKind::Client);
        tracer.build_with_context(builder, current)
    });
    let parent = Context::new().with_remote_span_context(client.span_context().clone());
    let mut builder = SpanBuilder::from_name("Invoke Command");
    builder.span_kind = Some(SpanKind::Server);
    let mut server = tracer.build_with_context(builder, &parent);
    if server.is_recording() {
        server.set_attributes(peer());
        let context = parent.with_span(server);
        let _attached = context.clone().attach();
        let event = [
            KeyValue::new("cmd-stream.result.seq", 1),
            KeyValue::new("cmd-stream.result.size", 500),
            KeyValue::new("cmd-stream.result.type", "Reply"),
        ];
        context.span().add_event("result", event.into());
        context.span().end();
    }
    if client.is_recording() {
        client.set_attributes(peer());
        client.set_attribute(KeyValue::new("cmd-stream.command.seq", seq));
        client.set_attribute(KeyValue::new("cmd-stream.command.size", 500));
        client.end();
    }
}

/// What Linux says. Elsewhere it is zero.
fn cpu_of_thread() -> Duration {
    let told = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = told.split(' ').next().and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(nanos.unwrap_or(0))
}

/// The same of all threads, in hundredths of a second.
fn cpu_of_all() -> Duration {
    let told = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = told.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: u64 =
        after_name.split(' ').skip(12).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    Duration::from_millis(10 * ticks)
}

/// Counts what arrives.
struct Receiver(Arc<AtomicU64>);

#[tonic::async_trait]
impl TraceService for Receiver {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let resources = request.into_inner().resource_spans;
        let scopes = resources.iter().flat_map(|resource| &resource.scope_spans);
        let count: usize = scopes.map(|scope| scope.spans.len()).sum();
        self.0.fetch_add(count as u64, Relaxed);
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}
