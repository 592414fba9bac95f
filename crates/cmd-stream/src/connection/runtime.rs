//! Whether the runtime has what connections need. It is asked before anything begins, so that it does not show as a panic in
//! each connection.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::runtime::Handle;

use crate::error::{Error, ErrorKind, Origin};

/// Tells whether the runtime that this runs in has timers.
///
/// # Errors
///
/// There is no runtime, or it has no timers.
pub(crate) fn has_timers() -> Result<(), Error> {
    if Handle::try_current().is_err() {
        let message = "there is no tokio runtime here: poll this in one, or enter one by `Handle::enter`";
        return Err(Error::new(ErrorKind::Io, Origin::Local, message));
    }
    // tokio has no way to ask. Making a timer panics where there are none.
    if catch_unwind(|| drop(tokio::time::sleep(Duration::ZERO))).is_err() {
        let message = "the tokio runtime has no timers: build it with `enable_time` or `enable_all`";
        return Err(Error::new(ErrorKind::Io, Origin::Local, message));
    }
    Ok(())
}

/// As [`has_timers`], for what may also be called before there is a runtime.
///
/// # Errors
///
/// The runtime has no timers.
pub(crate) fn has_timers_if_any() -> Result<(), Error> {
    if Handle::try_current().is_err() { Ok(()) } else { has_timers() }
}

/// Opens a socket. A runtime without sockets panics, as tokio has no way to ask.
///
/// # Errors
///
/// The panic.
pub(crate) async fn opening<T>(doing: &str, socket: impl Future<Output = T>) -> Result<T, Error> {
    let mut socket = pin!(socket);
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| socket.as_mut().poll(cx))) {
        Ok(polled) => polled.map(Ok),
        Err(payload) => Poll::Ready(Err(Error::panic(doing, payload))),
    })
    .await
}
