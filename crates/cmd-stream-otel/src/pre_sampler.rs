//! A sampler that is asked before a span is made, so that one that will not be sampled costs little.

use std::any::Any;

use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanKind, TraceContextExt, TraceFlags};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator, Sampler, SamplingDecision, ShouldSample};

/// Who is asked before the tracer.
pub(crate) enum PreSampler {
    Nobody,
    /// It is known that no span is sampled.
    Never,
    Sampler(Box<dyn ShouldSample>),
}

/// What is done with a span.
pub(crate) enum Verdict {
    /// The tracer is asked to make it.
    Made,
    /// There is none. What others are told of it, if they are, is what the SDK would tell: it belongs to the trace of its parent,
    /// or begins one, and is not sampled.
    Dropped(Option<SpanContext>),
}

impl PreSampler {
    pub(crate) fn of(sampler: impl ShouldSample + 'static) -> Self {
        match (&sampler as &dyn Any).downcast_ref() {
            Some(Sampler::AlwaysOff) => Self::Never,
            _ => Self::Sampler(Box::new(sampler)),
        }
    }

    /// Whether there are no spans, and nobody is told of them.
    pub(crate) fn is_never(&self) -> bool {
        matches!(self, Self::Never)
    }

    /// Decides about a span. `is_told` says whether others are told of it.
    pub(crate) fn decide(&self, parent: &Context, name: &str, kind: &SpanKind, is_told: bool) -> Verdict {
        let sampler = match self {
            // Where telemetry is suppressed, the tracer makes no spans.
            _ if parent.is_telemetry_suppressed() => return Verdict::Made,
            Self::Nobody => return Verdict::Made,
            Self::Never if !is_told => return Verdict::Dropped(None),
            Self::Never => None,
            Self::Sampler(sampler) => Some(sampler),
        };
        let ids = RandomIdGenerator::default();
        let parent_span = parent.span();
        let of_parent = parent_span.span_context();
        let trace = if of_parent.is_valid() { of_parent.trace_id() } else { ids.new_trace_id() };
        let state = match sampler {
            None => of_parent.trace_state().clone(),
            Some(sampler) => {
                let result = sampler.should_sample(Some(parent), trace, name, kind, &[], &[]);
                if result.decision != SamplingDecision::Drop {
                    return Verdict::Made;
                }
                result.trace_state
            }
        };
        let told =
            is_told.then(|| SpanContext::new(trace, ids.new_span_id(), TraceFlags::default(), false, state));
        Verdict::Dropped(told)
    }
}
