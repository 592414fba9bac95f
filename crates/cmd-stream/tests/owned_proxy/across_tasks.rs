//! Owned Proxies that other tasks, other Commands and other connections use.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::{HandOver, Part, client, desk, last, next, part, server};
use cmd_stream::server::{Limits, OwnedProxy, Scheduling};
use cmd_stream::{CallError, Client, Execute, Failed, Json, Problem, Proxy, Server, protocol};
use serde::{Deserialize, Serialize};
use testkit::ends::both;
use testkit::wait::within;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn it_fails_once_and_nothing_is_sent_after_that_even_by_concurrent_senders() {
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
        // A Reply that was sent too late would arrive before the Reply of the next Command.
        let answer = within(client.send(HandOver("fail".into()))).await;
        assert!(answer.is_err());
        drop(next(&mut handed).await);
        assert_eq!(unexpected.load(Ordering::Relaxed), 0, "something was sent after the failure");
        assert_eq!(handle.counters().failed, 2 * round);
    }
}

/// A Command of one connection uses an owned Proxy of another connection. Both connections must be woken.
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
        // So that `send` does not yield, and both wake-ups are due after the same poll.
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

/// Ends the Command of another connection, then computes until it is told that its client knows.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn ending_a_command_of_another_connection_does_not_wait_for_the_end_of_a_long_one() {
    struct Slow(std::sync::Mutex<Vec<OwnedProxy<Part>>>, std::sync::mpsc::SyncSender<()>);
    #[derive(Serialize, Deserialize)]
    struct Wait;
    #[derive(Serialize, Deserialize)]
    struct Compute {
        how: How,
    }
    #[derive(Serialize, Deserialize, Clone, Copy, Debug)]
    enum How {
        Fails,
        Drops,
        TaskFails,
        TaskSends,
    }

    static HOWS_ARRIVED: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);

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
            // Polled anew, not as the third task in a row that was woken by the one before: after three, tokio puts what is woken
            // where other threads take it.
            tokio::task::yield_now().await;
            let other = slow.0.lock().expect("no panic").pop().expect("the other one waits");
            let has_arrived = move || HOWS_ARRIVED.load(Ordering::Relaxed) > self.how as usize;
            let computes = move || {
                let began = std::time::Instant::now();
                while !has_arrived() && began.elapsed() < testkit::wait::PATIENCE / 4 {
                    std::hint::spin_loop();
                }
                has_arrived()
            };
            let has_arrived = match self.how {
                How::Fails => {
                    other.fail(Failed::new("as asked"));
                    computes()
                }
                How::Drops => {
                    drop(other);
                    computes()
                }
                // Somebody else computes.
                How::TaskFails | How::TaskSends => {
                    let task = tokio::spawn(async move {
                        tokio::task::yield_now().await;
                        match self.how {
                            How::TaskSends => other.send_blocking(last("as asked")).expect("it goes on"),
                            _ => other.fail(Failed::new("as asked")),
                        }
                        computes()
                    });
                    task.await.expect("no panic")
                }
            };
            proxy.send(last(if has_arrived { "it arrived" } else { "gave up" })).await
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
    let waits = std::sync::Arc::new(std::sync::Mutex::new(waits));
    let (connector, _) = testkit::ends::serve_in_memory(Server::builder(
        Slowness,
        Json,
        Slow(std::sync::Mutex::default(), told),
    ));
    let first =
        within(Client::builder(Slowness, Json).connect_by(connector.clone())).await.expect("it greets");
    let second = within(Client::builder(Slowness, Json).connect_by(connector)).await.expect("it greets");
    for how in [How::Fails, How::Drops, How::TaskFails, How::TaskSends] {
        let waiting = tokio::spawn({
            let first = first.clone();
            async move { first.send(Wait).await }
        });
        let waits = std::sync::Arc::clone(&waits);
        let it_waits = tokio::task::spawn_blocking(move || waits.lock().expect("no panic").recv());
        it_waits.await.expect("no panic").expect("it waits");
        let computing = tokio::spawn({
            let second = second.clone();
            async move { second.send(Compute { how }).await }
        });
        let ended = within(waiting).await.expect("no panic");
        HOWS_ARRIVED.fetch_add(1, Ordering::Relaxed);
        match (how, ended) {
            (How::TaskSends, Ok(part)) => assert_eq!(part, last("as asked")),
            (How::Drops, Err(CallError::Failed(_))) => {}
            (_, Err(CallError::Failed(problem))) => assert_eq!(problem.message, "as asked", "{how:?}"),
            (_, ended) => panic!("{how:?}: {ended:?}"),
        }
        let computed = within(computing).await.expect("no panic").expect("a reply");
        assert_eq!(computed, last("it arrived"), "{how:?}");
    }
}

/// Sends with `send_blocking` while the output is often full, then computes until it is told that all of that has arrived.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_reply_that_had_to_wait_for_room_does_not_wait_for_the_end_of_its_command() {
    #[derive(Serialize, Deserialize)]
    struct Compute {
        round: usize,
    }

    static ARRIVED: AtomicUsize = AtomicUsize::new(0);

    impl Execute<()> for Compute {
        const SCHEDULING: Scheduling = Scheduling::Spawned;

        async fn execute(self, (): &(), proxy: Proxy<'_, Part>) -> Result<(), Failed> {
            tokio::task::yield_now().await;
            let proxy = proxy.into_owned();
            for _ in 0..10 {
                proxy.send_blocking(part("a row"))?;
            }
            let began = std::time::Instant::now();
            let has_arrived = || ARRIVED.load(Ordering::Relaxed) > self.round;
            while !has_arrived() && began.elapsed() < testkit::wait::PATIENCE / 4 {
                std::hint::spin_loop();
            }
            proxy.send_blocking(last(if has_arrived() { "it arrived" } else { "gave up" }))
        }
    }

    protocol! {
        struct Computing {
            commands { 0 => Compute -> Part }
            replies { 0 => Part, 1 => Problem }
            failure Problem
        }
    }

    let limits = Limits::default().output(1); // full with one Reply
    let server = Server::builder(Computing, Json, ()).limits(limits);
    let (client, _server) = both(server, Client::builder(Computing, Json)).await;
    for round in 0..100 {
        let mut parts = within(client.stream(Compute { round })).await.expect("it is sent");
        for _ in 0..10 {
            let row = within(parts.next()).await.expect("it is not the last one").expect("a part");
            assert_eq!(row, part("a row"));
        }
        ARRIVED.fetch_add(1, Ordering::Relaxed);
        let end = within(parts.next()).await.expect("the last one").expect("a part");
        assert_eq!(end, last("it arrived"), "round {round}");
    }
}
