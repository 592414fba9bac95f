//! What bounds a server, in one value.

use std::time::Duration;

use crate::getters::getters;
use crate::proto::handshake::ServerInfo;

/// What bounds a [`Server`](crate::Server). Every queue, buffer and wait that a peer can cause is here.
///
/// ```
/// use std::time::Duration;
/// use cmd_stream::server::Limits;
///
/// let limits = Limits::default().frame(64 << 10).connections(100).drain(Duration::from_secs(5));
/// # let _ = limits;
/// ```
#[derive(Clone, Debug)]
pub struct Limits {
    pub(crate) frame: usize,
    pub(crate) in_flight: usize,
    pub(crate) in_flight_bytes: usize,
    pub(crate) output: usize,
    pub(crate) output_stall: Duration,
    pub(crate) connections: usize,
    pub(crate) waiting: usize,
    pub(crate) waiting_time: Duration,
    pub(crate) handshake: Duration,
    pub(crate) frame_time: Duration,
    pub(crate) idle: Option<Duration>,
    pub(crate) drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            frame: 4 << 20,
            in_flight: 65_536,
            in_flight_bytes: 64 << 20,
            output: 1 << 20,
            output_stall: Duration::from_secs(30),
            connections: 10_000,
            waiting: 128,
            waiting_time: Duration::from_secs(5),
            handshake: Duration::from_secs(10),
            frame_time: Duration::from_secs(30),
            idle: None,
            drain: Duration::from_secs(30),
        }
    }
}

impl Limits {
    /// One Command or Reply on the wire, seq and tag included. In bytes; 4 MiB by default, at least 16.
    ///
    /// A Command over it closes its connection as soon as its length is known. A Reply over it fails the `send` of
    /// its Command.
    #[must_use]
    pub fn frame(self, bytes: usize) -> Self {
        Self { frame: bytes.max(16), ..self }
    }

    /// Commands in flight on one connection: read, and not yet ended. 65,536 by default, at least 1.
    ///
    /// When it is reached, the connection is not read until one has ended.
    #[must_use]
    pub fn in_flight(self, commands: usize) -> Self {
        Self { in_flight: commands.max(1), ..self }
    }

    /// Commands in flight on one connection, in bytes as they stood on the wire. 64 MiB by default, at least 1.
    ///
    /// When it is reached, the connection is not read until one has ended.
    #[must_use]
    pub fn in_flight_bytes(self, bytes: usize) -> Self {
        Self { in_flight_bytes: bytes.max(1), ..self }
    }

    /// Replies of one connection that are encoded and not yet written. In bytes; 1 MiB by default, at least 1.
    ///
    /// When it is reached, `proxy.send` waits, and the connection is not read. One frame may reach over it.
    #[must_use]
    pub fn output(self, bytes: usize) -> Self {
        Self { output: bytes.max(1), ..self }
    }

    /// How long the peer may go without reading any of the output that waits for it. 30 s by default.
    ///
    /// Then the connection is closed.
    #[must_use]
    pub fn output_stall(self, time: Duration) -> Self {
        Self { output_stall: time, ..self }
    }

    /// Connections that are served at the same time. 10,000 by default, at least 1.
    ///
    /// A further one waits, within [`waiting`](Self::waiting).
    #[must_use]
    pub fn connections(self, connections: usize) -> Self {
        Self { connections: connections.max(1), ..self }
    }

    /// Connections that wait for a place, and for how long. They are sent nothing until they have one. 128 and 5 s by
    /// default.
    ///
    /// One more than that, or one that has waited for that long, is closed and counted
    /// ([`Counters::refused`](super::Counters::refused)).
    #[must_use]
    pub fn waiting(self, connections: usize, time: Duration) -> Self {
        Self { waiting: connections, waiting_time: time, ..self }
    }

    /// Within what time a new connection is established: the transport's own handshake, if it has one, and the sending of the
    /// ServerInfo. 10 s by default.
    ///
    /// Then the connection is closed, and counted ([`Counters::handshake_timeouts`](super::Counters::handshake_timeouts)).
    #[must_use]
    pub fn handshake(self, time: Duration) -> Self {
        Self { handshake: time, ..self }
    }

    /// Within what time a Command that has begun to arrive is there whole. 30 s by default. Time in which the server
    /// itself does not read, because another limit is reached, does not count.
    ///
    /// Then the connection is closed.
    #[must_use]
    pub fn frame_time(self, time: Duration) -> Self {
        Self { frame_time: time, ..self }
    }

    /// Within what time a further Command or ping is there whole, idle time included: the *receive duration* of the Go
    /// library. Off by default. Time in which the server itself does not read does not count.
    ///
    /// Then the connection is closed.
    #[must_use]
    pub fn idle(self, time: impl Into<Option<Duration>>) -> Self {
        Self { idle: time.into(), ..self }
    }

    /// How long a graceful shutdown waits for Commands to end. 30 s by default.
    ///
    /// Then what is left is cut, and `serve` says how much that was.
    #[must_use]
    pub fn drain(self, time: Duration) -> Self {
        Self { drain: time, ..self }
    }

    /// A ServerInfo has at most 1024 bytes; the wire fixes this one.
    pub const SERVER_INFO: usize = ServerInfo::MAX_LEN;
}

getters! {
    get_frame = frame: usize, frame;
    get_in_flight = in_flight: usize, in_flight;
    get_in_flight_bytes = in_flight_bytes: usize, in_flight_bytes;
    get_output = output: usize, output;
    get_output_stall = output_stall: Duration, output_stall;
    get_connections = connections: usize, connections;
    get_waiting = waiting: usize, waiting;
    get_waiting_time = waiting_time: Duration, waiting;
    get_handshake = handshake: Duration, handshake;
    get_frame_time = frame_time: Duration, frame_time;
    get_idle = idle: Option<Duration>, idle;
    get_drain = drain: Duration, drain;
}
