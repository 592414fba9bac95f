//! A server whose Commands wait too long to be started sheds load.
//!
//! Its one thread has a paused clock, and a Command that keeps the thread busy moves it. Tasks run in the order in which they
//! were woken, so each test says who waits behind whom.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context as TaskContext, Waker};
use std::time::Duration;

use cmd_stream::protocol::Protocol;
use cmd_stream::protocol::kind::{OneWay, Plain};
use cmd_stream::server::{Counters, Ended, Handle, Invocation, Invoker, Limits, Scheduling, ServerProtocol};
use cmd_stream::{Answer, Command, Context, Failed, Failure, Json, Problem, Server, protocol};
use serde::{Deserialize, Serialize};
use testkit::peer::BytePeer;
use tokio::io::DuplexStream;
use tokio::time::sleep;

use crate::lab::quiet;
use crate::pipes::{Dialer, pipes};
use crate::wire::frame;
use crate::{TIME, WIDE, greeted};

/// The Receiver. It counts the notes, and what the Invoker has seen.
#[derive(Clone, Default)]
struct Kiln(Arc<(AtomicU64, AtomicU64)>);

/// Keeps its thread busy for so many milliseconds.
#[derive(Serialize, Deserialize)]
struct Burn {
    ms: u64,
}

/// The same, in place.
#[derive(Serialize, Deserialize)]
struct Bake {
    ms: u64,
}

/// Is answered in place.
#[derive(Serialize, Deserialize)]
struct Quick {}

/// Is answered with nothing.
#[derive(Serialize, Deserialize)]
struct Note {}

#[derive(Serialize, Deserialize)]
struct Done {}

impl cmd_stream::Reply for Done {}

impl Command for Burn {
    type Reply = Done;
    type Kind = Plain;
}
impl Command for Bake {
    type Reply = Done;
    type Kind = Plain;
}
impl Command for Quick {
    type Reply = Done;
    type Kind = Plain;
}
impl Command for Note {
    type Reply = ();
    type Kind = OneWay;
}

/// Moves the clock, and lets nobody else run.
fn burn(ms: u64) {
    // It moves when this is polled first.
    let mut busy = pin!(tokio::time::advance(Duration::from_millis(ms)));
    let _ = busy.as_mut().poll(&mut TaskContext::from_waker(Waker::noop()));
}

impl Answer<Kiln> for Burn {
    const SCHEDULING: Scheduling = Scheduling::Spawned;

    async fn answer(self, _: &Kiln, _: &Context<'_>) -> Result<Done, Failed> {
        burn(self.ms);
        Ok(Done {})
    }
}

impl Answer<Kiln> for Bake {
    const SCHEDULING: Scheduling = Scheduling::InPlace;

    async fn answer(self, _: &Kiln, _: &Context<'_>) -> Result<Done, Failed> {
        burn(self.ms);
        Ok(Done {})
    }
}

impl Answer<Kiln> for Quick {
    const SCHEDULING: Scheduling = Scheduling::InPlace;

    async fn answer(self, _: &Kiln, _: &Context<'_>) -> Result<Done, Failed> {
        Ok(Done {})
    }
}

impl Answer<Kiln> for Note {
    async fn answer(self, kiln: &Kiln, _: &Context<'_>) -> Result<(), Failed> {
        kiln.0.0.fetch_add(1, Relaxed);
        Ok(())
    }
}

protocol! {
    struct Telling {
        commands { 0 => Burn, 1 => Quick, 2 => Note, 3 => Bake }
        replies { 0 => Done, 1 => Problem }
        failure Problem
    }
}

protocol! {
    struct Silent {
        commands { 0 => Burn, 1 => Quick, 2 => Note, 3 => Bake }
        replies { 0 => Done }
        failure close_connection
    }
}

impl<P: Protocol> Invoker<P> for Kiln {
    async fn invoke(&self, invocation: impl Invocation<P>) -> Result<Ended, Failed> {
        self.0.1.fetch_add(1, Relaxed);
        invocation.run().await
    }
}

fn burns(seqs: std::ops::RangeInclusive<i64>) -> Vec<u8> {
    seqs.flat_map(|seq| frame(seq, 0, r#"{"ms":20}"#)).collect()
}

fn quick(seq: i64) -> Vec<u8> {
    frame(seq, 1, "{}")
}

fn note(seq: i64) -> Vec<u8> {
    frame(seq, 2, "{}")
}

fn done(seq: i64) -> Vec<u8> {
    frame(seq, 0, "{}")
}

fn overloaded(seq: i64) -> Vec<u8> {
    let problem =
        Problem::new(Problem::OVERLOADED, "the server is overloaded, and did not start the command");
    assert!(problem.is_overloaded());
    frame(seq, 1, serde_json::to_vec(&problem).expect("it is plain"))
}

fn serve<P: ServerProtocol<Json, Kiln>>(protocol: P, limits: Limits) -> (Dialer, Handle, Kiln) {
    let ((dialer, listener), kiln) = (pipes(), Kiln::default());
    let builder = Server::builder(protocol, Json, kiln.clone()).limits(limits).invoker(kiln.clone());
    let server = builder.listen(listener).expect("it has an address");
    let handle = server.handle();
    tokio::spawn(server.serve());
    (dialer, handle, kiln)
}

/// Two connections send ten Commands each, which keep the thread busy for 20 ms each. When the ten of the first one have
/// run, and those of the second one wait, the first one sends more.
async fn ten_then(dialer: &Dialer, more: Vec<u8>) -> (BytePeer<DuplexStream>, BytePeer<DuplexStream>) {
    let (mut first, mut second) = (greeted(dialer, WIDE).await, greeted(dialer, WIDE).await);
    quiet().await;
    first.send(&burns(1..=10)).await;
    // Sent when the first ten have been read: so they are read when those have run.
    let first = tokio::spawn(async move {
        first.send(&more).await;
        first
    });
    second.send(&burns(1..=10)).await;
    (first.await.expect("no panic"), second)
}

/// Expects these frames in any order.
async fn expect_all(peer: &mut BytePeer<DuplexStream>, mut frames: Vec<Vec<u8>>) {
    let received = peer.receive(frames.concat().len()).await;
    let mut rest = &received[..];
    while !rest.is_empty() {
        let found = frames.iter().position(|frame| rest.starts_with(frame));
        let frame =
            frames.swap_remove(found.unwrap_or_else(|| panic!("{:?}", String::from_utf8_lossy(rest))));
        rest = &rest[frame.len()..];
    }
    assert!(frames.is_empty());
}

const TARGET: Duration = Duration::from_millis(50);

/// The first eight have waited for 0 to 140 ms. The ninth has waited for 160 ms, and since the fourth, 100 ms ago, none has
/// waited for less than the target.
#[tokio::test(start_paused = true)]
async fn commands_are_answered_as_overloaded_while_others_wait_too_long_and_not_after_that() {
    let (dialer, handle, kiln) = serve(Telling, Limits::default().shed_after(TARGET));
    let more = [burns(11..=13), quick(14), note(15), vec![0], quick(16)].concat();
    let (mut first, mut second) = ten_then(&dialer, more).await;
    let mut of_first: Vec<_> = (1..=8).map(done).collect();
    of_first.extend([9, 10, 11, 12, 13, 14, 16].map(overloaded));
    of_first.push(vec![0]);
    expect_all(&mut first, of_first).await;
    // They have waited for more than twice the target when their turn comes.
    expect_all(&mut second, (1..=10).map(overloaded).collect()).await;
    quiet().await;
    let Counters { shed, started, failed, shed_pauses, pings, .. } = handle.counters();
    assert_eq!((shed, started, failed, shed_pauses, pings), (17, 9, 0, 0, 1));
    assert_eq!(kiln.0.0.load(Relaxed), 1, "the one-way command ran");
    assert_eq!(kiln.0.1.load(Relaxed), 9, "nobody has seen those that were not started");

    // The load has gone.
    first.send(&[quick(17), burns(18..=18)].concat()).await;
    expect_all(&mut first, vec![done(17), done(18)]).await;
    assert_eq!((handle.counters().shed, handle.counters().started), (17, 11));
}

#[tokio::test(start_paused = true)]
async fn waits_that_are_above_the_target_for_less_than_an_interval_refuse_nobody() {
    // The twenty Commands wait for 0, 20, .. 380 ms. Above 180 ms are those from 200 ms on, and the last one ends it, as
    // nobody waits behind it. Above 179 ms they are from 180 ms on, so that the one before the last is refused.
    for (target, shed) in [(None, 0), (Some(180), 0), (Some(179), 1)] {
        let (dialer, handle, _) =
            serve(Telling, Limits::default().shed_after(target.map(Duration::from_millis)));
        let (mut first, mut second) = ten_then(&dialer, quick(11)).await;
        expect_all(&mut first, (1..=11).map(done).collect()).await;
        let ninth = if shed == 1 { overloaded(9) } else { done(9) };
        expect_all(&mut second, (1..=8).map(done).chain([ninth, done(10)]).collect()).await;
        assert_eq!((handle.counters().shed, handle.counters().started), (shed, 21 - shed), "{target:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn bursts_that_are_worked_off_are_not_shed() {
    let (dialer, handle, _) = serve(Telling, Limits::default().shed_after(TARGET));
    let mut peer = greeted(&dialer, WIDE).await;
    for burst in 0..10 {
        // The last of them waits for 140 ms.
        let seqs = 8 * burst + 1..=8 * burst + 8;
        peer.send(&burns(seqs.clone())).await;
        expect_all(&mut peer, seqs.map(done).collect()).await;
    }
    assert_eq!((handle.counters().shed, handle.counters().started), (0, 80));
}

#[tokio::test(start_paused = true)]
async fn commands_of_one_read_that_are_polled_in_place_wait_for_those_before_them() {
    let (dialer, handle, _) = serve(Telling, Limits::default().shed_after(TARGET));
    let mut peer = greeted(&dialer, WIDE).await;
    // The clock is looked at when 16 have run. They were long, so then it is looked at after each: for 100 ms all have waited.
    peer.send(&(1..=48).flat_map(|seq| frame(seq, 3, r#"{"ms":10}"#)).collect::<Vec<_>>()).await;
    expect_all(&mut peer, (1..=26).map(done).chain((27..=48).map(overloaded)).collect()).await;
    assert_eq!((handle.counters().shed, handle.counters().started), (22, 26));
    peer.send(&quick(49)).await;
    peer.expect(&done(49)).await;
}

#[tokio::test(start_paused = true)]
async fn without_a_failure_a_connection_is_not_read_instead_and_all_is_answered_in_the_end() {
    let (dialer, handle, kiln) = serve(Silent, Limits::default().shed_after(TARGET).idle(TIME));
    let more = [burns(11..=12), quick(13), note(14), vec![0]].concat();
    let (mut first, mut second) = ten_then(&dialer, more).await;
    expect_all(&mut first, (1..=13).map(done).chain([vec![0]]).collect()).await;
    expect_all(&mut second, (1..=10).map(done).collect()).await;
    quiet().await;
    let Counters { shed, started, failed, shed_pauses, pings, .. } = handle.counters();
    assert_eq!((shed, started, failed, shed_pauses, pings), (0, 24, 0, 1, 1));
    assert_eq!(kiln.0.0.load(Relaxed), 1);
    sleep(TIME / 2).await;
    first.send(&quick(15)).await;
    first.expect(&done(15)).await;
    assert_eq!(handle.counters().shed_pauses, 1);
}

#[tokio::test(start_paused = true)]
async fn a_seq_that_may_not_be_used_ends_the_connection_though_the_command_would_be_shed() {
    let (dialer, handle, _) = serve(Telling, Limits::default().shed_after(TARGET));
    let (mut first, mut second) = ten_then(&dialer, [quick(11), quick(-1)].concat()).await;
    expect_all(&mut first, (1..=8).map(done).chain([9, 10, 11].map(overloaded)).collect()).await;
    first.expect_end().await;
    // Nobody waits behind the last one.
    expect_all(&mut second, (1..=9).map(overloaded).chain([done(10)]).collect()).await;
    assert_eq!((handle.counters().invalid, handle.counters().shed), (1, 12));
}
