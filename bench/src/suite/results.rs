//! What a run writes: `results.jsonl`, one line about the run, and one for each measurement. `bench/report` reads it.

use bench_harness::lines::{Description, Load, Outcome};
use serde::{Deserialize, Serialize};

use super::case::Case;

/// A line.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(crate) enum Line {
    /// The first one.
    Run(Run),
    /// Each other one.
    Sample(Sample),
}

/// What was measured, and where.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) date: String,
    pub(crate) os: String,
    pub(crate) cpu: String,
    pub(crate) cpus: u32,
    pub(crate) rust: String,
    pub(crate) go: String,
    pub(crate) commit: String,
    pub(crate) dirty: bool,
    pub(crate) rounds: u32,
    pub(crate) seconds_per_round: f64,
    pub(crate) participants: Vec<About>,
    pub(crate) workloads: Vec<Told>,
    pub(crate) left_out: Vec<String>,
}

/// A participant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct About {
    name: String,
    version: String,
    settings: String,
    language: String,
}

impl From<&Description> for About {
    fn from(description: &Description) -> Self {
        let Description { name, version, settings, language, .. } = description.clone();
        Self { name, version, settings, language }
    }
}

/// A workload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Told {
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) text: String,
}

/// One participant in one setting and one round.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sample {
    pub(crate) workload: String,
    pub(crate) participant: String,
    pub(crate) format: String,
    pub(crate) transport: String,
    pub(crate) processes: u32,
    pub(crate) in_flight: u32,
    pub(crate) connections: u32,
    pub(crate) payload_bytes: Option<u32>,
    pub(crate) offered_per_s: Option<f64>,
    pub(crate) variant: Option<String>,
    pub(crate) round: u32,
    pub(crate) commands: u64,
    pub(crate) verified: u64,
    pub(crate) elapsed_s: f64,
    pub(crate) rate: f64,
    pub(crate) cpu_us_per_command: Option<f64>,
    pub(crate) latency_us: Option<Percentiles>,
    pub(crate) cdf: Vec<(f64, f64)>,
    pub(crate) memory_kib_per_connection: Option<f64>,
    pub(crate) server_rss_kib: Option<u64>,
    pub(crate) missed: u64,
}

/// In microseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Percentiles {
    pub(crate) p50: f64,
    pub(crate) p90: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    pub(crate) max: f64,
}

impl Sample {
    /// Of a round that went well. Otherwise the error.
    pub(crate) fn of(
        case: &Case,
        participant: &str,
        format: &str,
        round: u32,
        outcome: Outcome,
    ) -> Result<Self, String> {
        let Outcome { commands, verified, missed, elapsed_ns, .. } = outcome;
        if !outcome.error.is_empty() {
            return Err(outcome.error);
        }
        if elapsed_ns == 0 {
            return Err("measured no time".to_owned());
        }
        if verified < commands {
            return Err(format!("compared {verified} of {commands} replies"));
        }
        let elapsed_s = elapsed_ns as f64 / 1e9;
        let cpu_us = outcome.cpu_ns.map(|nanos| nanos as f64 / 1e3).filter(|_| commands > 0);
        let (latency_us, cdf) = match outcome.latency {
            None => (None, Vec::new()),
            Some(latency) => {
                let bench_harness::latency::Latency { p50, p90, p99, p999, max, cdf } = latency;
                (Some(Percentiles { p50, p90, p99, p999, max }), cdf)
            }
        };
        Ok(Self {
            workload: case.workload.clone(),
            participant: participant.to_owned(),
            format: format.to_owned(),
            transport: case.transport.name().to_owned(),
            processes: case.processes,
            in_flight: in_flight(&case.load),
            connections: case.connections,
            payload_bytes: case.payload_bytes,
            offered_per_s: match case.load {
                Load::Open { offered_per_s, .. } => Some(offered_per_s),
                _ => None,
            },
            variant: case.shown_variant(),
            round,
            commands,
            verified,
            elapsed_s,
            rate: commands as f64 / elapsed_s,
            cpu_us_per_command: cpu_us.map(|micros| micros / commands as f64),
            latency_us,
            cdf,
            memory_kib_per_connection: outcome.memory_kib_per_connection,
            server_rss_kib: outcome.server_rss_kib,
            missed,
        })
    }
}

/// As far as the load has a number of them. All of a burst are in flight, and of an open loop nobody knows.
fn in_flight(load: &Load) -> u32 {
    match *load {
        Load::Closed { in_flight } | Load::Burning { in_flight, .. } => in_flight,
        Load::Burst { calls } => calls,
        Load::Stream { .. } | Load::Idle { .. } => 1,
        Load::Open { .. } => 0,
    }
}
