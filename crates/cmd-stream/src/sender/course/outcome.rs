//! Who is told how a call goes: the hooks, the circuit breaker of the member, and what is measured.

use std::num::NonZeroU32;
use std::task::Poll;

use super::{Answer, Awaits, Core, Course, Stage, Ticket, small};
use crate::error::{Error, ErrorKind, Origin};
use crate::hooks::{About, Hooks, contained};
use crate::proto::frame::Seq;
use crate::protocol::{CommandOf, Entry, Protocol};

impl<K: Send + 'static> Course<K> {
    #[inline(always)]
    pub(super) fn is_told<P, F, H>(
        &mut self,
        core: &Core<P, F, H>,
        reply: &P::Reply,
        entry: &'static Entry,
        awaits: Awaits,
    ) where
        P: Protocol,
        H: Hooks<P, Call = K>,
    {
        if self.measured.is_some() {
            self.took(core);
        }
        // A stream that is lost later has failed after all. But a trial must not take as long as a stream.
        if self.ticket.counts() && (awaits != Awaits::Replies || self.ticket.is_trial()) {
            core.group.ended(self.member as usize, &mut self.ticket, None);
        }
        if awaits == Awaits::Replies {
            self.more.get_or_insert_default().is_replied = true;
        }
        if !H::IS_NONE && self.told.is_some() {
            self.tell_reply(core, reply, entry);
        }
    }

    #[cold]
    fn tell_reply<P, F, H>(&mut self, core: &Core<P, F, H>, reply: &P::Reply, entry: &'static Entry)
    where
        P: Protocol,
        H: Hooks<P, Call = K>,
    {
        let size = self.told.as_ref().and_then(|told| told.reply_size).map(wide);
        self.tell(core, entry, |hooks, call, about| {
            let about = About { reply: Some(P::reply_entry(reply)), reply_size: size, ..*about };
            hooks.on_reply(call, reply, &about);
        });
    }

    /// Keeps the size of a Reply for the hooks. `size` is that of its frame.
    #[inline(always)]
    pub(super) fn note_size<P: Protocol, H: Hooks<P>>(&mut self, seq: Seq, size: u32) {
        if !H::IS_NONE
            && let Some(told) = &mut self.told
        {
            told.reply_size = small((size as usize).saturating_sub(seq.wire_len()));
        }
    }

    #[cold]
    pub(super) fn took<P: Protocol, F, H: Hooks<P>>(&mut self, core: &Core<P, F, H>) {
        let Some(time) = core.since(self.measured.take()) else { return };
        core.group.took(self.member as usize, time);
        if let Some(more) = &self.more
            && more.kept.is_some()
            && let Some(retries) = &core.retries
        {
            retries.took(time);
        }
    }

    /// What the hooks keep is theirs, and its destructor may panic.
    #[cold]
    pub(super) fn forget_told(&mut self) {
        if let Some(told) = self.told.take() {
            contained(|| drop(told));
        }
    }

    pub(super) fn tell_breaker<P: Protocol, F, H: Hooks<P>>(&mut self, core: &Core<P, F, H>, error: &Error) {
        if self.ticket.counts() {
            core.group.ended(self.member as usize, &mut self.ticket, Some(error));
        }
        self.ticket = Ticket::NONE;
    }

    /// The call has failed for good.
    #[cold]
    pub(super) fn finish<P, F, H, C>(&mut self, core: &Core<P, F, H>, error: Error) -> Answer<P>
    where
        P: Protocol,
        H: Hooks<P, Call = K>,
        C: CommandOf<P>,
    {
        self.tell_breaker(core, &error);
        let may_have_run = self.more.as_ref().is_some_and(|more| more.may_have_run);
        let error = if may_have_run { error.into_sent() } else { error };
        let is_timeout = error.kind() == ErrorKind::Timeout && error.origin() == Origin::Local;
        self.tell(core, &P::COMMANDS[C::INDEX], |hooks, call, about| {
            if is_timeout {
                hooks.on_timeout(call, &error, about)
            } else {
                hooks.on_error(call, &error, about)
            }
        });
        self.counts_error(core, &error);
        self.stage = Stage::Done;
        self.more = None;
        self.forget_told();
        Poll::Ready(Err(error))
    }

    /// Tells the hooks something about the call, and its last attempt.
    #[cold]
    pub(super) fn tell<P, F, H>(
        &mut self,
        core: &Core<P, F, H>,
        entry: &'static Entry,
        tell: impl FnOnce(&H, &mut K, &About<'_>),
    ) where
        P: Protocol,
        H: Hooks<P, Call = K>,
    {
        self.tell_of(core, entry, (self.member, self.seq()), tell);
    }

    /// Tells the hooks something about an attempt, at this member and with this seq, if it has one.
    pub(super) fn tell_of<P, F, H>(
        &mut self,
        core: &Core<P, F, H>,
        entry: &'static Entry,
        (member, seq): (u32, Option<Seq>),
        tell: impl FnOnce(&H, &mut K, &About<'_>),
    ) where
        P: Protocol,
        H: Hooks<P, Call = K>,
    {
        let Some(told) = &mut self.told else { return };
        let is_tried = self.attempts > 0;
        let peer = || match seq {
            Some(seq) => core.table(member).peer_of(seq),
            None if is_tried => core.group.client(member as usize).peer(),
            None => None,
        };
        let about = About {
            entry,
            size: told.size.map(wide),
            reply: None,
            reply_size: None,
            seq: seq.map(Seq::get),
            member: is_tried.then_some(member as usize),
            attempt: self.attempts,
            began: Some(told.began),
            peer: &peer,
        };
        contained(|| tell(&core.hooks, &mut told.call, &about));
    }
}

fn wide(size: NonZeroU32) -> usize {
    size.get() as usize
}
