//! A Command whose Proxy was made an owned one: what it has sent, and its end, which no longer depends on `execute`.

use std::task::{Context, Poll};

use super::line::{Arrival, EncodedReply, How, Line, Sent};
use super::link::{HandedLink, Link, ReplyLink};
use super::service::Service;
use super::session::{Booked, Session};
use crate::protocol::{Failed, ReplyOf};
use crate::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// A Command that was handed over. It is in flight for as long as this lives.
pub(super) struct Handed<S: Service> {
    booked: Booked<S>,
    arrival: Arrival,
    /// Whether its last Reply was sent, or it failed. Decided under the lock of the line, as in `Running`.
    has_ended: AtomicBool,
}

impl<S: Service> Handed<S> {
    pub(super) fn new(booked: Booked<S>, arrival: Arrival, last_is_sent: bool) -> Self {
        Self { booked, arrival, has_ended: AtomicBool::new(last_is_sent) }
    }

    /// Ends the Command with what it failed with.
    pub(super) fn end(&self, failed: Failed) {
        // Marked before the failure is sent: a Reply that another thread sends meanwhile must not follow it.
        if self.line().end_replies(&self.has_ended) {
            self.line().report_failed_too_late(&self.arrival, &failed);
        } else {
            self.session().fail(&self.arrival, failed, How::handed());
        }
    }

    fn session(&self) -> &Session<S> {
        &self.booked.session
    }
}

impl<S: Service> Drop for Handed<S> {
    fn drop(&mut self) {
        // The last holder is gone, so nobody sends any more, and the flag need not be asked under the lock.
        if !self.has_ended.load(Relaxed) && !self.arrival.is_one_way {
            self.end(Failed::no_last_reply());
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

    fn poll_ready(&self, turn: &mut Option<u64>, cx: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        self.line().poll_ready(turn, &self.has_ended, cx).map_err(Failed::from)
    }

    fn poll_append(&self, reply: &mut EncodedReply, cx: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        self.line().poll_append(reply, &self.has_ended, How::handed(), cx).map_err(Failed::from)
    }

    /// It is used by tasks of the user's own, which may send without end.
    fn must_yield(&self) -> bool {
        true
    }
}

impl<Reply: ReplyOf<S::Protocol>, S: Service> ReplyLink<Reply> for Handed<S> {
    fn send(&self, reply: Reply) -> Result<Sent, Failed> {
        let Some(reply) = reply.into_reply() else { return Ok(Sent::Done) };
        Ok(self.session().send(self.arrival.seq, &reply, Some(&self.has_ended), How::handed())?)
    }
}

impl<Reply: ReplyOf<S::Protocol>, S: Service> HandedLink<Reply> for Handed<S> {
    fn send_over(&self, reply: Reply) -> Result<(), Failed> {
        if let Some(reply) = reply.into_reply() {
            let how = How::handed().at_once();
            self.session().send(self.arrival.seq, &reply, Some(&self.has_ended), how)?;
        }
        Ok(())
    }

    fn fail(&self, failed: Failed) {
        // Only saves the work: `end` asks again, under the lock.
        if !self.has_ended.load(Relaxed) {
            self.end(failed);
        }
    }
}
