//! Closed loops: each task sends a value, waits for it to come back, compares it, and sends the next.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::alloc::{self, Allocated};
use crate::participant::Request;
use crate::workload::{self, Value};

/// How long after the end of a round its last replies may take. After that they count as lost.
const PATIENCE: Duration = Duration::from_secs(10);

/// Sends a value to the peer and returns what came back.
///
/// A clone is a handle to the same connection.
pub(crate) trait Echo: Clone + Send + Sync + 'static {
    fn echo(&self, value: &'static Value) -> impl Future<Output = Result<Value, String>> + Send;
}

/// One round.
pub(crate) struct Measured {
    pub(crate) elapsed: Duration,
    pub(crate) tally: Tally,
}

/// What one task measured, or all of them together.
pub(crate) struct Tally {
    /// Completed while commands counted: after the warm-up, and before the end.
    pub(crate) commands: u64,
    /// Compared with what was sent, warm-up included.
    pub(crate) verified: u64,
    /// Of every `stride`th command that counted, in nanoseconds. Empty if single commands are not timed.
    pub(crate) latency: Histogram<u32>,
    stride: u64,
    /// Each task starts at a different one, so that tasks which complete few commands are timed, too.
    offset: u64,
}

/// The time in which commands count. Tasks look at this flag instead of the clock.
#[derive(Clone)]
pub(crate) struct Window {
    start: Instant,
    end: Instant,
    phase: Arc<AtomicU8>,
}

/// What to do with a command that completes now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Phase {
    WarmUp,
    Counting,
    Over,
}

/// Keeps `in_flight` commands in flight over the clients for the requested time.
pub(crate) async fn closed_loop<C: Echo>(clients: &[C], request: &Request) -> Result<Measured, String> {
    // Make the pool before the clock starts, and not in the first task that uses it.
    workload::pool();
    let window = Window::after(request);
    let tasks = (0..request.in_flight as usize).map(|task| {
        let client = clients[task % clients.len()].clone();
        let tally = Tally { offset: task as u64, ..Tally::new(request) };
        until_the_end(client, task, window.clone(), tally)
    });
    window.join(tasks, Tally::new(request)).await
}

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

/// Makes all calls at once, each in a task of its own, spread over the clients. Returns how long it took until all were
/// answered.
pub(crate) async fn burst<C: Echo>(clients: &[C], calls: usize) -> Result<Duration, String> {
    let pool = workload::pool();
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    for call in 0..calls {
        let (client, value) = (clients[call % clients.len()].clone(), &pool[call % pool.len()]);
        tasks.spawn(async move { round_trip(&client, value).await });
    }
    let mut answered = 0;
    let all = async {
        while let Some(done) = tasks.join_next().await {
            done.map_err(|error| error.to_string())??;
            answered += 1;
        }
        Ok::<_, String>(())
    };
    match tokio::time::timeout(PATIENCE * 6, all).await {
        Ok(all) => all.map(|()| started.elapsed()),
        Err(_) => Err(format!("{answered} of {calls} calls were answered in a minute")),
    }
}

async fn until_the_end(
    client: impl Echo,
    task: usize,
    window: Window,
    mut tally: Tally,
) -> Result<Tally, String> {
    for value in workload::of_task(workload::pool(), task) {
        let started = tally.times_next().then(Instant::now);
        round_trip(&client, value).await?;
        tally.verified += 1;
        match window.phase() {
            Phase::WarmUp => {}
            Phase::Counting => tally.count(started),
            Phase::Over => break,
        }
    }
    Ok(tally)
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

async fn round_trip(client: &impl Echo, value: &'static Value) -> Result<(), String> {
    let reply = client.echo(value).await?;
    if reply == *value { Ok(()) } else { Err(format!("{value:?} was sent, {reply:?} came back")) }
}

impl Tally {
    pub(crate) fn new(request: &Request) -> Self {
        // Three digits take 100 KiB per task, and widely spread latencies touch much of it. With many tasks, that
        // would measure the cache. Two digits are off by at most 1 %; smaller differences matter only with few tasks.
        let digits = if request.in_flight <= 64 { 3 } else { 2 };
        let minute = 60_000_000_000;
        let latency = Histogram::new_with_bounds(1, minute, digits).expect("the bounds are in order");
        // Not every command is timed, for the same reason, and because the clock costs more than a tenth of a fast
        // command: with a thousand tasks, each histogram has left the cache when it is used again.
        let stride = if request.in_flight <= 16 { 1 } else { 16 };
        Self { commands: 0, verified: 0, latency, stride, offset: 0 }
    }

    /// Whether the next command is to be timed.
    pub(crate) fn times_next(&self) -> bool {
        (self.commands + self.offset).is_multiple_of(self.stride)
    }

    /// Counts a command that ends now, and how long it took if it was timed.
    pub(crate) fn count(&mut self, started: Option<Instant>) {
        self.commands += 1;
        if let Some(started) = started {
            let nanos = u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX);
            self.latency.saturating_record(nanos);
        }
    }

    fn add(&mut self, other: &Self) {
        self.commands += other.commands;
        self.verified += other.verified;
        self.latency.add(&other.latency).expect("all tallies of a round have the same bounds");
    }
}

impl Window {
    /// Waits for the warm-up, which begins now, and then opens.
    pub(crate) fn after(request: &Request) -> Self {
        let start = Instant::now() + request.warmup();
        Self { start, end: start + request.duration(), phase: Arc::default() }
    }

    pub(crate) fn phase(&self) -> Phase {
        match self.phase.load(Relaxed) {
            0 => Phase::WarmUp,
            1 => Phase::Counting,
            _ => Phase::Over,
        }
    }

    /// Opens and closes. Returns how long it was open.
    async fn keep(self) -> Duration {
        tokio::time::sleep_until(self.start.into()).await;
        let opened = Instant::now();
        self.phase.store(Phase::Counting as u8, Relaxed);
        tokio::time::sleep_until((opened + (self.end - self.start)).into()).await;
        self.phase.store(Phase::Over as u8, Relaxed);
        opened.elapsed()
    }

    /// Runs the tasks until each has ended by itself. The first error ends the round, and so does a missing reply.
    pub(crate) async fn join<F>(
        &self,
        tasks: impl Iterator<Item = F>,
        mut tally: Tally,
    ) -> Result<Measured, String>
    where
        F: Future<Output = Result<Tally, String>> + Send + 'static,
    {
        let patience = self.end + PATIENCE;
        let keeper = tokio::spawn(self.clone().keep());
        let mut tasks: JoinSet<_> = tasks.collect();
        let all = async {
            while let Some(done) = tasks.join_next().await {
                tally.add(&done.map_err(|error| error.to_string())??);
            }
            keeper.await.map_err(|error| error.to_string())
        };
        match tokio::time::timeout_at(patience.into(), all).await {
            Ok(elapsed) => elapsed.map(|elapsed| Measured { elapsed, tally }),
            Err(_) => Err(format!("replies are missing {} s after the end", PATIENCE.as_secs())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::participant::{self, Format};

    /// Returns what it was sent, or something else.
    #[derive(Clone)]
    struct Mirror {
        lies: bool,
    }

    impl Echo for Mirror {
        async fn echo(&self, value: &'static Value) -> Result<Value, String> {
            tokio::task::yield_now().await;
            Ok(Value { bool: value.bool ^ self.lies, ..value.clone() })
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
        assert!(measured.elapsed >= Duration::from_millis(200));
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

    #[test]
    fn every_call_of_a_burst_is_compared() {
        let burst =
            |clients: &[Mirror], calls| participant::runtime().unwrap().block_on(burst(clients, calls));
        assert!(burst(&[Mirror { lies: false }, Mirror { lies: false }], 1001).is_ok());
        let error = burst(&[Mirror { lies: false }, Mirror { lies: true }], 2).unwrap_err();
        assert!(error.contains("came back"), "{error}");
    }

    // The only test that switches counting on: the counters cover the whole process, other tests included.
    #[test]
    fn every_copy_of_a_value_is_counted_as_allocated() {
        let clients = [Mirror { lies: false }];
        let allocated = participant::runtime().unwrap().block_on(counted_loop(&clients, 3, 10)).unwrap();
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

    #[tokio::test(start_paused = true)]
    async fn window_is_open_after_the_warm_up_and_until_the_end() {
        let window = Window::after(&Request { warmup_ms: 50, ..request() });
        let keeper = tokio::spawn(window.clone().keep());
        let mut seen = Vec::new();
        for _ in 0..4 {
            seen.push(window.phase());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(seen, [Phase::WarmUp, Phase::Counting, Phase::Counting, Phase::Over]);
        keeper.await.unwrap();
    }

    #[test]
    fn with_many_tasks_each_times_one_command_in_sixteen() {
        let mut tally = Tally { offset: 3, ..Tally::new(&Request { in_flight: 1024, ..request() }) };
        for _ in 0..32 {
            let started = tally.times_next().then(Instant::now);
            tally.count(started);
        }
        assert_eq!((tally.commands, tally.latency.len()), (32, 2));
    }
}
