//! Counts the instructions and allocations of each part of the library, and compares them with the committed file.
//!
//! The load of the machine changes neither. A change of the library that costs or saves something is a change of that file,
//! which a reviewer sees. `bench/README.md` has more.

mod alloc;
mod baseline;
mod cases;
mod service;

use std::path::PathBuf;
use std::process::ExitCode;

use baseline::{Baseline, Counted};
use bench_harness::valgrind;
use cases::{CASES, Case};
use clap::Parser;

/// Counts instructions (by valgrind) and allocations of each part, and fails if they are not those of the committed file.
#[derive(Parser)]
struct Args {
    /// Write the file anew, instead of comparing.
    #[arg(long)]
    write: bool,

    /// The file.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/baseline.json"))]
    file: PathBuf,

    /// Only the cases whose names contain this. The others of the file are not looked at.
    #[arg(long, default_value = "", conflicts_with = "write")]
    only: String,

    /// Run the case with this number so often, and exit. This is what runs in valgrind.
    #[arg(long, hide = true, num_args = 2)]
    once: Vec<usize>,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-counts: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), String> {
    if let [case, times] = args.once[..] {
        (CASES[case].run)(times, || 0);
        return Ok(());
    }
    let chosen = CASES.iter().enumerate().filter(|(_, case)| case.name.contains(&args.only));
    let mut counted = Vec::new();
    for (number, case) in chosen {
        counted.push((case.name, count(number, case)?));
    }
    if args.write {
        return Baseline::of(counted)?.write(&args.file);
    }
    let (table, held) = Baseline::read(&args.file)?.compare(&counted, args.only.is_empty());
    print!("{table}");
    held
}

fn count(number: usize, case: &Case) -> Result<Counted, String> {
    // Twice as often: what is done once for each run, such as the tasks of the callers, does not count.
    let allocations = |times| {
        let [before, after] = (case.run)(times, alloc::calls);
        after - before
    };
    let (one, two) = (allocations(case.times), allocations(2 * case.times));
    let instructions =
        |times: usize| valgrind::instructions(["--once".to_owned(), number.to_string(), times.to_string()]);
    let (less, more) = (instructions(case.times)?, instructions(2 * case.times)?);
    Ok(Counted {
        instructions: (more - less) as f64 / case.times as f64,
        allocations_of_1000: (two - one) as f64 * 1000.0 / case.times as f64,
    })
}
