//! What bounds a client, in one value.

use std::time::Duration;

use crate::getters::getters;

/// What bounds a [`Client`](crate::Client). Every queue, buffer and wait that a peer can cause is here.
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

/// What happens when a stream holds as many Replies as [`Limits::stream_replies`] allows and a further one arrives.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum Overflow {
    /// The stream ends with an error of kind [`Limit`](crate::ErrorKind::Limit) after the Replies it holds; other
    /// calls go on.
    #[default]
    Fail,
    /// The connection is not read until the stream has been: all its calls wait.
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
    /// One Command or Reply on the wire, seq and tag included. In bytes; 4 MiB by default, at least 16.
    ///
    /// A Command over it fails its call before anything is sent. A Reply over it closes the connection as soon as its
    /// length is known.
    #[must_use]
    pub fn frame(self, bytes: usize) -> Self {
        Self { frame: bytes.max(16), ..self }
    }

    /// Commands that are encoded and not yet written. In bytes; 1 MiB by default, at least 1.
    ///
    /// When it is reached, `send`, `stream` and `post` wait. One frame may reach over it.
    #[must_use]
    pub fn output(self, bytes: usize) -> Self {
        Self { output: bytes.max(1), ..self }
    }

    /// How long the server may go without reading any of the output that waits for it. 30 s by default.
    ///
    /// Then the connection is closed and its calls fail.
    #[must_use]
    pub fn output_stall(self, time: Duration) -> Self {
        Self { output_stall: time, ..self }
    }

    /// Replies that wait in one stream, and what happens to a further one. 1024 and [`Overflow::Fail`] by default, at
    /// least 1.
    ///
    /// With [`Overflow::Pause`] a stream may hold more by what one read of the connection brings.
    #[must_use]
    pub fn stream_replies(self, replies: usize, overflow: Overflow) -> Self {
        Self { stream_replies: replies.max(1), stream_overflow: overflow, ..self }
    }

    /// Within what time a connection is made, without the handshake. 5 s by default.
    ///
    /// Then `connect` fails.
    #[must_use]
    pub fn connect(self, time: Duration) -> Self {
        Self { connect: time, ..self }
    }

    /// Within what time the server has sent its ServerInfo. 10 s by default.
    ///
    /// Then `connect` fails.
    #[must_use]
    pub fn handshake(self, time: Duration) -> Self {
        Self { handshake: time, ..self }
    }

    /// Within what time a Reply that has begun to arrive is there whole. 30 s by default. Time in which the client
    /// itself does not read does not count.
    ///
    /// Then the connection is closed and its calls fail.
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
