//! Room before work: while the output of a connection is full, no Command is started, no Reply is encoded, and no failure is
//! made. The clock is paused, so `quiet` is when everybody waits.

use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, Wake, Waker};

use cmd_stream::protocol::kind::Plain;
use cmd_stream::server::{Handle, Limits, Scheduling, Server};
use cmd_stream::{Command, Execute, Failed, Failure, Json, Proxy, Reply, protocol};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use serde::{Deserialize, Serialize, Serializer};
use testkit::peer::{BytePeer, GREETING};
use tokio::io::DuplexStream;
use tokio::sync::Semaphore;

mod client;
#[path = "../common/lab.rs"]
mod lab;
#[path = "../common/pipes.rs"]
mod pipes;
#[path = "../common/wire.rs"]
mod wire;

/// What a Receiver has seen.
#[derive(Clone, Debug, Default)]
struct Desk(Arc<Seen>);

#[derive(Debug)]
struct Seen {
    gate: Semaphore,
    started: AtomicUsize,
    polls: AtomicUsize,
    replied: AtomicUsize,
}

impl Default for Seen {
    fn default() -> Self {
        let [started, polls, replied] = [const { AtomicUsize::new(0) }; 3];
        Self { gate: Semaphore::new(0), started, polls, replied }
    }
}

/// Answered with so many bytes at once.
#[derive(Serialize, Deserialize)]
struct Now(usize);
/// Answered with so many bytes after the gate.
#[derive(Serialize, Deserialize)]
struct Later(usize);
/// Fails with so many bytes after the gate.
#[derive(Serialize, Deserialize)]
struct Fails(usize);
/// Tries to send and gives up, so many times.
#[derive(Serialize, Deserialize)]
struct GivesUp(usize);
/// Blocks its thread on its Replies.
#[derive(Serialize, Deserialize)]
struct Blocks(usize);
/// Sends in a combinator that has a waker of its own.
#[derive(Serialize, Deserialize)]
struct Combines(usize);

/// How many Replies of this many bytes were encoded: those of one test.
static ENCODED: AtomicUsize = AtomicUsize::new(0);
const COUNTED: usize = 1003;
/// How many failures were made. One test makes some.
static FAILURES: AtomicUsize = AtomicUsize::new(0);

#[derive(Deserialize)]
struct Part {
    text: String,
    last: bool,
}

impl Part {
    fn of(bytes: usize) -> Self {
        Self { text: "x".repeat(bytes), last: true }
    }
}

impl Serialize for Part {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.text.len() == COUNTED {
            ENCODED.fetch_add(1, Relaxed);
        }
        (&self.text, self.last).serialize(serializer)
    }
}

impl Reply for Part {
    fn is_last(&self) -> bool {
        self.last
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Trouble(String);

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Trouble {}
impl Reply for Trouble {}
impl Failure for Trouble {
    fn from_failed(failed: &Failed) -> Self {
        FAILURES.fetch_add(1, Relaxed);
        Self("x".repeat(failed.to_string().parse().unwrap_or(0)))
    }
}

macro_rules! commands {
    ($($command:ident),*) => { $(impl Command for $command { type Reply = Part; type Kind = Plain; })* };
}
commands!(Now, Later, Fails, GivesUp, Blocks, Combines);

impl Execute<Desk> for Now {
    const SCHEDULING: Scheduling = Scheduling::Spawned;

    async fn execute(self, desk: &Desk, proxy: Proxy<'_, Part>) -> Result<(), Failed> {
        desk.0.started.fetch_add(1, Relaxed);
        proxy.send(Part::of(self.0)).await
    }
}

/// Counts how often a future is polled.
struct Counted<'a, F>(F, &'a AtomicUsize);

impl<F: Future + Unpin> Future for Counted<'_, F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.1.fetch_add(1, Relaxed);
        Pin::new(&mut self.0).poll(cx)
    }
}

impl Execute<Desk> for Later {
    async fn execute(self, desk: &Desk, proxy: Proxy<'_, Part>) -> Result<(), Failed> {
        desk.0.started.fetch_add(1, Relaxed);
        desk.0.gate.acquire().await.map_err(Failed::new)?.forget();
        Counted(Box::pin(proxy.send(Part::of(self.0))), &desk.0.polls).await?;
        desk.0.replied.fetch_add(1, Relaxed);
        Ok(())
    }
}

impl Execute<Desk> for Fails {
    async fn execute(self, desk: &Desk, _: Proxy<'_, Part>) -> Result<(), Failed> {
        desk.0.started.fetch_add(1, Relaxed);
        desk.0.gate.acquire().await.map_err(Failed::new)?.forget();
        Err(Failed::new(self.0.to_string()))
    }
}

struct Wakes;

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {}
}

impl Execute<Desk> for GivesUp {
    async fn execute(self, desk: &Desk, proxy: Proxy<'_, Part>) -> Result<(), Failed> {
        desk.0.gate.acquire().await.map_err(Failed::new)?.forget();
        let owned = proxy.into_owned();
        for _ in 0..self.0 {
            let wakes = Arc::new(Wakes);
            let waker = Waker::from(Arc::clone(&wakes));
            let mut cx = Context::from_waker(&waker);
            assert!(pin!(proxy.send(Part::of(1))).poll(&mut cx).is_pending());
            assert!(pin!(proxy.ready()).poll(&mut cx).is_pending());
            assert!(pin!(owned.send(Part::of(1))).poll(&mut cx).is_pending());
            drop(waker);
            assert_eq!(Arc::strong_count(&wakes), 1, "its waker was left behind");
            desk.0.replied.fetch_add(1, Relaxed);
        }
        proxy.send(Part::of(1)).await
    }
}

impl Execute<Desk> for Blocks {
    const SCHEDULING: Scheduling = Scheduling::Spawned;

    async fn execute(self, _: &Desk, proxy: Proxy<'_, Part>) -> Result<(), Failed> {
        let runtime = tokio::runtime::Handle::current();
        tokio::task::block_in_place(|| {
            runtime.block_on(async {
                for n in 1..=self.0 {
                    proxy.send(Part { text: "x".repeat(1000), last: n == self.0 }).await?;
                }
                Ok(())
            })
        })
    }
}

impl Execute<Desk> for Combines {
    /// Polled with a waker of the combinator's own, as by an executor that may block the thread.
    async fn execute(self, desk: &Desk, proxy: Proxy<'_, Part>) -> Result<(), Failed> {
        desk.0.started.fetch_add(1, Relaxed);
        desk.0.gate.acquire().await.map_err(Failed::new)?.forget();
        let mut sends = FuturesUnordered::from_iter([proxy.send(Part::of(self.0))]);
        sends.next().await.unwrap_or(Ok(()))
    }
}

protocol! {
    struct Rooms {
        commands { 0 => Now, 1 => Later, 2 => Fails, 3 => GivesUp, 4 => Blocks, 5 => Combines }
        replies { 0 => Part, 1 => Trouble }
        failure Trouble
    }
}

/// The bytes that the pipe holds.
const WIDTH: usize = 2000;
const OUTPUT: usize = 10_000;
/// How many Replies of a thousand bytes fit in both, and one more.
const FIT: usize = (WIDTH + OUTPUT) / 1000 + 1;

/// A server whose output is small, and one of its clients.
async fn served() -> (Desk, Handle, BytePeer<DuplexStream>) {
    let (dialer, listener) = pipes::pipes();
    let desk = Desk::default();
    let limits = Limits::default().output(OUTPUT);
    let server = Server::builder(Rooms, Json, desk.clone()).limits(limits).listen(listener).unwrap();
    let handle = server.handle();
    tokio::spawn(server.serve());
    let mut peer = BytePeer::over(dialer.dial(WIDTH));
    peer.expect(GREETING).await;
    (desk, handle, peer)
}

/// Sends so many Commands, which the server has read then.
async fn send(handle: &Handle, peer: &mut BytePeer<DuplexStream>, tag: i64, body: usize, commands: usize) {
    let before = handle.counters().started;
    for seq in 1..=commands {
        peer.send(&wire::frame(before as i64 + seq as i64, tag, body.to_string())).await;
    }
    lab::quiet().await;
}

/// Reads so many bytes, however slowly they come.
async fn receive(peer: &mut BytePeer<DuplexStream>, bytes: usize) {
    peer.receive(bytes).await;
    lab::quiet().await;
}

fn part_len(seq: i64, bytes: usize) -> usize {
    wire::frame(seq, 0, format!(r#"["{}",true]"#, "x".repeat(bytes))).len()
}

#[tokio::test(start_paused = true)]
async fn no_command_is_started_while_the_output_is_full() {
    let (desk, handle, mut peer) = served().await;
    // They arrive in one read: only while they are started does the output become full.
    let all: Vec<u8> = (1..=100).flat_map(|seq| wire::frame(seq, 0, "1000")).collect();
    peer.send(&all).await;
    lab::quiet().await;
    assert_eq!(handle.counters().started, 100);
    let started = desk.0.started.load(Relaxed);
    assert!((10..=FIT).contains(&started), "{started} were started");

    // As many are started as are taken, in their order.
    for seq in 1..=100 {
        receive(&mut peer, part_len(seq, 1000)).await;
        let now = desk.0.started.load(Relaxed) - started;
        assert!(now <= seq as usize + 2, "{now} after {seq}");
    }
    assert_eq!(desk.0.started.load(Relaxed), 100);
}

#[tokio::test(start_paused = true)]
async fn replies_that_wait_for_room_are_not_encoded_and_polled_a_few_times() {
    let (desk, handle, mut peer) = served().await;
    send(&handle, &mut peer, 1, COUNTED, 500).await;
    assert_eq!(desk.0.started.load(Relaxed), 500);
    desk.0.gate.add_permits(500);
    lab::quiet().await;
    let encoded = ENCODED.load(Relaxed);
    assert!((10..=FIT).contains(&encoded), "{encoded} were encoded");
    for seq in 1..=500 {
        receive(&mut peer, part_len(seq, COUNTED)).await;
    }
    assert_eq!(ENCODED.load(Relaxed), 500);
    assert_eq!(desk.0.replied.load(Relaxed), 500);
    let polls = desk.0.polls.load(Relaxed);
    assert!(polls < 500 * 5, "{polls} polls for 500 replies");
}

#[tokio::test(start_paused = true)]
async fn failures_wait_for_room_too_and_nothing_is_made_before() {
    let (desk, handle, mut peer) = served().await;
    send(&handle, &mut peer, 2, 1000, 500).await;
    assert_eq!(desk.0.started.load(Relaxed), 500);
    desk.0.gate.add_permits(500);
    lab::quiet().await;
    let made = FAILURES.load(Relaxed);
    assert!((10..=FIT).contains(&made), "{made} were made");
    assert_eq!(handle.counters().failed, 500);
    // Those that are owed are in flight: a shutdown waits for them.
    handle.shutdown();
    for seq in 1..=500 {
        let len = wire::frame(seq, 1, format!(r#""{}""#, "x".repeat(1000))).len();
        receive(&mut peer, len).await;
    }
    peer.expect_end().await;
    assert_eq!(FAILURES.load(Relaxed), 500);
}

#[tokio::test(start_paused = true)]
async fn one_who_gives_up_waiting_leaves_nothing_behind() {
    let (desk, handle, mut peer) = served().await;
    send(&handle, &mut peer, 3, 50, 1).await;
    send(&handle, &mut peer, 0, 2 * OUTPUT, 1).await;
    desk.0.gate.add_permits(1);
    lab::quiet().await;
    assert_eq!(desk.0.replied.load(Relaxed), 50);
    receive(&mut peer, part_len(2, 2 * OUTPUT)).await;
    peer.expect(&wire::frame(1, 0, r#"["x",true]"#)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_blocks_on_its_replies_lets_them_be_written() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let limits = Limits::default().output(2000);
    let server = Server::builder(Rooms, Json, Desk::default()).limits(limits).listen(listener).unwrap();
    let handle = server.handle();
    tokio::spawn(server.serve());
    let mut peer = BytePeer::greeted(handle.local_addr()).await;
    peer.send(&wire::frame(1, 4, "50")).await;
    let len = |last: bool| wire::frame(1, 0, format!(r#"["{}",{last}]"#, "x".repeat(1000))).len();
    peer.receive(49 * len(false) + len(true)).await;
}

/// Threads that only wait are of this name.
#[cfg(target_os = "linux")]
fn waiting_threads() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|name| name.trim() == "cmd-stream-wait").count()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn commands_that_wait_for_room_in_combinators_do_not_take_a_thread_each() {
    let (desk, handle, mut peer) = served().await;
    send(&handle, &mut peer, 5, 1000, 300).await;
    testkit::wait::until(|| desk.0.started.load(Relaxed) == 300).await;
    desk.0.gate.add_permits(300);
    let mut most = 0;
    testkit::wait::until(|| {
        most = most.max(waiting_threads());
        handle.counters().replies as usize >= FIT - 3
    })
    .await;
    lab::quiet().await;
    most = most.max(waiting_threads());
    // Other tests of this program have servers of their own.
    assert!(most <= 8, "{most} threads");
    for seq in 1..=300 {
        receive(&mut peer, part_len(seq, 1000)).await;
    }
}
