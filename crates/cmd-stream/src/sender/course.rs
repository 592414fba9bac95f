//! The course of one call of a Sender: the hooks are asked, a member of the group is chosen, the Command is encoded and sent;
//! and if that fails, it may be sent once more, to another member.
//!
//! As a rule a call takes the straight way: it starts, is sent, and has its answer. The slower ways (no member is available, a
//! pause before a retry, a second attempt at the same time) are kept out of it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

use super::core::{Apart, Core};
use super::retry::is_lost;
use crate::circuit_breaker::Ticket;
use crate::client::call::{accepts, encode, may_fail};
use crate::client::table::{Expects, Table, Waited};
use crate::connection::outbox::Scratch;
use crate::error::{Error, ErrorKind, Origin};
use crate::format::{Encode, Format};
use crate::hooks::{About, Hooks, ask, contained};
use crate::proto::frame::Seq;
use crate::protocol::{ClientProtocol, CommandOf, Protocol};

/// What a call waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Awaits {
    Reply,
    Replies,
    /// That its one-way Command is written.
    Written,
}

/// How far a call has come. `K` is what the hooks keep for it.
pub(super) struct Course<K> {
    stage: Stage,
    /// The member that has the last attempt.
    member: u32,
    attempts: u32,
    /// When the last attempt was sent, if it is one that is measured.
    measured: Option<Instant>,
    told: Option<Told<K>>,
    /// For the circuit breaker of the member.
    ticket: Option<Ticket>,
    more: Option<Box<More>>,
    hedge: Option<Box<Hedge>>,
}

enum Stage {
    Start,
    Queued(Box<Queued>),
    Sent(Seq),
    /// It waits for a member, or for the end of a pause.
    Apart,
    Done,
}

/// A call that is encoded, and waits for room in the output.
struct Queued {
    frame: Scratch,
    /// What the table remembers of it.
    turn: Option<u64>,
    /// Counts it among the calls of the Sender.
    _apart: Apart,
}

/// What the hooks keep, and are told.
struct Told<K> {
    call: K,
    began: Instant,
    size: Option<usize>,
}

/// What most calls do not need.
#[derive(Default)]
struct More {
    /// The encoded Command, of those that may be sent again.
    kept: Option<Box<[u8]>>,
    /// How often it was sent again.
    retries: u32,
    /// An earlier attempt may have been executed.
    may_have_run: bool,
    /// It has had a Reply.
    is_replied: bool,
    /// Since when it is refused by all members that have a connection.
    waits_since: Option<Instant>,
    apart: Option<Waiting>,
}

/// A call that is at no member.
struct Waiting {
    over: Pin<Box<dyn Future<Output = ()> + Send>>,
    frame: Scratch,
    avoid: Option<usize>,
    /// Counts it among the calls of the Sender.
    _apart: Apart,
}

/// A second attempt beside the first.
struct Hedge {
    begins: Pin<Box<Sleep>>,
    second: Second,
}

enum Second {
    NotYet,
    Sent {
        member: usize,
        seq: Seq,
        ticket: Option<Ticket>,
    },
    /// There is none, or it has failed.
    Over,
}

type Answer<P> = Poll<Result<Option<<P as Protocol>::Reply>, Error>>;

impl<K: Send + 'static> Course<K> {
    pub(super) const fn new() -> Self {
        Self {
            stage: Stage::Start,
            member: 0,
            attempts: 0,
            measured: None,
            told: None,
            ticket: None,
            more: None,
            hedge: None,
        }
    }

    /// Whether the last attempt is in the output of its member, or beyond.
    #[inline(always)]
    pub(super) fn is_sent(&self) -> bool {
        matches!(self.stage, Stage::Sent(_))
    }

    pub(super) fn seq(&self) -> Option<Seq> {
        if let Stage::Sent(seq) = self.stage { Some(seq) } else { None }
    }

    /// Goes on until there is an answer: a Reply, or nothing if there is none any more. `is_over` says whether the deadline is,
    /// for a call that is not sent.
    #[inline(always)] // every call passes here
    pub(super) fn poll<P, F, H, C>(
        &mut self,
        core: &Core<P, F, H>,
        command: &mut Option<C>,
        awaits: Awaits,
        (is_over, deadline): (bool, Option<Instant>),
        cx: &mut Context<'_>,
    ) -> Answer<P>
    where
        P: ClientProtocol<F>,
        F: Format + Encode<C>,
        H: Hooks<P, Call = K>,
        C: CommandOf<P>,
    {
        if let Stage::Sent(seq) = self.stage
            && self.hedge.is_none()
        {
            return match poll_answer(core.table(self.member), seq, awaits, deadline, cx) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(Ok(answer)) => self.answered(core, command, awaits, answer, deadline, cx),
                Poll::Ready(Err(error)) => self.failed(core, awaits, seq, error, deadline, cx),
            };
        }
        if let Stage::Start = self.stage {
            return self.start(core, command, awaits, is_over, deadline, cx);
        }
        self.poll_slowly(core, command, awaits, is_over, deadline, cx)
    }

    /// The first poll.
    #[inline(always)]
    fn start<P, F, H, C>(
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
        let Some(value) = command else { panic!("a call was polled after it was done") };
        if core.refuses_calls() || is_over {
            ready!(may_fail(cx));
            *command = None;
            self.stage = Stage::Done;
            let table = core.table(self.member);
            return Poll::Ready(Err(if is_over { table.timed_out(Waited::Not) } else { core.drained() }));
        }
        if !H::IS_NONE {
            match ask(&core.hooks, value, &P::COMMANDS[C::INDEX]) {
                Ok(call) => self.told = Some(Told { call, began: Instant::now(), size: None }),
                Err(error) => {
                    ready!(may_fail(cx));
                    *command = None;
                    self.stage = Stage::Done;
                    return Poll::Ready(Err(error));
                }
            }
        }
        let frame = match encode::<P, F, C>(core.any_client(), value) {
            Ok(frame) => frame,
            Err(error) => {
                *command = None;
                return self.finish::<P, F, H, C>(core, error);
            }
        };
        if let Some(told) = &mut self.told {
            told.size = Some(frame.len());
        }
        if C::IDEMPOTENT && core.retries.is_some() {
            self.more.get_or_insert_default().kept = Some(frame.bytes().into());
        }
        // A server that sheds it has not executed it. It may have to be encoded again for another one.
        let may_be_shed = P::FAILURE.is_some() && core.retries.is_some() && core.group.len() > 1;
        if C::IDEMPOTENT || !may_be_shed {
            *command = None;
        }
        self.dispatch::<P, F, H, C>(core, frame, awaits, None, deadline, cx)
    }

    /// Sends the Command to a member, not to the one to avoid if there is another.
    #[inline(always)]
    fn dispatch<P, F, H, C>(
        &mut self,
        core: &Core<P, F, H>,
        mut frame: Scratch,
        awaits: Awaits,
        mut avoid: Option<usize>,
        deadline: Option<Instant>,
        cx: &mut Context<'_>,
    ) -> Answer<P>
    where
        P: ClientProtocol<F>,
        F: Format + Encode<C>,
        H: Hooks<P, Call = K>,
        C: CommandOf<P>,
    {
        let mut moves = 0;
        loop {
            let picked = match core.group.pick(avoid) {
                Ok(Some(picked)) => picked,
                Ok(None) => return self.wait_for_member::<P, F, H, C>(core, frame, deadline, cx),
                Err(error) => return self.finish::<P, F, H, C>(core, error),
            };
            self.member = picked.member as u32;
            self.ticket = picked.ticket;
            self.attempts += 1;
            let mut turn = None;
            let table = core.table(self.member);
            match table.poll_send(&mut frame, &mut turn, expects::<P, C>(awaits), deadline, cx) {
                Poll::Ready(Ok(seq)) => {
                    self.sent::<P, F, H, C>(core, seq, awaits, cx);
                    return Poll::Pending; // its waker is in the table
                }
                Poll::Pending => {
                    self.stage = Stage::Queued(Box::new(Queued { frame, turn, _apart: core.apart() }));
                    return Poll::Pending;
                }
                Poll::Ready(Err(error)) => {
                    if !self.may_move::<P, F, H, C>(core, &error, false) {
                        ready!(self.may_finish(core, &mut frame, cx));
                        return self.finish::<P, F, H, C>(core, error);
                    }
                    avoid = Some(self.member as usize);
                    moves += 1;
                    if moves > core.group.len() {
                        // All have just gone away. Those who bring them back get their turn.
                        self.set_apart(core, Box::pin(tokio::task::yield_now()), frame, avoid);
                        return self.poll_apart::<P, F, H, C>(core, awaits, deadline, cx);
                    }
                }
            }
        }
    }

    /// As [`may_fail`]: if the call has to wait for that, it is in its old stage, and tries again.
    #[cold]
    fn may_finish<P: Protocol, F, H>(
        &mut self,
        core: &Core<P, F, H>,
        frame: &mut Scratch,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let may = may_fail(cx);
        if may.is_pending() {
            self.ticket = None;
            let frame = std::mem::take(frame);
            self.stage = Stage::Queued(Box::new(Queued { frame, turn: None, _apart: core.apart() }));
        }
        may
    }

    /// The Command is in the output of a member.
    #[inline(always)]
    fn sent<P, F, H, C>(&mut self, core: &Core<P, F, H>, seq: Seq, awaits: Awaits, cx: &mut Context<'_>)
    where
        P: Protocol,
        H: Hooks<P, Call = K>,
        C: CommandOf<P>,
    {
        self.stage = Stage::Sent(seq);
        if seq.get() % MEASURED == 0 {
            self.measure(core);
        }
        if C::IDEMPOTENT && awaits == Awaits::Reply {
            self.prepare_hedge(core, cx);
        }
    }

    #[cold]
    fn measure<P: Protocol, F, H: Hooks<P>>(&mut self, core: &Core<P, F, H>) {
        let now = Instant::now();
        self.measured = Some(now);
        if let Some(retries) = &core.retries {
            retries.note(now, core.group.sent());
        }
    }

    #[cold]
    fn prepare_hedge<P: Protocol, F, H: Hooks<P>>(&mut self, core: &Core<P, F, H>, cx: &mut Context<'_>) {
        let Some(retries) = core.retries.as_ref().filter(|retries| retries.settings.hedge.is_some()) else {
            return;
        };
        self.measured = Some(Instant::now());
        if core.group.len() > 1
            && self.attempts == 1
            && let Some(after) = retries.hedge_after()
        {
            let mut begins = Box::pin(sleep(after));
            let _ = begins.as_mut().poll(cx); // so that it wakes the call
            self.hedge = Some(Box::new(Hedge { begins, second: Second::NotYet }));
        }
    }

    /// There is an answer.
    #[inline(always)]
    fn answered<P, F, H, C>(
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
        if let Some(reply) = &answer {
            if P::is_failure(reply) && P::is_overloaded(reply) {
                return self.shed(core, command, awaits, answer, deadline, cx);
            }
            self.is_told(core, reply, &P::COMMANDS[C::INDEX], awaits);
        }
        if awaits != Awaits::Replies || answer.is_none() {
            if awaits == Awaits::Replies {
                self.forget_stream(core);
            }
            self.end(command);
        }
        Poll::Ready(Ok(answer))
    }

    /// A stream stays in the table of its member until it is forgotten.
    #[cold]
    fn forget_stream<P: Protocol, F, H: Hooks<P>>(&self, core: &Core<P, F, H>) {
        if let Stage::Sent(seq) = self.stage {
            core.table(self.member).forget(seq);
        }
    }

    #[inline(always)]
    fn is_told<P, F, H>(
        &mut self,
        core: &Core<P, F, H>,
        reply: &P::Reply,
        entry: &'static crate::protocol::Entry,
        awaits: Awaits,
    ) where
        P: Protocol,
        H: Hooks<P, Call = K>,
    {
        if let Some(sent) = self.measured.take() {
            self.took(core, sent);
        }
        if let Some(ticket) = &mut self.ticket {
            core.group.ended(self.member as usize, ticket, None);
        }
        if awaits == Awaits::Replies {
            self.more.get_or_insert_default().is_replied = true;
        }
        if !H::IS_NONE {
            self.tell(core, entry, |hooks, call, about| hooks.on_reply(call, reply, about));
        }
    }

    #[cold]
    fn took<P: Protocol, F, H: Hooks<P>>(&self, core: &Core<P, F, H>, sent: Instant) {
        let time = sent.elapsed();
        core.group.took(self.member as usize, time);
        if let Some(more) = &self.more
            && more.kept.is_some()
            && let Some(retries) = &core.retries
        {
            retries.took(time);
        }
    }

    /// The call has its last answer.
    #[inline(always)]
    fn end<C>(&mut self, command: &mut Option<C>) {
        self.stage = Stage::Done;
        if command.is_some() {
            *command = None;
        }
        if self.told.is_some() {
            self.forget_told();
        }
    }

    /// What the hooks keep is theirs, and its destructor may panic.
    #[cold]
    fn forget_told(&mut self) {
        let told = self.told.take();
        contained(|| drop(told));
    }

    /// The server has not executed the Command, because it sheds load. Another one may.
    #[cold]
    fn shed<P, F, H, C>(
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
        let avoid = self.member as usize;
        let kept = self.more.as_ref().and_then(|more| more.kept.as_ref());
        let frame = match (kept, &*command) {
            (Some(kept), _) => Some(Scratch::of(kept.to_vec())),
            (None, Some(command)) => encode::<P, F, C>(core.any_client(), command).ok(),
            (None, None) => None,
        };
        let is_replied = self.more.as_ref().is_some_and(|more| more.is_replied);
        if let Some(frame) = frame
            && !is_replied
            && core.group.has_other(avoid)
            && self.may_retry(core)
        {
            let message = "the server sheds load";
            let error = Error::new(ErrorKind::Remote, Origin::Remote, message);
            if awaits == Awaits::Replies {
                self.forget_stream(core);
            }
            (self.ticket, self.measured) = (None, None);
            self.tell(core, &P::COMMANDS[C::INDEX], |hooks, call, about| hooks.on_retry(call, &error, about));
            return self.dispatch::<P, F, H, C>(core, frame, awaits, Some(avoid), deadline, cx);
        }
        if let Some(reply) = &answer {
            self.is_told(core, reply, &P::COMMANDS[C::INDEX], awaits);
        }
        if awaits != Awaits::Replies {
            self.end(command);
        }
        Poll::Ready(Ok(answer))
    }

    /// The last attempt has failed.
    #[cold]
    fn failed<P, F, H, C>(
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
        let table = core.table(self.member);
        let frame = table.take_back(seq);
        if frame.is_none() && awaits == Awaits::Replies {
            table.forget(seq);
        }
        self.measured = None;
        let is_replied = self.more.as_ref().is_some_and(|more| more.is_replied);
        if let Some(frame) = frame {
            if self.may_move::<P, F, H, C>(core, &error, true) {
                if let Some(more) = &mut self.more {
                    more.waits_since = None;
                }
                let avoid = Some(self.member as usize);
                return self.dispatch::<P, F, H, C>(core, frame, awaits, avoid, deadline, cx);
            }
        } else if C::IDEMPOTENT && error.was_sent() && is_lost(&error) && !is_replied && self.may_retry(core)
        {
            self.tell_breaker(core, &error);
            self.tell(core, &P::COMMANDS[C::INDEX], |hooks, call, about| hooks.on_retry(call, &error, about));
            return self.retry::<P, F, H, C>(core, awaits, deadline, cx);
        }
        self.finish::<P, F, H, C>(core, error)
    }

    /// Whether a Command that was not sent goes to another member. That needs no budget.
    #[cold]
    fn may_move<P, F, H, C>(&mut self, core: &Core<P, F, H>, error: &Error, is_handed_back: bool) -> bool
    where
        P: Protocol,
        H: Hooks<P, Call = K>,
        C: CommandOf<P>,
    {
        // An error of this side would be the same elsewhere, unless it is about the connection.
        let is_of_the_member = is_handed_back
            || error.origin() != Origin::Local
            || !core.group.takes_calls(self.member as usize);
        let may = core.group.len() > 1 && !error.was_sent() && is_of_the_member && !core.is_closed();
        if may {
            self.ticket = None; // it says nothing about the member
            self.tell(core, &P::COMMANDS[C::INDEX], |hooks, call, about| hooks.on_retry(call, error, about));
        }
        may
    }

    /// Whether one more attempt is allowed, which is then booked.
    fn may_retry<P: Protocol, F, H: Hooks<P>>(&mut self, core: &Core<P, F, H>) -> bool {
        let Some(retries) = &core.retries else { return false };
        let more = self.more.get_or_insert_default();
        let may = more.retries + 1 < retries.settings.attempts
            && !core.is_closed()
            && retries.take(Instant::now(), core.group.sent());
        more.retries += u32::from(may);
        may
    }

    /// Sends an idempotent Command again, after a pause.
    fn retry<P, F, H, C>(
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
    fn wait_for_member<P, F, H, C>(
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
        if until.is_some_and(|until| until <= Instant::now()) {
            let mut frame = frame;
            ready!(self.may_finish(core, &mut frame, cx));
            return self.finish::<P, F, H, C>(core, core.group.unavailable());
        }
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

    fn set_apart<P: Protocol, F, H: Hooks<P>>(
        &mut self,
        core: &Core<P, F, H>,
        over: Pin<Box<dyn Future<Output = ()> + Send>>,
        frame: Scratch,
        avoid: Option<usize>,
    ) {
        let waiting = Waiting { over, frame, avoid, _apart: core.apart() };
        self.more.get_or_insert_default().apart = Some(waiting);
        self.stage = Stage::Apart;
    }

    /// Waits for a member, or for the end of a pause, and then sends the Command.
    #[cold]
    fn poll_apart<P, F, H, C>(
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
            let error = core.table(self.member).timed_out(Waited::InOutput);
            return self.finish::<P, F, H, C>(core, error);
        }
        ready!(over);
        let Some(Waiting { frame, avoid, .. }) = more.apart.take() else { return Poll::Pending };
        self.dispatch::<P, F, H, C>(core, frame, awaits, avoid, deadline, cx)
    }

    /// Goes on with a call that does not take the straight way.
    #[cold]
    fn poll_slowly<P, F, H, C>(
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
        match &mut self.stage {
            Stage::Queued(queued) => {
                let table = core.table(self.member);
                if is_over {
                    ready!(may_fail(cx));
                    if let Some(turn) = queued.turn.take() {
                        table.leave(turn);
                    }
                    return self.finish::<P, F, H, C>(core, table.timed_out(Waited::ForRoom));
                }
                let Queued { frame, turn, .. } = &mut **queued;
                match ready!(table.poll_send(frame, turn, expects::<P, C>(awaits), deadline, cx)) {
                    Ok(seq) => {
                        self.sent::<P, F, H, C>(core, seq, awaits, cx);
                        Poll::Pending
                    }
                    Err(error) => {
                        let mut frame = std::mem::take(frame);
                        if self.may_move::<P, F, H, C>(core, &error, false) {
                            let avoid = Some(self.member as usize);
                            return self.dispatch::<P, F, H, C>(core, frame, awaits, avoid, deadline, cx);
                        }
                        ready!(self.may_finish(core, &mut frame, cx));
                        self.finish::<P, F, H, C>(core, error)
                    }
                }
            }
            Stage::Apart => self.poll_apart::<P, F, H, C>(core, awaits, deadline, cx),
            Stage::Sent(seq) => {
                let seq = *seq;
                self.poll_hedged(core, command, awaits, seq, deadline, cx)
            }
            Stage::Start | Stage::Done => panic!("a call was polled after it was done"),
        }
    }

    /// Waits for the answer of one of two attempts, or for the time to make the second.
    fn poll_hedged<P, F, H, C>(
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
        match poll_answer(core.table(self.member), seq, awaits, deadline, cx) {
            Poll::Ready(Ok(answer)) => {
                self.drop_second(core);
                return self.answered(core, command, awaits, answer, deadline, cx);
            }
            Poll::Ready(Err(error)) => {
                // The second one takes its place.
                let may_have_run = error.was_sent();
                core.table(self.member).take_back(seq);
                match self.hedge.take().map(|hedge| hedge.second) {
                    Some(Second::Sent { member, seq, ticket }) if error.origin() != Origin::Local => {
                        self.tell_breaker(core, &error);
                        (self.member, self.ticket, self.measured) = (member as u32, ticket, None);
                        self.more.get_or_insert_default().may_have_run |= may_have_run;
                        self.stage = Stage::Sent(seq);
                        return self.poll(core, command, awaits, (false, deadline), cx);
                    }
                    Some(Second::Sent { member, seq, .. }) => core.table(member as u32).forget(seq),
                    _ => {}
                }
                return self.failed(core, awaits, seq, error, deadline, cx);
            }
            Poll::Pending => {}
        }
        let Some(hedge) = &mut self.hedge else { return Poll::Pending };
        if let Second::NotYet = hedge.second {
            ready!(hedge.begins.as_mut().poll(cx));
            let second = self.send_second::<P, F, H, C>(core, deadline, cx);
            if let Some(hedge) = &mut self.hedge {
                hedge.second = second;
            }
            return Poll::Pending;
        }
        let Second::Sent { member, seq: second_seq, ticket } = &mut hedge.second else {
            return Poll::Pending;
        };
        let (member, second_seq) = (*member as u32, *second_seq);
        match ready!(poll_answer(core.table(member), second_seq, awaits, deadline, cx)) {
            Ok(answer) => {
                core.table(self.member).forget(seq);
                (self.member, self.ticket, self.measured) = (member, ticket.take(), None);
                self.stage = Stage::Sent(second_seq);
                self.hedge = None;
                self.answered(core, command, awaits, answer, deadline, cx)
            }
            Err(_) => {
                core.table(member).take_back(second_seq);
                hedge.second = Second::Over;
                Poll::Pending // the first one has its waker in the table
            }
        }
    }

    /// Sends the Command to another member as well, if there is one that takes it now, and the budget allows it.
    fn send_second<P, F, H, C>(
        &mut self,
        core: &Core<P, F, H>,
        deadline: Option<Instant>,
        cx: &mut Context<'_>,
    ) -> Second
    where
        P: ClientProtocol<F>,
        F: Format + Encode<C>,
        H: Hooks<P, Call = K>,
        C: CommandOf<P>,
    {
        let first = self.member as usize;
        if !core.group.has_other(first) || !self.may_retry(core) {
            return Second::Over;
        }
        let Ok(Some(picked)) = core.group.pick(Some(first)) else { return Second::Over };
        let kept = self.more.as_ref().and_then(|more| more.kept.as_deref());
        let (mut frame, mut turn) = (Scratch::of(kept.unwrap_or_default().to_vec()), None);
        let table = core.table(picked.member as u32);
        let expects = expects::<P, C>(Awaits::Reply);
        match table.poll_send(&mut frame, &mut turn, expects, deadline, cx) {
            Poll::Ready(Ok(seq)) => {
                self.attempts += 1;
                // Whatever becomes of the first one, the Command may have run.
                Second::Sent { member: picked.member, seq, ticket: picked.ticket }
            }
            Poll::Ready(Err(_)) => Second::Over,
            Poll::Pending => {
                if let Some(turn) = turn {
                    table.leave(turn);
                }
                Second::Over
            }
        }
    }

    fn drop_second<P: Protocol, F, H: Hooks<P>>(&mut self, core: &Core<P, F, H>) {
        if let Some(hedge) = self.hedge.take()
            && let Second::Sent { member, seq, .. } = hedge.second
        {
            core.table(member as u32).forget(seq);
        }
    }

    fn tell_breaker<P: Protocol, F, H: Hooks<P>>(&mut self, core: &Core<P, F, H>, error: &Error) {
        if let Some(mut ticket) = self.ticket.take() {
            core.group.ended(self.member as usize, &mut ticket, Some(error));
        }
    }

    /// The call has failed for good.
    #[cold]
    fn finish<P, F, H, C>(&mut self, core: &Core<P, F, H>, error: Error) -> Answer<P>
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
        self.stage = Stage::Done;
        self.more = None;
        if self.told.is_some() {
            self.forget_told();
        }
        Poll::Ready(Err(error))
    }

    /// Tells the hooks something about the call.
    #[cold]
    fn tell<P, F, H>(
        &mut self,
        core: &Core<P, F, H>,
        entry: &'static crate::protocol::Entry,
        tell: impl FnOnce(&H, &mut K, &About<'_>),
    ) where
        P: Protocol,
        H: Hooks<P, Call = K>,
    {
        let seq = self.seq();
        let Some(told) = &mut self.told else { return };
        let member = self.member as usize;
        let about = About {
            entry,
            size: told.size,
            seq: seq.map(Seq::get),
            member: (self.attempts > 0).then_some(member),
            attempt: self.attempts,
            elapsed: told.began.elapsed(),
            peer: &|| core.group.client(member).peer(),
        };
        contained(|| tell(&core.hooks, &mut told.call, &about));
    }

    /// The call is dropped.
    #[inline(always)]
    pub(super) fn forget<P: Protocol, F, H: Hooks<P>>(&mut self, core: &Core<P, F, H>) {
        match &self.stage {
            Stage::Done => return,
            Stage::Sent(seq) => core.table(self.member).forget(*seq),
            Stage::Queued(queued) => {
                queued.turn.into_iter().for_each(|turn| core.table(self.member).leave(turn))
            }
            Stage::Start | Stage::Apart => {}
        }
        if self.hedge.is_some() {
            self.drop_second(core);
        }
        if self.told.is_some() {
            self.forget_told();
        }
    }
}

/// The answer of an attempt: a Reply, or nothing if there is none any more.
#[inline(always)]
fn poll_answer<R>(
    table: &Table<R>,
    seq: Seq,
    awaits: Awaits,
    deadline: Option<Instant>,
    cx: &Context<'_>,
) -> Poll<Result<Option<R>, Error>> {
    match awaits {
        Awaits::Reply => table.poll_reply(seq, deadline, cx).map(|reply| reply.map(Some)),
        Awaits::Replies => table.poll_next(seq, deadline, cx).map(Option::transpose),
        Awaits::Written => table.poll_written(seq, deadline, cx).map(|written| written.map(|()| None)),
    }
}

#[inline(always)]
fn expects<P: Protocol, C: CommandOf<P>>(awaits: Awaits) -> Expects<P::Reply> {
    match awaits {
        Awaits::Reply => Expects::Reply(accepts::<P, C>),
        Awaits::Replies => Expects::Stream(accepts::<P, C>),
        Awaits::Written => Expects::Nothing,
    }
}

/// One call of so many is measured.
const MEASURED: i64 = 64;
