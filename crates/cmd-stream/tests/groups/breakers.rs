//! A circuit breaker for each member.

use std::time::Duration;

use cmd_stream::circuit_breaker::{Settings, State};
use cmd_stream::client::{Keepalive, Limits};
use cmd_stream::{Error, ErrorKind, Origin};
use testkit::wait::within;
use tokio::time::{Instant, sleep};

use crate::lab::{echo, hold, quiet, text};
use crate::net::{First, Net, builder};
use crate::wire::{echo_frame, hold_frame, text_frame};
use crate::{SECOND, call, told, two};

const OPEN: Duration = Duration::from_secs(3);

fn settings() -> Settings {
    Settings::default().window(4).failure_rate(0.5).open_time(OPEN).successes(1)
}

/// Nobody is pinged.
fn quiet_builder() -> crate::net::Builder {
    builder().strategy(First).keepalive(Keepalive::OFF)
}

fn states<P: cmd_stream::protocol::Protocol, F>(sender: &cmd_stream::Sender<P, F>) -> Vec<Option<State>> {
    sender.group().members().map(|member| member.breaker()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_member_whose_calls_time_out_is_passed_over_until_a_trial_succeeds() {
    let (_net, sender, two) = two!(quiet_builder().breaker(settings()), 1 << 16);
    let [mut one, mut two] = two.peers;
    for seq in 1..=2 {
        assert_eq!(states(&sender), [Some(State::Closed); 2]);
        let error = within(sender.send(echo("a")).timeout(SECOND)).await.unwrap_err();
        assert_eq!(told(error), (ErrorKind::Timeout, Origin::Local, true));
        one.expect(&echo_frame(seq, "a")).await;
        if seq == 1 {
            one.send(&text_frame(seq, "late")).await;
        }
    }
    assert_eq!(states(&sender), [Some(State::Open), Some(State::Closed)]);
    for seq in 1..=3 {
        let call = call!(sender.send(echo("b")));
        two.expect(&echo_frame(seq, "b")).await;
        two.send(&text_frame(seq, "b")).await;
        within(call).await.unwrap().unwrap();
    }
    sleep(OPEN).await;
    assert_eq!(states(&sender), [Some(State::HalfOpen), Some(State::Closed)]);
    let trial = call!(sender.send(echo("trial")));
    one.expect(&echo_frame(3, "trial")).await;
    // One trial at a time.
    let call = call!(sender.send(echo("c")));
    two.expect(&echo_frame(4, "c")).await;
    two.send(&text_frame(4, "c")).await;
    within(call).await.unwrap().unwrap();
    one.send(&text_frame(3, "trial")).await;
    assert_eq!(within(trial).await.unwrap().unwrap(), text("trial"));
    assert_eq!(states(&sender), [Some(State::Closed); 2]);
    let call = call!(sender.send(echo("back")));
    one.expect(&echo_frame(4, "back")).await;
    one.send(&text_frame(4, "back")).await;
    within(call).await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn lost_connections_count_and_commands_that_move_do_not() {
    let (_net, sender, two) = two!(quiet_builder().breaker(settings()), 64);
    let ([mut one, mut two], [mut dials, _]) = (two.peers, two.dials);
    let blocked = call!(sender.send(echo(&"x".repeat(1000))));
    one.receive(10).await;
    let moved: Vec<_> = (0..5).map(|_| call!(sender.send(echo("b")))).collect();
    quiet().await;
    drop(one);
    within(blocked).await.unwrap().unwrap_err();
    for (seq, call) in (1..).zip(moved) {
        two.expect(&echo_frame(seq, "b")).await;
        two.send(&text_frame(seq, "b")).await;
        within(call).await.unwrap().unwrap();
    }
    assert_eq!(states(&sender), [Some(State::Closed); 2], "one failure is none too many");
    let mut one = dials.accept().await;
    quiet().await;
    let lost = call!(sender.send(echo("c")));
    one.receive(1).await;
    drop(one);
    within(lost).await.unwrap().unwrap_err();
    assert_eq!(states(&sender), [Some(State::Open), Some(State::Closed)]);
}

/// Both breakers are open. `wait` is [`Limits::connection_wait`].
async fn all_open(
    wait: Duration,
) -> (cmd_stream::Sender<crate::lab::Plain, cmd_stream::Json>, crate::net::Two) {
    let builder = quiet_builder().limits(Limits::default().connection_wait(wait)).breaker(settings());
    let (_net, sender, mut two) = two!(builder, 1 << 16);
    for member in 0..2 {
        for seq in 1..=2 {
            within(sender.send(echo("a")).timeout(SECOND / 100)).await.unwrap_err();
            two.peers[member].expect(&echo_frame(seq, "a")).await;
        }
    }
    assert_eq!(states(&sender), [Some(State::Open); 2]);
    (sender, two)
}

#[tokio::test(start_paused = true)]
async fn with_all_breakers_open_calls_are_refused() {
    let (sender, _two) = all_open(Duration::ZERO).await;
    let before = Instant::now();
    for _ in 0..3 {
        let error = Error::from(within(sender.send(echo("a"))).await.unwrap_err());
        assert_eq!(told(error.clone()), (ErrorKind::Refused, Origin::System, false));
        assert_eq!(
            format!("{error:#}"),
            "no member of the group takes the call: the circuit breaker is open"
        );
    }
    assert_eq!((before.elapsed(), sender.in_flight()), (Duration::ZERO, 0));
}

/// Each call waits for itself, since nothing was lost.
#[tokio::test(start_paused = true)]
async fn with_all_breakers_open_calls_wait_for_a_bounded_time() {
    let (sender, _two) = all_open(SECOND).await;
    for _ in 0..2 {
        let before = Instant::now();
        let error = within(sender.send(echo("a"))).await.unwrap_err();
        assert_eq!(told(error), (ErrorKind::Refused, Origin::System, false));
        assert!((SECOND..SECOND + SECOND / 100).contains(&before.elapsed()), "{:?}", before.elapsed());
    }
}

/// Those that wait are let through when the trials have succeeded, and one of them is the trial.
#[tokio::test(start_paused = true)]
async fn calls_that_wait_for_a_breaker_go_out_when_it_closes() {
    let (sender, two) = all_open(5 * SECOND).await;
    let [mut one, mut two] = two.peers;
    let calls: Vec<_> = (0..10).map(|n| call!(sender.send(hold(&n.to_string())))).collect();
    sleep(OPEN).await;
    let len = hold_frame(3, "0").len();
    let (first, second) = (one.receive(len).await, two.receive(len).await);
    quiet().await;
    assert_eq!(states(&sender), [Some(State::HalfOpen); 2]);
    assert_eq!(sender.in_flight(), 10);
    for (peer, bytes) in [(&mut one, first), (&mut two, second)] {
        let said = String::from_utf8(bytes).unwrap();
        let said = said.rsplit('"').nth(1).unwrap();
        peer.send(&text_frame(3, said)).await;
    }
    let answering = tokio::spawn(async move {
        for seq in 4..=11 {
            let bytes = one.receive(len).await;
            let said = String::from_utf8(bytes).unwrap();
            one.send(&text_frame(seq, said.rsplit('"').nth(1).unwrap())).await;
        }
        one
    });
    for (n, call) in calls.into_iter().enumerate() {
        assert_eq!(within(call).await.unwrap().unwrap(), text(&n.to_string()));
    }
    let _one = within(answering).await.unwrap();
    assert_eq!(states(&sender), [Some(State::Closed); 2]);
}

/// Of one member alone, which has a trial in flight.
#[tokio::test(start_paused = true)]
async fn a_trial_in_flight_lets_other_calls_wait() {
    let net = Net::default();
    let mut dials = net.server("a:1");
    let builder = quiet_builder().endpoints(["a:1"]).breaker(settings());
    let connecting = tokio::spawn(builder.connect_by(net.dialer()));
    let mut peer = dials.accept().await;
    let sender = within(connecting).await.unwrap().unwrap();
    for seq in 1..=2 {
        within(sender.send(echo("a")).timeout(SECOND)).await.unwrap_err();
        peer.expect(&echo_frame(seq, "a")).await;
    }
    sleep(OPEN).await;
    let trial = call!(sender.send(echo("trial")));
    peer.expect(&echo_frame(3, "trial")).await;
    let waits = call!(sender.send(echo("waits")));
    sleep(SECOND).await;
    assert!(!waits.is_finished());
    peer.send(&text_frame(3, "trial")).await;
    within(trial).await.unwrap().unwrap();
    peer.expect(&echo_frame(4, "waits")).await;
    peer.send(&text_frame(4, "waits")).await;
    assert_eq!(within(waits).await.unwrap().unwrap(), text("waits"));
}

/// A trial that is dropped is no outcome: the next call is the trial.
#[tokio::test(start_paused = true)]
async fn a_trial_that_is_dropped_gives_its_place_back() {
    let (sender, two) = all_open(5 * SECOND).await;
    let [mut one, mut two] = two.peers;
    sleep(OPEN).await;
    let trials: Vec<_> = (0..2).map(|_| call!(sender.send(echo("trial")))).collect();
    one.expect(&echo_frame(3, "trial")).await;
    two.expect(&echo_frame(3, "trial")).await;
    let waits = call!(sender.send(echo("waits")));
    quiet().await;
    for trial in trials {
        trial.abort();
    }
    one.expect(&echo_frame(4, "waits")).await;
    one.send(&text_frame(4, "waits")).await;
    within(waits).await.unwrap().unwrap();
    assert_eq!(states(&sender), [Some(State::Closed), Some(State::HalfOpen)]);
}
