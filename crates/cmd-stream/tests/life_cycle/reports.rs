//! What a server reports: lost connections, counters, and errors of `accept`.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crate::lab::{Lab, Plain, World, client_by, echo, hold, text};
use crate::pipes::pipes;
use crate::wire::{echo_frame, text_frame};
use crate::{assert_error, assert_shutdown, call, wire};
use cmd_stream::server::Limits;
use cmd_stream::transport::memory;
use cmd_stream::{ErrorKind, Json, Origin, Server};
use testkit::peer::{BytePeer, GREETING};
use testkit::wait::{until, within};
use tokio::time::Instant;

#[tokio::test]
async fn lost_connection_is_reported_with_peer_id_reason_and_what_is_left() {
    let world = World::tcp(Limits::default()).await;
    let mut first = BytePeer::greeted(world.address()).await;
    let second = world.client().await;
    let call = call!(second.send(hold("a")));
    world.lab.until(|seen| seen.running == 1).await;

    first.send(&[0xff; 10]).await;
    first.expect_end().await;
    let lost = world.lost().await;
    assert_eq!((lost.id, lost.commands_left, lost.reason.kind()), (1, 0, ErrorKind::Decode));
    let address = lost.peer.socket_addr().expect("it came over TCP");
    assert!(address.ip().is_loopback(), "{}", lost.peer);

    second.close();
    let other = world.lost().await;
    assert_eq!((other.id, other.commands_left, other.reason.kind()), (2, 1, ErrorKind::Closed));
    assert_ne!(other.peer, lost.peer);
    assert!(call.await.unwrap().is_err());
}

#[tokio::test(start_paused = true)]
async fn panic_in_the_lost_connection_callback_is_contained() {
    let (connector, listener) = memory::pair();
    let calls = Arc::new(AtomicUsize::new(0));
    let called = Arc::clone(&calls);
    let server = Server::builder(Plain, Json, Lab::new()).on_connection_lost(move |_| {
        called.fetch_add(1, Relaxed);
        panic!("as it was asked to");
    });
    let server = server.listen(listener).unwrap();
    let handle = server.handle();
    let serving = tokio::spawn(server.serve());
    for lost in 1..=2 {
        let client = client_by(&connector).await;
        assert_eq!(client.send(echo("a")).await.unwrap(), text("a"));
        client.close();
        until(|| calls.load(Relaxed) == lost && handle.counters().open == 0).await;
    }
    handle.shutdown();
    assert_shutdown(within(serving).await.unwrap(), 0, 0);
}

#[tokio::test]
async fn counters_tell_what_happened() {
    let world = World::tcp(Limits::default()).await;
    let mut peer = BytePeer::greeted(world.address()).await;
    let fails = wire::frame(7, wire::tag::FAIL, "{}");
    let pings = vec![0, 0];
    peer.send(&[echo_frame(1, "a"), pings.clone(), echo_frame(2, "b"), fails].concat()).await;
    peer.expect(&[text_frame(1, "a"), pings, text_frame(2, "b")].concat()).await;
    peer.expect_end().await;
    let reason = world.lost().await.reason;
    assert_error(
        &reason,
        ErrorKind::Execution,
        Origin::Local,
        "the command Fail with seq 7 failed: as it was asked to",
    );
    let counters = world.counters();
    assert_eq!((counters.accepted, counters.started, counters.replies, counters.pings), (1, 3, 2, 2));
    assert_eq!((counters.failed, counters.panicked, counters.invalid), (1, 0, 0));
    drop(peer);
    until(|| world.counters().open == 0).await;
    let client = world.client().await;
    assert_eq!((world.counters().accepted, world.counters().open), (2, 1));
    client.close();
    until(|| world.counters().open == 0).await;
}

#[tokio::test(start_paused = true)]
async fn errors_of_accept_do_not_end_serve() {
    let (dialer, listener) = pipes();
    let world = World::over(listener, Limits::default());
    let since = Instant::now();
    for _ in 0..10 {
        dialer.fail();
    }
    let mut peer = BytePeer::over(dialer.dial(1 << 16));
    peer.expect(GREETING).await;
    // 10 ms, doubled each time, up to 1 s: 10 + 20 + 40 + ... + 640 + 1000 + 1000 + 1000.
    let expected = Duration::from_millis(10 * 127 + 3000);
    let took = since.elapsed();
    assert!((expected..expected + Duration::from_millis(50)).contains(&took), "{took:?}");
    assert_eq!((world.counters().accept_errors, world.counters().accepted), (10, 1));

    // After a success the pause is short again, and a shutdown does not wait for the pause.
    let since = Instant::now();
    dialer.fail();
    let mut other = BytePeer::over(dialer.dial(1 << 16));
    other.expect(GREETING).await;
    assert!(since.elapsed() < Duration::from_millis(20), "{:?}", since.elapsed());
    peer.send(&echo_frame(1, "a")).await;
    peer.expect(&text_frame(1, "a")).await;
    drop((peer, other));
    until(|| world.counters().open == 0).await;
    (0..5).for_each(|_| dialer.fail());
    until(|| world.counters().accept_errors == 16).await;
    let since = Instant::now();
    world.handle.shutdown();
    assert_shutdown(world.served().await, 0, 0);
    assert_eq!(since.elapsed(), Duration::ZERO);
}
