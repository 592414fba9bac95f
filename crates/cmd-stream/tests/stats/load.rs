//! Under load the numbers fit together whenever somebody looks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use cmd_stream::{CallError, Json, Sender};
use testkit::wait::{until, within};

use crate::desk::{After, Boom, Count, Fail, Office, Open, Quick, Sleep};
use crate::{calls, numbers};

const CALLERS: u64 = 8;
const ROUNDS: u64 = 60;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_numbers_add_up_at_every_moment_and_are_exact_in_the_end() {
    let open = Open::tcp().await;
    let address = open.handle.local_addr().to_string();
    let builder = Sender::builder(Office, Json).endpoints([address]).clients(3);
    let sender = within(builder.connect()).await.unwrap();
    let ended = Arc::new(AtomicBool::new(false));
    let looking = std::thread::spawn({
        let (handle, sender, ended) = (open.handle.clone(), sender.clone(), Arc::clone(&ended));
        move || {
            let (mut before, mut looks) = ((0, 0), 0_u64);
            while !ended.load(Relaxed) {
                let (server, client) = (handle.stats(), sender.stats());
                let now = (
                    server.commands.iter().map(|command| numbers(command)[0]).sum::<u64>(),
                    client.commands.iter().map(|command| calls(command)[0]).sum::<u64>(),
                );
                for command in &server.commands {
                    assert!(command.latency.count() <= command.started - command.in_flight, "{command:?}");
                }
                for command in &client.commands {
                    assert!(command.latency.count() <= command.started - command.in_flight, "{command:?}");
                }
                assert!(now.0 >= before.0 && now.1 >= before.1, "{now:?} after {before:?}");
                (before, looks) = (now, looks + 1);
            }
            looks
        }
    });
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let sender = sender.clone();
            tokio::spawn(async move {
                for _ in 0..ROUNDS {
                    let all = tokio::join!(
                        sender.send(Quick),
                        sender.send(Quick),
                        sender.send(Fail { waits: false }),
                        sender.send(Boom { waits: false }),
                        sender.send(Sleep { millis: 0 }),
                        sender.send(After),
                    );
                    all.0.unwrap();
                    all.1.unwrap();
                    assert!(matches!(all.2, Err(CallError::Failed(_))));
                    assert!(matches!(all.3, Err(CallError::Failed(_))));
                    all.4.unwrap();
                    all.5.unwrap();
                    let mut stream = sender.stream(Count { to: 3 }).await.unwrap();
                    while let Some(reply) = stream.next().await {
                        reply.unwrap();
                    }
                }
            })
        })
        .collect();
    for caller in callers {
        within(caller).await.unwrap();
    }
    let each = CALLERS * ROUNDS;
    until(|| open.handle.stats().commands.iter().all(|command| command.in_flight == 0)).await;
    ended.store(true, Relaxed);
    assert!(looking.join().expect("the numbers added up") > 10);
    let server = open.handle.stats();
    let of = |name| numbers(server.command(name).unwrap());
    assert_eq!(of("Quick"), [2 * each, 0, 2 * each, 0, 0, 0]);
    assert_eq!(of("Fail"), [each, 0, 0, each, 0, 0]);
    assert_eq!(of("Boom"), [each, 0, 0, 0, each, 0]);
    for name in ["Sleep", "After", "Count"] {
        assert_eq!(of(name), [each, 0, each, 0, 0, 0], "{name}");
    }
    assert_eq!((server.counters.started, server.counters.failed), (7 * each, 2 * each));
    for command in &server.commands {
        assert_eq!(command.latency.count(), command.started, "{command:?}");
    }
    let client = sender.stats();
    for command in &client.commands {
        let expected = match command.name {
            "Quick" => [2 * each, 0, 2 * each, 0, 0, 0, 0, 0],
            "Fail" | "Boom" => [each, 0, 0, each, 0, 0, 0, 0],
            "Sleep" | "After" | "Count" => [each, 0, each, 0, 0, 0, 0, 0],
            _ => [0; 8],
        };
        assert_eq!(calls(command), expected, "{}", command.name);
        assert_eq!(command.latency.count(), command.started, "{command:?}");
    }
}
