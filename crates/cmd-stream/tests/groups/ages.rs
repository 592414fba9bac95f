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
        sleep(AGE * 22 / 100).await;
        let waits = call!(sender.send(echo("waits")));
        if clients == 2 {
            assert_eq!(within(waits).await.unwrap().unwrap(), text("waits"));
            worlds[0].lab.open_gate(1);
        } else {
            sleep(20 * SECOND).await;
            assert!(!waits.is_finished(), "it waits for the next connection");
            worlds[0].lab.open_gate(1);
            assert_eq!(within(waits).await.unwrap().unwrap(), text("waits"));
        }
        assert_eq!(within(held).await.unwrap().unwrap(), text("held"));
        assert_eq!(sender.group().members().map(|member| member.counters().lost).sum::<u64>(), 0);
    }
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
