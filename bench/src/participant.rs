//! A participant's side of the line protocol: requests as JSON on stdin, an answer to each on stdout.
//!
//! Every participant is a process of its own, so that none shares a runtime, an allocator or a garbage collector with
//! another. The Go participant speaks the same lines.

use std::io::{self, BufRead, Write};
use std::time::Duration;

use clap::ValueEnum;
use prost::Message;
use serde::{Deserialize, Serialize};
use tokio::runtime::Runtime;

use crate::load::Measured;
use crate::participants::Participant;
use crate::workload::Value;

/// Threads that a participant's client and server share; the runner gives the Go participant as many.
pub(crate) const THREADS: usize = 2;

/// The encoding of values on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Format {
    Json,
    Mus,
    Protobuf,
}

impl Format {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Mus => "mus",
            Self::Protobuf => "protobuf",
        }
    }

    /// The body of a value.
    pub(crate) fn encode(self, value: &Value) -> Vec<u8> {
        match self {
            Self::Json => serde_json::to_vec(value).expect("a value of the pool is plain JSON"),
            Self::Mus => mus_format::to_vec(value).expect("a value of the pool has no limits"),
            Self::Protobuf => value.encode_to_vec(),
        }
    }

    /// Decodes a body that was encoded here.
    pub(crate) fn decode(self, body: &[u8]) -> Value {
        match self {
            Self::Json => serde_json::from_slice(body).expect("it was encoded here"),
            Self::Mus => mus_format::from_slice(body).expect("it was encoded here"),
            Self::Protobuf => Value::decode(body).expect("it was encoded here"),
        }
    }

    /// Whether a body has its length in front.
    pub(crate) fn has_length(self) -> bool {
        match self {
            Self::Json | Self::Protobuf => true,
            Self::Mus => false,
        }
    }
}

/// A request for one round.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Request {
    pub(crate) format: Format,
    /// Over all connections together.
    pub(crate) in_flight: u32,
    pub(crate) connections: u32,
    pub(crate) duration_ms: u64,
    pub(crate) warmup_ms: u64,
}

impl Request {
    pub(crate) fn duration(&self) -> Duration {
        Duration::from_millis(self.duration_ms)
    }

    pub(crate) fn warmup(&self) -> Duration {
        Duration::from_millis(self.warmup_ms)
    }
}

/// The result of a round. Percentiles are 0 if single commands are not timed; `error` is empty on success.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Answer {
    pub(crate) commands: u64,
    pub(crate) elapsed_ns: u64,
    pub(crate) verified: u64,
    pub(crate) p50_ns: u64,
    pub(crate) p99_ns: u64,
    pub(crate) p999_ns: u64,
    pub(crate) error: String,
}

impl Answer {
    fn failed(error: String) -> Self {
        Self { error, ..Self::default() }
    }
}

impl From<Measured> for Answer {
    fn from(measured: Measured) -> Self {
        let quantile = |q| measured.tally.latency.value_at_quantile(q);
        Self {
            commands: measured.tally.commands,
            elapsed_ns: u64::try_from(measured.elapsed.as_nanos()).unwrap_or(u64::MAX),
            verified: measured.tally.verified,
            p50_ns: quantile(0.5),
            p99_ns: quantile(0.99),
            p999_ns: quantile(0.999),
            error: String::new(),
        }
    }
}

/// Answers requests until stdin ends.
pub(crate) fn serve(participant: Participant) -> Result<(), String> {
    let runtime = runtime()?;
    for line in io::stdin().lock().lines() {
        let line = line.map_err(|error| format!("stdin: {error}"))?;
        let answer = answer(&runtime, participant, &line).unwrap_or_else(Answer::failed);
        let answer = serde_json::to_string(&answer).expect("an answer is numbers and a string");
        writeln!(io::stdout(), "{answer}").map_err(|error| format!("stdout: {error}"))?;
    }
    Ok(())
}

/// The runtime of every Rust participant, client and server together.
pub(crate) fn runtime() -> Result<Runtime, String> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build()
        .map_err(|error| format!("runtime: {error}"))
}

fn answer(runtime: &Runtime, participant: Participant, line: &str) -> Result<Answer, String> {
    let request = serde_json::from_str(line).map_err(|error| format!("request: {error}"))?;
    runtime.block_on(participant.measure(&request)).map(Answer::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_line_is_that_of_the_go_peer() {
        let request = Request {
            format: Format::Json,
            in_flight: 1024,
            connections: 2,
            duration_ms: 1000,
            warmup_ms: 200,
        };
        assert_eq!(
            serde_json::to_string(&request).unwrap(),
            r#"{"format":"json","in_flight":1024,"connections":2,"duration_ms":1000,"warmup_ms":200}"#
        );
    }

    #[test]
    fn answer_may_leave_out_what_failed_to_be_measured() {
        let answer: Answer = serde_json::from_str(r#"{"error":"no port"}"#).unwrap();
        assert_eq!(answer, Answer::failed("no port".to_owned()));
    }

    #[test]
    fn request_that_makes_no_sense_is_an_error() {
        let error = answer(&runtime().unwrap(), Participant::RawTcp, r#"{"format":"xml"}"#).unwrap_err();
        assert!(error.starts_with("request: "), "{error}");
    }
}
