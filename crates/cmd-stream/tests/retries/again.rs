//! What may have run is sent again if that does no harm. What was not sent moves in any case.

use std::collections::BTreeSet;
use std::time::Duration;

use cmd_stream::client::{Keepalive, Limits};
use cmd_stream::sender::Retry;
use cmd_stream::{CallError, Client, Error, ErrorKind, Origin, Sender};
use testkit::wait::within;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::call;
use crate::scripted::{
    Counting, Dialer, MILLISECOND, Odd, SECOND, Store, Watch, answer, builder, connected, connected_by, get,
    get_frame, note, note_frame, put, put_frame, quiet, text, told, watch_frame,
};
use crate::wire::{frame, number_frame};

const LOST: (ErrorKind, Origin, bool) = (ErrorKind::Closed, Origin::Remote, true);

#[tokio::test(start_paused = true)]
async fn an_idempotent_command_is_sent_again_with_the_same_bytes_and_encoded_once() {
    let format = Counting::default();
    let (sender, [mut one, mut two], _dials) = connected(Sender::builder(Store, format.clone())).await;
    let call = call!(sender.send(get("a")));
    one.expect(&get_frame(1, "a")).await;
    drop(one);
    two.expect(&get_frame(1, "a")).await;
    answer(&mut two, 1, "A").await;
    assert_eq!(within(call).await.unwrap().unwrap(), text("A"));
    assert_eq!((format.encoded(), sender.in_flight()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_command_that_is_not_idempotent_is_not_sent_again() {
    let (sender, [mut one, mut two], _dials) = connected(builder()).await;
    let call = call!(sender.send(put("a")));
    one.expect(&put_frame(1, "a")).await;
    drop(one);
    assert_eq!(told(within(call).await.unwrap().unwrap_err()), LOST);
    drop(sender);
    two.expect_end().await;
}

#[tokio::test(start_paused = true)]
async fn there_are_three_attempts_or_as_many_as_are_set() {
    for (retry, attempts) in [
        (Retry::default(), 3),
        (Retry::default().attempts(5), 5),
        (Retry::default().attempts(1), 1),
        (Retry::default().attempts(0), 1),
        (Retry::OFF, 1),
    ] {
        let format = Counting::default();
        let builder = Sender::builder(Store, format.clone()).retry(retry);
        let (sender, [mut server], mut dials) = connected(builder).await;
        let call = call!(sender.send(get("a")));
        server.expect(&get_frame(1, "a")).await;
        for attempt in 2..=attempts {
            drop(server);
            (_, server) = dials.accept().await;
            server.expect(&get_frame(attempt, "a")).await;
        }
        drop(server);
        assert_eq!(told(within(call).await.unwrap().unwrap_err()), LOST, "{retry:?}");
        assert_eq!(format.encoded(), 1);
        let (_, mut server) = dials.accept().await;
        drop(sender);
        server.expect_end().await;
    }
}

/// What was not sent moves to another member, with its bytes. That is no retry.
#[tokio::test(start_paused = true)]
async fn what_was_not_sent_moves_without_retries_and_budget() {
    for retry in [Retry::OFF, Retry::default().budget(0, 0), Retry::OFF.hedge(0.9)] {
        let format = Counting::default();
        let builder = Sender::builder(Store, format.clone()).retry(retry);
        let (sender, [mut one, mut two], _dials) = connected_by(builder, 64).await;
        let large = "x".repeat(1000);
        let half_written = call!(sender.send(get(&large)));
        one.receive(10).await;
        let (moved, idempotent) = (call!(sender.send(put("b"))), call!(sender.send(get("c"))));
        let mut stream = sender.stream(Watch { to: 1 }).await.unwrap();
        quiet().await;
        let posted = call!(sender.post(note("d")));
        quiet().await;
        drop(one);
        let half_written = told(within(half_written).await.unwrap().unwrap_err());
        assert_eq!(half_written, (ErrorKind::Io, Origin::System, true), "it cannot be written");
        let reading = tokio::spawn(async move { stream.next().await });
        // They move in the order in which their tasks run.
        let frames = [put_frame(1, "b"), get_frame(1, "c"), note_frame(1, "d"), watch_frame(1, 1)];
        let mut left: BTreeSet<_> = frames.iter().map(|frame| frame[1..].to_vec()).collect();
        for seq in 1..=4 {
            let start = two.receive(3).await;
            assert_eq!(start[0], crate::wire::number(seq)[0]);
            let rest = two.receive(usize::from(start[2])).await;
            assert!(left.remove(&[&start[1..], &rest].concat()));
            match start[1] {
                0 | 1 => answer(&mut two, seq, "A").await,
                2 => two.send(&number_frame(seq, 1, true)).await,
                _ => {}
            }
        }
        assert_eq!(within(moved).await.unwrap().unwrap(), text("A"));
        assert_eq!(within(idempotent).await.unwrap().unwrap(), text("A"));
        within(posted).await.unwrap().unwrap();
        assert_eq!(within(reading).await.unwrap().unwrap().unwrap().value, 1);
        assert_eq!(format.encoded(), 5);
    }
}

#[tokio::test(start_paused = true)]
async fn the_pauses_are_random_and_double() {
    let mut seen = BTreeSet::new();
    for _ in 0..20 {
        let retry = Retry::default().pauses(400 * MILLISECOND, SECOND);
        let (sender, [mut one, mut two], mut dials) = connected(builder().retry(retry)).await;
        let call = call!(sender.send(get("a")));
        one.expect(&get_frame(1, "a")).await;
        let began = Instant::now();
        drop(one);
        two.expect(&get_frame(1, "a")).await;
        let first = began.elapsed();
        let (_, mut one) = dials.accept().await;
        quiet().await;
        let began = Instant::now();
        drop(two);
        one.expect(&get_frame(2, "a")).await;
        let second = began.elapsed();
        answer(&mut one, 2, "A").await;
        within(call).await.unwrap().unwrap();
        // From a sixteenth. The clock has milliseconds.
        assert!((25 * MILLISECOND..=401 * MILLISECOND).contains(&first), "{first:?}");
        assert!((50 * MILLISECOND..=801 * MILLISECOND).contains(&second), "{second:?}");
        seen.extend([first, second]);
    }
    assert!(seen.len() > 20, "{seen:?}");
    assert!(seen.iter().any(|pause| *pause > 401 * MILLISECOND), "the second is not longer: {seen:?}");
}

#[tokio::test(start_paused = true)]
async fn no_pause_is_longer_than_the_longest() {
    for _ in 0..10 {
        let retry = Retry::default().pauses(10 * SECOND, 50 * MILLISECOND);
        let (sender, [mut one, mut two], _dials) = connected(builder().retry(retry)).await;
        let call = call!(sender.send(get("a")));
        one.expect(&get_frame(1, "a")).await;
        let began = Instant::now();
        drop(one);
        two.expect(&get_frame(1, "a")).await;
        assert!(began.elapsed() <= 51 * MILLISECOND, "{:?}", began.elapsed());
        drop(call);
    }
}

/// Also if the member that has failed is back, and would be chosen.
#[tokio::test(start_paused = true)]
async fn another_member_has_the_next_attempt() {
    let retry = Retry::default().pauses(10 * SECOND, 10 * SECOND);
    let (sender, [mut one, mut two], mut dials) = connected(builder().retry(retry)).await;
    let call = call!(sender.send(get("a")));
    one.expect(&get_frame(1, "a")).await;
    drop(one);
    let (_, mut one) = dials.accept().await;
    quiet().await;
    let other = call!(sender.send(put("b")));
    one.expect(&put_frame(2, "b")).await;
    two.expect(&get_frame(1, "a")).await;
    answer(&mut two, 1, "A").await;
    assert_eq!(within(call).await.unwrap().unwrap(), text("A"));
    other.abort();
}

#[tokio::test(start_paused = true)]
async fn a_stream_begins_again_before_its_first_reply_and_not_after_it() {
    let (sender, [mut one, mut two], _dials) = connected(builder()).await;
    let mut numbers = sender.stream(Watch { to: 2 }).await.unwrap();
    one.expect(&watch_frame(1, 2)).await;
    drop(one);
    let reading = tokio::spawn(async move { (numbers.next().await, numbers) });
    two.expect(&watch_frame(1, 2)).await;
    two.send(&number_frame(1, 1, false)).await;
    let (first, mut numbers) = within(reading).await.unwrap();
    assert_eq!(first.unwrap().unwrap().value, 1);
    drop(two);
    assert_eq!(told(within(numbers.next()).await.unwrap().unwrap_err()), LOST);
    assert!(within(numbers.next()).await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_one_way_command_that_was_half_written_is_sent_again_if_it_is_idempotent() {
    let (sender, [mut one, mut two], _dials) = connected_by(builder(), 64).await;
    let large = "x".repeat(1000);
    let posted = call!(sender.post(note(&large)));
    one.receive(10).await;
    drop(one);
    two.expect(&note_frame(1, &large)).await;
    within(posted).await.unwrap().unwrap();
}

/// They would occur again.
#[tokio::test(start_paused = true)]
async fn errors_of_this_side_are_not_retried() {
    let (sender, [mut one, mut two], _dials) =
        connected(builder().limits(Limits::default().frame(100))).await;
    assert_eq!(told(sender.send(Odd {}).await.unwrap_err()), (ErrorKind::Encode, Origin::Local, false));
    let large = get(&"x".repeat(100));
    assert_eq!(told(sender.send(large).await.unwrap_err()), (ErrorKind::Limit, Origin::Local, false));

    let call = call!(sender.send(get("a")).timeout(SECOND));
    one.expect(&get_frame(1, "a")).await;
    assert_eq!(told(within(call).await.unwrap().unwrap_err()), (ErrorKind::Timeout, Origin::Local, true));

    let call = call!(sender.send(get("b")));
    one.expect(&get_frame(2, "b")).await;
    sender.close();
    assert_eq!(told(within(call).await.unwrap().unwrap_err()), (ErrorKind::Closed, Origin::Local, true));
    two.expect_end().await;
}

#[tokio::test(start_paused = true)]
async fn replies_that_cannot_be_read_are_not_asked_for_again() {
    let replies: [(&[u8], ErrorKind); 3] = [
        (&frame(1, 0, "{"), ErrorKind::Decode),
        (&frame(1, 9, "1"), ErrorKind::UnknownTag),
        (&number_frame(1, 1, true), ErrorKind::Protocol),
    ];
    for (reply, kind) in replies {
        let (sender, [mut one, mut two], _dials) = connected(builder()).await;
        let call = call!(sender.send(get("a")));
        one.expect(&get_frame(1, "a")).await;
        one.send(reply).await;
        assert_eq!(told(within(call).await.unwrap().unwrap_err()), (kind, Origin::Remote, true));
        drop(sender);
        two.expect_end().await;
    }
}

/// A server that is dead and does not say so.
#[tokio::test(start_paused = true)]
async fn a_connection_that_keepalive_gives_up_is_lost() {
    let keepalive = Keepalive::default().idle(SECOND).timeout(SECOND);
    let (sender, [mut one, mut two], _dials) = connected(builder().keepalive(keepalive)).await;
    let call = call!(sender.send(get("a")));
    one.expect(&get_frame(1, "a")).await;
    // It answers the pings: seq 0, and nothing more.
    let mut got = Vec::new();
    while !got.ends_with(&get_frame(1, "a")) {
        got.extend(two.receive(1).await);
        if got == [0] {
            two.send(&[0]).await;
            got.clear();
        }
    }
    answer(&mut two, 1, "A").await;
    assert_eq!(within(call).await.unwrap().unwrap(), text("A"));
}

/// The last attempt was not sent. An earlier one may have run, and that is what the caller has to know.
#[tokio::test(start_paused = true)]
async fn an_error_says_that_the_command_may_have_run_if_any_attempt_may_have() {
    // With one member, its client waits for a connection.
    let (sender, [mut server], _dials) = connected(builder()).await;
    let call = call!(sender.send(get("a")));
    server.expect(&get_frame(1, "a")).await;
    drop(server);
    let error = Error::from(within(call).await.unwrap().unwrap_err());
    assert!(error.was_sent(), "{error:?}");
    assert!(error.to_string().contains("connection_wait"), "{error}");
    // A call that was made meanwhile may not have run.
    let error = Error::from(within(sender.send(get("b"))).await.unwrap_err());
    assert!(!error.was_sent(), "{error:?}");

    // With two, the call does.
    let (sender, [mut one, two], _dials) = connected(builder()).await;
    let call = call!(sender.send(get("a")));
    one.expect(&get_frame(1, "a")).await;
    drop((one, two));
    let error = Error::from(within(call).await.unwrap().unwrap_err());
    assert!(error.was_sent(), "{error:?}");
    assert!(error.to_string().contains("connection_wait"), "{error}");

    // And if its time is over meanwhile.
    let (sender, [mut one, two], _dials) = connected(builder()).await;
    let call = call!(sender.send(get("a")).timeout(SECOND));
    one.expect(&get_frame(1, "a")).await;
    drop((one, two));
    assert_eq!(told(within(call).await.unwrap().unwrap_err()), (ErrorKind::Timeout, Origin::Local, true));
}

#[tokio::test(start_paused = true)]
async fn a_sender_over_a_client_sends_idempotent_commands_again() {
    let (attempts, mut received) = mpsc::unbounded_channel();
    let dialer = Dialer::new("the server", attempts);
    let format = Counting::default();
    let connecting = Client::builder(Store, format.clone()).connect_by(dialer);
    let accepting = async { received.recv().await.expect("it dials").accept(1 << 20).await };
    let (client, mut server) = within(async { tokio::join!(connecting, accepting) }).await;
    let sender = Sender::from(client.expect("it greets"));
    let call = call!(sender.send(get("a")));
    let other = call!(sender.send(put("b")));
    server.expect(&[get_frame(1, "a"), put_frame(2, "b")].concat()).await;
    drop(server);
    assert_eq!(told(within(other).await.unwrap().unwrap_err()), LOST);
    let mut server = within(received.recv()).await.expect("it dials again").accept(1 << 20).await;
    server.expect(&get_frame(3, "a")).await;
    answer(&mut server, 3, "A").await;
    assert_eq!(within(call).await.unwrap().unwrap(), text("A"));
    assert_eq!(format.encoded(), 2);
}

/// A failure of the Protocol is an answer, whatever it says.
#[tokio::test(start_paused = true)]
async fn a_failure_of_the_protocol_is_not_retried() {
    let (sender, [mut one, mut two], _dials) = connected(builder()).await;
    let call = call!(sender.send(get("a")));
    one.expect(&get_frame(1, "a")).await;
    one.send(&crate::scripted::problem_frame(1, cmd_stream::Problem::UNAVAILABLE)).await;
    assert!(matches!(within(call).await.unwrap(), Err(CallError::Failed(_))));
    drop(sender);
    two.expect_end().await;
}

/// The time in which nothing is sent, because a call waits before it is sent again, is bounded by its deadline.
#[tokio::test(start_paused = true)]
async fn retries_stay_within_the_deadline_of_the_call() {
    let retry = Retry::default().pauses(1000 * SECOND, 1000 * SECOND);
    let (sender, [mut one, mut two], _dials) = connected(builder().retry(retry)).await;
    let call = call!(sender.send(get("a")).timeout(Duration::from_secs(2)));
    let began = Instant::now();
    one.expect(&get_frame(1, "a")).await;
    drop(one);
    assert_eq!(told(within(call).await.unwrap().unwrap_err()), (ErrorKind::Timeout, Origin::Local, true));
    assert!((2 * SECOND..=2 * SECOND + 2 * MILLISECOND).contains(&began.elapsed()), "{:?}", began.elapsed());
    assert_eq!(sender.in_flight(), 0);
    drop(sender);
    two.expect_end().await;
}
