//! Calls that wait for a circuit breaker go out as soon as it lets them through.

use std::time::Duration;

use cmd_stream::circuit_breaker::Settings;
use cmd_stream::client::{Keepalive, Limits};
use testkit::wait::within;
use tokio::time::Instant;

use crate::call;
use crate::scripted::{MILLISECOND, SECOND, answer, builder, connected, put, put_frame, quiet, text};

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_goes_out_when_the_breaker_becomes_half_open_and_others_when_it_closes() {
    // No multiple of anything that somebody may look at.
    let open_time = 1013 * MILLISECOND;
    let settings = Settings::default().window(2).failure_rate(0.5).open_time(open_time).successes(1);
    let builder = builder().breaker(settings).keepalive(Keepalive::OFF);
    let builder = builder.limits(Limits::default().connection_wait(10 * SECOND));
    let (sender, [mut server], _dials) = connected(builder).await;
    let slow = call!(sender.send(put("slow")).timeout(SECOND));
    server.expect(&put_frame(1, "slow")).await;
    within(slow).await.unwrap().unwrap_err();
    let opened = Instant::now();
    let calls = [call!(sender.send(put("a"))), call!(sender.send(put("a"))), call!(sender.send(put("a")))];
    quiet().await;

    server.expect(&put_frame(2, "a")).await;
    assert_eq!(opened.elapsed(), open_time);
    tokio::time::sleep(117 * MILLISECOND).await;
    answer(&mut server, 2, "A").await;
    let closed = Instant::now();
    server.expect(&[put_frame(3, "a"), put_frame(4, "a")].concat()).await;
    assert_eq!(closed.elapsed(), Duration::ZERO);
    answer(&mut server, 3, "A").await;
    answer(&mut server, 4, "A").await;
    for call in calls {
        assert_eq!(within(call).await.unwrap().unwrap(), text("A"));
    }
}

/// What waits is told when the breaker opens again, and when a trial has no outcome.
#[tokio::test(start_paused = true)]
async fn a_call_that_waits_takes_the_place_of_a_trial_and_waits_again_when_that_fails() {
    let open_time = 1013 * MILLISECOND;
    let settings = Settings::default().window(2).failure_rate(0.5).open_time(open_time).successes(1);
    let builder = builder().breaker(settings).keepalive(Keepalive::OFF);
    let builder = builder.limits(Limits::default().connection_wait(10 * SECOND));
    let (sender, [mut server], _dials) = connected(builder).await;
    let slow = call!(sender.send(put("slow")).timeout(SECOND));
    server.expect(&put_frame(1, "slow")).await;
    within(slow).await.unwrap().unwrap_err();
    let trial = call!(sender.send(put("trial")));
    quiet().await;
    let next = call!(sender.send(put("next")).timeout(2 * SECOND));
    quiet().await;
    let last = call!(sender.send(put("last")));

    server.expect(&put_frame(2, "trial")).await;
    trial.abort();
    let given_back = Instant::now();
    server.expect(&put_frame(3, "next")).await;
    assert_eq!(given_back.elapsed(), Duration::ZERO);
    within(next).await.unwrap().unwrap_err();
    let opened = Instant::now();
    server.expect(&put_frame(4, "last")).await;
    assert_eq!(opened.elapsed(), open_time);
    answer(&mut server, 4, "L").await;
    assert_eq!(within(last).await.unwrap().unwrap(), text("L"));
}
