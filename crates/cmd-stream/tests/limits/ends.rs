//! Every end of a connection and of a Command is counted once, so that the numbers of a server and of a client add up.

use cmd_stream::client::{self, Keepalive};
use cmd_stream::server::{CommandStats, Counters, Handle, Limits};
use cmd_stream::{Client, ErrorKind, Json};
use testkit::peer::{BytePeer, GREETING};
use testkit::wait::{until, within};
use tokio::io::duplex;
use tokio::time::sleep;

use crate::lab::{Plain, World};
use crate::wire::{echo_frame, frame, head, hold_frame, tag, text_frame};
use crate::{NARROW, TICK, TIME, WIDE, connected, greeted, pipes, served};

/// The ways in which connections of a server end.
fn ways(counters: &Counters) -> [(&'static str, u64); 18] {
    [
        ("over_connection_rate", counters.over_connection_rate),
        ("over_address_rate", counters.over_address_rate),
        ("refused", counters.refused),
        ("left_waiting", counters.left_waiting),
        ("handshakes_failed", counters.handshakes_failed),
        ("handshake_timeouts", counters.handshake_timeouts),
        ("left", counters.left),
        ("broken", counters.broken),
        ("invalid", counters.invalid),
        ("over_frame_limit", counters.over_frame_limit),
        ("receive_timeouts", counters.receive_timeouts),
        ("output_stalls", counters.output_stalls),
        ("pause_timeouts", counters.pause_timeouts),
        ("ended_by_commands", counters.ended_by_commands),
        ("ended_by_panics", counters.ended_by_panics),
        ("made_room", counters.made_room),
        ("shut_down", counters.shut_down),
        ("cut", counters.cut),
    ]
}

/// What has ended so far, and that the sums hold.
#[track_caller]
fn ended(handle: &Handle) -> Vec<(&'static str, u64)> {
    let counters = handle.counters();
    let ways = ways(&counters);
    let ends: u64 = ways.iter().map(|(_, number)| number).sum();
    assert_eq!(counters.accepted, counters.open + counters.waiting + ends, "{counters:?}");
    let stats = handle.stats();
    for command in &stats.commands {
        let CommandStats { started, in_flight, replied, failed, panicked, lost, .. } = *command;
        assert_eq!(started, in_flight + replied + failed + panicked + lost, "{command:?}");
    }
    let sum = |number: fn(&CommandStats) -> u64| stats.commands.iter().map(number).sum::<u64>();
    assert_eq!(counters.started, sum(|command| command.started));
    assert_eq!(counters.failed, sum(|command| command.failed + command.panicked));
    ways.into_iter().filter(|(_, number)| *number > 0).collect()
}

#[tokio::test(start_paused = true)]
async fn a_server_counts_each_end_of_a_connection_once() {
    let limits = Limits::default()
        .frame(1000)
        .frame_time(TIME)
        .first_frame(TIME)
        .output_stall(TIME)
        .in_flight(2)
        .paused(TIME)
        .handshake(TIME)
        .drain(TIME);
    let (world, dialer) = served(limits);
    let mut expected: Vec<(&str, u64)> = Vec::new();
    let (partial, large) = (&echo_frame(1, "a")[..4], echo_frame(1, &"x".repeat(2000)));
    let unknown = [head(1, 60), vec![0; 4]].concat();
    let many = frame(1, tag::COUNT, r#"{"to":50}"#);
    let script: [(&'static str, usize, &[u8], bool); 11] = [
        ("left", WIDE, &[], true),
        ("broken", WIDE, partial, true),
        ("invalid", WIDE, &unknown, false),
        ("invalid", WIDE, &[hold_frame(1, "a"), hold_frame(1, "b")].concat(), false),
        ("over_frame_limit", WIDE, &large, false),
        ("receive_timeouts", WIDE, partial, false),
        ("receive_timeouts", WIDE, &[], false),
        ("output_stalls", NARROW, &many, false),
        // It would end for what it sent, and does not read what it is still sent.
        ("output_stalls", NARROW, &[echo_frame(1, &"x".repeat(900)), unknown.clone()].concat(), false),
        (
            "pause_timeouts",
            WIDE,
            &[hold_frame(1, "a"), hold_frame(2, "a"), hold_frame(3, "a")].concat(),
            false,
        ),
        ("ended_by_commands", WIDE, &frame(1, tag::FAIL, "{}"), false),
    ];
    for (way, width, bytes, leaves) in script {
        let mut peer = greeted(&dialer, width).await;
        peer.send(bytes).await;
        let stays = (!leaves).then_some(peer);
        let reason = world.lost().await.reason;
        // It is counted when its callback is called.
        match expected.iter_mut().find(|(known, _)| *known == way) {
            Some((_, number)) => *number += 1,
            None => expected.push((way, 1)),
        }
        drop(stays);
        until(|| world.counters().open == 0).await;
        assert_eq!(ended(&world.handle), expected, "{way}: {reason:#}");
    }
    // The ServerInfo is not taken.
    let stays = dialer.dial(1);
    assert_eq!(world.lost().await.reason.kind(), ErrorKind::Timeout);
    drop(stays);
    until(|| world.counters().open == 0).await;
    expected.insert(0, ("handshake_timeouts", 1));
    assert_eq!(ended(&world.handle), expected);

    // A shutdown closes what is idle. What does not end is cut.
    let (mut idle, mut busy) = (greeted(&dialer, WIDE).await, greeted(&dialer, WIDE).await);
    for peer in [&mut idle, &mut busy] {
        peer.send(&echo_frame(1, "a")).await;
        peer.expect(&text_frame(1, "a")).await;
    }
    busy.send(&frame(1, 6, "{}")).await;
    world.lab.until(|seen| seen.running > 0).await;
    world.handle.shutdown();
    idle.expect_end().await;
    world.lost().await;
    until(|| world.counters().cut == 1).await;
    expected.extend([("shut_down", 1), ("cut", 1)]);
    // It is open until the client has had time to take its last output.
    until(|| world.counters().open == 0).await;
    assert_eq!(ended(&world.handle), expected);
    world.lab.open_gate(100);
    let handle = world.handle.clone();
    until(|| handle.stats().commands.iter().all(|command| command.in_flight == 0)).await;
    assert_eq!(ended(&world.handle), expected);
    let lost: u64 = handle.stats().commands.iter().map(|command| command.lost).sum();
    assert_eq!(lost, 4, "three that were held, and one that stayed");
}

#[tokio::test]
async fn connections_that_are_not_served_are_counted_once() {
    let limits = Limits::default().connections(1).waiting(1, TIME).make_room(None);
    let world = World::tcp(limits).await;
    let mut served = BytePeer::greeted(world.address()).await;
    let waits = BytePeer::connect(world.address()).await;
    until(|| world.counters().waiting == 1).await;
    let mut refused = BytePeer::connect(world.address()).await;
    refused.rest().await;
    until(|| world.counters().refused == 1).await;
    assert_eq!(ended(&world.handle), [("refused", 1)]);
    drop(waits);
    until(|| world.counters().waiting == 0).await;
    assert_eq!(ended(&world.handle), [("refused", 1), ("left_waiting", 1)]);
    // One more waits when the server ends.
    let _waits = BytePeer::connect(world.address()).await;
    until(|| world.counters().waiting == 1).await;
    world.handle.shutdown();
    served.expect_end().await;
    drop(served);
    until(|| world.counters().waiting == 0 && world.counters().open == 0).await;
    assert_eq!(ended(&world.handle), [("refused", 1), ("left_waiting", 1), ("shut_down", 2)]);
}

#[tokio::test(start_paused = true)]
async fn connections_over_the_rate_and_those_of_a_server_that_was_dropped_are_counted_once() {
    let rate = cmd_stream::server::Rate::per_second(1).burst(3);
    let (world, dialer) = served(Limits::default().connection_rate(rate));
    let mut peers = Vec::new();
    for _ in 0..3 {
        peers.push(greeted(&dialer, WIDE).await);
    }
    peers.push(BytePeer::over(dialer.dial(WIDE)));
    until(|| world.counters().over_connection_rate == 1).await;
    assert_eq!(ended(&world.handle), [("over_connection_rate", 1)]);
    world.serving.abort();
    until(|| world.counters().open == 0).await;
    assert_eq!(ended(&world.handle), [("over_connection_rate", 1), ("cut", 3)]);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_makes_room_is_counted_once() {
    let limits = Limits::default().connections(1).waiting(1, 4 * TIME).make_room(TIME);
    let (world, dialer) = served(limits);
    let _first = greeted(&dialer, WIDE).await;
    let _second = greeted(&dialer, WIDE).await;
    until(|| world.counters().open == 1).await;
    assert_eq!(ended(&world.handle), [("made_room", 1)]);
}

/// How the connections of a client were lost.
#[track_caller]
fn lost(counters: &client::Counters) -> Vec<&'static str> {
    let ways = [
        ("closed_by_server", counters.closed_by_server),
        ("broken", counters.broken),
        ("invalid", counters.invalid),
        ("ended_by_panics", counters.ended_by_panics),
        ("keepalive_lost", counters.keepalive_lost),
        ("output_stalls", counters.output_stalls),
        ("receive_timeouts", counters.receive_timeouts),
    ];
    assert_eq!(counters.lost, ways.iter().map(|(_, number)| number).sum::<u64>(), "{counters:?}");
    ways.into_iter().filter(|(_, number)| *number > 0).map(|(way, _)| way).collect()
}

#[tokio::test(start_paused = true)]
async fn a_client_counts_each_lost_connection_once() {
    let reply = text_frame(1, "a");
    let script: [(&str, &[u8], bool); 5] = [
        ("closed_by_server", &[], true),
        ("broken", &reply[..3], true),
        ("invalid", &[2, 60, 0, 0], false),
        ("invalid", &[&text_frame(1, &"x".repeat(2000))[..], &reply].concat(), false),
        ("receive_timeouts", &reply[..3], false),
    ];
    let limits = client::Limits::default().frame(1000).frame_time(TIME);
    for (way, bytes, leaves) in script {
        let (client, mut peer) = connected(limits.clone(), WIDE).await;
        peer.send(bytes).await;
        let stays = (!leaves).then_some(peer);
        let reason = within(client.closed()).await;
        assert_eq!(lost(&client.counters()), [way], "{reason:#}");
        assert_eq!((client.counters().connected, client.counters().lost), (1, 1));
        drop(stays);
    }
    // A ping that is not answered.
    let (ours, theirs) = duplex(WIDE);
    let mut peer = BytePeer::over(theirs);
    let keepalive = Keepalive::default().idle(TIME).timeout(TIME);
    let builder = Client::builder(Plain, Json).keepalive(keepalive);
    let (client, ()) = tokio::join!(builder.over(ours, pipes::peer()), peer.send(GREETING));
    let client = client.unwrap();
    sleep(2 * TIME + 2 * TICK).await;
    assert_eq!(lost(&client.counters()), ["keepalive_lost"]);
    // One that this side closes is not lost.
    let (client, _peer) = connected(limits, WIDE).await;
    client.close();
    within(client.closed()).await;
    assert_eq!(lost(&client.counters()), [""; 0]);
}
