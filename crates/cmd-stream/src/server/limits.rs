//! The limits of a server, in one value.

use std::time::Duration;

use crate::getters::getters;
use crate::proto::handshake::ServerInfo;
use crate::proto::rate::Rate;
use crate::transport::TcpKeepalive;

/// The limits of a [`Server`](crate::Server). They bound its buffers per connection, its connections, and how long a peer may
/// stall it. The rates, [`shed_after`](Self::shed_after), [`idle`](Self::idle) and
/// [`first_frame`](Self::first_frame) are off by default.
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
    pub(crate) memory: usize,
    pub(crate) commands: usize,
    pub(crate) connections: usize,
    pub(crate) waiting: usize,
    pub(crate) waiting_time: Duration,
    pub(crate) make_room: Option<Duration>,
    pub(crate) handshake: Duration,
    pub(crate) frame_time: Duration,
    pub(crate) idle: Option<Duration>,
    pub(crate) first_frame: Option<Duration>,
    pub(crate) tcp_keepalive: TcpKeepalive,
    pub(crate) half_closed: Duration,
    pub(crate) paused: Duration,
    pub(crate) drain: Duration,
    pub(crate) connection_rate: Option<Rate>,
    pub(crate) address_rate: Option<Rate>,
    pub(crate) command_rate: Option<Rate>,
    pub(crate) shed_after: Option<Duration>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            frame: 4 << 20,
            in_flight: 65_536,
            in_flight_bytes: 64 << 20,
            output: 1 << 20,
            output_stall: Duration::from_secs(30),
            memory: 1 << 30,
            commands: 1 << 20,
            connections: 10_000,
            waiting: 128,
            waiting_time: Duration::from_secs(5),
            make_room: Some(Duration::from_secs(1)),
            handshake: Duration::from_secs(10),
            frame_time: Duration::from_secs(30),
            idle: None,
            first_frame: None,
            tcp_keepalive: TcpKeepalive::default(),
            half_closed: Duration::from_secs(5),
            paused: Duration::from_secs(300),
            drain: Duration::from_secs(30),
            connection_rate: None,
            address_rate: None,
            command_rate: None,
            shed_after: None,
        }
    }
}

impl Limits {
    /// The size of one Command or Reply on the wire, including seq and tag. In bytes; 4 MiB by default, at least 16.
    ///
    /// A larger Command closes its connection as soon as its length is known. A larger Reply makes the `send` of its
    /// Command fail.
    #[must_use]
    pub fn frame(self, bytes: usize) -> Self {
        Self { frame: bytes.max(16), ..self }
    }

    /// The number of Commands in flight on one connection: read, and not yet ended. 65,536 by default, at least 1.
    ///
    /// When it is reached, the connection is not read until a Command has ended.
    #[must_use]
    pub fn in_flight(self, commands: usize) -> Self {
        Self { in_flight: commands.max(1), ..self }
    }

    /// The size on the wire of all Commands in flight on one connection. In bytes; 64 MiB by default, at least 1.
    ///
    /// When it is reached, the connection is not read until a Command has ended.
    #[must_use]
    pub fn in_flight_bytes(self, bytes: usize) -> Self {
        Self { in_flight_bytes: bytes.max(1), ..self }
    }

    /// The size of the Replies of one connection that are encoded and not yet written. In bytes; 1 MiB by default, at
    /// least 1.
    ///
    /// While it is reached, the connection is not read, no further Command of it is polled for the first time, and
    /// `proxy.send` waits before it encodes its Reply. Failures are made and encoded when there is room again. So what a
    /// connection has encoded is at most this, and one frame for each thread that encodes one. Values that Commands have
    /// made before they wait are not counted: [`Proxy::ready`](crate::Proxy::ready) waits before a value is made.
    /// Commands that block all threads of the runtime may exceed it, up to 64 times (or 64 MiB, if that is more); see
    /// [`Execute::execute`](crate::Execute::execute).
    #[must_use]
    pub fn output(self, bytes: usize) -> Self {
        Self { output: bytes.max(1), ..self }
    }

    /// How long the peer may go without reading queued output. 30 s by default.
    ///
    /// After that the connection is closed. So is one whose output no thread of the server has written for this long, while a
    /// Command exceeds [`output`](Self::output) because of that.
    #[must_use]
    pub fn output_stall(self, time: Duration) -> Self {
        Self { output_stall: time, ..self }
    }

    /// What all connections together may take of memory: their buffers, and their Commands, also those that outlive their
    /// connection. In bytes; 1 GiB by default, at least 64 KiB.
    ///
    /// A Command counts as its bytes on the wire times the most that its type can take when it is decoded (see
    /// [`Answer::EXPANSION`](crate::Answer::EXPANSION)), and as the size of its future. A buffer counts as its capacity. What
    /// Commands allocate themselves is not known, and does not count.
    ///
    /// While less than half is taken, nobody is held up. Then each connection has a share: what the others leave, divided by
    /// the number of open connections and one more. Over its share a connection is not read, and is counted
    /// ([`Counters::memory_pauses`](super::Counters::memory_pauses)); its [`output`](Self::output) is limited to its share as
    /// well. A Command larger than the share waits until at most three quarters are taken with it. One such Command is
    /// admitted in any case. Commands whose connection has ended are dropped where they wait, oldest first, when more than
    /// half is taken ([`Counters::orphans_dropped`](super::Counters::orphans_dropped)). `docs/PRESSURE.md` has the formula of
    /// what a server takes at most.
    #[must_use]
    pub fn memory(self, bytes: usize) -> Self {
        Self { memory: bytes.max(64 << 10), ..self }
    }

    /// The number of Commands of all connections together, also of those that outlive their connection. 1,048,576 by
    /// default, at least 64. Commands that end where they are decoded do not count.
    ///
    /// It is divided among the connections as [`memory`](Self::memory) is. One Command per connection is always read.
    #[must_use]
    pub fn commands(self, commands: usize) -> Self {
        Self { commands: commands.max(64), ..self }
    }

    /// The number of connections that are served at the same time. 10,000 by default, at least 1.
    ///
    /// On Linux, this and [`waiting`](Self::waiting) together are lowered to the number of files that the process may have
    /// open, less a sixteenth of it (at least 32, at most 1024), when the server is created on TCP or a Unix socket. That
    /// is logged. If a process has several servers, or opens many files for something else, set this lower.
    ///
    /// Further connections wait, within [`waiting`](Self::waiting), and idle ones [make room](Self::make_room) for them. A
    /// connection that has ended keeps its place while its last Replies are written, for up to 2 s.
    #[must_use]
    pub fn connections(self, connections: usize) -> Self {
        Self { connections: connections.max(1), ..self }
    }

    /// The number of connections that wait for a place, and for how long. 128 and 5 s by default. They are sent nothing
    /// until they have a place. One that leaves while it waits, or sends nothing more, is no longer among them.
    ///
    /// A connection beyond the number, or one that has waited for that long, is closed and counted
    /// ([`Counters::refused`](super::Counters::refused)).
    #[must_use]
    pub fn waiting(self, connections: usize, time: Duration) -> Self {
        Self { waiting: connections, waiting_time: time, ..self }
    }

    /// How long a connection must have been idle before it makes room for one that waits for a place. 1 s by default;
    /// `None` switches it off.
    ///
    /// A connection is idle while no Command of it is in flight and all Replies have been written. Pings do not count, and
    /// neither does a part of a Command. For each connection that waits, the one that has been idle longest is closed at
    /// once. Those that never sent a Command come first, and those whose transport has not ended its handshake are among
    /// them. It is counted ([`Counters::made_room`](super::Counters::made_room)), and the reason is of the kind
    /// [`Limit`](crate::ErrorKind::Limit).
    ///
    /// So clients that connect and stay silent cannot keep others out. A client of ours reconnects when it has something to
    /// send. Its call fails only if the Command was on its way at that moment.
    ///
    /// ```
    /// use std::time::Duration;
    /// use cmd_stream::server::Limits;
    ///
    /// let limits = Limits::default().make_room(Duration::from_secs(60)); // each client has a minute
    /// let limits = Limits::default().make_room(None); // whoever has a place keeps it
    /// # let _ = limits;
    /// ```
    #[must_use]
    pub fn make_room(self, idle: impl Into<Option<Duration>>) -> Self {
        Self { make_room: idle.into(), ..self }
    }

    /// The time for establishing a connection: for the transport's own handshake, if it has one, and for sending the
    /// ServerInfo. 10 s by default.
    ///
    /// After that the connection is closed and counted ([`Counters::handshake_timeouts`](super::Counters::handshake_timeouts)).
    #[must_use]
    pub fn handshake(self, time: Duration) -> Self {
        Self { handshake: time, ..self }
    }

    /// The time in which a Command that has begun to arrive must be complete. 30 s by default. While the server itself
    /// does not read, because another limit is reached, the time does not count.
    ///
    /// After that the connection is closed.
    #[must_use]
    pub fn frame_time(self, time: Duration) -> Self {
        Self { frame_time: time, ..self }
    }

    /// The time in which the next Command or ping must be complete, including idle time: the *receive duration* of the Go
    /// library. Off by default. While the server itself does not read, and while Commands of the connection run, the time
    /// does not count.
    ///
    /// After that the connection is closed.
    #[must_use]
    pub fn idle(self, time: impl Into<Option<Duration>>) -> Self {
        Self { idle: time.into(), ..self }
    }

    /// The time in which the first Command must be complete, from the end of the handshake. Off by default: a client of a
    /// group may be connected for long before it is needed. Pings are no Commands.
    ///
    /// After that the connection is closed and counted ([`Counters::receive_timeouts`](super::Counters::receive_timeouts)).
    ///
    /// ```
    /// use std::time::Duration;
    /// use cmd_stream::server::Limits;
    ///
    /// let limits = Limits::default().first_frame(Duration::from_secs(10)); // each client has something to ask
    /// # let _ = limits;
    /// ```
    #[must_use]
    pub fn first_frame(self, time: impl Into<Option<Duration>>) -> Self {
        Self { first_frame: time.into(), ..self }
    }

    /// When the system takes a client for gone that has neither closed its connection nor answers: TCP keepalive. By default
    /// it does after 2 minutes; [`TcpKeepalive::OFF`] turns it off. Connections that are not TCP, or TLS over TCP, have
    /// none. If the sockets of a listener of your own have keepalive on already, they keep their times.
    ///
    /// Then the connection ends with an error of kind [`Io`](crate::ErrorKind::Io), and its place is free.
    #[must_use]
    pub fn tcp_keepalive(self, keepalive: TcpKeepalive) -> Self {
        Self { tcp_keepalive: keepalive, ..self }
    }

    /// How long the Commands of a client that sends nothing more are still answered: it has closed its direction of the
    /// connection, or all of it, which looks the same. 5 s by default.
    ///
    /// Commands that have been read continue. The connection ends when all of them are answered, or after this time:
    /// then [`Proxy::closed`](crate::Proxy::closed) resolves, and nothing can be sent any more. If the connection breaks
    /// meanwhile, it ends at once.
    ///
    /// While a limit keeps a connection from being read, the server looks once per second whether its client has left. It
    /// can see that on TCP and Unix sockets, and on TLS over them, unless the client has sent so much that the end of it
    /// has not arrived yet; see [`paused`](Self::paused).
    #[must_use]
    pub fn half_closed(self, time: Duration) -> Self {
        Self { half_closed: time, ..self }
    }

    /// How long a limit may keep a connection from being read while nothing moves: no Command of it ends that reading
    /// waits for, and none of its output is taken. 5 min by default.
    ///
    /// After that the connection is closed and counted ([`Counters::pause_timeouts`](super::Counters::pause_timeouts)): its
    /// client may have left long ago, which the server cannot see while it does not read. Pauses for
    /// [`command_rate`](Self::command_rate) and [`shed_after`](Self::shed_after) end by themselves, and do not count.
    #[must_use]
    pub fn paused(self, time: Duration) -> Self {
        Self { paused: time, ..self }
    }

    /// How long a graceful shutdown waits for Commands to end. 30 s by default.
    ///
    /// When half of it is over, no further Commands are started: a connection that is always busy would not end otherwise.
    /// After all of it the rest is cut as by [`Handle::close`](super::Handle::close), whatever it does, and `serve` returns how
    /// much that was ([`Cut`](super::Cut)).
    #[must_use]
    pub fn drain(self, time: Duration) -> Self {
        Self { drain: time, ..self }
    }

    /// How many new connections per second are let in. Off by default, which is `None`.
    ///
    /// A connection over the rate is closed before the transport's handshake, and counted
    /// ([`Counters::over_connection_rate`](super::Counters::over_connection_rate)). Its client sees that the connection was
    /// closed before the server greeted it.
    ///
    /// ```
    /// use cmd_stream::server::{Limits, Rate};
    ///
    /// let limits = Limits::default()
    ///     .connection_rate(Rate::per_second(500).burst(2000)) // a whole fleet may come back at once
    ///     .address_rate(Rate::per_second(5).burst(50))
    ///     .command_rate(Rate::per_second(10_000));
    /// # let _ = limits;
    /// ```
    #[must_use]
    pub fn connection_rate(self, rate: impl Into<Option<Rate>>) -> Self {
        Self { connection_rate: rate.into(), ..self }
    }

    /// How many new connections per second are let in from one address. Off by default, which is `None`.
    ///
    /// An address is an IPv4 address, or the first 64 bits of an IPv6 address, as a client can usually choose the others.
    /// Peers without an IP address, such as those on Unix sockets, are not limited by it.
    ///
    /// A connection over the rate is closed before the transport's handshake, and counted
    /// ([`Counters::over_address_rate`](super::Counters::over_address_rate)). It does not count in
    /// [`connection_rate`](Self::connection_rate).
    ///
    /// The server remembers 65,536 addresses, in about 4 MiB. When there are more, it forgets those that have not used
    /// up anything of their rate. If there are none, connections from further addresses are let in without a limit of
    /// their own, and counted ([`Counters::untracked_addresses`](super::Counters::untracked_addresses)).
    #[must_use]
    pub fn address_rate(self, rate: impl Into<Option<Rate>>) -> Self {
        Self { address_rate: rate.into(), ..self }
    }

    /// How many Commands per second are read from one connection. Off by default, which is `None`. Pings do not count.
    ///
    /// When it is reached, the connection is not read until there is room, so no Command is lost. It is counted
    /// ([`Counters::rate_pauses`](super::Counters::rate_pauses)). Pings wait as well, behind the Commands. So a client that
    /// sends much more than its rate may take the server for dead; see its
    /// [`Keepalive`](crate::client::Keepalive).
    #[must_use]
    pub fn command_rate(self, rate: impl Into<Option<Rate>>) -> Self {
        Self { command_rate: rate.into(), ..self }
    }

    /// How long Commands may wait to be started before the server sheds load. Off by default, which is `None`; at least
    /// 1 ms.
    ///
    /// A Command waits from when its last bytes were read until it is polled for the first time. If each Command of the
    /// server that starts has waited longer than this, for 100 ms or for this time, whichever is longer, the server is
    /// overloaded, until one starts in time, or none waits. Meanwhile new Commands are not started, nor are those that
    /// have waited for more than twice this time. They are answered with the Protocol's failure, made from
    /// [`FailedReason::Overloaded`](crate::protocol::FailedReason::Overloaded), and counted
    /// ([`Counters::shed`](super::Counters::shed)). Invokers do not see them. One-way Commands are always started, as
    /// nobody could be told.
    ///
    /// With `failure close_connection` nothing is answered. Connections are not read instead while the server is
    /// overloaded ([`Counters::shed_pauses`](super::Counters::shed_pauses)).
    ///
    /// The time that a connection is not read because of another limit does not count as waiting.
    #[must_use]
    pub fn shed_after(self, time: impl Into<Option<Duration>>) -> Self {
        let time: Option<Duration> = time.into();
        Self { shed_after: time.map(|time| time.max(Duration::from_millis(1))), ..self }
    }

    /// The largest ServerInfo, in bytes: 1024. The wire fixes it.
    pub const SERVER_INFO: usize = ServerInfo::MAX_LEN;
}

getters! {
    get_frame = frame: usize, frame;
    get_in_flight = in_flight: usize, in_flight;
    get_in_flight_bytes = in_flight_bytes: usize, in_flight_bytes;
    get_output = output: usize, output;
    get_output_stall = output_stall: Duration, output_stall;
    get_memory = memory: usize, memory;
    get_commands = commands: usize, commands;
    get_connections = connections: usize, connections;
    get_waiting = waiting: usize, waiting;
    get_waiting_time = waiting_time: Duration, waiting;
    get_make_room = make_room: Option<Duration>, make_room;
    get_handshake = handshake: Duration, handshake;
    get_frame_time = frame_time: Duration, frame_time;
    get_idle = idle: Option<Duration>, idle;
    get_first_frame = first_frame: Option<Duration>, first_frame;
    get_tcp_keepalive = tcp_keepalive: TcpKeepalive, tcp_keepalive;
    get_half_closed = half_closed: Duration, half_closed;
    get_paused = paused: Duration, paused;
    get_drain = drain: Duration, drain;
    get_connection_rate = connection_rate: Option<Rate>, connection_rate;
    get_address_rate = address_rate: Option<Rate>, address_rate;
    get_command_rate = command_rate: Option<Rate>, command_rate;
    get_shed_after = shed_after: Option<Duration>, shed_after;
}
