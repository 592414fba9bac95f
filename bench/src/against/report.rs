//! Shows how two sides compare: the ratio first, then the figures of each. Knows figures, but not where they come from.

use std::fmt::Write;

use bench::spread::{Spread, thousands};
use serde::Serialize;

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Figure {
    Rate,
    P50Us,
    Allocations,
    Instructions,
}

/// One figure of one setting, on both sides.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Row {
    pub(crate) figure: Figure,
    pub(crate) format: &'static str,
    pub(crate) in_flight: u32,
    pub(crate) connections: u32,
    /// This tree's figure over the other's. `None` if the other's is 0.
    pub(crate) ratio: Option<Range>,
    pub(crate) this: Range,
    pub(crate) against: Range,
}

/// A value that represents some figures, and the lowest and the highest of them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Range {
    pub(crate) value: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl From<Spread> for Range {
    fn from(Spread { median, min, max }: Spread) -> Self {
        Self { value: median, min, max }
    }
}

impl Figure {
    fn name(self) -> &'static str {
        match self {
            Self::Rate => "commands/s",
            Self::P50Us => "p50 us",
            Self::Allocations => "allocations",
            Self::Instructions => "instructions",
        }
    }

    /// The median of figures that vary in both directions. Disturbances only increase counts (a thread wakes once more), so the
    /// lowest count is the best.
    fn of(self, figures: &[f64]) -> Option<Range> {
        let range = Range::from(Spread::of(figures.iter().copied())?);
        Some(if self.is_count() { Range { value: range.min, ..range } } else { range })
    }

    /// Of figures of the same round, with at least one round.
    fn ratio(self, this: &[f64], against: &[f64]) -> Option<Range> {
        let pairs = this.iter().zip(against).filter(|(this, against)| **this > 0.0 && **against > 0.0);
        let (this, against): (Vec<f64>, Vec<f64>) = pairs.unzip();
        let range = Range::from(Spread::of_ratios(&this, &against)?);
        if self.is_count() {
            let value = self.of(&this)?.value / self.of(&against)?.value;
            return Some(Range { value, ..range });
        }
        Some(range)
    }

    fn is_count(self) -> bool {
        matches!(self, Self::Allocations | Self::Instructions)
    }

    fn show(self, range: Range) -> String {
        let number = |value: f64| match self {
            Self::Rate | Self::Instructions => thousands(value),
            Self::P50Us => format!("{value:.1}"),
            Self::Allocations => format!("{value:.3}"),
        };
        let Range { value, min, max } = range;
        format!("{} ({} to {})", number(value), number(min), number(max))
    }
}

impl Row {
    /// Returns `None` if either side has no figures. Figures at the same place are of the same round.
    pub(crate) fn new(
        figure: Figure,
        (format, in_flight, connections): (&'static str, u32, u32),
        [this, against]: &[Vec<f64>; 2],
    ) -> Option<Self> {
        Some(Self {
            figure,
            format,
            in_flight,
            connections,
            ratio: figure.ratio(this, against),
            this: figure.of(this)?,
            against: figure.of(against)?,
        })
    }

    /// Allocations are so few that a difference says more than a ratio.
    fn comparison(&self) -> String {
        match (self.figure, self.ratio) {
            (Figure::Allocations, _) => format!("{:+.3}", self.this.value - self.against.value),
            (_, None) => "-".to_owned(),
            (Figure::Instructions, Some(Range { value, min, max })) => {
                format!("{value:.4}x ({min:.4} to {max:.4})")
            }
            (_, Some(Range { value, min, max })) => format!("{value:.3}x ({min:.3} to {max:.3})"),
        }
    }
}

/// Fails if this tree takes more than `at_most` times the other's instructions, in any Format.
pub(crate) fn hold(rows: &[Row], at_most: f64) -> Result<(), String> {
    let ratio =
        |row: &Row| Some((row.format, row.ratio.filter(|_| row.figure == Figure::Instructions)?.value));
    let over = rows.iter().filter_map(ratio).filter(|(_, ratio)| *ratio > at_most);
    let over: Vec<_> = over.map(|(format, ratio)| format!("{format} {ratio:.4}")).collect();
    match over.is_empty() {
        true => Ok(()),
        false => Err(format!("times as many instructions as before: {}, over {at_most}", over.join(", "))),
    }
}

/// One object a line, each a figure of a setting.
pub(crate) fn json_lines(rows: &[Row]) -> String {
    let lines = rows.iter().map(|row| serde_json::to_string(row).expect("a row is numbers and names"));
    lines.map(|line| line + "\n").collect()
}

/// For people.
pub(crate) fn table(rows: &[Row], against: &str) -> String {
    let mut text = String::new();
    let mut line = |cells: [&str; 5]| {
        let [setting, figure, comparison, this, against] = cells;
        writeln!(text, "{setting:<16}{figure:<14}{comparison:<28}{this:<36}{against}")
            .expect("a String takes all");
    };
    line(["in flight", "", &format!("this / {against}"), "this tree", against]);
    for row in rows {
        line([
            &format!("{} ({})", row.in_flight, row.format),
            row.figure.name(),
            &row.comparison(),
            &row.figure.show(row.this),
            &row.figure.show(row.against),
        ]);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTING: (&str, u32, u32) = ("json", 64, 2);

    fn row(figure: Figure, this: &[f64], against: &[f64]) -> Row {
        Row::new(figure, SETTING, &[this.to_vec(), against.to_vec()]).unwrap()
    }

    #[test]
    fn ratios_are_those_of_the_same_round() {
        let row = row(Figure::Rate, &[1_000.0, 400.0, 90.0], &[500.0, 400.0, 100.0]);
        assert_eq!(row.ratio, Some(Range { value: 1.0, min: 0.9, max: 2.0 }));
        assert_eq!(row.this, Range { value: 400.0, min: 90.0, max: 1_000.0 });
        assert_eq!(row.against, Range { value: 400.0, min: 100.0, max: 500.0 });
    }

    #[test]
    fn round_in_which_a_side_timed_nothing_has_no_ratio() {
        let figures = row(Figure::P50Us, &[0.0, 3.0], &[2.0, 2.0]);
        assert_eq!(figures.ratio, Some(Range { value: 1.5, min: 1.5, max: 1.5 }));
        assert_eq!(row(Figure::P50Us, &[0.0], &[2.0]).comparison(), "-");
        assert_eq!(Row::new(Figure::P50Us, SETTING, &[vec![], vec![]]), None);
    }

    #[test]
    fn least_count_stands_for_all() {
        let row = row(Figure::Instructions, &[1_010.0, 1_500.0, 1_030.0], &[1_900.0, 1_000.0, 1_005.0]);
        assert_eq!((row.this.value, row.against.value), (1_010.0, 1_000.0));
        assert_eq!(row.ratio.map(|ratio| ratio.value), Some(1.01));
    }

    #[test]
    fn too_many_instructions_fail_and_a_lower_rate_does_not() {
        let rows = [
            row(Figure::Rate, &[1.0], &[9.0]),
            row(Figure::Allocations, &[9.0], &[1.0]),
            row(Figure::Instructions, &[1_010.0], &[1_000.0]),
        ];
        assert_eq!(hold(&rows, 1.01), Ok(()));
        let error = hold(&rows, 1.009).unwrap_err();
        assert!(error.contains("json 1.0100, over 1.009"), "{error}");
    }

    #[test]
    fn table_has_the_ratio_first() {
        let rows = [
            row(Figure::Rate, &[500_000.0], &[400_000.0]),
            row(Figure::Allocations, &[0.25], &[0.0]),
            row(Figure::Instructions, &[4_004.0], &[4_000.0]),
        ];
        let text = table(&rows, "58bc337");
        let lines: Vec<_> =
            text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(
            lines,
            [
                "in flight this / 58bc337 this tree 58bc337",
                "64 (json) commands/s 1.250x (1.250 to 1.250) 500,000 (500,000 to 500,000) \
                 400,000 (400,000 to 400,000)",
                "64 (json) allocations +0.250 0.250 (0.250 to 0.250) 0.000 (0.000 to 0.000)",
                "64 (json) instructions 1.0010x (1.0010 to 1.0010) 4,004 (4,004 to 4,004) \
                 4,000 (4,000 to 4,000)",
            ]
        );
    }

    #[test]
    fn json_has_the_promised_names_and_null_where_nothing_can_be_divided() {
        assert_eq!(
            json_lines(&[row(Figure::Allocations, &[0.5], &[0.0])]),
            concat!(
                r#"{"figure":"allocations","format":"json","in_flight":64,"connections":2,"ratio":null,"#,
                r#""this":{"value":0.5,"min":0.5,"max":0.5},"against":{"value":0.0,"min":0.0,"max":0.0}}"#,
                "\n"
            )
        );
    }
}
