//! Calls are futures: small, movable, and taken by whatever takes futures.

use std::time::Duration;

use cmd_stream::sender::SendCommand;
use cmd_stream::testing::Script;
use cmd_stream::{CallError, Client, Error, ErrorKind, Json, Problem, Reply, Sender, ServerInfo, protocol};
use futures_util::future::{FutureExt, join_all, select};
use futures_util::{StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use testkit::wait::within;

#[derive(Serialize, Deserialize)]
struct Add {
    a: i64,
    b: i64,
}
#[derive(Serialize, Deserialize)]
struct Count(u32);
#[derive(Serialize, Deserialize)]
struct Note(String);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Sum(i64);
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Number {
    value: u32,
    last: bool,
}

impl Reply for Number {
    fn is_last(&self) -> bool {
        self.last
    }
}

protocol! {
    struct Calculator {
        commands { 0 => Add -> Sum, 1 => Count -> Number, 2 => Note -> () }
        replies { 0 => Sum, 1 => Number, 2 => Problem }
        failure Problem
    }
}

/// Adds and counts; refuses sums over 100; answers none of -1.
async fn client() -> Client<Calculator, Json> {
    let script = Script::new(Calculator, Json, |command| match command {
        CalculatorCommand::Add(Add { a: -1, .. }) | CalculatorCommand::Note(_) => vec![],
        CalculatorCommand::Add(Add { a, b }) if a + b > 100 => {
            vec![CalculatorReply::Problem(Problem::new(1000, "too much"))]
        }
        CalculatorCommand::Add(Add { a, b }) => vec![CalculatorReply::Sum(Sum(a + b))],
        CalculatorCommand::Count(Count(to)) => {
            (1..=*to).map(|value| CalculatorReply::Number(Number { value, last: value == *to })).collect()
        }
    });
    within(Client::builder(Calculator, Json).connect_by(script.start())).await.expect("the script greets")
}

#[tokio::test]
async fn join_all_select_timeout_boxed_and_spawn_take_them() {
    let client = client().await;
    let sums = within(join_all((0..10).map(|n| client.send(Add { a: n, b: 1 })))).await;
    let sums: Vec<_> = sums.into_iter().map(|sum| sum.expect("a reply").0).collect();
    assert_eq!(sums, (1..=10).collect::<Vec<_>>());

    let boxed = client.send(Add { a: 2, b: 3 }).boxed();
    assert_eq!(within(boxed).await.expect("a reply"), Sum(5));

    let never = client.send(Add { a: -1, b: 0 });
    let first = within(select(never, client.send(Add { a: 1, b: 1 }))).await;
    let (answer, _) = first.factor_first();
    assert_eq!(answer.expect("a reply"), Sum(2));

    let never = client.send(Add { a: -1, b: 0 });
    assert!(tokio::time::timeout(Duration::from_millis(5), never).await.is_err());
    assert_eq!(client.in_flight(), 0, "a call that is dropped is forgotten");

    let spawned = tokio::spawn({
        let client = client.clone();
        async move { client.send(Add { a: 4, b: 4 }).await }
    });
    assert_eq!(within(spawned).await.expect("no panic").expect("a reply"), Sum(8));
}

#[tokio::test]
async fn they_are_small_and_may_be_moved_while_they_wait() {
    fn check<T: Unpin + Send>(what: &T) -> usize {
        size_of_val(what)
    }
    let client = client().await;
    assert_eq!(size_of::<Add>(), 16);
    assert!(check(&client.send(Add { a: 1, b: 1 })) <= 64);
    assert!(check(&client.stream(Count(3))) <= 112); // it has three limits
    assert!(check(&client.post(Note(String::new()))) <= 64);
}

#[tokio::test]
#[should_panic(expected = "a call was polled after it was done")]
async fn polled_after_its_end_it_panics_and_does_not_send_again() {
    let client = client().await;
    let mut call = client.send(Add { a: 1, b: 1 });
    within(&mut call).await.expect("a reply");
    let _ = within(&mut call).await;
}

/// Code that knows neither client nor network.
async fn total<S>(sender: &S, to: u32) -> Result<i64, CallError<Problem>>
where
    S: SendCommand<Count, Failure = Problem> + SendCommand<Add, Failure = Problem> + ?Sized,
{
    let mut total = 0;
    let mut numbers = sender.stream(Count(to)).await?;
    while let Some(number) = numbers.next().await {
        total = sender.send(Add { a: total, b: number?.value.into() }).await?.0;
    }
    Ok(total)
}

#[tokio::test]
async fn a_client_and_a_sender_are_what_code_may_ask_for() {
    let client = client().await;
    assert_eq!(within(total(&client, 4)).await.expect("it is small"), 10);
    let sender = Sender::from(client.clone());
    assert_eq!(within(total(&sender, 5)).await.expect("it is small"), 15);
    let failed = within(total(&sender, 50)).await.expect_err("it is over 100");
    assert!(matches!(failed, CallError::Failed(problem) if problem.message == "too much"));

    let shared = std::sync::Arc::new(sender.clone());
    assert_eq!(within(total(&shared, 3)).await.expect("it is small"), 6, "what points to one is one");
    let object: Box<dyn SendCommand<Note, Failure = Problem>> = Box::new(&sender);
    within(object.post(Note("hi".into()))).await.expect("it is written");
    let adders: [Box<dyn SendCommand<Add, Failure = Problem>>; 2] =
        [Box::new(client), Box::new(sender.clone())];
    for adder in &adders {
        assert_eq!(within(adder.send(Add { a: 1, b: 2 })).await.expect("it is small"), Sum(3));
        let failed = Error::from(within(adder.send(Add { a: 99, b: 2 })).await.expect_err("it is over 100"));
        assert_eq!(failed.kind(), ErrorKind::Remote);
    }
}

#[tokio::test]
async fn a_fake_implements_what_is_used_and_the_rest_fails() {
    struct Fake;
    impl SendCommand<Add> for Fake {
        type Failure = Problem;

        fn send(&self, Add { a, b }: Add) -> cmd_stream::sender::Replied<'_, Sum, Problem> {
            Box::pin(async move { Ok(Sum(a + b)) })
        }
    }
    let fake: &dyn SendCommand<Add, Failure = Problem> = &Fake;
    assert_eq!(fake.send(Add { a: 1, b: 2 }).await.expect("it is a fake"), Sum(3));
    let error = fake.stream(Add { a: 1, b: 2 }).await.err().expect("it is not implemented");
    assert_eq!(error.to_string(), "this fake does not implement `stream` for the command");
}

#[tokio::test]
async fn a_script_goes_through_the_wire_and_greets_as_it_is_told() {
    let info = ServerInfo::of::<Calculator, Json>();
    let script = Script::new(Calculator, Json, |_| [CalculatorReply::Sum(Sum(1))]).server_info(info.clone());
    let connector = script.start();
    let mismatch = Client::builder(Calculator, Json).connect_by(connector.clone()).await;
    assert_eq!(mismatch.expect_err("it greets otherwise").kind(), ErrorKind::ServerInfoMismatch);
    let client = Client::builder(Calculator, Json).server_info(info);
    let client = within(client.connect_by(connector)).await.expect("the script greets");
    // A Reply that the Command does not declare.
    let error = within(client.send(Count(1))).await.expect_err("it is a Sum");
    assert!(matches!(error, CallError::Other(error) if error.kind() == ErrorKind::Protocol));
}

#[tokio::test]
async fn a_script_that_panics_closes_the_connection() {
    let script = Script::new(Calculator, Json, |_| -> [CalculatorReply; 0] { panic!("as asked") });
    let client =
        within(Client::builder(Calculator, Json).connect_by(script.start())).await.expect("it greets");
    let error = Error::from(within(client.send(Count(1))).await.expect_err("it panics"));
    assert_eq!(error.kind(), ErrorKind::Closed);
}

#[tokio::test]
async fn a_stream_of_replies_is_a_stream() {
    let client = client().await;
    let numbers: Vec<_> =
        within(async { client.stream(Count(3)).await?.try_collect().await }).await.expect("all come");
    let values: Vec<_> = numbers.into_iter().map(|number: Number| number.value).collect();
    assert_eq!(values, [1, 2, 3]);
}
