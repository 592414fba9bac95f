//! The Invoker: every Command passes through it before it runs, with all that is known of it; it can refuse it, run
//! code around it, and hand it values.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cmd_stream::proto::frame::Seq;
use cmd_stream::transport::Peer;
use cmd_stream::{
    Call, Client, Command, ErrorKind, Execute, Failed, Failure, Invoker, Json, Proxy, Reply, Scheduling,
    Server, protocol,
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
impl Reply for Sum {}
impl Reply for Name {}
impl Reply for Refused {}

impl Failure for Refused {
    fn from_failed(failed: &Failed) -> Self {
        Self(format!("{:?}: {failed}", failed.reason()))
    }
}

impl Command for Add {
    type Reply = Sum;
}
impl Command for QuickAdd {
    type Reply = Sum;
}
impl Command for WhoAmI {
    type Reply = Name;
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

fn told_by<R>(proxy: &Proxy<'_, R>) -> Told {
    Told {
        seq: proxy.seq(),
        peer: proxy.peer().clone(),
        received_at: proxy.received_at(),
        size: proxy.size(),
    }
}

impl Execute<Log> for Add {
    const SCHEDULING: Scheduling = Scheduling::Spawned;

    async fn execute(self, log: &Log, proxy: Proxy<'_, Sum>) -> Result<(), Failed> {
        log.tell(told_by(&proxy));
        log.say("runs");
        let sum = self.a.checked_add(self.b).ok_or_else(|| Failed::new("overflow"))?;
        proxy.send(Sum(sum)).await
    }
}

impl Execute<Log> for QuickAdd {
    const SCHEDULING: Scheduling = Scheduling::InPlace;

    async fn execute(self, log: &Log, proxy: Proxy<'_, Sum>) -> Result<(), Failed> {
        log.tell(told_by(&proxy));
        log.say("runs");
        proxy.send(Sum(self.a + self.b)).await
    }
}

impl Execute<Log> for WhoAmI {
    async fn execute(self, _: &Log, proxy: Proxy<'_, Name>) -> Result<(), Failed> {
        let identity = proxy.extensions().get::<Identity>();
        proxy.send(Name(identity.map(|identity| identity.0.clone()))).await
    }
}

struct Identity(String);

protocol! {
    struct Calculator {
        commands { 0 => Add, 1 => QuickAdd, 2 => WhoAmI }
        replies { 0 => Sum, 1 => Name, 2 => Refused }
        failure Refused
    }
}

protocol! {
    /// Without a failure.
    struct Strict {
        commands { 0 => Add, 1 => QuickAdd, 2 => WhoAmI }
        replies { 0 => Sum, 1 => Name }
    }
}

/// Writes down what it sees, and what came of it.
struct Recorder(Log);

impl Invoker<Calculator> for Recorder {
    async fn invoke(&self, call: impl Call<Calculator>) -> Result<(), Failed> {
        let (entry, seq) = (call.entry(), call.seq());
        let told =
            Told { seq, peer: call.peer().clone(), received_at: call.received_at(), size: call.size() };
        self.0.tell(told);
        let command = match call.command() {
            CalculatorCommand::Add(Add { a, b }) => format!("{a} + {b}"),
            CalculatorCommand::QuickAdd(QuickAdd { a, b }) => format!("{a} + {b}, quickly"),
            other @ CalculatorCommand::WhoAmI(_) => format!("{other:?}"),
        };
        self.0.say(format!("{} {}: {command}", entry.tag, entry.name));
        let result = call.run().await;
        self.0.say(format!("after: {}", result.as_ref().map_or_else(ToString::to_string, |()| "ok".into())));
        result
    }
}

/// Lets a Command pass or not, as a function says; hands it the name `alice`.
struct Guard(fn(&CalculatorCommand<'_>) -> Result<(), Failed>);

impl Invoker<Calculator> for Guard {
    async fn invoke(&self, mut call: impl Call<Calculator>) -> Result<(), Failed> {
        (self.0)(&call.command())?;
        call.extensions().insert(Identity("alice".into()));
        call.run().await
    }
}

/// Does something else for any Protocol.
struct Around(fn(&'static str, Result<(), Failed>) -> Result<(), Failed>);

impl<P: cmd_stream::Protocol> Invoker<P> for Around {
    async fn invoke(&self, call: impl Call<P>) -> Result<(), Failed> {
        let name = call.entry().name;
        let result = call.run().await;
        (self.0)(name, result)
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

                let began = tokio::time::Instant::now().into_std();
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
                assert_eq!(told[0].peer, Peer::Other("memory".into()));
                assert_eq!(told[0].received_at - began, Duration::from_secs(3), "when it was there whole");

                until(|| log.said().len() == 3).await;
                let seen = if tag == 0 { "0 Add: 2 + 3" } else { "1 QuickAdd: 2 + 3, quickly" };
                assert_eq!(log.said(), [seen, "runs", "after: ok"]);
            }
        }
    }
}

#[tokio::test]
async fn it_is_told_the_address_of_the_client() {
    let log = Log::default();
    let server = serve(Server::builder(Calculator, Json, log.clone()).invoker(Recorder(log.clone()))).await;
    let stream = TcpStream::connect(server.local_addr().to_string()).await.expect("a server");
    let address = stream.local_addr().expect("an address");
    let mut peer = BytePeer::over(stream);
    peer.expect(GREETING).await;
    peer.send(&json_frame(1, 0, r#"{"a":2,"b":3}"#)).await;
    peer.expect(&json_frame(1, 0, "5")).await;
    assert_eq!(log.told()[0].peer, Peer::Tcp(address));
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
    assert_eq!((server.counters().pings, server.counters().commands), (3, 100));
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
    assert_eq!(log.said(), [&sum, "runs", "after: overflow", "2 WhoAmI: WhoAmI", "after: ok"]);
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
    let error = client.send(Add { a: -1, b: 0 }).await.expect_err("refused");
    assert_eq!(error.remote::<Refused>(), Some(&Refused("Error: no negative numbers".into())));
    let error = client.send(QuickAdd { a: -1, b: 0 }).await.expect_err("refused");
    assert_eq!(error.remote::<Refused>(), Some(&Refused("said by the guard".into())));
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
    let error = client.send(Add { a: i64::MAX, b: 2 }).await.expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Closed);
    let reason = within(reasons.recv()).await.expect("a loss");
    assert_eq!(
        (reason.kind(), reason.to_string().as_str()),
        (ErrorKind::Execution, "command 2 failed: nobody passes")
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
    let server = Server::builder(Calculator, Json, Log::default()).invoker(Around(|_, _| Ok(())));
    let (client, _server) = both(server, Client::builder(Calculator, Json)).await;
    assert_eq!(client.send(Add { a: 1, b: 2 }).await.expect("a reply"), Sum(3));
    let error = client.send(Add { a: i64::MAX, b: 2 }).await.expect_err("no reply");
    let refused = Refused("NoLastReply: the command ended without a last reply".into());
    assert_eq!(error.remote::<Refused>(), Some(&refused));
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
    for error in [client.send(Add { a: 1, b: 2 }).await, client.send(QuickAdd { a: 1, b: 2 }).await] {
        assert_eq!(error.expect_err("it fails").remote::<Refused>(), Some(&panicked));
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
