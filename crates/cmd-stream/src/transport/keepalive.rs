//! TCP keepalive: how the system finds out that a peer is gone, on connections on which nothing is sent.

use std::io;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive as Options};
use tokio::net::TcpStream;

use super::Io;
use super::socket::Socket;

/// When the system asks an idle peer's system whether it is still there, and when it takes it for gone: TCP keepalive.
///
/// It is on by default on both ends, in [`Tcp::keepalive`](super::Tcp::keepalive) and
/// [`server::Limits::tcp_keepalive`](crate::server::Limits::tcp_keepalive). By default a peer is asked when nothing has come
/// from it for 60 s, then every 15 s, and is gone when it has not answered 4 times. So a connection whose peer has lost its
/// network or its power ends within 2 minutes, and its Commands and its place with it.
///
/// Neither process sees any of that, so it says nothing about whether the peer's process still works. A client's
/// [`Keepalive`](crate::client::Keepalive) does.
///
/// Where the system has no such setting, or refuses it, the system's own times hold. Times are whole seconds, from 1 s to 9 hours.
/// On Linux, `Tcp::user_timeout` decides in place of the number of probes.
///
/// ```
/// use std::time::Duration;
/// use cmd_stream::server::Limits;
/// use cmd_stream::transport::{Tcp, TcpKeepalive};
///
/// let keepalive = TcpKeepalive::default().idle(Duration::from_secs(20)).interval(Duration::from_secs(5)).probes(3);
/// let server = Limits::default().tcp_keepalive(keepalive);
/// let client = Tcp::new("shop.example:9000").keepalive(TcpKeepalive::OFF);
/// # let _ = (server, client);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TcpKeepalive {
    idle: Duration,
    interval: Duration,
    probes: u32,
}

impl Default for TcpKeepalive {
    fn default() -> Self {
        Self { idle: Duration::from_secs(60), interval: Duration::from_secs(15), probes: 4 }
    }
}

impl TcpKeepalive {
    /// Turns it off: the system never asks.
    pub const OFF: Self = Self { idle: Duration::MAX, interval: Duration::MAX, probes: 0 };

    /// Sets after how much silence the system asks for the first time. 60 s by default; [`Duration::MAX`] means never.
    #[must_use]
    pub fn idle(self, time: Duration) -> Self {
        Self { idle: time, ..self }
    }

    /// Sets after which time without an answer the system asks again. 15 s by default.
    #[must_use]
    pub fn interval(self, time: Duration) -> Self {
        Self { interval: time, ..self }
    }

    /// Sets after how many questions without an answer the peer is gone. 4 by default; from 1 to 127.
    #[must_use]
    pub fn probes(self, probes: u32) -> Self {
        Self { probes, ..self }
    }

    /// Sets it on a socket.
    fn set_on(&self, stream: &TcpStream) -> io::Result<()> {
        let socket = SockRef::from(stream);
        if self.idle == Duration::MAX {
            return socket.set_keepalive(false);
        }
        let options = Options::new().with_time(within_bounds(self.idle));
        #[cfg(any(
            target_os = "android",
            target_os = "freebsd",
            target_os = "fuchsia",
            target_os = "ios",
            target_os = "linux",
            target_os = "macos",
            target_os = "netbsd",
            target_os = "windows",
        ))]
        let options =
            options.with_interval(within_bounds(self.interval)).with_retries(self.probes.clamp(1, 127));
        socket.set_tcp_keepalive(&options)
    }
}

/// What every system takes: Linux refuses 0, and more than this.
fn within_bounds(time: Duration) -> Duration {
    time.clamp(Duration::from_secs(1), Duration::from_secs(32_767))
}

/// Sets it on a stream that the server has accepted, if that is TCP, or TLS over it. If the listener's sockets have it
/// already, they keep the times that the application has given them.
pub(crate) fn keep_accepted<IO: Io>(io: &IO, keepalive: &TcpKeepalive) {
    let Some(Socket::Tcp(stream)) = Socket::of(io) else { return };
    if matches!(SockRef::from(stream).keepalive(), Ok(false)) {
        // This fails if the client has left already, which the first use of the connection will show.
        let _ = keepalive.set_on(stream);
    }
}

/// Sets it on a stream that a client has connected. If the system refuses, the connection works all the same.
pub(super) fn keep_connected(stream: &TcpStream, keepalive: &TcpKeepalive) {
    let _ = keepalive.set_on(stream);
}

#[cfg(target_os = "linux")] // elsewhere not all of it can be read
#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// Whether it is on, and its times in seconds.
    fn of(stream: &TcpStream) -> (bool, [u64; 2], u32) {
        let socket = SockRef::from(stream);
        let times = [socket.tcp_keepalive_time(), socket.tcp_keepalive_interval()];
        let times = times.map(|time| time.expect("it can be read").as_secs());
        let probes = socket.tcp_keepalive_retries().expect("it can be read");
        (socket.keepalive().expect("it can be read"), times, probes)
    }

    async fn two() -> (TcpListener, TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it has one");
        let (connected, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        let (connected, accepted) = (connected.expect("it listens"), accepted.expect("it connects").0);
        (listener, connected, accepted)
    }

    #[tokio::test]
    async fn what_is_set_reaches_the_socket_within_what_the_system_takes() {
        let (_listener, stream, _) = two().await;
        let second = Duration::from_secs(1);
        let keepalive = TcpKeepalive::default();
        for (given, taken) in [
            (keepalive, ([60, 15], 4)),
            (keepalive.idle(20 * second).interval(5 * second).probes(3), ([20, 5], 3)),
            (keepalive.idle(Duration::ZERO).interval(second / 2).probes(0), ([1, 1], 1)),
            (
                keepalive.idle(Duration::MAX - second).interval(Duration::MAX).probes(u32::MAX),
                ([32_767; 2], 127),
            ),
        ] {
            given.set_on(&stream).expect("the system takes it");
            assert_eq!(of(&stream), (true, taken.0, taken.1), "{given:?}");
        }
        for off in [TcpKeepalive::OFF, keepalive.idle(Duration::MAX)] {
            keepalive.set_on(&stream).expect("the system takes it");
            off.set_on(&stream).expect("the system takes it");
            assert!(!of(&stream).0);
        }
    }

    #[tokio::test]
    async fn a_listener_with_times_of_its_own_keeps_them() {
        let (listener, _, accepted) = two().await;
        keep_accepted(&accepted, &TcpKeepalive::default());
        assert_eq!(of(&accepted), (true, [60, 15], 4));
        let own = Options::new().with_time(Duration::from_secs(7));
        SockRef::from(&listener).set_tcp_keepalive(&own).expect("the system takes it");
        let address = listener.local_addr().expect("it has one");
        let (_connected, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        let accepted = accepted.expect("it connects").0;
        keep_accepted(&accepted, &TcpKeepalive::default());
        let (is_on, [idle, _], _) = of(&accepted);
        assert_eq!((is_on, idle), (true, 7));
    }
}
