use std::collections::VecDeque;

use proptest::prelude::*;

use super::*;
use Outcome::{Failure, Success, Unknown};

const RULES: Rules = Rules { window: 4, failure_rate: 0.5, open_time: Duration::from_secs(5), successes: 2 };

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Makes calls one after the other, which end like this.
fn calls(circuit: &mut Circuit<Duration>, outcomes: &[Outcome], now: Duration) {
    for outcome in outcomes {
        let began = circuit.admit(now).expect("the call may be made");
        circuit.end(began, *outcome, now);
    }
}

fn closed(rules: Rules) -> Circuit<Duration> {
    Circuit::new(rules)
}

/// A breaker that opened at 0 s.
fn opened(rules: Rules) -> Circuit<Duration> {
    let mut circuit = closed(rules);
    while circuit.state() == State::Closed {
        calls(&mut circuit, &[Failure], seconds(0));
    }
    circuit
}

#[test]
fn names_of_states_are_those_of_go() {
    let names = [State::Closed, State::HalfOpen, State::Open].map(|state| state.to_string());
    assert_eq!(names, ["Closed", "HalfOpen", "Open"]);
    assert_eq!(format!("{:>8}", State::Open), "    Open");
}

#[test]
fn it_starts_closed_opens_at_the_failure_rate_and_more_failures_change_nothing() {
    let mut circuit = closed(RULES);
    assert_eq!(circuit.state(), State::Closed);
    let late: Vec<_> = (0..5).map(|_| circuit.admit(seconds(0)).expect("it is closed")).collect();
    calls(&mut circuit, &[Failure], seconds(0));
    assert_eq!(circuit.state(), State::Closed);
    calls(&mut circuit, &[Failure], seconds(1));
    assert_eq!(circuit.state(), State::Open);
    for began in late {
        circuit.end(began, Failure, seconds(4));
    }
    assert_eq!(circuit.admit(seconds(5)), None, "it stays open for 5 s after the second failure");
    assert!(circuit.admit(seconds(6)).is_some(), "and no longer");
}

#[test]
fn a_failure_when_it_is_half_open_opens_it_again() {
    let mut circuit = opened(RULES);
    circuit.notice(seconds(5));
    assert_eq!(circuit.state(), State::HalfOpen);
    calls(&mut circuit, &[Success, Failure], seconds(7));
    assert_eq!(circuit.state(), State::Open);
    circuit.notice(seconds(11));
    assert_eq!(circuit.state(), State::Open);
    circuit.notice(seconds(12));
    assert_eq!(circuit.state(), State::HalfOpen);
    calls(&mut circuit, &[Success], seconds(12));
    assert_eq!(circuit.state(), State::HalfOpen, "the success of the earlier trial is forgotten");
}

#[test]
fn as_many_successes_as_set_close_it() {
    let mut circuit = opened(RULES);
    calls(&mut circuit, &[Success], seconds(5));
    assert_eq!(circuit.state(), State::HalfOpen);
    calls(&mut circuit, &[Success], seconds(5));
    assert_eq!(circuit.state(), State::Closed);
}

#[test]
fn after_closing_the_window_is_empty() {
    let rules = Rules { window: 8, ..RULES };
    let mut circuit = opened(rules);
    calls(&mut circuit, &[Success, Success, Failure, Failure, Failure], seconds(5));
    assert_eq!(circuit.state(), State::Closed);
    calls(&mut circuit, &[Failure], seconds(5));
    assert_eq!(circuit.state(), State::Open, "the fourth of eight");
}

#[test]
fn a_trial_without_an_outcome_gives_its_place_back() {
    let mut circuit = opened(Rules { successes: 1, ..RULES });
    let trial = circuit.admit(seconds(5)).expect("it is half-open");
    assert_eq!(circuit.admit(seconds(5)), None);
    circuit.end(trial, Unknown, seconds(6));
    assert_eq!(circuit.state(), State::HalfOpen);
    calls(&mut circuit, &[Success], seconds(6));
    assert_eq!(circuit.state(), State::Closed);
}

#[test]
fn calls_from_before_it_opened_do_not_count_later() {
    let mut circuit = closed(RULES);
    let late: Vec<_> = (0..6).map(|_| circuit.admit(seconds(0)).expect("it is closed")).collect();
    calls(&mut circuit, &[Failure, Failure], seconds(0));
    circuit.notice(seconds(5));
    let trials: Vec<_> = (0..2).map(|_| circuit.admit(seconds(5)).expect("a trial")).collect();
    for (began, outcome) in late.into_iter().zip([Success, Success, Success, Failure, Failure, Unknown]) {
        circuit.end(began, outcome, seconds(5));
        assert_eq!(circuit.state(), State::HalfOpen, "{outcome:?}");
        assert_eq!(circuit.admit(seconds(5)), None, "{outcome:?}: both places are taken");
    }
    // And a trial does not count after the next opening.
    circuit.end(trials[0], Failure, seconds(5));
    circuit.notice(seconds(10));
    circuit.end(trials[1], Failure, seconds(10));
    assert_eq!(circuit.state(), State::HalfOpen);
}

#[test]
fn calls_from_before_it_was_closed_by_hand_do_not_count() {
    let mut circuit = closed(RULES);
    let late: Vec<_> = (0..4).map(|_| circuit.admit(seconds(0)).expect("it is closed")).collect();
    circuit.close();
    for began in late {
        circuit.end(began, Failure, seconds(0));
    }
    assert!(circuit.is_spotless());
}

#[test]
fn every_rate_opens_at_the_number_of_failures_that_it_names() {
    for window in 1..=200_usize {
        for failures in 1..=window {
            let failure_rate = failures as f64 / window as f64;
            let mut circuit = closed(Rules { window, failure_rate, ..RULES });
            calls(&mut circuit, &vec![Failure; failures - 1], seconds(0));
            assert_eq!(circuit.state(), State::Closed, "{failures} of {window}");
            calls(&mut circuit, &[Failure], seconds(0));
            assert_eq!(circuit.state(), State::Open, "{failures} of {window}");
        }
    }
    // The rates that people write, which no binary fraction is equal to.
    for tenths in 1..=10_usize {
        let failure_rate = format!("{}.{}", tenths / 10, tenths % 10).parse().expect("it is a number");
        let mut circuit = closed(Rules { window: 10, failure_rate, ..RULES });
        calls(&mut circuit, &vec![Failure; tenths], seconds(0));
        assert_eq!(circuit.state(), State::Open, "{failure_rate}");
    }
}

/// What is done to a breaker.
#[derive(Clone, Copy, Debug)]
enum Step {
    Admit,
    /// One of the calls that have not ended ends.
    End(prop::sample::Index, Outcome),
    Pass(Duration),
    Close,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let outcome = prop_oneof![4 => Just(Success), 4 => Just(Failure), 1 => Just(Unknown)];
    let step = prop_oneof![
        40 => Just(Step::Admit),
        40 => (any::<prop::sample::Index>(), outcome).prop_map(|(index, outcome)| Step::End(index, outcome)),
        10 => (0..8_u64).prop_map(|time| Step::Pass(seconds(time))),
        1 => Just(Step::Close),
    ];
    prop::collection::vec(step, 0..300)
}

/// The rules of a breaker written down in the plainest way: it remembers every call by itself.
struct Plain {
    rules: Rules,
    state: State,
    /// The outcomes of calls that began and ended in this state; true is a failure.
    outcomes: VecDeque<bool>,
    opened_at: Duration,
    /// Whether each call that has not ended began in this state.
    calls: Vec<bool>,
}

impl Plain {
    fn enter(&mut self, state: State) {
        self.state = state;
        self.outcomes.clear();
        self.calls.fill(false);
    }

    fn trials(&self) -> usize {
        self.calls.iter().filter(|counts| **counts).count()
    }

    fn admit(&mut self, now: Duration) -> bool {
        if self.state == State::Open && now - self.opened_at >= self.rules.open_time {
            self.enter(State::HalfOpen);
        }
        let may = match self.state {
            State::Closed => true,
            State::HalfOpen => self.trials() + self.outcomes.len() < self.rules.successes,
            State::Open => false,
        };
        if may {
            self.calls.push(true);
        }
        may
    }

    fn end(&mut self, call: usize, outcome: Outcome, now: Duration) {
        let counts = self.calls.remove(call);
        if !counts || outcome == Unknown {
            return;
        }
        self.outcomes.push_back(outcome == Failure);
        let failed = self.outcomes.iter().rev().take(self.rules.window).filter(|failed| **failed).count();
        match (self.state, outcome) {
            (State::HalfOpen, Failure) => {
                self.opened_at = now;
                self.enter(State::Open);
            }
            (State::HalfOpen, _) if self.outcomes.len() >= self.rules.successes => self.enter(State::Closed),
            (State::Closed, Failure)
                if failed as f64 / self.rules.window as f64 >= self.rules.failure_rate =>
            {
                self.opened_at = now;
                self.enter(State::Open);
            }
            _ => {}
        }
    }
}

proptest! {
    #[test]
    fn it_does_what_the_rules_say_and_never_lets_out_more_trials_than_set(
        steps in steps(),
        window in prop_oneof![1..8_usize, 60..140_usize],
        failure_rate in 0.0..=1.0,
        successes in 1..5_usize,
    ) {
        let rules = Rules { window, failure_rate, successes, ..RULES };
        let mut circuit = closed(rules);
        let mut plain = Plain {
            rules,
            state: State::Closed,
            outcomes: VecDeque::new(),
            opened_at: seconds(0),
            calls: Vec::new(),
        };
        let mut now = seconds(0);
        let mut calls = Vec::new();
        for step in steps {
            match step {
                Step::Admit => {
                    let began = circuit.admit(now);
                    prop_assert_eq!(began.is_some(), plain.admit(now));
                    calls.extend(began);
                }
                Step::End(index, outcome) if !calls.is_empty() => {
                    let call = index.index(calls.len());
                    circuit.end(calls.remove(call), outcome, now);
                    plain.end(call, outcome, now);
                }
                Step::End(..) => {}
                Step::Pass(time) => now += time,
                Step::Close => {
                    circuit.close();
                    plain.enter(State::Closed);
                }
            }
            prop_assert_eq!(circuit.state(), plain.state);
            if circuit.state() == State::HalfOpen {
                let out = calls.iter().filter(|began| **began == circuit.generation()).count();
                prop_assert!(out <= successes, "{} trials are out", out);
            }
            let remembers = plain.outcomes.iter().rev().take(window).any(|failed| *failed);
            prop_assert_eq!(circuit.is_spotless(), circuit.state() == State::Closed && !remembers);
        }
    }

    #[test]
    fn a_server_that_is_back_always_closes_it_in_the_end(steps in steps(), successes in 1..5_usize) {
        let mut circuit = closed(Rules { successes, ..RULES });
        let mut now = seconds(0);
        let mut calls = Vec::new();
        for step in steps {
            match step {
                Step::Admit => calls.extend(circuit.admit(now)),
                Step::End(index, outcome) if !calls.is_empty() => {
                    let call = index.index(calls.len());
                    circuit.end(calls.remove(call), outcome, now);
                }
                Step::Pass(time) => now += time,
                Step::End(..) | Step::Close => {}
            }
        }
        // Whatever has not ended is dropped: nothing may keep a place.
        for began in calls {
            circuit.end(began, Unknown, now);
        }
        now += RULES.open_time;
        for _ in 0..successes {
            let began = circuit.admit(now);
            prop_assert!(began.is_some(), "{:?}", circuit);
            circuit.end(began.expect("it was just seen"), Success, now);
        }
        prop_assert_eq!(circuit.state(), State::Closed);
    }
}
