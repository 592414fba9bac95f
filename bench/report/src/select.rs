//! Finds in the results what belongs into one chart.

use crate::data::{Cell, Results, Sample, Setting};
use crate::spread::Spread;
use crate::units;

/// The participant that the others are compared with.
pub(crate) const OURS: &str = "cmd-stream";

/// A figure of a sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Metric {
    Rate,
    Min,
    P50,
    P90,
    P99,
    P999,
    Max,
    Cpu,
    Memory,
    Allocations,
    Bytes,
}

impl Metric {
    /// Returns `None` if the sample does not have it.
    pub(crate) fn of(self, sample: &Sample) -> Option<f64> {
        let latency = sample.latency_us.as_ref();
        match self {
            Self::Rate => Some(sample.rate),
            Self::Min => latency.map(|latency| latency.min),
            Self::P50 => latency.map(|latency| latency.p50),
            Self::P90 => latency.map(|latency| latency.p90),
            Self::P99 => latency.map(|latency| latency.p99),
            Self::P999 => latency.map(|latency| latency.p999),
            Self::Max => latency.map(|latency| latency.max),
            Self::Cpu => sample.cpu_us_per_command,
            Self::Memory => sample.memory_kib_per_connection,
            Self::Allocations => sample.allocations_per_command,
            Self::Bytes => sample.bytes_per_command,
        }
        .filter(|value| value.is_finite() && *value > 0.0)
    }

    pub(crate) fn unit(self) -> fn(f64) -> String {
        match self {
            Self::Rate => units::per_second,
            Self::Memory => units::kib,
            Self::Allocations => units::si,
            Self::Bytes => units::bytes,
            Self::Min | Self::P50 | Self::P90 | Self::P99 | Self::P999 | Self::Max | Self::Cpu => units::time,
        }
    }

    pub(crate) fn is_better_high(self) -> bool {
        self == Self::Rate
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rate => "throughput",
            Self::Min => "shortest latency",
            Self::P50 => "median latency",
            Self::P90 => "p90 latency",
            Self::P99 => "p99 latency",
            Self::P999 => "p99.9 latency",
            Self::Max => "longest latency",
            Self::Cpu => "CPU time per Command",
            Self::Memory => "memory per idle connection",
            Self::Allocations => "heap allocations per Command",
            Self::Bytes => "heap bytes per Command",
        }
    }
}

/// What can stand on the horizontal axis of a chart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Axis {
    InFlight,
    Connections,
    Payload,
    Offered,
}

impl Axis {
    pub(crate) fn of(self, setting: &Setting) -> Option<f64> {
        match self {
            Self::InFlight => setting.in_flight.map(f64::from),
            Self::Connections => setting.connections.map(f64::from),
            Self::Payload => setting.payload_bytes.map(|bytes| bytes as f64),
            Self::Offered => setting.offered_per_s,
        }
        .filter(|value| *value > 0.0)
    }

    pub(crate) fn tick(self, value: f64) -> String {
        match self {
            Self::InFlight | Self::Connections => units::grouped(value),
            Self::Payload => units::bytes(value),
            Self::Offered => units::per_second(value),
        }
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::InFlight => "Commands in flight",
            Self::Connections => "connections",
            Self::Payload => "size of the value",
            Self::Offered => "Commands offered per second",
        }
    }

    /// The title of a column with its values.
    pub(crate) fn short(self) -> &'static str {
        match self {
            Self::InFlight => "in flight",
            Self::Connections => "connections",
            Self::Payload => "size",
            Self::Offered => "offered",
        }
    }

    /// A value of it in words: `64 in flight`.
    pub(crate) fn phrase(self, value: f64) -> String {
        match self {
            Self::InFlight => format!("{} in flight", self.tick(value)),
            Self::Connections => units::count(value as u32, "connection"),
            Self::Payload => format!("values of {}", self.tick(value)),
            Self::Offered => format!("{} offered", self.tick(value)),
        }
    }

    fn erased(self, setting: &Setting, is_tied: bool) -> Setting {
        let setting = match is_tied {
            true => Setting { in_flight: None, ..setting.clone() },
            false => setting.clone(),
        };
        match self {
            Self::InFlight => Setting { in_flight: None, ..setting },
            Self::Connections => Setting { connections: None, ..setting },
            Self::Payload => Setting { payload_bytes: None, ..setting },
            Self::Offered => Setting { offered_per_s: None, ..setting },
        }
    }
}

/// Cells that differ in the participant, the format and what is on the axis, and in nothing else.
#[derive(Debug)]
pub(crate) struct Slice<'a> {
    /// What they have in common.
    pub(crate) rest: Setting,
    pub(crate) cells: Vec<&'a Cell>,
    /// The values on the axis, ascending.
    pub(crate) values: Vec<f64>,
}

impl Results {
    pub(crate) fn of_workload<'a>(&'a self, workload: &str) -> Vec<&'a Cell> {
        self.cells.iter().filter(|cell| cell.setting.workload == workload).collect()
    }

    /// Participants in the order of the run; those that the run does not describe come last.
    pub(crate) fn participants(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.run.participants.iter().map(|participant| &*participant.name).collect();
        for cell in &self.cells {
            if !names.contains(&&*cell.participant) {
                names.push(&cell.participant);
            }
        }
        names
    }

    /// The workload's name for readers.
    pub(crate) fn title<'a>(&'a self, workload: &'a str) -> &'a str {
        let found = self.run.workloads.iter().find(|known| known.name == workload);
        found.map_or(workload, |known| &known.title)
    }
}

/// All slices, the one that says the most first.
pub(crate) fn slices<'a>(cells: &[&'a Cell], axis: Axis) -> Vec<Slice<'a>> {
    let mut slices: Vec<Slice<'a>> = Vec::new();
    let is_tied = is_tied(cells, axis);
    for &cell in cells {
        let Some(value) = axis.of(&cell.setting) else { continue };
        let rest = axis.erased(&cell.setting, is_tied);
        let at = slices.iter().position(|slice| slice.rest == rest).unwrap_or_else(|| {
            slices.push(Slice { rest, cells: Vec::new(), values: Vec::new() });
            slices.len() - 1
        });
        slices[at].cells.push(cell);
        if !slices[at].values.contains(&value) {
            slices[at].values.push(value);
        }
    }
    slices.iter_mut().for_each(|slice| slice.values.sort_by(f64::total_cmp));
    // A stable sort: of equals, the one that was measured first stays first.
    slices.sort_by_key(|slice| {
        let is_mixed = slice.rest.payload_bytes.is_none();
        std::cmp::Reverse((slice.values.len() > 1, is_mixed, slice.values.len(), names(&slice.cells).len()))
    });
    slices
}

/// Whether what is on the axis decides how many Commands are in flight: so many per connection, fewer of the large ones.
fn is_tied(cells: &[&Cell], axis: Axis) -> bool {
    let mut pairs: Vec<(f64, Option<u32>)> = Vec::new();
    for cell in cells {
        let Some(value) = axis.of(&cell.setting) else { continue };
        let pair = (value, cell.setting.in_flight);
        match pairs.iter().find(|(other, _)| *other == value) {
            Some(other) if *other != pair => return false,
            Some(_) => {}
            None => pairs.push(pair),
        }
    }
    pairs.iter().any(|(_, in_flight)| *in_flight != pairs[0].1)
}

/// For each way in which the ends are connected, its best slice that has more than one value. After the first one, those
/// of a single participant are passed over: there is nothing to see beside it.
pub(crate) fn by_ends(slices: Vec<Slice<'_>>) -> Vec<Slice<'_>> {
    let mut found: Vec<Slice<'_>> = Vec::new();
    for slice in slices.into_iter().filter(|slice| slice.values.len() > 1) {
        let is_new = found.iter().all(|other| ends(&other.rest) != ends(&slice.rest));
        if is_new && (found.is_empty() || names(&slice.cells).len() > 1) {
            found.push(slice);
        }
    }
    found
}

/// The participants of the cells, each once.
pub(crate) fn names<'a>(cells: &[&'a Cell]) -> Vec<&'a str> {
    let mut names: Vec<&str> = Vec::new();
    for cell in cells {
        if !names.contains(&&*cell.participant) {
            names.push(&cell.participant);
        }
    }
    names
}

/// The formats of a participant, each once; the one it is shown with first.
pub(crate) fn formats<'a>(cells: &[&'a Cell], participant: &str) -> Vec<&'a str> {
    let mut formats: Vec<&str> = Vec::new();
    for cell in cells.iter().filter(|cell| cell.participant == participant) {
        if !formats.contains(&&*cell.format) {
            formats.push(&cell.format);
        }
    }
    formats.sort_by_key(|format| *format != "mus");
    formats
}

/// Each participant in one format only: MUS, or else the first that was measured.
pub(crate) fn main_formats<'a>(cells: &[&'a Cell]) -> Vec<&'a Cell> {
    let is_main = |cell: &&&Cell| formats(cells, &cell.participant).first() == Some(&&*cell.format);
    cells.iter().filter(is_main).copied().collect()
}

/// How the ends are connected, in words.
pub(crate) fn ends(setting: &Setting) -> String {
    let transport = match &*setting.transport {
        "tcp" => "TCP",
        "unix" => "Unix sockets",
        "tls" => "TLS",
        other => other,
    };
    match setting.processes {
        1 => format!("one process, {transport}"),
        2 => format!("two processes, {transport}"),
        more => format!("{more} processes, {transport}"),
    }
}

/// The variant as words; `None` if it only repeats how many Commands there are.
pub(crate) fn variant(setting: &Setting) -> Option<String> {
    let variant = setting.variant.as_ref()?;
    let is_number = setting.in_flight.is_some_and(|in_flight| in_flight.to_string() == *variant);
    (!is_number).then(|| variant.replace('-', " "))
}

/// All of a setting but the workload, in words.
pub(crate) fn words(setting: &Setting) -> String {
    let mut words = Vec::new();
    let axes = [Axis::InFlight, Axis::Connections, Axis::Payload, Axis::Offered];
    words.extend(axes.iter().filter_map(|axis| Some(axis.phrase(axis.of(setting)?))));
    words.extend(variant(setting));
    words.push(ends(setting));
    words.join(", ")
}

impl Cell {
    /// The median of the rounds; `None` if no round has this figure.
    pub(crate) fn spread(&self, metric: Metric) -> Option<Spread> {
        Spread::of(self.samples.iter().filter_map(|sample| metric.of(sample)))
    }

    /// How many times as good we are, round by round: for rates ours over theirs, otherwise theirs over ours. `None`
    /// if there is no round in which both were measured.
    pub(crate) fn times_better_than(&self, other: &Self, metric: Metric) -> Option<Spread> {
        Spread::of(self.samples.iter().filter_map(|ours| {
            let theirs = other.samples.iter().find(|theirs| theirs.round == ours.round)?;
            let (ours, theirs) = (metric.of(ours)?, metric.of(theirs)?);
            Some(if metric.is_better_high() { ours / theirs } else { theirs / ours })
        }))
    }

    pub(crate) fn missed(&self) -> u64 {
        self.samples.iter().map(|sample| sample.missed).sum()
    }
}

/// For one cell of ours, the cells of others that did the same: with its own format where they have it, or with their
/// main format if ours is the main one.
pub(crate) fn rivals<'a>(ours: &Cell, cells: &[&'a Cell]) -> Vec<&'a Cell> {
    let is_main = formats(cells, OURS).first() == Some(&&*ours.format);
    let others: Vec<_> =
        cells.iter().filter(|cell| cell.participant != OURS && same_task(cell, ours)).copied().collect();
    let mut found = Vec::new();
    for name in names(&others) {
        let of_name: Vec<_> = others.iter().filter(|cell| cell.participant == name).copied().collect();
        let variant: Vec<_> =
            of_name.iter().filter(|cell| cell.setting.variant == ours.setting.variant).copied().collect();
        // Where they have other variants than we, such as two ways to send a stream, each of them counts.
        let of_name = if variant.is_empty() { of_name } else { variant };
        let formats = formats(cells, name);
        let format = match formats.iter().find(|format| **format == ours.format) {
            Some(same) => Some(same),
            None if is_main => formats.first(),
            None => None,
        };
        found.extend(of_name.into_iter().filter(|cell| Some(&&*cell.format) == format));
    }
    found
}

fn same_task(one: &Cell, other: &Cell) -> bool {
    let task = |cell: &Cell| Setting { variant: None, ..cell.setting.clone() };
    task(one) == task(other)
}

#[cfg(test)]
mod tests;
