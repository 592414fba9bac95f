//! What the page shows, in which order. Each section asks the results for what it needs, and says what it lacks.

use std::cmp::Reverse;

use crate::data::{Cell, Setting};
use crate::draw::{
    Draw, Grouped, distribution, format_name, full_name, has_several_formats, latency_at, sentence,
    without_ends,
};
use crate::figure::{self, Figure, Table};
use crate::lines::{self, Line, Lines, Point};
use crate::rows::{Row, Rows, Style};
use crate::scale::Kind;
use crate::select::{
    Axis, Metric, OURS, Slice, by_ends, ends, formats, main_formats, names, slices, variant, words,
};
use crate::spread::Spread;
use crate::units;

/// A part of the page.
#[derive(Debug)]
pub(crate) struct Section {
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    pub(crate) text: &'static str,
    /// Figures under headings, which may be empty, and what the heading says.
    pub(crate) groups: Vec<(String, String, Vec<Figure>)>,
}

/// All sections that have charts.
pub(crate) fn sections(draw: &Draw<'_>) -> Vec<Section> {
    let section = |id, title, text, figures: Vec<Figure>| Section {
        id,
        title,
        text,
        groups: vec![(String::new(), String::new(), figures)],
    };
    vec![
        Section {
            id: "ratios",
            title: "Against each participant",
            text: "How many times as good cmd-stream is. Bars to the right of the dashed line: cmd-stream is ahead. Bars to \
                   the left: it is behind. A bar is the median of the rounds, its line goes from the lowest to the highest, \
                   and each ratio is taken within one round.",
            groups: ratio_groups(draw),
        },
        section(
            "latency",
            "Latency",
            "How long Commands take in a closed loop, as the share of Commands that were answered by then. The vertical axis \
             gives each further nine the same room, so that the slowest can be seen.",
            distributions(draw),
        ),
        section(
            "open-loop",
            "Latency at a given rate",
            "An open loop sends at a fixed rate whatever the answers do. Latency counts from when a Command was meant to be \
             sent, so a participant that stalls pays for all that waited.",
            open_loop(draw),
        ),
        section("scaling", "Scaling", "How throughput changes with what is asked.", scaling(draw)),
        section(
            "work",
            "Kinds of work",
            "Commands that wait, that answer many times, that burn CPU, and what else was asked.",
            work(draw),
        ),
        section("cost", "Cost", "What the participants take from the machine.", cost(draw)),
        section(
            "choices",
            "Transports, formats, features",
            "What changes if the ends are connected in another way, speak another format, or do more.",
            choices(draw),
        ),
    ]
}

/// Workloads in the order of the run; those that it does not describe come last.
fn workloads<'a>(draw: &Draw<'a>) -> Vec<&'a str> {
    let mut names: Vec<&str> = draw.results.run.workloads.iter().map(|workload| &*workload.name).collect();
    for cell in &draw.results.cells {
        if !names.contains(&&*cell.setting.workload) {
            names.push(&cell.setting.workload);
        }
    }
    names
}

/// One group per workload, and in it one chart per setting.
fn ratio_groups(draw: &Draw<'_>) -> Vec<(String, String, Vec<Figure>)> {
    let mut groups = Vec::new();
    for workload in workloads(draw).into_iter().filter(|workload| *workload != "features") {
        let described = draw.results.run.workloads.iter().find(|known| known.name == workload);
        let text = described.map_or_else(String::new, |known| known.text.clone());
        let mut figures = ratios(draw, workload);
        // The last one of an odd number has room for its table.
        if let (1, Some(last)) = (figures.len() % 2, figures.last_mut()) {
            last.is_open = true;
        }
        groups.push((draw.results.title(workload).to_owned(), text, figures));
    }
    groups
}

fn ratios(draw: &Draw<'_>, workload: &str) -> Vec<Figure> {
    let all = draw.results.of_workload(workload);
    let metric = match workload {
        "idle" => Metric::Memory,
        "burning" | "open-loop" => Metric::P99,
        _ => Metric::Rate,
    };
    let axes = [Axis::Connections, Axis::InFlight, Axis::Payload, Axis::Offered];
    let found = axes.map(|axis| Some((axis, slices(&all, axis).into_iter().next()?))).into_iter().flatten();
    // What differs most in the workload. Of echoes one asks first how many are in flight, however many connections were tried.
    let differs = |(axis, slice): &(Axis, Slice<'_>)| {
        (workload == "echo" && *axis == Axis::InFlight, slice.values.len())
    };
    match found.filter(|(_, slice)| slice.values.len() > 1).max_by_key(differs) {
        Some((axis, slice)) => ratios_over(draw, workload, metric, axis, &slice),
        None => ratios_by_variant(draw, workload, metric, &all),
    }
}

/// One chart per value on an axis.
fn ratios_over(
    draw: &Draw<'_>,
    workload: &str,
    metric: Metric,
    axis: Axis,
    slice: &Slice<'_>,
) -> Vec<Figure> {
    let mut figures = Vec::new();
    // At a rate that one side cannot keep up with, there is nothing to compare.
    let keep_up = |value: &f64, is_ours: bool| {
        let mut cells = slice.cells.iter().filter(|cell| axis.of(&cell.setting) == Some(*value));
        cells.any(|cell| {
            (cell.participant == OURS) == is_ours && cell.missed() == 0 && cell.spread(metric).is_some()
        })
    };
    let values = slice.values.iter().copied();
    let kept_up: Vec<_> = values.filter(|value| keep_up(value, true) && keep_up(value, false)).collect();
    let values = if axis == Axis::Offered && !kept_up.is_empty() { &kept_up } else { &slice.values };
    for value in few(values) {
        let is_here = |cell: &&&Cell| axis.of(&cell.setting) == Some(value);
        let here: Vec<_> = slice.cells.iter().filter(is_here).copied().collect();
        let mut draw_one = |part: &str, metric: Metric| {
            let title = sentence_title(&format!("{}, {}", metric.name(), axis.phrase(value)));
            let figure =
                draw.ratios(&format!("ratio-{workload}-{part}"), &title, &ours(&here), &here, metric);
            figures.push(Figure { text: sentence(&words(&slice.rest)), ..figure });
        };
        draw_one(&format!("{value}"), metric);
        // With one Command in flight a client waits all the time: what counts is for how long.
        if axis == Axis::InFlight && value == 1.0 {
            draw_one("1-p50", Metric::P50);
        }
    }
    figures
}

/// One chart per variant of ours, with the ends connected as it was measured first.
fn ratios_by_variant(draw: &Draw<'_>, workload: &str, metric: Metric, all: &[&Cell]) -> Vec<Figure> {
    let ours = ours(all);
    let title = sentence_title(metric.name());
    let Some(first) = ours.first() else {
        return vec![draw.ratios(&format!("ratio-{workload}-all"), &title, &[], all, metric)];
    };
    let ours: Vec<_> =
        ours.iter().filter(|cell| ends(&cell.setting) == ends(&first.setting)).copied().collect();
    let mut figures = Vec::new();
    for variant in variants(&ours) {
        let ours: Vec<_> = ours.iter().filter(|cell| cell.setting.variant == variant).copied().collect();
        let words = self::variant(&ours[0].setting);
        let title = words.map_or_else(|| title.clone(), |words| format!("{title}, {words}"));
        let part = variant.as_deref().unwrap_or("all");
        let figure = draw.ratios(&format!("ratio-{workload}-{part}"), &title, &ours, all, metric);
        figures.push(Figure { text: in_common(&ours), ..figure });
    }
    figures
}

fn ours<'a>(cells: &[&'a Cell]) -> Vec<&'a Cell> {
    let mut ours: Vec<_> = cells.iter().filter(|cell| cell.participant == OURS).copied().collect();
    let formats = formats(cells, OURS);
    ours.sort_by_key(|cell| formats.iter().position(|format| *format == cell.format));
    ours
}

fn variants(cells: &[&Cell]) -> Vec<Option<String>> {
    let mut variants = Vec::new();
    for cell in cells {
        if !variants.contains(&cell.setting.variant) {
            variants.push(cell.setting.variant.clone());
        }
    }
    variants
}

/// All of up to four values; of more the first, the middle one and the last. The others are in the other charts.
fn few(values: &[f64]) -> Vec<f64> {
    match values.len() {
        0..=4 => values.to_vec(),
        many => vec![values[0], values[many / 2], values[many - 1]],
    }
}

fn sentence_title(text: &str) -> String {
    sentence(text).trim_end_matches('.').to_owned()
}

/// One chart of distributions per number of Commands in flight.
fn distributions(draw: &Draw<'_>) -> Vec<Figure> {
    let echo = draw.results.of_workload("echo");
    let timed: Vec<_> = echo.into_iter().filter(|cell| !distribution(cell).is_empty()).collect();
    let Some(slice) = slices(&timed, Axis::InFlight).into_iter().next() else {
        return vec![empty("cdf", "Distribution of latencies")];
    };
    let figure = |value: &f64| {
        let here = slice.cells.iter().filter(|cell| Axis::InFlight.of(&cell.setting) == Some(*value));
        let here = main_formats(&here.copied().collect::<Vec<_>>());
        let title = format!("Latency, {}", Axis::InFlight.phrase(*value));
        let x = lines::Axis {
            title: "latency (logarithmic)".into(),
            kind: Kind::Log,
            ticks: Vec::new(),
            unit: units::time,
        };
        let y = lines::Axis {
            title: "share of Commands".into(),
            kind: Kind::Nines,
            ticks: Vec::new(),
            unit: share,
        };
        let lines = here.iter().map(|cell| distribution_line(cell)).collect();
        let mut figure = draw.lines(&format!("cdf-{value}"), &title, &Lines { x, y, lines });
        figure.text = sentence(&words(&slice.rest));
        figure.table = percentiles(&here);
        figure
    };
    slice.values.iter().map(figure).collect()
}

fn share(share: f64) -> String {
    let text = format!("{:.2}", share * 100.0);
    text.trim_end_matches('0').trim_end_matches('.').to_owned() + " %"
}

fn distribution_line(cell: &Cell) -> Line {
    let points = distribution(cell);
    let marked = [0.5, 0.9, 0.99, 0.999];
    let mut line: Vec<_> = points.iter().map(|(latency, share)| (*latency, *share, false)).collect();
    line.extend(marked.iter().filter_map(|share| Some((latency_at(&points, *share)?, *share, true))));
    line.sort_by(|a, b| (a.1, a.2).partial_cmp(&(b.1, b.2)).expect("numbers"));
    let point = |(latency, part, is_marked): (f64, f64, bool)| Point {
        x: latency,
        y: Spread::of([part]).expect("one figure"),
        tip: is_marked
            .then(|| format!("{}: {} within {}", full_name(cell), share(part), units::time(latency))),
        is_hollow: false,
    };
    Line {
        participant: cell.participant.clone(),
        format: cell.format.clone(),
        points: line.into_iter().map(point).collect(),
    }
}

fn percentiles(cells: &[&Cell]) -> Table {
    let metrics = [Metric::P50, Metric::P90, Metric::P99, Metric::P999];
    let head = ["latency", "p50", "p90", "p99", "p99.9"].map(str::to_owned).to_vec();
    let row = |cell: &&Cell| {
        let figures = metrics.map(|metric| figure::Cell::of(cell.spread(metric), metric.unit())).to_vec();
        (cell.participant.clone(), format_name(&cell.format), figures)
    };
    Table { head, rows: cells.iter().map(row).collect(), ..Table::default() }
}

fn open_loop(draw: &Draw<'_>) -> Vec<Figure> {
    let cells = draw.results.of_workload("open-loop");
    let slices = slices(&cells, Axis::Offered);
    let (p50, p99) = ("Median latency over the offered rate", "p99 latency over the offered rate");
    let Some(slice) = slices.first() else { return vec![empty("open-p50", p50), empty("open-p99", p99)] };
    vec![
        draw.over("open-p50", p50, slice, Axis::Offered, Metric::P50),
        draw.over("open-p99", p99, slice, Axis::Offered, Metric::P99),
    ]
}

fn scaling(draw: &Draw<'_>) -> Vec<Figure> {
    let (echo, sized) = (draw.results.of_workload("echo"), draw.results.of_workload("payload"));
    let sized = if sized.is_empty() { echo.clone() } else { sized };
    let mut figures = Vec::new();
    let charts = [
        ("rate-in-flight", "Throughput over Commands in flight", &echo, Axis::InFlight),
        ("rate-connections", "Throughput over connections", &echo, Axis::Connections),
        ("rate-payload", "Throughput over the size of the value", &sized, Axis::Payload),
    ];
    for (id, title, cells, axis) in charts {
        let found = by_ends(slices(cells, axis));
        if found.is_empty() {
            figures.push(empty(id, title));
        }
        for (at, slice) in found.iter().enumerate() {
            let (id, title) = match at {
                0 => (id.to_owned(), title.to_owned()),
                _ => (format!("{id}-{}", at + 1), format!("{title}: {}", ends(&slice.rest))),
            };
            figures.push(draw.over(&id, &title, slice, axis, Metric::Rate));
        }
    }
    figures
}

fn work(draw: &Draw<'_>) -> Vec<Figure> {
    let mut figures = Vec::new();
    let shown_elsewhere = ["echo", "payload", "idle", "open-loop", "features"];
    let fixed = ["waiting", "waiting-many", "stream", "burning", "go-suite", "go-suite-fixed"];
    let others =
        workloads(draw).into_iter().filter(|name| !shown_elsewhere.contains(name) && !fixed.contains(name));
    for workload in fixed.into_iter().chain(others) {
        let title = draw.results.title(workload);
        let cells = draw.results.of_workload(workload);
        let rows = |id: &str, title: &str, metric: Metric| Figure {
            text: in_common(&cells),
            ..draw.rows(id, title, &in_groups(&cells), metric)
        };
        let many =
            slices(&cells, Axis::Connections).into_iter().next().filter(|slice| slice.values.len() > 1);
        match (workload, many) {
            (_, Some(slice)) => {
                figures.push(draw.over(workload, title, &slice, Axis::Connections, Metric::Rate));
                if cells.iter().any(|cell| cell.spread(Metric::Allocations).is_some()) {
                    let (id, title) =
                        (format!("{workload}-allocations"), format!("{title}: heap allocations per Command"));
                    figures.push(draw.over(&id, &title, &slice, Axis::Connections, Metric::Allocations));
                }
            }
            ("burning", None) => figures.push(rows(workload, &format!("{title}: p99 latency"), Metric::P99)),
            ("waiting" | "waiting-many", None) => {
                figures.push(rows(workload, title, Metric::Rate));
                let (id, title) = (format!("{workload}-cpu"), format!("{title}: CPU time"));
                figures.push(rows(&id, &title, Metric::Cpu));
            }
            _ => figures.push(rows(workload, title, Metric::Rate)),
        }
    }
    figures
}

/// Under one heading each setting, if there are several. A variant belongs to the setting if all participants have it;
/// otherwise it is at the rows.
fn in_groups<'a>(cells: &[&'a Cell]) -> Vec<Grouped<'a>> {
    let of = |name: &str| {
        let cells: Vec<_> = cells.iter().filter(|cell| cell.participant == name).copied().collect();
        let mut variants = variants(&cells);
        variants.sort();
        variants
    };
    let are_shared = names(cells).windows(2).all(|pair| of(pair[0]) == of(pair[1]));
    let common = |cell: &Cell| if are_shared { cell.setting.clone() } else { without_variant(&cell.setting) };
    let mut settings: Vec<Setting> = Vec::new();
    for cell in cells {
        if !settings.contains(&common(cell)) {
            settings.push(common(cell));
        }
    }
    let only_variants =
        settings.iter().all(|setting| without_variant(setting) == without_variant(&settings[0]));
    let group = |setting: &Setting| match (settings.len(), only_variants) {
        (1, _) => String::new(),
        (_, true) => sentence_title(&variant(setting).unwrap_or_default()),
        (_, false) => sentence_title(&words(setting)),
    };
    let grouped = |cell: &&'a Cell| {
        let setting = common(cell);
        Grouped { group: group(&setting), variant: variant(&setting), cell }
    };
    let mut found: Vec<_> = cells.iter().map(grouped).collect();
    found.sort_by_key(|grouped| settings.iter().position(|setting| *setting == common(grouped.cell)));
    found
}

/// The setting of all cells but its variant, as a sentence; empty if they differ in more.
fn in_common(cells: &[&Cell]) -> String {
    let mut settings = cells.iter().map(|cell| without_variant(&cell.setting));
    let Some(first) = settings.next() else { return String::new() };
    if settings.all(|setting| setting == first) { sentence(&words(&first)) } else { String::new() }
}

fn without_variant(setting: &Setting) -> Setting {
    Setting { variant: None, ..setting.clone() }
}

fn cost(draw: &Draw<'_>) -> Vec<Figure> {
    let idle = draw.results.of_workload("idle");
    let main = main_formats(&idle);
    let idle = in_groups(&main);
    let echo = draw.results.of_workload("echo");
    let with_cpu: Vec<_> = echo.into_iter().filter(|cell| cell.spread(Metric::Cpu).is_some()).collect();
    let cpu = "CPU time per Command, over Commands in flight";
    let cpu = match slices(&with_cpu, Axis::InFlight).first() {
        Some(slice) => draw.over("cpu", cpu, slice, Axis::InFlight, Metric::Cpu),
        None => empty("cpu", cpu),
    };
    let latency = "Latency of one active connection beside idle ones";
    let idle = |id: &str, title: &str, metric: Metric| Figure {
        text: in_common(&main),
        ..draw.rows(id, title, &idle, metric)
    };
    vec![
        idle("memory", "Memory per idle connection", Metric::Memory),
        idle("idle-latency", latency, Metric::P50),
        cpu,
    ]
}

fn choices(draw: &Draw<'_>) -> Vec<Figure> {
    vec![by_transport(draw), by_format(draw), features(draw)]
}

/// The setting that was measured over the most kinds of connection, each under its heading.
fn by_transport(draw: &Draw<'_>) -> Figure {
    let title = "Throughput by process and transport";
    let cells = draw.results.of_workload("echo");
    let cells = main_formats(&cells);
    let mut settings: Vec<(Setting, Vec<&Cell>)> = Vec::new();
    for cell in &cells {
        let key = without_ends(&cell.setting);
        match settings.iter_mut().find(|(setting, _)| *setting == key) {
            Some((_, cells)) => cells.push(cell),
            None => settings.push((key, vec![cell])),
        }
    }
    let kinds = |cells: &[&Cell]| {
        let mut kinds: Vec<_> = cells.iter().map(|cell| ends(&cell.setting)).collect();
        kinds.sort();
        kinds.dedup();
        kinds.len()
    };
    settings.sort_by_key(|(setting, cells)| Reverse((kinds(cells), names(cells).len(), setting.in_flight)));
    let Some((setting, cells)) = settings.into_iter().next().filter(|(_, cells)| kinds(cells) > 1) else {
        return empty("transports", title);
    };
    let group = |cell: &Cell| sentence_title(&ends(&cell.setting));
    let order: Vec<_> = cells.iter().map(|cell| group(cell)).collect();
    let mut rows: Vec<_> =
        cells.iter().map(|cell| Grouped { group: group(cell), variant: None, cell }).collect();
    rows.sort_by_key(|row| order.iter().position(|group| *group == row.group));
    let mut figure = draw.rows("transports", title, &rows, Metric::Rate);
    let shared =
        [Axis::InFlight, Axis::Connections].map(|axis| axis.of(&setting).map(|value| axis.phrase(value)));
    figure.text = sentence(&shared.into_iter().flatten().collect::<Vec<_>>().join(", "));
    figure
}

/// Participants that speak several formats, with the most Commands in flight that they all had.
fn by_format(draw: &Draw<'_>) -> Figure {
    let title = "Throughput by format";
    let cells = draw.results.of_workload("echo");
    let Some(slice) = slices(&cells, Axis::InFlight).into_iter().next() else {
        return empty("formats", title);
    };
    let several: Vec<_> =
        slice.cells.iter().filter(|cell| has_several_formats(&slice.cells, &cell.participant)).collect();
    let count =
        |value: f64| several.iter().filter(|cell| Axis::InFlight.of(&cell.setting) == Some(value)).count();
    let Some(value) =
        slice.values.iter().copied().max_by_key(|value| count(*value)).filter(|value| count(*value) > 0)
    else {
        return empty("formats", title);
    };
    let here = several.iter().filter(|cell| Axis::InFlight.of(&cell.setting) == Some(value));
    let mut here: Vec<_> = here.map(|cell| Grouped { group: String::new(), variant: None, cell }).collect();
    let names = names(&slice.cells);
    here.sort_by_key(|row| names.iter().position(|name| *name == row.cell.participant));
    let mut figure = draw.rows("formats", title, &here, Metric::Rate);
    figure.missing.clear();
    figure.text = sentence(&words(&here[0].cell.setting));
    figure
}

/// Each feature switched on, against the same without it in the same round.
fn features(draw: &Draw<'_>) -> Figure {
    let title = "What features cost";
    let cells = draw.results.of_workload("features");
    let mut rows = Vec::new();
    let head = ["", "feature", "with it, as a multiple of without", "on", "off"].map(str::to_owned).to_vec();
    let mut table = Table { head, ..Table::default() };
    for on in &cells {
        let Some(feature) = on.setting.variant.as_deref().and_then(|variant| variant.strip_suffix("-on"))
        else {
            continue;
        };
        let off = Setting { variant: Some(format!("{feature}-off")), ..on.setting.clone() };
        let same = |cell: &&&Cell| {
            (&cell.participant, &cell.format, &cell.setting) == (&on.participant, &on.format, &off)
        };
        let Some(off) = cells.iter().find(same) else { continue };
        let Some(value) = on.times_better_than(off, Metric::Rate) else { continue };
        let rate = |cell: &Cell| figure::Cell::of(cell.spread(Metric::Rate), units::per_second);
        let figures = vec![
            figure::Cell::Text(feature.to_owned()),
            figure::Cell::of(Some(value), units::times),
            rate(on),
            rate(off),
        ];
        table.rows.push((on.participant.clone(), format_name(&on.format), figures));
        rows.push(Row {
            group: full_name(on),
            participant: on.participant.clone(),
            label: feature.to_owned(),
            note: String::new(),
            value,
            tip: format!("{}, {feature}: {}", full_name(on), value.text(units::times)),
        });
    }
    let axis_title = "throughput with it, as a multiple of without".to_owned();
    let rows = Rows { style: Style::Multiples, unit: units::times, axis_title, rows };
    let text = cells.first().map(|cell| sentence(&words(&Setting { variant: None, ..cell.setting.clone() })));
    Figure {
        table,
        is_open: true,
        text: text.unwrap_or_default(),
        ..draw.row_chart("features", title, &rows)
    }
}

fn empty(id: &str, title: &str) -> Figure {
    Figure { id: id.to_owned(), title: title.to_owned(), ..Figure::default() }
}
