//! The scenarios that the Go circuit breaker went through, played to ours.
//!
//! There, outcomes belong to no call. Here each ends a [`Permit`], so a scenario says which one by what it does. An outcome
//! ends the oldest call that has been allowed in the same state and goes on; without one, it is that of a call that begins
//! now. If the breaker refuses such a call, the outcome is that of a call from before it opened.
//!
//! Played like this, all scenarios go as in Go. Ours differs for calls that Go cannot tell apart; [`MENDED`] names them, and
//! they have tests of their own.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cmd_stream::circuit_breaker::{CircuitBreaker, Permit, Settings, State};
use cmd_stream::{Error, ErrorKind, Origin};
use serde::Deserialize;
use serde_json::Value;
use testkit::vectors::{Layout, files_of};
use tokio::time::advance;

use super::{Checked, ensure};

/// Scenarios that end otherwise here if their calls are told apart.
const MENDED: [&str; 2] = [LATE, WITHOUT_OUTCOME];
const LATE: &str = "late_outcomes_while_open";
const WITHOUT_OUTCOME: &str = "half_open_trial_without_outcome";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scenario {
    #[serde(rename = "name")]
    _name: String,
    #[serde(rename = "description")]
    _description: String,
    options: Options,
    steps: Vec<Step>,
    state_callbacks: Vec<String>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {
    window_size: usize,
    failure_rate: f64,
    open_duration_ms: u64,
    success_threshold: usize,
}

#[derive(Deserialize, Debug)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
enum Step {
    Allow { count: usize, result: bool, state_after: String },
    Success { count: usize, state_after: String },
    Fail { count: usize, state_after: String },
    Sleep { ms: u64, state_after: String },
    ResetNow { count: usize, state_after: String },
}

/// A breaker, and the states that it has told.
fn breaker(options: Options) -> (CircuitBreaker, Arc<Mutex<Vec<String>>>) {
    let told = Arc::<Mutex<Vec<String>>>::default();
    let settings = Settings::default()
        .window(options.window_size)
        .failure_rate(options.failure_rate)
        .open_time(Duration::from_millis(options.open_duration_ms))
        .successes(options.success_threshold)
        .on_change({
            let told = Arc::clone(&told);
            move |state: State| told.lock().unwrap().push(state.to_string())
        });
    (CircuitBreaker::new(settings), told)
}

fn lost() -> Error {
    Error::new(ErrorKind::UnexpectedEof, Origin::Remote, "the connection was lost").into_sent()
}

/// The calls of a scenario.
struct Calls<'a> {
    breaker: &'a CircuitBreaker,
    /// Begun while it was closed, for outcomes that come while it is open.
    early: VecDeque<Permit<'a>>,
    /// Allowed, with the number of changes before.
    allowed: VecDeque<(usize, Permit<'a>)>,
    told: Arc<Mutex<Vec<String>>>,
}

impl<'a> Calls<'a> {
    fn changes(&self) -> usize {
        self.told.lock().unwrap().len()
    }

    fn allow(&mut self) -> bool {
        let permit = self.breaker.try_call();
        let is_allowed = permit.is_some();
        self.allowed.extend(permit.map(|permit| (self.changes(), permit)));
        is_allowed
    }

    /// The call that the next outcome is about.
    fn ending(&mut self) -> Result<Permit<'a>, String> {
        let changes = self.changes();
        if let Some(at) = self.allowed.iter().position(|(began, _)| *began == changes) {
            return Ok(self.allowed.remove(at).expect("it was just found").1);
        }
        let permit = self.breaker.try_call().or_else(|| self.early.pop_front());
        permit.ok_or_else(|| "an outcome more, and no call for it".to_owned())
    }

    /// Does a step `count` times. Returns what was allowed the last time.
    async fn play(&mut self, step: &Step) -> Result<Option<bool>, String> {
        let mut last = None;
        match *step {
            Step::Allow { count, .. } => (0..count).for_each(|_| last = Some(self.allow())),
            Step::Success { count, .. } => {
                for _ in 0..count {
                    self.ending()?.success();
                }
            }
            Step::Fail { count, .. } => {
                for _ in 0..count {
                    self.ending()?.fail(&lost());
                }
            }
            Step::Sleep { ms, .. } => advance(Duration::from_millis(ms)).await,
            Step::ResetNow { count, .. } => (0..count).for_each(|_| self.breaker.reset()),
        }
        Ok(last)
    }
}

impl Step {
    /// The state after it, and what was allowed.
    fn expected(&self) -> (&str, Option<bool>) {
        match self {
            Self::Allow { state_after, result, .. } => (state_after, Some(*result)),
            Self::Success { state_after, .. }
            | Self::Fail { state_after, .. }
            | Self::Sleep { state_after, .. }
            | Self::ResetNow { state_after, .. } => (state_after, None),
        }
    }
}

async fn check(vector: &Value) -> Checked {
    let scenario = Scenario::deserialize(vector).map_err(|error| error.to_string())?;
    let (breaker, told) = breaker(scenario.options);
    let early = (0..100).filter_map(|_| breaker.try_call()).collect();
    let mut calls = Calls { breaker: &breaker, early, allowed: VecDeque::new(), told: Arc::clone(&told) };
    for (number, step) in scenario.steps.iter().enumerate() {
        let allowed = calls.play(step).await.map_err(|error| format!("step {number}: {error}"))?;
        let state = breaker.state().to_string();
        let found = (state.as_str(), allowed);
        ensure!(found == step.expected(), "step {number}, {step:?}: found {found:?}");
    }
    let told = told.lock().unwrap();
    ensure!(*told == scenario.state_callbacks, "the callback was told {told:?}");
    Ok(())
}

fn scenarios() -> Vec<Value> {
    files_of(Layout::CircuitBreaker).into_iter().flat_map(|file| file.vectors).collect()
}

fn scenario(name: &str) -> Scenario {
    let found = scenarios().into_iter().find(|scenario| scenario["name"] == name);
    let found = found.unwrap_or_else(|| panic!("no scenario {name}"));
    Scenario::deserialize(&found).expect("it is one")
}

#[tokio::test(start_paused = true)]
async fn the_circuit_breaker_goes_through_every_scenario_as_that_of_go() {
    let mut failed = String::new();
    for vector in scenarios() {
        if let Err(error) = check(&vector).await {
            failed += &format!("\n{}: {error}", vector["name"]);
        }
    }
    assert!(failed.is_empty(), "{failed}");
}

/// There, the success of a call from before it opened closes a half-open breaker.
#[tokio::test(start_paused = true)]
async fn a_late_success_does_not_close_a_half_open_breaker() {
    let Scenario { options, steps, .. } = scenario(LATE);
    let (breaker, _) = breaker(options);
    let mut late: Vec<_> = (0..20).filter_map(|_| breaker.try_call()).collect();
    for step in &steps {
        let mut end = |success: bool| {
            let permit = late.pop().expect("there are enough");
            if success { permit.success() } else { permit.fail(&lost()) }
        };
        match *step {
            Step::Success { count, .. } => (0..count).for_each(|_| end(true)),
            Step::Fail { count, .. } => (0..count).for_each(|_| end(false)),
            Step::Sleep { ms, .. } => advance(Duration::from_millis(ms)).await,
            Step::Allow { .. } | Step::ResetNow { .. } => panic!("{step:?} in {LATE}"),
        }
    }
    let go = steps.last().expect("it has steps").expected().0;
    assert_eq!((go, breaker.state()), ("Closed", State::HalfOpen));
}

/// There, a trial without an outcome keeps its place until the breaker is reset.
#[tokio::test(start_paused = true)]
async fn a_trial_that_is_dropped_gives_its_place_back() {
    let Scenario { options, steps, .. } = scenario(WITHOUT_OUTCOME);
    let (breaker, _) = breaker(options);
    let mut calls = Vec::new();
    for step in &steps {
        match step {
            Step::Fail { .. } => breaker.try_call().expect("it is closed").fail(&lost()),
            Step::Sleep { ms, .. } => {
                calls.clear(); // the trial ends without an outcome
                advance(Duration::from_millis(*ms)).await;
            }
            Step::Allow { result, .. } if calls.is_empty() => {
                calls.push(breaker.try_call().expect("its place is free"));
                if !result {
                    return; // there, it is refused for ever
                }
            }
            Step::Allow { .. } => assert!(breaker.try_call().is_none(), "its place is taken"),
            Step::Success { .. } | Step::ResetNow { .. } => break,
        }
    }
    panic!("{WITHOUT_OUTCOME} does not show what it is named after");
}

#[test]
fn the_scenarios_that_are_mended_exist() {
    for name in MENDED {
        assert_eq!(scenarios().iter().filter(|scenario| scenario["name"] == name).count(), 1, "{name}");
    }
}

/// Shows that the check can fail: each change to a good scenario is noticed.
#[tokio::test(start_paused = true)]
async fn a_scenario_that_is_wrong_or_unknown_fails() {
    let good = scenarios().into_iter().find(|scenario| scenario["name"] == "readme").expect("it is there");
    check(&good).await.expect("it is good");
    for (pointer, wrong) in [
        ("/options/window_size", Value::from(2)),
        ("/options/failure_rate", Value::from(0.75)),
        ("/options/open_duration_ms", Value::from(151)),
        ("/options/success_threshold", Value::from(1)),
        ("/steps/0/result", Value::from(false)),
        ("/steps/2/count", Value::from(4)),
        ("/steps/3/state_after", Value::from("Closed")),
        ("/steps/5/op", Value::from("success_now")),
        ("/state_callbacks/1", Value::from("Open")),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(pointer).expect("it has that") = wrong;
        assert!(check(&bad).await.is_err(), "{pointer}");
    }
}
