//! The results for people: for each setting a table, ratios first.

use std::fmt::Write;

use bench::spread::{Spread, thousands};
use bench_report::{Latency, Sample};

use super::case::Case;
use super::file::{Times, Workload};

/// A sample, and the number of the case that it was measured in.
pub(crate) type Numbered = (usize, Sample);

/// Whose rate the others are compared with.
const OURS: &str = "cmd-stream";

/// Printed where nothing was measured.
const NOTHING: &str = "-";

/// All tables.
pub(crate) fn all(workloads: &[&Workload], cases: &[Case], samples: &[Numbered], times: Times) -> String {
    let mut text = format!(
        "Medians of {} rounds of {:?} (lowest to highest). Ratios are those of the same round: how many times the other one's \
         figure {OURS} has.\n",
        times.rounds,
        times.duration(),
    );
    for workload in workloads {
        let of_workload = |case: &&Case| case.workload == workload.name;
        if !cases.iter().any(|case| of_workload(&case)) {
            continue;
        }
        writeln!(text, "\n== {}: {}\n{}", workload.name, workload.title, workload.text.trim())
            .expect(TAKES_ALL);
        let mut shown: Vec<&Case> = Vec::new();
        for case in cases.iter().filter(of_workload) {
            if !shown.iter().any(|other| other.is_beside(case)) {
                shown.push(case);
                table(&mut text, case, cases, samples);
            }
        }
    }
    text
}

const TAKES_ALL: &str = "a String takes all that is written to it";

/// One participant in one variant, its rounds in their order.
struct Row<'a> {
    participant: &'a str,
    variant: Option<&'a str>,
    format: &'a str,
    rounds: Vec<&'a Sample>,
}

fn table(text: &mut String, case: &Case, cases: &[Case], samples: &[Numbered]) {
    let rows = rows(case, cases, samples);
    if rows.is_empty() {
        return;
    }
    let Some(ours) = rows.iter().find(|row| row.participant == OURS) else {
        return without_ours(text, case, &rows);
    };
    writeln!(text, "\n{}\n\n{}", case.title(), head()).expect(TAKES_ALL);
    for row in &rows {
        let is_ours = std::ptr::eq(row, ours);
        let rate = if is_ours { None } else { ratio(ours, row, |sample| Some(sample.rate)) };
        let p50 = if is_ours { None } else { ratio(ours, row, |sample| Some(p50(sample)?.p50)) };
        line(text, row, rate, p50);
    }
}

fn without_ours(text: &mut String, case: &Case, rows: &[Row<'_>]) {
    writeln!(text, "\n{}\n\n{}", case.title(), head()).expect(TAKES_ALL);
    rows.iter().for_each(|row| line(text, row, None, None));
}

fn head() -> String {
    let (who, rate, p50) = ("participant", "ratio of rates", "ratio of p50s");
    let columns = [
        ("per second", 12),
        ("p50 us", 11),
        ("p99 us", 11),
        ("p99.9 us", 11),
        ("CPU us", 9),
        ("KiB/conn", 10),
        ("allocs/op", 11),
        ("B/op", 9),
        ("missed", 9),
    ];
    let columns: String = columns.iter().map(|(name, width)| format!("{name:>width$}")).collect();
    format!("{who:<40}{rate:<26}{p50:<26}{columns}   (spread of the rate)")
}

fn line(text: &mut String, row: &Row<'_>, rate_ratio: Option<Spread>, p50_ratio: Option<Spread>) {
    let times = |ratio: Option<Spread>| ratio.map_or_else(|| NOTHING.to_owned(), Spread::times);
    let number = |spread: Option<Spread>, digits: usize| match spread {
        None => NOTHING.to_owned(),
        Some(spread) => format!("{:.digits$}", spread.median),
    };
    let Some(rate) = row.spread(|sample| Some(sample.rate)) else { return };
    let latency = |of: fn(&Latency) -> f64| number(row.spread(|sample| p50(sample).map(of)), 1);
    let missed: u64 = row.rounds.iter().map(|sample| sample.missed).sum();
    writeln!(
        text,
        "{:<40}{:<26}{:<26}{:>12}{:>11}{:>11}{:>11}{:>9}{:>10}{:>11}{:>9}{:>9}   ({} to {})",
        row.name(),
        times(rate_ratio),
        times(p50_ratio),
        thousands(rate.median),
        latency(|latency| latency.p50),
        latency(|latency| latency.p99),
        latency(|latency| latency.p999),
        number(row.spread(|sample| sample.cpu_us_per_command), 2),
        number(row.spread(|sample| sample.memory_kib_per_connection), 2),
        number(row.spread(|sample| sample.allocations_per_command), 1),
        number(row.spread(|sample| sample.bytes_per_command), 0),
        if missed == 0 { NOTHING.to_owned() } else { thousands(missed as f64) },
        thousands(rate.min),
        thousands(rate.max),
    )
    .expect(TAKES_ALL);
}

fn p50(sample: &Sample) -> Option<&Latency> {
    sample.latency_us.as_ref()
}

impl Row<'_> {
    fn name(&self) -> String {
        match self.variant {
            None => format!("{} ({})", self.participant, self.format),
            Some(variant) => format!("{} ({}, {variant})", self.participant, self.format),
        }
    }

    fn spread(&self, figure: impl Fn(&Sample) -> Option<f64>) -> Option<Spread> {
        Spread::of(self.rounds.iter().filter_map(|sample| figure(sample)))
    }
}

/// Ours over theirs, of the same rounds.
fn ratio(ours: &Row<'_>, theirs: &Row<'_>, figure: impl Fn(&Sample) -> Option<f64>) -> Option<Spread> {
    Spread::of(ours.rounds.iter().filter_map(|our| {
        let their = theirs.rounds.iter().find(|their| their.round == our.round)?;
        let (our, their) = (figure(our)?, figure(their)?);
        (our > 0.0 && their > 0.0).then(|| our / their)
    }))
}

/// All who were measured in this case and in those beside it, in the order of the first round.
fn rows<'a>(case: &Case, cases: &[Case], samples: &'a [Numbered]) -> Vec<Row<'a>> {
    let mut rows: Vec<Row<'a>> = Vec::new();
    for (_, sample) in samples.iter().filter(|(number, _)| cases[*number].is_beside(case)) {
        let variant = sample.setting.variant.as_deref();
        let known =
            rows.iter_mut().find(|row| row.participant == sample.participant && row.variant == variant);
        match known {
            Some(row) => row.rounds.push(sample),
            None => rows.push(Row {
                participant: &sample.participant,
                variant,
                format: &sample.format,
                rounds: vec![sample],
            }),
        }
    }
    rows
}
