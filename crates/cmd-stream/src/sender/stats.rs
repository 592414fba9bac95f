//! What a Sender tells of itself: its counters, those of its clients, and the numbers of each Command.

use super::counters::Counters;
#[cfg(feature = "metrics")]
use crate::circuit_breaker::State;
use crate::client;
use crate::group::Member;
#[cfg(feature = "metrics")]
use crate::group::Probes;
use crate::stats::{Histogram, Outcome, Tally};
#[cfg(feature = "metrics")]
use crate::stats::{mirror::Mirror, names::SENDER};

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
    /// The first 1024 calls are measured (of each thread that makes calls), and then one in 32. So its count may be less than
    /// that of the calls. With [`Builder::log_slower_than`](super::Builder::log_slower_than) all are.
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

    /// Sets all numbers in the recorder of the crate [`metrics`](https://docs.rs/metrics) that is installed, with these
    /// labels besides their own. `docs/OBSERVING.md` lists the names.
    ///
    /// Call it before each scrape, or at an interval: the recorder has what the numbers were at the last call. Several
    /// Senders in one process need labels that tell them apart.
    ///
    /// ```
    /// # use cmd_stream::{Json, Sender, protocol};
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(Serialize, Deserialize)] struct Add { a: i64, b: i64 }
    /// # #[derive(Serialize, Deserialize)] struct Sum(i64);
    /// # protocol! { struct Calculator { commands { 0 => Add -> Sum } replies { 0 => Sum } failure close_connection } }
    /// # fn example(sender: Sender<Calculator, Json>) {
    /// sender.stats().record(&[("service", "calculator")]);
    /// # }
    /// ```
    #[cfg(feature = "metrics")]
    pub fn record(&self, labels: &[(&str, &str)]) {
        let mirror = Mirror::new(SENDER, labels);
        self.counters.record(&mirror);
        record_connections(&self.connections, &mirror);
        for member in &self.members {
            record_member(member, &mirror.with("member", &member.number().to_string()));
        }
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
        let Self { retries, moves, hedges, hedges_won, refused_by_hooks, refused_by_breakers, member_waits } =
            *self;
        mirror.counter("cmd_stream_sender_retries_total", retries);
        mirror.counter("cmd_stream_sender_moves_total", moves);
        mirror.counter("cmd_stream_sender_hedges_total", hedges);
        mirror.counter("cmd_stream_sender_hedges_won_total", hedges_won);
        for (by, number) in [("hooks", refused_by_hooks), ("breakers", refused_by_breakers)] {
            mirror.with("by", by).counter("cmd_stream_sender_calls_refused_total", number);
        }
        mirror.counter("cmd_stream_sender_member_waits_total", member_waits);
    }
}

#[cfg(feature = "metrics")]
fn record_connections(connections: &client::Counters, mirror: &Mirror) {
    // All of them, so that one that is added is not forgotten.
    let client::Counters {
        connected,
        attempts_failed,
        lost,
        closed_by_server,
        broken,
        invalid,
        ended_by_panics,
        replaced,
        keepalive_lost,
        pings,
        timed_out,
        cancelled,
        unexpected,
        room_waits,
        over_frame_limit,
        stream_overflows,
        stream_pauses,
        output_stalls,
        receive_timeouts,
        bytes_received,
        bytes_sent,
    } = *connections;
    mirror.counter("cmd_stream_sender_connections_total", connected);
    mirror.counter("cmd_stream_sender_connect_failures_total", attempts_failed);
    mirror.counter("cmd_stream_sender_connections_lost_total", lost);
    mirror.counter("cmd_stream_sender_connections_replaced_total", replaced);
    let lost = [
        ("closed", closed_by_server),
        ("broken", broken),
        ("invalid", invalid),
        ("panic", ended_by_panics),
        ("keepalive", keepalive_lost),
        ("output_stall", output_stalls),
        ("frame_time", receive_timeouts),
    ];
    for (reason, number) in lost {
        mirror.with("reason", reason).counter("cmd_stream_sender_connections_lost_by_reason_total", number);
    }
    mirror.counter("cmd_stream_sender_pings_total", pings);
    for (reason, number) in [("timed_out", timed_out), ("cancelled", cancelled)] {
        mirror.with("reason", reason).counter("cmd_stream_sender_attempts_abandoned_total", number);
    }
    mirror.counter("cmd_stream_sender_late_replies_total", unexpected);
    let limits = [
        ("room", room_waits),
        ("frame", over_frame_limit),
        ("stream_overflow", stream_overflows),
        ("stream_pause", stream_pauses),
    ];
    for (limit, number) in limits {
        mirror.with("limit", limit).counter("cmd_stream_sender_limits_hit_total", number);
    }
    mirror.counter("cmd_stream_sender_received_bytes_total", bytes_received);
    mirror.counter("cmd_stream_sender_sent_bytes_total", bytes_sent);
}

#[cfg(feature = "metrics")]
fn record_member(member: &Member, mirror: &Mirror) {
    let is_up = matches!(member.link(), client::Link::Up(_));
    mirror.gauge("cmd_stream_sender_member_up", f64::from(u8::from(is_up)));
    mirror.gauge("cmd_stream_sender_member_in_flight", member.in_flight() as f64);
    if let Some(Probes { serving, not_serving, failed, .. }) = member.probes() {
        let is_passed_over = member.is_passed_over();
        mirror.gauge("cmd_stream_sender_member_serving", f64::from(u8::from(!is_passed_over)));
        for (outcome, number) in [("serving", serving), ("not_serving", not_serving), ("failed", failed)] {
            mirror.with("outcome", outcome).counter("cmd_stream_sender_probes_total", number);
        }
    }
    if let (Some(state), Some(changes)) = (member.breaker(), member.breaker_changes()) {
        let states = [
            ("open", State::Open, changes.opened),
            ("half_open", State::HalfOpen, changes.half_opened),
            ("closed", State::Closed, changes.closed),
        ];
        for (name, of, number) in states {
            let mirror = mirror.with("state", name);
            mirror.gauge("cmd_stream_sender_breaker_state", f64::from(u8::from(state == of)));
            mirror.counter("cmd_stream_sender_breaker_changes_total", number);
        }
    }
}

#[cfg(feature = "metrics")]
impl CommandStats {
    fn record(&self, mirror: &Mirror) {
        let Self {
            name: _,
            started,
            in_flight,
            replied,
            failed,
            timed_out,
            refused,
            errors,
            cancelled,
            latency,
        } = self;
        mirror.counter("cmd_stream_sender_calls_total", *started);
        mirror.gauge("cmd_stream_sender_calls_in_flight", *in_flight as f64);
        let outcomes = [
            ("replied", replied),
            ("failed", failed),
            ("timed_out", timed_out),
            ("refused", refused),
            ("error", errors),
            ("cancelled", cancelled),
        ];
        for (outcome, number) in outcomes {
            mirror.with("outcome", outcome).counter("cmd_stream_sender_calls_ended_total", *number);
        }
        let names = [
            "cmd_stream_sender_call_duration_seconds_bucket",
            "cmd_stream_sender_call_duration_seconds_sum",
            "cmd_stream_sender_call_duration_seconds_count",
        ];
        mirror.histogram(names, latency);
    }
}
