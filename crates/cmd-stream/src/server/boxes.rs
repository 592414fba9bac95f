//! Where Commands are polled in place: pinned boxes that are used again and again, and what their polls took. Knows no
//! Protocols and no connections.

use std::any::Any;
use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use super::pace::{self, GROUP, Pace};
use super::polling::{Current, Polling};

/// A pinned box for each type of a server's Commands, in which they are polled in place. A Command that stays pending takes
/// its box along.
///
/// The boxes wait with the thread, not with the connection, so that an idle connection holds none.
#[derive(Default)]
pub(super) struct Boxes {
    /// Of which server.
    server: u64,
    types: Vec<OfType>,
    /// Polls since the clock was looked at.
    in_group: u32,
    group_started: Option<Instant>,
}

#[derive(Default)]
struct OfType {
    /// An `Option<Pin<Box<Option<Fut>>>>`, with the type of the future of this type of Commands.
    spare: Option<Box<dyn Any + Send>>,
    /// Since the numbers were last booked.
    polls: u32,
    pending: u32,
    in_group: bool,
}

impl Boxes {
    /// The boxes of this thread for a server with so many types of Commands.
    pub(super) fn of(server: u64, commands: usize) -> Self {
        let kept = KEPT.try_with(|kept| {
            let mut kept = kept.borrow_mut();
            let found = kept.iter().position(|boxes| boxes.server == server)?;
            Some(kept.remove(found))
        });
        // Taken out of the thread while they are used: a Command may run another server's work on this thread.
        let mut boxes = kept.ok().flatten().unwrap_or_default();
        boxes.server = server;
        boxes.types.resize_with(commands, OfType::default);
        boxes
    }

    /// Books how long the polls took, and gives the boxes back to the thread.
    pub(super) fn give_back(mut self, paces: &[Pace]) {
        self.end_group(paces);
        for (of_type, pace) in self.types.iter_mut().zip(paces) {
            if of_type.polls > 0 {
                pace.polled_in_place(of_type.polls, of_type.pending);
                (of_type.polls, of_type.pending) = (0, 0);
            }
        }
        let _ = KEPT.try_with(|kept| {
            let mut kept = kept.borrow_mut();
            // The one that was used least recently goes: servers that have ended never use theirs again.
            if kept.len() == SERVERS_KEPT {
                kept.remove(0);
            }
            kept.push(self);
        });
    }

    /// Looks at the clock if enough polls were made since it was looked at last.
    pub(super) fn look_at_clock(&mut self, paces: &[Pace]) {
        if self.in_group >= GROUP {
            self.end_group(paces);
        }
    }

    fn end_group(&mut self, paces: &[Pace]) {
        // Which Command of a group was long is not known, so all its types are booked. Quick ones soon pay that off.
        let Some(started) = self.group_started.take() else { return };
        let polls = std::mem::take(&mut self.in_group);
        let time = started.elapsed();
        let is_long = pace::is_long(polls, time);
        for (of_type, pace) in self.types.iter_mut().zip(paces) {
            if std::mem::take(&mut of_type.in_group) && is_long {
                pace.was_long(time);
            }
        }
    }

    /// Polls the future of the type of Commands with this index once, in place. `Fut` is always the same for the same
    /// index.
    ///
    /// A future that stays pending is returned, to be polled again at once by a task of its own. So the waker of this
    /// poll need not wake anybody.
    pub(super) fn poll<Fut>(
        &mut self,
        index: usize,
        future: impl FnOnce() -> Fut,
    ) -> Option<Pin<Box<Option<Fut>>>>
    where
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.group_started.get_or_insert_with(Instant::now);
        self.in_group += 1;
        let of_type = &mut self.types[index];
        of_type.polls += 1;
        of_type.in_group = true;

        let spare = of_type.spare.get_or_insert_with(|| Box::new(None::<Pin<Box<Option<Fut>>>>));
        let spare = spare.downcast_mut::<Option<Pin<Box<Option<Fut>>>>>();
        let spare = spare
            .expect("the number of a server is never used again, so its boxes only ever hold one type each");
        // Taken out while it is polled: the user's code may panic, and a future that has panicked must not stay.
        let mut boxed = spare.take().unwrap_or_else(|| Box::pin(None));
        boxed.set(Some(future()));
        let poll = {
            let _current = Current::enter(Polling::InPlace);
            boxed.as_mut().as_pin_mut().map(|future| future.poll(&mut Context::from_waker(Waker::noop())))
        };
        match poll {
            Some(Poll::Pending) => {
                of_type.pending += 1;
                Some(boxed)
            }
            _ => {
                boxed.set(None);
                *spare = Some(boxed);
                None
            }
        }
    }
}

/// For how many servers a thread keeps boxes.
const SERVERS_KEPT: usize = 4;

thread_local! {
    static KEPT: RefCell<Vec<Boxes>> = const { RefCell::new(Vec::new()) };
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Polls a Command of a server. Returns whether its box was there.
    fn poll(server: u64) -> bool {
        let mut boxes = Boxes::of(server, 1);
        let was_there = boxes.types[0].spare.is_some();
        assert!(boxes.poll(0, || std::future::ready(())).is_none());
        boxes.give_back(&[Pace::default()]);
        was_there
    }

    #[test]
    fn a_thread_keeps_the_boxes_of_the_servers_that_it_used_last() {
        for ended in 1..=8 {
            assert!(!poll(ended));
        }
        for live in [11, 12, 13, 14] {
            assert!(!poll(live));
        }
        for live in [13, 11, 14, 12] {
            assert!(poll(live), "{live}");
        }
        assert!(!poll(15));
        assert!(!poll(13), "it was the one that was used least recently");
    }
}
