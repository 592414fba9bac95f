use opentelemetry::KeyValue;
use opentelemetry::propagation::TextMapCompositePropagator;
use opentelemetry::trace::{SpanId, TraceFlags, TraceId, TraceState};
use opentelemetry_sdk::propagation::TraceContextPropagator;

use super::*;
use crate::Traced;

fn contexts() -> Vec<Context> {
    let span = |flags, state: &str| {
        let state: TraceState = state.parse().expect("it is valid");
        Context::new().with_remote_span_context(SpanContext::new(
            TraceId::from(9),
            SpanId::from(5),
            flags,
            true,
            state,
        ))
    };
    let spans = [
        Context::new(),
        span(TraceFlags::SAMPLED, ""),
        span(TraceFlags::default(), ""),
        span(TraceFlags::SAMPLED, "a=1,b@c=2"),
    ];
    let with =
        |context: &Context| context.with_baggage(vec![KeyValue::new("user", "a b"), KeyValue::new("n", 1)]);
    spans.iter().flat_map(|context| [context.clone(), with(context)]).collect()
}

fn said(context: Option<Context>) -> String {
    let Some(context) = context else { return "nothing".to_owned() };
    let mut baggage: Vec<_> = context.baggage().iter().map(|pair| format!("{pair:?}")).collect();
    baggage.sort_unstable();
    format!("{:?} {baggage:?}", context.span().span_context())
}

/// Baggage is a hash map, and is written in any order.
fn sorted(carried: &Traced<()>) -> Vec<(String, Vec<String>)> {
    let parts = |value: &str| {
        let mut parts: Vec<_> = value.split(',').map(str::to_owned).collect();
        parts.sort_unstable();
        parts
    };
    carried.carrier().expect("there is one").map(|(name, value)| (name.to_owned(), parts(value))).collect()
}

#[test]
fn the_default_writes_what_the_sdk_does_and_both_read_it() {
    let sdk = Propagator::Other(Box::new(TextMapCompositePropagator::new(vec![
        Box::new(TraceContextPropagator::new()),
        Box::new(BaggagePropagator::new()),
    ])));
    let default = Propagator::w3c();
    let other =
        SpanContext::new(TraceId::from(9), SpanId::from(77), TraceFlags::SAMPLED, false, TraceState::NONE);
    for context in contexts() {
        for span in [None, Some(other.clone())] {
            let write = |propagator: &Propagator| {
                let mut traced = Traced::new(());
                propagator.inject(&propagator.carried(&context, span.clone()), &mut traced);
                traced
            };
            let (ours, theirs) = (write(&default), write(&sdk));
            assert_eq!(sorted(&ours), sorted(&theirs));
            assert_eq!(said(default.extract(&theirs)), said(sdk.extract(&theirs)));
            assert_eq!(said(default.extract(&ours)), said(sdk.extract(&ours)));
        }
    }
}

#[test]
fn what_is_not_valid_is_not_read() {
    let text = |id: &str| format!("00-{}-{id}-01", "1".repeat(32));
    let mut traced = Traced::new(());
    traced.set(TRACEPARENT, &text("00000000000000000"));
    traced.set(TRACESTATE, "a=1");
    traced.set("user", "x");
    let context = Propagator::w3c().extract(&traced).expect("it carries something");
    assert!(!context.has_active_span());
    traced.set(TRACEPARENT, &text("0000000000000001"));
    let context = Propagator::w3c().extract(&traced).expect("it carries something");
    assert_eq!(context.span().span_context().trace_state().header(), "a=1");
}
