//! Members come and go, and calls go to those that are there.

use std::time::Duration;

use cmd_stream::client::Link;
use cmd_stream::{Json, Sender, Server};
use testkit::wait::within;

use crate::lab::{Plain, Text, echo};

#[tokio::test]
async fn calls_go_to_the_member_that_is_left() {
    let serve = async || {
        let server = Server::bind("127.0.0.1:0", Plain, Json, crate::lab::Lab::new()).await.expect("a port");
        let handle = server.handle();
        (handle, tokio::spawn(server.serve()))
    };
    let ((one, serving), (two, _)) = (serve().await, serve().await);
    let sender = Sender::builder(Plain, Json)
        .endpoints([one.local_addr().to_string(), two.local_addr().to_string()])
        .minimum(2)
        .connect();
    let sender = within(sender).await.expect("both are there");
    for n in 0..200 {
        let Text(said) = within(sender.send(echo(&n.to_string()))).await.expect("it is answered");
        assert_eq!(said, n.to_string());
    }
    one.shutdown();
    within(serving).await.expect("it ends");
    for n in 0..200 {
        let Text(said) = within(sender.send(echo(&n.to_string()))).await.expect("it is answered");
        assert_eq!(said, n.to_string());
    }
    let up = sender.group().members().filter(|member| matches!(member.link(), Link::Up(_))).count();
    assert_eq!(up, 1);
    assert_eq!(within(sender.drain(Duration::from_secs(5))).await, 0);
}

#[tokio::test]
async fn one_dead_address_does_not_keep_a_single_client_from_the_living_one() {
    let server = Server::bind("127.0.0.1:0", Plain, Json, crate::lab::Lab::new()).await.expect("a port");
    let living = server.handle().local_addr().to_string();
    tokio::spawn(server.serve());
    // A port that nobody else is given as long as the socket is there, and where nobody listens.
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.bind(([127, 0, 0, 1], 0).into()).expect("loopback has a free port");
    let dead = socket.local_addr().expect("it is bound").to_string();
    // Which one is tried first is up to chance.
    for _ in 0..12 {
        let sender = Sender::builder(Plain, Json).endpoints([&dead, &living]).clients(1).connect();
        let sender = within(sender).await.expect("the other one is tried");
        within(sender.send(echo("a"))).await.expect("it is answered");
    }
    let error =
        within(Sender::builder(Plain, Json).endpoints([&dead, "127.0.0.1:"]).clients(1).connect()).await;
    error.expect_err("both are dead");
}
