//! Side-by-side benchmarks of `cmd-stream` and its peers: only the command line.
//!
//! This folder's `README.md` says what is measured, and whose benchmark this is.

mod against;
mod allocations;
mod counted;
mod memory;
mod participant;
mod participants;
mod pipe;
mod report;
mod runner;
mod scaling;
mod suite;

use std::process::ExitCode;
use std::time::Duration;

use clap::builder::ArgPredicate;
use clap::{Parser, Subcommand};

use bench_harness::format::Format;
use participants::Participant;
use runner::Plan;

bench_harness::count_allocations!();

/// Runs the same workload through each participant, in interleaved rounds, and compares them.
#[derive(Parser)]
#[command(name = "bench", args_conflicts_with_subcommands = true)]
struct Args {
    /// Who takes part, in the order of the first round.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "cmd-stream,cmd-stream-go,raw-tcp")]
    participants: Vec<Participant>,

    /// Serialization formats.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "json")]
    formats: Vec<Format>,

    /// Commands in flight, over all connections together.
    #[arg(long, value_delimiter = ',', default_value = "1,64,1024",
          value_parser = clap::value_parser!(u32).range(1..=65_536))]
    in_flight: Vec<u32>,

    /// Connections that the commands in flight are spread over.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=1024))]
    connections: u32,

    /// Rounds; each figure is a median over them. 9 with --against.
    #[arg(long, default_value_t = 5, default_value_if("against", ArgPredicate::IsPresent, "9"),
          value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,

    /// How long a participant is measured in each round, after a warm-up of 200 ms.
    #[arg(long, default_value = "1", value_parser = seconds)]
    seconds_per_round: Duration,

    /// Print one JSON object per line instead of tables.
    #[arg(long)]
    json: bool,

    /// Count heap allocations per round trip of the cmd-stream participants instead, as far as they are among --participants.
    /// Uses --in-flight, --connections and --formats.
    #[arg(long)]
    allocations: bool,

    /// With --allocations: fail if a round trip has more of them than this, net, in any setting.
    #[arg(long, requires = "allocations")]
    at_most: Option<f64>,

    /// Measure the memory of each side per idle connection instead, with this many connections. Uses --participants: those
    /// of this library. Linux only.
    #[arg(long, value_name = "CONNECTIONS", conflicts_with = "allocations",
          value_parser = clap::value_parser!(u32).range(1..=65_536))]
    memory: Option<u32>,

    /// With --memory: fail if an idle connection takes more KiB than this, on the server and on the client.
    #[arg(long, value_name = "KIB,KIB", requires = "memory", value_delimiter = ',', num_args = 1..)]
    at_most_kib: Vec<f64>,

    /// Make this many calls at once instead, over --connections, in the first of --formats. Fails unless all are answered.
    #[arg(long, value_name = "CALLS", conflicts_with_all = ["allocations", "memory"],
          value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    burst: Option<u32>,

    /// Also build this revision, and compare its cmd-stream with this tree's, instead of comparing participants.
    #[arg(long, value_name = "REVISION", conflicts_with_all = ["participants", "allocations", "burst"])]
    against: Option<String>,

    /// With --against: how often valgrind counts the instructions, on each side and for each Format. 0: never.
    #[arg(long, requires = "against", default_value_t = 3, value_parser = clap::value_parser!(u32).range(..=1000))]
    instruction_counts: u32,

    /// With --against: the calls of this tree have a deadline, those of the revision do not.
    #[arg(long, requires = "against")]
    deadlines: bool,

    /// With --against: the calls of this tree go through a Sender over a group, those of the revision through its clients.
    #[arg(long, requires = "against")]
    group: bool,

    /// With --against: fail if a round trip takes more than RATIO times that revision's instructions, in any Format.
    #[arg(long, value_name = "RATIO", requires = "against")]
    at_most_instructions: Option<f64>,

    #[command(subcommand)]
    role: Option<Role>,
}

#[derive(Subcommand)]
enum Role {
    /// Run all workloads of a file through all participants, and write the results.
    Suite(suite::Options),
    /// Measure what this library takes with more connections, Commands in flight and threads, each side apart. Linux only.
    Scaling(scaling::Options),
    /// Be one participant of the suite (the runner starts these).
    #[command(hide = true)]
    SuiteParticipant { name: String },
    /// Be one participant: requests on stdin, answers on stdout (the runner starts these).
    #[command(hide = true)]
    Participant { name: Participant },
    /// Be a server for connections that do nothing.
    #[command(hide = true)]
    IdleServer { name: Participant },
}

fn main() -> ExitCode {
    let args = Args::parse();
    if let Some(Role::SuiteParticipant { name }) = &args.role {
        return suite::participate(name);
    }
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: Args) -> Result<(), String> {
    match args.role {
        Some(Role::Participant { name }) => return participant::serve(name),
        Some(Role::IdleServer { name }) => return memory::serve(name),
        Some(Role::Suite(options)) => return suite::run(&options),
        Some(Role::Scaling(options)) => return scaling::run(&options),
        Some(Role::SuiteParticipant { .. }) | None => {}
    }
    if let Some(connections) = args.memory {
        return measure_memory(distinct(args.participants), connections, &args.at_most_kib);
    }
    if let Some(calls) = args.burst {
        return burst(args.formats[0], args.connections, calls);
    }
    let (json, allocations) = (args.json, args.allocations);
    let plan = Plan {
        participants: distinct(args.participants),
        formats: distinct(args.formats),
        in_flight: distinct(args.in_flight),
        connections: args.connections,
        rounds: args.rounds,
        duration: args.seconds_per_round,
    };
    if let Some(revision) = args.against {
        if args.at_most_instructions.is_some() && args.instruction_counts == 0 {
            return Err("--at-most-instructions needs them counted: --instruction-counts is 0".to_owned());
        }
        let compared =
            against::compare(&plan, &revision, args.instruction_counts, args.deadlines, args.group)?;
        let (rows, against) = (&compared.rows, &compared.against);
        print!("{}", if json { against::json_lines(rows) } else { against::table(rows, against) });
        if let Some(at_most) = args.at_most_instructions {
            against::hold(rows, at_most)?;
        }
    } else if allocations {
        let counts = allocations::count(&plan)?;
        print!("{}", if json { allocations::json_lines(&counts) } else { allocations::table(&counts) });
        if let Some(at_most) = args.at_most {
            allocations::hold(&counts, at_most)?;
        }
    } else {
        let samples = runner::run(&plan)?;
        print!(
            "{}",
            if json { report::json_lines(&plan, &samples) } else { report::tables(&plan, &samples) }
        );
    }
    Ok(())
}

fn burst(format: Format, connections: u32, calls: u32) -> Result<(), String> {
    let burst = participants::cmd_stream::burst(format, connections, calls as usize);
    let participants::cmd_stream::Burst { elapsed, served } = participant::runtime()?.block_on(burst)?;
    if served != u64::from(calls) {
        return Err(format!("{calls} calls were answered, and the server ran {served} commands"));
    }
    println!(
        "{calls} calls at once over {connections} connections: all answered in {:.2} s",
        elapsed.as_secs_f64()
    );
    Ok(())
}

fn measure_memory(
    participants: Vec<Participant>,
    connections: u32,
    at_most_kib: &[f64],
) -> Result<(), String> {
    for participant in participants {
        let memory::PerConnection { server, client } = memory::measure(participant, connections)?;
        for (n, (side, bytes)) in [("server", server), ("client", client)].into_iter().enumerate() {
            let kib = bytes / 1024.0;
            println!("{:<16}{kib:>8.2} KiB per idle connection, {side}", participant.name());
            if at_most_kib.get(n).is_some_and(|at_most| kib > *at_most) {
                return Err(format!("an idle connection takes {kib:.2} KiB on the {side}"));
            }
        }
    }
    Ok(())
}

/// Removes duplicates: a value that is named twice is measured once.
fn distinct<T: PartialEq>(values: Vec<T>) -> Vec<T> {
    values.into_iter().fold(Vec::new(), |mut seen, value| {
        if !seen.contains(&value) {
            seen.push(value);
        }
        seen
    })
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    // From a millisecond, the unit of requests, to an hour.
    if (0.001..=3600.0).contains(&seconds) {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err("must be between 0.001 and 3600".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_line_is_consistent() {
        use clap::CommandFactory;
        Args::command().debug_assert();
    }

    #[test]
    fn values_named_twice_are_measured_once() {
        assert_eq!(distinct(vec![1, 64, 1, 1024, 64]), [1, 64, 1024]);
    }

    #[test]
    fn durations_that_cannot_be_measured_are_refused() {
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        for text in ["0", "-1", "nan", "inf", "1e9", "soon"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
