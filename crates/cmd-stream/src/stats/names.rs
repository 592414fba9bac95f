//! The names of all numbers for the crate `metrics`, and what they mean. `docs/OBSERVING.md` has the same table for people.

/// A number, and what it means.
pub(crate) struct Name {
    pub(crate) kind: Kind,
    pub(crate) name: &'static str,
    pub(crate) help: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Counter,
    Gauge,
}

const fn counter(name: &'static str, help: &'static str) -> Name {
    Name { kind: Kind::Counter, name, help }
}

const fn gauge(name: &'static str, help: &'static str) -> Name {
    Name { kind: Kind::Gauge, name, help }
}

/// Those of a server.
pub(crate) const SERVER: &[Name] = &[
    gauge("cmd_stream_server_connections_open", "Connections that are being served."),
    gauge("cmd_stream_server_connections_waiting", "Connections that wait for a place."),
    gauge(
        "cmd_stream_server_connections_leaving",
        "Connections that have ended and keep their place for a moment.",
    ),
    counter("cmd_stream_server_connections_accepted_total", "Connections accepted by the listener."),
    counter("cmd_stream_server_connections_refused_total", "Connections that were not served, by reason."),
    counter(
        "cmd_stream_server_connections_closed_total",
        "Connections that were served, or were about to be, and have ended, by reason.",
    ),
    counter(
        "cmd_stream_server_untracked_addresses_total",
        "Connections let in without a rate of their address, because the table of addresses was full.",
    ),
    counter("cmd_stream_server_accept_errors_total", "Errors of the listener."),
    counter("cmd_stream_server_commands_total", "Commands that began to run, by name."),
    counter("cmd_stream_server_commands_ended_total", "Commands that ended, by name and outcome."),
    gauge("cmd_stream_server_commands_in_flight", "Commands that run, by name."),
    counter("cmd_stream_server_commands_refused_total", "Commands that were not started, by reason."),
    counter(
        "cmd_stream_server_commands_without_last_reply_total",
        "Commands that ended without a last Reply.",
    ),
    counter(
        "cmd_stream_server_commands_failed_after_last_reply_total",
        "Commands that failed after their last Reply.",
    ),
    counter(
        "cmd_stream_server_command_duration_seconds_bucket",
        "Commands by how long they took from their read to their end.",
    ),
    gauge("cmd_stream_server_command_duration_seconds_sum", "How long Commands took, added up."),
    counter("cmd_stream_server_command_duration_seconds_count", "Commands that were measured."),
    counter(
        "cmd_stream_server_orphans_dropped_total",
        "Commands dropped because their connection had ended, and memory was needed.",
    ),
    counter("cmd_stream_server_replies_total", "Replies accepted for output."),
    counter("cmd_stream_server_pings_total", "Pings answered."),
    counter(
        "cmd_stream_server_read_pauses_total",
        "How often a connection was not read because a limit was reached, by limit.",
    ),
    counter("cmd_stream_server_received_bytes_total", "Bytes read from connections."),
    counter("cmd_stream_server_sent_bytes_total", "Bytes written to connections."),
];

/// Those of a Sender.
pub(crate) const SENDER: &[Name] = &[
    counter("cmd_stream_sender_calls_total", "Calls that were started, by Command."),
    counter("cmd_stream_sender_calls_ended_total", "Calls that ended, by Command and outcome."),
    gauge("cmd_stream_sender_calls_in_flight", "Calls that have not ended, by Command."),
    counter("cmd_stream_sender_call_duration_seconds_bucket", "Calls by how long they took."),
    gauge("cmd_stream_sender_call_duration_seconds_sum", "How long calls took, added up."),
    counter("cmd_stream_sender_call_duration_seconds_count", "Calls that were measured."),
    counter("cmd_stream_sender_retries_total", "Commands that were sent again."),
    counter(
        "cmd_stream_sender_moves_total",
        "Commands that were not sent to one member, and moved to another.",
    ),
    counter("cmd_stream_sender_hedges_total", "Second attempts beside the first."),
    counter("cmd_stream_sender_hedges_won_total", "Second attempts that were answered before the first."),
    counter("cmd_stream_sender_calls_refused_total", "Calls that were not let through, by who refused them."),
    counter(
        "cmd_stream_sender_member_waits_total",
        "How often a call waited because no member was available.",
    ),
    counter("cmd_stream_sender_limits_hit_total", "How often a limit of a client was reached, by limit."),
    counter("cmd_stream_sender_connections_total", "Connections made."),
    counter("cmd_stream_sender_connect_failures_total", "Attempts to connect that failed."),
    counter("cmd_stream_sender_connections_lost_total", "Connections lost."),
    counter("cmd_stream_sender_connections_lost_by_reason_total", "Connections lost, by reason."),
    counter(
        "cmd_stream_sender_connections_replaced_total",
        "Connections replaced because of their age or address.",
    ),
    counter("cmd_stream_sender_pings_total", "Pings sent."),
    counter("cmd_stream_sender_late_replies_total", "Replies that no call waited for."),
    counter(
        "cmd_stream_sender_attempts_abandoned_total",
        "Attempts whose caller did not wait for the end, by reason.",
    ),
    counter("cmd_stream_sender_received_bytes_total", "Bytes read from connections."),
    counter("cmd_stream_sender_sent_bytes_total", "Bytes written to connections."),
    gauge("cmd_stream_sender_member_up", "Whether a member has a connection, by member."),
    gauge("cmd_stream_sender_member_in_flight", "Callers that wait for a member, by member."),
    gauge("cmd_stream_sender_member_serving", "Whether the server of a member serves, by member."),
    counter("cmd_stream_sender_probes_total", "Probes that have ended, by member and outcome."),
    gauge(
        "cmd_stream_sender_breaker_state",
        "1 for the state that the circuit breaker of a member is in, by member and state.",
    ),
    counter(
        "cmd_stream_sender_breaker_changes_total",
        "How often the circuit breaker of a member has changed, by member and new state.",
    ),
];
