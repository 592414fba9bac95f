//! An idempotent Command goes to a second member as well when the first one takes long.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use cmd_stream::client::Link;
use cmd_stream::group::endpoints::List;
use cmd_stream::hooks::{About, Hooks, Refused};
use cmd_stream::protocol::{CommandOf, Entry};
use cmd_stream::sender::{Builder, Retry};
use cmd_stream::{CallError, Error, ErrorKind, Origin, Problem, Sender};
use testkit::wait::within;
use tokio::time::Instant;

use crate::call;
use crate::scripted::{
    Counting, Dials, Log, MILLISECOND, Plain, SECOND, Server, Store, StoreReply, WIDE, answer, connected_by,
    get, get_frame, put, put_frame, quiet, shed_frame, text, told,
};

/// With this, the second attempt is made after 10 ms, or an eighth later.
fn hedging() -> Retry {
    Retry::default().hedge(0.9)
}

/// So many calls have had their Replies after 10 ms each. The next seq at the first member is one more.
const WARM: i64 = 32;
const NEXT: i64 = WARM + 1;

async fn warm<const N: usize>(retry: Retry, bytes: usize) -> (Plain, [Server; N], Dials, Arc<AtomicUsize>) {
    let unexpected = Arc::new(AtomicUsize::new(0));
    let counting = Arc::clone(&unexpected);
    let builder =
        Sender::builder(Store, Counting::default()).retry(retry).on_unexpected_reply(move |_, _| {
            counting.fetch_add(1, Relaxed);
        });
    let (sender, servers, dials) = warm_by(builder, bytes).await;
    (sender, servers, dials, unexpected)
}

async fn warm_by<H: Hooks<Store>, const N: usize>(
    builder: Builder<Store, Counting, H, List>,
    bytes: usize,
) -> (Sender<Store, Counting, H>, [Server; N], Dials) {
    let (sender, mut servers, dials) = connected_by(builder, bytes).await;
    for seq in 1..=WARM {
        let call = call!(sender.send(get("w")));
        servers[0].expect(&get_frame(seq, "w")).await;
        tokio::time::sleep(10 * MILLISECOND).await;
        answer(&mut servers[0], seq, "W").await;
        within(call).await.unwrap().unwrap();
    }
    (sender, servers, dials)
}

#[tokio::test(start_paused = true)]
async fn the_second_attempt_is_made_after_the_quantile_and_its_reply_may_come_first() {
    let (sender, [mut one, mut two], _dials, unexpected) = warm(hedging(), WIDE).await;
    let began = Instant::now();
    let call = call!(sender.send(get("a")));
    one.expect(&get_frame(NEXT, "a")).await;
    two.expect(&get_frame(1, "a")).await;
    let after = began.elapsed();
    assert!((10 * MILLISECOND..=13 * MILLISECOND).contains(&after), "{after:?}");
    answer(&mut two, 1, "A").await;
    assert_eq!(within(call).await.unwrap().unwrap(), text("A"));
    assert_eq!((sender.in_flight(), unexpected.load(Relaxed)), (0, 0));
    // The other one's Reply is of no use any more.
    answer(&mut one, NEXT, "too late").await;
    quiet().await;
    assert_eq!(unexpected.load(Relaxed), 1);
    let members: Vec<_> = sender.group().members().map(|member| member.counters().lost).collect();
    assert_eq!(members, [0, 0]);
}

#[tokio::test(start_paused = true)]
async fn the_first_attempts_reply_may_come_first() {
    let (sender, [mut one, mut two], _dials, unexpected) = warm(hedging(), WIDE).await;
    let call = call!(sender.send(get("a")));
    two.expect(&get_frame(1, "a")).await;
    one.expect(&get_frame(NEXT, "a")).await;
    answer(&mut one, NEXT, "A").await;
    assert_eq!(within(call).await.unwrap().unwrap(), text("A"));
    answer(&mut two, 1, "too late").await;
    quiet().await;
    assert_eq!((sender.in_flight(), unexpected.load(Relaxed)), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn there_is_no_second_attempt_if_the_reply_comes_in_time() {
    let (sender, [mut one, mut two], _dials, _) = warm(hedging(), WIDE).await;
    let call = call!(sender.send(get("a")));
    one.expect(&get_frame(NEXT, "a")).await;
    tokio::time::sleep(9 * MILLISECOND).await;
    answer(&mut one, NEXT, "A").await;
    within(call).await.unwrap().unwrap();
    tokio::time::sleep(SECOND).await;
    drop(sender);
    two.expect_end().await;
}

#[tokio::test(start_paused = true)]
async fn only_idempotent_commands_are_hedged_and_only_if_that_is_set_and_the_budget_allows_it() {
    for (retry, is_idempotent) in [
        (hedging(), false),
        (Retry::default(), true),
        (hedging().budget(0, 0), true),
        (hedging().attempts(1), true),
        (Retry::OFF.hedge(0.9), true),
    ] {
        let (sender, [mut one, mut two], _dials, _) = warm(retry, WIDE).await;
        if is_idempotent {
            let call = call!(sender.send(get("a")));
            one.expect(&get_frame(NEXT, "a")).await;
            tokio::time::sleep(SECOND).await;
            answer(&mut one, NEXT, "A").await;
            within(call).await.unwrap().unwrap();
        } else {
            let call = call!(sender.send(put("a")));
            one.expect(&put_frame(NEXT, "a")).await;
            tokio::time::sleep(SECOND).await;
            answer(&mut one, NEXT, "A").await;
            within(call).await.unwrap().unwrap();
        }
        drop(sender);
        two.expect_end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn there_is_none_with_one_member() {
    let (sender, [mut one], _dials, _) = warm(hedging(), WIDE).await;
    let call = call!(sender.send(get("a")));
    one.expect(&get_frame(NEXT, "a")).await;
    tokio::time::sleep(SECOND).await;
    answer(&mut one, NEXT, "A").await;
    within(call).await.unwrap().unwrap();
    drop(sender);
    one.expect_end().await;
}

#[tokio::test(start_paused = true)]
async fn if_one_of_both_fails_the_other_goes_on() {
    let (sender, [mut one, mut two], mut dials, _) = warm(hedging(), WIDE).await;
    let call = call!(sender.send(get("a")));
    one.expect(&get_frame(NEXT, "a")).await;
    two.expect(&get_frame(1, "a")).await;
    drop(one);
    tokio::time::sleep(SECOND).await;
    assert!(!call.is_finished());
    answer(&mut two, 1, "A").await;
    assert_eq!(within(call).await.unwrap().unwrap(), text("A"));

    let (_, mut one) = dials.accept().await;
    quiet().await;
    let call = call!(sender.send(get("b")));
    one.expect(&get_frame(NEXT + 1, "b")).await;
    two.expect(&get_frame(2, "b")).await;
    drop(two);
    tokio::time::sleep(SECOND).await;
    assert!(!call.is_finished());
    answer(&mut one, NEXT + 1, "B").await;
    assert_eq!(within(call).await.unwrap().unwrap(), text("B"));
}

/// If both fail, it is sent once more, as there are three attempts.
#[tokio::test(start_paused = true)]
async fn a_second_attempt_counts_as_a_retry() {
    let (sender, [mut one, mut two], mut dials, _) = warm(hedging(), WIDE).await;
    let call = call!(sender.send(get("a")));
    one.expect(&get_frame(NEXT, "a")).await;
    two.expect(&get_frame(1, "a")).await;
    drop(one);
    quiet().await;
    drop(two);
    let (member, mut server) = dials.accept().await;
    let seq = if member == 0 { NEXT + 1 } else { 2 };
    server.expect(&get_frame(seq, "a")).await;
    drop(server);
    let error = Error::from(within(call).await.unwrap().unwrap_err());
    assert_eq!(told(error), (ErrorKind::Closed, Origin::Remote, true));
}

/// It moves, as without hedging.
#[tokio::test(start_paused = true)]
async fn a_command_that_was_not_written_moves_when_its_connection_is_lost() {
    let (sender, [mut one, mut two], _dials, _) = warm(hedging().budget(0, 0), 64).await;
    let large = "x".repeat(1000);
    let blocking = call!(sender.send(put(&large)));
    one.receive(10).await;
    let call = call!(sender.send(get("a")));
    quiet().await;
    drop(one);
    within(blocking).await.unwrap().unwrap_err();
    two.expect(&get_frame(1, "a")).await;
    answer(&mut two, 1, "A").await;
    assert_eq!(within(call).await.unwrap().unwrap(), text("A"));
}

/// The first attempt was not sent, the second may have run.
#[tokio::test(start_paused = true)]
async fn the_error_says_that_the_second_attempt_may_have_run() {
    for is_lost in [true, false] {
        let (sender, [mut one, mut two], _dials, _) = warm(hedging(), 64).await;
        let large = "x".repeat(1000);
        let blocking = call!(sender.send(put(&large)));
        one.receive(10).await;
        let call = call!(sender.send(get("a")).timeout(SECOND));
        two.expect(&get_frame(1, "a")).await;
        if is_lost {
            drop(two);
        }
        let error = Error::from(within(call).await.unwrap().unwrap_err());
        assert_eq!(told(error), (ErrorKind::Timeout, Origin::Local, true), "{is_lost}");
        blocking.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_is_shed_leaves_it_to_the_other() {
    for first_is_shed in [true, false] {
        let (sender, [mut one, mut two], _dials, unexpected) = warm(hedging(), WIDE).await;
        let call = call!(sender.send(get("a")));
        one.expect(&get_frame(NEXT, "a")).await;
        two.expect(&get_frame(1, "a")).await;
        let (shedding, answering) =
            if first_is_shed { ((&mut one, NEXT), (&mut two, 1)) } else { ((&mut two, 1), (&mut one, NEXT)) };
        shedding.0.send(&shed_frame(shedding.1)).await;
        tokio::time::sleep(SECOND).await;
        assert!(!call.is_finished());
        answer(answering.0, answering.1, "A").await;
        assert_eq!(within(call).await.unwrap().unwrap(), text("A"), "{first_is_shed}");
        drop(sender);
        one.expect_end().await;
        two.expect_end().await;
        assert_eq!(unexpected.load(Relaxed), 0, "{first_is_shed}");
    }
    // Both are.
    let (sender, [mut one, mut two], _dials, _) = warm(hedging().attempts(2), WIDE).await;
    let call = call!(sender.send(get("a")));
    one.expect(&get_frame(NEXT, "a")).await;
    two.expect(&get_frame(1, "a")).await;
    two.send(&shed_frame(1)).await;
    quiet().await;
    one.send(&shed_frame(NEXT)).await;
    let result = within(call).await.unwrap();
    assert!(matches!(result, Err(CallError::Failed(problem)) if problem.code == Problem::OVERLOADED));
    assert_eq!(sender.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn both_attempts_are_forgotten_when_the_call_is_dropped() {
    let (sender, [mut one, mut two], _dials, unexpected) = warm(hedging(), WIDE).await;
    let call = call!(sender.send(get("a")));
    one.expect(&get_frame(NEXT, "a")).await;
    two.expect(&get_frame(1, "a")).await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    assert_eq!(sender.in_flight(), 0);
    answer(&mut one, NEXT, "A").await;
    answer(&mut two, 1, "A").await;
    quiet().await;
    assert_eq!(unexpected.load(Relaxed), 2);
}

/// What the Replies of second attempts take counts, too. Otherwise servers that become slow would seem to be fast.
#[tokio::test(start_paused = true)]
async fn the_time_follows_what_calls_with_two_attempts_take() {
    let retry = Retry::default().hedge(0.5);
    let (sender, [mut one, mut two], _dials, _) = warm(retry, WIDE).await;
    let mut after = Duration::ZERO;
    for n in 1..=40 {
        let began = Instant::now();
        let call = call!(sender.send(get("a")));
        one.expect(&get_frame(WARM + n, "a")).await;
        two.expect(&get_frame(n, "a")).await;
        after = began.elapsed();
        tokio::time::sleep(100 * MILLISECOND).await;
        answer(&mut two, n, "A").await;
        within(call).await.unwrap().unwrap();
    }
    assert!(after >= 100 * MILLISECOND, "{after:?}");
}

/// Writes down which attempt it is told about.
#[derive(Clone, Default)]
struct Attempts(Log);

impl Attempts {
    fn add(&self, what: &str, about: &About<'_>) {
        let peer = about.peer().expect("there was an attempt");
        let (member, seq) = (about.member().unwrap(), about.seq().unwrap());
        self.0.add(format!("{what}: attempt {}, seq {seq} at {member}, {peer}", about.attempt()));
    }
}

impl Hooks<Store> for Attempts {
    type Call = ();

    fn before_send<C: CommandOf<Store>>(&self, _: &mut C, _: &'static Entry) -> Result<(), Refused> {
        Ok(())
    }

    fn on_hedge(&self, (): &mut (), about: &About<'_>) {
        self.add("hedge", about);
    }

    fn on_reply(&self, (): &mut (), _: &StoreReply, about: &About<'_>) {
        self.add("reply", about);
    }
}

#[tokio::test(start_paused = true)]
async fn hooks_are_told_of_the_second_attempt_and_which_one_was_answered() {
    let (hooks, outer) = (Attempts::default(), Attempts::default());
    let builder = Sender::builder(Store, Counting::default()).retry(hedging());
    let builder = builder.hooks((outer.clone(), hooks.clone()));
    let (sender, [mut one, mut two], _dials) = warm_by(builder, WIDE).await;
    assert_eq!(hooks.0.take().len(), WARM as usize);
    let names = ["a", "b"];
    for (first_answers, n) in [(false, 0), (true, 1)] {
        let call = call!(sender.send(get(names[n as usize])));
        one.expect(&get_frame(NEXT + n, names[n as usize])).await;
        two.expect(&get_frame(1 + n, names[n as usize])).await;
        let (answered, seq, member) =
            if first_answers { (&mut one, NEXT + n, 0) } else { (&mut two, 1 + n, 1) };
        answer(answered, seq, "A").await;
        within(call).await.unwrap().unwrap();
        let told = hooks.0.take();
        assert_eq!(
            told,
            [
                format!("hedge: attempt 2, seq {} at 1, {}", 1 + n, peer(&sender, 1)),
                format!("reply: attempt 2, seq {seq} at {member}, {}", peer(&sender, member)),
            ]
        );
        let told_outer = outer.0.take();
        assert_eq!(told_outer[told_outer.len() - 2..], told);
    }
}

fn peer<H: Hooks<Store>>(sender: &Sender<Store, Counting, H>, member: usize) -> String {
    let member = sender.group().members().nth(member).expect("there is one");
    let Link::Up(peer) = member.link() else { panic!("it has no connection") };
    peer.to_string()
}
