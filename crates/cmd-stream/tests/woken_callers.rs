//! The task of a client's connection wakes the callers of one read in steps, and lets them run in between: a thread of the
//! runtime has room for 256 woken tasks, and what is woken beyond that waits in a queue that all threads share.

use std::convert::Infallible;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::Poll;
use std::time::Duration;

use cmd_stream::{CallError, Client, Error, ErrorKind, Json, Reply, protocol};
use serde::{Deserialize, Serialize};
use testkit::ends::{client_and_bytes, json_frame};
use testkit::peer::BytePeer;
use testkit::wait::within;
use tokio::io::DuplexStream;
use tokio::task::{JoinHandle, yield_now};
use tokio::time::advance;

#[derive(Serialize, Deserialize)]
struct Ask {}

#[derive(Serialize, Deserialize)]
struct Answer(u64);

impl Reply for Answer {}

protocol! {
    struct Answers {
        commands { 0 => Ask -> Answer }
        replies { 0 => Answer }
        failure close_connection
    }
}

type Calls = Vec<JoinHandle<Result<Answer, CallError<Infallible>>>>;

/// A client whose callers wait, each in a task of its own, and the server's end.
async fn client_with_calls(
    calls: u64,
    ended: &Arc<AtomicU64>,
) -> (Client<Answers, Json>, BytePeer<DuplexStream>, Calls) {
    let (client, mut peer) = client_and_bytes(Client::builder(Answers, Json), 1 << 20).await;
    let calls: Calls = (0..calls)
        .map(|_| {
            let (client, ended) = (client.clone(), ended.clone());
            tokio::spawn(async move {
                let answer = client.send(Ask {}).await;
                ended.fetch_add(1, Relaxed);
                answer
            })
        })
        .collect();
    let sent: usize = (1..=calls.len() as u64).map(|seq| json_frame(seq, 0, "{}").len()).sum();
    peer.receive(sent).await;
    (client, peer, calls)
}

fn answers(calls: usize) -> Vec<u8> {
    (1..=calls as u64).flat_map(|seq| json_frame(seq, 0, &seq.to_string())).collect()
}

/// Tells how many callers go on between two turns of a task that always has something to do, at most, until this many have.
fn most_in_a_turn(ended: &Arc<AtomicU64>, all: u64) -> JoinHandle<u64> {
    let ended = ended.clone();
    let (mut before, mut most) = (ended.load(Relaxed), 0);
    // In a task of its own: the runtime polls what the test itself awaits out of turn.
    tokio::spawn(poll_fn(move |cx| {
        let now = ended.load(Relaxed);
        (most, before) = (most.max(now - before), now);
        if now == all {
            return Poll::Ready(most);
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }))
}

/// Half of the room in a thread's queue. The other half is for what others have there.
const HALF_A_QUEUE: u64 = 128;

// The clock stands still: callers that have waited for long are woken in any case.
#[tokio::test(start_paused = true)]
async fn callers_of_one_read_are_woken_in_steps() {
    let ended = Arc::default();
    let (_client, mut peer, calls) = client_with_calls(1000, &ended).await;
    let most = most_in_a_turn(&ended, 1000);
    peer.send(&answers(calls.len())).await;
    let most = most.await.expect("it does not panic");
    assert!((1..HALF_A_QUEUE).contains(&most), "{most} callers were woken at once");
    for (seq, call) in (1..).zip(calls) {
        assert_eq!(call.await.expect("no panic").expect("it was answered").0, seq);
    }
}

#[tokio::test(start_paused = true)]
async fn so_are_those_of_many_connections_on_one_thread() {
    let ended = Arc::default();
    let mut ends = Vec::new();
    for _ in 0..100 {
        ends.push(client_with_calls(30, &ended).await);
    }
    let most = most_in_a_turn(&ended, 100 * 30);
    for (_, peer, calls) in &mut ends {
        peer.send(&answers(calls.len())).await;
    }
    let most = most.await.expect("it does not panic");
    assert!((1..HALF_A_QUEUE).contains(&most), "{most} callers were woken at once");
}

#[tokio::test(start_paused = true)]
async fn but_nobody_waits_for_long_for_those_before_him() {
    let ended = Arc::default();
    let (_client, mut peer, calls) = client_with_calls(1000, &ended).await;
    peer.send(&answers(calls.len())).await;
    while ended.load(Relaxed) == 0 {
        yield_now().await;
    }
    advance(Duration::from_millis(6)).await;
    let woken = ended.load(Relaxed);
    assert!((1..500).contains(&woken), "{woken} have run by now");
    let most = most_in_a_turn(&ended, 1000).await.expect("it does not panic");
    assert!(most > 500, "{most} callers were woken at once");
}

#[tokio::test]
async fn callers_that_were_not_woken_yet_have_their_replies_when_the_connection_ends() {
    let ended = Arc::default();
    let (client, mut peer, calls) = client_with_calls(1000, &ended).await;
    let unanswered = tokio::spawn({
        let client = client.clone();
        async move { client.send(Ask {}).await.map(drop).map_err(Error::from) }
    });
    yield_now().await;
    // What follows their Replies is wrong.
    peer.send(&[answers(calls.len()), json_frame(1001, 9, "0")].concat()).await;
    for (seq, call) in (1..).zip(calls) {
        assert_eq!(within(call).await.expect("no panic").expect("it was answered").0, seq);
    }
    let error = within(unanswered).await.expect("no panic").expect_err("it was not answered");
    assert_eq!(error.kind(), ErrorKind::UnknownTag, "{error}");
}
