//! How long each step may take: connecting, the handshake, a frame, silence, the drain.

use std::future::pending;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::lab::{Count, Plain, World, client_by, echo, hold, quiet, text};
use crate::wire::{echo_frame, head, hold_frame, number_frame, tag, text_frame};
use crate::{TICK, TIME, WIDE, assert_error, assert_took, call, connected, greeted, pipes, served};
use cmd_stream::client::{Client, Overflow};
use cmd_stream::server::{Cut, Limits, Served};
use cmd_stream::transport::{Accept, Connect, Peer, memory};
use cmd_stream::{Error, ErrorKind, Json, Origin, client};
use testkit::peer::{BytePeer, GREETING};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex};
use tokio::time::{Instant, sleep};

#[tokio::test(start_paused = true)]
async fn client_that_does_not_take_the_server_info_in_time_is_cut_off() {
    let (world, dialer) = served(Limits::default().handshake(TIME));
    let mut in_time = BytePeer::over(dialer.dial(GREETING.len() - 1));
    let _too_late = dialer.dial(GREETING.len() - 1);
    let since = Instant::now();
    sleep(TIME - 2 * TICK).await;
    in_time.expect(GREETING).await;
    let lost = world.lost().await;
    assert_took(since, TIME);
    assert_eq!(lost.id, 2);
    assert_error(&lost.reason, ErrorKind::Timeout, Origin::Remote, "`Limits::handshake`");
    assert_eq!((world.counters().handshake_timeouts, world.counters().open), (1, 1));
    in_time.send_bytewise(&echo_frame(1, "a")).await;
    in_time.expect(&text_frame(1, "a")).await;
}

#[tokio::test(start_paused = true)]
async fn server_that_does_not_greet_in_time_is_left() {
    let delays = [(TIME - 2 * TICK, true), (TIME + 5 * TICK, false)];
    let begun = [0, 1, GREETING.len() - 1];
    for ((delay, in_time), begun) in delays.into_iter().flat_map(|delay| begun.map(|begun| (delay, begun))) {
        let (ours, theirs) = duplex(WIDE);
        let mut peer = BytePeer::over(theirs);
        peer.send(&GREETING[..begun]).await;
        let since = Instant::now();
        let connect = async {
            let limits = client::Limits::default().handshake(TIME);
            let client = Client::builder(Plain, Json).limits(limits).over(ours, pipes::peer()).await;
            (client, since.elapsed())
        };
        let script = async {
            sleep(delay).await;
            if in_time {
                peer.send(&GREETING[begun..]).await;
            } else {
                peer.expect_end().await;
            }
        };
        match tokio::join!(connect, script).0 {
            (Ok(_), took) => assert!(in_time && took < TIME, "{took:?}"),
            (Err(error), took) => {
                assert!(!in_time && (TIME..=TIME + 5 * TICK).contains(&took), "{took:?}");
                assert_error(&error, ErrorKind::Timeout, Origin::Remote, "`Limits::handshake`");
            }
        }
    }
}

/// A transport that connects after this time, or never.
pub(crate) struct Slow(pub(crate) Option<Duration>);

impl Connect for Slow {
    type Outgoing = (DuplexStream, Peer);

    async fn connect(&self) -> io::Result<(DuplexStream, Peer)> {
        match self.0 {
            Some(time) => sleep(time).await,
            None => pending().await,
        }
        let (ours, theirs) = duplex(WIDE);
        let mut peer = BytePeer::over(theirs);
        peer.send(GREETING).await;
        tokio::spawn(async move { peer.rest().await });
        Ok((ours, pipes::peer()))
    }

    fn address(&self) -> String {
        "a slow place".into()
    }
}

#[tokio::test(start_paused = true)]
async fn connecting_ends_in_time() {
    let connect = |way| async move {
        let limits = client::Limits::default().connect(TIME);
        Client::builder(Plain, Json).limits(limits).connect_by(Slow(way)).await
    };
    assert!(connect(Some(TIME - 2 * TICK)).await.is_ok());
    for way in [Some(TIME + 5 * TICK), None] {
        let since = Instant::now();
        let error = connect(way).await.unwrap_err();
        assert_took(since, TIME);
        assert_error(&error, ErrorKind::Timeout, Origin::System, "`Limits::connect`");
        assert!(!error.was_sent());
    }
}

/// Sends a frame in three parts over this time: `before` and the first bytes in one write, one byte halfway, and the
/// rest.
async fn in_parts<IO>(peer: &mut BytePeer<IO>, before: &[u8], frame: &[u8], time: Duration)
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    peer.send(&[before, &frame[..3]].concat()).await;
    sleep(time / 2).await;
    peer.send(&frame[3..4]).await;
    sleep(time - time / 2).await;
    peer.send(&frame[4..]).await;
}

#[tokio::test(start_paused = true)]
async fn command_that_has_begun_must_be_whole_in_time() {
    let (world, dialer) = served(Limits::default().frame_time(TIME));
    let mut punctual = Vec::new();
    // Right after the greeting, and right after a complete Command.
    for before in [vec![], echo_frame(1, "a")] {
        let mut peer = greeted(&dialer, WIDE).await;
        in_parts(&mut peer, &before, &echo_frame(2, "b"), TIME - 2 * TICK).await;
        if !before.is_empty() {
            peer.expect(&text_frame(1, "a")).await;
        }
        peer.expect(&text_frame(2, "b")).await;
        punctual.push(peer);

        let mut peer = greeted(&dialer, WIDE).await;
        let since = Instant::now();
        let end = async {
            let lost = world.lost().await;
            assert_took(since, TIME);
            lost
        };
        let frame = echo_frame(2, "b");
        // Bytes that trickle in do not extend the time.
        let script = async {
            peer.send(&[&before, &frame[..1]].concat()).await;
            for byte in &frame[1..5] {
                sleep(TIME / 5).await;
                peer.send(&[*byte]).await;
            }
        };
        let (lost, ()) = tokio::join!(end, script);
        assert_error(&lost.reason, ErrorKind::Timeout, Origin::Remote, "`Limits::frame_time`");
    }
    let counters = world.counters();
    assert_eq!((counters.receive_timeouts, counters.invalid, counters.open), (2, 0, punctual.len() as u64));
}

#[tokio::test(start_paused = true)]
async fn reply_that_has_begun_must_be_whole_in_time() {
    for before in [vec![], text_frame(1, "a")] {
        let (client, mut peer) = connected(client::Limits::default().frame_time(TIME), WIDE).await;
        let calls =
            [call!(client.send(echo("a"))), call!(client.send(echo("b"))), call!(client.send(echo("c")))];
        quiet().await;
        in_parts(&mut peer, &before, &text_frame(2, "b"), TIME - 2 * TICK).await;
        let since = Instant::now();
        let script = async {
            for byte in &text_frame(3, "c")[..5] {
                peer.send(&[*byte]).await;
                sleep(TIME / 5 - TICK).await;
            }
        };
        let end = async {
            let reason = client.closed().await;
            assert_took(since, TIME);
            reason
        };
        let (reason, ()) = tokio::join!(end, script);
        assert_error(&reason, ErrorKind::Timeout, Origin::Remote, "`Limits::frame_time`");
        let [first, second, third] = calls;
        assert_eq!(second.await.unwrap().unwrap(), text("b"));
        assert_eq!(first.await.unwrap().is_ok(), !before.is_empty());
        assert_eq!(Error::from(third.await.unwrap().unwrap_err()).kind(), ErrorKind::Timeout);
    }
}

#[tokio::test(start_paused = true)]
async fn time_in_which_the_server_does_not_read_is_not_the_clients() {
    let (world, dialer) = served(Limits::default().in_flight(1).frame_time(TIME).idle(TIME));
    let mut peer = greeted(&dialer, WIDE).await;
    let whole = echo_frame(3, "c");
    peer.send(&[&hold_frame(1, "a"), &hold_frame(2, "b"), &whole[..4]].concat()).await;
    sleep(3 * TIME).await;
    world.lab.open_gate(2);
    peer.expect(&[text_frame(1, "a"), text_frame(2, "b")].concat()).await;
    sleep(TIME - 5 * TICK).await;
    peer.send(&whole[4..]).await;
    peer.expect(&text_frame(3, "c")).await;
    assert_eq!(world.counters().receive_timeouts, 0);
}

#[tokio::test(start_paused = true)]
async fn time_in_which_the_client_does_not_read_is_not_the_servers() {
    let limits = client::Limits::default().frame_time(TIME).stream_replies(1, Overflow::Pause);
    let (client, mut peer) = connected(limits, WIDE).await;
    let mut stream = client.stream(Count { to: 4 }).await.unwrap();
    let whole = number_frame(1, 3, false);
    peer.send(&[&number_frame(1, 1, false), &number_frame(1, 2, false), &whole[..4]].concat()).await;
    sleep(3 * TIME).await;
    for value in [1, 2] {
        assert_eq!(stream.next().await.unwrap().unwrap().value, value);
    }
    sleep(TIME - 5 * TICK).await;
    peer.send(&[&whole[4..], &number_frame(1, 4, true)].concat()).await;
    for value in [3, 4] {
        assert_eq!(stream.next().await.unwrap().unwrap().value, value);
    }
}

#[tokio::test(start_paused = true)]
async fn idle_client_is_cut_off_if_so_set() {
    let (world, dialer) = served(Limits::default().idle(TIME));
    let mut peer = greeted(&dialer, WIDE).await;
    // A Command and a ping, each just in time. A frame that has only begun does not count.
    sleep(TIME - 2 * TICK).await;
    peer.send(&echo_frame(1, "a")).await;
    peer.expect(&text_frame(1, "a")).await;
    sleep(TIME - 2 * TICK).await;
    peer.send(&[0]).await;
    peer.expect(&[0]).await;
    let since = Instant::now();
    sleep(TIME / 2).await;
    peer.send(&head(2, tag::ECHO)).await;
    let lost = world.lost().await;
    assert_took(since, TIME);
    assert_error(&lost.reason, ErrorKind::Timeout, Origin::Remote, "`Limits::idle`");
    assert_eq!(world.counters().receive_timeouts, 1);
}

#[tokio::test(start_paused = true)]
async fn idle_client_stays_unless_so_set() {
    let (world, dialer) = served(Limits::default());
    let mut peer = greeted(&dialer, WIDE).await;
    sleep(Duration::from_secs(24 * 3600)).await;
    peer.send(&echo_frame(1, "a")).await;
    peer.expect(&text_frame(1, "a")).await;
    assert_eq!(world.counters().open, 1);
}

#[tokio::test(start_paused = true)]
async fn drain_ends_in_time_and_says_what_was_cut() {
    for late in [false, true] {
        let (connector, listener) = memory::pair();
        let world = World::over(listener, Limits::default().drain(TIME));
        let client = client_by(&connector).await;
        let call = call!(client.send(hold("a")));
        world.lab.until(|seen| seen.running == 1).await;
        world.handle.shutdown();
        let since = Instant::now();
        sleep(TIME - 5 * TICK).await;
        if !late {
            world.lab.open_gate(1);
            assert_eq!(call.await.unwrap().unwrap(), text("a"));
            assert_eq!(world.served().await, Served::Shutdown(Cut::default()));
            continue;
        }
        let handle = world.handle.clone();
        match world.served().await {
            Served::Shutdown(cut) => assert_eq!((cut.connections, cut.commands), (1, 1)),
            other => panic!("{other:?}"),
        }
        assert_took(since, TIME);
        assert_eq!(handle.counters().cut, 1);
        let failure = Error::from(call.await.unwrap().unwrap_err());
        assert_eq!((failure.kind(), failure.was_sent()), (ErrorKind::Closed, true));
    }
}

/// Reads pings for ever, and takes nothing.
struct Flood;

impl AsyncRead for Flood {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        buffer.put_slice(&[0; 16][..buffer.remaining().min(16)]);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Flood {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        // The greeting is taken, so that it is served.
        if bytes == GREETING { Poll::Ready(Ok(bytes.len())) } else { Poll::Pending }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Accepts one such connection.
struct FloodOnce(Option<Flood>);

impl Accept for FloodOnce {
    type Incoming = (Flood, Peer);

    async fn accept(&mut self) -> io::Result<(Flood, Peer)> {
        match self.0.take() {
            Some(flood) => Ok((flood, pipes::peer())),
            None => pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Peer> {
        Ok(pipes::peer())
    }
}

/// The connection never waits for anything, so it must look at its timers while it is busy.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn client_that_floods_and_takes_nothing_is_cut_off_in_time() {
    let limits = Limits::default().output(usize::MAX).output_stall(Duration::from_millis(20));
    let world = World::over(FloodOnce(Some(Flood)), limits);
    let lost = world.lost().await;
    assert_error(&lost.reason, ErrorKind::Timeout, Origin::Remote, "`Limits::output_stall`");
}
