//! Where the server polls a Command's future: one that computes for long delays nobody else's Reply, nor a Reply of its
//! own that it has sent; and the three ways of scheduling differ in nothing else.
//!
//! The limits on time are those of the design on a machine that has nothing else to do. So each measurement is
//! compared with one of the same load beside a plain task that burns as much, which no scheduling of ours can
//! influence; and most of some repetitions have to hold it, not all.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cmd_stream::format::Encode;
use cmd_stream::protocol::CommandOf;
use cmd_stream::protocol::kind::{HasReply, Plain};
use cmd_stream::server::{Handle, Scheduling};
use cmd_stream::{Answer, Client, Command, Context, Execute, Failed, Json, Proxy, Reply, Server, protocol};
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use testkit::ends::{both, serve};
use testkit::wait::{until, within};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;

const fn scheduling(how: u8) -> Scheduling {
    match how {
        IN_PLACE => Scheduling::InPlace,
        SPAWNED => Scheduling::Spawned,
        _ => Scheduling::Adaptive,
    }
}

const ADAPTIVE: u8 = 0;
const IN_PLACE: u8 = 1;
const SPAWNED: u8 = 2;

/// Computes, and never lets anybody else run.
fn burn(time: Duration) {
    let started = Instant::now();
    while started.elapsed() < time {
        std::hint::spin_loop();
    }
}

/// Burns, then replies.
#[derive(Serialize, Deserialize)]
struct Burn<const HOW: u8> {}

/// Replies, then burns, then sends a last Reply.
#[derive(Serialize, Deserialize)]
struct ReplyAndBurn<const HOW: u8> {}

/// Replies at once.
#[derive(Serialize, Deserialize)]
struct Quick {}

/// Says in which task it is polled; burns first, or waits for the test first, if it is told to.
#[derive(Serialize, Deserialize)]
struct WhichTask<const HOW: u8> {
    burn: bool,
    wait: bool,
}

#[derive(Serialize, Deserialize)]
struct Done {
    last: bool,
}

/// The task that a Command is first polled in.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
struct Task(String);

impl Reply for Done {
    fn is_last(&self) -> bool {
        self.last
    }
}

impl<const HOW: u8> Command for Burn<HOW> {
    type Reply = Done;
    type Kind = Plain;
}
impl<const HOW: u8> Command for ReplyAndBurn<HOW> {
    type Reply = Done;
    type Kind = Plain;
}
impl<const HOW: u8> Command for WhichTask<HOW> {
    type Reply = Task;
    type Kind = Plain;
}

/// The Receiver.
#[derive(Clone)]
struct Furnace(Arc<(AtomicUsize, Semaphore)>);

impl Furnace {
    fn new() -> Self {
        Self(Arc::new((AtomicUsize::new(0), Semaphore::new(0))))
    }

    fn burn(&self) {
        self.0.0.fetch_add(1, Ordering::SeqCst);
        burn(BURN);
    }

    fn has_burnt(&self) -> bool {
        self.0.0.load(Ordering::SeqCst) > 0
    }
}

/// For how long a Command burns.
const BURN: Duration = Duration::from_millis(200);

impl<const HOW: u8> Execute<Furnace> for Burn<HOW> {
    const SCHEDULING: Scheduling = scheduling(HOW);

    async fn execute(self, furnace: &Furnace, proxy: Proxy<'_, Done>) -> Result<(), Failed> {
        furnace.burn();
        proxy.send(Done { last: true }).await
    }
}

impl<const HOW: u8> Execute<Furnace> for ReplyAndBurn<HOW> {
    const SCHEDULING: Scheduling = scheduling(HOW);

    async fn execute(self, furnace: &Furnace, proxy: Proxy<'_, Done>) -> Result<(), Failed> {
        proxy.send(Done { last: false }).await?;
        furnace.burn();
        proxy.send(Done { last: true }).await
    }
}

impl Answer<Furnace> for Quick {
    async fn answer(self, _: &Furnace, _: &Context<'_>) -> Result<Done, Failed> {
        Ok(Done { last: true })
    }
}

impl<const HOW: u8> Answer<Furnace> for WhichTask<HOW> {
    const SCHEDULING: Scheduling = scheduling(HOW);

    async fn answer(self, furnace: &Furnace, _: &Context<'_>) -> Result<Task, Failed> {
        let task = Task(tokio::task::id().to_string());
        if self.burn {
            furnace.burn();
        }
        if self.wait {
            furnace.0.1.acquire().await?.forget();
        }
        Ok(task)
    }
}

protocol! {
    struct Kitchen {
        commands {
            0 => Quick -> Done,
            1 => Burn<0> as BurnAdaptive,
            2 => Burn<1> as BurnInPlace,
            3 => Burn<2> as BurnSpawned,
            4 => ReplyAndBurn<0> as ReplyAndBurnAdaptive,
            5 => ReplyAndBurn<2> as ReplyAndBurnSpawned,
            6 => ReplyAndBurn<1> as ReplyAndBurnInPlace,
            7 => WhichTask<0> as WhichTaskAdaptive,
            8 => WhichTask<1> as WhichTaskInPlace,
            9 => WhichTask<2> as WhichTaskSpawned,
        }
        replies { 0 => Done, 1 => Task }
        failure close_connection
    }
}

type Cook = Client<Kitchen, Json>;

/// Two workers for both ends. The tests that measure take turns.
fn two_workers() -> (Runtime, MutexGuard<'static, ()>) {
    static TURN: Mutex<()> = Mutex::new(());
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    (Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime"), turn)
}

async fn kitchen() -> (Cook, Furnace, Handle) {
    let furnace = Furnace::new();
    let server = serve(Server::builder(Kitchen, Json, furnace.clone())).await;
    let client = Client::connect(server.local_addr().to_string(), Kitchen, Json).await.expect("a server");
    quick_ones(&client).await; // by now it is known how quick they are
    (client, furnace, server)
}

/// What the 99th of 100 of a thousand quick Commands takes.
async fn quick_ones(client: &Cook) -> Duration {
    let callers = (0..20).map(|_| {
        let client = client.clone();
        tokio::spawn(async move {
            let mut times = Vec::new();
            for _ in 0..50 {
                let started = Instant::now();
                client.send(Quick {}).await.expect("a reply");
                times.push(started.elapsed());
            }
            times
        })
    });
    let mut times: Vec<_> =
        within(join_all(callers)).await.into_iter().flat_map(|times| times.expect("no panic")).collect();
    times.sort_unstable();
    times[times.len() * 99 / 100]
}

/// What is allowed on this machine now: that is measured beside a task that burns as long as the Commands do, on one
/// of the two workers, too.
async fn limit(client: &Cook) -> Duration {
    let burning = tokio::spawn(async { burn(BURN) });
    let beside_a_task = quick_ones(client).await;
    burning.await.expect("no panic");
    (beside_a_task * 2).clamp(LIMIT, HIGHEST_LIMIT)
}

/// What the 99th of 100 quick Commands beside one that burns may take, and the Reply of one that burns after it.
const LIMIT: Duration = Duration::from_millis(5);
/// Where even the machine alone needs longer, it may take twice that, but never as long as half of what is burnt.
const HIGHEST_LIMIT: Duration = Duration::from_millis(100);

/// Quick Commands beside one that burns: what they take, and what they may take.
async fn quick_ones_beside_one_that_burns<C>(command: fn() -> C) -> (Duration, Duration)
where
    C: CommandOf<Kitchen, Reply = Done, Kind: HasReply>,
    Json: Encode<C>,
{
    let (client, furnace, _server) = kitchen().await;
    let limit = limit(&client).await;
    // It is sent first, so that all others stand behind it in the connection.
    let burning = client.send(command());
    let (done, took) = within(async { tokio::join!(burning, quick_ones(&client)) }).await;
    assert!(done.expect("a reply").last && furnace.has_burnt());
    (took, limit)
}

/// A Reply of a Command that burns when it has sent it: what it takes, and what it may take.
async fn reply_before_the_burning<C>(command: fn() -> C) -> (Duration, Duration)
where
    C: CommandOf<Kitchen, Reply = Done, Kind: HasReply>,
    Json: Encode<C>,
{
    let (client, furnace, _server) = kitchen().await;
    let limit = limit(&client).await;
    let (took, read) = tokio::spawn(async move {
        let started = Instant::now();
        let mut replies = client.stream(command()).await.expect("sent");
        assert!(!within(replies.next()).await.expect("a reply").expect("a reply").last);
        let took = started.elapsed();
        assert!(within(replies.next()).await.expect("a reply").expect("a reply").last);
        (took, started.elapsed())
    })
    .await
    .expect("no panic");
    assert!(furnace.has_burnt() && read >= BURN);
    (took, limit)
}

/// Repeats a measurement until enough of it holds its limit.
///
/// # Panics
///
/// If at no time enough of it did.
fn assert_held<F: Future<Output = (Duration, Duration)>>(measure: impl Fn() -> F) {
    let (runtime, _turn) = two_workers();
    let mut measured = Vec::new();
    while measured.len() < MOST_REPETITIONS {
        measured.push(runtime.block_on(measure()));
        let held = measured.iter().filter(|(took, limit)| took <= limit).count();
        if measured.len() >= REPETITIONS && held * REPETITIONS >= measured.len() * MUST_HOLD {
            return;
        }
    }
    panic!("took, limit: {measured:?}");
}

/// Of so many repetitions so many must hold the limit; on a busy machine the same share of more of them.
const REPETITIONS: usize = 5;
const MUST_HOLD: usize = 3;
const MOST_REPETITIONS: usize = 20;

#[test]
fn a_command_that_burns_does_not_delay_the_quick_ones_of_its_connection() {
    assert_held(|| quick_ones_beside_one_that_burns(|| Burn::<ADAPTIVE> {}));
    assert_held(|| quick_ones_beside_one_that_burns(|| Burn::<SPAWNED> {}));
}

#[test]
fn a_reply_is_not_delayed_by_its_command_that_burns_afterwards() {
    assert_held(|| reply_before_the_burning(|| ReplyAndBurn::<ADAPTIVE> {}));
    assert_held(|| reply_before_the_burning(|| ReplyAndBurn::<SPAWNED> {}));
}

/// What `Scheduling::InPlace` warns of; and the proof that the two tests above can fail.
#[test]
fn a_command_that_burns_in_place_does_delay_them() {
    let (runtime, _turn) = two_workers();
    let (took, _) = runtime.block_on(quick_ones_beside_one_that_burns(|| Burn::<IN_PLACE> {}));
    assert!(took > HIGHEST_LIMIT, "quick ones took {took:?}");
    let (took, _) = runtime.block_on(reply_before_the_burning(|| ReplyAndBurn::<IN_PLACE> {}));
    assert!(took > LIMIT, "the reply took {took:?}");
}

#[test]
fn a_reply_in_place_waits_no_longer_than_until_somebody_stands_in() {
    const NOTICED: Duration = Duration::from_millis(20);
    assert_held(|| async {
        let (took, limit) = reply_before_the_burning(|| ReplyAndBurn::<IN_PLACE> {}).await;
        (took, limit + NOTICED)
    });
}

// Which task polls.

async fn tasks<const HOW: u8>(client: &Cook, n: usize) -> Vec<Task>
where
    WhichTask<HOW>: CommandOf<Kitchen, Reply = Task, Kind: HasReply>,
{
    let mut tasks = Vec::new();
    for _ in 0..n {
        tasks.push(client.send(WhichTask::<HOW> { burn: false, wait: false }).await.expect("a reply"));
    }
    tasks
}

async fn in_memory() -> (Cook, Furnace, Handle) {
    let furnace = Furnace::new();
    let (client, server) =
        both(Server::builder(Kitchen, Json, furnace.clone()), Client::builder(Kitchen, Json)).await;
    (client, furnace, server)
}

#[tokio::test]
async fn in_place_is_always_in_the_task_of_the_connection_and_spawned_never() {
    let (client, _furnace, _server) = in_memory().await;
    let in_place = tasks::<IN_PLACE>(&client, 200).await;
    assert!(in_place.iter().all(|task| *task == in_place[0]));
    let mut spawned = tasks::<SPAWNED>(&client, 200).await;
    spawned.sort();
    spawned.dedup();
    assert_eq!(spawned.len(), 200, "each has a task of its own");
    assert!(!spawned.contains(&in_place[0]));
}

#[tokio::test]
async fn an_adaptive_command_is_polled_in_place_once_it_has_proved_to_be_quick_and_until_it_is_slow() {
    let (client, _furnace, _server) = in_memory().await;
    let connection = tasks::<IN_PLACE>(&client, 1).await.remove(0);
    assert!(
        tasks::<ADAPTIVE>(&client, 10).await.iter().all(|task| *task != connection),
        "it starts in tasks of its own"
    );

    until_polled(&client, |task| *task == connection).await;
    client.send(WhichTask::<ADAPTIVE> { burn: true, wait: false }).await.expect("a reply");
    until_polled(&client, |task| *task != connection).await;
}

/// Sends quick ones until one is polled as said. It takes some, as how quick they are depends on the machine, too.
async fn until_polled(client: &Cook, as_said: impl Fn(&Task) -> bool) {
    within(async { while !as_said(&tasks::<ADAPTIVE>(client, 1).await[0]) {} }).await;
}

#[tokio::test(start_paused = true)]
async fn a_command_that_waits_holds_up_nobody_however_it_is_scheduled() {
    async fn check<const HOW: u8>()
    where
        WhichTask<HOW>: CommandOf<Kitchen, Reply = Task, Kind: HasReply>,
    {
        let (client, furnace, server) = in_memory().await;
        let waiting =
            join_all(
                (0..10).map(|_| {
                    let client = client.clone();
                    async move {
                        client.send(WhichTask::<HOW> { burn: false, wait: true }).await.expect("a reply")
                    }
                }),
            );
        let others = async {
            tasks::<HOW>(&client, 100).await;
            until(|| server.counters().started == 110).await;
            assert_eq!(client.in_flight(), 10);
            furnace.0.1.add_permits(10);
        };
        within(async { tokio::join!(waiting, others) }).await;
        assert_eq!((client.in_flight(), server.counters().replies), (0, 110));
    }
    check::<ADAPTIVE>().await;
    check::<IN_PLACE>().await;
    check::<SPAWNED>().await;
}
