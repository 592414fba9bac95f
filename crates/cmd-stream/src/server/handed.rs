//! A Command whose Proxy was made an owned one: what it has sent, and its end, which no longer depends on `execute`.

use std::task::{Context, Poll};

use tokio::time::Instant;

use super::extensions::Extensions;
use super::gate::Turn;
use super::invoker::{Invoker, tell_end};
use super::line::{Arrival, How, Line, Sent};
use super::link::{HandedLink, Link, ReplyLink};
use super::replied::{EndedLater, Told};
use super::service::Service;
use super::session::{Booked, Session};
use super::stint::{Pause, Stint};
use crate::protocol::{Failed, ReplyOf};
use crate::stats::Outcome;
use crate::sync::atomic::{AtomicBool, Ordering::Relaxed};
use crate::sync::{Arc, OnceLock};

/// A Command that was handed over. It is in flight for as long as this lives.
pub(super) struct Handed<S: Service> {
    booked: Booked<S>,
    arrival: Arrival,
    /// For an Invoker that is told about its Replies.
    kept: Option<Arc<Extensions>>,
    /// How its end is booked, when this goes.
    ends: OnceLock<Outcome>,
    index: usize,
    /// Whether it is booked here: not if it was answered before it was handed over.
    books: bool,
    /// Whether `execute` itself has failed since. Then that is what the Invoker has been told.
    has_failed_itself: AtomicBool,
    /// When its last Reply was sent.
    last_reply: OnceLock<Instant>,
    /// Whether its last Reply was sent, or it failed. Decided under the lock of the line, as in `Running`.
    has_ended: AtomicBool,
    stint: Stint,
}

impl<S: Service> Handed<S> {
    pub(super) fn new(
        booked: Booked<S>,
        arrival: Arrival,
        kept: Option<Arc<Extensions>>,
        index: usize,
        last_is_sent: bool,
    ) -> Self {
        Self {
            booked,
            arrival,
            kept,
            ends: OnceLock::new(),
            index,
            books: !last_is_sent,
            has_failed_itself: AtomicBool::new(false),
            last_reply: OnceLock::new(),
            has_ended: AtomicBool::new(last_is_sent),
            stint: Stint::new(),
        }
    }

    /// Ends the Command with what `execute` failed with, after it had handed it over.
    pub(super) fn end_itself(&self, failed: Failed) {
        self.has_failed_itself.store(true, Relaxed);
        self.end(failed);
    }

    /// Ends the Command with what it failed with.
    fn end(&self, failed: Failed) {
        // Marked before the failure is sent: a Reply that another thread sends meanwhile must not follow it.
        if self.line().end_replies(&self.has_ended) {
            self.line().report_failed_too_late(&self.arrival, &failed);
        } else {
            let outcome = self.session().fail(self.told(), failed, How::running());
            let _ = self.ends.set(outcome); // it ends once
        }
    }

    fn session(&self) -> &Session<S> {
        &self.booked.session
    }

    fn told(&self) -> Told<'_> {
        Told { arrival: &self.arrival, extensions: self.kept.as_ref() }
    }
}

impl<S: Service> Drop for Handed<S> {
    fn drop(&mut self) {
        // The last holder is gone, so nobody sends any more, and the flag need not be asked under the lock.
        if !self.has_ended.load(Relaxed) && !self.arrival.is_one_way {
            self.end(Failed::no_last_reply());
        }
        if self.books {
            let outcome = self.ends.get().copied().unwrap_or(Outcome::Replied);
            let now = self.last_reply.get().copied().unwrap_or_else(Instant::now);
            self.session().book(self.index, self.arrival.received_at, outcome, now);
            if S::Invoker::SEES_REPLIES && !self.has_failed_itself.load(Relaxed) {
                let ended = EndedLater {
                    told: self.told(),
                    connection: &self.line().connection,
                    has_failed: outcome != Outcome::Replied,
                    took: now.saturating_duration_since(self.arrival.received_at),
                };
                tell_end::<S::Protocol, S::Invoker>(&self.session().service.parts().invoker, &ended);
            }
        }
    }
}

impl<S: Service> Link for Handed<S> {
    fn arrival(&self) -> &Arrival {
        &self.arrival
    }

    fn line(&self) -> &Line {
        &self.session().line
    }

    fn poll_ready(&self, turn: &mut Turn, cx: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        self.line().poll_room(turn, Some(&self.has_ended), cx).map_err(Failed::from)
    }

    /// It is used by tasks of the user's own, which may send without end.
    fn pause(&self, woke: bool) -> Pause {
        self.stint.pause(woke, self.arrival.received_at)
    }

    fn may_block(&self) {
        self.session().service.parts().paces[self.index].may_block();
    }
}

impl<Reply: ReplyOf<S::Protocol>, S: Service> ReplyLink<Reply> for Handed<S> {
    fn send(&self, reply: Reply) -> Result<Sent<Reply>, Failed> {
        if self.line().is_full() && !Reply::TAGS.is_empty() {
            return Ok(Sent::Full(Box::new(reply)));
        }
        self.append(reply).map(|woke| Sent::Done { woke })
    }

    fn send_over(&self, reply: Reply) -> Result<(), Failed> {
        self.append(reply).map(drop)
    }
}

impl<S: Service> Handed<S> {
    fn append<Reply: ReplyOf<S::Protocol>>(&self, reply: Reply) -> Result<bool, Failed> {
        let Some(reply) = reply.into_reply() else { return Ok(false) };
        let last_is_sent = Some(&self.has_ended);
        let woke = if S::Invoker::SEES_REPLIES {
            self.session().send_and_tell(self.told(), &reply, last_is_sent, How::running())?
        } else {
            self.session().send(self.arrival.seq, &reply, last_is_sent, How::running())?
        };
        if self.has_ended.load(Relaxed) {
            let _ = self.last_reply.set(Instant::now()); // the first one counts
        }
        Ok(woke)
    }
}

impl<Reply: ReplyOf<S::Protocol>, S: Service> HandedLink<Reply> for Handed<S> {
    fn fail(&self, failed: Failed) {
        // Only saves the work: `end` asks again, under the lock.
        if !self.has_ended.load(Relaxed) {
            self.end(failed);
        }
    }
}
