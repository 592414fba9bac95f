//! Where Commands are polled in place: pinned boxes that are used again and again, and what their polls took. Knows no
//! Protocols and no connections.

use std::any::Any;
use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use pin_project_lite::pin_project;
use tokio::time::Instant;

use super::pace::{self, GROUP, Pace};
use super::polling::{Current, Polling};
use super::service::Service;
use super::session::{SLOW, Session};
use crate::stats::{Outcome, Tally};
use crate::transport::Peer;

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
    /// Whether the last group was long. Then each poll is a group: a type that is polled in place whatever it takes must not
    /// take that many times as long before others have their turn.
    is_slow: bool,
}

#[derive(Default)]
struct OfType {
    /// An `Option<Pin<Box<Slot<Fut>>>>`, with the type of the future of this type of Commands.
    spare: Option<Box<dyn Any + Send>>,
    /// Since the boxes were taken out of the thread.
    polls: u32,
    pending: u32,
    /// How many of those polls ended a Command, or handed it over, and are booked.
    booked: u32,
    /// How those have ended that are not booked yet.
    ended: [u32; OUTCOMES],
    handed_over: u32,
    in_group: bool,
}

/// Where the numbers of one read are booked.
pub(super) struct Booking<'a> {
    paces: &'a [Pace],
    tally: &'a Tally,
    peer: &'a Peer,
    received_at: Instant,
}

impl<'a> Booking<'a> {
    pub(super) fn new<S: Service>(session: &'a Session<S>, received_at: Instant) -> Self {
        let (line, paces) = (&session.line, &session.service.parts().paces);
        Self { paces, tally: &line.control.tally, peer: line.connection.peer(), received_at }
    }
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

    /// Books how long the polls took, and how the Commands have ended, and gives the boxes back to the thread.
    pub(super) fn give_back(mut self, booking: &Booking<'_>) {
        self.end_group(booking);
        for (index, (of_type, pace)) in self.types.iter_mut().zip(booking.paces).enumerate() {
            if of_type.polls > 0 {
                pace.polled_in_place(of_type.polls, of_type.pending);
                // A destructor has panicked in the middle of a poll.
                let unwound = of_type.polls - of_type.pending - of_type.booked;
                of_type.ended[Outcome::Panicked as usize] += unwound;
                of_type.book(index, booking.tally);
                (of_type.polls, of_type.pending, of_type.booked) = (0, 0, 0);
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

    /// Whether so many polls were made since the clock was looked at that the group is to [end](Self::end_group).
    #[inline]
    pub(super) fn is_group_full(&self) -> bool {
        self.in_group >= GROUP || self.is_slow && self.in_group > 0
    }

    /// Looks at the clock, and books how long the polls took since it was looked at last. Returns the time, if there were any.
    pub(super) fn end_group(&mut self, booking: &Booking<'_>) -> Option<Instant> {
        // Which Command of a group was long is not known, so all its types are booked. Quick ones soon pay that off.
        let started = self.group_started.take()?;
        let polls = std::mem::take(&mut self.in_group);
        let now = Instant::now();
        let time = now - started;
        let is_long = pace::is_long(polls, time);
        self.is_slow = is_long;
        // Each of the group has taken as long as the group, for the one who has sent it.
        let took = now.saturating_duration_since(booking.received_at);
        for (index, (of_type, pace)) in self.types.iter_mut().zip(booking.paces).enumerate() {
            if !std::mem::take(&mut of_type.in_group) {
                continue;
            }
            if is_long {
                pace.was_long(time);
            }
            let ended = of_type.book(index, booking.tally);
            if ended > 0 {
                booking.tally.took(index, took, ended);
                booking.tally.log_if_slow(index, took, ended, SLOW, || Some(booking.peer));
            }
        }
        Some(now)
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
    ) -> Option<Pin<Box<Slot<Fut>>>>
    where
        Fut: Future<Output = Option<Outcome>> + Send + 'static,
    {
        self.group_started.get_or_insert_with(Instant::now);
        self.in_group += 1;
        let of_type = &mut self.types[index];
        of_type.polls += 1;
        of_type.in_group = true;

        let spare = of_type.spare.get_or_insert_with(|| Box::new(None::<Pin<Box<Slot<Fut>>>>));
        let spare = spare.downcast_mut::<Option<Pin<Box<Slot<Fut>>>>>();
        let spare = spare
            .expect("the number of a server is never used again, so its boxes only ever hold one type each");
        // Taken out while it is polled: the user's code may panic, and a future that has panicked must not stay.
        let mut boxed = spare.take().unwrap_or_else(|| Box::pin(Slot { future: None }));
        boxed.as_mut().project().future.set(Some(future()));
        let poll = {
            let _current = Current::enter(Polling::InPlace, Waker::noop());
            let future = boxed.as_mut().project().future.as_pin_mut();
            future.map(|future| future.poll(&mut Context::from_waker(Waker::noop())))
        };
        match poll {
            Some(Poll::Pending) => {
                of_type.pending += 1;
                Some(boxed)
            }
            ended => {
                match ended {
                    Some(Poll::Ready(Some(outcome))) => of_type.ended[outcome as usize] += 1,
                    _ => of_type.handed_over += 1,
                }
                boxed.as_mut().project().future.set(None);
                *spare = Some(boxed);
                None
            }
        }
    }
}

pin_project! {
    /// What a box holds: a future, or nothing before it is used again. One that is given away is a future itself.
    pub(super) struct Slot<Fut> {
        #[pin]
        future: Option<Fut>,
    }
}

impl<Fut: Future<Output = Option<Outcome>>> Future for Slot<Fut> {
    type Output = Option<Outcome>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Outcome>> {
        let future = self.project().future.as_pin_mut();
        future.expect("a box that is given away holds a future").poll(cx)
    }
}

impl OfType {
    /// Books the Commands that have started in place, and have not stayed pending: those are booked by their tasks. Returns
    /// how many have ended.
    fn book(&mut self, index: usize, tally: &Tally) -> u64 {
        let ended: u32 = self.ended.iter().sum();
        let started = ended + std::mem::take(&mut self.handed_over);
        self.booked += started;
        if started > 0 {
            tally.started(index, u64::from(started));
        }
        for (outcome, number) in OUTCOMES_IN_PLACE.into_iter().zip(&mut self.ended) {
            let number = std::mem::take(number);
            if number > 0 {
                tally.ended(index, outcome, u64::from(number));
            }
        }
        u64::from(ended)
    }
}

/// How Commands can end, in the order of their numbers.
const OUTCOMES_IN_PLACE: [Outcome; OUTCOMES] =
    [Outcome::Replied, Outcome::Failed, Outcome::Panicked, Outcome::Lost];
const OUTCOMES: usize = 4;

/// For how many servers a thread keeps boxes.
const SERVERS_KEPT: usize = 4;

thread_local! {
    static KEPT: RefCell<Vec<Boxes>> = const { RefCell::new(Vec::new()) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::Tag;
    use crate::protocol::Entry;

    /// Polls a Command of a server. Returns whether its box was there.
    fn poll(server: u64) -> bool {
        let mut boxes = Boxes::of(server, 1);
        let was_there = boxes.types[0].spare.is_some();
        assert!(boxes.poll(0, || std::future::ready(Some(Outcome::Replied))).is_none());
        let entries = const { &[Entry::new(Tag::new(0), "One")] };
        let (tally, peer) = (Tally::new(entries, None), Peer::other("a test"));
        let received_at = Instant::now();
        boxes.give_back(&Booking { paces: &[Pace::default()], tally: &tally, peer: &peer, received_at });
        assert_eq!(tally.take(0).ended(Outcome::Replied), 1);
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
