//! Between a propagator and the metadata of a Command.

use cmd_stream::protocol::Metadata;
use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, Injector, TextMapCompositePropagator, TextMapPropagator};
use opentelemetry_sdk::propagation::{BaggagePropagator, TraceContextPropagator};

pub(crate) type Propagator = Box<dyn TextMapPropagator + Send + Sync>;

/// W3C Trace Context and Baggage.
pub(crate) fn default_propagator() -> Propagator {
    Box::new(TextMapCompositePropagator::new(vec![
        Box::new(TraceContextPropagator::new()),
        Box::new(BaggagePropagator::new()),
    ]))
}

/// Writes a context into a Command.
pub(crate) fn inject(propagator: &Propagator, context: &Context, metadata: &mut dyn Metadata) {
    propagator.inject_context(context, &mut Writes(metadata));
}

/// Reads the context that a Command carries. `None` if it carries nothing.
pub(crate) fn extract(propagator: &Propagator, metadata: &dyn Metadata) -> Option<Context> {
    if metadata.is_empty() {
        return None;
    }
    Some(propagator.extract_with_context(&Context::new(), &Reads(metadata)))
}

struct Writes<'a>(&'a mut dyn Metadata);

impl Injector for Writes<'_> {
    fn set(&mut self, key: &str, value: String) {
        // An empty `tracestate` says nothing, and Go does not send it.
        if !value.is_empty() {
            self.0.set(key, &value);
        }
    }
}

struct Reads<'a>(&'a dyn Metadata);

impl Extractor for Reads<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)
    }

    fn keys(&self) -> Vec<&str> {
        self.0.names()
    }
}
