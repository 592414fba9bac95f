//! Shutdown does not wait for what is not there: for the rest of a frame, or for connections that are not served yet.

use std::time::Duration;

use crate::lab::{World, client_by, hold, quiet};
use crate::pipes::pipes;
use crate::wire::{echo_frame, hold_frame, text_frame};
use crate::{assert_error, assert_shutdown, call, in_memory};
use cmd_stream::server::Limits;
use cmd_stream::{Client, ErrorKind, Json, Origin};
use testkit::peer::{BytePeer, GREETING};
use testkit::wait::until;
use tokio::time::Instant;

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn shutdown_does_not_wait_for_the_rest_of_a_frame() {
    let whole = echo_frame(1, "a");
    for bytes in 1..whole.len() {
        let (dialer, listener) = pipes();
        let world = World::over(listener, Limits::default());
        let mut peer = BytePeer::over(dialer.dial(1 << 16));
        peer.expect(GREETING).await;
        peer.send(&whole[..bytes]).await;
        quiet().await;
        let since = Instant::now();
        world.handle.shutdown();
        peer.expect_end().await;
        assert_eq!(since.elapsed(), Duration::ZERO, "{bytes} bytes");
        drop(peer);
        assert_error(
            &world.lost().await.reason,
            ErrorKind::Closed,
            Origin::Local,
            "the server is shutting down",
        );
        assert_shutdown(world.served().await, 0, 0);
        assert_eq!(since.elapsed(), Duration::ZERO, "{bytes} bytes");
    }
}

#[tokio::test(start_paused = true)]
async fn shutdown_serves_the_whole_frames_before_a_part_of_one() {
    let (dialer, listener) = pipes();
    let world = World::over(listener, Limits::default());
    let mut peer = BytePeer::over(dialer.dial(1 << 16));
    peer.expect(GREETING).await;
    peer.send(&hold_frame(1, "a")).await;
    world.lab.until(|seen| seen.running == 1).await;
    world.handle.shutdown();
    // They arrive in the drain, while another Command runs.
    peer.send(&[echo_frame(2, "b"), echo_frame(3, "c"), echo_frame(4, "d")[..5].to_vec()].concat()).await;
    peer.expect(&[text_frame(2, "b"), text_frame(3, "c")].concat()).await;
    let since = Instant::now();
    world.lab.open_gate(1);
    peer.expect(&text_frame(1, "a")).await;
    peer.expect_end().await;
    drop(peer);
    assert_shutdown(world.served().await, 0, 0);
    assert_eq!(since.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn connections_that_wait_for_a_place_do_not_hold_up_a_drain() {
    let limits = Limits::default().connections(1).waiting(8, 5 * SECOND);
    let (world, connector) = in_memory(limits);
    let served = client_by(&connector).await;
    let held = call!(served.send(hold("a")));
    world.lab.until(|seen| seen.running == 1).await;
    let waiting = tokio::spawn(async move {
        Client::builder(crate::lab::Plain, Json).connect_by(connector).await.map(drop)
    });
    until(|| world.counters().waiting == 1).await;
    let since = Instant::now();
    world.handle.shutdown();
    // It has no place, and never gets one: the one that is served goes on.
    waiting.await.expect("no panic").expect_err("it was not greeted");
    assert_eq!((since.elapsed(), world.counters().waiting), (Duration::ZERO, 0));
    world.lab.open_gate(1);
    held.await.expect("no panic").expect("it was waited for");
    assert_shutdown(world.served().await, 0, 0);
    assert_eq!(since.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_take_the_server_info_holds_up_a_drain_for_a_second() {
    let (dialer, listener) = pipes();
    let world = World::over(listener, Limits::default());
    // There is room for one byte, and it reads nothing.
    let silent = dialer.dial(1);
    until(|| world.counters().open == 1).await;
    quiet().await;
    let since = Instant::now();
    world.handle.shutdown();
    let lost = world.lost().await;
    assert_error(&lost.reason, ErrorKind::Closed, Origin::Local, "does not take the server info");
    assert!((SECOND..SECOND + SECOND / 10).contains(&since.elapsed()), "{:?}", since.elapsed());
    drop(silent);
    assert_shutdown(world.served().await, 0, 0);
}
