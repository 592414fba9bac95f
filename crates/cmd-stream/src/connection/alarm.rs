//! One timer for all that a connection waits for. Its deadlines move with every frame, so it is set again only when it
//! would ring too late, and looks at the deadline when it rings.

use std::future::Future;
use std::pin::Pin;
use std::task::Context;

use tokio::time::{Instant, Sleep, sleep_until};

/// Rings at a deadline that moves.
#[derive(Debug, Default)]
pub(crate) struct Alarm {
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Alarm {
    /// Whether the deadline has passed. If not, the task is woken when it has, or before.
    pub(crate) fn has_passed(&mut self, deadline: Option<Instant>, cx: &mut Context<'_>) -> bool {
        let Some(deadline) = deadline else { return false };
        loop {
            let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
            if sleep.deadline() > deadline {
                sleep.as_mut().reset(deadline);
            }
            if sleep.as_mut().poll(cx).is_pending() {
                return false;
            }
            let rang = sleep.deadline();
            self.sleep = None;
            if rang >= deadline {
                return true;
            }
        }
    }
}
