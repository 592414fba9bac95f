//! What a peer can cause as often as it likes fills no log: a handful of events, whose counts say how often it was.

#[path = "common/lab.rs"]
mod lab;
#[path = "common/pipes.rs"]
mod pipes;
#[path = "common/wire.rs"]
mod wire;

use std::io;
use std::time::Duration;

use cmd_stream::client::{Backoff, Keepalive};
use cmd_stream::server::{Limits, Rate, Served};
use cmd_stream::transport::{Connect, Peer};
use cmd_stream::{Answer, Client, Context, Execute, Failed, Json, Problem, Proxy, Server, client, protocol};
use serde::{Deserialize, Serialize};
use testkit::log::{Event, Log};
use testkit::peer::{BytePeer, GREETING};
use testkit::wait::{until, within};
use tokio::io::DuplexStream;
use tokio::time::sleep;
use tracing::Level;

use crate::lab::{Plain, World, echo, quiet};
use crate::pipes::Dialer;
use crate::wire::{echo_frame, frame, head, hold_frame, tag};

/// How often it has happened, as the events say.
fn count(log: &Log, text: &str) -> u64 {
    log.beginning(text).iter().map(|event| number(event, "count")).sum()
}

fn number(event: &Event, field: &str) -> u64 {
    event[field].parse().expect("a number")
}

fn lines(log: &Log) -> usize {
    log.events().len()
}

const TIMES: u64 = 1000;

fn world(limits: Limits) -> (World, Dialer) {
    let (dialer, listener) = pipes::pipes();
    (World::over(listener, limits), dialer)
}

/// A client that sends this, as often as it is asked to, each time on a connection of its own, with a pause after each.
async fn attack(world: &World, dialer: &Dialer, bytes: &[u8], pause: Duration) {
    for _ in 0..TIMES {
        let mut peer = BytePeer::over(dialer.dial(1 << 16));
        peer.expect(GREETING).await;
        peer.send_until_closed(bytes).await;
        world.lost().await;
        if !pause.is_zero() {
            sleep(pause).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_thousand_connections_with_wrong_bytes_are_two_lines() {
    let (log, _guard) = Log::start(Level::INFO);
    let (world, dialer) = world(Limits::default());
    attack(&world, &dialer, &[head(1, 60), vec![0; 4]].concat(), Duration::ZERO).await;
    let text = "connection closed: it sent what is no Command";
    assert_eq!((lines(&log), count(&log, text)), (1, 1), "the others are told later");
    let first = &log.beginning(text)[0];
    assert_eq!((&first["level"], &first["peer"]), ("WARN", "pipe"));
    assert!(first["reason"].contains("unknown tag 60"), "{first:?}");
    sleep(Duration::from_millis(1010)).await;
    assert_eq!((lines(&log), count(&log, text)), (2, TIMES));
    sleep(Duration::from_secs(3600)).await;
    assert_eq!(lines(&log), 2);
    assert_eq!(world.counters().invalid, TIMES);
}

#[tokio::test(start_paused = true)]
async fn a_flood_that_lasts_is_a_line_per_second() {
    let (log, _guard) = Log::start(Level::INFO);
    let (world, dialer) = world(Limits::default().frame(100));
    let large = echo_frame(1, &"x".repeat(200));
    attack(&world, &dialer, &large, Duration::from_millis(10)).await;
    sleep(Duration::from_secs(2)).await;
    let text = "connection closed: a Command was too large (`Limits::frame`)";
    assert_eq!(count(&log, text), TIMES);
    assert!((9..=12).contains(&lines(&log)), "{}", lines(&log));
}

#[tokio::test(start_paused = true)]
async fn refused_connections_are_told_with_their_number() {
    let rate = Rate::per_second(1).burst(1);
    let one = Limits::default().make_room(None);
    for (limits, text) in [
        (one.clone().connections(1).waiting(0, Duration::ZERO), "connection refused: all places are taken"),
        (one.clone().connection_rate(rate), "connection refused: too many per second"),
    ] {
        let (log, _guard) = Log::start(Level::INFO);
        let (world, dialer) = world(limits);
        let mut first = BytePeer::over(dialer.dial(64));
        first.expect(GREETING).await;
        for _ in 0..TIMES {
            within(async { BytePeer::over(dialer.dial(64)).rest().await }).await;
        }
        sleep(Duration::from_millis(1010)).await;
        assert_eq!((lines(&log), count(&log, text)), (2, TIMES));
        drop(world);
    }
}

#[tokio::test(start_paused = true)]
async fn commands_that_cost_their_connection_are_told_with_name_peer_and_seq() {
    let (log, _guard) = Log::start(Level::INFO);
    let (world, dialer) = world(Limits::default());
    attack(&world, &dialer, &frame(7, tag::FAIL, "{}"), Duration::ZERO).await;
    attack(&world, &dialer, &[hold_frame(9, "a"), hold_frame(9, "a")].concat(), Duration::ZERO).await;
    sleep(Duration::from_millis(1010)).await;
    for (text, name, seq) in [
        ("command failed, and ended its connection", "Fail", "7"),
        ("command refused, and ended its connection", "Hold", "9"),
    ] {
        let events = log.beginning(text);
        assert_eq!((events.len(), count(&log, text)), (2, TIMES), "{text}");
        let event = &events[0];
        assert_eq!(
            (&event["level"], &event["name"], &event["seq"], &event["peer"]),
            ("WARN", name, seq, "pipe")
        );
    }
    assert_eq!(lines(&log), 6, "and that what they sent was no Command");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_ends_tells_what_it_has_left_out() {
    let (log, _guard) = Log::start(Level::INFO);
    let (world, dialer) = world(Limits::default());
    attack(&world, &dialer, &[head(1, 60), vec![0; 4]].concat(), Duration::ZERO).await;
    world.handle.shutdown();
    assert!(matches!(world.served().await, Served::Shutdown(_)));
    assert_eq!((lines(&log), count(&log, "connection closed: it sent what is no Command")), (2, TIMES));
}

#[tokio::test(start_paused = true)]
async fn pauses_are_told_at_debug_once_a_second() {
    let (log, _guard) = Log::start(Level::DEBUG);
    let (world, dialer) = world(Limits::default().in_flight(1));
    let mut peer = BytePeer::over(dialer.dial(1 << 16));
    peer.expect(GREETING).await;
    for seq in 1..=21 {
        peer.send(&hold_frame(seq, "a")).await;
    }
    for _ in 1..=21 {
        world.lab.open_gate(1);
        quiet().await;
    }
    sleep(Duration::from_millis(1010)).await;
    let text = "connection not read: it has too much in flight";
    assert_eq!((log.beginning(text).len(), count(&log, text)), (2, world.counters().in_flight_pauses));
    assert!(world.counters().in_flight_pauses >= 20);
}

/// A transport that has no connection, or one that ends at once.
#[derive(Clone)]
struct Flaky {
    connects: bool,
}

impl Connect for Flaky {
    type Outgoing = (DuplexStream, Peer);

    async fn connect(&self) -> io::Result<Self::Outgoing> {
        if !self.connects {
            return Err(io::Error::from(io::ErrorKind::ConnectionRefused));
        }
        let (ours, theirs) = tokio::io::duplex(64);
        let mut peer = BytePeer::over(theirs);
        peer.send(GREETING).await;
        Ok((ours, pipes::peer()))
    }

    fn address(&self) -> String {
        "flaky".into()
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_tells_failing_attempts_and_losses_with_their_number() {
    let quick = Backoff::default().first(Duration::from_millis(10)).longest(Duration::from_millis(10));
    for (connects, text, every) in [(false, "attempt to connect failed", 10), (true, "connection lost", 1)] {
        let (log, _guard) = Log::start(Level::WARN);
        let builder = Client::builder(Plain, Json).backoff(quick).keepalive(Keepalive::OFF);
        let client = builder.connect_lazy_by(Flaky { connects });
        let counted = |client: &Client<Plain, Json>| {
            let counters = client.counters();
            if connects { counters.lost } else { counters.attempts_failed }
        };
        sleep(Duration::from_secs(60)).await;
        let happened = counted(&client);
        assert!(happened >= TIMES, "{happened}");
        let lines = lines(&log) as u64;
        assert!((60 / every..=60 / every + 2).contains(&lines), "{lines} lines for {happened}");
        client.close();
        let told = count(&log, text);
        assert!((happened * 4 / 5..=happened).contains(&told), "{told} of {happened}");
    }
}

#[tokio::test(start_paused = true)]
async fn limits_of_a_client_are_told_at_debug() {
    let (log, _guard) = Log::start(Level::DEBUG);
    let (world, dialer) = world(Limits::default());
    let limits = client::Limits::default().in_flight(1).frame(200);
    let client = Client::builder(Plain, Json).limits(limits).over(dialer.dial(1 << 16), pipes::peer());
    let client = within(client).await.unwrap();
    for _ in 0..10 {
        assert!(client.send(echo(&"x".repeat(300))).await.is_err());
    }
    let calls: Vec<_> = (0..10).map(|_| call!(client.send(lab::hold("a")))).collect();
    quiet().await;
    assert_eq!(count(&log, "command not sent: it is too large (`Limits::frame`)"), 1);
    assert_eq!(count(&log, "call waits: a limit of the client is reached"), 1);
    world.lab.open_gate(10);
    for call in calls {
        within(call).await.unwrap().unwrap();
    }
}

#[derive(Serialize, Deserialize)]
struct Forgets;

impl Execute<()> for Forgets {
    async fn execute(self, (): &(), _: Proxy<'_, Done>) -> Result<(), Failed> {
        Ok(())
    }
}

#[derive(Serialize, Deserialize)]
struct Ask;

impl Answer<()> for Ask {
    async fn answer(self, (): &(), _: &Context<'_>) -> Result<Done, Failed> {
        Err(Failed::new("no idea"))
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Done;

protocol! {
    struct Desk {
        commands { 0 => Forgets -> Done, 1 => Ask -> Done }
        replies { 0 => Done, 1 => Problem }
        failure Problem
    }
}

#[tokio::test]
async fn a_command_without_a_last_reply_is_always_told() {
    let (log, _guard) = Log::start(Level::INFO);
    let (client, _) = testkit::ends::both(Server::builder(Desk, Json, ()), Client::builder(Desk, Json)).await;
    for _ in 0..5 {
        assert!(within(client.send(Forgets)).await.is_err());
        assert!(within(client.send(Ask)).await.is_err());
    }
    let text = "command ended without a last reply";
    until(|| log.beginning(text).len() == 5).await;
    let event = &log.beginning(text)[0];
    assert_eq!(
        (&event["level"], &event["name"], &event["seq"], &event["peer"]),
        ("WARN", "Forgets", "1", "memory")
    );
    assert_eq!(lines(&log) - log.beginning("connected").len(), 5, "what fails as it may is told at debug");
}
