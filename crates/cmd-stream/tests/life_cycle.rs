//! How servers, connections and clients begin and end, and what each side is told.

#[path = "common/lab.rs"]
mod lab;
#[path = "common/pipes.rs"]
mod pipes;
#[path = "common/wire.rs"]
mod wire;

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cmd_stream::client::Client;
use cmd_stream::server::{Limits, Served};
use cmd_stream::transport::{Accept, Connect, Peer, Tcp, memory};
use cmd_stream::{Error, ErrorKind, Json, Origin, Sender, Server};
use lab::{Boom, Count, Lab, Plain, Stay, World, client_by, echo, hold, quiet, text};
use pipes::pipes;
use testkit::peer::{BytePeer, GREETING};
use testkit::wait::{until, within};
use tokio::io::duplex;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};
use wire::{echo_frame, hold_frame, text_frame};

#[track_caller]
fn assert_error(error: &Error, kind: ErrorKind, origin: Origin, says: &str) {
    assert_eq!((error.kind(), error.origin()), (kind, origin), "{error}");
    assert!(format!("{error:#}").contains(says), "\"{error:#}\" does not say \"{says}\"");
}

/// A server in memory, and how to connect to it.
fn in_memory(limits: Limits) -> (World, memory::Connector) {
    let (connector, listener) = memory::pair();
    (World::over(listener, limits), connector)
}

#[track_caller]
fn assert_shutdown(served: Served, connections: usize, commands: usize) {
    let Served::Shutdown(cut) = served else { panic!("{served:?}") };
    assert_eq!((cut.connections, cut.commands), (connections, commands));
}

#[track_caller]
fn assert_closed(served: Served, connections: usize, commands: usize) {
    let Served::Closed(cut) = served else { panic!("{served:?}") };
    assert_eq!((cut.connections, cut.commands), (connections, commands));
}

// Shutdown.

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

    // Until then the connection is served.
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
    let (_idle, one, two) =
        (client_by(&connector).await, client_by(&connector).await, client_by(&connector).await);
    let calls = [call!(one.send(hold("a"))), call!(two.send(hold("b"))), call!(two.send(hold("c")))];
    world.lab.until(|seen| seen.running == 3).await;
    let (since, lab, handle) = (Instant::now(), world.lab.clone(), world.handle.clone());
    world.handle.shutdown();
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
    // The Commands run on.
    assert_eq!(lab.seen().running, 3);
    lab.open_gate(3);
    lab.until(|seen| seen.ended == 3).await;
}

// Close.

#[tokio::test(start_paused = true)]
async fn close_ends_now_and_says_how_much_was_cut() {
    let (world, connector) = in_memory(Limits::default());
    let (_idle, client) = (client_by(&connector).await, client_by(&connector).await);
    let call = call!(client.send(hold("a")));
    world.lab.until(|seen| seen.running == 1).await;
    let (since, lab) = (Instant::now(), world.lab.clone());
    world.handle.close();
    for _ in 0..2 {
        let lost = world.lost().await;
        assert_error(&lost.reason, ErrorKind::Closed, Origin::Local, "the server was closed");
        assert_eq!(lost.commands_left as u64, lost.id - 1, "the second one had a command");
    }
    assert_closed(world.served().await, 2, 1);
    let failure = Error::from(call.await.unwrap().unwrap_err());
    assert_error(&failure, ErrorKind::Closed, Origin::Remote, "the server closed the connection");
    assert!(failure.was_sent());
    assert_eq!((since.elapsed(), lab.seen().running), (Duration::ZERO, 1));
}

#[tokio::test(start_paused = true)]
async fn close_ends_a_drain() {
    let (world, connector) = in_memory(Limits::default());
    let client = client_by(&connector).await;
    let call = call!(client.send(hold("a")));
    world.lab.until(|seen| seen.running == 1).await;
    world.handle.shutdown();
    sleep(Duration::from_secs(3)).await;
    assert!(!world.serving.is_finished());
    let since = Instant::now();
    world.handle.close();
    assert_closed(world.served().await, 1, 1);
    assert_eq!(since.elapsed(), Duration::ZERO);
    assert_eq!(Error::from(call.await.unwrap().unwrap_err()).kind(), ErrorKind::Closed);
}

#[tokio::test(start_paused = true)]
async fn shutdown_or_close_before_serve_lets_it_end_at_once() {
    for close in [false, true] {
        let (connector, listener) = memory::pair();
        let server = Server::builder(Plain, Json, Lab::new()).listen(listener).unwrap();
        let connecting =
            tokio::spawn(async move { Client::builder(Plain, Json).connect_by(connector).await });
        quiet().await;
        let handle = server.handle();
        if close {
            handle.close()
        } else {
            handle.shutdown()
        }
        match (close, server.serve().await) {
            (true, served) => assert_closed(served, 0, 0),
            (false, served) => assert_shutdown(served, 0, 0),
        }
        // Who was about to connect is not served.
        assert!(connecting.await.unwrap().is_err());
        assert_eq!(handle.counters().accepted, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn later_shutdowns_and_closes_change_nothing() {
    let (world, _connector) = in_memory(Limits::default());
    let handle = world.handle.clone();
    handle.close();
    handle.shutdown();
    handle.close();
    assert_closed(world.served().await, 0, 0);
    handle.shutdown();
    handle.close();

    let (world, _connector) = in_memory(Limits::default());
    let handle = world.handle.clone();
    handle.shutdown();
    handle.shutdown();
    assert_shutdown(world.served().await, 0, 0);
    handle.close();
}

#[tokio::test(start_paused = true)]
async fn dropping_serve_closes_everything() {
    let (world, connector) = in_memory(Limits::default());
    let client = client_by(&connector).await;
    let call = call!(client.send(hold("a")));
    world.lab.until(|seen| seen.running == 1).await;
    world.serving.abort();
    let failure = Error::from(call.await.unwrap().unwrap_err());
    assert_error(&failure, ErrorKind::Closed, Origin::Remote, "the server closed the connection");
    let lost = world.lost().await;
    assert_error(&lost.reason, ErrorKind::Closed, Origin::Local, "the server ended");
    assert_eq!(lost.commands_left, 1);
    let refused = Client::builder(Plain, Json).connect_by(connector).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Io);
    world.lab.open_gate(1);
    world.lab.until(|seen| seen.ended == 1).await;
}

// Commands whose connection is gone.

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
    // That it ended without a last Reply is no failure of its own.
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
    // One waits for room in the output, another one to send at all.
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

// What a server tells.

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
    assert_eq!((counters.accepted, counters.commands, counters.replies, counters.pings), (1, 3, 2, 2));
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

    // After a success the pause is short again, and neither it nor the wait delays the end.
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

// Transports.

async fn serves(listener: impl Accept, transport: impl Connect + Clone, is_address: impl Fn(&Peer) -> bool) {
    let world = World::over(listener, Limits::default());
    assert!(is_address(world.handle.local_addr()), "{}", world.handle.local_addr());
    let client = client_by(&transport).await;
    let peer = client.peer().expect("it is connected");
    assert!(is_address(&peer), "{peer}");
    assert_eq!(within(client.send(echo("a"))).await.unwrap(), text("a"));
    world.handle.shutdown();
    assert_shutdown(world.served().await, 0, 0);
    assert_eq!(within(client.closed()).await.kind(), ErrorKind::Closed);
    let refused = Client::builder(Plain, Json).connect_by(transport).await.unwrap_err();
    assert_error(&refused, ErrorKind::Io, Origin::System, "cannot connect to");
}

#[tokio::test]
async fn listener_of_the_callers_own_is_served() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    serves(listener, Tcp::new(address.to_string()), |peer| *peer == Peer::from(address)).await;
}

#[cfg(unix)]
#[tokio::test]
async fn unix_socket_is_served() {
    let path = std::env::temp_dir().join(format!("cmd-stream-life-cycle-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let transport = cmd_stream::transport::Unix::new(&path);
    serves(listener, transport, |peer| *peer == Peer::unix(Some(path.clone()))).await;
    std::fs::remove_file(&path).unwrap();
}

#[tokio::test]
async fn memory_transport_is_served() {
    let (connector, listener) = memory::pair();
    serves(listener, connector, |peer| *peer == Peer::other("memory")).await;
}

#[tokio::test]
async fn address_that_cannot_be_listened_on_is_an_error() {
    let taken = World::tcp(Limits::default()).await;
    let error = Server::bind(taken.address(), Plain, Json, Lab::new()).await.unwrap_err();
    assert_error(&error, ErrorKind::Io, Origin::System, "cannot listen on");
    let error = Server::bind("no address", Plain, Json, Lab::new()).await.unwrap_err();
    assert_error(&error, ErrorKind::Io, Origin::System, "cannot listen on");
}

#[tokio::test]
async fn address_where_nobody_listens_is_an_error() {
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
    let error = within(Sender::connect(&address, Plain, Json)).await.unwrap_err();
    assert_error(&error, ErrorKind::Io, Origin::System, &format!("cannot connect to {address}"));
    assert!(!error.was_sent());
}

// The client's end.

#[tokio::test(start_paused = true)]
async fn closed_client_fails_its_calls_and_its_streams_with_the_reason() {
    let (world, connector) = in_memory(Limits::default());
    let client = client_by(&connector).await;
    let calls = [call!(client.send(hold("a"))), call!(client.send(hold("b")))];
    world.lab.until(|seen| seen.running == 2).await;
    let mut stream = client.stream(hold("c")).await.unwrap();
    let closed = tokio::spawn({
        let client = client.clone();
        async move { client.closed().await }
    });
    quiet().await;
    client.close();
    client.close();
    let mut failures = vec![stream.next().await.unwrap().unwrap_err()];
    for call in calls {
        failures.push(call.await.unwrap().unwrap_err());
    }
    for failure in failures.into_iter().map(Error::from) {
        assert_error(&failure, ErrorKind::Closed, Origin::Local, "the client was closed");
        assert!(failure.was_sent());
    }
    assert!(stream.next().await.is_none());
    let later = Error::from(client.send(echo("d")).await.unwrap_err());
    for failure in [closed.await.unwrap(), client.closed().await, later] {
        assert_error(&failure, ErrorKind::Closed, Origin::Local, "the client was closed");
        assert!(!failure.was_sent());
    }
    assert_error(
        &client.stream(hold("e")).await.unwrap_err(),
        ErrorKind::Closed,
        Origin::Local,
        "was closed",
    );
    assert_eq!(client.in_flight(), 0);
    assert_error(
        &world.lost().await.reason,
        ErrorKind::Closed,
        Origin::Remote,
        "the client closed the connection",
    );
}

#[tokio::test(start_paused = true)]
async fn connection_ends_with_the_last_clone_of_its_client() {
    let (world, connector) = in_memory(Limits::default());
    let client = client_by(&connector).await;
    let sender = Sender::from(client.clone());
    let clone = sender.clone();
    drop((client, sender));
    assert_eq!(clone.send(echo("a")).await.unwrap(), text("a"));
    assert_eq!(world.counters().open, 1);
    drop(clone);
    assert_error(
        &world.lost().await.reason,
        ErrorKind::Closed,
        Origin::Remote,
        "the client closed the connection",
    );
}

#[tokio::test(start_paused = true)]
async fn stream_that_is_held_keeps_the_connection() {
    let (world, connector) = in_memory(Limits::default());
    let client = client_by(&connector).await;
    let mut stream = client.stream(hold("a")).await.unwrap();
    drop(client);
    world.lab.until(|seen| seen.running == 1).await;
    quiet().await;
    assert_eq!(world.counters().open, 1);
    world.lab.open_gate(1);
    assert_eq!(stream.next().await.unwrap().unwrap(), text("a"));
    assert!(stream.next().await.is_none());
    drop(stream);
    assert_error(
        &world.lost().await.reason,
        ErrorKind::Closed,
        Origin::Remote,
        "the client closed the connection",
    );
}

#[tokio::test]
async fn end_of_the_clients_runtime_fails_its_calls_instead_of_hanging() {
    let world = World::tcp(Limits::default()).await;
    let other = Runtime::new().unwrap();
    let address = world.address();
    let client =
        other.spawn(async move { Client::connect(address, Plain, Json).await }).await.unwrap().unwrap();
    let call = call!(client.send(hold("a")));
    world.lab.until(|seen| seen.running == 1).await;
    other.shutdown_background();
    let failure = Error::from(within(call).await.unwrap().unwrap_err());
    assert_error(&failure, ErrorKind::Closed, Origin::Local, "the runtime of the client ended");
    assert!(failure.was_sent());
    let later = Error::from(within(client.send(echo("b"))).await.unwrap_err());
    assert_error(&later, ErrorKind::Closed, Origin::Local, "the runtime of the client ended");
    assert!(!later.was_sent());
    assert_eq!(within(client.closed()).await.kind(), ErrorKind::Closed);
    world.lost().await;
}

#[tokio::test]
async fn end_of_the_servers_runtime_fails_the_calls_of_its_clients() {
    let other = Runtime::new().unwrap();
    let world = other.spawn(World::tcp(Limits::default())).await.unwrap();
    let client = world.client().await;
    let calls: Vec<_> = (0..10).map(|_| call!(client.send(hold("a")))).collect();
    world.lab.until(|seen| seen.running == 10).await;
    other.shutdown_background();
    for call in calls {
        let failure = Error::from(within(call).await.unwrap().unwrap_err());
        assert!(matches!(failure.kind(), ErrorKind::Closed | ErrorKind::Io), "{failure}");
        assert!(failure.was_sent());
    }
}

#[tokio::test]
async fn server_that_is_killed_fails_all_calls_at_once() {
    for resets in [false, true] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let connect = Client::connect(address, Plain, Json);
        let (client, mut peer) = tokio::join!(connect, BytePeer::accept_and_greet(&listener));
        let client = client.unwrap();
        let calls: Vec<_> = (0..1000).map(|_| call!(client.send(hold("a")))).collect();
        // Some are answered, and the answers are not lost.
        let commands: usize = (1..=1000).map(|seq| hold_frame(seq, "a").len()).sum();
        peer.receive(commands).await;
        peer.send(&(1..=10).flat_map(|seq| text_frame(seq, "a")).collect::<Vec<_>>()).await;
        until(|| client.in_flight() == 990).await;
        if resets {
            peer.reset()
        } else {
            drop(peer)
        }
        let (kind, origin) = match resets {
            true => (ErrorKind::Io, Origin::System),
            false => (ErrorKind::Closed, Origin::Remote),
        };
        for (n, call) in calls.into_iter().enumerate() {
            let answer = within(call).await.unwrap();
            if n < 10 {
                assert_eq!(answer.unwrap(), text("a"));
                continue;
            }
            let failure = Error::from(answer.unwrap_err());
            assert_eq!(
                (failure.kind(), failure.origin(), failure.was_sent()),
                (kind, origin, true),
                "{failure}"
            );
        }
        assert_eq!(client.in_flight(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn command_that_never_left_the_output_was_not_sent() {
    let (ours, theirs) = duplex(100);
    let mut peer = BytePeer::over(theirs);
    peer.send(GREETING).await;
    let client = Client::builder(Plain, Json).over(ours, pipes::peer()).await.unwrap();
    // The first of these fill the pipe, and their batch waits to be written on.
    let written: Vec<_> = (0..20).map(|_| call!(client.send(hold("a")))).collect();
    quiet().await;
    let queued: Vec<_> = (0..20).map(|_| call!(client.send(hold("b")))).collect();
    quiet().await;
    assert_eq!(client.in_flight(), 40);
    drop(peer);
    for (calls, was_sent) in [(written, true), (queued, false)] {
        for call in calls {
            let failure = Error::from(call.await.unwrap().unwrap_err());
            assert!(matches!(failure.kind(), ErrorKind::Io | ErrorKind::Closed), "{failure}");
            assert_eq!(failure.was_sent(), was_sent, "{failure:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn panic_in_the_unexpected_reply_callback_is_contained() {
    let (ours, theirs) = duplex(1 << 16);
    let mut peer = BytePeer::over(theirs);
    peer.send(GREETING).await;
    let (called, mut calls) = mpsc::unbounded_channel();
    let called = Mutex::new(called);
    let builder = Client::builder(Plain, Json).on_unexpected_reply(move |seq, _| {
        called.lock().unwrap().send(seq.get()).unwrap();
        if seq.get() == 98 {
            panic!("as it was asked to");
        }
    });
    let client = builder.over(ours, pipes::peer()).await.unwrap();
    let call = call!(client.send(echo("a")));
    peer.expect(&echo_frame(1, "a")).await;
    peer.send(&[text_frame(98, "?"), text_frame(99, "?"), text_frame(1, "a")].concat()).await;
    assert_eq!(call.await.unwrap().unwrap(), text("a"));
    assert_eq!((calls.recv().await, calls.recv().await), (Some(98), Some(99)));
    // The connection goes on.
    let call = call!(client.stream(Count { to: 1 }));
    peer.expect(&wire::frame(2, wire::tag::COUNT, r#"{"to":1}"#)).await;
    peer.send(&wire::number_frame(2, 1, true)).await;
    let mut stream = call.await.unwrap().unwrap();
    assert_eq!(stream.next().await.unwrap().unwrap().value, 1);
}
