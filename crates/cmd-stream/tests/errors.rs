//! Errors: each says its own level, sources say the rest, and a failure keeps its type wherever it is passed on.

use std::error::Error as StdError;

use cmd_stream::protocol::FailedReason;
use cmd_stream::{
    Answer, CallError, Client, Context, Error, ErrorKind, Failed, Failure, Json, Origin, Problem, Server,
    protocol,
};
use serde::{Deserialize, Serialize};
use testkit::ends::{both, client_and_bytes, json_frame, server_and_bytes};
use testkit::wait::within;
use tokio::sync::mpsc;

#[derive(Debug, PartialEq, Serialize, Deserialize, Failure)]
struct NoMoney {
    message: String,
}

fn no_money() -> NoMoney {
    NoMoney { message: "no money".into() }
}

/// The text of each level.
fn levels(error: &(dyn StdError + 'static)) -> Vec<String> {
    std::iter::successors(Some(error), |&error| error.source()).map(ToString::to_string).collect()
}

/// No level says what its source says.
fn check_levels(error: &(dyn StdError + 'static)) -> Vec<String> {
    let levels = levels(error);
    for (level, source) in levels.iter().zip(&levels[1..]) {
        assert!(!level.contains(source.as_str()), "`{level}` says what its source says: {levels:?}");
    }
    levels
}

#[derive(Serialize, Deserialize)]
struct Pay(f64);
#[derive(Debug, Serialize, Deserialize)]
struct Paid(u32);

struct Bank;

impl Answer<Bank> for Pay {
    async fn answer(self, _: &Bank, _: &Context<'_>) -> Result<Paid, Failed> {
        if self.0 > 1000.0 { Err(no_money().into()) } else { Ok(Paid(1)) }
    }
}

protocol! {
    struct Payments {
        commands { 0 => Pay -> Paid }
        replies { 0 => Paid, 1 => NoMoney }
        failure NoMoney
    }
}

#[tokio::test]
async fn a_failure_is_typed_and_adds_nothing_to_its_own_text() {
    let (client, _) = both(Server::builder(Payments, Json, Bank), Client::builder(Payments, Json)).await;
    let error = within(client.send(Pay(2000.0))).await.expect_err("there is no money");
    assert_eq!(levels(&error), ["no money"]);
    let CallError::Failed(failure) = &error else { panic!("{error:?}") };
    assert_eq!(*failure, no_money());
    let error = Error::from(error);
    assert_eq!((error.kind(), error.origin(), error.was_sent()), (ErrorKind::Remote, Origin::Remote, true));
    assert_eq!(check_levels(&error), ["no money"]);
    assert_eq!(error.remote::<NoMoney>(), Some(&no_money()));
    assert_eq!(format!("{error:#}"), "no money");
}

#[tokio::test]
async fn no_error_says_what_its_source_says() {
    let (client, _) = both(Server::builder(Payments, Json, Bank), Client::builder(Payments, Json)).await;
    let encode = within(client.send(Pay(f64::NAN))).await.expect_err("JSON has no NaN");
    assert!(check_levels(&encode).len() > 1, "{encode:#}");

    let refused = Client::connect("127.0.0.1:1", Payments, Json).await.expect_err("nobody listens");
    assert_eq!(check_levels(&refused)[0], "cannot connect to 127.0.0.1:1");

    let (client, mut server) = client_and_bytes(Client::builder(Payments, Json), 1 << 16).await;
    let answer = async {
        server.receive(1).await;
        server.send(&json_frame(1, 0, "\"x\"")).await;
    };
    let (decode, ()) = within(async { tokio::join!(client.send(Pay(1.0)), answer) }).await;
    let decode = decode.expect_err("it is no number");
    let texts = check_levels(&decode);
    assert_eq!(texts[..2], ["invalid reply", "the body cannot be decoded (after 6 bytes of the frame)"]);
    assert!(texts[2].contains("expected u32"), "{texts:?}");

    let (lost, mut reasons) = mpsc::unbounded_channel();
    let server = Server::builder(Payments, Json, Bank).on_connection_lost(move |gone| {
        let _ = lost.send(gone.reason.clone());
    });
    let (_, mut client) = server_and_bytes(server).await;
    client.send(&json_frame(1, 0, "[]")).await;
    check_levels(&within(reasons.recv()).await.expect("the connection is lost"));
}

/// What a Command passes on that calls another service: through `CallError`, and through `Error`.
fn through_call_error() -> Result<(), Failed> {
    let called: Result<(), CallError<NoMoney>> = Err(CallError::Failed(no_money()));
    Ok(called?)
}

fn through_error() -> Result<(), Failed> {
    fn call() -> Result<(), Error> {
        let called: Result<(), CallError<NoMoney>> = Err(CallError::Failed(no_money()));
        Ok(called?)
    }
    Ok(call()?)
}

fn through_both() -> Result<(), Failed> {
    let other: CallError<NoMoney> = Error::from(CallError::Failed(no_money())).into();
    assert!(matches!(other, CallError::Other(_)));
    Err(other)?
}

#[test]
fn a_failure_that_is_forwarded_keeps_its_type() {
    for forwarded in [through_call_error, through_error, through_both] {
        let failed = forwarded().expect_err("it fails");
        assert_eq!(failed.reason(), FailedReason::Error);
        assert_eq!(failed.downcast_ref::<NoMoney>(), Some(&no_money()));
        assert_eq!(failed.into_failure::<NoMoney>(), no_money());
    }
    // One that somebody else holds cannot be taken out; its text is not lost.
    let error = Error::from(CallError::Failed(no_money()));
    let _held = error.clone();
    let failed = Failed::from(error);
    assert_eq!(failed.downcast_ref::<NoMoney>(), Some(&no_money()));
    assert_eq!(failed.into_failure::<NoMoney>().message, "no money");
    // So does one for which another Protocol has another type.
    let failed = Failed::from(Error::from(CallError::Failed(no_money())));
    assert_eq!(failed.into_failure::<Problem>(), Problem::new(Problem::FAILED, "no money"));
}

#[test]
fn without_a_failure_ok_and_other_are_all_there_is() {
    protocol! {
        struct Strict {
            commands { 0 => Pay }
            replies { 0 => Paid }
            failure close_connection
        }
    }
    fn kind(
        result: Result<Paid, CallError<<Strict as cmd_stream::protocol::Protocol>::Failure>>,
    ) -> Option<ErrorKind> {
        match result {
            Ok(Paid(_)) => None,
            Err(CallError::Other(error)) => Some(error.kind()),
        }
    }
    assert_eq!(kind(Ok(Paid(1))), None);
    assert_eq!(
        kind(Err(Error::new(ErrorKind::Timeout, Origin::Local, "late").into())),
        Some(ErrorKind::Timeout)
    );
}
