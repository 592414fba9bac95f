//! `Duration::MAX` means never, in every limit of both sides.

use std::time::Duration;

use crate::lab::{Count, Plain, World, echo, hold, quiet, text};
use crate::time::Slow;
use crate::wire::{echo_frame, frame, number_frame, tag, text_frame};
use crate::{NARROW, WIDE, call, greeted, pipes, served};
use cmd_stream::client::{Backoff, Client, Keepalive};
use cmd_stream::server::{Cut, Limits, Rate, Served};
use cmd_stream::transport::memory;
use cmd_stream::{Json, client};
use testkit::peer::{BytePeer, GREETING};
use tokio::io::{DuplexStream, duplex};
use tokio::time::{Instant, sleep, timeout};

const NEVER: Duration = Duration::MAX;
/// Longer than any limit, and shorter than for ever.
const LONG: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

async fn answers(peer: &mut BytePeer<DuplexStream>, seq: i64) {
    peer.send(&echo_frame(seq, "a")).await;
    peer.expect(&text_frame(seq, "a")).await;
}

#[tokio::test(start_paused = true)]
async fn server_waits_for_the_rest_of_a_command() {
    let (_world, dialer) = served(Limits::default().frame_time(NEVER));
    let mut peer = greeted(&dialer, WIDE).await;
    let whole = echo_frame(1, "a");
    peer.send(&whole[..4]).await;
    sleep(LONG).await;
    peer.send(&whole[4..]).await;
    peer.expect(&text_frame(1, "a")).await;
}

#[tokio::test(start_paused = true)]
async fn server_waits_until_its_output_is_taken() {
    let (_world, dialer) = served(Limits::default().output_stall(NEVER));
    let mut peer = greeted(&dialer, NARROW).await;
    peer.send(&frame(1, tag::COUNT, r#"{"to":50}"#)).await;
    sleep(LONG).await;
    for n in 1..=50 {
        peer.expect(&number_frame(1, n, n == 50)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn server_waits_for_the_next_command() {
    let (_world, dialer) = served(Limits::default().idle(NEVER).first_frame(NEVER));
    let mut peer = greeted(&dialer, WIDE).await;
    sleep(LONG).await;
    answers(&mut peer, 1).await;
}

#[tokio::test(start_paused = true)]
async fn server_waits_until_its_info_is_taken() {
    let (_world, dialer) = served(Limits::default().handshake(NEVER));
    let mut peer = BytePeer::over(dialer.dial(GREETING.len() - 1));
    sleep(LONG).await;
    peer.expect(GREETING).await;
    peer.send_bytewise(&echo_frame(1, "a")).await;
    peer.expect(&text_frame(1, "a")).await;
}

#[tokio::test(start_paused = true)]
async fn connection_waits_for_a_place() {
    let (_world, dialer) = served(Limits::default().connections(1).waiting(1, NEVER));
    let first = greeted(&dialer, WIDE).await;
    let mut second = BytePeer::over(dialer.dial(WIDE));
    sleep(LONG).await;
    drop(first);
    second.expect(GREETING).await;
    answers(&mut second, 1).await;
}

#[tokio::test(start_paused = true)]
async fn shutdown_waits_for_commands() {
    let (connector, listener) = memory::pair();
    let world = World::over(listener, Limits::default().drain(NEVER));
    let client = Client::builder(Plain, Json).reconnect(false).keepalive(Keepalive::OFF);
    let client = client.connect_by(connector).await.unwrap();
    let call = call!(client.send(hold("a")));
    world.lab.until(|seen| seen.running == 1).await;
    world.handle.shutdown();
    sleep(LONG).await;
    world.lab.open_gate(1);
    assert_eq!(call.await.unwrap().unwrap(), text("a"));
    assert_eq!(world.served().await, Served::Shutdown(Cut::default()));
}

#[tokio::test(start_paused = true)]
async fn server_that_never_sheds_and_one_with_a_rate_of_never() {
    let (_world, dialer) = served(Limits::default().shed_after(NEVER));
    answers(&mut greeted(&dialer, WIDE).await, 1).await;

    let rate = Rate::new(3, NEVER);
    let (world, dialer) = served(Limits::default().command_rate(rate));
    let mut peer = greeted(&dialer, WIDE).await;
    for seq in 1..=3 {
        answers(&mut peer, seq).await;
    }
    peer.send(&echo_frame(4, "a")).await;
    sleep(LONG).await;
    assert_eq!(world.counters().started, 3);

    let (world, dialer) = served(Limits::default().connection_rate(rate).address_rate(rate));
    let mut peers = [dialer.dial(WIDE), dialer.dial(WIDE), dialer.dial(WIDE)].map(BytePeer::over);
    for peer in &mut peers {
        peer.expect(GREETING).await;
    }
    sleep(LONG).await;
    BytePeer::over(dialer.dial(WIDE)).expect_end().await;
    assert_eq!(world.counters().over_connection_rate, 1);
}

/// A client without a keepalive, and its server.
async fn connected(limits: client::Limits, width: usize) -> (Client<Plain, Json>, BytePeer<DuplexStream>) {
    let (ours, theirs) = duplex(width);
    let mut peer = BytePeer::over(theirs);
    let client = Client::builder(Plain, Json).limits(limits).keepalive(Keepalive::OFF);
    let (client, ()) = tokio::join!(client.over(ours, pipes::peer()), peer.send(GREETING));
    (client.unwrap(), peer)
}

#[tokio::test(start_paused = true)]
async fn client_waits_for_the_rest_of_a_reply() {
    let (client, mut peer) = connected(client::Limits::default().frame_time(NEVER), WIDE).await;
    let call = call!(client.send(echo("a")));
    peer.expect(&echo_frame(1, "a")).await;
    let whole = text_frame(1, "a");
    peer.send(&whole[..3]).await;
    sleep(LONG).await;
    peer.send(&whole[3..]).await;
    assert_eq!(call.await.unwrap().unwrap(), text("a"));
}

#[tokio::test(start_paused = true)]
async fn client_waits_until_its_output_is_taken() {
    let (client, mut peer) = connected(client::Limits::default().output_stall(NEVER), NARROW).await;
    let large = "x".repeat(10 * NARROW);
    let command = echo(&large);
    let call = call!(client.send(command));
    sleep(LONG).await;
    peer.expect(&echo_frame(1, &large)).await;
    peer.send(&text_frame(1, "a")).await;
    assert_eq!(call.await.unwrap().unwrap(), text("a"));
}

#[tokio::test(start_paused = true)]
async fn client_waits_for_its_transport_and_for_the_greeting() {
    let limits = client::Limits::default().connect(NEVER);
    Client::builder(Plain, Json).limits(limits).connect_by(Slow(Some(LONG))).await.unwrap();

    let (ours, theirs) = duplex(WIDE);
    let mut peer = BytePeer::over(theirs);
    let client = Client::builder(Plain, Json).limits(client::Limits::default().handshake(NEVER));
    let greet = async {
        sleep(LONG).await;
        peer.send(GREETING).await;
    };
    tokio::join!(client.over(ours, pipes::peer()), greet).0.unwrap();
}

#[tokio::test(start_paused = true)]
async fn calls_of_a_client_wait_for_a_connection() {
    let (connector, listener) = memory::pair();
    let world = World::over(listener, Limits::default());
    let client = Client::builder(Plain, Json)
        .limits(client::Limits::default().connection_wait(NEVER))
        .backoff(Backoff::default().first(LONG / 10).longest(NEVER))
        .keepalive(Keepalive::OFF);
    let client = client.connect_by(connector).await.unwrap();
    world.handle.close();
    world.served().await;
    quiet().await;
    let call = call!(client.send(echo("a")));
    sleep(LONG).await;
    assert!(!call.is_finished());
    client.close();
    call.await.unwrap().unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn client_with_a_backoff_of_never_makes_no_further_attempt() {
    let (connector, listener) = memory::pair();
    let world = World::over(listener, Limits::default());
    let client = Client::builder(Plain, Json)
        .backoff(Backoff::default().first(NEVER).longest(NEVER).healthy_after(NEVER))
        .keepalive(Keepalive::OFF);
    let client = client.connect_by(connector).await.unwrap();
    world.handle.close();
    world.served().await;
    quiet().await;
    let since = Instant::now();
    let connecting = async {
        let mut links = client.links();
        while links.changed().await.is_some() {
            if matches!(links.current(), client::Link::Connecting) {
                return;
            }
        }
    };
    // A sixteenth of it is the shortest: "full jitter".
    assert!(timeout(Duration::from_secs(365 * 24 * 60 * 60), connecting).await.is_err(), "{since:?}");
}

/// A client that is answered after a long time. Returns how often it has connected.
async fn connections_in_a_long_time(max_age: Duration) -> u64 {
    let (connector, listener) = memory::pair();
    let world = World::over(listener, Limits::default());
    let client = Client::builder(Plain, Json)
        .limits(client::Limits::default().drain(NEVER))
        .max_age(max_age)
        .timeout(NEVER)
        .keepalive(Keepalive::default().idle(NEVER).timeout(NEVER));
    let client = client.connect_by(connector).await.unwrap();
    let call = call!(client.send(hold("a")));
    world.lab.until(|seen| seen.running == 1).await;
    sleep(LONG).await;
    assert_eq!(client.counters().connected, 1);
    world.lab.open_gate(1);
    assert_eq!(call.await.unwrap().unwrap(), text("a"));
    client.connected().await.unwrap();
    quiet().await;
    client.counters().connected
}

#[tokio::test(start_paused = true)]
async fn connection_is_never_too_old_and_one_that_is_waits_for_its_replies() {
    assert_eq!(connections_in_a_long_time(NEVER).await, 1);
    assert_eq!(connections_in_a_long_time(LONG / 2).await, 2);
}

#[tokio::test(start_paused = true)]
async fn calls_and_streams_without_an_end() {
    let (connector, listener) = memory::pair();
    let world = World::over(listener, Limits::default());
    let client = Client::builder(Plain, Json).keepalive(Keepalive::OFF).timeout(Duration::from_secs(1));
    let client = client.connect_by(connector).await.unwrap();
    let call = {
        let client = client.clone();
        tokio::spawn(async move { client.send(hold("a")).timeout(NEVER).await })
    };
    let stream = client.stream(Count { to: 2 });
    let stream = stream.timeout(NEVER).first_reply_timeout(NEVER).next_reply_timeout(NEVER);
    let mut stream = stream.await.unwrap();
    sleep(LONG).await;
    world.lab.open_gate(1);
    assert_eq!(call.await.unwrap().unwrap(), text("a"));
    for value in [1, 2] {
        assert_eq!(stream.next().await.unwrap().unwrap().value, value);
    }
}
