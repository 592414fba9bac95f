//! The circuit breaker as an application uses it: who is told what and when, what counts, and what many threads may do. Its
//! rules are tested beside the code (`src/proto/circuit.rs`) and by the golden vectors (`wire_vectors/circuit.rs`).

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::thread;
use std::time::Duration;

use cmd_stream::circuit_breaker::{CircuitBreaker, OpenError, Settings, State, counts_by_default};
use cmd_stream::{CallError, Error, ErrorKind, Origin, Problem};
use tokio::time::{Instant, advance};

type Told = Arc<Mutex<Vec<State>>>;

fn lost() -> Error {
    Error::new(ErrorKind::Io, Origin::System, "connection reset").into_sent()
}

fn fail(breaker: &CircuitBreaker) {
    breaker.try_call().expect("the call may be made").fail(&lost());
}

fn succeed(breaker: &CircuitBreaker) {
    breaker.try_call().expect("the call may be made").success();
}

/// Opens at the second failure, and closes at the second success.
fn small() -> Settings {
    Settings::default().window(4).successes(2)
}

fn telling(settings: Settings) -> (CircuitBreaker, Told) {
    let told = Told::default();
    let settings = settings.on_change({
        let told = Arc::clone(&told);
        move |state| told.lock().unwrap().push(state)
    });
    (CircuitBreaker::new(settings), told)
}

#[test]
fn defaults_are_those_of_go() {
    let settings = Settings::default();
    assert_eq!((settings.get_window(), settings.get_failure_rate()), (50, 0.5));
    assert_eq!((settings.get_open_time(), settings.get_successes()), (Duration::from_secs(5), 3));
    let breaker = CircuitBreaker::new(settings);
    (0..24).for_each(|_| fail(&breaker));
    assert_eq!(breaker.state(), State::Closed);
    fail(&breaker);
    assert_eq!(breaker.state(), State::Open);
}

#[test]
fn settings_out_of_range_are_replaced_by_the_nearest_in_it() {
    let settings = |window, rate, time, successes| {
        let settings =
            Settings::default().window(window).failure_rate(rate).open_time(time).successes(successes);
        (
            settings.get_window(),
            settings.get_failure_rate(),
            settings.get_open_time(),
            settings.get_successes(),
        )
    };
    // Thirty years are for ever.
    let (milli, ever) = (Duration::from_millis(1), Duration::from_secs(30 * 365 * 24 * 60 * 60));
    assert_eq!(settings(0, -0.1, Duration::ZERO, 0), (1, 0.0, milli, 1));
    assert_eq!(settings(1, 0.0, milli, 1), (1, 0.0, milli, 1));
    assert_eq!(settings(65_536, 1.0, ever, usize::MAX), (65_536, 1.0, ever, usize::MAX));
    assert_eq!(settings(65_537, 1.1, Duration::MAX, 9), (65_536, 1.0, ever, 9));
    assert_eq!(settings(usize::MAX, f64::NAN, ever + milli, 9), (65_536, 1.0, ever, 9));
    assert_eq!(settings(9, f64::NEG_INFINITY, milli, 9).1, 0.0);
}

#[test]
fn the_extreme_settings_work() {
    let breaker = CircuitBreaker::new(Settings::default().failure_rate(0.0));
    fail(&breaker);
    assert_eq!(breaker.state(), State::Open, "with a rate of 0, one failure opens it");

    let breaker = CircuitBreaker::new(Settings::default().window(usize::MAX).failure_rate(1.0));
    (0..65_535).for_each(|_| fail(&breaker));
    assert_eq!(breaker.state(), State::Closed);
    fail(&breaker);
    assert_eq!(breaker.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn time_is_noticed_by_whoever_asks_next_and_told_then() {
    for ask in [(|breaker| drop(breaker.try_call())) as fn(&CircuitBreaker), |breaker| {
        assert_eq!(breaker.state(), State::HalfOpen)
    }] {
        let (breaker, told) = telling(small());
        fail(&breaker);
        fail(&breaker);
        assert_eq!(*told.lock().unwrap(), [State::Open]);
        advance(Duration::from_secs(5) - Duration::from_millis(1)).await;
        assert_eq!(breaker.state(), State::Open);
        assert!(breaker.try_call().is_none());
        advance(Duration::from_secs(3600)).await;
        assert_eq!(*told.lock().unwrap(), [State::Open], "nobody has asked");
        assert!(format!("{breaker:?}").contains("state: Open"), "{breaker:?}: to print it is not to ask");
        ask(&breaker);
        assert_eq!(*told.lock().unwrap(), [State::Open, State::HalfOpen]);
    }
}

#[tokio::test(start_paused = true)]
async fn each_change_is_told_once_and_what_changes_nothing_is_not() {
    let (breaker, told) = telling(small());
    breaker.reset();
    assert!(told.lock().unwrap().is_empty());
    fail(&breaker);
    fail(&breaker);
    advance(Duration::from_secs(5)).await;
    fail(&breaker);
    advance(Duration::from_secs(5)).await;
    succeed(&breaker);
    succeed(&breaker);
    fail(&breaker);
    fail(&breaker);
    breaker.reset();
    breaker.reset();
    use State::{Closed, HalfOpen, Open};
    assert_eq!(*told.lock().unwrap(), [Open, HalfOpen, Open, HalfOpen, Closed, Open, Closed]);
}

#[test]
fn the_callback_may_use_the_breaker_and_is_told_its_own_changes_after() {
    let cell = Arc::new(OnceLock::<CircuitBreaker>::new());
    let told = Told::default();
    let breaker = CircuitBreaker::new(small().on_change({
        let (cell, told) = (Arc::clone(&cell), Arc::clone(&told));
        move |state| {
            let breaker = cell.get().expect("it was set");
            if state == State::Open {
                breaker.reset();
                assert_eq!(breaker.state(), State::Closed);
                fail(breaker);
            }
            told.lock().unwrap().push(state); // after it has changed the state once more
        }
    }));
    cell.set(breaker.clone()).expect("it is empty");
    fail(&breaker);
    fail(&breaker);
    assert_eq!(*told.lock().unwrap(), [State::Open, State::Closed]);
}

#[test]
fn a_panic_in_the_callback_is_contained_and_the_next_change_is_told() {
    /// A value whose destructor panics, too.
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("the destructor of the payload");
        }
    }

    let calls = Arc::new(AtomicUsize::new(0));
    let breaker = CircuitBreaker::new(small().on_change({
        let calls = Arc::clone(&calls);
        move |_| {
            calls.fetch_add(1, Relaxed);
            std::panic::panic_any(Bomb);
        }
    }));
    fail(&breaker);
    fail(&breaker);
    breaker.reset();
    assert_eq!((calls.load(Relaxed), breaker.state()), (2, State::Closed));
}

#[test]
fn a_callback_that_takes_long_holds_up_nobody_else() {
    let (entered, on_entered) = mpsc::channel();
    let (leave, on_leave) = mpsc::channel::<()>();
    let on_leave = Mutex::new(on_leave);
    let told = Told::default();
    let breaker = CircuitBreaker::new(small().on_change({
        let told = Arc::clone(&told);
        move |state| {
            if state == State::Open {
                entered.send(()).expect("the test waits");
                on_leave.lock().unwrap().recv().expect("the test tells");
            }
            told.lock().unwrap().push(state);
        }
    }));
    thread::scope(|scope| {
        let slow = scope.spawn(|| {
            fail(&breaker);
            fail(&breaker);
        });
        on_entered.recv().expect("it is called");
        assert_eq!(breaker.state(), State::Open);
        assert!(breaker.try_call().is_none());
        breaker.reset(); // is told after the one that is being told
        assert!(told.lock().unwrap().is_empty());
        leave.send(()).expect("it waits");
        slow.join().expect("it ends");
    });
    assert_eq!(*told.lock().unwrap(), [State::Open, State::Closed]);
}

#[test]
fn lost_connections_and_timeouts_count_by_default_and_errors_of_this_side_do_not() {
    let error = |kind, origin| Error::new(kind, origin, "");
    for (kind, origin) in [
        (ErrorKind::Timeout, Origin::Local), // the deadline of the call
        (ErrorKind::Timeout, Origin::Remote),
        (ErrorKind::Timeout, Origin::System),
        (ErrorKind::Closed, Origin::Remote),
        (ErrorKind::Io, Origin::System),
        (ErrorKind::UnexpectedEof, Origin::Remote),
        (ErrorKind::Tls, Origin::Remote),
        (ErrorKind::ServerInfoMismatch, Origin::Remote),
        (ErrorKind::Decode, Origin::Remote),
        (ErrorKind::Limit, Origin::Remote),
    ] {
        assert!(counts_by_default(&error(kind, origin)), "{kind:?}, {origin:?}");
        assert!(counts_by_default(&error(kind, origin).into_sent()), "{kind:?}, {origin:?}");
    }
    for kind in [
        ErrorKind::Closed,
        ErrorKind::Encode,
        ErrorKind::Limit,
        ErrorKind::Panic,
        ErrorKind::Refused,
        ErrorKind::Tls,
    ] {
        assert!(!counts_by_default(&error(kind, Origin::Local)), "{kind:?}");
    }
    let failure: Error = CallError::Failed(Problem::new(1000, "no")).into();
    assert!(!counts_by_default(&failure));
}

#[test]
fn an_application_may_say_what_counts() {
    let failure = || Error::from(CallError::Failed(Problem::new(1000, "no")));
    let local = Error::new(ErrorKind::Encode, Origin::Local, "too deep");

    let breaker = CircuitBreaker::new(small().counts(|error| error.remote::<Problem>().is_some()));
    for _ in 0..10 {
        fail(&breaker); // does not count here
    }
    assert_eq!(breaker.state(), State::Closed);
    for _ in 0..2 {
        breaker.try_call().expect("it is closed").fail(&failure());
    }
    assert_eq!(breaker.state(), State::Open);

    let breaker = CircuitBreaker::new(small().counts(|_| panic!("in the function that says what counts")));
    for _ in 0..10 {
        breaker.try_call().expect("it is closed").fail(&local);
    }
    fail(&breaker);
    assert_eq!(breaker.state(), State::Closed, "the default decides, and this was the first one");
    fail(&breaker);
    assert_eq!(breaker.state(), State::Open);
}

#[test]
fn failures_that_the_server_answers_with_are_successes_and_other_errors_that_do_not_count_nothing() {
    let failures: [fn(&CircuitBreaker); 2] = [
        |breaker| {
            breaker.try_call().expect("closed").fail(&CallError::Failed(Problem::new(1000, "no")).into())
        },
        |breaker| {
            let result: Result<(), _> = Err(CallError::Failed(Problem::new(1000, "no")));
            breaker.try_call().expect("closed").end(&result);
        },
    ];
    for answered in failures {
        let breaker = CircuitBreaker::new(small());
        fail(&breaker);
        (0..4).for_each(|_| answered(&breaker)); // the window has four places
        fail(&breaker);
        assert_eq!(breaker.state(), State::Closed);
    }
    let nothing: [fn(&CircuitBreaker); 3] = [
        |breaker| drop(breaker.try_call().expect("closed")),
        |breaker| {
            let error = Error::new(ErrorKind::Closed, Origin::Local, "the client was closed");
            breaker.try_call().expect("closed").fail(&error);
        },
        |breaker| {
            let error = Error::new(ErrorKind::Limit, Origin::Local, "too large");
            breaker.try_call().expect("closed").end::<(), Infallible>(&Err(CallError::Other(error)));
        },
    ];
    for unknown in nothing {
        let breaker = CircuitBreaker::new(small());
        fail(&breaker);
        (0..4).for_each(|_| unknown(&breaker));
        fail(&breaker);
        assert_eq!(breaker.state(), State::Open);
    }
}

#[test]
fn results_of_calls_are_counted() {
    let breaker = CircuitBreaker::new(small());
    let end = |result: Result<i32, CallError<Problem>>| breaker.try_call().expect("closed").end(&result);
    end(Err(CallError::Other(lost())));
    (0..4).for_each(|_| end(Ok(1)));
    end(Err(CallError::Other(lost())));
    assert_eq!(breaker.state(), State::Closed, "the successes have pushed the first failure out");
    end(Err(CallError::Other(lost())));
    assert_eq!(breaker.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn trials_without_an_outcome_give_their_places_back() {
    let breaker = CircuitBreaker::new(small());
    fail(&breaker);
    fail(&breaker);
    advance(Duration::from_secs(5)).await;
    let cancelled = Error::new(ErrorKind::Closed, Origin::Local, "the client was closed");
    for _ in 0..10 {
        let (first, second) = (breaker.try_call().expect("a trial"), breaker.try_call().expect("a trial"));
        assert!(breaker.try_call().is_none());
        drop(first);
        second.fail(&cancelled);
        assert_eq!(breaker.state(), State::HalfOpen);
    }
    succeed(&breaker);
    succeed(&breaker);
    assert_eq!(breaker.state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn clones_are_one_breaker() {
    let breaker = CircuitBreaker::new(small());
    fail(&breaker);
    fail(&breaker.clone());
    assert_eq!(breaker.state(), State::Open);
    advance(Duration::from_secs(5)).await;
    let clone = breaker.clone();
    let trials = (breaker.try_call(), clone.try_call());
    assert!(trials.0.is_some() && trials.1.is_some() && breaker.try_call().is_none());
    clone.reset();
    assert_eq!(breaker.state(), State::Closed);
}

#[test]
fn it_says_that_it_is_open() {
    assert_eq!(OpenError.to_string(), "the circuit breaker is open");
    let breaker = CircuitBreaker::new(Settings::default().on_change(drop));
    let debug = format!("{breaker:?}");
    assert!(debug.contains("state: Closed") && debug.contains("has_on_change: true"), "{debug}");
}

/// What may follow a state, if nobody resets the breaker.
fn may_follow(before: State, after: State) -> bool {
    use State::{Closed, HalfOpen, Open};
    matches!((before, after), (Closed | HalfOpen, Open) | (Open, HalfOpen) | (HalfOpen, Closed))
}

#[test]
fn many_threads_may_use_it_and_changes_are_told_in_order() {
    const THREADS: usize = 4;
    const CALLS: usize = 30_000;
    let settings = Settings::default().window(8).successes(3).open_time(Duration::from_millis(1));
    let (breaker, told) = telling(settings);
    let made = AtomicUsize::new(0);
    let end = Instant::now() + Duration::from_secs(10);
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (breaker, made) = (breaker.clone(), &made);
            scope.spawn(move || {
                for n in 0..CALLS {
                    let Some(permit) = breaker.try_call() else {
                        thread::yield_now();
                        if Instant::now() > end {
                            break;
                        }
                        continue;
                    };
                    made.fetch_add(1, Relaxed);
                    match (n / 64 + thread) % 4 {
                        0 => permit.fail(&lost()),
                        1 if n % 16 == 0 => drop(permit),
                        _ => permit.success(),
                    }
                }
            });
        }
    });
    assert!(made.load(Relaxed) > 0);
    let told = told.lock().unwrap().clone();
    let mut before = State::Closed;
    let mut counts = HashMap::<_, usize>::new();
    for (at, after) in told.iter().enumerate() {
        assert!(may_follow(before, *after), "change {at}: {before} to {after}");
        *counts.entry(*after).or_default() += 1;
        before = *after;
    }
    assert!(counts.len() == 3, "not all states were reached: {counts:?}");
    // All calls have ended: whatever state it is in, no place is lost.
    breaker.reset();
    (0..4).for_each(|_| fail(&breaker));
    assert_eq!(breaker.state(), State::Open);
    while breaker.state() == State::Open {
        thread::yield_now();
    }
    (0..3).for_each(|_| succeed(&breaker));
    assert_eq!(breaker.state(), State::Closed);
}

#[test]
fn threads_never_have_more_trials_than_set() {
    let breaker =
        CircuitBreaker::new(Settings::default().window(1).successes(3).open_time(Duration::from_millis(1)));
    for _ in 0..50 {
        fail(&breaker);
        while breaker.state() == State::Open {
            thread::yield_now();
        }
        let barrier = std::sync::Barrier::new(4);
        let trials: usize = thread::scope(|scope| {
            let counts: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        let permits: Vec<_> = (0..3).filter_map(|_| breaker.try_call()).collect();
                        barrier.wait(); // until all have asked
                        let count = permits.len();
                        permits.into_iter().for_each(|permit| permit.success());
                        count
                    })
                })
                .collect();
            counts.into_iter().map(|count| count.join().expect("it ends")).sum()
        });
        assert_eq!((trials, breaker.state()), (3, State::Closed));
    }
}
