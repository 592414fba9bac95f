//! The median of some figures, and their range.

use std::fmt;

/// The median of some figures, and their range.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The middle figure, or the mean of the middle two.
    pub median: f64,
    /// The least figure.
    pub min: f64,
    /// The greatest figure.
    pub max: f64,
}

impl Spread {
    /// Returns `None` if there are no figures.
    pub fn of(figures: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut figures: Vec<f64> = figures.into_iter().collect();
        figures.sort_by(f64::total_cmp);
        let (min, max) = (*figures.first()?, *figures.last()?);
        let upper = figures.len() / 2;
        let lower = (figures.len() - 1) / 2;
        Some(Self { median: f64::midpoint(figures[lower], figures[upper]), min, max })
    }

    /// The ratios, ours over theirs, of figures at the same place.
    pub fn of_ratios(ours: &[f64], theirs: &[f64]) -> Option<Self> {
        Self::of(ours.iter().zip(theirs).map(|(our, their)| our / their))
    }

    /// The text of ratios: `18.80x (14.91 to 21.00)`, or `0.312x (0.227 to 0.343)` where two digits would say little.
    pub fn times(self) -> String {
        let Self { median, min, max } = self;
        let digits = if median < 1.0 { 3 } else { 2 };
        format!("{median:.digits$}x ({min:.digits$} to {max:.digits$})")
    }
}

/// As ratios: `1.05 (0.98 to 1.11)`.
impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { median, min, max } = self;
        write!(f, "{median:.2} ({min:.2} to {max:.2})")
    }
}

/// A whole number with commas: 1,234,567.
pub fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_of_an_odd_number_is_the_middle_one() {
        assert_eq!(Spread::of([3.0, 1.0, 2.0]), Some(Spread { median: 2.0, min: 1.0, max: 3.0 }));
    }

    #[test]
    fn median_of_an_even_number_lies_between_the_middle_two() {
        assert_eq!(Spread::of([8.0, 1.0, 2.0, 4.0]).map(|spread| spread.median), Some(3.0));
        assert_eq!(Spread::of([]), None);
    }

    #[test]
    fn ratios_are_those_of_the_same_round() {
        let spread = Spread::of_ratios(&[10.0, 80.0, 3.0], &[5.0, 10.0, 1.0]).unwrap();
        assert_eq!(spread.to_string(), "3.00 (2.00 to 8.00)");
    }

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!([0.4, 999.0, 1e3, 1_234_567.0].map(thousands), ["0", "999", "1,000", "1,234,567"]);
    }
}
