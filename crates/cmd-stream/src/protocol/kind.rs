//! The kinds of Commands: how one is executed, and whether it is answered. Types without values, named by
//! [`Command::Kind`](super::Command::Kind).
//!
//! | kind | whose Commands | executed by | sent by |
//! | --- | --- | --- | --- |
//! | [`Plain`] | `0 => Add -> Sum`; almost all | `Answer` or `Execute` | `send`, `stream` |
//! | [`OneWay`] | `5 => Note -> ()` | `Answer` or `Execute` | `post` |
//! | [`Wrapper`] | a generic Command around another one | an `Execute` of its own | as the inner one |
//!
//! The kind keeps two `impl`s apart that the compiler could not tell apart otherwise: the one that makes every
//! `Answer<R>` an `Execute<R>`, and that of a wrapper which is generic in its Receiver. A wrapper of another kind gets the
//! error E0119, "conflicting implementations of trait `Execute`".
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
//!     const SCHEDULING: Scheduling = C::SCHEDULING; // or the inner Command's own choice is lost
//!
//!     async fn execute(self, receiver: &R, proxy: Proxy<'_, C::Reply>) -> Result<(), Failed> {
//!         println!("trace {}", self.trace);
//!         self.command.execute(receiver, proxy).await
//!     }
//! }
//! ```

use std::marker::PhantomData;

/// Implemented by the kinds of this module, and by nothing else.
pub trait Kind: sealed::Sealed + 'static {
    /// Whether Commands of this kind are never answered.
    const ONE_WAY: bool;
}

/// Executed as its [`Answer`](crate::Answer) or [`Execute`](crate::Execute) says, and answered with one Reply or
/// several.
#[derive(Debug)]
pub struct Plain<S = Answered>(PhantomData<S>);

/// Executed as its [`Answer`](crate::Answer) says, whose Reply is `()`, or as its [`Execute`](crate::Execute) says.
/// Nothing is sent back.
pub type OneWay = Plain<Unanswered>;

/// Around a Command of kind `K`: executed by an [`Execute`](crate::Execute) of its own, which may be generic in the
/// Receiver and in the inner Command. It is answered as the inner Command is.
///
/// It is also for a Command that is no wrapper, but implements `Execute<R>` for every Receiver `R` with some trait:
/// its kind is `Wrapper<Plain>`. (`Answer<R>` for every such `R` works with [`Plain`].)
#[derive(Debug)]
pub struct Wrapper<K>(PhantomData<K>);

/// Of [`Plain`]: there are Replies.
#[derive(Debug)]
pub enum Answered {}

/// Of [`OneWay`]: there are none.
#[derive(Debug)]
pub enum Unanswered {}

/// A kind whose Commands are answered: `send` and `stream` take them.
#[diagnostic::on_unimplemented(
    message = "a one-way Command has no Reply: it is sent by `post`, not by `send` or `stream`",
    label = "is sent by `post`",
    note = "in code that is generic in the Command, add the bound `CommandOf<P, Kind: HasReply>`"
)]
pub trait HasReply: Kind {}

/// A kind whose Commands are not answered: `post` takes them.
#[diagnostic::on_unimplemented(
    message = "this Command is answered: it is sent by `send` or `stream`, not by `post`",
    label = "is sent by `send`",
    note = "a one-way Command is declared as `TAG => Name -> ()`",
    note = "in code that is generic in the Command, add the bound `CommandOf<P, Kind: HasNoReply>`"
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
    #[expect(unnameable_types, reason = "that is how it is sealed")]
    pub trait Sealed {}
    impl<S> Sealed for super::Plain<S> {}
    impl<K> Sealed for super::Wrapper<K> {}
}
