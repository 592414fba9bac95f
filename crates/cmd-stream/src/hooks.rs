//! Hooks: what is told about each call of a [`Sender`](crate::Sender), and may refuse it. They watch calls, count them, and
//! attach data to Commands that carry some.
//!
//! ```
//! use std::sync::atomic::{AtomicU64, Ordering};
//!
//! use cmd_stream::hooks::{About, Hooks, Refused};
//! use cmd_stream::protocol::{CommandOf, Entry, Protocol};
//! use cmd_stream::Error;
//!
//! /// Refuses everything while the service is switched off, and counts the time-outs.
//! #[derive(Default)]
//! struct Watch {
//!     is_off: bool,
//!     timeouts: AtomicU64,
//! }
//!
//! impl<P: Protocol> Hooks<P> for Watch {
//!     type Call = ();
//!
//!     fn before_send<C: CommandOf<P>>(&self, _: &mut C, entry: &'static Entry) -> Result<(), Refused> {
//!         if self.is_off {
//!             return Err(Refused::new(format!("{} is switched off", entry.name)));
//!         }
//!         Ok(())
//!     }
//!
//!     fn on_timeout(&self, _: &mut (), error: &Error, about: &About<'_>) {
//!         self.timeouts.fetch_add(1, Ordering::Relaxed);
//!         println!("{} after {:?}: {error}", about.entry().name, about.elapsed());
//!     }
//! }
//! ```

use std::error::Error as StdError;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use tokio::time::Instant;

use crate::error::{Error, ErrorKind, Origin, take_message};
use crate::protocol::{CommandOf, Entry, Protocol};
use crate::transport::Peer;

/// What is told about each call of a [`Sender`](crate::Sender) of the Protocol `P`.
///
/// For each call, [`before_send`](Self::before_send) runs once, before the Command is encoded. [`on_reply`](Self::on_reply)
/// tells each Reply. Then one of these tells how the call ended: [`on_done`](Self::on_done), [`on_error`](Self::on_error) or
/// [`on_timeout`](Self::on_timeout). A call that is dropped before its end is told nothing; its [`Call`](Self::Call) value is
/// dropped. A call on a Sender that takes none any more, or whose deadline is over before its first poll, is not asked for.
///
/// They run in the task of the caller, without a lock, and should be quick. A panic in one is contained: in `before_send` it
/// refuses the call, in the others it is logged.
///
/// A pair of hooks is a hook: `(A, B)` asks `A` before `B`, and tells `B` before `A`. If `B` refuses a call, or panics, `A` is
/// told that by [`on_error`](Self::on_error).
pub trait Hooks<P: Protocol>: Send + Sync + 'static {
    /// What is kept for one call, from [`before_send`](Self::before_send) until the call ends. It is dropped then, and also
    /// when the call is dropped.
    type Call: Send + 'static;

    /// Whether nothing is told at all. Only [`NoHooks`] says so.
    #[doc(hidden)]
    const IS_NONE: bool = false;

    /// A Command is about to be encoded. It may be changed: [`Command::metadata`](crate::Command::metadata) returns where data
    /// can be attached.
    ///
    /// # Errors
    ///
    /// The Command is not sent, and the call fails with an error of kind [`Refused`](ErrorKind::Refused), whose source is
    /// the reason.
    fn before_send<C: CommandOf<P>>(
        &self,
        command: &mut C,
        entry: &'static Entry,
    ) -> Result<Self::Call, Refused>;

    /// Whether anything more is told of this call. It is asked once, after [`before_send`](Self::before_send). If not, the
    /// [`Call`](Self::Call) value is dropped at once, and the rest of the call costs nothing for its hooks. The default is
    /// `true`.
    fn watches(&self, call: &Self::Call) -> bool {
        let _ = call;
        true
    }

    /// A Reply has arrived; it may be the Protocol's failure.
    fn on_reply(&self, call: &mut Self::Call, reply: &P::Reply, about: &About<'_>) {
        let _ = (call, reply, about);
    }

    /// The call has failed for another reason than a deadline of its own.
    fn on_error(&self, call: &mut Self::Call, error: &Error, about: &About<'_>) {
        let _ = (call, error, about);
    }

    /// The deadline of the call has passed.
    fn on_timeout(&self, call: &mut Self::Call, error: &Error, about: &About<'_>) {
        let _ = (call, error, about);
    }

    /// The call has ended well: with its last Reply, or because its one-way Command was written. A stream that the caller drops
    /// before its end has not.
    fn on_done(&self, call: &mut Self::Call, about: &About<'_>) {
        let _ = (call, about);
    }

    /// An attempt has failed, and the Command is sent once more: because it was not sent, is idempotent, or was refused by a
    /// server that sheds load. `about` is about the attempt that has failed.
    fn on_retry(&self, call: &mut Self::Call, error: &Error, about: &About<'_>) {
        let _ = (call, error, about);
    }

    /// The Command was sent a second time beside the first; see [`Retry::hedge`](crate::sender::Retry::hedge). `about` is about
    /// the second attempt. What is told later is about the attempt that was answered, or that failed last.
    fn on_hedge(&self, call: &mut Self::Call, about: &About<'_>) {
        let _ = (call, about);
    }
}

/// Why a hook does not let a Command be sent.
#[derive(Debug)]
pub struct Refused(Why);

#[derive(Debug)]
enum Why {
    Reason(Box<dyn StdError + Send + Sync>),
    /// The error of the call, which the hooks around the one that refuses were told.
    Told(Error),
}

impl Refused {
    /// Refuses for this reason: an error, or a text.
    pub fn new(reason: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self(Why::Reason(reason.into()))
    }

    fn into_error(self) -> Error {
        match self.0 {
            Why::Reason(reason) => {
                Error::with_source(ErrorKind::Refused, Origin::Local, "a hook refuses the command", reason)
            }
            Why::Told(error) => error,
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Why::Reason(reason) => reason.fmt(f),
            // Of a refusal, the reason says it; of a panic, the error itself.
            Why::Told(error) => match error.source() {
                Some(reason) => fmt::Display::fmt(reason, f),
                None => error.fmt(f),
            },
        }
    }
}

impl StdError for Refused {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.0 {
            Why::Reason(reason) => reason.source(),
            Why::Told(error) => error.source()?.source(),
        }
    }
}

/// What hooks are told about a call that has begun.
#[derive(Clone, Copy)]
pub struct About<'a> {
    pub(crate) entry: &'static Entry,
    pub(crate) size: Option<usize>,
    pub(crate) reply: Option<&'static Entry>,
    pub(crate) reply_size: Option<usize>,
    pub(crate) seq: Option<i64>,
    pub(crate) member: Option<usize>,
    pub(crate) attempt: u32,
    /// When the call was first polled. `None` for one that was refused.
    pub(crate) began: Option<Instant>,
    pub(crate) peer: &'a dyn Fn() -> Option<Peer>,
}

impl About<'_> {
    /// Returns the tag and the name of the Command.
    pub fn entry(&self) -> &'static Entry {
        self.entry
    }

    /// Returns the bytes of the Command on the wire, without its seq. `None` if it was not encoded.
    pub fn size(&self) -> Option<usize> {
        self.size
    }

    /// Returns the tag and the name of the Reply, in [`on_reply`](Hooks::on_reply). `None` elsewhere.
    pub fn reply(&self) -> Option<&'static Entry> {
        self.reply
    }

    /// Returns the bytes of the Reply on the wire, without its seq, in [`on_reply`](Hooks::on_reply). `None` elsewhere.
    pub fn reply_size(&self) -> Option<usize> {
        self.reply_size
    }

    /// Returns the seq of the last attempt on its connection. `None` if there was none, because nothing could be sent.
    pub fn seq(&self) -> Option<i64> {
        self.seq
    }

    /// Returns the number of the member of the Group that had the last attempt, counted from 0; see
    /// [`Group::members`](crate::group::Group::members). `None` if there was none.
    pub fn member(&self) -> Option<usize> {
        self.member
    }

    /// Returns how many attempts have been made, this one included: 1 for a call that was not sent again.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Returns the time since the call was first polled. Zero for a call that was refused. The clock is read for it.
    pub fn elapsed(&self) -> Duration {
        self.began.map_or(Duration::ZERO, |began| began.elapsed())
    }

    /// Returns the server that had the last attempt, also if this connection was lost since. `None` if there was no attempt, or
    /// if the member has had several connections since.
    pub fn peer(&self) -> Option<Peer> {
        (self.peer)()
    }
}

impl fmt::Debug for About<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("About")
            .field("entry", &self.entry)
            .field("size", &self.size)
            .field("reply", &self.reply)
            .field("reply_size", &self.reply_size)
            .field("seq", &self.seq)
            .field("member", &self.member)
            .field("attempt", &self.attempt)
            .field("elapsed", &self.elapsed())
            .finish_non_exhaustive()
    }
}

/// No hooks. A call costs nothing for them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct NoHooks;

impl<P: Protocol> Hooks<P> for NoHooks {
    type Call = ();

    const IS_NONE: bool = true;

    #[inline(always)]
    fn before_send<C: CommandOf<P>>(&self, _: &mut C, _: &'static Entry) -> Result<(), Refused> {
        Ok(())
    }
}

/// Both: the first one is asked first. Replies and errors are told in the opposite order, so that the first one surrounds the
/// second.
impl<P: Protocol, A: Hooks<P>, B: Hooks<P>> Hooks<P> for (A, B) {
    type Call = (A::Call, B::Call);

    const IS_NONE: bool = A::IS_NONE && B::IS_NONE;

    fn before_send<C: CommandOf<P>>(
        &self,
        command: &mut C,
        entry: &'static Entry,
    ) -> Result<Self::Call, Refused> {
        let first = self.0.before_send(command, entry)?;
        let error = match ask(&self.1, command, entry) {
            Ok(second) => return Ok((first, second)),
            Err(error) => error,
        };
        let mut first = first;
        let about = About {
            entry,
            size: None,
            reply: None,
            reply_size: None,
            seq: None,
            member: None,
            attempt: 0,
            began: None,
            peer: &|| None,
        };
        contained(|| self.0.on_error(&mut first, &error, &about));
        contained(|| drop(first));
        Err(Refused(Why::Told(error)))
    }

    fn watches(&self, call: &Self::Call) -> bool {
        self.0.watches(&call.0) || self.1.watches(&call.1)
    }

    fn on_reply(&self, call: &mut Self::Call, reply: &P::Reply, about: &About<'_>) {
        each([&mut || self.1.on_reply(&mut call.1, reply, about), &mut || {
            self.0.on_reply(&mut call.0, reply, about);
        }]);
    }

    fn on_error(&self, call: &mut Self::Call, error: &Error, about: &About<'_>) {
        each([&mut || self.1.on_error(&mut call.1, error, about), &mut || {
            self.0.on_error(&mut call.0, error, about);
        }]);
    }

    fn on_timeout(&self, call: &mut Self::Call, error: &Error, about: &About<'_>) {
        each([&mut || self.1.on_timeout(&mut call.1, error, about), &mut || {
            self.0.on_timeout(&mut call.0, error, about);
        }]);
    }

    fn on_done(&self, call: &mut Self::Call, about: &About<'_>) {
        each([&mut || self.1.on_done(&mut call.1, about), &mut || self.0.on_done(&mut call.0, about)]);
    }

    fn on_retry(&self, call: &mut Self::Call, error: &Error, about: &About<'_>) {
        each([&mut || self.1.on_retry(&mut call.1, error, about), &mut || {
            self.0.on_retry(&mut call.0, error, about);
        }]);
    }

    fn on_hedge(&self, call: &mut Self::Call, about: &About<'_>) {
        each([&mut || self.1.on_hedge(&mut call.1, about), &mut || self.0.on_hedge(&mut call.0, about)]);
    }
}

/// Tells several, though one of them panics.
fn each(tellings: [&mut dyn FnMut(); 2]) {
    for telling in tellings {
        contained(telling);
    }
}

/// Runs a hook that cannot refuse. A panic in it is logged.
pub(crate) fn contained(hook: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(hook)) {
        tracing::error!(panic = take_message(payload), "a hook panicked");
    }
}

/// Asks the hooks whether a Command may be sent.
///
/// # Errors
///
/// A hook refuses it, or panicked.
pub(crate) fn ask<P: Protocol, H: Hooks<P>, C: CommandOf<P>>(
    hooks: &H,
    command: &mut C,
    entry: &'static Entry,
) -> Result<H::Call, Error> {
    if H::IS_NONE {
        // There is nothing to contain.
        return hooks.before_send(command, entry).map_err(Refused::into_error);
    }
    match catch_unwind(AssertUnwindSafe(|| hooks.before_send(command, entry))) {
        Ok(asked) => asked.map_err(Refused::into_error),
        Err(payload) => Err(Error::panic("a hook", payload)),
    }
}

/// What the hooks keep for a call, if they watch it.
pub(crate) fn kept<P: Protocol, H: Hooks<P>>(hooks: &H, call: H::Call) -> Option<H::Call> {
    let mut kept = None;
    contained(|| kept = hooks.watches(&call).then_some(call));
    kept
}
