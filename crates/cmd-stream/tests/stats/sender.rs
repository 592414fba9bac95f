//! What a Sender counts: its calls by their Commands, its detours, and its members.

use std::time::Duration;

use cmd_stream::circuit_breaker::Settings;
use cmd_stream::client::{Keepalive, Limits, Overflow};
use cmd_stream::hooks::{Hooks, Refused};
use cmd_stream::protocol::{CommandOf, Entry};
use cmd_stream::sender::Retry;
use cmd_stream::{CallError, Client, ErrorKind, Sender, transport};
use futures_util::FutureExt;
use testkit::wait::{until, within};

use crate::desk::{Fail, Note, Office, Open, Quick, Sleep};
use crate::scripted::{
    Odd, Plain, Store, WIDE, Watch, answer, builder, connected, connected_by, get, get_frame, note,
    note_frame, put, put_frame, quiet, shed_frame, watch_frame,
};
use crate::wire::number_frame;
use crate::{MILLISECOND, SECOND, call, calls};

/// What the calls with this Command have come to.
fn of<P, F, H>(sender: &Sender<P, F, H>, name: &str) -> [u64; 8]
where
    P: cmd_stream::protocol::ClientProtocol<F>,
    F: cmd_stream::format::Format,
    H: Hooks<P>,
{
    calls(sender.stats().command(name).expect("it is declared"))
}

#[tokio::test]
async fn each_call_counts_under_its_command() {
    let open = Open::tcp().await;
    let address = open.handle.local_addr().to_string();
    let sender = within(Sender::connect(address, Office, cmd_stream::Json)).await.unwrap();
    for number in 1..=3 {
        within(sender.send(Quick)).await.unwrap();
        assert_eq!(of(&sender, "Quick"), [number, 0, number, 0, 0, 0, 0, 0]);
    }
    assert!(matches!(within(sender.send(Fail { waits: false })).await, Err(CallError::Failed(_))));
    within(sender.post(Note)).await.unwrap();
    let stats = sender.stats();
    assert_eq!(of(&sender, "Fail"), [1, 0, 0, 1, 0, 0, 0, 0]);
    assert_eq!(of(&sender, "Note"), [1, 0, 1, 0, 0, 0, 0, 0]);
    assert_eq!(stats.command("Quick").unwrap().latency.count(), 3);
    assert_eq!(stats.connections.bytes_received, open.handle.counters().bytes_sent);
    assert_eq!((stats.connections.connected, stats.members.len()), (1, 1));
    // A call that is never polled is none.
    drop(sender.send(Quick));
    assert_eq!(of(&sender, "Quick")[0], 3);
}

#[tokio::test(start_paused = true)]
async fn a_call_takes_from_its_first_poll_until_its_reply_is_read() {
    let (connector, listener) = transport::memory::pair();
    let open = Open::over(listener, |builder| builder);
    let client = Client::builder(Office, cmd_stream::Json).keepalive(Keepalive::OFF).timeout(60 * SECOND);
    let sender = Sender::from(within(client.connect_by(connector)).await.unwrap());
    let call = call!(sender.send(Sleep { millis: 100 }));
    tokio::time::sleep(10 * MILLISECOND).await;
    assert_eq!(of(&sender, "Sleep"), [1, 1, 0, 0, 0, 0, 0, 0]);
    within(call).await.unwrap().unwrap();
    let latency = sender.stats().command("Sleep").unwrap().latency.clone();
    let took = latency.sum();
    assert!(latency.count() == 1 && (100 * MILLISECOND..102 * MILLISECOND).contains(&took), "{latency:?}");
    // Its Reply is read after 100 ms, and taken after a second: the caller was busy.
    let mut call = Box::pin(sender.send(Sleep { millis: 100 }));
    assert!(call.as_mut().now_or_never().is_none());
    tokio::time::sleep(SECOND).await;
    within(call).await.unwrap();
    let took = sender.stats().command("Sleep").unwrap().latency.sum() - took;
    assert!((100 * MILLISECOND..102 * MILLISECOND).contains(&took), "{took:?}");
    drop(open);
}

#[tokio::test(start_paused = true)]
async fn after_the_first_1024_calls_one_in_32_is_measured() {
    let (connector, listener) = transport::memory::pair();
    let _open = Open::over(listener, |builder| builder);
    let client = Client::builder(Office, cmd_stream::Json).keepalive(Keepalive::OFF);
    let sender = Sender::from(within(client.connect_by(connector)).await.unwrap());
    for _ in 0..1024 {
        within(sender.send(Quick)).await.unwrap();
    }
    let measured = || sender.stats().command("Quick").unwrap().latency.count();
    assert_eq!(measured(), 1024);
    for timeout in [Duration::MAX, SECOND] {
        for _ in 0..160 {
            within(sender.send(Quick).timeout(timeout)).await.unwrap();
        }
    }
    assert_eq!(measured(), 1024 + 10);
    // Those of another Command are counted apart.
    within(sender.post(Note)).await.unwrap();
    assert_eq!(sender.stats().command("Note").unwrap().latency.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn calls_that_time_out_or_are_dropped_are_told_apart() {
    let (sender, [mut one], _dials) = connected::<_, 1>(builder()).await;
    assert!(within(sender.send(put("a")).timeout(SECOND)).await.is_err());
    let dropped = call!(sender.send(put("b")));
    quiet().await;
    assert_eq!(of(&sender, "Put"), [2, 1, 0, 0, 1, 0, 0, 0]);
    dropped.abort();
    quiet().await;
    assert_eq!(of(&sender, "Put"), [2, 0, 0, 0, 1, 0, 0, 1]);
    // One whose deadline is over before it begins.
    assert!(within(sender.send(put("c")).timeout(Duration::ZERO)).await.is_err());
    assert_eq!(of(&sender, "Put"), [3, 0, 0, 0, 2, 0, 0, 1]);
    let latency = sender.stats().command("Put").unwrap().latency.clone();
    assert!(latency.count() == 3 && latency.sum() >= SECOND, "{latency:?}");
    // Both Replies come too late.
    for (seq, text) in [(1, "a"), (2, "b")] {
        one.expect(&put_frame(seq, text)).await;
        answer(&mut one, seq, "late").await;
    }
    quiet().await;
    assert_eq!(sender.stats().connections.unexpected, 2);
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_once() {
    let (sender, [mut one], _dials) = connected::<_, 1>(builder()).await;
    let open = call!(sender.stream(Watch { to: 2 }));
    one.expect(&watch_frame(1, 2)).await;
    let mut stream = within(open).await.unwrap().unwrap();
    one.send(&number_frame(1, 1, false)).await;
    within(stream.next()).await.unwrap().unwrap();
    assert_eq!(of(&sender, "Watch"), [1, 1, 0, 0, 0, 0, 0, 0]);
    one.send(&number_frame(1, 2, true)).await;
    within(stream.next()).await.unwrap().unwrap();
    assert!(within(stream.next()).await.is_none());
    assert_eq!(of(&sender, "Watch"), [1, 0, 1, 0, 0, 0, 0, 0]);
    drop(stream);
    assert_eq!(of(&sender, "Watch"), [1, 0, 1, 0, 0, 0, 0, 0]);

    let open = call!(sender.stream(Watch { to: 2 }));
    one.expect(&watch_frame(2, 2)).await;
    let stream = within(open).await.unwrap().unwrap();
    drop(stream);
    assert_eq!(of(&sender, "Watch"), [2, 0, 1, 0, 0, 0, 0, 1]);

    let open = call!(sender.stream(Watch { to: 2 }));
    one.expect(&watch_frame(3, 2)).await;
    let mut stream = within(open).await.unwrap().unwrap();
    one.send(&crate::scripted::problem_frame(3, 7)).await;
    assert!(matches!(within(stream.next()).await, Some(Err(CallError::Failed(_)))));
    assert_eq!(of(&sender, "Watch"), [3, 0, 1, 1, 0, 0, 0, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_full_is_counted_as_a_limit() {
    let limits = Limits::default().stream_replies(1, Overflow::Fail);
    let (sender, [mut one], _dials) = connected::<_, 1>(builder().limits(limits)).await;
    let open = call!(sender.stream(Watch { to: 9 }));
    one.expect(&watch_frame(1, 9)).await;
    let mut stream = within(open).await.unwrap().unwrap();
    for value in 1..=3 {
        one.send(&number_frame(1, value, false)).await;
    }
    quiet().await;
    let connections = sender.stats().connections;
    assert_eq!((connections.stream_overflows, connections.stream_pauses), (1, 0));
    assert!(within(stream.next()).await.unwrap().is_ok());
    assert!(within(stream.next()).await.unwrap().is_err());
    assert_eq!(of(&sender, "Watch"), [1, 0, 0, 0, 0, 0, 1, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_pauses_its_connection_is_counted_as_a_limit() {
    let limits = Limits::default().stream_replies(1, Overflow::Pause);
    let (sender, [mut one], _dials) = connected::<_, 1>(builder().limits(limits)).await;
    let open = call!(sender.stream(Watch { to: 9 }));
    one.expect(&watch_frame(1, 9)).await;
    let _stream = within(open).await.unwrap().unwrap();
    for value in 1..=3 {
        one.send(&number_frame(1, value, false)).await;
    }
    quiet().await;
    let connections = sender.stats().connections;
    assert_eq!((connections.stream_overflows, connections.stream_pauses), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn calls_that_wait_for_room_and_commands_that_are_too_large_are_counted() {
    let limits = Limits::default().in_flight(1).frame(100);
    let (sender, [mut one], _dials) = connected::<_, 1>(builder().limits(limits)).await;
    let first = call!(sender.send(put("a")));
    one.expect(&put_frame(1, "a")).await;
    let second = call!(sender.send(put("b")));
    quiet().await;
    assert_eq!(sender.stats().connections.room_waits, 1);
    answer(&mut one, 1, "A").await;
    one.expect(&put_frame(2, "b")).await;
    answer(&mut one, 2, "B").await;
    within(first).await.unwrap().unwrap();
    within(second).await.unwrap().unwrap();
    let large = "x".repeat(100);
    assert!(within(sender.send(put(&large))).await.is_err());
    let connections = sender.stats().connections;
    assert_eq!((connections.room_waits, connections.over_frame_limit), (1, 1));
    assert_eq!(of(&sender, "Put"), [3, 0, 2, 0, 0, 0, 1, 0]);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_encoded_or_is_closed_is_an_error() {
    let (sender, [_one], _dials) = connected::<_, 1>(builder()).await;
    assert!(within(sender.send(Odd {})).await.is_err());
    assert_eq!(of(&sender, "Odd"), [1, 0, 0, 0, 0, 0, 1, 0]);
    sender.close();
    assert!(within(sender.send(get("a"))).await.is_err());
    assert_eq!(of(&sender, "Get"), [1, 0, 0, 0, 0, 0, 1, 0]);
    // A task that makes many such calls has to let others run in between. Each of them counts once all the same.
    for _ in 1..1_000 {
        assert!(within(sender.send(get("a"))).await.is_err());
    }
    assert_eq!(of(&sender, "Get"), [1_000, 0, 0, 0, 0, 0, 1_000, 0]);
}

#[tokio::test(start_paused = true)]
async fn retries_and_lost_connections_are_counted() {
    let (sender, [one, mut two], _dials) = connected::<_, 2>(builder()).await;
    let mut one = one;
    let call = call!(sender.send(get("a")));
    one.expect(&get_frame(1, "a")).await;
    drop(one);
    two.expect(&get_frame(1, "a")).await;
    answer(&mut two, 1, "A").await;
    within(call).await.unwrap().unwrap();
    let stats = sender.stats();
    assert_eq!((stats.counters.retries, stats.counters.moves, stats.counters.hedges), (1, 0, 0));
    assert_eq!((stats.connections.lost, stats.connections.connected), (1, 2));
    // The call counts once.
    assert_eq!(of(&sender, "Get"), [1, 0, 1, 0, 0, 0, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_command_that_was_shed_is_retried_and_one_that_is_shed_everywhere_fails() {
    let (sender, [mut one, mut two], _dials) = connected::<_, 2>(builder()).await;
    let call = call!(sender.send(put("a")));
    one.expect(&put_frame(1, "a")).await;
    one.send(&shed_frame(1)).await;
    two.expect(&put_frame(1, "a")).await;
    answer(&mut two, 1, "A").await;
    within(call).await.unwrap().unwrap();
    assert_eq!(sender.stats().counters.retries, 1);
    assert_eq!(of(&sender, "Put"), [1, 0, 1, 0, 0, 0, 0, 0]);
    let retry = Retry::default().attempts(1);
    let (sender, [mut one], _dials) = connected::<_, 1>(builder().retry(retry)).await;
    let call = call!(sender.send(put("a")));
    one.expect(&put_frame(1, "a")).await;
    one.send(&shed_frame(1)).await;
    assert!(within(call).await.unwrap().is_err());
    assert_eq!((sender.stats().counters.retries, of(&sender, "Put")), (0, [1, 0, 0, 1, 0, 0, 0, 0]));
}

#[tokio::test(start_paused = true)]
async fn commands_that_were_not_sent_move() {
    // Little is in the output at a time, so most of it is not written when the connection is lost.
    let (sender, [one, mut two], _dials) = connected_by::<_, 2>(builder(), 20).await;
    let first = call!(sender.send(put("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")));
    quiet().await;
    let second = call!(sender.send(put("b")));
    quiet().await;
    drop(one);
    two.expect(&put_frame(1, "b")).await;
    answer(&mut two, 1, "B").await;
    within(second).await.unwrap().unwrap();
    assert!(within(first).await.unwrap().is_err());
    assert_eq!((sender.stats().counters.moves, sender.stats().counters.retries), (1, 0));
    assert_eq!(of(&sender, "Put"), [2, 0, 1, 0, 0, 0, 1, 0]);
}

#[tokio::test(start_paused = true)]
async fn second_attempts_are_counted_and_whether_they_won() {
    let builder = builder().retry(Retry::default().hedge(0.9));
    let (sender, [mut one, mut two], _dials): (Plain, _, _) = connected_by::<_, 2>(builder, WIDE).await;
    for seq in 1..=32 {
        let call = call!(sender.send(get("w")));
        one.expect(&get_frame(seq, "w")).await;
        tokio::time::sleep(10 * MILLISECOND).await;
        answer(&mut one, seq, "W").await;
        within(call).await.unwrap().unwrap();
    }
    let call = call!(sender.send(get("a")));
    one.expect(&get_frame(33, "a")).await;
    two.expect(&get_frame(1, "a")).await;
    answer(&mut two, 1, "A").await;
    within(call).await.unwrap().unwrap();
    let counters = sender.stats().counters;
    assert_eq!((counters.hedges, counters.hedges_won, counters.retries), (1, 1, 0));

    let call = call!(sender.send(get("b")));
    one.expect(&get_frame(34, "b")).await;
    two.expect(&get_frame(2, "b")).await;
    answer(&mut one, 34, "B").await;
    within(call).await.unwrap().unwrap();
    let counters = sender.stats().counters;
    assert_eq!((counters.hedges, counters.hedges_won), (2, 1));
    assert_eq!(of(&sender, "Get"), [34, 0, 34, 0, 0, 0, 0, 0]);
    let latency = sender.stats().command("Get").unwrap().latency.clone();
    assert!(latency.count() == 34 && latency.quantile(0.5).unwrap() >= 10 * MILLISECOND, "{latency:?}");
}

struct RefusePuts;

impl Hooks<Store> for RefusePuts {
    type Call = ();

    fn before_send<C: CommandOf<Store>>(&self, _: &mut C, entry: &'static Entry) -> Result<(), Refused> {
        if entry.name == "Put" { Err(Refused::new("no")) } else { Ok(()) }
    }
}

#[tokio::test(start_paused = true)]
async fn calls_that_hooks_refuse_are_counted() {
    let (sender, [mut one], _dials) = connected::<_, 1>(builder().hooks(RefusePuts)).await;
    let error = within(sender.send(put("a"))).await.unwrap_err();
    assert!(matches!(error, CallError::Other(error) if error.kind() == ErrorKind::Refused));
    let posted = call!(sender.post(note("b")));
    one.expect(&note_frame(1, "b")).await;
    within(posted).await.unwrap().unwrap();
    assert_eq!(sender.stats().counters.refused_by_hooks, 1);
    assert_eq!(of(&sender, "Put"), [1, 0, 0, 0, 0, 1, 0, 0]);
    assert_eq!(of(&sender, "Note"), [1, 0, 1, 0, 0, 0, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn the_changes_of_each_members_breaker_are_counted_and_what_they_refuse() {
    let settings = Settings::default().window(2).failure_rate(0.5).open_time(3 * SECOND).successes(1);
    let limits = Limits::default().connection_wait(SECOND);
    let builder = builder().breaker(settings).limits(limits).keepalive(Keepalive::OFF);
    let (sender, [mut one], _dials) = connected::<_, 1>(builder).await;
    let changes = || {
        let changes = sender.stats().members[0].breaker_changes().expect("it has a breaker");
        (changes.opened, changes.half_opened, changes.closed)
    };
    for _ in 0..2 {
        assert!(within(sender.send(put("a")).timeout(MILLISECOND)).await.is_err());
    }
    assert_eq!(changes(), (1, 0, 0));
    let refused = within(sender.send(put("b"))).await.unwrap_err();
    assert!(matches!(refused, CallError::Other(error) if error.kind() == ErrorKind::Refused));
    let counters = sender.stats().counters;
    assert_eq!((counters.refused_by_breakers, counters.refused_by_hooks), (1, 0));
    assert!(counters.member_waits >= 1, "{counters:?}");
    assert_eq!(of(&sender, "Put"), [3, 0, 0, 0, 2, 1, 0, 0]);
    tokio::time::sleep(3 * SECOND).await;
    let trial = call!(sender.send(put("c")));
    // The second one found the breaker open, and was never sent.
    for (seq, text) in [(1, "a"), (2, "c")] {
        one.expect(&put_frame(seq, text)).await;
    }
    answer(&mut one, 2, "C").await;
    within(trial).await.unwrap().unwrap();
    assert_eq!(changes(), (1, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn the_numbers_of_a_lost_connection_remain() {
    let (sender, [mut one], mut dials) = connected::<_, 1>(builder()).await;
    let call = call!(sender.send(put("a")));
    one.expect(&put_frame(1, "a")).await;
    answer(&mut one, 1, "A").await;
    within(call).await.unwrap().unwrap();
    let before = sender.stats().connections;
    drop(one);
    let (_, mut one) = dials.accept().await;
    let call = call!(sender.send(put("b")));
    one.expect(&put_frame(2, "b")).await;
    answer(&mut one, 2, "B").await;
    within(call).await.unwrap().unwrap();
    until(|| sender.stats().connections.bytes_received == 2 * before.bytes_received).await;
    let connections = sender.stats().connections;
    assert_eq!((connections.connected, connections.lost), (2, 1));
    assert_eq!(connections.bytes_sent, 2 * before.bytes_sent);
}
