//! A runtime without timers or without sockets, and none at all: a clear error from whoever begins, and no panic in a connection.

use std::fmt::Debug;

use cmd_stream::transport::memory;
use cmd_stream::{Answer, Client, Context, Error, ErrorKind, Failed, Json, Origin, Sender, Server, protocol};
use futures_util::FutureExt;
use serde::{Deserialize, Serialize};
use tokio::runtime::{Builder, Runtime};

#[derive(Serialize, Deserialize)]
struct Say(String);

#[derive(Serialize, Deserialize)]
struct Said(String);

protocol! {
    struct Echo {
        commands { 0 => Say -> Said }
        replies { 0 => Said }
        failure close_connection
    }
}

struct Nothing;

impl Answer<Nothing> for Say {
    async fn answer(self, _: &Nothing, _: &Context<'_>) -> Result<Said, Failed> {
        Ok(Said(self.0))
    }
}

fn without_timers() -> Runtime {
    Builder::new_current_thread().enable_io().build().expect("the runtime starts")
}

fn without_sockets() -> Runtime {
    Builder::new_current_thread().enable_time().build().expect("the runtime starts")
}

fn assert_says(result: Result<impl Debug, Error>, kind: ErrorKind, says: &str) {
    let error = result.expect_err("there is no such runtime");
    assert_eq!((error.kind(), error.origin()), (kind, Origin::Local), "{error:#}");
    assert!(format!("{error:#}").contains(says), "{error:#}");
}

const TIMERS: &str = "the tokio runtime has no timers: build it with `enable_time` or `enable_all`";
const SOCKETS: &str = "IO is disabled";

#[test]
fn without_timers_nothing_begins() {
    without_timers().block_on(async {
        assert_says(Server::bind("127.0.0.1:0", Echo, Json, Nothing).await, ErrorKind::Io, TIMERS);
        let (connector, listener) = memory::pair();
        assert_says(Server::builder(Echo, Json, Nothing).listen(listener), ErrorKind::Io, TIMERS);
        assert_says(Client::builder(Echo, Json).connect_by(connector.clone()).await, ErrorKind::Io, TIMERS);
        assert_says(Client::connect("127.0.0.1:9", Echo, Json).await, ErrorKind::Io, TIMERS);
        let sender = Sender::builder(Echo, Json).endpoints(["127.0.0.1:9"]);
        assert_says(sender.connect().await, ErrorKind::Io, TIMERS);
        let (io, _other) = tokio::io::duplex(64);
        let peer = cmd_stream::transport::Peer::other("a pipe");
        assert_says(Client::builder(Echo, Json).over(io, peer).await, ErrorKind::Io, TIMERS);
    });
}

#[test]
fn without_timers_lazy_ones_end_at_once_and_say_why() {
    without_timers().block_on(async {
        let client = Client::builder(Echo, Json).connect_lazy("127.0.0.1:9");
        let error = client.send(Say("hello".to_owned())).await.err().expect("it has ended");
        assert!(format!("{error:#}").contains("no timers"), "{error:#}");
        let sender = Sender::builder(Echo, Json).endpoints(["127.0.0.1:9", "127.0.0.1:10"]).connect_lazy();
        let error = sender.send(Say("hello".to_owned())).await.err().expect("it has ended");
        assert!(format!("{error:#}").contains("no timers"), "{error:#}");
    });
}

#[test]
fn without_sockets_those_that_need_none_work() {
    without_sockets().block_on(async {
        let (connector, listener) = memory::pair();
        let server = Server::builder(Echo, Json, Nothing).listen(listener).expect("memory needs no sockets");
        let handle = server.handle();
        let serving = tokio::spawn(server.serve());
        let client =
            Client::builder(Echo, Json).connect_by(connector).await.expect("memory needs no sockets");
        let said = client.send(Say("hello".to_owned())).await.expect("it is answered");
        assert_eq!(said.0, "hello");
        handle.close();
        serving.await.expect("it does not panic");
    });
}

#[test]
fn without_sockets_there_is_no_tcp() {
    without_sockets().block_on(async {
        assert_says(Server::bind("127.0.0.1:0", Echo, Json, Nothing).await, ErrorKind::Panic, SOCKETS);
        assert_says(Client::connect("127.0.0.1:9", Echo, Json).await, ErrorKind::Panic, SOCKETS);
        let sender = Sender::builder(Echo, Json).endpoints(["127.0.0.1:9"]);
        assert_says(sender.connect().await, ErrorKind::Panic, SOCKETS);
    });
}

#[test]
fn without_a_runtime_nothing_begins() {
    let none = "there is no tokio runtime here";
    let bound = Server::bind("127.0.0.1:0", Echo, Json, Nothing).now_or_never().expect("it fails at once");
    assert_says(bound, ErrorKind::Io, none);
    let connected = Client::connect("127.0.0.1:9", Echo, Json).now_or_never().expect("it fails at once");
    assert_says(connected, ErrorKind::Io, none);
    let sender = Sender::builder(Echo, Json).endpoints(["127.0.0.1:9"]);
    assert_says(sender.connect().now_or_never().expect("it fails at once"), ErrorKind::Io, none);
}
