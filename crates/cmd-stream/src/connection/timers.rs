//! What a connection waits for that has a time: a few named timers, over one of tokio's.
//!
//! Their deadlines move with every frame. To set a timer of tokio's as often would cost more than a small frame does. So a
//! driver remembers instants, and works the deadlines out when it has nothing else to do.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// What a connection can wait for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Timer {
    /// The peer must read some of the output.
    Stall,
    /// The frame that has begun must be whole.
    Frame,
    /// Another frame must be whole.
    Idle,
    /// The room in the read buffer is given back.
    Shrink,
}

impl Timer {
    /// In the order in which they count if several are due.
    const ALL: [Self; 4] = [Self::Stall, Self::Frame, Self::Idle, Self::Shrink];
}

/// When each [`Timer`] is due; those that are not set never are.
#[derive(Debug, Default)]
pub(crate) struct Deadlines([Option<Instant>; Timer::ALL.len()]);

impl Deadlines {
    /// Sets a timer, unless there is no instant from which its time counts. A time that no instant can hold is never over.
    pub(crate) fn set(&mut self, timer: Timer, since: Option<Instant>, time: Duration) {
        self.0[timer as usize] = since.and_then(|since| since.checked_add(time));
    }

    fn earliest(&self) -> Option<Instant> {
        self.0.iter().flatten().min().copied()
    }

    fn due_at(&self, now: Instant) -> Option<Timer> {
        Timer::ALL.into_iter().find(|timer| self.0[*timer as usize].is_some_and(|deadline| deadline <= now))
    }
}

/// One timer of tokio's for all that a connection waits for.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    /// Set again only when it would ring too late. If it rings too early, the deadline is looked at.
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Timers {
    /// Waits until a timer is due. Pending if none is: then the task is woken when one is, or before.
    pub(crate) fn poll(&mut self, deadlines: &Deadlines, cx: &mut Context<'_>) -> Poll<Timer> {
        let Some(earliest) = deadlines.earliest() else { return Poll::Pending };
        loop {
            if self.sleep.as_ref().is_none_or(|sleep| sleep.deadline() > earliest) {
                // Looked at first: to set a timer that waits to an instant in the past wakes this very task.
                if let Some(timer) = deadlines.due_at(Instant::now()) {
                    return Poll::Ready(timer);
                }
                match &mut self.sleep {
                    Some(sleep) => sleep.as_mut().reset(earliest),
                    None => self.sleep = Some(Box::pin(sleep_until(earliest))),
                }
            }
            let Some(sleep) = &mut self.sleep else { return Poll::Pending };
            if sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            // It may have rung for a deadline that has moved since.
            let rang_at = sleep.deadline();
            self.sleep = None;
            if let Some(timer) = deadlines.due_at(rang_at) {
                return Poll::Ready(timer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
    use std::task::{Wake, Waker};

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicBool);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Relaxed);
        }
    }

    const SECOND: Duration = Duration::from_secs(1);

    async fn first_due(timers: &mut Timers, deadlines: &Deadlines) -> Timer {
        poll_fn(|cx| timers.poll(deadlines, cx)).await
    }

    #[tokio::test(start_paused = true)]
    async fn the_earliest_is_due_first_though_it_was_set_later() {
        let (start, mut timers, mut deadlines) = (Instant::now(), Timers::default(), Deadlines::default());
        deadlines.set(Timer::Idle, Some(start), 10 * SECOND);
        assert!(poll_fn(|cx| Poll::Ready(timers.poll(&deadlines, cx))).await.is_pending());
        deadlines.set(Timer::Shrink, Some(start), SECOND);
        assert_eq!(first_due(&mut timers, &deadlines).await, Timer::Shrink);
        assert_eq!(start.elapsed().as_secs(), 1);
        deadlines.set(Timer::Shrink, None, SECOND);
        assert_eq!(first_due(&mut timers, &deadlines).await, Timer::Idle);
        assert_eq!(start.elapsed().as_secs(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_that_has_moved_is_waited_for() {
        let (start, mut timers, mut deadlines) = (Instant::now(), Timers::default(), Deadlines::default());
        deadlines.set(Timer::Frame, Some(start), SECOND);
        assert!(poll_fn(|cx| Poll::Ready(timers.poll(&deadlines, cx))).await.is_pending());
        deadlines.set(Timer::Frame, Some(start + SECOND), SECOND);
        assert_eq!(first_due(&mut timers, &deadlines).await, Timer::Frame);
        assert_eq!(start.elapsed().as_secs(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn of_several_that_are_due_the_first_by_name_counts() {
        let (start, mut timers, mut deadlines) = (Instant::now(), Timers::default(), Deadlines::default());
        deadlines.set(Timer::Shrink, Some(start), SECOND);
        deadlines.set(Timer::Stall, Some(start), 2 * SECOND);
        tokio::time::advance(3 * SECOND).await;
        assert_eq!(first_due(&mut timers, &deadlines).await, Timer::Stall);
    }

    #[tokio::test(start_paused = true)]
    async fn a_timer_that_is_due_already_does_not_wake_the_task() {
        let (start, mut timers, mut deadlines) = (Instant::now(), Timers::default(), Deadlines::default());
        deadlines.set(Timer::Frame, Some(start), 10 * SECOND);
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        assert!(timers.poll(&deadlines, &mut Context::from_waker(&waker)).is_pending());
        tokio::time::advance(2 * SECOND).await;
        deadlines.set(Timer::Shrink, Some(start), SECOND);
        let due = timers.poll(&deadlines, &mut Context::from_waker(&waker));
        assert_eq!(due, Poll::Ready(Timer::Shrink));
        assert!(!woken.0.load(Relaxed), "it would be polled and woken for ever");
    }

    #[tokio::test(start_paused = true)]
    async fn a_time_that_no_instant_can_hold_is_never_over() {
        let (mut timers, mut deadlines) = (Timers::default(), Deadlines::default());
        deadlines.set(Timer::Frame, Some(Instant::now()), Duration::MAX);
        assert!(poll_fn(|cx| Poll::Ready(timers.poll(&deadlines, cx))).await.is_pending());
        assert!(timers.sleep.is_none());
    }
}
