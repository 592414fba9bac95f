//! What a connection waits for that has a time: a few named timers, over one of tokio's.
//!
//! Their deadlines move with every frame. To set a timer of tokio's as often would cost more than a small frame does. So a
//! driver remembers instants, and works the deadlines out when it has nothing else to do.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::task::coop::unconstrained;
use tokio::time::{Instant, Sleep, sleep_until};

/// When each timer is due. `T` names them. Each driver has names of its own.
#[derive(Debug)]
pub(crate) struct Deadlines<T> {
    set: [Option<(T, Instant)>; MOST],
    len: usize,
}

/// How many timers one connection has at most.
const MOST: usize = 10;

impl<T: Copy> Deadlines<T> {
    pub(crate) fn new() -> Self {
        Self { set: [None; MOST], len: 0 }
    }

    /// Sets a timer, unless there is no instant from which its time counts. A time that no instant can hold is never over. If
    /// several are due, the one that was set first counts.
    pub(crate) fn set(&mut self, timer: T, since: Option<Instant>, time: Duration) {
        self.set_at(timer, since.and_then(|since| since.checked_add(time)));
    }

    /// Sets a timer to an instant, if there is one.
    pub(crate) fn set_at(&mut self, timer: T, deadline: Option<Instant>) {
        if let Some(deadline) = deadline {
            self.set[self.len] = Some((timer, deadline));
            self.len += 1;
        }
    }

    fn earliest(&self) -> Option<Instant> {
        self.set[..self.len].iter().flatten().map(|(_, deadline)| *deadline).min()
    }

    fn due_at(&self, now: Instant) -> Option<T> {
        let mut set = self.set[..self.len].iter().flatten();
        set.find(|(_, deadline)| *deadline <= now).map(|(timer, _)| *timer)
    }
}

/// One timer of tokio's for all that a connection waits for.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    /// Set again only when it would ring too late. If it rings too early, the deadline is looked at.
    sleep: Option<Pin<Box<Sleep>>>,
    /// Whom it wakes.
    waker: Option<Waker>,
}

impl Timers {
    /// Waits until a timer is due. Pending if none is: then the task is woken when one is, or before. `looked_at` is when this
    /// poll of the task has looked at the clock, if it has.
    pub(crate) fn poll<T: Copy>(
        &mut self,
        deadlines: &Deadlines<T>,
        looked_at: Option<Instant>,
        cx: &mut Context<'_>,
    ) -> Poll<T> {
        let Some(earliest) = deadlines.earliest() else { return Poll::Pending };
        if let (Some(sleep), Some(now)) = (&self.sleep, looked_at)
            && now < sleep.deadline()
            && sleep.deadline() <= earliest
            && self.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()))
        {
            // It has not rung before this poll began, and will wake this task when it does.
            return Poll::Pending;
        }
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
            // Whatever the poll of this task has spent of its budget: a timer that is not polled because of that wakes nobody.
            if pin!(unconstrained(sleep.as_mut())).poll(cx).is_pending() {
                self.waker.get_or_insert_with(|| cx.waker().clone()).clone_from(cx.waker());
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
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicBool);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Relaxed);
        }
    }

    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    enum Timer {
        Stall,
        Frame,
        Idle,
        Shrink,
    }

    /// Each of them as many seconds after the start.
    fn deadlines(start: Instant, timers: &[(Timer, u32)]) -> Deadlines<Timer> {
        let mut deadlines = Deadlines::new();
        for (timer, seconds) in timers {
            deadlines.set(*timer, Some(start), *seconds * SECOND);
        }
        deadlines
    }

    const SECOND: Duration = Duration::from_secs(1);

    async fn first_due(timers: &mut Timers, deadlines: &Deadlines<Timer>) -> Timer {
        poll_fn(|cx| timers.poll(deadlines, None, cx)).await
    }

    /// As Commands do that are polled in place, and take locks of tokio's.
    #[tokio::test(start_paused = true)]
    async fn a_timer_rings_though_the_budget_of_the_task_was_spent_when_it_was_set() {
        let (start, woken) = (Instant::now(), Arc::new(Woken::default()));
        let (mut timers, deadlines) = (Timers::default(), deadlines(start, &[(Timer::Frame, 1)]));
        let waker = Waker::from(Arc::clone(&woken));
        let mut poll = |looked_at| {
            assert!(timers.poll(&deadlines, looked_at, &mut Context::from_waker(&waker)).is_pending());
        };
        poll_fn(|cx| {
            while let Poll::Ready(spent) = tokio::task::coop::poll_proceed(cx) {
                spent.made_progress();
            }
            poll(None);
            Poll::Ready(())
        })
        .await;
        tokio::task::yield_now().await;
        poll(Some(Instant::now()));
        woken.0.store(false, Relaxed);
        tokio::time::sleep(2 * SECOND).await;
        assert!(woken.0.load(Relaxed));
    }

    #[tokio::test(start_paused = true)]
    async fn the_earliest_is_due_first_though_it_was_set_later() {
        let (start, mut timers) = (Instant::now(), Timers::default());
        let idle = deadlines(start, &[(Timer::Idle, 10)]);
        assert!(poll_fn(|cx| Poll::Ready(timers.poll(&idle, None, cx))).await.is_pending());
        let both = deadlines(start, &[(Timer::Idle, 10), (Timer::Shrink, 1)]);
        assert_eq!(first_due(&mut timers, &both).await, Timer::Shrink);
        assert_eq!(start.elapsed().as_secs(), 1);
        assert_eq!(first_due(&mut timers, &idle).await, Timer::Idle);
        assert_eq!(start.elapsed().as_secs(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_that_has_moved_is_waited_for() {
        let (start, mut timers) = (Instant::now(), Timers::default());
        let first = deadlines(start, &[(Timer::Frame, 1)]);
        assert!(poll_fn(|cx| Poll::Ready(timers.poll(&first, None, cx))).await.is_pending());
        assert_eq!(first_due(&mut timers, &deadlines(start, &[(Timer::Frame, 2)])).await, Timer::Frame);
        assert_eq!(start.elapsed().as_secs(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn of_several_that_are_due_the_one_that_was_set_first_counts() {
        let (start, mut timers) = (Instant::now(), Timers::default());
        let deadlines = deadlines(start, &[(Timer::Stall, 2), (Timer::Shrink, 1)]);
        tokio::time::advance(3 * SECOND).await;
        assert_eq!(first_due(&mut timers, &deadlines).await, Timer::Stall);
    }

    #[tokio::test(start_paused = true)]
    async fn a_timer_that_is_due_already_does_not_wake_the_task() {
        let (start, mut timers) = (Instant::now(), Timers::default());
        let frame = deadlines(start, &[(Timer::Frame, 10)]);
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        assert!(timers.poll(&frame, None, &mut Context::from_waker(&waker)).is_pending());
        tokio::time::advance(2 * SECOND).await;
        let shrink = deadlines(start, &[(Timer::Frame, 10), (Timer::Shrink, 1)]);
        let due = timers.poll(&shrink, None, &mut Context::from_waker(&waker));
        assert_eq!(due, Poll::Ready(Timer::Shrink));
        assert!(!woken.0.load(Relaxed), "it would be polled and woken for ever");
    }

    #[tokio::test(start_paused = true)]
    async fn a_timer_that_was_not_looked_at_again_still_wakes_whoever_came_last() {
        let (start, mut timers) = (Instant::now(), Timers::default());
        let frame = deadlines(start, &[(Timer::Frame, 1)]);
        let woken = [(); 2].map(|()| Arc::new(Woken::default()));
        let wakers = [0, 1].map(|n: usize| Waker::from(Arc::clone(&woken[n])));
        for (waker, looked_at) in [(0, None), (0, Some(start)), (1, Some(start)), (1, Some(start))] {
            assert!(timers.poll(&frame, looked_at, &mut Context::from_waker(&wakers[waker])).is_pending());
        }
        tokio::time::sleep(SECOND).await;
        assert!(!woken[0].0.load(Relaxed) && woken[1].0.load(Relaxed));
        let due = timers.poll(&frame, Some(Instant::now()), &mut Context::from_waker(&wakers[1]));
        assert_eq!(due, Poll::Ready(Timer::Frame));
    }

    #[tokio::test(start_paused = true)]
    async fn a_time_that_no_instant_can_hold_is_never_over() {
        let (mut timers, mut deadlines) = (Timers::default(), Deadlines::new());
        deadlines.set(Timer::Frame, Some(Instant::now()), Duration::MAX);
        assert!(poll_fn(|cx| Poll::Ready(timers.poll(&deadlines, None, cx))).await.is_pending());
        assert!(timers.sleep.is_none());
    }
}
