//! How a Sender ends: by a drain, by a close, or when it is dropped.

use std::time::Duration;

use cmd_stream::client::{Keepalive, Limits};
use cmd_stream::sender::Retry;
use cmd_stream::{ErrorKind, Json, Origin, Sender, protocol};
use serde::{Deserialize, Serialize};
use testkit::wait::{until, within};
use tokio::time::{Instant, sleep};

use crate::lab::{Count, Number, echo, hold, quiet, text};
use crate::net::{Net, builder, sets};
use crate::wire::{echo_frame, frame, hold_frame, number_frame, tag, text_frame};
use crate::{SECOND, call, told, two};

const CLOSED: (ErrorKind, Origin, bool) = (ErrorKind::Closed, Origin::Local, false);

#[derive(Serialize, Deserialize)]
struct Ask {
    text: String,
}

#[derive(PartialEq, Debug, Serialize, Deserialize)]
struct Text(String);

protocol! {
    struct Asking {
        commands { 0 => Ask -> Text }
        replies { 0 => Text }
        idempotent { Ask }
        failure close_connection
    }
}

fn ask() -> Ask {
    Ask { text: "a".into() }
}

/// Two members, of whose calls those that may have run wait for up to a day before they are sent again.
fn asking() -> cmd_stream::sender::Builder<Asking, Json> {
    let day = Duration::from_secs(24 * 3600);
    Sender::builder(Asking, Json).retry(Retry::default().pauses(day, day)).timeout(Duration::MAX)
}

#[tokio::test(start_paused = true)]
async fn a_drain_waits_for_calls_and_streams_and_refuses_new_ones() {
    let (_net, sender, two) = two!(builder().strategy(crate::net::First), 1024);
    let [mut peer, mut other] = two.peers;
    let held = call!(sender.send(hold("held")));
    peer.expect(&hold_frame(1, "held")).await;
    let mut numbers = within(sender.stream(Count { to: 2 })).await.unwrap();
    peer.expect(&frame(2, tag::COUNT, r#"{"to":2}"#)).await;
    let draining = call!(sender.drain(60 * SECOND));
    quiet().await;
    let error = cmd_stream::Error::from(sender.send(echo("late")).await.unwrap_err());
    assert_eq!(told(error.clone()), CLOSED);
    assert_eq!(error.to_string(), "the sender is being drained, and takes no more calls");
    assert_eq!(told(sender.stream(Count { to: 2 }).await.unwrap_err()), CLOSED);
    peer.send(&text_frame(1, "held")).await;
    assert_eq!(within(held).await.unwrap().unwrap(), text("held"));
    sleep(SECOND).await;
    assert!(!draining.is_finished(), "the stream is open");
    peer.send(&number_frame(2, 1, true)).await;
    assert_eq!(within(numbers.next()).await.unwrap().unwrap(), Number { value: 1, last: true });
    assert!(within(numbers.next()).await.is_none());
    assert_eq!(within(draining).await.unwrap(), 0);
    peer.expect_end().await;
    other.expect_end().await;
    let error = cmd_stream::Error::from(sender.send(echo("late")).await.unwrap_err());
    assert_eq!((told(error.clone()), error.to_string()), (CLOSED, "the sender was closed".into()));
}

#[tokio::test(start_paused = true)]
async fn a_drain_whose_time_is_over_fails_what_is_left() {
    let (_net, sender, two) = two!(builder(), 1024);
    let [mut one, mut two] = two.peers;
    let held: Vec<_> = (0..3).map(|_| call!(sender.send(hold("held")))).collect();
    quiet().await;
    let began = Instant::now();
    assert_eq!(within(sender.drain(2 * SECOND)).await, 3);
    assert!((2 * SECOND..2 * SECOND + SECOND / 100).contains(&began.elapsed()), "{:?}", began.elapsed());
    for held in held {
        assert_eq!(told(within(held).await.unwrap().unwrap_err()), (ErrorKind::Closed, Origin::Local, true));
    }
    let rest = [one.rest().await, two.rest().await].concat();
    assert_eq!(rest.len(), 3 * hold_frame(1, "held").len(), "the connections are closed");
    assert_eq!(within(sender.drain(SECOND)).await, 0, "again");
}

#[tokio::test(start_paused = true)]
async fn a_drain_that_is_dropped_leaves_the_connections_open() {
    let (_net, sender, two) = two!(builder().strategy(crate::net::First), 1024);
    let [mut peer, _other] = two.peers;
    let held = call!(sender.send(hold("held")));
    peer.expect(&hold_frame(1, "held")).await;
    let draining = call!(sender.drain(60 * SECOND));
    quiet().await;
    draining.abort();
    quiet().await;
    assert_eq!(told(sender.send(echo("late")).await.unwrap_err()), CLOSED);
    peer.send(&text_frame(1, "held")).await;
    assert_eq!(within(held).await.unwrap().unwrap(), text("held"));
    assert_eq!(within(sender.drain(60 * SECOND)).await, 0);
    peer.expect_end().await;
}

/// Also those that have no place yet.
#[tokio::test(start_paused = true)]
async fn a_drain_waits_for_calls_that_wait_for_room() {
    let limits = Limits::default().in_flight(1);
    let net = Net::default();
    let world = net.world("a:1");
    let sender = within(builder().limits(limits).endpoints(["a:1"]).connect_by(net.dialer())).await.unwrap();
    let calls: Vec<_> = (0..5).map(|_| call!(sender.send(hold("held")))).collect();
    quiet().await;
    assert_eq!(sender.in_flight(), 5);
    let draining = call!(sender.drain(60 * SECOND));
    for _ in 0..5 {
        sleep(SECOND).await;
        world.lab.open_gate(1);
    }
    for call in calls {
        assert_eq!(within(call).await.unwrap().unwrap(), text("held"));
    }
    assert_eq!(within(draining).await.unwrap(), 0);
    assert_eq!(sender.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_drain_waits_for_calls_that_wait_for_a_member() {
    for (is_back, left) in [(true, 0), (false, 0)] {
        let (_net, sender, two) = two!(builder(), 1024);
        drop(two.peers);
        quiet().await;
        let waiting = call!(sender.send(echo("a")));
        quiet().await;
        let draining = call!(sender.drain(60 * SECOND));
        sleep(SECOND).await;
        assert!(!draining.is_finished());
        let [mut one, _two] = two.dials;
        if is_back {
            let mut peer = one.accept().await;
            peer.expect(&echo_frame(1, "a")).await;
            peer.send(&text_frame(1, "a")).await;
            assert_eq!(within(waiting).await.unwrap().unwrap(), text("a"));
        } else {
            within(waiting).await.unwrap().unwrap_err();
        }
        assert_eq!(within(draining).await.unwrap(), left);
    }
}

/// A call in flight, one that waits for room, one that waits for a member, one in the pause before its next attempt.
#[tokio::test(start_paused = true)]
async fn a_close_fails_all_calls_at_once() {
    let limits = Limits::default().in_flight(1);
    let (_net, sender, two) = two!(builder().limits(limits), 1024);
    let [mut one, mut two] = two.peers;
    let mut calls: Vec<_> = (0..4).map(|_| call!(sender.send(hold("held")))).collect();
    quiet().await;
    let before = Instant::now();
    sender.close();
    let mut sent = 0;
    for call in calls.drain(..) {
        let (kind, origin, was_sent) = told(within(call).await.unwrap().unwrap_err());
        assert_eq!((kind, origin), (ErrorKind::Closed, Origin::Local));
        sent += usize::from(was_sent);
    }
    assert_eq!((sent, before.elapsed(), sender.in_flight()), (2, Duration::ZERO, 0));
    let rest = [one.rest().await, two.rest().await].concat();
    assert_eq!(rest.len(), 2 * hold_frame(1, "held").len());
    assert_eq!(told(sender.send(echo("late")).await.unwrap_err()), CLOSED);
}

#[tokio::test(start_paused = true)]
async fn a_close_fails_a_call_that_waits_for_a_member_at_once() {
    let (_net, sender, two) = two!(builder(), 1024);
    drop(two.peers);
    quiet().await;
    let waiting = call!(sender.send(echo("a")));
    quiet().await;
    let before = Instant::now();
    sender.close();
    assert_eq!(told(within(waiting).await.unwrap().unwrap_err()), CLOSED);
    assert_eq!((before.elapsed(), sender.in_flight()), (Duration::ZERO, 0));
}

#[tokio::test(start_paused = true)]
async fn a_close_fails_a_call_in_the_pause_before_its_next_attempt_at_once() {
    for drains in [false, true] {
        let (_net, sender, two) = two!(asking(), 1024);
        let asked = call!(sender.send(ask()));
        quiet().await;
        drop(two.peers);
        quiet().await;
        assert_eq!((sender.in_flight(), asked.is_finished()), (1, false), "it waits for its next attempt");
        let before = Instant::now();
        if drains {
            assert_eq!(within(sender.drain(SECOND)).await, 1);
        } else {
            sender.close();
        }
        let error = within(asked).await.unwrap().unwrap_err();
        assert_eq!(told(error), (ErrorKind::Closed, Origin::Local, true), "an attempt may have run");
        assert!(before.elapsed() <= SECOND + SECOND / 100, "{:?}", before.elapsed());
        assert_eq!(sender.in_flight(), 0);
    }
}

/// Over one client that was made by hand, too.
#[tokio::test(start_paused = true)]
async fn a_sender_over_a_client_can_be_closed_in_such_a_pause() {
    let net = Net::default();
    let mut dials = net.server("a:1");
    let transport = net.dialer()(&"a:1".into());
    let client = cmd_stream::Client::builder(Asking, Json).connect_lazy_by(transport);
    let sender = Sender::from(client);
    let asked = call!(sender.send(ask()));
    let peer = dials.accept().await;
    quiet().await;
    drop(peer);
    let before = Instant::now();
    while sender.group().members().all(|member| member.counters().lost == 0) {
        tokio::task::yield_now().await;
    }
    tokio::task::yield_now().await;
    sender.close();
    assert_eq!(told(within(asked).await.unwrap().unwrap_err()), (ErrorKind::Closed, Origin::Local, true));
    assert_eq!(before.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_last_sender_ends_its_connections_its_attempts_and_its_source() {
    let net = Net::default();
    let worlds = ["a:1", "b:1"].map(|address| net.world(address));
    let mut silent = net.server("silent:1");
    let (give, source) = sets(&["a:1", "b:1", "silent:1"]);
    let builder = builder().endpoints_from(source).clients(6).keepalive(Keepalive::OFF).minimum(4);
    let sender = within(builder.connect_by(net.dialer())).await.unwrap();
    let attempts = [silent.attempt().await, silent.attempt().await];
    let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let clone = sender.clone();
    let mut numbers = within(sender.stream(Count { to: 3 })).await.unwrap();
    drop(sender);
    assert_eq!(within(clone.send(echo("a"))).await.unwrap(), text("a"));
    drop(clone);
    // A stream keeps it.
    while let Some(number) = within(numbers.next()).await {
        number.unwrap();
    }
    assert_eq!(worlds.each_ref().map(|world| world.counters().open), [2, 2]);
    drop(numbers);
    until(|| worlds.iter().all(|world| world.counters().open == 0)).await;
    assert!(attempts.iter().all(tokio::sync::oneshot::Sender::is_closed));
    give.dropped().await;
    quiet().await;
    // Six clients and the task of the group, and on the servers four connections.
    let left = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    assert_eq!(tasks - left, 6 + 1 + 4);
}
