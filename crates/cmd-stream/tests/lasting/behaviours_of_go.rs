//! What the Go library's tests assert of reconnecting, keepalive and deadlines, where no other test does; and where ours
//! differs. `docs/BEHAVIOURS.md` has the list.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use cmd_stream::client::{Keepalive, Link};
use cmd_stream::server::Limits;
use cmd_stream::transport::{Connect, Io, Peer, memory};
use cmd_stream::{Error, ErrorKind, Origin, Sender};
use testkit::peer::{BytePeer, GREETING};
use testkit::wait::within;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, duplex};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use crate::dials::{WIDE, builder, connected};
use crate::lab::{Count, Fail, World, echo, hold, text};
use crate::wire::{ENDLESS, echo_frame, number, text_frame};
use crate::{call, quiet, told};

const SECOND: Duration = Duration::from_secs(1);
const PING: &[u8] = &[0];

/// Makes each connection by a function, and numbers the peers from 0.
#[derive(Clone)]
struct Numbered<M> {
    make: M,
    made: Arc<AtomicUsize>,
}

fn numbered<M>(make: M) -> Numbered<M> {
    Numbered { make, made: Arc::default() }
}

impl<IO: Io, M: Fn() -> IO + Send + Sync + 'static> Connect for Numbered<M> {
    type Outgoing = (IO, Peer);

    async fn connect(&self) -> io::Result<(IO, Peer)> {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        Ok(((self.make)(), Peer::other(format!("server {number}"))))
    }

    fn address(&self) -> String {
        "the test".into()
    }
}

/// A connection whose server greets and then says nothing, and to which nothing can be written. It cannot be shut down
/// either.
struct Unwritable {
    greeting: &'static [u8],
}

fn unwritable() -> Unwritable {
    Unwritable { greeting: GREETING }
}

impl AsyncRead for Unwritable {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.greeting.is_empty() {
            return Poll::Pending;
        }
        buf.put_slice(std::mem::take(&mut self.greeting));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Unwritable {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Err(io::ErrorKind::NotConnected.into()))
    }
}

/// A loss is told at once and as itself, whatever time the call has left.
#[tokio::test(start_paused = true)]
async fn a_call_with_a_deadline_whose_connection_is_lost_fails_with_the_reason_of_the_loss() {
    let (client, _dials, mut peer) = connected(builder()).await;
    let call = tokio::spawn({
        let client = client.clone();
        async move { client.send(echo("a")).timeout(60 * SECOND).await }
    });
    peer.expect(&echo_frame(1, "a")).await;
    let before = Instant::now();
    drop(peer);
    assert_eq!(told(within(call).await.unwrap().unwrap_err()), (ErrorKind::Closed, Origin::Remote, true));
    assert_eq!(before.elapsed(), Duration::ZERO);
    assert_eq!((client.in_flight(), client.counters().timed_out), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn calls_of_a_sender_have_deadlines_too() {
    let (client, _dials, mut peer) = connected(builder()).await;
    let sender = Sender::from(client.clone());
    let timed_out = (ErrorKind::Timeout, Origin::Local, true);
    for until in [Instant::now() + SECOND, Instant::now() + 2 * SECOND] {
        assert_eq!(told(sender.send(echo("a")).deadline(until).await.unwrap_err()), timed_out);
        assert!(Instant::now() >= until);
    }
    let mut numbers = sender.stream(Count { to: 1 }).timeout(SECOND).await.unwrap();
    assert_eq!(told(numbers.next().await.unwrap().unwrap_err()), timed_out);
    assert!(numbers.next().await.is_none());

    let call = tokio::spawn(async move { sender.send(echo("b")).timeout(SECOND).await });
    quiet().await;
    peer.receive(2 * echo_frame(1, "a").len()).await;
    peer.send(&text_frame(4, "b")).await;
    assert_eq!(within(call).await.unwrap().unwrap(), text("b"));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_closed_while_it_is_connected_dials_no_more() {
    let (client, mut dials, mut peer) = connected(builder()).await;
    client.close();
    peer.expect_end().await;
    dials.ended().await;
    sleep(60 * SECOND).await;
    let counters = client.counters();
    assert_eq!((counters.connected, counters.lost, counters.attempts_failed), (1, 0, 0));
}

/// Whatever is wrong with the greeting, the connection is closed and the next one is made.
#[tokio::test(start_paused = true)]
async fn an_attempt_whose_greeting_fails_is_closed_and_followed_by_another() {
    let greetings: [(&[u8], bool, ErrorKind); 5] = [
        (b"", true, ErrorKind::Closed),
        (b"\x07def", true, ErrorKind::UnexpectedEof),
        (ENDLESS, false, ErrorKind::Decode),
        (&number(1025), false, ErrorKind::Limit),
        (b"\x07def", false, ErrorKind::Timeout),
    ];
    let (client, mut dials, peer) = connected(builder()).await;
    drop(peer);
    for (n, (greeting, ends, kind)) in greetings.into_iter().enumerate() {
        let mut peer = dials.accept_saying(WIDE, greeting).await;
        if ends {
            peer.finish().await;
        }
        peer.expect_end().await;
        quiet().await;
        let Link::Down { reason, .. } = client.link() else { panic!("{kind:?}: {:?}", client.link()) };
        assert_eq!(reason.kind(), kind, "{reason:#}");
        assert_eq!(client.counters().attempts_failed, n as u64 + 1);
    }
    let mut peer = dials.accept().await;
    quiet().await;
    let call = call!(client.send(echo("a")));
    peer.expect(&echo_frame(1, "a")).await;
    peer.send(&text_frame(1, "a")).await;
    assert_eq!(within(call).await.unwrap().unwrap(), text("a"));
}

#[tokio::test(start_paused = true)]
async fn the_peer_and_the_bytes_are_those_of_the_current_connection() {
    let (tell, mut servers) = mpsc::unbounded_channel();
    let transport = numbered(move || {
        let (ours, theirs) = duplex(WIDE);
        tell.send(theirs).expect("the test is there");
        ours
    });
    let connecting = tokio::spawn(builder().connect_by(transport));
    let mut peer = BytePeer::over(servers.recv().await.unwrap());
    peer.send(GREETING).await;
    let client = within(connecting).await.unwrap().expect("it greets");
    for n in 0..5 {
        assert_eq!(client.peer().expect("it is connected").to_string(), format!("server {n}"));
        let call = call!(client.send(echo("a")));
        peer.expect(&echo_frame(n + 1, "a")).await;
        peer.send(&text_frame(n + 1, "a")).await;
        assert_eq!(within(call).await.unwrap().unwrap(), text("a"));
        drop(peer);
        peer = BytePeer::over(servers.recv().await.unwrap());
        peer.send(GREETING).await;
        quiet().await;
    }
}

/// `close` has nothing to wait for, and nothing that could fail.
#[tokio::test(start_paused = true)]
async fn a_transport_that_cannot_be_shut_down_does_not_keep_a_client_from_closing() {
    let transport = numbered(unwritable);
    let client = within(builder().connect_by(transport.clone())).await.expect("it greets");
    sleep(5 * SECOND).await;
    client.close();
    let reason = within(client.closed()).await;
    assert_eq!((reason.kind(), reason.origin()), (ErrorKind::Closed, Origin::Local), "{reason:#}");
    sleep(60 * SECOND).await;
    assert_eq!((client.counters().pings, transport.made.load(Ordering::Relaxed)), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_ping_that_cannot_be_written_loses_the_connection_and_another_one_is_made() {
    let client = within(builder().connect_by(numbered(unwritable))).await.expect("it greets");
    let (mut links, began) = (client.links(), Instant::now());
    assert!(matches!(links.changed().await, Some(Link::Up(_))));
    let Some(Link::Down { reason, .. }) = links.changed().await else { panic!("{:?}", client.link()) };
    assert_eq!((reason.kind(), began.elapsed().as_secs()), (ErrorKind::Io, 10), "{reason:#}");
    quiet().await;
    sleep(SECOND).await;
    assert_eq!(client.peer().expect("it is connected again").to_string(), "server 1");
    assert_eq!((client.counters().pings, client.counters().lost), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_command_and_its_reply_put_the_next_ping_off() {
    let (client, _dials, mut peer) = connected(builder()).await;
    for seq in 1..=5 {
        sleep(7 * SECOND).await;
        let call = call!(client.send(echo("a")));
        peer.expect(&echo_frame(seq, "a")).await;
        peer.send(&text_frame(seq, "a")).await;
        assert_eq!(within(call).await.unwrap().unwrap(), text("a"));
    }
    let idle_since = Instant::now();
    peer.expect(PING).await;
    assert_eq!(idle_since.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_closed_client_pings_no_more() {
    let (client, _dials, mut peer) = connected(builder()).await;
    peer.expect(PING).await;
    peer.send(PING).await;
    client.close();
    peer.expect_end().await;
    sleep(60 * SECOND).await;
    assert_eq!(client.counters().pings, 1);
}

/// The server's bound on idleness is Go's receive duration.
#[tokio::test(start_paused = true)]
async fn pings_keep_an_idle_connection_alive_and_the_next_one_after_its_end() {
    let (connector, listener) = memory::pair();
    let world = World::over(listener, Limits::default().idle(Duration::from_millis(250)));
    let pings = Keepalive::default().idle(Duration::from_millis(100));
    let client = within(builder().keepalive(pings).connect_by(connector.clone())).await.unwrap();
    let silent = builder().keepalive(Keepalive::OFF).reconnect(false);
    let silent = within(silent.connect_by(connector)).await.unwrap();

    let began = Instant::now();
    assert_eq!(told(silent.closed().await), (ErrorKind::Closed, Origin::Remote, false));
    assert_eq!(began.elapsed().as_millis(), 250, "without pings the server closes it");
    assert_eq!(world.lost().await.reason.kind(), ErrorKind::Timeout);
    for connections in 1..=3 {
        sleep(10 * SECOND).await;
        assert_eq!(within(client.send(echo("a"))).await.unwrap(), text("a"));
        assert_eq!(client.counters().connected, connections);
        // The server ends the connection of a Command that fails, and with it another one.
        let other = call!(client.send(hold("a")));
        quiet().await;
        assert!(Error::from(client.send(Fail {}).await.unwrap_err()).was_sent());
        assert!(Error::from(within(other).await.unwrap().unwrap_err()).was_sent());
        assert_eq!(world.lost().await.reason.kind(), ErrorKind::Execution);
        assert_eq!(within(client.send(echo("b"))).await.unwrap(), text("b"));
    }
}
