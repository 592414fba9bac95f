//! The process that is attacked: a server, with two workers, and the clients that it is told to have. It says what it
//! holds, on its standard output, whenever it is asked on its standard input.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use cmd_stream::client::{self, Keepalive};
use cmd_stream::server::{Handle, Limits, ServerProtocol};
use cmd_stream::{Client, Mus, Server};
use tokio::runtime::{Builder, Runtime};

use crate::service::{Attacked, Desk, Large, Stay};
use crate::setting::{Format, Setting, with_format};

/// Is the server: `serve FORMAT SETTING..`, until its standard input ends.
pub(crate) fn serve(arguments: &[String]) -> Result<(), String> {
    let (format, settings) = arguments.split_first().ok_or("serve: which Format?")?;
    let mut limits = Limits::default();
    for setting in settings {
        limits = setting.parse::<Setting>()?.apply(limits);
    }
    let runtime = Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build();
    let runtime = runtime.map_err(|error| format!("runtime: {error}"))?;
    let handle = with_format!(format.parse::<Format>()?, start(&runtime, limits))?;
    answer(&format!("listening on {}", handle.local_addr()))?;
    let clients = Clients::default();
    for line in io::stdin().lines() {
        let line = line.map_err(|error| format!("stdin: {error}"))?;
        let mut words = line.split_whitespace();
        match (words.next(), words.next(), words.next()) {
            (Some("look"), None, None) => answer(&look(&runtime, &handle, &clients))?,
            (Some("leave-unread"), Some(address), None) => {
                runtime.spawn(leave_unread(address.to_owned(), clients.clone()));
                answer("done")?;
            }
            (Some("give-up"), Some(address), Some(calls)) => {
                let calls = calls.parse().map_err(|_| format!("{calls}: how many calls?"))?;
                runtime.spawn(give_up(address.to_owned(), calls, clients.clone()));
                answer("done")?;
            }
            (Some("leave"), None, None) => {
                clients.over.notify_waiters();
                answer("done")?;
            }
            _ => return Err(format!("unknown request: {line}")),
        }
    }
    runtime.shutdown_background();
    Ok(())
}

/// The threads of the server that is attacked.
pub(crate) const WORKERS: usize = 2;

fn start<F: cmd_stream::format::Format>(
    format: F,
    runtime: &Runtime,
    limits: Limits,
) -> Result<Handle, String>
where
    Attacked: ServerProtocol<F, Desk>,
{
    runtime.block_on(async {
        let server = Server::builder(Attacked, format, Desk).limits(limits).bind("127.0.0.1:0").await;
        let server = server.map_err(|error| format!("{error:#}"))?;
        let handle = server.handle();
        tokio::spawn(server.serve());
        Ok(handle)
    })
}

fn answer(line: &str) -> Result<(), String> {
    writeln!(io::stdout(), "{line}").map_err(|error| format!("stdout: {error}"))
}

/// What the process holds and has counted, as `name=number` words.
fn look(runtime: &Runtime, handle: &Handle, clients: &Clients) -> String {
    let stats = handle.stats();
    let counters = &stats.counters;
    let in_flight: u64 = stats.commands.iter().map(|command| command.in_flight).sum();
    let numbers = [
        ("tasks", runtime.metrics().num_alive_tasks() as u64),
        ("commands", in_flight),
        ("open", counters.open),
        ("waiting", counters.waiting),
        ("started", counters.started),
        ("pings", counters.pings),
        ("invalid", counters.invalid),
        ("over_frame_limit", counters.over_frame_limit),
        ("receive_timeouts", counters.receive_timeouts),
        ("output_pauses", counters.output_pauses),
        ("in_flight_pauses", counters.in_flight_pauses),
        ("given_up", clients.given_up.load(Relaxed)),
        ("received", clients.received.load(Relaxed)),
    ];
    numbers.map(|(name, number)| format!("{name}={number}")).join(" ")
}

/// What the clients of this process share.
#[derive(Clone, Default)]
struct Clients {
    over: Arc<tokio::sync::Notify>,
    /// Calls that were given up.
    given_up: Arc<AtomicU64>,
    /// Replies that arrived though nobody waited for them any more.
    received: Arc<AtomicU64>,
}

/// Opens a stream that is never read, to a server that floods it.
async fn leave_unread(address: String, clients: Clients) {
    let received = Arc::clone(&clients.received);
    let client = Client::builder(Attacked, Mus)
        .on_unexpected_reply(move |_, _| {
            received.fetch_add(1, Relaxed);
        })
        .connect(address)
        .await;
    let Ok(client) = client else { return };
    let Ok(_stream) = client.stream(Large { bytes: 1 << 20, count: u64::MAX }).await else { return };
    clients.over.notified().await;
}

/// Makes calls to a server that does not read, and gives each up after a moment. None of them is ever sent.
async fn give_up(address: String, calls: u64, clients: Clients) {
    let limits = client::Limits::default().output_stall(Duration::MAX);
    let client =
        Client::builder(Attacked, Mus).keepalive(Keepalive::OFF).limits(limits).connect(address).await;
    let Ok(client) = client else { return };
    // Fills the output, and what the system takes.
    let large = || Stay { data: "x".repeat(2 << 20) };
    let filling: Vec<_> = (0..8)
        .map(|_| {
            let (client, command) = (client.clone(), large());
            tokio::spawn(async move { client.send(command).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(200)).await;
    for _ in 0..calls / AT_ONCE {
        let together: Vec<_> = (0..AT_ONCE)
            .map(|_| {
                let client = client.clone();
                tokio::spawn(async move {
                    let call = client.send(Stay { data: "y".repeat(100) });
                    let _ = tokio::time::timeout(Duration::from_millis(1), call.into_future()).await;
                })
            })
            .collect();
        for call in together {
            let _ = call.await;
        }
        clients.given_up.fetch_add(AT_ONCE, Relaxed);
    }
    clients.over.notified().await;
    client.close();
    for call in filling {
        let _ = call.await;
    }
}

/// How many calls wait at the same time.
const AT_ONCE: u64 = 100;
