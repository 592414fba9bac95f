//! The lock of a build with `cfg(cmd_stream_lock_profile)`: it counts, for each place in the code that takes a lock, how often
//! a thread had to wait for it, and how long the lock was held. `bench scaling` prints these numbers.
//!
//! A thread counts for itself, and hands its counts over when it ends, so that counting is no lock that threads contend for.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::ops::{AddAssign, Deref, DerefMut};
use std::panic::Location;
use std::sync::{LockResult, PoisonError, TryLockError, TryLockResult};
use std::time::{Duration, Instant};

use super::often::look_again;

/// A lock as that of `std`.
#[derive(Default)]
pub(crate) struct Mutex<T: ?Sized>(std::sync::Mutex<T>);

pub(crate) struct MutexGuard<'a, T: ?Sized> {
    lock: std::sync::MutexGuard<'a, T>,
    _held: Held,
}

/// What is known of the locks that are taken at one place in the code.
#[derive(Clone, Copy, Debug, Default)]
pub struct LockUse {
    /// How often a lock was taken.
    pub taken: u64,
    /// How often another thread had it.
    pub waited: u64,
    /// The sum of the times that they waited.
    pub wait: Duration,
    /// The sum of the times that the locks were held.
    pub held: Duration,
}

type Uses = HashMap<(&'static str, u32), LockUse>;

struct OfThread(RefCell<Uses>);

static ENDED: std::sync::Mutex<Option<Uses>> = std::sync::Mutex::new(None);

thread_local! {
    static HERE: OfThread = OfThread(RefCell::new(Uses::new()));
}

/// What the threads that have ended have counted since the last call, by file and line.
#[must_use]
pub fn take_lock_profile() -> Vec<((&'static str, u32), LockUse)> {
    let uses = ENDED.lock().unwrap_or_else(PoisonError::into_inner).take();
    uses.unwrap_or_default().into_iter().collect()
}

impl AddAssign for LockUse {
    fn add_assign(&mut self, other: Self) {
        self.taken += other.taken;
        self.waited += other.waited;
        self.wait += other.wait;
        self.held += other.held;
    }
}

impl Drop for OfThread {
    fn drop(&mut self) {
        let mut ended = ENDED.lock().unwrap_or_else(PoisonError::into_inner);
        let ended = ended.get_or_insert_with(Uses::new);
        for (place, of_thread) in self.0.borrow_mut().drain() {
            *ended.entry(place).or_default() += of_thread;
        }
    }
}

/// A lock that is held since then.
struct Held {
    place: &'static Location<'static>,
    wait: Option<Duration>,
    since: Instant,
}

impl Held {
    fn new(place: &'static Location<'static>, wait: Option<Duration>) -> Self {
        Self { place, wait, since: Instant::now() }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let one = LockUse {
            taken: 1,
            waited: u64::from(self.wait.is_some()),
            wait: self.wait.unwrap_or_default(),
            held: self.since.elapsed(),
        };
        let place = (self.place.file(), self.place.line());
        // A thread that ends may still take locks when its counts have gone. They are few.
        let _ = HERE.try_with(|here| *here.0.borrow_mut().entry(place).or_default() += one);
    }
}

impl<T> Mutex<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(std::sync::Mutex::new(value))
    }
}

impl<T: ?Sized> Mutex<T> {
    #[track_caller]
    pub(crate) fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
        self.lock_by(|| self.0.lock())
    }

    /// See [`lock_often`](super::lock_often).
    #[track_caller]
    pub(crate) fn lock_often(&self) -> MutexGuard<'_, T> {
        let look = || match self.0.try_lock() {
            Ok(lock) => Some(Ok(lock)),
            Err(TryLockError::Poisoned(poisoned)) => Some(Err(poisoned)),
            Err(TryLockError::WouldBlock) => None,
        };
        let locked = self.lock_by(|| look_again(look).unwrap_or_else(|| self.0.lock()));
        locked.unwrap_or_else(PoisonError::into_inner)
    }

    /// `wait` is for a lock that another thread has.
    #[track_caller]
    fn lock_by<'a>(
        &'a self,
        wait: impl FnOnce() -> LockResult<std::sync::MutexGuard<'a, T>>,
    ) -> LockResult<MutexGuard<'a, T>> {
        let place = Location::caller();
        let began = Instant::now();
        match self.0.try_lock() {
            Ok(lock) => Ok(MutexGuard { lock, _held: Held::new(place, None) }),
            Err(TryLockError::Poisoned(poisoned)) => {
                let lock = poisoned.into_inner();
                Err(PoisonError::new(MutexGuard { lock, _held: Held::new(place, None) }))
            }
            Err(TryLockError::WouldBlock) => {
                let lock = wait();
                let held = Held::new(place, Some(began.elapsed()));
                match lock {
                    Ok(lock) => Ok(MutexGuard { lock, _held: held }),
                    Err(poisoned) => {
                        Err(PoisonError::new(MutexGuard { lock: poisoned.into_inner(), _held: held }))
                    }
                }
            }
        }
    }

    #[track_caller]
    pub(crate) fn try_lock(&self) -> TryLockResult<MutexGuard<'_, T>> {
        let place = Location::caller();
        match self.0.try_lock() {
            Ok(lock) => Ok(MutexGuard { lock, _held: Held::new(place, None) }),
            Err(TryLockError::WouldBlock) => Err(TryLockError::WouldBlock),
            Err(TryLockError::Poisoned(poisoned)) => {
                let lock = poisoned.into_inner();
                Err(PoisonError::new(MutexGuard { lock, _held: Held::new(place, None) }).into())
            }
        }
    }
}

impl<T: ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.lock
    }
}

impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.lock
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lock.fmt(f)
    }
}
