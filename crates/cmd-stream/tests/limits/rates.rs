//! How many new connections a server lets in per second, and how many Commands of one connection.

use std::net::SocketAddr;
use std::time::Duration;

use crate::lab::{echo, quiet, text};
use crate::wire::{echo_frame, text_frame};
use crate::{TICK, TIME, WIDE, assert_took, call, greeted, served};
use cmd_stream::client::{Client, Keepalive};
use cmd_stream::server::{Cut, Limits, Rate, Served};
use cmd_stream::transport::Peer;
use cmd_stream::{ErrorKind, Json};
use testkit::peer::{BytePeer, GREETING};
use tokio::time::{Instant, sleep};

#[tokio::test(start_paused = true)]
async fn connections_up_to_the_rate_are_served_and_a_further_one_is_closed_without_a_greeting() {
    let (world, dialer) = served(Limits::default().connection_rate(Rate::per_second(2)));
    let mut peers = vec![greeted(&dialer, WIDE).await, greeted(&dialer, WIDE).await];
    BytePeer::over(dialer.dial(WIDE)).expect_end().await;
    let counters = world.counters();
    assert_eq!(
        (counters.accepted, counters.open, counters.over_connection_rate, counters.refused),
        (3, 2, 1, 0)
    );

    sleep(Duration::from_millis(500)).await;
    peers.push(greeted(&dialer, WIDE).await);
    BytePeer::over(dialer.dial(WIDE)).expect_end().await;
    assert_eq!((world.counters().open, world.counters().over_connection_rate), (3, 2));
    // Those that are served have not been affected.
    for peer in &mut peers {
        peer.send(&echo_frame(1, "a")).await;
        peer.expect(&text_frame(1, "a")).await;
    }
}

#[tokio::test(start_paused = true)]
async fn one_address_over_its_rate_is_refused_and_others_are_not() {
    let (world, dialer) = served(Limits::default().address_rate(Rate::new(2, TIME)));
    let from = |ip: &str, port| Peer::from(SocketAddr::new(ip.parse().expect("an address"), port));
    let mut served = Vec::new();
    for (ip, port) in
        [("10.0.0.1", 1), ("10.0.0.1", 2), ("10.0.0.2", 1), ("2001:db8::1", 1), ("2001:db8::2", 1)]
    {
        let mut peer = BytePeer::over(dialer.dial_as(WIDE, from(ip, port)));
        peer.expect(GREETING).await;
        served.push(peer);
    }
    for ip in ["10.0.0.1", "2001:db8::3"] {
        BytePeer::over(dialer.dial_as(WIDE, from(ip, 3))).expect_end().await;
    }
    let counters = world.counters();
    assert_eq!((counters.open, counters.over_address_rate, counters.untracked_addresses), (5, 2, 0));
    // Peers without an address have no such rate.
    for _ in 0..3 {
        served.push(greeted(&dialer, WIDE).await);
    }
    sleep(TIME / 2).await;
    BytePeer::over(dialer.dial_as(WIDE, from("10.0.0.1", 4))).expect(GREETING).await;
}

/// The times at which these frames arrived, in milliseconds.
async fn arrivals<IO>(peer: &mut BytePeer<IO>, since: Instant, frames: &[Vec<u8>]) -> Vec<u128>
where
    IO: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let mut times = Vec::new();
    for frame in frames {
        peer.expect(frame).await;
        times.push(since.elapsed().as_millis());
    }
    times
}

#[tokio::test(start_paused = true)]
async fn commands_over_the_rate_wait_and_none_is_lost() {
    let (world, dialer) = served(Limits::default().command_rate(Rate::per_second(10).burst(3)));
    let mut peer = greeted(&dialer, WIDE).await;
    let mut other = greeted(&dialer, WIDE).await;
    let since = Instant::now();
    let commands: Vec<_> = (1..=5).flat_map(|seq| echo_frame(seq, "a")).chain([0]).collect();
    peer.send(&commands).await;
    let mut answers: Vec<_> = (1..=5).map(|seq| text_frame(seq, "a")).collect();
    answers.push(vec![0]);
    let times = arrivals(&mut peer, since, &answers).await;
    // A ping takes no room, but it waits like what follows a Command.
    for (time, expected) in times.iter().zip([0, 0, 0, 100, 200, 300]) {
        assert!((expected..=expected + 3).contains(time), "{times:?}");
    }
    let counters = world.counters();
    assert_eq!((counters.started, counters.pings, counters.rate_pauses), (5, 1, 3));
    // The rate is that of one connection.
    other.send(&echo_frame(1, "b")).await;
    other.expect(&text_frame(1, "b")).await;
    assert_eq!(world.counters().rate_pauses, 3);
}

#[tokio::test(start_paused = true)]
async fn commands_within_the_rate_never_wait() {
    let (world, dialer) = served(Limits::default().command_rate(Rate::per_second(10).burst(1)));
    let mut peer = greeted(&dialer, WIDE).await;
    for seq in 1..=20 {
        let since = Instant::now();
        peer.send(&echo_frame(seq, "a")).await;
        peer.expect(&text_frame(seq, "a")).await;
        assert_took(since, Duration::ZERO);
        sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(world.counters().rate_pauses, 0);
}

/// What a batch of Commands in flight needs of the clock is bounded by its resolution: the rate is held all the same.
#[tokio::test(start_paused = true)]
async fn a_high_rate_is_held_over_a_second() {
    let (world, dialer) = served(Limits::default().command_rate(Rate::per_second(5000).burst(50)));
    let mut peer = greeted(&dialer, 1 << 20).await;
    let since = Instant::now();
    let commands: Vec<_> = (1..=5050).flat_map(|seq| echo_frame(seq, "a")).collect();
    peer.send(&commands).await;
    let answers: usize = (1..=5050).map(|seq| text_frame(seq, "a").len()).sum();
    peer.receive(answers).await;
    let took = since.elapsed();
    assert!((Duration::from_millis(995)..Duration::from_millis(1010)).contains(&took), "{took:?}");
    assert_eq!(world.counters().started, 5050);
}

#[tokio::test(start_paused = true)]
async fn time_in_which_the_rate_keeps_it_from_being_read_is_not_the_clients() {
    let limits = Limits::default().command_rate(Rate::new(1, 3 * TIME)).frame_time(TIME).idle(TIME);
    let (world, dialer) = served(limits);
    let mut peer = greeted(&dialer, WIDE).await;
    let since = Instant::now();
    let whole = echo_frame(2, "b");
    peer.send(&[&echo_frame(1, "a"), &whole[..4]].concat()).await;
    peer.expect(&text_frame(1, "a")).await;
    sleep(4 * TIME - 5 * TICK - since.elapsed()).await;
    peer.send(&whole[4..]).await;
    peer.expect(&text_frame(2, "b")).await;
    assert_eq!(world.counters().receive_timeouts, 0);
    // From there on it is its time again.
    let error = world.lost().await.reason;
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
}

#[tokio::test(start_paused = true)]
async fn shutdown_answers_the_commands_that_wait_for_the_rate() {
    let (world, dialer) = served(Limits::default().command_rate(Rate::per_second(1)));
    let mut peer = greeted(&dialer, WIDE).await;
    peer.send(&[echo_frame(1, "a"), echo_frame(2, "b"), echo_frame(3, "c")].concat()).await;
    quiet().await;
    world.handle.shutdown();
    peer.expect(&[text_frame(1, "a"), text_frame(2, "b"), text_frame(3, "c")].concat()).await;
    peer.expect_end().await;
    drop(peer);
    assert_eq!(world.served().await, Served::Shutdown(Cut::default()));
}

#[tokio::test(start_paused = true)]
async fn full_limit_at_the_end_of_a_pause_is_waited_for() {
    let limits = Limits::default().command_rate(Rate::per_second(10).burst(1)).in_flight(1);
    let (world, dialer) = served(limits);
    let mut peer = greeted(&dialer, WIDE).await;
    let commands = [crate::wire::hold_frame(1, "a"), echo_frame(2, "b")].concat();
    peer.send(&commands).await;
    sleep(TIME).await;
    assert_eq!(world.counters().started, 1);
    world.lab.open_gate(1);
    peer.expect(&[text_frame(1, "a"), text_frame(2, "b")].concat()).await;
}

#[tokio::test(start_paused = true)]
async fn client_over_its_rate_loses_nothing_if_its_keepalive_is_patient() {
    for (patience, survives) in [(2 * TIME, true), (TIME / 5, false)] {
        let (world, dialer) = served(Limits::default().command_rate(Rate::new(1, TIME)));
        let keepalive = Keepalive::default().idle(TICK * 100).timeout(patience);
        let builder = Client::builder(crate::lab::Plain, Json).keepalive(keepalive).reconnect(false);
        let client = builder.over(dialer.dial(WIDE), crate::pipes::peer()).await.expect("it is served");
        let calls = [call!(client.send(echo("a"))), call!(client.send(echo("b")))];
        let [first, second] = calls;
        assert_eq!(first.await.unwrap().unwrap(), text("a"));
        assert_eq!(second.await.unwrap().is_ok(), survives);
        assert_eq!(client.counters().keepalive_lost, u64::from(!survives));
        drop(world);
    }
}
