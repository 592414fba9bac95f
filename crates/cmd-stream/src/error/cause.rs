//! In which way a connection has ended, where the kind and the origin of the error do not tell it.

/// What has ended a connection. The counters and the log of both sides tell these apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Cause {
    /// This side was closed, or its time to drain was over.
    Cut,
    /// A frame was not whole in time, or none came.
    FrameTime,
    /// The handshake took too long.
    Handshake,
    /// No frame came for as long as the connection may be idle.
    Idle,
    /// The peer did not answer a ping.
    Keepalive,
    /// It was idle, and made room for another one.
    MadeRoom,
    /// The peer took no output.
    OutputStall,
    /// Nothing moved while a limit kept it from being read.
    Paused,
    /// The server shut down, and nothing was in flight.
    ShutDown,
}
