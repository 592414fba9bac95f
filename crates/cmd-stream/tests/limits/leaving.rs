//! How a server notices that a client has left, and what becomes of the Commands that it has sent.

use std::time::Duration;

use crate::lab::{World, quiet};
use crate::wire::{echo_frame, frame, head, hold_frame, tag, text_frame};
use crate::{NARROW, TIME, WIDE, assert_error, assert_took, greeted, served};
use cmd_stream::server::Limits;
use cmd_stream::{ErrorKind, Origin};
use testkit::peer::BytePeer;
use testkit::wait::within;
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, sleep, timeout};

/// One that does not end until its connection has.
fn stay_frame(seq: i64) -> Vec<u8> {
    frame(seq, 6, "{}")
}

#[tokio::test(start_paused = true)]
async fn commands_of_a_client_that_sends_nothing_more_are_answered() {
    let (world, dialer) = served(Limits::default());
    let mut peer = greeted(&dialer, WIDE).await;
    // One in place, one in a task of its own, one that waits, and two Replies of one.
    let count = frame(3, tag::COUNT, r#"{"to":1}"#);
    peer.send(&[echo_frame(1, "a"), hold_frame(2, "b"), count].concat()).await;
    peer.finish().await;
    peer.expect(&text_frame(1, "a")).await;
    peer.expect(&crate::wire::number_frame(3, 1, true)).await;
    sleep(Duration::from_secs(4)).await;
    world.lab.open_gate(1);
    peer.expect(&text_frame(2, "b")).await;
    peer.expect_end().await;
    let lost = world.lost().await;
    assert_error(&lost.reason, ErrorKind::Closed, Origin::Remote, "the client closed the connection");
    assert_eq!(lost.commands_left, 0);
}

#[tokio::test(start_paused = true)]
async fn commands_of_a_client_that_sends_nothing_more_have_a_time() {
    let (world, dialer) = served(Limits::default().half_closed(TIME));
    let mut peer = greeted(&dialer, WIDE).await;
    peer.send(&[stay_frame(1), hold_frame(2, "b")].concat()).await;
    world.lab.until(|seen| seen.running == 2).await;
    let since = Instant::now();
    peer.finish().await;
    peer.expect_end().await;
    assert_took(since, TIME);
    world.lab.until(|seen| seen.saw_closed == 1).await;
    let lost = world.lost().await;
    assert_eq!(lost.commands_left, 2);
    assert_error(&lost.reason, ErrorKind::Closed, Origin::Remote, "the client closed the connection");
    quiet().await;
    assert_eq!(world.counters().open, 0);
}

#[tokio::test(start_paused = true)]
async fn so_have_those_before_half_a_frame() {
    let (world, dialer) = served(Limits::default().half_closed(TIME));
    let mut peer = greeted(&dialer, WIDE).await;
    peer.send(&[hold_frame(1, "a"), head(2, tag::ECHO)].concat()).await;
    peer.finish().await;
    world.lab.open_gate(1);
    peer.expect(&text_frame(1, "a")).await;
    peer.expect_end().await;
    let lost = world.lost().await;
    assert_error(&lost.reason, ErrorKind::UnexpectedEof, Origin::Remote, "in the middle of a frame");
}

#[tokio::test(start_paused = true)]
async fn a_time_of_never_lets_them_run_to_their_end() {
    let (world, dialer) = served(Limits::default().half_closed(Duration::MAX));
    let mut peer = greeted(&dialer, WIDE).await;
    peer.send(&hold_frame(1, "a")).await;
    world.lab.until(|seen| seen.running == 1).await;
    peer.finish().await;
    sleep(Duration::from_secs(365 * 86_400)).await;
    world.lab.open_gate(1);
    peer.expect(&text_frame(1, "a")).await;
    peer.expect_end().await;
}

/// A server on TCP whose only connection is not read, because of its Command.
async fn paused() -> (World, BytePeer<tokio::net::TcpStream>) {
    let limits = Limits::default().in_flight(1).half_closed(Duration::from_millis(100));
    let world = World::tcp(limits).await;
    let mut peer = BytePeer::greeted(world.address()).await;
    peer.send(&[stay_frame(1), stay_frame(2), echo_frame(3, "c")].concat()).await;
    world.lab.until(|seen| seen.running == 1).await;
    testkit::wait::until(|| world.counters().in_flight_pauses == 1).await;
    (world, peer)
}

#[tokio::test]
async fn a_connection_that_is_not_read_sees_its_client_leave() {
    for resets in [false, true] {
        let (world, peer) = paused().await;
        let since = std::time::Instant::now();
        let kept = if resets {
            peer.reset();
            None
        } else {
            let mut io = peer.into_inner();
            io.shutdown().await.unwrap();
            Some(io)
        };
        within(world.lab.until(|seen| seen.saw_closed == 1)).await;
        assert!(since.elapsed() < Duration::from_millis(2100), "{:?}", since.elapsed());
        let kind = if resets { ErrorKind::Io } else { ErrorKind::Closed };
        assert_eq!(world.lost().await.reason.kind(), kind);
        drop(kept);
        testkit::wait::until(|| world.counters().open == 0).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_on_which_nothing_moves_while_it_is_not_read_is_closed() {
    let (world, dialer) = served(Limits::default().in_flight(1).paused(TIME));
    let mut peer = greeted(&dialer, WIDE).await;
    peer.send(&[hold_frame(1, "a"), hold_frame(2, "b"), hold_frame(3, "c")].concat()).await;
    sleep(TIME - crate::TICK * 2).await;
    world.lab.open_gate(1);
    peer.expect(&text_frame(1, "a")).await;
    let since = Instant::now();
    let lost = world.lost().await;
    assert_took(since, TIME);
    assert_error(&lost.reason, ErrorKind::Timeout, Origin::Remote, "`Limits::paused`");
    assert_eq!((world.counters().pause_timeouts, lost.commands_left), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn output_that_is_taken_is_movement_and_never_is_never() {
    let (world, dialer) = served(Limits::default().output(100).paused(TIME));
    let mut peer = greeted(&dialer, NARROW).await;
    peer.send(&frame(1, tag::COUNT, r#"{"to":30}"#)).await;
    quiet().await;
    peer.send(&echo_frame(2, "a")).await;
    for _ in 0..20 {
        sleep(TIME - crate::TICK * 2).await;
        peer.receive(20).await;
    }
    assert_eq!(world.counters().open, 1);
    drop(peer);

    let (world, dialer) = served(Limits::default().in_flight(1).paused(Duration::MAX));
    let mut peer = greeted(&dialer, WIDE).await;
    peer.send(&[hold_frame(1, "a"), hold_frame(2, "b")].concat()).await;
    sleep(Duration::from_secs(365 * 86_400)).await;
    world.lab.open_gate(2);
    peer.expect(&[text_frame(1, "a"), text_frame(2, "b")].concat()).await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_not_idle_while_its_commands_run() {
    let (world, dialer) = served(Limits::default().idle(TIME));
    let mut peer = greeted(&dialer, WIDE).await;
    peer.send(&hold_frame(1, "a")).await;
    timeout(3 * TIME + TIME / 2, world.lost()).await.expect_err("its Command runs");
    world.lab.open_gate(1);
    peer.expect(&text_frame(1, "a")).await;
    let since = Instant::now();
    let lost = world.lost().await;
    assert_took(since, TIME);
    assert_error(&lost.reason, ErrorKind::Timeout, Origin::Remote, "`Limits::idle`");
}
