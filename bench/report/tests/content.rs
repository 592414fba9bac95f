//! What the page says, without a browser: the figures, and what no input may do to it.

mod support;

use std::path::Path;
use std::process::Command;
use std::{env, fs, process};

use bench_report::{Latency, Line, Results, Run, Sample, Workload};
use support::synthetic::{self, ALL};

fn page(lines: &[Line]) -> String {
    Results::parse(&synthetic::text(lines)).unwrap().page()
}

/// Samples of one participant in one setting, by their rates.
fn samples(participant: &str, format: &str, rates: &[f64]) -> Vec<Line> {
    let sample = |(round, rate): (usize, &f64)| {
        Line::Sample(Sample {
            participant: participant.to_owned(),
            format: format.to_owned(),
            setting: synthetic::at_once(1024, 2, 1, "tcp"),
            round: round as u32,
            rate: *rate,
            latency_us: Some(Latency { min: 22.0, p50: 31.4, p90: 40.0, p99: 71.0, p999: 140.0, max: 900.0 }),
            ..Sample::default()
        })
    };
    rates.iter().enumerate().map(sample).collect()
}

fn run() -> Line {
    let workload = |name: &str, title: &str| Workload {
        name: name.to_owned(),
        title: title.to_owned(),
        text: "It says <what> it does & how.".to_owned(),
    };
    Line::Run(Run { rounds: 3, workloads: vec![workload("echo", "Echo")], ..Run::default() })
}

#[test]
fn ratios_are_medians_of_ratios_within_a_round() {
    let mut lines = vec![run()];
    lines.extend(samples("cmd-stream", "mus", &[10_000.0, 40_000.0, 30_000.0]));
    lines.extend(samples("tarpc", "bincode", &[5_000.0, 4_000.0, 10_000.0]));
    lines.extend(samples("faster", "json", &[20_000.0, 50_000.0, 40_000.0]));
    let page = page(&lines);
    // Over each other the medians would be 6 times, and the rounds are 2, 10 and 3.
    assert!(page.contains("<b>3x</b>") && page.contains("<small>2–10</small>"), "{page}");
    assert!(page.contains("cmd-stream (MUS) against tarpc (bincode), throughput: 3x (2–10)"), "{page}");
    assert!(page.contains("<td>30 k/s<small>10–40</small></td>"), "{page}");
    let behind = "Where cmd-stream is behind in every round</h2>\n<ul class=\"behind\">\n\
                  <li><a href=\"#ratio-echo-all\">Echo: Throughput</a>: faster (json) 0.75x (0.5–0.8)</li>";
    assert!(page.contains(&behind.replace("(json)", "(JSON)")), "{page}");
}

#[test]
fn behind_in_some_rounds_is_not_behind() {
    let mut lines = vec![run()];
    lines.extend(samples("cmd-stream", "mus", &[10.0, 10.0, 10.0]));
    lines.extend(samples("tarpc", "bincode", &[20.0, 20.0, 5.0]));
    lines.extend(samples("raw", "none", &[70.0, 70.0, 70.0]));
    assert!(page(&lines).contains("In no chart below is cmd-stream behind another library in every round."));
}

#[test]
fn replies_that_nobody_compared_are_named() {
    let mut lines = vec![run()];
    lines.extend(samples("cmd-stream", "mus", &[10.0]));
    let Line::Sample(sample) = &mut lines[1] else { panic!("a sample") };
    (sample.commands, sample.verified) = (1007, 1000);
    assert!(page(&lines).contains("7 counted Replies were not compared with what was sent."));
}

#[test]
fn names_cannot_become_markup() {
    let mut lines = vec![run()];
    lines.extend(samples("cmd-stream", "mus", &[10.0, 20.0]));
    lines.extend(samples("<script>alert(1)</script>\"'", "<i>", &[10.0, 20.0]));
    let page = page(&lines);
    assert!(
        !page.contains("<script>alert") && !page.contains("<i>") && page.contains("&lt;script&gt;alert(1)")
    );
    assert_eq!(page.matches("<script>").count(), 1);
    assert!(page.contains("It says &lt;what&gt; it does &amp; how."));
}

/// Whatever is missing, the page and the charts are written, with places that are numbers.
#[test]
fn any_part_of_a_run_makes_a_page() {
    let whole = synthetic::run(ALL.len(), 2);
    let mut seed = 7u64;
    let mut random = move |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    for part in 0..60 {
        // From a few lines to nearly all, and for some parts only of a few workloads.
        let kept = [1, 5, 20, 60, 95][part % 5];
        let workloads = random(1 << 10);
        let is_kept = |line: &Line| match line {
            Line::Run(_) => true,
            Line::Sample(sample) => {
                let at = sample.setting.workload.bytes().map(u64::from).sum::<u64>() % 10;
                (part % 2 == 0 || workloads >> at & 1 == 1) && random(100) < kept
            }
        };
        let mut lines = whole.clone();
        lines.retain(is_kept);
        for line in &mut lines {
            let Line::Sample(sample) = line else { continue };
            match random(20) {
                0 => sample.latency_us = None,
                1 => sample.cdf.truncate(random(3) as usize),
                2 => sample.rate = 0.0,
                3 => sample.cpu_us_per_command = Some(0.0),
                4 => sample.setting.in_flight = None,
                5 => sample.setting.connections = None,
                _ => {}
            }
        }
        let results = loop {
            match Results::parse(&synthetic::text(&lines)) {
                Ok(results) => break results,
                // A setting has become another one that is there already.
                Err(error) => lines.remove(error.line - 1),
            };
        };
        let charts = [Some(results.page()), results.throughput_chart(), results.latency_chart()];
        for text in charts.into_iter().flatten() {
            assert!(!text.contains("NaN") && !text.contains("inf"), "part {part}");
        }
    }
}

#[test]
fn program_writes_a_report_and_says_what_is_wrong() {
    let folder = env::temp_dir().join(format!("bench-report-program-{}", process::id()));
    fs::create_dir_all(&folder).unwrap();
    let results = folder.join("results.jsonl");
    let program = |arguments: &[&Path]| {
        let output = Command::new(env!("CARGO_BIN_EXE_bench-report")).args(arguments).output().unwrap();
        (output.status.success(), String::from_utf8(output.stderr).unwrap())
    };
    fs::write(&results, synthetic::text(&synthetic::run(3, 1))).unwrap();
    let out = folder.join("new/folder");
    assert_eq!(program(&[&results, &out]), (true, String::new()));
    for file in ["report.html", "throughput.svg", "latency.svg"] {
        assert!(out.join(file).exists(), "{file}");
    }
    fs::write(&results, "{}").unwrap();
    let (is_done, error) = program(&[&results, &out]);
    assert!(
        !is_done && error.ends_with("results.jsonl, line 1: missing field `kind` (column 2)\n"),
        "{error}"
    );
    assert!(program(&[&results]).1.starts_with("usage: bench-report "));
    let (is_done, error) = program(&[&folder.join("nowhere"), &out]);
    assert!(!is_done && error.contains("nowhere: "), "{error}");
    fs::remove_dir_all(&folder).unwrap();
}
