//! What goes wrong in the Go library (v0.6.2) and must not here, on the same wire.

#[path = "common/lab.rs"]
mod lab;
#[path = "common/largest.rs"]
mod largest;
#[path = "common/pipes.rs"]
mod pipes;
#[path = "common/wire.rs"]
mod wire;

use std::time::Duration;

use cmd_stream::client::{self, Client};
use cmd_stream::proto::Seq;
use cmd_stream::server::{Cut, Limits, Served};
use cmd_stream::transport::memory;
use cmd_stream::{CallError, Error, ErrorKind, Execute, Failed, Json, Origin, Proxy, Server, protocol};
use lab::{
    Boom, Careful, Count, Fail, Lab, Losses, Plain, PlainReply, Trouble, World, client_by, echo, hold, quiet,
    text,
};
use largest::largest_allocation;
use serde::{Deserialize, Serialize, Serializer};
use testkit::peer::{BytePeer, GREETING};
use testkit::wait::{until, within};
use tokio::io::duplex;
use tokio::sync::mpsc;
use tokio::time::Instant;
use wire::{announce, echo_frame, frame, hold_frame, tag, text_frame};

#[track_caller]
fn assert_error(error: &Error, kind: ErrorKind, origin: Origin, says: &str) {
    assert_eq!((error.kind(), error.origin()), (kind, origin), "{error}");
    assert!(format!("{error:#}").contains(says), "\"{error:#}\" does not say \"{says}\"");
}

// There, the ninth connection hangs: no ServerInfo, no error.

#[tokio::test]
async fn ninth_connection_is_served() {
    let world = World::tcp(Limits::default()).await;
    let mut clients = Vec::new();
    for n in 1..=20 {
        let client = world.client().await;
        let call = call!(client.send(hold("a")));
        world.lab.until(|seen| seen.running == n).await;
        clients.push((client, call));
    }
    for (client, _) in &clients {
        assert_eq!(within(client.send(echo("b"))).await.unwrap(), text("b"));
    }
    world.lab.open_gate(20);
    for (_, call) in clients {
        assert_eq!(within(call).await.unwrap().unwrap(), text("a"));
    }
}

#[tokio::test(start_paused = true)]
async fn connection_past_the_limit_is_refused_in_bounded_time_and_counted() {
    let (connector, listener) = memory::pair();
    let world = World::over(listener, Limits::default().connections(8));
    let mut served = Vec::new();
    for _ in 0..8 {
        served.push(client_by(&connector).await);
    }
    let since = Instant::now();
    let refused = Client::builder(Plain, Json).connect_by(connector).await.unwrap_err();
    assert_error(&refused, ErrorKind::Closed, Origin::Remote, "closed the connection instead of greeting");
    assert!(since.elapsed() <= Duration::from_millis(5010), "{:?}", since.elapsed());
    assert_eq!((world.counters().refused, world.counters().open), (1, 8));
}

// There, a Command that cannot be encoded leaves its head in the buffer: the connection is dead.

/// A Command, or a Reply, that may not be one.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Odd {
    Fine,
    /// Cannot be encoded, as JSON has no such number.
    Float(f64),
    /// Cannot be encoded after its first part.
    Late(u64, #[serde(serialize_with = "refuse")] ()),
    /// Panics when it is encoded, after its first part.
    Panics(u64, #[serde(serialize_with = "explode")] ()),
    /// As a Command: is answered with what cannot be encoded, and then with what can.
    ReplyOddly,
}

fn refuse<S: Serializer>(_: &(), _: S) -> Result<S::Ok, S::Error> {
    Err(serde::ser::Error::custom("as it was asked to"))
}

fn explode<S: Serializer>(_: &(), _: S) -> Result<S::Ok, S::Error> {
    panic!("as it was asked to")
}

impl Odd {
    /// Each with what it fails with.
    fn all() -> [(Self, ErrorKind); 4] {
        [
            (Self::Float(f64::NAN), ErrorKind::Encode),
            (Self::Float(f64::NEG_INFINITY), ErrorKind::Encode),
            (Self::Late(1, ()), ErrorKind::Encode),
            (Self::Panics(1, ()), ErrorKind::Panic),
        ]
    }
}

impl Execute<Lab> for Odd {
    async fn execute(self, _: &Lab, proxy: Proxy<'_, Self>) -> Result<(), Failed> {
        if self == Self::ReplyOddly {
            for (odd, kind) in Self::all() {
                let failed = proxy.send(odd).await.unwrap_err();
                assert_eq!(failed.downcast_ref::<Error>().map(Error::kind), Some(kind), "{failed}");
            }
        }
        proxy.send(Self::Fine).await
    }
}

protocol! {
    struct Oddities {
        commands { 0 => Odd -> Self }
        replies { 0 => Odd }
        failure close_connection
    }
}

#[tokio::test(start_paused = true)]
async fn command_that_cannot_be_encoded_fails_alone() {
    let (ours, theirs) = duplex(1 << 16);
    let mut peer = BytePeer::over(theirs);
    peer.send(GREETING).await;
    let client = Client::builder(Oddities, Json).over(ours, pipes::peer()).await.unwrap();
    let before = call!(client.send(Odd::Fine));
    quiet().await;
    for (odd, kind) in Odd::all() {
        let failure = Error::from(client.send(odd.clone()).await.unwrap_err());
        assert_eq!(
            (failure.kind(), failure.origin(), failure.was_sent()),
            (kind, Origin::Local, false),
            "{failure}"
        );
        assert_eq!(client.stream(odd).await.unwrap_err().kind(), kind);
    }
    let after = call!(client.send(Odd::Fine));
    // Nothing of them is on the wire.
    let fine = |seq| frame(seq, 0, r#""fine""#);
    peer.expect(&[fine(1), fine(2)].concat()).await;
    peer.send(&[fine(2), fine(1)].concat()).await;
    assert_eq!((before.await.unwrap().unwrap(), after.await.unwrap().unwrap()), (Odd::Fine, Odd::Fine));
}

#[tokio::test(start_paused = true)]
async fn reply_that_cannot_be_encoded_fails_its_send_alone() {
    let (connector, listener) = memory::pair();
    let server = Server::builder(Oddities, Json, Lab::new()).listen(listener).unwrap();
    let handle = server.handle();
    tokio::spawn(server.serve());
    let client = Client::builder(Oddities, Json).connect_by(connector).await.unwrap();
    assert_eq!(client.send(Odd::ReplyOddly).await.unwrap(), Odd::Fine);
    assert_eq!(client.send(Odd::Fine).await.unwrap(), Odd::Fine);
    assert_eq!((handle.counters().replies, handle.counters().failed), (2, 0));
}

// There, an error of one execution fails all Commands of its connection.

/// A server of the Protocol with a failure.
fn careful() -> (Lab, Losses, cmd_stream::server::Handle, memory::Connector) {
    let (connector, listener) = memory::pair();
    let (lab, (lose, losses)) = (Lab::new(), Losses::channel());
    let server =
        Server::builder(Careful, Json, lab.clone()).on_connection_lost(lose).listen(listener).unwrap();
    let handle = server.handle();
    tokio::spawn(server.serve());
    (lab, losses, handle, connector)
}

#[tokio::test(start_paused = true)]
async fn command_that_fails_fails_alone_where_the_protocol_declares_a_failure() {
    let (lab, _losses, handle, connector) = careful();
    let client = Client::builder(Careful, Json).connect_by(connector).await.unwrap();
    let unrelated = call!(client.send(hold("a")));
    lab.until(|seen| seen.running == 1).await;
    let failure = client.send(Fail {}).await.unwrap_err();
    assert!(
        matches!(&failure, CallError::Failed(Trouble(says)) if says == "as it was asked to"),
        "{failure:?}"
    );
    let failure = Error::from(failure);
    assert_error(&failure, ErrorKind::Remote, Origin::Remote, "as it was asked to");
    assert_eq!(failure.remote::<Trouble>(), Some(&Trouble("as it was asked to".into())));
    lab.open_gate(1);
    assert_eq!(unrelated.await.unwrap().unwrap(), text("a"));
    assert_eq!((handle.counters().failed, handle.counters().open), (1, 1));
}

#[tokio::test]
async fn command_that_fails_ends_its_connection_otherwise_after_what_had_replied() {
    let world = World::tcp(Limits::default()).await;
    let other = world.client().await;
    let mut peer = BytePeer::greeted(world.address()).await;
    let replies: Vec<_> = (2..=100).map(|seq| (echo_frame(seq, "b"), text_frame(seq, "b"))).collect();
    let mut script = hold_frame(1, "a");
    replies.iter().for_each(|(command, _)| script.extend(command));
    script.extend(frame(101, tag::FAIL, "{}"));
    script.extend(echo_frame(102, "never read"));
    peer.send(&script).await;
    peer.expect(&replies.into_iter().flat_map(|(_, reply)| reply).collect::<Vec<_>>()).await;
    peer.expect_end().await;
    let lost = world.lost().await;
    assert_error(
        &lost.reason,
        ErrorKind::Execution,
        Origin::Local,
        "the command Fail with seq 101 failed: as it was asked to",
    );
    assert_eq!(lost.commands_left, 1);
    assert_eq!(within(other.send(echo("c"))).await.unwrap(), text("c"));
}

#[tokio::test(start_paused = true)]
async fn connection_ended_by_a_failure_fails_its_calls_with_a_typed_error() {
    let (connector, listener) = memory::pair();
    let world = World::over(listener, Limits::default());
    let client = client_by(&connector).await;
    let unrelated = call!(client.send(hold("a")));
    world.lab.until(|seen| seen.running == 1).await;
    let failures = [client.send(Fail {}).await.unwrap_err(), unrelated.await.unwrap().unwrap_err()];
    for failure in failures.map(Error::from) {
        assert_error(&failure, ErrorKind::Closed, Origin::Remote, "the server closed the connection");
        assert!(failure.was_sent());
    }
}

// There, a panic ends the process.

#[tokio::test]
async fn command_that_panics_ends_its_connection_at_most() {
    let world = World::tcp(Limits::default()).await;
    let (client, other) = (world.client().await, world.client().await);
    let held = call!(other.send(hold("a")));
    world.lab.until(|seen| seen.running == 1).await;
    let failure = Error::from(within(client.send(Boom { late: false })).await.unwrap_err());
    assert_eq!((failure.kind(), failure.was_sent()), (ErrorKind::Closed, true));
    let lost = world.lost().await;
    assert_error(
        &lost.reason,
        ErrorKind::Execution,
        Origin::Local,
        "the command Boom with seq 1 failed: panic: as it was asked to",
    );
    assert_eq!((world.counters().panicked, world.counters().failed), (1, 1));

    world.lab.open_gate(1);
    assert_eq!(within(held).await.unwrap().unwrap(), text("a"));
    assert_eq!(within(world.client().await.send(echo("b"))).await.unwrap(), text("b"));
}

#[tokio::test(start_paused = true)]
async fn command_that_panics_fails_alone_where_the_protocol_declares_a_failure() {
    let (lab, _losses, handle, connector) = careful();
    let client = Client::builder(Careful, Json).connect_by(connector).await.unwrap();
    let unrelated = call!(client.send(hold("a")));
    lab.until(|seen| seen.running == 1).await;
    let failure = client.send(Boom { late: false }).await.unwrap_err();
    assert!(
        matches!(&failure, CallError::Failed(Trouble(says)) if says == "panic: as it was asked to"),
        "{failure:?}"
    );
    let failure = Error::from(failure);
    assert_eq!(failure.remote::<Trouble>(), Some(&Trouble("panic: as it was asked to".into())));
    lab.open_gate(1);
    assert_eq!(unrelated.await.unwrap().unwrap(), text("a"));
    assert_eq!((handle.counters().panicked, handle.counters().open), (1, 1));
}

// There, memory is allocated for any length that is announced.

#[tokio::test(start_paused = true)]
async fn length_that_no_bytes_back_allocates_nothing() {
    // No limit here refuses it, so both sides wait for the rest.
    let (unlimited, time) = (usize::MAX, Duration::from_secs(10));
    let (dialer, listener) = pipes::pipes();
    let world = World::over(listener, Limits::default().frame(unlimited).frame_time(time));
    let mut peer = BytePeer::over(dialer.dial(1 << 16));
    peer.expect(GREETING).await;
    let mut bytes = announce(1, tag::ECHO, 1 << 40);
    bytes.extend(b"{\"text\":\"");
    peer.send(&bytes).await;
    let since = Instant::now();
    assert_error(&world.lost().await.reason, ErrorKind::Timeout, Origin::Remote, "`Limits::frame_time`");
    assert!(since.elapsed() >= time, "it was not waited for: {:?}", since.elapsed());

    let (ours, theirs) = duplex(1 << 16);
    let mut peer = BytePeer::over(theirs);
    peer.send(GREETING).await;
    let limits = client::Limits::default().frame(unlimited).frame_time(time);
    let client = Client::builder(Plain, Json).limits(limits).over(ours, pipes::peer()).await.unwrap();
    let call = call!(client.send(echo("a")));
    quiet().await;
    peer.send(&announce(1, tag::TEXT, 1 << 40)).await;
    assert_error(
        &call.await.unwrap().unwrap_err().into(),
        ErrorKind::Timeout,
        Origin::Remote,
        "`Limits::frame_time`",
    );
    // Above what it takes to print the backtrace of a panic, which other tests here do.
    assert!(largest_allocation() < 256 << 20, "{} bytes were allocated", largest_allocation());
}

// There, a slow reader of one stream of results blocks all other calls of its connection.

#[tokio::test]
async fn stream_that_nobody_reads_blocks_nobody_and_has_a_bound() {
    let world = World::tcp(Limits::default()).await;
    let client = world.client().await;
    let mut slow = client.stream(Count { to: 10_000 }).await.unwrap();
    for _ in 0..100 {
        assert_eq!(within(client.send(echo("a"))).await.unwrap(), text("a"));
    }
    let mut quick = client.stream(Count { to: 1000 }).await.unwrap();
    for value in 1..=1000 {
        assert_eq!(within(quick.next()).await.unwrap().unwrap().value, value);
    }
    world.lab.until(|seen| seen.counted == 11_000).await;
    assert_eq!(within(client.send(echo("b"))).await.unwrap(), text("b"));

    // It has the first Replies, up to its bound, and then says that it lost the others.
    for value in 1..=1024 {
        assert_eq!(within(slow.next()).await.unwrap().unwrap().value, value);
    }
    let failure = Error::from(within(slow.next()).await.unwrap().unwrap_err());
    assert_error(&failure, ErrorKind::Limit, Origin::Local, "over 1024 replies wait in the stream");
    assert!(within(slow.next()).await.is_none());
}

// There, a shutdown waits for idle clients, for ever.

#[tokio::test(start_paused = true)]
async fn shutdown_with_an_idle_client_ends_within_the_drain_time_and_says_what_was_cut() {
    let (connector, listener) = memory::pair();
    let world = World::over(listener, Limits::default().drain(Duration::from_secs(5)));
    let (idle, busy) = (client_by(&connector).await, client_by(&connector).await);
    let call = call!(busy.send(hold("a")));
    world.lab.until(|seen| seen.running == 1).await;
    let since = Instant::now();
    world.handle.shutdown();
    assert_eq!(idle.closed().await.kind(), ErrorKind::Closed);
    assert_eq!(since.elapsed(), Duration::ZERO);
    assert_eq!(Error::from(idle.send(echo("a")).await.unwrap_err()).kind(), ErrorKind::Closed);
    match world.served().await {
        Served::Shutdown(cut) => assert_eq!((cut.connections, cut.commands), (1, 1)),
        other => panic!("{other:?}"),
    }
    assert!(since.elapsed() <= Duration::from_millis(5010), "{:?}", since.elapsed());
    assert!(Error::from(call.await.unwrap().unwrap_err()).was_sent());
}

#[tokio::test]
async fn shutdown_over_tcp_ends_also_if_a_client_holds_its_end_open() {
    let world = World::tcp(Limits::default()).await;
    let _idle = BytePeer::greeted(world.address()).await;
    world.handle.shutdown();
    assert_eq!(world.served().await, Served::Shutdown(Cut::default()));
}

// There, a cancelled call is reported as a time-out.

#[tokio::test(start_paused = true)]
async fn cancelled_call_frees_its_slot_at_once() {
    let (ours, theirs) = duplex(1 << 16);
    let mut peer = BytePeer::over(theirs);
    peer.send(GREETING).await;
    let (unexpected, mut replies) = mpsc::unbounded_channel();
    let builder = Client::builder(Plain, Json);
    let builder = builder.on_unexpected_reply(move |seq, reply| unexpected.send((seq, reply)).unwrap());
    let client = builder.over(ours, pipes::peer()).await.unwrap();

    let kept = call!(client.send(echo("kept")));
    let cancelled = call!(client.send(hold("cancelled")));
    quiet().await;
    let stream = client.stream(Count { to: 2 }).await.unwrap();
    assert_eq!(client.in_flight(), 3);
    cancelled.abort();
    assert!(cancelled.await.unwrap_err().is_cancelled());
    assert_eq!(client.in_flight(), 2);
    drop(stream);
    assert_eq!(client.in_flight(), 1);

    // Their Replies go to the callback, and to nobody else.
    let commands =
        [echo_frame(1, "kept"), hold_frame(2, "cancelled"), frame(3, tag::COUNT, r#"{"to":2}"#)].concat();
    peer.expect(&commands).await;
    let late =
        [wire::number_frame(3, 1, false), text_frame(2, "late"), wire::number_frame(3, 2, true)].concat();
    peer.send(&[late, text_frame(1, "b")].concat()).await;
    assert_eq!(kept.await.unwrap().unwrap(), text("b"));
    let mut seqs = Vec::new();
    for _ in 0..3 {
        let (seq, reply) = replies.recv().await.unwrap();
        assert_eq!(matches!(reply, PlainReply::Text(_)), seq == Seq::new(2), "{reply:?}");
        seqs.push(seq.get());
    }
    assert_eq!(seqs, [3, 2, 3]);
    assert_eq!(client.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn cancelled_call_that_waits_for_room_sends_nothing() {
    let (ours, theirs) = duplex(64);
    let mut peer = BytePeer::over(theirs);
    peer.send(GREETING).await;
    let limits = client::Limits::default().output(64);
    let client = Client::builder(Plain, Json).limits(limits).over(ours, pipes::peer()).await.unwrap();
    let large = "x".repeat(200);
    let first = call!(client.send(echo(&"x".repeat(200))));
    quiet().await;
    let waiting = call!(client.send(hold("a")));
    quiet().await;
    assert_eq!(client.in_flight(), 1);
    waiting.abort();
    quiet().await;
    let last = call!(client.send(echo("b")));
    peer.expect(&[echo_frame(1, &large), echo_frame(2, "b")].concat()).await;
    peer.send(&[text_frame(1, "c"), text_frame(2, "d")].concat()).await;
    assert_eq!((first.await.unwrap().unwrap(), last.await.unwrap().unwrap()), (text("c"), text("d")));
}

// There, any number of Commands is accepted, each with a goroutine of its own.

#[tokio::test]
async fn tens_of_thousands_of_commands_on_one_connection_are_bounded_and_all_answered() {
    const COMMANDS: usize = 20_000;
    let world = World::tcp(Limits::default().in_flight(500)).await;
    let client = world.client().await;
    let calls: Vec<_> = (0..COMMANDS).map(|n| call!(client.send(hold(&n.to_string())))).collect();
    world.lab.until(|seen| seen.running == 500).await;
    // The rest is on its way, and stays there.
    until(|| world.counters().in_flight_pauses > 0).await;
    assert_eq!(world.lab.seen().started, 500);
    world.lab.open_gate(COMMANDS);
    for (n, call) in calls.into_iter().enumerate() {
        assert_eq!(within(call).await.unwrap().unwrap(), text(&n.to_string()));
    }
    let seen = world.lab.seen();
    assert_eq!((seen.started, seen.most_running), (COMMANDS, 500));
    assert!(world.counters().in_flight_pauses > 0);
}
