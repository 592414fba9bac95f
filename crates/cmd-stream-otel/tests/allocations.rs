//! Where no span is sampled, hooks and Invoker allocate nothing: what a call allocates is what it does without them.

#![allow(unsafe_code, reason = "an allocator that counts")]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use cmd_stream::hooks::{Hooks, NoHooks};
use cmd_stream::server::{Direct, Invoker};
use cmd_stream_otel::{OtelHooks, OtelInvoker, Traced};
use opentelemetry::metrics::NoopMeterProvider;
use opentelemetry::trace::noop::NoopTracerProvider;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};

use common::{Exported, Sample, connect, echo, serve};

/// Counts the allocations of each thread.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: all is passed on to the allocator of the system, and counting does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        unsafe { System.realloc(memory, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What so many calls allocate on both sides, which run in this thread.
async fn count<H: Hooks<Sample>, I: Invoker<Sample>>(hooks: H, invoker: I, is_traced: bool) -> u64 {
    let (connector, _handle) = serve(invoker);
    let sender = connect(connector, |sender| sender.hooks(hooks)).await;
    let call = async || {
        if is_traced {
            drop(sender.send(Traced::new(echo())).await.expect("it echoes"));
        } else {
            drop(sender.send(echo()).await.expect("it echoes"));
        }
    };
    for _ in 0..500 {
        call().await;
    }
    let before = ALLOCATIONS.get();
    for _ in 0..CALLS {
        call().await;
    }
    ALLOCATIONS.get() - before
}

const CALLS: u64 = 2_000;

/// Some tables grow now and then, whatever is measured.
fn per_call(allocations: u64, of_none: u64) -> f64 {
    allocations.saturating_sub(of_none) as f64 / CALLS as f64
}

#[tokio::test]
async fn a_call_whose_span_is_not_sampled_allocates_nothing_for_it() {
    for is_traced in [false, true] {
        let none = count(NoHooks, Direct, is_traced).await;
        let exported = Exported::new(); // metrics are recorded
        let tracers = SdkTracerProvider::builder().with_sampler(Sampler::AlwaysOff).build();
        let hooks =
            OtelHooks::builder().tracer_provider(tracers.clone()).meter_provider(exported.meters.clone());
        let invoker = OtelInvoker::builder().tracer_provider(tracers).meter_provider(exported.meters.clone());
        let hooks = hooks.carry_unsampled(false).build();
        let invoker = invoker.carry_unsampled(false).build();
        let allocations = per_call(count(hooks, invoker, is_traced).await, none);
        assert!(allocations < 0.01, "{allocations} for each call, traced: {is_traced}");
        assert!(!exported.metrics().is_empty());
    }
}

#[tokio::test]
async fn nor_does_one_that_only_has_metrics() {
    for is_traced in [false, true] {
        let none = count(NoHooks, Direct, is_traced).await;
        let exported = Exported::new();
        let hooks = OtelHooks::builder().tracer_provider(NoopTracerProvider::new());
        let invoker = OtelInvoker::builder().tracer_provider(NoopTracerProvider::new());
        let hooks = hooks.meter_provider(exported.meters.clone()).build();
        let invoker = invoker.meter_provider(exported.meters.clone()).build();
        let allocations = per_call(count(hooks, invoker, is_traced).await, none);
        assert!(allocations < 0.01, "{allocations} for each call, traced: {is_traced}");
    }
}

/// The test above can fail.
#[tokio::test]
async fn a_span_that_is_recorded_is_allocated() {
    let none = count(NoHooks, Direct, false).await;
    let exported = Exported::new();
    let hooks = OtelHooks::builder().tracer_provider(exported.tracers.clone()).build();
    assert!(per_call(count(hooks, Direct, false).await, none) > 1.0);
}

/// What the SDK itself allocates for the two spans is in there: `examples/floor.rs` has 8.
#[tokio::test]
async fn what_a_sampled_call_allocates_is_bounded() {
    for (is_traced, most) in [(false, 11.0), (true, 12.0)] {
        let none = count(NoHooks, Direct, is_traced).await;
        let tracers = SdkTracerProvider::builder().with_sampler(Sampler::AlwaysOn).build();
        let hooks = OtelHooks::builder().tracer_provider(tracers.clone());
        let invoker = OtelInvoker::builder().tracer_provider(tracers);
        let hooks = hooks.meter_provider(NoopMeterProvider::new()).build();
        let invoker = invoker.meter_provider(NoopMeterProvider::new()).build();
        let allocations = per_call(count(hooks, invoker, is_traced).await, none);
        assert!(allocations <= most + 0.01, "{allocations} for each call, traced: {is_traced}");
    }
}
