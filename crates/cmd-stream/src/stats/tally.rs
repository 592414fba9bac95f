//! What is recorded of the Commands of a server, or of the calls of a Sender.
//!
//! Threads record into different shards, so that they do not contend for memory. A copy adds the shards up.

use std::fmt::Display;
use std::thread::available_parallelism;
use std::time::Duration;

use tokio::time::Instant;

use super::{Histogram, Slow, thread};
use crate::proto::steps::{STEPS, step};
use crate::protocol::Entry;
use crate::sync::OnceLock;
use crate::sync::atomic::{
    AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

/// The numbers of all Commands of a Protocol, by their index.
pub(crate) struct Tally {
    entries: &'static [Entry],
    /// A power of two.
    shards: Box<[Shard]>,
    /// One for each Command of each shard. Those of a shard stand together.
    cells: Box<[Cell]>,
    slow: Option<Slow>,
    /// So many are all measured, where others are sampled.
    all: u64,
    began: Instant,
}

/// What some of the threads have recorded. Aligned, so that no two of them share a cache line, nor a pair of lines that is
/// fetched together.
#[repr(align(128))]
#[derive(Default)]
struct Shard {
    received: AtomicU64,
    sent: AtomicU64,
    replies: AtomicU64,
}

/// What some of the threads have recorded of a Command.
#[repr(align(128))]
#[derive(Default)]
struct Cell {
    started: AtomicU64,
    ended: [AtomicU64; OUTCOMES],
    nanos: AtomicU64,
    /// There are none while nothing was measured.
    steps: OnceLock<Box<[AtomicU64; STEPS]>>,
}

/// How a Command of a server, or a call of a Sender, has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    /// With its last Reply; or it has none.
    Replied,
    /// A Command failed; a call was answered with the failure of its Protocol.
    Failed,
    /// A Command panicked.
    Panicked,
    /// The connection ended before; a call has failed in any way that is not among these.
    Lost,
    /// The deadline of a call was over.
    TimedOut,
    /// A hook or the circuit breakers did not let a call through.
    Refused,
    /// A call was dropped.
    Cancelled,
}

pub(crate) const OUTCOMES: usize = 7;

/// The numbers of one Command.
#[derive(Clone, Debug, Default)]
pub(crate) struct Taken {
    pub(crate) started: u64,
    pub(crate) ended: [u64; OUTCOMES],
    pub(crate) latency: Histogram,
}

impl Taken {
    pub(crate) fn ended(&self, outcome: Outcome) -> u64 {
        self.ended[outcome as usize]
    }

    pub(crate) fn in_flight(&self) -> u64 {
        self.started.saturating_sub(self.ended.iter().sum())
    }
}

impl Tally {
    /// With `slow`, Commands that took longer than that are logged.
    pub(crate) fn new(entries: &'static [Entry], slow: Option<Duration>) -> Self {
        let threads = available_parallelism().map_or(1, usize::from).next_power_of_two().min(MOST_SHARDS);
        let shards = (0..threads).map(|_| Shard::default()).collect();
        let cells = (0..threads * entries.len()).map(|_| Cell::default()).collect();
        let slow = slow.map(|over| Slow::new(over, entries.len()));
        // To know which are slow, each is measured.
        let all = if slow.is_some() { u64::MAX } else { ALL };
        Self { entries, shards, cells, slow, all, began: Instant::now() }
    }

    /// When it was made.
    pub(crate) fn began(&self) -> Instant {
        self.began
    }

    /// The number of the shard of this thread.
    #[inline]
    fn here(&self) -> usize {
        // The length is a power of two, so this is the remainder, without a division.
        thread::number() & (self.shards.len() - 1)
    }

    #[inline]
    fn shard(&self) -> &Shard {
        &self.shards[self.here()]
    }

    #[inline]
    fn of(&self, index: usize) -> &Cell {
        &self.cells[self.here() * self.entries.len() + index]
    }

    /// Books so many that have started.
    #[inline]
    pub(crate) fn started(&self, index: usize, number: u64) {
        self.of(index).started.fetch_add(number, Relaxed);
    }

    /// Books one that has started, and whose end is to be booked in the same place. Returns the place, and how many had
    /// started there before.
    #[inline]
    pub(crate) fn starts(&self, index: usize) -> (u32, u64) {
        let place = self.here() * self.entries.len() + index;
        (place as u32, self.cells[place].started.fetch_add(1, Relaxed))
    }

    /// Books that one has ended which was booked in this place.
    #[inline]
    pub(crate) fn ends(&self, place: u32, outcome: Outcome) {
        self.cells[place as usize].ended[outcome as usize].fetch_add(1, Release);
    }

    /// Books that one which was booked in this place, and has ended, took this long.
    pub(crate) fn ended_after(&self, place: u32, time: Duration) {
        self.cells[place as usize].took(time, 1);
    }

    /// The Command of a place.
    pub(crate) fn index_of(&self, place: u32) -> usize {
        place as usize % self.entries.len()
    }

    /// Books so many that have ended.
    #[inline]
    pub(crate) fn ended(&self, index: usize, outcome: Outcome, number: u64) {
        // Release: whoever sees the end sees the start, which was booked before, perhaps by another thread.
        self.of(index).ended[outcome as usize].fetch_add(number, Release);
    }

    /// Books that so many took this long, which have ended.
    pub(crate) fn took(&self, index: usize, time: Duration, number: u64) {
        self.of(index).took(time, number);
    }

    /// Books that one has ended, and took this long.
    #[inline]
    pub(crate) fn ended_and_took(&self, index: usize, outcome: Outcome, time: Duration) {
        let cell = self.of(index);
        cell.ended[outcome as usize].fetch_add(1, Release);
        cell.took(time, 1);
    }

    /// Whether one is to be measured before which so many [have started](Self::starts), where measuring costs more than
    /// counting.
    #[inline]
    pub(crate) fn is_measured(&self, number: u64) -> bool {
        number < self.all || number & (SAMPLED - 1) == 0
    }

    /// Logs so many Commands that took this long, if that is slow.
    #[inline]
    pub(crate) fn log_if_slow<D: Display>(
        &self,
        index: usize,
        time: Duration,
        number: u64,
        what: &'static str,
        peer: impl FnOnce() -> Option<D>,
    ) {
        if let Some(slow) = &self.slow
            && slow.is_slow(time)
        {
            slow.log(index, self.entries[index].name, time, number, what, peer);
        }
    }

    pub(crate) fn replied(&self, number: u64) {
        add(&self.shard().replies, number);
    }

    pub(crate) fn received(&self, bytes: usize) {
        add(&self.shard().received, bytes as u64);
    }

    pub(crate) fn sent(&self, bytes: usize) {
        add(&self.shard().sent, bytes as u64);
    }

    pub(crate) fn replies(&self) -> u64 {
        self.sum(|shard| &shard.replies)
    }

    pub(crate) fn bytes_received(&self) -> u64 {
        self.sum(|shard| &shard.received)
    }

    pub(crate) fn bytes_sent(&self) -> u64 {
        self.sum(|shard| &shard.sent)
    }

    fn sum(&self, number: impl Fn(&Shard) -> &AtomicU64) -> u64 {
        self.shards.iter().map(|shard| number(shard).load(Relaxed)).sum()
    }

    pub(crate) fn entries(&self) -> &'static [Entry] {
        self.entries
    }

    /// How many Commands have started, in all.
    pub(crate) fn all_started(&self) -> u64 {
        self.cells.iter().map(|cell| cell.started.load(Relaxed)).sum()
    }

    /// Copies the numbers of a Command. What has ended has also started, and there are no more times than ends.
    pub(crate) fn take(&self, index: usize) -> Taken {
        let cells = || self.cells.iter().skip(index).step_by(self.entries.len());
        let mut taken = Taken::default();
        let mut counts = vec![0; 0];
        let mut nanos = 0_u64;
        for cell in cells() {
            nanos = nanos.wrapping_add(cell.nanos.load(Relaxed));
            if let Some(steps) = cell.steps.get() {
                counts.resize(STEPS, 0);
                counts.iter_mut().zip(steps.iter()).for_each(|(sum, count)| *sum += count.load(Acquire));
            }
        }
        taken.latency = Histogram::new(counts.into(), Duration::from_nanos(nanos));
        // All ends before all starts: a Command may end on another thread than the one that booked its start.
        for cell in cells() {
            for (sum, ended) in taken.ended.iter_mut().zip(&cell.ended) {
                *sum += ended.load(Acquire);
            }
        }
        taken.started = cells().map(|cell| cell.started.load(Relaxed)).sum();
        // One that was polled in place and handed over may end before its start is booked.
        taken.started = taken.started.max(taken.ended.iter().sum());
        taken
    }
}

impl Cell {
    #[inline]
    fn took(&self, time: Duration, number: u64) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.nanos.fetch_add(nanos.wrapping_mul(number), Relaxed);
        let steps = self.steps.get_or_init(|| Box::new(std::array::from_fn(|_| AtomicU64::new(0))));
        // Release: whoever sees the time sees the end, which was booked before.
        steps[step(time)].fetch_add(number, Release);
    }
}

fn add(number: &AtomicU64, more: u64) {
    if more > 0 {
        number.fetch_add(more, Relaxed);
    }
}

/// So many with a Command are all measured, as counted in one place.
const ALL: u64 = 1024;
/// Of the others, one in so many. A power of two.
const SAMPLED: u64 = 32;
/// With more threads than that, some share a shard.
const MOST_SHARDS: usize = 8;
