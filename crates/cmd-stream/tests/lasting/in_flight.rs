//! What calls may take: their number and their bytes are bounded, in the order in which they come.

use std::time::Duration;

use cmd_stream::client::Limits;
use cmd_stream::{Json, server};
use testkit::wait::within;
use tokio::time::sleep;

use crate::dials::{builder, connected};
use crate::lab::{Plain, World, echo, hold, text};
use crate::wire::{echo_frame, text_frame};
use crate::{Client, call, once, pipes, quiet, spawn_echo};

#[tokio::test(start_paused = true)]
async fn calls_over_the_limit_wait_in_their_order() {
    let (client, _dials, mut peer) = connected(builder().limits(Limits::default().in_flight(2))).await;
    let calls: Vec<_> = (1..=6).map(|n| call!(client.send(echo(&n.to_string())))).collect();
    for n in 1..=2 {
        peer.expect(&echo_frame(n, &n.to_string())).await;
    }
    quiet().await;
    assert_eq!(client.in_flight(), 2);
    // The second one is answered first. One comes for each that goes.
    for (answered, next) in [(2, 3), (1, 4), (4, 5), (3, 6)] {
        peer.send(&text_frame(answered, &answered.to_string())).await;
        peer.expect(&echo_frame(next, &next.to_string())).await;
    }
    peer.send(&[text_frame(5, "5"), text_frame(6, "6")].concat()).await;
    for (n, call) in calls.into_iter().enumerate() {
        assert_eq!(within(call).await.unwrap().unwrap(), text(&(n + 1).to_string()));
    }
}

#[tokio::test(start_paused = true)]
async fn their_bytes_are_bounded_and_one_always_fits() {
    let limits = Limits::default().in_flight_bytes(100);
    let (client, _dials, mut peer) = connected(builder().limits(limits)).await;
    let (large, small) = (&"x".repeat(500), &"y".repeat(30));
    let first = spawn_echo(&client, large);
    quiet().await;
    let second = spawn_echo(&client, small);
    let third = spawn_echo(&client, small);
    peer.expect(&echo_frame(1, large)).await;
    quiet().await;
    assert_eq!(client.in_flight(), 1);
    peer.send(&text_frame(1, "")).await;
    within(first).await.unwrap().unwrap();
    peer.expect(&[echo_frame(2, small), echo_frame(3, small)].concat()).await;
    peer.send(&[text_frame(2, ""), text_frame(3, "")].concat()).await;
    within(second).await.unwrap().unwrap();
    within(third).await.unwrap().unwrap();
}

/// The server still has their Commands.
#[tokio::test(start_paused = true)]
async fn a_call_that_was_given_up_counts_until_its_reply_comes_or_the_connection_is_lost() {
    let (client, mut dials, mut peer) = connected(builder().limits(Limits::default().in_flight(1))).await;
    assert!(client.send(echo("given up")).timeout(Duration::from_secs(1)).await.is_err());
    peer.expect(&echo_frame(1, "given up")).await;
    let next = call!(client.send(echo("next")));
    sleep(Duration::from_secs(5)).await;
    assert_eq!(client.in_flight(), 0, "the next one waits");
    peer.send(&text_frame(1, "late")).await;
    peer.expect(&echo_frame(2, "next")).await;
    next.abort();
    quiet().await;
    let after = call!(client.send(echo("after")));
    quiet().await;
    drop(peer);
    let mut peer = dials.accept().await;
    peer.expect(&echo_frame(3, "after")).await;
    peer.send(&text_frame(3, "after")).await;
    within(after).await.unwrap().unwrap();
}

/// Some of those who wait give up; the others still get their turn.
#[tokio::test(start_paused = true)]
async fn those_who_leave_the_queue_do_not_keep_the_others() {
    let (client, _dials, mut peer) = connected(builder().limits(Limits::default().in_flight(1))).await;
    let first = call!(client.send(echo("first")));
    quiet().await;
    let mut waiting: Vec<_> = (0..100).map(|n| call!(client.send(echo(&n.to_string())))).collect();
    quiet().await;
    let mut stay = Vec::new();
    for (n, call) in waiting.drain(..).enumerate() {
        if n % 3 == 1 {
            stay.push((n, call));
        } else {
            call.abort();
        }
    }
    quiet().await;
    peer.expect(&echo_frame(1, "first")).await;
    peer.send(&text_frame(1, "first")).await;
    within(first).await.unwrap().unwrap();
    for (seq, (n, call)) in (2..).zip(stay) {
        peer.expect(&echo_frame(seq, &n.to_string())).await;
        // One that has been woken and is dropped before it comes passes its turn on.
        peer.send(&text_frame(seq, &n.to_string())).await;
        assert_eq!(within(call).await.unwrap().unwrap(), text(&n.to_string()));
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_is_dropped_when_it_is_its_turn_passes_the_turn_on() {
    let (client, _dials, mut peer) = connected(builder().limits(Limits::default().in_flight(1))).await;
    let mut first = Box::pin(client.send(echo("first")));
    assert!(once(&mut first).await.is_pending());
    let mut woken = Box::pin(client.send(echo("woken")));
    assert!(once(&mut woken).await.is_pending());
    let next = call!(client.send(echo("next")));
    quiet().await;
    peer.expect(&echo_frame(1, "first")).await;
    peer.send(&text_frame(1, "first")).await;
    first.await.unwrap();
    quiet().await;
    drop(woken); // it was woken, and has not been polled since
    peer.expect(&echo_frame(2, "next")).await;
    peer.send(&text_frame(2, "next")).await;
    within(next).await.unwrap().unwrap();
}

/// A seq grows by a byte while a Command of just the allowed length waits. It is refused then, and leaves the queue.
#[tokio::test(start_paused = true)]
async fn one_that_has_become_too_long_while_it_waited_leaves_the_queue() {
    let most = echo_frame(127, &"x".repeat(100)).len();
    let limits = Limits::default().in_flight(1).frame(most);
    let (client, _dials, mut peer) = connected(builder().limits(limits)).await;
    for seq in 1..=125 {
        let call = call!(client.send(echo("a")));
        peer.expect(&echo_frame(seq, "a")).await;
        peer.send(&text_frame(seq, "a")).await;
        within(call).await.unwrap().unwrap();
    }
    let running = call!(client.send(echo("b")));
    peer.expect(&echo_frame(126, "b")).await;
    let before = call!(client.send(echo("c")));
    quiet().await;
    let too_long = spawn_echo(&client, &"x".repeat(100));
    quiet().await;
    let next = call!(client.send(echo("next")));
    quiet().await;
    assert!(!too_long.is_finished(), "with the seq that is next it fits");
    peer.send(&text_frame(126, "b")).await;
    within(running).await.unwrap().unwrap();
    peer.expect(&echo_frame(127, "c")).await;
    peer.send(&text_frame(127, "c")).await;
    within(before).await.unwrap().unwrap();
    let error = cmd_stream::Error::from(within(too_long).await.unwrap().unwrap_err());
    assert!(error.to_string().contains("`Limits::frame`"), "{error:#}");
    peer.expect(&echo_frame(128, "next")).await;
    peer.send(&text_frame(128, "next")).await;
    within(next).await.unwrap().unwrap();
}

/// A call takes one Reply. If the Command is answered with several, the server has it until the last one.
#[tokio::test(start_paused = true)]
async fn a_command_with_several_replies_is_in_flight_until_the_last_one() {
    use crate::lab::{Count, Number};
    use crate::wire::{frame, number_frame, tag};

    let (client, _dials, mut peer) = connected(builder().limits(Limits::default().in_flight(1))).await;
    let first = call!(client.send(Count { to: 3 }));
    peer.expect(&frame(1, tag::COUNT, r#"{"to":3}"#)).await;
    let next = call!(client.send(echo("next")));
    peer.send(&[number_frame(1, 1, false), number_frame(1, 2, false)].concat()).await;
    assert_eq!(within(first).await.unwrap().unwrap(), Number { value: 1, last: false });
    sleep(Duration::from_secs(1)).await;
    assert_eq!((client.in_flight(), client.counters().unexpected), (0, 1), "the next one waits");
    peer.send(&number_frame(1, 3, true)).await;
    peer.expect(&echo_frame(2, "next")).await;
    peer.send(&text_frame(2, "next")).await;
    within(next).await.unwrap().unwrap();
    assert_eq!(client.counters().unexpected, 2);
}

/// Also across the limit of the output, and with frames of any size.
#[tokio::test(start_paused = true)]
async fn nobody_is_left_waiting_whatever_the_order() {
    let limits = Limits::default().in_flight(7).in_flight_bytes(300).output(120);
    let (dialer, pipes) = pipes::pipes();
    let _world = World::over(pipes, server::Limits::default());
    let client = within(builder().limits(limits).over(dialer.dial(100), pipes::peer())).await.unwrap();
    let callers: Vec<_> = (0..200_usize)
        .map(|n| {
            let client = client.clone();
            tokio::spawn(async move {
                for round in 0..20 {
                    let said = "z".repeat((n * 37 + round * 11) % 90);
                    let call = client.send(echo(&said));
                    if (n + round) % 5 == 0 {
                        // Some leave at any time.
                        let _ = tokio::time::timeout(Duration::from_millis((n % 4) as u64), call).await;
                    } else {
                        assert_eq!(call.await.unwrap(), text(&said));
                    }
                }
            })
        })
        .collect();
    for caller in callers {
        let done = tokio::time::timeout(Duration::from_secs(3600), caller).await;
        done.expect("nobody waits for ever").unwrap();
    }
    quiet().await;
    assert_eq!(client.in_flight(), 0);
}

/// A default client cannot fill a default server, so its pings are read.
#[tokio::test]
async fn a_default_client_does_not_fill_a_default_server() {
    let world = World::tcp(server::Limits::default()).await;
    let client: Client = Client::connect(world.address(), Plain, Json).await.unwrap();
    let calls: Vec<_> = (0..40_000).map(|_| call!(client.send(hold("h")))).collect();
    world.lab.until(|seen| seen.started == 32_768).await;
    assert_eq!(client.in_flight(), 32_768);
    world.lab.open_gate(40_000);
    for call in calls {
        within(call).await.unwrap().unwrap();
    }
}
