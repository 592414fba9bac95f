//! Constant load: tasks that send numbered Commands of every kind, one after the other, and note what they were told.

use std::fmt::Debug;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cmd_stream::sender::SendCommand;
use cmd_stream::{CallError, Error};
use testkit::wait::{until, within};
use tokio::task::JoinSet;

use crate::site::{Done, Follow, Look, Note, Pay, Record, STEPS, Step};

/// The kind of a Command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Pay,
    Look,
    Note,
    Follow,
}

impl Kind {
    fn of(number: u64) -> Self {
        [Self::Pay, Self::Look, Self::Pay, Self::Look, Self::Pay, Self::Look, Self::Note, Self::Follow]
            [(number % 8) as usize]
    }
}

/// What became of a call.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) number: u64,
    pub(crate) kind: Kind,
    /// Of a one-way Command: that it was written.
    pub(crate) outcome: Result<(), Error>,
}

pub(crate) struct Load {
    told: Arc<Mutex<Vec<Told>>>,
    answered: Arc<AtomicU64>,
    stopping: Arc<AtomicBool>,
    tasks: JoinSet<()>,
}

impl Load {
    /// Starts so many tasks.
    pub(crate) fn start<R: Debug + 'static>(sender: &impl Caller<R>, tasks: usize) -> Self {
        let (told, answered, stopping) =
            (Arc::<Mutex<Vec<_>>>::default(), Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
        let numbers = Arc::new(AtomicU64::new(1));
        let mut set = JoinSet::new();
        for _ in 0..tasks {
            let (sender, numbers) = (sender.clone(), Arc::clone(&numbers));
            let (told, answered, stopping) =
                (Arc::clone(&told), Arc::clone(&answered), Arc::clone(&stopping));
            set.spawn(async move {
                while !stopping.load(Relaxed) {
                    let number = numbers.fetch_add(1, Relaxed);
                    let kind = Kind::of(number);
                    let outcome = within(send(&sender, number, kind)).await;
                    answered.fetch_add(u64::from(outcome.is_ok()), Relaxed);
                    told.lock().unwrap_or_else(PoisonError::into_inner).push(Told { number, kind, outcome });
                }
            });
        }
        Self { told, answered, stopping, tasks: set }
    }

    /// Waits until so many more calls have succeeded.
    pub(crate) async fn answers(&self, more: u64) {
        let before = self.answered.load(Relaxed);
        until(|| self.answered.load(Relaxed) >= before + more).await;
    }

    /// Waits for the last calls, and returns what became of all.
    pub(crate) async fn stop(mut self) -> Vec<Told> {
        self.stopping.store(true, Relaxed);
        while let Some(ended) = within(self.tasks.join_next()).await {
            ended.expect("no reply was wrong, and no call hung");
        }
        std::mem::take(&mut self.told.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A Sender of the service. `R` is the failure of its Protocol.
pub(crate) trait Caller<R>:
    SendCommand<Pay, Failure = R>
    + SendCommand<Look, Failure = R>
    + SendCommand<Note, Failure = R>
    + SendCommand<Follow, Failure = R>
    + Clone
    + 'static
{
}

impl<R, S> Caller<R> for S where
    S: SendCommand<Pay, Failure = R>
        + SendCommand<Look, Failure = R>
        + SendCommand<Note, Failure = R>
        + SendCommand<Follow, Failure = R>
        + Clone
        + 'static
{
}

/// Sends a Command, and compares what it is answered. No server refuses it as long as there is another one.
async fn send<R: Debug>(sender: &impl Caller<R>, number: u64, kind: Kind) -> Result<(), Error> {
    let done = match kind {
        Kind::Pay => sender.send(Pay { number }).await,
        Kind::Look => sender.send(Look { number }).await,
        Kind::Note => return sender.post(Note { number }).await,
        Kind::Follow => {
            let mut steps = sender.stream(Follow { number }).await?;
            for step in 1..=STEPS {
                match poll_fn(|cx| steps.as_mut().poll_next(cx)).await {
                    Some(Ok(got)) => assert_eq!(got, Step { number, step }, "a wrong reply"),
                    Some(Err(CallError::Other(error))) => return Err(error),
                    Some(Err(CallError::Failed(failure))) => panic!("{kind:?} {number}: {failure:?}"),
                    None => panic!("the stream {number} ended early"),
                }
            }
            let end = poll_fn(|cx| steps.as_mut().poll_next(cx)).await;
            assert!(end.is_none(), "a reply after the last one");
            return Ok(());
        }
    };
    match done {
        Ok(done) => assert_eq!(done, Done::of(number), "a wrong reply"),
        Err(CallError::Other(error)) => return Err(error),
        Err(CallError::Failed(failure)) => panic!("{kind:?} {number}: {failure:?}"),
    }
    Ok(())
}

/// How the calls of one load have ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Summary {
    pub(crate) succeeded: usize,
    /// They failed, and may have run.
    pub(crate) failed: usize,
    /// Those among them that did run.
    pub(crate) failed_and_ran: usize,
    /// Idempotent ones that ran twice or more, and were answered once.
    pub(crate) ran_again: usize,
    /// One-way ones that were written, and did not run.
    pub(crate) unheard: usize,
}

/// Compares what the callers were told with what was executed. An idempotent Command may be sent so often.
pub(crate) fn compare(told: &[Told], record: &Record, attempts: u32) -> Summary {
    let mut summary = Summary::default();
    for Told { number, kind, outcome } in told {
        let times = record.times(*number);
        let most = if *kind == Kind::Look { attempts } else { 1 };
        assert!(times <= most, "{kind:?} {number} ran {times} times: {outcome:?}");
        match outcome {
            Ok(()) => {
                summary.succeeded += 1;
                summary.ran_again += usize::from(times > 1);
                let is_unheard = *kind == Kind::Note && times == 0;
                summary.unheard += usize::from(is_unheard);
                assert!(times > 0 || is_unheard, "{kind:?} {number} was answered and did not run");
            }
            Err(error) => {
                assert!(*kind != Kind::Look, "an idempotent command was lost: {number}: {error:#}");
                assert!(error.was_sent(), "{kind:?} {number} was not written, and was lost: {error:#}");
                summary.failed += 1;
                summary.failed_and_ran += usize::from(times > 0);
            }
        }
    }
    assert!(
        told.len() >= record.len(),
        "nobody was told what became of some: {} {}",
        told.len(),
        record.len()
    );
    summary
}

/// No caller waits longer than a test does.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(15);
