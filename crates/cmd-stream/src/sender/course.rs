//! The course of one call of a Sender: the hooks are asked, a member of the group is chosen, the Command is encoded and sent;
//! and if that fails, it may be sent once more, to another member.
//!
//! As a rule a call takes the straight way: it starts, is sent, and has its answer. The slower ways (no member is available, a
//! pause before a retry, a second attempt at the same time) are kept out of it.

use std::future::Future;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::time::{Instant, Sleep};

use super::apart::Apart;
use super::core::{Core, Mark};
use super::counters::one;
use crate::circuit_breaker::Ticket;
use crate::client::call::{accepts, encode, may_fail};
use crate::client::table::{Expects, Table, Unread, Waited};
use crate::connection::outbox::Scratch;
use crate::error::Error;
use crate::format::{Encode, Format};
use crate::hooks::{Hooks, ask, kept};
use crate::proto::frame::Seq;
use crate::protocol::{ClientProtocol, CommandOf, Protocol};
use crate::stats::Outcome;

mod count;
mod detours;
mod hedge;
mod outcome;

use count::Count;

/// What a call waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Awaits {
    Reply,
    Replies,
    /// That its one-way Command is written.
    Written,
}

/// How far a call has come. `K` is what the hooks keep for it.
///
/// Futures are moved, and their fields are set and dropped for each call. So it has few of them, and what most calls do not
/// need is apart.
pub(super) struct Course<K> {
    /// Of the last attempt, once it is [sent](Stage::Sent).
    seq: Seq,
    /// The member that has the last attempt.
    member: u32,
    attempts: u32,
    /// When the last attempt was sent, if it is one that is measured.
    measured: Mark,
    stage: Stage,
    count: Count,
    told: Option<Told<K>>,
    /// For the circuit breaker of the member.
    ticket: Ticket,
    more: Option<Box<More>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Start,
    /// It waits for room in the output of the member: [`Queued`].
    Queued,
    /// It is in the output of the member, or beyond.
    Sent,
    /// It waits for a member, or for the end of a pause: [`Waiting`].
    Apart,
    /// It has failed without having waited, and lets others run before it says so.
    Failing,
    Done,
}

/// A call that is encoded, and waits for room in the output.
struct Queued {
    frame: Scratch,
    /// What the table remembers of it.
    turn: Option<Seq>,
    /// Counts it among the calls of the Sender.
    _apart: Apart,
}

/// What the hooks keep, and are told.
struct Told<K> {
    call: K,
    began: Instant,
    /// Both sizes are without the seq, and so at least that of the tag.
    size: Option<NonZeroU32>,
    /// That of the last Reply.
    reply_size: Option<NonZeroU32>,
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
    /// Why the last attempt failed.
    last_error: Option<Error>,
    /// It has had a Reply.
    is_replied: bool,
    /// Since when it is refused by all members that have a connection.
    waits_since: Option<Instant>,
    apart: Option<Waiting>,
    queued: Option<Queued>,
    failing: Option<Error>,
    hedge: Option<Box<Hedge>>,
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
        ticket: Ticket,
    },
    /// There is none, or it has failed.
    Over,
}

type Answer<P> = Poll<Result<Option<<P as Protocol>::Reply>, Error>>;

impl<K: Send + 'static> Course<K> {
    pub(super) const fn new() -> Self {
        Self {
            seq: Seq::PING,
            member: 0,
            attempts: 0,
            measured: Mark::NONE,
            stage: Stage::Start,
            count: Count::new(),
            told: None,
            ticket: Ticket::NONE,
            more: None,
        }
    }

    /// Whether the last attempt is in the output of its member, or beyond.
    #[inline(always)]
    pub(super) fn is_sent(&self) -> bool {
        self.stage == Stage::Sent
    }

    pub(super) fn seq(&self) -> Option<Seq> {
        self.is_sent().then_some(self.seq)
    }

    pub(super) fn has_ended(&self) -> bool {
        self.stage == Stage::Done
    }

    /// Whether there is, or will be, a second attempt beside the first.
    #[inline(always)]
    fn is_hedged(&self) -> bool {
        self.more.as_ref().is_some_and(|more| more.hedge.is_some())
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
        if self.is_sent() && !self.is_hedged() {
            let (seq, mut size) = (self.seq, 0);
            return match poll_answer(core.table(self.member), seq, awaits, deadline, &mut size, cx) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(Ok(answer)) => {
                    self.note_size::<P, H>(seq, size);
                    self.answered(core, command, awaits, answer, deadline, cx)
                }
                Poll::Ready(Err(error)) => self.failed(core, awaits, seq, error, deadline, cx),
            };
        }
        if self.stage == Stage::Start {
            return self.start(core, command, awaits, is_over, deadline, cx);
        }
        self.poll_slowly(core, command, awaits, is_over, deadline, cx)
    }

    /// As [`poll`](Self::poll), for the next Reply of a stream. Those behind it may come along.
    pub(super) fn poll_next<P, F, H, C>(
        &mut self,
        core: &Core<P, F, H>,
        command: &mut Option<C>,
        unread: &mut Unread<P::Reply>,
        (is_over, deadline): (bool, Option<Instant>),
        cx: &mut Context<'_>,
    ) -> Answer<P>
    where
        P: ClientProtocol<F>,
        F: Format + Encode<C>,
        H: Hooks<P, Call = K>,
        C: CommandOf<P>,
    {
        if !self.is_sent() {
            return self.poll(core, command, Awaits::Replies, (is_over, deadline), cx);
        }
        let (seq, awaits) = (self.seq, Awaits::Replies);
        match ready!(core.table(self.member).poll_some(seq, deadline, unread, cx)).transpose() {
            Ok(next) => {
                let (reply, size) = next.map_or((None, 0), |(reply, size)| (Some(reply), size));
                self.note_size::<P, H>(seq, size);
                self.answered(core, command, awaits, reply, deadline, cx)
            }
            Err(error) => self.failed(core, awaits, seq, error, deadline, cx),
        }
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
        // Before the look whether calls are refused, and until it is in a table; see `Core::close_if_idle`.
        let _counted = if H::IS_NONE { None } else { Some(core.between()) };
        if core.refuses_calls() || is_over {
            ready!(may_fail(cx));
            self.counts(core, C::INDEX);
            *command = None;
            self.stage = Stage::Done;
            let table = core.table(self.member);
            let error = if is_over { table.timed_out(Waited::Not) } else { core.drained() };
            self.counts_error(core, &error);
            return Poll::Ready(Err(error));
        }
        self.counts(core, C::INDEX);
        if !H::IS_NONE {
            match ask(&core.hooks, value, &P::COMMANDS[C::INDEX]) {
                Ok(call) => {
                    self.told = kept(&core.hooks, call).map(|call| Told {
                        call,
                        began: Instant::now(),
                        size: None,
                        reply_size: None,
                    });
                }
                Err(error) => {
                    one(&core.counts.refused_by_hooks);
                    *command = None;
                    return self.fail_soon::<P, F, H, C>(core, error, cx);
                }
            }
        }
        let mut frame = Scratch::new();
        if let Err(error) = encode::<P, F, C>(&core.format, value, &mut frame) {
            *command = None;
            return self.finish::<P, F, H, C>(core, error);
        }
        if !H::IS_NONE
            && let Some(told) = &mut self.told
        {
            told.size = small(frame.len());
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
            match core.pick_simply(avoid) {
                Some(member) => self.member = member as u32,
                None => match core.group.pick(avoid) {
                    Ok(Some(picked)) => (self.member, self.ticket) = (picked.member as u32, picked.ticket),
                    Ok(None) => return self.wait_for_member::<P, F, H, C>(core, frame, deadline, cx),
                    Err(error) => return self.finish::<P, F, H, C>(core, error),
                },
            }
            self.attempts += 1;
            let mut turn = None;
            let table = core.table(self.member);
            match table.poll_send(&mut frame, &mut turn, expects::<P, C>(awaits), deadline, cx) {
                Poll::Ready(Ok(seq)) => {
                    self.sent::<P, F, H, C>(core, seq, awaits, cx);
                    return Poll::Pending; // its waker is in the table
                }
                Poll::Pending => {
                    self.queue(core, frame, turn);
                    return Poll::Pending;
                }
                Poll::Ready(Err(error)) => {
                    if !self.may_move::<P, F, H, C>(core, &error, false) {
                        return self.fail_soon::<P, F, H, C>(core, error, cx);
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

    /// The Command is in the output of a member.
    #[inline(always)]
    fn sent<P, F, H, C>(&mut self, core: &Core<P, F, H>, seq: Seq, awaits: Awaits, cx: &mut Context<'_>)
    where
        P: Protocol,
        H: Hooks<P, Call = K>,
        C: CommandOf<P>,
    {
        (self.seq, self.stage) = (seq, Stage::Sent);
        if seq.get() & (MEASURED - 1) == 0 {
            self.measure(core);
        }
        if C::IDEMPOTENT && awaits == Awaits::Reply {
            self.prepare_hedge(core, cx);
        }
    }

    #[cold]
    fn measure<P: Protocol, F, H: Hooks<P>>(&mut self, core: &Core<P, F, H>) {
        let now = Instant::now();
        self.measured = core.mark(now);
        if let Some(retries) = &core.retries {
            retries.note(now, core.sent());
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
        self.counts_answer(core, awaits, answer.as_ref());
        if awaits != Awaits::Replies || answer.as_ref().is_none_or(P::is_last) {
            self.ended_well(core, command, awaits);
        }
        Poll::Ready(Ok(answer))
    }

    /// The call has its last answer.
    #[inline(always)]
    fn ended_well<P, F, H, C>(&mut self, core: &Core<P, F, H>, command: &mut Option<C>, awaits: Awaits)
    where
        P: Protocol,
        H: Hooks<P, Call = K>,
        C: CommandOf<P>,
    {
        core.answered(self.member);
        if awaits != Awaits::Reply && self.ticket.counts() {
            core.group.ended(self.member as usize, &mut self.ticket, None); // it was written, or the stream has ended
        }
        if !H::IS_NONE && self.told.is_some() {
            self.tell(core, &P::COMMANDS[C::INDEX], |hooks, call, about| hooks.on_done(call, about));
        }
        if awaits == Awaits::Replies {
            self.forget_stream(core);
        }
        self.end(core, command);
    }

    #[inline(always)]
    fn end<P: Protocol, F, H: Hooks<P>, C>(&mut self, _: &Core<P, F, H>, command: &mut Option<C>) {
        self.stage = Stage::Done;
        if command.is_some() {
            *command = None;
        }
        if !H::IS_NONE && self.told.is_some() {
            self.forget_told();
        }
    }

    /// The call is dropped.
    #[inline(always)]
    pub(super) fn forget<P: Protocol, F, H: Hooks<P>>(&mut self, core: &Core<P, F, H>) {
        match self.stage {
            Stage::Done => return,
            Stage::Sent => core.table(self.member).forget(self.seq),
            Stage::Queued => self.leave_queue(core),
            Stage::Start | Stage::Apart | Stage::Failing => {}
        }
        self.counts_end(core, Outcome::Cancelled, |_| Instant::now());
        if self.more.is_some() {
            self.drop_second(core);
        }
        if !H::IS_NONE && self.told.is_some() {
            self.forget_told();
        }
    }
}

/// The answer of an attempt: a Reply, or nothing if there is none any more. `size` is set to that of the frame of the Reply.
#[inline(always)]
fn poll_answer<R>(
    table: &Table<R>,
    seq: Seq,
    awaits: Awaits,
    deadline: Option<Instant>,
    size: &mut u32,
    cx: &Context<'_>,
) -> Poll<Result<Option<R>, Error>> {
    let mut take = |(reply, its_size)| {
        *size = its_size;
        reply
    };
    match awaits {
        Awaits::Reply => {
            table.poll_reply(seq, deadline, cx).map(|reply| reply.map(|reply| Some(take(reply))))
        }
        Awaits::Replies => {
            table.poll_next(seq, deadline, cx).map(|next| next.transpose().map(|next| next.map(take)))
        }
        Awaits::Written => table.poll_written(seq, deadline, cx).map(|written| written.map(|()| None)),
    }
}

/// A size in little room. What is larger than it can hold is over any limit.
fn small(size: usize) -> Option<NonZeroU32> {
    NonZeroU32::new(u32::try_from(size).unwrap_or(u32::MAX))
}

#[inline(always)]
fn expects<P: Protocol, C: CommandOf<P>>(awaits: Awaits) -> Expects<P::Reply> {
    match awaits {
        Awaits::Reply => Expects::Reply(accepts::<P, C>),
        Awaits::Replies => Expects::Stream(accepts::<P, C>),
        Awaits::Written => Expects::Nothing,
    }
}

/// One call of so many is measured. A power of two.
const MEASURED: i64 = 64;
