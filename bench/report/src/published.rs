//! What the public pages show of a run: a few figures for the README, and tables in Markdown for BENCHMARKS.md. All of it is
//! made from one file of results, so that no figure is copied by hand.

use std::collections::BTreeSet;
use std::fmt::Write;

use crate::data::{Cell, Line, Results, Run, Setting};
use crate::draw::format_name;
use crate::select::{Metric, OURS, formats, rivals, words};
use crate::spread::Spread;
use crate::units;

const TAKES_ALL: &str = "a String takes all that is written to it";

/// What the README's figures are about, with MUS in one process over TCP, on so many connections.
const CONNECTIONS: u32 = 2;

/// A few sentences for the README. `None` if the run has not measured what they are about.
pub(crate) fn figures(results: &Results) -> Option<String> {
    let times = |participant: &str, in_flight: u32, metric: Metric| {
        ratio(results, "echo", "mus", participant, metric, |setting| is_usual(setting, in_flight))
    };
    let rate = |participant, in_flight| times(participant, in_flight, Metric::Rate);
    let (go, go_some, go_one) =
        (rate("cmd-stream-go", 1024)?, rate("cmd-stream-go", 64)?, times("cmd-stream-go", 1, Metric::P50)?);
    let (tonic, tarpc) = (rate("tonic", 1024)?, rate("tarpc", 1024)?);
    let bold = |spread: Spread| match spread.range(units::times) {
        range if range.is_empty() => format!("**{}**", units::times(spread.median)),
        range => format!("**{}** ({range})", units::times(spread.median)),
    };
    Some(format!(
        "With 1024 Commands in flight, its throughput is {} that of cmd-stream-go v0.6.2,\n{} that of tonic, and {} that of \
         tarpc. With 64 in flight it is {}\nthat of cmd-stream-go. With one, the median latency of cmd-stream-go is {} ours.\n",
        bold(go),
        bold(tonic),
        bold(tarpc),
        bold(go_some),
        bold(go_one),
    ))
}

/// In one process over TCP, on as many connections as the README says.
fn is_usual(setting: &Setting, in_flight: u32) -> bool {
    (setting.in_flight, setting.connections) == (Some(in_flight), Some(CONNECTIONS)) && is_plain(setting)
}

fn is_plain(setting: &Setting) -> bool {
    (&*setting.transport, setting.processes) == ("tcp", 1)
}

/// How many times as good we are as this participant: in the worst of the settings that are asked for.
fn ratio(
    results: &Results,
    workload: &str,
    format: &str,
    participant: &str,
    metric: Metric,
    is_asked: impl Fn(&Setting) -> bool,
) -> Option<Spread> {
    let cells = results.of_workload(workload);
    let is_ours =
        |cell: &&&Cell| (&*cell.participant, &*cell.format) == (OURS, format) && is_asked(&cell.setting);
    let ratios = cells.iter().filter(is_ours).filter_map(|ours| {
        let theirs = rivals(ours, &cells).into_iter().find(|cell| cell.participant == participant)?;
        ours.times_better_than(theirs, metric)
    });
    ratios.min_by(|one, other| one.median.total_cmp(&other.median))
}

/// Our cells in MUS, in the settings that are asked for.
fn own<'a>(results: &'a Results, workload: &str, is_asked: impl Fn(&Setting) -> bool) -> Vec<&'a Cell> {
    let is_ours = |cell: &&Cell| (&*cell.participant, &*cell.format) == (OURS, "mus");
    let cells = results.of_workload(workload).into_iter();
    cells.filter(|cell| is_ours(cell) && is_asked(&cell.setting)).collect()
}

/// How many times as good one cell of ours is as another one, in the worst of the settings that are asked for.
fn own_ratio(
    results: &Results,
    workload: &str,
    metric: Metric,
    (one, other): (impl Fn(&Setting) -> bool, impl Fn(&Setting) -> bool),
) -> Option<Spread> {
    let others = own(results, workload, other);
    let ratios = own(results, workload, one).into_iter().flat_map(|one| {
        let others = others.iter().filter(move |other| other.setting != one.setting);
        others.filter_map(move |other| one.times_better_than(other, metric))
    });
    ratios.min_by(|one, other| one.median.total_cmp(&other.median))
}

/// What we aim at, and what was reached.
struct Aim {
    what: &'static str,
    /// The least, or with `is_most` the greatest that meets it.
    bound: f64,
    is_most: bool,
    /// None if the run has not measured it.
    reached: Option<Spread>,
    unit: fn(f64) -> String,
}

impl Aim {
    fn at_least(what: &'static str, bound: f64, reached: Option<Spread>) -> Self {
        Self { what, bound, is_most: false, reached, unit: units::times }
    }

    fn at_most(what: &'static str, bound: f64, reached: Option<Spread>, unit: fn(f64) -> String) -> Self {
        Self { what, bound, is_most: true, reached, unit }
    }
}

fn aims(results: &Results) -> Vec<Aim> {
    [quick_aims(results), connection_aims(results), other_aims(results)].into_iter().flatten().collect()
}

/// Of quick Commands, over the connections that the README has.
fn quick_aims(results: &Results) -> Vec<Aim> {
    let echoes = |what, format, participant, metric, in_flight, least| {
        let at = |setting: &Setting| is_usual(setting, in_flight);
        Aim::at_least(what, least, ratio(results, "echo", format, participant, metric, at))
    };
    let (mus, rate, p50) = ("mus", Metric::Rate, Metric::P50);
    vec![
        echoes("throughput, 1024 in flight, over cmd-stream-go", mus, "cmd-stream-go", rate, 1024, 20.0),
        echoes("the same over tonic", mus, "tonic", rate, 1024, 50.0),
        echoes("the same over tarpc", mus, "tarpc", rate, 1024, 8.0),
        echoes("the same over the raw pump", mus, "raw", rate, 1024, 0.4),
        echoes("throughput, 64 in flight, over cmd-stream-go", mus, "cmd-stream-go", rate, 64, 20.0),
        echoes(
            "throughput in JSON, 1024 in flight, over cmd-stream-go",
            "json",
            "cmd-stream-go",
            rate,
            1024,
            15.0,
        ),
        echoes("p50 with 1 in flight: a raw ping-pong's over ours", mus, "raw", p50, 1, 1.0 / 1.1),
        echoes("the same: cmd-stream-go's over ours", mus, "cmd-stream-go", p50, 1, 2.0),
        echoes("the same: tonic's over ours", mus, "tonic", p50, 1, 1.0 / 0.12),
        echoes("the same: tarpc's over ours", mus, "tarpc", p50, 1, 1.0 / 0.32),
    ]
}

/// Of quick Commands, over few and many connections and over TLS.
fn connection_aims(results: &Results) -> Vec<Aim> {
    let over = |connections: u32, in_flight: u32| {
        move |setting: &Setting| {
            (setting.connections, setting.in_flight) == (Some(connections), Some(in_flight))
                && is_plain(setting)
        }
    };
    let over_tls = |setting: &Setting| {
        (&*setting.transport, setting.processes, setting.in_flight) == ("tls", 1, Some(1024))
    };
    let with_1024 = |setting: &Setting| setting.in_flight == Some(1024) && is_plain(setting);
    let tail = own(results, "echo", over(64, 1024)).first().and_then(|cell| {
        let p99_over_p50 = |sample| Some(Metric::P99.of(sample)? / Metric::P50.of(sample)?);
        Spread::of(cell.samples.iter().filter_map(p99_over_p50))
    });
    let rate = Metric::Rate;
    vec![
        Aim::at_least(
            "64 connections with one Command each, over tarpc",
            1.8,
            ratio(results, "echo", "mus", "tarpc", rate, over(64, 64)),
        ),
        Aim::at_most("1024 in flight over 64 connections: p99 over p50", 4.0, tail, units::times),
        Aim::at_least(
            "1024 in flight: the rate over 16 connections, over the best of the others",
            0.9,
            own_ratio(results, "echo", rate, (over(16, 1024), with_1024)),
        ),
        Aim::at_least(
            "1024 in flight over TLS 1.3, over TCP",
            0.5,
            own_ratio(results, "echo", rate, (over_tls, |setting: &Setting| is_usual(setting, 1024))),
        ),
    ]
}

/// Of Commands that wait, streams, large values, and connections that do nothing.
fn other_aims(results: &Results) -> Vec<Aim> {
    let others = |what, workload, participant, least| {
        let reached = ratio(results, workload, "mus", participant, Metric::Rate, is_plain);
        Aim::at_least(what, least, reached)
    };
    let sizes = |what, bytes, in_flight| {
        let is_asked = move |setting: &Setting| {
            (setting.payload_bytes, setting.in_flight) == (Some(bytes), Some(in_flight))
        };
        Aim::at_least(what, 1.2, ratio(results, "payload", "mus", "tarpc", Metric::Rate, is_asked))
    };
    let idle = own(results, "idle", |_| true).first().and_then(|cell| cell.spread(Metric::Memory));
    vec![
        others("60,000 Commands that wait, over cmd-stream-go", "waiting", "cmd-stream-go", 5.0),
        others("the same over tarpc", "waiting", "tarpc", 3.0),
        others("300,000 Commands that wait, over cmd-stream-go", "waiting-many", "cmd-stream-go", 5.0),
        others("the same over tarpc", "waiting-many", "tarpc", 3.0),
        others("100,000 Replies of one Command, the slowest scheduling, over tonic", "stream", "tonic", 1.2),
        sizes("values of 4 KiB over tarpc", 4 << 10, 16),
        sizes("values of 16 KiB, 64 in flight, over tarpc", 16 << 10, 64),
        sizes("values of 64 KiB over tarpc", 64 << 10, 16),
        sizes("values of 256 KiB over tarpc", 256 << 10, 16),
        sizes("values of 1 MiB over tarpc", 1 << 20, 16),
        Aim::at_most("memory of the server for each idle connection", 2.5, idle, units::kib),
    ]
}

/// A row for each aim that the run has measured, and how many of them were missed.
fn aims_table(results: &Results) -> String {
    let mut text = "| what | aim | reached |\n| --- | --- | --- |\n".to_owned();
    let (mut measured, mut missed) = (0, 0);
    for Aim { what, bound, is_most, reached, unit } in aims(results) {
        let Some(reached) = reached else { continue };
        let is_met = if is_most { reached.median <= bound } else { reached.median >= bound };
        measured += 1;
        missed += usize::from(!is_met);
        let verdict = if is_met { "" } else { ", **missed**" };
        let bound = format!("{} {}", if is_most { "at most" } else { "at least" }, unit(bound));
        writeln!(text, "| {what} | {bound} | {}{verdict} |", reached.text(unit)).expect(TAKES_ALL);
    }
    format!("**Missed: {missed} of these {measured}.**\n\n{text}")
}

/// What each feature costs: the rate with it over that without it.
fn features_table(cells: &[&Cell]) -> Option<String> {
    let mut text =
        "| setting | with it | without it | with over without |\n| --- | --- | --- | --- |\n".to_owned();
    let mut any = false;
    for with in cells.iter().filter(|cell| cell.participant == OURS) {
        let Some(feature) = with.setting.variant.as_deref().and_then(|variant| variant.strip_suffix("-on"))
        else {
            continue;
        };
        let off = Setting { variant: Some(format!("{feature}-off")), ..with.setting.clone() };
        let Some(without) = cells.iter().find(|cell| cell.participant == OURS && cell.setting == off) else {
            continue;
        };
        let rate = |cell: &Cell| cell.spread(Metric::Rate).map(|rate| rate.text(Metric::Rate.unit()));
        let (on, off) = (rate(with)?, rate(without)?);
        let over = with.times_better_than(without, Metric::Rate)?.text(units::times);
        let setting = words(&Setting { variant: Some(feature.to_owned()), ..with.setting.clone() });
        writeln!(text, "| {setting} | {on} | {off} | {over} |").expect(TAKES_ALL);
        any = true;
    }
    any.then_some(text)
}

/// How it was measured, what was aimed at, and a table for each workload.
pub(crate) fn tables(results: &Results) -> String {
    let Run { date, os, cpu, cpus, rust, go, rounds, seconds_per_round, .. } = &results.run;
    let mut text = format!(
        "{date}, {os}, {cpu}, {cpus} processors, Rust {rust}, Go {go}; {rounds} rounds of {seconds_per_round} s.\n"
    );
    let mut reasons: Vec<&str> = Vec::new();
    for reason in &results.run.not_measured {
        if !reasons.contains(&&**reason) {
            reasons.push(reason);
        }
    }
    if !reasons.is_empty() {
        writeln!(text, "\nNot measured: {}.", reasons.join("; ")).expect(TAKES_ALL);
    }
    write!(text, "\n### Aims\n\n{}", aims_table(results)).expect(TAKES_ALL);
    for workload in &results.run.workloads {
        let metrics: &[Metric] = match &*workload.name {
            "idle" => &[Metric::Memory, Metric::P50],
            "burning" | "open-loop" => &[Metric::P50, Metric::P99],
            // Those that the suite of cmd-stream-go's author shows.
            "go-suite" | "go-suite-fixed" => &[
                Metric::Rate,
                Metric::P50,
                Metric::P99,
                Metric::Min,
                Metric::Max,
                Metric::Allocations,
                Metric::Bytes,
            ],
            "stream" | "features" => &[Metric::Rate],
            "waiting" | "waiting-many" => &[Metric::Rate, Metric::Cpu],
            _ => &[Metric::Rate, Metric::P50, Metric::P99],
        };
        let cells = results.of_workload(&workload.name);
        for metric in metrics {
            let table = match &*workload.name {
                "features" => features_table(&cells),
                _ => table(results, &cells, *metric),
            };
            if let Some(table) = table {
                write!(text, "\n### {}: {}\n\n{table}", workload.title, metric.name()).expect(TAKES_ALL);
            }
        }
    }
    text
}

/// A row for each of our cells, and a column for each of the others with how many times as good we are. `None` if we have no
/// such figure.
fn table(results: &Results, all: &[&Cell], metric: Metric) -> Option<String> {
    let ours: Vec<_> =
        all.iter().filter(|cell| cell.participant == OURS && cell.spread(metric).is_some()).collect();
    let beside = |cell: &Cell| -> Vec<(String, Spread)> {
        let rivals = rivals(cell, all).into_iter();
        rivals
            .filter_map(|their| Some((their.participant.clone(), cell.times_better_than(their, metric)?)))
            .collect()
    };
    let rows: Vec<_> = ours.into_iter().map(|cell| (cell, beside(cell))).collect();
    if rows.is_empty() {
        return None;
    }
    let named: BTreeSet<_> =
        rows.iter().flat_map(|(_, beside)| beside.iter().map(|(name, _)| &**name)).collect();
    let others: Vec<_> = results.participants().into_iter().filter(|name| named.contains(name)).collect();
    let mut head = vec!["setting".to_owned(), format!("{OURS}, {}", metric.name())];
    head.extend(others.iter().map(|name| format!("over {name}")));
    let mut text = format!("| {} |\n|{}\n", head.join(" | "), " --- |".repeat(head.len()));
    for (cell, beside) in &rows {
        let own = cell.spread(metric).expect("only these are rows");
        let format = match formats(all, OURS).len() {
            1 => String::new(),
            _ => format!("{}, ", format_name(&cell.format)),
        };
        let mut row = vec![format!("{format}{}", words(&cell.setting)), own.text(metric.unit())];
        row.extend(others.iter().map(|name| {
            let found = beside.iter().find(|(other, _)| other == name);
            found.map_or_else(String::new, |(_, spread)| spread.text(units::times))
        }));
        writeln!(text, "| {} |", row.join(" | ")).expect(TAKES_ALL);
    }
    Some(text)
}

/// The lines of results without the points of their distributions, which no public page shows. The rest of the file is small
/// enough to be committed.
///
/// # Errors
///
/// If a line is not what it should be.
pub fn without_distributions(results: &str) -> Result<String, String> {
    let mut text = String::new();
    for line in results.lines().filter(|line| !line.trim().is_empty()) {
        let mut line: Line = serde_json::from_str(line).map_err(|error| error.to_string())?;
        if let Line::Sample(sample) = &mut line {
            sample.cdf.clear();
        }
        text += &serde_json::to_string(&line).map_err(|error| error.to_string())?;
        text.push('\n');
    }
    Ok(text)
}

/// Replaces what stands between `<!-- NAME: ... -->` and `<!-- end of NAME -->`.
///
/// # Errors
///
/// If the text does not have both marks, once each and in this order.
pub fn replace(text: &str, name: &str, content: &str) -> Result<String, String> {
    let missing = || format!("there is no part {name:?} with a begin and an end");
    let (before, rest) = text.split_once(&format!("<!-- {name}:")).ok_or_else(missing)?;
    let (mark, rest) = rest.split_once("-->\n").ok_or_else(missing)?;
    let (_, after) = rest.split_once(&format!("<!-- end of {name} -->")).ok_or_else(missing)?;
    Ok(format!("{before}<!-- {name}:{mark}-->\n{content}<!-- end of {name} -->{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn part_between_the_marks_is_replaced() {
        let text = "a\n<!-- x: made by a program -->\nold\n<!-- end of x -->\nb";
        let new = replace(text, "x", "new\n").unwrap();
        assert_eq!(new, "a\n<!-- x: made by a program -->\nnew\n<!-- end of x -->\nb");
        assert!(replace(text, "y", "new\n").is_err());
        assert!(replace("<!-- x: -->\nwithout an end", "x", "new\n").is_err());
    }
}
