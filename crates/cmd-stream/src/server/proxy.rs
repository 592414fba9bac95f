//! Proxies: through them a Command sends its Replies while it runs, or after it has handed them over.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task;
use std::time::Instant;

use tokio::runtime::{Handle, RuntimeFlavor};

use super::alarm::{AFTER, Sleeper};
use super::connection::Connection;
use super::context::Context;
use super::extensions::Extensions;
use super::line::{Line, Place, Sent};
use super::link::{HandedLink, Link, ReplyLink, RunningLink};
use super::polling::{
    forget_woken, is_elsewhere, is_in_place, is_own_task, leave_slot, poll_number, polls_command,
};
use super::stint::Pause;
use super::watch::threads::{Answer, polls_tasks};
use crate::connection::let_others_run;
use crate::proto::frame::Seq;
use crate::protocol::Failed;
use crate::sync::Arc;

/// Sends the Replies of a Command, of type `R`, and tells it about itself, its connection and its server.
pub struct Proxy<'a, R> {
    link: &'a dyn RunningLink<R>,
    extensions: &'a Extensions,
}

impl<'a, R> Proxy<'a, R> {
    pub(super) fn new(link: &'a dyn RunningLink<R>, extensions: &'a Extensions) -> Self {
        Self { link, extensions }
    }

    /// Sends a Reply. Replies of one Command arrive in the order in which they were sent.
    ///
    /// It returns when the Reply is in the connection's output. That is written together with the Replies of other
    /// Commands, and with those that this one sends right after it; see [`Execute::execute`](crate::Execute::execute). It waits
    /// while that output is over its limit ([`Limits::output`](super::Limits::output)), and encodes the Reply after that.
    ///
    /// A one-way Command may send `()`. Nothing goes out.
    ///
    /// # Errors
    ///
    /// - The Reply cannot be encoded, or is over [`Limits::frame`](super::Limits::frame). Nothing is sent, and the
    ///   Command may send another one.
    /// - The last Reply has been sent already.
    /// - The connection is gone.
    ///
    /// # Cancel safety
    ///
    /// If it is dropped before it returns, the Reply may or may not have been sent, but never a part of it.
    pub async fn send(&self, reply: impl IntoReply<R>) -> Result<(), Failed> {
        send(self.link, reply.into()).await
    }

    /// Sends the only Reply of a Command that then ends. So it need not let others run. For `Answer` and `service!`.
    #[doc(hidden)]
    pub async fn send_and_end(&self, reply: R) -> Result<(), Failed> {
        match self.link.send(reply)? {
            Sent::Done { .. } => Ok(()),
            Sent::Full(reply) => {
                Box::pin(send_when_room(self.link, reply, Blocked::default())).await.map(drop)
            }
        }
    }

    /// Waits until there is room in the connection's output, so that a large Reply need not be made before it can be sent.
    ///
    /// ```
    /// # use cmd_stream::{Failed, Proxy};
    /// # struct Page { lines: Vec<String> }
    /// # fn read_page(_: u32) -> Page { Page { lines: Vec::new() } }
    /// async fn send_page(number: u32, proxy: Proxy<'_, Page>) -> Result<(), Failed> {
    ///     proxy.ready().await?;
    ///     proxy.send(read_page(number)).await
    /// }
    /// ```
    ///
    /// Other Commands may use up the room before the Reply is sent. Then `send` waits.
    ///
    /// # Errors
    ///
    /// The last Reply has been sent already, or the connection is gone.
    ///
    /// # Cancel safety
    ///
    /// It may be dropped and called again.
    pub async fn ready(&self) -> Result<(), Failed> {
        ready(self.link).await
    }

    /// Hands the Proxy over to a task that outlives [`execute`](crate::Execute::execute).
    ///
    /// The Command stays in flight, for the limits and for a graceful shutdown, until the last clone of the owned Proxy is
    /// dropped.
    ///
    /// ```
    /// # use cmd_stream::{Command, Execute, Failed, Proxy, protocol::kind::Plain};
    /// # struct Convert;
    /// # struct Converted;
    /// # impl Command for Convert { type Reply = Converted; type Kind = Plain; }
    /// # struct Service;
    /// impl Execute<Service> for Convert {
    ///     async fn execute(self, _: &Service, proxy: Proxy<'_, Converted>) -> Result<(), Failed> {
    ///         let proxy = proxy.into_owned();
    ///         tokio::task::spawn_blocking(move || {
    ///             // .. what takes long and blocks its thread ..
    ///             let _ = proxy.send_blocking(Converted);
    ///         });
    ///         Ok(())
    ///     }
    /// }
    /// ```
    ///
    /// The [`extensions`](Context::extensions) of the Command stay with `execute`. Copy what is needed before.
    pub fn into_owned(self) -> OwnedProxy<R> {
        OwnedProxy::new(self.link.hand_over())
    }

    /// Returns what is known about the Command and its connection.
    pub fn context(&self) -> Context<'a> {
        Context::new(self.link, self.extensions)
    }

    /// Waits until the connection is gone; see [`Context::closed`].
    #[doc(alias = "cancel")]
    pub async fn closed(&self) {
        self.context().closed().await;
    }

    /// Waits until the server begins to shut down; see [`Context::going_away`].
    pub async fn going_away(&self) {
        self.context().going_away().await;
    }
}

/// A [`Proxy`] that outlives [`execute`](crate::Execute::execute); from [`Proxy::into_owned`]. It can be cloned.
///
/// If the last clone is dropped after `execute` has ended, and no last Reply was sent, the Command fails with the reason
/// [`NoLastReply`](crate::protocol::FailedReason::NoLastReply).
#[must_use = "a Command whose owned Proxy is dropped without a last Reply fails"]
pub struct OwnedProxy<R> {
    link: Arc<dyn HandedLink<R>>,
    // Dropped after it, and so after what the end of the Command has woken.
    _slot: LeavesSlot,
}

/// Calls [`leave_slot`] when it is dropped in a Command.
struct LeavesSlot;

impl Drop for LeavesSlot {
    fn drop(&mut self) {
        if polls_command() {
            leave_slot();
        }
    }
}

impl<R> OwnedProxy<R> {
    fn new(link: Arc<dyn HandedLink<R>>) -> Self {
        Self { link, _slot: LeavesSlot }
    }

    /// Sends a Reply; see [`Proxy::send`].
    ///
    /// # Errors
    ///
    /// Those of [`Proxy::send`].
    ///
    /// # Cancel safety
    ///
    /// As [`Proxy::send`].
    pub async fn send(&self, reply: impl IntoReply<R>) -> Result<(), Failed> {
        send(&*self.link, reply.into()).await
    }

    /// Sends a Reply from code that may block its thread, such as that of
    /// [`spawn_blocking`](tokio::task::spawn_blocking). The thread sleeps while the connection's output is over its limit.
    ///
    /// If `execute` itself calls it, or another task of the runtime, no other thread may be free to write that output. Then it
    /// does not wait, or for 200 ms at most, and the output exceeds its limit. If that goes on, the connection is closed; see
    /// [`Execute::execute`](crate::Execute::execute).
    ///
    /// # Errors
    ///
    /// Those of [`Proxy::send`].
    pub fn send_blocking(&self, reply: impl IntoReply<R>) -> Result<(), Failed> {
        forget_woken();
        let sent = match self.link.send(reply.into())? {
            Sent::Done { .. } => Ok(()),
            // Nobody else could make room.
            Sent::Full(reply) if is_in_place() && is_only_thread() => {
                self.link.line().goes_over();
                return self.link.send_over(*reply);
            }
            Sent::Full(reply) => block_on(send_when_room(&*self.link, reply, Blocked::here())).map(drop),
        };
        // Also if it has failed: the end of a connection has to be seen by its task.
        may_block(self.link.line());
        sent
    }

    /// Waits until there is room in the connection's output; see [`Proxy::ready`].
    ///
    /// # Errors
    ///
    /// Those of [`Proxy::ready`].
    pub async fn ready(&self) -> Result<(), Failed> {
        ready(&*self.link).await
    }

    /// Makes the Command fail, as if `execute` had returned the error. It does nothing if the last Reply has been sent.
    pub fn fail(self, error: impl Into<Failed>) {
        forget_woken();
        self.link.fail(error.into());
        leave_slot();
    }

    /// Returns the Command's number on its connection.
    pub fn seq(&self) -> Seq {
        self.link.arrival().seq
    }

    /// Returns the connection that the Command came on.
    pub fn connection(&self) -> &Connection {
        &self.link.line().connection
    }

    /// Waits until the connection is gone; see [`Context::closed`].
    pub async fn closed(&self) {
        self.connection().closed().await;
    }

    /// Waits until the server begins to shut down; see [`Context::going_away`].
    pub async fn going_away(&self) {
        self.link.line().control.draining().await;
    }
}

async fn send<R>(link: &(impl ReplyLink<R> + ?Sized), reply: R) -> Result<(), Failed> {
    let woke = match link.send(reply)? {
        Sent::Done { woke } => woke,
        // On the heap, so that the future of a Command keeps no room for it.
        Sent::Full(reply) => Box::pin(send_when_room(link, reply, Blocked::default())).await?,
    };
    // After the Reply is in the output: its wake-up is what others are let run for.
    Pausing { link, pause: link.pause(woke) }.await;
    Ok(())
}

/// Lets others run, if it is time for that. Written by hand, and polled for each Reply of a stream.
struct Pausing<'a, L: ?Sized> {
    link: &'a L,
    pause: Pause,
}

impl<L: Link + ?Sized> Future for Pausing<'_, L> {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> task::Poll<()> {
        if is_elsewhere(cx.waker()) {
            self.link.may_block();
            may_block(self.link.line());
        }
        match std::mem::replace(&mut self.pause, Pause::Nothing) {
            Pause::Nothing => return task::Poll::Ready(()),
            Pause::ForAll if is_own_task(cx.waker()) => let_others_run(cx),
            // The runtime would wake it when its thread is free, for which an executor that blocks the thread waits in vain.
            Pause::ForAll | Pause::ForTask => cx.waker().wake_by_ref(),
        }
        task::Poll::Pending
    }
}

/// Returns whether that has woken the connection's task, or may have.
async fn send_when_room<R>(
    link: &(impl ReplyLink<R> + ?Sized),
    mut reply: Box<R>,
    mut blocked: Blocked,
) -> Result<bool, Failed> {
    let mut place = Place::new(link.line());
    loop {
        let is_blocked = poll_fn(|cx| match link.poll_ready(place.turn(), cx) {
            task::Poll::Ready(ready) => task::Poll::Ready(ready.map(|()| false)),
            task::Poll::Pending if blocked.look(link.line(), cx) => task::Poll::Ready(Ok(true)),
            task::Poll::Pending => task::Poll::Pending,
        });
        if is_blocked.await? {
            link.line().goes_over();
            return link.send_over(*reply).map(|()| true);
        }
        match link.send(*reply)? {
            Sent::Done { woke } => return Ok(woke),
            Sent::Full(again) => reply = again, // others were faster
        }
    }
}

async fn ready(link: &(impl Link + ?Sized)) -> Result<(), Failed> {
    let mut place = Place::new(link.line());
    let mut blocked = Blocked::default();
    poll_fn(|cx| match link.poll_ready(place.turn(), cx) {
        task::Poll::Pending if blocked.look(link.line(), cx) => task::Poll::Ready(Ok(())),
        poll => poll,
    })
    .await
}

/// What somebody knows who waits for room and may block the very thread that would make it: by an executor of its own in
/// the middle of a Command.
#[derive(Default)]
struct Blocked {
    /// Whether it blocks this thread, which is one of the runtime, in any case.
    is_here: bool,
    /// Since when, in which poll of a Command, and how often the connection's task had been awake.
    since: Option<(Instant, u64, Option<u64>)>,
    /// What the threads of the runtime were asked when it had waited for that long.
    asked: Option<Answer>,
    /// Wakes it when the time is over, for as long as it waits.
    sleeper: Option<Arc<Sleeper>>,
}

impl Blocked {
    /// It blocks this thread. In one for blocking code, it waits for room as long as it takes: the threads of the runtime may be
    /// busy, and are not blocked.
    fn here() -> Self {
        Self { is_here: polls_tasks(), since: None, asked: None, sleeper: None }
    }

    /// Looks whether nothing can make room while this thread waits. It has done nothing else for [`AFTER`], and either it is the
    /// only one of its runtime, or the connection's task was woken and has not come. Or, for twice as long, no other thread has
    /// been free: the connection's task may wait for its socket, which nobody looks at then.
    fn look(&mut self, line: &Line, cx: &task::Context<'_>) -> bool {
        let in_command = is_elsewhere(cx.waker());
        if !in_command && !self.is_here {
            return false;
        }
        may_block(line);
        let (poll, rounds) = (poll_number(), line.rounds());
        let before = self.since.filter(|(_, before, _)| *before == poll);
        if let Some((since, _, seen)) = before {
            if since.elapsed() < AFTER {
                self.sleep(line, cx);
                return false;
            }
            // In a thread for blocking code neither says anything.
            if in_command && (is_only_thread() || (rounds.is_some() && rounds == seen)) {
                return true;
            }
            if self.asked.as_ref().is_some_and(|asked| !asked.has_come()) {
                return true;
            }
        }
        // Only then: who has not done anything else may be polled by a combinator, and not block at all.
        self.asked = before.and_then(|_| line.ask_threads());
        self.since = Some((Instant::now(), poll, rounds));
        self.sleep(line, cx);
        false
    }

    /// It is polled again when the time is over. If there is no thread for that, it waits as everybody does.
    fn sleep(&mut self, line: &Line, cx: &task::Context<'_>) {
        let sleeper = self.sleeper.get_or_insert_default();
        line.control.alarm.wake_later(sleeper, cx.waker().clone());
    }
}

impl Drop for Blocked {
    /// It waits no longer, and leaves nothing behind.
    fn drop(&mut self) {
        let waker = self.sleeper.take().and_then(|sleeper| sleeper.leave());
        drop(waker); // without the lock
    }
}

/// The thread may be blocked next. Others write what has been sent.
fn may_block(line: &Line) {
    line.stop_putting_off();
    if is_in_place() {
        line.stand_in();
    }
    leave_slot();
}

/// Whether this thread is the only one of its runtime.
fn is_only_thread() -> bool {
    Handle::try_current().is_ok_and(|runtime| runtime.runtime_flavor() == RuntimeFlavor::CurrentThread)
}

/// Blocks this thread until a future is ready.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unparks(std::thread::Thread);
    impl task::Wake for Unparks {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = task::Waker::from(Arc::new(Unparks(std::thread::current())));
    let mut future = pin!(future);
    loop {
        if let task::Poll::Ready(done) = future.as_mut().poll(&mut task::Context::from_waker(&waker)) {
            return done;
        }
        std::thread::park(); // returns at once if the waker was used since the poll
    }
}

/// What a Command may send if it is answered with `R`: an `R`, or anything that is `Into<R>`, such as a variant of an
/// enum of Replies. There is nothing to implement.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not what this Command is answered with: `{R}`",
    label = "this Command sends `{R}`",
    note = "send a `{R}`, as `Command::Reply` says; if that is an enum over several Replies, \
            write `impl From<{Self}> for {R}` to send a `{Self}` as it is"
)]
pub trait IntoReply<R>: Into<R> {}

#[diagnostic::do_not_recommend]
impl<T: Into<R>, R> IntoReply<R> for T {}

impl<R> Clone for Proxy<'_, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for Proxy<'_, R> {}

impl<R> Clone for OwnedProxy<R> {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.link))
    }
}

impl<R> fmt::Debug for Proxy<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").field("context", &self.context()).finish()
    }
}

impl<R> fmt::Debug for OwnedProxy<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedProxy").field("seq", &self.seq()).field("connection", self.connection()).finish()
    }
}
