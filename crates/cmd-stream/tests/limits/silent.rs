//! Clients that connect and send nothing.

use crate::wire::{echo_frame, frame, head, tag, text_frame};
use crate::{TICK, TIME, WIDE, assert_error, assert_took, greeted, served};
use cmd_stream::server::Limits;
use cmd_stream::{ErrorKind, Origin};
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
