//! What all connections of a server may take together. `tests/whole_server.rs` measures it.

use std::time::Duration;

use crate::lab::{World, quiet};
use crate::pipes::Dialer;
use crate::wire::{echo_frame, hold_frame, text_frame};
use crate::{TIME, WIDE, greeted, served};
use cmd_stream::format::Expansion;
use cmd_stream::server::{Limits, Rate, ServerProtocol};
use cmd_stream::{Answer, Context, Failed, Json, protocol};
use serde::{Deserialize, Serialize};
use testkit::peer::{BytePeer, GREETING};
use testkit::wait::within;
use tokio::io::DuplexStream;
use tokio::time::{Instant, sleep};

const MIB: usize = 1 << 20;

/// As long as a connection waits, at most, until it looks again.
const LOOK: Duration = Duration::from_millis(400);

fn holds(count: i64) -> Vec<u8> {
    (1..=count).flat_map(|seq| hold_frame(seq, "a")).collect()
}

/// What a Hold with a text of so many bytes weighs at least: JSON takes 128 bytes for each.
fn weight(text: usize) -> usize {
    hold_frame(1, &"a".repeat(text)).len() * 128
}

#[tokio::test(start_paused = true)]
async fn a_connection_over_its_share_is_not_read_and_others_are() {
    let (world, dialer) = served(Limits::default().memory(MIB).connections(2));
    let mut greedy = greeted(&dialer, WIDE).await;
    greedy.send(&holds(1000)).await;
    quiet().await;
    let running = world.lab.seen().running;
    assert!((MIB / 2 / weight(1) / 4..=MIB / weight(1)).contains(&running), "{running}");
    assert_eq!(world.counters().memory_pauses, 1);

    let mut honest = greeted(&dialer, WIDE).await;
    honest.send(&[hold_frame(1, "b"), echo_frame(2, "c")].concat()).await;
    honest.expect(&text_frame(2, "c")).await;
    assert_eq!(world.lab.seen().running, running + 1);
    // It looks from time to time, and that is one pause.
    sleep(TIME).await;
    assert_eq!((world.counters().memory_pauses, world.lab.seen().started), (1, running + 1));

    // All that was sent is executed in the end.
    world.lab.open_gate(1001);
    world.lab.until(|seen| seen.ended == 1001).await;
    honest.expect(&text_frame(1, "b")).await;
    // Then both are idle like any other, and make room.
    greedy.receive((1..=1000).map(|seq| text_frame(seq, "a").len()).sum()).await;
    sleep(TIME).await;
    let _others = [greeted(&dialer, WIDE).await, greeted(&dialer, WIDE).await];
    assert_eq!(world.counters().made_room, 2);
}

#[tokio::test(start_paused = true)]
async fn a_command_larger_than_all_memory_runs_and_another_one_waits_for_it() {
    let (world, dialer) = served(Limits::default().memory(MIB));
    let text = "a".repeat(20_000);
    assert!(weight(text.len()) > 2 * MIB);
    let mut peers = Vec::new();
    for n in 1..=2 {
        let mut peer = greeted(&dialer, WIDE).await;
        peer.send(&hold_frame(n, &text)).await;
        quiet().await;
        peers.push(peer);
    }
    assert_eq!((world.lab.seen().running, world.counters().memory_pauses), (1, 1));
    // Small ones are not held up by it.
    let mut honest = greeted(&dialer, WIDE).await;
    honest.send(&echo_frame(1, "b")).await;
    honest.expect(&text_frame(1, "b")).await;

    world.lab.open_gate(1);
    peers[0].expect(&text_frame(1, &text)).await;
    sleep(LOOK).await;
    quiet().await;
    assert_eq!((world.lab.seen().running, world.lab.seen().started), (1, 2));
    world.lab.open_gate(1);
    peers[1].expect(&text_frame(2, &text)).await;
}

#[tokio::test(start_paused = true)]
async fn a_command_that_was_admitted_in_any_case_leaves_its_place_with_its_connection() {
    let (world, dialer) = served(Limits::default().memory(MIB));
    let text = "a".repeat(20_000);
    let mut first = greeted(&dialer, WIDE).await;
    // Half of it: the memory is for what is not there yet.
    let frame = hold_frame(1, &text);
    first.send(&frame[..10_000]).await;
    quiet().await;
    let mut second = greeted(&dialer, WIDE).await;
    second.send(&frame).await;
    world.lab.until(|seen| seen.running == 1).await;
    drop((first, second));
    world.lab.open_gate(1);
    world.lab.until(|seen| seen.ended == 1).await;
    let mut third = greeted(&dialer, WIDE).await;
    third.send(&frame).await;
    world.lab.open_gate(1);
    third.expect(&text_frame(1, &text)).await;
}

#[tokio::test(start_paused = true)]
async fn commands_of_all_connections_up_to_the_limit_run_and_each_connection_has_one() {
    let (world, dialer) = served(Limits::default().commands(64));
    let mut peers = Vec::new();
    for _ in 0..70 {
        let mut peer = greeted(&dialer, WIDE).await;
        peer.send(&holds(100)).await;
        quiet().await;
        peers.push(peer);
    }
    let seen = world.lab.seen();
    assert!((64..=64 + 70).contains(&seen.running), "{}", seen.running);
    assert_eq!(world.counters().memory_pauses, 70);
    world.lab.open_gate(7000);
    world.lab.until(|seen| seen.ended == 7000).await;
    assert!(world.lab.seen().most_running <= 64 + 70);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_waits_for_memory_while_nothing_moves_is_closed_in_time() {
    let (world, dialer) = served(Limits::default().commands(64).paused(TIME));
    let mut peer = greeted(&dialer, WIDE).await;
    peer.send(&holds(100)).await;
    quiet().await;
    assert_eq!(world.counters().memory_pauses, 1);
    sleep(TIME + LOOK).await;
    assert_eq!((world.counters().pause_timeouts, world.counters().open), (1, 0));
}

/// Connections with so many Commands that more than three quarters of a MiB are taken. The first one has a hundred, and could
/// have had more.
async fn scarce(dialer: &Dialer) -> Vec<BytePeer<DuplexStream>> {
    let mut peers = Vec::new();
    for count in [100, 1000, 1000, 1000, 1000] {
        let mut peer = greeted(dialer, WIDE).await;
        peer.send(&holds(count)).await;
        quiet().await;
        peers.push(peer);
    }
    peers
}

/// Waits until so many Commands run.
async fn until_running(world: &World, running: usize) {
    world.lab.until(|seen| seen.running == running).await;
}

#[tokio::test(start_paused = true)]
async fn a_command_runs_whose_first_half_was_admitted_in_any_case() {
    let (world, dialer) = served(Limits::default().memory(MIB));
    let _peers = scarce(&dialer).await;
    let running = world.lab.seen().running;
    let frame = hold_frame(1, &"a".repeat(20_000));
    let mut peer = greeted(&dialer, WIDE).await;
    peer.send(&frame[..10_000]).await;
    quiet().await;
    peer.send(&frame[10_000..]).await;
    sleep(LOOK).await;
    quiet().await;
    assert_eq!(world.lab.seen().running, running + 1);
}

#[tokio::test(start_paused = true)]
async fn the_place_of_a_command_that_was_admitted_in_any_case_is_free_when_it_has_ended() {
    let (_world, dialer) = served(Limits::default().memory(MIB));
    let mut peers = scarce(&dialer).await;
    let text = "a".repeat(20_000);
    // This one takes more than its share with its other Commands.
    peers[0].send(&echo_frame(1000, &text)).await;
    peers[0].expect(&text_frame(1000, &text)).await;
    let mut honest = greeted(&dialer, WIDE).await;
    honest.send(&echo_frame(1, &text)).await;
    within(honest.expect(&text_frame(1, &text))).await;
}

#[tokio::test(start_paused = true)]
async fn half_a_command_that_is_never_completed_has_the_place_for_a_short_time() {
    let (world, dialer) = served(Limits::default().memory(MIB));
    let _peers = scarce(&dialer).await;
    let text = "a".repeat(20_000);
    let mut half = greeted(&dialer, WIDE).await;
    half.send(&hold_frame(1, &text)[..10_000]).await;
    quiet().await;
    let since = Instant::now();
    let mut honest = greeted(&dialer, WIDE).await;
    honest.send(&echo_frame(1, &text)).await;
    half.expect_end().await;
    honest.expect(&text_frame(1, &text)).await;
    let short = 5 * Duration::from_secs(1);
    assert!((short..=short + LOOK).contains(&since.elapsed()), "{:?}", since.elapsed());
    assert_eq!(world.counters().receive_timeouts, 1);
}

#[tokio::test(start_paused = true)]
async fn half_a_command_gives_the_place_back_while_its_connection_is_not_read() {
    let (world, dialer) = served(Limits::default().memory(MIB).output(1));
    // Its client does not read, so there is no room for the second Reply.
    let mut half = greeted(&dialer, 64).await;
    let (first, second) = ("a".repeat(50), "b".repeat(20));
    half.send(&[hold_frame(1, &second), echo_frame(2, &first)].concat()).await;
    until_running(&world, 1).await;
    quiet().await;
    let _peers = scarce(&dialer).await;
    let text = "a".repeat(20_000);
    let large = hold_frame(3, &text);
    half.send(&large[..10_000]).await;
    quiet().await;
    world.lab.open_gate(1);
    quiet().await;
    half.send(&large[10_000..10_050]).await;
    quiet().await;
    assert_eq!(world.counters().output_pauses, 1);
    let since = Instant::now();
    let mut honest = greeted(&dialer, WIDE).await;
    honest.send(&echo_frame(1, &text)).await;
    honest.expect(&text_frame(1, &text)).await;
    assert!(since.elapsed() <= LOOK, "{:?}", since.elapsed());
    // It goes on when its client reads.
    let running = world.lab.seen().running;
    half.expect(&[text_frame(2, &first), text_frame(1, &second)].concat()).await;
    half.send(&large[10_050..]).await;
    until_running(&world, running + 1).await;
}

/// How many run of those that one connection sends.
async fn running_of_one() -> usize {
    let (world, dialer) = served(Limits::default().memory(MIB));
    let mut peer = greeted(&dialer, WIDE).await;
    peer.send(&holds(1000)).await;
    quiet().await;
    world.lab.seen().running
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_has_waited_for_memory_may_wait_for_the_rate_afterwards() {
    let running = running_of_one().await;
    // It would be closed if it were taken for one that still waits for memory.
    let rate = Rate::new(1, 3 * TIME).burst(u32::try_from(running + 5).expect("not that many"));
    let (world, dialer) = served(Limits::default().memory(MIB).command_rate(rate).paused(TIME));
    let mut peer = greeted(&dialer, WIDE).await;
    peer.send(&holds(1000)).await;
    until_running(&world, running).await;
    quiet().await;
    assert_eq!((world.counters().memory_pauses, world.counters().rate_pauses), (1, 0));
    world.lab.open_gate(1000);
    world.lab.until(|seen| seen.ended >= running + 5).await;
    quiet().await;
    assert_eq!((world.lab.seen().ended, world.counters().rate_pauses), (running + 5, 1));
    sleep(9 * TIME + LOOK).await;
    quiet().await;
    assert_eq!(world.lab.seen().ended, running + 8);
    assert_eq!((world.counters().open, world.counters().pause_timeouts), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_does_not_wait_for_half_a_command_that_waits_for_memory() {
    let (world, dialer) = served(Limits::default().memory(MIB));
    let frame = hold_frame(1, &"a".repeat(20_000));
    let mut first = greeted(&dialer, WIDE).await;
    first.send(&frame).await;
    until_running(&world, 1).await;
    let mut half = greeted(&dialer, WIDE).await;
    half.send(&frame[..10_000]).await;
    quiet().await;
    assert_eq!(world.counters().memory_pauses, 1);
    let since = Instant::now();
    world.handle.shutdown();
    half.expect_end().await;
    assert!(since.elapsed() <= LOOK, "{:?}", since.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_has_waited_for_memory_makes_room_when_it_is_idle() {
    let (world, dialer) = served(Limits::default().memory(MIB).connections(1).waiting(1, 10 * TIME));
    let mut peer = greeted(&dialer, WIDE).await;
    peer.send(&holds(300)).await;
    quiet().await;
    assert_eq!(world.counters().memory_pauses, 1);
    world.lab.open_gate(300);
    world.lab.until(|seen| seen.ended == 300).await;
    quiet().await;
    let mut next = BytePeer::over(dialer.dial(WIDE));
    within(next.expect(GREETING)).await;
    assert_eq!(world.counters().made_room, 1);
}

#[derive(Serialize, Deserialize)]
struct Blob(String);
#[derive(Serialize, Deserialize)]
struct Other(u8);
#[derive(Serialize, Deserialize)]
struct Done;
struct Store;

impl Answer<Store> for Blob {
    const EXPANSION: Option<Expansion> = Some(Expansion::of(2));

    async fn answer(self, _: &Store, _: &Context<'_>) -> Result<Done, Failed> {
        Ok(Done)
    }
}

impl Answer<Store> for Other {
    async fn answer(self, _: &Store, _: &Context<'_>) -> Result<Done, Failed> {
        Ok(Done)
    }
}

protocol! {
    struct Storing {
        commands { 1 => Blob -> Done, 2 => Other -> Done }
        replies { 1 => Done }
        failure close_connection
    }
}

#[test]
fn a_command_says_what_it_takes_or_its_format_does() {
    let of_json = <Storing as ServerProtocol<Json, Store>>::expansions(&Json);
    assert_eq!(of_json, [Expansion::of(2), Expansion::DEFAULT]);
}
