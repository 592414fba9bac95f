//! What a service's Commands and Replies are: the traits of their types, and the Protocol that gives each a tag.
//!
//! [`Command`] and [`Reply`] are what both sides share; [`Execute`] is the server's. [`protocol!`](crate::protocol!)
//! implements the rest.

use std::error::Error as StdError;
use std::fmt;

use crate::format::{EncodeError, Format};
use crate::proto::decode::Decoded;
use crate::proto::frame::Tag;
use crate::server::failed::Failed;
use crate::server::proxy::Proxy;

#[doc(hidden)]
pub mod macros;

/// A value that a client sends and the server executes.
///
/// ```
/// use cmd_stream::{Command, Reply};
///
/// struct Add {
///     a: i64,
///     b: i64,
/// }
/// struct Sum(i64);
///
/// impl Reply for Sum {}
/// impl Command for Add {
///     type Reply = Sum;
/// }
/// ```
pub trait Command: Send + 'static {
    /// What it is answered with: a [`Reply`], or an enum over several that the Protocol lists (see
    /// [`protocol!`](crate::protocol!)).
    type Reply: Send + 'static;
}

/// What a Command sends back. A Command may send several; the last one ends it.
pub trait Reply: Send + 'static {
    /// Whether this Reply ends its Command. Both sides ask the value, as the wire has no flag for it.
    fn is_last(&self) -> bool {
        true
    }
}

/// How a Command acts on the Receiver `R`. Only the server needs it.
///
/// ```
/// # use cmd_stream::{Command, Reply};
/// use cmd_stream::{Execute, Failed, Proxy};
/// # struct Add { a: i64, b: i64 }
/// # struct Sum(i64);
/// # impl Reply for Sum {}
/// # impl Command for Add { type Reply = Sum; }
///
/// struct Calc;
///
/// impl Execute<Calc> for Add {
///     async fn execute(self, _: &Calc, proxy: Proxy<'_, Sum>) -> Result<(), Failed> {
///         let sum = self.a.checked_add(self.b).ok_or_else(|| Failed::new("overflow"))?;
///         proxy.send(Sum(sum)).await
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be executed on the Receiver `{R}`",
    label = "a Server with the Receiver `{R}` needs `Execute<{R}>` for every Command of its Protocol",
    note = "write `impl Execute<{R}> for {Self}`"
)]
pub trait Execute<R>: Command {
    /// When and where its future is polled; see [`Scheduling`].
    const SCHEDULING: Scheduling = Scheduling::Adaptive;

    /// Does the work and sends the Replies through `proxy`, the last one last.
    ///
    /// It runs beside the other Commands of its connection and goes on when the connection is gone
    /// ([`Proxy::closed`] tells). A panic is contained.
    ///
    /// # Errors
    ///
    /// `?` turns any error into [`Failed`]. A Command that fails, panics, or returns without having sent a last Reply
    /// is answered with the Protocol's failure; if it declares none, the connection is closed, as in Go.
    fn execute(
        self,
        receiver: &R,
        proxy: Proxy<'_, Self::Reply>,
    ) -> impl Future<Output = Result<(), Failed>> + Send;
}

/// Where the server polls a Command's future.
///
/// Polling it where it was decoded saves a task and doubles the rate of quick Commands, but one that computes for
/// long would stall its connection there. Neither choice changes what a Command may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Scheduling {
    /// In a task of its own until this type of Command has proved to be quick, then in place, until it is slow once.
    #[default]
    Adaptive,
    /// Always first polled in place. For Commands that never compute for more than some ten microseconds at a time.
    InPlace,
    /// Always in a task of its own. For Commands known to compute for long.
    Spawned,
}

/// The closed set of Commands and Replies of a service; implemented by [`protocol!`](crate::protocol!).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a Protocol",
    note = "declare it: `protocol! {{ pub struct {Self} {{ commands {{ .. }} replies {{ .. }} }} }}`"
)]
pub trait Protocol: Copy + Send + Sync + 'static {
    /// Its name, for messages.
    const NAME: &'static str;
    /// Its Commands, in the order of their declaration.
    const COMMANDS: &'static [Entry];
    /// Its Replies, in the order of their declaration.
    const REPLIES: &'static [Entry];

    /// A reference to one of its Commands: an enum named after the Protocol, `CalculatorCommand<'_>`.
    type CommandRef<'a>: Send;
    /// One of its Replies: an enum named after the Protocol, `CalculatorReply`.
    type Reply: Send + 'static;
    /// The Reply that reports a failure, or [`NoFailure`].
    type Failure: StdError + Send + Sync + 'static;

    /// Whether this Reply ends its Command; the failure always does.
    fn is_last(reply: &Self::Reply) -> bool;
    /// The Reply that reports what a Command failed with.
    ///
    /// # Errors
    ///
    /// What it failed with, if the Protocol declares no failure.
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
pub struct Entry {
    /// What it stands as on the wire.
    pub tag: Tag,
    /// The name of its variant in the enum of the Protocol.
    pub name: &'static str,
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
    /// Its place in [`Protocol::COMMANDS`].
    const INDEX: usize;

    /// The Protocol's enum over a reference to it.
    fn as_command(&self) -> P::CommandRef<'_>;
}

/// `Self` is a Reply of the Protocol `P`, or an enum over several of them; implemented by
/// [`protocol!`](crate::protocol!).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a Reply of the Protocol `{P}`",
    label = "not declared in the Protocol `{P}`",
    note = "declare it with a tag of its own in `replies {{ .. }}`; an enum over several Replies is declared after them: \
            `enum {Self} {{ .. }}`"
)]
pub trait ReplyOf<P: Protocol>: Sized + Send + 'static {
    /// The Protocol's enum of it.
    fn into_reply(self) -> P::Reply;
    /// Itself, out of the Protocol's enum.
    ///
    /// # Errors
    ///
    /// The Reply, if it is of a type that this one does not include.
    fn from_reply(reply: P::Reply) -> Result<Self, P::Reply>;
    /// Whether [`from_reply`](Self::from_reply) would succeed.
    fn includes(reply: &P::Reply) -> bool;
}

/// The client's side of a Protocol in the Format `F`; implemented by [`protocol!`](crate::protocol!) where the Format
/// can decode every Reply.
pub trait ClientProtocol<F: Format>: Protocol {
    /// Decodes the body of the Reply with this tag.
    fn decode_reply(format: &F, tag: Tag, body: &[u8], progress: &mut F::Progress) -> Decoded<Self::Reply>;
}

/// The server's side of a Protocol in the Format `F` on the Receiver `R`; implemented by
/// [`protocol!`](crate::protocol!) where the Format can decode every Command and encode every Reply, and every Command
/// implements [`Execute<R>`].
pub trait ServerProtocol<F: Format, R>: Protocol {
    /// Decodes the body of the Command with this tag and hands it to the visitor.
    fn decode_command<V: CommandVisitor<Self, R>>(
        format: &F,
        tag: Tag,
        body: &[u8],
        progress: &mut F::Progress,
        visitor: V,
    ) -> Decoded<V::Output>;

    /// Appends the Reply's tag and body.
    ///
    /// # Errors
    ///
    /// That of the Format.
    fn encode_reply(format: &F, reply: &Self::Reply, out: &mut Vec<u8>) -> Result<(), EncodeError>;
}

/// What is done with a Command once its type is known.
pub trait CommandVisitor<P: Protocol, R> {
    /// What becomes of it.
    type Output;
    /// Takes the Command, whose body took this many bytes.
    fn visit<C: CommandOf<P> + Execute<R>>(self, command: C, body_len: usize) -> Self::Output;
}

/// A Reply that reports a failure. A Protocol may declare one; then a Command that fails is answered with it, and the
/// connection goes on.
///
/// It is always a last Reply, and legal for every Command. The client's `send` returns it as an
/// [`Error`](crate::Error) of kind [`Remote`](crate::ErrorKind::Remote), which gives it back by
/// [`Error::remote`](crate::Error::remote).
///
/// A struct with one text derives it: `#[derive(Failure)]`. [`Problem`](crate::Problem) is ready-made.
///
/// ```
/// use cmd_stream::{Failed, Failure, Reply};
///
/// #[derive(Debug)]
/// struct CalcError {
///     message: String,
/// }
///
/// impl std::fmt::Display for CalcError {
///     fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
///         f.write_str(&self.message)
///     }
/// }
///
/// impl std::error::Error for CalcError {}
/// impl Reply for CalcError {}
///
/// impl Failure for CalcError {
///     fn from_failed(failed: &Failed) -> Self {
///         // What leaves the server is decided here.
///         CalcError { message: failed.to_string() }
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the failure of a Protocol",
    note = "write `impl Failure for {Self}`, which says how it is made of any error, or derive it"
)]
pub trait Failure: StdError + Send + Sync + Sized + 'static {
    /// Makes it of whatever a Command failed with. It is not asked if the Command failed with a value of this very
    /// type: that one is sent.
    fn from_failed(failed: &Failed) -> Self;

    /// Whether the server refused the Command because it sheds load, so that waiting, or trying another server, may
    /// help. A type that cannot tell keeps this default: false.
    ///
    /// ```
    /// use cmd_stream::{Failure, Problem};
    ///
    /// assert!(Problem::new(Problem::OVERLOADED, "too many jobs are waiting").is_overloaded());
    /// assert!(!Problem::new(Problem::NOT_FOUND, "no account 7").is_overloaded());
    /// ```
    fn is_overloaded(&self) -> bool {
        false
    }
}

/// The failure of a Protocol that declares none. It has no values.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoFailure {}

impl fmt::Display for NoFailure {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}

impl StdError for NoFailure {}
