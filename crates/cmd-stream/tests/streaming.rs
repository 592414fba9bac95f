//! Calls for a stream of Replies: their order, their end, and what they do to the others on their connection.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cmd_stream::client::{Limits, Overflow};
use cmd_stream::{CallError, Client, Error, ErrorKind, Json, Origin, Sender, Server, client, server};
use futures_util::future::join_all;
use futures_util::{StreamExt, TryStreamExt};
use testkit::ends::{both, client_and_bytes, json_frame, serve};
use testkit::sample::{EchoCmd, Sample, SampleReply, Service, StreamCmd, StreamResult};
use testkit::wait::{until, within};
use tokio::time::{Instant, sleep};

fn sample() -> server::Builder<Sample, Json, Service> {
    Server::builder(Sample, Json, Service)
}

fn client() -> client::Builder<Sample, Json> {
    Client::builder(Sample, Json)
}

fn count(init: i64, count: i64) -> StreamCmd {
    StreamCmd { init, count }
}

/// As the wire has it.
fn command(seq: u64, init: i64, count: i64) -> Vec<u8> {
    json_frame(seq, 1, &format!(r#"{{"Init":{init},"Count":{count}}}"#))
}

fn reply(seq: u64, value: i64, last: bool) -> Vec<u8> {
    json_frame(seq, 1, &format!(r#"{{"Value":{value},"Last":{last}}}"#))
}

fn value(reply: Option<Result<StreamResult, CallError<Infallible>>>) -> Option<i64> {
    reply.map(|reply| reply.expect("a reply").value)
}

/// All Replies of a stream come in order, and only the last one says so.
async fn check(client: &Client<Sample, Json>, init: i64, n: i64) {
    let replies: Vec<_> =
        client.stream(count(init, n)).await.expect("sent").try_collect().await.expect("replies");
    let expected = (0..n).map(|at| StreamResult { value: init + at, last: at + 1 == n });
    assert!(replies.into_iter().eq(expected), "not the replies of {init}..+{n}");
}

#[tokio::test(start_paused = true)]
async fn a_stream_gives_the_replies_in_order_and_ends_after_the_last_one() {
    let (client, _server) = both(sample(), client()).await;
    let mut stream = client.stream(count(5, 3)).await.expect("sent");
    for expected in [(5, false), (6, false), (7, true)] {
        let StreamResult { value, last } = within(stream.next()).await.expect("a reply").expect("no error");
        assert_eq!((value, last), expected);
    }
    assert!(within(stream.next()).await.is_none());
    assert!(within(stream.next()).await.is_none(), "an ended stream stays ended");
    assert_eq!(client.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn it_is_a_futures_stream() {
    let (client, _server) = both(sample(), client()).await;
    let sender = Sender::from(client);
    let stream = sender.stream(count(0, 10)).await.expect("sent");
    let even: Vec<_> = stream
        .map(|reply| reply.expect("a reply").value)
        .filter(|value| std::future::ready(value % 2 == 0))
        .collect()
        .await;
    assert_eq!(even, [0, 2, 4, 6, 8]);
}

#[tokio::test(start_paused = true)]
async fn a_command_is_pending_until_its_last_reply() {
    let (client, mut peer) = client_and_bytes(client(), 1 << 16).await;
    let mut stream = client.stream(count(0, 2)).await.expect("sent");
    assert_eq!(client.in_flight(), 1);
    peer.expect(&command(1, 0, 2)).await;
    peer.send(&reply(1, 0, false)).await;
    assert_eq!(value(within(stream.next()).await), Some(0));
    assert_eq!(client.in_flight(), 1);
    peer.send(&reply(1, 1, true)).await;
    assert_eq!(value(within(stream.next()).await), Some(1));
    assert_eq!(value(within(stream.next()).await), None);
    assert_eq!(client.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn each_reply_is_given_when_it_arrives() {
    let (client, mut peer) = client_and_bytes(client(), 1 << 16).await;
    let began = Instant::now();
    let serving = async {
        peer.expect(&command(1, 0, 2)).await;
        peer.send(&reply(1, 0, false)).await;
        sleep(Duration::from_millis(100)).await;
        peer.send(&reply(1, 1, true)).await;
    };
    let reading = async {
        let mut stream = client.stream(count(0, 2)).await.expect("sent");
        let mut times = Vec::new();
        while let Some(reply) = stream.next().await {
            times.push((reply.expect("a reply").last, began.elapsed().as_millis()));
        }
        times
    };
    let ((), times) = within(async { tokio::join!(serving, reading) }).await;
    assert_eq!(times, [(false, 0), (true, 100)]);
}

#[tokio::test(start_paused = true)]
async fn replies_of_several_streams_may_be_mixed() {
    let (client, mut peer) = client_and_bytes(client(), 1 << 16).await;
    let mut first = client.stream(count(10, 3)).await.expect("sent");
    let mut second = client.stream(count(20, 2)).await.expect("sent");
    peer.expect(&[command(1, 10, 3), command(2, 20, 2)].concat()).await;
    let mixed = [
        reply(2, 20, false),
        reply(1, 10, false),
        reply(2, 21, true),
        reply(1, 11, false),
        reply(1, 12, true),
    ];
    peer.send(&mixed.concat()).await;
    for expected in [Some(10), Some(11), Some(12), None] {
        assert_eq!(value(within(first.next()).await), expected);
    }
    for expected in [Some(20), Some(21), None] {
        assert_eq!(value(within(second.next()).await), expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_streams_and_calls_share_one_connection() {
    let server = serve(sample()).await;
    let client = client().connect(server.local_addr().to_string()).await.expect("a server");
    let callers = (0..50).map(|caller| {
        let client = client.clone();
        tokio::spawn(async move {
            for n in 1..=20 {
                check(&client, caller * 1000, n * 3).await;
                let echo = EchoCmd { int64: caller, ..EchoCmd::default() };
                assert_eq!(client.send(echo).await.expect("a reply").int64, caller);
            }
        })
    });
    for caller in within(join_all(callers)).await {
        caller.expect("no caller panics");
    }
    assert_eq!(client.in_flight(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_stream_arrives_whole_through_small_limits() {
    let limits = server::Limits::default().output(2000);
    let server = serve(sample().limits(limits)).await;
    let client = client().limits(Limits::default().stream_replies(10, Overflow::Pause));
    let client = client.connect(server.local_addr().to_string()).await.expect("a server");
    within(check(&client, 1, 20_000)).await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_nobody_reads_does_not_hold_up_the_others() {
    let (client, _server) = both(sample(), client()).await;
    let mut unread = client.stream(count(0, 1000)).await.expect("sent");
    for n in 0..10 {
        check(&client, n, 10).await;
    }
    // And it has missed nothing.
    let mut read = 0;
    while let Some(reply) = within(unread.next()).await {
        assert_eq!(reply.expect("a reply").value, read);
        read += 1;
    }
    assert_eq!(read, 1000);
}

#[tokio::test(start_paused = true)]
async fn replies_that_had_arrived_are_given_before_the_reason_why_the_connection_ended() {
    for (rest, kind) in [(&b""[..], ErrorKind::Closed), (&b"\x01\x01\x20{"[..], ErrorKind::UnexpectedEof)] {
        let (client, mut peer) = client_and_bytes(client(), 1 << 16).await;
        let mut stream = client.stream(count(0, 9)).await.expect("sent");
        peer.expect(&command(1, 0, 9)).await;
        peer.send(&[&reply(1, 0, false), &reply(1, 1, false), rest].concat()).await;
        drop(peer);
        assert_eq!(within(client.closed()).await.kind(), kind);
        assert_eq!(value(stream.next().await), Some(0));
        assert_eq!(value(stream.next().await), Some(1));
        let error = Error::from(stream.next().await.expect("the reason").expect_err("the reason"));
        assert_eq!((error.kind(), error.origin(), error.was_sent()), (kind, Origin::Remote, true));
        assert!(stream.next().await.is_none());
        assert_eq!(client.in_flight(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_had_its_last_reply_ends_well_on_a_lost_connection() {
    let (client, mut peer) = client_and_bytes(client(), 1 << 16).await;
    let mut stream = client.stream(count(0, 1)).await.expect("sent");
    peer.expect(&command(1, 0, 1)).await;
    peer.send(&reply(1, 0, true)).await;
    drop(peer);
    within(client.closed()).await;
    assert_eq!(value(stream.next().await), Some(0));
    assert!(stream.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_reply_after_the_last_one_is_unexpected() {
    let unexpected = Arc::new(Mutex::new(Vec::new()));
    let add = Arc::clone(&unexpected);
    let client = client().on_unexpected_reply(move |seq, reply| match reply {
        SampleReply::StreamResult(reply) => add.lock().expect("no panic").push((seq.get(), reply.value)),
        _ => panic!("a reply of another type"),
    });
    let (client, mut peer) = client_and_bytes(client, 1 << 16).await;
    let mut stream = client.stream(count(0, 1)).await.expect("sent");
    peer.expect(&command(1, 0, 1)).await;
    // One while the last Reply waits to be read, one when the stream has ended.
    peer.send(&[reply(1, 0, true), reply(1, 7, false)].concat()).await;
    until(|| unexpected.lock().expect("no panic").len() == 1).await;
    assert_eq!(value(stream.next().await), Some(0));
    assert!(stream.next().await.is_none());
    peer.send(&reply(1, 8, true)).await;
    until(|| unexpected.lock().expect("no panic").len() == 2).await;
    assert_eq!(*unexpected.lock().expect("no panic"), [(1, 7), (1, 8)]);
}

#[tokio::test(start_paused = true)]
async fn a_stream_and_its_calls_say_what_they_are() {
    let (client, _peer) = client_and_bytes(client(), 1 << 16).await;
    assert_eq!(format!("{:?}", client.send(count(0, 1))), "Call { .. }");
    assert_eq!(format!("{:?}", client.stream(count(0, 1))), "OpenStream { .. }");
    let stream = client.stream(count(0, 1)).await.expect("sent");
    assert_eq!(format!("{stream:?}"), "ReplyStream { seq: Some(1), .. }");
    assert_eq!(format!("{client:?}"), r#"Client { link: Up(Peer(bytes)), in_flight: 1 }"#);
}
