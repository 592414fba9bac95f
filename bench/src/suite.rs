//! The suite: workloads from a file, all participants side by side, in interleaved rounds.

mod case;
mod file;
mod machine;
mod peers;
mod results;
mod table;
#[cfg(test)]
mod tests;

use std::fs::{self, File};
use std::io::{BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bench_harness::lines::Setting;
use bench_harness::participant;
use bench_harness::process::allow_connections;
use bench_report::{Line, Run, Sample};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use self::case::{Case, Fit};
use self::file::{Suite, Times, Workload};
use self::peers::Peer;
use self::table::Numbered;
use crate::participants::suite_cmd_stream::CmdStream;
use crate::participants::suite_raw::Raw;

/// The workloads that come with the bench.
const WORKLOADS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/suite.toml");

/// Below this share of what is offered, a participant does not keep up with an open loop.
const KEEPS_UP: f64 = 0.95;

/// What is run, and where the results go.
#[derive(Args)]
pub(crate) struct Options {
    /// The file with the workloads. README.md says what stands in it.
    #[arg(long, value_name = "FILE", default_value = WORKLOADS)]
    workloads: PathBuf,

    /// Only these workloads.
    #[arg(long, value_name = "WORKLOADS", value_delimiter = ',')]
    only: Vec<String>,

    /// All participants but these.
    #[arg(long, value_name = "PARTICIPANTS", value_delimiter = ',')]
    without: Vec<String>,

    /// Rounds, in place of what the file says; each figure is a median over them.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: Option<u32>,

    /// The folder for the results.
    #[arg(long, value_name = "DIR", default_value = "target/suite")]
    out: PathBuf,

    /// Only whether everything works: a few settings of each workload, in less than a minute of measuring. Its figures are noise.
    #[arg(long)]
    quick: bool,
}

/// Is one participant, for the runner.
pub(crate) fn participate(name: &str) -> ExitCode {
    match name {
        "cmd-stream" => participant::main(&CmdStream::new()),
        "raw" => participant::main(&Raw),
        _ => {
            eprintln!("bench: {name} is a program of its own");
            ExitCode::FAILURE
        }
    }
}

/// Runs the suite.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    let suite = Suite::read(&options.workloads)?;
    let workloads = chosen(&suite.workloads, &options.only)?;
    known("participants", options.without.iter(), &peers::names().collect::<Vec<_>>())?;
    let named = workloads.iter().flat_map(|workload| workload.named());
    known("participants", named, &peers::names().collect::<Vec<_>>())?;
    let mut times = suite.times(options.quick);
    times.rounds = options.rounds.unwrap_or(times.rounds);
    let mut plan = Plan::new(&workloads, options.quick);

    // The participants inherit it.
    allow_connections(plan.most_ends())?;
    let mut peers = start(&options.without)?;
    plan.fit(&workloads, &peers);

    fs::create_dir_all(&options.out).map_err(|error| format!("{}: {error}", options.out.display()))?;
    let path = options.out.join("results.jsonl");
    let mut results = Results::create(&path)?;
    let run = about(&workloads, times, &peers, &options.without, &plan.not_measured);
    results.write(&Line::Run(run))?;
    let samples = measure(&plan, times, &mut peers, &mut results)?;
    print!("{}", table::all(&workloads, &plan.cases, &samples, times));
    for reason in &plan.not_measured {
        println!("not measured: {reason}");
    }
    report(&path, &options.out)?;
    println!("\nresults: {}\nreport: {}", path.display(), options.out.join("report.html").display());
    Ok(())
}

/// Makes the report of the results that were written.
fn report(results: &Path, folder: &Path) -> Result<(), String> {
    let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", results.display());
    let text = fs::read_to_string(results).map_err(|error| failed(&error))?;
    let results = bench_report::Results::parse(&text).map_err(|error| failed(&error))?;
    results.write(folder).map_err(|error| format!("{}: {error}", folder.display()))
}

fn chosen<'a>(workloads: &'a [Workload], only: &[String]) -> Result<Vec<&'a Workload>, String> {
    let names: Vec<_> = workloads.iter().map(|workload| workload.name.as_str()).collect();
    known("workloads", only.iter(), &names)?;
    Ok(workloads.iter().filter(|workload| only.is_empty() || only.contains(&workload.name)).collect())
}

fn known<'a>(what: &str, mut names: impl Iterator<Item = &'a String>, known: &[&str]) -> Result<(), String> {
    match names.find(|name| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => Err(format!("{name} is none of the {what}: {}", known.join(", "))),
    }
}

/// Builds all programs before the first one runs: compilers disturb what is measured.
fn start(without: &[String]) -> Result<Vec<Peer>, String> {
    let names: Vec<_> = peers::names().filter(|name| !without.iter().any(|out| out == name)).collect();
    let mut programs = Vec::new();
    for name in names {
        eprintln!("building {name}");
        programs.push((name, peers::build(name)?));
    }
    programs.into_iter().map(|(name, program)| Peer::start(name, program)).collect()
}

/// What is measured, in which order.
struct Plan {
    cases: Vec<Case>,
    /// For each case, the numbers of those who are measured in it, and how.
    fitting: Vec<Vec<(usize, Setting)>>,
    not_measured: Vec<String>,
}

impl Plan {
    fn new(workloads: &[&Workload], quick: bool) -> Self {
        let cases = workloads.iter().flat_map(|workload| workload.cases(quick)).collect();
        Self { cases, fitting: Vec::new(), not_measured: Vec::new() }
    }

    /// Of connections, in one process.
    fn most_ends(&self) -> u64 {
        let ends = self.cases.iter().map(|case| {
            let connections = u64::from(case.all_connections());
            if case.processes == 2 { connections } else { 2 * connections }
        });
        ends.max().unwrap_or(0)
    }

    fn fit(&mut self, workloads: &[&Workload], peers: &[Peer]) {
        for case in &self.cases {
            let takes_part = |peer: &Peer| {
                let workload = workloads.iter().find(|workload| workload.name == case.workload);
                workload.is_some_and(|workload| workload.has(&peer.description.name))
            };
            let mut fitting = Vec::new();
            for (n, peer) in peers.iter().enumerate().filter(|(_, peer)| takes_part(peer)) {
                match case.fit(&peer.description) {
                    Fit::Measured(setting) => fitting.push((n, setting)),
                    Fit::Elsewhere => {}
                    Fit::Cannot(reason) => self.not_measured.push(format!("{}: {reason}", case.workload)),
                }
            }
            self.fitting.push(fitting);
        }
        self.not_measured.dedup();
    }
}

/// Rounds are the outer loop and participants the innermost, so that a quiet or a noisy minute affects all of them. Each round
/// starts with a different participant.
fn measure(
    plan: &Plan,
    times: Times,
    peers: &mut [Peer],
    results: &mut Results,
) -> Result<Vec<Numbered>, String> {
    let each_round: usize = plan.fitting.iter().map(Vec::len).sum();
    let progress = Progress::new(each_round as u64 * u64::from(times.rounds));
    let mut samples = Vec::new();
    for round in 0..times.rounds {
        progress.round(round, times.rounds);
        // Participants that did not keep up with an open loop: they are not offered more in this round.
        let mut saturated: Vec<(usize, &Case)> = Vec::new();
        for (number, (case, fitting)) in plan.cases.iter().zip(&plan.fitting).enumerate() {
            let first = round as usize % fitting.len().max(1);
            for (n, setting) in fitting[first..].iter().chain(&fitting[..first]) {
                if saturated.iter().any(|(peer, of)| peer == n && of.workload == case.workload) {
                    progress.step("");
                    continue;
                }
                let peer = &mut peers[*n];
                progress.step(&format!("{}: {}, {}", case.workload, peer.description.name, case.title()));
                let sample = one(case, setting, round, times, peer)?;
                if sample.setting.offered_per_s.is_some_and(|offered| sample.rate < offered * KEEPS_UP) {
                    saturated.push((*n, case));
                }
                results.write(&Line::Sample(sample.clone()))?;
                samples.push((number, sample));
            }
        }
    }
    progress.end();
    Ok(samples)
}

fn one(case: &Case, setting: &Setting, round: u32, times: Times, peer: &mut Peer) -> Result<Sample, String> {
    let measured = peer.measure(case.measure(setting.clone(), times), case.processes == 2);
    let name = &peer.description.name;
    measured
        .and_then(|outcome| results::sample(case, name, &setting.format, round, outcome))
        .map_err(|error| format!("{name}, {}, {}: {error}", case.workload, case.title()))
}

fn about(
    workloads: &[&Workload],
    times: Times,
    peers: &[Peer],
    left_out: &[String],
    not_measured: &[String],
) -> Run {
    let (commit, dirty) = machine::revision();
    let told = |workload: &&Workload| bench_report::Workload {
        name: workload.name.clone(),
        title: workload.title.clone(),
        text: workload.text.trim().to_owned(),
    };
    Run {
        date: machine::now(),
        os: machine::os(),
        cpu: machine::cpu(),
        cpus: machine::cpus(),
        rust: machine::rust(),
        go: machine::go(),
        commit,
        dirty,
        rounds: times.rounds,
        seconds_per_round: times.duration().as_secs_f64(),
        participants: peers.iter().map(|peer| results::about(&peer.description)).collect(),
        workloads: workloads.iter().map(told).collect(),
        left_out: left_out.to_vec(),
        not_measured: not_measured.to_vec(),
    }
}

/// The file of the results. What was measured stays in it if a later measurement fails.
struct Results(BufWriter<File>);

impl Results {
    fn create(path: &Path) -> Result<Self, String> {
        let file = File::create(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self(BufWriter::new(file)))
    }

    fn write(&mut self, line: &Line) -> Result<(), String> {
        let line = serde_json::to_string(line).expect("a line is numbers and text");
        writeln!(self.0, "{line}").and_then(|()| self.0.flush()).map_err(|error| format!("results: {error}"))
    }
}

/// A bar on a terminal; elsewhere a line for each round.
struct Progress(Option<ProgressBar>);

impl Progress {
    fn new(steps: u64) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self(None);
        }
        let style =
            ProgressStyle::with_template("{bar:30} {pos}/{len}, {elapsed} of some {duration}  {wide_msg}");
        Self(Some(ProgressBar::new(steps).with_style(style.expect("the template is well-formed"))))
    }

    fn round(&self, round: u32, rounds: u32) {
        let text = format!("round {} of {rounds}", round + 1);
        match &self.0 {
            Some(bar) => bar.println(text),
            None => eprintln!("{text}"),
        }
    }

    fn step(&self, doing: &str) {
        if let Some(bar) = &self.0 {
            bar.set_message(doing.to_owned());
            bar.inc(1);
        }
    }

    fn end(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
