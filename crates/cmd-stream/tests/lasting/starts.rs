//! How a client starts: with a connection, or without one.

use std::time::Duration;

use cmd_stream::client::{Limits, Link};
use cmd_stream::transport::{Connect, Peer};
use cmd_stream::{ErrorKind, Json, Origin};
use testkit::wait::within;
use tokio::io::DuplexStream;
use tokio::time::Instant;

use crate::dials::{builder, dials};
use crate::lab::{Plain, World, echo, text};
use crate::wire::{echo_frame, number, text_frame};
use crate::{Client, call, quiet, told};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn connect_tries_once() {
    let (dialer, mut dials) = dials();
    let (connected, ()) = tokio::join!(builder().connect_by(dialer), dials.refuse());
    assert_eq!(told(connected.unwrap_err()), (ErrorKind::Io, Origin::System, false));
    dials.ended().await;
}

#[tokio::test(start_paused = true)]
async fn a_lazy_client_is_there_at_once_and_its_calls_wait() {
    let (dialer, mut dials) = dials();
    let client = builder().connect_lazy_by(dialer);
    let mut links = client.links();
    assert!(matches!(client.link(), Link::Connecting));
    assert!(matches!(within(links.changed()).await, Some(Link::Connecting)));
    let call = call!(client.send(echo("a")));
    dials.refuse().await;
    quiet().await;
    let Link::Down { reason, next_attempt, .. } = client.link() else { panic!("{:?}", client.link()) };
    assert!(matches!(within(links.changed()).await, Some(Link::Down { .. })), "it was connecting before");
    assert_eq!(format!("{reason:#}"), "cannot connect to the test: connection refused");
    assert!(next_attempt > Instant::now());
    let mut peer = dials.accept().await;
    peer.expect(&echo_frame(1, "a")).await;
    peer.send(&text_frame(1, "a")).await;
    assert_eq!(within(call).await.unwrap().unwrap(), text("a"));
    let counters = client.counters();
    assert_eq!((counters.connected, counters.attempts_failed, counters.lost), (1, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_shows_in_the_state_and_in_the_calls_of_a_lazy_client() {
    let (dialer, mut dials) = dials();
    let client = builder().connect_lazy_by(dialer);
    let call = call!(client.send(echo("a")));
    let wrong = [number(2), b"v2".to_vec()].concat();
    let serving = tokio::spawn(async move {
        loop {
            dials.accept_saying(100, &wrong).await.expect_end().await;
        }
    });
    let error = call.await.unwrap().unwrap_err();
    assert_eq!(told(error), (ErrorKind::ServerInfoMismatch, Origin::Remote, false));
    let Link::Down { reason, .. } = client.link() else { panic!("{:?}", client.link()) };
    assert_eq!(reason.kind(), ErrorKind::ServerInfoMismatch);
    serving.abort();
}

/// The first attempt hangs: calls wait no longer than they should, and say what they know.
#[tokio::test(start_paused = true)]
async fn calls_of_a_lazy_client_do_not_wait_for_an_attempt_that_hangs() {
    let (dialer, mut dials) = dials();
    let limits = Limits::default().connect(60 * SECOND);
    let client = builder().limits(limits).connect_lazy_by(dialer);
    let (began, call) = (Instant::now(), call!(client.send(echo("a"))));
    let _attempt = dials.attempt().await;
    let error = call.await.unwrap().unwrap_err();
    assert_eq!(began.elapsed().as_secs(), 5);
    assert_eq!(told(error), (ErrorKind::Timeout, Origin::System, false));
}

/// The transport is the user's.
#[derive(Clone)]
struct Panics;

impl Connect for Panics {
    type Outgoing = (DuplexStream, Peer);

    async fn connect(&self) -> std::io::Result<(DuplexStream, Peer)> {
        panic!("as it likes")
    }

    fn address(&self) -> String {
        "a trap".into()
    }
}

#[tokio::test(start_paused = true)]
async fn a_transport_that_panics_fails_the_attempt_and_is_asked_again() {
    let error = builder().connect_by(Panics).await.unwrap_err();
    assert_eq!(told(error.clone()), (ErrorKind::Panic, Origin::Local, false));
    assert_eq!(error.to_string(), "panic in the transport: as it likes");
    let client = builder().connect_lazy_by(Panics);
    tokio::time::sleep(2 * SECOND).await;
    assert!(client.counters().attempts_failed > 2);
    assert_eq!(client.send(echo("a")).await.unwrap_err().kind(), ErrorKind::Panic);
}

/// Over real sockets: nobody listens yet, then somebody does.
#[tokio::test]
async fn a_lazy_client_waits_for_its_server() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let client: Client = Client::builder(Plain, Json).connect_lazy(free);
    let call = call!(client.send(echo("a")));
    while client.counters().attempts_failed == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let listener = tokio::net::TcpListener::bind(free).await.unwrap();
    let _world = World::over(listener, cmd_stream::server::Limits::default());
    assert_eq!(within(call).await.unwrap().unwrap(), text("a"));
}

/// A client that is not connected keeps nothing of its runtime alive.
#[test]
fn a_client_whose_runtime_has_ended_says_so() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (dialer, _dials) = dials();
    let client = runtime.block_on(async { builder().connect_lazy_by(dialer) });
    drop(runtime);
    assert!(
        matches!(client.link(), Link::Closed(reason) if reason.to_string() == "the runtime of the client ended")
    );
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let error = runtime.block_on(async { client.send(echo("a")).await.unwrap_err() });
    assert_eq!(told(error), (ErrorKind::Closed, Origin::Local, false));
}
