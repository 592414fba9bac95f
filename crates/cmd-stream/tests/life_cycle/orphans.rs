//! Commands whose connection ends before they do.

use std::time::Duration;

use crate::lab::{Boom, Stay, World, client_by, quiet};
use crate::pipes::pipes;
use crate::wire::hold_frame;
use crate::{assert_error, assert_shutdown, call, in_memory, wire};
use cmd_stream::server::Limits;
use cmd_stream::{Error, ErrorKind, Origin};
use testkit::peer::{BytePeer, GREETING};
use testkit::wait::until;
use tokio::time::sleep;

#[tokio::test(start_paused = true)]
async fn command_that_outlives_its_connection_is_told_runs_on_and_is_waited_for() {
    let (world, connector) = in_memory(Limits::default());
    let client = client_by(&connector).await;
    let call = call!(client.send(Stay {}));
    world.lab.until(|seen| seen.running == 1).await;
    assert_eq!(world.lab.seen().saw_closed, 0);
    client.close();
    let lost = world.lost().await;
    assert_error(&lost.reason, ErrorKind::Closed, Origin::Remote, "the client closed the connection");
    assert_eq!((lost.commands_left, lost.id), (1, 1));
    world.lab.until(|seen| seen.saw_closed == 1).await;
    assert_eq!(Error::from(call.await.unwrap().unwrap_err()).kind(), ErrorKind::Closed);

    world.handle.shutdown();
    sleep(Duration::from_secs(3)).await;
    assert!(!world.serving.is_finished(), "it is waited for");
    world.lab.open_gate(1);
    let handle = world.handle.clone();
    assert_shutdown(world.served().await, 0, 0);
    // Ending without a last Reply does not count as a failure here.
    assert_eq!((handle.counters().failed, handle.counters().panicked), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn command_that_outlives_its_connection_and_the_drain_is_counted() {
    let (world, connector) = in_memory(Limits::default().drain(Duration::from_secs(3)));
    let client = client_by(&connector).await;
    let _call = call!(client.send(Stay {}));
    world.lab.until(|seen| seen.running == 1).await;
    client.close();
    world.lost().await;
    world.handle.shutdown();
    let lab = world.lab.clone();
    assert_shutdown(world.served().await, 0, 1);
    lab.open_gate(1);
    lab.until(|seen| seen.ended == 1).await;
}

#[tokio::test(start_paused = true)]
async fn command_whose_connection_is_gone_cannot_send() {
    let limits = Limits::default().output(100);
    let (dialer, listener) = pipes();
    let world = World::over(listener, limits);
    let mut peer = BytePeer::over(dialer.dial(100));
    peer.expect(GREETING).await;
    // One Command waits for room in the output, the other has sent nothing yet.
    let count = wire::frame(1, wire::tag::COUNT, r#"{"to":100}"#);
    peer.send(&[count, hold_frame(2, "a")].concat()).await;
    world.lab.until(|seen| seen.running == 1).await;
    quiet().await;
    assert_eq!(world.lab.seen().uncounted, 0);
    drop(peer);
    let seen = world.lab.until(|seen| seen.uncounted == 1).await;
    assert!(seen.counted < 100);
    assert_eq!(world.lost().await.commands_left, 2);
    let replies = world.counters().replies;
    world.lab.open_gate(1);
    world.lab.until(|seen| seen.ended == 1).await;
    assert_eq!((world.counters().replies, world.counters().failed), (replies, 0));
}

#[tokio::test(start_paused = true)]
async fn panic_is_counted_also_when_the_connection_is_gone() {
    let (world, connector) = in_memory(Limits::default());
    let client = client_by(&connector).await;
    let _call = call!(client.send(Boom { late: true }));
    world.lab.until(|seen| seen.running == 1).await;
    client.close();
    world.lab.until(|seen| seen.ended == 1).await;
    until(|| world.counters().panicked == 1).await;
    assert_eq!(world.counters().failed, 1);
}

/// No connection has to wait for memory, nor to end, before that.
#[tokio::test(start_paused = true)]
async fn commands_without_a_connection_leave_the_second_half_of_the_memory_to_those_with_one() {
    let (dialer, listener) = pipes();
    let world = World::over(listener, Limits::default().memory(1 << 20));
    // Each is charged for 4 to 6 KiB, mostly for its text: 80 take less than half of the memory, 170 more.
    let hold = |seq| hold_frame(seq, "takes memory");
    let holds = |count| (1..=count).flat_map(hold).collect::<Vec<_>>();
    let mut first = BytePeer::over(dialer.dial(1 << 16));
    first.expect(GREETING).await;
    first.send(&holds(80)).await;
    world.lab.until(|seen| seen.running == 80).await;
    drop(first);
    world.lost().await;
    assert_eq!(world.counters().orphans_dropped, 0);
    let mut second = BytePeer::over(dialer.dial(1 << 16));
    second.expect(GREETING).await;
    for seq in 1..=90 {
        second.send(&hold(seq)).await;
        quiet().await;
    }
    let counters = world.counters();
    assert!((1..80).contains(&counters.orphans_dropped), "{counters:?}");
    assert_eq!(counters.memory_pauses, 0);
}

/// What an idle connection has had once is not taken any more.
#[tokio::test(start_paused = true)]
async fn idle_connections_take_nothing_from_commands_without_a_connection() {
    let (dialer, listener) = pipes();
    let world = World::over(listener, Limits::default().memory(16 << 20));
    let text = "a".repeat(400_000);
    let (asked, answered) = (wire::echo_frame(1, &text), wire::text_frame(1, &text));
    let mut idle = Vec::new();
    for _ in 0..40 {
        let mut peer = BytePeer::over(dialer.dial(1 << 20));
        peer.expect(GREETING).await;
        peer.send(&asked).await;
        peer.expect(&answered).await;
        idle.push(peer);
    }
    sleep(Duration::from_secs(2)).await;
    let mut leaves = BytePeer::over(dialer.dial(1 << 16));
    leaves.expect(GREETING).await;
    leaves.send(&(1..=20).flat_map(|seq| hold_frame(seq, "a")).collect::<Vec<_>>()).await;
    world.lab.until(|seen| seen.running == 20).await;
    drop(leaves);
    world.lost().await;
    // Whether there are too many is looked at when others come.
    let mut other = BytePeer::over(dialer.dial(1 << 16));
    other.expect(GREETING).await;
    other.send(&hold_frame(1, "a")).await;
    world.lab.until(|seen| seen.running == 21).await;
    assert_eq!(world.counters().orphans_dropped, 0);
}
