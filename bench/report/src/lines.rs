//! A chart of lines: a figure over another one.

use std::fmt::Write;

use crate::palette::Palette;
use crate::scale::{Kind, Scale, around};
use crate::spread::Spread;
use crate::svg::{Anchor, Svg, text_width};

/// What is drawn.
#[derive(Debug)]
pub(crate) struct Lines {
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    pub(crate) lines: Vec<Line>,
}

#[derive(Debug)]
pub(crate) struct Axis {
    pub(crate) title: String,
    pub(crate) kind: Kind,
    /// Where its grid lines stand; round figures if there are none.
    pub(crate) ticks: Vec<f64>,
    pub(crate) unit: fn(f64) -> String,
}

#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) participant: String,
    pub(crate) format: String,
    pub(crate) points: Vec<Point>,
}

#[derive(Debug)]
pub(crate) struct Point {
    pub(crate) x: f64,
    pub(crate) y: Spread,
    /// What is shown under the pointer; a point without it has no marker.
    pub(crate) tip: Option<String>,
    /// Its marker is only an outline, since the figure is not a plain one.
    pub(crate) is_hollow: bool,
}

/// Where a chart has its parts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame {
    pub(crate) width: f64,
    pub(crate) height: f64,
    /// What stays free around the chart.
    pub(crate) top: f64,
    pub(crate) left: f64,
    pub(crate) right: f64,
    pub(crate) bottom: f64,
}

/// The frame of the charts of the page.
pub(crate) const FRAME: Frame =
    Frame { width: 380.0, height: 290.0, top: 0.0, left: 2.0, right: 26.0, bottom: 0.0 };

impl Lines {
    /// Draws the lines, and returns where each of them ends; `None` if there is nothing to draw.
    pub(crate) fn draw(&self, svg: &mut Svg, frame: Frame, palette: &Palette) -> Option<Vec<f64>> {
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let x_domain = around(points().map(|point| point.x), self.x.kind)?;
        let y_values = points().flat_map(|point| [point.y.low, point.y.high]);
        let y_domain = match self.y.kind {
            Kind::Nines => (0.0, y_values.fold(0.99, f64::max).min(0.9999)),
            kind => around(y_values, kind)?,
        };
        let (top, bottom) = (frame.top + 24.0, frame.height - frame.bottom - 44.0);
        let y = Scale::new(self.y.kind, y_domain, (bottom, top));
        let y_ticks = y.ticks(if self.y.kind == Kind::Nines { 15.0 } else { 26.0 });
        let widest = y_ticks.iter().map(|tick| text_width(&(self.y.unit)(*tick), FONT)).fold(0.0, f64::max);
        let (left, right) = (frame.left + widest + 10.0, frame.width - frame.right);
        // The outermost points keep away from the edges, for their markers.
        let x = Scale::new(self.x.kind, x_domain, (left + 4.0, right));

        for tick in y_ticks {
            let at = y.at(tick);
            svg.path("grid", &format!("M{left:.1} {at:.1}H{right:.1}"));
            svg.text("tick", Anchor::End, (left - 6.0, at + 4.0), &(self.y.unit)(tick));
        }
        for (tick, label) in self.x_ticks(&x) {
            let at = x.at(tick);
            svg.path("grid", &format!("M{at:.1} {top:.1}V{bottom:.1}"));
            svg.text("tick", Anchor::Middle, (at, bottom + 18.0), &label);
        }
        svg.path("axis", &format!("M{left:.1} {bottom:.1}H{right:.1}"));
        svg.text("axis-title", Anchor::Start, (frame.left, frame.top + 12.0), &self.y.title);
        svg.text("axis-title", Anchor::End, (right + 10.0, bottom + 37.0), &self.x.title);
        // The first participant is drawn last, over the others.
        for line in self.lines.iter().rev() {
            line.draw(svg, &x, &y, palette);
        }
        Some(
            self.lines
                .iter()
                .map(|line| line.points.last().map_or(bottom, |point| y.at(point.y.median)))
                .collect(),
        )
    }

    fn x_ticks(&self, x: &Scale) -> Vec<(f64, String)> {
        let labels =
            |ticks: &[f64]| ticks.iter().map(|tick| (*tick, (self.x.unit)(*tick))).collect::<Vec<_>>();
        if self.x.ticks.is_empty() {
            return labels(&x.ticks(56.0));
        }
        let widest =
            self.x.ticks.iter().map(|tick| text_width(&(self.x.unit)(*tick), FONT)).fold(0.0, f64::max);
        labels(&x.apart(&self.x.ticks, widest + 6.0))
    }
}

impl Line {
    fn draw(&self, svg: &mut Svg, x: &Scale, y: &Scale, palette: &Palette) {
        svg.series(&palette.class(&self.participant), &self.participant);
        let mut outline = String::new();
        for (i, point) in self.points.iter().enumerate() {
            let step = if i == 0 { 'M' } else { 'L' };
            write!(outline, "{step}{:.1} {:.1}", x.at(point.x), y.at(point.y.median))
                .expect("a String takes all");
        }
        svg.path("line", &outline);
        for point in &self.points {
            let Some(tip) = &point.tip else { continue };
            let at = x.at(point.x);
            if point.y.high > point.y.low {
                svg.path("range", &format!("M{at:.1} {:.1}V{:.1}", y.at(point.y.low), y.at(point.y.high)));
            }
            let class = if point.is_hollow { "hollow" } else { "full" };
            svg.mark(class, &palette.marker(&self.participant, at, y.at(point.y.median), 4.0), tip);
        }
        svg.end();
    }
}

pub(crate) const FONT: f64 = 12.0;
