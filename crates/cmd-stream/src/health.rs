//! Health: a Command that asks a server whether it serves, for a Protocol that lists it.
//!
//! ```
//! # #[cfg(feature = "json")] {
//! use cmd_stream::health::{HasHealth, Health, HealthReply, Reporter};
//! use cmd_stream::{Answer, Context, Failed, Json, Sender, Server, protocol};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Add(i64, i64);
//! #[derive(Serialize, Deserialize)]
//! struct Sum(i64);
//!
//! protocol! {
//!     struct Calculator {
//!         commands { 0 => Add -> Sum, 1 => Health } // the library says what it is answered with
//!         replies { 0 => Sum, 1 => HealthReply }
//!         failure close_connection
//!     }
//! }
//!
//! struct Calc {
//!     reporter: Reporter,
//! }
//!
//! impl HasHealth for Calc {
//!     fn health(&self) -> HealthReply {
//!         self.reporter.health()
//!     }
//! }
//!
//! # impl Answer<Calc> for Add {
//! #     async fn answer(self, _: &Calc, _: &Context<'_>) -> Result<Sum, Failed> { Ok(Sum(self.0 + self.1)) }
//! # }
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), cmd_stream::Error> {
//! let reporter = Reporter::default();
//! let server = Server::bind("127.0.0.1:0", Calculator, Json, Calc { reporter: reporter.clone() }).await?;
//! # let handle = server.handle();
//! # tokio::spawn(server.serve());
//! # let sender = Sender::connect(handle.local_addr(), Calculator, Json).await?;
//!
//! assert!(sender.send(Health {}).await?.is_serving());
//! reporter.set_not_serving("the database does not answer");
//! assert_eq!(sender.send(Health {}).await?.to_string(), "not serving: the database does not answer");
//! # Ok(()) }
//! # }
//! ```
//!
//! While its server shuts down, a Receiver that says that it serves is said to be [draining](State::Draining).
//!
//! # On the wire
//!
//! | Format | `Health` | `HealthReply` |
//! | --- | --- | --- |
//! | JSON | `{}` | an object with the fields `state` and `reason`; either may be missing |
//! | MUS | nothing | the state as an unsigned varint, then the reason as a string |
//! | Protobuf | no fields | field 1, `uint32 state`; field 2, `string reason` |
//!
//! The states are 1 (serving), 2 (draining) and 3 (not serving). Any other number is [`State::Unknown`].

use std::fmt;

use crate::protocol::kind::Plain;
use crate::protocol::{Command, Failed};
use crate::server::{Answer, Context};
use crate::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Asks a server whether it serves. It is answered with a [`HealthReply`].
///
/// A Protocol lists it without an arrow: `9 => Health`. The Receiver implements [`HasHealth`]. It may be sent twice without
/// harm, so a Sender sends it again if its connection is lost.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(not(feature = "protobuf"), derive(Debug, Default))]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "mus", derive(mus_format::Mus))]
#[cfg_attr(feature = "protobuf", derive(prost::Message))]
pub struct Health {}

impl Command for Health {
    type Reply = HealthReply;
    type Kind = Plain;

    const IDEMPOTENT: bool = true;
}

impl<R: HasHealth> Answer<R> for Health {
    async fn answer(self, receiver: &R, context: &Context<'_>) -> Result<HealthReply, Failed> {
        let health = receiver.health();
        Ok(if health.is_serving() && context.is_going_away() { HealthReply::draining() } else { health })
    }
}

/// A Receiver that says whether it serves. Without a method of its own it always does.
pub trait HasHealth: Sync {
    /// Returns whether it serves, and if not, why. It should be quick: let a task of its own look at what takes long, and
    /// tell a [`Reporter`].
    fn health(&self) -> HealthReply {
        HealthReply::serving()
    }
}

impl<T: HasHealth + Send + ?Sized> HasHealth for Arc<T> {
    fn health(&self) -> HealthReply {
        (**self).health()
    }
}

/// Whether a server serves, and if not, why.
#[derive(Clone, PartialEq, Eq, Hash)]
#[cfg_attr(not(feature = "protobuf"), derive(Debug, Default))]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize), serde(default))]
#[cfg_attr(feature = "mus", derive(mus_format::Mus))]
#[cfg_attr(feature = "protobuf", derive(prost::Message))]
pub struct HealthReply {
    #[cfg_attr(feature = "protobuf", prost(uint32, tag = "1"))]
    state: u32,
    #[cfg_attr(feature = "protobuf", prost(string, tag = "2"))]
    reason: String,
}

/// Whether a server serves.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum State {
    /// The server said nothing that this version knows.
    Unknown,
    /// It serves.
    Serving,
    /// It still serves, and is about to end. New work should go elsewhere.
    Draining,
    /// It cannot do its work. [`HealthReply::reason`] says why.
    NotServing,
}

impl HealthReply {
    /// The server serves.
    pub fn serving() -> Self {
        Self { state: SERVING, reason: String::new() }
    }

    /// The server is about to end.
    pub fn draining() -> Self {
        Self { state: DRAINING, reason: String::new() }
    }

    /// The server does not serve, for this reason.
    pub fn not_serving(reason: impl Into<String>) -> Self {
        Self { state: NOT_SERVING, reason: reason.into() }
    }

    /// Returns whether the server serves.
    pub fn state(&self) -> State {
        match self.state {
            SERVING => State::Serving,
            DRAINING => State::Draining,
            NOT_SERVING => State::NotServing,
            _ => State::Unknown,
        }
    }

    /// Returns why the server does not serve. Empty if there is nothing to say.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// With as much of the reason as one can read, in one line. A peer may send any reason.
    pub(crate) fn shortened(self) -> Self {
        let reason = self.reason.chars().take(REASON).map(|c| if c.is_control() { ' ' } else { c });
        Self { reason: reason.collect(), ..self }
    }

    /// Returns whether the server serves and is not about to end.
    pub fn is_serving(&self) -> bool {
        self.state() == State::Serving
    }
}

/// How many characters are kept of a reason that a server gives.
const REASON: usize = 256;

const SERVING: u32 = 1;
const DRAINING: u32 = 2;
const NOT_SERVING: u32 = 3;

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "unknown",
            Self::Serving => "serving",
            Self::Draining => "draining",
            Self::NotServing => "not serving",
        })
    }
}

/// Writes the state and the reason: `not serving: the database does not answer`.
impl fmt::Display for HealthReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.state().fmt(f)?;
        if self.reason.is_empty() { Ok(()) } else { write!(f, ": {}", self.reason) }
    }
}

/// Keeps whether a service serves: one part of the application sets it, and the Receiver tells it. All clones are the same one.
///
/// At first it says that the service serves.
#[derive(Clone)]
pub struct Reporter(Arc<Mutex<HealthReply>>);

impl Reporter {
    /// From now on the service serves.
    pub fn set_serving(&self) {
        self.set(HealthReply::serving());
    }

    /// From now on the service is about to end. Call it some time before
    /// [`Handle::shutdown`](crate::server::Handle::shutdown), so that those who ask can go elsewhere while all is still
    /// answered.
    pub fn set_draining(&self) {
        self.set(HealthReply::draining());
    }

    /// From now on the service does not serve, for this reason.
    pub fn set_not_serving(&self, reason: impl Into<String>) {
        self.set(HealthReply::not_serving(reason));
    }

    /// Returns what was set last.
    pub fn health(&self) -> HealthReply {
        self.lock().clone()
    }

    fn set(&self, health: HealthReply) {
        *self.lock() = health;
    }

    fn lock(&self) -> MutexGuard<'_, HealthReply> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Reporter {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(HealthReply::serving())))
    }
}

impl HasHealth for Reporter {
    fn health(&self) -> HealthReply {
        self.health()
    }
}

impl fmt::Debug for Reporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Reporter").field(&format_args!("{}", self.health())).finish()
    }
}
