//! What was not sent goes to another member, with the bytes that it has. What may have run fails, and says so.

use std::future::Future;
use std::panic::panic_any;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use cmd_stream::client::{Keepalive, Limits};
use cmd_stream::format::{Decode, Encode, EncodeError, Format};
use cmd_stream::proto::Decoded;
use cmd_stream::sender::Retry;
use cmd_stream::{Error, ErrorKind, Json, Origin, Reply, Sender, protocol};
use serde::{Deserialize, Serialize};
use testkit::peer::BytePeer;
use testkit::wait::within;
use tokio::io::DuplexStream;
use tokio::time::Instant;

use crate::lab::quiet;
use crate::net::{First, WIDE};
use crate::wire::{echo_frame, frame, number_frame, tag, text_frame};
use crate::{SECOND, call, told, two};

#[derive(Serialize, Deserialize)]
struct Echo {
    text: String,
}

#[derive(Serialize, Deserialize)]
struct Count {
    to: u64,
}

#[derive(Serialize, Deserialize)]
struct Note(String);

#[derive(PartialEq, Debug, Serialize, Deserialize)]
struct Text(String);

#[derive(PartialEq, Debug, Serialize, Deserialize)]
struct Number {
    value: u64,
    last: bool,
}

impl Reply for Number {
    fn is_last(&self) -> bool {
        self.last
    }
}

protocol! {
    struct Mixed {
        commands { 0 => Echo -> Text, 2 => Count -> Number, 5 => Note -> () }
        replies { 0 => Text, 1 => Number }
        failure close_connection
    }
}

fn echo(text: impl ToString) -> Echo {
    Echo { text: text.to_string() }
}

fn count_frame(seq: i64) -> Vec<u8> {
    frame(seq, tag::COUNT, r#"{"to":3}"#)
}

fn note_frame(seq: i64, text: &str) -> Vec<u8> {
    frame(seq, 5, format!("{text:?}"))
}

/// JSON, and how often a body was encoded. It panics when it is to decode "panic".
#[derive(Clone, Default)]
struct Counting(Arc<AtomicUsize>);

impl Format for Counting {
    const NAME: &'static str = "json";
    type Progress = <Json as Format>::Progress;
}

impl<T> Encode<T> for Counting
where
    Json: Encode<T>,
{
    fn encode(&self, value: &T, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        self.0.fetch_add(1, Relaxed);
        Json.encode(value, out)
    }
}

impl<T> Decode<T> for Counting
where
    Json: Decode<T>,
{
    fn decode(&self, bytes: &[u8], progress: &mut Self::Progress) -> Decoded<T> {
        if bytes.ends_with(br#""panic""#) {
            panic_any("as it likes");
        }
        Json.decode(bytes, progress)
    }
}

impl Counting {
    fn encoded(&self) -> usize {
        self.0.load(Relaxed)
    }

    fn builder(&self) -> cmd_stream::sender::Builder<Mixed, Self> {
        Sender::builder(Mixed, self.clone()).strategy(First).keepalive(Keepalive::OFF)
    }
}

fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// The first member has a Command half written, and many that are not.
#[tokio::test(start_paused = true)]
async fn what_was_not_sent_moves_with_its_bytes_and_what_may_have_run_says_so() {
    let format = Counting::default();
    let (_net, sender, two) = two!(format.builder(), 64);
    let [mut one, mut two] = two.peers;
    let blocked = call!(sender.send(echo("x".repeat(1000))));
    one.receive(10).await;
    // Of many lengths, so that bytes that are cut at a wrong place cannot be right by chance.
    let texts: Vec<_> = (0..700).map(|n| format!("{n}{}", "y".repeat(n * 7 % 300))).collect();
    let calls: Vec<_> = texts.iter().cloned().map(|text| call!(sender.send(echo(text)))).collect();
    quiet().await;
    drop(one);
    let error = Error::from(within(blocked).await.unwrap().unwrap_err());
    assert!(error.was_sent(), "{error:?}");
    let frames: Vec<_> = (1..).zip(&texts).flat_map(|(seq, text)| echo_frame(seq, text)).collect();
    two.expect(&frames).await;
    let replies: Vec<_> = (1..).zip(&texts).flat_map(|(seq, text)| text_frame(seq, text)).collect();
    two.send(&replies).await;
    for (call, text) in calls.into_iter().zip(texts) {
        assert_eq!(within(call).await.unwrap().unwrap(), Text(text));
    }
    assert_eq!((format.encoded(), sender.in_flight()), (701, 0), "each is encoded once");
}

#[tokio::test(start_paused = true)]
async fn streams_and_one_way_commands_move_too() {
    let format = Counting::default();
    let (_net, sender, two) = two!(format.builder(), 64);
    let [mut one, mut two] = two.peers;
    let blocked = call!(sender.send(echo("x".repeat(1000))));
    one.receive(10).await;
    let posted = call!(sender.post(Note("a".into())));
    quiet().await;
    let mut numbers = within(sender.stream(Count { to: 3 })).await.unwrap();
    let mut dropped = within(sender.stream(Count { to: 3 })).await.unwrap();
    let last = call!(sender.post(Note("b".into())));
    quiet().await;
    assert!(poll(&mut Box::pin(dropped.next())).is_pending());
    drop(one);
    within(blocked).await.unwrap().unwrap_err();
    drop(dropped); // it was handed back, and nobody has taken it
    quiet().await;
    let reading = tokio::spawn(async move {
        let mut all = Vec::new();
        while let Some(number) = numbers.next().await {
            all.push(number.unwrap().value);
        }
        all
    });
    within(posted).await.unwrap().unwrap();
    within(last).await.unwrap().unwrap();
    two.expect(&[note_frame(1, "a"), note_frame(2, "b"), count_frame(3)].concat()).await;
    two.send(&[number_frame(3, 1, false), number_frame(3, 2, true)].concat()).await;
    assert_eq!(within(reading).await.unwrap(), [1, 2]);
    assert_eq!((format.encoded(), sender.in_flight()), (5, 0));
}

/// A stream that has had a Reply, and a one-way Command that is being written.
#[tokio::test(start_paused = true)]
async fn what_has_begun_does_not_move() {
    let format = Counting::default();
    let (_net, sender, two) = two!(format.builder(), 64);
    let [mut one, mut two] = two.peers;
    let mut numbers = within(sender.stream(Count { to: 3 })).await.unwrap();
    one.expect(&count_frame(1)).await;
    one.send(&number_frame(1, 1, false)).await;
    assert_eq!(within(numbers.next()).await.unwrap().unwrap(), Number { value: 1, last: false });
    let posted = call!(sender.post(Note("x".repeat(1000))));
    one.receive(10).await;
    drop(one);
    assert!(within(posted).await.unwrap().unwrap_err().was_sent());
    let error = Error::from(within(numbers.next()).await.unwrap().unwrap_err());
    assert!(error.was_sent(), "{error:?}");
    assert!(within(numbers.next()).await.is_none());
    let call = call!(sender.send(echo("b")));
    two.expect(&echo_frame(1, "b")).await;
    two.send(&text_frame(1, "b")).await;
    assert_eq!(within(call).await.unwrap().unwrap(), Text("b".into()));
}

/// Whatever the reason was for which the connection ended, another member may send what was not sent.
#[tokio::test(start_paused = true)]
async fn what_was_not_sent_moves_also_if_this_side_gave_the_connection_up() {
    let format = Counting::default();
    let (_net, sender, two) = two!(format.builder(), 64);
    let [mut one, mut two] = two.peers;
    let panics = call!(sender.send(echo("a")));
    one.expect(&echo_frame(1, "a")).await;
    let blocked = call!(sender.send(echo("x".repeat(1000))));
    one.receive(10).await;
    let moves = call!(sender.send(echo("b")));
    quiet().await;
    one.send(&text_frame(1, "panic")).await;
    assert_eq!(told(within(panics).await.unwrap().unwrap_err()), (ErrorKind::Panic, Origin::Local, true));
    assert_eq!(told(within(blocked).await.unwrap().unwrap_err()), (ErrorKind::Panic, Origin::Local, true));
    two.expect(&echo_frame(1, "b")).await;
    two.send(&text_frame(1, "b")).await;
    assert_eq!(within(moves).await.unwrap().unwrap(), Text("b".into()));
    // A new call finds the other member, while the first one has none to send to.
    let next = call!(sender.send(echo("c")));
    two.expect(&echo_frame(2, "c")).await;
    two.send(&text_frame(2, "c")).await;
    assert_eq!(within(next).await.unwrap().unwrap(), Text("c".into()));
}

/// Calls that wait for room at a member that goes away.
#[tokio::test(start_paused = true)]
async fn calls_that_wait_for_room_move_too() {
    let format = Counting::default();
    let limits = Limits::default().in_flight(2);
    let (_net, sender, two) = two!(format.builder().limits(limits), WIDE);
    let [mut one, mut two] = two.peers;
    let calls: Vec<_> = ["a", "b", "c", "d"].map(|text| call!(sender.send(echo(text)))).into();
    one.expect(&[echo_frame(1, "a"), echo_frame(2, "b")].concat()).await;
    quiet().await;
    drop(one);
    two.expect(&[echo_frame(1, "c"), echo_frame(2, "d")].concat()).await;
    two.send(&[text_frame(2, "d"), text_frame(1, "c")].concat()).await;
    for (n, call) in calls.into_iter().enumerate() {
        match within(call).await.unwrap() {
            Ok(Text(text)) => assert_eq!(text, ["", "", "c", "d"][n]),
            Err(error) => assert!(n < 2 && error.was_sent(), "{n}: {error:?}"),
        }
    }
    assert_eq!((format.encoded(), sender.in_flight()), (4, 0));
}

/// From one to the other and back: each time with the bytes it has.
#[tokio::test(start_paused = true)]
async fn a_call_may_move_many_times_within_its_deadline() {
    let format = Counting::default();
    let (_net, sender, two) = two!(format.builder(), WIDE);
    let (mut dials, mut peers) = (two.dials, two.peers.map(Some));
    let began = Instant::now();
    drop((peers[0].take(), peers[1].take()));
    quiet().await;
    let call = call!(sender.send(echo("a")));
    quiet().await;
    for n in 0..6 {
        // It connects, and is gone before it has read anything: the Command may have been sent.
        let answer = dials[n % 2].attempt().await;
        drop(answer);
        quiet().await;
        assert!(!call.is_finished(), "{n}");
    }
    let mut peer = dials[0].accept().await;
    peer.expect(&echo_frame(1, "a")).await;
    peer.send(&text_frame(1, "a")).await;
    assert_eq!(within(call).await.unwrap().unwrap(), Text("a".into()));
    assert!(began.elapsed() < 5 * SECOND, "{:?}", began.elapsed());
    assert_eq!(format.encoded(), 1);
}

/// A timeout of a call that was handed back and waits again is its own.
#[tokio::test(start_paused = true)]
async fn a_call_that_moves_keeps_its_deadline() {
    let format = Counting::default();
    let (_net, sender, two) = two!(format.builder(), 64);
    let [mut one, _two] = two.peers;
    let began = Instant::now();
    let blocked = call!(sender.send(echo("x".repeat(1000))));
    one.receive(10).await;
    let moved = tokio::spawn({
        let sender = sender.clone();
        async move { sender.send(echo("b")).timeout(2 * SECOND).await }
    });
    tokio::time::sleep(SECOND).await;
    drop(one);
    within(blocked).await.unwrap().unwrap_err();
    assert_eq!(told(within(moved).await.unwrap().unwrap_err()), (ErrorKind::Timeout, Origin::Local, true));
    let waited = began.elapsed();
    assert!((2 * SECOND..2 * SECOND + Duration::from_millis(20)).contains(&waited), "{waited:?}");
}

#[derive(Serialize, Deserialize)]
struct Ask {
    text: String,
}

protocol! {
    struct Asking {
        commands { 0 => Ask -> Text }
        replies { 0 => Text }
        idempotent { Ask }
        failure close_connection
    }
}

fn ask(text: impl ToString) -> Ask {
    Ask { text: text.to_string() }
}

/// Two members, of whose calls each is sent to the second after a second. The first one is narrow.
async fn hedging() -> (Sender<Asking, Json>, [BytePeer<DuplexStream>; 2]) {
    let day = Duration::from_secs(24 * 3600);
    let retry = Retry::default().hedge(0.5).pauses(day, day);
    let builder = Sender::builder(Asking, Json).retry(retry).strategy(First).keepalive(Keepalive::OFF);
    let (_net, sender, two) = two!(builder, 64);
    let [mut one, two] = two.peers;
    for seq in 1..=32 {
        let call = call!(sender.send(ask("a")));
        one.expect(&echo_frame(seq, "a")).await;
        tokio::time::sleep(SECOND).await;
        one.send(&text_frame(seq, "a")).await;
        within(call).await.unwrap().unwrap();
    }
    (sender, [one, two])
}

/// The second attempt may have run, whatever became of the first.
#[tokio::test(start_paused = true)]
async fn a_call_with_a_second_attempt_may_have_run() {
    let (sender, [mut one, mut two]) = hedging().await;
    let _blocked = call!(sender.send(ask("x".repeat(1000))));
    one.receive(10).await;
    let asked = tokio::spawn({
        let sender = sender.clone();
        async move { sender.send(ask("b")).timeout(10 * SECOND).await }
    });
    let mut frames = echo_frame(1, &"x".repeat(1000));
    frames.extend(echo_frame(2, "b"));
    two.expect(&frames).await;
    let error = within(asked).await.unwrap().unwrap_err();
    assert_eq!(told(error), (ErrorKind::Timeout, Origin::Local, true));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_for_its_second_attempt_moves_too() {
    let (sender, [mut one, mut two]) = hedging().await;
    let _blocked = call!(sender.send(ask("x".repeat(1000))));
    one.receive(10).await;
    let moved = call!(sender.send(ask("b")));
    quiet().await;
    drop(one);
    two.expect(&echo_frame(1, "b")).await;
    two.send(&text_frame(1, "b")).await;
    assert_eq!(within(moved).await.unwrap().unwrap(), Text("b".into()));
}
