//! What the public pages show of a run.

#[path = "support/synthetic.rs"]
mod synthetic;

use std::fs;
use std::path::Path;

use bench_report::{Line, Results, Sample, replace, without_distributions};
use synthetic::ALL;

#[test]
fn figures_are_medians_of_ratios_of_the_same_round() {
    let mut lines = synthetic::run(1, 1);
    lines.truncate(1);
    let ours = [2000.0, 1600.0];
    for in_flight in [1, 64, 1024] {
        lines.extend(echo("cmd-stream", "mus", in_flight, ours, [10.0, 30.0]));
        lines.extend(echo("cmd-stream-go", "mus", in_flight, [200.0, 100.0], [20.0, 90.0]));
        lines.extend(echo("tonic", "grpc", in_flight, [100.0, 100.0], [50.0, 60.0]));
        lines.extend(echo("tarpc", "bincode", in_flight, [1000.0, 400.0], [50.0, 60.0]));
    }
    let figures = Results::parse(&synthetic::text(&lines)).unwrap().figures().unwrap();
    assert!(figures.contains("is **13x** (10–16) that of cmd-stream-go"), "{figures}");
    assert!(figures.contains("**18x** (16–20) that of tonic, and **3x** (2–4) that of tarpc"), "{figures}");
    assert!(figures.contains("the median latency of cmd-stream-go is **2.5x** (2–3) ours"), "{figures}");
    lines.retain(|line| !matches!(line, Line::Sample(sample) if sample.participant == "tarpc"));
    assert_eq!(Results::parse(&synthetic::text(&lines)).unwrap().figures(), None);
}

fn echo(participant: &str, format: &str, in_flight: u32, rates: [f64; 2], p50s: [f64; 2]) -> Vec<Line> {
    let sample = |round: usize| Sample {
        participant: participant.to_owned(),
        format: format.to_owned(),
        setting: synthetic::at_once(in_flight, 2, 1, "tcp"),
        round: round as u32,
        rate: rates[round],
        latency_us: Some(bench_report::Latency { p50: p50s[round], ..Default::default() }),
        ..Sample::default()
    };
    (0..2).map(|round| Line::Sample(sample(round))).collect()
}

#[test]
fn every_workload_has_a_table_with_all_that_were_measured_beside_us() {
    let results = Results::parse(&synthetic::text(&synthetic::run(ALL.len(), 2))).unwrap();
    let tables = results.tables();
    for title in [
        "### Aims",
        "over the raw pump | at least 0.4x |",
        "### Echo",
        ": throughput",
        ": median latency",
        ": memory per idle connection",
    ] {
        assert!(tables.contains(title), "{title}: {tables}");
    }
    assert!(tables.contains("over cmd-stream-go") && tables.contains("over jsonrpsee"), "{tables}");
    assert!(!tables.contains("NaN") && !tables.contains("over cmd-stream |"), "{tables}");
}

#[test]
fn aims_say_what_was_missed_by_too_little_or_too_much() {
    let mut lines = synthetic::run(1, 1);
    lines.truncate(1);
    let over = |connections: u32, transport: &str, rates: [f64; 2], p99: f64| {
        let mut lines = echo("cmd-stream", "mus", 1024, rates, [10.0, 10.0]);
        for line in &mut lines {
            let Line::Sample(sample) = line else { continue };
            sample.setting = synthetic::at_once(1024, connections, 1, transport);
            sample.latency_us.as_mut().unwrap().p99 = p99;
        }
        lines
    };
    lines.extend(over(2, "tcp", [1000.0, 1000.0], 20.0));
    lines.extend(over(2, "tls", [600.0, 700.0], 20.0));
    lines.extend(over(16, "tcp", [850.0, 890.0], 20.0));
    lines.extend(over(64, "tcp", [500.0, 500.0], 41.0));
    lines.extend(echo("cmd-stream-go", "mus", 1024, [50.0, 50.0], [200.0, 200.0]));
    let tables = Results::parse(&synthetic::text(&lines)).unwrap().tables();
    for row in [
        "**Missed: 2 of these 4.**",
        "over cmd-stream-go | at least 20x | 20x (20–20) |",
        "p99 over p50 | at most 4x | 4.1x (4.1–4.1), **missed** |",
        "over the best of the others | at least 0.9x | 0.87x (0.85–0.89), **missed** |",
        "over TLS 1.3, over TCP | at least 0.5x | 0.65x (0.6–0.7) |",
    ] {
        assert!(tables.contains(row), "{row}: {tables}");
    }
}

#[test]
fn features_are_shown_with_and_without() {
    let tables = Results::parse(&synthetic::text(&synthetic::run(ALL.len(), 2))).unwrap().tables();
    let features =
        tables.split("### ").find(|part| part.contains("| with it | without it | with over without |"));
    let rows = features.map(|part| part.lines().filter(|line| line.starts_with("| 64 in flight")).count());
    assert_eq!(rows, Some(4), "{tables}");
}

#[test]
fn committed_results_are_without_distributions_and_otherwise_whole() {
    let text = synthetic::text(&synthetic::run(2, 1));
    let without = without_distributions(&text).unwrap();
    assert!(without.len() < text.len() && without.lines().count() == text.lines().count());
    let tables = |text: &str| Results::parse(text).unwrap().tables();
    assert_eq!(tables(&without), tables(&text));
    assert!(without_distributions("{}").is_err());
}
/// Whoever changes a page or the data by hand makes them differ.
#[test]
fn public_pages_show_what_the_committed_results_say() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let read =
        |path: &str| fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    let results = Results::parse(&read("bench/data/suite.jsonl")).unwrap();
    for (page, name, content) in
        [("README.md", "figures", results.figures().unwrap()), ("BENCHMARKS.md", "suite", results.tables())]
    {
        let text = read(page);
        assert!(
            replace(&text, name, &content).unwrap() == text,
            "{page}: `bench-report publish` writes it anew"
        );
    }
    assert!(read("bench/data/throughput.svg") == results.throughput_chart().unwrap());
    assert!(read("bench/data/latency.svg") == results.latency_chart().unwrap());
}
