//! The kinds of Commands, which tell how a Command is executed and whether it is answered. They are types without
//! values, used as [`Command::Kind`](super::Command::Kind).
//!
//! | kind | Commands | executed by | sent with |
//! | --- | --- | --- | --- |
//! | [`Plain`] | almost all: `0 => Add -> Sum` | `Answer` or `Execute` | `send`, `stream` |
//! | [`OneWay`] | without a Reply: `5 => Note -> ()` | `Answer` or `Execute` | `post` |
//! | [`Wrapper`] | generic Commands around another one | their own `Execute` | as the inner one |
//!
//! The kind tells two `impl`s apart that would otherwise overlap: the one that makes every `Answer<R>` an `Execute<R>`,
//! and that of a wrapper that is generic in its Receiver. A wrapper of another kind fails to compile with E0119,
//! "conflicting implementations of trait `Execute`".
//!
//! ```
//! use cmd_stream::protocol::kind::Wrapper;
//! use cmd_stream::server::Scheduling;
//! use cmd_stream::{Command, Execute, Failed, Proxy};
//!
//! struct Traced<C> {
//!     trace: u64,
//!     command: C,
//! }
//!
//! impl<C: Command> Command for Traced<C> {
//!     type Reply = C::Reply;
//!     type Kind = Wrapper<C::Kind>;
//! }
//!
//! impl<R: Sync, C: Execute<R>> Execute<R> for Traced<C> {
//!     const SCHEDULING: Scheduling = C::SCHEDULING; // keeps the choice of the inner Command
//!
//!     async fn execute(self, receiver: &R, proxy: Proxy<'_, C::Reply>) -> Result<(), Failed> {
//!         println!("trace {}", self.trace);
//!         self.command.execute(receiver, proxy).await
//!     }
//! }
//! ```

use std::marker::PhantomData;

/// A kind of Commands. Implemented only by the types in this module.
pub trait Kind: sealed::Sealed + 'static {
    /// Whether Commands of this kind are never answered.
    const ONE_WAY: bool;
}

/// Executed by its [`Answer`](crate::Answer) or [`Execute`](crate::Execute), and answered with one Reply or several.
#[derive(Debug)]
pub struct Plain<S = Answered>(PhantomData<S>);

/// Executed by its [`Answer`](crate::Answer), whose Reply is `()`, or by its [`Execute`](crate::Execute). Nothing is
/// sent back.
pub type OneWay = Plain<Unanswered>;

/// A wrapper around a Command of kind `K`. It is executed by its own [`Execute`](crate::Execute), which may be generic
/// in the Receiver and the inner Command, and answered as the inner Command is.
///
/// It is also the kind of a Command that is not a wrapper but implements `Execute<R>` for every Receiver `R` with some
/// trait: `Wrapper<Plain>`. (`Answer<R>` for every such `R` works with [`Plain`].)
#[derive(Debug)]
pub struct Wrapper<K>(PhantomData<K>);

/// The parameter of [`Plain`] for Commands with Replies.
#[derive(Debug)]
pub enum Answered {}

/// The parameter of [`Plain`] for Commands without Replies; see [`OneWay`].
#[derive(Debug)]
pub enum Unanswered {}

/// A kind of Commands that are answered, which `send` and `stream` accept.
#[diagnostic::on_unimplemented(
    message = "a one-way Command has no Reply: send it with `post`, not with `send` or `stream`",
    label = "send it with `post`",
    note = "in code that is generic over the Command, add the bound `CommandOf<P, Kind: HasReply>`"
)]
pub trait HasReply: Kind {}

/// A kind of Commands that are not answered, which `post` accepts.
#[diagnostic::on_unimplemented(
    message = "this Command has a Reply: send it with `send` or `stream`, not with `post`",
    label = "send it with `send`",
    note = "a one-way Command is declared as `TAG => Name -> ()`",
    note = "in code that is generic over the Command, add the bound `CommandOf<P, Kind: HasNoReply>`"
)]
pub trait HasNoReply: Kind {}

impl Kind for Plain {
    const ONE_WAY: bool = false;
}
impl Kind for OneWay {
    const ONE_WAY: bool = true;
}
impl<K: Kind> Kind for Wrapper<K> {
    const ONE_WAY: bool = K::ONE_WAY;
}

impl HasReply for Plain {}
#[diagnostic::do_not_recommend]
impl<K: HasReply> HasReply for Wrapper<K> {}

impl HasNoReply for OneWay {}
#[diagnostic::do_not_recommend]
impl<K: HasNoReply> HasNoReply for Wrapper<K> {}

mod sealed {
    #[expect(unnameable_types, reason = "it seals `Kind`")]
    pub trait Sealed {}
    impl<S> Sealed for super::Plain<S> {}
    impl<K> Sealed for super::Wrapper<K> {}
}
