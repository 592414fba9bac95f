//! The serialization formats side by side: sizes, times in interleaved rounds, instructions.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use bench::formats::{self, Case, Operation, Shape};
use bench::spread::Spread;
use bench_harness::valgrind;
use clap::Parser;

/// The format that the others are compared with: the first one.
const BASELINE: usize = 0;

/// How long a case runs in a round, approximately.
const SLICE: Duration = Duration::from_millis(20);

/// Encodes and decodes the same values in every format and prints what that takes: bytes, nanoseconds, instructions.
#[derive(Parser)]
struct Args {
    /// Timed rounds; each figure is a median over them. 0: measure no time.
    #[arg(long, default_value_t = 15)]
    rounds: u32,

    /// Also count instructions, with valgrind. That takes some minutes.
    #[arg(long)]
    instructions: bool,

    /// Only these formats beside the first.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,

    /// Run one case this many times, and exit. This is what runs in valgrind.
    #[arg(long, hide = true, num_args = 2)]
    once: Vec<usize>,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("compare_formats: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), String> {
    let mut cases = formats::cases();
    if let [case, passes] = args.once[..] {
        (0..passes).for_each(|_| cases[case].pass());
        return Ok(());
    }
    for shape in Shape::ALL {
        for operation in Operation::ALL {
            let mut chosen: Vec<_> = cases
                .iter_mut()
                .enumerate()
                .filter(|(_, case)| case.shape == shape && case.operation == operation)
                .filter(|(_, case)| args.only.is_empty() || args.only.iter().any(|name| name == case.format))
                .collect();
            println!("\n{}, {}\n", shape.name(), operation.name());
            let times = measure(&mut chosen, args.rounds);
            println!(
                "| format | bytes | ns | to the first | instructions |\n| --- | --- | --- | --- | --- |"
            );
            for ((at, case), ours) in chosen.iter().zip(&times) {
                let bytes = case.bytes / case.values;
                let time = Spread::of(ours.iter().copied())
                    .map(|spread| format!("{:.1} ({:.1} to {:.1})", spread.median, spread.min, spread.max));
                let ratio = Spread::of_ratios(ours, &times[BASELINE]).map(|spread| spread.to_string());
                let count = match args.instructions {
                    true => instructions(*at, case.values)?.to_string(),
                    false => String::new(),
                };
                println!(
                    "| {} | {bytes} | {} | {} | {count} |",
                    case.format,
                    time.unwrap_or_default(),
                    ratio.unwrap_or_default()
                );
            }
        }
    }
    Ok(())
}

/// For each case, the nanoseconds per value in each round. Each round starts with a different case.
fn measure(cases: &mut [(usize, &mut Case)], rounds: u32) -> Vec<Vec<f64>> {
    let passes: Vec<u32> = cases.iter_mut().map(|(_, case)| passes_in(case, SLICE)).collect();
    let mut times = vec![Vec::new(); cases.len()];
    for round in 0..rounds as usize {
        for turn in 0..cases.len() {
            let at = (round + turn) % cases.len();
            let case = &mut cases[at].1;
            let began = Instant::now();
            (0..passes[at]).for_each(|_| case.pass());
            let nanos = began.elapsed().as_nanos() as f64;
            times[at].push(nanos / f64::from(passes[at]) / case.values as f64);
        }
    }
    times
}

/// The number of passes that take about this long.
fn passes_in(case: &mut Case, time: Duration) -> u32 {
    case.pass();
    let began = Instant::now();
    case.pass();
    (time.as_nanos() / began.elapsed().as_nanos().max(1)).clamp(1, 1 << 20) as u32
}

/// Instructions per value of a case: the difference between two runs, so that neither making the values nor growing the
/// buffer in the first pass counts.
fn instructions(case: usize, values: usize) -> Result<u64, String> {
    const PASSES: [usize; 2] = [1, 3];
    let [few, many] =
        PASSES.map(|passes| valgrind::instructions(["--once", &case.to_string(), &passes.to_string()]));
    Ok((many? - few?) / (PASSES[1] - PASSES[0]) as u64 / values as u64)
}
