//! The breaker as hooks of a Sender.

use super::{CircuitBreaker, OpenError, Ticket};
use crate::error::Error;
use crate::hooks::{About, Hooks, Refused};
use crate::protocol::{CommandOf, Entry, Protocol};

/// One breaker for all calls of a [`Sender`](crate::Sender). A call that it refuses fails with an error of kind
/// [`Refused`](crate::ErrorKind::Refused), whose source is an [`OpenError`].
///
/// A call counts once, when it ends, however many Replies it has and however often it was sent. It is a success with its
/// last Reply, also if this is the Protocol's failure, or when its one-way Command is written. With an error it is a failure if [`Settings::counts`] says so.
///
/// A trial is a success with its first Reply. Otherwise a long stream would keep its place, and so keep the breaker
/// half-open.
///
/// [`Settings::counts`]: super::Settings::counts
impl<P: Protocol> Hooks<P> for CircuitBreaker {
    type Call = Ticket;

    fn before_send<C: CommandOf<P>>(&self, _: &mut C, _: &'static Entry) -> Result<Ticket, Refused> {
        self.admit().ok_or_else(|| Refused::new(OpenError))
    }

    fn on_reply(&self, ticket: &mut Ticket, reply: &P::Reply, _: &About<'_>) {
        if ticket.is_trial() || P::is_last(reply) {
            self.succeeded(ticket);
        }
    }

    fn on_done(&self, ticket: &mut Ticket, _: &About<'_>) {
        self.succeeded(ticket);
    }

    fn on_error(&self, ticket: &mut Ticket, error: &Error, _: &About<'_>) {
        self.failed(ticket, error);
    }

    fn on_timeout(&self, ticket: &mut Ticket, error: &Error, _: &About<'_>) {
        self.failed(ticket, error);
    }
}

#[cfg(test)]
mod tests;
