//! Futures that are dropped before they are done: what they leave behind, and what they do not.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use cmd_stream::client::Limits;
use cmd_stream::{
    Client, Error, ErrorKind, Execute, Failed, Json, Proxy, Reply, Sender, Server, client, protocol, server,
};
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use testkit::ends::{both, client_and_bytes, json_frame, server_and_bytes};
use testkit::peer::BytePeer;
use testkit::sample::{EchoCmd, Sample, SampleReply, Service, StreamCmd};
use testkit::wait::{until, within};
use tokio::io::DuplexStream;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::yield_now;
use tokio::time::timeout;

fn echo(int64: i64) -> EchoCmd {
    EchoCmd { int64, ..EchoCmd::default() }
}

fn echo_frame(seq: u64, int64: i64) -> Vec<u8> {
    json_frame(seq, 0, &format!(r#"{{"Bool":false,"Int64":{int64},"String":"","Float64":0.0}}"#))
}

fn stream_frame(seq: u64, value: i64, last: bool) -> Vec<u8> {
    json_frame(seq, 1, &format!(r#"{{"Value":{value},"Last":{last}}}"#))
}

/// Replies that nobody waited for: seq and value.
type Unexpected = Arc<Mutex<Vec<(i64, i64)>>>;

fn unexpected(client: client::Builder<Sample, Json>) -> (client::Builder<Sample, Json>, Unexpected) {
    let unexpected = Unexpected::default();
    let add = Arc::clone(&unexpected);
    let client = client.on_unexpected_reply(move |seq, reply| {
        let value = match reply {
            SampleReply::EchoResult(reply) => reply.int64,
            SampleReply::StreamResult(reply) => reply.value,
            SampleReply::DelayResult(reply) => reply.id,
        };
        add.lock().expect("no panic").push((seq.get(), value));
    });
    (client, unexpected)
}

fn seen(unexpected: &Unexpected) -> Vec<(i64, i64)> {
    unexpected.lock().expect("no panic").clone()
}

/// Polls a future that often, with turns for the other tasks in between; then drops it. Whether it was done before.
async fn poll_times<F: Future>(future: F, times: usize, turns: usize) -> bool {
    let mut future = pin!(future);
    for _ in 0..times {
        if poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_ready())).await {
            return true;
        }
        for _ in 0..turns {
            yield_now().await;
        }
    }
    false
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_never_polled_sends_nothing() {
    let (client, mut peer) = client_and_bytes(Client::builder(Sample, Json), 1 << 16).await;
    drop(client.send(echo(1)));
    drop(Box::pin(client.send(echo(2))));
    drop(client.stream(StreamCmd { init: 0, count: 1 }));
    drop(Box::pin(client.stream(StreamCmd { init: 0, count: 1 })));
    assert_eq!(client.in_flight(), 0);
    let sending = async { client.send(echo(3)).await.expect("a reply") };
    let serving = async {
        peer.expect(&echo_frame(1, 3)).await;
        peer.send(&echo_frame(1, 3)).await;
    };
    within(async { tokio::join!(sending, serving) }).await;
}

#[tokio::test(start_paused = true)]
async fn late_reply_goes_to_the_unexpected_callback() {
    let (builder, unexpected) = unexpected(Client::builder(Sample, Json));
    let (client, mut peer) = client_and_bytes(builder, 1 << 16).await;
    timeout(Duration::from_millis(10), client.send(echo(1))).await.expect_err("no reply yet");
    assert_eq!(client.in_flight(), 0, "its entry is gone at once");
    peer.expect(&echo_frame(1, 1)).await;
    peer.send(&echo_frame(1, 1)).await;
    until(|| seen(&unexpected) == [(1, 1)]).await;

    // The seq is not used again, and the connection goes on.
    let sending = async { client.send(echo(2)).await.expect("a reply").int64 };
    let serving = async {
        peer.expect(&echo_frame(2, 2)).await;
        peer.send(&[echo_frame(1, 1), echo_frame(2, 2)].concat()).await;
    };
    assert_eq!(within(async { tokio::join!(sending, serving) }).await.0, 2);
    assert_eq!(seen(&unexpected), [(1, 1), (1, 1)]);
}

#[tokio::test(start_paused = true)]
async fn late_replies_of_a_dropped_stream_go_to_the_unexpected_callback() {
    let (builder, unexpected) = unexpected(Client::builder(Sample, Json));
    let (client, mut peer) = client_and_bytes(builder, 1 << 16).await;
    let mut stream = client.stream(StreamCmd { init: 0, count: 4 }).await.expect("sent");
    peer.receive(json_frame(1, 1, r#"{"Init":0,"Count":4}"#).len()).await;
    peer.send(&[stream_frame(1, 0, false), stream_frame(1, 1, false)].concat()).await;
    assert_eq!(within(stream.next()).await.expect("a reply").expect("a reply").value, 0);
    drop(stream); // with a Reply in it
    assert_eq!(client.in_flight(), 0, "its entry is gone at once");
    peer.send(&[stream_frame(1, 2, false), stream_frame(1, 3, true)].concat()).await;
    until(|| seen(&unexpected) == [(1, 2), (1, 3)]).await;
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_arrived_for_a_call_is_dropped_with_it() {
    let (builder, unexpected) = unexpected(Client::builder(Sample, Json));
    let (client, mut peer) = client_and_bytes(builder, 1 << 16).await;
    {
        let mut call = pin!(client.send(echo(1)));
        assert!(poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx).is_pending())).await);
        peer.expect(&echo_frame(1, 1)).await;
        peer.send(&[echo_frame(1, 1), echo_frame(9, 9)].concat()).await;
        until(|| seen(&unexpected) == [(9, 9)]).await; // so the one before it has arrived, too
        assert_eq!(client.in_flight(), 1);
    }
    assert_eq!(client.in_flight(), 0);
    assert_eq!(seen(&unexpected), [(9, 9)]);
}

#[tokio::test(start_paused = true)]
async fn next_that_is_dropped_has_taken_no_reply() {
    let (client, mut peer) = client_and_bytes(Client::builder(Sample, Json), 1 << 16).await;
    let mut stream = client.stream(StreamCmd { init: 0, count: 100 }).await.expect("sent");
    peer.receive(json_frame(1, 1, r#"{"Init":0,"Count":100}"#).len()).await;
    let mut read = Vec::new();
    for value in 0..100 {
        for _ in 0..value % 4 {
            assert!(!poll_times(stream.next(), 1, 1).await, "nothing has arrived");
        }
        peer.send(&stream_frame(1, value, value == 99)).await;
        while read.len() <= value as usize {
            // Given up again and again until the Reply is there.
            if let Ok(reply) = timeout(Duration::from_millis(1), stream.next()).await {
                read.push(reply.expect("a reply").expect("a reply").value);
            }
        }
    }
    assert!(read.into_iter().eq(0..100));
    assert!(within(stream.next()).await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_call_may_be_dropped_at_any_of_its_polls() {
    let (client, server) = both(Server::builder(Sample, Json, Service), Client::builder(Sample, Json)).await;
    let (mut done, mut dropped) = (0, 0);
    for times in 0..6 {
        for turns in 0..6 {
            let call = client.send(echo(1));
            let ended = poll_times(call, times, turns).await;
            *(if ended { &mut done } else { &mut dropped }) += 1;
            assert_eq!(client.in_flight(), 0);

            let stream = async {
                let mut stream = client.stream(StreamCmd { init: 0, count: 3 }).await.expect("sent");
                while let Some(reply) = stream.next().await {
                    reply.expect("a reply");
                }
            };
            poll_times(stream, times, turns).await;
            assert_eq!(client.in_flight(), 0);
            assert_eq!(client.send(echo(2)).await.expect("the connection goes on").int64, 2);
        }
    }
    assert!(done > 0 && dropped > 0, "{done} were done and {dropped} dropped");
    assert_eq!(server.counters().failed, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_dropped_at_random_leave_the_others_alone() {
    let server = testkit::ends::serve(Server::builder(Sample, Json, Service)).await;
    let client = Client::connect(server.local_addr().to_string(), Sample, Json).await.expect("a server");
    let callers = (0..50_usize).map(|caller| {
        let client = client.clone();
        tokio::spawn(async move {
            for n in 0..40_usize {
                let (times, turns) = (n * 7 % 4, caller * 3 % 5);
                poll_times(client.send(echo(-1)), times, turns).await;
                let int64 = (caller * 100 + n) as i64;
                assert_eq!(client.send(echo(int64)).await.expect("a reply").int64, int64);
            }
        })
    });
    for caller in within(join_all(callers)).await {
        caller.expect("no caller panics");
    }
    assert_eq!(client.in_flight(), 0);
}

// Back-pressure: the peer reads nothing, the connection holds 8 bytes, the output is full after one Command.

const SMALL: usize = 8;

async fn full() -> (Client<Sample, Json>, BytePeer<DuplexStream>) {
    let builder = Client::builder(Sample, Json).limits(Limits::default().output(1));
    client_and_bytes(builder, SMALL).await
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_for_room_and_is_dropped_leaves_no_bytes() {
    let (client, mut peer) = full().await;
    let first = client.send(echo(1));
    let calling = async {
        let waiting = async {
            yield_now().await; // behind the first one
            timeout(Duration::from_millis(10), client.send(echo(2))).await.expect_err("no room");
            timeout(Duration::from_millis(10), client.stream(StreamCmd { init: 0, count: 1 }))
                .await
                .expect_err("no room");
            assert_eq!(client.in_flight(), 1, "what waits for room is not in flight");
        };
        let (first, ()) = tokio::join!(first, async {
            waiting.await;
            peer.expect(&echo_frame(1, 1)).await;
            peer.send(&echo_frame(1, 1)).await;
        });
        assert_eq!(first.expect("a reply").int64, 1);
        let serving = async {
            peer.expect(&echo_frame(2, 3)).await;
            peer.send(&echo_frame(2, 3)).await;
        };
        let (next, ()) = tokio::join!(client.send(echo(3)), serving);
        assert_eq!(next.expect("a reply").int64, 3);
    };
    within(calling).await;
}

#[tokio::test(start_paused = true)]
async fn calls_that_wait_for_room_go_on_when_others_of_them_are_dropped() {
    let (client, mut peer) = full().await;
    let calls = join_all((0..40).map(|n| {
        let client = client.clone();
        async move {
            let call = client.send(echo(n));
            if n % 3 == 1 {
                // Given up while it waits: nothing has been read yet.
                return timeout(Duration::from_millis(10), call).await.is_err();
            }
            call.await.expect("a reply").int64 == n
        }
    }));
    let serving = async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let mut values = Vec::new();
        for seq in 1..=27 {
            let frame = peer.receive(echo_frame(seq, 10).len() - 1).await;
            // All numbers have one digit or two, so the rest of the frame says which one it is.
            let whole = |value: i64| echo_frame(seq, value).starts_with(&frame);
            let value =
                (0..40).filter(|value| value % 3 != 1).find(|&value| whole(value)).expect("a frame as sent");
            peer.receive(echo_frame(seq, value).len() - frame.len()).await;
            peer.send(&echo_frame(seq, value)).await;
            values.push(value);
        }
        values.sort_unstable();
        values
    };
    let (calls, values) = within(async { tokio::join!(calls, serving) }).await;
    assert!(calls.into_iter().all(|as_expected| as_expected));
    assert!(values.into_iter().eq((0..40).filter(|n| n % 3 != 1)));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_for_room_fails_unsent_when_the_client_is_closed() {
    let (client, _peer) = full().await;
    let closing = async {
        tokio::time::sleep(Duration::from_millis(10)).await;
        client.close();
    };
    let (sent, unsent, ()) = tokio::join!(client.send(echo(1)), client.send(echo(2)), closing);
    let (sent, unsent) = (Error::from(sent.expect_err("closed")), Error::from(unsent.expect_err("closed")));
    assert_eq!((sent.kind(), sent.was_sent()), (ErrorKind::Closed, true));
    assert_eq!((unsent.kind(), unsent.was_sent()), (ErrorKind::Closed, false));
}

// Other futures of the client and the server.

#[tokio::test]
async fn dropping_connect_closes_the_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    let mut peer = {
        let mut connecting = pin!(Sender::connect(address, Sample, Json));
        tokio::select! {
            peer = BytePeer::accept(&listener) => peer,
            _ = &mut connecting => panic!("nobody greeted it"),
        }
    };
    peer.expect_end().await;
}

#[tokio::test(start_paused = true)]
async fn closed_may_be_dropped_and_called_again() {
    let (client, peer) = client_and_bytes(Client::builder(Sample, Json), 1 << 16).await;
    for _ in 0..3 {
        timeout(Duration::from_millis(1), client.closed()).await.expect_err("it is open");
    }
    drop(peer);
    assert_eq!(within(client.closed()).await.kind(), ErrorKind::Closed);
    assert_eq!(within(client.closed()).await.kind(), ErrorKind::Closed);
}

// The server's Proxy.

/// Sends Replies, each given up at first and then sent for good.
#[derive(Serialize, Deserialize)]
struct Hesitate {
    replies: usize,
}

#[derive(Serialize, Deserialize)]
struct Piece {
    text: String,
    last: bool,
}

impl Reply for Piece {
    fn is_last(&self) -> bool {
        self.last
    }
}

/// The Receiver: how many sends were given up, and how many Commands saw their connection go.
#[derive(Clone)]
struct Counts(Arc<(Mutex<usize>, Semaphore)>);

impl Execute<Counts> for Hesitate {
    async fn execute(self, counts: &Counts, proxy: Proxy<'_, Piece>) -> Result<(), Failed> {
        for n in 0..self.replies {
            let piece = || Piece { text: format!("{n:->100}"), last: false };
            if !poll_times(proxy.send(piece()), 1, 0).await {
                *counts.0.0.lock().expect("no panic") += 1;
                proxy.send(piece()).await?;
            }
            if timeout(Duration::ZERO, proxy.closed()).await.is_ok() {
                break;
            }
        }
        proxy.send(Piece { text: String::new(), last: true }).await
    }
}

/// Waits for the end of its connection.
#[derive(Serialize, Deserialize)]
struct Outlive {}

impl Execute<Counts> for Outlive {
    async fn execute(self, counts: &Counts, proxy: Proxy<'_, Piece>) -> Result<(), Failed> {
        proxy.send(Piece { text: "waiting".into(), last: false }).await?;
        for _ in 0..3 {
            poll_times(proxy.closed(), 2, 1).await;
        }
        proxy.closed().await;
        proxy.send(Piece { text: String::new(), last: true }).await.expect_err("nobody is there");
        proxy.closed().await;
        counts.0.1.add_permits(1);
        Ok(())
    }
}

protocol! {
    struct Pieces {
        commands { 0 => Hesitate -> Piece, 1 => Outlive -> Piece }
        replies { 0 => Piece }
        failure close_connection
    }
}

fn counts() -> Counts {
    Counts(Arc::new((Mutex::default(), Semaphore::new(0))))
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_is_given_up_is_sent_whole_or_not_at_all() {
    let counts = counts();
    let limits = server::Limits::default().output(150);
    let (server, mut peer) =
        server_and_bytes(Server::builder(Pieces, Json, counts.clone()).limits(limits)).await;
    // More than memory and output hold together, so that at some time there is no room.
    const REPLIES: usize = 2000;
    peer.send(&json_frame(1, 0, &format!(r#"{{"replies":{REPLIES}}}"#))).await;
    until(|| *counts.0.0.lock().expect("no panic") > 0).await;
    let mut next = 0;
    loop {
        let head = peer.receive(2).await;
        assert_eq!(head, [1, 0], "a reply was cut before the one with number {next}");
        let mut length = 0;
        for shift in [0, 7] {
            let byte = peer.receive(1).await[0];
            length |= usize::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        let piece: Piece = serde_json::from_slice(&peer.receive(length).await).expect("a whole reply");
        if piece.last {
            break;
        }
        let number: usize = piece.text.trim_start_matches('-').parse().expect("a number");
        // One that was given up when it had been sent comes twice.
        assert!(number == next || number + 1 == next, "{number} came when {next} was expected");
        next = number + 1;
    }
    assert_eq!(next, REPLIES, "none is missing");
    until(|| server.counters().started == 1).await;
}

#[tokio::test(start_paused = true)]
async fn proxy_closed_may_be_dropped_and_called_again() {
    let counts = counts();
    let (server, mut peer) = server_and_bytes(Server::builder(Pieces, Json, counts.clone())).await;
    peer.send(&json_frame(1, 1, "{}")).await;
    peer.expect(&json_frame(1, 0, r#"{"text":"waiting","last":false}"#)).await;
    drop(peer);
    within(counts.0.1.acquire()).await.expect("it is open").forget();
    assert_eq!(server.counters().failed, 0, "nobody is there to be told");
}
