//! What a Sender tells of itself: its counters, those of its clients, and the numbers of each Command.

use super::counters::Counters;
use crate::client;
use crate::group::Member;
use crate::stats::{Histogram, Outcome, Tally};

/// The numbers of a Sender at one moment; from [`Sender::stats`](crate::Sender::stats).
///
/// ```
/// # use cmd_stream::{Json, Sender, protocol};
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Serialize, Deserialize)] struct Add { a: i64, b: i64 }
/// # #[derive(Serialize, Deserialize)] struct Sum(i64);
/// # protocol! { struct Calculator { commands { 0 => Add -> Sum } replies { 0 => Sum } failure close_connection } }
/// # fn example(sender: Sender<Calculator, Json>) {
/// let stats = sender.stats();
/// println!("{} connections lost, {} retries", stats.connections.lost, stats.counters.retries);
/// if let Some(add) = stats.command("Add") {
///     println!("{} calls, {} timed out, 99 % in {:?}", add.started, add.timed_out, add.latency.quantile(0.99));
/// }
/// # }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Stats {
    /// The numbers of the whole Sender.
    pub counters: Counters,
    /// The numbers of the connections, added up over all members. Those of connections that were lost or replaced remain.
    pub connections: client::Counters,
    /// The members of the group.
    pub members: Vec<Member>,
    /// The numbers of each Command, in the order of the Protocol.
    pub commands: Vec<CommandStats>,
}

/// The numbers of the calls of a Sender with one Command.
///
/// A call counts once, however often its Command is sent. At any moment, `started` is the sum of `in_flight` and all the
/// numbers after it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct CommandStats {
    /// The name of the Command in the Protocol.
    pub name: &'static str,
    /// Calls that were polled for the first time.
    pub started: u64,
    /// Calls that have not ended, and streams.
    pub in_flight: u64,
    /// Calls with their Reply, streams with their last one, and one-way Commands that were written.
    pub replied: u64,
    /// Calls and streams that were answered with the failure of the Protocol.
    pub failed: u64,
    /// Calls and streams whose own deadline passed.
    pub timed_out: u64,
    /// Calls that a hook or the circuit breakers did not let through.
    pub refused: u64,
    /// Calls and streams that failed in another way. Most often their connection was lost.
    pub errors: u64,
    /// Calls and streams that were dropped before they ended.
    pub cancelled: u64,
    /// How long calls took from their first poll to their end, however they ended. For a call with a Reply this is the
    /// moment when the Reply was read from the connection, and for a stream that when its end was.
    ///
    /// Calls without a [timeout](super::Call::timeout), those with a [deadline](super::Call::deadline), and one-way
    /// Commands are sampled: one in 16 is measured. So its count may be less than that of the calls.
    pub latency: Histogram,
}

impl Stats {
    pub(super) fn of(counters: Counters, members: Vec<Member>, tally: &Tally) -> Self {
        let mut connections = client::Counters::default();
        members.iter().for_each(|member| connections.add(&member.counters()));
        let commands = tally.entries().iter().enumerate().map(|(index, entry)| {
            let taken = tally.take(index);
            CommandStats {
                name: entry.name,
                started: taken.started,
                in_flight: taken.in_flight(),
                replied: taken.ended(Outcome::Replied),
                failed: taken.ended(Outcome::Failed),
                timed_out: taken.ended(Outcome::TimedOut),
                refused: taken.ended(Outcome::Refused),
                errors: taken.ended(Outcome::Lost),
                cancelled: taken.ended(Outcome::Cancelled),
                latency: taken.latency,
            }
        });
        Self { counters, connections, members, commands: commands.collect() }
    }

    /// Returns the numbers of the Command with this name.
    pub fn command(&self, name: &str) -> Option<&CommandStats> {
        self.commands.iter().find(|command| command.name == name)
    }
}
