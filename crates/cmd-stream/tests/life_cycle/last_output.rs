//! Whatever ends a connection, what its task has taken to write still goes out whole, as far as the peer takes it within a
//! second.

use std::time::Duration;

use crate::assert_error;
use crate::lab::{Plain, World, echo, hold, quiet};
use crate::pipes::{Dialer, peer, pipes};
use crate::wire::{echo_frame, frame, hold_frame, text_frame};
use cmd_stream::client::{Client, Keepalive};
use cmd_stream::server::{Cut, Limits, Served};
use cmd_stream::{Error, ErrorKind, Json, Origin};
use testkit::peer::{BytePeer, GREETING};
use testkit::wait::{until, within};
use tokio::io::{DuplexStream, duplex};
use tokio::time::{Instant, sleep};

const SECOND: Duration = Duration::from_secs(1);

/// Bytes of the long texts, and how many bytes a connection holds.
const LONG: usize = 100_000;
const WIDTH: usize = 1000;

/// A client that has sent a Command, has begun to read its long Reply, and then stops.
async fn in_mid_reply(dialer: &Dialer) -> (BytePeer<DuplexStream>, Vec<u8>) {
    let text = "x".repeat(LONG);
    let mut peer = BytePeer::over(dialer.dial(WIDTH));
    peer.expect(GREETING).await;
    peer.send(&echo_frame(1, &text)).await;
    let reply = text_frame(1, &text);
    peer.expect(&reply[..10]).await;
    quiet().await;
    (peer, reply[10..].to_vec())
}

fn world(limits: Limits) -> (World, Dialer) {
    let (dialer, listener) = pipes();
    (World::over(listener, limits), dialer)
}

#[tokio::test(start_paused = true)]
async fn close_does_not_cut_the_reply_that_is_being_written() {
    let (world, dialer) = world(Limits::default());
    let (mut peer, rest) = in_mid_reply(&dialer).await;
    // This one is not being written yet.
    peer.send(&echo_frame(2, "b")).await;
    quiet().await;
    let (since, handle) = (Instant::now(), world.handle.clone());
    handle.close();
    let lost = world.lost().await;
    assert_error(&lost.reason, ErrorKind::Closed, Origin::Local, "the server was closed");
    assert_eq!(since.elapsed(), Duration::ZERO, "it is lost before its last bytes are written");
    assert!(matches!(world.served().await, Served::Closed(cut) if (cut.connections, cut.commands) == (1, 0)));
    assert!(since.elapsed() <= SECOND / 10, "{:?}", since.elapsed());
    assert_eq!(
        (handle.counters().open, handle.counters().leaving),
        (0, 1),
        "it keeps its place until it is gone"
    );
    peer.expect(&rest).await;
    peer.expect_end().await;
    drop(peer);
    until(|| handle.counters().leaving == 0).await;
    assert_eq!(handle.counters().bytes_sent, (rest.len() + 10) as u64);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_drain_does_not_cut_it() {
    let (world, dialer) = world(Limits::default().drain(5 * SECOND));
    let (mut peer, rest) = in_mid_reply(&dialer).await;
    peer.send(&hold_frame(2, "b")).await;
    world.lab.until(|seen| seen.running == 1).await;
    let since = Instant::now();
    world.handle.shutdown();
    let lost = world.lost().await;
    assert_error(&lost.reason, ErrorKind::Closed, Origin::Local, "the server ended");
    assert!(
        matches!(world.served().await, Served::Shutdown(cut) if (cut.connections, cut.commands) == (1, 1))
    );
    assert!(since.elapsed() <= 5 * SECOND + SECOND / 9, "{:?}", since.elapsed());
    peer.expect(&rest).await;
    peer.expect_end().await;
}

#[tokio::test(start_paused = true)]
async fn a_serve_that_is_dropped_does_not_cut_it() {
    let (world, dialer) = world(Limits::default());
    let (mut peer, rest) = in_mid_reply(&dialer).await;
    world.serving.abort();
    let lost = world.lost().await;
    assert_error(&lost.reason, ErrorKind::Closed, Origin::Local, "the server ended");
    peer.expect(&rest).await;
    peer.expect_end().await;
}

#[tokio::test(start_paused = true)]
async fn a_limit_does_not_cut_it() {
    let limits = Limits::default();
    let part = &echo_frame(2, "b")[..5];
    for (limits, sends) in [
        (limits.clone().frame_time(5 * SECOND), part),
        (limits.clone().idle(5 * SECOND), b""),
        (limits.output_stall(5 * SECOND), b""),
    ] {
        let (world, dialer) = world(limits);
        let (mut peer, rest) = in_mid_reply(&dialer).await;
        peer.send(sends).await;
        let lost = world.lost().await;
        assert_eq!(lost.reason.kind(), ErrorKind::Timeout, "{}", lost.reason);
        peer.expect(&rest).await;
        peer.expect_end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_done_sending_gets_it_whole_after_its_time() {
    let (world, dialer) = world(Limits::default().half_closed(5 * SECOND));
    let (mut peer, rest) = in_mid_reply(&dialer).await;
    peer.finish().await;
    let lost = world.lost().await;
    assert_error(&lost.reason, ErrorKind::Closed, Origin::Remote, "the client closed");
    peer.expect(&rest).await;
    peer.expect_end().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_sends_before_it_reads_gets_it_whole() {
    let (world, dialer) = world(Limits::default());
    let (mut peer, rest) = in_mid_reply(&dialer).await;
    world.handle.close();
    world.lost().await;
    // Nothing of it is executed, but it is taken from the client.
    peer.send(&echo_frame(2, &"y".repeat(LONG))).await;
    peer.expect(&rest).await;
    peer.expect_end().await;
    assert_eq!(world.counters().started, 1);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_keeps_its_place_for_a_second() {
    let (world, dialer) = world(Limits::default());
    let (mut peer, rest) = in_mid_reply(&dialer).await;
    let (since, handle) = (Instant::now(), world.handle.clone());
    handle.close();
    world.served().await;
    until(|| handle.counters().leaving == 0).await;
    assert!((SECOND..SECOND + SECOND / 10).contains(&since.elapsed()), "{:?}", since.elapsed());
    let got = peer.rest().await;
    assert!(got.len() < rest.len() && rest.starts_with(&got), "{} bytes", got.len());
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_only_leaving_is_not_cut() {
    let (world, dialer) = world(Limits::default().drain(SECOND / 10));
    let mut peer = BytePeer::over(dialer.dial(WIDTH));
    peer.expect(GREETING).await;
    peer.send(&frame(1, 60, "{}")).await;
    assert_eq!(world.lost().await.reason.kind(), ErrorKind::UnknownTag);
    assert_eq!(world.counters().leaving, 1);
    world.handle.shutdown();
    assert_eq!(world.served().await, Served::Shutdown(Cut::default()));
}

#[tokio::test(start_paused = true)]
async fn thousands_that_take_nothing_end_together() {
    const CONNECTIONS: usize = 10_000;
    let (world, dialer) = world(Limits::default().connections(CONNECTIONS));
    let (text, mut peers) = ("x".repeat(2 * WIDTH), Vec::new());
    for _ in 0..CONNECTIONS {
        let mut peer = BytePeer::over(dialer.dial(WIDTH));
        peer.expect(GREETING).await;
        peer.send(&echo_frame(1, &text)).await;
        peers.push(peer);
    }
    until(|| world.counters().started == CONNECTIONS as u64).await;
    quiet().await;
    let (since, handle) = (Instant::now(), world.handle.clone());
    handle.close();
    let Served::Closed(cut) = world.served().await else { panic!("it was closed") };
    assert_eq!(cut.connections, CONNECTIONS);
    assert!(since.elapsed() <= SECOND / 5, "{:?}", since.elapsed());
    until(|| handle.counters().leaving == 0).await;
    assert!(since.elapsed() <= SECOND + SECOND / 5, "{:?}", since.elapsed());
}

/// A client, and its server, which has read the first bytes of a long Command.
async fn in_mid_command() -> (Client<Plain, Json>, BytePeer<DuplexStream>, Vec<u8>) {
    let (ours, theirs) = duplex(WIDTH);
    let mut server = BytePeer::over(theirs);
    server.send(GREETING).await;
    let settings = Client::builder(Plain, Json).keepalive(Keepalive::OFF);
    let client = within(settings.over(ours, peer())).await.expect("it is greeted");
    let text = "x".repeat(LONG);
    let frame = echo_frame(1, &text);
    let call = tokio::spawn({
        let client = client.clone();
        async move { client.send(echo(&text)).await.map(drop).map_err(Error::from) }
    });
    server.expect(&frame[..10]).await;
    quiet().await;
    // It fails when the client is closed, however its Command goes on.
    tokio::spawn({
        let client = client.clone();
        async move {
            let reason = client.closed().await;
            assert_error(&reason, ErrorKind::Closed, Origin::Local, "the client was closed");
            assert!(call.await.expect("no panic").expect_err("it was closed").was_sent());
        }
    });
    (client, server, frame[10..].to_vec())
}

#[tokio::test(start_paused = true)]
async fn close_of_a_client_does_not_cut_the_command_that_is_being_written() {
    let (client, mut server, rest) = in_mid_command().await;
    let later = tokio::spawn({
        let client = client.clone();
        async move { client.send(hold("not written")).await.map(drop).map_err(Error::from) }
    });
    quiet().await;
    let since = Instant::now();
    client.close();
    let failure = later.await.expect("no panic").expect_err("it was closed");
    assert_eq!((since.elapsed(), failure.was_sent()), (Duration::ZERO, false));
    // The server may send before it reads.
    server.send(&text_frame(7, &"y".repeat(LONG))).await;
    server.expect(&rest).await;
    server.expect_end().await;
}

#[tokio::test(start_paused = true)]
async fn a_closed_client_leaves_a_server_that_takes_nothing_after_a_second() {
    let (client, mut server, rest) = in_mid_command().await;
    client.close();
    sleep(SECOND + SECOND / 10).await;
    let got = server.rest().await;
    assert!(got.len() < rest.len() && rest.starts_with(&got), "{} bytes", got.len());
}
