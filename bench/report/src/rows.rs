//! A chart of rows: one bar or one marker per row, with its figure at the right.

use crate::palette::Palette;
use crate::scale::{Kind, Scale, around};
use crate::spread::Spread;
use crate::svg::{Anchor, Svg, bar, text_width, whisker};

/// What is drawn.
#[derive(Debug)]
pub(crate) struct Rows {
    pub(crate) style: Style,
    pub(crate) unit: fn(f64) -> String,
    pub(crate) axis_title: String,
    pub(crate) rows: Vec<Row>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Style {
    /// Bars from 1, to the right if more, to the left if less, on a logarithmic scale.
    Multiples,
    /// Bars from 0.
    Amounts,
    /// Markers on a logarithmic scale, which has no 0 where a bar could begin.
    Dots,
}

#[derive(Debug)]
pub(crate) struct Row {
    /// A heading over this row, if it is another one than that of the row before.
    pub(crate) group: String,
    pub(crate) participant: String,
    pub(crate) label: String,
    /// Behind the label, less important.
    pub(crate) note: String,
    pub(crate) value: Spread,
    pub(crate) tip: String,
}

impl Rows {
    /// Draws the rows below `top`, and returns where they end.
    pub(crate) fn draw(&self, svg: &mut Svg, (left, right): (f64, f64), top: f64, palette: &Palette) -> f64 {
        let values = self.rows.iter().flat_map(|row| [row.value.low, row.value.high]);
        let (kind, one) = match self.style {
            Style::Multiples => (Kind::Log, Some(1.0)),
            Style::Amounts => (Kind::Linear, None),
            Style::Dots => (Kind::Log, None),
        };
        let Some(domain) = around(values.chain(one), kind) else { return top };
        let room = (right - left) * MOST_LABEL;
        let label = |row: &Row| text_width(&format!("{} {}", row.label, row.note), FONT);
        let widest = |width: &dyn Fn(&Row) -> f64| self.rows.iter().map(width).fold(0.0, f64::max);
        let start = left + widest(&label).min(room) + 8.0;
        let end = right - widest(&|row: &Row| text_width(&(self.unit)(row.value.median), FONT)) - 8.0;
        let scale = Scale::new(kind, domain, (start, end));
        let heights = self.heights();
        let bottom = top + heights.last().map_or(0.0, |last| last + ROW);

        for tick in self.ticks(&scale) {
            let x = scale.at(tick);
            svg.path("grid", &format!("M{x:.1} {top:.1}V{bottom:.1}"));
            svg.text("tick", Anchor::Middle, (x, bottom + 16.0), &(self.unit)(tick));
        }
        if self.style == Style::Multiples {
            svg.path("one", &format!("M{0:.1} {top:.1}V{bottom:.1}", scale.at(1.0)));
        }
        for (at, row) in self.rows.iter().enumerate() {
            if !row.group.is_empty() && (at == 0 || self.rows[at - 1].group != row.group) {
                svg.text("group", Anchor::Start, (left, top + heights[at] - 6.0), &row.group);
            }
            let y = top + heights[at];
            let (label, note) = fit(&row.label, &row.note, room);
            svg.text_with_note("label", Anchor::Start, (left, y + 14.0), &label, note);
            svg.text("value", Anchor::End, (right, y + 14.0), &(self.unit)(row.value.median));
            self.draw_row(svg, row, &scale, y, palette);
        }
        svg.text("axis-title", Anchor::End, (right, bottom + 34.0), &self.axis_title);
        bottom + 42.0
    }

    /// As many as there is room for their labels.
    fn ticks(&self, scale: &Scale) -> Vec<f64> {
        let width = |ticks: &[f64]| {
            ticks.iter().map(|tick| text_width(&(self.unit)(*tick), FONT)).fold(0.0, f64::max)
        };
        scale.ticks(width(&scale.ticks(40.0)) + 6.0)
    }

    fn draw_row(&self, svg: &mut Svg, row: &Row, scale: &Scale, y: f64, palette: &Palette) {
        let Spread { median, low, high, .. } = row.value;
        let middle = y + ROW / 2.0;
        svg.series(&palette.class(&row.participant), &row.participant);
        match self.style {
            Style::Dots => {
                svg.path("guide", &format!("M{:.1} {middle:.1}H{:.1}", scale.at(0.0), scale.at(low)));
                svg.path("range", &format!("M{:.1} {middle:.1}H{:.1}", scale.at(low), scale.at(high)));
                svg.mark("full", &palette.marker(&row.participant, scale.at(median), middle, 4.5), &row.tip);
            }
            Style::Multiples | Style::Amounts => {
                let origin = if self.style == Style::Multiples { 1.0 } else { 0.0 };
                svg.mark("bar", &bar(scale.at(origin), scale.at(median), y + 4.0, ROW - 8.0), &row.tip);
                if high > low {
                    svg.path("spread", &whisker(scale.at(low), scale.at(high), middle));
                }
            }
        }
        svg.end();
    }

    /// How far below the top each row begins; a heading takes room over its first row.
    fn heights(&self) -> Vec<f64> {
        let mut y = 0.0;
        let mut group = "";
        let mut heights = Vec::new();
        for row in &self.rows {
            if row.group != group {
                y += HEADING + if heights.is_empty() { 0.0 } else { 4.0 };
                group = &row.group;
            }
            heights.push(y);
            y += ROW;
        }
        heights
    }
}

/// As much of a label as there is room for. What is cut is in the table.
fn fit<'a>(label: &str, note: &'a str, room: f64) -> (String, &'a str) {
    if text_width(&format!("{label} {note}"), FONT) <= room {
        return (label.to_owned(), note);
    }
    let mut cut = label.to_owned();
    while text_width(&cut, FONT) > room - FONT && cut.pop().is_some() {}
    (if cut.len() < label.len() { cut + "…" } else { cut }, "")
}

/// How much of the width labels may take.
const MOST_LABEL: f64 = 0.55;
const FONT: f64 = 12.0;
const ROW: f64 = 20.0;
const HEADING: f64 = 22.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_labels_are_cut() {
        assert_eq!(fit("tonic", "Protobuf", 200.0), ("tonic".to_owned(), "Protobuf"));
        assert_eq!(
            fit("cmd-stream-otel-metrics", "Protobuf", 200.0),
            ("cmd-stream-otel-metrics".to_owned(), "")
        );
        let (label, note) = fit(&"long-".repeat(20), "Protobuf", 200.0);
        assert!(label.ends_with('…') && note.is_empty() && text_width(&label, FONT) <= 200.0, "{label}");
    }
}
