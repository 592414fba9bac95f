//! Commands that are never answered: `5 => Note -> ()`, sent by `post`.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll, Waker};

use cmd_stream::client::Limits;
use cmd_stream::protocol::Protocol;
use cmd_stream::server::{Counters, Ended, Handle, Invocation};
use cmd_stream::{
    Answer, Client, Context, Error, ErrorKind, Execute, Failed, Invoker, Json, Problem, Proxy, Server,
    protocol,
};
use serde::{Deserialize, Serialize};
use testkit::ends::{both, client_and_bytes, json_frame, server_and_bytes};
use testkit::wait::{until, within};
use tokio::io::duplex;
use tokio::sync::{Mutex, mpsc};

/// Polls once, without a task to wake.
fn poll<T>(mut call: impl Future<Output = T> + Unpin) -> Poll<T> {
    Pin::new(&mut call).poll(&mut task::Context::from_waker(Waker::noop()))
}

/// Where the notes go.
struct Desk(mpsc::UnboundedSender<String>);

/// Kept, or what its text says.
#[derive(Serialize, Deserialize)]
struct Note(String);

/// The same, with a Proxy.
#[derive(Serialize, Deserialize)]
struct Memo(String);

#[derive(Serialize, Deserialize)]
struct Ping;
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Pong;

impl Answer<Desk> for Note {
    async fn answer(self, desk: &Desk, _: &Context<'_>) -> Result<(), Failed> {
        match self.0.as_str() {
            "fail" => return Err(Failed::new("as asked")),
            "panic" => panic!("as asked"),
            _ => desk.0.send(self.0)?,
        }
        Ok(())
    }
}

impl Execute<Desk> for Memo {
    async fn execute(self, desk: &Desk, proxy: Proxy<'_, ()>) -> Result<(), Failed> {
        desk.0.send(self.0)?;
        proxy.send(()).await // may be said, and sends nothing
    }
}

impl Answer<Desk> for Ping {
    async fn answer(self, _: &Desk, _: &Context<'_>) -> Result<Pong, Failed> {
        Ok(Pong)
    }
}

protocol! {
    struct Office {
        commands { 0 => Note -> (), 1 => Memo -> (), 2 => Ping -> Pong }
        replies { 0 => Pong, 1 => Problem }
        failure Problem
    }
}

protocol! {
    /// The same, where a failure costs the connection.
    struct Strict {
        commands { 0 => Note, 1 => Memo, 2 => Ping }
        replies { 0 => Pong }
        failure close_connection
    }
}

fn desk() -> (Desk, mpsc::UnboundedReceiver<String>) {
    let (notes, kept) = mpsc::unbounded_channel();
    (Desk(notes), kept)
}

async fn next(kept: &mut mpsc::UnboundedReceiver<String>) -> String {
    within(kept.recv()).await.expect("the server is there")
}

#[tokio::test]
async fn it_is_executed_and_nothing_is_answered() {
    let (desk, mut kept) = desk();
    let (client, handle) = both(Server::builder(Office, Json, desk), Client::builder(Office, Json)).await;
    within(client.post(Note("one".into()))).await.expect("it was written");
    within(client.post(Memo("two".into()))).await.expect("it was written");
    assert_eq!((next(&mut kept).await, next(&mut kept).await), ("one".into(), "two".into()));
    assert_eq!(within(client.send(Ping)).await.expect("a reply"), Pong);
    until(|| handle.counters().started == 3).await;
    let Counters { replies, failed, .. } = handle.counters();
    assert_eq!((replies, failed, client.in_flight()), (1, 0, 0));
}

#[tokio::test]
async fn on_the_wire_it_takes_a_seq_and_no_bytes_come_back() {
    let (client, mut server) = client_and_bytes(Client::builder(Office, Json), 1 << 16).await;
    within(client.post(Note("a".into()))).await.expect("it was written");
    server.expect(&json_frame(1, 0, "\"a\"")).await;
    let ping = client.send(Ping);
    let served = async {
        server.expect(&json_frame(2, 2, "null")).await;
        server.send(&json_frame(2, 0, "null")).await;
    };
    assert_eq!(within(async { tokio::join!(ping, served) }).await.0.expect("a reply"), Pong);

    let (desk, mut kept) = desk();
    let (_, mut client) = server_and_bytes(Server::builder(Office, Json, desk)).await;
    client.send(&json_frame(1, 0, "\"b\"")).await;
    client.send(&json_frame(2, 2, "null")).await;
    client.expect(&json_frame(2, 0, "null")).await;
    assert_eq!(next(&mut kept).await, "b");
}

/// Posts what fails and what panics; returns what the server has counted then, and whether the connection goes on.
async fn after_failures<P>(protocol: P, text: &str) -> (Counters, bool)
where
    P: cmd_stream::server::ServerProtocol<Json, Desk> + cmd_stream::protocol::ClientProtocol<Json>,
    Note: cmd_stream::protocol::CommandOf<P>,
    Ping: cmd_stream::protocol::CommandOf<P>,
{
    let (desk, _kept) = desk();
    let (client, handle): (_, Handle) =
        both(Server::builder(protocol, Json, desk), Client::builder(protocol, Json).reconnect(false)).await;
    within(client.post(Note(text.into()))).await.expect("it was written");
    let goes_on = within(client.send(Ping)).await.is_ok();
    until(|| handle.counters().failed == 1).await;
    (handle.counters(), goes_on)
}

#[tokio::test]
async fn one_that_fails_or_panics_is_counted_and_answered_with_nothing() {
    let (counters, goes_on) = after_failures(Office, "fail").await;
    assert_eq!((counters.failed, counters.panicked, counters.replies, goes_on), (1, 0, 1, true));
    let (counters, goes_on) = after_failures(Office, "panic").await;
    assert_eq!((counters.failed, counters.panicked, counters.replies, goes_on), (1, 1, 1, true));
}

#[tokio::test]
async fn where_a_failure_closes_the_connection_that_of_a_one_way_command_does_too() {
    assert!(!after_failures(Strict, "fail").await.1);
    assert!(!after_failures(Strict, "panic").await.1);
}

/// Keeps how Commands ended.
struct Watch(Arc<Mutex<Vec<Result<Ended, String>>>>);

impl<P: Protocol> Invoker<P> for Watch {
    async fn invoke(&self, invocation: impl Invocation<P>) -> Result<Ended, Failed> {
        let ended = invocation.run().await;
        self.0.lock().await.push(ended.as_ref().map_err(|failed| failed.to_string()).copied());
        ended
    }
}

#[tokio::test]
async fn the_invoker_sees_that_it_is_done() {
    let ((desk, _kept), seen) = (desk(), Arc::default());
    let server = Server::builder(Office, Json, desk).invoker(Watch(Arc::clone(&seen)));
    let (client, _) = both(server, Client::builder(Office, Json)).await;
    for text in ["x", "fail"] {
        within(client.post(Note(text.into()))).await.expect("it was written");
    }
    within(client.send(Ping)).await.expect("a reply");
    let seen = seen.lock().await.clone();
    assert_eq!(seen, [Ok(Ended::Unanswered), Err("as asked".into()), Ok(Ended::Replied)]);
}

#[tokio::test]
async fn it_is_done_when_its_batch_was_handed_to_the_transport_and_not_before() {
    let (ours, theirs) = duplex(64);
    let mut server = testkit::peer::BytePeer::over(theirs);
    server.send(testkit::peer::GREETING).await;
    let peer = cmd_stream::transport::Peer::other("narrow");
    let client = within(Client::builder(Office, Json).over(ours, peer)).await.expect("it was greeted");
    let (first, second) = ("x".repeat(200), "y".repeat(10));
    let mut first_post = client.post(Note(first.clone()));
    let mut second_post = client.post(Note(second.clone()));
    assert!(poll(&mut first_post).is_pending());
    assert!(poll(&mut second_post).is_pending());
    // The transport holds 64 bytes: most of the batch is not with it.
    for _ in 0..100 {
        tokio::task::yield_now().await;
        assert!(poll(&mut first_post).is_pending(), "the batch is not written");
        assert!(poll(&mut second_post).is_pending(), "the batch is not written");
    }
    server.expect(&json_frame(1, 0, &format!("\"{first}\""))).await;
    server.expect(&json_frame(2, 0, &format!("\"{second}\""))).await;
    within(first_post).await.expect("it is written");
    within(second_post).await.expect("it is written");
    assert_eq!(client.in_flight(), 0);
}

#[tokio::test]
async fn when_the_connection_is_lost_it_fails_and_says_whether_it_may_have_been_sent() {
    let (ours, theirs) = duplex(64);
    let mut server = testkit::peer::BytePeer::over(theirs);
    server.send(testkit::peer::GREETING).await;
    let peer = cmd_stream::transport::Peer::other("narrow");
    let client = within(Client::builder(Office, Json).over(ours, peer)).await.expect("it was greeted");
    let mut taken = client.post(Note("x".repeat(200)));
    assert!(poll(&mut taken).is_pending());
    server.receive(10).await; // its batch has been taken, and is not written whole
    let mut queued = client.post(Note("y".into()));
    assert!(poll(&mut queued).is_pending());
    drop(server);
    let error = |result: Result<(), Error>| result.expect_err("the connection is gone");
    let (taken, queued) = (error(within(taken).await), error(within(queued).await));
    assert!(taken.was_sent() && !queued.was_sent(), "{taken:?} {queued:?}");
    let late = error(within(client.post(Note("z".into()))).await);
    assert!(!late.was_sent());
    assert_eq!(client.in_flight(), 0);
}

#[tokio::test]
async fn dropped_before_it_is_done_it_leaves_nothing_behind() {
    let (client, mut server) = client_and_bytes(Client::builder(Office, Json), 1 << 16).await;
    for _ in 0..10 {
        let mut post = Box::pin(client.post(Note("a".into())));
        assert!(poll(&mut post).is_pending());
        assert_eq!(client.in_flight(), 1);
        drop(post);
        assert_eq!(client.in_flight(), 0);
    }
    within(client.post(Note("b".into()))).await.expect("it is written");
    server.expect(&json_frame(11, 0, "\"b\"")).await; // the others were not written yet, so they are not sent
}

#[tokio::test]
async fn a_reply_that_comes_for_it_all_the_same_is_unexpected() {
    let (unexpected, mut seen) = mpsc::unbounded_channel();
    let builder = Client::builder(Office, Json).on_unexpected_reply(move |seq, _| {
        let _ = unexpected.send(seq.get());
    });
    let (client, mut server) = client_and_bytes(builder, 1 << 16).await;
    within(client.post(Note("a".into()))).await.expect("it is written");
    server.send(&json_frame(1, 0, "null")).await;
    assert_eq!(within(seen.recv()).await, Some(1));
}

#[tokio::test]
async fn one_over_the_limit_of_a_frame_fails_and_the_connection_goes_on() {
    let (desk, mut kept) = desk();
    let client = Client::builder(Office, Json).limits(Limits::default().frame(100));
    let (client, _) = both(Server::builder(Office, Json, desk), client).await;
    let error = within(client.post(Note("x".repeat(100)))).await.expect_err("it is too large");
    assert_eq!((error.kind(), error.was_sent()), (ErrorKind::Limit, false));
    within(client.post(Note("small".into()))).await.expect("it is written");
    assert_eq!(next(&mut kept).await, "small");
}

#[tokio::test]
async fn posts_wait_while_the_output_is_full() {
    let client = Client::builder(Office, Json).limits(Limits::default().output(100));
    let (client, mut server) = client_and_bytes(client, 64).await;
    let note = "x".repeat(100);
    let posts = futures_util::future::join_all((0..50).map(|_| client.post(Note(note.clone()))));
    let arrive = async {
        for seq in 1..=50 {
            server.expect(&json_frame(seq, 0, &format!("\"{note}\""))).await;
        }
    };
    let (posted, ()) = within(async { tokio::join!(posts, arrive) }).await;
    assert!(posted.iter().all(Result::is_ok), "{posted:?}");
}

/// A failure that cannot be made: nobody needs it where nothing is sent.
#[derive(Debug, Serialize, Deserialize)]
struct Unmakeable;

impl std::fmt::Display for Unmakeable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("unmakeable")
    }
}

impl std::error::Error for Unmakeable {}

impl cmd_stream::Failure for Unmakeable {
    fn from_failed(_: &Failed) -> Self {
        panic!("as asked")
    }
}

protocol! {
    struct Careless {
        commands { 0 => Note, 1 => Memo, 2 => Ping }
        replies { 0 => Pong, 1 => Unmakeable }
        failure Unmakeable
    }
}

#[tokio::test]
async fn no_failure_is_made_of_one_that_fails_as_none_is_sent() {
    let (counters, goes_on) = after_failures(Careless, "fail").await;
    assert!(goes_on);
    assert_eq!((counters.failed, counters.replies), (1, 1));
}
