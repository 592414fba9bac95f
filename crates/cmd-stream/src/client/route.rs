//! Where a client dials: always the same server, or one of several that somebody else chooses.

use std::future::{Future, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::discard;
use crate::sync::Arc;
use crate::transport::Connect;

/// Says where a client dials, and is told what became of that.
pub(crate) trait Route: Send + Sync + 'static {
    type Transport: Connect;
    /// One of its servers.
    type Target: Target<Transport = Self::Transport>;

    /// The server of the next attempt. Waits until one is known. Cancel safe.
    fn next(&self) -> impl Future<Output = Self::Target> + Send;

    /// Another server than these, for an attempt beside theirs, which take long. `None` if there is none.
    fn beside(&self, tried: &[Self::Target]) -> Option<Self::Target>;

    /// A server has greeted. Returns whether its connection is to be used.
    fn connected(&self, target: &Self::Target) -> bool;

    /// An attempt to connect has failed, or the connection was lost.
    fn failed(&self, target: &Self::Target);

    /// A connection is about to be replaced, though it works.
    fn replaced(&self);

    /// Where the next attempt goes, for messages. It is the user's code, and may panic.
    fn address(&self) -> String;

    /// Whether [`next`](Self::next) returns at once.
    fn is_known(&self) -> bool;
}

/// A server that a client dials. As long as it is kept, it is not chosen for an attempt [beside](Route::beside) another.
pub(crate) trait Target: Send + Sync + 'static {
    type Transport: Connect;

    fn transport(&self) -> &Arc<Self::Transport>;
}

impl<T: Connect> Target for Arc<T> {
    type Transport = T;

    fn transport(&self) -> &Self {
        self
    }
}

/// Always the same.
pub(super) struct Alone<T>(pub(super) Arc<T>);

impl<T: Connect> Route for Alone<T> {
    type Transport = T;
    type Target = Arc<T>;

    fn next(&self) -> impl Future<Output = Arc<T>> + Send {
        ready(Arc::clone(&self.0))
    }

    fn beside(&self, _: &[Arc<T>]) -> Option<Arc<T>> {
        None
    }

    fn connected(&self, _: &Arc<T>) -> bool {
        true
    }

    fn failed(&self, target: &Arc<T>) {
        tell_failed(&**target);
    }

    fn replaced(&self) {}

    fn address(&self) -> String {
        self.0.address()
    }

    fn is_known(&self) -> bool {
        true
    }
}

/// Tells the transport, which may be the user's, and may panic.
pub(crate) fn tell_failed(transport: &impl Connect) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| transport.failed())) {
        discard(payload);
        tracing::error!("`Connect::failed` of the transport panicked");
    }
}

/// Asks for an address. The answer may be the user's, and may panic.
pub(super) fn address_of(ask: impl FnOnce() -> String) -> String {
    catch_unwind(AssertUnwindSafe(ask)).unwrap_or_else(|payload| {
        discard(payload);
        "an unknown address".into()
    })
}
