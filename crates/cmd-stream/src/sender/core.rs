//! What the calls of one Sender share.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::apart::{Apart, Aparts, Counted};
use super::counters::Counts;
use super::near::{self, Next};
use super::retry::Retries;
use crate::client::Shared;
use crate::client::health::Health;
use crate::client::table::Table;
use crate::connection::bell::Bell;
use crate::error::{Error, ErrorKind, Origin};
use crate::group::{Group, fewer_in_flight_of_two, much_fewer_in_flight};
use crate::protocol::Protocol;
use crate::stats::Tally;
use crate::sync::Arc;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};

pub(super) struct Core<P: Protocol, F, H> {
    /// Tells Senders apart, also from those that are gone.
    number: u64,
    pub(super) group: Group<P, F>,
    /// Of the members, close at hand.
    clients: Box<[Arc<Shared<P, F>>]>,
    healths: Box<[Arc<Health>]>,
    picks_simply: bool,
    pub(super) format: Arc<F>,
    pub(super) hooks: H,
    /// `None` if nothing is sent again.
    pub(super) retries: Option<Retries>,
    /// Of calls that do not say so themselves.
    pub(super) timeout: Duration,
    pub(super) counts: Counts,
    /// Of the calls, by their Commands.
    pub(super) tally: Tally,
    refuses_calls: AtomicBool,
    is_closed: AtomicBool,
    /// Tells the calls that pause.
    closing: Arc<Bell>,
    began: Instant,
    aparts: Arc<Aparts>,
    /// How many Commands members were given in vain, and others then.
    moved: AtomicU64,
}

impl<P: Protocol, F, H> Core<P, F, H> {
    pub(super) fn new(
        group: Group<P, F>,
        hooks: H,
        retries: Option<Retries>,
        timeout: Duration,
        tally: Tally,
    ) -> Self {
        let clients: Box<[_]> = (0..group.len()).map(|member| group.client(member).share()).collect();
        Self {
            number: near::number(),
            healths: group.healths(),
            picks_simply: group.picks_simply(),
            format: Arc::clone(&clients[0].format), // the members share it
            group,
            clients,
            hooks,
            retries,
            timeout,
            counts: Counts::default(),
            tally,
            refuses_calls: AtomicBool::new(false),
            is_closed: AtomicBool::new(false),
            closing: Arc::default(),
            began: Instant::now(),
            aparts: Arc::default(),
            moved: AtomicU64::new(0),
        }
    }

    #[inline(always)]
    pub(super) fn table(&self, member: u32) -> &Table<P::Reply> {
        &self.clients[member as usize].table
    }

    /// Chooses a member if that is simple: as a rule there is neither a strategy nor a breaker to ask.
    #[inline(always)] // every call passes here
    pub(super) fn pick_simply(&self, avoid: Option<usize>) -> Option<usize> {
        if !self.picks_simply || avoid.is_some() {
            return None;
        }
        match near::next(self.number, |member| self.table(member).read_nanos()) {
            Some(Next::Follow(member)) if self.healths[member].is_busy() => Some(member),
            Some(Next::Look(member)) => much_fewer_in_flight(&self.healths, member),
            _ => fewer_in_flight_of_two(&self.healths),
        }
    }

    /// A member has answered. The next call on this thread may follow.
    #[inline(always)] // every call passes here
    pub(super) fn answered(&self, member: u32) {
        near::answered(self.number, member);
    }

    pub(super) fn mark(&self, now: Instant) -> Mark {
        Mark((now.saturating_duration_since(self.began).as_micros() as u32).max(1))
    }

    /// How long ago that was.
    pub(super) fn since(&self, mark: Option<Mark>) -> Option<Duration> {
        let micros = self.mark(Instant::now()).0.wrapping_sub(mark?.0);
        Some(Duration::from_micros(micros.into()))
    }

    #[inline(always)]
    pub(super) fn refuses_calls(&self) -> bool {
        self.refuses_calls.load(SeqCst)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.load(Relaxed)
    }

    pub(super) fn refuse_calls(&self) {
        self.refuses_calls.store(true, SeqCst);
    }

    pub(super) fn close(&self) {
        self.refuse_calls();
        self.is_closed.store(true, Relaxed);
        self.group.close();
        self.closing.ring();
    }

    /// Closes the Sender if there are no calls. Returns whether it is closed. Calls must be refused already.
    ///
    /// No call that has been sent is missed. A call is counted as apart before it leaves the table of one member, and until it is
    /// in that of another. So if nobody was apart while the tables were looked at, nobody went from one to another. One that has
    /// hooks is counted before it looks whether calls are refused, so either it sees that they are, or it is seen here.
    /// One without hooks is not, as that would cost each call something. It may come to a table after the look at it. Then
    /// either the table is closed, and the call fails without being sent; or the call comes first, the table is not closed, and
    /// the call is waited for.
    pub(super) fn close_if_idle(&self) -> bool {
        let Some(none_apart) = self.aparts.none() else { return false };
        if self.at_members() > 0 || self.aparts.none() != Some(none_apart) {
            return false;
        }
        self.is_closed.store(true, Relaxed); // whoever comes now does not wait for a member
        let closed = (0..self.group.len())
            .filter(|&member| self.group.client(member).close_if_idle("the sender was drained"))
            .count();
        if closed == self.group.len() {
            self.close();
        }
        closed == self.group.len()
    }

    /// Ends at this instant, or when the Sender is closed.
    pub(super) fn pause(&self, end: Instant) -> impl Future<Output = ()> + Send + 'static {
        let closing = Arc::clone(&self.closing);
        async move { drop(timeout_at(end, closing.listen()).await) }
    }

    #[cold]
    pub(super) fn drained(&self) -> Error {
        if self.is_closed() {
            return self.closed();
        }
        Error::new(ErrorKind::Closed, Origin::Local, "the sender is being drained, and takes no more calls")
    }

    #[cold]
    pub(super) fn closed(&self) -> Error {
        Error::new(ErrorKind::Closed, Origin::Local, "the sender was closed")
    }

    /// How many calls there are, at the members and apart.
    pub(super) fn in_flight(&self) -> usize {
        self.at_members() + self.aparts.len()
    }

    fn at_members(&self) -> usize {
        (0..self.group.len()).map(|member| self.group.in_flight(member)).sum()
    }

    /// Counts a call that is not in the table of a member, and is kept.
    pub(super) fn apart(&self) -> Apart {
        self.aparts.keep()
    }

    /// Counts a call that is for a moment in no table.
    pub(super) fn between(&self) -> Counted<'_> {
        self.aparts.count()
    }

    /// How many Commands were sent so far. One that has moved counts once.
    pub(super) fn sent(&self) -> u64 {
        self.group.sent().saturating_sub(self.moved.load(Relaxed))
    }

    /// A Command was not sent after all, and goes to another member.
    pub(super) fn moves(&self) {
        self.moved.fetch_add(1, Relaxed);
    }
}

/// An instant, in few bytes: microseconds since the Sender was made, or 0 for none. They begin again after 71 minutes. A call
/// that takes longer than that is taken for a shorter one, which does not matter for an average.
#[derive(Clone, Copy)]
pub(super) struct Mark(u32);

impl Mark {
    pub(super) const NONE: Self = Self(0);

    #[inline(always)]
    pub(super) fn is_some(self) -> bool {
        self.0 != 0
    }

    pub(super) fn take(&mut self) -> Option<Self> {
        Some(std::mem::replace(self, Self::NONE)).filter(|mark| mark.is_some())
    }
}
