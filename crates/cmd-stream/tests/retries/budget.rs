//! All retries of a Sender together are bounded.

use cmd_stream::sender::Retry;
use cmd_stream::{CallError, Problem};
use testkit::wait::within;
use tokio::task::JoinHandle;

use crate::call;
use crate::scripted::{
    Dials, Plain, SECOND, Server, Text, answer, builder, connected, connected_by, get, get_frame, put,
    put_frame, quiet,
};

type Calls = Vec<JoinHandle<Result<Text, CallError<Problem>>>>;

/// So many calls that are in flight.
fn calls(sender: &Plain, count: usize) -> Calls {
    (0..count).map(|_| call!(sender.send(get("a")))).collect()
}

/// Loses the connection with so many calls on it. Returns how many of them are sent again, and answers these. The
/// seqs begin with `seq`, which is moved on.
async fn lose(sender: &Plain, server: &mut Server, dials: &mut Dials, seq: &mut i64, count: usize) -> usize {
    let calls = calls(sender, count);
    quiet().await;
    for _ in 0..count {
        server.expect(&get_frame(*seq, "a")).await;
        *seq += 1;
    }
    let (_, again) = {
        let lost = std::mem::replace(server, Server::over(tokio::io::duplex(1).0));
        drop(lost);
        dials.accept().await
    };
    *server = again;
    tokio::time::sleep(SECOND / 10).await;
    let lost = calls.iter().filter(|call| call.is_finished()).count();
    for _ in 0..count - lost {
        server.expect(&get_frame(*seq, "a")).await;
        answer(server, *seq, "A").await;
        *seq += 1;
    }
    for call in calls {
        match within(call).await.unwrap() {
            Ok(_) => {}
            Err(CallError::Other(error)) => assert!(error.was_sent(), "{error:?}"),
            Err(error) => panic!("{error:?}"),
        }
    }
    count - lost
}

/// Makes so many calls that are answered at once.
async fn answered(sender: &Plain, server: &mut Server, seq: &mut i64, count: usize) {
    let calls = calls(sender, count);
    quiet().await;
    for call in calls {
        server.expect(&get_frame(*seq, "a")).await;
        answer(server, *seq, "A").await;
        *seq += 1;
        within(call).await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_hundred_retries_in_ten_seconds_are_allowed_in_any_case() {
    let (sender, [mut server], mut dials) = connected(builder()).await;
    let mut seq = 1;
    assert_eq!(lose(&sender, &mut server, &mut dials, &mut seq, 150).await, 100);
    assert_eq!(lose(&sender, &mut server, &mut dials, &mut seq, 5).await, 0);
    tokio::time::sleep(9 * SECOND).await; // not so long that a ping is due
    answered(&sender, &mut server, &mut seq, 1).await;
    tokio::time::sleep(SECOND).await;
    assert_eq!(lose(&sender, &mut server, &mut dials, &mut seq, 150).await, 100);
}

#[tokio::test(start_paused = true)]
async fn a_tenth_of_the_calls_may_be_sent_again() {
    let retry = Retry::default().budget(10, 0);
    let (sender, [mut server], mut dials) = connected(builder().retry(retry)).await;
    let mut seq = 1;
    for _ in 0..4 {
        answered(&sender, &mut server, &mut seq, 500).await;
    }
    let again = lose(&sender, &mut server, &mut dials, &mut seq, 300).await;
    assert!((190..=230).contains(&again), "{again}");
}

#[tokio::test(start_paused = true)]
async fn the_budget_can_be_set_and_holds_for_all_clones() {
    let retry = Retry::default().budget(0, 3);
    let (sender, [mut server], mut dials) = connected(builder().retry(retry)).await;
    let mut seq = 1;
    assert_eq!(lose(&sender.clone(), &mut server, &mut dials, &mut seq, 2).await, 2);
    assert_eq!(lose(&sender, &mut server, &mut dials, &mut seq, 10).await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_budget_of_nothing_retries_nothing() {
    let retry = Retry::default().budget(0, 0);
    let (sender, [mut server], mut dials) = connected(builder().retry(retry)).await;
    assert_eq!(lose(&sender, &mut server, &mut dials, &mut 1, 5).await, 0);
}

/// Calls that move from one member to another are calls once, however often they are sent in vain.
#[tokio::test(start_paused = true)]
async fn what_moves_allows_no_more_retries() {
    let retry = Retry::default().budget(10, 0);
    let (sender, [mut one, mut two], mut dials) = connected_by(builder().retry(retry), 64).await;
    // It fills the connection, so that the next ones are not written.
    let large = "x".repeat(1000);
    let blocking = call!(sender.send(put(&large)));
    one.receive(10).await;
    let moving: Vec<_> = (0..99).map(|_| call!(sender.send(put("a")))).collect();
    quiet().await;
    drop(one);
    within(blocking).await.unwrap().unwrap_err();
    for (seq, call) in (1..).zip(moving) {
        two.expect(&put_frame(seq, "a")).await;
        answer(&mut two, seq, "A").await;
        within(call).await.unwrap().unwrap();
    }
    let (_, mut one) = dials.accept().await;
    quiet().await;
    // Of 120 calls.
    let lost = calls(&sender, 20);
    quiet().await;
    for seq in 101..=120 {
        one.expect(&get_frame(seq, "a")).await;
    }
    drop(one);
    tokio::time::sleep(SECOND / 10).await;
    // A retry is taken off the calls before it is sent, so there may be one less.
    let again = lost.iter().filter(|call| !call.is_finished()).count();
    assert!((11..=12).contains(&again), "{again}");
}
