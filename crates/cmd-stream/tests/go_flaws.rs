//! What goes wrong in the Go library (v0.6.2) and must not go wrong here, on the same wire:
//!
//! 1. The ninth connection to a default server hangs.
//! 2. A Command that cannot be encoded leaves its head in the buffer, and the connection is dead: `failures/user_code.rs`.
//! 3. An error of one execution fails all Commands of its connection; also `failures/declared.rs`.
//! 4. A panic ends the process: `failures/undeclared.rs`.
//! 5. Memory is allocated for a length that no bytes back.
//! 6. After a few idle seconds with keepalive, calls time out: the ping leaves a deadline on the connection.
//! 7. After a send with a deadline, plain sends time out, too.
//! 8. A half-open link is never noticed, though keepalive is on.
//! 9. A server that is down is dialled tens of thousands of times a second.
//! 10. A client whose peer closes in the middle of a frame is closed for good, though it should reconnect.
//! 11. A slow reader of a stream blocks the other calls.
//! 12. A lost connection is a success for the circuit breaker.
//! 13. A shutdown never ends with an idle client, which goes on calling.
//! 14. Of a group with four connections one is dead, and a quarter of the calls fail, for ever.
//! 15. A cancelled call is reported as a timeout; also `cancel_safety.rs`.
//! 16. Tens of thousands of Commands are accepted on one connection; what a client sends at most: `lasting/in_flight.rs`.

#[path = "common/lab.rs"]
mod lab;
#[path = "common/largest.rs"]
mod largest;
#[path = "common/pipes.rs"]
mod pipes;
#[path = "common/wire.rs"]
mod wire;

use std::time::Duration;

use cmd_stream::circuit_breaker::{CircuitBreaker, Settings, State};
use cmd_stream::client::{self, Backoff, Client, Keepalive, Link};
use cmd_stream::group::RoundRobin;
use cmd_stream::server::{Cut, Limits, Served};
use cmd_stream::transport::memory;
use cmd_stream::{Error, ErrorKind, Json, Origin, Sender};
use lab::{Count, Plain, World, echo, hold, quiet, text};
use largest::largest_allocation;
use testkit::chaos::{Direction, Proxy};
use testkit::peer::{BytePeer, GREETING};
use testkit::wait::{until, within};
use tokio::io::duplex;
use tokio::time::{Instant, sleep};
use wire::{announce, echo_frame, frame, hold_frame, tag, text_frame};

#[track_caller]
fn assert_error(error: &Error, kind: ErrorKind, origin: Origin, says: &str) {
    assert_eq!((error.kind(), error.origin()), (kind, origin), "{error}");
    assert!(format!("{error:#}").contains(says), "\"{error:#}\" does not say \"{says}\"");
}

// 1. There, the ninth connection hangs: no ServerInfo, no error.

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

// 3. There, an error of one execution fails all Commands of its connection.

#[tokio::test]
async fn a_failure_ends_its_connection_after_the_replies_of_the_same_batch() {
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

// 5. There, memory is allocated for any length that is announced.

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
    peer.send(&announce(1, tag::TEXT, 1 << 31)).await;
    assert_error(
        &call.await.unwrap().unwrap_err().into(),
        ErrorKind::Timeout,
        Origin::Remote,
        "`Limits::frame_time`",
    );
    assert!(largest_allocation() <= ALLOCATION, "{} bytes were allocated", largest_allocation());
}

/// Far below what was announced, and twice what other tests take that run at the same time (20,000 Commands: 1 MiB). The
/// test with the lengths takes 64 KiB.
const ALLOCATION: usize = 2 << 20;

// 6. There, the ping leaves a deadline on the connection. When it is over, all sends fail.

#[tokio::test(start_paused = true)]
async fn after_idle_time_with_keepalive_and_reconnecting_all_calls_are_answered() {
    let (connector, listener) = memory::pair();
    let world = World::over(listener, Limits::default());
    // Everything as it is by default.
    let client = within(Client::builder(Plain, Json).connect_by(connector)).await.unwrap();
    for round in 1..=5 {
        sleep(Duration::from_secs(35)).await;
        assert_eq!(client.counters().pings, 3 * round, "it was idle");
        let calls: Vec<_> = (0..100).map(|n| call!(client.send(echo(&n.to_string())))).collect();
        for (n, call) in calls.into_iter().enumerate() {
            assert_eq!(within(call).await.unwrap().unwrap(), text(&n.to_string()));
        }
    }
    let counters = client.counters();
    assert_eq!((counters.connected, counters.lost, counters.timed_out), (1, 0, 0));
    assert_eq!(world.counters().accepted, 1);
}

// 7. There, the deadline of one send stays on the connection.

#[tokio::test(start_paused = true)]
async fn deadline_of_one_call_concerns_no_later_one() {
    let (connector, listener) = memory::pair();
    let world = World::over(listener, Limits::default());
    let client = within(Client::builder(Plain, Json).connect_by(connector)).await.unwrap();
    let short = Duration::from_millis(50);
    assert_eq!(client.send(echo("in time")).timeout(short).await.unwrap(), text("in time"));
    let plain = call!(client.send(hold("b")));
    let late = client.send(hold("a")).timeout(short).await.unwrap_err();
    assert_error(&late.into(), ErrorKind::Timeout, Origin::Local, "timed out waiting for a reply");
    for seconds in 0..20 {
        sleep(Duration::from_secs(seconds)).await;
        assert_eq!(within(client.send(echo("c"))).await.unwrap(), text("c"));
    }
    world.lab.open_gate(2);
    assert_eq!(within(plain).await.unwrap().unwrap(), text("b"), "it was sent before the deadline was over");
    let counters = client.counters();
    assert_eq!((counters.connected, counters.lost, counters.timed_out), (1, 0, 1));
}

/// A client that reconnects with short pauses, over a proxy that can break its connections.
async fn over_a_proxy(proxy: &Proxy, keepalive: Keepalive) -> Client<Plain, Json> {
    let backoff = Backoff::default().longest(Duration::from_millis(10));
    let builder = Client::builder(Plain, Json).keepalive(keepalive).backoff(backoff);
    within(builder.connect(proxy.address())).await.expect("the server is there")
}

// 8. There, no pong is awaited, so a link that has died silently is never noticed.

#[tokio::test]
async fn half_open_link_is_noticed_its_calls_fail_and_the_next_ones_succeed() {
    const BOUND: Duration = Duration::from_millis(50 + 100);
    let keepalive = Keepalive::default().idle(Duration::from_millis(50)).timeout(Duration::from_millis(100));
    let directions: [&[_]; 3] =
        [&[Direction::ToServer], &[Direction::ToClient], &[Direction::ToServer, Direction::ToClient]];
    for silent in directions {
        let world = World::tcp(Limits::default()).await;
        let proxy = Proxy::start(world.address());
        let client = over_a_proxy(&proxy, keepalive).await;
        let calls = ["a", "b"].map(|text| call!(client.send(hold(text))));
        world.lab.until(|seen| seen.running == 2).await;
        until(|| client.counters().pings > 0).await; // it has answered so far
        for direction in silent {
            proxy.connection(0).toward(*direction).half_open();
        }
        let since = Instant::now();
        for call in calls {
            let error = Error::from(within(call).await.unwrap().unwrap_err());
            assert_error(&error, ErrorKind::Timeout, Origin::Remote, "since it was pinged");
            assert!(error.was_sent());
        }
        let noticed = since.elapsed();
        assert!(noticed < BOUND + Duration::from_secs(2), "{silent:?}: {noticed:?}");
        assert_eq!(within(client.send(echo("c"))).await.unwrap(), text("c"));
        let counters = client.counters();
        assert_eq!((counters.connected, counters.lost, counters.keepalive_lost), (2, 1, 1), "{silent:?}");
    }
}

// 9. There, a closed port is dialled without a pause.

#[tokio::test]
async fn server_that_is_down_is_dialled_with_pauses() {
    let world = World::tcp(Limits::default()).await;
    let proxy = Proxy::start(world.address());
    let client = within(Client::builder(Plain, Json).connect(proxy.address())).await.unwrap();
    proxy.accepted(1).await;
    proxy.refuse();
    proxy.cut();
    let since = Instant::now();
    let attempts = || client.counters().attempts_failed;
    // In so much time a client without pauses makes thousands of attempts.
    until(|| attempts() >= 4 && since.elapsed() >= Duration::from_millis(300)).await;
    assert!(attempts() <= 16, "{} attempts in {:?}", attempts(), since.elapsed());
    proxy.listen();
    // It waits for the connection.
    assert_eq!(within(client.send(echo("back"))).await.unwrap(), text("back"));
}

// 10. There, any error but the end between two frames closes the client for good.

#[tokio::test]
async fn connection_that_is_cut_in_a_frame_is_followed_by_another_one() {
    let world = World::tcp(Limits::default()).await;
    // All seqs here have one byte.
    let reply = text_frame(1, "a").len();
    let proxy = Proxy::start(world.address());
    for bytes in 1..reply {
        let link = proxy.connection(bytes - 1).toward(Direction::ToClient);
        link.cut_after((GREETING.len() + bytes) as u64);
    }
    let client = over_a_proxy(&proxy, Keepalive::default()).await;
    for bytes in 1..reply {
        let cut = Error::from(within(client.send(echo("a"))).await.unwrap_err());
        assert_error(&cut, ErrorKind::UnexpectedEof, Origin::Remote, "in the middle of a frame");
        assert!(cut.was_sent());
        until(|| client.counters().connected > bytes as u64).await;
    }
    assert_eq!(within(client.send(echo("b"))).await.unwrap(), text("b"));
}

// 11. There, a slow reader of one stream of results blocks all other calls of its connection.

#[tokio::test]
async fn stream_that_nobody_reads_blocks_nobody_and_has_a_bound() {
    let world = World::tcp(Limits::default()).await;
    let limits = client::Limits::default().stream_replies(1024, client::Overflow::Fail);
    let client = Client::builder(Plain, Json).limits(limits);
    let client = within(client.connect(world.address())).await.unwrap();
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

// 12. There, the error of a lost connection comes as a result, and each result is a success.

#[tokio::test]
async fn a_lost_connection_is_a_failure_for_the_circuit_breaker() {
    let world = World::tcp(Limits::default()).await;
    let proxy = Proxy::start(world.address());
    let client = over_a_proxy(&proxy, Keepalive::default()).await;
    let breaker = CircuitBreaker::new(Settings::default().window(4));
    for (losses, state) in [(1, State::Closed), (2, State::Open)] {
        let permit = breaker.try_call().expect("it is closed");
        let call = call!(client.send(hold("a")));
        world.lab.until(|seen| seen.started == losses).await;
        proxy.connection(losses - 1).cut();
        let result = within(call).await.unwrap();
        assert!(result.is_err());
        permit.end(&result);
        assert_eq!(breaker.state(), state);
        within(client.connected()).await.unwrap();
    }
}

// 13. There, a shutdown waits forever for idle clients.

#[tokio::test]
async fn shutdown_over_tcp_ends_also_if_a_client_holds_its_end_open() {
    let world = World::tcp(Limits::default()).await;
    let _idle = BytePeer::greeted(world.address()).await;
    world.handle.shutdown();
    assert_eq!(world.served().await, Served::Shutdown(Cut::default()));
}

#[tokio::test]
async fn client_that_goes_on_calling_does_not_keep_a_server_from_shutting_down() {
    let world = World::tcp(Limits::default()).await;
    let waits = client::Limits::default().connection_wait(Duration::ZERO);
    let client = within(Client::builder(Plain, Json).limits(waits).connect(world.address())).await.unwrap();
    let idle = within(Client::builder(Plain, Json).connect(world.address())).await.unwrap();
    assert_eq!(within(idle.send(echo("a"))).await.unwrap(), text("a"));
    let calling = tokio::spawn(async move {
        let mut answered = 0_u32;
        loop {
            match client.send(echo("b")).await {
                Ok(_) => answered += 1,
                Err(error) => break (answered, Error::from(error)),
            }
        }
    });
    // It may have begun or not.
    world.handle.shutdown();
    let Served::Shutdown(cut) = world.served().await else { panic!("it was no shutdown") };
    assert_eq!(cut.connections, 0);
    let (_, error) = within(calling).await.unwrap();
    assert!(matches!(error.kind(), ErrorKind::Closed | ErrorKind::Io), "{error:?}");
    assert!(!matches!(idle.link(), Link::Closed(_)), "it goes on dialling");
}

// 14. There, the calls that are sent to the dead member go on failing.

#[tokio::test(start_paused = true)]
async fn dead_member_of_a_group_of_four_is_passed_over_until_it_is_back() {
    // By TCP, each member would have a port of its own. Over memory the clock can be paused.
    let networks = [(); 4].map(|()| memory::pair());
    let connectors = networks.each_ref().map(|(connector, _)| connector.clone());
    let transports = connectors.clone();
    let mut worlds: Vec<_> =
        networks.into_iter().map(|(_, listener)| World::over(listener, Limits::default())).collect();
    let builder = Sender::builder(Plain, Json).endpoints(["0", "1", "2", "3"]).minimum(4);
    let connect = builder.strategy(RoundRobin::default()).connect_by(move |address| {
        transports[address.to_string().parse::<usize>().expect("it is a number")].clone()
    });
    let sender = within(connect).await.unwrap();
    let all_are_answered = async || {
        for n in 0..400 {
            let said = n.to_string();
            assert_eq!(within(sender.send(echo(&said))).await.unwrap(), text(&said));
        }
    };
    all_are_answered().await;
    let dead = worlds.remove(1);
    assert_eq!(dead.counters().started, 100);
    dead.handle.close();
    dead.served().await;
    quiet().await; // the client sees that its connection is gone
    all_are_answered().await;
    sleep(Duration::from_secs(60)).await;
    all_are_answered().await;
    let back = World::over(connectors[1].listen(), Limits::default());
    sleep(Duration::from_secs(31)).await; // longer than any pause between two attempts
    assert_eq!(back.counters().open, 1);
    all_are_answered().await;
    assert_eq!(back.counters().started, 100);
}

// 15. There, a call that is cancelled is reported as a timeout.

#[tokio::test(start_paused = true)]
async fn cancelled_timed_out_and_lost_calls_are_told_apart_and_free_their_places() {
    let (connector, listener) = memory::pair();
    let world = World::over(listener, Limits::default());
    let client = within(Client::builder(Plain, Json).reconnect(false).connect_by(connector)).await.unwrap();
    let counted = || {
        let counters = client.counters();
        (counters.cancelled, counters.timed_out, counters.lost, client.in_flight())
    };
    let cancelled = call!(client.send(hold("a")));
    world.lab.until(|seen| seen.running == 1).await;
    assert_eq!(counted(), (0, 0, 0, 1));
    cancelled.abort();
    quiet().await;
    assert_eq!(counted(), (1, 0, 0, 0));

    let timed_out = client.send(hold("b")).timeout(Duration::from_secs(1)).await.unwrap_err().into();
    assert_error(&timed_out, ErrorKind::Timeout, Origin::Local, "the call timed out waiting for a reply");
    assert!(timed_out.was_sent());
    assert_eq!(counted(), (1, 1, 0, 0));

    // Whoever waited for both may send again at once, though the server still runs them.
    assert_eq!(world.lab.seen().running, 2);
    let lost = call!(client.send(hold("c")));
    world.lab.until(|seen| seen.running == 3).await;
    world.handle.close();
    let lost = Error::from(within(lost).await.unwrap().unwrap_err());
    assert_error(&lost, ErrorKind::Closed, Origin::Remote, "the server closed the connection");
    assert!(lost.was_sent());
    assert_eq!((client.counters().cancelled, client.counters().timed_out), (1, 1));
}

// 16. There, any number of Commands is accepted, each with a goroutine of its own.

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
