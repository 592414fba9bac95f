//! Shutdown: a server stops accepting, lets running Commands finish, and ends.

use std::time::Duration;

use crate::lab::{Plain, World, client_by, echo, hold, quiet, text};
use crate::pipes::pipes;
use crate::wire;
use crate::{assert_error, assert_shutdown, call, in_memory};
use cmd_stream::client::Client;
use cmd_stream::server::Limits;
use cmd_stream::{CallError, Error, ErrorKind, Failure, Json, Origin, Problem, Server};
use testkit::ends::serve_in_memory;
use testkit::peer::{BytePeer, GREETING};
use testkit::wait::{until, within};
use tokio::time::Instant;

#[tokio::test(start_paused = true)]
async fn shutdown_without_clients_ends_at_once() {
    let (world, _connector) = in_memory(Limits::default());
    quiet().await;
    let since = Instant::now();
    world.handle.shutdown();
    assert_shutdown(world.served().await, 0, 0);
    assert_eq!(since.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn shutdown_with_idle_clients_ends_at_once_and_tells_them() {
    let (world, connector) = in_memory(Limits::default());
    let clients = [client_by(&connector).await, client_by(&connector).await];
    assert_eq!(clients[0].send(echo("a")).await.unwrap(), text("a"));
    quiet().await;
    let since = Instant::now();
    world.handle.shutdown();
    for client in &clients {
        assert_error(
            &client.closed().await,
            ErrorKind::Closed,
            Origin::Remote,
            "the server closed the connection",
        );
        assert_error(
            &world.lost().await.reason,
            ErrorKind::Closed,
            Origin::Local,
            "the server is shutting down",
        );
    }
    assert_shutdown(world.served().await, 0, 0);
    assert_eq!(since.elapsed(), Duration::ZERO);
    let refused = Client::builder(Plain, Json).connect_by(connector).await.unwrap_err();
    assert_error(&refused, ErrorKind::Io, Origin::System, "cannot connect to");
}

#[tokio::test(start_paused = true)]
async fn shutdown_waits_for_running_commands_whose_replies_arrive() {
    let (world, connector) = in_memory(Limits::default());
    let client = client_by(&connector).await;
    let calls = [call!(client.send(hold("a"))), call!(client.send(hold("b")))];
    world.lab.until(|seen| seen.running == 2).await;
    world.handle.shutdown();
    quiet().await;
    assert!(!world.serving.is_finished());

    // Until then the connection is still served.
    assert_eq!(client.send(echo("c")).await.unwrap(), text("c"));
    let third = call!(client.send(hold("d")));
    world.lab.until(|seen| seen.running == 3).await;
    world.lab.open_gate(2);
    quiet().await;
    assert!(!world.serving.is_finished());
    world.lab.open_gate(1);
    for (call, says) in calls.into_iter().zip(["a", "b"]) {
        assert_eq!(call.await.unwrap().unwrap(), text(says));
    }
    assert_eq!(third.await.unwrap().unwrap(), text("d"));
    assert_shutdown(world.served().await, 0, 0);
    assert_eq!(client.closed().await.kind(), ErrorKind::Closed);
}

#[tokio::test]
async fn shutdown_over_tcp_loses_no_reply() {
    let world = World::tcp(Limits::default()).await;
    let client = world.client().await;
    let calls: Vec<_> = (0..100).map(|_| call!(client.send(hold("a")))).collect();
    world.lab.until(|seen| seen.running == 100).await;
    world.handle.shutdown();
    world.lab.open_gate(100);
    for call in calls {
        assert_eq!(within(call).await.unwrap().unwrap(), text("a"));
    }
    assert_shutdown(world.served().await, 0, 0);
}

#[tokio::test(start_paused = true)]
async fn shutdown_executes_what_has_arrived_though_that_takes_several_reads() {
    let (dialer, listener) = pipes();
    let world = World::over(listener, Limits::default());
    let mut peer = BytePeer::over(dialer.dial(1 << 20));
    peer.expect(GREETING).await;
    // Of 64 bytes each, so that no read ends inside one.
    let (mut commands, mut replies) = (Vec::new(), Vec::new());
    for seq in 1..=8000 {
        let text = "x".repeat(64 - wire::echo_frame(seq, "").len());
        commands.extend(wire::echo_frame(seq, &text));
        replies.extend(wire::text_frame(seq, &text));
    }
    // The first ones show that they are quick, and are answered in place from then on.
    peer.send(&commands[..64 * 100]).await;
    quiet().await;
    assert_eq!(world.counters().started, 100);
    peer.send(&commands[64 * 100..]).await;
    assert_eq!(world.counters().started, 100, "the server has had no time yet");
    world.handle.shutdown();
    peer.expect(&replies).await;
    peer.expect_end().await;
    assert_shutdown(world.served().await, 0, 0);
}

#[tokio::test(start_paused = true)]
async fn shutdown_ends_connections_that_wait_for_a_place() {
    let limits = Limits::default().connections(1).waiting(8, Duration::from_secs(5));
    let (world, connector) = in_memory(limits);
    let _served = client_by(&connector).await;
    let waiting = tokio::spawn(async move { Client::builder(Plain, Json).connect_by(connector).await });
    until(|| world.counters().waiting == 1).await;
    world.handle.shutdown();
    assert_shutdown(world.served().await, 0, 0);
    if let Ok(client) = waiting.await.unwrap() {
        assert_eq!(client.closed().await.kind(), ErrorKind::Closed);
    }
}

#[tokio::test(start_paused = true)]
async fn shutdown_past_its_time_says_how_much_was_cut() {
    let time = Duration::from_secs(5);
    let (world, connector) = in_memory(Limits::default().drain(time));
    let (idle, one, two) =
        (client_by(&connector).await, client_by(&connector).await, client_by(&connector).await);
    let calls = [call!(one.send(hold("a"))), call!(two.send(hold("b"))), call!(two.send(hold("c")))];
    world.lab.until(|seen| seen.running == 3).await;
    let (since, lab, handle) = (Instant::now(), world.lab.clone(), world.handle.clone());
    world.handle.shutdown();
    assert_eq!(idle.closed().await.kind(), ErrorKind::Closed);
    assert_eq!(since.elapsed(), Duration::ZERO, "an idle client is not kept for the others");
    let mut lost = Vec::new();
    for _ in 0..3 {
        lost.push(world.lost().await);
    }
    lost.sort_by_key(|lost| lost.id);
    assert_eq!(
        lost.iter().map(|lost| (lost.id, lost.commands_left)).collect::<Vec<_>>(),
        [(1, 0), (2, 1), (3, 2)]
    );
    assert_error(&lost[2].reason, ErrorKind::Closed, Origin::Local, "the server ended");
    assert_shutdown(world.served().await, 2, 3);
    assert!((time..time + Duration::from_millis(10)).contains(&since.elapsed()), "{:?}", since.elapsed());
    assert_eq!((handle.counters().cut, handle.counters().open), (2, 0));
    for call in calls {
        let failure = Error::from(call.await.unwrap().unwrap_err());
        assert_error(&failure, ErrorKind::Closed, Origin::Remote, "the server closed the connection");
        assert!(failure.was_sent());
    }
    // Running Commands continue.
    assert_eq!(lab.seen().running, 3);
    lab.open_gate(3);
    lab.until(|seen| seen.ended == 3).await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_always_busy_is_answered_all_that_was_started_before_half_the_drain() {
    let time = Duration::from_secs(10);
    let (world, connector) = in_memory(Limits::default().drain(time));
    let client = client_by(&connector).await;
    let mut calls = std::collections::VecDeque::new();
    calls.push_back(call!(client.send(hold("a"))));
    world.lab.until(|seen| seen.started == 1).await;
    world.handle.shutdown();
    let since = Instant::now();
    // There is always one, and each takes 200 ms.
    let mut answered = 0;
    while since.elapsed() < time / 2 {
        calls.push_back(call!(client.send(hold("a"))));
        tokio::time::sleep(Duration::from_millis(200)).await;
        world.lab.open_gate(1);
        within(calls.pop_front().expect("one")).await.unwrap().expect("it was started");
        answered += 1;
    }
    assert_eq!(answered, 25);
    assert!(!world.serving.is_finished());
    // From here on none is started.
    let late = call!(client.send(echo("late")));
    let other = call!(client.send(hold("late")));
    quiet().await;
    assert_eq!(world.lab.seen().started, 26);
    world.lab.open_gate(1);
    within(calls.pop_front().expect("one")).await.unwrap().expect("it was started");
    for late in [late, other] {
        let failure = Error::from(late.await.unwrap().unwrap_err());
        assert_error(&failure, ErrorKind::Closed, Origin::Remote, "the server closed the connection");
        assert!(failure.was_sent(), "the client cannot know");
    }
    assert_eq!(world.counters().started, 26);
    assert_shutdown(world.served().await, 0, 0);
    assert!(since.elapsed() < time, "{:?}", since.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_drain_without_a_bound_waits_for_the_last_command() {
    let (world, connector) = in_memory(Limits::default().drain(Duration::MAX));
    let client = client_by(&connector).await;
    let held = call!(client.send(hold("a")));
    world.lab.until(|seen| seen.running == 1).await;
    world.handle.shutdown();
    tokio::time::sleep(Duration::from_secs(86_400)).await;
    assert!(!world.serving.is_finished());
    world.lab.open_gate(1);
    held.await.expect("no panic").expect("it was waited for");
    assert_shutdown(world.served().await, 0, 0);
}

/// A service with a failure.
struct Clock;

#[derive(serde::Serialize, serde::Deserialize)]
struct Wait {
    ms: u64,
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Waited;

impl cmd_stream::Answer<Clock> for Wait {
    async fn answer(self, _: &Clock, _: &cmd_stream::Context<'_>) -> Result<Waited, cmd_stream::Failed> {
        tokio::time::sleep(Duration::from_millis(self.ms)).await;
        Ok(Waited)
    }
}

cmd_stream::protocol! {
    struct Clocks {
        commands { 0 => Wait -> Waited }
        replies { 0 => Waited, 1 => Problem }
        failure Problem
    }
}

#[tokio::test(start_paused = true)]
async fn what_comes_in_the_second_half_of_a_drain_is_answered_as_overloaded_and_counted() {
    let limits = Limits::default().drain(Duration::from_secs(10));
    let (connector, handle) = serve_in_memory(Server::builder(Clocks, Json, Clock).limits(limits));
    let client = Client::builder(Clocks, Json).connect_by(connector).await.expect("it listens");
    let first = call!(client.send(Wait { ms: 8000 }));
    quiet().await;
    handle.shutdown();
    tokio::time::sleep(Duration::from_secs(4)).await;
    within(client.send(Wait { ms: 0 })).await.expect("it comes in the first half");
    tokio::time::sleep(Duration::from_secs(2)).await;
    for refused in 1..=3 {
        match within(client.send(Wait { ms: 0 })).await.map(drop).unwrap_err() {
            CallError::Failed(problem) => assert!(problem.is_overloaded(), "{problem:?}"),
            CallError::Other(error) => panic!("{error:#}"),
        }
        assert_eq!((handle.counters().refused_in_drain, handle.counters().started), (refused, 2));
    }
    within(first).await.expect("it runs").expect("it was started before");
}
