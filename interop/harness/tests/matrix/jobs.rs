//! The service `jobs`, in both directions: Commands that are never answered, Replies that come after `execute` has
//! returned, failures as [`Problem`]s, and greetings by [`ServerInfo::of`].

use std::collections::VecDeque;
use std::fmt::Debug;
use std::sync::{Arc, OnceLock};

use cmd_stream::format::{Decode, Describe, Encode, Format};
use cmd_stream::protocol::{Failed, Protocol};
use cmd_stream::server::{Ended, Handle, Invocation, Limits, OwnedProxy};
use cmd_stream::{
    Answer, CallError, Client, Context, ErrorKind, Execute, Invoker, Origin, Problem, Proxy, Reply, Server,
    ServerInfo, client, protocol, server,
};
use mus_format::Mus;
use serde::{Deserialize, Serialize};
use testkit::process::Process;
use testkit::wait::{until, within};
use tokio::runtime;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Barrier, Mutex};
use tokio::task::{JoinSet, spawn_blocking};

use crate::support::{Lost, Wire, go_client, go_server};

/// A type in all Formats. (The names of fields in JSON are those of Go.)
macro_rules! types {
    ($(
        $(#[$attribute:meta])*
        struct $name:ident { $( $field:ident: $type:ty = $kind:ident $tag:literal, )+ }
    )+) => { $(
        $(#[$attribute])*
        #[derive(Clone, PartialEq, Serialize, Deserialize, Mus, prost::Message)]
        #[serde(rename_all = "PascalCase")]
        pub(crate) struct $name { $(
            #[prost($kind, tag = $tag)]
            $field: $type,
        )+ }
    )+ };
}

types! {
    /// Logs its text, or fails if that is empty. It is not answered.
    struct LogCmd { text: String = string "1", }
    /// Answered with this many of the logged texts, once there are as many.
    struct LogsCmd { count: i64 = int64 "1", }
    /// Starts a job. It sends `results` Replies once `together` jobs have been started. A job without Replies fails.
    struct JobCmd { job: i64 = int64 "1", results: i64 = int64 "2", together: i64 = int64 "3", }
    /// Answered with a Problem.
    struct RefuseCmd { code: u32 = uint32 "1", message: String = string "2", }
    /// The texts, sorted, with commas between them.
    struct LogsResult { texts: String = string "1", }
    /// A Reply of a job, numbered from 0.
    struct JobResult { job: i64 = int64 "1", number: i64 = int64 "2", last: bool = bool "3", }
}

impl Reply for JobResult {
    fn is_last(&self) -> bool {
        self.last
    }
}

protocol! {
    struct Jobs {
        commands { 0 => LogCmd -> (), 1 => LogsCmd -> LogsResult, 2 => JobCmd -> JobResult, 3 => RefuseCmd -> LogsResult }
        replies { 0 => LogsResult, 1 => JobResult, 2 => Problem }
        failure Problem
    }
}

/// The previous version, which could not refuse anything.
mod before {
    use super::{JobCmd, JobResult, LogCmd, LogsCmd, LogsResult, Problem};

    cmd_stream::protocol! {
        pub(super) struct Jobs {
            commands { 0 => LogCmd, 1 => LogsCmd, 2 => JobCmd }
            replies { 0 => LogsResult, 1 => JobResult, 2 => Problem }
            failure Problem
        }
    }
}

/// A Format that the service can use.
pub(crate) trait JobsFormat:
    Format
    + Copy
    + Carries<LogCmd>
    + Carries<LogsCmd>
    + Carries<JobCmd>
    + Carries<RefuseCmd>
    + Carries<LogsResult>
    + Carries<JobResult>
    + Carries<Problem>
{
}

impl<F> JobsFormat for F where
    F: Format
        + Copy
        + Carries<LogCmd>
        + Carries<LogsCmd>
        + Carries<JobCmd>
        + Carries<RefuseCmd>
        + Carries<LogsResult>
        + Carries<JobResult>
        + Carries<Problem>
{
}

/// A Format that has all these types.
pub(crate) trait Carries<T>: Encode<T> + Decode<T> + Describe<T> {}

impl<T, F: Encode<T> + Decode<T> + Describe<T>> Carries<T> for F {}

/// The Receiver.
struct Service {
    log: UnboundedSender<String>,
    texts: Mutex<UnboundedReceiver<String>>,
    /// Where jobs wait for each other.
    start: OnceLock<Arc<Barrier>>,
}

impl Service {
    fn new() -> Self {
        let (log, texts) = unbounded_channel();
        Self { log, texts: Mutex::new(texts), start: OnceLock::new() }
    }
}

impl Answer<Service> for LogCmd {
    async fn answer(self, service: &Service, _: &Context<'_>) -> Result<(), Failed> {
        if self.text.is_empty() {
            return Err(Failed::new("there is nothing to log"));
        }
        service.log.send(self.text)?;
        Ok(())
    }
}

impl Answer<Service> for LogsCmd {
    async fn answer(self, service: &Service, _: &Context<'_>) -> Result<LogsResult, Failed> {
        let mut texts = Vec::new();
        let mut logged = service.texts.lock().await;
        for _ in 0..self.count {
            texts.push(logged.recv().await.ok_or_else(|| Failed::new("there is no log"))?);
        }
        Ok(sorted(texts))
    }
}

fn sorted(mut texts: Vec<String>) -> LogsResult {
    texts.sort();
    LogsResult { texts: texts.join(",") }
}

/// Every other job runs in a task, the others on a thread that may block.
impl Execute<Service> for JobCmd {
    async fn execute(self, service: &Service, proxy: Proxy<'_, JobResult>) -> Result<(), Failed> {
        let together = self.together.try_into()?;
        let start = Arc::clone(service.start.get_or_init(|| Arc::new(Barrier::new(together))));
        let proxy = proxy.into_owned();
        if self.job % 2 == 0 {
            tokio::spawn(async move {
                start.wait().await;
                self.run(&proxy).await
            });
        } else {
            let runtime = runtime::Handle::current();
            spawn_blocking(move || {
                runtime.block_on(start.wait());
                self.run_blocking(&proxy)
            });
        }
        Ok(())
    }
}

impl JobCmd {
    async fn run(&self, proxy: &OwnedProxy<JobResult>) -> Result<(), Failed> {
        for reply in self.replies() {
            proxy.send(reply).await?;
        }
        Ok(())
    }

    fn run_blocking(&self, proxy: &OwnedProxy<JobResult>) -> Result<(), Failed> {
        self.replies().try_for_each(|reply| proxy.send_blocking(reply))
    }

    fn replies(&self) -> impl Iterator<Item = JobResult> + use<> {
        let Self { job, results, .. } = *self;
        (0..results).map(move |number| JobResult { job, number, last: number + 1 == results })
    }
}

impl Answer<Service> for RefuseCmd {
    async fn answer(self, _: &Service, _: &Context<'_>) -> Result<LogsResult, Failed> {
        Err(Problem::new(self.code, self.message).into())
    }
}

/// Reports how each Command ended.
struct Watch(UnboundedSender<(&'static str, Ended)>);

impl<P: Protocol> Invoker<P> for Watch {
    async fn invoke(&self, invocation: impl Invocation<P>) -> Result<Ended, Failed> {
        let name = invocation.entry().name;
        let ended = invocation.run().await?;
        // Nobody listens once the test is over.
        let _ = self.0.send((name, ended));
        Ok(ended)
    }
}

/// A server of ours. It is closed when it is dropped.
struct OurServer {
    handle: Handle,
    address: String,
    lost: UnboundedReceiver<Lost>,
    ended: UnboundedReceiver<(&'static str, Ended)>,
}

impl OurServer {
    async fn start<F: JobsFormat>(format: F) -> Self {
        Self::start_with(Server::builder(Jobs, format, Service::new())).await
    }

    async fn start_with<F: JobsFormat>(settings: server::Builder<Jobs, F, Service>) -> Self {
        let ((tell_lost, lost), (tell_ended, ended)) = (unbounded_channel(), unbounded_channel());
        let server = settings
            .invoker(Watch(tell_ended))
            .on_connection_lost(move |lost| {
                // Nobody listens once the test is over.
                let _ = tell_lost.send(lost.into());
            })
            .bind("127.0.0.1:0")
            .await
            .expect("a free port");
        let handle = server.handle();
        tokio::spawn(server.serve());
        Self { address: handle.local_addr().to_string(), handle, lost, ended }
    }

    /// Its only client must have just left.
    async fn expect_left(&mut self) {
        let Lost { reason, .. } = within(self.lost.recv()).await.expect("the server serves");
        assert_eq!((reason.kind(), reason.origin()), (ErrorKind::Closed, Origin::Remote), "{reason:#}");
        assert_eq!(self.handle.counters().failed_after_last_reply, 0);
    }

    /// Waits until `count` Commands of this name have ended like this.
    async fn expect_ended(&mut self, name: &str, expected: Ended, count: usize) {
        for _ in 0..count {
            let ended = loop {
                let (other, ended) = within(self.ended.recv()).await.expect("the server has its invoker");
                if other == name {
                    break ended;
                }
            };
            assert_eq!(ended, expected, "{name}");
        }
    }
}

impl Drop for OurServer {
    fn drop(&mut self) {
        self.handle.close();
    }
}

/// The service in Go, and its address.
async fn their_server<F>(wire: Wire<F>, args: &[&str]) -> (Process, String) {
    go_server("jobs", &[&["--format", wire.name], args].concat()).await
}

/// A scenario of the client in Go.
fn their_client<F>(wire: Wire<F>, address: &str, scenario: &str, args: &[&str]) -> Process {
    go_client("jobs", address, &[&["--format", wire.name, "--scenario", scenario], args].concat())
}

/// A client of ours, and the seqs of Replies that nobody waits for.
async fn our_client<F: JobsFormat>(
    settings: client::Builder<Jobs, F>,
    address: &str,
) -> (Client<Jobs, F>, UnboundedReceiver<i64>) {
    let (sender, unexpected) = unbounded_channel();
    let settings = settings.on_unexpected_reply(move |seq, _| {
        // Nobody listens once the test is over.
        let _ = sender.send(seq.get());
    });
    (within(settings.connect(address)).await.expect("a server listens there"), unexpected)
}

/// The logged texts, from the server of this client.
async fn logged<F: JobsFormat>(client: &Client<Jobs, F>, count: i64) -> LogsResult {
    within(client.send(LogsCmd { count })).await.expect("it is answered")
}

pub(crate) async fn posted_commands_reach_a_go_server_that_does_not_answer_them<F: JobsFormat>(
    wire: Wire<F>,
) {
    let (mut server, address) = their_server(wire, &[]).await;
    let (client, mut unexpected) = our_client(Client::builder(Jobs, wire.format), &address).await;
    let mut tasks = JoinSet::new();
    for task in 0..10 {
        let client = client.clone();
        tasks.spawn(async move {
            for n in 0..100 {
                let text = format!("text {n} of {task}");
                within(client.post(LogCmd { text })).await.expect("it is sent");
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.expect("no task failed");
    }
    within(client.post(LogCmd { text: String::new() })).await.expect("it is sent");
    assert_eq!(client.in_flight(), 0, "nothing is waited for");
    let expected = (0..10).flat_map(|task| (0..100).map(move |n| format!("text {n} of {task}"))).collect();
    assert_eq!(logged(&client, 1000).await, sorted(expected));
    assert_eq!(logged(&client, 0).await, LogsResult { texts: String::new() });
    assert!(unexpected.try_recv().is_err(), "nothing is answered");
    client.close();
    server.expect_line("lost: EOF").await;
}

pub(crate) async fn commands_of_a_go_client_that_waits_for_no_answer_are_executed<F: JobsFormat>(
    wire: Wire<F>,
) {
    let mut server = OurServer::start(wire.format).await;
    their_client(wire, &server.address, "one_way", &[]).expect_success(&["ok"]).await;
    server.expect_left().await;
    server.expect_ended("LogCmd", Ended::Unanswered, 100).await;
    until(|| server.handle.counters().failed == 1).await;
    let counters = server.handle.counters();
    assert_eq!((counters.started, counters.replies), (103, 2));
}

/// How many jobs of the scenario `late` send no Reply: the numbers 0, 5, 10 and 15. They fail.
const LATE_FAILURES: u64 = 4;

/// The number of Replies of all 16 jobs: 0 to 4 each, three times, and the failures.
const LATE_REPLIES: u64 = 3 * (1 + 2 + 3 + 4) + LATE_FAILURES;

pub(crate) async fn late_replies_of_owned_proxies_reach_a_go_client<F: JobsFormat>(wire: Wire<F>) {
    let mut server = OurServer::start(wire.format).await;
    their_client(wire, &server.address, "late", &[]).expect_success(&["ok"]).await;
    server.expect_left().await;
    let counters = server.handle.counters();
    let expected = (17, LATE_REPLIES + 1, LATE_FAILURES);
    assert_eq!((counters.started, counters.replies, counters.failed), expected, "a call follows the jobs");
    server.expect_ended("JobCmd", Ended::HandedOver, 16).await;
}

pub(crate) async fn late_replies_that_wait_for_room_reach_a_go_client<F: JobsFormat>(wire: Wire<F>) {
    let limits = Limits::default().output(256);
    let settings = Server::builder(Jobs, wire.format, Service::new()).limits(limits);
    let mut server = OurServer::start_with(settings).await;
    their_client(wire, &server.address, "late_many", &[]).expect_success(&["ok"]).await;
    server.expect_left().await;
    let counters = server.handle.counters();
    assert_eq!((counters.started, counters.replies, counters.failed), (3, 10_001, 0));
}

pub(crate) async fn late_replies_of_a_go_server_are_taken<F: JobsFormat>(wire: Wire<F>) {
    const TOGETHER: i64 = 16;
    let (_server, address) = their_server(wire, &[]).await;
    let (client, mut unexpected) = our_client(Client::builder(Jobs, wire.format), &address).await;
    let mut streams = VecDeque::new();
    for job in 0..TOGETHER {
        let command = JobCmd { job, results: job % 5, together: TOGETHER };
        streams.push_back((command.clone(), within(client.stream(command)).await.expect("it is sent")));
    }
    while let Some((command, mut stream)) = streams.pop_front() {
        for expected in command.replies() {
            let reply = within(stream.next()).await.expect("there are more").expect("nothing fails");
            assert_eq!(reply, expected);
        }
        if command.results == 0 {
            let failed = within(stream.next()).await.expect("there is a last one");
            assert_eq!(problem(failed).code, Problem::NO_LAST_REPLY);
        }
        assert!(within(stream.next()).await.is_none(), "it has had its last reply");
    }
    assert_eq!(logged(&client, 0).await.texts, "");
    assert!(unexpected.try_recv().is_err(), "each was waited for");
}

pub(crate) async fn shutdown_waits_for_the_late_replies_of_a_go_client<F: JobsFormat>(wire: Wire<F>) {
    // The jobs of the client wait for each other and for this test.
    let (service, start) = (Service::new(), Arc::new(Barrier::new(17)));
    service.start.set(Arc::clone(&start)).expect("there is none yet");
    let mut server = OurServer::start_with(Server::builder(Jobs, wire.format, service)).await;
    let client = their_client(wire, &server.address, "late_last", &[]);
    server.expect_ended("JobCmd", Ended::HandedOver, 16).await;
    server.handle.shutdown();
    within(start.wait()).await;
    client.expect_success(&["ok"]).await; // it has had all results
    let Lost { reason, .. } = within(server.lost.recv()).await.expect("it tells");
    // Either the client left as soon as it had the last Reply, or the server was first.
    assert_eq!(reason.kind(), ErrorKind::Closed, "{reason:#}");
    let counters = server.handle.counters();
    assert_eq!((counters.replies, counters.failed), (LATE_REPLIES, LATE_FAILURES));
}

pub(crate) async fn problems_are_results_to_a_go_client<F: JobsFormat>(wire: Wire<F>) {
    let mut server = OurServer::start(wire.format).await;
    // The client compares code and message.
    their_client(wire, &server.address, "problems", &[]).expect_success(&["ok"]).await;
    server.expect_left().await;
    let counters = server.handle.counters();
    assert_eq!((counters.started, counters.replies, counters.failed), (8, 8, 7));
}

pub(crate) async fn problems_of_a_go_server_are_failures<F: JobsFormat>(wire: Wire<F>) {
    let (_server, address) = their_server(wire, &[]).await;
    let (client, _) = our_client(Client::builder(Jobs, wire.format), &address).await;
    for (code, message) in [
        (0, ""),
        (1, "héllo, 世界 🌍"),
        (127, "x"),
        (128, ""),
        (1000, "<a&b>\"\\/\n\u{2028}"),
        (u32::MAX, &"x".repeat(100_000)),
    ] {
        let refused = within(client.send(RefuseCmd { code, message: message.into() })).await;
        assert_eq!(problem(refused), Problem::new(code, message));
    }
    assert_eq!(logged(&client, 0).await.texts, "", "the connection goes on");
}

fn problem<R: Debug>(reply: Result<R, CallError<Problem>>) -> Problem {
    match reply {
        Err(CallError::Failed(problem)) => problem,
        other => panic!("no problem: {other:?}"),
    }
}

pub(crate) async fn go_server_with_our_fingerprint_is_accepted_and_with_another_refused<F: JobsFormat>(
    wire: Wire<F>,
) {
    let (ours, older) = (ServerInfo::of::<Jobs, F>(), ServerInfo::of::<before::Jobs, F>());
    let settings = || Client::builder(Jobs, wire.format).server_info(ours.clone());
    let (_server, address) = their_server(wire, &["--info", text(&ours)]).await;
    let (client, _) = our_client(settings(), &address).await;
    assert_eq!(logged(&client, 0).await.texts, "");

    let (mut server, address) = their_server(wire, &["--info", text(&older)]).await;
    let error = within(settings().connect(&address)).await.expect_err("it is another version");
    assert_eq!((error.kind(), error.origin()), (ErrorKind::ServerInfoMismatch, Origin::Remote), "{error}");
    for named in [text(&ours), text(&older), &address] {
        assert!(error.to_string().contains(named), "{error}");
    }
    server.expect_line("lost: EOF").await;
    // During a rolling deploy.
    let (client, _) = our_client(settings().also_accept(older.clone()), &address).await;
    assert_eq!(logged(&client, 0).await.texts, "");
}

pub(crate) async fn go_client_with_our_fingerprint_stays_and_with_another_hangs_up<F: JobsFormat>(
    wire: Wire<F>,
) {
    let (ours, older) = (ServerInfo::of::<Jobs, F>(), ServerInfo::of::<before::Jobs, F>());
    let settings = Server::builder(Jobs, wire.format, Service::new()).server_info(ours.clone());
    let mut server = OurServer::start_with(settings).await;
    their_client(wire, &server.address, "one_way", &["--info", text(&ours)]).expect_success(&["ok"]).await;
    server.expect_left().await;
    let client = their_client(wire, &server.address, "wrong_info", &["--info", text(&older)]);
    client.expect_success(&["failed: cmdstream: server info mismatch", "ok"]).await;
    server.expect_left().await;
}

fn text(info: &ServerInfo) -> &str {
    std::str::from_utf8(info.as_bytes()).expect("a fingerprint is text")
}
