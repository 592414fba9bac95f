//! What a server tells of itself: its counters, and the numbers of each Command.

use super::counters::Counters;
use crate::stats::{Histogram, Outcome, Tally};

/// The numbers of a server at one moment; from [`Handle::stats`](super::Handle::stats).
///
/// ```
/// # fn example(handle: cmd_stream::server::Handle) {
/// let stats = handle.stats();
/// println!("{} connections, {} bytes received", stats.counters.open, stats.counters.bytes_received);
/// for command in &stats.commands {
///     println!(
///         "{}: {} started, {} failed, {} in flight, 99 % in {:?}",
///         command.name,
///         command.started,
///         command.failed,
///         command.in_flight,
///         command.latency.quantile(0.99),
///     );
/// }
/// # }
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Stats {
    /// The numbers of the whole server.
    pub counters: Counters,
    /// The numbers of each Command, in the order of the Protocol.
    pub commands: Vec<CommandStats>,
}

/// The numbers of one Command of a server.
///
/// At any moment, `started` is the sum of `in_flight`, `replied`, `failed`, `panicked` and `lost`. Commands that were refused
/// before they started are not among them; see [`Counters::shed`] and [`Counters::refused_in_drain`].
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct CommandStats {
    /// Its name in the Protocol.
    pub name: &'static str,
    /// Commands that began to run. Quick ones are counted when all Commands of a read have been executed.
    pub started: u64,
    /// Commands that run now, or whose Proxy was handed over and is still held.
    pub in_flight: u64,
    /// Commands that ended with their last Reply, and one-way Commands that have run. What failed after its last Reply is
    /// among them, and also in [`Counters::failed_after_last_reply`].
    pub replied: u64,
    /// Commands that failed, or ended without a last Reply.
    pub failed: u64,
    /// Commands that panicked. They are not among `failed`.
    pub panicked: u64,
    /// Commands that could not be answered because their connection had ended.
    pub lost: u64,
    /// How long Commands took from the moment when their last bytes were read to their end, however they ended. Those
    /// that are quick enough to be executed where they were read are measured in groups of up to 16.
    pub latency: Histogram,
}

impl Stats {
    pub(super) fn of(counters: Counters, tally: &Tally) -> Self {
        let commands = tally.entries().iter().enumerate().map(|(index, entry)| {
            let taken = tally.take(index);
            CommandStats {
                name: entry.name,
                started: taken.started,
                in_flight: taken.in_flight(),
                replied: taken.ended(Outcome::Replied),
                failed: taken.ended(Outcome::Failed),
                panicked: taken.ended(Outcome::Panicked),
                lost: taken.ended(Outcome::Lost),
                latency: taken.latency,
            }
        });
        Self { counters, commands: commands.collect() }
    }

    /// Returns the numbers of the Command with this name.
    pub fn command(&self, name: &str) -> Option<&CommandStats> {
        self.commands.iter().find(|command| command.name == name)
    }
}
