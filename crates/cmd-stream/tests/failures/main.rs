//! What happens when a Command fails or user code panics: with and without a failure declared in the Protocol, and for
//! Commands that run in place and in a task of their own.

mod after_the_last_reply;
mod callers;
mod declared;
mod failed;
mod undeclared;
mod user_code;
mod while_making_the_failure;

use serde::ser::SerializeTuple;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use cmd_stream::format::Encode;
use cmd_stream::protocol::kind::{HasReply, Plain};
use cmd_stream::protocol::{ClientProtocol, CommandOf, FailedReason};
use cmd_stream::server::Scheduling;
use cmd_stream::{
    CallError, Client, Command, Error, ErrorKind, Execute, Failed, Failure, Json, Origin, Proxy, Reply,
    Server, protocol, server,
};
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use testkit::ends::both;
use testkit::wait::within;
use tokio::sync::{Semaphore, mpsc};

// A Command that follows a script, step by step.

/// What a value does when it is encoded, decoded, or asked whether it is the last Reply.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
enum Mood {
    Fine,
    /// After this many bytes.
    EncodeFails(usize),
    EncodePanics(usize),
    DecodeFails,
    DecodePanics,
    IsLastPanics,
}
use Mood::{DecodeFails, DecodePanics, EncodeFails, EncodePanics, Fine, IsLastPanics};

/// A value that behaves as its mood says.
#[derive(PartialEq, Debug)]
struct Touchy(Mood);

impl Serialize for Touchy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (code, before) = match self.0 {
            Fine => (0, 0),
            DecodeFails => (1, 0),
            DecodePanics => (2, 0),
            IsLastPanics => (3, 0),
            EncodeFails(bytes) | EncodePanics(bytes) => (4, bytes),
        };
        let mut tuple = serializer.serialize_tuple(2)?;
        tuple.serialize_element(&"x".repeat(before))?;
        match self.0 {
            EncodeFails(_) => return Err(S::Error::custom("it does not want to be encoded")),
            EncodePanics(_) => panic!("it panics when it is encoded"),
            _ => {}
        }
        tuple.serialize_element(&code)?;
        tuple.end()
    }
}

impl<'de> Deserialize<'de> for Touchy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match <(String, u8)>::deserialize(deserializer)?.1 {
            0 => Ok(Self(Fine)),
            2 => panic!("it panics when it is decoded"),
            3 => Ok(Self(IsLastPanics)),
            _ => Err(D::Error::custom("it does not want to be decoded")),
        }
    }
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Step {
    /// Sends a Reply that is not the last one.
    Send(Mood),
    /// Sends the last Reply.
    Last(Mood),
    /// Tries to send a last Reply, expects a refusal, and continues.
    Refused(Mood),
    /// Fails with any error, by `?`.
    Error,
    /// Fails with the Protocol's failure, by `?`.
    Typed,
    Panic,
    /// Makes the Receiver panic while it holds a lock.
    ReceiverPanics,
    /// Waits for a permit from the test.
    Wait,
}

#[derive(Serialize, Deserialize)]
struct Probe<const IN_PLACE: bool> {
    note: Touchy,
    steps: Vec<Step>,
}

#[derive(PartialEq, Debug, Serialize, Deserialize)]
struct Report {
    note: Touchy,
    last: bool,
}

impl Reply for Report {
    fn is_last(&self) -> bool {
        assert!(self.note.0 != IsLastPanics, "it panics when it is asked");
        self.last
    }
}

impl<const IN_PLACE: bool> Command for Probe<IN_PLACE> {
    type Reply = Report;
    type Kind = Plain;
}

/// The Receiver.
#[derive(Clone, Default)]
struct Lab {
    shared: Arc<Shared>,
}

struct Shared {
    gate: Semaphore,
    refusals: Mutex<Vec<String>>,
}

impl Default for Shared {
    fn default() -> Self {
        Self { gate: Semaphore::new(0), refusals: Mutex::default() }
    }
}

impl Lab {
    fn explode(&self) {
        let _held = self.shared.refusals.lock();
        panic!("the receiver panics");
    }

    fn refusals(&self) -> Vec<String> {
        self.shared.refusals.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl<const IN_PLACE: bool> Execute<Lab> for Probe<IN_PLACE> {
    const SCHEDULING: Scheduling = if IN_PLACE { Scheduling::InPlace } else { Scheduling::Spawned };

    async fn execute(self, lab: &Lab, proxy: Proxy<'_, Report>) -> Result<(), Failed> {
        for step in self.steps {
            match step {
                Step::Send(mood) => proxy.send(Report { note: Touchy(mood), last: false }).await?,
                Step::Last(mood) => proxy.send(Report { note: Touchy(mood), last: true }).await?,
                Step::Refused(mood) => {
                    let refusal = proxy
                        .send(Report { note: Touchy(mood), last: true })
                        .await
                        .expect_err("it is refused");
                    lab.shared
                        .refusals
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(format!("{refusal:#}"));
                }
                Step::Error => drop("many".parse::<i64>()?),
                Step::Typed => Err(CalcError { text: "typed".into(), made_of: None })?,
                Step::Panic => panic!("the command panics"),
                Step::ReceiverPanics => lab.explode(),
                Step::Wait => lab.shared.gate.acquire().await?.forget(),
            }
        }
        Ok(())
    }
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct CalcError {
    text: String,
    /// How the Command failed, unless it failed with this very type.
    made_of: Option<String>,
}

impl fmt::Display for CalcError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for CalcError {}

impl Failure for CalcError {
    fn from_failed(failed: &Failed) -> Self {
        Self { text: format!("{failed:#}"), made_of: Some(format!("{:?}", failed.reason())) }
    }
}

protocol! {
    /// Failures are Replies.
    struct Typed {
        commands { 0 => Probe<false> as Spawned, 1 => Probe<true> as InPlace }
        replies { 0 => Report, 1 => CalcError }
        failure CalcError
    }
}

protocol! {
    /// A failure ends the connection.
    struct Bare {
        commands { 0 => Probe<false> as Spawned, 1 => Probe<true> as InPlace }
        replies { 0 => Report }
        failure close_connection
    }
}

const WAYS: [bool; 2] = [false, true];
const BIG: usize = 40_000;

async fn send<P>(
    client: &Client<P, Json>,
    in_place: bool,
    steps: &[Step],
) -> Result<Report, CallError<P::Failure>>
where
    P: ClientProtocol<Json>,
    Probe<false>: CommandOf<P>,
    Probe<true>: CommandOf<P>,
{
    let steps = steps.to_vec();
    within(async {
        if in_place {
            client.send(Probe::<true> { note: Touchy(Fine), steps }).await
        } else {
            client.send(Probe::<false> { note: Touchy(Fine), steps }).await
        }
    })
    .await
}

/// Reads a stream to its end. Returns the number of Replies and the final error, if any.
async fn stream<P>(
    client: &Client<P, Json>,
    in_place: bool,
    steps: &[Step],
) -> (usize, Option<CallError<P::Failure>>)
where
    P: ClientProtocol<Json>,
    Probe<false>: CommandOf<P>,
    Probe<true>: CommandOf<P>,
{
    async fn read<P: ClientProtocol<Json>, C: CommandOf<P, Kind: HasReply>>(
        client: &Client<P, Json>,
        command: C,
    ) -> (usize, Option<CallError<P::Failure>>)
    where
        Json: Encode<C>,
    {
        let mut stream = client.stream(command).await.expect("the command can be sent");
        let mut replies = 0;
        while let Some(reply) = stream.next().await {
            match reply {
                Ok(_) => replies += 1,
                Err(error) => {
                    assert!(stream.next().await.is_none(), "an error is the end of a stream");
                    return (replies, Some(error));
                }
            }
        }
        (replies, None)
    }
    let steps = steps.to_vec();
    if in_place {
        within(read(client, Probe::<true> { note: Touchy(Fine), steps })).await
    } else {
        within(read(client, Probe::<false> { note: Touchy(Fine), steps })).await
    }
}

const GOOD: &[Step] = &[Step::Last(Fine)];
const GOOD_REPORT: Report = Report { note: Touchy(Fine), last: true };

async fn typed() -> (Client<Typed, Json>, server::Handle) {
    both(Server::builder(Typed, Json, Lab::default()), Client::builder(Typed, Json)).await
}

/// Returns the failure that the call was answered with, and checks that converting it to `Error` keeps it.
fn remote(error: CallError<CalcError>) -> CalcError {
    let CallError::Failed(failure) = error.clone() else { panic!("{error:?}") };
    let error = Error::from(error);
    assert_eq!(
        (error.kind(), error.origin(), error.was_sent()),
        (ErrorKind::Remote, Origin::Remote, true),
        "{error:?}"
    );
    assert_eq!(error.remote::<CalcError>(), Some(&failure));
    failure
}

/// Returns the error of a call that was not answered with a failure.
#[track_caller]
fn other<F: fmt::Debug>(error: CallError<F>) -> Error {
    match error {
        CallError::Failed(failure) => panic!("the server answered: {failure:?}"),
        CallError::Other(error) => error,
    }
}

fn made_of(reason: FailedReason, text: &str) -> CalcError {
    CalcError { text: text.into(), made_of: Some(format!("{reason:?}")) }
}

/// Checks that the steps end with this failure and that the connection stays open.
async fn fails_as_a_value(steps: &[Step], failure: CalcError) {
    for in_place in WAYS {
        let (client, server) = typed().await;
        let error = send(&client, in_place, steps).await.expect_err("it fails");
        assert_eq!(remote(error), failure, "in place: {in_place}");

        let mut after_replies = vec![Step::Send(Fine), Step::Send(Fine)];
        after_replies.extend_from_slice(steps);
        let (replies, error) = stream(&client, in_place, &after_replies).await;
        assert_eq!((replies, remote(error.expect("it fails"))), (2, failure.clone()), "in place: {in_place}");

        assert_eq!(send(&client, in_place, GOOD).await.expect("the connection goes on"), GOOD_REPORT);
        assert_eq!(client.in_flight(), 0);
        let counters = server.counters();
        assert_eq!((counters.failed, counters.failed_after_last_reply), (2, 0));
        let panics = if failure.made_of.as_deref() == Some("Panic") { 2 } else { 0 };
        assert_eq!(counters.panicked, panics);
    }
}

/// A connection that a server has lost.
struct Loss {
    id: u64,
    reason: Error,
}

/// Returns a server without a declared failure, and a channel of the connections it lost.
fn bare() -> (server::Builder<Bare, Json, Lab>, mpsc::UnboundedReceiver<Loss>) {
    let (losses, lost) = mpsc::unbounded_channel();
    let server = Server::builder(Bare, Json, Lab::default()).on_connection_lost(move |lost| {
        let _ = losses.send(Loss { id: lost.connection.id(), reason: lost.reason.clone() });
    });
    (server, lost)
}
