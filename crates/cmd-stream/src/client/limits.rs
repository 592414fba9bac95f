//! The limits of a client.

use std::time::Duration;

use crate::getters::getters;

/// The limits of a [`Client`](crate::Client). They bound its buffers, its streams, and how long a peer may stall it.
///
/// Two things have no limit. A call waits until its Reply arrives or the connection is lost: for a shorter wait, use
/// `tokio::time::timeout`, which drops the call. How many calls wait at the same time is up to the application.
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
    pub(crate) output: usize,
    pub(crate) output_stall: Duration,
    pub(crate) stream_replies: usize,
    pub(crate) stream_overflow: Overflow,
    pub(crate) connect: Duration,
    pub(crate) handshake: Duration,
    pub(crate) frame_time: Duration,
}

/// What happens when a Reply arrives for a stream that already holds [`Limits::stream_replies`].
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
            output: 1 << 20,
            output_stall: Duration::from_secs(30),
            stream_replies: 1024,
            stream_overflow: Overflow::Fail,
            connect: Duration::from_secs(5),
            handshake: Duration::from_secs(10),
            frame_time: Duration::from_secs(30),
        }
    }
}

impl Limits {
    /// Limits one Command or Reply on the wire, including seq and tag. In bytes; 4 MiB by default, at least 16.
    ///
    /// A larger Command fails its call before anything is sent. A larger Reply closes the connection as soon as its length
    /// is known.
    #[must_use]
    pub fn frame(self, bytes: usize) -> Self {
        Self { frame: bytes.max(16), ..self }
    }

    /// Limits the Commands that are encoded and not yet written. In bytes; 1 MiB by default, at least 1.
    ///
    /// At the limit, `send`, `stream` and `post` wait. The last frame may exceed it.
    #[must_use]
    pub fn output(self, bytes: usize) -> Self {
        Self { output: bytes.max(1), ..self }
    }

    /// Limits how long the server may go without reading queued output. 30 s by default.
    ///
    /// After that, the connection is closed and its calls fail.
    #[must_use]
    pub fn output_stall(self, time: Duration) -> Self {
        Self { output_stall: time, ..self }
    }

    /// Limits the Replies that wait in one stream, and says what happens to one more. 1024 and [`Overflow::Fail`] by
    /// default, at least 1.
    ///
    /// With [`Overflow::Pause`], a stream may exceed the limit by the Replies of one read.
    #[must_use]
    pub fn stream_replies(self, replies: usize, overflow: Overflow) -> Self {
        Self { stream_replies: replies.max(1), stream_overflow: overflow, ..self }
    }

    /// Limits how long connecting may take, without the handshake. 5 s by default.
    ///
    /// After that, `connect` fails.
    #[must_use]
    pub fn connect(self, time: Duration) -> Self {
        Self { connect: time, ..self }
    }

    /// Limits how long the server may take to send its ServerInfo. 10 s by default.
    ///
    /// After that, `connect` fails.
    #[must_use]
    pub fn handshake(self, time: Duration) -> Self {
        Self { handshake: time, ..self }
    }

    /// Limits how long a Reply may take from its first byte to its last. 30 s by default. Time during which the client
    /// itself does not read does not count.
    ///
    /// After that, the connection is closed and its calls fail.
    #[must_use]
    pub fn frame_time(self, time: Duration) -> Self {
        Self { frame_time: time, ..self }
    }
}

getters! {
    get_frame = frame: usize, frame;
    get_output = output: usize, output;
    get_output_stall = output_stall: Duration, output_stall;
    get_stream_replies = stream_replies: usize, stream_replies;
    get_stream_overflow = stream_overflow: Overflow, stream_replies;
    get_connect = connect: Duration, connect;
    get_handshake = handshake: Duration, handshake;
    get_frame_time = frame_time: Duration, frame_time;
}
