//! The file of results: what each of its lines holds, and how it is read.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One line of `results.jsonl`.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Line {
    /// How the run was made; the first line.
    Run(Run),
    /// One measurement; each line after the first.
    Sample(Sample),
}

/// How a run was made.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Run {
    /// When it began, as `2026-11-27T18:00:00Z`.
    pub date: String,
    /// Name and version of the operating system.
    pub os: String,
    /// The processor's name.
    pub cpu: String,
    /// How many processors the machine has.
    pub cpus: u32,
    /// Version of Rust.
    pub rust: String,
    /// Version of Go; empty if no participant needed it.
    #[serde(default)]
    pub go: String,
    /// The commit that was measured.
    pub commit: String,
    /// Whether there were changes that are not in the commit.
    pub dirty: bool,
    /// How often each participant was measured in each setting.
    pub rounds: u32,
    /// How long each measurement was.
    pub seconds_per_round: f64,
    /// Who was measured.
    pub participants: Vec<Participant>,
    /// With what.
    pub workloads: Vec<Workload>,
    /// Participants that were left out by name.
    #[serde(default)]
    pub left_out: Vec<String>,
    /// What could not be measured, with the reason, as `stream: tarpc has no streams`.
    #[serde(default)]
    pub not_measured: Vec<String>,
}

/// A library, with the settings that it was measured with.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Participant {
    /// Its name in the samples.
    pub name: String,
    /// Version of the library.
    pub version: String,
    /// What differs from its defaults.
    pub settings: String,
    /// The language it is written in.
    pub language: String,
}

/// What the participants were asked to do.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Workload {
    /// Its name in the samples.
    pub name: String,
    /// Its name for readers.
    pub title: String,
    /// What it does.
    pub text: String,
}

/// One participant in one setting in one round.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Sample {
    /// Name of the participant.
    pub participant: String,
    /// Serialization format: `mus`, `json`, `protobuf` …
    pub format: String,
    /// What all participants that are compared have in common.
    #[serde(flatten)]
    pub setting: Setting,
    /// Counts from 0. All samples of one round were taken one after the other.
    pub round: u32,
    /// Commands completed in the measured time; Replies, where one Command has many.
    pub commands: u64,
    /// Replies that were compared with what was sent.
    pub verified: u64,
    /// The measured time in seconds.
    pub elapsed_s: f64,
    /// Commands per second.
    pub rate: f64,
    /// User and system time of the participant, per command.
    #[serde(default)]
    pub cpu_us_per_command: Option<f64>,
    /// How long commands took; `None` where single commands are not timed.
    #[serde(default)]
    pub latency_us: Option<Latency>,
    /// Points of the distribution, ascending: a latency in microseconds, and the share of commands that took no longer.
    #[serde(default)]
    pub cdf: Vec<(f64, f64)>,
    /// Memory of a server per idle connection.
    #[serde(default)]
    pub memory_kib_per_connection: Option<f64>,
    /// Heap allocations for each Command, client and server together.
    #[serde(default)]
    pub allocations_per_command: Option<f64>,
    /// Bytes of these.
    #[serde(default)]
    pub bytes_per_command: Option<f64>,
    /// Resident memory of the server.
    #[serde(default)]
    pub server_rss_kib: Option<f64>,
    /// Calls of the open loop that could not be started in the time.
    #[serde(default)]
    pub missed: u64,
}

/// What was asked of a participant.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Setting {
    /// Name of the workload.
    pub workload: String,
    /// `tcp`, `unix` or `tls`.
    pub transport: String,
    /// 1 if client and server share a process.
    pub processes: u32,
    /// Commands in flight.
    #[serde(default)]
    pub in_flight: Option<u32>,
    /// Connections.
    #[serde(default)]
    pub connections: Option<u32>,
    /// Size of the value; `None` is the pool of mixed values.
    #[serde(default)]
    pub payload_bytes: Option<u64>,
    /// Commands per second that the open loop meant to send.
    #[serde(default)]
    pub offered_per_s: Option<f64>,
    /// What else differs.
    #[serde(default)]
    pub variant: Option<String>,
}

/// Latencies in microseconds.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Latency {
    /// The shortest.
    #[serde(default)]
    pub min: f64,
    /// The median.
    pub p50: f64,
    /// Nine of ten took no longer.
    pub p90: f64,
    /// 99 of 100 took no longer.
    pub p99: f64,
    /// 999 of 1000 took no longer.
    pub p999: f64,
    /// The longest.
    pub max: f64,
}

/// All that a run measured.
#[derive(Clone, Debug)]
pub struct Results {
    pub(crate) run: Run,
    pub(crate) cells: Vec<Cell>,
}

/// One participant in one setting: all rounds of it.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    pub(crate) participant: String,
    pub(crate) format: String,
    pub(crate) setting: Setting,
    /// In the order of their rounds.
    pub(crate) samples: Vec<Sample>,
}

impl Results {
    /// Reads the text of a `results.jsonl`. Empty lines are passed over.
    ///
    /// # Errors
    ///
    /// If a line is not what it should be, with its number.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let mut run = None;
        let mut cells: Vec<Cell> = Vec::new();
        for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let fail = |message: String| ParseError { line: at + 1, message };
            match (serde_json::from_str(line).map_err(|error| fail(message(&error)))?, &run) {
                (Line::Run(first), None) => run = Some(first),
                (Line::Run(_), Some(_)) => {
                    return Err(fail("a second run; write each run to a file of its own".into()));
                }
                (Line::Sample(_), None) => return Err(fail("the first line must describe the run".into())),
                (Line::Sample(sample), Some(_)) => add(&mut cells, sample).map_err(fail)?,
            }
        }
        let run = run.ok_or_else(|| ParseError { line: 1, message: "the file is empty".into() })?;
        cells.iter_mut().for_each(|cell| cell.samples.sort_by_key(|sample| sample.round));
        Ok(Self { run, cells })
    }
}

/// What serde says, without its own line number: each line is parsed by itself.
fn message(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" at line ") {
        Some((what, _)) if error.column() > 0 => format!("{what} (column {})", error.column()),
        Some((what, _)) => what.to_owned(),
        None => text,
    }
}

fn add(cells: &mut Vec<Cell>, sample: Sample) -> Result<(), String> {
    if !sample.rate.is_finite() || sample.rate < 0.0 {
        return Err(format!("the rate is {}", sample.rate));
    }
    let is_of = |cell: &Cell| {
        (&cell.participant, &cell.format, &cell.setting)
            == (&sample.participant, &sample.format, &sample.setting)
    };
    match cells.iter_mut().find(|cell| is_of(cell)) {
        Some(cell) if cell.samples.iter().any(|other| other.round == sample.round) => {
            Err(format!("round {} of {} was measured twice in one setting", sample.round, sample.participant))
        }
        Some(cell) => {
            cell.samples.push(sample);
            Ok(())
        }
        None => {
            cells.push(Cell {
                participant: sample.participant.clone(),
                format: sample.format.clone(),
                setting: sample.setting.clone(),
                samples: vec![sample],
            });
            Ok(())
        }
    }
}

/// A line of the file is not what it should be.
#[derive(Clone, Debug, PartialEq)]
pub struct ParseError {
    /// The line; the first one is 1.
    pub line: usize,
    message: String,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

impl std::error::Error for ParseError {}

#[cfg(test)]
mod tests;
