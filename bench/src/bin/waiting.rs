//! Measures Commands that wait at the server, as those do that ask a database: all are sent at once, each waits for the same
//! time, and comes back.
//!
//! What they cost is shown beside what the runtime takes for the waiting alone: a task and a timer for each Command, and a
//! task for each of its callers. The figure that counts is the CPU time per Command. It depends less on what else the machine
//! does than the rate, which the waiting itself bounds.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use bench::spread::Spread;
use bench_harness::process::Meter;
use bench_harness::random::XorShift;
use clap::{Parser, ValueEnum};
use cmd_stream::{Answer, Client, Context, Failed, Mus, Server, protocol};
use mus_format::Output;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Notify, oneshot};

/// Compares Commands that wait at the server with what their waiting takes by itself.
#[derive(Parser)]
struct Args {
    /// Who is measured, in turns.
    #[arg(long, value_delimiter = ',', default_value = "tasks,callers,cmd-stream")]
    participants: Vec<Participant>,

    /// Commands sent at once.
    #[arg(long, default_value_t = 60_000)]
    commands: usize,

    /// How long each waits at the server, in milliseconds.
    #[arg(long, default_value_t = 30)]
    wait: u64,

    #[arg(long, default_value_t = 4)]
    connections: usize,

    /// Each figure is a median over these.
    #[arg(long, default_value_t = 9)]
    rounds: usize,

    /// Fail if cmd-stream takes more than so many microseconds of CPU above `tasks`.
    #[arg(long)]
    at_most_above: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Participant {
    /// A task for each Command, which sleeps: the least that a server can do.
    Tasks,
    /// The same, and a task for each caller, which is told by a oneshot channel, with a copy of the value.
    Callers,
    /// Both ends of this library, over TCP.
    CmdStream,
}

/// The value that is sent and comes back.
#[derive(Clone, PartialEq, mus_format::Mus)]
struct Value {
    bool: bool,
    int64: i64,
    string: String,
    float64: f64,
}

/// The Receiver. It says how long the Commands wait.
struct Waiting(Duration);

impl Answer<Waiting> for Value {
    async fn answer(self, waiting: &Waiting, _: &Context<'_>) -> Result<Self, Failed> {
        tokio::time::sleep(waiting.0).await;
        Ok(self)
    }
}

protocol! {
    struct WaitingProtocol {
        commands { 0 => Value -> Value }
        replies { 0 => Value }
        failure close_connection
    }
}

/// What the client sends: a value, by reference. The server receives it as a [`Value`].
struct Sent(&'static Value);

impl mus_format::Encode for Sent {
    fn encode<O: Output + ?Sized>(&self, out: &mut O) {
        mus_format::Encode::encode(self.0, out);
    }
}

protocol! {
    struct SendProtocol {
        commands { 0 => Sent -> Value }
        replies { 0 => Value }
        failure close_connection
    }
}

/// What one round took.
struct Round {
    elapsed: Duration,
    cpu: Duration,
}

/// Counts the Commands that came back. The last one, or the first that differs, ends the round.
#[derive(Default)]
struct Arrivals {
    left: AtomicU64,
    wrong: AtomicU64,
    over: Notify,
}

impl Arrivals {
    fn of(commands: usize) -> Arc<Self> {
        Arc::new(Self { left: AtomicU64::new(commands as u64), ..Self::default() })
    }

    fn arrived(&self, is_right: bool) {
        self.wrong.fetch_add(u64::from(!is_right), Relaxed);
        if self.left.fetch_sub(1, Relaxed) == 1 || !is_right {
            self.over.notify_one();
        }
    }

    async fn all(&self) -> Result<(), String> {
        let over = tokio::time::timeout(PATIENCE, self.over.notified()).await;
        over.map_err(|_| format!("{} commands have not come back in time", self.left.load(Relaxed)))?;
        if self.wrong.load(Relaxed) > 0 { Err("another value came back".to_owned()) } else { Ok(()) }
    }
}

/// After this a round fails.
const PATIENCE: Duration = Duration::from_secs(120);
/// As the participants of the main benchmark: both ends share them.
const THREADS: usize = 2;
const VALUES: usize = 1024;

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("waiting: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), String> {
    let values = pool();
    let mut rounds: Vec<Vec<Round>> = args.participants.iter().map(|_| Vec::new()).collect();
    for round in 0..=args.rounds {
        for n in 0..args.participants.len() {
            // Each round starts with another one. The first round only warms up.
            let n = (n + round) % args.participants.len();
            let measured = measure(args.participants[n], args, values)?;
            if round > 0 {
                rounds[n].push(measured);
            }
        }
    }
    let per_command = |time: Duration| time.as_secs_f64() * 1e6 / args.commands as f64;
    println!("{} commands at once, {} ms at the server each", args.commands, args.wait);
    println!("{:<12}{:>26}{:>28}", "", "CPU us per command", "wall us per command");
    let mut cpus = Vec::new();
    for (participant, rounds) in args.participants.iter().zip(&rounds) {
        let cpu =
            Spread::of(rounds.iter().map(|round| per_command(round.cpu))).ok_or("there are no rounds")?;
        let wall = Spread::of(rounds.iter().map(|round| per_command(round.elapsed))).ok_or("no rounds")?;
        println!("{:<12}{:>26}{:>28}", participant.name(), cpu.to_string(), wall.to_string());
        cpus.push((*participant, cpu.median));
    }
    let cpu = |wanted| cpus.iter().find(|(participant, _)| *participant == wanted).map(|(_, cpu)| *cpu);
    if let (Some(floor), Some(ours)) = (cpu(Participant::Tasks), cpu(Participant::CmdStream)) {
        let above = ours - floor;
        println!("cmd-stream takes {above:.2} us above the floor");
        if args.at_most_above.is_some_and(|most| above > most) {
            return Err(format!("a command takes {above:.2} us of CPU above the floor"));
        }
    }
    Ok(())
}

impl Participant {
    fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

/// In a runtime of its own, so that what one leaves behind does not count for the next.
fn measure(participant: Participant, args: &Args, values: &'static [Value]) -> Result<Round, String> {
    let runtime = runtime()?;
    let wait = Duration::from_millis(args.wait);
    runtime.block_on(async {
        match participant {
            Participant::Tasks => tasks(args.commands, wait).await,
            Participant::Callers => callers(args.commands, wait, values).await,
            Participant::CmdStream => commands(args, wait, values).await,
        }
    })
}

fn runtime() -> Result<Runtime, String> {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(THREADS).enable_all().build().map_err(|error| format!("runtime: {error}"))
}

async fn tasks(commands: usize, wait: Duration) -> Result<Round, String> {
    timed(commands, |_, arrivals| {
        tokio::spawn(async move {
            tokio::time::sleep(wait).await;
            arrivals.arrived(true);
        });
    })
    .await
}

async fn callers(commands: usize, wait: Duration, values: &'static [Value]) -> Result<Round, String> {
    timed(commands, |n, arrivals| {
        let value = &values[n % values.len()];
        tokio::spawn(async move {
            let (reply, replied) = oneshot::channel();
            tokio::spawn(async move {
                let command = value.clone();
                tokio::time::sleep(wait).await;
                let _ = reply.send(command);
            });
            arrivals.arrived(replied.await.is_ok_and(|reply| reply == *value));
        });
    })
    .await
}

async fn commands(args: &Args, wait: Duration, values: &'static [Value]) -> Result<Round, String> {
    let server = Server::builder(WaitingProtocol, Mus, Waiting(wait));
    let server = server.bind("127.0.0.1:0").await.map_err(text)?;
    let handle = server.handle();
    let address = handle.local_addr().to_string();
    let serving = tokio::spawn(server.serve());
    let mut clients = Vec::new();
    for _ in 0..args.connections {
        let builder = Client::builder(SendProtocol, Mus).timeout(Duration::MAX);
        clients.push(builder.connect(&*address).await.map_err(text)?);
    }
    let round = timed(args.commands, |n, arrivals| {
        let (client, value) = (clients[n % clients.len()].clone(), &values[n % values.len()]);
        tokio::spawn(async move {
            let reply = client.send(Sent(value)).await;
            arrivals.arrived(reply.is_ok_and(|reply| reply == *value));
        });
    })
    .await;
    drop(clients);
    handle.close();
    serving.await.map_err(|error| error.to_string())?;
    round
}

/// Begins all of them, and waits until all have come back.
async fn timed(commands: usize, mut begin: impl FnMut(usize, Arc<Arrivals>)) -> Result<Round, String> {
    let arrivals = Arrivals::of(commands);
    let (started, before) = (Instant::now(), cpu_time()?);
    for n in 0..commands {
        begin(n, Arc::clone(&arrivals));
    }
    arrivals.all().await?;
    Ok(Round { elapsed: started.elapsed(), cpu: cpu_time()?.saturating_sub(before) })
}

/// How long the threads of this process have run, those that have ended included.
fn cpu_time() -> Result<Duration, String> {
    Meter::default().read().ok_or_else(|| "the system does not tell the CPU time of a process".to_owned())
}

fn pool() -> &'static [Value] {
    let mut random = XorShift::new();
    let value = |_| {
        let (bool, int64, string, float64) = random.echo();
        Value { bool, int64, string, float64 }
    };
    (0..VALUES).map(value).collect::<Vec<_>>().leak()
}

fn text(error: cmd_stream::Error) -> String {
    format!("{error:#}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(line: &str) -> Args {
        Args::parse_from(line.split(' '))
    }

    #[test]
    fn every_participant_waits_at_least_that_long_and_is_compared() {
        let args = args("waiting --commands 100 --connections 2 --wait 5");
        for participant in Participant::value_variants() {
            let round = measure(*participant, &args, pool()).unwrap();
            assert!(round.elapsed >= Duration::from_millis(5) && round.cpu > Duration::ZERO);
        }
    }

    #[test]
    fn value_that_differs_fails_the_round() {
        let round = timed(2, |n, arrivals| arrivals.arrived(n == 0));
        assert!(runtime().unwrap().block_on(round).is_err());
    }

    #[test]
    fn bound_that_is_exceeded_fails() {
        let args =
            Args { at_most_above: Some(-1000.0), ..args("waiting --commands 100 --wait 1 --rounds 1") };
        assert!(run(&args).unwrap_err().contains("above the floor"));
    }
}
