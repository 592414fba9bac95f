//! The set of servers changes, and no Command is lost.

use std::time::Duration;

use cmd_stream::client::{Keepalive, Limits, Link, Overflow};
use cmd_stream::group::{Endpoints, RoundRobin};
use cmd_stream::transport::Address;
use cmd_stream::{Error, ErrorKind, Origin};
use testkit::peer::BytePeer;
use testkit::wait::{until, within};
use tokio::io::AsyncReadExt;
use tokio::time::{Instant, sleep};

use crate::lab::{Count, Number, echo, hold, quiet, text};
use crate::net::{First, Net, builder, greet, peer_of, peers_of, sets};
use crate::wire::{echo_frame, frame, hold_frame, number, number_frame, tag, text_frame};
use crate::{SECOND, call, told};

const DRAIN: Duration = Duration::from_secs(10);
/// After this a server takes a client for gone that has closed its connection while a Command runs.
const GONE: Duration = Duration::from_secs(6);

#[tokio::test(start_paused = true)]
async fn a_server_that_is_removed_answers_what_it_has_and_its_connection_closes() {
    let net = Net::default();
    let (old, new) = (net.world("old:1"), net.world("new:1"));
    let (give, source) = sets(&["old:1"]);
    let builder = builder().endpoints_from(source).clients(2).strategy(RoundRobin::default()).minimum(2);
    let sender = within(builder.connect_by(net.dialer())).await.unwrap();
    let held = [call!(sender.send(hold("one"))), call!(sender.send(hold("two")))];
    old.lab.until(|seen| seen.running == 2).await;
    give.set(&["new:1"]);
    sleep(SECOND).await;
    assert_eq!((old.counters().open, new.counters().open), (2, 0));
    for _ in 0..10 {
        assert_eq!(within(sender.send(echo("next"))).await.unwrap(), text("next"));
    }
    assert_eq!((old.counters().started, new.counters().started), (12, 0));
    old.lab.open_gate(2);
    for (held, said) in held.into_iter().zip(["one", "two"]) {
        assert_eq!(within(held).await.unwrap().unwrap(), text(said));
    }
    sleep(SECOND).await;
    assert_eq!((old.counters().open, new.counters().open, old.counters().cut), (0, 2, 0));
    assert_eq!((peers_of(&sender), old.counters().accepted), (vec!["new:1".to_owned(); 2], 2));
    let counters: Vec<_> = sender.group().members().map(|member| member.counters()).collect();
    assert!(counters.iter().all(|counters| (counters.replaced, counters.lost) == (1, 0)), "{counters:?}");
}

/// Of several, one after the other, so that there is always one that takes calls.
#[tokio::test(start_paused = true)]
async fn connections_are_drained_one_after_the_other() {
    let net = Net::default();
    let (old, new) = (net.world("old:1"), net.world("new:1"));
    let (give, source) = sets(&["old:1"]);
    let limits = Limits::default().drain(DRAIN);
    let builder = builder().endpoints_from(source).clients(3).strategy(RoundRobin::default()).limits(limits);
    let sender = within(builder.minimum(3).connect_by(net.dialer())).await.unwrap();
    let held: Vec<_> = (0..3).map(|_| call!(sender.send(hold("held")))).collect();
    old.lab.until(|seen| seen.running == 3).await;
    give.set(&["new:1"]);
    for replaced in 0..=3 {
        sleep(GONE).await;
        assert_eq!((old.counters().open, new.counters().open), (3 - replaced, replaced));
        for _ in 0..10 {
            assert_eq!(within(sender.send(echo("next"))).await.unwrap(), text("next"));
        }
        sleep(DRAIN - GONE).await;
    }
    for held in held {
        assert!(within(held).await.unwrap().unwrap_err().was_sent());
    }
}

/// The endpoint is gone, and the new one is not there yet: the last client that takes calls stays until another is there.
#[tokio::test(start_paused = true)]
async fn the_last_client_goes_on_at_a_server_that_is_removed() {
    let net = Net::default();
    let old = net.world("old:1");
    let (give, source) = sets(&["old:1"]);
    let builder = builder().endpoints_from(source).clients(3).minimum(3);
    let sender = within(builder.connect_by(net.dialer())).await.unwrap();
    give.set(&["new:1"]);
    for n in 0..200 {
        let said = n.to_string();
        let before = Instant::now();
        assert_eq!(within(sender.send(echo(&said))).await.unwrap(), text(&said));
        assert_eq!(before.elapsed(), Duration::ZERO);
        sleep(SECOND / 10).await;
    }
    assert_eq!(old.counters().open, 1);
    let new = net.world("new:1");
    sleep(40 * SECOND).await;
    assert_eq!((old.counters().open, new.counters().open, old.counters().cut), (0, 3, 0));
    assert_eq!(within(sender.send(echo("b"))).await.unwrap(), text("b"));
}

/// It is not kept for ever.
#[tokio::test(start_paused = true)]
async fn the_last_client_leaves_a_server_that_is_removed_after_a_time() {
    let net = Net::default();
    let old = net.world("old:1");
    let (give, source) = sets(&["old:1"]);
    let limits = Limits::default().drain(DRAIN);
    let builder = builder().endpoints_from(source).clients(2).minimum(2).limits(limits);
    let _sender = within(builder.connect_by(net.dialer())).await.unwrap();
    give.set(&["new:1"]);
    sleep(DRAIN - SECOND).await;
    assert_eq!(old.counters().open, 1);
    sleep(2 * SECOND).await;
    assert_eq!(old.counters().open, 0);
}

/// Nothing more comes for a stream that has overflowed.
#[tokio::test(start_paused = true)]
async fn a_stream_that_has_failed_holds_no_connection() {
    let net = Net::default();
    let (mut old, mut new) = (net.server("old:1"), net.server("new:1"));
    let (give, source) = sets(&["old:1"]);
    let limits = Limits::default().stream_replies(1, Overflow::Fail);
    let builder = builder().endpoints_from(source).limits(limits);
    let connecting = tokio::spawn(builder.connect_by(net.dialer()));
    let mut peer = old.accept().await;
    let sender = within(connecting).await.unwrap().unwrap();
    let _numbers = within(sender.stream(Count { to: 3 })).await.unwrap();
    peer.expect(&frame(1, tag::COUNT, r#"{"to":3}"#)).await;
    peer.send(&number_frame(1, 1, false)).await;
    peer.send(&number_frame(1, 2, false)).await;
    quiet().await;
    give.set(&["new:1"]);
    quiet().await;
    peer.expect_end().await;
    assert!(new.attempt_now().is_some());
}

/// Under load, with real servers.
#[tokio::test(start_paused = true)]
async fn no_call_fails_while_the_set_changes_all_the_time() {
    let net = Net::default();
    let addresses = ["a:1", "b:1", "c:1", "d:1", "e:1"];
    let worlds = addresses.map(|address| net.world(address));
    for clients in [1, 2, 5] {
        let (give, source) = sets(&addresses[..2]);
        let builder = builder().endpoints_from(source).clients(clients);
        let sender = within(builder.connect_by(net.dialer())).await.unwrap();
        let callers: Vec<_> = (0..50)
            .map(|caller| {
                let sender = sender.clone();
                tokio::spawn(async move {
                    for n in 0..200 {
                        let said = format!("{caller} {n}");
                        assert_eq!(sender.send(echo(&said)).await.expect("none is lost"), text(&said));
                        sleep(Duration::from_millis(caller % 7)).await;
                    }
                })
            })
            .collect();
        for round in 0..40 {
            let from = round % 4;
            give.set(&addresses[from..from + 1 + round % 2]);
            sleep(Duration::from_millis(20)).await;
        }
        for caller in callers {
            within(caller).await.unwrap();
        }
        give.set(&["e:1"]);
        sleep(SECOND).await;
        assert_eq!(peers_of(&sender), vec!["e:1"; clients]);
        drop(sender);
        until(|| worlds.iter().all(|world| world.counters().open == 0)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_open_goes_on_to_its_end() {
    for clients in [1, 2] {
        let net = Net::default();
        let (mut old, new) = (net.server("old:1"), net.world("new:1"));
        let (give, source) = sets(&["old:1"]);
        let builder = builder().endpoints_from(source).clients(clients).strategy(First).minimum(clients);
        let connecting = tokio::spawn(builder.connect_by(net.dialer()));
        let mut olds = Vec::new();
        for _ in 0..clients {
            olds.push(old.accept().await);
        }
        let sender = within(connecting).await.unwrap().unwrap();
        let mut numbers = within(sender.stream(Count { to: 3 })).await.unwrap();
        quiet().await;
        give.set(&["new:1"]);
        quiet().await;
        let open = frame(1, tag::COUNT, r#"{"to":3}"#);
        let mut with_stream = 0;
        for peer in olds {
            let (mut io, mut bytes) = (peer.into_inner(), vec![0; open.len()]);
            // The other one was replaced at once.
            if within(io.read(&mut bytes)).await.unwrap() == 0 {
                continue;
            }
            assert_eq!(bytes, open);
            with_stream += 1;
            let mut peer = BytePeer::over(io);
            for value in 1..=3 {
                sleep(SECOND).await;
                peer.send(&number_frame(1, value, value == 3)).await;
                assert_eq!(
                    within(numbers.next()).await.unwrap().unwrap(),
                    Number { value, last: value == 3 }
                );
            }
            assert!(within(numbers.next()).await.is_none());
            peer.expect_end().await;
        }
        assert_eq!(with_stream, 1);
        until(|| new.counters().open == clients as u64).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_takes_longer_than_a_drain_fails_and_may_have_run() {
    for clients in [1, 2] {
        let net = Net::default();
        let (mut old, mut new) = (net.server("old:1"), net.server("new:1"));
        let (give, source) = sets(&["old:1"]);
        let limits = Limits::default().drain(DRAIN);
        let builder =
            builder().endpoints_from(source).clients(clients).limits(limits).keepalive(Keepalive::OFF);
        let connecting = tokio::spawn(builder.minimum(clients).connect_by(net.dialer()));
        let mut olds = Vec::new();
        for _ in 0..clients {
            olds.push(old.accept().await);
        }
        let sender = within(connecting).await.unwrap().unwrap();
        let held: Vec<_> = (0..20).map(|_| call!(sender.send(hold("held")))).collect();
        quiet().await;
        let began = Instant::now();
        give.set(&["new:1"]);
        // The calls of one alone go on at first.
        let mut waiting = None;
        if clients == 1 {
            sleep(DRAIN + SECOND).await;
            waiting = Some(call!(sender.send(echo("waits"))));
        }
        for drained in 1..=clients {
            let attempt = new.attempt().await;
            let waited = began.elapsed();
            let drains = DRAIN * if clients == 1 { 2 } else { drained as u32 };
            assert!((drains..drains + SECOND / 10).contains(&waited), "{waited:?}");
            let mut peer = greet(attempt, 1024).await;
            if waiting.is_some() {
                peer.expect(&echo_frame(21, "waits")).await;
                peer.send(&text_frame(21, "waits")).await;
            }
            quiet().await;
            olds.push(peer);
        }
        for held in held {
            let error = Error::from(within(held).await.unwrap().unwrap_err());
            assert_eq!(told(error.clone()), (ErrorKind::Closed, Origin::System, true));
            assert!(error.to_string().contains("`Limits::drain`"), "{error}");
        }
        if let Some(waiting) = waiting {
            assert_eq!(within(waiting).await.unwrap().unwrap(), text("waits"));
        }
    }
}

/// A connection that is drained is still watched.
#[tokio::test(start_paused = true)]
async fn a_connection_that_is_drained_is_pinged_and_may_turn_out_dead() {
    for answers in [true, false] {
        let net = Net::default();
        let (mut old, mut new) = (net.server("old:1"), net.server("new:1"));
        let (give, source) = sets(&["old:1"]);
        let keepalive = Keepalive::default().idle(SECOND).timeout(SECOND);
        let limits = Limits::default().drain(5 * SECOND);
        let builder = builder().endpoints_from(source).limits(limits).keepalive(keepalive);
        let connecting = tokio::spawn(builder.clients(1).connect_by(net.dialer()));
        let mut peer = old.accept().await;
        let sender = within(connecting).await.unwrap().unwrap();
        let held = call!(sender.send(hold("held")));
        peer.expect(&hold_frame(1, "held")).await;
        give.set(&["new:1"]);
        quiet().await;
        for _ in 0..6 {
            peer.expect(&number(0)).await;
            peer.send(&number(0)).await;
        }
        let kept = call!(sender.send(echo("kept")));
        for _ in 0..3 {
            peer.expect(&number(0)).await; // a ping, and nothing of what is kept
            if answers {
                peer.send(&number(0)).await;
            } else {
                break;
            }
        }
        if answers {
            peer.send(&text_frame(1, "held")).await;
            assert_eq!(within(held).await.unwrap().unwrap(), text("held"));
        } else {
            assert_eq!(
                told(within(held).await.unwrap().unwrap_err()),
                (ErrorKind::Timeout, Origin::Remote, true)
            );
        }
        peer.expect_end().await;
        let mut peer = new.accept().await;
        peer.expect(&echo_frame(2, "kept")).await;
        peer.send(&text_frame(2, "kept")).await;
        assert_eq!(within(kept).await.unwrap().unwrap(), text("kept"));
    }
}

/// What was dialled before the set changed is not kept.
#[tokio::test(start_paused = true)]
async fn an_attempt_to_a_server_that_is_removed_meanwhile_does_not_count() {
    for clients in [1, 2] {
        let net = Net::default();
        let (mut old, mut new) = (net.server("old:1"), net.server("new:1"));
        let (give, source) = sets(&["old:1"]);
        let sender = builder().endpoints_from(source).clients(clients).connect_lazy_by(net.dialer());
        let call = call!(sender.send(echo("a")));
        quiet().await;
        let mut attempts = Vec::new();
        while attempts.len() < clients {
            attempts.push(old.attempt().await);
        }
        give.set(&["new:1"]);
        quiet().await;
        for attempt in attempts {
            greet(attempt, 1024).await.expect_end().await;
        }
        let mut peers = Vec::new();
        while peers.len() < clients {
            peers.push(new.accept().await);
        }
        quiet().await;
        assert_eq!(peers_of(&sender), vec!["new:1"; clients]);
        let mut answered = false;
        for peer in &mut peers {
            if tokio::time::timeout(SECOND / 100, peer.expect(&echo_frame(1, "a"))).await.is_ok() {
                assert!(!answered, "it was sent twice");
                peer.send(&text_frame(1, "a")).await;
                answered = true;
            }
        }
        assert_eq!(within(call).await.unwrap().unwrap(), text("a"));
    }
}

#[tokio::test(start_paused = true)]
async fn servers_that_are_added_take_over_some_of_the_clients_and_an_empty_set_is_ignored() {
    let net = Net::default();
    let worlds = ["a:1", "b:1", "c:1"].map(|address| net.world(address));
    let (give, source) = sets(&["a:1"]);
    let builder = builder().endpoints_from(source).clients(6).minimum(6);
    let sender = within(builder.connect_by(net.dialer())).await.unwrap();
    let open = || worlds.each_ref().map(|world| world.counters().open);
    assert_eq!(open(), [6, 0, 0]);
    give.set(&["a:1", "b:1"]);
    sleep(SECOND).await;
    assert_eq!(open(), [3, 3, 0]);
    give.set(&["b:1", "c:1", "a:1"]);
    sleep(SECOND).await;
    assert_eq!(open(), [2, 2, 2]);
    let replaced = || sender.group().members().map(|member| member.counters().replaced).sum::<u64>();
    assert_eq!(replaced(), 5, "no more than are needed");
    for nothing_new in [&[][..], &["c:1", "b:1", "a:1", "a:1"]] {
        give.set(nothing_new);
        sleep(SECOND).await;
        assert_eq!((open(), replaced()), ([2, 2, 2], 5));
    }
    give.set(&["c:1"]);
    sleep(SECOND).await;
    assert_eq!((open(), replaced()), ([0, 0, 6], 9));
    assert!(sender.group().members().all(|member| matches!(member.link(), Link::Up(_))));
    assert_eq!(peer_of(&sender, 3), "c:1");
}

/// Gives one set, and panics when it is asked again, in one way or the other.
struct Panics(Option<Vec<Address>>, bool);

impl Endpoints for Panics {
    async fn next(&mut self) -> Option<Vec<Address>> {
        match self.0.take() {
            Some(set) => Some(set),
            None if self.1 => std::future::pending().await,
            None => panic!("as it likes"),
        }
    }

    fn refresh(&mut self) {
        panic!("as it likes");
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_that_panics_leaves_the_last_set() {
    for in_refresh in [false, true] {
        let net = Net::default();
        let world = net.world("a:1");
        let source = Panics(Some(vec!["a:1".into()]), in_refresh);
        let sender =
            within(builder().endpoints_from(source).clients(2).connect_by(net.dialer())).await.unwrap();
        quiet().await;
        net.remove("a:1");
        world.handle.close();
        sleep(SECOND).await;
        let _back = net.world("a:1");
        for n in 0..10 {
            assert_eq!(within(sender.send(echo(&n.to_string()))).await.unwrap(), text(&n.to_string()));
        }
    }
}
