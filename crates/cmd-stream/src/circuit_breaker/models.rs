//! Models of the breaker: loom runs each of them in every order in which its threads can take the lock.

use loom::thread;

use super::*;
use crate::error::Origin;

/// Opens at the first failure. Returns what its callback is told.
fn breaker() -> (CircuitBreaker, Arc<std::sync::Mutex<Vec<State>>>) {
    let told = Arc::<std::sync::Mutex<Vec<_>>>::default();
    let settings = Settings::default().window(2).on_change({
        let told = Arc::clone(&told);
        move |state| told.lock().unwrap_or_else(PoisonError::into_inner).push(state)
    });
    (CircuitBreaker::new(settings), told)
}

fn fail(breaker: &CircuitBreaker) {
    let lost = Error::new(ErrorKind::Io, Origin::System, "connection reset");
    if let Some(permit) = breaker.try_call() {
        permit.fail(&lost);
    }
}

#[test]
fn changes_of_several_threads_are_all_told_and_in_order() {
    loom::model(|| {
        let (breaker, told) = breaker();
        let other = breaker.clone();
        let resetting = thread::spawn(move || other.reset());
        fail(&breaker);
        breaker.reset();
        resetting.join().expect("it does not panic");
        let told = told.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // The failure does not count if the other thread resets the breaker between the call's begin and its end.
        assert!(told.is_empty() || told == [State::Open, State::Closed], "{told:?}");
        let inner = breaker.shared.lock();
        assert!(inner.untold.is_empty() && !inner.is_telling);
    });
}

#[test]
fn a_success_without_the_lock_takes_back_no_failure() {
    loom::model(|| {
        let (breaker, _) = breaker();
        let other = breaker.clone();
        let success = breaker.try_call().expect("it is closed");
        let failing = thread::spawn(move || fail(&other));
        success.success();
        failing.join().expect("it does not panic");
        assert_eq!(breaker.state(), State::Open);
    });
}
