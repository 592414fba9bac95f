//! Proxies that outlive `execute`, room before a Reply is made, and servers that go away.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cmd_stream::protocol::{FailedReason, Protocol};
use cmd_stream::server::{Ended, Invocation, Limits, OwnedProxy, Scheduling, Served};
use cmd_stream::{
    CallError, Client, ErrorKind, Execute, Failed, Invoker, Json, Problem, Proxy, Reply, Server, protocol,
};
use serde::{Deserialize, Serialize};
use testkit::ends::{both, json_frame, server_and_bytes};
use testkit::wait::{until, within};
use tokio::sync::{Mutex, Semaphore, mpsc};

type Handed = OwnedProxy<Part>;

/// Where owned Proxies go.
struct Desk(mpsc::UnboundedSender<Handed>);

/// Hands its Proxy over, then does what its text says.
#[derive(Serialize, Deserialize)]
struct HandOver(String);

/// Answers with so many parts from a thread that blocks.
#[derive(Serialize, Deserialize)]
struct Blocking(usize);

/// Answers when the server goes away.
#[derive(Serialize, Deserialize)]
struct Watch;

/// Passes the gate, waits for room, and makes a Reply of so many bytes.
#[derive(Serialize, Deserialize)]
struct Ready(usize);

/// Sends so many parts from a thread that runs tasks, as `block_in_place` lets it.
#[derive(Serialize, Deserialize)]
struct InPlace(usize);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Part {
    text: String,
    last: bool,
}

impl Reply for Part {
    fn is_last(&self) -> bool {
        self.last
    }
}

fn part(text: &str) -> Part {
    Part { text: text.into(), last: false }
}

fn last(text: &str) -> Part {
    Part { text: text.into(), last: true }
}

impl Execute<Desk> for HandOver {
    async fn execute(self, desk: &Desk, proxy: Proxy<'_, Part>) -> Result<(), Failed> {
        if self.0 == "send first" {
            proxy.send(part("first")).await?;
        }
        let handed = proxy.into_owned();
        assert!(desk.0.send(handed).is_ok(), "the test is there");
        match self.0.as_str() {
            "fail" => Err(Failed::new("as asked")),
            "answer" => proxy.send(last("from execute")).await,
            "wait" => {
                proxy.closed().await;
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl Execute<Desk> for Blocking {
    async fn execute(self, _: &Desk, proxy: Proxy<'_, Part>) -> Result<(), Failed> {
        let proxy = proxy.into_owned();
        tokio::task::spawn_blocking(move || {
            for n in 1..=self.0 {
                let reply = Part { text: "x".repeat(1000), last: n == self.0 };
                proxy.send_blocking(reply).expect("the client reads");
            }
        });
        Ok(())
    }
}

impl Execute<Desk> for Watch {
    async fn execute(self, _: &Desk, proxy: Proxy<'_, Part>) -> Result<(), Failed> {
        proxy.send(part("watching")).await?;
        proxy.going_away().await;
        proxy.send(last("going away")).await
    }
}

static GATE: Semaphore = Semaphore::const_new(0);
static MADE: AtomicUsize = AtomicUsize::new(0);

impl Execute<Desk> for Ready {
    async fn execute(self, _: &Desk, proxy: Proxy<'_, Part>) -> Result<(), Failed> {
        GATE.acquire().await?.forget();
        proxy.ready().await?;
        MADE.fetch_add(1, Ordering::Relaxed);
        proxy.send(Part { text: "x".repeat(self.0), last: true }).await
    }
}

impl Execute<Desk> for InPlace {
    // So that `send` does not let others run, and its wake-up is due when this poll is over.
    const SCHEDULING: Scheduling = Scheduling::InPlace;

    async fn execute(self, _: &Desk, proxy: Proxy<'_, Part>) -> Result<(), Failed> {
        tokio::task::yield_now().await; // from here on it has a task of its own
        proxy.send(Part { text: "x".repeat(1000), last: false }).await?;
        let proxy = proxy.into_owned();
        tokio::task::block_in_place(|| {
            for n in 2..=self.0 {
                proxy.send_blocking(Part { text: "x".repeat(1000), last: n == self.0 })?;
            }
            Ok(())
        })
    }
}

protocol! {
    struct Office {
        commands {
            0 => HandOver -> Part,
            1 => Blocking -> Part,
            2 => Watch -> Part,
            3 => Ready -> Part,
            4 => InPlace -> Part,
        }
        replies { 0 => Part, 1 => Problem }
        failure Problem
    }
}

fn desk() -> (Desk, mpsc::UnboundedReceiver<Handed>) {
    let (hand, handed) = mpsc::unbounded_channel();
    (Desk(hand), handed)
}

async fn next(handed: &mut mpsc::UnboundedReceiver<Handed>) -> Handed {
    within(handed.recv()).await.expect("the server is there")
}

fn server(desk: Desk) -> cmd_stream::server::Builder<Office, Json, Desk> {
    Server::builder(Office, Json, desk)
}

fn client() -> cmd_stream::client::Builder<Office, Json> {
    Client::builder(Office, Json)
}

#[tokio::test]
async fn replies_come_after_execute_has_returned() {
    let (desk, mut handed) = desk();
    let (client, handle) = both(server(desk), client()).await;
    let mut stream = within(client.stream(HandOver("send first".into()))).await.expect("it is sent");
    let proxy = next(&mut handed).await;
    assert_eq!((proxy.seq().get(), proxy.connection().id()), (1, 1));
    let mut received = Vec::new();
    received.push(within(stream.next()).await.expect("more").expect("a part").text);
    within(proxy.send(part("second"))).await.expect("the connection is there");
    received.push(within(stream.next()).await.expect("more").expect("a part").text);
    let other = proxy.clone();
    within(other.send(last("third"))).await.expect("the connection is there");
    received.push(within(stream.next()).await.expect("more").expect("a part").text);
    assert_eq!(received, ["first", "second", "third"]);
    assert!(within(stream.next()).await.is_none());
    let refused = within(proxy.send(part("too late"))).await.expect_err("the last one was sent");
    assert_eq!(refused.to_string(), "a reply after the last one");
    assert!(within(proxy.ready()).await.is_err());
    drop((proxy, other));
    assert_eq!((handle.counters().failed, handle.counters().replies), (0, 3));
}

#[tokio::test]
async fn dropped_without_a_last_reply_it_fails_the_command() {
    let (desk, mut handed) = desk();
    let (client, handle) = both(server(desk), client()).await;
    let call = client.send(HandOver(String::new()));
    let drops = async {
        let proxy = next(&mut handed).await;
        let other = proxy.clone();
        drop(proxy);
        assert_eq!(handle.counters().failed, 0, "another clone is left");
        drop(other);
    };
    let (answer, ()) = within(async { tokio::join!(call, drops) }).await;
    let Err(CallError::Failed(problem)) = answer else { panic!("{answer:?}") };
    assert_eq!(problem.code, Problem::NO_LAST_REPLY);
    assert_eq!(handle.counters().failed, 1);
}

#[tokio::test]
async fn it_can_be_failed_with_the_failure_of_the_protocol() {
    let (desk, mut handed) = desk();
    let (client, _) = both(server(desk), client()).await;
    let call = client.send(HandOver(String::new()));
    let fails = async { next(&mut handed).await.fail(Problem::new(Problem::CONFLICT, "as asked")) };
    let (answer, ()) = within(async { tokio::join!(call, fails) }).await;
    let Err(CallError::Failed(problem)) = answer else { panic!("{answer:?}") };
    assert_eq!(problem, Problem::new(Problem::CONFLICT, "as asked"));
}

#[tokio::test]
async fn an_execute_that_fails_after_it_ends_the_command_and_nothing_can_be_sent_any_more() {
    let (desk, mut handed) = desk();
    let (client, handle) = both(server(desk), client()).await;
    let answer = within(client.send(HandOver("fail".into()))).await;
    assert!(matches!(answer, Err(CallError::Failed(problem)) if problem.message == "as asked"));
    let proxy = next(&mut handed).await;
    assert!(within(proxy.send(last("too late"))).await.is_err());
    drop(proxy);
    assert_eq!(handle.counters().failed, 1, "it fails once");
}

#[tokio::test]
async fn execute_may_go_on_to_send_through_its_own_proxy() {
    let (desk, mut handed) = desk();
    let (client, handle) = both(server(desk), client()).await;
    let answer = within(client.send(HandOver("answer".into()))).await.expect("a reply");
    assert_eq!(answer, last("from execute"));
    let proxy = next(&mut handed).await;
    assert!(within(proxy.send(last("too late"))).await.is_err());
    drop(proxy);
    assert_eq!(handle.counters().failed, 0);
}

#[tokio::test]
async fn the_command_stays_in_flight_for_limits_for_its_seq_and_for_a_shutdown() {
    let (desk, mut handed) = desk();
    let (handle, mut client) = server_and_bytes(server(desk).limits(Limits::default().in_flight(1))).await;
    client.send(&json_frame(1, 0, "\"\"")).await;
    let proxy = next(&mut handed).await;
    // The limit is reached: the next Command is not executed.
    client.send(&json_frame(2, 0, "\"\"")).await;
    until(|| handle.counters().in_flight_pauses == 1).await;
    assert!(handed.try_recv().is_err());
    within(proxy.send(last("one"))).await.expect("the connection is there");
    drop(proxy);
    let second = next(&mut handed).await;
    client.expect(&json_frame(1, 0, r#"{"text":"one","last":true}"#)).await;

    handle.shutdown();
    within(second.going_away()).await;
    within(second.send(last("two"))).await.expect("a shutdown waits for it");
    client.expect(&json_frame(2, 0, r#"{"text":"two","last":true}"#)).await;
    drop(second);
    client.expect_end().await;
}

#[tokio::test]
async fn a_seq_of_a_command_that_was_handed_over_is_in_use() {
    let (desk, mut handed) = desk();
    let (lost, mut reasons) = mpsc::unbounded_channel();
    let server = server(desk).on_connection_lost(move |gone| {
        let _ = lost.send((format!("{:#}", gone.reason), gone.commands_left));
    });
    let (_, mut client) = server_and_bytes(server).await;
    client.send(&json_frame(1, 0, "\"\"")).await;
    let proxy = next(&mut handed).await;
    client.send(&json_frame(1, 0, "\"\"")).await;
    let (reason, left) = within(reasons.recv()).await.expect("the connection ends");
    assert!(reason.contains("seq 1 is in use"), "{reason}");
    assert_eq!(left, 1);
    within(proxy.closed()).await;
    assert!(within(proxy.send(last("too late"))).await.is_err());
}

#[tokio::test]
async fn one_that_is_held_while_execute_runs_in_a_task_counts_once() {
    let (desk, mut handed) = desk();
    let (client, handle) = both(server(desk), client()).await;
    let call = tokio::spawn({
        let client = client.clone();
        async move { client.send(HandOver("wait".into())).await }
    });
    let proxy = next(&mut handed).await;
    within(proxy.send(last("done"))).await.expect("the connection is there");
    assert_eq!(within(call).await.expect("no panic").expect("a reply"), last("done"));
    drop(proxy); // execute still waits for the end of the connection
    client.close();
    handle.shutdown();
    until(|| handle.counters().open == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thread_that_blocks_sends_and_sleeps_while_the_output_is_full() {
    let (desk, _handed) = desk();
    let limits = Limits::default().output(2000);
    let (client, _) = both(server(desk).limits(limits), client()).await;
    let mut stream = within(client.stream(Blocking(500))).await.expect("it is sent");
    let mut count = 0;
    while let Some(part) = within(stream.next()).await {
        assert_eq!(part.expect("a part").text.len(), 1000);
        count += 1;
    }
    assert_eq!(count, 500);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thread_that_runs_tasks_may_block_too() {
    let (desk, _handed) = desk();
    let limits = Limits::default().output(2000);
    let (client, _) = both(server(desk).limits(limits), client()).await;
    let mut stream = within(client.stream(InPlace(50))).await.expect("it is sent");
    let mut count = 0;
    while let Some(part) = within(stream.next()).await {
        assert_eq!(part.expect("a part").text.len(), 1000);
        count += 1;
    }
    assert_eq!(count, 50);
}

#[tokio::test]
async fn a_proxy_is_ready_when_there_is_room_so_that_no_reply_is_made_before() {
    let (desk, _handed) = desk();
    // The client reads nothing: what fits are the pipe and two Replies.
    let limits = Limits::default().output(100_000);
    let (handle, mut client) = server_and_bytes(server(desk).limits(limits)).await;
    for seq in 1..=40 {
        client.send(&json_frame(seq, 3, "60000")).await;
    }
    until(|| handle.counters().commands == 40).await;
    // All run, and want to answer at once.
    GATE.add_permits(40);
    until(|| MADE.load(Ordering::Relaxed) >= 2).await;
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    let made = MADE.load(Ordering::Relaxed);
    assert!(made < 10, "{made} Replies of 60,000 bytes were made for an output of 100,000 bytes");
    let len = json_frame(9, 0, &format!(r#"{{"text":"{}","last":true}}"#, "x".repeat(60_000))).len();
    for _ in 0..40 {
        client.receive(len).await; // in any order
    }
    assert_eq!(MADE.load(Ordering::Relaxed), 40);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn it_fails_once_and_nothing_is_sent_after_that_whoever_sends_meanwhile() {
    let (desk, mut handed) = desk();
    let unexpected = Arc::new(AtomicUsize::new(0));
    let counts = Arc::clone(&unexpected);
    let client = client().on_unexpected_reply(move |_, _| {
        counts.fetch_add(1, Ordering::Relaxed);
    });
    let (client, handle) = both(server(desk), client).await;
    for round in 1..=1000 {
        let mut stream = within(client.stream(HandOver(String::new()))).await.expect("it is sent");
        let proxy = next(&mut handed).await;
        let senders = [proxy.clone(), proxy.clone()].map(|other| {
            tokio::task::spawn_blocking(move || (0..50).all(|_| other.send_blocking(part("more")).is_ok()))
        });
        let fails = tokio::task::spawn_blocking(move || proxy.fail(Failed::new("as asked")));
        let mut last = None;
        while let Some(item) = within(stream.next()).await {
            last = Some(item);
        }
        assert!(matches!(last, Some(Err(CallError::Failed(problem))) if problem.message == "as asked"));
        within(fails).await.expect("no panic");
        for sends in senders {
            within(sends).await.expect("no panic");
        }
        // What was sent before it is read comes before the Reply of another Command.
        let answer = within(client.send(HandOver("fail".into()))).await;
        assert!(answer.is_err());
        drop(next(&mut handed).await);
        assert_eq!(unexpected.load(Ordering::Relaxed), 0, "something was sent after the failure");
        assert_eq!(handle.counters().failed, 2 * round);
    }
}

#[tokio::test]
async fn a_command_without_an_end_ends_when_the_server_goes_away() {
    let (desk, _handed) = desk();
    let (connector, listener) = cmd_stream::transport::memory::pair();
    let server = server(desk).listen(listener).expect("memory has an address");
    let handle = server.handle();
    let serving = tokio::spawn(server.serve());
    let client = within(client().connect_by(connector)).await.expect("it greets");
    let mut stream = within(client.stream(Watch)).await.expect("it is sent");
    assert_eq!(within(stream.next()).await.expect("more").expect("a part"), part("watching"));
    handle.shutdown();
    assert_eq!(within(stream.next()).await.expect("more").expect("a part"), last("going away"));
    let Served::Shutdown(cut) = within(serving).await.expect("no panic") else { panic!("it was a shutdown") };
    assert_eq!((cut.commands, cut.connections), (0, 0));
}

/// Keeps how Commands ended.
#[derive(Clone, Default)]
struct Ends(Arc<Mutex<Vec<Result<Ended, FailedReason>>>>);

impl<P: Protocol> Invoker<P> for Ends {
    async fn invoke(&self, invocation: impl Invocation<P>) -> Result<Ended, Failed> {
        let ended = invocation.run().await;
        self.0.lock().await.push(ended.as_ref().map_err(Failed::reason).copied());
        ended
    }
}

#[tokio::test]
async fn the_invoker_sees_that_a_command_was_handed_over() {
    let ((desk, mut handed), ends) = (desk(), Ends::default());
    let (client, _) = both(server(desk).invoker(ends.clone()), client()).await;
    let call = client.send(HandOver(String::new()));
    let answers = async { next(&mut handed).await.send(last("later")).await };
    let (answer, sent) = within(async { tokio::join!(call, answers) }).await;
    assert_eq!((answer.expect("a reply"), sent.is_ok()), (last("later"), true));
    assert_eq!(*ends.0.lock().await, [Ok(Ended::HandedOver)]);
}

#[tokio::test]
async fn nothing_can_be_sent_when_the_connection_is_gone() {
    let (desk, mut handed) = desk();
    let (client, _) = both(server(desk), client()).await;
    let call = tokio::spawn({
        let client = client.clone();
        async move { client.send(HandOver(String::new())).await }
    });
    let proxy = next(&mut handed).await;
    client.close();
    within(proxy.closed()).await;
    assert!(within(proxy.ready()).await.is_err());
    assert!(within(proxy.send(last("too late"))).await.is_err());
    let blocking = tokio::task::spawn_blocking(move || proxy.send_blocking(last("too late")).is_err());
    assert!(within(blocking).await.expect("no panic"));
    let Err(CallError::Other(error)) = within(call).await.expect("no panic") else { panic!("it was closed") };
    assert_eq!(error.kind(), ErrorKind::Closed);
}

/// An owned Proxy used from within another Command, of another connection: the wake-ups of both arrive.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_may_answer_for_another_one_of_another_connection() {
    struct Relay(std::sync::Mutex<Vec<OwnedProxy<Part>>>);

    #[derive(Serialize, Deserialize)]
    struct Wait;
    #[derive(Serialize, Deserialize)]
    struct Release;

    impl Execute<Relay> for Wait {
        async fn execute(self, relay: &Relay, proxy: Proxy<'_, Part>) -> Result<(), Failed> {
            relay.0.lock().expect("no panic").push(proxy.into_owned());
            Ok(())
        }
    }

    impl Execute<Relay> for Release {
        // So that `send` does not let others run, and both wake-ups are due after the same poll.
        const SCHEDULING: Scheduling = Scheduling::InPlace;

        async fn execute(self, relay: &Relay, proxy: Proxy<'_, Part>) -> Result<(), Failed> {
            tokio::task::yield_now().await; // from here on it has a task of its own
            proxy.send(part("released")).await?;
            let waiting = std::mem::take(&mut *relay.0.lock().expect("no panic"));
            for other in waiting {
                other.send(last("by the other one")).await?;
            }
            proxy.send(last("done")).await
        }
    }

    protocol! {
        struct Relays {
            commands { 0 => Wait -> Part, 1 => Release -> Part }
            replies { 0 => Part }
            failure close_connection
        }
    }

    let relay = Relay(std::sync::Mutex::default());
    let (connector, _) = testkit::ends::serve_in_memory(Server::builder(Relays, Json, relay));
    let waits = within(Client::builder(Relays, Json).connect_by(connector.clone())).await.expect("it greets");
    let releases = within(Client::builder(Relays, Json).connect_by(connector)).await.expect("it greets");
    for _ in 0..500 {
        let waiting = tokio::spawn({
            let waits = waits.clone();
            async move { waits.send(Wait).await }
        });
        while !waiting.is_finished() {
            let mut released = within(releases.stream(Release)).await.expect("it is sent");
            let mut texts = Vec::new();
            while let Some(part) = within(released.next()).await {
                texts.push(part.expect("a part").text);
            }
            assert_eq!(texts, ["released", "done"]);
            tokio::task::yield_now().await;
        }
        assert_eq!(within(waiting).await.expect("no panic").expect("a reply"), last("by the other one"));
    }
}

/// Fails the Proxy of another Command, then computes until it is told that this has arrived.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn failing_another_command_is_not_put_off_until_a_long_one_ends() {
    struct Slow(std::sync::Mutex<Vec<OwnedProxy<Part>>>, std::sync::mpsc::SyncSender<()>);
    #[derive(Serialize, Deserialize)]
    struct Wait;
    #[derive(Serialize, Deserialize)]
    struct Compute;

    static ARRIVED: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);

    impl Execute<Slow> for Wait {
        async fn execute(self, slow: &Slow, proxy: Proxy<'_, Part>) -> Result<(), Failed> {
            slow.0.lock().expect("no panic").push(proxy.into_owned());
            let _ = slow.1.send(());
            Ok(())
        }
    }

    impl Execute<Slow> for Compute {
        const SCHEDULING: Scheduling = Scheduling::Spawned;

        async fn execute(self, slow: &Slow, proxy: Proxy<'_, Part>) -> Result<(), Failed> {
            for other in std::mem::take(&mut *slow.0.lock().expect("no panic")) {
                other.fail(Failed::new("as asked"));
            }
            let began = std::time::Instant::now();
            while !ARRIVED.load(Ordering::Relaxed) && began.elapsed() < testkit::wait::PATIENCE / 4 {
                std::hint::spin_loop();
            }
            proxy.send(last(if ARRIVED.load(Ordering::Relaxed) { "it arrived" } else { "gave up" })).await
        }
    }

    protocol! {
        struct Slowness {
            commands { 0 => Wait -> Part, 1 => Compute -> Part }
            replies { 0 => Part, 1 => Problem }
            failure Problem
        }
    }

    let (told, waits) = std::sync::mpsc::sync_channel(1);
    let (connector, _) = testkit::ends::serve_in_memory(Server::builder(
        Slowness,
        Json,
        Slow(std::sync::Mutex::default(), told),
    ));
    let first =
        within(Client::builder(Slowness, Json).connect_by(connector.clone())).await.expect("it greets");
    let second = within(Client::builder(Slowness, Json).connect_by(connector)).await.expect("it greets");
    let waiting = tokio::spawn(async move { first.send(Wait).await });
    tokio::task::spawn_blocking(move || waits.recv()).await.expect("no panic").expect("it waits");
    let computing = tokio::spawn(async move { second.send(Compute).await });
    let failed = within(waiting).await.expect("no panic");
    ARRIVED.store(true, Ordering::Relaxed);
    assert!(matches!(failed, Err(CallError::Failed(problem)) if problem.message == "as asked"));
    assert_eq!(within(computing).await.expect("no panic").expect("a reply"), last("it arrived"));
}

/// Where a Command is polled must not decide whether it may block.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_is_polled_in_place_may_block_and_send_over_the_limit() {
    struct Here;
    #[derive(Serialize, Deserialize)]
    struct Block(usize);

    impl Execute<Here> for Block {
        const SCHEDULING: Scheduling = Scheduling::InPlace;

        async fn execute(self, _: &Here, proxy: Proxy<'_, Part>) -> Result<(), Failed> {
            let proxy = proxy.into_owned();
            tokio::task::block_in_place(|| {
                for n in 1..=self.0 {
                    proxy.send_blocking(Part { text: "x".repeat(100), last: n == self.0 })?;
                }
                Ok(())
            })
        }
    }

    protocol! {
        struct Blocks { commands { 0 => Block -> Part } replies { 0 => Part } failure close_connection }
    }

    let server = Server::builder(Blocks, Json, Here).limits(Limits::default().output(200));
    let (client, _) = both(server, Client::builder(Blocks, Json)).await;
    let mut stream = within(client.stream(Block(20))).await.expect("it is sent");
    for n in 1..=20 {
        let part = within(stream.next()).await.expect("more").expect("a part");
        assert_eq!(part.last, n == 20);
    }
}

#[tokio::test]
async fn one_that_is_kept_by_its_own_connection_does_not_keep_the_connection() {
    struct Subscriptions;
    struct Subscription(OwnedProxy<Part>);
    #[derive(Serialize, Deserialize)]
    struct Subscribe;

    impl Execute<Subscriptions> for Subscribe {
        async fn execute(self, _: &Subscriptions, proxy: Proxy<'_, Part>) -> Result<(), Failed> {
            let connection = proxy.context().connection();
            connection.insert(Subscription(proxy.into_owned()));
            let Some(kept) = connection.get::<Subscription>() else {
                return Err(Failed::new("it was put in"));
            };
            kept.0.send(part("subscribed")).await
        }
    }

    protocol! {
        struct News { commands { 0 => Subscribe -> Part } replies { 0 => Part } failure close_connection }
    }

    let (connector, listener) = cmd_stream::transport::memory::pair();
    let server = Server::builder(News, Json, Subscriptions).listen(listener).expect("memory has an address");
    let handle = server.handle();
    let serving = tokio::spawn(server.serve());
    for _ in 0..10 {
        let client =
            within(Client::builder(News, Json).connect_by(connector.clone())).await.expect("it greets");
        let mut stream = within(client.stream(Subscribe)).await.expect("it is sent");
        assert_eq!(within(stream.next()).await.expect("more").expect("a part"), part("subscribed"));
    }
    until(|| handle.counters().open == 0).await;
    handle.shutdown();
    let Served::Shutdown(cut) = within(serving).await.expect("no panic") else { panic!("it was a shutdown") };
    assert_eq!((cut.commands, cut.connections), (0, 0), "Commands of connections that are gone are left");
}

#[tokio::test]
async fn going_away_resolves_when_serve_is_dropped_too() {
    let (desk, mut handed) = desk();
    let (connector, listener) = cmd_stream::transport::memory::pair();
    let server = server(desk).listen(listener).expect("memory has an address");
    let serving = tokio::spawn(server.serve());
    let client = within(client().connect_by(connector)).await.expect("it greets");
    let _call = tokio::spawn(async move { client.send(HandOver(String::new())).await });
    let proxy = next(&mut handed).await;
    serving.abort();
    within(proxy.going_away()).await;
    within(proxy.closed()).await;
}
