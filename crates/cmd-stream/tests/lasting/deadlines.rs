//! Deadlines of calls. They belong to calls: the connection, and every other call, goes on.

use std::time::Duration;

use cmd_stream::client::{Keepalive, Limits};
use cmd_stream::{Error, ErrorKind, Origin};
use testkit::wait::within;
use tokio::time::{Instant, sleep};

use crate::dials::{builder, connected, connected_by, dials};
use crate::lab::{echo, text};
use crate::wire::{echo_frame, text_frame};
use crate::{call, once, quiet, spawn_echo, told};

const SECOND: Duration = Duration::from_secs(1);
const SENT: (ErrorKind, Origin, bool) = (ErrorKind::Timeout, Origin::Local, true);
const UNSENT: (ErrorKind, Origin, bool) = (ErrorKind::Timeout, Origin::Local, false);

#[tokio::test(start_paused = true)]
async fn a_call_that_is_not_answered_in_time_fails_alone() {
    let (client, _dials, mut peer) = connected(builder()).await;
    let began = Instant::now();
    let other = call!(client.send(echo("other")));
    quiet().await;
    let error = client.send(echo("late")).timeout(2 * SECOND).await.unwrap_err();
    assert_eq!(began.elapsed().as_secs(), 2);
    assert_eq!(told(error), SENT);
    assert_eq!(client.in_flight(), 1);
    peer.expect(&[echo_frame(1, "other"), echo_frame(2, "late")].concat()).await;
    peer.send(&[text_frame(2, "late"), text_frame(1, "other")].concat()).await;
    assert_eq!(within(other).await.unwrap().unwrap(), text("other"));
    let counters = client.counters();
    assert_eq!((counters.timed_out, counters.unexpected, counters.cancelled), (1, 1, 0));
    assert_eq!((counters.lost, client.in_flight()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn one_that_is_answered_in_time_succeeds() {
    let (client, _dials, mut peer) = connected(builder()).await;
    for (seq, timeout) in [(1, SECOND), (2, Duration::MAX)] {
        let call = tokio::spawn({
            let client = client.clone();
            async move { client.send(echo("a")).timeout(timeout).await }
        });
        peer.expect(&echo_frame(seq, "a")).await;
        sleep(SECOND * 99 / 100).await;
        peer.send(&text_frame(seq, "a")).await;
        assert_eq!(within(call).await.unwrap().unwrap(), text("a"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_is_over_before_the_call_begins_sends_nothing() {
    let (client, _dials, mut peer) = connected(builder()).await;
    let error = client.send(echo("never")).deadline(Instant::now()).await.unwrap_err();
    assert_eq!(told(error), UNSENT);
    let error = client.send(echo("never")).timeout(Duration::ZERO).await.unwrap_err();
    assert_eq!(told(error), UNSENT);
    let sent = client.send(echo("a")).timeout(SECOND).await.unwrap_err();
    assert_eq!(told(sent), SENT);
    peer.expect(&echo_frame(1, "a")).await;
}

#[tokio::test(start_paused = true)]
async fn the_default_of_a_client_can_be_replaced_by_a_call() {
    let (client, _dials, _peer) = connected(builder().timeout(2 * SECOND).keepalive(Keepalive::OFF)).await;
    let began = Instant::now();
    assert_eq!(told(client.send(echo("a")).await.unwrap_err()), SENT);
    assert_eq!(began.elapsed().as_secs(), 2);
    let began = Instant::now();
    assert_eq!(told(client.send(echo("a")).timeout(4 * SECOND).await.unwrap_err()), SENT);
    assert_eq!(began.elapsed().as_secs(), 4);
    let deadline = Instant::now() + 3 * SECOND;
    assert_eq!(told(client.send(echo("a")).deadline(deadline).await.unwrap_err()), SENT);
    assert!(deadline.elapsed() < SECOND / 10);
    let mut patient = Box::pin(client.send(echo("a")).timeout(Duration::MAX));
    assert!(tokio::time::timeout(15 * SECOND, &mut patient).await.is_err(), "the default is out of force");
}

/// What was not written by then is taken out of the output.
#[tokio::test(start_paused = true)]
async fn a_command_that_was_not_written_in_time_is_never_sent() {
    let (client, _dials, mut peer) = connected_by(builder(), 64).await;
    let large = &"x".repeat(1000);
    let blocked = spawn_echo(&client, large);
    peer.receive(10).await;
    let late = client.send(echo("late")).timeout(SECOND);
    let in_time = call!(client.send(echo("in time")));
    assert_eq!(told(late.await.unwrap_err()), UNSENT);
    peer.receive(echo_frame(1, large).len() - 10).await;
    peer.send(&text_frame(1, "1")).await;
    let rest = peer.receive(echo_frame(2, "in time").len()).await;
    assert!([2, 3].map(|seq| echo_frame(seq, "in time")).contains(&rest), "{rest:?}");
    peer.send(&text_frame(rest[0].into(), "3")).await;
    within(blocked).await.unwrap().unwrap();
    within(in_time).await.unwrap().unwrap();
    assert_eq!((client.in_flight(), client.counters().timed_out), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn it_bounds_the_wait_for_a_connection() {
    let (client, mut dials, peer) = connected(builder()).await;
    drop(peer);
    dials.refuse().await;
    quiet().await;
    let began = Instant::now();
    let error = Error::from(client.send(echo("late")).timeout(SECOND).await.unwrap_err());
    assert_eq!(began.elapsed().as_secs(), 1);
    assert_eq!(told(error.clone()), UNSENT);
    assert!(error.to_string().contains("waiting for a connection"), "{error:#}");
    let call = call!(client.send(echo("next")));
    let mut peer = dials.accept().await;
    peer.expect(&echo_frame(2, "next")).await; // and nothing of the first
    peer.send(&text_frame(2, "next")).await;
    within(call).await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn it_bounds_the_wait_for_room() {
    let (client, _dials, mut peer) = connected(builder().limits(Limits::default().in_flight(1))).await;
    let first = call!(client.send(echo("first")));
    quiet().await;
    let began = Instant::now();
    let waiting: Vec<_> = (1..=300_u32)
        .map(|n| {
            let client = client.clone();
            tokio::spawn(async move {
                let result = client.send(echo("late")).timeout(n % 7 * SECOND).await;
                let error = Error::from(result.unwrap_err());
                let room = "the call timed out waiting for room (`Limits::in_flight`, `in_flight_bytes` or `output`)";
                assert!(n % 7 == 0 || error.to_string() == room, "{error:#}");
                (n, told(error), Instant::now())
            })
        })
        .collect();
    for waiting in waiting {
        let (n, told, ended) = waiting.await.unwrap();
        assert_eq!(told, UNSENT);
        let after = ended - began;
        assert!(after >= n % 7 * SECOND && after < n % 7 * SECOND + SECOND / 10, "{n}: {after:?}");
    }
    peer.expect(&echo_frame(1, "first")).await;
    let next = call!(client.send(echo("next")));
    quiet().await;
    peer.send(&text_frame(1, "first")).await;
    within(first).await.unwrap().unwrap();
    peer.expect(&echo_frame(2, "next")).await;
    peer.send(&text_frame(2, "next")).await;
    within(next).await.unwrap().unwrap();
}

/// Many deadlines share a minimum. Each call fails at its own, none before and none much later.
#[tokio::test(start_paused = true)]
async fn each_of_thousands_of_calls_has_its_own_deadline() {
    let (client, _dials, mut peer) = connected(builder()).await;
    let reading = tokio::spawn(async move { peer.rest().await });
    let began = Instant::now();
    let calls: Vec<_> = (0..5000_u32)
        .map(|n| {
            let client = client.clone();
            tokio::spawn(async move {
                let timeout = Duration::from_millis(u64::from(1 + n * 7919 % 3000));
                let error = client.send(echo("a")).timeout(timeout).await.unwrap_err();
                (timeout, told(error), Instant::now())
            })
        })
        .collect();
    for call in calls {
        let (timeout, told, ended) = call.await.unwrap();
        assert_eq!(told, SENT);
        let after = ended - began;
        assert!(after >= timeout && after < timeout + SECOND / 50, "{timeout:?}: {after:?}");
    }
    assert_eq!((client.counters().timed_out, client.in_flight()), (5000, 0));
    drop(client);
    reading.await.unwrap();
}

/// A call keeps its deadline while others before it come and go, and also when it is old.
#[tokio::test(start_paused = true)]
async fn a_call_that_outlives_thousands_of_others_still_times_out() {
    let (client, _dials, mut peer) = connected(builder()).await;
    let began = Instant::now();
    let old = tokio::spawn({
        let client = client.clone();
        async move { client.send(echo("old")).timeout(5 * SECOND).await }
    });
    peer.expect(&echo_frame(1, "old")).await;
    for seq in 2..2000 {
        let call = tokio::spawn({
            let client = client.clone();
            async move { client.send(echo("a")).timeout(60 * SECOND).await }
        });
        peer.expect(&echo_frame(seq, "a")).await;
        peer.send(&text_frame(seq, "a")).await;
        within(call).await.unwrap().unwrap();
    }
    assert_eq!(told(old.await.unwrap().unwrap_err()), SENT);
    assert_eq!(began.elapsed().as_secs(), 5);
}

/// A Reply that is here when the deadline passes is given.
#[tokio::test(start_paused = true)]
async fn a_reply_that_has_arrived_is_given_though_its_caller_looks_late() {
    let (client, _dials, mut peer) = connected(builder()).await;
    let mut call = Box::pin(client.send(echo("a")).timeout(SECOND));
    assert!(once(&mut call).await.is_pending());
    peer.expect(&echo_frame(1, "a")).await;
    peer.send(&text_frame(1, "a")).await;
    sleep(10 * SECOND).await;
    assert_eq!(call.await.unwrap(), text("a"));
}

/// Nobody polls the call, so only the client can keep its Command from being written late.
#[tokio::test(start_paused = true)]
async fn what_is_overdue_is_not_written_though_its_caller_does_not_look() {
    let (dialer, mut dials) = dials();
    let client = builder().connect_lazy_by(dialer);
    let mut late = Box::pin(client.send(echo("late")).timeout(SECOND));
    let mut patient = Box::pin(client.send(echo("patient")).timeout(60 * SECOND));
    assert!(once(&mut late).await.is_pending() && once(&mut patient).await.is_pending());
    let attempt = dials.attempt().await;
    sleep(2 * SECOND).await;
    drop(attempt);
    let mut peer = dials.accept().await;
    peer.expect(&echo_frame(2, "patient")).await;
    peer.send(&text_frame(2, "patient")).await;
    assert_eq!(patient.await.unwrap(), text("patient"));
    assert_eq!(told(late.await.unwrap_err()), UNSENT);
    assert_eq!((client.counters().timed_out, client.in_flight()), (1, 0));
}

/// The connection is never idle, so nothing waits for a timer.
#[tokio::test]
async fn deadlines_hold_on_a_connection_that_is_never_idle() {
    struct Flood;
    impl tokio::io::AsyncRead for Flood {
        fn poll_read(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
            buffer: &mut tokio::io::ReadBuf<'_>,
        ) -> std::task::Poll<std::io::Result<()>> {
            buffer.put_slice(&[0; 16][..buffer.remaining().min(16)]); // pongs, for ever
            std::task::Poll::Ready(Ok(()))
        }
    }
    impl tokio::io::AsyncWrite for Flood {
        fn poll_write(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
            bytes: &[u8],
        ) -> std::task::Poll<std::io::Result<usize>> {
            std::task::Poll::Ready(Ok(bytes.len()))
        }
        fn poll_flush(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<std::io::Result<()>> {
            std::task::Poll::Ready(Ok(()))
        }
        fn poll_shutdown(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<std::io::Result<()>> {
            std::task::Poll::Ready(Ok(()))
        }
    }

    let greeted = tokio::io::join(std::io::Cursor::new(testkit::peer::GREETING.to_vec()), tokio::io::sink());
    let io = tokio::io::join(tokio::io::AsyncReadExt::chain(greeted, Flood), Flood);
    let client = within(builder().over(io, cmd_stream::transport::Peer::other("a flood"))).await.unwrap();
    let call = tokio::spawn({
        let client = client.clone();
        async move { client.send(echo("a")).timeout(SECOND / 20).await }
    });
    assert_eq!(told(within(call).await.unwrap().unwrap_err()), SENT);
}
