//! Connections are replaced when they have reached their age.

use std::time::Duration;

use cmd_stream::client::{Keepalive, Limits};
use testkit::wait::within;
use tokio::time::{Instant, sleep};

use crate::lab::{World, echo, hold, text};
use crate::net::{Net, builder, greet};
use crate::{SECOND, call};

const AGE: Duration = Duration::from_secs(100);

/// Calls one after the other, for so long. Returns the longest time that one took.
async fn calls(sender: &cmd_stream::Sender<crate::lab::Plain, cmd_stream::Json>, time: Duration) -> Duration {
    let (began, mut longest) = (Instant::now(), Duration::ZERO);
    let mut n = 0;
    while began.elapsed() < time {
        let before = Instant::now();
        n += 1;
        assert_eq!(
            within(sender.send(echo(&n.to_string()))).await.expect("none fails"),
            text(&n.to_string())
        );
        longest = longest.max(before.elapsed());
        sleep(Duration::from_millis(50)).await;
    }
    longest
}

fn accepted(worlds: &[World]) -> Vec<u64> {
    worlds.iter().map(|world| world.counters().accepted).collect()
}

#[tokio::test(start_paused = true)]
async fn connections_are_replaced_by_age_and_no_call_fails() {
    for clients in [1, 2, 8] {
        let net = Net::default();
        let worlds = ["a:1", "b:1"].map(|address| net.world(address));
        let builder = builder().endpoints(["a:1", "b:1"]).clients(clients).max_age(AGE).minimum(clients);
        let sender = within(builder.connect_by(net.dialer())).await.unwrap();
        calls(&sender, AGE * 89 / 100).await;
        assert_eq!(accepted(&worlds).iter().sum::<u64>(), clients as u64, "they are not old");
        let longest = calls(&sender, AGE * 22 / 100).await;
        assert_eq!(accepted(&worlds).iter().sum::<u64>(), 2 * clients as u64, "each is replaced once");
        assert!(longest < SECOND / 10, "{longest:?}");
        let sum = |count: fn(cmd_stream::client::Counters) -> u64| {
            sender.group().members().map(|member| count(member.counters())).sum::<u64>()
        };
        assert_eq!((sum(|counters| counters.replaced), sum(|counters| counters.lost)), (clients as u64, 0));
    }
}

/// They were all made at the same time.
#[tokio::test(start_paused = true)]
async fn connections_do_not_end_all_at_once() {
    let net = Net::default();
    let mut dials = net.server("a:1");
    let builder = builder().endpoints(["a:1"]).clients(64).max_age(AGE).keepalive(Keepalive::OFF);
    let _sender = builder.connect_lazy_by(net.dialer());
    let mut peers = Vec::new();
    for _ in 0..64 {
        peers.push(dials.accept().await);
    }
    let began = Instant::now();
    let mut ages = Vec::new();
    for _ in 0..64 {
        let attempt = dials.attempt().await;
        ages.push(began.elapsed().as_secs_f64() / AGE.as_secs_f64());
        peers.push(greet(attempt, 100).await);
    }
    assert!(ages.iter().all(|age| (0.9..1.11).contains(age)), "{ages:?}");
    let in_a_tenth = |tenth: usize| {
        let from = 0.9 + 0.02 * tenth as f64;
        ages.iter().filter(|age| (from..from + 0.02).contains(*age)).count()
    };
    let tenths: Vec<_> = (0..10).map(in_a_tenth).collect();
    assert!(tenths.iter().all(|count| *count < 22), "{tenths:?}");
    assert!(tenths.iter().filter(|count| **count > 0).count() >= 8, "{tenths:?}");
}

/// With one client, other calls go on beside it.
#[tokio::test(start_paused = true)]
async fn a_call_that_takes_long_is_answered_on_the_connection_that_has_it() {
    for clients in [1, 2] {
        let net = Net::default();
        let worlds = [net.world("a:1")];
        let limits = Limits::default().drain(60 * SECOND);
        let builder = builder().endpoints(["a:1"]).clients(clients).max_age(AGE).limits(limits);
        let sender = within(builder.timeout(Duration::MAX).connect_by(net.dialer())).await.unwrap();
        sleep(AGE * 89 / 100).await;
        let held = call!(sender.send(hold("held")));
        let longest = calls(&sender, AGE * 42 / 100).await;
        assert!(longest < SECOND / 10, "{longest:?}");
        worlds[0].lab.open_gate(1);
        assert_eq!(within(held).await.unwrap().unwrap(), text("held"));
        let longest = calls(&sender, SECOND).await;
        assert!(longest < SECOND / 10, "{longest:?}");
        let sum = |count: fn(cmd_stream::client::Counters) -> u64| {
            sender.group().members().map(|member| count(member.counters())).sum::<u64>()
        };
        assert_eq!((sum(|counters| counters.replaced), sum(|counters| counters.lost)), (clients as u64, 0));
    }
}

/// Some call is always in flight. The connection is replaced all the same.
#[tokio::test(start_paused = true)]
async fn a_connection_that_is_never_quiet_is_replaced_after_a_time() {
    let net = Net::default();
    let world = net.world("a:1");
    let limits = Limits::default().drain(10 * SECOND);
    let builder = builder().endpoints(["a:1"]).max_age(AGE).limits(limits).timeout(Duration::MAX);
    let sender = within(builder.connect_by(net.dialer())).await.unwrap();
    sleep(AGE * 89 / 100).await;
    let began = Instant::now();
    let mut held = call!(sender.send(hold("held")));
    while began.elapsed() < 35 * SECOND {
        let next = call!(sender.send(hold("held")));
        sleep(SECOND).await;
        world.lab.open_gate(1);
        assert_eq!(within(held).await.unwrap().unwrap(), text("held"));
        held = next;
    }
    assert_eq!(world.counters().accepted, 2);
    let counters = sender.group().members().next().expect("there is one").counters();
    assert_eq!((counters.replaced, counters.lost), (1, 0));
}

/// The server still executes what was dropped, but nobody waits for it.
#[tokio::test(start_paused = true)]
async fn calls_that_nobody_waits_for_hold_no_connection() {
    for clients in [1, 2] {
        for is_dropped_before in [true, false] {
            let net = Net::default();
            let worlds = [net.world("a:1")];
            let limits = Limits::default().drain(60 * SECOND);
            let strategy = cmd_stream::group::RoundRobin::default();
            let builder = builder().endpoints(["a:1"]).clients(clients).max_age(AGE).limits(limits);
            let builder = builder.strategy(strategy).minimum(clients).timeout(Duration::MAX);
            let sender = within(builder.connect_by(net.dialer())).await.unwrap();
            sleep(AGE * 89 / 100).await;
            let held: Vec<_> = (0..clients).map(|_| call!(sender.send(hold("held")))).collect();
            worlds[0].lab.until(|seen| seen.running == clients).await;
            if is_dropped_before {
                held.iter().for_each(tokio::task::JoinHandle::abort);
            }
            sleep(AGE * 22 / 100).await;
            held.iter().for_each(tokio::task::JoinHandle::abort);
            sleep(2 * SECOND).await;
            let replaced = || sender.group().members().map(|member| member.counters().replaced);
            assert_eq!(replaced().collect::<Vec<_>>(), vec![1; clients], "{is_dropped_before}");
            assert_eq!(within(sender.send(echo("next"))).await.unwrap(), text("next"));
        }
    }
}

/// It has taken longer than its deadline allows.
#[tokio::test(start_paused = true)]
async fn calls_that_timed_out_hold_no_connection() {
    let net = Net::default();
    let worlds = [net.world("a:1")];
    let limits = Limits::default().drain(60 * SECOND);
    let builder = builder().endpoints(["a:1"]).max_age(AGE).limits(limits);
    let sender = within(builder.connect_by(net.dialer())).await.unwrap();
    sleep(AGE * 89 / 100).await;
    let held = tokio::spawn({
        let sender = sender.clone();
        async move { sender.send(hold("held")).timeout(AGE * 23 / 100).await }
    });
    sleep(AGE * 24 / 100).await;
    within(held).await.unwrap().unwrap_err();
    sleep(SECOND / 100).await;
    assert_eq!(worlds[0].counters().accepted, 2);
}

/// Each member has a call that takes long, and both become old. A member is not taken away when there is no other.
#[tokio::test(start_paused = true)]
async fn members_that_are_all_old_and_busy_do_not_leave_calls_without_a_member() {
    let net = Net::default();
    let worlds = [net.world("a:1")];
    let limits = Limits::default().drain(25 * SECOND);
    let strategy = cmd_stream::group::RoundRobin::default();
    let builder = builder().endpoints(["a:1"]).clients(2).max_age(AGE).limits(limits).strategy(strategy);
    let sender = within(builder.minimum(2).timeout(Duration::MAX).connect_by(net.dialer())).await.unwrap();
    sleep(AGE * 89 / 100).await;
    let held = [call!(sender.send(hold("one"))), call!(sender.send(hold("two")))];
    let longest = calls(&sender, AGE * 22 / 100).await;
    assert!(longest < SECOND / 10, "{longest:?}");
    worlds[0].lab.open_gate(2);
    for held in held {
        // One of them may have taken longer than a drain.
        let _ = within(held).await.unwrap();
    }
    calls(&sender, 60 * SECOND).await;
    let replaced: Vec<_> = sender.group().members().map(|member| member.counters().replaced).collect();
    assert!(replaced.iter().all(|replaced| (1..=2).contains(replaced)), "{replaced:?}");
}
