//! Where spans and numbers go: over OTLP to a collector, and to whoever asks for `/metrics`.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::http::header;
use axum::routing::get;
use examples::BoxError;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use opentelemetry_otlp::{MetricExporter, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::net::TcpListener;

/// The spans and metrics of OpenTelemetry.
pub(crate) struct Telemetry {
    pub(crate) tracers: SdkTracerProvider,
    pub(crate) meters: SdkMeterProvider,
}

impl Telemetry {
    /// Without an endpoint spans and metrics are made, and dropped.
    pub(crate) fn new(endpoint: Option<String>) -> Result<Self, BoxError> {
        let resource = Resource::builder().with_service_name("greetings").build();
        let mut tracers = SdkTracerProvider::builder().with_resource(resource.clone());
        let mut meters = SdkMeterProvider::builder().with_resource(resource);
        if let Some(endpoint) = endpoint {
            let spans = SpanExporter::builder().with_tonic().with_endpoint(&endpoint).build()?;
            let metrics = MetricExporter::builder().with_tonic().with_endpoint(&endpoint).build()?;
            tracers = tracers.with_batch_exporter(spans);
            meters = meters.with_reader(PeriodicReader::builder(metrics).build());
        }
        Ok(Self { tracers: tracers.build(), meters: meters.build() })
    }

    /// Exports what is left. A collector that is not there costs what it should have got, and nothing else.
    pub(crate) async fn end(self) -> Result<(), BoxError> {
        // It blocks until the collector has answered, which needs the runtime.
        let ended = tokio::task::spawn_blocking(move || [self.tracers.shutdown(), self.meters.shutdown()]);
        for error in ended.await?.into_iter().filter_map(Result::err) {
            eprintln!("some spans or metrics were not exported: {error}");
        }
        Ok(())
    }
}

/// The numbers that servers and Senders count by themselves, for `/metrics`.
#[derive(Clone)]
pub(crate) struct Numbers(Arc<Inner>);

struct Inner {
    prometheus: PrometheusHandle,
    sources: Mutex<Vec<Box<dyn Fn() + Send>>>,
}

impl Numbers {
    /// Installs the recorder, so there is one per process.
    pub(crate) fn new() -> Result<Self, BoxError> {
        let prometheus = PrometheusBuilder::new().install_recorder()?;
        Ok(Self(Arc::new(Inner { prometheus, sources: Mutex::default() })))
    }

    /// Adds a server or a Sender: a function that records its numbers.
    pub(crate) fn add(&self, record: impl Fn() + Send + 'static) {
        self.0.sources.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(record));
    }

    /// What Prometheus reads.
    pub(crate) fn text(&self) -> String {
        self.0.sources.lock().unwrap_or_else(PoisonError::into_inner).iter().for_each(|record| record());
        self.0.prometheus.render()
    }

    /// Serves `/metrics`, as long as the process lives.
    pub(crate) async fn serve(&self, address: &str) -> Result<SocketAddr, BoxError> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let numbers = self.clone();
        let metrics = async move || ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], numbers.text());
        let router = Router::new().route("/metrics", get(metrics));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(address)
    }
}

/// The state of a circuit breaker that is a hook, under the name that those of members have.
pub(crate) fn record_breaker(breaker: &cmd_stream::circuit_breaker::CircuitBreaker, sender: &'static str) {
    use cmd_stream::circuit_breaker::State;

    let (state, changes) = (breaker.state(), breaker.changes());
    for (name, of, number) in [
        ("open", State::Open, changes.opened),
        ("half_open", State::HalfOpen, changes.half_opened),
        ("closed", State::Closed, changes.closed),
    ] {
        let labels = [("sender", sender), ("member", "all"), ("state", name)];
        metrics::gauge!("cmd_stream_sender_breaker_state", &labels).set(f64::from(u8::from(state == of)));
        metrics::counter!("cmd_stream_sender_breaker_changes_total", &labels).absolute(number);
    }
}
