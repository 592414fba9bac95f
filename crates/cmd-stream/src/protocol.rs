//! What a service's Commands and Replies are: the traits of their types, and the Protocol that gives each a tag.
//!
//! [`Command`] and [`Reply`] are what both sides share. [`protocol!`](crate::protocol!) implements the other traits
//! here. How a Command is executed is said by the traits of [`server`](crate::server).

use std::error::Error as StdError;

use crate::format::{EncodeError, Format};
use crate::proto::decode::Decoded;
use crate::proto::frame::Tag;

mod failed;
mod failure;
#[doc(hidden)]
pub mod fingerprint;
pub mod kind;
#[doc(hidden)]
pub mod macros;

pub use crate::proto::handshake::InvalidServerInfo;
pub use failed::{Failed, FailedReason};
pub use failure::Failure;
pub use fingerprint::DescribedBy;

use kind::Kind;

/// A value that a client sends and the server executes.
///
/// `protocol!` implements it where an entry says what the Command is answered with: `0 => Add -> Sum`. Implement it by
/// hand for a generic Command, or in a crate that declares no Protocol:
///
/// ```
/// use cmd_stream::{Command, protocol::kind::Plain};
///
/// struct Add {
///     a: i64,
///     b: i64,
/// }
/// struct Sum(i64);
///
/// impl Command for Add {
///     type Reply = Sum;
///     type Kind = Plain;
/// }
/// ```
#[doc(alias = "request")]
#[doc(alias = "rpc")]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a Command",
    note = "say what it is answered with in its Protocol: `TAG => {Self} -> Reply`, or write `impl Command for {Self}`"
)]
pub trait Command: Send + 'static {
    /// What it is answered with: a Reply, an enum over several that the Protocol lists (see
    /// [`protocol!`](crate::protocol!)), or `()` if it is one-way.
    type Reply: Send + 'static;
    /// How it is executed, and whether it is answered: [`Plain`](kind::Plain), [`OneWay`](kind::OneWay) or
    /// [`Wrapper`](kind::Wrapper).
    type Kind: Kind;
}

/// A type of Replies that says which of its values is the last one.
///
/// Implement it for the Replies of a Command that sends several. Every Reply of a type that does not implement it is
/// the last one.
///
/// ```
/// use cmd_stream::Reply;
///
/// struct Number {
///     value: u32,
///     last: bool,
/// }
///
/// impl Reply for Number {
///     fn is_last(&self) -> bool {
///         self.last
///     }
/// }
/// ```
#[doc(alias = "response")]
pub trait Reply {
    /// Whether this Reply ends its Command. Both sides ask the value, as the wire has no flag for it.
    fn is_last(&self) -> bool {
        true
    }
}

/// The closed set of Commands and Replies of a service; implemented by [`protocol!`](crate::protocol!).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a Protocol",
    note = "declare it: `protocol! {{ pub struct {Self} {{ commands {{ .. }} replies {{ .. }} failure .. }} }}`"
)]
pub trait Protocol: Copy + Send + Sync + 'static {
    /// Its name, for messages.
    const NAME: &'static str;
    /// Its Commands, in the order of their declaration.
    const COMMANDS: &'static [Entry];
    /// Its Replies, in the order of their declaration.
    const REPLIES: &'static [Entry];
    /// The name of the Reply that is its failure, if it declares one.
    const FAILURE: Option<&'static str>;

    /// A reference to one of its Commands: an enum named after the Protocol, `CalculatorCommand<'_>`.
    type CommandRef<'a>: Send;
    /// One of its Replies: an enum named after the Protocol, `CalculatorReply`.
    type Reply: Send + 'static;
    /// The Reply that reports a failure. With `failure close_connection` there is none, and no value of this type.
    type Failure: StdError + Send + Sync + 'static;

    /// Whether this Reply ends its Command; the failure always does.
    fn is_last(reply: &Self::Reply) -> bool;
    /// The Reply that reports what a Command failed with.
    ///
    /// # Errors
    ///
    /// What it failed with, if the connection is to be closed instead.
    fn failure_reply(failed: Failed) -> Result<Self::Reply, Failed>;
    /// The failure, if this Reply is it.
    ///
    /// # Errors
    ///
    /// The Reply itself, if it is another one.
    fn as_failure(reply: Self::Reply) -> Result<Self::Failure, Self::Reply>;
    /// Whether this Reply is the failure.
    fn is_failure(reply: &Self::Reply) -> bool;
}

/// A type of a Protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Entry {
    /// What it stands as on the wire.
    pub tag: Tag,
    /// The name of its variant in the enum of the Protocol.
    pub name: &'static str,
}

impl Entry {
    /// A type with this tag and this name.
    pub const fn new(tag: Tag, name: &'static str) -> Self {
        Self { tag, name }
    }
}

/// `Self` is a Command of the Protocol `P`; implemented by [`protocol!`](crate::protocol!).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a Command of the Protocol `{P}`",
    label = "not declared in the Protocol `{P}`",
    note = "declare it with a tag of its own in `protocol! {{ .. struct {P} {{ commands {{ .. }} }} }}`"
)]
pub trait CommandOf<P: Protocol>: Command<Reply: ReplyOf<P>> {
    /// What it stands as on the wire.
    const TAG: Tag;
    /// Its position in [`Protocol::COMMANDS`].
    const INDEX: usize;

    /// The Protocol's enum over a reference to it.
    fn as_command(&self) -> P::CommandRef<'_>;
}

/// `Self` is a Reply of the Protocol `P`, or an enum over several of them; implemented by
/// [`protocol!`](crate::protocol!). `()` is what a one-way Command is answered with: nothing.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a Reply of the Protocol `{P}`",
    label = "not declared in the Protocol `{P}`",
    note = "declare it with a tag of its own in `replies {{ .. }}`; an enum over several Replies is declared after them: \
            `enum {Self} {{ .. }}`"
)]
pub trait ReplyOf<P: Protocol>: Sized + Send + 'static {
    /// The tags of the Replies that it may be. None for `()`.
    const TAGS: &'static [Tag];

    /// The Protocol's enum of it. `None` for `()`, of which nothing is sent.
    fn into_reply(self) -> Option<P::Reply>;
    /// Itself, out of the Protocol's enum.
    ///
    /// # Errors
    ///
    /// The Reply, if it is of a type that this one does not include.
    fn from_reply(reply: P::Reply) -> Result<Self, P::Reply>;
    /// Whether [`from_reply`](Self::from_reply) would succeed.
    fn includes(reply: &P::Reply) -> bool;
}

impl<P: Protocol> ReplyOf<P> for () {
    const TAGS: &'static [Tag] = &[];

    fn into_reply(self) -> Option<P::Reply> {
        None
    }

    fn from_reply(reply: P::Reply) -> Result<Self, P::Reply> {
        Err(reply)
    }

    fn includes(_: &P::Reply) -> bool {
        false
    }
}

/// The client's side of a Protocol in the Format `F`; implemented by [`protocol!`](crate::protocol!) where the Format
/// can decode every Reply.
pub trait ClientProtocol<F: Format>: Protocol {
    /// Decodes the body of the Reply with this tag.
    fn decode_reply(format: &F, tag: Tag, body: &[u8], progress: &mut F::Progress) -> Decoded<Self::Reply>;
}

/// The server's side of a Protocol in the Format `F`, whatever executes its Commands; implemented by
/// [`protocol!`](crate::protocol!) where the Format can decode every Command and encode every Reply.
pub trait ServedIn<F: Format>: Protocol {
    /// Decodes the body of the Command with this tag, and shows it to `then`.
    fn read_command<T>(
        format: &F,
        tag: Tag,
        body: &[u8],
        progress: &mut F::Progress,
        then: impl FnOnce(Self::CommandRef<'_>) -> T,
    ) -> Decoded<T>;

    /// Appends the Reply's tag and body.
    ///
    /// # Errors
    ///
    /// That of the Format.
    fn encode_reply(format: &F, reply: &Self::Reply, out: &mut Vec<u8>) -> Result<(), EncodeError>;
}
