//! Keepalive: pings on a connection that is idle in one direction, and the end of one whose server says nothing.

use std::time::Duration;

use cmd_stream::client::{Keepalive, Limits, Overflow};
use cmd_stream::transport::memory;
use cmd_stream::{Answer, Client, Context, ErrorKind, Failed, Json, Origin, Server, protocol, server};
use serde::{Deserialize, Serialize};
use testkit::wait::within;
use tokio::time::{Instant, sleep};

use crate::dials::{builder, connected, connected_by};
use crate::lab::{Count, echo, text};
use crate::wire::{echo_frame, number_frame, text_frame};
use crate::{call, quiet, told};

const SECOND: Duration = Duration::from_secs(1);
const PING: &[u8] = &[0];
const PONG: &[u8] = &[0];

/// Whether it is this instant, give or take what `quiet` takes.
fn about(since: Instant, expected: Duration) -> bool {
    since.elapsed().abs_diff(expected) < SECOND / 20
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_pinged_every_ten_seconds() {
    let (client, _dials, mut peer) = connected(builder()).await;
    let mut began = Instant::now();
    for _ in 0..10 {
        peer.expect(PING).await;
        assert!(about(began, 10 * SECOND), "{:?}", began.elapsed());
        sleep(SECOND).await;
        peer.send(PONG).await;
        began = Instant::now() - SECOND; // the ping was sent a second ago
    }
    assert_eq!((client.counters().pings, client.counters().lost), (10, 0));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_answers_no_ping_is_dead_ten_seconds_later() {
    let (client, mut dials, mut peer) = connected(builder()).await;
    let call = call!(client.send(echo("a")));
    peer.expect(&echo_frame(1, "a")).await;
    let began = Instant::now();
    let error = call.await.unwrap().unwrap_err();
    assert!(about(began, 20 * SECOND), "{:?}", began.elapsed());
    assert_eq!(told(error), (ErrorKind::Timeout, Origin::Remote, true));
    peer.expect(PING).await;
    let counters = client.counters();
    assert_eq!((counters.keepalive_lost, counters.lost, counters.timed_out), (1, 1, 0));

    let next = call!(client.send(echo("b")));
    let mut peer = dials.accept().await;
    peer.expect(&echo_frame(2, "b")).await;
    peer.send(&text_frame(2, "b")).await;
    assert_eq!(within(next).await.unwrap().unwrap(), text("b"));
}

/// The first byte of a long Reply will do, also if the ping was never answered.
#[tokio::test(start_paused = true)]
async fn any_byte_is_a_sign_of_life() {
    let limits = Limits::default().frame_time(1000 * SECOND);
    let (client, _dials, mut peer) = connected(builder().limits(limits)).await;
    let call = call!(client.send(echo("a")));
    peer.expect(&echo_frame(1, "a")).await;
    let reply = text_frame(1, "slow");
    for byte in reply.chunks(1) {
        sleep(9 * SECOND).await;
        peer.send(byte).await;
    }
    assert_eq!(within(call).await.unwrap().unwrap(), text("slow"));
    assert_eq!(client.counters().lost, 0);
}

/// A server may count only what it receives: it is pinged though its Replies keep coming.
#[tokio::test(start_paused = true)]
async fn a_client_that_only_receives_pings_all_the_same() {
    let (client, _dials, mut peer) = connected(builder()).await;
    let mut numbers = client.stream(Count { to: 1000 }).await.unwrap();
    quiet().await;
    for value in 0..25 {
        sleep(SECOND).await;
        peer.send(&number_frame(1, value, false)).await;
        numbers.next().await.unwrap().unwrap();
    }
    assert_eq!(client.counters().pings, 2, "after 10 s and after 20 s");
}

/// What is sent all the time says nothing about the other end.
#[tokio::test(start_paused = true)]
async fn a_client_that_only_sends_notices_a_dead_server() {
    let (client, mut dials, mut peer) = connected(builder()).await;
    let sending = tokio::spawn({
        let client = client.clone();
        async move {
            loop {
                let _ = tokio::time::timeout(SECOND, client.send(echo("a"))).await;
            }
        }
    });
    let began = Instant::now();
    let reading = tokio::spawn(async move { peer.rest().await });
    let attempt = dials.attempt().await;
    assert!(began.elapsed() <= 21 * SECOND, "{:?}", began.elapsed());
    assert_eq!(client.counters().keepalive_lost, 1);
    sending.abort();
    drop(attempt);
    reading.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_default_times_of_go_are_accepted() {
    let keepalive = Keepalive::default().idle(3 * SECOND).timeout(SECOND);
    assert_eq!((keepalive.get_idle(), keepalive.get_timeout()), (3 * SECOND, SECOND));
    let (client, _dials, mut peer) = connected(builder().keepalive(keepalive)).await;
    for _ in 0..5 {
        let began = Instant::now();
        peer.expect(PING).await;
        assert!(about(began, 3 * SECOND), "{:?}", began.elapsed());
        peer.send(PONG).await;
        // A plain Command after a ping is bound by nothing.
        let call = call!(client.send(echo("a")));
        quiet().await;
        assert!(!call.is_finished());
        call.abort();
        let seq = client.counters().pings as i64;
        peer.expect(&echo_frame(seq, "a")).await;
        peer.send(&text_frame(seq, "late")).await;
    }
    let began = Instant::now();
    peer.expect(PING).await;
    while client.counters().lost == 0 {
        sleep(SECOND / 100).await;
    }
    assert!(about(began, 4 * SECOND), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn without_keepalive_silence_may_last() {
    let (client, _dials, mut peer) = connected(builder().keepalive(Keepalive::OFF)).await;
    sleep(Duration::from_secs(86_400)).await;
    assert_eq!((client.counters().pings, client.counters().lost), (0, 0));
    let call = call!(client.send(echo("a")));
    peer.expect(&echo_frame(1, "a")).await;
    peer.send(&text_frame(1, "a")).await;
    assert_eq!(within(call).await.unwrap().unwrap(), text("a"));
}

/// A full stream pauses the connection: what is not read cannot be a sign of life.
#[tokio::test(start_paused = true)]
async fn a_paused_connection_is_pinged_and_not_given_up() {
    let limits = Limits::default().stream_replies(1, Overflow::Pause);
    let (client, _dials, mut peer) = connected(builder().limits(limits)).await;
    let mut numbers = client.stream(Count { to: 3 }).await.unwrap();
    quiet().await;
    peer.send(&[number_frame(1, 1, false), number_frame(1, 2, false)].concat()).await;
    sleep(300 * SECOND).await;
    let counters = client.counters();
    assert_eq!(counters.lost, 0);
    assert!((29..=30).contains(&counters.pings), "{counters:?}");
    // It counts from when it reads again.
    numbers.next().await.unwrap().unwrap();
    numbers.next().await.unwrap().unwrap();
    sleep(19 * SECOND).await;
    assert_eq!(client.counters().lost, 0);
    sleep(2 * SECOND).await;
    assert_eq!(client.counters().keepalive_lost, 1);
}

/// A ping behind output that is not taken: the server is as dead as if it had got it.
#[tokio::test(start_paused = true)]
async fn a_server_that_takes_nothing_and_says_nothing_is_dead_before_the_stall() {
    let (client, _dials, mut peer) = connected_by(builder(), 64).await;
    let large = "x".repeat(100_000);
    let call = call!(client.send(echo(&large)));
    peer.receive(10).await;
    let began = Instant::now();
    let error = call.await.unwrap().unwrap_err();
    assert!(about(began, 20 * SECOND), "{:?}", began.elapsed());
    assert_eq!(told(error), (ErrorKind::Timeout, Origin::Remote, true));
    assert_eq!(client.counters().keepalive_lost, 1);
}

/// A large Command on a slow link: the ping behind it cannot be answered yet, but the server takes bytes.
#[tokio::test(start_paused = true)]
async fn a_slow_upload_is_not_a_dead_server() {
    let keepalive = Keepalive::default().idle(3 * SECOND).timeout(SECOND);
    let (client, _dials, mut peer) = connected_by(builder().keepalive(keepalive), 10_000).await;
    let large = "x".repeat(1_000_000);
    let call = call!(client.send(echo(&large)));
    let frame = echo_frame(1, &"x".repeat(1_000_000));
    let mut left = frame.len();
    while left > 0 {
        sleep(SECOND / 2).await;
        let piece = left.min(20_000); // so it takes 25 s
        peer.receive(piece).await;
        left -= piece;
    }
    peer.expect(PING).await;
    peer.send(&text_frame(1, "done")).await;
    assert_eq!(within(call).await.unwrap().unwrap(), text("done"));
    assert_eq!(client.counters().lost, 0);
    // It is dead as soon as it takes and says nothing.
    let began = Instant::now();
    while client.counters().lost == 0 {
        sleep(SECOND / 100).await;
    }
    // It has taken bytes for the last time half a second before.
    assert!(about(began, 7 * SECOND / 2), "{:?}", began.elapsed());
}

/// A service whose one-way Commands never end.
struct Desk;

#[derive(Serialize, Deserialize)]
struct Note(u32);

#[derive(Serialize, Deserialize)]
struct Ask;

#[derive(Serialize, Deserialize)]
struct Told;

impl Answer<Desk> for Note {
    async fn answer(self, _: &Desk, _: &Context<'_>) -> Result<(), Failed> {
        std::future::pending().await
    }
}

impl Answer<Desk> for Ask {
    async fn answer(self, _: &Desk, _: &Context<'_>) -> Result<Told, Failed> {
        Ok(Told)
    }
}

protocol! {
    struct Notes {
        commands { 0 => Note -> (), 1 => Ask -> Told }
        replies { 0 => Told }
        failure close_connection
    }
}

/// One-way Commands are not counted, because nothing says when they are done. They can fill a server, which then reads
/// nothing more, and so no ping.
#[tokio::test(start_paused = true)]
async fn one_way_commands_that_fill_a_server_cost_the_connection() {
    let (connector, listener) = memory::pair();
    let server = Server::builder(Notes, Json, Desk).limits(server::Limits::default().in_flight(8));
    let server = server.listen(listener).unwrap();
    tokio::spawn(server.serve());
    let client = within(Client::builder(Notes, Json).connect_by(connector)).await.unwrap();
    for n in 0..7 {
        within(client.post(Note(n))).await.unwrap();
    }
    sleep(60 * SECOND).await;
    assert_eq!(client.counters().lost, 0, "below its limit it reads");
    within(client.post(Note(7))).await.unwrap();
    let began = Instant::now();
    let error = client.send(Ask).await.map(|Told| ()).unwrap_err();
    assert_eq!(told(error), (ErrorKind::Timeout, Origin::Remote, true));
    assert!(began.elapsed() <= 20 * SECOND + SECOND / 20, "{:?}", began.elapsed());
    assert_eq!((client.counters().keepalive_lost, client.counters().lost), (1, 1));
    // The next connection has room again.
    let Told = within(client.send(Ask)).await.unwrap();
}
