//! Tells all who wait that something has changed. Their wakers may be those of any executor, and may panic: each of the others is
//! woken all the same, and whoever rings goes on. (With `tokio::sync::Notify` a panic would take the wake-ups of the others with
//! it, and end the task that rings.)

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use super::wake_all;
use crate::sync::{Mutex, MutexGuard, PoisonError};

/// Boxed, from the first time that somebody listens: each connection of a server has a bell, and most of them none who does.
#[derive(Debug, Default)]
pub(crate) struct Bell(Mutex<Option<Box<State>>>);

#[derive(Debug, Default)]
struct State {
    /// How often it has rung.
    rung: u64,
    waiting: BTreeMap<u64, Waker>,
    next: u64,
}

impl Bell {
    fn lock(&self) -> MutexGuard<'_, Option<Box<State>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes all who wait. Never under a lock, as their wakers may run any code.
    pub(crate) fn ring(&self) {
        let waiting = {
            let mut state = self.lock();
            let Some(state) = state.as_mut() else { return };
            state.rung += 1;
            std::mem::take(&mut state.waiting)
        };
        wake_all(waiting.into_values());
    }

    /// Waits until it rings after this call. So whoever listens first, and looks then, misses nothing.
    pub(crate) fn listen(&self) -> Listening<'_> {
        let seen = self.lock().get_or_insert_default().rung;
        Listening { bell: self, seen, place: None }
    }
}

pub(crate) struct Listening<'a> {
    bell: &'a Bell,
    seen: u64,
    place: Option<u64>,
}

impl Future for Listening<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let waker = cx.waker().clone(); // before the lock: it is the caller's, and may panic
        let _before = {
            let mut guard = this.bell.lock();
            let state = guard.get_or_insert_default();
            if state.rung != this.seen {
                this.place = None;
                return Poll::Ready(());
            }
            let place = *this.place.get_or_insert_with(|| {
                state.next += 1;
                state.next
            });
            state.waiting.insert(place, waker)
        };
        Poll::Pending
    }
}

impl Drop for Listening<'_> {
    fn drop(&mut self) {
        // The waker is dropped without the lock.
        let _waker = self.place.and_then(|place| self.bell.lock().as_mut()?.waiting.remove(&place));
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Counted {
        woken: AtomicUsize,
        panics: bool,
    }

    impl Wake for Counted {
        fn wake(self: Arc<Self>) {
            self.woken.fetch_add(1, Relaxed);
            assert!(!self.panics, "a waker that panics");
        }
    }

    #[test]
    fn all_are_woken_though_one_of_them_panics() {
        let bell = Bell::default();
        let wakers = [false, true, false].map(|panics| Arc::new(Counted { panics, ..Counted::default() }));
        let mut listening: Vec<_> = wakers.iter().map(|_| Box::pin(bell.listen())).collect();
        for (listening, waker) in listening.iter_mut().zip(&wakers) {
            let waker = Waker::from(Arc::clone(waker));
            assert!(listening.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            assert!(listening.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        }
        bell.ring();
        assert!(wakers.iter().all(|waker| waker.woken.load(Relaxed) == 1));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(listening.iter_mut().all(|listening| listening.as_mut().poll(&mut cx).is_ready()));
    }

    #[test]
    fn a_ring_between_listening_and_waiting_is_not_missed_and_one_who_leaves_is_not_kept() {
        let bell = Bell::default();
        let mut cx = Context::from_waker(Waker::noop());
        let mut first = pin!(bell.listen());
        bell.ring();
        assert!(first.as_mut().poll(&mut cx).is_ready());
        {
            let mut second = pin!(bell.listen());
            assert!(second.as_mut().poll(&mut cx).is_pending());
            assert_eq!(bell.lock().as_ref().map(|state| state.waiting.len()), Some(1));
        }
        assert_eq!(bell.lock().as_ref().map(|state| state.waiting.len()), Some(0));
    }
}
