//! Allocations of a whole process are counted, so this is a program of its own.

use bench_harness::load::{Echo, PerCommand, Round, warm_burst};
use bench_harness::participant::runtime;
use bench_harness::workload::Value;

bench_harness::count_allocations!();

#[derive(Clone)]
struct Mirror;

impl Echo for Mirror {
    async fn echo(&self, value: &'static Value) -> Result<Value, String> {
        Ok(value.clone())
    }
}

#[test]
fn what_a_burst_allocates_is_counted() {
    let measured = runtime().unwrap().block_on(warm_burst(&[Mirror], &Round::of_calls(), 10_000)).unwrap();
    let PerCommand { allocations, bytes } = measured.allocated.unwrap();
    // At least its task, and the copy of its string.
    assert!((1.9..10.0).contains(&allocations) && bytes > 500.0, "{allocations} {bytes}");
}
