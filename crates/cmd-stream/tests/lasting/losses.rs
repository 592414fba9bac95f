//! What a lost connection does to calls, and how the client comes back.

use std::time::Duration;

use cmd_stream::client::{Backoff, Keepalive, Limits, Link};
use cmd_stream::{Error, ErrorKind, Origin};
use testkit::wait::within;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::dials::{builder, connected, connected_by, dials};
use crate::lab::{echo, text};
use crate::wire::{echo_frame, number, text_frame};
use crate::{call, quiet, told};

const SECOND: Duration = Duration::from_secs(1);

/// The next call succeeds on a new connection.
#[tokio::test(start_paused = true)]
async fn any_loss_is_followed_by_another_connection() {
    let ends: [(&str, &[u8]); 4] = [
        ("end of stream", b""),
        ("in the middle of a frame", &[2, 0]),
        ("undecodable bytes", &[0x80; 10]),
        ("a negative seq", &[1, 0, 2, 0xff]),
    ];
    for (what, bytes) in ends {
        let (client, mut dials, mut peer) = connected(builder()).await;
        let lost = call!(client.send(echo("a")));
        peer.expect(&echo_frame(1, "a")).await;
        peer.send(bytes).await;
        drop(peer);
        let error = within(lost).await.unwrap().expect_err(what);
        assert!(error.was_sent(), "{what}");
        let next = call!(client.send(echo("b")));
        let mut peer = dials.accept().await;
        peer.expect(&echo_frame(2, "b")).await;
        peer.send(&text_frame(2, "b")).await;
        assert_eq!(within(next).await.unwrap().unwrap(), text("b"), "{what}");
        let counters = client.counters();
        assert_eq!((counters.lost, counters.connected), (1, 2), "{what}");
    }
}

/// What the task had taken for writing fails as sent; what was still in the output goes out on the next connection.
#[tokio::test(start_paused = true)]
async fn what_may_have_been_written_fails_and_the_rest_is_kept() {
    let (client, mut dials, mut peer) = connected_by(builder(), 64).await;
    let large = "x".repeat(1000);
    let half_written = call!(client.send(echo(&large)));
    peer.receive(10).await;
    let kept: Vec<_> = ["b", "c", "d"].map(|text| call!(client.send(echo(text)))).into_iter().collect();
    quiet().await;
    drop(peer);
    let error = within(half_written).await.unwrap().unwrap_err();
    assert!(error.was_sent(), "{error:?}");
    let mut peer = dials.accept().await;
    peer.expect(&[echo_frame(2, "b"), echo_frame(3, "c"), echo_frame(4, "d")].concat()).await;
    peer.send(&[text_frame(3, "c"), text_frame(2, "b"), text_frame(4, "d")].concat()).await;
    for (call, expected) in kept.into_iter().zip(["b", "c", "d"]) {
        assert_eq!(within(call).await.unwrap().unwrap(), text(expected));
    }
    assert_eq!(client.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_before_it_is_written_is_never_sent() {
    let (client, mut dials, peer) = connected(builder()).await;
    drop(peer);
    quiet().await;
    let first = call!(client.send(echo("first")));
    let dropped = call!(client.send(echo("dropped")));
    let last = call!(client.send(echo("last")));
    quiet().await;
    dropped.abort();
    quiet().await;
    let mut peer = dials.accept().await;
    peer.expect(&[echo_frame(1, "first"), echo_frame(3, "last")].concat()).await;
    peer.send(&[text_frame(1, "1"), text_frame(3, "3")].concat()).await;
    assert_eq!(within(first).await.unwrap().unwrap(), text("1"));
    assert_eq!(within(last).await.unwrap().unwrap(), text("3"));
    assert_eq!((client.in_flight(), client.counters().cancelled), (0, 1));
}

/// A server cannot answer what was not written on this connection.
#[tokio::test(start_paused = true)]
async fn replies_to_what_was_not_written_on_this_connection_are_unexpected() {
    let (tell, mut unexpected) = mpsc::unbounded_channel();
    let builder = builder().on_unexpected_reply(move |seq, _| {
        let _ = tell.send(seq.get());
    });
    let (client, mut dials, mut peer) = connected_by(builder, 64).await;
    let large = "x".repeat(1000);
    let blocked = call!(client.send(echo(&large)));
    peer.receive(10).await;
    let waiting = call!(client.send(echo("b")));
    quiet().await;
    peer.send(&text_frame(2, "early")).await;
    assert_eq!(within(unexpected.recv()).await, Some(2));
    drop(peer);
    within(blocked).await.unwrap().unwrap_err();
    let mut peer = dials.accept().await;
    peer.expect(&echo_frame(2, "b")).await;
    peer.send(&[text_frame(1, "of the lost connection"), text_frame(2, "b")].concat()).await;
    assert_eq!(within(waiting).await.unwrap().unwrap(), text("b"));
    assert_eq!(within(unexpected.recv()).await, Some(1));
    assert_eq!(client.counters().unexpected, 2);
}

#[tokio::test(start_paused = true)]
async fn calls_wait_for_a_connection_for_a_bounded_time() {
    let (client, mut dials, peer) = connected(builder()).await;
    let began = Instant::now();
    drop(peer);
    quiet().await;
    let waiting = call!(client.send(echo("a")));
    let refusing = tokio::spawn(async move {
        while began.elapsed() < 20 * SECOND {
            dials.refuse().await;
        }
        dials
    });
    let error = Error::from(waiting.await.unwrap().unwrap_err());
    assert!((5 * SECOND..5 * SECOND + SECOND / 100).contains(&(began.elapsed())), "{:?}", began.elapsed());
    assert_eq!(told(error.clone()), (ErrorKind::Io, Origin::System, false));
    assert_eq!(
        format!("{error:#}"),
        "there is no connection to the test after 5s (`Limits::connection_wait`): cannot connect to the test: connection refused"
    );
    let before = Instant::now();
    for _ in 0..3 {
        assert_eq!(
            told(client.send(echo("at once")).await.unwrap_err()),
            (ErrorKind::Io, Origin::System, false)
        );
    }
    assert_eq!(before.elapsed(), Duration::ZERO, "new calls need not wait");
    assert_eq!(client.in_flight(), 0);

    let mut dials = refusing.await.unwrap();
    let mut peer = dials.accept().await;
    quiet().await;
    let call = call!(client.send(echo("back")));
    peer.expect(&echo_frame(2, "back")).await; // 1 was the one that waited
    peer.send(&text_frame(2, "back")).await;
    assert_eq!(within(call).await.unwrap().unwrap(), text("back"));
}

#[tokio::test(start_paused = true)]
async fn without_a_wait_calls_fail_at_once_while_there_is_no_connection() {
    let limits = Limits::default().connection_wait(Duration::ZERO);
    let (client, mut dials, mut peer) = connected_by(builder().limits(limits), 64).await;
    let large = "x".repeat(1000);
    let written = call!(client.send(echo(&large)));
    peer.receive(10).await;
    let unwritten = call!(client.send(echo("b")));
    quiet().await;
    drop(peer);
    let before = Instant::now();
    assert!(written.await.unwrap().unwrap_err().was_sent());
    assert!(!unwritten.await.unwrap().unwrap_err().was_sent());
    let error = Error::from(client.send(echo("c")).await.unwrap_err());
    assert_eq!(told(error.clone()), (ErrorKind::Io, Origin::System, false));
    assert!(format!("{error:#}").contains("writing failed"), "the reason of the loss: {error:#}");
    assert_eq!(before.elapsed(), Duration::ZERO);
    let _peer = dials.accept().await;
    quiet().await;
    assert!(matches!(client.link(), Link::Up(_)));
}

#[tokio::test(start_paused = true)]
async fn a_closed_port_is_dialled_with_growing_pauses() {
    let (client, mut dials, peer) = connected(builder()).await;
    drop(peer);
    let began = Instant::now();
    let mut attempts = Vec::new();
    while began.elapsed() < 600 * SECOND {
        dials.refuse().await;
        attempts.push(began.elapsed());
    }
    let early = attempts.iter().filter(|at| **at < 10 * SECOND).count();
    assert!((4..=16).contains(&early), "{attempts:?}");
    assert!(attempts.windows(2).all(|pair| pair[1] - pair[0] <= 30 * SECOND), "{attempts:?}");
    assert!(attempts.len() < 100, "{attempts:?}");
    quiet().await;
    assert_eq!(client.counters().attempts_failed, attempts.len() as u64);
}

/// A server that accepts, greets and hangs up must not be dialled as if each time were the first.
#[tokio::test(start_paused = true)]
async fn a_connection_that_does_not_last_does_not_reset_the_pauses() {
    let backoff = Backoff::default().healthy_after(10 * SECOND);
    let (client, mut dials, peer) = connected(builder().backoff(backoff)).await;
    drop(peer);
    let began = Instant::now();
    let mut dialled = 0;
    while began.elapsed() < 10 * SECOND {
        drop(dials.accept().await);
        dialled += 1;
    }
    assert!(dialled <= 16, "{dialled}");
    let peer = dials.accept().await;
    tokio::time::sleep(11 * SECOND).await; // healthy: the pong of its ping is not waited for that long
    drop(peer);
    let lost = Instant::now();
    let _peer = dials.accept().await;
    assert!(lost.elapsed() <= SECOND / 10 + SECOND / 100, "{:?}", lost.elapsed());
    drop(client);
}

#[tokio::test(start_paused = true)]
async fn the_state_can_be_watched() {
    let (client, mut dials, peer) = connected(builder()).await;
    let mut links = client.links();
    assert!(matches!(within(links.changed()).await, Some(Link::Up(peer)) if peer.to_string() == "a pipe"));
    assert_eq!(client.peer().expect("it is up").to_string(), "a pipe");
    drop(peer);
    let Some(Link::Down { reason, next_attempt, .. }) = within(links.changed()).await else {
        panic!("not down")
    };
    assert_eq!((reason.kind(), reason.origin()), (ErrorKind::Closed, Origin::Remote));
    assert!(client.peer().is_none());
    let attempt = dials.attempt().await;
    assert!(Instant::now() >= next_attempt && next_attempt.elapsed() < SECOND / 100);
    assert!(matches!(within(links.changed()).await, Some(Link::Connecting)));
    drop(attempt);
    let Some(Link::Down { reason, .. }) = within(links.changed()).await else { panic!("not down") };
    assert_eq!(format!("{reason:#}"), "cannot connect to the test: connection refused");
    let _peer = dials.accept().await;
    loop {
        match within(links.changed()).await {
            Some(Link::Connecting) => {}
            Some(Link::Up(_)) => break,
            other => panic!("{other:?}"),
        }
    }
    client.close();
    assert!(
        matches!(within(links.changed()).await, Some(Link::Closed(reason)) if reason.kind() == ErrorKind::Closed)
    );
    assert!(within(links.changed()).await.is_none());
    assert!(matches!(links.current(), Link::Closed(_)));
}

/// While it waits, and while it dials.
#[tokio::test(start_paused = true)]
async fn close_ends_it_at_once_also_without_a_connection() {
    for dialling in [false, true] {
        let (client, mut dials, peer) = connected(builder()).await;
        drop(peer);
        quiet().await;
        let attempt = if dialling { Some(dials.attempt().await) } else { None };
        let waiting = call!(client.send(echo("a")));
        quiet().await;
        let before = Instant::now();
        client.close();
        assert_eq!(told(waiting.await.unwrap().unwrap_err()), (ErrorKind::Closed, Origin::Local, false));
        assert_eq!(within(client.closed()).await.to_string(), "the client was closed");
        assert_eq!(
            told(client.send(echo("b")).await.unwrap_err()),
            (ErrorKind::Closed, Origin::Local, false)
        );
        dials.ended().await;
        assert!(attempt.is_none_or(|attempt| attempt.is_closed()));
        assert_eq!(before.elapsed(), Duration::ZERO);
    }
}

#[tokio::test(start_paused = true)]
async fn dropping_the_last_client_ends_it_also_without_a_connection() {
    let (client, mut dials, peer) = connected(builder()).await;
    drop(peer);
    quiet().await;
    let mut links = client.links();
    drop(client);
    dials.ended().await;
    assert!(matches!(within(links.changed()).await, Some(Link::Closed(_))));
}

#[tokio::test(start_paused = true)]
async fn another_server_info_is_dialled_again_and_told_to_the_calls() {
    let (client, mut dials, peer) = connected(builder()).await;
    drop(peer);
    let info = [number(2), b"v2".to_vec()].concat();
    let deploying = tokio::spawn(async move {
        for _ in 0..40 {
            dials.accept_saying(100, &info).await.expect_end().await;
        }
        dials
    });
    quiet().await;
    let error = client.send(echo("a")).await.unwrap_err();
    assert_eq!((error.kind(), error.was_sent()), (ErrorKind::ServerInfoMismatch, false), "{error:?}");
    let mut dials = deploying.await.unwrap();
    let mut peer = dials.accept().await;
    quiet().await;
    let call = call!(client.send(echo("b")));
    peer.expect(&echo_frame(2, "b")).await;
    peer.send(&text_frame(2, "b")).await;
    assert_eq!(within(call).await.unwrap().unwrap(), text("b"));
}

#[tokio::test(start_paused = true)]
async fn without_reconnecting_the_client_ends_with_its_connection() {
    let (client, mut dials, mut peer) = connected(builder().reconnect(false)).await;
    let lost = call!(client.send(echo("a")));
    peer.expect(&echo_frame(1, "a")).await;
    drop(peer);
    assert!(lost.await.unwrap().unwrap_err().was_sent());
    assert_eq!(within(client.closed()).await.origin(), Origin::Remote);
    assert_eq!((client.counters().lost, client.counters().connected), (1, 1));
    assert!(!client.send(echo("b")).await.unwrap_err().was_sent());
    dials.ended().await;
}

/// The reader of a stream gets what had arrived, then the reason; a one-way or unary call of the next connection is not
/// disturbed.
#[tokio::test(start_paused = true)]
async fn a_stream_of_a_lost_connection_ends_with_the_reason_and_another_can_be_opened() {
    use crate::lab::{Count, Number};
    use crate::wire::{frame, number_frame, tag};

    let (client, mut dials, mut peer) = connected(builder().keepalive(Keepalive::OFF)).await;
    let mut numbers = client.stream(Count { to: 3 }).await.unwrap();
    let count = |seq| frame(seq, tag::COUNT, r#"{"to":3}"#);
    peer.expect(&count(1)).await;
    peer.send(&number_frame(1, 1, false)).await;
    quiet().await;
    drop(peer);
    quiet().await;
    assert_eq!(numbers.next().await.unwrap().unwrap(), Number { value: 1, last: false });
    let error = numbers.next().await.unwrap().unwrap_err();
    assert_eq!(told(error), (ErrorKind::Closed, Origin::Remote, true));
    assert!(numbers.next().await.is_none());

    let mut numbers = client.stream(Count { to: 3 }).await.unwrap();
    let mut peer = dials.accept().await;
    peer.expect(&count(2)).await;
    peer.send(&[number_frame(1, 9, true), number_frame(2, 1, true)].concat()).await;
    assert_eq!(numbers.next().await.unwrap().unwrap(), Number { value: 1, last: true });
    assert!(numbers.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_thousand_losses_in_the_middle_of_traffic_leave_no_call_behind() {
    let backoff = Backoff::default().longest(Duration::from_millis(20));
    let (dialer, mut dials) = dials();
    let client = builder().backoff(backoff).connect_lazy_by(dialer);
    let callers: Vec<_> = (0..20)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move {
                let (mut sent, mut unsent) = (0, 0);
                while client.counters().lost < 1000 {
                    match client.send(echo("a")).await {
                        Ok(reply) => panic!("nobody answers: {reply:?}"),
                        Err(error) if error.was_sent() => sent += 1,
                        Err(_) => unsent += 1,
                    }
                }
                (sent, unsent)
            })
        })
        .collect();
    let serving = tokio::spawn(async move {
        for round in 0.. {
            // It goes away in the middle of a frame, or between two.
            let mut peer = dials.accept().await;
            peer.receive(1 + round % 40).await;
        }
    });
    let mut total = (0, 0);
    for caller in callers {
        let (sent, unsent) = caller.await.unwrap();
        total = (total.0 + sent, total.1 + unsent);
    }
    serving.abort();
    assert!(total.0 >= 1000, "{total:?}");
    assert_eq!(client.in_flight(), 0);
}

/// A caller that tries again at once, in a runtime of one thread, must not keep the client's own task from connecting.
#[tokio::test]
async fn callers_that_try_again_at_once_do_not_keep_the_client_from_connecting() {
    let limits = Limits::default().connection_wait(Duration::ZERO);
    let (dialer, mut dials) = dials();
    let client = builder().limits(limits).connect_lazy_by(dialer);
    let serving = tokio::spawn(async move {
        let mut peer = dials.accept().await;
        let seq = peer.receive(1).await[0];
        peer.send(&text_frame(seq.into(), "at last")).await;
        peer
    });
    let mut failures = 0;
    let reply = loop {
        match client.send(echo("a")).await {
            Ok(reply) => break reply,
            Err(error) => assert!(!error.was_sent()),
        }
        failures += 1;
        assert!(failures < 1_000_000, "{:?}", client.link());
    };
    assert_eq!(reply, text("at last"));
    within(serving).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn one_can_wait_for_a_connection() {
    let (client, mut dials, peer) = connected(builder()).await;
    assert_eq!(within(client.connected()).await.unwrap().to_string(), "a pipe");
    drop(peer);
    quiet().await;
    let waiting = tokio::spawn({
        let client = client.clone();
        async move { client.connected().await }
    });
    dials.refuse().await;
    quiet().await;
    assert!(!waiting.is_finished());
    let _peer = dials.accept().await;
    assert_eq!(within(waiting).await.unwrap().unwrap().to_string(), "a pipe");
    client.close();
    assert_eq!(
        told(within(client.connected()).await.unwrap_err()),
        (ErrorKind::Closed, Origin::Local, false)
    );
}

/// As a test of an application does it: over memory, by a paused clock.
#[tokio::test(start_paused = true)]
async fn a_server_over_memory_can_go_away_and_come_back() {
    use crate::lab::World;
    use cmd_stream::{server, transport::memory};

    let (connector, listener) = memory::pair();
    let world = World::over(listener, server::Limits::default());
    let client = within(builder().connect_by(connector.clone())).await.unwrap();
    within(client.send(echo("a"))).await.unwrap();
    world.handle.close();
    within(world.serving).await.unwrap();
    let call = call!(client.send(echo("b")));
    tokio::time::sleep(SECOND).await;
    let _world = World::over(connector.listen(), server::Limits::default());
    assert_eq!(within(call).await.unwrap().unwrap(), text("b"));
}

/// Commands that were given up with the connection they waited for are not in the output any more, whether their callers have
/// come or not.
#[tokio::test(start_paused = true)]
async fn what_was_given_up_does_not_count_as_output() {
    use crate::lab::Count;
    use crate::once;

    let (dialer, mut dials) = dials();
    let client = builder().connect_lazy_by(dialer);
    let mut given_up = client.stream(Count { to: 9 }).await.unwrap();
    let attempt = dials.attempt().await;
    tokio::time::sleep(6 * SECOND).await;
    drop(attempt);
    let mut peer = dials.accept().await;
    quiet().await;
    let mut dropped = Box::pin(client.send(echo("dropped, and longer than the next one")));
    let mut next = Box::pin(client.send(echo("b")));
    assert!(once(&mut dropped).await.is_pending() && once(&mut next).await.is_pending());
    drop(dropped);
    peer.expect(&echo_frame(3, "b")).await;
    peer.send(&text_frame(3, "b")).await;
    assert_eq!(within(next).await.unwrap(), text("b"));
    assert_eq!(
        told(given_up.next().await.unwrap().unwrap_err()),
        (ErrorKind::Timeout, Origin::System, false)
    );
}

/// A full stream of the lost connection must not keep the next one from being read.
#[tokio::test(start_paused = true)]
async fn a_full_stream_goes_with_its_connection() {
    use crate::lab::Count;
    use crate::wire::number_frame;

    let limits = Limits::default().stream_replies(1, cmd_stream::client::Overflow::Pause);
    let (client, mut dials, mut peer) = connected(builder().limits(limits)).await;
    let _full = client.stream(Count { to: 9 }).await.unwrap();
    quiet().await;
    peer.send(&[number_frame(1, 1, false), number_frame(1, 2, false)].concat()).await;
    quiet().await;
    drop(peer);
    let writes = call!(client.send(echo("a"))); // the loss shows when it writes: it does not read
    let mut peer = dials.accept().await;
    let _ = within(writes).await.unwrap();
    let call = call!(client.send(echo("b")));
    peer.expect(&echo_frame(3, "b")).await;
    peer.send(&text_frame(3, "b")).await;
    assert_eq!(within(call).await.unwrap().unwrap(), text("b"));
}

/// A stream of the user's that panics is a lost connection.
struct Faulty(tokio::io::DuplexStream, bool);

impl tokio::io::AsyncRead for Faulty {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        buffer: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        let read = std::pin::Pin::new(&mut self.0).poll_read(cx, buffer);
        assert!(!self.1 || buffer.filled().get(before) != Some(&1), "as it likes");
        read
    }
}

impl tokio::io::AsyncWrite for Faulty {
    fn poll_write(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        bytes: &[u8],
    ) -> std::task::Poll<std::io::Result<usize>> {
        std::pin::Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// Its first connection panics when a frame with seq 1 comes.
struct FaultyOnce(crate::dials::Dialer, std::sync::atomic::AtomicBool);

impl cmd_stream::transport::Connect for FaultyOnce {
    type Outgoing = (Faulty, cmd_stream::transport::Peer);

    async fn connect(&self) -> std::io::Result<Self::Outgoing> {
        let (io, peer) = self.0.connect().await?;
        Ok((Faulty(io, self.1.swap(false, std::sync::atomic::Ordering::Relaxed)), peer))
    }

    fn address(&self) -> String {
        "the test".into()
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_panics_is_a_lost_connection() {
    let (dialer, mut dials) = dials();
    let client = builder().connect_lazy_by(FaultyOnce(dialer, true.into()));
    let call = call!(client.send(echo("a")));
    let mut peer = dials.accept().await;
    peer.expect(&echo_frame(1, "a")).await;
    peer.send(&text_frame(1, "a")).await;
    assert_eq!(told(within(call).await.unwrap().unwrap_err()), (ErrorKind::Panic, Origin::Local, true));
    let call = call!(client.send(echo("b")));
    let mut peer = dials.accept().await;
    peer.expect(&echo_frame(2, "b")).await;
    peer.send(&text_frame(2, "b")).await;
    assert_eq!(within(call).await.unwrap().unwrap(), text("b"));
}

struct PanicsWhenWoken;

impl std::task::Wake for PanicsWhenWoken {
    fn wake(self: std::sync::Arc<Self>) {
        panic!("as it likes");
    }
}

#[tokio::test(start_paused = true)]
async fn a_waker_that_panics_disturbs_nobody_else() {
    let (client, _dials, mut peer) = connected(builder()).await;
    let waker = std::task::Waker::from(std::sync::Arc::new(PanicsWhenWoken));
    let mut panics = Box::pin(client.send(echo("a")));
    assert!(
        std::future::Future::poll(panics.as_mut(), &mut std::task::Context::from_waker(&waker)).is_pending()
    );
    let call = call!(client.send(echo("b")));
    peer.expect(&[echo_frame(1, "a"), echo_frame(2, "b")].concat()).await;
    peer.send(&[text_frame(1, "a"), text_frame(2, "b")].concat()).await;
    assert_eq!(within(call).await.unwrap().unwrap(), text("b"));
    assert_eq!(panics.await.unwrap(), text("a"));
    assert_eq!(client.counters().lost, 0);
}
