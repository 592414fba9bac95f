//! How much output may be queued, and how long the other end may go without reading it.

use crate::lab::{Count, echo, quiet, text};
use crate::wire::{echo_frame, frame, number_frame, tag, text_frame};
use crate::{NARROW, TICK, TIME, assert_error, assert_took, call, connected, echo_len, greeted, served};
use cmd_stream::server::Limits;
use cmd_stream::{Error, ErrorKind, Origin, client};
use tokio::time::{Instant, sleep, timeout};

#[tokio::test(start_paused = true)]
async fn server_output_at_its_limit_lets_send_wait_and_stops_reading() {
    let limit = 1000;
    let (world, dialer) = served(Limits::default().output(limit));
    let mut peer = greeted(&dialer, NARROW).await;
    peer.send(&frame(1, tag::COUNT, r#"{"to":500}"#)).await;
    quiet().await;
    let bytes_of = |replies: u64| (1..=replies).map(|n| number_frame(1, n, n == 500).len()).sum::<usize>();
    let counted = world.lab.seen().counted as u64;
    // It stopped at the Reply that reached the limit. The pipe holds what was already written.
    assert!(bytes_of(counted) >= limit + NARROW, "{counted} replies");
    assert!(bytes_of(counted - 1) < limit + NARROW, "{counted} replies");

    // A further Command is not read.
    peer.send(&echo_frame(2, "a")).await;
    quiet().await;
    assert_eq!((world.counters().started, world.counters().output_pauses), (1, 1));

    // It continues as soon as there is room.
    let mut received = peer.receive(NARROW).await;
    quiet().await;
    assert!(world.lab.seen().counted as u64 > counted, "it waits though there is room");
    let mut expected: Vec<u8> = (1..=500).flat_map(|n| number_frame(1, n, n == 500)).collect();
    let text = text_frame(2, "a");
    received.extend(peer.receive(expected.len() + text.len() - NARROW).await);
    // The Reply of the second Command is somewhere between the others.
    let at = received.windows(text.len()).position(|bytes| bytes == text).expect("it is answered");
    received.drain(at..at + text.len());
    expected.truncate(received.len());
    assert_eq!(received, expected);
    assert_eq!((world.lab.seen().counted, world.counters().replies), (500, 501));
}

#[tokio::test(start_paused = true)]
async fn client_output_at_its_limit_lets_calls_wait_unsent() {
    let limit = 1000;
    let (client, mut peer) = connected(client::Limits::default().output(limit), NARROW).await;
    let calls: Vec<_> = (0..200).map(|_| call!(client.send(echo("a")))).collect();
    quiet().await;
    let sent = client.in_flight() as i64;
    let bytes_of = |calls: i64| (1..=calls).map(|seq| echo_len(seq, 1)).sum::<usize>();
    assert!(bytes_of(sent) >= limit + NARROW, "{sent} calls");
    assert!(bytes_of(sent - 1) < limit + NARROW, "{sent} calls");
    // Opening a stream waits too.
    assert!(timeout(TIME, client.stream(Count { to: 1 })).await.is_err());

    let script = async {
        for seq in 1..=200 {
            peer.expect(&echo_frame(seq, "a")).await;
            peer.send(&text_frame(seq, "b")).await;
        }
    };
    let answers = async {
        for call in calls {
            assert_eq!(call.await.unwrap().unwrap(), text("b"));
        }
    };
    tokio::join!(script, answers);
}

#[tokio::test(start_paused = true)]
async fn call_that_waits_for_room_fails_unsent_when_the_connection_ends() {
    let (client, peer) = connected(client::Limits::default().output(1), NARROW).await;
    let calls: Vec<_> = (0..20).map(|_| call!(client.send(echo("a")))).collect();
    quiet().await;
    let taken = client.in_flight();
    assert!(taken < calls.len());
    drop(peer);
    for (n, call) in calls.into_iter().enumerate() {
        let failure = Error::from(call.await.unwrap().unwrap_err());
        assert!(n < taken || !failure.was_sent(), "call {n}: {failure:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn client_that_takes_no_output_is_cut_off() {
    let (world, dialer) = served(Limits::default().output_stall(TIME));
    let mut peer = greeted(&dialer, NARROW).await;
    peer.send(&frame(1, tag::COUNT, r#"{"to":50}"#)).await;
    quiet().await;
    // Reading one byte just in time counts as a sign of life.
    sleep(TIME - 2 * TICK).await;
    peer.receive(1).await;
    let since = Instant::now();
    let lost = world.lost().await;
    assert_took(since, TIME);
    assert_error(&lost.reason, ErrorKind::Timeout, Origin::Remote, "`Limits::output_stall`");
    assert_eq!((world.counters().output_stalls, world.counters().receive_timeouts), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn server_that_takes_no_output_is_left() {
    let (client, mut peer) = connected(client::Limits::default().output_stall(TIME), NARROW).await;
    let large = "x".repeat(10 * NARROW);
    let call = call!(client.send(echo(&large)));
    quiet().await;
    sleep(TIME - 2 * TICK).await;
    peer.receive(1).await;
    let since = Instant::now();
    let failure = Error::from(call.await.unwrap().unwrap_err());
    assert_took(since, TIME);
    assert_error(&failure, ErrorKind::Timeout, Origin::Remote, "`Limits::output_stall`");
    assert!(failure.was_sent(), "a part of it was");
}

#[tokio::test(start_paused = true)]
async fn slow_reader_gets_all_of_it_however_long_it_takes() {
    let (world, dialer) = served(Limits::default().output_stall(TIME));
    let mut peer = greeted(&dialer, NARROW).await;
    peer.send(&frame(1, tag::COUNT, r#"{"to":50}"#)).await;
    for n in 1..=50 {
        sleep(TIME - 2 * TICK).await;
        peer.expect(&number_frame(1, n, n == 50)).await;
    }
    assert_eq!(world.counters().output_stalls, 0);
}

#[tokio::test(start_paused = true)]
async fn server_that_takes_no_output_and_still_answers_is_not_left() {
    let (client, mut peer) = connected(client::Limits::default().output_stall(TIME), NARROW).await;
    let mut stream = client.stream(Count { to: 100 }).await.unwrap();
    peer.expect(&frame(1, tag::COUNT, r#"{"to":100}"#)).await;
    let large = "x".repeat(10 * NARROW);
    let command = echo(&large);
    let call = call!(client.send(command));
    for n in 1..=10 {
        sleep(TIME - 2 * TICK).await;
        peer.send(&number_frame(1, n, false)).await;
        assert_eq!(stream.next().await.unwrap().unwrap().value, n);
    }
    // It had a reason not to read: its limit of Commands.
    peer.expect(&echo_frame(2, &large)).await;
    peer.send(&text_frame(2, "a")).await;
    assert_eq!(call.await.unwrap().unwrap(), text("a"));

    // When it is silent, too, it is left.
    let command = echo(&large);
    let call = call!(client.send(command));
    quiet().await;
    peer.send(&number_frame(1, 11, false)).await;
    let since = Instant::now();
    let failure = Error::from(call.await.unwrap().unwrap_err());
    assert_took(since, TIME);
    assert_error(&failure, ErrorKind::Timeout, Origin::Remote, "`Limits::output_stall`");
}

#[tokio::test(start_paused = true)]
async fn server_is_not_left_for_what_it_does_not_take_while_the_client_does_not_read() {
    let limits = client::Limits::default().output_stall(TIME).stream_replies(1, client::Overflow::Pause);
    let (client, mut peer) = connected(limits, NARROW).await;
    let mut stream = client.stream(Count { to: 3 }).await.unwrap();
    peer.expect(&frame(1, tag::COUNT, r#"{"to":3}"#)).await;
    peer.send(&number_frame(1, 1, false)).await;
    peer.send(&number_frame(1, 2, false)).await;
    let large = "x".repeat(10 * NARROW);
    let command = echo(&large);
    let call = call!(client.send(command));
    sleep(3 * TIME).await;
    for value in 1..=2 {
        assert_eq!(stream.next().await.unwrap().unwrap().value, value);
    }
    sleep(TIME - 2 * TICK).await;
    peer.expect(&echo_frame(2, &large)).await;
    peer.send(&text_frame(2, "a")).await;
    assert_eq!(call.await.unwrap().unwrap(), text("a"));
}
