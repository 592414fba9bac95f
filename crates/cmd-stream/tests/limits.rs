//! Every limit of both sides: what happens at it, and one past it. Time is the paused clock's, so it is exact.

#[path = "common/lab.rs"]
mod lab;
#[path = "common/pipes.rs"]
mod pipes;
#[path = "common/wire.rs"]
mod wire;

use std::future::pending;
use std::io;
use std::time::Duration;

use cmd_stream::client::{self, Client, Overflow};
use cmd_stream::server::{Cut, Limits, Served};
use cmd_stream::transport::{Connect, Peer, memory};
use cmd_stream::{Error, ErrorKind, Json, Origin, ServerInfo};
use lab::{Count, Grow, Plain, World, client_by, echo, hold, quiet, text};
use pipes::{Dialer, pipes};
use testkit::peer::{BytePeer, GREETING};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, DuplexStream, duplex};
use tokio::time::{Instant, sleep, timeout};
use wire::{announce, echo_frame, frame, head, hold_frame, number_frame, tag, text_frame};

/// The resolution of the clock.
const TICK: Duration = Duration::from_millis(1);
/// A limit of time.
const TIME: Duration = Duration::from_secs(5);
/// Room for anything that these tests send.
const WIDE: usize = 1 << 16;

/// It took this time, up to what the timer's resolution adds.
#[track_caller]
fn assert_took(since: Instant, expected: Duration) {
    let took = since.elapsed();
    assert!((expected..=expected + 5 * TICK).contains(&took), "it took {took:?} instead of {expected:?}");
}

#[track_caller]
fn assert_error(error: &Error, kind: ErrorKind, origin: Origin, says: &str) {
    assert_eq!((error.kind(), error.origin()), (kind, origin), "{error}");
    assert!(format!("{error:#}").contains(says), "\"{error:#}\" does not say \"{says}\"");
}

/// A server on pipes.
fn served(limits: Limits) -> (World, Dialer) {
    let (dialer, listener) = pipes();
    (World::over(listener, limits), dialer)
}

/// A byte peer of a server, greeted.
async fn greeted(dialer: &Dialer, width: usize) -> BytePeer<DuplexStream> {
    let mut peer = BytePeer::over(dialer.dial(width));
    peer.expect(GREETING).await;
    peer
}

/// A client, and a byte peer that is its server.
async fn connected(limits: client::Limits, width: usize) -> (Client<Plain, Json>, BytePeer<DuplexStream>) {
    let (ours, theirs) = duplex(width);
    let mut peer = BytePeer::over(theirs);
    let client = Client::builder(Plain, Json).limits(limits);
    let (client, ()) = tokio::join!(client.over(ours, pipes::peer()), peer.send(GREETING));
    (client.unwrap(), peer)
}

#[test]
fn defaults_are_those_of_the_documentation() {
    let server = format!("{:?}", Limits::default());
    let client = format!("{:?}", client::Limits::default());
    let expected = "Limits { frame: 4194304, in_flight: 65536, in_flight_bytes: 67108864, output: 1048576, \
                    output_stall: 30s, connections: 10000, waiting: 128, waiting_time: 5s, handshake: 10s, \
                    frame_time: 30s, idle: None, drain: 30s }";
    assert_eq!(server, expected);
    let expected = "Limits { frame: 4194304, output: 1048576, output_stall: 30s, stream_replies: 1024, \
                    stream_overflow: Fail, connect: 5s, handshake: 10s, frame_time: 30s }";
    assert_eq!(client, expected);
    assert_eq!((Limits::SERVER_INFO, ServerInfo::MAX_LEN), (1024, 1024));
}

#[test]
fn getters_give_what_was_set() {
    let time = Duration::from_secs;
    let server = Limits::default()
        .frame(101)
        .in_flight(102)
        .in_flight_bytes(103)
        .output(104)
        .output_stall(time(105))
        .connections(106)
        .waiting(107, time(108))
        .handshake(time(109))
        .frame_time(time(110))
        .idle(time(111))
        .drain(time(112));
    let sizes =
        (server.get_frame(), server.get_in_flight(), server.get_in_flight_bytes(), server.get_output());
    assert_eq!(sizes, (101, 102, 103, 104));
    assert_eq!((server.get_connections(), server.get_waiting()), (106, 107));
    assert_eq!((server.get_output_stall(), server.get_waiting_time()), (time(105), time(108)));
    assert_eq!((server.get_handshake(), server.get_frame_time()), (time(109), time(110)));
    assert_eq!((server.get_idle(), server.get_drain()), (Some(time(111)), time(112)));

    let client = client::Limits::default()
        .frame(201)
        .output(202)
        .output_stall(time(203))
        .stream_replies(204, client::Overflow::Pause)
        .connect(time(205))
        .handshake(time(206))
        .frame_time(time(207));
    assert_eq!((client.get_frame(), client.get_output()), (201, 202));
    assert_eq!((client.get_stream_replies(), client.get_stream_overflow()), (204, client::Overflow::Pause));
    assert_eq!((client.get_output_stall(), client.get_connect()), (time(203), time(205)));
    assert_eq!((client.get_handshake(), client.get_frame_time()), (time(206), time(207)));
}

#[test]
fn server_info_has_1_to_1024_bytes() {
    for (len, is_one) in [(0, false), (1, true), (1024, true), (1025, false)] {
        assert_eq!(ServerInfo::new(vec![b'i'; len]).is_ok(), is_one, "{len} bytes");
    }
}

// Frames.

/// The length of the frame of an Echo with this seq and a text of so many bytes.
fn echo_len(seq: i64, bytes: usize) -> usize {
    echo_frame(seq, &"x".repeat(bytes)).len()
}

#[tokio::test(start_paused = true)]
async fn command_of_the_frame_limit_is_executed_and_one_over_it_ends_its_connection() {
    let (world, dialer) = served(Limits::default().frame(echo_len(1, 100)));
    let fits = "x".repeat(100);
    let mut peer = greeted(&dialer, WIDE).await;
    peer.send(&echo_frame(1, &fits)).await;
    peer.expect(&text_frame(1, &fits)).await;
    // One more byte in the body, and with a longer seq one more before it; the length alone is enough to refuse it.
    for over in [announce(2, tag::ECHO, 112), announce(200, tag::ECHO, 111), echo_frame(2, &"x".repeat(101))]
    {
        let mut peer = greeted(&dialer, WIDE).await;
        peer.send(&over).await;
        peer.expect_end().await;
        assert_error(
            &world.lost().await.reason,
            ErrorKind::Limit,
            Origin::Remote,
            "over the limit of 114 bytes",
        );
    }
    assert_eq!(world.counters().over_frame_limit, 3);
    peer.send(&echo_frame(3, &fits)).await;
    peer.expect(&text_frame(3, &fits)).await;
}

#[tokio::test(start_paused = true)]
async fn reply_of_the_frame_limit_is_sent_and_one_over_it_fails_its_send_alone() {
    let limit = text_frame(1, &"x".repeat(200)).len();
    let (connector, listener) = memory::pair();
    let world = World::over(listener, Limits::default().frame(limit));
    let client = client_by(&connector).await;
    assert_eq!(client.send(Grow { bytes: 200 }).await.unwrap().0.len(), 200);
    let refused = client.send(Grow { bytes: 201 }).await.unwrap().0;
    let expected = format!("Some(Limit): reply of {} bytes is over the limit of {limit}", limit + 1);
    assert!(refused.starts_with(&expected), "{refused}");
    assert_eq!((world.counters().failed, world.counters().replies), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn command_over_the_frame_limit_of_the_client_is_not_sent() {
    let limits = client::Limits::default().frame(echo_len(1, 100));
    let (client, mut peer) = connected(limits, WIDE).await;
    let refused = Error::from(client.send(echo(&"x".repeat(101))).await.unwrap_err());
    assert_error(&refused, ErrorKind::Limit, Origin::Local, "command of 115 bytes is over the limit of 114");
    assert!(!refused.was_sent());
    let refused = client.stream(echo(&"x".repeat(101))).await.unwrap_err();
    assert_eq!((refused.kind(), refused.was_sent()), (ErrorKind::Limit, false));

    // Nothing of them was sent, and they took no seq.
    let fits = "x".repeat(100);
    let call = call!(client.send(echo(&"x".repeat(100))));
    peer.expect(&echo_frame(1, &fits)).await;
    peer.send(&text_frame(1, "a")).await;
    assert_eq!(call.await.unwrap().unwrap(), text("a"));
}

#[tokio::test(start_paused = true)]
async fn reply_of_the_frame_limit_arrives_and_one_over_it_ends_the_connection() {
    let reply = text_frame(1, &"x".repeat(100));
    let limits = client::Limits::default().frame(reply.len());
    let (client, mut peer) = connected(limits, WIDE).await;
    let (first, second) = (call!(client.send(echo("a"))), call!(client.send(echo("b"))));
    quiet().await;
    peer.send(&reply).await;
    assert_eq!(first.await.unwrap().unwrap().0.len(), 100);
    peer.send(&announce(2, tag::TEXT, 103)).await;
    let failure = Error::from(second.await.unwrap().unwrap_err());
    let says = format!("over the limit of {} bytes", reply.len());
    assert_error(&failure, ErrorKind::Limit, Origin::Remote, &says);
    assert!(failure.was_sent());
}

// Commands in flight.

#[tokio::test(start_paused = true)]
async fn commands_in_flight_up_to_the_limit_run_and_a_further_one_is_not_read() {
    let (world, dialer) = served(Limits::default().in_flight(3));
    let mut peer = greeted(&dialer, WIDE).await;
    peer.send(&(1..=3).flat_map(|seq| hold_frame(seq, "a")).collect::<Vec<_>>()).await;
    quiet().await;
    assert_eq!((world.lab.seen().running, world.counters().in_flight_pauses), (3, 0));

    // Neither is a quick one, nor a ping.
    peer.send(&[&hold_frame(4, "a"), &echo_frame(5, "b")[..], &[0]].concat()).await;
    quiet().await;
    assert_eq!((world.lab.seen().started, world.counters().in_flight_pauses), (3, 1));
    assert_eq!((world.counters().commands, world.counters().pings), (3, 0));

    // One ends: the fourth one takes its place, and the rest waits again.
    world.lab.open_gate(1);
    quiet().await;
    assert_eq!(
        (world.lab.seen().running, world.lab.seen().started, world.counters().in_flight_pauses),
        (3, 4, 2)
    );
    peer.expect(&text_frame(1, "a")).await;

    world.lab.open_gate(3);
    let mut expected: Vec<_> = (2..=4).map(|seq| text_frame(seq, "a")).collect();
    expected.push(text_frame(5, "b"));
    let mut received = peer.receive(expected.concat().len() + 1).await;
    // The end of one lets the others be read, so the order is not given.
    for frame in expected.iter().map(Vec::as_slice).chain([&[0][..]]) {
        let at = received.windows(frame.len()).position(|bytes| bytes == frame).expect("each is answered");
        received.drain(at..at + frame.len());
    }
    assert_eq!(world.lab.seen().most_running, 3);
}

#[tokio::test(start_paused = true)]
async fn bytes_of_commands_in_flight_up_to_the_limit_are_read_and_no_more() {
    let size = hold_frame(1, "a").len();
    // At the limit, and one byte below it, when one more is let in.
    for (limit, running) in [(2 * size, 2), (2 * size + 1, 3)] {
        let (world, dialer) = served(Limits::default().in_flight_bytes(limit));
        let mut peer = greeted(&dialer, WIDE).await;
        peer.send(&(1..=running).flat_map(|seq| hold_frame(seq, "a")).collect::<Vec<_>>()).await;
        quiet().await;
        assert_eq!((world.lab.seen().running as i64, world.counters().in_flight_pauses), (running, 0));
        peer.send(&hold_frame(running + 1, "a")).await;
        quiet().await;
        assert_eq!((world.lab.seen().running as i64, world.counters().in_flight_pauses), (running, 1));
        world.lab.open_gate(1);
        peer.expect(&text_frame(1, "a")).await;
        quiet().await;
        assert_eq!(world.lab.seen().started as i64, running + 1);
        assert_eq!(world.lab.seen().most_running as i64, running);
    }
}

// Output.

/// How wide the narrow pipes are.
const NARROW: usize = 100;

#[tokio::test(start_paused = true)]
async fn server_output_at_its_limit_lets_send_wait_and_stops_reading() {
    let limit = 1000;
    let (world, dialer) = served(Limits::default().output(limit));
    let mut peer = greeted(&dialer, NARROW).await;
    peer.send(&frame(1, tag::COUNT, r#"{"to":500}"#)).await;
    quiet().await;
    let bytes_of = |replies: u64| (1..=replies).map(|n| number_frame(1, n, n == 500).len()).sum::<usize>();
    let counted = world.lab.seen().counted as u64;
    // It stopped with the Reply that reached the limit. The pipe holds what was written.
    assert!(bytes_of(counted) >= limit + NARROW, "{counted} replies");
    assert!(bytes_of(counted - 1) < limit + NARROW, "{counted} replies");

    // A further Command is not read.
    peer.send(&echo_frame(2, "a")).await;
    quiet().await;
    assert_eq!((world.counters().commands, world.counters().output_pauses), (1, 1));

    // With room for one byte more than nothing it goes on.
    let mut received = peer.receive(NARROW).await;
    quiet().await;
    assert!(world.lab.seen().counted as u64 > counted, "it waits though there is room");
    let mut expected: Vec<u8> = (1..=500).flat_map(|n| number_frame(1, n, n == 500)).collect();
    let text = text_frame(2, "a");
    received.extend(peer.receive(expected.len() + text.len() - NARROW).await);
    // The Reply of the second Command is somewhere between the others.
    let at = received.windows(text.len()).position(|bytes| bytes == text).expect("it is answered");
    received.drain(at..at + text.len());
    expected.truncate(received.len());
    assert_eq!(received, expected);
    assert_eq!((world.lab.seen().counted, world.counters().replies), (500, 501));
}

#[tokio::test(start_paused = true)]
async fn client_output_at_its_limit_lets_calls_wait_unsent() {
    let limit = 1000;
    let (client, mut peer) = connected(client::Limits::default().output(limit), NARROW).await;
    let calls: Vec<_> = (0..200).map(|_| call!(client.send(echo("a")))).collect();
    quiet().await;
    let sent = client.in_flight() as i64;
    let bytes_of = |calls: i64| (1..=calls).map(|seq| echo_len(seq, 1)).sum::<usize>();
    assert!(bytes_of(sent) >= limit + NARROW, "{sent} calls");
    assert!(bytes_of(sent - 1) < limit + NARROW, "{sent} calls");
    // So does the opening of a stream.
    assert!(timeout(TIME, client.stream(Count { to: 1 })).await.is_err());

    let script = async {
        for seq in 1..=200 {
            peer.expect(&echo_frame(seq, "a")).await;
            peer.send(&text_frame(seq, "b")).await;
        }
    };
    let answers = async {
        for call in calls {
            assert_eq!(call.await.unwrap().unwrap(), text("b"));
        }
    };
    tokio::join!(script, answers);
}

#[tokio::test(start_paused = true)]
async fn call_that_waits_for_room_fails_unsent_when_the_connection_ends() {
    let (client, peer) = connected(client::Limits::default().output(1), NARROW).await;
    let calls: Vec<_> = (0..20).map(|_| call!(client.send(echo("a")))).collect();
    quiet().await;
    let taken = client.in_flight();
    assert!(taken < calls.len());
    drop(peer);
    for (n, call) in calls.into_iter().enumerate() {
        let failure = Error::from(call.await.unwrap().unwrap_err());
        assert!(n < taken || !failure.was_sent(), "call {n}: {failure:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn client_that_takes_no_output_is_cut_off() {
    let (world, dialer) = served(Limits::default().output_stall(TIME));
    let mut peer = greeted(&dialer, NARROW).await;
    peer.send(&frame(1, tag::COUNT, r#"{"to":50}"#)).await;
    quiet().await;
    // A byte that it takes just in time is a sign of life.
    sleep(TIME - 2 * TICK).await;
    peer.receive(1).await;
    let since = Instant::now();
    let lost = world.lost().await;
    assert_took(since, TIME);
    assert_error(&lost.reason, ErrorKind::Timeout, Origin::Remote, "`Limits::output_stall`");
    assert_eq!((world.counters().output_stalls, world.counters().receive_timeouts), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn server_that_takes_no_output_is_left() {
    let (client, mut peer) = connected(client::Limits::default().output_stall(TIME), NARROW).await;
    let large = "x".repeat(10 * NARROW);
    let call = call!(client.send(echo(&large)));
    quiet().await;
    sleep(TIME - 2 * TICK).await;
    peer.receive(1).await;
    let since = Instant::now();
    let failure = Error::from(call.await.unwrap().unwrap_err());
    assert_took(since, TIME);
    assert_error(&failure, ErrorKind::Timeout, Origin::Remote, "`Limits::output_stall`");
    assert!(failure.was_sent(), "a part of it was");
}

#[tokio::test(start_paused = true)]
async fn slow_reader_gets_all_of_it_however_long_it_takes() {
    let (world, dialer) = served(Limits::default().output_stall(TIME));
    let mut peer = greeted(&dialer, NARROW).await;
    peer.send(&frame(1, tag::COUNT, r#"{"to":50}"#)).await;
    for n in 1..=50 {
        sleep(TIME - 2 * TICK).await;
        peer.expect(&number_frame(1, n, n == 50)).await;
    }
    assert_eq!(world.counters().output_stalls, 0);
}

// Connections.

#[tokio::test(start_paused = true)]
async fn connection_past_the_limit_waits_without_a_greeting_until_there_is_a_place() {
    let (world, dialer) = served(Limits::default().connections(2).waiting(1, TIME));
    let first = greeted(&dialer, WIDE).await;
    let mut second = greeted(&dialer, WIDE).await;
    let mut third = dialer.dial(WIDE);
    quiet().await;
    let counters = world.counters();
    assert_eq!((counters.open, counters.waiting, counters.refused), (2, 1, 0));

    // One more than may wait is closed at once, unlike the one that waits.
    BytePeer::over(dialer.dial(WIDE)).expect_end().await;
    assert_eq!((world.counters().waiting, world.counters().refused), (1, 1));

    sleep(TIME - 10 * TICK).await;
    assert!(timeout(TICK, third.read_u8()).await.is_err(), "it is greeted without a place");
    drop(first);
    let mut third = BytePeer::over(third);
    third.expect(GREETING).await;
    for peer in [&mut second, &mut third] {
        peer.send(&echo_frame(1, "a")).await;
        peer.expect(&text_frame(1, "a")).await;
    }
    let counters = world.counters();
    assert_eq!((counters.accepted, counters.open, counters.waiting, counters.refused), (4, 2, 0, 1));
}

#[tokio::test(start_paused = true)]
async fn connection_that_has_waited_long_enough_is_closed_and_counted() {
    let (world, dialer) = served(Limits::default().connections(1).waiting(1, TIME));
    let mut first = greeted(&dialer, WIDE).await;
    let since = Instant::now();
    BytePeer::over(dialer.dial(WIDE)).expect_end().await;
    assert_took(since, TIME);
    let counters = world.counters();
    assert_eq!((counters.open, counters.waiting, counters.refused), (1, 0, 1));

    // Its place among those that wait is free again, and the one that is served never noticed.
    let waiting = dialer.dial(WIDE);
    quiet().await;
    assert_eq!(world.counters().waiting, 1);
    first.send(&echo_frame(1, "a")).await;
    first.expect(&text_frame(1, "a")).await;
    drop(first);
    BytePeer::over(waiting).expect(GREETING).await;
}

#[tokio::test(start_paused = true)]
async fn none_waits_where_none_may() {
    let (world, dialer) = served(Limits::default().connections(1).waiting(0, TIME));
    let first = greeted(&dialer, WIDE).await;
    BytePeer::over(dialer.dial(WIDE)).expect_end().await;
    assert_eq!((world.counters().refused, world.counters().open), (1, 1));
    drop(first);
    quiet().await;
    greeted(&dialer, WIDE).await;
}

// Time.

#[tokio::test(start_paused = true)]
async fn client_that_does_not_take_the_server_info_in_time_is_cut_off() {
    let (world, dialer) = served(Limits::default().handshake(TIME));
    let mut in_time = BytePeer::over(dialer.dial(GREETING.len() - 1));
    let _too_late = dialer.dial(GREETING.len() - 1);
    let since = Instant::now();
    sleep(TIME - 2 * TICK).await;
    in_time.expect(GREETING).await;
    let lost = world.lost().await;
    assert_took(since, TIME);
    assert_eq!(lost.id, 2);
    assert_error(&lost.reason, ErrorKind::Timeout, Origin::Remote, "`Limits::handshake`");
    assert_eq!((world.counters().handshake_timeouts, world.counters().open), (1, 1));
    in_time.send_bytewise(&echo_frame(1, "a")).await;
    in_time.expect(&text_frame(1, "a")).await;
}

#[tokio::test(start_paused = true)]
async fn server_that_does_not_greet_in_time_is_left() {
    for (delay, in_time) in [(TIME - 2 * TICK, true), (TIME + 5 * TICK, false)] {
        let (ours, theirs) = duplex(WIDE);
        let mut peer = BytePeer::over(theirs);
        peer.send(&GREETING[..1]).await;
        let since = Instant::now();
        let connect = async {
            let limits = client::Limits::default().handshake(TIME);
            let client = Client::builder(Plain, Json).limits(limits).over(ours, pipes::peer()).await;
            (client, since.elapsed())
        };
        let script = async {
            sleep(delay).await;
            if in_time {
                peer.send(&GREETING[1..]).await;
            } else {
                peer.expect_end().await;
            }
        };
        match tokio::join!(connect, script).0 {
            (Ok(_), took) => assert!(in_time && took < TIME, "{took:?}"),
            (Err(error), took) => {
                assert!(!in_time && (TIME..=TIME + 5 * TICK).contains(&took), "{took:?}");
                assert_error(&error, ErrorKind::Timeout, Origin::Remote, "`Limits::handshake`");
            }
        }
    }
}

/// A way to connect that takes its time.
struct Slow(Option<Duration>);

impl Connect for Slow {
    type Io = DuplexStream;

    async fn connect(&self) -> io::Result<(DuplexStream, Peer)> {
        match self.0 {
            Some(time) => sleep(time).await,
            None => pending().await,
        }
        let (ours, theirs) = duplex(WIDE);
        let mut peer = BytePeer::over(theirs);
        peer.send(GREETING).await;
        tokio::spawn(async move { peer.rest().await });
        Ok((ours, pipes::peer()))
    }

    fn address(&self) -> String {
        "a slow place".into()
    }
}

#[tokio::test(start_paused = true)]
async fn connecting_ends_in_time() {
    let connect = |way| async move {
        let limits = client::Limits::default().connect(TIME);
        Client::builder(Plain, Json).limits(limits).connect_by(Slow(way)).await
    };
    assert!(connect(Some(TIME - 2 * TICK)).await.is_ok());
    for way in [Some(TIME + 5 * TICK), None] {
        let since = Instant::now();
        let error = connect(way).await.unwrap_err();
        assert_took(since, TIME);
        assert_error(&error, ErrorKind::Timeout, Origin::System, "`Limits::connect`");
        assert!(!error.was_sent());
    }
}

/// Plays a frame in two parts, with what stands before the first part in the same write, and a byte in between.
async fn in_parts<IO>(peer: &mut BytePeer<IO>, before: &[u8], frame: &[u8], time: Duration)
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    peer.send(&[before, &frame[..3]].concat()).await;
    sleep(time / 2).await;
    peer.send(&frame[3..4]).await;
    sleep(time - time / 2).await;
    peer.send(&frame[4..]).await;
}

#[tokio::test(start_paused = true)]
async fn command_that_has_begun_must_be_whole_in_time() {
    let (world, dialer) = served(Limits::default().frame_time(TIME));
    let mut punctual = Vec::new();
    // At once after the greeting, and behind a Command that is whole.
    for before in [vec![], echo_frame(1, "a")] {
        let mut peer = greeted(&dialer, WIDE).await;
        in_parts(&mut peer, &before, &echo_frame(2, "b"), TIME - 2 * TICK).await;
        if !before.is_empty() {
            peer.expect(&text_frame(1, "a")).await;
        }
        peer.expect(&text_frame(2, "b")).await;
        punctual.push(peer);

        let mut peer = greeted(&dialer, WIDE).await;
        let since = Instant::now();
        let end = async {
            let lost = world.lost().await;
            assert_took(since, TIME);
            lost
        };
        let frame = echo_frame(2, "b");
        // Bytes that trickle in do not buy time.
        let script = async {
            peer.send(&[&before, &frame[..1]].concat()).await;
            for byte in &frame[1..5] {
                sleep(TIME / 5).await;
                peer.send(&[*byte]).await;
            }
        };
        let (lost, ()) = tokio::join!(end, script);
        assert_error(&lost.reason, ErrorKind::Timeout, Origin::Remote, "`Limits::frame_time`");
    }
    let counters = world.counters();
    assert_eq!((counters.receive_timeouts, counters.invalid, counters.open), (2, 0, punctual.len() as u64));
}

#[tokio::test(start_paused = true)]
async fn reply_that_has_begun_must_be_whole_in_time() {
    for before in [vec![], text_frame(1, "a")] {
        let (client, mut peer) = connected(client::Limits::default().frame_time(TIME), WIDE).await;
        let calls =
            [call!(client.send(echo("a"))), call!(client.send(echo("b"))), call!(client.send(echo("c")))];
        quiet().await;
        in_parts(&mut peer, &before, &text_frame(2, "b"), TIME - 2 * TICK).await;
        let since = Instant::now();
        let script = async {
            for byte in &text_frame(3, "c")[..5] {
                peer.send(&[*byte]).await;
                sleep(TIME / 5 - TICK).await;
            }
        };
        let end = async {
            let reason = client.closed().await;
            assert_took(since, TIME);
            reason
        };
        let (reason, ()) = tokio::join!(end, script);
        assert_error(&reason, ErrorKind::Timeout, Origin::Remote, "`Limits::frame_time`");
        let [first, second, third] = calls;
        assert_eq!(second.await.unwrap().unwrap(), text("b"));
        assert_eq!(first.await.unwrap().is_ok(), !before.is_empty());
        assert_eq!(Error::from(third.await.unwrap().unwrap_err()).kind(), ErrorKind::Timeout);
    }
}

#[tokio::test(start_paused = true)]
async fn time_in_which_the_server_does_not_read_is_not_the_clients() {
    let (world, dialer) = served(Limits::default().in_flight(1).frame_time(TIME).idle(TIME));
    let mut peer = greeted(&dialer, WIDE).await;
    let whole = echo_frame(3, "c");
    peer.send(&[&hold_frame(1, "a"), &hold_frame(2, "b"), &whole[..4]].concat()).await;
    sleep(3 * TIME).await;
    world.lab.open_gate(2);
    peer.expect(&[text_frame(1, "a"), text_frame(2, "b")].concat()).await;
    sleep(TIME - 5 * TICK).await;
    peer.send(&whole[4..]).await;
    peer.expect(&text_frame(3, "c")).await;
    assert_eq!(world.counters().receive_timeouts, 0);
}

#[tokio::test(start_paused = true)]
async fn time_in_which_the_client_does_not_read_is_not_the_servers() {
    let limits = client::Limits::default().frame_time(TIME).stream_replies(1, Overflow::Pause);
    let (client, mut peer) = connected(limits, WIDE).await;
    let mut stream = client.stream(Count { to: 4 }).await.unwrap();
    let whole = number_frame(1, 3, false);
    peer.send(&[&number_frame(1, 1, false), &number_frame(1, 2, false), &whole[..4]].concat()).await;
    sleep(3 * TIME).await;
    for value in [1, 2] {
        assert_eq!(stream.next().await.unwrap().unwrap().value, value);
    }
    sleep(TIME - 5 * TICK).await;
    peer.send(&[&whole[4..], &number_frame(1, 4, true)].concat()).await;
    for value in [3, 4] {
        assert_eq!(stream.next().await.unwrap().unwrap().value, value);
    }
}

#[tokio::test(start_paused = true)]
async fn idle_client_is_cut_off_if_so_set() {
    let (world, dialer) = served(Limits::default().idle(TIME));
    let mut peer = greeted(&dialer, WIDE).await;
    // A Command and a ping, each just in time; a frame that has only begun is none.
    sleep(TIME - 2 * TICK).await;
    peer.send(&echo_frame(1, "a")).await;
    peer.expect(&text_frame(1, "a")).await;
    sleep(TIME - 2 * TICK).await;
    peer.send(&[0]).await;
    peer.expect(&[0]).await;
    let since = Instant::now();
    sleep(TIME / 2).await;
    peer.send(&head(2, tag::ECHO)).await;
    let lost = world.lost().await;
    assert_took(since, TIME);
    assert_error(&lost.reason, ErrorKind::Timeout, Origin::Remote, "`Limits::idle`");
    assert_eq!(world.counters().receive_timeouts, 1);
}

#[tokio::test(start_paused = true)]
async fn idle_client_stays_unless_so_set() {
    let (world, dialer) = served(Limits::default());
    let mut peer = greeted(&dialer, WIDE).await;
    sleep(Duration::from_secs(24 * 3600)).await;
    peer.send(&echo_frame(1, "a")).await;
    peer.expect(&text_frame(1, "a")).await;
    assert_eq!(world.counters().open, 1);
}

#[tokio::test(start_paused = true)]
async fn drain_ends_in_time_and_says_what_was_cut() {
    for late in [false, true] {
        let (connector, listener) = memory::pair();
        let world = World::over(listener, Limits::default().drain(TIME));
        let client = client_by(&connector).await;
        let call = call!(client.send(hold("a")));
        world.lab.until(|seen| seen.running == 1).await;
        world.handle.shutdown();
        let since = Instant::now();
        sleep(TIME - 5 * TICK).await;
        if !late {
            world.lab.open_gate(1);
            assert_eq!(call.await.unwrap().unwrap(), text("a"));
            assert_eq!(world.served().await, Served::Shutdown(Cut::default()));
            continue;
        }
        let handle = world.handle.clone();
        match world.served().await {
            Served::Shutdown(cut) => assert_eq!((cut.connections, cut.commands), (1, 1)),
            other => panic!("{other:?}"),
        }
        assert_took(since, TIME);
        assert_eq!(handle.counters().cut, 1);
        let failure = Error::from(call.await.unwrap().unwrap_err());
        assert_eq!((failure.kind(), failure.was_sent()), (ErrorKind::Closed, true));
    }
}

// Replies that wait in a stream.

#[tokio::test(start_paused = true)]
async fn stream_holds_as_many_replies_as_it_may_and_fails_at_one_more() {
    for (replies, fails) in [(3, false), (4, true)] {
        let limits = client::Limits::default().stream_replies(3, Overflow::Fail);
        let (client, mut peer) = connected(limits, WIDE).await;
        let mut stream = client.stream(Count { to: replies }).await.unwrap();
        let call = call!(client.send(echo("a")));
        quiet().await;
        peer.send(&(1..=replies).flat_map(|n| number_frame(1, n, n == replies)).collect::<Vec<_>>()).await;
        // Others go on meanwhile.
        peer.send(&text_frame(2, "a")).await;
        assert_eq!(call.await.unwrap().unwrap(), text("a"));

        for value in 1..=3 {
            assert_eq!(stream.next().await.unwrap().unwrap().value, value);
        }
        if fails {
            let failure = Error::from(stream.next().await.unwrap().unwrap_err());
            assert_error(&failure, ErrorKind::Limit, Origin::Local, "over 3 replies wait in the stream");
            assert!(failure.was_sent());
        }
        assert!(stream.next().await.is_none());
        assert_eq!(client.in_flight(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn full_stream_pauses_the_connection_if_so_set() {
    let limits = client::Limits::default().stream_replies(3, Overflow::Pause);
    let (client, mut peer) = connected(limits, WIDE).await;
    let mut stream = client.stream(Count { to: 6 }).await.unwrap();
    let call = call!(client.send(echo("a")));
    quiet().await;
    for n in 1..=3 {
        peer.send(&number_frame(1, n, false)).await;
        quiet().await;
    }
    let other = call!(client.send(echo("b")));
    quiet().await;
    peer.send(&text_frame(3, "b")).await;
    assert_eq!(other.await.unwrap().unwrap(), text("b"), "at the limit the connection is read");

    peer.send(&number_frame(1, 4, false)).await;
    quiet().await;
    peer.send(&[number_frame(1, 5, false), number_frame(1, 6, true), text_frame(2, "a")].concat()).await;
    sleep(TIME).await;
    assert!(!call.is_finished(), "past it it is not");

    // It is read again when there is room for one.
    for value in 1..=2 {
        assert_eq!(stream.next().await.unwrap().unwrap().value, value);
    }
    assert_eq!(call.await.unwrap().unwrap(), text("a"));
    for value in 3..=6 {
        assert_eq!(stream.next().await.unwrap().unwrap().value, value);
    }
    assert!(stream.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn full_stream_that_is_dropped_or_closed_lets_the_connection_go_on() {
    let limits = client::Limits::default().stream_replies(1, Overflow::Pause);
    let (client, mut peer) = connected(limits, WIDE).await;
    let stream = client.stream(Count { to: 9 }).await.unwrap();
    let call = call!(client.send(echo("a")));
    quiet().await;
    peer.send(&(1..=2).flat_map(|n| number_frame(1, n, false)).collect::<Vec<_>>()).await;
    quiet().await;
    peer.send(&text_frame(2, "a")).await;
    sleep(TIME).await;
    assert!(!call.is_finished());
    drop(stream);
    assert_eq!(call.await.unwrap().unwrap(), text("a"));

    let mut stream = client.stream(Count { to: 9 }).await.unwrap();
    quiet().await;
    peer.send(&(1..=2).flat_map(|n| number_frame(3, n, false)).collect::<Vec<_>>()).await;
    quiet().await;
    client.close();
    assert_eq!(client.closed().await.kind(), ErrorKind::Closed);
    for value in 1..=2 {
        assert_eq!(stream.next().await.unwrap().unwrap().value, value, "what has arrived is given");
    }
    assert_eq!(Error::from(stream.next().await.unwrap().unwrap_err()).kind(), ErrorKind::Closed);
}
