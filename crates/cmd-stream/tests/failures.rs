//! What becomes of a Command that fails, and of user code that panics: with a failure declared in the Protocol, without
//! one, and in both ways of running a Command.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use cmd_stream::format::Encode;
use cmd_stream::proto::frame::Seq;
use cmd_stream::protocol::kind::{HasReply, Plain};
use cmd_stream::protocol::{ClientProtocol, CommandOf, FailedReason};
use cmd_stream::server::{Scheduling, ServerProtocol};
use cmd_stream::{
    Answer, CallError, Client, Command, Context, Error, ErrorKind, Execute, Failed, Failure, Json, Origin,
    Proxy, Reply, Server, client, protocol, server,
};
use serde::de::Error as _;
use serde::ser::{Error as _, SerializeTuple};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use testkit::ends::{both, client_and_bytes, json_frame, serve_in_memory, server_and_bytes};
use testkit::wait::{until, within};
use tokio::sync::{Semaphore, mpsc};

// A Command that does what it is told, step by step.

/// What a value does when it is encoded, decoded or asked.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
enum Mood {
    Fine,
    /// After so many bytes.
    EncodeFails(usize),
    EncodePanics(usize),
    DecodeFails,
    DecodePanics,
    IsLastPanics,
}
use Mood::{DecodeFails, DecodePanics, EncodeFails, EncodePanics, Fine, IsLastPanics};

/// A value that is in that mood.
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
    /// Tries to send a last Reply, which must be refused, and goes on.
    Refused(Mood),
    /// Fails with any error, by `?`.
    Error,
    /// Fails with the Protocol's failure, by `?`.
    Typed,
    Panic,
    /// Has the Receiver panic, which holds a lock then.
    ReceiverPanics,
    /// Waits until the test lets it go on.
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

/// All that a stream gives: how many Replies, and the error at its end.
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

/// The failure that a call was answered with; as an `Error` it is the same one.
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

/// The error of a call that was not answered with a failure.
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

/// The steps end with this failure, and the connection goes on.
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

// With a failure declared.

#[tokio::test(start_paused = true)]
async fn any_error_by_question_mark_arrives_as_the_declared_failure() {
    fails_as_a_value(&[Step::Error], made_of(FailedReason::Error, "invalid digit found in string")).await;
}

#[tokio::test(start_paused = true)]
async fn the_failures_own_type_by_question_mark_arrives_unchanged() {
    fails_as_a_value(&[Step::Typed], CalcError { text: "typed".into(), made_of: None }).await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_a_command_arrives_as_the_declared_failure() {
    fails_as_a_value(&[Step::Panic], made_of(FailedReason::Panic, "panic: the command panics")).await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_the_receiver_arrives_as_the_declared_failure() {
    fails_as_a_value(&[Step::ReceiverPanics], made_of(FailedReason::Panic, "panic: the receiver panics"))
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_command_without_a_last_reply_is_answered_with_the_declared_failure() {
    fails_as_a_value(&[], made_of(FailedReason::NoLastReply, "the command ended without a last reply")).await;
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_cannot_be_encoded_fails_its_command() {
    let text = "the reply cannot be encoded: it does not want to be encoded";
    fails_as_a_value(&[Step::Last(EncodeFails(10))], made_of(FailedReason::Error, text)).await;
}

#[tokio::test(start_paused = true)]
async fn a_reply_whose_encoding_panics_fails_its_command() {
    let text = "panic in encoding a reply: it panics when it is encoded";
    fails_as_a_value(&[Step::Last(EncodePanics(10))], made_of(FailedReason::Error, text)).await;
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_panics_when_asked_whether_it_is_the_last_fails_its_command() {
    let text = "panic in encoding a reply: it panics when it is asked";
    fails_as_a_value(&[Step::Last(IsLastPanics)], made_of(FailedReason::Error, text)).await;
}

#[tokio::test(start_paused = true)]
async fn a_failure_leaves_the_other_commands_of_its_connection_alone() {
    for in_place in WAYS {
        let lab = Lab::default();
        let server = Server::builder(Typed, Json, lab.clone());
        let (client, server) = both(server, Client::builder(Typed, Json)).await;
        let waiting = send(&client, in_place, &[Step::Wait, Step::Last(Fine)]);
        let failing = async {
            for steps in [&[Step::Panic][..], &[Step::Error], &[], &[Step::ReceiverPanics]] {
                send(&client, in_place, steps).await.expect_err("it fails");
            }
            lab.shared.gate.add_permits(1);
        };
        let (reply, ()) = tokio::join!(waiting, failing);
        assert_eq!(reply.expect("it is unaffected"), GOOD_REPORT);
        assert_eq!(server.counters().failed, 4);
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_stands_on_the_wire_as_an_ordinary_reply() {
    let (_server, mut peer) = server_and_bytes(Server::builder(Typed, Json, Lab::default())).await;
    peer.send(&json_frame(1, 0, r#"{"note":["",0],"steps":["Typed"]}"#)).await;
    peer.expect(&json_frame(1, 1, r#"{"text":"typed","made_of":null}"#)).await;
    peer.send(&json_frame(2, 1, r#"{"note":["",0],"steps":["Typed"]}"#)).await;
    peer.expect(&json_frame(2, 1, r#"{"text":"typed","made_of":null}"#)).await;
}

#[tokio::test(start_paused = true)]
async fn a_failure_of_another_type_than_asked_for_is_not_given() {
    let (client, _server) = typed().await;
    let error = Error::from(send(&client, false, &[Step::Typed]).await.expect_err("it fails"));
    assert!(error.remote::<std::num::ParseIntError>().is_none());
    // The error adds nothing to the failure.
    assert_eq!((error.to_string(), format!("{error:#}")), ("typed".into(), "typed".into()));
    assert!(std::error::Error::source(&error).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_failure_for_a_call_that_has_its_reply_is_unexpected() {
    let (unexpected, mut arrived) = mpsc::unbounded_channel();
    let client = Client::builder(Typed, Json).on_unexpected_reply(move |seq, reply| {
        let _ = unexpected.send((seq, matches!(reply, TypedReply::CalcError(_))));
    });
    let (client, _server) = both(Server::builder(Typed, Json, Lab::default()), client).await;
    send(&client, false, &[Step::Send(Fine), Step::Typed]).await.expect("the first reply");
    assert_eq!(within(arrived.recv()).await, Some((Seq::FIRST, true)));
}

// After the last Reply.

#[tokio::test(start_paused = true)]
async fn a_failure_after_the_last_reply_is_only_counted() {
    async fn check<P>(protocol: P)
    where
        P: ServerProtocol<Json, Lab> + ClientProtocol<Json>,
        Probe<false>: CommandOf<P>,
        Probe<true>: CommandOf<P>,
    {
        let (client, server) =
            both(Server::builder(protocol, Json, Lab::default()), Client::builder(protocol, Json)).await;
        for in_place in WAYS {
            for last in [Step::Error, Step::Panic, Step::Typed] {
                let reply = send(&client, in_place, &[Step::Last(Fine), last]).await;
                assert_eq!(reply.expect("it had been sent"), GOOD_REPORT);
            }
        }
        send(&client, false, GOOD).await.expect("the connection goes on");
        until(|| server.counters().failed_after_last_reply == 6).await;
        assert_eq!(server.counters().failed, 0);
    }
    check(Typed).await;
    check(Bare).await;
}

#[tokio::test(start_paused = true)]
async fn a_reply_after_the_last_one_is_refused() {
    let lab = Lab::default();
    let (server, mut peer) = server_and_bytes(Server::builder(Bare, Json, lab.clone())).await;
    let steps = r#"{"note":["",0],"steps":[{"Last":"Fine"},{"Refused":"Fine"}]}"#;
    peer.send(&[json_frame(1, 0, steps), json_frame(2, 1, steps)].concat()).await;
    let reply = |seq| json_frame(seq, 0, r#"{"note":["",0],"last":true}"#);
    let mut replies = [peer.receive(reply(1).len()).await, peer.receive(reply(2).len()).await];
    replies.sort();
    assert_eq!(replies, [reply(1), reply(2)]);
    until(|| lab.refusals().len() == 2).await;
    assert_eq!(lab.refusals(), ["a reply after the last one"; 2]);
    peer.send(&[0]).await;
    peer.expect(&[0]).await;
    assert_eq!(server.counters().replies, 2);
}

// Without a failure declared.

/// A connection that a server has lost.
struct Loss {
    id: u64,
    reason: Error,
}

/// A server without a declared failure, and what it says of its lost connections.
fn bare() -> (server::Builder<Bare, Json, Lab>, mpsc::UnboundedReceiver<Loss>) {
    let (losses, lost) = mpsc::unbounded_channel();
    let server = Server::builder(Bare, Json, Lab::default()).on_connection_lost(move |lost| {
        let _ = losses.send(Loss { id: lost.connection.id(), reason: lost.reason.clone() });
    });
    (server, lost)
}

#[tokio::test(start_paused = true)]
async fn without_a_declared_failure_the_connection_closes_and_both_sides_know_why() {
    let cases: [(&[Step], &str); 5] = [
        (&[Step::Error], "invalid digit found in string"),
        (&[Step::Typed], "typed"),
        (&[Step::Panic], "panic: the command panics"),
        (&[], "the command ended without a last reply"),
        (&[Step::Last(EncodeFails(3))], "the reply cannot be encoded: it does not want to be encoded"),
    ];
    for in_place in WAYS {
        for (steps, reason) in cases {
            let (server, mut losses) = bare();
            let (connector, server) = serve_in_memory(server);
            let client = Client::builder(Bare, Json).connect_by(connector.clone()).await.expect("a client");
            let bystander = Client::builder(Bare, Json).connect_by(connector).await.expect("another client");
            send(&client, in_place, GOOD).await.expect("a connection");

            let error = other(send(&client, in_place, steps).await.expect_err("it fails"));
            assert_eq!(
                (error.kind(), error.origin(), error.was_sent()),
                (ErrorKind::Closed, Origin::Remote, true),
                "{error:?}"
            );
            assert_eq!(within(client.closed()).await.kind(), ErrorKind::Closed);
            let lost = within(losses.recv()).await.expect("a loss");
            assert_eq!((lost.id, lost.reason.kind()), (1, ErrorKind::Execution));
            let name = if in_place { "InPlace" } else { "Spawned" };
            let failed = format!("the command {name} with seq 2 failed");
            assert_eq!(lost.reason.to_string(), failed);
            assert_eq!(format!("{:#}", lost.reason), format!("{failed}: {reason}"));

            send(&bystander, in_place, GOOD).await.expect("other connections go on");
            assert_eq!(server.counters().failed, 1);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_replied_before_a_failure_is_written_before_the_connection_closes() {
    for tag in [0, 1] {
        let (server, mut peer) = server_and_bytes(bare().0).await;
        let good = r#"{"note":["",0],"steps":[{"Send":"Fine"},{"Last":"Fine"}]}"#;
        let bad = r#"{"note":["",0],"steps":[{"Send":"Fine"},"Error"]}"#;
        let reply = |seq, last| json_frame(seq, 0, &format!(r#"{{"note":["",0],"last":{last}}}"#));
        peer.send(&[json_frame(1, tag, good), json_frame(2, tag, good)].concat()).await;
        until(|| server.counters().replies == 4).await; // all four are in the output, or beyond it
        peer.send(&json_frame(3, tag, bad)).await;
        let written = peer.rest().await;
        for (seq, last) in [(1, false), (1, true), (2, false), (2, true), (3, false)] {
            let reply = reply(seq, last);
            assert!(written.windows(reply.len()).any(|bytes| bytes == reply), "reply of {seq} is missing");
        }
        assert_eq!(written.len(), 2 * reply(1, true).len() + 3 * reply(1, false).len());
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_written_after_the_failure_that_closes_the_connection() {
    let (server, mut losses) = bare();
    let (_server, mut peer) = server_and_bytes(server).await;
    // All in one batch: those behind the failing one are not started any more.
    let bad = json_frame(1, 1, r#"{"note":["",0],"steps":["Error"]}"#);
    let good = json_frame(2, 1, r#"{"note":["",0],"steps":[{"Last":"Fine"}]}"#);
    peer.send(&[bad, good, vec![0]].concat()).await;
    peer.expect_end().await;
    let lost = within(losses.recv()).await.expect("a loss");
    assert_eq!(
        format!("{:#}", lost.reason),
        "the command InPlace with seq 1 failed: invalid digit found in string"
    );
}

#[tokio::test(start_paused = true)]
async fn all_calls_of_a_connection_that_a_failure_closes_are_told() {
    let (server, _losses) = bare();
    let (client, _server) = both(server, Client::builder(Bare, Json)).await;
    let waiting = send(&client, false, &[Step::Wait]);
    let streaming = stream(&client, true, &[Step::Send(Fine), Step::Wait]);
    let failing = send(&client, false, &[Step::Error]);
    let (waiting, (replies, streaming), failing) = tokio::join!(waiting, streaming, failing);
    assert_eq!(replies, 1);
    for error in [waiting.expect_err("closed"), streaming.expect("closed"), failing.expect_err("closed")] {
        let error = other(error);
        assert_eq!((error.kind(), error.was_sent()), (ErrorKind::Closed, true));
    }
    let error = other(send(&client, false, GOOD).await.expect_err("closed"));
    assert_eq!((error.kind(), error.was_sent()), (ErrorKind::Closed, false), "nothing more is sent");
}

// Failures of making the failure.

#[derive(Debug, Serialize, Deserialize)]
struct Hopeless(Touchy);

impl fmt::Display for Hopeless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("hopeless")
    }
}

impl std::error::Error for Hopeless {}

impl Failure for Hopeless {
    fn from_failed(failed: &Failed) -> Self {
        match failed.reason() {
            FailedReason::NoLastReply => Self(Touchy(EncodeFails(BIG))),
            FailedReason::Panic => Self(Touchy(EncodePanics(BIG))),
            _ => panic!("there is no failure for that"),
        }
    }
}

protocol! {
    struct Doomed {
        commands { 0 => Probe<false> as Spawned, 1 => Probe<true> as InPlace }
        replies { 0 => Report, 1 => Hopeless }
        failure Hopeless
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_cannot_be_made_or_encoded_closes_the_connection() {
    let cases: [(&[Step], ErrorKind, &str); 3] = [
        (&[], ErrorKind::Encode, "the reply cannot be encoded: it does not want to be encoded"),
        (&[Step::Panic], ErrorKind::Panic, "panic in encoding a reply: it panics when it is encoded"),
        (
            &[Step::Error],
            ErrorKind::Panic,
            "panic in making the failure of a command: there is no failure for that",
        ),
    ];
    for in_place in WAYS {
        for (steps, kind, reason) in cases {
            let (lost, mut losses) = mpsc::unbounded_channel();
            let server =
                Server::builder(Doomed, Json, Lab::default()).on_connection_lost(move |connection| {
                    let _ = lost.send(connection.reason.clone());
                });
            let (client, _server) = both(server, Client::builder(Doomed, Json)).await;
            let error = other(send(&client, in_place, steps).await.expect_err("it fails"));
            assert_eq!(error.kind(), ErrorKind::Closed);
            let lost = within(losses.recv()).await.expect("a loss");
            assert_eq!((lost.kind(), format!("{lost:#}").as_str()), (kind, reason));
        }
    }
}

// Panics and refusals of user code elsewhere.

#[tokio::test(start_paused = true)]
async fn a_command_that_cannot_be_encoded_fails_its_own_call_and_leaves_no_bytes() {
    for bytes in [0, 100, BIG] {
        let (client, mut peer) = client_and_bytes(Client::builder(Typed, Json), 1 << 16).await;
        let error = client
            .send(Probe::<false> { note: Touchy(EncodeFails(bytes)), steps: vec![] })
            .await
            .expect_err("refused");
        let error = other(error);
        assert_eq!(
            (error.kind(), error.origin(), error.was_sent()),
            (ErrorKind::Encode, Origin::Local, false)
        );
        assert_eq!(format!("{error:#}"), "the command cannot be encoded: it does not want to be encoded");

        let command = Probe::<true> { note: Touchy(EncodePanics(bytes)), steps: vec![] };
        let error = client.stream(command).await.expect_err("refused");
        assert_eq!(
            (error.kind(), error.origin(), error.was_sent()),
            (ErrorKind::Panic, Origin::Local, false)
        );
        assert_eq!(format!("{error:#}"), "panic in encoding a command: it panics when it is encoded");
        assert_eq!(client.in_flight(), 0);

        let next = async {
            client.send(Probe::<false> { note: Touchy(Fine), steps: vec![] }).await.expect("a reply")
        };
        let served = async {
            peer.expect(&json_frame(1, 0, r#"{"note":["",0],"steps":[]}"#)).await;
            peer.send(&json_frame(1, 0, r#"{"note":["",0],"last":true}"#)).await;
        };
        assert_eq!(within(async { tokio::join!(next, served) }).await.0, GOOD_REPORT);
    }
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_cannot_be_encoded_leaves_no_bytes_and_another_one_can_be_sent() {
    for tag in [0, 1] {
        let lab = Lab::default();
        let (server, mut peer) = server_and_bytes(Server::builder(Bare, Json, lab.clone())).await;
        let mut seq = 0;
        for bytes in [0, 100, BIG] {
            for mood in [format!(r#"{{"EncodeFails":{bytes}}}"#), format!(r#"{{"EncodePanics":{bytes}}}"#)] {
                seq += 1;
                let steps = format!(r#"{{"note":["",0],"steps":[{{"Refused":{mood}}},{{"Last":"Fine"}}]}}"#);
                peer.send(&json_frame(seq, tag, &steps)).await;
                peer.expect(&json_frame(seq, 0, r#"{"note":["",0],"last":true}"#)).await;
            }
        }
        assert_eq!(lab.refusals().len(), 6);
        assert_eq!(lab.refusals()[0], "the reply cannot be encoded: it does not want to be encoded");
        assert_eq!(lab.refusals()[1], "panic in encoding a reply: it panics when it is encoded");
        assert_eq!((server.counters().failed, server.counters().replies), (0, 6));
    }
}

#[tokio::test(start_paused = true)]
async fn a_reply_whose_decoding_panics_ends_the_client_with_that_reason() {
    for (note, kind) in [(2, ErrorKind::Panic), (1, ErrorKind::Decode)] {
        let (client, mut peer) = client_and_bytes(Client::builder(Typed, Json), 1 << 16).await;
        let (first, second) = (send(&client, false, GOOD), send(&client, false, GOOD));
        let served = async {
            peer.receive(2 * json_frame(1, 0, r#"{"note":["",0],"steps":[{"Last":"Fine"}]}"#).len()).await;
            let good = json_frame(1, 0, r#"{"note":["",0],"last":true}"#);
            let bad = json_frame(2, 0, &format!(r#"{{"note":["",{note}],"last":true}}"#));
            peer.send(&[good, bad].concat()).await;
            peer.expect_end().await;
        };
        let (first, second, ()) = within(async { tokio::join!(first, second, served) }).await;
        assert_eq!(first.expect("what came before it is given out"), GOOD_REPORT);
        let error = other(second.expect_err("it does not decode"));
        assert_eq!((error.kind(), error.was_sent()), (kind, true), "{error:#}");
        assert_eq!(client.closed().await.kind(), kind);
        assert_eq!(client.in_flight(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_panics_when_asked_whether_it_is_the_last_ends_the_client_with_that_reason() {
    let (client, mut peer) = client_and_bytes(Client::builder(Typed, Json), 1 << 16).await;
    let streaming = stream(&client, false, &[]);
    let served = async {
        peer.receive(json_frame(1, 0, r#"{"note":["",0],"steps":[]}"#).len()).await;
        peer.send(&json_frame(1, 0, r#"{"note":["",3],"last":true}"#)).await;
        peer.expect_end().await;
    };
    let ((_, error), ()) = within(async { tokio::join!(streaming, served) }).await;
    let error = other(error.expect("the stream fails"));
    assert_eq!((error.kind(), error.was_sent()), (ErrorKind::Panic, true), "{error:#}");
    assert_eq!(client.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_command_whose_decoding_panics_closes_its_connection_only() {
    for (note, kind) in [(2, ErrorKind::Panic), (1, ErrorKind::Decode)] {
        let (server, mut losses) = bare();
        let (connector, _server) = serve_in_memory(server);
        let bystander = Client::builder(Bare, Json).connect_by(connector.clone()).await.expect("a client");
        let (io, _) = cmd_stream::transport::Connect::connect(&connector).await.expect("a connection");
        let mut peer = testkit::peer::BytePeer::over(io);
        peer.expect(testkit::peer::GREETING).await;
        let good = json_frame(1, 1, r#"{"note":["",0],"steps":[{"Last":"Fine"}]}"#);
        let bad = json_frame(2, 1, &format!(r#"{{"note":["",{note}],"steps":[]}}"#));
        peer.send(&[good, bad].concat()).await;
        peer.expect(&json_frame(1, 0, r#"{"note":["",0],"last":true}"#)).await;
        peer.expect_end().await;
        assert_eq!(within(losses.recv()).await.expect("a loss").reason.kind(), kind);
        send(&bystander, true, GOOD).await.expect("other connections go on");
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_the_unexpected_reply_callback_is_contained() {
    let called = Arc::new(AtomicBool::new(false));
    let panics = Arc::clone(&called);
    let client: client::Builder<Typed, Json> =
        Client::builder(Typed, Json).on_unexpected_reply(move |_, _| {
            panics.store(true, Ordering::Relaxed);
            panic!("the callback panics");
        });
    let (client, mut peer) = client_and_bytes(client, 1 << 16).await;
    peer.send(&json_frame(77, 0, r#"{"note":["",0],"last":true}"#)).await;
    until(|| called.load(Ordering::Relaxed)).await;
    let sending = send(&client, false, &[]);
    let served = async {
        peer.expect(&json_frame(1, 0, r#"{"note":["",0],"steps":[]}"#)).await;
        peer.send(&json_frame(1, 0, r#"{"note":["",0],"last":true}"#)).await;
    };
    assert_eq!(within(async { tokio::join!(sending, served) }).await.0.expect("it goes on"), GOOD_REPORT);
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_the_lost_connection_callback_is_contained() {
    let (lost, mut losses) = mpsc::unbounded_channel();
    let server = Server::builder(Bare, Json, Lab::default()).on_connection_lost(move |loss| {
        let _ = lost.send(loss.connection.id());
        panic!("the callback panics");
    });
    let (connector, server) = serve_in_memory(server);
    for id in [1, 2] {
        let client = Client::builder(Bare, Json).connect_by(connector.clone()).await.expect("a client");
        send(&client, false, GOOD).await.expect("a reply");
        client.close();
        assert_eq!(within(losses.recv()).await, Some(id));
    }
    until(|| server.counters().open == 0).await;
}

// What a caller makes of the error, by `?`.

type BoxedError = Box<dyn std::error::Error + Send + Sync>;

async fn or_error<P: ClientProtocol<Json>>(client: &Client<P, Json>, steps: &[Step]) -> Result<Report, Error>
where
    Probe<false>: CommandOf<P>,
    Probe<true>: CommandOf<P>,
{
    Ok(send(client, false, steps).await?)
}

async fn or_failed<P: ClientProtocol<Json>>(
    client: &Client<P, Json>,
    steps: &[Step],
) -> Result<Report, Failed>
where
    Probe<false>: CommandOf<P>,
    Probe<true>: CommandOf<P>,
{
    Ok(send(client, false, steps).await?)
}

async fn or_anyhow<P: ClientProtocol<Json>>(
    client: &Client<P, Json>,
    steps: &[Step],
) -> anyhow::Result<Report>
where
    Probe<false>: CommandOf<P>,
    Probe<true>: CommandOf<P>,
{
    Ok(send(client, false, steps).await?)
}

async fn or_box<P: ClientProtocol<Json>>(
    client: &Client<P, Json>,
    steps: &[Step],
) -> Result<Report, BoxedError>
where
    Probe<false>: CommandOf<P>,
    Probe<true>: CommandOf<P>,
{
    Ok(send(client, false, steps).await?)
}

#[tokio::test(start_paused = true)]
async fn question_mark_turns_the_error_of_a_call_into_any_error_and_the_failure_is_still_found() {
    let (client, _server) = typed().await;
    let failure = CalcError { text: "typed".into(), made_of: None };
    let steps = &[Step::Typed];

    let error = or_error(&client, steps).await.expect_err("it fails");
    assert_eq!(error.remote::<CalcError>(), Some(&failure));
    let failed = or_failed(&client, steps).await.expect_err("it fails");
    assert_eq!(failed.to_string(), "typed");
    assert_eq!(failed.downcast_ref::<CalcError>(), Some(&failure));
    assert_eq!(failed.into_failure::<CalcError>(), failure);
    let found = |error: &CallError<CalcError>| match error {
        CallError::Failed(failure) => failure.clone(),
        CallError::Other(error) => panic!("{error:#}"),
    };
    let error = or_anyhow(&client, steps).await.expect_err("it fails");
    assert_eq!(format!("{error:#}"), "typed", "the text stands in it once");
    assert_eq!(found(error.downcast_ref().expect("the error of the call")), failure);
    let error = or_box(&client, steps).await.expect_err("it fails");
    assert_eq!(found(error.downcast_ref().expect("the error of the call")), failure);

    // Where there is no failure, the `Error` is found.
    let (server, _losses) = bare();
    let (client, _server) = both(server, Client::builder(Bare, Json)).await;
    client.close();
    let reason = within(client.closed()).await.to_string();
    assert_eq!(or_error(&client, GOOD).await.expect_err("closed").to_string(), reason);
    let failed = or_failed(&client, GOOD).await.expect_err("closed");
    assert!(failed.downcast_ref::<CalcError>().is_none());
    assert_eq!(failed.to_string(), reason);
    assert_eq!(format!("{:#}", or_anyhow(&client, GOOD).await.expect_err("closed")), reason);
    assert_eq!(or_box(&client, GOOD).await.expect_err("closed").to_string(), reason);
}

/// Has the service behind this one fail, and passes its failure on.
#[derive(Serialize, Deserialize)]
struct Forward {
    /// As an `Error`, or as the error of the call.
    as_error: bool,
    steps: Vec<Step>,
}

/// The Receiver: a client of the service behind.
struct Front(Client<Typed, Json>);

impl Answer<Front> for Forward {
    async fn answer(self, front: &Front, _: &Context<'_>) -> Result<Report, Failed> {
        if self.as_error {
            Ok(or_error(&front.0, &self.steps).await?)
        } else {
            Ok(send(&front.0, false, &self.steps).await?)
        }
    }
}

protocol! {
    struct Forwarding {
        commands { 0 => Forward -> Report }
        replies { 0 => Report, 1 => CalcError }
        failure CalcError
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_of_another_service_is_passed_on_as_it_is() {
    let (behind, _behind) = typed().await;
    let front = Server::builder(Forwarding, Json, Front(behind));
    let (client, _front) = both(front, Client::builder(Forwarding, Json)).await;
    let (typed, made) = (
        CalcError { text: "typed".into(), made_of: None },
        made_of(FailedReason::Panic, "panic: the command panics"),
    );
    for as_error in [false, true] {
        for (steps, failure) in [(Step::Typed, &typed), (Step::Panic, &made)] {
            let forward = Forward { as_error, steps: vec![steps] };
            let error = within(client.send(forward)).await.expect_err("it fails");
            assert_eq!(remote(error), *failure, "as an error: {as_error}");
        }
    }
}

// `Failed` itself.

#[test]
fn failed_is_made_of_a_message_or_any_error() {
    let failed = Failed::new("by hand");
    assert_eq!((failed.reason(), failed.to_string().as_str()), (FailedReason::Error, "by hand"));
    let boxed: Box<dyn std::error::Error + Send + Sync> = format!("{} boxed", 1).into();
    assert_eq!(Failed::new(boxed).to_string(), "1 boxed");

    let by_question_mark = || -> Result<i64, Failed> { Ok("many".parse::<i64>()?) };
    let failed = by_question_mark().expect_err("no number");
    assert_eq!(failed.reason(), FailedReason::Error);
    assert!(failed.downcast_ref::<std::num::ParseIntError>().is_some());
    assert!(failed.downcast_ref::<CalcError>().is_none());
    assert_eq!(
        format!("{failed:?}"),
        "Failed { reason: Error, error: ParseIntError { kind: InvalidDigit } }"
    );
}

#[test]
fn failed_keeps_the_failures_own_type_and_makes_it_of_others() {
    let typed = CalcError { text: "typed".into(), made_of: None };
    assert_eq!(Failed::from(typed.clone()).into_failure::<CalcError>(), typed);
    assert_eq!(Failed::new("other").into_failure::<CalcError>(), made_of(FailedReason::Error, "other"));
}
