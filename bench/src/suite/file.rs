//! The workloads as they are written in a file.

use std::fs;
use std::path::Path;
use std::time::Duration;

use bench_harness::lines::{Load, Transport};
use serde::Deserialize;

use super::case::Case;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Suite {
    run: Times,
    quick: Times,
    #[serde(rename = "workload")]
    pub(crate) workloads: Vec<Workload>,
}

/// How often and for how long everything is measured.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Times {
    pub(crate) rounds: u32,
    seconds: f64,
    warmup: f64,
}

/// What the participants do, and in which settings.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Workload {
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) text: String,
    load: LoadKind,
    /// Who takes part; all, if it is not there.
    participants: Option<Vec<String>>,
    settings: Vec<Block>,
}

/// The kinds of [`Load`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum LoadKind {
    Closed,
    Burst,
    Stream,
    Idle,
    Burning,
    Open,
}

/// Settings: each value of a list is crossed with each of the others.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Block {
    connections: Vec<u32>,
    in_flight: Option<Vec<u32>>,
    calls: Option<Vec<u32>>,
    replies: Option<Vec<u32>>,
    idle: Option<Vec<u32>>,
    burn_ms: Option<Vec<u32>>,
    offered_per_s: Option<Vec<f64>>,
    payload_bytes: Option<Vec<u32>>,
    delay_ms: Option<Vec<u64>>,
    /// Only participants that have them; without it, each in its usual one.
    formats: Option<Vec<String>>,
    transports: Option<Vec<Transport>>,
    processes: Option<u32>,
    variants: Option<Vec<String>>,
    #[serde(default)]
    quick: Quick,
}

/// Whether a block belongs to the run of `--quick`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Quick {
    #[default]
    No,
    /// To both.
    Too,
    /// To no other.
    Only,
}

/// In an open loop, this many Commands may be in flight. (cmd-stream has 32,768 for each client by default, as one needs some
/// limit; whoever is that far behind is past saturation.)
const MOST_IN_FLIGHT: u32 = 65_536;

/// Values are at most this long: the usual limit of a message, less some room for the rest of it.
const LONGEST: u32 = 3 << 20;

impl Suite {
    /// Reads a file. Errors say what is wrong, and where.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Self::parse(&text).map_err(|error| format!("{}: {error}", path.display()))
    }

    /// Checks what the types do not say.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let suite: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        for (name, times) in [("run", suite.run), ("quick", suite.quick)] {
            times.check().map_err(|error| format!("[{name}]: {error}"))?;
        }
        for (n, workload) in suite.workloads.iter().enumerate() {
            if suite.workloads[..n].iter().any(|other| other.name == workload.name) {
                return Err(format!("two workloads are named {}", workload.name));
            }
            workload.check()?;
        }
        Ok(suite)
    }

    /// Of the full run, or of the quick one.
    pub(crate) fn times(&self, quick: bool) -> Times {
        if quick { self.quick } else { self.run }
    }
}

impl Times {
    fn check(self) -> Result<(), String> {
        if self.rounds == 0 {
            return Err("rounds is 0".to_owned());
        }
        // From a millisecond, the unit of requests, to a minute.
        for (name, value, least) in [("seconds", self.seconds, 0.001), ("warmup", self.warmup, 0.0)] {
            if !(least..=60.0).contains(&value) {
                return Err(format!("{name} is {value}, not from {least} to 60"));
            }
        }
        Ok(())
    }

    /// The measured time.
    pub(crate) fn duration(self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }

    /// The time before it.
    pub(crate) fn warmup(self) -> Duration {
        Duration::from_secs_f64(self.warmup)
    }
}

impl Workload {
    fn check(&self) -> Result<(), String> {
        let Self { name, load, settings, .. } = self;
        if settings.is_empty() {
            return Err(format!("workload {name} has no settings"));
        }
        for (n, block) in settings.iter().enumerate() {
            block
                .check(*load)
                .map_err(|error| format!("workload {name}, block {} of its settings: {error}", n + 1))?;
        }
        Ok(())
    }

    /// Whether this participant takes part.
    pub(crate) fn has(&self, participant: &str) -> bool {
        self.participants.as_ref().is_none_or(|names| names.iter().any(|name| name == participant))
    }

    /// Those who take part, if the file names them.
    pub(crate) fn named(&self) -> &[String] {
        self.participants.as_deref().unwrap_or_default()
    }

    /// All settings, each once, in the order of the file.
    pub(crate) fn cases(&self, quick: bool) -> Vec<Case> {
        let belongs = |block: &&Block| match block.quick {
            Quick::No => !quick,
            Quick::Too => true,
            Quick::Only => quick,
        };
        let mut cases = Vec::new();
        for case in self.settings.iter().filter(belongs).flat_map(|block| block.cases(&self.name, self.load))
        {
            if !cases.contains(&case) {
                cases.push(case);
            }
        }
        cases
    }
}

impl Block {
    /// The lists that a kind of load needs, and those that it must not have.
    fn check(&self, load: LoadKind) -> Result<(), String> {
        use LoadKind::{Burning, Burst, Closed, Idle, Open, Stream};
        let lists = [
            ("in_flight", self.in_flight.as_ref().map(Vec::len), &[Closed, Burning][..]),
            ("calls", self.calls.as_ref().map(Vec::len), &[Burst]),
            ("replies", self.replies.as_ref().map(Vec::len), &[Stream]),
            ("idle", self.idle.as_ref().map(Vec::len), &[Idle]),
            ("burn_ms", self.burn_ms.as_ref().map(Vec::len), &[Burning]),
            ("offered_per_s", self.offered_per_s.as_ref().map(Vec::len), &[Open]),
        ];
        for (name, length, of) in lists {
            match (length, of.contains(&load)) {
                (None, true) => return Err(format!("{name} is missing")),
                (Some(_), false) => return Err(format!("{name} means nothing to this kind of load")),
                (Some(0), true) => return Err(format!("{name} is empty")),
                _ => {}
            }
        }
        within("connections", &self.connections, 1, 1024)?;
        within("in_flight", self.in_flight.as_deref().unwrap_or_default(), 1, 65_536)?;
        within("calls", self.calls.as_deref().unwrap_or_default(), 1, 10_000_000)?;
        within("replies", self.replies.as_deref().unwrap_or_default(), 1, 10_000_000)?;
        within("idle", self.idle.as_deref().unwrap_or_default(), 1, 25_000)?;
        within("burn_ms", self.burn_ms.as_deref().unwrap_or_default(), 0, 1000)?;
        within("payload_bytes", self.payload_bytes.as_deref().unwrap_or_default(), 0, LONGEST)?;
        within("processes", self.processes.as_slice(), 1, 2)?;
        if self.connections.is_empty() {
            return Err("connections is empty".to_owned());
        }
        if let Some(rate) = self.offered_per_s.iter().flatten().find(|rate| !(1.0..=10e6).contains(*rate)) {
            return Err(format!("offered_per_s is {rate}, not from 1 to 10,000,000"));
        }
        if self.processes == Some(2) && self.transports.iter().flatten().any(|&it| it == Transport::Tls) {
            return Err("tls is measured in one process: its certificates live in it".to_owned());
        }
        Ok(())
    }

    fn cases(&self, workload: &str, load: LoadKind) -> Vec<Case> {
        let mut cases = Vec::new();
        let formats = optional(self.formats.as_deref());
        let payloads = optional(self.payload_bytes.as_deref());
        let delays = self.delay_ms.as_deref().unwrap_or(&[0]);
        let transports = self.transports.as_deref().unwrap_or(&[Transport::Tcp]);
        // Participants without a choice of variants are measured once, without one.
        let mut variants = optional(self.variants.as_deref());
        if self.variants.is_some() {
            variants.push(None);
        }
        for transport in transports {
            for format in &formats {
                for &connections in &self.connections {
                    for payload_bytes in &payloads {
                        for &delay_ms in delays {
                            for load in self.loads(load) {
                                for variant in &variants {
                                    cases.push(Case {
                                        workload: workload.to_owned(),
                                        transport: *transport,
                                        processes: self.processes.unwrap_or(1),
                                        format: format.clone(),
                                        connections,
                                        payload_bytes: *payload_bytes,
                                        delay_ms,
                                        load: load.clone(),
                                        variant: variant.clone(),
                                    });
                                }
                            }
                        }
                    }
                }
            }
        }
        cases
    }

    fn loads(&self, kind: LoadKind) -> Vec<Load> {
        let each = |list: &Option<Vec<u32>>, load: &dyn Fn(u32) -> Load| {
            list.iter().flatten().map(|&value| load(value)).collect()
        };
        match kind {
            LoadKind::Closed => each(&self.in_flight, &|in_flight| Load::Closed { in_flight }),
            LoadKind::Burst => each(&self.calls, &|calls| Load::Burst { calls }),
            LoadKind::Stream => each(&self.replies, &|replies| Load::Stream { replies }),
            LoadKind::Idle => each(&self.idle, &|idle| Load::Idle { idle }),
            LoadKind::Burning => {
                let both = |&in_flight| each(&self.burn_ms, &|burn_ms| Load::Burning { in_flight, burn_ms });
                self.in_flight
                    .iter()
                    .flatten()
                    .flat_map(|in_flight| -> Vec<Load> { both(in_flight) })
                    .collect()
            }
            LoadKind::Open => {
                let rates = self.offered_per_s.iter().flatten();
                rates
                    .map(|&offered_per_s| Load::Open { offered_per_s, most_in_flight: MOST_IN_FLIGHT })
                    .collect()
            }
        }
    }
}

fn optional<T: Clone>(list: Option<&[T]>) -> Vec<Option<T>> {
    list.map_or_else(|| vec![None], |list| list.iter().cloned().map(Some).collect())
}

fn within(name: &str, values: &[u32], least: u32, most: u32) -> Result<(), String> {
    match values.iter().find(|value| !(least..=most).contains(*value)) {
        None => Ok(()),
        Some(value) => Err(format!("{name} is {value}, not from {least} to {most}")),
    }
}
