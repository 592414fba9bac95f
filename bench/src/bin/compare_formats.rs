//! The serialization formats side by side: sizes, times in interleaved rounds, instructions.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use bench::formats::{self, Case, Operation, Shape};
use bench::spread::Spread;
use bench_harness::valgrind;
use clap::Parser;

/// The format that the others are compared with: the first one.
const BASELINE: usize = 0;
const FIRST: &str = "mus-format";

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

    /// Only these operations: encode, encode-new, decode, access.
    #[arg(long, value_delimiter = ',')]
    operations: Vec<String>,

    /// Fail if the first format takes more than so many times the instructions of another one: `borsh=1.2`, or with the
    /// values of one shape alone `echo:borsh=1.2`.
    #[arg(long, requires = "instructions", value_delimiter = ',', value_parser = limit)]
    at_most: Vec<Limit>,

    /// Run one case this many times, and exit. This is what runs in valgrind.
    #[arg(long, hide = true, num_args = 2)]
    once: Vec<usize>,
}

impl Args {
    /// Whether it is measured.
    fn chooses(&self, case: &Case) -> bool {
        let is_among = |names: &[String], name: &str| names.is_empty() || names.iter().any(|n| n == name);
        is_among(&self.operations, case.operation.name())
            && (case.format == FIRST || is_among(&self.only, case.format))
    }
}

/// How many times the instructions of another format the first one may take.
#[derive(Clone, Debug, PartialEq)]
struct Limit {
    /// None: with the values of every shape.
    shape: Option<Shape>,
    format: String,
    ratio: f64,
}

impl Limit {
    fn applies_to(&self, case: &Case) -> bool {
        self.format == case.format && self.shape.is_none_or(|shape| shape == case.shape)
    }
}

fn limit(text: &str) -> Result<Limit, String> {
    let (of, ratio) = text.split_once('=').ok_or("not a format, `=` and a ratio")?;
    let ratio: f64 = ratio.parse().map_err(|error| format!("{ratio}: {error}"))?;
    if !ratio.is_finite() {
        return Err(format!("{ratio}: not a ratio"));
    }
    let Some((name, format)) = of.split_once(':') else {
        return Ok(Limit { shape: None, format: of.to_owned(), ratio });
    };
    let shape = Shape::ALL.into_iter().find(|shape| shape.name() == name);
    let shape = Some(shape.ok_or_else(|| format!("{name}: no such shape"))?);
    Ok(Limit { shape, format: format.to_owned(), ratio })
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
    // A limit that nothing is compared with would hold nothing.
    let is_void = |limit: &&Limit| !cases.iter().any(|case| args.chooses(case) && limit.applies_to(case));
    if let Some(Limit { format, .. }) = args.at_most.iter().find(is_void) {
        return Err(format!("{format}: has a limit, and is not among what is measured"));
    }
    let is_unknown =
        |name: &&String| Operation::ALL.iter().all(|operation| operation.name() != name.as_str());
    if let Some(unknown) = args.operations.iter().find(is_unknown) {
        return Err(format!("{unknown}: no such operation"));
    }
    let mut exceeded = Vec::new();
    for shape in Shape::ALL {
        for operation in Operation::ALL {
            let chosen: Vec<_> = cases
                .iter_mut()
                .enumerate()
                .filter(|(_, case)| case.shape == shape && case.operation == operation && args.chooses(case))
                .collect();
            compare(chosen, args, &mut exceeded)?;
        }
    }
    if exceeded.is_empty() { Ok(()) } else { Err(exceeded.join("; ")) }
}

/// Measures formats at the same operation, and prints a table. Adds to `exceeded` what takes more than it may.
fn compare(
    mut chosen: Vec<(usize, &mut Case)>,
    args: &Args,
    exceeded: &mut Vec<String>,
) -> Result<(), String> {
    let Some((_, first)) = chosen.first() else { return Ok(()) };
    let title = format!("{}, {}", first.shape.name(), first.operation.name());
    println!("\n{title}\n");
    let times = measure(&mut chosen, args.rounds);
    println!("| format | bytes | ns | to the first | instructions | to the first |");
    println!("| --- | --- | --- | --- | --- | --- |");
    let mut first = None;
    for ((at, case), ours) in chosen.iter().zip(&times) {
        let bytes = case.bytes / case.values;
        let time = Spread::of(ours.iter().copied())
            .map(|spread| format!("{:.1} ({:.1} to {:.1})", spread.median, spread.min, spread.max));
        let ratio = Spread::of_ratios(ours, &times[BASELINE]).map(|spread| spread.to_string());
        let (mut count, mut counts) = (String::new(), String::new());
        if args.instructions {
            let taken = instructions(*at, case.values)?;
            let first = *first.get_or_insert(taken);
            (count, counts) = (taken.to_string(), format!("{:.2}", taken as f64 / first as f64));
            for Limit { format, ratio, .. } in args.at_most.iter().filter(|limit| limit.applies_to(case)) {
                let ours = first as f64 / taken as f64;
                if ours > *ratio {
                    exceeded
                        .push(format!("{title}: {ours:.3} times the instructions of {format}, over {ratio}"));
                }
            }
        }
        let (time, ratio) = (time.unwrap_or_default(), ratio.unwrap_or_default());
        println!("| {} | {bytes} | {time} | {ratio} | {count} | {counts} |", case.format);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limit_is_of_one_shape_or_of_all() {
        let all = Limit { shape: None, format: "bincode 2".to_owned(), ratio: 1.2 };
        assert_eq!(limit("bincode 2=1.2"), Ok(all.clone()));
        assert_eq!(limit("order:bincode 2=1.2"), Ok(Limit { shape: Some(Shape::Order), ..all }));
        assert!(limit("ordre:borsh=1.2").unwrap_err().contains("no such shape"));
        for wrong in ["borsh", "borsh=much", "borsh=NaN", "borsh=inf"] {
            assert!(limit(wrong).is_err(), "{wrong}");
        }
    }
}
