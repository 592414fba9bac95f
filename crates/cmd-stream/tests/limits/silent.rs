//! Clients that connect and send nothing.

use std::io;
use std::time::Duration;

use crate::lab::{World, quiet};
use crate::pipes::{Pipes, pipes};
use crate::wire::{echo_frame, frame, head, tag, text_frame};
use crate::{NARROW, TICK, TIME, WIDE, assert_error, assert_took, greeted, served};
use cmd_stream::server::{Limits, Rate};
use cmd_stream::transport::{Accept, Establish, Peer, TcpKeepalive};
use cmd_stream::{ErrorKind, Origin};
use testkit::peer::{BytePeer, GREETING};
use testkit::wait::{until, within};
use tokio::io::{AsyncReadExt as _, DuplexStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

#[tokio::test(start_paused = true)]
async fn a_client_that_sends_no_first_command_in_time_is_closed() {
    let (world, dialer) = served(Limits::default().first_frame(TIME));
    // A ping, and half a Command, are no Command.
    for begun in [vec![], vec![0], head(1, tag::ECHO)] {
        let mut peer = greeted(&dialer, WIDE).await;
        let since = Instant::now();
        sleep(TIME / 2).await;
        peer.send(&begun).await;
        if begun == [0] {
            peer.expect(&[0]).await;
        }
        peer.expect_end().await;
        assert_took(since, TIME);
        let lost = world.lost().await;
        assert_error(&lost.reason, ErrorKind::Timeout, Origin::Remote, "`Limits::first_frame`");
    }
    assert_eq!(world.counters().receive_timeouts, 3);
}

#[tokio::test(start_paused = true)]
async fn one_that_has_sent_a_command_in_time_may_be_silent() {
    let (world, dialer) = served(Limits::default().first_frame(TIME));
    let mut peer = greeted(&dialer, WIDE).await;
    sleep(TIME - TICK).await;
    peer.send(&echo_frame(1, "a")).await;
    peer.expect(&text_frame(1, "a")).await;
    sleep(100 * TIME).await;
    peer.send(&echo_frame(2, "b")).await;
    peer.expect(&text_frame(2, "b")).await;
    // One that still runs has been sent, too.
    let mut other = greeted(&dialer, WIDE).await;
    other.send(&frame(1, tag::HOLD, r#"{"text":"c"}"#)).await;
    world.lab.until(|seen| seen.running == 1).await;
    sleep(100 * TIME).await;
    world.lab.open_gate(1);
    other.expect(&text_frame(1, "c")).await;
}

#[tokio::test(start_paused = true)]
async fn by_default_a_client_may_be_silent_for_ever() {
    let (_world, dialer) = served(Limits::default());
    let mut peer = greeted(&dialer, WIDE).await;
    sleep(1000 * TIME).await;
    peer.send(&echo_frame(1, "a")).await;
    peer.expect(&text_frame(1, "a")).await;
}

/// How long the clients of the following tests must have been idle before they make room.
const IDLE: Duration = Duration::from_secs(1);

fn places(connections: usize) -> Limits {
    Limits::default().connections(connections).waiting(8, 10 * TIME).make_room(IDLE)
}

async fn ask(peer: &mut BytePeer<DuplexStream>, seq: i64) {
    peer.send(&echo_frame(seq, "a")).await;
    peer.expect(&text_frame(seq, "a")).await;
}

#[tokio::test(start_paused = true)]
async fn when_all_places_are_taken_the_longest_idle_make_room_those_that_never_sent_a_command_first() {
    let (world, dialer) = served(places(5));
    let mut heard = [greeted(&dialer, WIDE).await, greeted(&dialer, WIDE).await];
    ask(&mut heard[1], 1).await;
    sleep(TICK).await;
    ask(&mut heard[0], 1).await;
    let mut silent = [greeted(&dialer, WIDE).await, greeted(&dialer, WIDE).await];
    // One that waits for a Reply is not idle, however long it takes.
    let mut busy = greeted(&dialer, WIDE).await;
    busy.send(&frame(1, tag::HOLD, r#"{"text":"b"}"#)).await;
    for second in 0..10 {
        sleep(IDLE).await;
        // Pings keep nobody from making room.
        silent[0].send(&[0]).await;
        silent[0].expect(&[0]).await;
        assert_eq!(world.counters().made_room, 0, "after {second} s");
    }
    // The new ones have been idle for the shortest time.
    let mut new = Vec::new();
    for (already, id) in [3, 4, 2, 1].into_iter().enumerate() {
        let since = Instant::now();
        let mut peer = greeted(&dialer, WIDE).await;
        assert!(since.elapsed() < 3 * LOOK, "{:?}", since.elapsed());
        ask(&mut peer, 1).await;
        new.push(peer);
        let lost = world.lost().await;
        assert_eq!((lost.id, world.counters().made_room), (id, already as u64 + 1));
        assert_error(&lost.reason, ErrorKind::Limit, Origin::Local, "`Limits::make_room`");
    }
    for peer in heard.iter_mut().chain(&mut silent) {
        peer.expect_end().await;
    }
    for peer in &mut new {
        ask(peer, 2).await;
    }
    world.lab.open_gate(1);
    busy.expect(&text_frame(1, "b")).await;
    let counters = world.counters();
    assert_eq!((counters.open, counters.waiting, counters.refused, counters.made_room), (5, 0, 0, 4));
}

/// How often it is looked whether somebody is idle.
const LOOK: Duration = Duration::from_millis(101);

#[tokio::test(start_paused = true)]
async fn nobody_makes_room_before_its_time_and_only_as_many_as_wait() {
    let (world, dialer) = served(places(3));
    let _first = [greeted(&dialer, WIDE).await, greeted(&dialer, WIDE).await];
    sleep(IDLE / 2).await;
    let _later = greeted(&dialer, WIDE).await;
    let waiting = dialer.dial(WIDE);
    sleep(IDLE / 2 - 2 * TICK).await;
    assert_eq!((world.counters().waiting, world.counters().made_room), (1, 0));
    let mut new = BytePeer::over(waiting);
    new.expect(GREETING).await;
    sleep(100 * IDLE).await;
    assert_eq!((world.counters().open, world.counters().made_room), (3, 1));
}

#[tokio::test(start_paused = true)]
async fn one_that_has_replies_to_read_does_not_make_room() {
    let (world, dialer) = served(places(1).waiting(8, TIME));
    let mut reader = greeted(&dialer, NARROW).await;
    let text = "x".repeat(2 * NARROW);
    let echo = echo_frame(1, &text);
    reader.send(&echo).await;
    BytePeer::over(dialer.dial(WIDE)).expect_end().await;
    assert_eq!((world.counters().refused, world.counters().made_room), (1, 0));
    reader.expect(&text_frame(1, &text)).await;
    greeted(&dialer, WIDE).await;
    assert_eq!(world.lost().await.id, 1);
}

#[tokio::test(start_paused = true)]
async fn one_whose_commands_wait_for_its_rate_does_not_make_room() {
    let rate = Rate::new(1, 10 * IDLE);
    let (world, dialer) = served(places(1).waiting(8, TIME).command_rate(rate));
    let mut peer = greeted(&dialer, WIDE).await;
    peer.send(&[echo_frame(1, "a"), echo_frame(2, "b")].concat()).await;
    peer.expect(&text_frame(1, "a")).await;
    BytePeer::over(dialer.dial(WIDE)).expect_end().await;
    peer.expect(&text_frame(2, "b")).await;
    assert_eq!((world.counters().refused, world.counters().made_room), (1, 0));
    greeted(&dialer, WIDE).await;
    assert_eq!(world.counters().made_room, 1);
}

#[tokio::test(start_paused = true)]
async fn it_can_be_switched_off() {
    let limits = places(1).waiting(8, TIME);
    for limits in [limits.clone().make_room(None), limits.make_room(Duration::MAX)] {
        let (world, dialer) = served(limits);
        let mut first = greeted(&dialer, WIDE).await;
        sleep(100 * IDLE).await;
        BytePeer::over(dialer.dial(WIDE)).expect_end().await;
        ask(&mut first, 1).await;
        assert_eq!((world.counters().refused, world.counters().made_room), (1, 0));
    }
}

/// Connections whose handshake does not end, if the client does not send a byte.
struct Stuck(Pipes);

struct Incoming(DuplexStream, Peer);

impl Accept for Stuck {
    type Incoming = Incoming;

    async fn accept(&mut self) -> io::Result<Incoming> {
        let (io, peer) = self.0.accept().await?;
        Ok(Incoming(io, peer))
    }

    fn local_addr(&self) -> io::Result<Peer> {
        self.0.local_addr()
    }
}

impl Establish for Incoming {
    type Io = DuplexStream;

    fn peer(&self) -> &Peer {
        &self.1
    }

    async fn establish(mut self) -> io::Result<(DuplexStream, Peer)> {
        self.0.read_u8().await?;
        Ok((self.0, self.1))
    }
}

#[tokio::test(start_paused = true)]
async fn one_whose_handshake_does_not_end_makes_room() {
    let (dialer, listener) = pipes();
    let world = World::over(Stuck(listener), places(2).handshake(1000 * TIME));
    let connect = async || {
        let mut peer = BytePeer::over(dialer.dial(WIDE));
        peer.send(&[0]).await;
        peer.expect(GREETING).await;
        peer
    };
    let mut silent = connect().await;
    let mut stuck = BytePeer::over(dialer.dial(WIDE));
    sleep(IDLE).await;
    let (mut new, mut other) = (connect().await, connect().await);
    stuck.expect_end().await;
    silent.expect_end().await;
    ask(&mut new, 1).await;
    ask(&mut other, 1).await;
    assert_eq!((world.counters().made_room, world.counters().open), (2, 2));
}

#[tokio::test]
async fn those_that_wait_and_have_left_do_not_occupy_the_queue() {
    let limits = Limits::default().connections(1).waiting(2, Duration::from_secs(600)).make_room(None);
    let world = World::tcp(limits).await;
    let address = world.address();
    let connect = async || within(TcpStream::connect(&address)).await.expect("it listens");
    let first = connect().await;
    until(|| world.counters().open == 1).await;
    for resets in [false, true] {
        let waiting = [connect().await, connect().await];
        until(|| world.counters().waiting == 2).await;
        let refused = world.counters().refused;
        BytePeer::over(connect().await).expect_end().await;
        assert_eq!(world.counters().refused, refused + 1);
        for waiting in waiting {
            if resets {
                waiting.set_zero_linger().expect("a socket");
            }
        }
        until(|| world.counters().waiting == 0).await;
    }
    let waiting = connect().await;
    until(|| world.counters().waiting == 1).await;
    drop(first);
    BytePeer::over(waiting).expect(GREETING).await;
}

/// Gives the test a copy of each socket.
struct Copied(TcpListener, mpsc::UnboundedSender<std::net::TcpStream>);

impl Accept for Copied {
    type Incoming = (TcpStream, Peer);

    async fn accept(&mut self) -> io::Result<(TcpStream, Peer)> {
        let (stream, peer) = Accept::accept(&mut self.0).await?;
        let stream = stream.into_std()?;
        self.1.send(stream.try_clone()?).map_err(io::Error::other)?;
        Ok((TcpStream::from_std(stream)?, peer))
    }

    fn local_addr(&self) -> io::Result<Peer> {
        Accept::local_addr(&self.0)
    }
}

#[tokio::test]
async fn the_system_asks_whether_a_silent_client_is_there_unless_that_is_switched_off() {
    let off = Limits::default().tcp_keepalive(TcpKeepalive::OFF);
    for (limits, is_on) in [(Limits::default(), true), (off, false)] {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let (copies, mut accepted) = mpsc::unbounded_channel();
        let world = World::over(Copied(listener, copies), limits);
        let mut peer = BytePeer::over(within(TcpStream::connect(world.address())).await.expect("it listens"));
        peer.expect(GREETING).await;
        let socket = within(accepted.recv()).await.expect("it has accepted");
        assert_eq!(socket2::SockRef::from(&socket).keepalive().ok(), Some(is_on));
    }
}

#[tokio::test(start_paused = true)]
async fn a_crowd_of_silent_clients_does_not_keep_another_one_out() {
    let (world, dialer) = served(Limits::default().connections(100).waiting(128, TIME).make_room(IDLE));
    let mut crowd: Vec<_> = (0..1000).map(|_| dialer.dial(WIDE)).collect();
    quiet().await;
    let counters = world.counters();
    assert_eq!((counters.open, counters.waiting, counters.refused), (100, 128, 772));
    // All that wait get a place, each after another one has had it for its time.
    sleep(TIME).await;
    let counters = world.counters();
    assert_eq!((counters.open, counters.waiting, counters.refused), (100, 0, 772));
    assert_eq!(counters.made_room, 128);
    let mut honest = greeted(&dialer, WIDE).await;
    ask(&mut honest, 1).await;
    // While more and more come, it keeps its place: those that never sent a Command make room first.
    for round in 1..=10_u64 {
        crowd.extend((0..50).map(|_| dialer.dial(WIDE)));
        sleep(TIME).await;
        assert_eq!(world.counters().made_room, 129 + 50 * round);
    }
    ask(&mut honest, 2).await;
    assert_eq!((world.counters().open, world.counters().refused), (100, 772));
}
