//! The number of each thread that records or counts, so that threads do not record into the same memory.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

static THREADS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static NUMBER: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// The number of this thread.
#[inline]
pub(crate) fn number() -> usize {
    match NUMBER.get() {
        usize::MAX => {
            let number = THREADS.fetch_add(1, Relaxed);
            NUMBER.set(number);
            number
        }
        number => number,
    }
}
