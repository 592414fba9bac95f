//! Code of the user's that blocks its thread holds up neither a shutdown nor a close, and is counted.

use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::time::{Duration, Instant};

use crate::call;
use cmd_stream::server::{Cut, Handle, Limits, Scheduling, Served};
use cmd_stream::{Answer, Client, Context, Failed, Json, Server, protocol};
use serde::{Deserialize, Serialize};
use testkit::wait::{PATIENCE, until, within};
use tokio::sync::Semaphore;

/// Where threads are blocked until the test ends.
#[derive(Clone)]
struct Block(Arc<Inner>);

struct Inner {
    open: Mutex<bool>,
    opened: Condvar,
    entered: Semaphore,
}

impl Block {
    fn new() -> Self {
        Self(Arc::new(Inner { open: Mutex::new(false), opened: Condvar::new(), entered: Semaphore::new(0) }))
    }

    fn enter(&self) {
        self.0.entered.add_permits(1);
        let mut open = self.0.open.lock().expect("nobody panics under it");
        while !*open {
            open = self.0.opened.wait(open).expect("nobody panics under it");
        }
    }

    /// Waits until a thread is blocked.
    async fn entered(&self) {
        within(self.0.entered.acquire()).await.expect("it is never closed").forget();
    }
}

/// Lets the threads go, also if the test fails: the runtime would wait for them.
struct Opens(Block);

impl Drop for Opens {
    fn drop(&mut self) {
        *self.0.0.open.lock().expect("nobody panics under it") = true;
        self.0.0.opened.notify_all();
    }
}

/// Commands that block their thread, if they are told to.
macro_rules! blocking {
    ($($name:ident),*) => {$(
        #[derive(Serialize, Deserialize)]
        struct $name {
            blocks: bool,
        }

        impl Answer<Block> for $name {
            const SCHEDULING: Scheduling = Scheduling::$name;

            async fn answer(self, block: &Block, _: &Context<'_>) -> Result<Done, Failed> {
                if self.blocks {
                    block.enter();
                }
                Ok(Done { on_drop: None })
            }
        }
    )*};
}

blocking!(Spawned, Adaptive, InPlace);

/// Is answered at once. The Reply blocks the thread when it is dropped.
#[derive(Serialize, Deserialize)]
struct Drops;

impl Answer<Block> for Drops {
    const SCHEDULING: Scheduling = Scheduling::InPlace;

    async fn answer(self, block: &Block, _: &Context<'_>) -> Result<Done, Failed> {
        Ok(Done { on_drop: Some(block.clone()) })
    }
}

#[derive(Serialize, Deserialize)]
struct Done {
    #[serde(skip)]
    on_drop: Option<Block>,
}

impl Drop for Done {
    fn drop(&mut self) {
        if let Some(block) = &self.on_drop {
            block.enter();
        }
    }
}

protocol! {
    struct Blocking {
        commands { 0 => Spawned -> Done, 1 => Adaptive -> Done, 2 => InPlace -> Done, 3 => Drops -> Done }
        replies { 0 => Done }
        failure close_connection
    }
}

/// Ends a server.
type End = fn(&Handle);

const ENDS: [End; 2] = [Handle::shutdown, Handle::close];

fn cut_by(served: Served) -> Cut {
    match served {
        Served::Shutdown(cut) | Served::Closed(cut) => cut,
        other => panic!("{other:?}"),
    }
}

/// A server ends while a Command blocks the thread that it runs on, after so many that did not.
macro_rules! ends_beside {
    ($command:expr, after $quick:expr) => {
        for end in ENDS {
            let block = Block::new();
            let _opens = Opens(block.clone());
            let limits = Limits::default().drain(Duration::from_millis(50));
            let server = Server::builder(Blocking, Json, block.clone())
                .limits(limits)
                .bind("127.0.0.1:0")
                .await
                .expect("a port");
            let handle = server.handle();
            let serving = tokio::spawn(server.serve());
            let client = Client::connect(handle.local_addr(), Blocking, Json).await.expect("it listens");
            let other = Client::builder(Blocking, Json).reconnect(false);
            let other = other.connect(handle.local_addr()).await.expect("it listens");
            for () in std::iter::repeat_n((), $quick) {
                within(client.send(Adaptive { blocks: false })).await.expect("it does not block");
            }
            let call = call!(client.send($command));
            block.entered().await;
            end(&handle);
            let cut = cut_by(within(serving).await.expect("no panic"));
            assert_eq!(cut.commands, 1, "{cut:?}");
            assert!((1..=2).contains(&cut.connections), "{cut:?}");
            within(other.closed()).await;
            drop((call, client));
        }
    };
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_command_that_blocks_its_own_task_does_not_hold_up_the_end_of_a_server() {
    ends_beside!(Spawned { blocks: true }, after 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_command_that_blocks_the_task_of_its_connection_does_not_hold_up_the_end_of_a_server() {
    ends_beside!(InPlace { blocks: true }, after 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_command_that_has_proved_to_be_quick_and_blocks_does_not_hold_up_the_end_of_a_server() {
    ends_beside!(Adaptive { blocks: true }, after 3000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_destructor_of_a_reply_that_blocks_does_not_hold_up_the_end_of_a_server() {
    ends_beside!(Drops, after 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_callback_for_new_connections_that_blocks_does_not_hold_up_the_end_of_a_server() {
    for end in ENDS {
        let block = Block::new();
        let opens = Opens(block.clone());
        let (limits, blocks) = (Limits::default().drain(Duration::from_millis(50)), block.clone());
        let server = Server::builder(Blocking, Json, block.clone())
            .limits(limits)
            .on_connected(move |_| blocks.enter())
            .bind("127.0.0.1:0")
            .await
            .expect("a port");
        let handle = server.handle();
        let serving = tokio::spawn(server.serve());
        let address = handle.local_addr().to_string();
        let connecting =
            tokio::spawn(async move { Client::connect(address, Blocking, Json).await.map(drop) });
        block.entered().await;
        end(&handle);
        let cut = cut_by(within(serving).await.expect("no panic"));
        assert_eq!((cut.connections, cut.commands), (1, 0));
        assert_eq!((handle.counters().cut, handle.counters().open), (0, 1), "it has not ended yet");
        drop(opens);
        until(|| handle.counters().cut == 1).await;
        drop(connecting);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_connection_that_was_blocked_ends_when_it_goes_on() {
    let block = Block::new();
    let opens = Opens(block.clone());
    let server = Server::bind("127.0.0.1:0", Blocking, Json, block.clone()).await.expect("a port");
    let handle = server.handle();
    let serving = tokio::spawn(server.serve());
    let client = Client::connect(handle.local_addr(), Blocking, Json).await.expect("it listens");
    let call = call!(client.send(InPlace { blocks: true }));
    block.entered().await;
    handle.close();
    within(serving).await.expect("no panic");
    assert_eq!(handle.counters().open, 1);
    drop(opens);
    assert!(within(call).await.expect("no panic").is_err(), "it can send nothing any more");
    testkit::wait::until(|| handle.counters().open == 0).await;
}

/// Ends its own server, then blocks its thread.
#[derive(Serialize, Deserialize)]
struct Ends {
    closes: bool,
}

struct Ending {
    handle: OnceLock<Handle>,
    block: Block,
}

impl Answer<Arc<Ending>> for Ends {
    const SCHEDULING: Scheduling = Scheduling::Spawned;

    async fn answer(self, ending: &Arc<Ending>, _: &Context<'_>) -> Result<Done, Failed> {
        // Polled anew, and not as a task that was woken by another one. So tokio keeps what this one wakes for this thread.
        tokio::task::yield_now().await;
        let handle = ending.handle.get().expect("the server runs");
        if self.closes {
            handle.close()
        } else {
            handle.shutdown()
        }
        ending.block.enter();
        Ok(Done { on_drop: None })
    }
}

protocol! {
    struct EndedByCommand {
        commands { 0 => Ends -> Done }
        replies { 0 => Done }
        failure close_connection
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_command_that_ends_the_server_and_blocks_does_not_hold_up_that_end() {
    for closes in [false, true] {
        let block = Block::new();
        let _opens = Opens(block.clone());
        let receiver = Arc::new(Ending { handle: OnceLock::new(), block });
        let server = Server::builder(EndedByCommand, Json, Arc::clone(&receiver))
            .limits(Limits::default().drain(Duration::from_millis(50)))
            .bind("127.0.0.1:0")
            .await
            .expect("a port");
        let handle = server.handle();
        assert!(receiver.handle.set(handle.clone()).is_ok());
        let serving = tokio::spawn(server.serve());
        let client = Client::builder(EndedByCommand, Json).reconnect(false);
        let client = client.connect(handle.local_addr()).await.expect("it listens");
        let (began, call) = (Instant::now(), call!(client.send(Ends { closes })));
        let cut = cut_by(within(serving).await.expect("no panic"));
        assert_eq!((cut.connections, cut.commands), (1, 1), "closes: {closes}");
        assert!(within(call).await.expect("no panic").is_err());
        // Not only when the client took the server for dead.
        assert!(began.elapsed() < PATIENCE / 4, "closes: {closes}, {:?}", began.elapsed());
    }
}
