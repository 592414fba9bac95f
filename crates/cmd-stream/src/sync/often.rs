//! The lock of what several threads use again and again, each time for a few instructions: the table of a client.
//!
//! What is under it has to come from the processor of the thread that had it before, which takes longer than what is done with it. The
//! lock of `std` gives itself to whoever waits as soon as it is free, so that two busy threads take turns each time. Here a thread
//! that waits looks away for a time, in which the one that has the lock may take it several times. How long depends on how far the
//! two processors are from each other, and so on how long a look takes. `bench/NOTES.md` has figures.

use std::cell::Cell;
use std::hint::spin_loop;
#[cfg(any(test, not(cmd_stream_lock_profile)))]
use std::sync::TryLockError;
use std::time::{Duration, Instant};

#[cfg(any(test, not(cmd_stream_lock_profile)))]
use super::PoisonError;
use super::{Mutex, MutexGuard};

/// How often a thread that waits looks, before it sleeps until it is woken.
const LOOKS: u32 = 8;

/// It looks away for so many times as long as a look takes. On the machine of the figures the way between the two processors is 45 ns
/// at times, when next to nothing is gained by waiting, and 190 ns at others.
const AWAY: u32 = 6;

/// A look that took longer counts as interrupted.
const LONGEST: Duration = Duration::from_nanos(400);

thread_local! {
    /// How long this thread looks away: [`AWAY`] times a mean of what its last looks took. It begins between near and far.
    static AWAY_FOR: Cell<Duration> = const { Cell::new(Duration::from_micros(1)) };
}

/// Takes such a lock. One that is poisoned is taken as well.
#[cfg(any(test, not(cmd_stream_lock_profile)))]
#[inline]
pub(crate) fn lock_often<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    match look(mutex) {
        Some(guard) => guard,
        None => lock_later(mutex),
    }
}

/// What is poisoned must not wait in the error while the lock is asked for once more: the error holds it.
#[cfg(any(test, not(cmd_stream_lock_profile)))]
#[inline]
fn look<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

#[cfg(any(test, not(cmd_stream_lock_profile)))]
#[cold]
fn lock_later<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    look_again(|| look(mutex)).unwrap_or_else(|| mutex.lock().unwrap_or_else(PoisonError::into_inner))
}

/// In a profile the lock itself looks, and counts who waits.
#[cfg(all(cmd_stream_lock_profile, not(test)))]
#[track_caller]
pub(crate) fn lock_often<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock_often()
}

/// Looks away before each look, the first one too: whoever comes here has just looked.
pub(super) fn look_again<G>(look: impl Fn() -> Option<G>) -> Option<G> {
    let mut away = AWAY_FOR.get();
    let taken = (0..LOOKS).find_map(|_| {
        let looks = look_away(away);
        let taken = look();
        // Although it may have the lock: where processors are near, each look succeeds.
        away = (away * 7 + looks.elapsed().min(LONGEST) * AWAY) / 8;
        taken
    });
    AWAY_FOR.set(away);
    taken
}

/// Returns when the time was over.
fn look_away(time: Duration) -> Instant {
    let since = Instant::now();
    loop {
        spin_loop();
        let now = Instant::now();
        if now.duration_since(since) >= time {
            return now;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc::channel;
    use std::thread;
    use std::time::Duration;

    use super::*;

    /// Takes the lock in a thread of its own, as it would wait for itself in this one.
    fn lock(mutex: &Arc<Mutex<u32>>) -> u32 {
        let (done, is_done) = channel();
        let mutex = Arc::clone(mutex);
        thread::spawn(move || done.send(*lock_often(&mutex)));
        is_done.recv_timeout(Duration::from_secs(20)).expect("the lock is free, or will be")
    }

    #[test]
    fn a_poisoned_lock_is_taken() {
        let mutex = Arc::new(Mutex::new(1));
        let poisons = Arc::clone(&mutex);
        let panicked = thread::spawn(move || {
            let _guard = lock_often(&poisons);
            panic!("as it should");
        });
        assert!(panicked.join().is_err());
        assert_eq!((lock(&mutex), lock(&mutex)), (1, 1));
    }

    #[test]
    fn who_waits_longer_than_it_looks_sleeps_until_the_lock_is_free() {
        let mutex = Arc::new(Mutex::new(0));
        let mut guard = lock_often(&mutex);
        let waits = Arc::clone(&mutex);
        let waiting = thread::spawn(move || *lock_often(&waits));
        thread::sleep(Duration::from_millis(20));
        *guard = 2;
        drop(guard);
        assert_eq!(waiting.join().expect("no panic"), 2);
    }

    #[test]
    fn it_looks_away_for_as_long_as_looks_take_within_bounds() {
        let after = |each: Duration| {
            for _ in 0..10 {
                assert_eq!(
                    look_again(|| {
                        look_away(each);
                        None::<()>
                    }),
                    None
                );
            }
            AWAY_FOR.get()
        };
        // All on this thread. A look that is interrupted is taken for the longest.
        let (long, short) = (after(10 * LONGEST), after(Duration::ZERO));
        assert!(long > LONGEST * AWAY * 9 / 10 && long <= LONGEST * AWAY, "{long:?}");
        let clock = (0..100).map(|_| Instant::now().elapsed()).min().expect("there are some");
        assert!(short < long || clock * 4 > LONGEST, "{short:?}, the clock takes {clock:?}");
    }

    #[test]
    fn threads_that_take_turns_lose_nothing() {
        let mutex = Arc::new(Mutex::new(0));
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let mutex = Arc::clone(&mutex);
                thread::spawn(move || (0..10_000).for_each(|_| *lock_often(&mutex) += 1))
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
        assert_eq!(lock(&mutex), 40_000);
    }
}
