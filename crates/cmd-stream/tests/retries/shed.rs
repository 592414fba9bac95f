//! A server that sheds load has not executed the Command, so another one may.

use cmd_stream::circuit_breaker::{Settings, State};
use cmd_stream::hooks::{About, Hooks, Refused};
use cmd_stream::protocol::{CommandOf, Entry};
use cmd_stream::sender::Retry;
use cmd_stream::{CallError, Error, Problem, Sender};
use testkit::wait::within;

use crate::call;
use crate::scripted::{
    Counting, Log, Store, StoreReply, Text, Watch, answer, builder, connected, get, get_frame, problem_frame,
    put, put_frame, shed_frame, text, watch_frame,
};
use crate::wire::number_frame;

fn is_overloaded(result: Result<Text, CallError<Problem>>) -> bool {
    matches!(result, Err(CallError::Failed(problem)) if problem.code == Problem::OVERLOADED)
}

/// Also one that is not idempotent. That one was not kept encoded.
#[tokio::test(start_paused = true)]
async fn a_command_that_was_shed_goes_to_another_member() {
    let format = Counting::default();
    let settings = Settings::default().window(1).failure_rate(1.0);
    let builder = Sender::builder(Store, format.clone()).breaker(settings);
    let (sender, [mut one, mut two], _dials) = connected(builder).await;
    let call = call!(sender.send(put("a")));
    one.expect(&put_frame(1, "a")).await;
    one.send(&shed_frame(1)).await;
    two.expect(&put_frame(1, "a")).await;
    answer(&mut two, 1, "A").await;
    assert_eq!(within(call).await.unwrap().unwrap(), text("A"));
    assert_eq!(format.encoded(), 2);

    let call = call!(sender.send(get("b")));
    one.expect(&get_frame(2, "b")).await;
    one.send(&shed_frame(2)).await;
    two.expect(&get_frame(2, "b")).await;
    answer(&mut two, 2, "B").await;
    assert_eq!(within(call).await.unwrap().unwrap(), text("B"));
    assert_eq!(format.encoded(), 3);

    // It is not a lost connection, and no failure of the member.
    for member in sender.group().members() {
        assert_eq!((member.counters().lost, member.breaker()), (0, Some(State::Closed)));
    }
    assert_eq!(sender.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn attempts_are_bounded_and_the_last_answer_is_delivered() {
    let (sender, [mut one, mut two], _dials) = connected(builder()).await;
    let call = call!(sender.send(put("a")));
    one.expect(&put_frame(1, "a")).await;
    one.send(&shed_frame(1)).await;
    two.expect(&put_frame(1, "a")).await;
    two.send(&shed_frame(1)).await;
    one.expect(&put_frame(2, "a")).await;
    one.send(&shed_frame(2)).await;
    assert!(is_overloaded(within(call).await.unwrap()));
    drop(sender);
    two.expect_end().await;
}

#[tokio::test(start_paused = true)]
async fn it_is_delivered_at_once_where_nothing_else_can_be_done() {
    // There is one member.
    let (sender, [mut one], _dials) = connected(builder()).await;
    for (seq, command) in [(1, "a"), (2, "b")] {
        let call = call!(sender.send(put(command)));
        one.expect(&put_frame(seq, command)).await;
        one.send(&shed_frame(seq)).await;
        assert!(is_overloaded(within(call).await.unwrap()));
    }
    // The other one has no connection.
    let (sender, [mut one, two], _dials) = connected(builder()).await;
    drop(two);
    tokio::time::sleep(crate::scripted::MILLISECOND).await;
    let call = call!(sender.send(get("a")));
    one.expect(&get_frame(1, "a")).await;
    one.send(&shed_frame(1)).await;
    assert!(is_overloaded(within(call).await.unwrap()));
    // Retries are off, or the budget is spent.
    for retry in [Retry::OFF, Retry::default().budget(0, 0)] {
        let (sender, [mut one, mut two], _dials) = connected(builder().retry(retry)).await;
        let call = call!(sender.send(put("a")));
        one.expect(&put_frame(1, "a")).await;
        one.send(&shed_frame(1)).await;
        assert!(is_overloaded(within(call).await.unwrap()));
        drop(sender);
        two.expect_end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn it_counts_to_the_budget() {
    let retry = Retry::default().budget(0, 1);
    let (sender, [mut one, mut two], _dials) = connected(builder().retry(retry)).await;
    let call = call!(sender.send(put("a")));
    one.expect(&put_frame(1, "a")).await;
    one.send(&shed_frame(1)).await;
    two.expect(&put_frame(1, "a")).await;
    answer(&mut two, 1, "A").await;
    within(call).await.unwrap().unwrap();
    let call = call!(sender.send(put("b")));
    one.expect(&put_frame(2, "b")).await;
    one.send(&shed_frame(2)).await;
    assert!(is_overloaded(within(call).await.unwrap()));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_was_shed_goes_to_another_member_before_its_first_reply() {
    let (sender, [mut one, mut two], _dials) = connected(builder()).await;
    let mut numbers = sender.stream(Watch { to: 2 }).await.unwrap();
    one.expect(&watch_frame(1, 2)).await;
    one.send(&shed_frame(1)).await;
    let reading = tokio::spawn(async move { (numbers.next().await, numbers) });
    two.expect(&watch_frame(1, 2)).await;
    two.send(&[number_frame(1, 1, false), shed_frame(1)].concat()).await;
    let (first, mut numbers) = within(reading).await.unwrap();
    assert_eq!(first.unwrap().unwrap().value, 1);
    let second = within(numbers.next()).await.unwrap();
    assert!(matches!(second, Err(CallError::Failed(problem)) if problem.code == Problem::OVERLOADED));
    assert!(within(numbers.next()).await.is_none());
    assert_eq!(sender.in_flight(), 0);
}

/// Writes down what it is told.
struct Telling(Log);

impl Hooks<Store> for Telling {
    type Call = ();

    fn before_send<C: CommandOf<Store>>(&self, _: &mut C, entry: &'static Entry) -> Result<(), Refused> {
        self.0.add(format!("before {}", entry.name));
        Ok(())
    }

    fn on_reply(&self, (): &mut (), reply: &StoreReply, about: &About<'_>) {
        let code = if let StoreReply::Problem(problem) = reply { problem.code } else { 0 };
        self.0.add(format!("reply {code}, attempt {}", about.attempt()));
    }

    fn on_retry(&self, (): &mut (), error: &Error, about: &About<'_>) {
        self.0.add(format!("retry {:?}, attempt {}", error.kind(), about.attempt()));
    }
}

#[tokio::test(start_paused = true)]
async fn hooks_are_told_of_each_attempt_and_of_the_answer_that_is_delivered() {
    let log = Log::default();
    let (sender, [mut one, mut two], _dials) = connected(builder().hooks(Telling(log.clone()))).await;
    let call = call!(sender.send(put("a")));
    one.expect(&put_frame(1, "a")).await;
    one.send(&shed_frame(1)).await;
    two.expect(&put_frame(1, "a")).await;
    two.send(&problem_frame(1, Problem::NOT_FOUND)).await;
    within(call).await.unwrap().unwrap_err();
    assert_eq!(log.take(), ["before Put", "retry Remote, attempt 1", "reply 13, attempt 2"]);
}
