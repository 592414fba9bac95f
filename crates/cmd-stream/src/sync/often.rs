//! The lock of what several threads use again and again, each time for a few instructions: the table of a client.
//!
//! What is under it has to come from the processor of the thread that had it before, which takes longer than what is done with it. The
//! lock of `std` gives itself to whoever waits as soon as it is free, so that two busy threads take turns each time. Here a thread
//! that waits looks away for a time, in which the one that has the lock may take it several times. `bench/NOTES.md` has figures.

use std::hint::spin_loop;

use super::{Mutex, MutexGuard, PoisonError};

/// How often a thread that waits looks, before it sleeps until it is woken.
const LOOKS: u32 = 8;

/// For so long it looks away: 1.5 µs on a processor that takes 23 ns for a pause.
const PAUSES: u32 = 64;

/// Takes such a lock. Nothing that may panic runs under it, so it is never poisoned.
#[cfg(any(test, not(cmd_stream_lock_profile)))]
#[inline]
pub(crate) fn lock_often<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.try_lock().unwrap_or_else(|_| lock_later(mutex))
}

#[cfg(any(test, not(cmd_stream_lock_profile)))]
#[cold]
fn lock_later<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    look_again(|| mutex.try_lock().ok())
        .unwrap_or_else(|| mutex.lock().unwrap_or_else(PoisonError::into_inner))
}

/// In a profile the lock itself looks, and counts who waits.
#[cfg(all(cmd_stream_lock_profile, not(test)))]
#[track_caller]
pub(crate) fn lock_often<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn look_again<G>(look: impl Fn() -> Option<G>) -> Option<G> {
    (0..LOOKS).find_map(|_| {
        (0..PAUSES).for_each(|_| spin_loop());
        look()
    })
}
