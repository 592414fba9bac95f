//! The chart: throughput against cmd-stream-go, one bar per setting. Knows SVG.

use std::fmt::Write;

use super::{Run, Setting};
use crate::spread::{Spread, thousands};

/// Draws the chart as an SVG that can be read on a light and on a dark page.
///
/// # Errors
///
/// If a participant is missing in a setting.
pub fn chart(run: &Run) -> Result<String, String> {
    let settings = run.settings()?;
    let greatest = settings.iter().map(|setting| setting.against_go.max).fold(1.0, f64::max);
    let axis = Axis::reaching(greatest);
    let mut body = String::new();
    let mut y = TOP;
    let mut format = "";
    for setting in &settings {
        if setting.format != format {
            format = setting.format;
            y += if y == TOP { 0.0 } else { GAP };
            text(&mut body, MARGIN, y + ROW * 0.68, "name", &name(format));
        }
        bar(&mut body, &axis, setting, y);
        y += ROW;
    }
    let mut grid = String::new();
    axis.draw(&mut grid, y);
    let height = y + 44.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         role=\"img\" aria-label=\"Throughput of cmd-stream for Rust, as a multiple of that of cmd-stream-go\">\n{STYLE}"
    );
    element(&mut svg, "<rect class=\"card\" width=\"100%\" height=\"100%\" rx=\"6\"/>");
    text(&mut svg, MARGIN, 26.0, "title", "Throughput, as a multiple of cmd-stream-go's");
    text(&mut svg, RATES, TOP - 10.0, "note", "commands/s");
    text(&mut svg, SHARES, TOP - 10.0, "note", "of raw TCP");
    text(&mut svg, MARGIN, height - 10.0, "note", CAPTION);
    svg += &grid;
    svg += &body;
    axis.mark_one(&mut svg, y);
    svg += "</svg>\n";
    Ok(svg)
}

/// A bar for the median, a line from the lowest to the highest round, and the figures.
fn bar(svg: &mut String, axis: &Axis, setting: &Setting<'_>, y: f64) {
    let Spread { median, min, max } = setting.against_go;
    let (middle, right) = (y + ROW / 2.0, axis.x(median));
    let label = format!("{} in flight", thousands(f64::from(setting.in_flight)));
    label_at(svg, LEFT - 8.0, middle + 4.0, &label);
    element(
        svg,
        &format!(
            "<rect class=\"bar\" x=\"{LEFT}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\"/>",
            y + 4.0,
            right - LEFT,
            ROW - 8.0
        ),
    );
    let (low, high) = (axis.x(min), axis.x(max));
    element(
        svg,
        &format!(
            "<path class=\"spread\" d=\"M{low:.1} {middle:.1}H{high:.1}M{low:.1} {0:.1}V{1:.1}M{high:.1} {0:.1}V{1:.1}\"/>",
            middle - 4.0,
            middle + 4.0
        ),
    );
    text(svg, high.max(right) + 8.0, middle + 4.0, "value", &format!("{median:.1}x"));
    text(svg, RATES, middle + 4.0, "note", &thousands(setting.rate));
    if let Some(share) = setting.against_pump {
        text(svg, SHARES, middle + 4.0, "note", &format!("{:.0} %", share.median * 100.0));
    }
}

struct Axis {
    step: u32,
    steps: u32,
}

impl Axis {
    /// With round numbers at the grid lines, and room for the greatest value.
    fn reaching(greatest: f64) -> Self {
        let step =
            [1, 2, 5, 10, 20, 50].into_iter().find(|step| greatest / f64::from(*step) <= 6.0).unwrap_or(100);
        Self { step, steps: (greatest / f64::from(step)).ceil() as u32 }
    }

    fn x(&self, value: f64) -> f64 {
        LEFT + value / f64::from(self.step * self.steps) * (RIGHT - LEFT)
    }

    fn draw(&self, svg: &mut String, bottom: f64) {
        for value in (0..=self.steps).map(|at| at * self.step) {
            let x = self.x(f64::from(value));
            element(svg, &format!("<path class=\"grid\" d=\"M{x:.1} {TOP}V{bottom:.1}\"/>"));
            element(
                svg,
                &format!(
                    "<text class=\"note\" text-anchor=\"middle\" x=\"{x:.1}\" y=\"{:.1}\">{value}x</text>",
                    TOP - 10.0
                ),
            );
        }
    }

    /// Where a bar would end if both were equally fast; over the bars.
    fn mark_one(&self, svg: &mut String, bottom: f64) {
        let x = self.x(1.0);
        element(svg, &format!("<path class=\"one\" d=\"M{x:.1} {TOP}V{bottom:.1}\"/>"));
    }
}

fn name(format: &str) -> String {
    match format {
        "json" | "mus" => format.to_uppercase(),
        _ => format[..1].to_uppercase() + &format[1..],
    }
}

fn text(svg: &mut String, x: f64, y: f64, class: &str, text: &str) {
    element(svg, &format!("<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{text}</text>"));
}

fn label_at(svg: &mut String, x: f64, y: f64, text: &str) {
    element(
        svg,
        &format!("<text class=\"note\" text-anchor=\"end\" x=\"{x:.1}\" y=\"{y:.1}\">{text}</text>"),
    );
}

fn element(svg: &mut String, element: &str) {
    writeln!(svg, "{element}").expect("a String takes all that is written to it");
}

const WIDTH: f64 = 840.0;
const MARGIN: f64 = 16.0;
/// Where the bars begin and end.
const LEFT: f64 = 180.0;
const RIGHT: f64 = 600.0;
/// Where the columns of rates and of shares begin.
const RATES: f64 = 672.0;
const SHARES: f64 = 758.0;
const TOP: f64 = 62.0;
const ROW: f64 = 24.0;
const GAP: f64 = 12.0;

const CAPTION: &str = "Bars: median of the rounds. Lines: lowest to highest round. Dashed: cmd-stream-go itself. Raw TCP \
                       decodes nothing.";

/// The chart has a background of its own, so that it can be read on any page. It is dark if the reader's system is.
const STYLE: &str = "<style>\n\
    .card { fill: #ffffff }\n\
    text { font: 13px system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif; fill: #1f2328 }\n\
    .title { font-size: 16px; font-weight: 600 } .name, .value { font-weight: 600 }\n\
    .note { font-size: 12px; fill: #59636e } .bar { fill: #3b82c4 }\n\
    .spread { stroke: #1f2328; stroke-width: 1.5; fill: none } .grid { stroke: #8b949e; stroke-opacity: 0.35 }\n\
    .one { stroke: #c2410c; stroke-width: 1.5; stroke-dasharray: 4 3 }\n\
    @media (prefers-color-scheme: dark) {\n\
    .card { fill: #0d1117 } text { fill: #e6edf3 } .note { fill: #9198a1 }\n\
    .spread { stroke: #e6edf3 } .one { stroke: #f0883e }\n\
    }\n\
    </style>\n";
