//! The traits of Commands and Replies, and the Protocol that gives each type a tag.
//!
//! [`Command`] and [`Reply`] are shared by both sides. [`protocol!`](crate::protocol!) implements the other traits
//! here. The traits that execute a Command are in [`server`](crate::server).

use std::error::Error as StdError;

use crate::format::{EncodeError, Format};
use crate::proto::Tag;
use crate::proto::decode::Decoded;

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
/// `protocol!` implements it for entries that state the Reply: `0 => Add -> Sum`. Implement it by hand for a generic
/// Command, or in a crate that declares no Protocol:
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
    note = "state its Reply in its Protocol, `TAG => {Self} -> Reply`, or write `impl Command for {Self}`"
)]
pub trait Command: Send + 'static {
    /// The type of its Replies: a Reply, an enum of several that the Protocol lists (see
    /// [`protocol!`](crate::protocol!)), or `()` if it is one-way.
    type Reply: Send + 'static;
    /// How it is executed, and whether it is answered: [`Plain`](kind::Plain), [`OneWay`](kind::OneWay) or
    /// [`Wrapper`](kind::Wrapper).
    type Kind: Kind;

    /// Whether it may be executed twice without harm. `false` by default.
    ///
    /// A [`Sender`](crate::Sender) sends such a Command again when it cannot know whether the first attempt was executed,
    /// because the connection was lost. It keeps the encoded Command for that.
    const IDEMPOTENT: bool = false;

    /// Returns where [hooks](crate::hooks) can attach data to this Command, if it carries some. By default it does not.
    fn metadata(&mut self) -> Option<&mut dyn Metadata> {
        None
    }
}

/// Data that a Command carries beside its own: names and values, such as those of a trace. Returned by
/// [`Command::metadata`].
pub trait Metadata {
    /// Sets a value. It replaces one of the same name.
    fn set(&mut self, name: &str, value: &str);

    /// Returns the value of this name. By default there is none, so that only the server's own code can read it.
    fn get(&self, name: &str) -> Option<&str> {
        let _ = name;
        None
    }

    /// Returns the names of all values. By default there are none.
    fn names(&self) -> Vec<&str> {
        Vec::new()
    }

    /// Returns whether there are no values that can be read. By default [`names`](Self::names) is asked.
    fn is_empty(&self) -> bool {
        self.names().is_empty()
    }
}

/// A type of Replies that tells which Reply is the last one of its Command.
///
/// Implement it for the Replies of a Command that sends several. For a type that does not implement it, every Reply is
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
    /// Returns whether this Reply ends its Command. Both sides ask the value, because the wire has no flag for it.
    fn is_last(&self) -> bool {
        true
    }
}

/// The closed set of Commands and Replies of a service. Implemented by [`protocol!`](crate::protocol!).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a Protocol",
    note = "declare it: `protocol! {{ pub struct {Self} {{ commands {{ .. }} replies {{ .. }} failure .. }} }}`"
)]
pub trait Protocol: Copy + Send + Sync + 'static {
    /// The name, for messages.
    const NAME: &'static str;
    /// The Commands, in order of declaration.
    const COMMANDS: &'static [Entry];
    /// The Replies, in order of declaration.
    const REPLIES: &'static [Entry];
    /// The name of the Reply that reports failures, if one is declared.
    const FAILURE: Option<&'static str>;

    /// A reference to one of the Commands: an enum named after the Protocol, `CalculatorCommand<'_>`.
    type CommandRef<'a>: Send;
    /// One of the Replies: an enum named after the Protocol, `CalculatorReply`.
    type Reply: Send + 'static;
    /// The type of the Reply that reports failures. With `failure close_connection` there is none, and this type has no
    /// values.
    type Failure: StdError + Send + Sync + 'static;

    /// Returns the entry of this Reply in [`REPLIES`](Self::REPLIES).
    fn reply_entry(reply: &Self::Reply) -> &'static Entry;
    /// Returns whether this Reply ends its Command. The failure always does.
    fn is_last(reply: &Self::Reply) -> bool;
    /// Creates the Reply that reports why a Command failed.
    ///
    /// # Errors
    ///
    /// Returns `failed` if the connection is to be closed instead.
    fn failure_reply(failed: Failed) -> Result<Self::Reply, Failed>;
    /// Returns the failure, if this Reply is one.
    ///
    /// # Errors
    ///
    /// Returns the Reply if it is not a failure.
    fn as_failure(reply: Self::Reply) -> Result<Self::Failure, Self::Reply>;
    /// Returns whether this Reply is a failure.
    fn is_failure(reply: &Self::Reply) -> bool;
    /// Returns whether this Reply is a failure that says that the server sheds load; see
    /// [`Failure::is_overloaded`].
    fn is_overloaded(reply: &Self::Reply) -> bool;
}

/// An entry of a Protocol: the tag and the name of a type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Entry {
    /// The tag on the wire.
    pub tag: Tag,
    /// The name of its variant in the enum of the Protocol.
    pub name: &'static str,
}

impl Entry {
    /// Creates an entry with this tag and name.
    pub const fn new(tag: Tag, name: &'static str) -> Self {
        Self { tag, name }
    }
}

/// A Command of the Protocol `P`. Implemented by [`protocol!`](crate::protocol!).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a Command of the Protocol `{P}`",
    label = "not declared in the Protocol `{P}`",
    note = "declare it with a tag of its own in `protocol! {{ .. struct {P} {{ commands {{ .. }} }} }}`"
)]
pub trait CommandOf<P: Protocol>: Command<Reply: ReplyOf<P>> {
    /// The tag on the wire.
    const TAG: Tag;
    /// The position in [`Protocol::COMMANDS`].
    const INDEX: usize;

    /// Returns the Protocol's enum with a reference to this Command.
    fn as_command(&self) -> P::CommandRef<'_>;
}

/// A Reply of the Protocol `P`, an enum of several, or `()`, which stands for no Reply. Implemented by
/// [`protocol!`](crate::protocol!).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a Reply of the Protocol `{P}`",
    label = "not declared in the Protocol `{P}`",
    note = "declare it with a tag of its own in `replies {{ .. }}`; an enum over several Replies is declared after them: \
            `enum {Self} {{ .. }}`"
)]
pub trait ReplyOf<P: Protocol>: Sized + Send + 'static {
    /// The tags of the Replies included. Empty for `()`.
    const TAGS: &'static [Tag];

    /// Converts to the Protocol's enum. Returns `None` for `()`, for which nothing is sent.
    fn into_reply(self) -> Option<P::Reply>;
    /// Converts from the Protocol's enum.
    ///
    /// # Errors
    ///
    /// Returns the Reply if its type is not included.
    fn from_reply(reply: P::Reply) -> Result<Self, P::Reply>;
    /// Returns whether [`from_reply`](Self::from_reply) would succeed.
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

/// The client's side of a Protocol in the Format `F`. Implemented by [`protocol!`](crate::protocol!) if the Format can
/// decode every Reply.
pub trait ClientProtocol<F: Format>: Protocol {
    /// Decodes the body of the Reply with this tag.
    fn decode_reply(format: &F, tag: Tag, body: &[u8], progress: &mut F::Progress) -> Decoded<Self::Reply>;
}

/// The server's side of a Protocol in the Format `F`, without execution. Implemented by [`protocol!`](crate::protocol!)
/// if the Format can decode every Command and encode every Reply.
pub trait ServedIn<F: Format>: Protocol {
    /// Decodes the body of the Command with this tag, and passes a reference to `then`.
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
    /// The error of the Format.
    fn encode_reply(format: &F, reply: &Self::Reply, out: &mut Vec<u8>) -> Result<(), EncodeError>;
}
