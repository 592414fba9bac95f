//! What the public pages show of a run: a few figures for the README, and tables in Markdown for BENCHMARKS.md. All of it is
//! made from one file of results, so that no figure is copied by hand.

use std::collections::BTreeSet;
use std::fmt::Write;

use crate::data::{Cell, Line, Results, Run};
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
        let echo = results.of_workload("echo");
        let is_asked = |cell: &&&Cell| {
            let setting = &cell.setting;
            (setting.in_flight, setting.connections) == (Some(in_flight), Some(CONNECTIONS))
                && (&*setting.transport, setting.processes) == ("tcp", 1)
        };
        let ours =
            echo.iter().filter(is_asked).find(|cell| (&*cell.participant, &*cell.format) == (OURS, "mus"))?;
        let theirs = rivals(ours, &echo).into_iter().find(|cell| cell.participant == participant)?;
        ours.times_better_than(theirs, metric)
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
        "With 1024 Commands in flight, its throughput is {} of that of cmd-stream-go v0.6.2,\n{} of tonic's, and {} of \
         tarpc's. With 64 in flight it is {}\nof cmd-stream-go's. With one, the median latency is {} as short as \
         cmd-stream-go's.\n",
        bold(go),
        bold(tonic),
        bold(tarpc),
        bold(go_some),
        bold(go_one),
    ))
}

/// How it was measured, and a table for each workload.
pub(crate) fn tables(results: &Results) -> String {
    let Run { date, os, cpu, cpus, rust, go, rounds, seconds_per_round, .. } = &results.run;
    let mut text = format!(
        "{date}, {os}, {cpu}, {cpus} processors, Rust {rust}, Go {go}; {rounds} rounds of {seconds_per_round} s.\n"
    );
    for name in &results.run.not_measured {
        writeln!(text, "Not measured: {name}.").expect(TAKES_ALL);
    }
    for workload in &results.run.workloads {
        let metrics: &[Metric] = match &*workload.name {
            "idle" => &[Metric::Memory, Metric::P50],
            "burning" | "open-loop" => &[Metric::P50, Metric::P99],
            "stream" | "go-suite" | "go-suite-fixed" | "features" => &[Metric::Rate],
            "waiting" => &[Metric::Rate, Metric::Cpu],
            _ => &[Metric::Rate, Metric::P50, Metric::P99],
        };
        let cells = results.of_workload(&workload.name);
        for metric in metrics {
            if let Some(table) = table(results, &cells, *metric) {
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
