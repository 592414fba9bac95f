//! How many retries the calls of the last 10 s allow. Retries beyond a share of the calls would make the overload worse that
//! they are to get over.

/// The calls and retries of the last [`WINDOW`] seconds. The caller says which second it is, counted from any instant, and how
/// many calls there were in all.
#[derive(Debug)]
pub(crate) struct Budget {
    seconds: [Second; WINDOW as usize],
    /// Of 100 calls.
    percent: u64,
    least: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Second {
    /// The number of this second, plus one; 0 if there was none.
    number: u64,
    /// How many calls there were before it.
    calls_before: u64,
    retries: u64,
}

/// In seconds.
const WINDOW: u64 = 10;

impl Budget {
    /// Allows this share of the calls, but `least` in any case.
    pub(crate) fn new(percent: u64, least: u64) -> Self {
        Self { seconds: [Second::default(); WINDOW as usize], percent, least }
    }

    /// Notes how many calls there have been. The more often, the better is known when they were.
    pub(crate) fn note(&mut self, second: u64, calls: u64) {
        self.second(second, calls);
    }

    /// Whether there may be one more retry, which is then booked.
    pub(crate) fn take(&mut self, second: u64, calls: u64) -> bool {
        self.second(second, calls);
        let oldest = second.saturating_sub(WINDOW - 1);
        let recent = self.seconds.iter().filter(|one| one.number > oldest);
        let (mut calls_before, mut retries) = (calls, 0);
        for one in recent {
            calls_before = calls_before.min(one.calls_before);
            retries += one.retries;
        }
        // A retry is a call as well, but not one that allows others.
        let calls = (calls - calls_before).saturating_sub(retries);
        let may = retries < self.least.max(calls.saturating_mul(self.percent) / 100);
        if may {
            self.second(second, calls).retries += 1;
        }
        may
    }

    /// A retry that was booked was not made. If its second has just passed, it stays booked.
    pub(crate) fn give_back(&mut self, second: u64) {
        let one = &mut self.seconds[(second % WINDOW) as usize];
        if one.number == second + 1 {
            one.retries = one.retries.saturating_sub(1);
        }
    }

    fn second(&mut self, second: u64, calls: u64) -> &mut Second {
        let one = &mut self.seconds[(second % WINDOW) as usize];
        if one.number != second + 1 {
            *one = Second { number: second + 1, calls_before: calls, retries: 0 };
        }
        one
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(budget: &mut Budget, second: u64, calls: u64) -> u64 {
        let mut taken = 0;
        // Each retry is a call, too.
        while budget.take(second, calls + taken) {
            taken += 1;
        }
        taken
    }

    #[test]
    fn a_few_are_allowed_whatever_the_load_and_come_back_after_the_window() {
        let mut budget = Budget::new(10, 100);
        assert_eq!(taken(&mut budget, 0, 5), 100);
        assert_eq!(taken(&mut budget, 9, 105), 0);
        assert_eq!(taken(&mut budget, 10, 105), 100);
    }

    #[test]
    fn a_tenth_of_the_calls_of_the_window_is_allowed() {
        let mut budget = Budget::new(10, 100);
        for second in 0..10 {
            budget.note(second, second * 1000);
        }
        assert_eq!(taken(&mut budget, 9, 10_000), 1000);
        // 19 s later nobody has called.
        assert_eq!(taken(&mut budget, 28, 11_000), 100);
    }

    #[test]
    fn the_calls_of_long_ago_allow_nothing() {
        let mut budget = Budget::new(10, 0);
        budget.note(0, 0);
        budget.note(5, 1_000_000);
        assert_eq!(taken(&mut budget, 30, 1_000_000), 0);
        assert_eq!(taken(&mut budget, 31, 1_000_100), 10);
    }

    #[test]
    fn a_budget_of_nothing_allows_nothing() {
        let mut budget = Budget::new(0, 0);
        budget.note(0, 0);
        assert_eq!(taken(&mut budget, 0, 1_000_000), 0);
    }
}
