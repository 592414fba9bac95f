//! What grows with connections, with Commands in flight, and with threads: the CPU time of each side apart, and how fast
//! connections are accepted. SCALING.md says what follows from it.
//!
//! Client and server run in this process, each in a runtime of its own, so that the time of its threads can be told apart.

use std::fmt::Write;
use std::fs;
use std::time::{Duration, Instant};

use bench::spread::{Spread, thousands};
use bench_harness::load::{self, Echo, Measured, Round};
use bench_harness::process::{Meter, allow_connections, resident};
use bench_harness::workload::{self, Value};
use clap::Args;
use cmd_stream::Mus;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

use crate::participants::cmd_stream::{SendProtocol, Sent, connect, listen};

/// What is measured.
#[derive(Args)]
pub(crate) struct Options {
    /// Connections, Commands in flight over all of them together, and the length of the strings in bytes, which is 0 to 1000
    /// if it is not there.
    #[arg(long, value_delimiter = ',', value_parser = setting, value_name = "CONNECTIONS:IN_FLIGHT[:BYTES]",
          default_value = "1:1,1:8,1:64,1:1024,1:16384,8:1024,16:16,16:1024,64:64,64:1024,1024:1024,1024:16384")]
    settings: Vec<Setting>,

    /// Threads of the server. The client has as many.
    #[arg(long, value_delimiter = ',', default_value = "1,2", value_parser = clap::value_parser!(u8).range(1..=64))]
    threads: Vec<u8>,

    /// After so many polls a thread of a runtime looks into the queue that all its threads share. As tokio has it by default, if
    /// this is not set.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1000))]
    global_queue_interval: Option<u32>,

    /// Each figure is a median over these.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,

    #[arg(long, default_value_t = 0.5)]
    seconds_per_round: f64,

    /// Connections that are opened one after another, by 64 tasks, to see how fast they are accepted. 0: none.
    #[arg(long, default_value_t = 8_000)]
    accepts: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Setting {
    connections: u32,
    in_flight: u32,
    payload: Option<u32>,
}

fn setting(text: &str) -> Result<Setting, String> {
    let number = |text: &str, most| match text.parse() {
        Ok(number) if (1..=most).contains(&number) => Ok(number),
        _ => Err(format!("{text} is no number from 1 to {most}")),
    };
    let many = |text| number(text, 65_536);
    match text.split(':').collect::<Vec<_>>()[..] {
        [connections, in_flight] => {
            Ok(Setting { connections: many(connections)?, in_flight: many(in_flight)?, payload: None })
        }
        [connections, in_flight, bytes] => Ok(Setting {
            connections: many(connections)?,
            in_flight: many(in_flight)?,
            payload: Some(number(bytes, 1 << 20)?),
        }),
        _ => Err("as 16:1024, or 2:16:65536".to_owned()),
    }
}

/// Measures all, and prints tables.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    let connections = options.settings.iter().map(|setting| setting.connections).max().unwrap_or(1);
    allow_connections(2 * u64::from(connections.max(options.accepts)))?;
    let mut rounds: Vec<Vec<Took>> = Vec::new();
    for round in 0..options.rounds {
        let mut took = Vec::new();
        for threads in &options.threads {
            for setting in &options.settings {
                eprintln!("round {}: {threads} threads, {setting:?}", round + 1);
                took.push(measure(*setting, *threads, options)?);
            }
        }
        rounds.push(took);
    }
    print!("{}", table(options, &rounds));
    if options.accepts > 0 {
        let accepts: Vec<_> =
            (0..options.rounds).map(|_| accept(options.accepts)).collect::<Result<_, _>>()?;
        let spread = |figure: fn(&Accepted) -> f64| Spread::of(accepts.iter().map(figure)).ok_or("no rounds");
        println!(
            "\n{} connections: {} a second, {} us of CPU each at the server",
            options.accepts,
            thousands(spread(|accepted| accepted.rate)?.median),
            spread(|accepted| accepted.server_us)?,
        );
    }
    locks::print();
    Ok(())
}

/// What one setting took in one round.
struct Took {
    rate: f64,
    p50_us: f64,
    p99_us: f64,
    server: Cpu,
    client: Cpu,
    resident_mib: f64,
}

/// CPU time for each Command, in microseconds.
#[derive(Clone, Copy)]
struct Cpu {
    all: f64,
    /// The share of it in the kernel, from 0 to 1.
    kernel: f64,
}

fn measure(setting: Setting, threads: u8, options: &Options) -> Result<Took, String> {
    let interval = options.global_queue_interval;
    let (server, client) = (runtime(SERVER, threads, interval)?, runtime(CLIENT, threads, interval)?);
    let (handle, serving) = server.block_on(listen(Mus, None))?;
    let address = handle.local_addr().to_string();
    let took = client.block_on(async {
        let mut clients = Vec::new();
        for _ in 0..setting.connections {
            clients.push(Client(connect(Mus, &address, None).await?));
        }
        let round = Round {
            values: setting.payload.map_or_else(workload::pool, |bytes| workload::sized(bytes as usize)),
            in_flight: setting.in_flight,
            warmup: Duration::from_millis(200),
            duration: Duration::from_secs_f64(options.seconds_per_round),
            meter: Meter::default(),
        };
        // The warm-up counts in what the threads take: they have it, and so do the Commands that were verified.
        let before = [times(SERVER)?, times(CLIENT)?];
        let Measured { elapsed, tally, .. } = load::closed_loop(&clients, &round).await?;
        let after = [times(SERVER)?, times(CLIENT)?];
        let cpu = |side: usize| after[side].since(before[side]).per(tally.verified);
        let latency = |quantile| tally.latency.value_at_quantile(quantile) as f64 / 1e3;
        Ok::<_, String>(Took {
            rate: tally.commands as f64 / elapsed.as_secs_f64(),
            p50_us: latency(0.5),
            p99_us: latency(0.99),
            server: cpu(0),
            client: cpu(1),
            resident_mib: resident(std::process::id())? as f64 / f64::from(1 << 20),
        })
    })?;
    handle.close();
    server.block_on(serving).map_err(|error| error.to_string())?;
    Ok(took)
}

/// How fast connections are accepted, each with its handshake.
struct Accepted {
    rate: f64,
    server_us: f64,
}

fn accept(connections: u32) -> Result<Accepted, String> {
    const TASKS: u32 = 64;
    let (server, client) = (runtime(SERVER, 1, None)?, runtime(CLIENT, 1, None)?);
    let (handle, serving) = server.block_on(listen(Mus, None))?;
    let address = handle.local_addr().to_string();
    let before = times(SERVER)?;
    let started = Instant::now();
    let clients = client.block_on(async {
        let mut tasks = JoinSet::new();
        for task in 0..TASKS {
            let address = address.clone();
            tasks.spawn(async move {
                let mut clients = Vec::new();
                for _ in (task..connections).step_by(TASKS as usize) {
                    clients.push(connect(Mus, &address, None).await?);
                }
                Ok::<_, String>(clients)
            });
        }
        let mut all = Vec::new();
        while let Some(clients) = tasks.join_next().await {
            all.extend(clients.map_err(|error| error.to_string())??);
        }
        Ok::<_, String>(all)
    })?;
    let elapsed = started.elapsed();
    let server_us = times(SERVER)?.since(before).per(u64::from(connections)).all;
    client.block_on(async { drop(clients) });
    handle.close();
    server.block_on(serving).map_err(|error| error.to_string())?;
    Ok(Accepted { rate: f64::from(connections) / elapsed.as_secs_f64(), server_us })
}

/// Names of the threads of each side, by which they are found.
const SERVER: &str = "scaling-server";
const CLIENT: &str = "scaling-client";

fn runtime(name: &str, threads: u8, global_queue_interval: Option<u32>) -> Result<Runtime, String> {
    let mut builder = Builder::new_multi_thread();
    if let Some(polls) = global_queue_interval {
        builder.global_queue_interval(polls);
    }
    builder.worker_threads(threads.into()).thread_name(name).enable_all();
    builder.build().map_err(|error| format!("runtime: {error}"))
}

/// What the threads of one side have taken since they were started.
#[derive(Clone, Copy, Default)]
struct Times {
    all: Duration,
    /// In steps of 10 ms.
    user: Duration,
    kernel: Duration,
}

impl Times {
    fn since(self, before: Self) -> Self {
        Self {
            all: self.all.saturating_sub(before.all),
            user: self.user.saturating_sub(before.user),
            kernel: self.kernel.saturating_sub(before.kernel),
        }
    }

    fn per(self, commands: u64) -> Cpu {
        let (user, kernel) = (self.user.as_secs_f64(), self.kernel.as_secs_f64());
        // Both are 0 if no tick has passed.
        let kernel = kernel / (user + kernel).max(f64::MIN_POSITIVE);
        Cpu { all: self.all.as_secs_f64() * 1e6 / commands as f64, kernel }
    }
}

/// The times of all threads of this name. Linux only.
fn times(name: &str) -> Result<Times, String> {
    const TASKS: &str = "/proc/self/task";
    let threads = fs::read_dir(TASKS).map_err(|error| format!("{TASKS}: {error}"))?;
    let mut sum = Times::default();
    for thread in threads.filter_map(Result::ok) {
        // A thread that ends meanwhile has no files any more. Those that are asked for do not end.
        let read = |file: &str| fs::read_to_string(thread.path().join(file)).ok();
        if read("comm").is_none_or(|comm| comm.trim_end() != name) {
            continue;
        }
        let unknown = || format!("{}: the system does not tell its times", thread.path().display());
        let nanos = read("schedstat").and_then(|text| text.split(' ').next()?.parse().ok());
        sum.all += Duration::from_nanos(nanos.ok_or_else(unknown)?);
        let [user, kernel] = read("stat").and_then(|stat| user_and_kernel(&stat)).ok_or_else(unknown)?;
        sum.user += user;
        sum.kernel += kernel;
    }
    Ok(sum)
}

/// The twelfth and thirteenth field after the name, which is in parentheses.
fn user_and_kernel(stat: &str) -> Option<[Duration; 2]> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut ticks = fields.split_whitespace().skip(11).map(|field| field.parse::<u64>().ok());
    let mut next = || Some(Duration::from_millis(10 * ticks.next()??));
    Some([next()?, next()?])
}

fn table(options: &Options, rounds: &[Vec<Took>]) -> String {
    let mut text = format!(
        "Medians of {} rounds (lowest to highest). CPU in microseconds for each Command, and the kernel's share of it.\n\n\
         threads  connections  in flight     bytes   commands/s                     p50 us     p99 us   server us          client us    \
         MiB\n",
        options.rounds
    );
    let of_threads = options.settings.len();
    for (n, threads) in options.threads.iter().enumerate() {
        for (s, Setting { connections, in_flight, payload }) in options.settings.iter().enumerate() {
            let spread = |figure: fn(&Took) -> f64| {
                Spread::of(rounds.iter().map(|took| figure(&took[n * of_threads + s])))
            };
            let median = |figure| spread(figure).map_or(f64::NAN, |spread| spread.median);
            let Some(rate) = spread(|took| took.rate) else { continue };
            let bytes = payload.map_or_else(|| "0-1000".to_owned(), |bytes| bytes.to_string());
            let range = format!("({} to {})", thousands(rate.min), thousands(rate.max));
            writeln!(
                text,
                "{threads:>7}{connections:>13}{in_flight:>11}{bytes:>10}{:>13} {range:<24}{:>9.1}{:>11.1}{:>8.2} ({:>2.0} %){:>12.2} ({:>2.0} %){:>7.0}",
                thousands(rate.median),
                median(|took| took.p50_us),
                median(|took| took.p99_us),
                median(|took| took.server.all),
                median(|took| took.server.kernel * 100.0),
                median(|took| took.client.all),
                median(|took| took.client.kernel * 100.0),
                median(|took| took.resident_mib),
            )
            .expect("a String takes all that is written to it");
        }
    }
    text
}

/// One connection's client, as tasks share it.
#[derive(Clone)]
struct Client(cmd_stream::Client<SendProtocol, Mus>);

impl Echo for Client {
    async fn echo(&self, value: &'static Value) -> Result<Value, String> {
        self.0.send(Sent(value)).await.map_err(|error| format!("{error:#}"))
    }
}

/// How often the library's threads wait for its locks, if it was built to count that.
mod locks {
    #[cfg(cmd_stream_lock_profile)]
    pub(super) fn print() {
        let mut places = cmd_stream::take_lock_profile();
        places.sort_unstable_by_key(|(place, _)| *place);
        println!(
            "\n{:<48}{:>11}{:>12}{:>18}{:>16}",
            "lock", "taken", "waited", "wait, mean us", "held, mean us"
        );
        for ((file, line), used) in places {
            let mean = |time: std::time::Duration, of: u64| time.as_secs_f64() * 1e6 / of.max(1) as f64;
            let (wait, held) = (mean(used.wait, used.waited), mean(used.held, used.taken));
            println!(
                "{:<48}{:>11}{:>12}{wait:>18.2}{held:>16.2}",
                format!("{file}:{line}"),
                used.taken,
                used.waited
            );
        }
    }

    #[cfg(not(cmd_stream_lock_profile))]
    pub(super) fn print() {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_two_or_three_numbers() {
        let (connections, in_flight) = (16, 1024);
        assert_eq!(setting("16:1024"), Ok(Setting { connections, in_flight, payload: None }));
        assert_eq!(setting("16:1024:65536"), Ok(Setting { connections, in_flight, payload: Some(65_536) }));
        for wrong in ["16", "16:0", "0:1", "1:70000", "a:b", "1:2:0", "1:2:1048577", "1:2:3:4"] {
            assert!(setting(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn times_are_those_of_the_threads_with_that_name() {
        let line = "7 (a) b (c)) S 1 7 7 0 -1 4194304 100 0 0 0 250 50 9 9 20 0 1 0";
        assert_eq!(user_and_kernel(line), Some([Duration::from_millis(2500), Duration::from_millis(500)]));
        assert_eq!(times("nobody").unwrap().all, Duration::ZERO);
        let runtime = runtime("busy-for-a-test", 1, None).unwrap();
        runtime.block_on(runtime.spawn(async { load::burn_here(Duration::from_millis(30)) })).unwrap();
        assert!(times("busy-for-a-test").unwrap().all > Duration::ZERO);
    }

    #[test]
    fn both_sides_are_measured() {
        let options = Options {
            settings: Vec::new(),
            threads: vec![1],
            global_queue_interval: Some(8),
            rounds: 1,
            seconds_per_round: 0.05,
            accepts: 0,
        };
        let took = measure(Setting { connections: 2, in_flight: 4, payload: Some(9) }, 1, &options).unwrap();
        assert!(
            took.rate > 0.0 && took.server.all > 0.0 && took.client.all > 0.0 && took.p99_us >= took.p50_us
        );
        let accepted = accept(70).unwrap();
        assert!(accepted.rate > 0.0 && accepted.server_us > 0.0);
    }
}
