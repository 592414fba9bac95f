//! What the runner and a participant say to each other: lines of JSON on the participant's stdin and stdout.
//!
//! Every participant is a process of its own, so that none shares a runtime, an allocator or a garbage collector with
//! another. The participants in Go speak the same lines.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::format::Format;
use crate::latency::Latency;
use crate::load::{Measured, Round};
use crate::process::Meter;
use crate::workload;

/// A request for one round of echoes, as the command line of `bench` and `--against` make it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Request {
    /// Of the values on the wire.
    pub format: Format,
    /// Over all connections together.
    pub in_flight: u32,
    /// Of the client.
    pub connections: u32,
    /// The measured time.
    pub duration_ms: u64,
    /// The time before it, which does not count.
    pub warmup_ms: u64,
}

impl Request {
    /// The measured time.
    pub fn duration(&self) -> Duration {
        Duration::from_millis(self.duration_ms)
    }

    /// The time before it, which does not count.
    pub fn warmup(&self) -> Duration {
        Duration::from_millis(self.warmup_ms)
    }

    /// What a load generator needs to know of it.
    pub fn round(&self) -> Round {
        Round {
            values: workload::pool(),
            in_flight: self.in_flight,
            warmup: self.warmup(),
            duration: self.duration(),
            meter: Meter::default(),
        }
    }
}

/// The result of a [`Request`]. Percentiles are 0 if single commands are not timed; `error` is empty on success.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the columns of the README")]
pub struct Answer {
    pub commands: u64,
    pub elapsed_ns: u64,
    pub verified: u64,
    pub p50_ns: u64,
    pub p99_ns: u64,
    pub p999_ns: u64,
    pub error: String,
}

impl Answer {
    /// Of a round that failed.
    pub fn failed(error: String) -> Self {
        Self { error, ..Self::default() }
    }
}

impl From<Measured> for Answer {
    fn from(measured: Measured) -> Self {
        let quantile = |q| measured.tally.latency.value_at_quantile(q);
        Self {
            commands: measured.tally.commands,
            elapsed_ns: nanos(measured.elapsed),
            verified: measured.tally.verified,
            p50_ns: quantile(0.5),
            p99_ns: quantile(0.99),
            p999_ns: quantile(0.999),
            error: String::new(),
        }
    }
}

/// What the runner of the suite asks a participant for. Each is answered by one line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
pub enum Ask {
    /// Answered by a [`Description`].
    Describe,
    /// Start a server, in place of one that runs. Answered by a [`Serving`].
    Serve {
        /// What server.
        setting: Setting,
    },
    /// Stop the server. Answered by a [`Serving`] without an address.
    Stop,
    /// Measure one round. Answered by an [`Outcome`].
    Measure(Measure),
}

/// What a participant may be able to do: the kinds of [`Load`], values of one size (`payload`), and having its server in another
/// process (`apart`).
pub const ABILITIES: [&str; 8] = ["closed", "burst", "stream", "idle", "burning", "open", "payload", "apart"];

/// All abilities but these.
pub fn all_but(not: &[&str]) -> Vec<String> {
    ABILITIES.iter().filter(|ability| !not.contains(ability)).map(|&ability| ability.to_owned()).collect()
}

/// Who a participant is, and what it has.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// In tables and on the command line.
    pub name: String,
    /// Of the library.
    pub version: String,
    /// Everything that is not the library's default, and who recommends it.
    pub settings: String,
    /// `rust` or `go`.
    pub language: String,
    /// Encodings of values, the first of which is its usual one.
    pub formats: Vec<String>,
    /// Between client and server.
    pub transports: Vec<Transport>,
    /// Out of [`ABILITIES`].
    pub can: Vec<String>,
    /// Ways to do the same that are measured apart, by the name of the workload: `("stream", ["spawned", "in-place"])`.
    #[serde(default)]
    pub variants: Vec<(String, Vec<String>)>,
}

/// What is between client and server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// TCP over the loopback interface.
    Tcp,
    /// A Unix socket.
    Unix,
    /// TLS 1.3 over TCP.
    Tls,
}

impl Transport {
    /// As in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Unix => "unix",
            Self::Tls => "tls",
        }
    }
}

/// What both ends must know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Setting {
    /// One of the participant's formats.
    pub format: String,
    /// One of the participant's transports.
    pub transport: Transport,
    /// How long the server waits before it answers an echo.
    pub delay_ms: u64,
    /// One of the participant's variants of the workload.
    pub variant: Option<String>,
    /// How many connections the server will have, at most.
    pub connections: u32,
}

/// One round of a workload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measure {
    /// What both ends must know.
    pub setting: Setting,
    /// A server in another process. Without one, both ends are in the process that is asked.
    pub server: Option<Elsewhere>,
    /// Of the client, for the load itself.
    pub connections: u32,
    /// The length of the string in each value; `None`: the pool of mixed lengths.
    pub payload_bytes: Option<u32>,
    /// The time before the measurement.
    pub warmup_ms: u64,
    /// The measured time. Loads that have a number of Commands take as long as it takes.
    pub duration_ms: u64,
    /// What the client does.
    pub load: Load,
}

/// A server in another process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Elsewhere {
    /// As [`Serving`] says.
    pub address: String,
    /// Of the process.
    pub pid: u32,
}

/// What the client does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Load {
    /// As many tasks as Commands in flight; each sends the next one when the last is answered.
    Closed {
        /// Over all connections together.
        in_flight: u32,
    },
    /// All Commands at once.
    Burst {
        /// How many.
        calls: u32,
    },
    /// One Command after another that is answered by many Replies. What is counted are the Replies.
    Stream {
        /// Of each Command.
        replies: u32,
    },
    /// Many connections that do nothing, beside one that has one Command in flight.
    Idle {
        /// How many do nothing.
        idle: u32,
    },
    /// A closed loop, beside one Command after another that computes for so long without a pause.
    Burning {
        /// Of the closed loop.
        in_flight: u32,
        /// 0: nothing beside it.
        burn_ms: u32,
    },
    /// Commands at a fixed rate, whether or not others are answered.
    Open {
        /// Over all connections together.
        offered_per_s: f64,
        /// Past it, the Commands whose time has come count as missed.
        most_in_flight: u32,
    },
}

impl Load {
    /// As in JSON, and in [`ABILITIES`].
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Closed { .. } => "closed",
            Self::Burst { .. } => "burst",
            Self::Stream { .. } => "stream",
            Self::Idle { .. } => "idle",
            Self::Burning { .. } => "burning",
            Self::Open { .. } => "open",
        }
    }
}

/// The answer to [`Ask::Serve`] and [`Ask::Stop`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Serving {
    /// An IP address with a port, or the path of a Unix socket, or what else the client of the same participant understands.
    pub address: String,
    /// Empty on success.
    pub error: String,
}

/// The answer to [`Ask::Measure`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Outcome {
    /// Completed in the measured time; Replies if the load is [`Load::Stream`].
    pub commands: u64,
    /// Replies compared with what was sent.
    pub verified: u64,
    /// Commands of an open loop whose time came, and which were not sent.
    pub missed: u64,
    /// The measured time.
    pub elapsed_ns: u64,
    /// User and system time of both ends in that time.
    pub cpu_ns: Option<u64>,
    /// `None` if single Commands are not timed.
    pub latency: Option<Latency>,
    /// Of the process that has the server, at the end.
    pub server_rss_kib: Option<u64>,
    /// What an idle connection takes of that.
    pub memory_kib_per_connection: Option<f64>,
    /// Heap allocations for each Command of a burst, of the process that was asked.
    pub allocations_per_command: Option<f64>,
    /// Bytes of these.
    pub bytes_per_command: Option<f64>,
    /// Empty on success.
    pub error: String,
}

impl Outcome {
    /// Of a round that failed.
    pub fn failed(error: String) -> Self {
        Self { error, ..Self::default() }
    }
}

impl From<Measured> for Outcome {
    fn from(measured: Measured) -> Self {
        Self {
            commands: measured.tally.commands,
            verified: measured.tally.verified,
            missed: measured.missed,
            elapsed_ns: nanos(measured.elapsed),
            cpu_ns: measured.cpu.map(nanos),
            latency: Latency::of(&measured.tally.latency),
            allocations_per_command: measured.allocated.map(|allocated| allocated.allocations),
            bytes_per_command: measured.allocated.map(|allocated| allocated.bytes),
            ..Self::default()
        }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
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
        let outcome: Outcome = serde_json::from_str(r#"{"error":"no port"}"#).unwrap();
        assert_eq!(outcome, Outcome::failed("no port".to_owned()));
    }

    #[test]
    fn asks_are_those_of_the_go_peers() {
        let ask = Ask::Measure(Measure {
            setting: Setting {
                format: "mus".into(),
                transport: Transport::Unix,
                delay_ms: 30,
                variant: None,
                connections: 2,
            },
            server: Some(Elsewhere { address: "/tmp/a".into(), pid: 7 }),
            connections: 2,
            payload_bytes: None,
            warmup_ms: 100,
            duration_ms: 1000,
            load: Load::Open { offered_per_s: 5000.0, most_in_flight: 10 },
        });
        let line = concat!(
            r#"{"ask":"measure","setting":{"format":"mus","transport":"unix","delay_ms":30,"variant":null,"connections":2},"#,
            r#""server":{"address":"/tmp/a","pid":7},"connections":2,"payload_bytes":null,"warmup_ms":100,"#,
            r#""duration_ms":1000,"load":{"kind":"open","offered_per_s":5000.0,"most_in_flight":10}}"#,
        );
        assert_eq!(serde_json::to_string(&ask).unwrap(), line);
        assert_eq!(serde_json::from_str::<Ask>(line).unwrap(), ask);
        assert_eq!(serde_json::to_string(&Ask::Describe).unwrap(), r#"{"ask":"describe"}"#);
    }
}
