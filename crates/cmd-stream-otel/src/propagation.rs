//! Between a propagator and the metadata of a Command.

use cmd_stream::protocol::Metadata;
use opentelemetry::Context;
use opentelemetry::baggage::BaggageExt;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::{SpanContext, TraceContextExt};
use opentelemetry_sdk::propagation::BaggagePropagator;

use crate::traceparent::{self, TRACEPARENT, TRACESTATE};

const BAGGAGE: &str = "baggage";

/// In which form a context travels.
pub(crate) enum Propagator {
    /// W3C Trace Context, which is read and written here, and Baggage. The SDK's propagators write the same, with an allocation
    /// for each piece of text. Ours is stricter with what it reads: a `traceparent` of version 00 has 55 bytes, and a
    /// `tracestate` has no name twice and at most 32 members.
    W3c(BaggagePropagator),
    /// The user's.
    Other(Box<dyn TextMapPropagator + Send + Sync>),
}

/// What a Command is to carry.
pub(crate) enum Carried {
    W3c {
        span: SpanContext,
        /// With baggage, if there is some.
        baggage: Option<Context>,
    },
    Other(Context),
}

impl Propagator {
    pub(crate) fn w3c() -> Self {
        Self::W3c(BaggagePropagator::new())
    }

    /// What a Command is to carry of this context, with this span in place of the one in the context.
    pub(crate) fn carried(&self, current: &Context, span: Option<SpanContext>) -> Carried {
        match (self, span) {
            (Self::W3c(_), span) => {
                let span = span.unwrap_or_else(|| current.span().span_context().clone());
                let baggage = (!current.baggage().is_empty()).then(|| current.clone());
                Carried::W3c { span, baggage }
            }
            (Self::Other(_), Some(span)) => Carried::Other(current.with_remote_span_context(span)),
            (Self::Other(_), None) => Carried::Other(current.clone()),
        }
    }

    /// Writes it into a Command.
    pub(crate) fn inject(&self, carried: &Carried, metadata: &mut dyn Metadata) {
        match (self, carried) {
            (Self::W3c(of_baggage), Carried::W3c { span, baggage }) => {
                if span.is_valid() {
                    metadata.set(TRACEPARENT, &traceparent::write(span));
                    let state = span.trace_state().header();
                    if !state.is_empty() {
                        metadata.set(TRACESTATE, &state);
                    }
                }
                if let Some(baggage) = baggage {
                    of_baggage.inject_context(baggage, &mut Writes(metadata));
                }
            }
            (Self::Other(propagator), Carried::Other(context)) => {
                propagator.inject_context(context, &mut Writes(metadata));
            }
            _ => unreachable!("it is of this propagator"),
        }
    }

    /// Reads the context that a Command carries. `None` if it carries nothing.
    pub(crate) fn extract(&self, metadata: &dyn Metadata) -> Option<Context> {
        if metadata.is_empty() {
            return None;
        }
        let reads = Reads(metadata);
        Some(match self {
            Self::W3c(of_baggage) => {
                let span = metadata.get(TRACEPARENT);
                let span = span.and_then(|text| traceparent::read(text, metadata.get(TRACESTATE)));
                let context =
                    span.map_or_else(Context::new, |span| Context::new().with_remote_span_context(span));
                match metadata.get(BAGGAGE) {
                    Some(_) => of_baggage.extract_with_context(&context, &reads),
                    None => context,
                }
            }
            Self::Other(propagator) => propagator.extract_with_context(&Context::new(), &reads),
        })
    }
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

#[cfg(test)]
mod tests;
