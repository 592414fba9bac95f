//! Commands that block their thread while they send: by an executor of their own in the middle of a poll, within
//! `block_in_place` or without it, in other threads, in a `LocalSet`. What they have sent arrives while they go on, and
//! waiting for room does not wait for ever.

mod alone;
mod in_place;

use std::pin::pin;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use cmd_stream::protocol::CommandOf;
use cmd_stream::protocol::kind;
use cmd_stream::server::{Handle, Limits, Scheduling};
use cmd_stream::transport::Accept;
use cmd_stream::{Client, Command, Execute, Failed, Json, Proxy, Reply, Server, protocol};
use serde::{Deserialize, Serialize};
use testkit::wait::within;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::task::{LocalSet, block_in_place, spawn_blocking};
use tokio::time::{Instant, sleep};

/// How a Command sends and blocks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
enum Way {
    /// It does not block.
    Plain,
    /// tokio's documented way.
    InPlaceByHandle,
    InPlaceByOther,
    /// It sends as any Command does, and only waits in `block_in_place`.
    InPlaceWaits,
    InPlaceInLocalSet,
    /// Another executor, and tokio is told nothing.
    Other,
    Selects,
    Joins,
    /// By the owned Proxy, in a thread for blocking code.
    ThreadByHandle,
    ThreadBlocking,
    /// The same, and the Command waits for that thread in `block_in_place`.
    ThreadAwaited,
    /// By the owned Proxy, in the Command itself.
    InPlaceBlocking,
    /// It sends as any Command does, and blocks the thread itself.
    Blocks,
    /// It waits in `block_in_place` before it sends anything, and then does not block.
    WaitsFirst,
    /// It lets others run for a moment before it sends, and does not block.
    Later,
    /// It sends with an executor of its own, and blocks for a moment, but waits for nobody.
    Briefly,
    /// It blocks the thread before it sends anything, and tokio is told nothing.
    BlocksFirst,
    /// The same, after half a second.
    LaterBlocks,
    /// Another executor, after half a second, and it waits for nobody.
    LaterOther,
    /// By the owned Proxy, in a task that is not for blocking code, after half a second.
    LaterTask,
    /// It sends almost all of many rows as quickly as it can, and then blocks the thread itself until its client has them.
    ManyThenBlocks,
    /// The same, and it sends the last of these with another executor.
    ManyThenOther,
    /// The same as the first, and it blocks in `block_in_place`.
    ManyThenWaits,
}
use Way::*;

const ON_ANY_RUNTIME: [Way; 2] = [ThreadByHandle, ThreadBlocking];
const ON_SEVERAL_THREADS: [Way; 8] = [
    InPlaceByHandle,
    InPlaceByOther,
    InPlaceWaits,
    InPlaceInLocalSet,
    Selects,
    Joins,
    ThreadByHandle,
    ThreadBlocking,
];

/// Sends rows of so many bytes.
#[derive(Serialize, Deserialize)]
struct Rows<const HOW: u8> {
    way: Way,
    rows: u32,
    bytes: usize,
}

#[derive(Serialize, Deserialize)]
struct Row {
    number: u32,
    is_last: bool,
    text: String,
}

impl Reply for Row {
    fn is_last(&self) -> bool {
        self.is_last
    }
}

impl<const HOW: u8> Command for Rows<HOW> {
    type Reply = Row;
    type Kind = kind::Plain;
}

/// The Receiver. A Command waits until its client has each row, if the client says so.
struct Table(Option<Mutex<Receiver<u32>>>);

impl Table {
    /// Blocks the thread until the client has this row. Not for the last one: what follows that may be the next Command.
    fn wait(&self, (number, is_last): (u32, bool)) -> Result<(), Failed> {
        let Some(seen) = self.0.as_ref().filter(|_| !is_last) else { return Ok(()) };
        let seen = seen.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(PATIENCE);
        if seen == Ok(number) { Ok(()) } else { Err(Failed::new(format!("row {number}: {seen:?}"))) }
    }
}

const PATIENCE: Duration = Duration::from_secs(5);
const HALF_A_SECOND: Duration = Duration::from_millis(500);

impl<const HOW: u8> Rows<HOW> {
    fn all(&self) -> impl Iterator<Item = Row> + use<HOW> {
        let Self { rows, bytes, .. } = *self;
        (1..=rows).map(move |number| Row { number, is_last: number == rows, text: "x".repeat(bytes) })
    }
}

impl<const HOW: u8> Execute<&'static Table> for Rows<HOW> {
    const SCHEDULING: Scheduling = match HOW {
        1 => Scheduling::InPlace,
        2 => Scheduling::Spawned,
        _ => Scheduling::Adaptive,
    };

    async fn execute(self, table: &&'static Table, proxy: Proxy<'_, Row>) -> Result<(), Failed> {
        let (table, way) = (*table, self.way);
        let runtime = tokio::runtime::Handle::current();
        match way {
            InPlaceByHandle | InPlaceByOther | InPlaceInLocalSet => block_in_place(|| {
                for row in self.all() {
                    let number = (row.number, row.is_last);
                    match way {
                        InPlaceByHandle => runtime.block_on(proxy.send(row))?,
                        InPlaceByOther => block_on(proxy.send(row))?,
                        _ => {
                            let local = LocalSet::new();
                            runtime.block_on(local.run_until(proxy.send(row)))?;
                        }
                    }
                    table.wait(number)?;
                }
                Ok(())
            }),
            Plain | WaitsFirst | Later | BlocksFirst | LaterBlocks => {
                match way {
                    BlocksFirst => table.wait((1, false))?,
                    LaterBlocks => {
                        tokio::time::sleep(HALF_A_SECOND).await;
                        table.wait((1, false))?;
                    }
                    WaitsFirst => block_in_place(|| table.wait((1, false)))?,
                    Later => tokio::time::sleep(Duration::from_millis(50)).await,
                    _ => {}
                }
                for row in self.all() {
                    proxy.send(row).await?;
                }
                Ok(())
            }
            InPlaceWaits | Selects | Joins => {
                for row in self.all() {
                    let number = (row.number, row.is_last);
                    match way {
                        Selects => tokio::select! {
                            biased;
                            sent = proxy.send(row) => sent?,
                            () = std::future::pending() => {}
                        },
                        Joins => tokio::join!(proxy.send(row), std::future::ready(())).0?,
                        _ => proxy.send(row).await?,
                    }
                    block_in_place(|| table.wait(number))?;
                }
                Ok(())
            }
            Briefly => {
                for row in self.all() {
                    block_on(proxy.send(row))?;
                    thread::sleep(Duration::from_millis(20));
                }
                Ok(())
            }
            LaterOther => {
                tokio::time::sleep(HALF_A_SECOND).await;
                self.all().try_for_each(|row| block_on(proxy.send(row)))
            }
            LaterTask => {
                let proxy = proxy.into_owned();
                tokio::spawn(async move {
                    tokio::time::sleep(HALF_A_SECOND).await;
                    if let Err(failed) = self.all().try_for_each(|row| proxy.send_blocking(row)) {
                        proxy.fail(failed);
                    }
                });
                Ok(())
            }
            Other | Blocks => {
                for row in self.all() {
                    let number = (row.number, row.is_last);
                    match way {
                        Other => block_on(proxy.send(row))?,
                        _ => proxy.send(row).await?,
                    }
                    table.wait(number)?;
                }
                Ok(())
            }
            ManyThenBlocks | ManyThenOther | ManyThenWaits => {
                let wait = |number| (1..=number).try_for_each(|number| table.wait((number, false)));
                for row in self.all() {
                    let (number, is_next_to_last) = (row.number, row.number + 1 == self.rows);
                    match (way, is_next_to_last) {
                        (ManyThenOther, true) => block_on(proxy.send(row))?,
                        _ => proxy.send(row).await?,
                    }
                    match (way, is_next_to_last) {
                        (ManyThenWaits, true) => block_in_place(|| wait(number))?,
                        (_, true) => wait(number)?,
                        (_, false) => {}
                    }
                }
                Ok(())
            }
            InPlaceBlocking => {
                let proxy = proxy.into_owned();
                for row in self.all() {
                    let number = (row.number, row.is_last);
                    proxy.send_blocking(row)?;
                    table.wait(number)?;
                }
                Ok(())
            }
            ThreadAwaited => {
                let proxy = proxy.into_owned();
                let sending = spawn_blocking(move || self.all().try_for_each(|row| proxy.send_blocking(row)));
                block_in_place(|| runtime.block_on(sending)).map_err(Failed::new)?
            }
            ThreadByHandle | ThreadBlocking => {
                let proxy = proxy.into_owned();
                spawn_blocking(move || {
                    let sends = || {
                        for row in self.all() {
                            let number = (row.number, row.is_last);
                            match way {
                                ThreadByHandle => runtime.block_on(proxy.send(row))?,
                                _ => proxy.send_blocking(row)?,
                            }
                            table.wait(number)?;
                        }
                        Ok(())
                    };
                    let sent: Result<(), Failed> = sends();
                    if let Err(failed) = sent {
                        proxy.fail(failed);
                    }
                });
                Ok(())
            }
        }
    }
}

/// An executor that tokio knows nothing of, as that of `futures`.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Unparks(Thread);
    impl Wake for Unparks {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unparks(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

protocol! {
    struct Tables {
        commands { 0 => Rows<0> as Adaptive, 1 => Rows<1> as InPlace, 2 => Rows<2> as Spawned }
        replies { 0 => Row }
        failure close_connection
    }
}

/// A runtime with so many threads; with one that is also the one that drives it, if there are none.
fn runtime(threads: usize) -> Runtime {
    let mut builder = match threads {
        0 => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    builder.worker_threads(threads.max(1)).enable_all().build().expect("a runtime")
}

/// A server on a runtime of its own. The sender says which rows have arrived, if Commands wait for that.
fn serve(threads: usize, waits: bool, limits: Limits) -> (Handle, Sender<u32>) {
    serve_at(threads, waits, limits, async || {
        TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port")
    })
}

/// The same, with this listener.
fn serve_at<L: Accept>(
    threads: usize,
    waits: bool,
    limits: Limits,
    listener: impl AsyncFnOnce() -> L + Send + 'static,
) -> (Handle, Sender<u32>) {
    let (sender, receiver) = channel();
    let table: &'static Table = Box::leak(Box::new(Table(waits.then(|| Mutex::new(receiver)))));
    let (handles, handle) = channel();
    thread::spawn(move || {
        runtime(threads).block_on(async {
            let server = Server::builder(Tables, Json, table).limits(limits).listen(listener().await);
            let server = server.expect("it has an address");
            handles.send(server.handle()).expect("the test waits");
            server.serve().await
        })
    });
    (handle.recv().expect("it listens"), sender)
}

/// Reads all rows that a Command sends, and says so for each. Returns how many there were.
async fn read<const HOW: u8>(
    client: &Client<Tables, Json>,
    way: Way,
    rows: u32,
    bytes: usize,
    seen: &Sender<u32>,
) -> u32
where
    Rows<HOW>: CommandOf<Tables> + Command<Reply = Row, Kind = kind::Plain>,
{
    let mut stream = within(client.stream(Rows::<HOW> { way, rows, bytes })).await.expect("it is sent");
    let mut count = 0;
    while let Some(row) = within(stream.next()).await {
        let row = row.unwrap_or_else(|error| panic!("{way:?}, {HOW}: {error:#}"));
        count += 1;
        assert_eq!(row.number, count);
        if !row.is_last {
            let _ = seen.send(count); // nobody listens if the Command does not wait
        }
    }
    count
}

/// How long a call on another connection takes while a Command blocks its thread. The pause before it only makes it likely that
/// all other threads sleep.
async fn a_call_beside<const HOW: u8>(
    client: &Client<Tables, Json>,
    way: Way,
    other: &Client<Tables, Json>,
    seen: &Sender<u32>,
    pause_ms: u64,
) -> Duration
where
    Rows<HOW>: CommandOf<Tables> + Command<Reply = Row, Kind = kind::Plain>,
{
    let blocks = async { read::<HOW>(client, way, 2, 0, &channel().0).await };
    let calls = async {
        sleep(Duration::from_millis(pause_ms)).await;
        let began = Instant::now();
        read::<2>(other, Plain, 1, 0, &channel().0).await;
        let took = began.elapsed();
        seen.send(1).expect("the Command waits for it");
        took
    };
    tokio::join!(blocks, calls).1
}

async fn connect(server: &Handle) -> Client<Tables, Json> {
    within(Client::builder(Tables, Json).connect(server.local_addr())).await.expect("it connects")
}

#[tokio::test]
async fn what_a_command_sends_from_blocking_code_arrives_while_it_goes_on() {
    for threads in [1, 4] {
        let (server, seen) = serve(threads, true, Limits::default());
        for way in ON_SEVERAL_THREADS {
            let client = connect(&server).await;
            assert_eq!(read::<2>(&client, way, 3, 0, &seen).await, 3, "{way:?} alone, {threads} threads");
            assert_eq!(read::<0>(&client, way, 3, 0, &seen).await, 3, "{way:?}, {threads} threads");
            assert_eq!(read::<1>(&client, way, 3, 0, &seen).await, 3, "{way:?} in place, {threads} threads");
        }
    }
}

#[tokio::test]
async fn a_type_that_blocks_is_not_taken_for_a_quick_one() {
    let (server, seen) = serve(4, true, Limits::default());
    let client = connect(&server).await;
    read::<0>(&client, Other, 1, 0, &seen).await;
    // Enough for a type that was not seen to block.
    for _ in 0..2000 {
        read::<0>(&client, Plain, 1, 0, &seen).await;
    }
    assert_eq!(read::<0>(&client, InPlaceByHandle, 3, 0, &seen).await, 3);
}

#[tokio::test]
async fn the_same_with_another_executor_without_a_word_to_tokio() {
    let (server, seen) = serve(4, true, Limits::default());
    let client = connect(&server).await;
    for way in [Other, InPlaceBlocking, Blocks] {
        assert_eq!(read::<2>(&client, way, 3, 0, &seen).await, 3, "{way:?}");
        assert_eq!(read::<0>(&client, way, 3, 0, &seen).await, 3, "{way:?}");
        assert_eq!(read::<1>(&client, way, 3, 0, &seen).await, 3, "{way:?} in place");
    }
}

/// Its Replies follow each other so closely that not each of them wakes the connection's task.
#[tokio::test]
async fn the_same_after_many_that_were_sent_quickly() {
    for (threads, ways) in [(1, &[ManyThenWaits][..]), (4, &[ManyThenBlocks, ManyThenOther, ManyThenWaits])] {
        let (server, seen) = serve(threads, true, Limits::default());
        let client = connect(&server).await;
        for &way in ways {
            for rows in 490..500 {
                assert_eq!(read::<2>(&client, way, rows, 0, &seen).await, rows, "{way:?}, {threads} threads");
                assert_eq!(read::<0>(&client, way, rows, 0, &seen).await, rows, "{way:?}, {threads} threads");
            }
        }
    }
}

#[tokio::test]
async fn the_same_on_the_only_thread_of_a_runtime_for_what_does_not_block_that_one() {
    let (server, seen) = serve(0, true, Limits::default());
    let client = connect(&server).await;
    for way in ON_ANY_RUNTIME {
        assert_eq!(read::<0>(&client, way, 3, 0, &seen).await, 3, "{way:?}");
        assert_eq!(read::<1>(&client, way, 3, 0, &seen).await, 3, "{way:?} in place");
        assert_eq!(read::<2>(&client, way, 3, 0, &seen).await, 3, "{way:?} alone");
    }
}

#[tokio::test]
async fn waiting_for_room_ends_wherever_a_command_waits() {
    const BIG: usize = 300_000;
    for (threads, ways) in [(4, &ON_SEVERAL_THREADS[..]), (1, &ON_SEVERAL_THREADS), (0, &ON_ANY_RUNTIME)] {
        let (server, seen) = serve(threads, false, Limits::default().output(1000));
        for way in ways.iter().copied().chain([Other, InPlaceBlocking]) {
            let client = connect(&server).await;
            assert_eq!(read::<0>(&client, way, 8, BIG, &seen).await, 8, "{way:?}, {threads} threads");
            assert_eq!(
                read::<1>(&client, way, 8, BIG, &seen).await,
                8,
                "{way:?} in place, {threads} threads"
            );
            assert_eq!(read::<2>(&client, way, 8, BIG, &seen).await, 8, "{way:?} alone, {threads} threads");
        }
    }
}
