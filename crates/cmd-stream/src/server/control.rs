//! The life cycle of a server (serving, draining, closed): who controls it, and who is told. Knows no Protocols.

use std::collections::HashMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use super::alarm::Alarm;
use super::counters::{Counters, Counts, add};
use super::ending::Ending;
use super::ends::End;
use super::limits::Limits;
use super::memory::{Memory, Orphaned};
use super::notices::Notices;
use super::polling::{leave_slot, set_woken};
use super::shedding::Shedder;
use super::stats::Stats;
use super::watch::Watch;
use crate::connection::GOODBYE;
use crate::connection::bell::Bell;
use crate::error::cause::Cause;
use crate::error::{Error, ErrorKind, Origin, discard};
use crate::stats::Tally;
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use crate::transport::Peer;

/// Controls a server while it serves; from [`Server::handle`](super::Server::handle).
#[derive(Clone)]
pub struct Handle {
    control: Arc<Control>,
}

/// How `serve` ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Served {
    /// By [`Handle::shutdown`]. Whatever did not end by itself within [`Limits::drain`](super::Limits::drain) was cut, as
    /// [`Handle::close`] does it.
    Shutdown(Cut),
    /// By [`Handle::close`].
    Closed(Cut),
}

/// What was cut when a server ended. It equals `Cut::default()` if nothing was.
///
/// ```
/// # use cmd_stream::{protocol, Answer, Context, Failed, Json, Server};
/// # use serde::{Deserialize, Serialize};
/// # struct Calc;
/// # #[derive(Serialize, Deserialize)] struct Add { a: i64, b: i64 }
/// # #[derive(Serialize, Deserialize)] struct Sum(i64);
/// # impl Answer<Calc> for Add {
/// #     async fn answer(self, _: &Calc, _: &Context<'_>) -> Result<Sum, Failed> { Ok(Sum(self.a + self.b)) }
/// # }
/// # protocol! {
/// #     struct Calculator { commands { 0 => Add -> Sum } replies { 0 => Sum } failure close_connection }
/// # }
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use cmd_stream::server::{Cut, Served};
/// use std::time::Duration;
///
/// let server = Server::bind("127.0.0.1:0", Calculator, Json, Calc).await?;
/// # server.handle().close();
/// match server.serve().await {
///     Served::Shutdown(cut) | Served::Closed(cut) if cut == Cut::default() => println!("nothing was cut"),
///     Served::Shutdown(cut) | Served::Closed(cut) => {
///         println!("{} connections were cut, {} commands were left", cut.connections, cut.commands);
///         tokio::time::sleep(Duration::from_secs(1)).await; // for Replies that are being written to slow clients
///     }
///     _ => {}
/// }
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Cut {
    /// Connections that were still open, or were waiting for a place. Each is counted as
    /// [`Counters::cut`](super::Counters::cut) when it ends: if code of yours blocks its thread, that is after `serve` has
    /// returned.
    pub connections: usize,
    /// Commands that were still running. They continue, and can send nothing any more. Those that block the threads they
    /// run on are among them.
    pub commands: usize,
}

/// The phases of a server's life.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Life {
    Serving,
    Draining,
    /// No further Command is started.
    Finishing,
    Closed,
}

/// What a server, its handles and its connections share.
pub(crate) struct Control {
    pub(crate) address: Peer,
    pub(crate) limits: Limits,
    pub(crate) counts: Counts,
    pub(super) notices: Notices,
    pub(super) tally: Tally,
    pub(super) memory: Memory,
    pub(super) alarm: Arc<Alarm>,
    pub(super) watch: Arc<Watch>,
    /// If it is to shed load.
    pub(super) shedder: Option<Shedder>,
    life: Mutex<Life>,
    /// Rings when it changes. Commands wait for that, by any executor.
    on_life: Bell,
    sessions: Mutex<HashMap<u64, Weak<dyn EndSession>>>,
    /// Commands in tasks of their own, also those that outlive their connection.
    commands: AtomicUsize,
    no_commands: Notify,
    /// How many connections there were when the server was closed; [`NOT_CLOSED`] before.
    open_at_close: AtomicUsize,
}

const NOT_CLOSED: usize = usize::MAX;

/// A session, whatever its Protocol is.
pub(crate) trait EndSession: Send + Sync {
    fn end_session(&self, ending: Ending);

    /// Since when it has been idle, if it is.
    fn idle(&self) -> Option<Idle>;

    /// Ends it, if it has been idle since then. Returns whether it ends because of that.
    fn make_room(&self, idle: Idle) -> bool;

    /// Whether its task is in the code of a Command just now.
    fn is_in_command(&self) -> bool {
        false
    }
}

/// A connection on which nothing is in flight, in either direction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Idle {
    pub(crate) since: Instant,
    /// Whether a Command has ever come.
    pub(crate) has_sent: bool,
}

impl Handle {
    pub(super) fn new(control: Arc<Control>) -> Self {
        Self { control }
    }

    /// Returns the address that the server listens on.
    pub fn local_addr(&self) -> &Peer {
        &self.control.address
    }

    /// Returns what the server has counted. [`stats`](Self::stats) returns it as well, and the numbers of each Command; this
    /// is cheaper.
    pub fn counters(&self) -> Counters {
        self.control.counters()
    }

    /// Returns what the server has counted, and the numbers of each of its Commands.
    ///
    /// It may be called at any time, as often as you like. It adds up what each thread has recorded, some hundred bytes to a
    /// few kilobytes for each Command and thread, and holds nothing up.
    pub fn stats(&self) -> Stats {
        Stats::of(self.control.counters(), &self.control.tally)
    }

    /// Returns whether the server has begun to shut down, was closed, or has ended.
    pub fn is_going_away(&self) -> bool {
        self.control.is_draining()
    }

    /// Shuts the server down gracefully. Returns at once; `serve` ends with [`Served::Shutdown`].
    ///
    /// No further connections are accepted. A connection is closed as soon as no Command is in flight on it. Until then
    /// it is served as before, including new Commands. So an idle connection is closed at once; if its client keeps its
    /// end open, the server waits for one second.
    ///
    /// A connection that is always busy would never be idle. When half of [`Limits::drain`](super::Limits::drain) is over,
    /// new Commands are therefore read and not executed. They are answered with the Protocol's failure, as
    /// [overloaded](crate::protocol::FailedReason::Overloaded), if it declares one; a [`Sender`](crate::Sender) then tries another server.
    /// Those that were started before are still answered. Whatever has not ended within `Limits::drain` is cut.
    ///
    /// A Command that was started is answered. One that arrives when its connection is being closed is not executed, and one
    /// of which only a part has arrived is not waited for. Their client cannot know that, so the calls fail with an error that
    /// [may have been sent](crate::Error::was_sent). Connections that wait for a place, or are in the transport's handshake,
    /// are closed at once.
    ///
    /// Nothing waits for code of yours. If a Command, an Invoker, a destructor or a callback blocks its thread, `serve` still
    /// ends when `Limits::drain` is over (and about 100 ms more), and [`Cut`] counts what blocks. This takes a runtime with
    /// a thread that is free: if all are blocked, as the only one of a runtime may be, `serve` waits for one. Tasks of your own that
    /// block a thread may hold it up even if another thread is free; see [`Execute::execute`](crate::Execute::execute).
    ///
    /// Calling it again has no effect. If the server does not serve yet, `serve` will return at once.
    ///
    /// ```no_run
    /// # async fn example(handle: cmd_stream::server::Handle) {
    /// tokio::spawn(async move {
    ///     if tokio::signal::ctrl_c().await.is_ok() {
    ///         handle.shutdown();
    ///     }
    /// });
    /// # }
    /// ```
    pub fn shutdown(&self) {
        self.control.set_life(Life::Draining);
        wakes_tasks();
    }

    /// Closes the server now, even while it drains. Returns at once; `serve` ends with [`Served::Closed`], within about 100 ms.
    ///
    /// All connections are closed. Running Commands continue, but can send nothing. [`Cut`] says how many there were. They
    /// are not waited for, not even if they block their threads; see [`shutdown`](Self::shutdown).
    ///
    /// Replies that wait to be written are lost. Those that are just being written, in one batch, are written to the end in the
    /// background, for up to 1 s, as far as the client takes them: a client that sees its connection end in the middle of
    /// a Reply may take that for a fault, and not come back. The same holds for what is cut at the end of a shutdown, and
    /// for every other end of a connection. If the runtime ends before, so does this; see [`Cut`].
    pub fn close(&self) {
        self.control.count_open();
        self.control.set_life(Life::Closed);
        wakes_tasks();
    }
}

/// Tasks were woken. If a Command did that, it may compute for long.
fn wakes_tasks() {
    set_woken();
    leave_slot();
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("local_addr", self.local_addr())
            .field("counters", &self.counters())
            .finish_non_exhaustive()
    }
}

impl Control {
    pub(crate) fn new(address: Peer, limits: Limits, tally: Tally) -> Self {
        Self {
            address,
            shedder: limits.shed_after.map(Shedder::new),
            memory: Memory::new(limits.memory, limits.commands),
            alarm: Arc::default(),
            watch: Arc::default(),
            limits,
            counts: Counts::default(),
            notices: Notices::new(),
            tally,
            life: Mutex::new(Life::Serving),
            on_life: Bell::default(),
            sessions: Mutex::default(),
            commands: AtomicUsize::new(0),
            no_commands: Notify::new(),
            open_at_close: AtomicUsize::new(NOT_CLOSED),
        }
    }

    fn counters(&self) -> Counters {
        Counters {
            started: self.tally.all_started(),
            replies: self.tally.replies(),
            bytes_received: self.tally.bytes_received(),
            bytes_sent: self.tally.bytes_sent(),
            ..self.counts.snapshot()
        }
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<u64, Weak<dyn EndSession>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn life(&self) -> MutexGuard<'_, Life> {
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves on to a later phase; never back. Returns whether that is a change.
    fn move_to(&self, to: Life) -> bool {
        {
            let mut life = self.life();
            if to <= *life {
                return false;
            }
            *life = to;
        }
        self.on_life.ring();
        true
    }

    /// Moves on to a later phase, and tells the connections.
    fn set_life(&self, to: Life) {
        self.tell(to, &ending(to));
    }

    fn tell(&self, to: Life, ending: &Ending) {
        if self.move_to(to) {
            tracing::debug!(server = %self.address, ?to, "server ends");
            // Collected first: to end a session wakes its task, which must not happen under the lock. And a session that is
            // registered from here on sees the new phase itself.
            let sessions: Vec<_> = self.sessions().values().filter_map(Weak::upgrade).collect();
            sessions.iter().for_each(|session| session.end_session(ending.clone()));
        }
    }

    /// Lets nothing but the Commands in flight go on.
    pub(crate) fn finish(&self) {
        self.set_life(Life::Finishing);
    }

    /// The server ends with its `serve`, and with it the connections that there still are.
    pub(crate) fn end(&self) {
        self.tell(Life::Closed, &now("the server ended"));
    }

    /// Waits until this phase has begun.
    pub(crate) async fn reached(&self, life: Life) -> Life {
        loop {
            // Before the check. Otherwise a change between the two would be missed.
            let listening = self.on_life.listen();
            let now = *self.life();
            if now >= life {
                return now;
            }
            listening.await;
        }
    }

    /// Waits until the server begins to end.
    pub(crate) async fn draining(&self) {
        self.reached(Life::Draining).await;
    }

    /// Waits until the server has begun to end, and what is being written has had its time.
    pub(crate) async fn drained_output(&self) {
        self.draining().await;
        sleep(GOODBYE).await;
    }

    pub(crate) fn is_draining(&self) -> bool {
        *self.life() >= Life::Draining
    }

    /// Registers a session, which is told when the server is to end.
    pub(crate) fn register(&self, id: u64, session: Weak<dyn EndSession>) -> Registered<'_> {
        self.sessions().insert(id, Weak::clone(&session));
        // Checked after the session was added. Otherwise an end between the two would be missed.
        let life = *self.life();
        if life > Life::Serving
            && let Some(session) = session.upgrade()
        {
            session.end_session(ending(life));
        }
        Registered { control: self, id }
    }

    /// Those of the registered sessions that are idle.
    pub(crate) fn idle_connections(&self) -> Vec<(u64, Idle)> {
        // Collected first, as in `tell`: the last reference to a session may be the one that is dropped here.
        let sessions: Vec<_> =
            self.sessions().iter().map(|(id, session)| (*id, Weak::clone(session))).collect();
        sessions.into_iter().filter_map(|(id, session)| Some((id, session.upgrade()?.idle()?))).collect()
    }

    /// Ends this session, if it has been idle since then. Returns whether it does.
    pub(crate) fn make_room(&self, id: u64, idle: Idle) -> bool {
        let session = self.sessions().get(&id).and_then(Weak::upgrade);
        session.is_some_and(|session| session.make_room(idle))
    }

    /// Tells the log that a connection has ended.
    pub(super) fn note_end(&self, end: End, peer: &Peer, reason: impl fmt::Display) {
        self.notices.ended(&self.address, end, peer, reason);
    }

    /// The server is about to be closed. Counted before that, as it ends the connections faster than `serve` could count them.
    fn count_open(&self) {
        let there = [&self.counts.open, &self.counts.waiting].map(|gauge| gauge.load(Ordering::Relaxed));
        let there = there.iter().sum::<u64>() as usize;
        // The first time counts.
        let _ = self.open_at_close.compare_exchange(NOT_CLOSED, there, Ordering::AcqRel, Ordering::Acquire);
    }

    /// How many connections there were when the server was closed.
    pub(super) fn open_at_close(&self) -> usize {
        self.open_at_close.load(Ordering::Acquire)
    }

    /// How many of these connections have not ended. The others are only leaving.
    pub(super) fn not_ended(&self, connections: usize) -> usize {
        connections.saturating_sub(self.counts.leaving.load(Ordering::Relaxed) as usize)
    }

    /// How many connections are open.
    pub(super) fn open(&self) -> u64 {
        self.counts.open.load(Ordering::Relaxed)
    }

    /// A connection has ended before its Commands.
    pub(super) fn add_orphans(&self, session: Weak<dyn Orphaned>) {
        self.memory.add_orphans(session);
        self.drop_orphans();
    }

    /// Lets the oldest orphans go, if too much is taken.
    pub(super) fn drop_orphans(&self) {
        let dropped = self.memory.drop_orphans(self.commands()) as u64;
        if dropped > 0 {
            add(&self.counts.orphans_dropped, dropped);
            self.notices.dropped(&self.address, dropped);
        }
    }

    pub(crate) fn command_begins(&self) {
        self.commands.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn command_ends(&self) {
        if self.commands.fetch_sub(1, Ordering::AcqRel) == 1 {
            // Only `serve` waits for it. Its waker is that of whatever polls it; if that panics, it is not this Command's fault.
            let _ = catch_unwind(AssertUnwindSafe(|| self.no_commands.notify_waiters())).map_err(discard);
        }
    }

    pub(crate) fn commands(&self) -> usize {
        self.commands.load(Ordering::Acquire)
    }

    /// How many Commands keep the task of their connection from going on.
    pub(crate) fn commands_in_place(&self) -> usize {
        // Collected first, as in `tell`.
        let sessions: Vec<_> = self.sessions().values().filter_map(Weak::upgrade).collect();
        sessions.iter().filter(|session| session.is_in_command()).count()
    }

    /// Waits until no Command runs in a task of its own.
    pub(crate) async fn no_commands(&self) {
        loop {
            let mut notified = pin!(self.no_commands.notified());
            // Registered before the check. Otherwise the end of the last Command between the two would be missed.
            notified.as_mut().enable();
            if self.commands() == 0 {
                return;
            }
            notified.await;
        }
    }
}

fn ending(life: Life) -> Ending {
    match life {
        Life::Serving | Life::Draining => Ending::WhenIdle,
        Life::Finishing => Ending::WhenAnswered,
        Life::Closed => now("the server was closed"),
    }
}

fn now(message: &'static str) -> Ending {
    Ending::Now(Error::new(ErrorKind::Closed, Origin::Local, message).caused_by(Cause::Cut))
}

/// Keeps a session registered.
pub(crate) struct Registered<'a> {
    control: &'a Control,
    id: u64,
}

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        self.control.sessions().remove(&self.id);
    }
}
