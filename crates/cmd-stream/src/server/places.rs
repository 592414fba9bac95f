//! The places of a server: who has one, who waits for one, and which connection makes room for one that waits.

use std::collections::{HashSet, VecDeque};
use std::pin::pin;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::control::{Control, Idle};
use super::counters::Gauge;
use crate::proto::never::after;
use crate::sync::{Arc, Mutex, MutexGuard, PoisonError};
use crate::transport::Establish;

/// All places of a server.
pub(super) struct Places {
    control: Arc<Control>,
    free: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    room: Mutex<Room>,
}

/// What is known of the connections that may make room.
#[derive(Default)]
struct Room {
    /// How many wait.
    waiters: usize,
    /// Those that make room, and still have their place.
    leaving: HashSet<u64>,
    /// Those that were idle when it was looked: that never sent a Command, and the others. The longest idle comes first.
    silent: VecDeque<Candidate>,
    heard: VecDeque<Candidate>,
    /// Before that it is not looked again.
    next_look: Option<Instant>,
}

#[derive(Clone, Copy)]
struct Candidate {
    id: u64,
    idle: Idle,
}

/// The place of a connection that is served, or is about to be.
pub(super) struct Place {
    id: u64,
    places: Arc<Places>,
    /// Always there, until this is dropped.
    permit: Option<OwnedSemaphorePermit>,
}

/// What a new connection gets.
pub(super) enum Entry {
    Place(Place),
    Wait(Wait),
}

/// A place among those that wait.
pub(super) struct Wait {
    id: u64,
    places: Arc<Places>,
    _waiting: OwnedSemaphorePermit,
}

/// Why one that waited has got no place.
pub(super) enum NoPlace {
    TimeOver,
    HasLeft,
}

impl Places {
    pub(super) fn new(control: Arc<Control>) -> Arc<Self> {
        let semaphore = |places: usize| Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS)));
        let (free, waiting) = (semaphore(control.limits.connections), semaphore(control.limits.waiting));
        Arc::new(Self { control, free, waiting, room: Mutex::default() })
    }

    /// A place for a new connection, or one among those that wait. None if there is neither.
    pub(super) fn enter(self: &Arc<Self>, id: u64) -> Option<Entry> {
        let places = Arc::clone(self);
        if let Ok(permit) = Arc::clone(&self.free).try_acquire_owned() {
            return Some(Entry::Place(Place { id, places, permit: Some(permit) }));
        }
        let waiting = Arc::clone(&self.waiting).try_acquire_owned().ok()?;
        self.room().waiters += 1;
        Some(Entry::Wait(Wait { id, places, _waiting: waiting }))
    }

    fn room(&self) -> MutexGuard<'_, Room> {
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How often one that waits looks. All together look at most 10,000 times per second.
    fn look_after(&self) -> Duration {
        let each = Duration::from_micros(100);
        LOOK_AFTER + each.saturating_mul(u32::try_from(self.control.limits.waiting).unwrap_or(u32::MAX))
    }

    /// Lets the longest idle connection end, unless as many are about to leave as wait.
    fn make_room(&self) {
        let Some(idle_time) = self.control.limits.make_room else { return };
        let now = Instant::now();
        if self.room().next_look.is_none_or(|next| next <= now) {
            self.look(now);
        }
        loop {
            let candidate = {
                let mut room = self.room();
                if room.leaving.len() >= room.waiters {
                    return;
                }
                let Some(candidate) = room.next(now, idle_time) else { return };
                // Before it is told: it may have left by the time that it has been told.
                room.leaving.insert(candidate.id);
                candidate
            };
            if self.control.make_room(candidate.id, candidate.idle) {
                return;
            }
            // It has ended meanwhile, or has sent something.
            self.room().leaving.remove(&candidate.id);
        }
    }

    /// Looks which connections are idle. To look at each of them takes its time, so it is not done for each that waits.
    fn look(&self, now: Instant) {
        // Before it is looked: another one that waits need not look at the same time.
        self.room().next_look = Some(after(now, LOOK_AFTER));
        let idle = self.control.idle_connections();
        let idle = idle.into_iter().map(|(id, idle)| Candidate { id, idle });
        let (mut heard, mut silent): (Vec<_>, Vec<_>) = idle.partition(|candidate| candidate.idle.has_sent);
        for candidates in [&mut heard, &mut silent] {
            candidates.sort_unstable_by_key(|candidate| (candidate.idle.since, candidate.id));
        }
        let took = now.elapsed();
        let mut room = self.room();
        (room.silent, room.heard) = (silent.into(), heard.into());
        // With very many connections this is the longer time: at most a twentieth of one thread is spent on it.
        room.next_look = Some(after(now, LOOK_AFTER.max(took.saturating_mul(20))));
    }
}

/// How often it is looked at least which connections are idle, and whether one that waits has left.
const LOOK_AFTER: Duration = Duration::from_millis(100);

impl Room {
    /// Takes out the connection that makes room first, if one has been idle for that long.
    fn next(&mut self, now: Instant, idle_time: Duration) -> Option<Candidate> {
        let is_due =
            |candidate: &Candidate| candidate.idle.since.checked_add(idle_time).is_some_and(|due| due <= now);
        let mut both = [&mut self.silent, &mut self.heard].into_iter();
        both.find(|candidates| candidates.front().is_some_and(is_due))?.pop_front()
    }
}

impl Wait {
    /// Waits for a place, at most this long, and not for one that has left.
    #[expect(clippy::needless_pass_by_ref_mut, reason = "a shared reference is `Send` only if `V` is `Sync`")]
    async fn place<V: Establish>(self, within: Duration, incoming: &mut V) -> Result<Place, NoPlace> {
        let (places, now) = (&self.places, Instant::now());
        let (deadline, mut next_look) = (after(now, within), now);
        let mut place = pin!(Arc::clone(&places.free).acquire_owned());
        loop {
            // At the beginning it only queues up.
            if let Ok(permit) = timeout_at(next_look.min(deadline), place.as_mut()).await {
                // The semaphore is never closed.
                let permit = Some(permit.map_err(|_| NoPlace::TimeOver)?);
                return Ok(Place { id: self.id, places: Arc::clone(places), permit });
            }
            if incoming.has_left() {
                return Err(NoPlace::HasLeft);
            }
            let now = Instant::now();
            if now >= deadline {
                return Err(NoPlace::TimeOver);
            }
            places.make_room();
            next_look = now + places.look_after();
        }
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.places.room().waiters -= 1;
    }
}

impl Entry {
    /// Whether it has to wait. It is counted as long as what is returned is held.
    pub(super) fn waits<'a>(&self, control: &'a Control) -> Option<Gauge<'a>> {
        matches!(self, Self::Wait(_)).then(|| Gauge::new(&control.counts.waiting))
    }

    /// The place, when there is one.
    pub(super) async fn place<V: Establish>(
        self,
        within: Duration,
        incoming: &mut V,
    ) -> Result<Place, NoPlace> {
        match self {
            Self::Place(place) => Ok(place),
            Self::Wait(wait) => wait.place(within, incoming).await,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // First of all: as long as it counts as leaving, no other one has to make room.
        self.permit = None;
        self.places.room().leaving.remove(&self.id);
    }
}
