//! Load generators, and what they measure. Here: closed loops, in which each task sends a value, waits for it to come back,
//! compares it, and sends the next.

mod burning;
mod burst;
mod open;
mod streams;

pub use burning::burning;
pub use burst::{Burst, burst, warm_burst};
pub use open::open_loop;
pub use streams::{Expected, streams};

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::task::JoinSet;

use crate::process::Meter;
use crate::workload::{self, Value};

/// How long after the end of a round its last replies may take. After that they count as lost.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Sends a value to the peer and returns what came back.
///
/// A clone is a handle to the same connection.
pub trait Echo: Clone + Send + Sync + 'static {
    /// Sends a value and returns what came back.
    fn echo(&self, value: &'static Value) -> impl Future<Output = Result<Value, String>> + Send;
}

/// A client that can do what the suite measures beside echoes. Without an implementation, it cannot.
pub trait Client: Echo {
    /// Sends a Command that is answered by so many Replies, the numbers from 0, and compares each by [`Expected`].
    fn stream(&self, replies: u32) -> impl Future<Output = Result<(), String>> + Send {
        async move { Err(format!("{replies} replies were asked for, and this participant has no streams")) }
    }

    /// Sends a Command that computes for so long before it is answered.
    fn burn(&self, millis: u32) -> impl Future<Output = Result<(), String>> + Send {
        async move { Err(format!("{millis} ms are to be burnt, and this participant cannot")) }
    }
}

/// Computes for so long without a pause: what the server of every participant does for [`Client::burn`].
pub fn burn_here(time: Duration) {
    let started = Instant::now();
    while started.elapsed() < time {
        std::hint::spin_loop();
    }
}

/// Compares the Reply of what burnt for so long: it says for how long.
pub fn has_burnt(millis: u32, reply: i64) -> Result<(), String> {
    if reply == i64::from(millis) { Ok(()) } else { Err(format!("{millis} was sent, {reply} came back")) }
}

/// What all load generators need to know of a round.
#[derive(Clone, Copy, Debug)]
pub struct Round {
    /// What is sent.
    pub values: &'static [Value],
    /// Commands in flight, over all connections together, as far as the load has a number of them.
    pub in_flight: u32,
    /// The time before the measurement.
    pub warmup: Duration,
    /// The measured time.
    pub duration: Duration,
    /// Counts CPU time.
    pub meter: Meter,
}

impl Round {
    /// Of a load that is a number of calls, with values of mixed lengths.
    pub fn of_calls() -> Self {
        let meter = Meter::default();
        let time = Duration::ZERO;
        Self { values: workload::pool(), in_flight: 1, warmup: time, duration: time, meter }
    }
}

/// One round.
pub struct Measured {
    /// The measured time.
    pub elapsed: Duration,
    /// CPU time of both ends in that time.
    pub cpu: Option<Duration>,
    /// Of all tasks.
    pub tally: Tally,
    /// Commands of an open loop whose time came, and which were not sent.
    pub missed: u64,
    /// What this process has allocated for each Command: both ends, unless the server is in another one. `None` if that was not
    /// counted.
    pub allocated: Option<PerCommand>,
}

/// What each Command took, on average.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "those of [`Allocated`](crate::alloc::Allocated)")]
pub struct PerCommand {
    pub allocations: f64,
    pub bytes: f64,
}

/// What one task measured, or all of them together.
pub struct Tally {
    /// Completed while commands counted: after the warm-up, and before the end.
    pub commands: u64,
    /// Compared with what was sent, warm-up included.
    pub verified: u64,
    /// Of every `stride`th command that counted, in nanoseconds. Empty if single commands are not timed.
    pub latency: Histogram<u32>,
    stride: u64,
    /// Each task starts at a different one, so that tasks which complete few commands are timed, too.
    offset: u64,
}

/// The time in which commands count. Tasks look at this flag instead of the clock.
#[derive(Clone)]
pub struct Window {
    start: Instant,
    end: Instant,
    phase: Arc<AtomicU8>,
    meter: Meter,
}

/// What to do with a command that completes now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    /// It was not counted, and the task goes on.
    WarmUp,
    /// It counts, and the task goes on.
    Counting,
    /// It does not count, and the task ends.
    Over,
}

/// Keeps `in_flight` commands in flight over the clients for the requested time.
pub async fn closed_loop<C: Echo>(clients: &[C], round: &Round) -> Result<Measured, String> {
    let window = Window::after(round);
    let tasks = closed_tasks(clients, round, &window);
    window.join(tasks, Tally::new(round.in_flight)).await
}

fn closed_tasks<C: Echo>(
    clients: &[C],
    round: &Round,
    window: &Window,
) -> impl Iterator<Item = impl Future<Output = Result<Tally, String>> + Send + use<C>> {
    let Round { values, in_flight, .. } = *round;
    (0..in_flight as usize).map(move |task| {
        let client = clients[task % clients.len()].clone();
        let tally = Tally { offset: task as u64, ..Tally::new(in_flight) };
        until_the_end(client, values, task, window.clone(), tally)
    })
}

async fn until_the_end(
    client: impl Echo,
    values: &'static [Value],
    task: usize,
    window: Window,
    mut tally: Tally,
) -> Result<Tally, String> {
    for value in workload::of_task(values, task) {
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

/// Sends a value, and compares what comes back.
pub async fn round_trip(client: &impl Echo, value: &'static Value) -> Result<(), String> {
    let reply = client.echo(value).await?;
    if reply == *value {
        return Ok(());
    }
    // Of large values the beginning is enough.
    Err(format!("{:.300} was sent, {:.300} came back", format!("{value:?}"), format!("{reply:?}")))
}

impl Tally {
    /// Nothing yet, of one of so many tasks.
    pub fn new(in_flight: u32) -> Self {
        // Three digits take 100 KiB per task, and widely spread latencies touch much of it. With many tasks, that
        // would measure the cache. Two digits are off by at most 1 %; smaller differences matter only with few tasks.
        let digits = if in_flight <= 64 { 3 } else { 2 };
        let minute = 60_000_000_000;
        let latency = Histogram::new_with_bounds(1, minute, digits).expect("the bounds are in order");
        // Not every command is timed, for the same reason, and because the clock costs more than a tenth of a fast
        // command: with a thousand tasks, each histogram has left the cache when it is used again.
        let stride = if in_flight <= 16 { 1 } else { 16 };
        Self { commands: 0, verified: 0, latency, stride, offset: 0 }
    }

    /// Whether the next command is to be timed.
    pub fn times_next(&self) -> bool {
        (self.commands + self.offset).is_multiple_of(self.stride)
    }

    /// Counts a command that ends now, and how long it took if it was timed.
    pub fn count(&mut self, started: Option<Instant>) {
        match started {
            Some(started) => self.count_as(started.elapsed()),
            None => self.commands += 1,
        }
    }

    /// Counts a command that took so long.
    pub fn count_as(&mut self, took: Duration) {
        self.commands += 1;
        self.latency.saturating_record(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }

    fn add(&mut self, other: &Self) {
        self.commands += other.commands;
        self.verified += other.verified;
        self.latency.add(&other.latency).expect("all tallies of a round have the same bounds");
    }
}

impl Window {
    /// Waits for the warm-up, which begins now, and then opens.
    pub fn after(round: &Round) -> Self {
        let start = Instant::now() + round.warmup;
        Self { start, end: start + round.duration, phase: Arc::default(), meter: round.meter }
    }

    /// What to do with a command that completes now.
    pub fn phase(&self) -> Phase {
        match self.phase.load(Relaxed) {
            0 => Phase::WarmUp,
            1 => Phase::Counting,
            _ => Phase::Over,
        }
    }

    /// Opens and closes. Returns how long it was open, and the CPU time meanwhile.
    async fn keep(self) -> (Duration, Option<Duration>) {
        tokio::time::sleep_until(self.start.into()).await;
        let (opened, before) = (Instant::now(), self.meter.read());
        self.phase.store(Phase::Counting as u8, Relaxed);
        tokio::time::sleep_until((opened + (self.end - self.start)).into()).await;
        self.phase.store(Phase::Over as u8, Relaxed);
        let cpu = self.meter.read().zip(before).map(|(after, before)| after.saturating_sub(before));
        (opened.elapsed(), cpu)
    }

    /// Runs the tasks until each has ended by itself. The first error ends the round, and so does a missing reply.
    pub async fn join<F>(&self, tasks: impl Iterator<Item = F>, mut tally: Tally) -> Result<Measured, String>
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
            Ok(kept) => {
                kept.map(|(elapsed, cpu)| Measured { elapsed, cpu, tally, missed: 0, allocated: None })
            }
            Err(_) => Err(format!("replies are missing {} s after the end", PATIENCE.as_secs())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::participant::runtime;

    /// Returns what it was sent, or something else.
    #[derive(Clone)]
    pub(super) struct Mirror {
        pub(super) lies: bool,
    }

    impl Echo for Mirror {
        async fn echo(&self, value: &'static Value) -> Result<Value, String> {
            tokio::task::yield_now().await;
            Ok(Value { bool: value.bool ^ self.lies, ..value.clone() })
        }
    }

    pub(super) fn round() -> Round {
        Round {
            values: workload::pool(),
            in_flight: 5,
            warmup: Duration::ZERO,
            duration: Duration::from_millis(200),
            meter: Meter::default(),
        }
    }

    fn measure(clients: &[Mirror]) -> Result<Measured, String> {
        runtime().unwrap().block_on(closed_loop(clients, &round()))
    }

    #[test]
    fn every_command_of_the_window_is_counted_timed_and_compared() {
        let measured = measure(&[Mirror { lies: false }, Mirror { lies: false }]).unwrap();
        assert!(measured.elapsed >= Duration::from_millis(200));
        assert!(measured.cpu.unwrap() > Duration::ZERO);
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

    #[tokio::test(start_paused = true)]
    async fn window_is_open_after_the_warm_up_and_until_the_end() {
        let window = Window::after(&Round { warmup: Duration::from_millis(50), ..round() });
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
        let mut tally = Tally { offset: 3, ..Tally::new(1024) };
        for _ in 0..32 {
            let started = tally.times_next().then(Instant::now);
            tally.count(started);
        }
        assert_eq!((tally.commands, tally.latency.len()), (32, 2));
    }
}
