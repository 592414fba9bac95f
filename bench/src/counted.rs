//! The loop in which allocations are counted.

use std::sync::Arc;

use bench_harness::load::{Echo, PATIENCE, round_trip};
use bench_harness::workload;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use bench_harness::alloc::{self, Allocated};

/// Counts what `in_flight` tasks allocate, in the whole process, for `calls` round trips each, after as many to warm up.
pub(crate) async fn counted_loop<C: Echo>(
    clients: &[C],
    in_flight: usize,
    calls: usize,
) -> Result<Allocated, String> {
    let barrier = Arc::new(Barrier::new(in_flight + 1));
    let mut tasks = JoinSet::new();
    for task in 0..in_flight {
        let client = clients[task % clients.len()].clone();
        tasks.spawn(between_barriers(client, task, calls, Arc::clone(&barrier)));
    }
    // All tasks are between two barriers while counting is switched on, and again while it is switched off.
    let counted = async {
        barrier.wait().await;
        alloc::start_counting();
        barrier.wait().await;
        barrier.wait().await;
        alloc::stop_counting()
    };
    let allocated = tokio::time::timeout(PATIENCE * 6, counted)
        .await
        .map_err(|_| "replies are missing while allocations are counted".to_owned())?;
    while let Some(done) = tasks.join_next().await {
        done.map_err(|error| error.to_string())??;
    }
    Ok(allocated)
}

async fn between_barriers(
    client: impl Echo,
    task: usize,
    calls: usize,
    barrier: Arc<Barrier>,
) -> Result<(), String> {
    // A task that failed still reaches the barriers. Otherwise the other tasks would wait forever.
    let warm = round_trips(&client, task, calls).await;
    barrier.wait().await;
    barrier.wait().await;
    let counted = round_trips(&client, task, calls).await;
    barrier.wait().await;
    warm.and(counted)
}

async fn round_trips(client: &impl Echo, task: usize, calls: usize) -> Result<(), String> {
    for value in workload::of_task(workload::pool(), task).take(calls) {
        round_trip(client, value).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use bench_harness::participant::runtime;
    use bench_harness::workload::Value;

    /// Returns a copy of what it was sent.
    #[derive(Clone)]
    struct Mirror;

    impl Echo for Mirror {
        async fn echo(&self, value: &'static Value) -> Result<Value, String> {
            tokio::task::yield_now().await;
            Ok(value.clone())
        }
    }

    // The only test that switches counting on: the counters cover the whole process, other tests included.
    #[test]
    fn every_copy_of_a_value_is_counted_as_allocated() {
        let allocated = runtime().unwrap().block_on(counted_loop(&[Mirror], 3, 10)).unwrap();
        let sent = (0..3).flat_map(|task| workload::of_task(workload::pool(), task).take(10));
        let (count, bytes) = sent.fold((0, 0), |(count, bytes), value| {
            (count + u64::from(!value.string.is_empty()), bytes + value.string.len() as u64)
        });
        assert!(allocated.count >= count && allocated.bytes >= bytes, "{allocated:?} {count} {bytes}");
        // Another thread may still be counting its last allocation, but nothing new is counted.
        const MUCH: usize = 64 << 20;
        drop(std::hint::black_box(Vec::<u8>::with_capacity(MUCH)));
        assert!(alloc::stop_counting().bytes < allocated.bytes + MUCH as u64);
    }
}
