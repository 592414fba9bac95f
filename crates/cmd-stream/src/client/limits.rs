//! The limits of a client.

use std::time::Duration;

use crate::getters::getters;

/// The limits of a [`Client`](crate::Client). They bound its buffers, its streams, and how long a peer may stall it.
///
/// How long a call takes is unlimited, unless you set [`Builder::timeout`](super::Builder::timeout) or
/// [`Call::timeout`](super::Call::timeout).
///
/// ```
/// use std::time::Duration;
/// use cmd_stream::client::Limits;
///
/// let limits = Limits::default().frame(64 << 10).connect(Duration::from_secs(1));
/// # let _ = limits;
/// ```
#[derive(Clone, Debug)]
pub struct Limits {
    pub(crate) frame: usize,
    pub(crate) in_flight: usize,
    pub(crate) in_flight_bytes: usize,
    pub(crate) output: usize,
    pub(crate) output_stall: Duration,
    pub(crate) stream_bytes: usize,
    pub(crate) stream_replies: Option<usize>,
    pub(crate) stream_overflow: Overflow,
    pub(crate) connect: Duration,
    pub(crate) handshake: Duration,
    pub(crate) connection_wait: Duration,
    pub(crate) frame_time: Duration,
    pub(crate) drain: Duration,
}

/// What happens when a Reply arrives for a stream that already holds [`Limits::stream_bytes`] or
/// [`Limits::stream_replies`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum Overflow {
    /// The stream ends with an error of kind [`Limit`](crate::ErrorKind::Limit) after the Replies it holds. Other calls
    /// continue.
    #[default]
    Fail,
    /// The connection is not read until the stream has room again. Meanwhile all calls on it wait.
    Pause,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            frame: 4 << 20,
            in_flight: 32_768,
            in_flight_bytes: 32 << 20,
            output: 1 << 20,
            output_stall: Duration::from_secs(30),
            stream_bytes: 8 << 20,
            stream_replies: None,
            stream_overflow: Overflow::Fail,
            connect: Duration::from_secs(5),
            handshake: Duration::from_secs(10),
            connection_wait: Duration::from_secs(5),
            frame_time: Duration::from_secs(30),
            drain: Duration::from_secs(30),
        }
    }
}

impl Limits {
    /// Limits one Command or Reply on the wire, including seq and tag. In bytes; 4 MiB by default, at least 16, at most
    /// 4 GiB less one.
    ///
    /// A larger Command fails its call before anything is sent. A larger Reply closes the connection as soon as its length
    /// is known.
    #[must_use]
    pub fn frame(self, bytes: usize) -> Self {
        Self { frame: bytes.clamp(16, u32::MAX as usize), ..self }
    }

    /// Limits the calls in flight. 32,768 by default, at least 1.
    ///
    /// At the limit, further calls wait for room. They are served in order. The default is half of what a server of this
    /// library takes from one connection. Past its limit a server does not read, so it would not see a ping, and the client
    /// would take it for dead.
    ///
    /// A call is in flight until its last Reply has come or the connection is lost. A call that was dropped, or has timed
    /// out, counts until then as well, because the server still has its Command. One-way Commands do not count, because
    /// nothing says when the server has executed them.
    #[must_use]
    pub fn in_flight(self, calls: usize) -> Self {
        Self { in_flight: calls.max(1), ..self }
    }

    /// Limits the bytes of the Commands [in flight](Self::in_flight). 32 MiB by default, half of what a server of this
    /// library takes. One Command always fits, whatever its size.
    #[must_use]
    pub fn in_flight_bytes(self, bytes: usize) -> Self {
        Self { in_flight_bytes: bytes, ..self }
    }

    /// Limits the Commands that are encoded and not yet written. In bytes; 1 MiB by default, at least 1.
    ///
    /// At the limit, `send`, `stream` and `post` wait. The last frame may exceed it.
    #[must_use]
    pub fn output(self, bytes: usize) -> Self {
        Self { output: bytes.max(1), ..self }
    }

    /// Limits how long the server may go without reading queued output, and without sending anything. 30 s by default.
    ///
    /// After that, the connection is closed and its calls fail. While bytes arrive, the server may have a reason not to
    /// read: it is at a limit of Commands. Nor does the time run while the client itself does not read, because of
    /// [`Overflow::Pause`].
    #[must_use]
    pub fn output_stall(self, time: Duration) -> Self {
        Self { output_stall: time, ..self }
    }

    /// Limits the bytes of the Replies that wait in one stream, and says what happens to one more Reply. 8 MiB and
    /// [`Overflow::Fail`] by default. One Reply always fits, whatever its size.
    ///
    /// A Reply counts with its size on the wire, or with that of the Protocol's enum of Replies if that is larger. What
    /// it has on the heap may be more: in JSON, a list of numbers is shorter than the numbers.
    ///
    /// With [`Overflow::Pause`], a stream may exceed the limit by the Replies of one read. And the stream takes some of the
    /// Replies that have arrived to itself, ahead of its reader, which do not count: at most 256, and a 64th of the limit.
    #[must_use]
    pub fn stream_bytes(self, bytes: usize, overflow: Overflow) -> Self {
        Self { stream_bytes: bytes, stream_overflow: overflow, ..self }
    }

    /// Also limits the number of the Replies that wait in one stream. Off by default, which is `None`; at least 1. Up to a 64th
    /// of it may come on top, as with [`stream_bytes`](Self::stream_bytes).
    ///
    /// The overflow is that of [`stream_bytes`](Self::stream_bytes) as well: what was said last counts.
    #[must_use]
    pub fn stream_replies(self, replies: impl Into<Option<usize>>, overflow: Overflow) -> Self {
        let replies: Option<usize> = replies.into();
        Self { stream_replies: replies.map(|replies| replies.max(1)), stream_overflow: overflow, ..self }
    }

    /// Limits how long connecting may take, without the handshake. 5 s by default.
    ///
    /// After that, the attempt to connect fails.
    #[must_use]
    pub fn connect(self, time: Duration) -> Self {
        Self { connect: time, ..self }
    }

    /// Limits how long the handshake may take: that of the transport, if it has one, and the server's greeting with its
    /// ServerInfo. 10 s by default.
    ///
    /// After that, the attempt to connect fails.
    #[must_use]
    pub fn handshake(self, time: Duration) -> Self {
        Self { handshake: time, ..self }
    }

    /// Limits how long calls wait for a connection: 5 s by default, counted from the loss of the last one.
    ///
    /// After that, the calls that wait fail, and new calls fail at once, until there is a connection again. The error is that
    /// of the last attempt, and says that the Command was not sent. With [`Duration::ZERO`] no call waits.
    #[must_use]
    pub fn connection_wait(self, time: Duration) -> Self {
        Self { connection_wait: time, ..self }
    }

    /// Limits how long a Reply may take from its first byte to its last. 30 s by default. Time during which the client
    /// itself does not read does not count.
    ///
    /// After that, the connection is closed and its calls fail.
    #[must_use]
    pub fn frame_time(self, time: Duration) -> Self {
        Self { frame_time: time, ..self }
    }

    /// Limits how long a connection that is to be [replaced](super::Builder::max_age) goes on waiting for Replies after the last
    /// Command was written on it. 30 s by default. Before that, a client that has no other connection goes on writing for as
    /// long.
    ///
    /// After that, the calls that have no Reply yet fail.
    #[must_use]
    pub fn drain(self, time: Duration) -> Self {
        Self { drain: time, ..self }
    }
}

getters! {
    get_frame = frame: usize, frame;
    get_in_flight = in_flight: usize, in_flight;
    get_in_flight_bytes = in_flight_bytes: usize, in_flight_bytes;
    get_output = output: usize, output;
    get_output_stall = output_stall: Duration, output_stall;
    get_stream_bytes = stream_bytes: usize, stream_bytes;
    get_stream_replies = stream_replies: Option<usize>, stream_replies;
    get_stream_overflow = stream_overflow: Overflow, stream_bytes;
    get_connect = connect: Duration, connect;
    get_handshake = handshake: Duration, handshake;
    get_connection_wait = connection_wait: Duration, connection_wait;
    get_frame_time = frame_time: Duration, frame_time;
    get_drain = drain: Duration, drain;
}
