//! How long calls of a Sender take at most.

use std::time::Duration;

use cmd_stream::client::Keepalive;
use cmd_stream::{Client, ErrorKind, Origin, Sender};
use testkit::wait::within;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use crate::call;
use crate::scripted::{
    Counting, Dialer, MILLISECOND, SECOND, Store, Watch, builder, connected, connected_by, get, note, told,
};

const OVER: (ErrorKind, Origin, bool) = (ErrorKind::Timeout, Origin::Local, true);

/// Whether so much time has passed. The clock has milliseconds.
fn is_about(began: Instant, time: Duration) -> bool {
    (time..=time + 2 * MILLISECOND).contains(&began.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_call_of_a_sender_takes_30_s_at_most_by_default() {
    let (sender, [_server], _dials) = connected_by(builder().keepalive(Keepalive::OFF), 64).await;
    let began = Instant::now();
    assert_eq!(told(sender.send(get("a")).await.unwrap_err()), OVER);
    assert!(is_about(began, 30 * SECOND), "{:?}", began.elapsed());

    let began = Instant::now();
    let mut numbers = sender.stream(Watch { to: 1 }).await.unwrap();
    assert_eq!(told(numbers.next().await.unwrap().unwrap_err()), OVER);
    assert!(is_about(began, 30 * SECOND), "{:?}", began.elapsed());

    let began = Instant::now();
    let large = "x".repeat(1000);
    assert_eq!(told(sender.post(note(&large)).await.unwrap_err()), OVER);
    assert!(is_about(began, 30 * SECOND), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn the_default_can_be_set_and_each_call_can_have_its_own() {
    let builder = builder().keepalive(Keepalive::OFF).timeout(2 * SECOND);
    let (sender, [_server], _dials) = connected(builder).await;
    let began = Instant::now();
    let calls = [
        (call!(sender.send(get("a"))), 2 * SECOND),
        (call!(sender.send(get("b")).timeout(SECOND)), SECOND),
        (call!(sender.send(get("c")).timeout(5 * SECOND)), 5 * SECOND),
        (call!(sender.send(get("d")).deadline(Instant::now() + 6 * SECOND)), 6 * SECOND),
    ];
    let waits = calls.map(|(call, time)| async move {
        assert_eq!(told(call.await.unwrap().unwrap_err()), OVER);
        assert!(is_about(began, time), "{:?}", began.elapsed());
    });
    let [a, b, c, d] = waits;
    tokio::join!(a, b, c, d);
    let forever = call!(sender.send(get("e")).timeout(Duration::MAX));
    assert!(timeout(10_000 * SECOND, forever).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_client_has_no_default_and_a_sender_over_it_has_the_clients() {
    for (time, of_sender) in [(None, None), (Some(3 * SECOND), Some(3 * SECOND))] {
        let (attempts, mut received) = mpsc::unbounded_channel();
        let mut builder = Client::builder(Store, Counting::default()).keepalive(Keepalive::OFF);
        if let Some(time) = time {
            builder = builder.timeout(time);
        }
        let connecting = builder.connect_by(Dialer::new("the server", attempts));
        let accepting = async { received.recv().await.expect("it dials").accept(64).await };
        let (client, _server) = within(async { tokio::join!(connecting, accepting) }).await;
        let client = client.expect("it greets");
        let sender = Sender::from(client.clone());
        let began = Instant::now();
        let of_client = timeout(10_000 * SECOND, client.send(get("a"))).await;
        assert_eq!(of_client.is_ok(), time.is_some());
        if let Some(time) = time {
            assert!(is_about(began, time), "{:?}", began.elapsed());
        }
        let began = Instant::now();
        let over = timeout(10_000 * SECOND, sender.send(get("b"))).await;
        assert_eq!(over.is_ok(), of_sender.is_some());
        if let Some(time) = of_sender {
            assert!(is_about(began, time), "{:?}", began.elapsed());
        }
    }
}
