//! No member has a connection: calls wait, for a bounded time.

use std::time::Duration;

use cmd_stream::client::{Keepalive, Limits};
use cmd_stream::{Error, ErrorKind, Origin};
use testkit::wait::within;
use tokio::time::{Instant, sleep};

use crate::lab::{Count, echo, quiet, text};
use crate::net::{Net, builder};
use crate::wire::{echo_frame, text_frame};
use crate::{SECOND, call, told, two};

/// The time is counted from the loss, and not from the first call that finds nobody.
#[tokio::test(start_paused = true)]
async fn calls_wait_for_a_member_for_a_bounded_time_and_in_a_second_outage_again() {
    let (_net, sender, two) = two!(builder().keepalive(Keepalive::OFF), 1024);
    let (mut dials, mut peers) = (two.dials, two.peers);
    for outage in 0..2 {
        sleep(60 * SECOND).await; // so that the pauses between attempts are short again
        let began = Instant::now();
        drop(peers);
        sleep(2 * SECOND).await;
        let waiting = call!(sender.send(echo("a")));
        let refusing = tokio::spawn(async move {
            while began.elapsed() < 20 * SECOND {
                let [one, two] = &mut dials;
                tokio::select! { attempt = one.attempt() => drop(attempt), attempt = two.attempt() => drop(attempt) }
            }
            dials
        });
        let error = Error::from(waiting.await.unwrap().unwrap_err());
        let waited = began.elapsed();
        assert!((5 * SECOND..5 * SECOND + SECOND / 100).contains(&waited), "{outage}: {waited:?}");
        assert_eq!(told(error.clone()), (ErrorKind::Io, Origin::System, false));
        let said = format!("{error:#}");
        assert!(
            said.starts_with("no member of the group has a connection after 5s (`Limits::connection_wait`): cannot connect to ")
                && said.ends_with(":1: connection refused"),
            "{said}"
        );
        let before = Instant::now();
        for _ in 0..3 {
            assert_eq!(
                told(sender.send(echo("b")).await.unwrap_err()),
                (ErrorKind::Io, Origin::System, false)
            );
        }
        assert_eq!((before.elapsed(), sender.in_flight()), (Duration::ZERO, 0), "new calls need not wait");
        dials = refusing.await.unwrap();
        let [one, two] = &mut dials;
        let (one, two) = tokio::join!(one.accept(), two.accept());
        peers = [one, two];
        quiet().await;
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_wait_calls_fail_at_once_and_go_out_again_when_a_member_is_back() {
    let limits = Limits::default().connection_wait(Duration::ZERO);
    let (_net, sender, two) = two!(builder().limits(limits), 1024);
    drop(two.peers);
    quiet().await;
    let before = Instant::now();
    let error = Error::from(sender.send(echo("a")).await.unwrap_err());
    assert_eq!(told(error.clone()), (ErrorKind::Closed, Origin::Remote, false));
    assert!(format!("{error:#}").starts_with("no member of the group has a connection: "), "{error:#}");
    assert_eq!((before.elapsed(), sender.in_flight()), (Duration::ZERO, 0));
    let [_, mut two] = two.dials;
    let mut peer = two.accept().await;
    quiet().await;
    let call = call!(sender.send(echo("b")));
    peer.expect(&echo_frame(1, "b")).await;
    peer.send(&text_frame(1, "b")).await;
    assert_eq!(within(call).await.unwrap().unwrap(), text("b"));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_for_a_member_has_its_own_deadline() {
    let (_net, sender, two) = two!(builder(), 1024);
    drop(two.peers);
    quiet().await;
    for late in [Duration::ZERO, SECOND / 2] {
        sleep(late).await;
        let before = Instant::now();
        let error = sender.send(echo("a")).timeout(SECOND).await.unwrap_err();
        assert_eq!(told(error), (ErrorKind::Timeout, Origin::Local, false));
        let waited = before.elapsed();
        assert!((SECOND..SECOND + SECOND / 100).contains(&waited), "{waited:?}");
    }
    let error = sender.stream(Count { to: 3 }).timeout(SECOND).await.unwrap_err();
    assert_eq!(told(error), (ErrorKind::Timeout, Origin::Local, false));
    assert_eq!(sender.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_while_it_waits_for_a_member_is_not_sent() {
    let (_net, sender, two) = two!(builder(), 1024);
    drop(two.peers);
    quiet().await;
    let dropped = call!(sender.send(echo("dropped")));
    let kept = call!(sender.send(echo("kept")));
    quiet().await;
    assert_eq!(sender.in_flight(), 2);
    dropped.abort();
    quiet().await;
    assert_eq!(sender.in_flight(), 1);
    let [mut one, _] = two.dials;
    let mut peer = one.accept().await;
    peer.expect(&echo_frame(1, "kept")).await;
    peer.send(&text_frame(1, "kept")).await;
    assert_eq!(within(kept).await.unwrap().unwrap(), text("kept"));
}

/// Calls that wait cost little, so there may be many of them.
#[tokio::test(start_paused = true)]
async fn thousands_of_calls_that_wait_go_out_when_a_member_is_back() {
    let net = Net::default();
    let sender = builder().endpoints(["a:1", "b:1", "c:1"]).clients(3).connect_lazy_by(net.dialer());
    let calls: Vec<_> = (0..5000)
        .map(|n| {
            let sender = sender.clone();
            tokio::spawn(async move { sender.send(echo(&n.to_string())).await })
        })
        .collect();
    quiet().await;
    assert_eq!(sender.in_flight(), 5000);
    sleep(SECOND).await;
    let world = net.world("b:1");
    for (n, call) in calls.into_iter().enumerate() {
        assert_eq!(within(call).await.unwrap().unwrap(), text(&n.to_string()));
    }
    assert_eq!((world.counters().started, sender.in_flight()), (5000, 0));
}

/// Of one member alone, which keeps what it cannot send.
#[tokio::test(start_paused = true)]
async fn calls_of_one_member_alone_wait_as_long() {
    let net = Net::default();
    let mut dials = net.server("a:1");
    let began = Instant::now();
    let limits = Limits::default().connection_wait(3 * SECOND);
    let sender = builder().endpoints(["a:1"]).limits(limits).connect_lazy_by(net.dialer());
    let waiting = call!(sender.send(echo("a")));
    let _attempt = dials.attempt().await;
    let error = Error::from(waiting.await.unwrap().unwrap_err());
    assert_eq!(told(error.clone()), (ErrorKind::Timeout, Origin::System, false));
    assert!(error.to_string().contains("after 3s (`Limits::connection_wait`)"), "{error}");
    assert!((3 * SECOND..3 * SECOND + SECOND / 100).contains(&began.elapsed()), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn from_the_start_calls_wait_as_long_too() {
    let net = Net::default();
    let _silent = net.server("a:1");
    let began = Instant::now();
    let sender = builder().endpoints(["a:1"]).clients(2).connect_lazy_by(net.dialer());
    sleep(SECOND).await;
    let error = sender.send(echo("a")).await.unwrap_err();
    assert_eq!(told(error), (ErrorKind::Timeout, Origin::System, false));
    assert!((5 * SECOND..5 * SECOND + SECOND / 100).contains(&began.elapsed()), "{:?}", began.elapsed());
}

/// A waker of an executor that panics.
struct Panicking;

impl std::task::Wake for Panicking {
    fn wake(self: std::sync::Arc<Self>) {
        panic!("a waker that panics");
    }
}

#[tokio::test(start_paused = true)]
async fn a_waker_that_panics_ends_no_member_and_the_other_calls_are_woken() {
    let (_net, sender, two) = two!(builder().keepalive(Keepalive::OFF), 1024);
    drop(two.peers);
    sleep(SECOND / 1000).await;
    let waker = std::task::Waker::from(std::sync::Arc::new(Panicking));
    let mut panicking = Box::pin(sender.send(echo("panics")));
    assert!(panicking.as_mut().poll(&mut std::task::Context::from_waker(&waker)).is_pending());
    let waiting = call!(sender.send(echo("a")));
    quiet().await;
    let [mut one, _other] = two.dials; // the other one stays away
    let mut peer = one.accept().await;
    peer.expect(&echo_frame(1, "a")).await;
    peer.send(&text_frame(1, "a")).await;
    assert_eq!(within(waiting).await.unwrap().unwrap(), text("a"));
    drop(panicking);
    let closed =
        |member: cmd_stream::group::Member| matches!(member.link(), cmd_stream::client::Link::Closed(_));
    assert!(!sender.group().members().any(closed));
}
