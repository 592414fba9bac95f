//! A second attempt beside the first, for idempotent Commands.

use std::future::Future;
use std::task::{Context, Poll, ready};

use tokio::time::{Instant, sleep};

use super::{Answer, Awaits, Core, Course, Hedge, Mark, Second, Stage, Ticket, expects, poll_answer};
use crate::connection::outbox::Scratch;
use crate::error::{Error, Origin};
use crate::format::{Encode, Format};
use crate::hooks::Hooks;
use crate::proto::frame::Seq;
use crate::protocol::{ClientProtocol, CommandOf, Protocol};
use crate::sender::counters::one;

impl<K: Send + 'static> Course<K> {
    #[cold]
    pub(super) fn prepare_hedge<P: Protocol, F, H: Hooks<P>>(
        &mut self,
        core: &Core<P, F, H>,
        cx: &mut Context<'_>,
    ) {
        let Some(retries) = core.retries.as_ref().filter(|retries| retries.settings.hedge.is_some()) else {
            return;
        };
        self.measured = core.mark(Instant::now());
        if core.group.len() > 1
            && self.more.as_ref().is_none_or(|more| more.retries == 0)
            && let Some(after) = retries.hedge_after()
        {
            let mut begins = Box::pin(sleep(after));
            let _ = begins.as_mut().poll(cx); // so that it wakes the call
            let hedge = Box::new(Hedge { begins, second: Second::NotYet });
            self.more.get_or_insert_default().hedge = Some(hedge);
        }
    }

    /// Waits for the answer of one of two attempts, or for the time to make the second.
    pub(super) fn poll_hedged<P, F, H, C>(
        &mut self,
        core: &Core<P, F, H>,
        command: &mut Option<C>,
        awaits: Awaits,
        seq: Seq,
        deadline: Option<Instant>,
        cx: &mut Context<'_>,
    ) -> Answer<P>
    where
        P: ClientProtocol<F>,
        F: Format + Encode<C>,
        H: Hooks<P, Call = K>,
        C: CommandOf<P>,
    {
        let mut size = 0;
        match poll_answer(core.table(self.member), seq, awaits, deadline, &mut size, cx) {
            Poll::Ready(Ok(answer)) => {
                self.note_size::<P, H>(seq, size);
                if let Some(reply) = &answer
                    && P::is_overloaded(reply)
                    && self.second_takes_over()
                {
                    // This one was shed. The other one may have a Reply.
                    return self.poll(core, command, awaits, (false, deadline), cx);
                }
                self.drop_second(core);
                return self.answered(core, command, awaits, answer, deadline, cx);
            }
            Poll::Ready(Err(error)) => {
                return self.first_failed(core, command, awaits, seq, error, deadline, cx);
            }
            Poll::Pending => {}
        }
        let Some(hedge) = self.hedge() else { return Poll::Pending };
        if let Second::NotYet = hedge.second {
            ready!(hedge.begins.as_mut().poll(cx));
            let second = self.send_second::<P, F, H, C>(core, deadline, cx);
            if let Some(hedge) = self.hedge() {
                hedge.second = second;
            }
            return Poll::Pending;
        }
        self.poll_second(core, command, awaits, seq, deadline, cx)
    }

    /// The first attempt has failed. The second takes its place, if it is in flight.
    #[expect(clippy::too_many_arguments, reason = "they are those of a poll, and what it has found")]
    fn first_failed<P, F, H, C>(
        &mut self,
        core: &Core<P, F, H>,
        command: &mut Option<C>,
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
        match self.take_second() {
            Some(Second::Sent { member, seq: second_seq, ticket }) if error.origin() != Origin::Local => {
                if error.was_sent() {
                    self.tell_breaker(core, &error);
                }
                core.table(self.member).take_back(seq);
                (self.member, self.ticket, self.measured) = (member as u32, ticket, Mark::NONE);
                self.more.get_or_insert_default().may_have_run |= error.was_sent();
                (self.seq, self.stage) = (second_seq, Stage::Sent);
                return self.poll(core, command, awaits, (false, deadline), cx);
            }
            // It is still out, and may have been executed.
            Some(Second::Sent { member, seq, .. }) => {
                self.more.get_or_insert_default().may_have_run = true;
                core.table(member as u32).forget(seq);
            }
            _ => {}
        }
        self.failed(core, awaits, seq, error, deadline, cx)
    }

    /// Waits for the answer of the second attempt, if there is one. The first has this seq.
    fn poll_second<P, F, H, C>(
        &mut self,
        core: &Core<P, F, H>,
        command: &mut Option<C>,
        awaits: Awaits,
        seq: Seq,
        deadline: Option<Instant>,
        cx: &mut Context<'_>,
    ) -> Answer<P>
    where
        P: ClientProtocol<F>,
        F: Format + Encode<C>,
        H: Hooks<P, Call = K>,
        C: CommandOf<P>,
    {
        let Some(hedge) = self.more.as_mut().and_then(|more| more.hedge.as_mut()) else {
            return Poll::Pending;
        };
        let Second::Sent { member, seq: second_seq, ticket } = &mut hedge.second else {
            return Poll::Pending;
        };
        let (member, second_seq) = (*member as u32, *second_seq);
        let mut size = 0;
        match ready!(poll_answer(core.table(member), second_seq, awaits, deadline, &mut size, cx)) {
            Ok(Some(reply)) if P::is_overloaded(&reply) => {
                hedge.second = Second::Over;
                Poll::Pending // the first one has its waker in the table
            }
            Ok(answer) => {
                one(&core.counts.hedges_won);
                core.table(self.member).forget(seq);
                // So long the call took, whichever attempt was answered.
                if let (Some(time), Some(retries)) = (core.since(self.measured.take()), &core.retries) {
                    retries.took(time);
                }
                (self.member, self.ticket) = (member, std::mem::replace(ticket, Ticket::NONE));
                (self.seq, self.stage) = (second_seq, Stage::Sent);
                self.take_second();
                self.note_size::<P, H>(second_seq, size);
                self.answered(core, command, awaits, answer, deadline, cx)
            }
            Err(error) => {
                // What was not sent says nothing about the member.
                if error.was_sent() && ticket.counts() {
                    core.group.ended(member as usize, ticket, Some(&error));
                }
                core.table(member).take_back(second_seq);
                hedge.second = Second::Over;
                self.more.get_or_insert_default().may_have_run |= error.was_sent();
                Poll::Pending // the first one has its waker in the table
            }
        }
    }

    /// Sends the Command to another member as well, if there is one that takes it now, and the budget allows it.
    pub(super) fn send_second<P, F, H, C>(
        &mut self,
        core: &Core<P, F, H>,
        deadline: Option<Instant>,
        cx: &Context<'_>,
    ) -> Second
    where
        P: ClientProtocol<F>,
        F: Format + Encode<C>,
        H: Hooks<P, Call = K>,
        C: CommandOf<P>,
    {
        let first = self.member as usize;
        if !core.group.has_elsewhere(first) || !self.may_retry(core) {
            return Second::Over;
        }
        let Ok(Some(picked)) = core.group.pick(Some(first)) else {
            self.give_back_retry(core);
            return Second::Over;
        };
        let kept = self.more.as_ref().and_then(|more| more.kept.as_deref());
        let (mut frame, mut turn) = (Scratch::of(kept.unwrap_or_default().to_vec()), None);
        let table = core.table(picked.member as u32);
        let expects = expects::<P, C>(Awaits::Reply);
        match table.poll_send(&mut frame, &mut turn, expects, deadline, cx) {
            Poll::Ready(Ok(seq)) => {
                one(&core.counts.hedges);
                self.attempts += 1;
                if !H::IS_NONE {
                    let second = (picked.member as u32, Some(seq));
                    self.tell_of(core, &P::COMMANDS[C::INDEX], second, |hooks, call, about| {
                        hooks.on_hedge(call, about);
                    });
                }
                Second::Sent { member: picked.member, seq, ticket: picked.ticket }
            }
            not_sent => {
                if let (Poll::Pending, Some(turn)) = (not_sent, turn) {
                    table.leave(turn);
                }
                self.give_back_retry(core);
                Second::Over
            }
        }
    }

    fn hedge(&mut self) -> Option<&mut Hedge> {
        self.more.as_mut()?.hedge.as_deref_mut()
    }

    /// From now on there is one attempt.
    fn take_second(&mut self) -> Option<Second> {
        Some(self.more.as_mut()?.hedge.take()?.second)
    }

    /// The second attempt takes the place of the first, if it is in flight.
    fn second_takes_over(&mut self) -> bool {
        match self.take_second() {
            Some(Second::Sent { member, seq, ticket }) => {
                (self.member, self.ticket, self.measured) = (member as u32, ticket, Mark::NONE);
                (self.seq, self.stage) = (seq, Stage::Sent);
                true
            }
            _ => false,
        }
    }

    pub(super) fn drop_second<P: Protocol, F, H: Hooks<P>>(&mut self, core: &Core<P, F, H>) {
        if let Some(Second::Sent { member, seq, .. }) = self.take_second() {
            core.table(member as u32).forget(seq);
        }
    }
}
