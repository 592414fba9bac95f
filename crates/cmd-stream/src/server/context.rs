//! What a Command can find out while it runs: about itself, its connection and its server.

use std::fmt;

use tokio::time::Instant;

use super::connection::Connection;
use super::extensions::Extensions;
use super::link::Link;
use crate::proto::frame::Seq;
use crate::transport::Peer;

/// What a running Command can find out about itself, its connection and its server. It is given to an
/// [`Answer`](crate::Answer); with [`Execute`](crate::Execute) it comes from the Proxy.
///
/// ```
/// use cmd_stream::{Answer, Context, Failed};
/// # use cmd_stream::{Command, protocol::kind::Plain};
/// # struct WhoAmI;
/// # struct Name(String);
/// # impl Command for WhoAmI { type Reply = Name; type Kind = Plain; }
/// # struct Service;
///
/// /// What the Invoker, or an earlier Command, found out about the client.
/// struct User(String);
///
/// impl Answer<Service> for WhoAmI {
///     async fn answer(self, _: &Service, context: &Context<'_>) -> Result<Name, Failed> {
///         match context.connection().get::<User>() {
///             Some(user) => Ok(Name(user.0.clone())),
///             None => Err(Failed::new(format!("{} has not logged in", context.peer()))),
///         }
///     }
/// }
/// ```
#[derive(Clone, Copy)]
pub struct Context<'a> {
    link: &'a dyn Link,
    extensions: &'a Extensions,
}

impl<'a> Context<'a> {
    pub(super) fn new(link: &'a dyn Link, extensions: &'a Extensions) -> Self {
        Self { link, extensions }
    }

    /// Returns the Command's number on its connection.
    pub fn seq(&self) -> Seq {
        self.link.arrival().seq
    }

    /// Returns who sent the Command.
    pub fn peer(&self) -> &'a Peer {
        self.connection().peer()
    }

    /// Returns when the last bytes of the Command were read.
    pub fn received_at(&self) -> Instant {
        self.link.arrival().received_at
    }

    /// Returns the size of the Command on the wire in bytes, including seq and tag.
    pub fn size(&self) -> usize {
        self.link.arrival().size as usize
    }

    /// Returns what the [`Invoker`](crate::Invoker) found out about this Command.
    pub fn extensions(&self) -> &'a Extensions {
        self.extensions
    }

    /// Returns the connection that the Command came on. It keeps values for all its Commands.
    pub fn connection(&self) -> &'a Connection {
        &self.link.line().connection
    }

    /// Waits until the connection is gone, so that a long Command can stop. It may then return any error: only the Invokers
    /// see it.
    ///
    /// A client that closes its connection may only have closed its own direction, and wait for its Replies. So this waits for
    /// [`Limits::half_closed`](super::Limits::half_closed) before it takes such a client for gone.
    ///
    /// # Cancel safety
    ///
    /// It may be dropped and called again.
    #[doc(alias = "cancel")]
    pub async fn closed(&self) {
        self.connection().closed().await;
    }

    /// Waits until the server begins to shut down, so that a Command that would never end can send its last Reply. The
    /// server waits for it, up to [`Limits::drain`](super::Limits::drain).
    ///
    /// # Cancel safety
    ///
    /// It may be dropped and called again.
    pub async fn going_away(&self) {
        self.link.line().control.draining().await;
    }

    /// Returns whether the server has begun to shut down.
    pub fn is_going_away(&self) -> bool {
        self.link.line().control.is_draining()
    }
}

impl fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("seq", &self.seq())
            .field("peer", self.peer())
            .field("size", &self.size())
            .field("extensions", self.extensions)
            .finish_non_exhaustive()
    }
}
