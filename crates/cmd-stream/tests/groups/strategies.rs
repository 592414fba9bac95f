//! Which member takes a call.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use cmd_stream::client::Keepalive;
use cmd_stream::group::{LeastInFlight, Members, PowerOfTwoChoices, RoundRobin, Strategy};
use cmd_stream::{ErrorKind, Origin};
use testkit::wait::within;
use tokio::time::{Instant, sleep};

use crate::lab::{echo, hold, quiet, text};
use crate::net::{Net, builder, peers_of};
use crate::wire::{echo_frame, hold_frame, text_frame};
use crate::{SECOND, call, told, two};

/// Takes whatever the test says. It says nothing at first.
#[derive(Clone)]
struct Says(Arc<AtomicUsize>);

const NONE: usize = usize::MAX - 1;
const PANIC: usize = usize::MAX - 2;

impl Strategy for Says {
    fn pick(&self, _: &Members<'_>) -> Option<usize> {
        match self.0.load(Relaxed) {
            NONE => None,
            PANIC => panic!("as it likes"),
            member => Some(member),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_strategy_of_ones_own_decides() {
    let says = Says(Arc::default());
    let (_net, sender, two) = two!(builder().strategy(says.clone()), 1024);
    let mut peers = two.peers;
    for (member, seq) in [(0, 1), (1, 1), (1, 2), (0, 2)] {
        says.0.store(member, Relaxed);
        let call = call!(sender.send(echo("a")));
        peers[member].expect(&echo_frame(seq, "a")).await;
        peers[member].send(&text_frame(seq, "a")).await;
        within(call).await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_strategy_that_panics_fails_its_call_alone() {
    let says = Says(Arc::new(PANIC.into()));
    let (_net, sender, two) = two!(builder().strategy(says.clone()), 1024);
    let [mut one, _two] = two.peers;
    let error = cmd_stream::Error::from(within(sender.send(echo("a"))).await.unwrap_err());
    assert_eq!(told(error.clone()), (ErrorKind::Panic, Origin::Local, false));
    assert!(format!("{error:#}").contains("the strategy of the group"), "{error:#}");
    says.0.store(0, Relaxed);
    let call = call!(sender.send(echo("b")));
    one.expect(&echo_frame(1, "b")).await;
    one.send(&text_frame(1, "b")).await;
    within(call).await.unwrap().unwrap();
    assert_eq!(sender.in_flight(), 0);
}

/// A member that does not exist, one that is down, or none at all: another one takes the call, if there is one.
#[tokio::test(start_paused = true)]
async fn a_strategy_that_returns_nonsense_loses_no_call() {
    let says = Says(Arc::default());
    let (_net, sender, two) = two!(builder().strategy(says.clone()), 1024);
    let [one, mut two] = two.peers;
    drop(one);
    quiet().await;
    for (nonsense, seq) in [(2, 1), (usize::MAX, 2), (NONE, 3), (0, 4)] {
        says.0.store(nonsense, Relaxed);
        let before = Instant::now();
        let call = call!(sender.send(echo("a")));
        two.expect(&echo_frame(seq, "a")).await;
        two.send(&text_frame(seq, "a")).await;
        within(call).await.unwrap().unwrap();
        assert_eq!(before.elapsed(), Duration::ZERO, "{nonsense}");
    }
    drop(two);
    quiet().await;
    for nonsense in [2, NONE, 0] {
        says.0.store(nonsense, Relaxed);
        let error = within(sender.send(echo("a")).timeout(SECOND)).await.unwrap_err();
        assert_eq!(told(error), (ErrorKind::Timeout, Origin::Local, false));
    }
}

/// What a strategy was told of the members, the last time it was asked.
#[derive(Clone, Default)]
struct Sees(Arc<std::sync::Mutex<Vec<Seen>>>);

/// Whether a member is available, how busy and how slow it is.
type Seen = (bool, usize, Option<Duration>);

impl Strategy for Sees {
    fn pick(&self, members: &Members<'_>) -> Option<usize> {
        let look =
            |member| (members.is_available(member), members.in_flight(member), members.latency(member));
        *self.0.lock().unwrap() = (0..members.len() + 1).map(look).collect();
        Some(0)
    }
}

#[tokio::test(start_paused = true)]
async fn a_strategy_knows_what_is_in_flight_and_how_long_replies_take() {
    let sees = Sees::default();
    let builder = builder().strategy(sees.clone()).keepalive(Keepalive::OFF);
    let (_net, sender, two) = two!(builder, 1 << 16);
    let [mut one, two] = two.peers;
    let held = call!(sender.send(hold("held")));
    one.expect(&hold_frame(1, "held")).await;
    for seq in 2..=64 {
        let call = call!(sender.send(echo("a")));
        one.expect(&echo_frame(seq, "a")).await;
        sleep(Duration::from_millis(8)).await;
        one.send(&text_frame(seq, "a")).await;
        within(call).await.unwrap().unwrap();
    }
    drop(two);
    quiet().await;
    let last = call!(sender.send(echo("last")));
    one.expect(&echo_frame(65, "last")).await;
    let seen = sees.0.lock().unwrap().clone();
    assert_eq!((seen[0].0, seen[0].1), (true, 1));
    let latency = seen[0].2.expect("the 64th was measured");
    assert!((Duration::from_millis(8)..Duration::from_millis(12)).contains(&latency), "{latency:?}");
    assert_eq!(seen[1..], [(false, 0, None), (false, 0, None)], "one is down, and one does not exist");
    let members: Vec<_> = sender.group().members().collect();
    assert_eq!((members[0].in_flight(), members[0].latency(), members[1].in_flight()), (2, Some(latency), 0));
    one.send(&[text_frame(65, "last"), text_frame(1, "held")].concat()).await;
    within(last).await.unwrap().unwrap();
    within(held).await.unwrap().unwrap();
}

/// By each strategy of the library.
#[tokio::test(start_paused = true)]
async fn a_dead_member_is_passed_over_and_used_again_when_it_is_back() {
    let strategies: [fn() -> crate::net::Builder; 3] = [
        || builder().strategy(PowerOfTwoChoices),
        || builder().strategy(RoundRobin::default()),
        || builder().strategy(LeastInFlight),
    ];
    for builder in strategies {
        let net = Net::default();
        let addresses = ["a:1", "b:1", "c:1", "d:1"];
        let [a, _b, _c, _d] = &addresses.map(|address| net.world(address));
        let sender =
            within(builder().endpoints(addresses).minimum(4).connect_by(net.dialer())).await.unwrap();
        let calls = async |count: usize| {
            for n in 0..count {
                assert_eq!(within(sender.send(echo(&n.to_string()))).await.unwrap(), text(&n.to_string()));
            }
        };
        calls(400).await;
        let before = a.counters().started;
        assert!((50..200).contains(&before), "{before}");
        net.remove("a:1");
        a.handle.close();
        quiet().await;
        calls(400).await;
        assert_eq!(peers_of(&sender).len(), 3);
        sleep(10 * SECOND).await;
        let back = net.world("a:1");
        // The pauses between its attempts have grown.
        sleep(30 * SECOND).await;
        assert_eq!(peers_of(&sender).len(), 4);
        calls(400).await;
        let after = back.counters().started;
        assert!((50..200).contains(&after), "{after}");
    }
}

/// A thread remembers which member has answered. A later Sender may be where an earlier one was in memory.
#[tokio::test(start_paused = true)]
async fn a_call_does_not_follow_the_answer_of_a_sender_that_is_gone() {
    let net = Net::default();
    let _world = net.world("a:1");
    for clients in [8, 2].repeat(20) {
        let sender = builder().endpoints(["a:1"]).clients(clients).minimum(clients);
        let sender = sender.connect_by(net.dialer()).await.expect("it is there");
        for _ in 0..20 {
            sender.send(echo("x")).await.expect("it is answered");
        }
    }
}
