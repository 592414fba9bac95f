//! A Command whose Proxy was made an owned one: what it has sent, and its end, which no longer depends on `execute`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll};

use super::connection::Connection;
use super::control::Control;
use super::execute::ServerProtocol;
use super::execution::Booked;
use super::link::{Arrival, EncodedReply, HandedLink, Link, ReplyLink, Sent};
use super::session::{How, Session, Subject};
use crate::format::Format;
use crate::protocol::{Failed, ReplyOf};

/// A Command that was handed over. It is in flight for as long as this lives.
pub(super) struct Handed<P, F, R, I> {
    booked: Booked<P, F, R, I>,
    arrival: Arrival,
    subject: Subject,
    /// Whether its last Reply was sent, or it failed.
    has_ended: AtomicBool,
    /// [`Session::fail`], without its bounds, which a destructor cannot have.
    fail: Fail<P, F, R, I>,
}

type Fail<P, F, R, I> = fn(&Session<P, F, R, I>, Subject, Failed, bool);

impl<P, F, R, I> Handed<P, F, R, I>
where
    P: ServerProtocol<F, R>,
    F: Format,
{
    pub(super) fn new(
        booked: Booked<P, F, R, I>,
        arrival: Arrival,
        subject: Subject,
        last_is_sent: bool,
    ) -> Self {
        Self { booked, arrival, subject, has_ended: AtomicBool::new(last_is_sent), fail: Session::fail }
    }
}

impl<P, F, R, I> Handed<P, F, R, I> {
    fn session(&self) -> &Arc<Session<P, F, R, I>> {
        &self.booked.session
    }

    /// Ends the Command with what it failed with.
    pub(super) fn end(&self, failed: Failed) {
        if self.session().end_replies(&self.has_ended) {
            self.session().failed_too_late(self.subject, &failed);
        } else {
            (self.fail)(self.session(), self.subject, failed, false);
        }
    }
}

impl<P, F, R, I> Drop for Handed<P, F, R, I> {
    fn drop(&mut self) {
        if !self.has_ended.load(Relaxed) && !self.subject.is_one_way {
            self.end(Failed::no_last_reply());
        }
    }
}

impl<P, F, R, I> Link for Handed<P, F, R, I>
where
    P: ServerProtocol<F, R>,
    F: Format,
    R: Send + Sync,
    I: Send + Sync,
{
    fn arrival(&self) -> &Arrival {
        &self.arrival
    }

    fn connection(&self) -> &Connection {
        &self.session().connection
    }

    fn control(&self) -> &Control {
        &self.session().control
    }

    fn poll_ready(&self, turn: &mut Option<u64>, cx: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        self.session().poll_ready(turn, &self.has_ended, cx).map_err(Failed::from)
    }

    fn poll_append(&self, reply: &mut EncodedReply, cx: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        self.session().poll_append(reply, &self.has_ended, How::handed(), cx).map_err(Failed::from)
    }

    /// It is used by tasks of the user's own, which may send without end.
    fn must_yield(&self) -> bool {
        true
    }
}

impl<Reply, P, F, R, I> ReplyLink<Reply> for Handed<P, F, R, I>
where
    Reply: ReplyOf<P>,
    P: ServerProtocol<F, R>,
    F: Format,
    R: Send + Sync,
    I: Send + Sync,
{
    fn send(&self, reply: Reply) -> Result<Sent, Failed> {
        match reply.into_reply() {
            Some(reply) => {
                Ok(self.session().send(self.arrival.seq, &reply, Some(&self.has_ended), How::handed())?)
            }
            None => Ok(Sent::Done),
        }
    }
}

impl<Reply, P, F, R, I> HandedLink<Reply> for Handed<P, F, R, I>
where
    Reply: ReplyOf<P>,
    P: ServerProtocol<F, R>,
    F: Format,
    R: Send + Sync,
    I: Send + Sync,
{
    fn send_over(&self, reply: Reply) -> Result<(), Failed> {
        if let Some(reply) = reply.into_reply() {
            let how = How { may_wait: false, ..How::handed() };
            self.session().send(self.arrival.seq, &reply, Some(&self.has_ended), how)?;
        }
        Ok(())
    }

    fn fail(&self, failed: Failed) {
        if !self.has_ended.load(Relaxed) {
            self.end(failed);
        }
    }
}
