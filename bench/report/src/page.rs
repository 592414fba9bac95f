//! The page: the run in words, the sections with their charts, and all figures.

use std::fmt::Write;

use crate::data::{Cell, Results, Run};
use crate::draw::{Draw, format_name, full_name, sentence};
use crate::figure::{self, Figure, Table};
use crate::palette;
use crate::sections::{Section, sections};
use crate::select::{Axis, Metric, OURS, main_formats, names, rivals, slices, words};
use crate::spread::Spread;
use crate::svg::escape;
use crate::units;

/// Writes the whole page as HTML.
pub(crate) fn page(results: &Results) -> String {
    let draw = Draw::new(results);
    let sections = sections(&draw);
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>cmd-stream, side by side</title>\n<style>\n{}{}</style>\n</head>\n<body>\n",
        include_str!("page.css"),
        palette::css()
    );
    html += &header(&draw, &sections);
    html += "<main>\n";
    for section in &sections {
        html += &section_html(&draw, section);
    }
    html += &participants(&draw);
    html += &left_out(&draw);
    html += &everything(&draw);
    html += "</main>\n<footer><p>Made from results.jsonl. Whose benchmark this is, and what it leaves out: bench/BIAS.md.</p>\
             </footer>\n<div id=\"tip\" role=\"status\"></div>\n";
    write!(html, "<script>\n{}</script>\n</body>\n</html>\n", include_str!("page.js")).expect(INFALLIBLE);
    html
}

fn header(draw: &Draw<'_>, sections: &[Section]) -> String {
    let results = draw.results;
    let run = &results.run;
    let mut html = "<header>\n<h1>cmd-stream, side by side</h1>\n".to_owned();
    html += "<p>Libraries that send requests over connections, given the same work on one machine in one run. All took turns in \
             each round, and every Reply was compared with what was sent. This is the benchmark of cmd-stream's own authors.</p>\n";
    html += &notices(results);
    html += &lead(draw);
    html += &behind(sections);
    html += "<dl class=\"facts\">";
    for (name, value) in facts(run) {
        write!(html, "<dt>{name}</dt><dd>{}</dd>", escape(&value)).expect(INFALLIBLE);
    }
    html += "</dl>\n<nav aria-label=\"Sections\"><ul>";
    for section in sections {
        write!(html, "<li><a href=\"#{}\">{}</a></li>", section.id, section.title).expect(INFALLIBLE);
    }
    html + "<li><a href=\"#participants\">Participants</a></li><li><a href=\"#left-out\">What was left out</a></li><li><a href=\"#figures\">All figures</a></li></ul></nav>\n</header>\n"
}

fn facts(run: &Run) -> Vec<(&'static str, String)> {
    let Run { date, os, cpu, cpus, rust, go, commit, rounds, seconds_per_round, .. } = run;
    let date = date.replace('T', " ").replace('Z', " UTC");
    let versions = if go.is_empty() { format!("Rust {rust}") } else { format!("Rust {rust}, Go {go}") };
    let plural = if *rounds == 1 { "" } else { "s" };
    let seconds = format!(
        "{rounds} round{plural} of {seconds_per_round} s each; medians, with the lowest and the highest round"
    );
    vec![
        ("When", date),
        ("Machine", format!("{cpu}, {}, {os}", units::count(*cpus, "processor"))),
        ("Built with", versions),
        ("Commit", commit.clone()),
        ("Measured", seconds),
    ]
}

/// What a reader must know before reading any figure.
fn notices(results: &Results) -> String {
    let run = &results.run;
    let mut notices = Vec::new();
    if run.rounds == 1 {
        notices.push(
            "There was only one round, so there is no spread, and a noisy moment shows as a result."
                .to_owned(),
        );
    }
    if run.dirty {
        notices.push(format!("The measured sources had changes that are not in commit {}.", run.commit));
    }
    if !run.left_out.is_empty() {
        notices.push(format!("Left out by name: {}.", run.left_out.join(", ")));
    }
    let has_figures = |workload: &str| results.cells.iter().any(|cell| cell.setting.workload == workload);
    let without: Vec<_> = run.workloads.iter().filter(|workload| !has_figures(&workload.name)).collect();
    if !without.is_empty() {
        let titles: Vec<_> = without.iter().map(|workload| &*workload.title).collect();
        notices.push(format!("Not measured in this run: {}.", titles.join("; ")));
    }
    let unverified: u64 = results
        .cells
        .iter()
        .flat_map(|cell| &cell.samples)
        .map(|sample| sample.commands.saturating_sub(sample.verified))
        .sum();
    if unverified > 0 {
        notices.push(format!(
            "{} counted Replies were not compared with what was sent.",
            units::grouped(unverified as f64)
        ));
    }
    notices.iter().map(|notice| format!("<p class=\"notice\">{}</p>\n", escape(notice))).collect()
}

/// The result in short: throughput with many Commands in flight, and latency with one, against each other participant.
fn lead(draw: &Draw<'_>) -> String {
    let echo = draw.results.of_workload("echo");
    let Some(slice) = slices(&echo, Axis::InFlight).into_iter().next() else { return String::new() };
    let many = slice.values.iter().copied().filter(|value| *value <= 1024.0).fold(0.0, f64::max);
    let at = |value: f64| {
        let here = slice.cells.iter().filter(move |cell| Axis::InFlight.of(&cell.setting) == Some(value));
        here.copied().collect::<Vec<_>>()
    };
    let latency = if many > 1.0 { tiles(draw, &at(1.0), Metric::P50) } else { String::new() };
    format!("<div class=\"lead\">\n{}{latency}</div>\n", tiles(draw, &at(many), Metric::Rate))
}

fn tiles(draw: &Draw<'_>, here: &[&Cell], metric: Metric) -> String {
    let ours = main_formats(here).into_iter().find(|cell| cell.participant == OURS);
    let Some(ours) = ours else { return String::new() };
    let tile = |their: &&Cell| {
        let times = ours.times_better_than(their, metric)?;
        let key = figure::key(&draw.palette, &their.participant);
        let (name, format) = (escape(&their.participant), escape(&format_name(&their.format)));
        let (range, times) = (times.range(units::times), units::times(times.median));
        let name = format!("{key}{name} <span class=\"soft\">{format}</span>");
        Some(format!("<li><b>{times}</b> <span>{name}</span> <small>{range}</small></li>"))
    };
    let tiles: String = rivals(ours, here).iter().filter_map(tile).collect();
    let (what, how) = match metric {
        Metric::Rate => ("Throughput", "as a multiple of theirs"),
        _ => ("Median latency", "how many times as short as theirs"),
    };
    let in_flight =
        Axis::InFlight.of(&ours.setting).map(|value| Axis::InFlight.phrase(value)).unwrap_or_default();
    let title = format!("{what} of {} with {in_flight}, {how}", escape(&full_name(ours)));
    if tiles.is_empty() { tiles } else { format!("<h2>{title}</h2>\n<ul class=\"tiles\">{tiles}</ul>\n") }
}

/// All ratios that are below 1 in every round.
fn behind(sections: &[Section]) -> String {
    let groups = sections.iter().flat_map(|section| &section.groups);
    let figures =
        groups.flat_map(|(heading, _, figures)| figures.iter().map(move |figure| (heading, figure)));
    let with_ratios: Vec<_> =
        figures.filter(|(_, figure)| figure.id.starts_with("ratio-") && figure.svg.is_some()).collect();
    if with_ratios.is_empty() {
        return String::new();
    }
    let item = |(heading, figure): &(&String, &Figure)| {
        let (id, place) = (escape(&figure.id), escape(&format!("{heading}: {}", figure.title)));
        format!("<li><a href=\"#{id}\">{place}</a>: {}</li>\n", escape(&figure.behind.join(", ")))
    };
    let items: String =
        with_ratios.iter().filter(|(_, figure)| !figure.behind.is_empty()).map(item).collect();
    match items.is_empty() {
        true => "<p>In no chart below is cmd-stream behind another library in every round.</p>\n".to_owned(),
        false => format!(
            "<h2 class=\"behind\">Where cmd-stream is behind in every round</h2>\n<ul class=\"behind\">\n{items}</ul>\n"
        ),
    }
}

fn section_html(draw: &Draw<'_>, section: &Section) -> String {
    let Section { id, title, text, groups } = section;
    let mut html = format!("<section id=\"{id}\">\n<h2>{title}</h2>\n<p>{text}</p>\n");
    for (heading, text, figures) in groups {
        if !heading.is_empty() {
            write!(html, "<h3>{}</h3>\n<p class=\"soft\">{}</p>\n", escape(heading), escape(text))
                .expect(INFALLIBLE);
        }
        let class = if heading.is_empty() { "figures" } else { "figures small" };
        let figures: String = figures.iter().map(|figure: &Figure| figure.html(&draw.palette)).collect();
        write!(html, "<div class=\"{class}\">\n{figures}</div>\n").expect(INFALLIBLE);
    }
    html + "</section>\n"
}

/// Who was measured, and how each was set up.
fn participants(draw: &Draw<'_>) -> String {
    let run = &draw.results.run;
    let text = |text: &str| figure::Cell::Text(text.to_owned());
    let mut rows = Vec::new();
    for name in draw.results.participants() {
        let cells = match run.participants.iter().find(|participant| participant.name == name) {
            Some(known) => vec![text(&known.version), text(&known.language), text(&known.settings)],
            None => vec![text("not described"), text(""), text("")],
        };
        rows.push((name.to_owned(), String::new(), cells));
    }
    let table = Table {
        head: ["", "version", "language", "settings"].map(str::to_owned).to_vec(),
        rows,
        ..Table::default()
    };
    format!(
        "<section id=\"participants\">\n<h2>Participants</h2>\n<p>Each with the settings that its own users recommend.</p>\n\
         <div class=\"settings\">{}</div>\n</section>\n",
        table.html(&draw.palette)
    )
}

/// Who has no figures in which workload, and why, as far as the run says it.
fn left_out(draw: &Draw<'_>) -> String {
    let run = &draw.results.run;
    let mut items = Vec::new();
    if !run.left_out.is_empty() {
        items.push(format!("By name, in the whole run: {}.", run.left_out.join(", ")));
    }
    for workload in &run.workloads {
        let there = names(&draw.results.of_workload(&workload.name));
        let missing: Vec<_> =
            draw.results.participants().into_iter().filter(|name| !there.contains(name)).collect();
        match (there.is_empty(), missing.is_empty()) {
            (true, _) => items.push(format!("{}: everybody.", workload.title)),
            (false, true) => {}
            (false, false) => items.push(format!("{}: {}.", workload.title, missing.join(", "))),
        }
    }
    items.extend(run.not_measured.iter().map(|reason| sentence(reason)));
    let items: String = items.iter().map(|item| format!("<li>{}</li>\n", escape(item))).collect();
    let list = if items.is_empty() { "<p>Nothing.</p>".to_owned() } else { format!("<ul>\n{items}</ul>") };
    format!("<section id=\"left-out\">\n<h2>What was left out</h2>\n{list}\n</section>\n")
}

/// A table per workload with all that was measured.
fn everything(draw: &Draw<'_>) -> String {
    let metrics = [
        Metric::Rate,
        Metric::P50,
        Metric::P99,
        Metric::P999,
        Metric::Cpu,
        Metric::Memory,
        Metric::Allocations,
        Metric::Bytes,
    ];
    let mut html = "<section id=\"figures\">\n<h2>All figures</h2>\n<p>Everything that the run measured, also what no chart \
                    shows.</p>\n"
        .to_owned();
    let mut workloads: Vec<&str> = Vec::new();
    for cell in &draw.results.cells {
        if !workloads.contains(&&*cell.setting.workload) {
            workloads.push(&cell.setting.workload);
        }
    }
    for workload in workloads {
        let cells = draw.results.of_workload(workload);
        let shown: Vec<_> = metrics
            .iter()
            .filter(|metric| cells.iter().any(|cell| cell.spread(**metric).is_some()))
            .collect();
        let mut head = vec![String::new(), "setting".to_owned()];
        head.extend(shown.iter().map(|metric| metric.name().to_owned()));
        let has_missed = cells.iter().any(|cell| cell.missed() > 0);
        head.extend(has_missed.then(|| "calls not started".to_owned()));
        let row = |cell: &&Cell| {
            let mut columns = vec![figure::Cell::Text(words(&cell.setting))];
            columns.extend(shown.iter().map(|metric| figure::Cell::of(cell.spread(**metric), metric.unit())));
            let missed = Spread::of(cell.samples.iter().map(|sample| sample.missed as f64));
            columns.extend(has_missed.then(|| figure::Cell::of(missed, units::grouped)));
            (cell.participant.clone(), format_name(&cell.format), columns)
        };
        let table = Table { head, rows: cells.iter().map(row).collect(), ..Table::default() };
        let title = escape(draw.results.title(workload));
        let table = table.html(&draw.palette);
        writeln!(html, "<details><summary>{title}</summary>{table}</details>").expect(INFALLIBLE);
    }
    html + "</section>\n"
}

const INFALLIBLE: &str = "a String takes all that is written to it";
