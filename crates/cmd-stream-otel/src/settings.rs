//! The settings that hooks and Invoker share.

use std::any::Any;
use std::cell::RefCell;
use std::net::IpAddr;
use std::sync::Arc;

use cmd_stream::protocol::Protocol;
use opentelemetry::metrics::{MeterProvider, NoopMeterProvider};
use opentelemetry::trace::TracerProvider;
use opentelemetry::{InstrumentationScope, KeyValue, global};

use crate::commands::{Commands, Durations};
use crate::pre_sampler::PreSampler;
use crate::propagation::Propagator;
use crate::semconv;

/// What a builder is given, but for the functions of the user.
pub(crate) struct Settings<T> {
    pub(crate) tracers: T,
    pub(crate) meters: Arc<dyn MeterProvider + Send + Sync>,
    pub(crate) has_metrics: bool,
    pub(crate) propagator: Propagator,
    pub(crate) pre_sampler: PreSampler,
    pub(crate) carries_unsampled: bool,
    pub(crate) is_go: bool,
}

impl Settings<global::GlobalTracerProvider> {
    pub(crate) fn new() -> Self {
        Self {
            tracers: global::tracer_provider(),
            meters: global::meter_provider(),
            has_metrics: true,
            propagator: Propagator::w3c(),
            pre_sampler: PreSampler::Nobody,
            carries_unsampled: true,
            is_go: false,
        }
    }
}

impl<T: TracerProvider> Settings<T> {
    pub(crate) fn with_tracers<N>(self, tracers: N) -> Settings<N> {
        let Self { meters, has_metrics, propagator, pre_sampler, carries_unsampled, is_go, .. } = self;
        Settings { tracers, meters, has_metrics, propagator, pre_sampler, carries_unsampled, is_go }
    }

    /// What is made of them.
    pub(crate) fn build<P: Protocol>(self, names: &semconv::Instruments) -> Parts<P, T::Tracer> {
        let (name, version) =
            if self.is_go { semconv::GO_SCOPE } else { (env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION")) };
        let scope = InstrumentationScope::builder(name).with_version(version).build();
        let durations = if self.is_go { Durations::Milliseconds } else { Durations::Seconds };
        Parts {
            commands: Commands::new(&self.meters.meter_with_scope(scope.clone()), names, durations),
            tracer: self.tracers.tracer_with_scope(scope),
            has_metrics: self.has_metrics,
            propagator: self.propagator,
            pre_sampler: self.pre_sampler,
            carries_unsampled: self.carries_unsampled,
            is_go: self.is_go,
        }
    }
}

/// What hooks and Invoker share.
pub(crate) struct Parts<P, T> {
    pub(crate) tracer: T,
    pub(crate) commands: Commands<P>,
    /// Whether metrics are recorded. If not, no time is taken for them.
    pub(crate) has_metrics: bool,
    pub(crate) propagator: Propagator,
    pub(crate) pre_sampler: PreSampler,
    pub(crate) carries_unsampled: bool,
    pub(crate) is_go: bool,
}

/// The other end of a connection, as attributes of a span.
#[derive(Clone)]
pub(crate) struct Address {
    address: opentelemetry::Value,
    port: i64,
    protocol: &'static str,
}

impl Address {
    pub(crate) fn tcp(host: impl Into<String>, port: u16) -> Self {
        Self { address: host.into().into(), port: port.into(), protocol: "tcp" }
    }

    /// What Go writes if it is not told.
    pub(crate) fn undefined() -> Self {
        Self { address: "undefined".into(), port: 0, protocol: "undefined" }
    }

    pub(crate) fn of(peer: &cmd_stream::transport::Peer) -> Option<Self> {
        if let Some(address) = peer.socket_addr() {
            return Some(Self {
                address: text_of(address.ip()),
                port: address.port().into(),
                protocol: "tcp",
            });
        }
        let path = peer.unix_path()?;
        Some(Self { address: path.display().to_string().into(), port: 0, protocol: "unix" })
    }

    pub(crate) fn attributes(self) -> impl Iterator<Item = KeyValue> {
        let port = (self.protocol != "unix").then(|| KeyValue::new(semconv::PEER_PORT, self.port));
        let address = KeyValue::new(semconv::PEER_ADDRESS, self.address);
        let protocol = KeyValue::new(semconv::PROTOCOL_NAME, self.protocol);
        [Some(address), port, Some(protocol)].into_iter().flatten()
    }
}

/// An IP address as text. Each thread keeps the last one: most spans in a row are of a few servers or clients.
fn text_of(ip: IpAddr) -> opentelemetry::Value {
    thread_local! {
        static LAST: RefCell<Option<(IpAddr, Arc<str>)>> = const { RefCell::new(None) };
    }
    let kept = |last: &RefCell<Option<(IpAddr, Arc<str>)>>| {
        let mut last = last.borrow_mut();
        match &*last {
            Some((of, text)) if *of == ip => Arc::clone(text),
            _ => Arc::clone(&last.insert((ip, ip.to_string().into())).1),
        }
    };
    // An error means that the thread is ending.
    let text = LAST.try_with(kept).unwrap_or_else(|_| ip.to_string().into());
    opentelemetry::Value::String(text.into())
}

/// Whether it is known to record nothing.
pub(crate) fn is_noop(meters: &impl Any) -> bool {
    (meters as &dyn Any).is::<NoopMeterProvider>()
}

/// The methods that both builders have.
macro_rules! shared_settings {
    ($builder:ident) => {
        /// Sets who makes the spans. The default is the global tracer provider, as it is when the builder is made.
        ///
        /// The type of the provider decides the type of the spans. With that of `opentelemetry_sdk` a span that is not sampled
        /// allocates nothing; the global provider boxes each. `NoopTracerProvider` records no spans at all.
        #[must_use]
        pub fn tracer_provider<N: TracerProvider>(self, provider: N) -> $builder<P, N> {
            $builder {
                settings: self.settings.with_tracers(provider),
                custom: self.custom,
                protocol: PhantomData,
            }
        }

        /// Sets who makes the instruments. The default is the global meter provider, as it is when the builder is made.
        ///
        /// With a `NoopMeterProvider` of opentelemetry there are no metrics, and nothing is measured for them. Set it where
        /// there is no global meter provider either: that cannot be seen here.
        #[must_use]
        pub fn meter_provider(mut self, provider: impl MeterProvider + Send + Sync + 'static) -> Self {
            self.settings.has_metrics = !is_noop(&provider);
            self.settings.meters = Arc::new(provider);
            self
        }

        /// Sets a sampler that is asked before the tracer provider. What it drops, the provider is not asked for, which is much
        /// cheaper than a provider that drops it. What it lets pass, the sampler of the provider decides. By default there is
        /// none.
        ///
        /// It cannot be found out what sampler a provider has. So say it here, too, and leave the default one to the provider:
        /// [`Sampler::AlwaysOff`](opentelemetry_sdk::trace::Sampler) for no spans at all, or
        /// `Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(0.01)))` for one trace in a hundred. Two samplers by ratio
        /// would let a hundredth of a hundredth pass, as the provider gives a new trace its id later.
        ///
        /// A span that is dropped has an id all the same, which is random, and is carried if
        /// [`carry_unsampled`](Self::carry_unsampled) says so. The sampler gets no attributes and no links.
        #[must_use]
        pub fn pre_sampler(mut self, sampler: impl ShouldSample + 'static) -> Self {
            self.settings.pre_sampler = PreSampler::of(sampler);
            self
        }

        /// Sets in which form a context travels. The default is W3C: `traceparent`, `tracestate` and `baggage`.
        #[must_use]
        pub fn propagator(mut self, propagator: impl TextMapPropagator + Send + Sync + 'static) -> Self {
            self.settings.propagator = Propagator::Other(Box::new(propagator));
            self
        }

        /// Sets whether everything is as otelcmd-stream-go has it, and not only its names. The default is `false`.
        ///
        /// The README lists the differences. Above all, Go records durations in milliseconds, though their unit is `s`.
        #[must_use]
        pub fn go_compatible(mut self, is_go: bool) -> Self {
            self.settings.is_go = is_go;
            self
        }
    };
}
pub(crate) use shared_settings;
