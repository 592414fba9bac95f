//! Either end is killed in mid-traffic and started again, 20 times, with the other end in Go. No Reply is wrong, nothing
//! hangs, and what the client says of each Command is true: one that was answered ran once, one that was not sent never ran,
//! and one that may have run did not run twice.
//!
//! The Go client does not say whether a Command that failed may have run.

mod closes;
mod group;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use cmd_stream::client::{Backoff, Limits};
use cmd_stream::{Client, ErrorKind, Json, Server};
use interop::go;
use interop::numbered::{Messages, Outcome, Recorder, send};
use testkit::process::{Ended, Process};
use testkit::wait::{until, within};
use tokio::sync::mpsc::unbounded_channel;
use tokio::task::JoinSet;
use tokio::time::sleep;

const KILLS: u64 = 20;

/// How many Commands are executed between two kills, at least.
const TRAFFIC: usize = 50;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_client_and_a_go_server_that_is_killed() {
    let record = Record::new("go-server-killed");
    let args = ["server", "--service", "reconnect", "--until-stdin-closes", "--record", record.path()];
    let (mut server, address) = Process::start_server(go_peer(), &args).await;
    let numbers = Arc::new(AtomicU64::new(1));
    // Calls of the one wait for the next connection, those of the other fail at once.
    let patient = Traffic::start(&address, Duration::MAX, &numbers).await;
    let impatient = Traffic::start(&address, Duration::ZERO, &numbers).await;
    for _ in 0..KILLS {
        patient.answers_more().await;
        impatient.answers_more().await;
        let refused = impatient.count(Outcome::DidNotRun);
        server.kill();
        until(|| impatient.count(Outcome::DidNotRun) > refused).await;
        let args = [&args[..], &["--listen", &address]].concat();
        server = Process::restart_server(go_peer(), &args, &address).await;
    }
    patient.answers_more().await;
    impatient.answers_more().await;

    for traffic in [&patient, &impatient] {
        let counters = traffic.client.counters();
        assert_eq!((counters.lost, counters.connected), (KILLS, KILLS + 1), "{counters:?}");
        assert!(traffic.count(Outcome::MayHaveRun) > 0, "no kill was in mid-traffic");
    }
    assert_eq!(patient.count(Outcome::DidNotRun), 0, "they waited for the next connection");
    let told = [patient.stop().await, impatient.stop().await].concat();
    let ran_unanswered = record.expect(&told, Unanswered::Known);
    assert!(ran_unanswered > 0, "no command was executed and not answered");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_go_client_and_our_server_that_is_killed() {
    our_server_is_killed("our-server-killed", &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_go_group_of_8_and_our_server_that_is_killed() {
    let ended = our_server_is_killed("group-our-server-killed", &["--clients", "8"]).await;
    let replaced = ended.complaints.lines().filter(|line| line.ends_with("another group")).count();
    assert!(replaced < KILLS as usize, "no kill was survived by reconnecting: {ended:?}");
}

/// Kills our server in the traffic of a Go client or group, and checks what became of each message.
async fn our_server_is_killed(test: &str, args: &[&str]) -> Ended {
    let record = Record::new(test);
    let (mut server, address) =
        Process::start_server(NUMBERED, &["server", "127.0.0.1:0", record.path()]).await;
    let client = go_client_with(&address, 1, args);
    for _ in 0..KILLS {
        record.grows().await;
        server.kill();
        let args = ["server", &address, record.path()];
        server = Process::restart_server(NUMBERED, &args, &address).await;
    }
    record.grows().await;
    client.signal("TERM");
    let ended = client.end().await;
    assert_eq!(ended.code, Some(0), "{}", ended.complaints);
    record.expect(&told(&ended.lines), Unanswered::Known);
    ended
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_go_client_that_is_killed_and_our_server() {
    let record = Record::new("go-client-killed");
    let recorder = Recorder::new(&record.path).expect("the file can be made");
    let (lost_sender, mut lost) = unbounded_channel();
    let settings = Server::builder(Messages, Json, recorder).on_connection_lost(move |lost| {
        // Nobody listens once the test is over.
        let _ = lost_sender.send(lost.reason.clone());
    });
    let server = settings.bind("127.0.0.1:0").await.expect("a free port");
    let handle = server.handle();
    let address = handle.local_addr().to_string();
    tokio::spawn(server.serve());

    let mut all = Vec::new();
    for kill in 0..KILLS {
        all.extend(run_and_kill(go_client(&address, 1 + kill * BETWEEN)).await);
        let reason = within(lost.recv()).await.expect("the server serves");
        let kinds = [ErrorKind::Closed, ErrorKind::UnexpectedEof, ErrorKind::Io];
        assert!(kinds.contains(&reason.kind()), "{reason:?}");
    }
    assert_eq!(handle.counters().accepted, KILLS);
    assert!(all.iter().all(|(_, outcome)| *outcome == Outcome::Answered), "only clients were killed");
    handle.shutdown();
    record.expect(&all, Unanswered::Unknown);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_client_that_is_killed_and_a_go_server() {
    let record = Record::new("our-client-killed");
    let args = ["server", "--service", "reconnect", "--until-stdin-closes", "--record", record.path()];
    let (mut server, address) = Process::start_server(go_peer(), &args).await;
    let mut all = Vec::new();
    for kill in 0..KILLS {
        let first = (1 + kill * BETWEEN).to_string();
        all.extend(run_and_kill(Process::start(NUMBERED, &["client", &address, &first])).await);
        let line = server.line().await;
        assert!(line.starts_with("lost: "), "{line}");
    }
    assert!(all.iter().all(|(_, outcome)| *outcome == Outcome::Answered), "only clients were killed");
    record.expect(&all, Unanswered::Unknown);
}

/// Between the first numbers of clients that follow each other. None sends that many.
const BETWEEN: u64 = 1_000_000;

/// Kills a client after a while, and returns what it has been told.
async fn run_and_kill(mut client: Process) -> Vec<(u64, Outcome)> {
    let mut lines = Vec::new();
    while lines.len() < TRAFFIC {
        lines.push(client.line().await);
    }
    client.kill();
    let ended = client.end().await;
    assert_eq!(ended.code, None, "it ended before it was killed: {}", ended.complaints);
    lines.extend(ended.lines);
    told(&lines)
}

/// Reads what a client has printed.
fn told(lines: &[String]) -> Vec<(u64, Outcome)> {
    let read = |line: &String| match line.split([' ', ':']).collect::<Vec<_>>()[..] {
        ["answered", number] => Some((number.parse().ok()?, Outcome::Answered)),
        ["failed", number, ..] => Some((number.parse().ok()?, Outcome::MayHaveRun)),
        _ => None,
    };
    lines.iter().map(|line| read(line).unwrap_or_else(|| panic!("the client printed {line:?}"))).collect()
}

/// A client of ours, and tasks that send messages through it.
struct Traffic {
    client: Client<Messages, Json>,
    told: Arc<Mutex<Vec<(u64, Outcome)>>>,
    stopping: Arc<AtomicBool>,
    tasks: JoinSet<()>,
}

impl Traffic {
    async fn start(address: &str, connection_wait: Duration, numbers: &Arc<AtomicU64>) -> Self {
        let ms = Duration::from_millis;
        let client = Client::builder(Messages, Json)
            .limits(Limits::default().connection_wait(connection_wait))
            .backoff(Backoff::default().first(ms(10)).longest(ms(50)))
            .connect(address)
            .await
            .expect("a server listens there");
        let (told, stopping, mut tasks) = (Arc::default(), Arc::default(), JoinSet::new());
        for _ in 0..16 {
            let (client, numbers) = (client.clone(), Arc::clone(numbers));
            let (told, stopping): (Arc<Mutex<Vec<_>>>, Arc<AtomicBool>) =
                (Arc::clone(&told), Arc::clone(&stopping));
            tasks.spawn(async move {
                while !stopping.load(Ordering::Relaxed) {
                    let number = numbers.fetch_add(1, Ordering::Relaxed);
                    let outcome = within(send(&client, number)).await;
                    told.lock().unwrap_or_else(PoisonError::into_inner).push((number, outcome));
                    if outcome == Outcome::DidNotRun {
                        sleep(Duration::from_millis(1)).await; // the next one will not run either
                    }
                }
            });
        }
        Self { client, told, stopping, tasks }
    }

    fn count(&self, which: Outcome) -> usize {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.iter().filter(|(_, outcome)| *outcome == which).count()
    }

    async fn answers_more(&self) {
        let before = self.count(Outcome::Answered);
        until(|| self.count(Outcome::Answered) >= before + TRAFFIC).await;
    }

    /// Waits for the last calls, and returns what became of all.
    async fn stop(mut self) -> Vec<(u64, Outcome)> {
        self.stopping.store(true, Ordering::Relaxed);
        while let Some(ended) = within(self.tasks.join_next()).await {
            ended.expect("no reply was wrong, and no call hung");
        }
        std::mem::take(&mut self.told.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What may have happened to messages of which the client has told nothing.
#[derive(PartialEq, Eq)]
enum Unanswered {
    /// There are none.
    Known,
    /// The client was killed before it could tell.
    Unknown,
}

/// What a server has executed: the numbers, a line each.
struct Record {
    path: PathBuf,
}

impl Record {
    fn new(test: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{test}-{}", std::process::id()));
        Self { path }
    }

    fn path(&self) -> &str {
        self.path.to_str().expect("cargo's paths are text")
    }

    fn len(&self) -> u64 {
        std::fs::metadata(&self.path).map_or(0, |metadata| metadata.len())
    }

    /// Waits until more has been executed.
    async fn grows(&self) {
        let before = self.len();
        until(|| self.len() >= before + 8 * TRAFFIC as u64).await; // a line has 8 bytes at most
    }

    /// Compares what ran with what the clients were told. Returns how many of those ran that may have.
    fn expect(&self, told: &[(u64, Outcome)], unanswered: Unanswered) -> usize {
        let text = std::fs::read_to_string(&self.path).expect("it was written");
        let mut ran: BTreeMap<u64, u32> = BTreeMap::new();
        for number in text.lines() {
            *ran.entry(number.parse().expect("a number")).or_insert(0) += 1;
        }
        let mut ran_unanswered = 0;
        for (number, outcome) in told {
            let times = ran.remove(number).unwrap_or(0);
            let is_true = match outcome {
                Outcome::Answered => times == 1,
                Outcome::MayHaveRun => times <= 1,
                Outcome::DidNotRun => times == 0,
            };
            assert!(is_true, "message {number} ran {times} times, and the client was told: {outcome:?}");
            ran_unanswered += usize::from(*outcome == Outcome::MayHaveRun && times == 1);
        }
        assert!(ran.values().all(|times| *times == 1), "executed twice: {ran:?}");
        assert!(
            unanswered == Unanswered::Unknown || ran.is_empty(),
            "nobody was told what became of {ran:?}"
        );
        ran_unanswered
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        // It may not have been made.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Either end in Rust.
const NUMBERED: &str = env!("CARGO_BIN_EXE_numbered");

fn go_client(address: &str, first: u64) -> Process {
    go_client_with(address, first, &[])
}

fn go_client_with(address: &str, first: u64, args: &[&str]) -> Process {
    let usual = ["client", "--service", "reconnect", "--scenario", "traffic", "--tasks", "16"];
    let first = first.to_string();
    Process::start(go_peer(), &[&usual[..], &["--connect", address, "--first", &first], args].concat())
}

/// The Go peer; the first caller builds it.
fn go_peer() -> &'static Path {
    static PEER: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let built = PEER.get_or_init(|| go::build("go", "peer", Path::new(env!("CARGO_TARGET_TMPDIR"))));
    built.as_deref().unwrap_or_else(|message| panic!("{message}"))
}
