//! Close: a server ends at once, even if Commands are running.

use std::time::Duration;

use crate::lab::{Lab, Plain, World, client_by, hold, quiet};
use crate::{assert_closed, assert_error, assert_shutdown, call, in_memory};
use cmd_stream::client::Client;
use cmd_stream::server::Limits;
use cmd_stream::transport::memory;
use cmd_stream::{Error, ErrorKind, Json, Origin, Server};
use testkit::peer::BytePeer;
use testkit::wait::within;
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};

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
        // A client that was about to connect is not served.
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
    let failure = Error::from(within(call).await.unwrap().unwrap_err());
    assert_error(&failure, ErrorKind::Closed, Origin::Remote, "the server closed the connection");
    let lost = world.lost().await;
    assert_error(&lost.reason, ErrorKind::Closed, Origin::Local, "the server ended");
    assert_eq!(lost.commands_left, 1);
    let refused = Client::builder(Plain, Json).connect_by(connector).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Io);
    world.lab.open_gate(1);
    world.lab.until(|seen| seen.ended == 1).await;
}

#[tokio::test]
async fn dropping_serve_over_tcp_frees_the_port_and_ends_the_connections() {
    let world = World::tcp(Limits::default()).await;
    let (address, client) = (world.address(), world.client().await);
    let call = call!(client.send(hold("a")));
    world.lab.until(|seen| seen.running == 1).await;
    let mut idle = BytePeer::greeted(&address).await;
    assert!(TcpListener::bind(&address).await.is_err(), "the port is taken while the server is there");

    world.serving.abort();
    assert!(within(world.serving).await.unwrap_err().is_cancelled());
    TcpListener::bind(&address).await.expect("the port is free");
    idle.expect_end().await;
    let failure = Error::from(within(call).await.unwrap().unwrap_err());
    assert_error(&failure, ErrorKind::Closed, Origin::Remote, "the server closed the connection");
    assert_eq!(within(client.closed()).await.kind(), ErrorKind::Closed);
}
