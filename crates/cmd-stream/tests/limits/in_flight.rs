//! How many Commands a server works on at once, and how many bytes they may have together.

use crate::lab::quiet;
use crate::wire::{echo_frame, hold_frame, text_frame};
use crate::{WIDE, greeted, served};
use cmd_stream::server::Limits;

#[tokio::test(start_paused = true)]
async fn commands_in_flight_up_to_the_limit_run_and_a_further_one_is_not_read() {
    let (world, dialer) = served(Limits::default().in_flight(3));
    let mut peer = greeted(&dialer, WIDE).await;
    peer.send(&(1..=3).flat_map(|seq| hold_frame(seq, "a")).collect::<Vec<_>>()).await;
    quiet().await;
    assert_eq!((world.lab.seen().running, world.counters().in_flight_pauses), (3, 0));

    // A quick Command is not read either, nor is a ping.
    peer.send(&[&hold_frame(4, "a"), &echo_frame(5, "b")[..], &[0]].concat()).await;
    quiet().await;
    assert_eq!((world.lab.seen().started, world.counters().in_flight_pauses), (3, 1));
    assert_eq!((world.counters().started, world.counters().pings), (3, 0));

    // When one ends, the fourth takes its place and the rest waits again.
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
    // Each end lets further Commands be read, so the order may vary.
    for frame in expected.iter().map(Vec::as_slice).chain([&[0][..]]) {
        let at = received.windows(frame.len()).position(|bytes| bytes == frame).expect("each is answered");
        received.drain(at..at + frame.len());
    }
    assert_eq!(world.lab.seen().most_running, 3);
}

#[tokio::test(start_paused = true)]
async fn bytes_of_commands_in_flight_up_to_the_limit_are_read_and_no_more() {
    let size = hold_frame(1, "a").len();
    // A limit that is reached exactly, and one that is a byte larger, so that one more Command is let in.
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
