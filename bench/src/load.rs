//! Closed loops: each task sends a value, waits for it to come back, compares it, and sends the next.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::alloc::{self, Allocated};
use crate::participant::Request;
use crate::workload::{self, Value};

/// How long after the end of a round its last replies may take; then they are taken for lost.
const PATIENCE: Duration = Duration::from_secs(10);

/// Something that sends a value to its peer and gives back what came in return.
///
/// A clone is a handle of the same connection.
pub(crate) trait Echo: Clone + Send + Sync + 'static {
    fn echo(&self, value: Value) -> impl Future<Output = Result<Value, String>> + Send;
}

/// One round.
pub(crate) struct Measured {
    pub(crate) elapsed: Duration,
    pub(crate) tally: Tally,
}

/// What one task saw, or all of them together.
pub(crate) struct Tally {
    /// Completed while it counted: after the warm-up, before the end.
    pub(crate) commands: u64,
    /// Compared with what was sent, warm-up included.
    pub(crate) verified: u64,
    /// Of every `stride`th command that counted, in nanoseconds; stays empty where single commands are not timed.
    pub(crate) latency: Histogram<u32>,
    stride: u64,
    /// Each task begins at another one, so that tasks which complete few commands are timed, too.
    phase: u64,
}

/// The time in which commands count.
#[derive(Clone, Copy)]
pub(crate) struct Window {
    start: Instant,
    end: Instant,
}

/// Keeps `in_flight` commands in flight over the clients for the time that the request asks for.
pub(crate) async fn closed_loop<C: Echo>(clients: &[C], request: &Request) -> Result<Measured, String> {
    // Made before the clock starts, not by the first task that asks for it.
    let pool = workload::pool();
    let window = Window::after(request);
    let tasks = (0..request.in_flight as usize).map(|task| {
        let client = clients[task % clients.len()].clone();
        let tally = Tally { phase: task as u64, ..Tally::new(request) };
        until_the_end(client, Arc::clone(&pool), task, window, tally)
    });
    window.join(tasks, Tally::new(request)).await
}

/// What `in_flight` tasks allocate, in the whole process, for `calls` round trips each, after as many to warm up.
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
    // All tasks stand between two waits while counting is switched on, and at the end while it is switched off.
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

async fn until_the_end(
    client: impl Echo,
    pool: Arc<[Value]>,
    task: usize,
    window: Window,
    mut tally: Tally,
) -> Result<Tally, String> {
    let mut before = Instant::now();
    for value in workload::of_task(&pool, task) {
        round_trip(&client, value).await?;
        tally.verified += 1;
        // One look at the clock a command: it ends this one and begins the next.
        let now = Instant::now();
        if window.is_over(now) {
            break;
        }
        tally.count(window, before, now);
        before = now;
    }
    Ok(tally)
}

async fn between_barriers(
    client: impl Echo,
    task: usize,
    calls: usize,
    barrier: Arc<Barrier>,
) -> Result<(), String> {
    let pool = workload::pool();
    // A task that failed still comes to the barriers, or the others would wait for it for ever.
    let warm = round_trips(&client, &pool, task, calls).await;
    barrier.wait().await;
    barrier.wait().await;
    let counted = round_trips(&client, &pool, task, calls).await;
    barrier.wait().await;
    warm.and(counted)
}

async fn round_trips(client: &impl Echo, pool: &[Value], task: usize, calls: usize) -> Result<(), String> {
    for value in workload::of_task(pool, task).take(calls) {
        round_trip(client, value).await?;
    }
    Ok(())
}

async fn round_trip(client: &impl Echo, value: &Value) -> Result<(), String> {
    let reply = client.echo(value.clone()).await?;
    if reply == *value { Ok(()) } else { Err(format!("{value:?} was sent, {reply:?} came back")) }
}

impl Tally {
    pub(crate) fn new(request: &Request) -> Self {
        // Three digits cost 100 KiB a task, of which a wide spread of latencies touches much: with many tasks that
        // would measure the cache. Two digits are 1 % at worst, and few tasks are where less than that matters.
        let digits = if request.in_flight <= 64 { 3 } else { 2 };
        let minute = 60_000_000_000;
        let latency = Histogram::new_with_bounds(1, minute, digits).expect("the bounds are in order");
        // For the same reason: with a thousand tasks each histogram has left the cache when it is used again.
        let stride = if request.in_flight <= 64 { 1 } else { 16 };
        Self { commands: 0, verified: 0, latency, stride, phase: 0 }
    }

    /// Counts a command that took from `before` to `now`, if it ended in the window.
    pub(crate) fn count(&mut self, window: Window, before: Instant, now: Instant) {
        if window.is_open(now) {
            self.commands += 1;
            if (self.commands + self.phase).is_multiple_of(self.stride) {
                let nanos = u64::try_from((now - before).as_nanos()).unwrap_or(u64::MAX);
                self.latency.saturating_record(nanos);
            }
        }
    }

    fn add(&mut self, other: &Self) {
        self.commands += other.commands;
        self.verified += other.verified;
        self.latency.add(&other.latency).expect("all tallies of a round have the same bounds");
    }
}

impl Window {
    /// Opens after the warm-up, which begins now.
    pub(crate) fn after(request: &Request) -> Self {
        let start = Instant::now() + request.warmup();
        Self { start, end: start + request.duration() }
    }

    pub(crate) fn is_open(&self, now: Instant) -> bool {
        self.start <= now && now < self.end
    }

    pub(crate) fn is_over(&self, now: Instant) -> bool {
        self.end <= now
    }

    /// Runs the tasks until each has ended by itself; the first error ends the round, and so does silence.
    pub(crate) async fn join<F>(
        self,
        tasks: impl Iterator<Item = F>,
        mut tally: Tally,
    ) -> Result<Measured, String>
    where
        F: Future<Output = Result<Tally, String>> + Send + 'static,
    {
        let mut tasks: JoinSet<_> = tasks.collect();
        let all = async {
            while let Some(done) = tasks.join_next().await {
                tally.add(&done.map_err(|error| error.to_string())??);
            }
            Ok(())
        };
        match tokio::time::timeout_at((self.end + PATIENCE).into(), all).await {
            Ok(joined) => joined.map(|()| Measured { elapsed: self.end - self.start, tally }),
            Err(_) => Err(format!("replies are missing {} s after the end", PATIENCE.as_secs())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::participant::{self, Format};

    /// Gives back what it was sent, or something else.
    #[derive(Clone)]
    struct Mirror {
        lies: bool,
    }

    impl Echo for Mirror {
        async fn echo(&self, mut value: Value) -> Result<Value, String> {
            tokio::task::yield_now().await;
            value.bool ^= self.lies;
            Ok(value)
        }
    }

    fn request() -> Request {
        Request { format: Format::Json, in_flight: 5, connections: 2, duration_ms: 200, warmup_ms: 0 }
    }

    fn measure(clients: &[Mirror]) -> Result<Measured, String> {
        participant::runtime().unwrap().block_on(closed_loop(clients, &request()))
    }

    #[test]
    fn every_command_of_the_window_is_counted_timed_and_compared() {
        let measured = measure(&[Mirror { lies: false }, Mirror { lies: false }]).unwrap();
        assert_eq!(measured.elapsed, Duration::from_millis(200));
        assert!(measured.tally.commands > 0);
        assert_eq!(measured.tally.latency.len(), measured.tally.commands);
        assert!(measured.tally.verified >= measured.tally.commands);
    }

    #[test]
    fn reply_that_differs_fails_the_round() {
        let Err(error) = measure(&[Mirror { lies: false }, Mirror { lies: true }]) else {
            panic!("a wrong reply went unnoticed")
        };
        assert!(error.contains("came back"), "{error}");
    }

    // The only test that switches counting on: the counters are those of the whole process, other tests included.
    #[test]
    fn every_copy_of_a_value_is_counted_as_allocated() {
        let (clients, pool) = ([Mirror { lies: false }], workload::pool());
        let allocated = participant::runtime().unwrap().block_on(counted_loop(&clients, 3, 10)).unwrap();
        let sent = (0..3).flat_map(|task| workload::of_task(&pool, task).take(10));
        let (count, bytes) = sent.fold((0, 0), |(count, bytes), value| {
            (count + u64::from(!value.string.is_empty()), bytes + value.string.len() as u64)
        });
        assert!(allocated.count >= count && allocated.bytes >= bytes, "{allocated:?} {count} {bytes}");
        assert_eq!(alloc::stop_counting(), allocated);
    }

    #[test]
    fn commands_outside_the_window_do_not_count() {
        let window = Window::after(&request());
        let mut tally = Tally::new(&request());
        let (early, late) = (window.start - Duration::from_nanos(1), window.end);
        tally.count(window, early, early);
        tally.count(window, early, late);
        assert_eq!(tally.commands, 0);
        tally.count(window, early, window.start);
        assert_eq!((tally.commands, tally.latency.max()), (1, 1));
    }
}
