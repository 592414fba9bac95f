//! What a run writes: `results.jsonl`, one line about the run, and one for each measurement. Its lines are those that
//! `bench-report` reads.

use bench_harness::lines::{Description, Load, Outcome};
use bench_report::{Latency, Participant, Sample, Setting};

use super::case::Case;

/// A participant.
pub(crate) fn about(description: &Description) -> Participant {
    let Description { name, version, settings, language, .. } = description.clone();
    Participant { name, version, settings, language }
}

/// One participant in one setting and one round that went well. Otherwise the error.
pub(crate) fn sample(
    case: &Case,
    participant: &str,
    format: &str,
    round: u32,
    outcome: Outcome,
) -> Result<Sample, String> {
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
            let bench_harness::latency::Latency { min, p50, p90, p99, p999, max, cdf } = latency;
            (Some(Latency { min, p50, p90, p99, p999, max }), cdf)
        }
    };
    Ok(Sample {
        participant: participant.to_owned(),
        format: format.to_owned(),
        setting: Setting {
            workload: case.workload.clone(),
            transport: case.transport.name().to_owned(),
            processes: case.processes,
            in_flight: Some(in_flight(&case.load)),
            connections: Some(case.connections),
            payload_bytes: case.payload_bytes.map(u64::from),
            offered_per_s: match case.load {
                Load::Open { offered_per_s, .. } => Some(offered_per_s),
                _ => None,
            },
            variant: case.shown_variant(),
        },
        round,
        commands,
        verified,
        elapsed_s,
        rate: commands as f64 / elapsed_s,
        cpu_us_per_command: cpu_us.map(|micros| micros / commands as f64),
        latency_us,
        cdf,
        memory_kib_per_connection: outcome.memory_kib_per_connection,
        allocations_per_command: outcome.allocations_per_command,
        bytes_per_command: outcome.bytes_per_command,
        server_rss_kib: outcome.server_rss_kib.map(|kib| kib as f64),
        missed,
    })
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
