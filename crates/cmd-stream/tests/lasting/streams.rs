//! Deadlines of streams, and of one-way Commands.

use std::time::Duration;

use cmd_stream::{CallError, ErrorKind, Json, Origin, protocol};
use serde::{Deserialize, Serialize};
use testkit::wait::within;
use tokio::time::{Instant, sleep};

use crate::dials::{builder, connected, dials};
use crate::lab::{Count, Number};
use crate::wire::{frame, number_frame, tag};
use crate::{quiet, told};

const SECOND: Duration = Duration::from_secs(1);
const SENT: (ErrorKind, Origin, bool) = (ErrorKind::Timeout, Origin::Local, true);
const UNSENT: (ErrorKind, Origin, bool) = (ErrorKind::Timeout, Origin::Local, false);

fn error<T: std::fmt::Debug, F: std::fmt::Debug>(item: Option<Result<T, CallError<F>>>) -> cmd_stream::Error {
    match item {
        Some(Err(CallError::Other(error))) => error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_default_bounds_a_stream_up_to_its_first_reply() {
    let (client, _dials, mut peer) = connected(builder().timeout(2 * SECOND)).await;
    let began = Instant::now();
    let mut numbers = client.stream(Count { to: 9 }).await.unwrap();
    assert_eq!(told(error(numbers.next().await)), SENT);
    assert_eq!(began.elapsed().as_secs(), 2);
    assert!(numbers.next().await.is_none());

    // A limit of its own for the whole takes its place.
    let began = Instant::now();
    let mut numbers = client.stream(Count { to: 9 }).timeout(5 * SECOND).await.unwrap();
    assert_eq!(told(error(numbers.next().await)), SENT);
    assert_eq!(began.elapsed().as_secs(), 5);

    let mut numbers = client.stream(Count { to: 9 }).await.unwrap();
    quiet().await;
    sleep(SECOND).await;
    peer.send(&number_frame(3, 1, false)).await;
    numbers.next().await.unwrap().unwrap();
    sleep(5 * SECOND).await;
    let sending = async {
        sleep(5 * SECOND).await;
        peer.send(&number_frame(3, 2, true)).await;
    };
    let (next, ()) = tokio::join!(numbers.next(), sending);
    assert_eq!(next.unwrap().unwrap(), Number { value: 2, last: true });
}

#[tokio::test(start_paused = true)]
async fn the_time_to_each_next_reply_counts_from_when_it_is_waited_for() {
    let (client, _dials, mut peer) = connected(builder()).await;
    let mut numbers = client.stream(Count { to: 9 }).next_reply_timeout(2 * SECOND).await.unwrap();
    quiet().await;
    let sending = async {
        sleep(9 * SECOND).await; // the first one has no bound
        peer.send(&number_frame(1, 1, false)).await;
        peer
    };
    let (first, mut peer) = tokio::join!(numbers.next(), sending);
    first.unwrap().unwrap();
    for value in 2..10 {
        sleep(5 * SECOND).await; // the reader's own time does not count
        let sending = async {
            sleep(SECOND).await;
            peer.send(&number_frame(1, value, false)).await;
        };
        let (next, ()) = tokio::join!(numbers.next(), sending);
        next.unwrap().unwrap();
    }
    let began = Instant::now();
    assert_eq!(told(error(numbers.next().await)), SENT);
    assert_eq!(began.elapsed().as_secs(), 2);
    assert!(numbers.next().await.is_none());
    assert_eq!(client.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_whole_stream_can_be_bounded_and_what_had_arrived_is_given() {
    let (client, _dials, mut peer) = connected(builder()).await;
    let began = Instant::now();
    let mut numbers =
        client.stream(Count { to: 9 }).timeout(3 * SECOND).next_reply_timeout(2 * SECOND).await.unwrap();
    quiet().await;
    peer.send(&number_frame(1, 1, false)).await;
    numbers.next().await.unwrap().unwrap();
    sleep(2 * SECOND).await;
    peer.send(&[number_frame(1, 2, false), number_frame(1, 3, false)].concat()).await;
    sleep(2 * SECOND).await;
    numbers.next().await.unwrap().unwrap();
    numbers.next().await.unwrap().unwrap();
    assert_eq!(told(error(numbers.next().await)), SENT);
    assert_eq!(began.elapsed().as_secs(), 4, "nobody waited when it was over");

    let deadline = Instant::now() + 5 * SECOND;
    let mut numbers = client.stream(Count { to: 9 }).deadline(deadline).await.unwrap();
    assert_eq!(told(error(numbers.next().await)), SENT);
    assert!(Instant::now() >= deadline && deadline.elapsed() < SECOND / 10);
}

#[tokio::test(start_paused = true)]
async fn opening_one_is_bounded_too() {
    let (dialer, _dials) = dials();
    let client = builder().connect_lazy_by(dialer);
    for call in [
        client.stream(Count { to: 9 }).first_reply_timeout(SECOND),
        client.stream(Count { to: 9 }).timeout(SECOND),
    ] {
        let began = Instant::now();
        let mut numbers = call.await.unwrap();
        assert_eq!(told(error(numbers.next().await)), UNSENT);
        assert_eq!(began.elapsed().as_secs(), 1);
    }
    let late = client.stream(Count { to: 9 }).deadline(Instant::now()).await;
    assert_eq!(told(late.unwrap_err()), UNSENT);
}

/// The server goes on with it.
#[tokio::test(start_paused = true)]
async fn replies_to_a_stream_that_timed_out_are_unexpected() {
    let (client, _dials, mut peer) = connected(builder()).await;
    let mut numbers = client.stream(Count { to: 9 }).timeout(SECOND).await.unwrap();
    peer.expect(&frame(1, tag::COUNT, r#"{"to":9}"#)).await;
    error(numbers.next().await);
    peer.send(&[number_frame(1, 1, false), number_frame(1, 2, true)].concat()).await;
    quiet().await;
    let counters = client.counters();
    assert_eq!((counters.unexpected, counters.timed_out, counters.cancelled, counters.lost), (2, 1, 0, 0));
}

#[derive(Serialize, Deserialize)]
struct Note(String);

#[derive(Serialize, Deserialize)]
struct Read;

#[derive(Serialize, Deserialize)]
struct Page;

protocol! {
    struct Notes {
        commands { 0 => Note -> (), 1 => Read -> Page }
        replies { 0 => Page }
        failure close_connection
    }
}

#[tokio::test(start_paused = true)]
async fn a_one_way_command_is_bounded_until_it_is_written() {
    let (dialer, mut dials) = dials();
    let client = cmd_stream::Client::builder(Notes, Json).timeout(SECOND).connect_lazy_by(dialer);
    let error = client.post(Note("late".into())).await.unwrap_err();
    assert_eq!(told(error), UNSENT);
    let mut peer = dials.accept_narrow(64).await;
    quiet().await;
    let sent = client.post(Note("in time".into())).await;
    sent.unwrap();
    peer.expect(&frame(2, 0, r#""in time""#)).await;
    let began = Instant::now();
    let error = client.post(Note("x".repeat(1000))).timeout(3 * SECOND).await.unwrap_err();
    assert_eq!(told(error), SENT);
    assert_eq!(began.elapsed().as_secs(), 3);
    let _ = within(peer.receive(1000)).await;
    sleep(SECOND).await;
    assert_eq!(client.counters().lost, 0, "the connection goes on");
}
