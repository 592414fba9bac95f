//! The same on the client: calls that wait for room in the output.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Waker};

use cmd_stream::client::{self, Client};
use cmd_stream::{Json, Sender};
use testkit::peer::{BytePeer, GREETING};
use tokio::io::{DuplexStream, duplex};

use crate::lab::{self, Plain, echo};
use crate::wire::{echo_frame, text_frame};
use crate::{Counted, OUTPUT, WIDTH, Wakes, pipes};

/// A client whose output is small, and a byte peer as its server.
async fn connected() -> (Client<Plain, Json>, BytePeer<DuplexStream>) {
    let (ours, theirs) = duplex(WIDTH);
    let mut peer = BytePeer::over(theirs);
    let limits = client::Limits::default().output(OUTPUT);
    let client = Client::builder(Plain, Json).limits(limits).keepalive(client::Keepalive::OFF);
    let (client, ()) = tokio::join!(client.over(ours, pipes::peer()), peer.send(GREETING));
    (client.unwrap(), peer)
}

#[tokio::test(start_paused = true)]
async fn calls_that_wait_for_room_are_polled_a_few_times() {
    static POLLS: AtomicUsize = AtomicUsize::new(0);
    let (client, mut peer) = connected().await;
    let body = "x".repeat(1000);
    let calls: Vec<_> = (0..500)
        .map(|_| {
            let (client, command) = (client.clone(), echo(&body));
            tokio::spawn(async move { Counted(client.send(command).into_future(), &POLLS).await.map(drop) })
        })
        .collect();
    lab::quiet().await;
    for seq in 1..=500 {
        peer.expect(&echo_frame(seq, &body)).await;
        peer.send(&text_frame(seq, "a")).await;
        lab::quiet().await;
    }
    for call in calls {
        call.await.unwrap().unwrap();
    }
    let polls = POLLS.load(Relaxed);
    assert!(polls < 500 * 5, "{polls} polls for 500 calls");
}

#[tokio::test(start_paused = true)]
async fn calls_that_are_given_up_leave_nothing_behind() {
    let (client, _peer) = connected().await;
    let sender = Sender::from(client.clone());
    let body = "x".repeat(2 * OUTPUT);
    let command = echo(&body);
    let filling = {
        let client = client.clone();
        tokio::spawn(async move { client.send(command).await.map(drop) })
    };
    lab::quiet().await;
    for _ in 0..50 {
        let wakes = Arc::new(Wakes);
        let waker = Waker::from(Arc::clone(&wakes));
        let mut cx = Context::from_waker(&waker);
        assert!(pin!(client.send(echo("a")).into_future()).poll(&mut cx).is_pending());
        assert!(pin!(client.stream(echo("a")).into_future()).poll(&mut cx).is_pending());
        assert!(pin!(sender.send(echo("a")).into_future()).poll(&mut cx).is_pending());
        drop(waker);
        assert_eq!(Arc::strong_count(&wakes), 1, "its waker was left behind");
    }
    assert!(!filling.is_finished());
    assert_eq!(client.in_flight(), 1);
}
