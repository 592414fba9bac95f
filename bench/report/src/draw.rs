//! Makes figures out of cells: of a kind each, whatever the workload is.

use crate::data::{Cell, Results, Setting};
use crate::figure::{self, Figure, Table};
use crate::lines::{self, FRAME, Line, Lines, Point};
use crate::palette::Palette;
use crate::rows::{Row, Rows, Style};
use crate::scale::Kind;
use crate::select::{Axis, Metric, OURS, Slice, formats, main_formats, names, rivals, variant, words};
use crate::spread::Spread;
use crate::svg::Svg;
use crate::units;

/// A cell under the heading of its group, which may be empty.
#[derive(Clone, Debug)]
pub(crate) struct Grouped<'a> {
    pub(crate) group: String,
    /// The variant that the heading or the title names already.
    pub(crate) variant: Option<String>,
    pub(crate) cell: &'a Cell,
}

/// What figures are made from.
#[derive(Debug)]
pub(crate) struct Draw<'a> {
    pub(crate) results: &'a Results,
    pub(crate) palette: Palette,
}

impl<'a> Draw<'a> {
    pub(crate) fn new(results: &'a Results) -> Self {
        Self { results, palette: Palette::new(&results.participants()) }
    }

    /// A metric over what differs in a slice: one line per participant, in its main format.
    pub(crate) fn over(
        &self,
        id: &str,
        title: &str,
        slice: &Slice<'_>,
        axis: Axis,
        metric: Metric,
    ) -> Figure {
        let cells = main_formats(&slice.cells);
        let mut lines = Vec::new();
        for participant in names(&cells) {
            let mut of_it: Vec<_> = cells.iter().filter(|cell| cell.participant == participant).collect();
            of_it.sort_by(|a, b| axis.of(&a.setting).partial_cmp(&axis.of(&b.setting)).expect("numbers"));
            let point = |cell: &&&Cell| self.point(cell, axis, metric);
            let points: Vec<_> = of_it.iter().filter_map(point).collect();
            if let (false, Some(first)) = (points.is_empty(), of_it.first()) {
                lines.push(Line {
                    participant: participant.to_owned(),
                    format: first.format.clone(),
                    points,
                });
            }
        }
        self.sort(&mut lines);
        let table = self.table_over(&lines, slice, axis, metric);
        let y = lines::Axis {
            title: y_title(metric, &slice.rest.workload),
            kind: Kind::Log,
            ticks: Vec::new(),
            unit: metric.unit(),
        };
        let ticks = if axis == Axis::Offered { Vec::new() } else { slice.values.clone() };
        let x = lines::Axis {
            title: format!("{} (logarithmic)", axis.title()),
            kind: Kind::Log,
            ticks,
            unit: match axis {
                Axis::Payload => units::bytes,
                Axis::Offered => units::si,
                Axis::InFlight | Axis::Connections => units::grouped,
            },
        };
        let mut figure = self.lines(id, title, &Lines { x, y, lines });
        figure.text = sentence(&words(&slice.rest));
        figure.table = table;
        figure.missing.extend(self.kept_up(&cells, axis));
        figure
    }

    fn point(&self, cell: &Cell, axis: Axis, metric: Metric) -> Option<Point> {
        let (x, y) = (axis.of(&cell.setting)?, cell.spread(metric)?);
        let name = full_name(cell);
        let missed = cell.missed();
        let late = if missed > 0 {
            format!("; {} calls not started", units::grouped(missed as f64))
        } else {
            String::new()
        };
        let tip = format!("{name}, {}: {}{late}", axis.phrase(x), y.text(metric.unit()));
        Some(Point { x, y, tip: Some(tip), is_hollow: missed > 0 })
    }

    /// The first participants of the run first.
    fn sort(&self, lines: &mut [Line]) {
        let order = self.results.participants();
        lines.sort_by_key(|line| order.iter().position(|name| *name == line.participant));
    }

    /// Draws lines as a figure. Its legend has the order in which the lines end, from the top.
    pub(crate) fn lines(&self, id: &str, title: &str, lines: &Lines) -> Figure {
        let mut svg = Svg::new(FRAME.width);
        let ends = lines.draw(&mut svg, FRAME, &self.palette);
        let mut legend: Vec<_> = lines.lines.iter().zip(ends.iter().flatten()).collect();
        legend.sort_by(|(_, a), (_, b)| a.total_cmp(b));
        let shown: Vec<_> = lines.lines.iter().map(|line| &*line.participant).collect();
        Figure {
            id: id.to_owned(),
            title: title.to_owned(),
            svg: ends.is_some().then(|| svg.finish(FRAME.height, "class=\"chart\"", title)),
            legend: legend
                .iter()
                .map(|(line, _)| (line.participant.clone(), format_name(&line.format)))
                .collect(),
            missing: self.missing(&shown),
            is_open: true,
            ..Figure::default()
        }
    }

    fn table_over(&self, lines: &[Line], slice: &Slice<'_>, axis: Axis, metric: Metric) -> Table {
        let mut head = vec![axis.short().to_owned()];
        head.extend(slice.values.iter().map(|value| axis.tick(*value)));
        let row = |line: &Line| {
            let at = |value: &f64| line.points.iter().find(|point| point.x == *value).map(|point| point.y);
            let cells = slice.values.iter().map(|value| figure::Cell::of(at(value), metric.unit())).collect();
            (line.participant.clone(), format_name(&line.format), cells)
        };
        Table { head, rows: lines.iter().map(row).collect(), ..Table::default() }
    }

    /// Which participants could not keep up with the open loop, and from which rate on.
    fn kept_up(&self, cells: &[&Cell], axis: Axis) -> Option<String> {
        let first_missed = |name: &&str| {
            let late = cells.iter().filter(|cell| cell.participant == *name && cell.missed() > 0);
            late.filter_map(|cell| axis.of(&cell.setting))
                .min_by(f64::total_cmp)
                .map(|rate| (name.to_string(), rate))
        };
        let late: Vec<_> = names(cells).iter().filter_map(first_missed).collect();
        let late: Vec<_> =
            late.iter().map(|(name, rate)| format!("{name} from {}", units::per_second(*rate))).collect();
        let text = "Hollow markers: calls could not be started in the time";
        (axis == Axis::Offered && !late.is_empty()).then(|| format!("{text} ({}).", late.join(", ")))
    }

    /// A metric as rows, one per cell, under headings.
    pub(crate) fn rows(&self, id: &str, title: &str, cells: &[Grouped<'_>], metric: Metric) -> Figure {
        let mut rows = Vec::new();
        let mut table =
            Table { head: vec![String::new(), metric.name().to_owned()], ..Table::default() }.in_one_line();
        for Grouped { group, variant, cell } in cells {
            let Some(value) = cell.spread(metric) else { continue };
            let note = note(cell, variant.as_deref());
            let tip = format!("{}, {}: {}", full_name(cell), words(&cell.setting), value.text(metric.unit()));
            let figure = vec![figure::Cell::of(Some(value), metric.unit())];
            table.rows.push((cell.participant.clone(), joined([&*note, group]), figure));
            let (participant, label) = (cell.participant.clone(), cell.participant.clone());
            rows.push(Row { group: group.clone(), participant, label, note, value, tip });
        }
        let shown: Vec<_> = rows.iter().map(|row| row.participant.clone()).collect();
        let missing = self.missing(&shown.iter().map(String::as_str).collect::<Vec<_>>());
        let style = style(metric, &rows);
        let direction = if metric.is_better_high() { "more is better" } else { "less is better" };
        let scale = if style == Style::Dots { ", logarithmic" } else { "" };
        let workload = cells.first().map_or("", |grouped| &grouped.cell.setting.workload);
        let axis_title = format!("{}{scale}; {direction}", y_title(metric, workload));
        let is_open = rows.len() <= MOST_OPEN;
        let rows = Rows { style, unit: metric.unit(), axis_title, rows };
        Figure { table, missing, is_open, ..self.row_chart(id, title, &rows) }
    }

    pub(crate) fn row_chart(&self, id: &str, title: &str, rows: &Rows) -> Figure {
        let mut svg = Svg::new(FRAME.width);
        let height = rows.draw(&mut svg, (2.0, FRAME.width - 2.0), 2.0, &self.palette);
        Figure {
            id: id.to_owned(),
            title: title.to_owned(),
            svg: (!rows.rows.is_empty()).then(|| svg.finish(height, "class=\"chart\"", title)),
            ..Figure::default()
        }
    }

    /// Our participant against each other one that did the same.
    pub(crate) fn ratios(
        &self,
        id: &str,
        title: &str,
        ours: &[&Cell],
        all: &[&Cell],
        metric: Metric,
    ) -> Figure {
        let mut rows = Vec::new();
        let head = ["", "times as good", OURS, "the other"].map(str::to_owned).to_vec();
        let mut table = Table { head, ..Table::default() };
        let (mut late, mut behind) = (Vec::new(), Vec::new());
        for our in ours {
            for their in rivals(our, all) {
                // Its latency only says how long the run was.
                if metric != Metric::Rate && (our.missed() > 0 || their.missed() > 0) {
                    late.push(&*their.participant);
                    continue;
                }
                let Some(value) = our.times_better_than(their, metric) else { continue };
                if value.high < 1.0 && !FLOORS.contains(&&*their.participant) {
                    behind.push(format!("{} {}", full_name(their), value.text(units::times)));
                }
                let cell = |cell: &Cell| figure::Cell::of(cell.spread(metric), metric.unit());
                let of_chart = variant(&our.setting);
                let beside = note(their, of_chart.as_deref());
                let against = format!("{} against {}", full_name(our), full_name(their));
                let cells = vec![figure::Cell::of(Some(value), units::times), cell(our), cell(their)];
                table.rows.push((their.participant.clone(), beside.clone(), cells));
                rows.push(Row {
                    group: format!("{OURS} {} against", note(our, of_chart.as_deref())),
                    participant: their.participant.clone(),
                    label: their.participant.clone(),
                    note: beside,
                    value,
                    tip: format!("{against}, {}: {}", metric.name(), value.text(units::times)),
                });
            }
        }
        let axis_title = match metric.is_better_high() {
            true => format!("{}, as a multiple of theirs (logarithmic)", metric.name()),
            false => format!("their {} over ours (logarithmic)", metric.name()),
        };
        let mut shown: Vec<_> = rows.iter().map(|row| row.participant.clone()).collect();
        shown.extend(late.iter().map(|name| (*name).to_owned()));
        let mut missing = match (ours.is_empty(), all.is_empty()) {
            (true, true) => Vec::new(),
            (true, false) => vec![format!("{OURS} was not measured here.")],
            (false, _) => self.missing(&shown.iter().map(String::as_str).chain([OURS]).collect::<Vec<_>>()),
        };
        if !late.is_empty() {
            missing.push(format!(
                "Not compared, as calls could not be started in the time: {}.",
                late.join(", ")
            ));
        }
        let rows = Rows { style: Style::Multiples, unit: units::times, axis_title, rows };
        Figure { table, missing, behind, ..self.row_chart(id, title, &rows) }
    }

    /// Names the participants of the run that are not among those shown.
    fn missing(&self, shown: &[&str]) -> Vec<String> {
        let missing: Vec<_> =
            self.results.participants().into_iter().filter(|name| !shown.contains(name)).collect();
        match missing.is_empty() || shown.is_empty() {
            true => Vec::new(),
            false => vec![format!("No figures here: {}.", missing.join(", "))],
        }
    }
}

/// Bars can be compared by their lengths, unless some of them are too short to be seen. Of latencies the multiples count.
fn style(metric: Metric, rows: &[Row]) -> Style {
    let medians = || rows.iter().map(|row| row.value.median);
    let is_wide = medians().fold(0.0, f64::max) > 20.0 * medians().fold(f64::INFINITY, f64::min);
    match metric {
        Metric::Cpu | Metric::Memory | Metric::Allocations | Metric::Bytes => Style::Amounts,
        Metric::Rate if !is_wide => Style::Amounts,
        _ => Style::Dots,
    }
}

/// What identifies a cell beside its participant: the format, and the variant unless it is that of the whole chart.
fn note(cell: &Cell, of_chart: Option<&str>) -> String {
    let own = variant(&cell.setting).filter(|own| of_chart != Some(own));
    joined([&format_name(&cell.format), own.as_deref().unwrap_or_default()])
}

/// The parts that are not empty, with commas.
fn joined<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
}

pub(crate) fn full_name(cell: &Cell) -> String {
    match format_name(&cell.format) {
        format if format.is_empty() => cell.participant.clone(),
        format => format!("{} ({format})", cell.participant),
    }
}

/// A format as its users write it.
pub(crate) fn format_name(format: &str) -> String {
    match format {
        "mus" | "json" => format.to_uppercase(),
        "protobuf" => "Protobuf".to_owned(),
        "grpc" => "gRPC".to_owned(),
        "thrift" => "Thrift".to_owned(),
        "capnp" => "Cap'n Proto".to_owned(),
        "jsonrpc" => "JSON-RPC".to_owned(),
        "none" => String::new(),
        other => other.to_owned(),
    }
}

/// The title of an axis with the metric. Its unit is at the figures.
pub(crate) fn y_title(metric: Metric, workload: &str) -> String {
    match metric {
        // One Command has them all.
        Metric::Rate if workload == "stream" => "Replies per second".to_owned(),
        Metric::Rate => "Commands per second".to_owned(),
        _ => metric.name().to_owned(),
    }
}

/// With a capital letter, unless it begins with the name of a percentile, and a stop.
pub(crate) fn sentence(text: &str) -> String {
    if text.strip_prefix('p').is_some_and(|rest| rest.starts_with(|letter: char| letter.is_ascii_digit())) {
        return format!("{text}.");
    }
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), letters.as_str()))
}

/// The median over the rounds of their distributions, as points of a latency and a share.
pub(crate) fn distribution(cell: &Cell) -> Vec<(f64, f64)> {
    let rounds: Vec<_> =
        cell.samples.iter().map(|sample| &sample.cdf).filter(|cdf| !cdf.is_empty()).collect();
    let mut shares: Vec<f64> = rounds.iter().flat_map(|cdf| cdf.iter().map(|(_, share)| *share)).collect();
    // What is beyond the last point but the longest is not known better than to one Command.
    shares.retain(|share| (0.0..0.99995).contains(share));
    shares.sort_by(f64::total_cmp);
    shares.dedup();
    let step = shares.len().div_ceil(MOST_POINTS).max(1);
    let at = |share: f64| Spread::of(rounds.iter().filter_map(|cdf| latency_at(cdf, share)));
    shares.iter().step_by(step).filter_map(|share| Some((at(*share)?.median, *share))).collect()
}

/// The latency that this share of Commands did not exceed, between the two points around it.
pub(crate) fn latency_at(cdf: &[(f64, f64)], share: f64) -> Option<f64> {
    let after = cdf.iter().position(|(_, other)| *other >= share)?;
    let (latency, upper) = cdf[after];
    let Some((before, lower)) = after.checked_sub(1).map(|before| cdf[before]) else { return Some(latency) };
    let part = if upper > lower { (share - lower) / (upper - lower) } else { 1.0 };
    Some(before + (latency - before) * part)
}

const MOST_POINTS: usize = 120;

/// What only moves bytes, and is no library that one could use instead.
const FLOORS: [&str; 2] = ["raw", "raw-tcp"];

/// Longer tables are closed at first: the chart has the medians.
const MOST_OPEN: usize = 14;

/// A setting without what is on the axis of a chart, as the key of those that can be compared in it.
pub(crate) fn without_ends(setting: &Setting) -> Setting {
    Setting { transport: String::new(), processes: 0, ..setting.clone() }
}

pub(crate) fn has_several_formats(cells: &[&Cell], participant: &str) -> bool {
    formats(cells, participant).len() > 1
}
