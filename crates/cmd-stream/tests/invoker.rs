//! The Invoker: every Command passes through it before it runs, with all that is known of it; it can refuse it, run
//! code around it, and hand it values.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;

use cmd_stream::proto::frame::Seq;
use cmd_stream::protocol::Protocol;
use cmd_stream::server::{Ended, Invocation, Scheduling};
use cmd_stream::transport::Peer;
use cmd_stream::{
    Answer, CallError, Client, Context, Error, ErrorKind, Failed, Failure, Invoker, Json, Server, protocol,
};
use serde::{Deserialize, Serialize};
use testkit::ends::{both, json_frame, serve, server_and_bytes};
use testkit::peer::{BytePeer, GREETING};
use testkit::wait::{until, within};
use tokio::net::TcpStream;

#[derive(PartialEq, Debug, Serialize, Deserialize)]
struct Add {
    a: i64,
    b: i64,
}

/// The same, polled where it was decoded.
#[derive(PartialEq, Debug, Serialize, Deserialize)]
struct QuickAdd {
    a: i64,
    b: i64,
}

/// Answered with what the Invoker found out.
#[derive(PartialEq, Debug, Serialize, Deserialize)]
struct WhoAmI {}

#[derive(PartialEq, Debug, Serialize, Deserialize)]
struct Sum(i64);

#[derive(PartialEq, Debug, Serialize, Deserialize)]
struct Name(Option<String>);

#[derive(PartialEq, Debug, Serialize, Deserialize)]
struct Refused(String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

impl Failure for Refused {
    fn from_failed(failed: &Failed) -> Self {
        Self(format!("{:?}: {failed}", failed.reason()))
    }
}

/// What a Command, or the Invoker of it, was told.
#[derive(Clone, PartialEq, Debug)]
struct Told {
    seq: Seq,
    peer: Peer,
    received_at: Instant,
    size: usize,
}

/// What happened, in order. The Receiver writes what runs, the Invoker what it sees.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>, Arc<Mutex<Vec<Told>>>);

impl Log {
    fn say(&self, what: impl Into<String>) {
        self.0.lock().expect("no panic").push(what.into());
    }

    fn said(&self) -> Vec<String> {
        self.0.lock().expect("no panic").clone()
    }

    fn tell(&self, told: Told) {
        self.1.lock().expect("no panic").push(told);
    }

    fn told(&self) -> Vec<Told> {
        self.1.lock().expect("no panic").clone()
    }
}

fn told_by(context: &Context<'_>) -> Told {
    Told {
        seq: context.seq(),
        peer: context.peer().clone(),
        received_at: context.received_at(),
        size: context.size(),
    }
}

impl Answer<Log> for Add {
    const SCHEDULING: Scheduling = Scheduling::Spawned;

    async fn answer(self, log: &Log, context: &Context<'_>) -> Result<Sum, Failed> {
        log.tell(told_by(context));
        log.say("runs");
        let sum = self.a.checked_add(self.b).ok_or_else(|| Failed::new("overflow"))?;
        Ok(Sum(sum))
    }
}

impl Answer<Log> for QuickAdd {
    const SCHEDULING: Scheduling = Scheduling::InPlace;

    async fn answer(self, log: &Log, context: &Context<'_>) -> Result<Sum, Failed> {
        log.tell(told_by(context));
        log.say("runs");
        Ok(Sum(self.a + self.b))
    }
}

impl Answer<Log> for WhoAmI {
    async fn answer(self, _: &Log, context: &Context<'_>) -> Result<Name, Failed> {
        let identity = context.extensions().get::<Identity>();
        Ok(Name(identity.map(|identity| identity.0.clone())))
    }
}

struct Identity(String);

protocol! {
    struct Calculator {
        commands { 0 => Add -> Sum, 1 => QuickAdd -> Sum, 2 => WhoAmI -> Name }
        replies { 0 => Sum, 1 => Name, 2 => Refused }
        failure Refused
    }
}

protocol! {
    /// Without a failure.
    struct Strict {
        commands { 0 => Add, 1 => QuickAdd, 2 => WhoAmI }
        replies { 0 => Sum, 1 => Name }
        failure close_connection
    }
}

/// Writes down what it sees, and what came of it.
struct Recorder(Log);

impl Invoker<Calculator> for Recorder {
    async fn invoke(&self, invocation: impl Invocation<Calculator>) -> Result<Ended, Failed> {
        let (entry, seq) = (invocation.entry(), invocation.seq());
        self.0.tell(Told {
            seq,
            peer: invocation.peer().clone(),
            received_at: invocation.received_at(),
            size: invocation.size(),
        });
        let command = match invocation.command() {
            CalculatorCommand::Add(Add { a, b }) => format!("{a} + {b}"),
            CalculatorCommand::QuickAdd(QuickAdd { a, b }) => format!("{a} + {b}, quickly"),
            other @ CalculatorCommand::WhoAmI(_) => format!("{other:?}"),
        };
        self.0.say(format!("{} {}: {command}", entry.tag, entry.name));
        let result = invocation.run().await;
        let ended = result.as_ref().map_or_else(ToString::to_string, |ended| format!("{ended:?}"));
        self.0.say(format!("after: {ended}"));
        result
    }
}

/// Lets a Command pass or not, as a function says; hands it the name `alice`.
struct Guard(fn(&CalculatorCommand<'_>) -> Result<(), Failed>);

impl Invoker<Calculator> for Guard {
    async fn invoke(&self, mut invocation: impl Invocation<Calculator>) -> Result<Ended, Failed> {
        (self.0)(&invocation.command())?;
        invocation.extensions().insert(Identity("alice".into()));
        invocation.run().await
    }
}

/// How a Command ended.
type Outcome = Result<Ended, Failed>;

/// Does something else for any Protocol.
struct Around(fn(&'static str, Outcome) -> Outcome);

impl<P: Protocol> Invoker<P> for Around {
    async fn invoke(&self, invocation: impl Invocation<P>) -> Result<Ended, Failed> {
        let name = invocation.entry().name;
        let result = invocation.run().await;
        (self.0)(name, result)
    }
}

/// The failure that a call was answered with.
fn refused<T>(result: Result<T, CallError<Refused>>) -> Refused {
    match result {
        Err(CallError::Failed(refused)) => refused,
        Err(CallError::Other(error)) => panic!("{error:#}"),
        Ok(_) => panic!("it was answered"),
    }
}

fn adds(body: &str) -> [(u64, &str, usize); 4] {
    // seq, and how many bytes it takes: the ends of what one, two and ten bytes can say
    [(1, body, 1), (127, body, 1), (128, body, 2), (i64::MAX as u64, body, 9)]
}

#[tokio::test(start_paused = true)]
async fn it_sees_each_command_before_it_runs_with_seq_peer_time_and_exact_size() {
    for tag in [0, 1] {
        for padding in [0, 100, 20_000] {
            let body = format!(r#"{{"a":2,{}"b":3}}"#, " ".repeat(padding));
            for (seq, body, seq_len) in adds(&body) {
                let log = Log::default();
                let server = Server::builder(Calculator, Json, log.clone()).invoker(Recorder(log.clone()));
                let (_server, mut peer) = server_and_bytes(server).await;
                let frame = json_frame(seq, tag, body);
                let length_len = if body.len() < 128 {
                    1
                } else if body.len() < 16_384 {
                    2
                } else {
                    3
                };
                assert_eq!(frame.len(), seq_len + 1 + length_len + body.len());

                let began = Instant::now();
                // In two parts with a ping before and behind: the size is that of the Command alone.
                peer.send(&[&[0], &frame[..frame.len() / 2]].concat()).await;
                peer.expect(&[0]).await;
                tokio::time::advance(Duration::from_secs(3)).await;
                peer.send(&[&frame[frame.len() / 2..], &[0]].concat()).await;
                let reply = json_frame(seq, 0, "5");
                let mut received = peer.receive(reply.len() + 1).await;
                // The pong may come before the Reply of a Command that has a task of its own.
                let pong = received.iter().position(|&byte| byte == 0).filter(|&at| at == 0);
                received.remove(pong.unwrap_or(reply.len()));
                assert_eq!(received, reply);

                let told = log.told();
                let size = frame.len();
                assert_eq!(told.len(), 2, "once by the Invoker, once by the Command");
                assert_eq!(told[0], told[1], "the Command is told the same");
                assert_eq!((told[0].seq.get(), told[0].size), (seq as i64, size));
                assert_eq!(told[0].peer, Peer::other("memory"));
                assert_eq!(told[0].received_at - began, Duration::from_secs(3), "when it was there whole");

                until(|| log.said().len() == 3).await;
                let seen = if tag == 0 { "0 Add: 2 + 3" } else { "1 QuickAdd: 2 + 3, quickly" };
                assert_eq!(log.said(), [seen, "runs", "after: Replied"]);
            }
        }
    }
}

#[tokio::test]
async fn it_is_told_the_address_of_the_client() {
    let log = Log::default();
    let server = serve(Server::builder(Calculator, Json, log.clone()).invoker(Recorder(log.clone()))).await;
    let stream = TcpStream::connect(server.local_addr().socket_addr().expect("TCP")).await.expect("a server");
    let address = stream.local_addr().expect("an address");
    let mut peer = BytePeer::over(stream);
    peer.expect(GREETING).await;
    peer.send(&json_frame(1, 0, r#"{"a":2,"b":3}"#)).await;
    peer.expect(&json_frame(1, 0, "5")).await;
    assert_eq!(log.told()[0].peer, Peer::from(address));
}

#[tokio::test(start_paused = true)]
async fn it_is_called_once_for_each_command_and_never_for_a_ping() {
    let log = Log::default();
    let server = Server::builder(Calculator, Json, log.clone()).invoker(Recorder(log.clone()));
    let (server, mut peer) = server_and_bytes(server).await;
    peer.send(&[0, 0, 0x80, 0]).await; // the last one is a ping in an over-long form
    peer.expect(&[0, 0, 0]).await;
    for seq in 1..=100 {
        peer.send(&json_frame(seq, 1, r#"{"a":2,"b":3}"#)).await;
        peer.expect(&json_frame(seq, 0, "5")).await;
    }
    assert_eq!((server.counters().pings, server.counters().started), (3, 100));
    assert_eq!(log.told().len(), 200);
    assert_eq!(log.said().iter().filter(|said| said.starts_with("1 QuickAdd")).count(), 100);
}

#[tokio::test(start_paused = true)]
async fn it_sees_how_a_command_ended() {
    let log = Log::default();
    let server = Server::builder(Calculator, Json, log.clone()).invoker(Recorder(log.clone()));
    let (client, _server) = both(server, Client::builder(Calculator, Json)).await;
    client.send(Add { a: i64::MAX, b: 1 }).await.expect_err("overflow");
    client.send(WhoAmI {}).await.expect("a reply");
    until(|| log.said().len() == 5).await;
    let sum = format!("0 Add: {} + 1", i64::MAX);
    assert_eq!(log.said(), [&sum, "runs", "after: overflow", "2 WhoAmI: WhoAmI", "after: Replied"]);
}

#[tokio::test(start_paused = true)]
async fn a_refused_command_does_not_run_and_its_caller_is_told() {
    let guard = Guard(|command| match command {
        CalculatorCommand::Add(add) if add.a < 0 => Err(Failed::new("no negative numbers")),
        CalculatorCommand::QuickAdd(add) if add.a < 0 => Err(Refused("said by the guard".into()))?,
        _ => Ok(()),
    });
    let log = Log::default();
    let (client, server) = both(
        Server::builder(Calculator, Json, log.clone()).invoker(guard),
        Client::builder(Calculator, Json),
    )
    .await;
    let by_text = refused(client.send(Add { a: -1, b: 0 }).await);
    assert_eq!(by_text, Refused("Error: no negative numbers".into()));
    let by_type = refused(client.send(QuickAdd { a: -1, b: 0 }).await);
    assert_eq!(by_type, Refused("said by the guard".into()));
    assert!(log.said().is_empty(), "it did not run");
    assert_eq!(client.send(Add { a: 1, b: 2 }).await.expect("another one passes"), Sum(3));
    assert_eq!(server.counters().failed, 2);
}

#[tokio::test(start_paused = true)]
async fn a_refused_command_closes_the_connection_of_a_protocol_without_a_failure() {
    let (reason, mut reasons) = tokio::sync::mpsc::unbounded_channel();
    let server = Server::builder(Strict, Json, Log::default())
        .invoker(Around(|_, _| Err(Failed::new("nobody passes"))))
        .on_connection_lost(move |lost| reason.send(lost.reason.clone()).expect("the test reads"));
    let (client, _server) = both(server, Client::builder(Strict, Json)).await;
    // It was run and answered before it was refused: that is a failure after the last Reply.
    assert_eq!(client.send(Add { a: 1, b: 2 }).await.expect("a reply"), Sum(3));
    let error = Error::from(client.send(Add { a: i64::MAX, b: 2 }).await.expect_err("refused"));
    assert_eq!(error.kind(), ErrorKind::Closed);
    let reason = within(reasons.recv()).await.expect("a loss");
    assert_eq!(
        (reason.kind(), format!("{reason:#}").as_str()),
        (ErrorKind::Execution, "the command Add with seq 2 failed: nobody passes")
    );
}

#[tokio::test(start_paused = true)]
async fn what_it_finds_out_reaches_the_command() {
    let server = Server::builder(Calculator, Json, Log::default()).invoker(Guard(|_| Ok(())));
    let (client, _server) = both(server, Client::builder(Calculator, Json)).await;
    assert_eq!(client.send(WhoAmI {}).await.expect("a reply"), Name(Some("alice".into())));

    let (client, _server) =
        both(Server::builder(Calculator, Json, Log::default()), Client::builder(Calculator, Json)).await;
    assert_eq!(client.send(WhoAmI {}).await.expect("a reply"), Name(None));
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_it_hides_is_a_missing_last_reply() {
    let server = Server::builder(Calculator, Json, Log::default()).invoker(Around(|_, _| Ok(Ended::Replied)));
    let (client, _server) = both(server, Client::builder(Calculator, Json)).await;
    assert_eq!(client.send(Add { a: 1, b: 2 }).await.expect("a reply"), Sum(3));
    let hidden = refused(client.send(Add { a: i64::MAX, b: 2 }).await);
    assert_eq!(hidden, Refused("NoLastReply: the command ended without a last reply".into()));
}

#[tokio::test(start_paused = true)]
async fn its_panic_before_a_command_fails_the_command() {
    let guard = Guard(|command| match command {
        CalculatorCommand::WhoAmI(_) => Ok(()),
        _ => panic!("the guard panics"),
    });
    let (client, server) = both(
        Server::builder(Calculator, Json, Log::default()).invoker(guard),
        Client::builder(Calculator, Json),
    )
    .await;
    let panicked = Refused("Panic: panic: the guard panics".into());
    for result in [client.send(Add { a: 1, b: 2 }).await, client.send(QuickAdd { a: 1, b: 2 }).await] {
        assert_eq!(refused(result), panicked);
    }
    assert_eq!(client.send(WhoAmI {}).await.expect("the connection goes on"), Name(Some("alice".into())));
    assert_eq!((server.counters().failed, server.counters().panicked), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn its_panic_after_a_command_changes_nothing_for_the_caller() {
    let server = Server::builder(Calculator, Json, Log::default()).invoker(Around(|name, result| {
        if name == "WhoAmI" { result } else { panic!("it panics behind {name}") }
    }));
    let (client, server) = both(server, Client::builder(Calculator, Json)).await;
    assert_eq!(client.send(Add { a: 1, b: 2 }).await.expect("a reply"), Sum(3));
    assert_eq!(client.send(QuickAdd { a: 1, b: 2 }).await.expect("a reply"), Sum(3));
    client.send(WhoAmI {}).await.expect("the connection goes on");
    until(|| server.counters().failed_after_last_reply == 2).await;
    assert_eq!(server.counters().failed, 0);
}
