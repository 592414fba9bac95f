//! How a client's connection ends, and how its calls fail then.

use std::sync::Mutex;

use crate::lab::{Count, Plain, World, client_by, echo, hold, quiet, text};
use crate::wire::{echo_frame, hold_frame, text_frame};
use crate::{assert_error, call, in_memory, pipes, wire};
use cmd_stream::client::Client;
use cmd_stream::server::Limits;
use cmd_stream::{Error, ErrorKind, Json, Origin, Sender};
use testkit::peer::{BytePeer, GREETING};
use testkit::wait::{until, within};
use tokio::io::duplex;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

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
        // Ten are answered first, and these answers are not lost.
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
    // The first of these fill the pipe, and the rest of their batch waits to be written.
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
    // The connection stays open.
    let call = call!(client.stream(Count { to: 1 }));
    peer.expect(&wire::frame(2, wire::tag::COUNT, r#"{"to":1}"#)).await;
    peer.send(&wire::number_frame(2, 1, true)).await;
    let mut stream = call.await.unwrap().unwrap();
    assert_eq!(stream.next().await.unwrap().unwrap().value, 1);
}
