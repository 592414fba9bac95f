//! What goes wrong in the Go library (v0.6.2) and must not go wrong here, on the same wire. Further flaws of it are the
//! subject of other tests:
//!
//! - A Command that cannot be encoded leaves its head in the buffer, and the connection is dead: `failures/user_code.rs`.
//! - An error of one execution fails all Commands of its connection, and a panic ends the process:
//!   `failures/declared.rs`, `failures/undeclared.rs`.
//! - A cancelled call is reported as a timeout: `cancel_safety.rs`.

#[path = "common/lab.rs"]
mod lab;
#[path = "common/largest.rs"]
mod largest;
#[path = "common/pipes.rs"]
mod pipes;
#[path = "common/wire.rs"]
mod wire;

use std::time::Duration;

use cmd_stream::client::{self, Client};
use cmd_stream::server::{Cut, Limits, Served};
use cmd_stream::{Error, ErrorKind, Json, Origin};
use lab::{Count, Plain, World, echo, hold, quiet, text};
use largest::largest_allocation;
use testkit::peer::{BytePeer, GREETING};
use testkit::wait::{until, within};
use tokio::io::duplex;
use tokio::time::Instant;
use wire::{announce, echo_frame, frame, hold_frame, tag, text_frame};

#[track_caller]
fn assert_error(error: &Error, kind: ErrorKind, origin: Origin, says: &str) {
    assert_eq!((error.kind(), error.origin()), (kind, origin), "{error}");
    assert!(format!("{error:#}").contains(says), "\"{error:#}\" does not say \"{says}\"");
}

// There, the ninth connection hangs: no ServerInfo, no error.

#[tokio::test]
async fn ninth_connection_is_served() {
    let world = World::tcp(Limits::default()).await;
    let mut clients = Vec::new();
    for n in 1..=20 {
        let client = world.client().await;
        let call = call!(client.send(hold("a")));
        world.lab.until(|seen| seen.running == n).await;
        clients.push((client, call));
    }
    for (client, _) in &clients {
        assert_eq!(within(client.send(echo("b"))).await.unwrap(), text("b"));
    }
    world.lab.open_gate(20);
    for (_, call) in clients {
        assert_eq!(within(call).await.unwrap().unwrap(), text("a"));
    }
}

// There, an error of one execution fails all Commands of its connection.

#[tokio::test]
async fn a_failure_ends_its_connection_after_the_replies_of_the_same_batch() {
    let world = World::tcp(Limits::default()).await;
    let other = world.client().await;
    let mut peer = BytePeer::greeted(world.address()).await;
    let replies: Vec<_> = (2..=100).map(|seq| (echo_frame(seq, "b"), text_frame(seq, "b"))).collect();
    let mut script = hold_frame(1, "a");
    replies.iter().for_each(|(command, _)| script.extend(command));
    script.extend(frame(101, tag::FAIL, "{}"));
    script.extend(echo_frame(102, "never read"));
    peer.send(&script).await;
    peer.expect(&replies.into_iter().flat_map(|(_, reply)| reply).collect::<Vec<_>>()).await;
    peer.expect_end().await;
    let lost = world.lost().await;
    assert_error(
        &lost.reason,
        ErrorKind::Execution,
        Origin::Local,
        "the command Fail with seq 101 failed: as it was asked to",
    );
    assert_eq!(lost.commands_left, 1);
    assert_eq!(within(other.send(echo("c"))).await.unwrap(), text("c"));
}

// There, memory is allocated for any length that is announced.

#[tokio::test(start_paused = true)]
async fn length_that_no_bytes_back_allocates_nothing() {
    // No limit here refuses it, so both sides wait for the rest.
    let (unlimited, time) = (usize::MAX, Duration::from_secs(10));
    let (dialer, listener) = pipes::pipes();
    let world = World::over(listener, Limits::default().frame(unlimited).frame_time(time));
    let mut peer = BytePeer::over(dialer.dial(1 << 16));
    peer.expect(GREETING).await;
    let mut bytes = announce(1, tag::ECHO, 1 << 40);
    bytes.extend(b"{\"text\":\"");
    peer.send(&bytes).await;
    let since = Instant::now();
    assert_error(&world.lost().await.reason, ErrorKind::Timeout, Origin::Remote, "`Limits::frame_time`");
    assert!(since.elapsed() >= time, "it was not waited for: {:?}", since.elapsed());

    let (ours, theirs) = duplex(1 << 16);
    let mut peer = BytePeer::over(theirs);
    peer.send(GREETING).await;
    let limits = client::Limits::default().frame(unlimited).frame_time(time);
    let client = Client::builder(Plain, Json).limits(limits).over(ours, pipes::peer()).await.unwrap();
    let call = call!(client.send(echo("a")));
    quiet().await;
    peer.send(&announce(1, tag::TEXT, 1 << 31)).await;
    assert_error(
        &call.await.unwrap().unwrap_err().into(),
        ErrorKind::Timeout,
        Origin::Remote,
        "`Limits::frame_time`",
    );
    assert!(largest_allocation() <= ALLOCATION, "{} bytes were allocated", largest_allocation());
}

/// Far below what was announced, and twice what other tests take that run at the same time (20,000 Commands: 1 MiB). The
/// test with the lengths takes 64 KiB.
const ALLOCATION: usize = 2 << 20;

// There, a slow reader of one stream of results blocks all other calls of its connection.

#[tokio::test]
async fn stream_that_nobody_reads_blocks_nobody_and_has_a_bound() {
    let world = World::tcp(Limits::default()).await;
    let client = world.client().await;
    let mut slow = client.stream(Count { to: 10_000 }).await.unwrap();
    for _ in 0..100 {
        assert_eq!(within(client.send(echo("a"))).await.unwrap(), text("a"));
    }
    let mut quick = client.stream(Count { to: 1000 }).await.unwrap();
    for value in 1..=1000 {
        assert_eq!(within(quick.next()).await.unwrap().unwrap().value, value);
    }
    world.lab.until(|seen| seen.counted == 11_000).await;
    assert_eq!(within(client.send(echo("b"))).await.unwrap(), text("b"));

    // It has the first Replies, up to its bound, and then says that it lost the others.
    for value in 1..=1024 {
        assert_eq!(within(slow.next()).await.unwrap().unwrap().value, value);
    }
    let failure = Error::from(within(slow.next()).await.unwrap().unwrap_err());
    assert_error(&failure, ErrorKind::Limit, Origin::Local, "over 1024 replies wait in the stream");
    assert!(within(slow.next()).await.is_none());
}

// There, a shutdown waits forever for idle clients.

#[tokio::test]
async fn shutdown_over_tcp_ends_also_if_a_client_holds_its_end_open() {
    let world = World::tcp(Limits::default()).await;
    let _idle = BytePeer::greeted(world.address()).await;
    world.handle.shutdown();
    assert_eq!(world.served().await, Served::Shutdown(Cut::default()));
}

// There, any number of Commands is accepted, each with a goroutine of its own.

#[tokio::test]
async fn tens_of_thousands_of_commands_on_one_connection_are_bounded_and_all_answered() {
    const COMMANDS: usize = 20_000;
    let world = World::tcp(Limits::default().in_flight(500)).await;
    let client = world.client().await;
    let calls: Vec<_> = (0..COMMANDS).map(|n| call!(client.send(hold(&n.to_string())))).collect();
    world.lab.until(|seen| seen.running == 500).await;
    // The rest is on its way, and stays there.
    until(|| world.counters().in_flight_pauses > 0).await;
    assert_eq!(world.lab.seen().started, 500);
    world.lab.open_gate(COMMANDS);
    for (n, call) in calls.into_iter().enumerate() {
        assert_eq!(within(call).await.unwrap().unwrap(), text(&n.to_string()));
    }
    let seen = world.lab.seen();
    assert_eq!((seen.started, seen.most_running), (COMMANDS, 500));
    assert!(world.counters().in_flight_pauses > 0);
}
