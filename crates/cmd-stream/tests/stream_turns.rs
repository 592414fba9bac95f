//! A Command that sends Reply after Reply lets others run: by time, and not after each Reply.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use cmd_stream::format::Encode;
use cmd_stream::protocol::{CommandOf, kind::Plain};
use cmd_stream::server::Scheduling;
use cmd_stream::{Answer, Client, Command, Context, Execute, Failed, Json, Proxy, Reply, Server, protocol};
use serde::{Deserialize, Serialize};

/// Sends so many Replies, with so many microseconds of computing before each. The last one says how often it was polled.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Count {
    replies: u64,
    micros: u64,
}

#[derive(Serialize, Deserialize)]
struct Adaptive(Count);
#[derive(Serialize, Deserialize)]
struct Spawned(Count);
#[derive(Serialize, Deserialize)]
struct HandedOver(Count);
#[derive(Serialize, Deserialize)]
struct Honest {}

#[derive(Serialize, Deserialize)]
struct Item {
    n: u64,
    polls: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct Done {}

impl Reply for Item {
    fn is_last(&self) -> bool {
        self.polls.is_some()
    }
}
impl Reply for Done {}

impl Count {
    async fn send<F, Fut>(self, send: F) -> Result<(), Failed>
    where
        F: Fn(Item) -> Fut,
        Fut: Future<Output = Result<(), Failed>>,
    {
        let polls = AtomicU64::new(0);
        let mut sending = pin!(async {
            for n in 1..=self.replies {
                compute(Duration::from_micros(self.micros));
                send(Item { n, polls: (n == self.replies).then(|| polls.load(Relaxed)) }).await?;
            }
            Ok(())
        });
        poll_fn(|cx| {
            polls.fetch_add(1, Relaxed);
            sending.as_mut().poll(cx)
        })
        .await
    }
}

fn compute(time: Duration) {
    let started = Instant::now();
    while started.elapsed() < time {
        std::hint::spin_loop();
    }
}

async fn send_by(proxy: Proxy<'_, Item>, item: Item) -> Result<(), Failed> {
    proxy.send(item).await
}

impl Execute<()> for Adaptive {
    async fn execute(self, _: &(), proxy: Proxy<'_, Item>) -> Result<(), Failed> {
        self.0.send(|item| send_by(proxy, item)).await
    }
}

impl Execute<()> for Spawned {
    const SCHEDULING: Scheduling = Scheduling::Spawned;

    async fn execute(self, _: &(), proxy: Proxy<'_, Item>) -> Result<(), Failed> {
        self.0.send(|item| send_by(proxy, item)).await
    }
}

impl Execute<()> for HandedOver {
    async fn execute(self, _: &(), proxy: Proxy<'_, Item>) -> Result<(), Failed> {
        let proxy = proxy.into_owned();
        tokio::spawn(async move {
            let sent = self.0.send(|item| {
                let proxy = proxy.clone();
                async move { proxy.send(item).await }
            });
            if let Err(failed) = sent.await {
                proxy.fail(failed);
            }
        });
        Ok(())
    }
}

impl Answer<()> for Honest {
    async fn answer(self, _: &(), _: &Context<'_>) -> Result<Done, Failed> {
        Ok(Done {})
    }
}

protocol! {
    struct Counting {
        commands {
            0 => Adaptive -> Item,
            1 => Spawned -> Item,
            2 => HandedOver -> Item,
            3 => Honest -> Done,
        }
        replies { 0 => Item, 1 => Done }
        failure close_connection
    }
}

trait StreamOf: CommandOf<Counting> + Command<Reply = Item, Kind = Plain> {}
impl<C: CommandOf<Counting> + Command<Reply = Item, Kind = Plain>> StreamOf for C {}

async fn connect() -> [Client<Counting, Json>; 2] {
    let server = Server::bind("127.0.0.1:0", Counting, Json, ()).await.expect("a port");
    let address = server.handle().local_addr().to_string();
    tokio::spawn(server.serve());
    let connect = || async { Client::connect(&*address, Counting, Json).await.expect("a connection") };
    [connect().await, connect().await]
}

/// Reads all Replies. Returns how often their Command was polled.
async fn read<C>(client: &Client<Counting, Json>, command: C) -> u64
where
    C: StreamOf,
    Json: Encode<C>,
{
    let mut items = client.stream(command).await.expect("a stream");
    let mut expected = 1;
    loop {
        let item = items.next().await.expect("a reply").expect("a reply");
        assert_eq!(item.n, expected);
        expected += 1;
        if let Some(polls) = item.polls {
            return polls;
        }
    }
}

async fn ask(client: &Client<Counting, Json>) {
    client.send(Honest {}).await.expect("an answer");
}

const QUICK: Count = Count { replies: 50_000, micros: 0 };

fn assert_few(polls: u64) {
    assert!(polls < QUICK.replies / 8, "{} replies took {polls} polls", QUICK.replies);
}

async fn quick_streams_are_sent_in_batches() {
    let [client, _] = connect().await;
    assert_few(read(&client, Adaptive(QUICK)).await);
    assert_few(read(&client, Spawned(QUICK)).await);
    assert_few(read(&client, HandedOver(QUICK)).await);
}

#[tokio::test]
async fn quick_streams_are_sent_in_batches_on_one_thread() {
    quick_streams_are_sent_in_batches().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quick_streams_are_sent_in_batches_on_two_workers() {
    quick_streams_are_sent_in_batches().await;
}

/// With a stream that computes for 2 ms before each of its Replies, on one thread: the median of what others wait for an answer.
async fn beside_slow<C>(command: impl FnOnce(Count) -> C) -> Duration
where
    C: StreamOf + Send + 'static,
    Json: Encode<C>,
{
    let [client, other] = connect().await;
    let command = command(Count { replies: 250, micros: 2000 });
    let reading = tokio::spawn(async move { read(&client, command).await });
    let mut waited = Vec::new();
    while !reading.is_finished() {
        let began = Instant::now();
        ask(&other).await;
        waited.push(began.elapsed());
    }
    reading.await.expect("all replies");
    waited.sort_unstable();
    waited[waited.len() / 2]
}

// A call takes several turns of the thread: to write, to read and answer, and to read. Beside a stream that never lets
// others run, there are one or two calls, and they take its 500 ms. Beside one that lets them run, but not the runtime look at
// its sockets, a call waits for hundreds of polls of 2 ms. (A Command that was handed over is in a task of the user's own.)
#[tokio::test]
async fn a_slow_stream_delays_others_by_few_of_its_replies() {
    for waited in [beside_slow(Adaptive).await, beside_slow(Spawned).await] {
        assert!(waited < Duration::from_millis(100), "{waited:?}");
    }
}
