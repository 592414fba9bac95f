//! Where Commands are polled in place: pinned boxes that are used again and again, and what their polls took. Knows no
//! Protocols and no connections.

use std::any::Any;
use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use super::execution::{Polling, PollsNow};
use super::pace::{self, GROUP, Pace};
use super::session::Service;

/// Where Commands are polled in place: a pinned box for each type of a server's Commands, used again and again. A
/// Command that stays pending takes its box along.
///
/// They wait with the thread, not with the connection, so that an idle connection holds none.
#[derive(Default)]
pub(crate) struct Places {
    /// Which server they are of.
    owner: usize,
    places: Vec<Place>,
    /// Polls since the clock was looked at.
    in_group: u32,
    group_started: Option<Instant>,
}

#[derive(Default)]
struct Place {
    /// An `Option<Pin<Box<Option<Fut>>>>`, with the type of the future of this type of Commands.
    spare: Option<Box<dyn Any + Send>>,
    /// Since the numbers were last booked.
    polls: u32,
    pending: u32,
    in_group: bool,
}

thread_local! {
    static PLACES: RefCell<Vec<Places>> = const { RefCell::new(Vec::new()) };
}

/// For how many servers a thread keeps places.
const OWNERS_KEPT: usize = 4;

impl Places {
    /// The places of this thread for the Commands of this server.
    pub(crate) fn of<P, F, R, I>(service: &Arc<Service<P, F, R, I>>) -> Self {
        let owner = Arc::as_ptr(service).addr();
        let kept = PLACES.try_with(|kept| {
            let mut kept = kept.borrow_mut();
            let found = kept.iter().position(|places| places.owner == owner)?;
            Some(kept.swap_remove(found))
        });
        let mut places = kept.ok().flatten().unwrap_or_default();
        places.owner = owner;
        places.places.resize_with(service.paces.len(), Place::default);
        places
    }

    /// Books how long the polls took, and gives the places back to the thread.
    pub(crate) fn give_back<P, F, R, I>(mut self, service: &Service<P, F, R, I>) {
        self.end_group(&service.paces);
        for (place, pace) in self.places.iter_mut().zip(&service.paces) {
            if place.polls > 0 {
                pace.polled_in_place(place.polls, place.pending);
                (place.polls, place.pending) = (0, 0);
            }
        }
        let _ = PLACES.try_with(|kept| {
            let mut kept = kept.borrow_mut();
            if kept.len() == OWNERS_KEPT {
                kept.swap_remove(0);
            }
            kept.push(self);
        });
    }

    /// Looks at the clock if enough polls were made since it was looked at last.
    pub(crate) fn look_at_clock(&mut self, paces: &[Pace]) {
        if self.in_group >= GROUP {
            self.end_group(paces);
        }
    }

    fn end_group(&mut self, paces: &[Pace]) {
        let Some(started) = self.group_started.take() else { return };
        let polls = std::mem::take(&mut self.in_group);
        let time = started.elapsed();
        let is_long = pace::is_long(polls, time);
        for (place, pace) in self.places.iter_mut().zip(paces) {
            if std::mem::take(&mut place.in_group) && is_long {
                pace.was_long(time);
            }
        }
    }

    /// Polls once, in place. A future that stays pending is given back, to be polled again at once by its own task:
    /// so it need not be able to wake anybody yet.
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
        let place = &mut self.places[index];
        place.polls += 1;
        place.in_group = true;

        let spare = place.spare.get_or_insert_with(|| Box::new(None::<Pin<Box<Option<Fut>>>>));
        let Some(spare) = spare.downcast_mut::<Option<Pin<Box<Option<Fut>>>>>() else {
            // The address of a server that is gone was given to another one.
            place.spare = None;
            return Some(Box::pin(Some(future())));
        };
        let mut boxed = spare.take().unwrap_or_else(|| Box::pin(None));
        boxed.set(Some(future()));
        let poll = {
            let _polls = PollsNow::enter(Polling::InPlace);
            boxed.as_mut().as_pin_mut().map(|future| future.poll(&mut Context::from_waker(Waker::noop())))
        };
        match poll {
            Some(Poll::Pending) => {
                place.pending += 1;
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
