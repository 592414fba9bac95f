//! The charts of the README: wider than those of the page, with their own background and style.

use crate::data::{Cell, Results};
use crate::draw::{Draw, format_name, full_name};
use crate::lines::{self, Frame, Line, Lines, Point};
use crate::palette;
use crate::rows::{Row, Rows, Style};
use crate::scale::Kind;
use crate::select::{Axis, Metric, OURS, main_formats, names, rivals, slices};
use crate::svg::{Anchor, Svg, text_width};
use crate::units;

pub(crate) fn throughput(results: &Results) -> Option<String> {
    let draw = Draw::new(results);
    let echo = results.of_workload("echo");
    let slice = slices(&echo, Axis::InFlight).into_iter().next()?;
    let here: Vec<_> =
        slice.cells.iter().filter(|cell| cell.setting.in_flight == Some(IN_FLIGHT)).copied().collect();
    let main = main_formats(&here);
    let ours = main.iter().find(|cell| cell.participant == OURS)?;
    let row = |their: &&Cell| {
        let value = ours.times_better_than(their, Metric::Rate)?;
        let rate = their.spread(Metric::Rate)?.median;
        Some(Row {
            group: String::new(),
            participant: their.participant.clone(),
            label: their.participant.clone(),
            note: format!("{} {}", format_name(&their.format), units::per_second(rate)).trim().to_owned(),
            value,
            tip: format!("{}: {}", full_name(their), value.text(units::times)),
        })
    };
    let mut rows: Vec<_> = rivals(ours, &here).iter().filter_map(row).collect();
    rows.sort_by(|a, b| b.value.median.total_cmp(&a.value.median));
    if rows.is_empty() {
        return None;
    }
    let rate = ours.spread(Metric::Rate)?.text(units::per_second);
    let title = "Throughput of cmd-stream, as a multiple of that of others";
    let connections = ours
        .setting
        .connections
        .map_or_else(String::new, |number| format!(" on {}", units::count(number, "connection")));
    let under = format!("{}: {rate}. 1,024 Commands in flight{connections}.", full_name(ours));
    let mut svg = Svg::new(WIDTH);
    head(&mut svg, title, &under);
    let axis_title =
        "logarithmic; bars: median of the rounds, lines: lowest to highest, dashed: as fast as cmd-stream"
            .to_owned();
    let rows = Rows { style: Style::Multiples, unit: units::times, axis_title, rows };
    let height = rows.draw(&mut svg, (MARGIN, WIDTH - MARGIN), TOP, &draw.palette) + 8.0;
    Some(finish(svg, height, title))
}

pub(crate) fn latency(results: &Results) -> Option<String> {
    let draw = Draw::new(results);
    let cells = results.of_workload("open-loop");
    let slice = slices(&cells, Axis::Offered).into_iter().next()?;
    let cells = main_formats(&slice.cells);
    let line = |participant: &&str| {
        let mut of_it: Vec<_> = cells.iter().filter(|cell| cell.participant == *participant).collect();
        of_it.sort_by(|a, b| {
            Axis::Offered.of(&a.setting).partial_cmp(&Axis::Offered.of(&b.setting)).expect("numbers")
        });
        let point = |cell: &&&Cell| {
            let (x, y) = (Axis::Offered.of(&cell.setting)?, cell.spread(Metric::P99)?);
            let tip = format!("{}, {}: {}", full_name(cell), Axis::Offered.phrase(x), y.text(units::time));
            Some(Point { x, y, tip: Some(tip), is_hollow: cell.missed() > 0 })
        };
        let points: Vec<_> = of_it.iter().filter_map(point).collect();
        let format = of_it.first()?.format.clone();
        (!points.is_empty()).then(|| Line { participant: (*participant).to_owned(), format, points })
    };
    let lines: Vec<_> = names(&cells).iter().filter_map(line).collect();
    if lines.is_empty() {
        return None;
    }
    let title = "p99 latency over the offered rate";
    let mut svg = Svg::new(WIDTH);
    head(
        &mut svg,
        title,
        "An open loop: latency counts from when a Command was meant to be sent. Hollow: calls could not be started.",
    );
    let label =
        |line: &Line| text_width(&format!("{} {}", line.participant, format_name(&line.format)), lines::FONT);
    let missing: Vec<_> =
        results.participants().into_iter().filter(|name| !names(&cells).contains(name)).collect();
    let note = if missing.is_empty() { 0.0 } else { 20.0 };
    let frame = Frame {
        width: WIDTH,
        height: 470.0 + note,
        top: TOP - 4.0,
        left: MARGIN,
        right: MARGIN + 24.0 + lines.iter().map(label).fold(0.0, f64::max),
        bottom: 6.0 + note,
    };
    let axis =
        |title: &str, unit| lines::Axis { title: title.to_owned(), kind: Kind::Log, ticks: Vec::new(), unit };
    let x = axis("Commands offered per second (logarithmic)", units::si as fn(f64) -> String);
    let chart = Lines { x, y: axis("p99 latency (logarithmic)", units::time), lines };
    let ends = chart.draw(&mut svg, frame, &draw.palette)?;
    for (line, (end, y)) in chart.lines.iter().zip(ends.iter().zip(apart(
        &ends,
        17.0,
        frame.top + 30.0,
        frame.height - note - 60.0,
    ))) {
        let x = WIDTH - frame.right;
        svg.raw(format!("<g class=\"{}\">", draw.palette.class(&line.participant)));
        svg.path("leader", &format!("M{:.1} {end:.1}L{:.1} {y:.1}", x + 6.0, x + 18.0));
        svg.end();
        svg.text_with_note(
            "label",
            Anchor::Start,
            (x + 22.0, y + 4.0),
            &line.participant,
            &format_name(&line.format),
        );
    }
    if !missing.is_empty() {
        let text = format!("No figures: {}.", missing.join(", "));
        svg.text("under", Anchor::Start, (MARGIN, frame.height - 12.0), &text);
    }
    Some(finish(svg, frame.height, title))
}

fn head(svg: &mut Svg, title: &str, under: &str) {
    svg.raw(format!("<style>\n{}{}</style>", include_str!("readme.css"), palette::css()));
    svg.raw("<rect class=\"card\" width=\"100%\" height=\"100%\" rx=\"6\"/>");
    svg.text("title", Anchor::Start, (MARGIN, 28.0), title);
    svg.text("under", Anchor::Start, (MARGIN, 48.0), under);
}

fn finish(svg: Svg, height: f64, label: &str) -> String {
    svg.finish(height, &format!("width=\"{WIDTH}\" height=\"{height:.0}\""), label)
}

/// The places of labels that would be at `wanted`, moved so that they are at least `gap` apart.
fn apart(wanted: &[f64], gap: f64, top: f64, bottom: f64) -> Vec<f64> {
    let mut order: Vec<_> = (0..wanted.len()).collect();
    order.sort_by(|a, b| wanted[*a].total_cmp(&wanted[*b]));
    let mut places = wanted.to_vec();
    let mut free = top;
    for &at in &order {
        places[at] = places[at].max(free);
        free = places[at] + gap;
    }
    let mut free = bottom.max(top + gap * (wanted.len() - 1) as f64);
    for &at in order.iter().rev() {
        places[at] = places[at].min(free);
        free = places[at] - gap;
    }
    places
}

const IN_FLIGHT: u32 = 1024;
const WIDTH: f64 = 840.0;
const MARGIN: f64 = 16.0;
const TOP: f64 = 66.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_moved_apart_and_stay_inside() {
        let places = apart(&[100.0, 99.0, 101.0, 5.0], 10.0, 20.0, 105.0);
        assert_eq!(places, [95.0, 85.0, 105.0, 20.0]);
        assert_eq!(apart(&[50.0], 10.0, 0.0, 100.0), [50.0]);
    }
}
