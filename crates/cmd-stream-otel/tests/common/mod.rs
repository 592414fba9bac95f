//! A server and a Sender in one process, with exporters that keep what they are given.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use cmd_stream::client::Limits;
use cmd_stream::hooks::Hooks;
use cmd_stream::sender::Builder;
use cmd_stream::server::{Context, Handle, Invoker, Scheduling};
use cmd_stream::transport::{Accept, Connect, Peer, memory};
use cmd_stream::{Answer, Failed, Mus, Sender, Server, protocol};
use cmd_stream_otel::{HooksBuilder, InvokerBuilder, OtelHooks, OtelInvoker, Traced};
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, PeriodicReader, SdkMeterProvider};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracer, SdkTracerProvider, SpanData};
use testkit::sample::{
    DelayCmd, DelayResult, EchoCmd, EchoResult, FailCmd, Service, StreamCmd, StreamResult,
};
use tokio::io::DuplexStream;

pub(crate) mod metrics;

/// Does what the sample service does, but for how it fails.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Receiver;

impl Answer<Receiver> for EchoCmd {
    // Where it runs must not depend on how busy the machine is: one test counts allocations, and a task is one.
    const SCHEDULING: Scheduling = Scheduling::InPlace;

    async fn answer(self, _: &Receiver, context: &Context<'_>) -> Result<EchoResult, Failed> {
        self.answer(&Service, context).await
    }
}

impl cmd_stream::Execute<Receiver> for StreamCmd {
    async fn execute(self, _: &Receiver, proxy: cmd_stream::Proxy<'_, StreamResult>) -> Result<(), Failed> {
        self.execute(&Service, proxy).await
    }
}

impl Answer<Receiver> for FailCmd {
    async fn answer(self, _: &Receiver, _: &Context<'_>) -> Result<EchoResult, Failed> {
        Err(Failed::new("intentional failure"))
    }
}

impl Answer<Receiver> for DelayCmd {
    async fn answer(self, _: &Receiver, context: &Context<'_>) -> Result<DelayResult, Failed> {
        self.answer(&Service, context).await
    }
}

protocol! {
    /// The Commands of the vectors.
    pub(crate) struct Sample {
        commands {
            0 => EchoCmd,
            1 => StreamCmd,
            2 => FailCmd,
            3 => DelayCmd,
            4 => Traced<EchoCmd> as TraceEchoCmd,
            5 => Traced<FailCmd> as TraceFailCmd,
        }
        replies { 0 => EchoResult, 1 => StreamResult, 2 => DelayResult }
        failure close_connection
    }
}

/// A Command of 16 bytes on the wire, as that of the vectors.
pub(crate) fn echo() -> EchoCmd {
    EchoCmd { bool: true, int64: 1, string: "abc".into(), float64: 1.5 }
}

/// Keeps what one side exports.
#[derive(Clone)]
pub(crate) struct Exported {
    pub(crate) tracers: SdkTracerProvider,
    pub(crate) meters: SdkMeterProvider,
    spans: InMemorySpanExporter,
    metrics: InMemoryMetricExporter,
}

impl Exported {
    pub(crate) fn new() -> Self {
        let spans = InMemorySpanExporter::default();
        let tracers = SdkTracerProvider::builder().with_simple_exporter(spans.clone()).build();
        let metrics = InMemoryMetricExporter::default();
        let reader =
            PeriodicReader::builder(metrics.clone()).with_interval(Duration::from_secs(86_400)).build();
        let meters = SdkMeterProvider::builder().with_reader(reader).build();
        Self { tracers, meters, spans, metrics }
    }

    pub(crate) fn spans(&self) -> Vec<SpanData> {
        self.spans.get_finished_spans().expect("the exporter lives")
    }

    /// Waits until so many spans have ended: a server ends its own after it has replied.
    pub(crate) async fn wait_for_spans(&self, count: usize) -> Vec<SpanData> {
        testkit::wait::until(|| self.spans().len() >= count).await;
        self.spans()
    }

    pub(crate) fn metrics(&self) -> Vec<metrics::Point> {
        self.meters.force_flush().expect("the exporter lives");
        metrics::points(&self.metrics.get_finished_metrics().expect("the exporter lives"))
    }
}

/// Connections in memory whose ends have IP addresses.
pub(crate) struct Local(memory::Listener);

/// Connects to [`Local`].
#[derive(Clone)]
pub(crate) struct ToLocal(pub(crate) memory::Connector);

fn address() -> SocketAddr {
    ([127, 0, 0, 1], 9000).into()
}

impl Accept for Local {
    type Incoming = (DuplexStream, Peer);

    async fn accept(&mut self) -> io::Result<(DuplexStream, Peer)> {
        let (io, _) = self.0.accept().await?;
        Ok((io, address().into()))
    }

    fn local_addr(&self) -> io::Result<Peer> {
        Ok(address().into())
    }
}

impl Connect for ToLocal {
    type Outgoing = (DuplexStream, Peer);

    async fn connect(&self) -> io::Result<(DuplexStream, Peer)> {
        let (io, _) = self.0.connect().await?;
        Ok((io, address().into()))
    }

    fn address(&self) -> String {
        address().to_string()
    }
}

/// Both sides, and what they export.
pub(crate) struct World<H: Hooks<Sample>> {
    pub(crate) client: Exported,
    pub(crate) server: Exported,
    pub(crate) sender: Sender<Sample, Mus, H>,
    pub(crate) handle: Handle,
}

/// Starts both sides with these hooks and this Invoker.
pub(crate) async fn start<H: Hooks<Sample>>(
    hooks: impl FnOnce(HooksBuilder<Sample, SdkTracerProvider>) -> H,
    make_invoker: impl FnOnce(InvokerBuilder<Sample, SdkTracerProvider>) -> OtelInvoker<Sample, SdkTracer>,
) -> World<H> {
    let (client, server) = (Exported::new(), Exported::new());
    let invoker =
        OtelInvoker::builder().tracer_provider(server.tracers.clone()).meter_provider(server.meters.clone());
    let (connector, handle) = serve(make_invoker(invoker));
    let builder =
        OtelHooks::builder().tracer_provider(client.tracers.clone()).meter_provider(client.meters.clone());
    let sender = connect(connector, |sender| sender.hooks(hooks(builder))).await;
    World { client, server, sender, handle }
}

/// Starts a server in memory.
pub(crate) fn serve<I: Invoker<Sample>>(invoker: I) -> (memory::Connector, Handle) {
    let (connector, listener) = memory::pair();
    let server = Server::builder(Sample, Mus, Receiver).invoker(invoker).listen(Local(listener));
    let server = server.expect("there is room in memory");
    let handle = server.handle();
    tokio::spawn(server.serve());
    (connector, handle)
}

/// Connects a Sender to it.
pub(crate) async fn connect<H: Hooks<Sample>>(
    connector: memory::Connector,
    set: impl FnOnce(Builder<Sample, Mus>) -> Builder<Sample, Mus, H>,
) -> Sender<Sample, Mus, H> {
    let builder = Sender::builder(Sample, Mus).endpoints(["127.0.0.1:9000"]).limits(Limits::default());
    set(builder).connect_by(move |_| ToLocal(connector.clone())).await.expect("the server is there")
}
