//! What the codecs of the Go participant cost beside the serialization libraries they use. Slow codecs would make every
//! comparison with the Go library unfair.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, ExitCode};

use bench::spread::Spread;
use clap::Parser;

/// Runs the benchmarks of the Go codecs in interleaved rounds, and prints each codec's time over that of its library.
#[derive(Parser)]
struct Args {
    /// Rounds; each figure is a median over them.
    #[arg(long, default_value_t = 11, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,

    /// Fail if a median is over these ratios, even after more rounds: FORMAT=RATIO,...
    #[arg(long, value_delimiter = ',', value_parser = limit)]
    at_most: Vec<(String, f64)>,
}

/// Of each benchmark (`Encode/json`), the nanoseconds of its ways (`bare`, `codec`) in each round.
type Times = BTreeMap<String, BTreeMap<String, Vec<f64>>>;

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("go_codecs: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), String> {
    let program = build()?;
    let mut times = Times::new();
    let mut over = Vec::new();
    // A busy machine may have made the first rounds. The verdict is the median of all rounds, never of the best ones.
    for _ in 0..ATTEMPTS {
        for round in 0..args.rounds {
            measure(&program, round, &mut times)?;
        }
        over = over_the_limit(&ratios(&times)?, &args.at_most);
        if over.is_empty() {
            break;
        }
    }
    println!("| codec | time, over that of the bare library |\n| --- | --- |");
    for (name, ratio) in ratios(&times)? {
        println!("| {name} | {ratio} |");
    }
    match over.is_empty() {
        true => Ok(()),
        false => Err(format!("over the limit: {}", over.join(", "))),
    }
}

/// Builds the benchmarks, so that a round is only their running.
fn build() -> Result<std::path::PathBuf, String> {
    let this = std::env::current_exe().map_err(|error| format!("path of this program: {error}"))?;
    let program = this.with_file_name("go_codecs.test");
    let mut go = Command::new("go");
    go.args(["test", "-c", "-o"]).arg(&program).arg("./workload").current_dir(interop());
    output(go).map(|_| program)
}

/// Runs each benchmark once. The order of the two ways is reversed in every other round.
fn measure(program: &Path, round: u32, times: &mut Times) -> Result<(), String> {
    let mut benchmarks = Command::new(program);
    benchmarks.current_dir(interop());
    benchmarks.args(["-test.run=^$", "-test.bench=.", "-test.benchtime=30ms"]);
    if !round.is_multiple_of(2) {
        benchmarks.env("CODEC_FIRST", "1");
    }
    for (name, way, nanos) in output(benchmarks)?.lines().filter_map(parse) {
        times.entry(name.to_owned()).or_default().entry(way.to_owned()).or_default().push(nanos);
    }
    Ok(())
}

/// `BenchmarkEncode/json/bare-2   1234   567.8 ns/op` is `Encode/json`, `bare` and 567.8.
fn parse(line: &str) -> Option<(&str, &str, f64)> {
    let mut words = line.strip_prefix("Benchmark")?.split_whitespace();
    let (name, way) = words.next()?.rsplit_once('/')?;
    let nanos = words.nth(1)?.parse().ok()?;
    Some((name, way.split_once('-').map_or(way, |(way, _)| way), nanos))
}

fn ratios(times: &Times) -> Result<BTreeMap<&str, Spread>, String> {
    if times.is_empty() {
        return Err("the Go module has no benchmarks of codecs".to_owned());
    }
    times.iter().map(|(name, ways)| Ok((name.as_str(), ratio(name, ways)?))).collect()
}

fn ratio(name: &str, ways: &BTreeMap<String, Vec<f64>>) -> Result<Spread, String> {
    let pair = ways.get("codec").zip(ways.get("bare")).filter(|(codec, bare)| codec.len() == bare.len());
    let spread = pair.and_then(|(codec, bare)| Spread::of_ratios(codec, bare));
    spread.ok_or_else(|| format!("{name} was not measured in both ways"))
}

/// What is over its limit, or has one without having been measured.
fn over_the_limit(ratios: &BTreeMap<&str, Spread>, limits: &[(String, f64)]) -> Vec<String> {
    let mut over = Vec::new();
    for (format, limit) in limits {
        let of_format: Vec<_> = ratios
            .iter()
            .filter(|(name, _)| name.rsplit_once('/').is_some_and(|(_, last)| last == format))
            .collect();
        if of_format.is_empty() {
            over.push(format!("{format} was not measured"));
        }
        let slow = of_format.into_iter().filter(|(_, ratio)| ratio.median > *limit);
        over.extend(slow.map(|(name, ratio)| format!("{name} {ratio} of {limit}")));
    }
    over
}

fn output(mut command: Command) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    match output.status.success() {
        true => Ok(text(&output.stdout)),
        false => {
            Err(format!("{command:?}: {}\n{}{}", output.status, text(&output.stdout), text(&output.stderr)))
        }
    }
}

fn interop() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../interop")
}

fn limit(text: &str) -> Result<(String, f64), String> {
    let (format, ratio) = text.split_once('=').ok_or("not FORMAT=RATIO")?;
    Ok((format.to_owned(), ratio.parse().map_err(|_| "not a ratio".to_owned())?))
}

/// How often the rounds are repeated as long as a codec is over its limit.
const ATTEMPTS: u32 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_go_are_understood_and_others_left_out() {
        let line = "BenchmarkEncode/json/bare-2         \t   34567\t       567.8 ns/op";
        assert_eq!(parse(line), Some(("Encode/json", "bare", 567.8)));
        assert_eq!(parse("BenchmarkDecode/mus/codec 9 12 ns/op"), Some(("Decode/mus", "codec", 12.0)));
        assert_eq!(parse("PASS"), None);
    }

    #[test]
    fn codec_over_its_limit_is_named_and_one_that_was_not_measured_too() {
        let spread = Spread::of([1.0, 1.2, 1.4]).unwrap();
        let ratios = BTreeMap::from([("Encode/json", spread)]);
        let limits = |text: &str| vec![limit(text).unwrap()];
        assert_eq!(over_the_limit(&ratios, &limits("json=1.2")), Vec::<String>::new());
        assert_eq!(over_the_limit(&ratios, &limits("json=1.1")), ["Encode/json 1.20 (1.00 to 1.40) of 1.1"]);
        assert_eq!(over_the_limit(&ratios, &limits("mus=1.1")), ["mus was not measured"]);
    }
}
