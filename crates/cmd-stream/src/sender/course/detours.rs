//! What a call does whose attempt has failed, or for which no member is available: it moves to another member, waits for one, or
//! is sent again after a pause.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::Instant;

use super::{Answer, Awaits, Core, Course, Mark, Queued, Stage, Ticket, Waiting, expects};
use crate::client::call::{encode, may_fail};
use crate::client::table::Waited;
use crate::connection::outbox::Scratch;
use crate::error::{Error, ErrorKind, Origin};
use crate::format::{Encode, Format};
use crate::hooks::Hooks;
use crate::proto::frame::Seq;
use crate::protocol::{ClientProtocol, CommandOf, Protocol};
use crate::sender::counters::one;
use crate::sender::retry::is_lost;

impl<K: Send + 'static> Course<K> {
    /// Fails a call that has not waited for anything, as soon as [`may_fail`] says so.
    #[cold]
    pub(super) fn fail_soon<P, F, H, C>(
        &mut self,
        core: &Core<P, F, H>,
        error: Error,
        cx: &mut Context<'_>,
    ) -> Answer<P>
    where
        P: Protocol,
        H: Hooks<P, Call = K>,
        C: CommandOf<P>,
    {
        if may_fail(cx).is_pending() {
            self.more.get_or_insert_default().failing = Some(error);
            self.stage = Stage::Failing;
            return Poll::Pending;
        }
        self.finish::<P, F, H, C>(core, error)
    }

    /// The server has not executed the Command, because it sheds load. Another one may.
    #[cold]
    pub(super) fn shed<P, F, H, C>(
        &mut self,
        core: &Core<P, F, H>,
        command: &mut Option<C>,
        awaits: Awaits,
        answer: Option<P::Reply>,
        deadline: Option<Instant>,
        cx: &mut Context<'_>,
    ) -> Answer<P>
    where
        P: ClientProtocol<F>,
        F: Format + Encode<C>,
        H: Hooks<P, Call = K>,
        C: CommandOf<P>,
    {
        let _counted = core.between(); // it is in no table while it is encoded, and the hooks are told
        let avoid = self.member as usize;
        let kept = self.more.as_ref().and_then(|more| more.kept.as_ref());
        let frame = match (kept, &*command) {
            (Some(kept), _) => Some(Scratch::of(kept.to_vec())),
            (None, Some(command)) => {
                let mut frame = Scratch::new();
                encode::<P, F, C>(&core.format, command, &mut frame).ok().map(|()| frame)
            }
            (None, None) => None,
        };
        let is_replied = self.more.as_ref().is_some_and(|more| more.is_replied);
        if let Some(frame) = frame
            && !is_replied
            && core.group.has_elsewhere(avoid)
            && self.may_retry(core)
        {
            let message = "the server sheds load";
            let error = Error::new(ErrorKind::Remote, Origin::Remote, message);
            if awaits == Awaits::Replies {
                self.forget_stream(core);
            }
            one(&core.counts.retries);
            (self.ticket, self.measured) = (Ticket::NONE, Mark::NONE);
            self.tell(core, &P::COMMANDS[C::INDEX], |hooks, call, about| hooks.on_retry(call, &error, about));
            self.stage = Stage::Apart; // the seq was of that member
            return self.dispatch::<P, F, H, C>(core, frame, awaits, Some(avoid), deadline, cx);
        }
        if let Some(reply) = &answer {
            self.is_told(core, reply, &P::COMMANDS[C::INDEX], awaits);
        }
        self.counts_answer(core, awaits, answer.as_ref());
        self.ended_well(core, command, awaits);
        Poll::Ready(Ok(answer))
    }

    /// The last attempt has failed.
    #[cold]
    pub(super) fn failed<P, F, H, C>(
        &mut self,
        core: &Core<P, F, H>,
        awaits: Awaits,
        seq: Seq,
        error: Error,
        deadline: Option<Instant>,
        cx: &mut Context<'_>,
    ) -> Answer<P>
    where
        P: ClientProtocol<F>,
        F: Format + Encode<C>,
        H: Hooks<P, Call = K>,
        C: CommandOf<P>,
    {
        let _counted = core.between(); // it is in no table while the hooks are told
        let table = core.table(self.member);
        let frame = table.take_back(seq);
        if frame.is_none() && awaits == Awaits::Replies {
            table.forget(seq);
        }
        self.measured = Mark::NONE;
        let is_replied = self.more.as_ref().is_some_and(|more| more.is_replied);
        if let Some(frame) = frame {
            if self.may_move::<P, F, H, C>(core, &error, true) {
                core.moves();
                if let Some(more) = &mut self.more {
                    more.waits_since = None;
                }
                self.stage = Stage::Apart; // the seq was of that member
                let avoid = Some(self.member as usize);
                return self.dispatch::<P, F, H, C>(core, frame, awaits, avoid, deadline, cx);
            }
        } else if C::IDEMPOTENT && error.was_sent() && is_lost(&error) && !is_replied && self.may_retry(core)
        {
            one(&core.counts.retries);
            self.tell_breaker(core, &error);
            self.tell(core, &P::COMMANDS[C::INDEX], |hooks, call, about| hooks.on_retry(call, &error, about));
            self.more.get_or_insert_default().last_error = Some(error);
            return self.retry::<P, F, H, C>(core, awaits, deadline, cx);
        }
        self.finish::<P, F, H, C>(core, error)
    }

    /// Whether a Command that was not sent goes to another member. That needs no budget.
    #[cold]
    pub(super) fn may_move<P, F, H, C>(
        &mut self,
        core: &Core<P, F, H>,
        error: &Error,
        is_handed_back: bool,
    ) -> bool
    where
        P: Protocol,
        H: Hooks<P, Call = K>,
        C: CommandOf<P>,
    {
        // An error of this side would be the same elsewhere, unless it is about the connection.
        let is_of_the_member = is_handed_back
            || error.origin() != Origin::Local
            || !core.group.is_connected(self.member as usize);
        let may = core.group.len() > 1 && !error.was_sent() && is_of_the_member && !core.is_closed();
        if may {
            one(&core.counts.moves);
            self.ticket = Ticket::NONE; // it says nothing about the member
            self.tell(core, &P::COMMANDS[C::INDEX], |hooks, call, about| hooks.on_retry(call, error, about));
        }
        may
    }

    /// Whether one more attempt is allowed, which is then booked.
    pub(super) fn may_retry<P: Protocol, F, H: Hooks<P>>(&mut self, core: &Core<P, F, H>) -> bool {
        let Some(retries) = &core.retries else { return false };
        let more = self.more.get_or_insert_default();
        let may = more.retries + 1 < retries.settings.attempts
            && !core.is_closed()
            && retries.take(Instant::now(), core.sent());
        more.retries += u32::from(may);
        may
    }

    /// An attempt that was booked was not made after all.
    pub(super) fn give_back_retry<P: Protocol, F, H: Hooks<P>>(&mut self, core: &Core<P, F, H>) {
        if let (Some(more), Some(retries)) = (&mut self.more, &core.retries) {
            more.retries -= 1;
            retries.give_back(Instant::now());
        }
    }

    /// Sends an idempotent Command again, after a pause.
    pub(super) fn retry<P, F, H, C>(
        &mut self,
        core: &Core<P, F, H>,
        awaits: Awaits,
        deadline: Option<Instant>,
        cx: &mut Context<'_>,
    ) -> Answer<P>
    where
        P: ClientProtocol<F>,
        F: Format + Encode<C>,
        H: Hooks<P, Call = K>,
        C: CommandOf<P>,
    {
        let more = self.more.get_or_insert_default();
        more.may_have_run = true;
        let frame = Scratch::of(more.kept.as_deref().unwrap_or_default().to_vec());
        more.waits_since = None;
        let pause = core.retries.as_ref().map_or(Duration::ZERO, |retries| retries.pause(more.retries));
        let end = [Instant::now().checked_add(pause), deadline].into_iter().flatten().min();
        let avoid = Some(self.member as usize);
        let pause = core.pause(end.unwrap_or_else(Instant::now));
        self.set_apart(core, Box::pin(pause), frame, avoid);
        self.poll_apart::<P, F, H, C>(core, awaits, deadline, cx)
    }

    #[cold]
    pub(super) fn wait_for_member<P, F, H, C>(
        &mut self,
        core: &Core<P, F, H>,
        frame: Scratch,
        deadline: Option<Instant>,
        cx: &mut Context<'_>,
    ) -> Answer<P>
    where
        P: ClientProtocol<F>,
        F: Format + Encode<C>,
        H: Hooks<P, Call = K>,
        C: CommandOf<P>,
    {
        if core.is_closed() {
            return self.finish::<P, F, H, C>(core, core.closed());
        }
        let until = core.group.wait_until(&mut self.more.get_or_insert_default().waits_since);
        if core.group.has_ended() || until.is_some_and(|until| until <= Instant::now()) {
            let error = core.group.unavailable();
            if error.kind() == ErrorKind::Refused {
                one(&core.counts.refused_by_breakers);
            }
            return self.fail_soon::<P, F, H, C>(core, error, cx);
        }
        one(&core.counts.member_waits);
        let until = [until, deadline].into_iter().flatten().min();
        let over = Box::pin(core.group.clone().available(until));
        self.set_apart(core, over, frame, None);
        // The task is woken when there is something new.
        if let Some(more) = &mut self.more
            && let Some(waiting) = &mut more.apart
            && waiting.over.as_mut().poll(cx).is_ready()
        {
            waiting.over = Box::pin(std::future::ready(()));
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    pub(super) fn set_apart<P: Protocol, F, H: Hooks<P>>(
        &mut self,
        core: &Core<P, F, H>,
        over: Pin<Box<dyn Future<Output = ()> + Send>>,
        frame: Scratch,
        avoid: Option<usize>,
    ) {
        // Many may wait, and each would keep the buffer of a thread.
        let waiting = Waiting { over, frame: frame.into_waiting(), avoid, _apart: core.apart() };
        self.more.get_or_insert_default().apart = Some(waiting);
        self.stage = Stage::Apart;
    }

    /// Waits for a member, or for the end of a pause, and then sends the Command.
    #[cold]
    pub(super) fn poll_apart<P, F, H, C>(
        &mut self,
        core: &Core<P, F, H>,
        awaits: Awaits,
        deadline: Option<Instant>,
        cx: &mut Context<'_>,
    ) -> Answer<P>
    where
        P: ClientProtocol<F>,
        F: Format + Encode<C>,
        H: Hooks<P, Call = K>,
        C: CommandOf<P>,
    {
        let Some(more) = &mut self.more else { return Poll::Pending };
        let Some(waiting) = &mut more.apart else { return Poll::Pending };
        // It registers before the look, or a close between the two would be missed.
        let over = waiting.over.as_mut().poll(cx);
        if core.is_closed() {
            return self.finish::<P, F, H, C>(core, core.closed());
        }
        if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            let error = self.timed_out_apart(core);
            return self.finish::<P, F, H, C>(core, error);
        }
        ready!(over);
        let Some(Waiting { frame, avoid, .. }) = more.apart.take() else { return Poll::Pending };
        self.dispatch::<P, F, H, C>(core, frame, awaits, avoid, deadline, cx)
    }

    /// The error of a call whose deadline is over while it is at no member.
    fn timed_out_apart<P: Protocol, F, H: Hooks<P>>(&mut self, core: &Core<P, F, H>) -> Error {
        let error = core.table(self.member).timed_out(Waited::InOutput);
        match self.more.as_mut().and_then(|more| more.last_error.take()) {
            Some(last) => {
                let message = "the call timed out before its command was sent again";
                Error::with_source(error.kind(), error.origin(), message, last)
            }
            None => error,
        }
    }

    /// Goes on with a call that does not take the straight way.
    #[cold]
    pub(super) fn poll_slowly<P, F, H, C>(
        &mut self,
        core: &Core<P, F, H>,
        command: &mut Option<C>,
        awaits: Awaits,
        is_over: bool,
        deadline: Option<Instant>,
        cx: &mut Context<'_>,
    ) -> Answer<P>
    where
        P: ClientProtocol<F>,
        F: Format + Encode<C>,
        H: Hooks<P, Call = K>,
        C: CommandOf<P>,
    {
        match self.stage {
            Stage::Queued => self.poll_queued::<P, F, H, C>(core, awaits, is_over, deadline, cx),
            Stage::Failing => {
                let failing = self.more.as_ref().and_then(|more| more.failing.clone());
                self.fail_soon::<P, F, H, C>(core, failing.unwrap_or_else(|| core.closed()), cx)
            }
            Stage::Apart => self.poll_apart::<P, F, H, C>(core, awaits, deadline, cx),
            Stage::Sent => {
                let seq = self.seq;
                self.poll_hedged(core, command, awaits, seq, deadline, cx)
            }
            Stage::Start | Stage::Done => panic!("a call was polled after it was done"),
        }
    }

    /// The call waits for room in the output of its member.
    #[cold]
    pub(super) fn queue<P: Protocol, F, H: Hooks<P>>(
        &mut self,
        core: &Core<P, F, H>,
        frame: Scratch,
        turn: Option<Seq>,
    ) {
        let queued = Queued { frame: frame.into_waiting(), turn, _apart: core.apart() };
        self.more.get_or_insert_default().queued = Some(queued);
        self.stage = Stage::Queued;
    }

    fn poll_queued<P, F, H, C>(
        &mut self,
        core: &Core<P, F, H>,
        awaits: Awaits,
        is_over: bool,
        deadline: Option<Instant>,
        cx: &mut Context<'_>,
    ) -> Answer<P>
    where
        P: ClientProtocol<F>,
        F: Format + Encode<C>,
        H: Hooks<P, Call = K>,
        C: CommandOf<P>,
    {
        let table = core.table(self.member);
        if is_over {
            ready!(may_fail(cx));
            self.leave_queue(core);
            return self.finish::<P, F, H, C>(core, table.timed_out(Waited::ForRoom));
        }
        let Some(more) = &mut self.more else { return Poll::Pending };
        let Some(Queued { frame, turn, .. }) = &mut more.queued else { return Poll::Pending };
        let sent = ready!(table.poll_send(frame, turn, expects::<P, C>(awaits), deadline, cx));
        // It is counted here until it is in the table, or somewhere else.
        let Some(Queued { frame, _apart, .. }) = more.queued.take() else { return Poll::Pending };
        match sent {
            Ok(seq) => {
                self.sent::<P, F, H, C>(core, seq, awaits, cx);
                Poll::Pending
            }
            Err(error) => {
                if self.may_move::<P, F, H, C>(core, &error, false) {
                    let avoid = Some(self.member as usize);
                    return self.dispatch::<P, F, H, C>(core, frame, awaits, avoid, deadline, cx);
                }
                self.fail_soon::<P, F, H, C>(core, error, cx)
            }
        }
    }

    /// The call waits for room no longer.
    #[cold]
    pub(super) fn leave_queue<P: Protocol, F, H: Hooks<P>>(&mut self, core: &Core<P, F, H>) {
        let queued = self.more.as_mut().and_then(|more| more.queued.take());
        if let Some(turn) = queued.and_then(|queued| queued.turn) {
            core.table(self.member).leave(turn);
        }
    }

    /// A stream stays in the table of its member until it is forgotten.
    #[cold]
    pub(super) fn forget_stream<P: Protocol, F, H: Hooks<P>>(&self, core: &Core<P, F, H>) {
        if let Some(seq) = self.seq() {
            core.table(self.member).forget(seq);
        }
    }
}
