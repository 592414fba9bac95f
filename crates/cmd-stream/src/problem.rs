//! A ready-made failure for services: a code and a message, in every Format.
//!
//! Knows which code each way of failing has. Must not know how Commands are executed or what a Protocol is.

use std::fmt;

use tokio::task::JoinError;

use crate::protocol::FailedReason;
use crate::protocol::Failure;
use crate::{Error, ErrorKind, Failed};

/// A ready-made failure of a Protocol: a code for programs and a message for people.
///
/// It can be listed in any Protocol and is encoded by every Format:
///
/// ```
/// # #[cfg(feature = "json")] {
/// use cmd_stream::{Answer, Context, Failed, Problem, protocol};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct Withdraw {
///     account: u64,
///     cents: u64,
/// }
/// #[derive(Serialize, Deserialize)]
/// struct Balance(u64);
///
/// protocol! {
///     struct Bank {
///         commands { 0 => Withdraw -> Balance }
///         replies { 0 => Balance, 1 => Problem }
///         failure Problem
///     }
/// }
///
/// /// A code of the application.
/// const INSUFFICIENT_FUNDS: u32 = Problem::APPLICATION;
///
/// struct Accounts;
///
/// impl Answer<Accounts> for Withdraw {
///     async fn answer(self, _: &Accounts, _: &Context<'_>) -> Result<Balance, Failed> {
///         if self.account != 1 {
///             return Err(Problem::new(Problem::NOT_FOUND, "no such account").into());
///         }
///         let left = 500_u64.checked_sub(self.cents);
///         let left = left.ok_or_else(|| Problem::new(INSUFFICIENT_FUNDS, "insufficient funds"))?;
///         Ok(Balance(left))
///     }
/// }
/// # let _ = Bank; }
/// ```
///
/// # Codes
///
/// | code | constant | what failed |
/// | --- | --- | --- |
/// | 0 | | unknown, because the peer set no code |
/// | 1 | [`FAILED`](Self::FAILED) | the Command returned an error that is not a `Problem` |
/// | 2 | [`PANICKED`](Self::PANICKED) | the Command panicked |
/// | 3 | [`NO_LAST_REPLY`](Self::NO_LAST_REPLY) | the Command returned before its last Reply |
/// | 4 | [`OVERLOADED`](Self::OVERLOADED) | the server sheds load |
/// | 10 | [`INVALID`](Self::INVALID) | the request can never succeed as it is |
/// | 11 | [`UNAUTHENTICATED`](Self::UNAUTHENTICATED) | the caller is not known |
/// | 12 | [`FORBIDDEN`](Self::FORBIDDEN) | the caller is known and not allowed |
/// | 13 | [`NOT_FOUND`](Self::NOT_FOUND) | something that the request names does not exist |
/// | 14 | [`CONFLICT`](Self::CONFLICT) | the request contradicts the current state |
/// | 15 | [`UNAVAILABLE`](Self::UNAVAILABLE) | a dependency of the service does not answer |
/// | other codes below 1000 | | reserved for this library |
/// | 1000 and above | from [`APPLICATION`](Self::APPLICATION) | defined by the application |
///
/// The server sets codes 1 to 4 itself. It sets the others only if the application does.
///
/// # What the client learns
///
/// If a Command fails with a `Problem`, the client receives exactly that. Of any other error it receives the message,
/// so errors must not contain what clients may not see.
///
/// The message of a panic is not sent, because it may contain any value of the service. The client receives *the
/// command panicked*, and the message of the panic goes to the server's log. The same applies to a panic while a Reply
/// is encoded, and to one in a task that the Command spawned and joined, if the Command returns that error itself. An
/// error of the application that quotes one of these in its own message is sent like any other.
///
/// # On the wire
///
/// | Format | |
/// | --- | --- |
/// | JSON | an object with the fields `code` and `message`; either may be missing |
/// | MUS | the code as an unsigned varint, then the message as a string |
/// | Protobuf | field 1, `uint32 code`; field 2, `string message` |
///
/// In Go the type for JSON is
/// ``struct { Code uint32 `json:"code"`; Message string `json:"message"` }``.
#[derive(Clone, PartialEq, Eq, Hash)]
#[cfg_attr(not(feature = "protobuf"), derive(Debug, Default))]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize), serde(default))]
#[cfg_attr(feature = "mus", derive(mus_format::Mus))]
#[cfg_attr(feature = "protobuf", derive(prost::Message))]
pub struct Problem {
    /// What failed, for programs: one of the constants, or a code of the application from 1000 on.
    #[cfg_attr(feature = "protobuf", prost(uint32, tag = "1"))]
    pub code: u32,
    /// What failed, for people.
    #[cfg_attr(feature = "protobuf", prost(string, tag = "2"))]
    pub message: String,
}

impl Problem {
    /// The Command returned an error that is not a `Problem`.
    pub const FAILED: u32 = 1;
    /// The Command, or the Invoker, panicked. The Command may have been executed in part.
    pub const PANICKED: u32 = 2;
    /// The Command returned without having sent a last Reply.
    pub const NO_LAST_REPLY: u32 = 3;
    /// The server sheds load and did not do the work. Waiting, or trying another server, may help.
    pub const OVERLOADED: u32 = 4;

    /// The request can never succeed as it is.
    pub const INVALID: u32 = 10;
    /// The caller did not prove who it is.
    pub const UNAUTHENTICATED: u32 = 11;
    /// The caller is known but not allowed to do this.
    pub const FORBIDDEN: u32 = 12;
    /// Something that the request names does not exist.
    pub const NOT_FOUND: u32 = 13;
    /// The request contradicts the current state: something exists already, or was changed in the meantime.
    pub const CONFLICT: u32 = 14;
    /// A dependency of the service does not answer. Trying again later may help.
    pub const UNAVAILABLE: u32 = 15;

    /// The first code that an application may define. This library defines none from here on.
    pub const APPLICATION: u32 = 1000;

    /// Creates a problem with this code and message.
    ///
    /// ```
    /// use cmd_stream::Problem;
    ///
    /// let problem = Problem::new(Problem::NOT_FOUND, "no account 7");
    /// assert_eq!(problem.to_string(), "no account 7 (not found, code 13)");
    /// assert_eq!(Problem::new(1007, "card refused").to_string(), "card refused (code 1007)");
    /// ```
    pub fn new(code: u32, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// Returns the name of the code, if it is one of this library's.
    fn name(&self) -> Option<&'static str> {
        Some(match self.code {
            Self::FAILED => "failed",
            Self::PANICKED => "panicked",
            Self::NO_LAST_REPLY => "no last reply",
            Self::OVERLOADED => "overloaded",
            Self::INVALID => "invalid",
            Self::UNAUTHENTICATED => "unauthenticated",
            Self::FORBIDDEN => "forbidden",
            Self::NOT_FOUND => "not found",
            Self::CONFLICT => "conflict",
            Self::UNAVAILABLE => "unavailable",
            _ => return None,
        })
    }
}

/// Writes the message and the code: `no account 7 (not found, code 13)`. Without a message, writes only the code.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, message } = self;
        match (message.as_str(), self.name()) {
            ("", Some(name)) => write!(f, "{name}, code {code}"),
            ("", None) => write!(f, "code {code}"),
            (message, Some(name)) => write!(f, "{message} ({name}, code {code})"),
            (message, None) => write!(f, "{message} (code {code})"),
        }
    }
}

impl std::error::Error for Problem {}

impl Failure for Problem {
    fn from_failed(failed: &Failed) -> Self {
        let code = match failed.reason() {
            FailedReason::Panic => Self::PANICKED,
            FailedReason::NoLastReply => Self::NO_LAST_REPLY,
            FailedReason::Overloaded => Self::OVERLOADED,
            FailedReason::Error if is_caught_panic(failed) => Self::PANICKED,
            FailedReason::Error => Self::FAILED,
        };
        match code {
            // The message of a panic may contain secrets.
            Self::PANICKED => Self::new(code, "the command panicked"),
            _ => Self::new(code, failed.to_string()),
        }
    }

    fn is_overloaded(&self) -> bool {
        self.code == Self::OVERLOADED
    }
}

/// Returns whether the error quotes a panic: of a value while it was encoded, or of a task that was joined.
fn is_caught_panic(failed: &Failed) -> bool {
    failed.downcast_ref::<Error>().is_some_and(|error| error.kind() == ErrorKind::Panic)
        || failed.downcast_ref::<JoinError>().is_some_and(JoinError::is_panic)
}
