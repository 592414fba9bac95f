//! From figures to places: linear and logarithmic scales, and the values at which their grid lines stand.

/// Where figures lie between two ends of an axis.
#[derive(Clone, Debug)]
pub(crate) struct Scale {
    kind: Kind,
    /// The least and the greatest figure.
    domain: (f64, f64),
    /// Where these two are.
    range: (f64, f64),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    Linear,
    Log,
    /// Of shares below 1: each further nine takes as much room as the one before it.
    Nines,
}

impl Scale {
    pub(crate) fn new(kind: Kind, domain: (f64, f64), range: (f64, f64)) -> Self {
        Self { kind, domain, range }
    }

    pub(crate) fn at(&self, value: f64) -> f64 {
        let [low, high, value] =
            [self.domain.0, self.domain.1, value].map(|value| self.kind.stretched(value));
        let share = if high > low { ((value - low) / (high - low)).clamp(0.0, 1.0) } else { 0.5 };
        self.range.0 + share * (self.range.1 - self.range.0)
    }

    /// Round figures for grid lines, at least `gap` apart, ascending.
    pub(crate) fn ticks(&self, gap: f64) -> Vec<f64> {
        let (low, high) = self.domain;
        let room = (self.range.1 - self.range.0).abs() / gap;
        match self.kind {
            Kind::Linear => linear_ticks(low, high, room),
            Kind::Log => {
                let finest = [&[1.0, 2.0, 5.0][..], &[1.0, 3.0], &[1.0]]
                    .into_iter()
                    .map(|steps| log_ticks(low, high, steps));
                let rest = (2..6).map(|jump| decades(low, high, jump));
                let narrow = [1.0, 1.5, 2.0, 3.0]
                    .into_iter()
                    .filter(|_| high / low < 4.0)
                    .map(|fewer| linear_ticks(low, high, room / fewer));
                let mut all = narrow.into_iter().chain(finest).chain(rest);
                all.find(|ticks| self.are_apart(ticks, gap)).unwrap_or_default()
            }
            Kind::Nines => self.apart(&[0.0, 0.5, 0.9, 0.99, 0.999, 0.9999], gap),
        }
    }

    /// The values that are at least `gap` behind the one before them.
    pub(crate) fn apart(&self, values: &[f64], gap: f64) -> Vec<f64> {
        let mut kept: Vec<f64> = Vec::new();
        for &value in values.iter().filter(|value| (self.domain.0..=self.domain.1).contains(*value)) {
            if kept.last().is_none_or(|last| (self.at(value) - self.at(*last)).abs() >= gap) {
                kept.push(value);
            }
        }
        kept
    }

    fn are_apart(&self, ticks: &[f64], gap: f64) -> bool {
        !ticks.is_empty() && ticks.windows(2).all(|pair| (self.at(pair[1]) - self.at(pair[0])).abs() >= gap)
    }
}

impl Kind {
    fn stretched(self, value: f64) -> f64 {
        match self {
            Self::Linear => value,
            Self::Log => value.max(f64::MIN_POSITIVE).log10(),
            Self::Nines => -(1.0 - value).max(1e-9).log10(),
        }
    }
}

/// The least and the greatest of some figures, with a little air; none if there are no figures.
pub(crate) fn around(values: impl IntoIterator<Item = f64>, kind: Kind) -> Option<(f64, f64)> {
    let (low, high) = values
        .into_iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
    if low > high {
        return None;
    }
    Some(match kind {
        Kind::Log => (low / 1.15, high * 1.15),
        Kind::Linear | Kind::Nines => (low.min(0.0), high * 1.05),
    })
}

fn linear_ticks(low: f64, high: f64, room: f64) -> Vec<f64> {
    let least = (high - low) / room.max(1.0);
    let power = 10f64.powf(least.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|step| step * power).into_iter().find(|step| *step >= least);
    let step = step.unwrap_or(10.0 * power);
    if !step.is_normal() {
        return vec![low];
    }
    let (first, last) = ((low / step - 1e-9).ceil() as i64, (high / step + 1e-9).floor() as i64);
    (first..=last).map(|at| at as f64 * step).collect()
}

fn log_ticks(low: f64, high: f64, steps: &[f64]) -> Vec<f64> {
    let (first, last) = (low.log10().floor() as i32, high.log10().ceil() as i32);
    let all = (first..=last).flat_map(|power| steps.iter().map(move |step| step * 10f64.powi(power)));
    all.filter(|tick| (low..=high).contains(tick)).collect()
}

fn decades(low: f64, high: f64, jump: usize) -> Vec<f64> {
    log_ticks(low, high, &[1.0]).into_iter().step_by(jump).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_decade_of_a_log_scale_takes_as_much_room() {
        let scale = Scale::new(Kind::Log, (1.0, 1000.0), (0.0, 300.0));
        assert_eq!([1.0, 10.0, 100.0, 1000.0].map(|v| scale.at(v).round()), [0.0, 100.0, 200.0, 300.0]);
        assert_eq!(scale.at(0.0), 0.0, "what is outside of the scale stays at its end");
    }

    #[test]
    fn each_nine_takes_as_much_room() {
        let scale = Scale::new(Kind::Nines, (0.0, 0.9999), (200.0, 0.0));
        assert_eq!(
            [0.0, 0.9, 0.99, 0.999, 0.9999].map(|v| scale.at(v).round()),
            [200.0, 150.0, 100.0, 50.0, 0.0]
        );
    }

    #[test]
    fn ticks_are_round_and_apart() {
        let ticks = |kind, domain, gap| Scale::new(kind, domain, (0.0, 300.0)).ticks(gap);
        assert_eq!(ticks(Kind::Linear, (0.0, 1.0e6), 60.0), [0.0, 2e5, 4e5, 6e5, 8e5, 1e6]);
        assert_eq!(ticks(Kind::Log, (0.9, 110.0), 50.0), [1.0, 3.0, 10.0, 30.0, 100.0]);
        assert_eq!(ticks(Kind::Log, (1.0, 1e9), 60.0), [1.0, 1e2, 1e4, 1e6, 1e8]);
        let narrow = ticks(Kind::Log, (0.85, 1.15), 60.0);
        assert!(narrow.len() >= 3 && narrow.iter().any(|tick| (tick - 1.0).abs() < 1e-9), "{narrow:?}");
    }

    #[test]
    fn scale_of_one_figure_has_a_place_for_it() {
        let (low, high) = around([5.0], Kind::Log).unwrap();
        assert!(low < 5.0 && 5.0 < high);
        assert_eq!(around([], Kind::Log), None);
        assert_eq!(Scale::new(Kind::Linear, (0.0, 0.0), (0.0, 10.0)).at(0.0), 5.0);
        assert!(Scale::new(Kind::Linear, (0.0, 0.0), (0.0, 10.0)).ticks(10.0).len() <= 1);
    }
}
