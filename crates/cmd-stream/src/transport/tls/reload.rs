//! A configuration that can be read again while connections are made with it. Knows nothing of what is in it.

use std::hash::{DefaultHasher, Hasher};
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use super::source::Source;
use crate::error::Error;
use crate::proto::never::{FOR_EVER, after};
use crate::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a configuration is made from.
pub(super) trait Settings: Send + Sync + 'static {
    type Config: Send + Sync + 'static;

    /// Returns everything that may change.
    fn sources(&self) -> Vec<&Source>;

    /// Reads the sources, and makes a configuration.
    fn load(&self) -> Result<Arc<Self::Config>, Error>;
}

/// A configuration, and where it comes from. Clones share it.
pub(super) struct Reloadable<S: Settings>(Arc<Shared<S>>);

struct Shared<S: Settings> {
    /// None for a configuration that the application has made.
    settings: Option<S>,
    /// Held from before the sources are read until the result is in use. Otherwise the slower of two reloads could put an
    /// older configuration in the place of a newer one.
    reloading: Mutex<()>,
    state: Mutex<State<S::Config>>,
}

struct State<C> {
    config: Arc<C>,
    /// The hash of the sources before they were last read. Equal hashes of other contents are too unlikely to matter.
    seen: u64,
    watch: Option<AbortHandle>,
}

impl<S: Settings> Reloadable<S> {
    pub(super) fn load(settings: S) -> Result<Self, Error> {
        // Before they are read: a file that changes in between then differs from what was seen, and is read again.
        let seen = fingerprint(&settings);
        let config = settings.load()?;
        Ok(Self::new(Some(settings), config, seen))
    }

    pub(super) fn fixed(config: Arc<S::Config>) -> Self {
        Self::new(None, config, 0)
    }

    fn new(settings: Option<S>, config: Arc<S::Config>, seen: u64) -> Self {
        let state = Mutex::new(State { config, seen, watch: None });
        Self(Arc::new(Shared { settings, reloading: Mutex::new(()), state }))
    }

    pub(super) fn config(&self) -> Arc<S::Config> {
        Arc::clone(&self.0.lock().config)
    }

    pub(super) fn reload(&self) -> Result<(), Error> {
        let Some(settings) = &self.0.settings else { return Ok(()) };
        let turn = self.0.turn();
        self.0.reload(&turn, settings, fingerprint(settings))
    }

    /// Looks for changes in a task of its own, until the last clone is dropped. Ends an earlier watch.
    pub(super) fn watch(&self, every: Duration) {
        let weak = Arc::downgrade(&self.0);
        let task = tokio::spawn(async move {
            let mut ticks = ticks(every);
            loop {
                ticks.tick().await;
                let Some(shared) = weak.upgrade() else { return };
                // Files may be on a network. A tick waits for the one before it, so there is never more than one.
                let looked = tokio::task::spawn_blocking(move || shared.reload_if_changed()).await;
                let Ok(reloaded) = looked else { return }; // the runtime ends
                report(reloaded);
            }
        });
        if let Some(before) = self.0.lock().watch.replace(task.abort_handle()) {
            before.abort();
        }
    }
}

impl<S: Settings> Shared<S> {
    fn lock(&self) -> MutexGuard<'_, State<S::Config>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until no other reload runs.
    fn turn(&self) -> MutexGuard<'_, ()> {
        self.reloading.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `seen` is the fingerprint of now.
    fn reload(&self, _turn: &MutexGuard<'_, ()>, settings: &S, seen: u64) -> Result<(), Error> {
        // Noted in any case, so that a watch reports the same mistake once.
        self.lock().seen = seen;
        let config = settings.load()?;
        self.lock().config = config;
        Ok(())
    }

    /// None if nothing has changed.
    fn reload_if_changed(&self) -> Option<Result<(), Error>> {
        let settings = self.settings.as_ref()?;
        let turn = self.turn();
        let seen = fingerprint(settings);
        let has_changed = seen != self.lock().seen;
        has_changed.then(|| self.reload(&turn, settings, seen))
    }
}

fn report(reloaded: Option<Result<(), Error>>) {
    match reloaded {
        None => {}
        Some(Ok(())) => tracing::debug!("TLS: the files have changed, and were read again"),
        Some(Err(error)) => tracing::warn!(
            error = format_args!("{error:#}"),
            "TLS: the files have changed, and cannot be used; what was read before is still used"
        ),
    }
}

impl<S: Settings> Clone for Reloadable<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<C> Drop for State<C> {
    fn drop(&mut self) {
        if let Some(watch) = &self.watch {
            watch.abort();
        }
    }
}

fn fingerprint(settings: &impl Settings) -> u64 {
    let mut hasher = DefaultHasher::new();
    settings.sources().into_iter().for_each(|source| source.hash(&mut hasher));
    hasher.finish()
}

/// When a watch looks.
fn ticks(every: Duration) -> Interval {
    let every = every.clamp(SHORTEST, FOR_EVER);
    let mut ticks = interval_at(after(Instant::now(), every), every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// A watch does not look more often than this.
const SHORTEST: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::thread;

    use super::*;

    /// The "file" is a number that only grows.
    struct Growing(Arc<AtomicU64>);

    impl Settings for Growing {
        type Config = u64;

        fn sources(&self) -> Vec<&Source> {
            Vec::new()
        }

        fn load(&self) -> Result<Arc<u64>, Error> {
            let read = self.0.load(Ordering::SeqCst);
            thread::yield_now(); // so that others may be faster with what they have read
            Ok(Arc::new(read))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_that_is_never_due_is_one() {
        let mut ticks = ticks(Duration::MAX);
        let years = Duration::from_secs(10 * 365 * 24 * 60 * 60);
        tokio::time::timeout(years, ticks.tick()).await.expect_err("it is never due");
        ticks.tick().await; // for ever
    }

    #[test]
    fn reloads_at_once_never_leave_an_older_configuration() {
        let file = Arc::new(AtomicU64::new(0));
        let reloadable = Reloadable::load(Growing(Arc::clone(&file))).expect("it is readable");
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..1000 {
                        let written = file.fetch_add(1, Ordering::SeqCst) + 1;
                        reloadable.reload().expect("it is readable");
                        let used = *reloadable.config();
                        assert!(used >= written, "{used} is used after {written} was written");
                    }
                });
            }
        });
    }
}
