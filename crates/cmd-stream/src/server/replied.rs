//! What an Invoker is told about each Reply, and about the end of a Command that was handed over.

use std::fmt;
use std::time::Duration;

use tokio::time::Instant;

use super::connection::Connection;
use super::extensions::Extensions;
use super::line::Arrival;
use crate::proto::frame::Seq;
use crate::protocol::Entry;
use crate::sync::Arc;

/// A Reply that was put into the output of its connection: the argument of
/// [`Invoker::on_reply`](super::Invoker::on_reply).
#[derive(Clone, Copy)]
pub struct Replied<'a> {
    pub(super) told: Told<'a>,
    pub(super) connection: &'a Connection,
    pub(super) entry: &'static Entry,
    pub(super) size: usize,
    pub(super) is_last: bool,
}

/// The Command of a Reply.
#[derive(Clone, Copy)]
pub(super) struct Told<'a> {
    pub(super) arrival: &'a Arrival,
    /// What its Invokers have kept for it, if anything.
    pub(super) extensions: Option<&'a Arc<Extensions>>,
}

impl<'a> Replied<'a> {
    /// Returns the tag and the name of the Reply.
    pub fn entry(&self) -> &'static Entry {
        self.entry
    }

    /// Returns the bytes of the Reply on the wire, including seq and tag.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Returns whether it is the last Reply of its Command.
    pub fn is_last(&self) -> bool {
        self.is_last
    }

    /// Returns the tag and the name of the Command.
    pub fn command(&self) -> &'static Entry {
        self.told.arrival.entry
    }

    /// Returns the number of the Command on its connection.
    pub fn seq(&self) -> Seq {
        self.told.arrival.seq
    }

    /// Returns when the last bytes of the Command were read.
    pub fn received_at(&self) -> Instant {
        self.told.arrival.received_at
    }

    /// Returns the connection of the Command.
    pub fn connection(&self) -> &'a Connection {
        self.connection
    }

    /// Returns the value of type `T` that an Invoker has put into the
    /// [`extensions`](super::Invocation::extensions) of the Command before it ran.
    pub fn extension<T: 'static>(&self) -> Option<&'a T> {
        self.told.extensions?.get()
    }
}

/// A Command that was handed over, and has ended: the argument of [`Invoker::on_end`](super::Invoker::on_end).
#[derive(Clone, Copy)]
pub struct EndedLater<'a> {
    pub(super) told: Told<'a>,
    pub(super) connection: &'a Connection,
    pub(super) has_failed: bool,
    pub(super) took: Duration,
}

impl<'a> EndedLater<'a> {
    /// Returns whether it failed, panicked, or was lost with its connection. Else it has sent its last Reply, or is one-way.
    pub fn has_failed(&self) -> bool {
        self.has_failed
    }

    /// Returns how long it took: from when the last bytes of the Command were read to its last Reply, or until nobody could send
    /// one any more.
    pub fn took(&self) -> Duration {
        self.took
    }

    /// Returns the tag and the name of the Command.
    pub fn command(&self) -> &'static Entry {
        self.told.arrival.entry
    }

    /// Returns the number of the Command on its connection.
    pub fn seq(&self) -> Seq {
        self.told.arrival.seq
    }

    /// Returns the bytes of the Command on the wire, including seq and tag.
    pub fn size(&self) -> usize {
        self.told.arrival.size as usize
    }

    /// Returns the connection of the Command.
    pub fn connection(&self) -> &'a Connection {
        self.connection
    }

    /// Returns the value of type `T` that an Invoker has put into the
    /// [`extensions`](super::Invocation::extensions) of the Command before it ran.
    pub fn extension<T: 'static>(&self) -> Option<&'a T> {
        self.told.extensions?.get()
    }
}

impl fmt::Debug for EndedLater<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndedLater")
            .field("command", &self.command())
            .field("seq", &self.seq())
            .field("has_failed", &self.has_failed)
            .field("took", &self.took)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Replied<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replied")
            .field("entry", &self.entry)
            .field("size", &self.size)
            .field("is_last", &self.is_last)
            .field("command", &self.command())
            .field("seq", &self.seq())
            .finish_non_exhaustive()
    }
}
