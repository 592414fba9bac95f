//! What models share: tasks that sleep until they are woken. A wake-up that is lost leaves one asleep for ever, which loom
//! reports as a deadlock.

use std::task::{Context, Poll, Wake, Waker};

use loom::sync::Condvar;

use super::{Arc, Mutex, PoisonError};

/// A task that can be woken, and can sleep until it is.
#[derive(Default)]
pub(crate) struct Task(Arc<Alarm>);

#[derive(Default)]
struct Alarm {
    rang: Mutex<bool>,
    condvar: Condvar,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        *self.rang.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.condvar.notify_one();
    }
}

impl Task {
    pub(crate) fn waker(&self) -> Waker {
        Waker::from(Arc::clone(&self.0))
    }

    /// Sleeps until it is woken, unless it was already.
    pub(crate) fn sleep(&self) {
        let mut rang = self.0.rang.lock().unwrap_or_else(PoisonError::into_inner);
        while !*rang {
            rang = self.0.condvar.wait(rang).unwrap_or_else(PoisonError::into_inner);
        }
        *rang = false;
    }

    pub(crate) fn was_woken(&self) -> bool {
        *self.0.rang.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Polls until it is ready, and sleeps in between.
    pub(crate) fn block_on<T>(&self, mut poll: impl FnMut(&Context<'_>) -> Poll<T>) -> T {
        let waker = self.waker();
        loop {
            match poll(&Context::from_waker(&waker)) {
                Poll::Ready(value) => return value,
                Poll::Pending => self.sleep(),
            }
        }
    }
}

/// Runs a model of many steps. What takes more switches between its threads than three, where none of them waits, is left
/// out.
pub(crate) fn model(run: impl Fn() + Sync + Send + 'static) {
    model_within(3, run);
}

/// The same, with another number of switches.
pub(crate) fn model_within(switches: usize, run: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(switches);
    builder.check(run);
}
