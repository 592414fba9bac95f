//! A Command that runs: as its Proxy and its Context see it, and as the Invoker does.

use std::future::Future;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context, Poll};

use super::connection::Connection;
use super::execute::{Execute, Scheduling};
use super::extensions::Extensions;
use super::gate::Turn;
use super::handed::Handed;
use super::invoker::{Ended, Invocation, Invoker, contain, sealed};
use super::line::{Arrival, How, Line, Sent};
use super::link::{HandedLink, Link, ReplyLink, RunningLink};
use super::pace::Pace;
use super::polling::{is_late, set_yields};
use super::proxy::Proxy;
use super::replied::Told;
use super::service::Service;
use super::session::{Booked, Session};
use super::stint::{Pause, Stint};
use crate::proto::frame::Seq;
use crate::protocol::{CommandOf, Entry, Failed, Metadata, Protocol, ReplyOf};
use crate::stats::Outcome;
use crate::sync::atomic::{AtomicBool, Ordering::Relaxed};
use crate::sync::{Arc, OnceLock};

/// A Command that runs.
pub(super) struct Running<S: Service> {
    session: Arc<Session<S>>,
    arrival: Arrival,
    /// Of its type.
    index: u32,
    scheduling: Scheduling,
    /// Decided under the lock of the line, which orders it; so the atomic itself can be relaxed. Read without the lock, it
    /// can only be too old, as it never goes back.
    last_is_sent: AtomicBool,
    /// The same Command, once its Proxy has been made an owned one; that knows then what was sent.
    handed: OnceLock<Arc<Handed<S>>>,
    /// The values of the Command, if the Invoker is told about its Replies and there are any.
    kept: OnceLock<Arc<Extensions>>,
    stint: Stint,
}

impl<S: Service> Running<S> {
    pub(super) fn new<C>(session: Arc<Session<S>>, arrival: Arrival) -> Self
    where
        C: CommandOf<S::Protocol> + Execute<S::Receiver>,
    {
        Self {
            session,
            arrival,
            index: C::INDEX as u32,
            scheduling: C::SCHEDULING,
            last_is_sent: AtomicBool::new(false),
            handed: OnceLock::new(),
            kept: OnceLock::new(),
            stint: Stint::new(),
        }
    }

    pub(super) fn invoker(&self) -> &S::Invoker {
        &self.session.service.parts().invoker
    }

    fn pace(&self) -> &Pace {
        &self.session.service.parts().paces[self.index as usize]
    }

    /// How it has ended, if it has.
    pub(super) fn ended(&self) -> Option<Ended> {
        // In this order: a Command that was handed over may have replied before that.
        if self.last_is_sent.load(Relaxed) {
            Some(Ended::Replied)
        } else if self.handed.get().is_some() {
            Some(Ended::HandedOver)
        } else if self.arrival.is_one_way {
            Some(Ended::Unanswered)
        } else {
            None
        }
    }

    /// Ends it with what it failed with. Returns how it has ended; nothing if that is booked for the one that was handed over.
    pub(super) fn fail(&self, failed: Failed) -> Option<Outcome> {
        // Of a Command that was answered before it was handed over nothing is booked there.
        let is_replied = self.last_is_sent.load(Relaxed);
        match self.handed.get() {
            Some(handed) => {
                handed.end_itself(failed);
                is_replied.then_some(Outcome::Replied)
            }
            None if is_replied => {
                self.session.line.report_failed_too_late(&self.arrival, &failed);
                Some(Outcome::Replied)
            }
            None => Some(self.session.fail(self.told(), failed, How::running())),
        }
    }

    fn told(&self) -> Told<'_> {
        let kept = if S::Invoker::SEES_REPLIES { self.kept.get() } else { None };
        Told { arrival: &self.arrival, extensions: kept }
    }
}

impl<S: Service> Link for Running<S> {
    fn arrival(&self) -> &Arrival {
        &self.arrival
    }

    fn line(&self) -> &Line {
        &self.session.line
    }

    fn poll_ready(&self, turn: &mut Turn, cx: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        if let Some(handed) = self.handed.get() {
            return handed.poll_ready(turn, cx);
        }
        self.session.line.poll_room(turn, Some(&self.last_is_sent), cx).map_err(Failed::from)
    }

    /// Where it was decoded, the connection's task waits for it in any case. In a task of its own, only a Command may let that
    /// task wait that has proved to be quick, or says that it is (`InPlace`).
    fn pause(&self, woke: bool) -> Pause {
        let waits = match self.scheduling {
            Scheduling::Adaptive => is_late() && !self.pace().is_quick(),
            Scheduling::InPlace => false,
            Scheduling::Spawned => true,
        };
        let pause = if waits {
            self.stint.pause(woke, self.arrival.received_at)
        } else {
            self.stint.end(); // no other end of it would have the output written
            Pause::Nothing
        };
        set_yields(pause != Pause::Nothing);
        pause
    }

    fn may_block(&self) {
        self.pace().may_block();
    }
}

impl<Reply: ReplyOf<S::Protocol>, S: Service> ReplyLink<Reply> for Running<S> {
    fn send(&self, reply: Reply) -> Result<Sent<Reply>, Failed> {
        // Handed over, it is no longer this one that knows whether the last Reply was sent.
        if let Some(handed) = self.handed.get() {
            return handed.send(reply);
        }
        if self.session.line.is_full() && !Reply::TAGS.is_empty() {
            return Ok(Sent::Full(Box::new(reply)));
        }
        let how = if self.stint.is_dense() { How::dense(&self.session.line) } else { How::running() };
        self.append(reply, how).map(|woke| Sent::Done { woke })
    }

    fn send_over(&self, reply: Reply) -> Result<(), Failed> {
        match self.handed.get() {
            Some(handed) => handed.send_over(reply),
            None => self.append(reply, How::running()).map(drop),
        }
    }
}

impl<S: Service> Running<S> {
    #[inline(always)] // a part of `send`
    fn append<Reply: ReplyOf<S::Protocol>>(&self, reply: Reply, how: How) -> Result<bool, Failed> {
        let Some(reply) = reply.into_reply() else { return Ok(false) };
        let last_is_sent = Some(&self.last_is_sent);
        let sent = if S::Invoker::SEES_REPLIES {
            self.session.send_and_tell(self.told(), &reply, last_is_sent, how)
        } else {
            self.session.send(self.arrival.seq, &reply, last_is_sent, how)
        };
        sent.map_err(Failed::from)
    }
}

impl<Reply: ReplyOf<S::Protocol>, S: Service> RunningLink<Reply> for Running<S> {
    fn hand_over(&self) -> Arc<dyn HandedLink<Reply>> {
        // Once for all copies of the Proxy: there is one answer to whether the last Reply was sent.
        let handed = self.handed.get_or_init(|| {
            let (index, last_is_sent) = (self.index as usize, self.last_is_sent.load(Relaxed));
            let (booked, kept) =
                (Booked::for_others(&self.session, &self.arrival, index), self.kept.get().cloned());
            Arc::new(Handed::new(booked, self.arrival, kept, index, last_is_sent))
        });
        Arc::clone(handed) as Arc<dyn HandedLink<Reply>>
    }
}

/// A Command as the Invoker sees it.
pub(super) struct Arrived<'a, S: Service, C, H> {
    running: &'a Running<S>,
    command: H,
    extensions: &'a mut Extensions,
    of: PhantomData<fn() -> C>,
}

impl<'a, S: Service, C, H: Held<C>> Arrived<'a, S, C, H> {
    pub(super) fn new(running: &'a Running<S>, command: H, extensions: &'a mut Extensions) -> Self {
        Self { running, command, extensions, of: PhantomData }
    }
}

/// A Command as it is held on its way to the Receiver.
pub(super) trait Held<C>: Send + 'static {
    fn command(&self) -> &C;
    fn command_mut(&mut self) -> &mut C;
    fn into_command(self) -> C;
}

/// A Command that is held as it is.
pub(super) struct Inline<C>(pub(super) C);

impl<C: Send + 'static> Held<C> for Inline<C> {
    fn command(&self) -> &C {
        &self.0
    }

    fn command_mut(&mut self) -> &mut C {
        &mut self.0
    }

    fn into_command(self) -> C {
        self.0
    }
}

impl<C: Send + 'static> Held<C> for Box<C> {
    fn command(&self) -> &C {
        self
    }

    fn command_mut(&mut self) -> &mut C {
        self
    }

    fn into_command(self) -> C {
        *self
    }
}

impl<S: Service, C, H> sealed::Sealed for Arrived<'_, S, C, H> {}

impl<S, C, H> Invocation<S::Protocol> for Arrived<'_, S, C, H>
where
    S: Service,
    C: CommandOf<S::Protocol> + Execute<S::Receiver>,
    H: Held<C>,
{
    fn command(&self) -> <S::Protocol as Protocol>::CommandRef<'_> {
        self.command.command().as_command()
    }

    fn entry(&self) -> &'static Entry {
        self.running.arrival.entry
    }

    fn seq(&self) -> Seq {
        self.running.arrival.seq
    }

    fn connection(&self) -> &Connection {
        &self.running.session.line.connection
    }

    fn received_at(&self) -> tokio::time::Instant {
        self.running.arrival.received_at
    }

    fn size(&self) -> usize {
        self.running.arrival.size as usize
    }

    fn type_name(&self) -> &'static str {
        std::any::type_name::<C>()
    }

    fn metadata(&mut self) -> Option<&mut dyn Metadata> {
        self.command.command_mut().metadata()
    }

    fn extensions(&mut self) -> &mut Extensions {
        self.extensions
    }

    // Not an `async fn`: that would be one more future to hold, and to move, the Command.
    fn run(self) -> impl Future<Output = Result<Ended, Failed>> + Send {
        let Self { running, command, extensions, .. } = self;
        let receiver = &running.session.service.parts().receiver;
        let extensions: &Extensions = if S::Invoker::SEES_REPLIES && !extensions.is_empty() {
            // Shared, as those of the Replies may outlive the Command.
            running.kept.get_or_init(|| Arc::new(std::mem::take(extensions)))
        } else {
            extensions
        };
        let execute =
            AssertUnwindSafe(|| command.into_command().execute(receiver, Proxy::new(running, extensions)));
        contain(catch_unwind(execute), |()| running.ended().ok_or_else(Failed::no_last_reply))
    }
}
