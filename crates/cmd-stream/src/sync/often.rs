//! The lock of what several threads use again and again, each time for a few instructions: the table of a client.
//!
//! What is under it has to come from the processor of the thread that had it before, which takes longer than what is done with it. The
//! lock of `std` gives itself to whoever waits as soon as it is free, so that two busy threads take turns each time. Here a thread
//! that waits looks away for a time, in which the one that has the lock may take it several times. `bench/NOTES.md` has figures.

use std::hint::spin_loop;
#[cfg(any(test, not(cmd_stream_lock_profile)))]
use std::sync::TryLockError;

#[cfg(any(test, not(cmd_stream_lock_profile)))]
use super::PoisonError;
use super::{Mutex, MutexGuard};

/// How often a thread that waits looks, before it sleeps until it is woken.
const LOOKS: u32 = 8;

/// How many pauses it makes before it looks. They take 1.5 µs where a pause takes 23 ns, and several times as much or as little on
/// other processors.
const PAUSES: u32 = 64;

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

pub(super) fn look_again<G>(look: impl Fn() -> Option<G>) -> Option<G> {
    (0..LOOKS).find_map(|_| {
        (0..PAUSES).for_each(|_| spin_loop());
        look()
    })
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
