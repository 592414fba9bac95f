//! What a server tells of itself: its counters, and the numbers of each Command.

use super::counters::Counters;
use crate::stats::{Histogram, Outcome, Tally};
#[cfg(feature = "metrics")]
use crate::stats::{mirror::Mirror, names::SERVER};

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

    /// Sets all numbers in the recorder of the crate [`metrics`](https://docs.rs/metrics) that is installed, with these
    /// labels besides their own. `docs/OBSERVING.md` lists the names.
    ///
    /// Call it before each scrape, or at an interval: the recorder has what the numbers were at the last call. Several
    /// servers in one process need labels that tell them apart.
    ///
    /// ```
    /// # fn example(handle: cmd_stream::server::Handle) {
    /// handle.stats().record(&[("service", "calculator")]);
    /// // Now render what the recorder has, such as `PrometheusHandle::render` does.
    /// # }
    /// ```
    #[cfg(feature = "metrics")]
    pub fn record(&self, labels: &[(&str, &str)]) {
        let mirror = Mirror::new(SERVER, labels);
        self.counters.record(&mirror);
        for command in &self.commands {
            command.record(&mirror.with("command", command.name));
        }
    }

    /// Returns the numbers of the Command with this name.
    pub fn command(&self, name: &str) -> Option<&CommandStats> {
        self.commands.iter().find(|command| command.name == name)
    }
}

#[cfg(feature = "metrics")]
impl Counters {
    fn record(&self, mirror: &Mirror) {
        // All of them, so that one that is added is not forgotten.
        let Self {
            accepted,
            open,
            waiting,
            leaving,
            untracked_addresses,
            accept_errors,
            shed,
            pings,
            failed: _, // by Command
            panicked: _,
            no_last_reply,
            failed_after_last_reply,
            in_flight_pauses: _, // below
            output_pauses: _,
            rate_pauses: _,
            shed_pauses: _,
            memory_pauses: _,
            orphans_dropped,
            refused_in_drain,
            started: _, // by Command
            refused: _, // this and the following: in `record_ends`
            over_connection_rate: _,
            over_address_rate: _,
            left_waiting: _,
            handshakes_failed: _,
            handshake_timeouts: _,
            left: _,
            broken: _,
            invalid: _,
            over_frame_limit: _,
            receive_timeouts: _,
            output_stalls: _,
            pause_timeouts: _,
            ended_by_commands: _,
            ended_by_panics: _,
            made_room: _,
            shut_down: _,
            cut: _,
            replies,
            bytes_received,
            bytes_sent,
        } = *self;
        mirror.gauge("cmd_stream_server_connections_open", open as f64);
        mirror.gauge("cmd_stream_server_connections_waiting", waiting as f64);
        mirror.gauge("cmd_stream_server_connections_leaving", leaving as f64);
        mirror.counter("cmd_stream_server_connections_accepted_total", accepted);
        let by = |name, label, numbers: &[(&str, u64)]| {
            for (value, number) in numbers {
                mirror.with(label, value).counter(name, *number);
            }
        };
        self.record_ends(mirror);
        mirror.counter("cmd_stream_server_untracked_addresses_total", untracked_addresses);
        mirror.counter("cmd_stream_server_accept_errors_total", accept_errors);
        let refused = [("shed", shed), ("drain", refused_in_drain)];
        by("cmd_stream_server_commands_refused_total", "reason", &refused);
        mirror.counter("cmd_stream_server_commands_without_last_reply_total", no_last_reply);
        mirror.counter("cmd_stream_server_commands_failed_after_last_reply_total", failed_after_last_reply);
        mirror.counter("cmd_stream_server_orphans_dropped_total", orphans_dropped);
        mirror.counter("cmd_stream_server_replies_total", replies);
        mirror.counter("cmd_stream_server_pings_total", pings);
        by("cmd_stream_server_read_pauses_total", "limit", &self.pauses());
        mirror.counter("cmd_stream_server_received_bytes_total", bytes_received);
        mirror.counter("cmd_stream_server_sent_bytes_total", bytes_sent);
    }

    /// The ways in which connections end.
    fn record_ends(&self, mirror: &Mirror) {
        let refused = [
            ("no_place", self.refused),
            ("connection_rate", self.over_connection_rate),
            ("address_rate", self.over_address_rate),
            ("left_waiting", self.left_waiting),
            ("handshake_failed", self.handshakes_failed),
            ("handshake_timeout", self.handshake_timeouts),
        ];
        for (reason, number) in refused {
            mirror.with("reason", reason).counter("cmd_stream_server_connections_refused_total", number);
        }
        let closed = [
            ("left", self.left),
            ("broken", self.broken),
            ("invalid", self.invalid),
            ("frame_limit", self.over_frame_limit),
            ("receive_timeout", self.receive_timeouts),
            ("output_stall", self.output_stalls),
            ("paused", self.pause_timeouts),
            ("command_failed", self.ended_by_commands),
            ("panic", self.ended_by_panics),
            ("made_room", self.made_room),
            ("shut_down", self.shut_down),
            ("cut", self.cut),
        ];
        for (reason, number) in closed {
            mirror.with("reason", reason).counter("cmd_stream_server_connections_closed_total", number);
        }
    }

    /// How often connections were not read, by the limit.
    fn pauses(&self) -> [(&'static str, u64); 5] {
        [
            ("in_flight", self.in_flight_pauses),
            ("output", self.output_pauses),
            ("command_rate", self.rate_pauses),
            ("shed_after", self.shed_pauses),
            ("memory", self.memory_pauses),
        ]
    }
}

#[cfg(feature = "metrics")]
impl CommandStats {
    fn record(&self, mirror: &Mirror) {
        let Self { name: _, started, in_flight, replied, failed, panicked, lost, latency } = self;
        mirror.counter("cmd_stream_server_commands_total", *started);
        mirror.gauge("cmd_stream_server_commands_in_flight", *in_flight as f64);
        for (outcome, number) in
            [("replied", replied), ("failed", failed), ("panicked", panicked), ("lost", lost)]
        {
            mirror.with("outcome", outcome).counter("cmd_stream_server_commands_ended_total", *number);
        }
        let names = [
            "cmd_stream_server_command_duration_seconds_bucket",
            "cmd_stream_server_command_duration_seconds_sum",
            "cmd_stream_server_command_duration_seconds_count",
        ];
        mirror.histogram(names, latency);
    }
}
