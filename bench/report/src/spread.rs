//! The median of some figures, and their range.

use crate::units;

/// The median of some figures, and their range.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    /// The middle figure, or the mean of the middle two.
    pub(crate) median: f64,
    /// The least figure.
    pub(crate) low: f64,
    /// The greatest figure.
    pub(crate) high: f64,
    /// How many figures there are.
    pub(crate) rounds: usize,
}

impl Spread {
    /// Returns `None` if there are no figures. Those that are not numbers are passed over.
    pub(crate) fn of(figures: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut figures: Vec<f64> = figures.into_iter().filter(|figure| figure.is_finite()).collect();
        figures.sort_by(f64::total_cmp);
        let (low, high) = (*figures.first()?, *figures.last()?);
        let (lower, upper) = ((figures.len() - 1) / 2, figures.len() / 2);
        Some(Self { median: f64::midpoint(figures[lower], figures[upper]), low, high, rounds: figures.len() })
    }

    /// The text of all three figures: `31 µs (29–40)`, or only `31 µs` if there was one round.
    pub(crate) fn text(self, unit: impl Fn(f64) -> String) -> String {
        match self.range(&unit) {
            range if range.is_empty() => unit(self.median),
            range => format!("{} ({range})", unit(self.median)),
        }
    }

    /// The text of the lowest and the highest figure, to stand beside the median; empty if there was one round.
    pub(crate) fn range(self, unit: impl Fn(f64) -> String) -> String {
        match self.rounds {
            1 => String::new(),
            _ => units::range(&unit(self.median), &unit(self.low), &unit(self.high)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_of_an_odd_number_is_the_middle_one() {
        let spread = Spread::of([3.0, 1.0, 2.0]).unwrap();
        assert_eq!(spread, Spread { median: 2.0, low: 1.0, high: 3.0, rounds: 3 });
    }

    #[test]
    fn median_of_an_even_number_lies_between_the_middle_two() {
        assert_eq!(Spread::of([8.0, 1.0, 2.0, 4.0]).unwrap().median, 3.0);
        assert_eq!(Spread::of([]), None);
        assert_eq!(Spread::of([f64::NAN]), None);
    }

    #[test]
    fn one_round_has_no_range() {
        let text =
            |figures: &[f64]| Spread::of(figures.iter().copied()).unwrap().text(|value| format!("{value} s"));
        assert_eq!(text(&[2.0]), "2 s");
        assert_eq!(text(&[2.0, 4.0]), "3 s (2–4)");
    }
}
