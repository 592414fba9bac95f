//! Attempts to connect to the addresses of a name, which overlap as in RFC 8305 ("Happy Eyeballs"). Knows nothing of
//! sockets: the caller says how to connect to one address.

use std::collections::HashSet;
use std::fmt::Write;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::timeout;

/// Connects to the first address that answers. Dropping it drops all attempts.
///
/// # Errors
///
/// If there is one address, its error. Otherwise an error that names each address and its reason, in the order in which
/// they failed. Its kind is that of the last one, as with [`TcpStream::connect`](tokio::net::TcpStream::connect).
pub(super) async fn connect_to_first<S, F>(
    addresses: Vec<SocketAddr>,
    connect: impl Fn(SocketAddr) -> F,
) -> io::Result<S>
where
    F: Future<Output = io::Result<S>>,
{
    let mut addresses = interleaved(addresses);
    if let [address] = addresses[..] {
        return connect(address).await;
    }
    let left_out = addresses.len().saturating_sub(MOST_ADDRESSES);
    addresses.truncate(MOST_ADDRESSES);
    let mut attempts = Attempts { running: Vec::new(), failed: Vec::new() };
    for address in addresses {
        attempts.running.push((address, Box::pin(connect(address))));
        // If one fails, the next one starts at once.
        if let Ok(Some(stream)) = timeout(DELAY, attempts.progress()).await {
            return Ok(stream);
        }
    }
    while !attempts.running.is_empty() {
        if let Some(stream) = attempts.progress().await {
            return Ok(stream);
        }
    }
    Err(error_of_all(&attempts.failed, left_out))
}

struct Attempts<F> {
    running: Vec<(SocketAddr, Pin<Box<F>>)>,
    failed: Vec<(SocketAddr, io::Error)>,
}

impl<S, F: Future<Output = io::Result<S>>> Attempts<F> {
    /// Waits until one has connected, or has failed. Dropping it loses nothing.
    async fn progress(&mut self) -> Option<S> {
        poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<S>> {
        let mut connected = None;
        let failed_before = self.failed.len();
        self.running.retain_mut(|(address, attempt)| {
            if connected.is_some() {
                return true;
            }
            match attempt.as_mut().poll(cx) {
                Poll::Pending => return true,
                Poll::Ready(Ok(stream)) => connected = Some(stream),
                Poll::Ready(Err(error)) => self.failed.push((*address, error)),
            }
            false
        });
        if connected.is_some() || self.failed.len() > failed_before {
            Poll::Ready(connected)
        } else {
            Poll::Pending
        }
    }
}

/// Puts the addresses in the order in which they are tried: in turn one of each family, beginning with the resolver's
/// choice, and each address once. Within a family the order stays that of the resolver (RFC 8305, section 4).
fn interleaved(mut addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let mut seen = HashSet::new();
    addresses.retain(|address| seen.insert(*address));
    let is_first_ipv6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, other): (Vec<_>, Vec<_>) =
        addresses.iter().partition(|address| address.is_ipv6() == is_first_ipv6);
    let both = first.len().min(other.len());
    let rest = [&first[both..], &other[both..]].concat();
    first.into_iter().zip(other).flat_map(<[_; 2]>::from).chain(rest).collect()
}

fn error_of_all(failed: &[(SocketAddr, io::Error)], left_out: usize) -> io::Error {
    let kind = failed.last().map_or(io::ErrorKind::NotFound, |(_, error)| error.kind());
    let mut text = format!("{} addresses failed", failed.len());
    let mut separator = ": ";
    for (address, error) in failed {
        let error = error.to_string();
        let reason: String = error.chars().take(MOST_CHARACTERS).collect();
        let end = if reason.len() < error.len() { ".." } else { "" };
        // Writing to a string does not fail.
        let _ = write!(text, "{separator}{address}: {reason}{end}");
        separator = "; ";
    }
    if left_out > 0 {
        let _ = write!(text, "; {left_out} more not tried");
    }
    io::Error::new(kind, text)
}

/// How long an attempt has to itself (RFC 8305, section 8).
const DELAY: Duration = Duration::from_millis(250);

/// If none answers, the last one starts after 3.75 s, within the default time to connect.
const MOST_ADDRESSES: usize = 16;

/// Of the reason of one address.
const MOST_CHARACTERS: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::{Cell, RefCell};
    use std::future::pending;
    use tokio::time::{Instant, sleep};

    fn v4(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    fn v6(port: u16) -> SocketAddr {
        SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], port))
    }

    /// What becomes of the attempt at an address.
    #[derive(Clone, Copy)]
    enum Fate {
        Connects(u64),
        Fails(u64, io::ErrorKind),
        Hangs,
    }

    /// Connects to addresses that behave as planned: the one with port 1 as the first plan says, and so on. Times are in
    /// milliseconds.
    struct World {
        plan: Vec<Fate>,
        start: Instant,
        started: RefCell<Vec<u128>>,
        open: Cell<usize>,
    }

    impl World {
        fn new(plan: &[Fate]) -> Self {
            Self {
                plan: plan.to_vec(),
                start: Instant::now(),
                started: RefCell::default(),
                open: Cell::default(),
            }
        }

        /// Returns the port it connected to or the error, and after which time.
        async fn run(&self) -> (Result<u16, (io::ErrorKind, String)>, u128) {
            let addresses = (1..).take(self.plan.len()).map(v4).collect();
            let result = connect_to_first(addresses, |address| self.connect(address)).await;
            assert_eq!(self.open.get(), 0, "no attempt is left");
            (result.map_err(|error| (error.kind(), error.to_string())), self.start.elapsed().as_millis())
        }

        async fn connect(&self, address: SocketAddr) -> io::Result<u16> {
            self.started.borrow_mut().push(self.start.elapsed().as_millis());
            let _open = Open::new(&self.open);
            match self.plan[usize::from(address.port()) - 1] {
                Fate::Connects(time) => {
                    sleep(Duration::from_millis(time)).await;
                    Ok(address.port())
                }
                Fate::Fails(time, kind) => {
                    sleep(Duration::from_millis(time)).await;
                    Err(kind.into())
                }
                Fate::Hangs => pending().await,
            }
        }
    }

    /// Counts the attempts that have started and have not been dropped.
    struct Open<'a>(&'a Cell<usize>);

    impl<'a> Open<'a> {
        fn new(open: &'a Cell<usize>) -> Self {
            open.set(open.get() + 1);
            Self(open)
        }
    }

    impl Drop for Open<'_> {
        fn drop(&mut self) {
            self.0.set(self.0.get() - 1);
        }
    }

    use Fate::{Connects, Fails, Hangs};
    use io::ErrorKind::{ConnectionRefused, NetworkUnreachable};

    #[test]
    fn families_take_turns_beginning_with_the_resolvers_choice() {
        assert_eq!(interleaved(vec![]), []);
        assert_eq!(interleaved(vec![v4(1), v4(2)]), [v4(1), v4(2)]);
        assert_eq!(interleaved(vec![v6(1), v6(2), v6(3), v4(4), v4(5)]), [v6(1), v4(4), v6(2), v4(5), v6(3)]);
        assert_eq!(interleaved(vec![v4(1), v6(2), v6(3), v6(4), v4(5)]), [v4(1), v6(2), v4(5), v6(3), v6(4)]);
        assert_eq!(interleaved(vec![v4(1), v6(2), v4(1), v6(2), v4(3)]), [v4(1), v6(2), v4(3)]);
    }

    #[tokio::test(start_paused = true)]
    async fn each_attempt_has_250_ms_to_itself() {
        let world = World::new(&[Hangs, Hangs, Hangs, Connects(100)]);
        assert_eq!(world.run().await, (Ok(4), 850));
        assert_eq!(*world.started.borrow(), [0, 250, 500, 750]);

        let world = World::new(&[Connects(249), Connects(0)]);
        assert_eq!(world.run().await, (Ok(1), 249));
        assert_eq!(*world.started.borrow(), [0]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_attempt_that_fails_starts_the_next_one_at_once() {
        let refused = Fails(10, ConnectionRefused);
        let world = World::new(&[refused, refused, Hangs, refused, Connects(10)]);
        assert_eq!(world.run().await, (Ok(5), 290));
        assert_eq!(*world.started.borrow(), [0, 10, 20, 270, 280]);

        // An earlier one that fails does so, too. The one after that has 250 ms again.
        let world = World::new(&[Fails(300, ConnectionRefused), Hangs, Hangs, Connects(0)]);
        assert_eq!(world.run().await, (Ok(4), 550));
        assert_eq!(*world.started.borrow(), [0, 250, 300, 550]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_that_connects_wins_and_ends_the_others() {
        let world = World::new(&[Connects(300), Connects(100)]);
        assert_eq!(world.run().await, (Ok(1), 300));
        let world = World::new(&[Connects(1000), Connects(100), Connects(0)]);
        assert_eq!(world.run().await, (Ok(2), 350));
        assert_eq!(*world.started.borrow(), [0, 250]);
        // After the last one has started there is no limit here.
        let world = World::new(&[Connects(60_000), Fails(0, ConnectionRefused), Hangs]);
        assert_eq!(world.run().await, (Ok(1), 60_000));
    }

    #[tokio::test(start_paused = true)]
    async fn if_all_fail_the_error_names_each_with_its_reason() {
        let world = World::new(&[Fails(400, ConnectionRefused), Fails(0, NetworkUnreachable)]);
        let text = "2 addresses failed: 127.0.0.1:2: network unreachable; 127.0.0.1:1: connection refused";
        assert_eq!(world.run().await, (Err((ConnectionRefused, text.into())), 400));
        let world = World::new(&[Fails(7, NetworkUnreachable)]);
        let alone = "network unreachable";
        assert_eq!(world.run().await, (Err((NetworkUnreachable, alone.into())), 7));
    }

    #[tokio::test(start_paused = true)]
    async fn sixteen_addresses_are_tried_and_the_text_stays_short() {
        let connect = async |address: SocketAddr| -> io::Result<()> {
            Err(io::Error::other(format!("{}{}", address.port(), "é".repeat(100_000))))
        };
        let sixteen = connect_to_first((1..=16).map(v6).collect(), connect).await.expect_err("all fail");
        let text = sixteen.to_string();
        assert!(text.contains("[::1]:16: 16é") && text.ends_with("é.."), "{text}");
        assert!(text.chars().count() < 2000, "{text}");

        let more = connect_to_first((1..=17).map(v6).collect(), connect).await.expect_err("all fail");
        let text = more.to_string();
        assert!(text.starts_with("16 addresses failed: ") && text.ends_with("; 1 more not tried"), "{text}");
        assert!(!text.contains("[::1]:17:"), "{text}");

        // One of the other family is among the first 16.
        let mixed = (1..=16).map(v6).chain([v4(17)]).collect();
        let mixed = connect_to_first(mixed, connect).await.expect_err("all fail").to_string();
        assert!(mixed.contains("127.0.0.1:17: ") && !mixed.contains("[::1]:16:"), "{mixed}");
    }

    #[tokio::test(start_paused = true)]
    async fn dropping_it_drops_all_attempts() {
        let world = World::new(&[Hangs, Hangs, Hangs]);
        let addresses = (1..=3).map(v4).collect();
        let mut connecting = Box::pin(connect_to_first(addresses, |address| world.connect(address)));
        let _ = timeout(Duration::from_millis(600), &mut connecting).await.expect_err("all hang");
        assert_eq!(world.open.get(), 3);
        drop(connecting);
        assert_eq!(world.open.get(), 0);
    }
}
