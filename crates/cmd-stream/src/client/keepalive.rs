//! The settings of keepalive. `proto/liveness.rs` decides, the driver does it.

use std::time::Duration;

/// How a client finds out that its connection is dead though nobody closed it, and keeps it from being closed for idleness.
///
/// When nothing was received for `idle`, or nothing was sent, the client sends a ping, which every server answers. If then
/// not a single byte arrives for `timeout`, the connection is lost: its calls fail, and the client reconnects. Any byte is a
/// sign of life, so a slow Reply is safe, and a busy connection needs no pings. A ping may stand behind other output. While
/// the server takes that output, the time does not run.
///
/// A server that does not read cannot answer. Ours does not read past its limits (`server::Limits`), and waits for Commands
/// to end; if that takes longer than `timeout`, the connection is lost. [`Limits::in_flight`](super::Limits::in_flight)
/// keeps a client's calls below the limits of one server connection. One-way Commands can still reach them.
///
/// ```
/// use std::time::Duration;
/// use cmd_stream::client::Keepalive;
///
/// // The default times of the Go library.
/// let keepalive = Keepalive::default().idle(Duration::from_secs(3)).timeout(Duration::from_secs(1));
/// # let _ = keepalive;
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Keepalive {
    pub(super) idle: Duration,
    pub(super) timeout: Duration,
}

impl Default for Keepalive {
    fn default() -> Self {
        Self { idle: Duration::from_secs(10), timeout: Duration::from_secs(10) }
    }
}

impl Keepalive {
    /// Turns keepalive off: no pings are sent, and a silent server is never taken for dead.
    pub const OFF: Self = Self { idle: Duration::MAX, timeout: Duration::MAX };

    /// Sets after how much time without bytes in one direction a ping is sent. 10 s by default, at least 1 ms.
    ///
    /// It should be well below the shortest time after which something on the way forgets an idle connection.
    #[must_use]
    pub fn idle(self, time: Duration) -> Self {
        Self { idle: time.max(Duration::from_millis(1)), ..self }
    }

    /// Sets how long the server may say nothing after a ping. 10 s by default, at least 1 ms. With [`Duration::MAX`] it is
    /// never taken for dead.
    #[must_use]
    pub fn timeout(self, time: Duration) -> Self {
        Self { timeout: time.max(Duration::from_millis(1)), ..self }
    }

    /// Returns the value set by [`idle`](Self::idle).
    pub fn get_idle(&self) -> Duration {
        self.idle
    }

    /// Returns the value set by [`timeout`](Self::timeout).
    pub fn get_timeout(&self) -> Duration {
        self.timeout
    }
}
