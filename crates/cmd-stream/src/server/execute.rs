//! How a Command acts on a Receiver. Only a server needs these traits.

use super::context::Context;
use super::proxy::Proxy;
use crate::format::{Decode, Expansion, Format};
use crate::proto::Tag;
use crate::proto::decode::Decoded;
use crate::protocol::kind::Plain;
use crate::protocol::{Command, CommandOf, Failed, Protocol, ServedIn};

/// How a Command with one Reply acts on the Receiver `R`. The Reply is the value that it returns.
///
/// ```
/// use cmd_stream::{Answer, Context, Failed};
/// # use cmd_stream::{Command, protocol::kind::Plain};
/// # struct Add { a: i64, b: i64 }
/// # struct Sum(i64);
/// # impl Command for Add { type Reply = Sum; type Kind = Plain; }
///
/// struct Calc;
///
/// impl Answer<Calc> for Add {
///     async fn answer(self, _: &Calc, _: &Context<'_>) -> Result<Sum, Failed> {
///         let sum = self.a.checked_add(self.b).ok_or_else(|| Failed::new("overflow"))?;
///         Ok(Sum(sum))
///     }
/// }
/// ```
///
/// A one-way Command (`5 => Note -> ()`) returns `Ok(())`, and nothing is sent.
///
/// A Command that sends several Replies, or sends them later, implements [`Execute`] instead.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be answered by the Receiver `{R}`",
    note = "write `impl Answer<{R}> for {Self}`"
)]
pub trait Answer<R>: Command {
    /// Where its future is polled; see [`Scheduling`].
    const SCHEDULING: Scheduling = Scheduling::Adaptive;

    /// How much memory the decoded Command takes for each of its bytes, instead of what the Format says.
    ///
    /// JSON and Protobuf reckon with 128, and MUS with what it knows of the type. If a Command can take more than 128 times its
    /// bytes, say so, or a peer can make the server exceed [`Limits::memory`](crate::server::Limits::memory). If it takes much
    /// less, as one large text does, more of them may be read at the same time.
    ///
    /// It replaces what every Format says, that of MUS as well. If a Protocol is served in several Formats, give the largest.
    ///
    /// ```
    /// # use cmd_stream::{Command, Context, Failed, protocol::kind::Plain};
    /// # struct Stored;
    /// # impl cmd_stream::Reply for Stored {}
    /// # struct Store { text: String }
    /// # impl Command for Store { type Reply = Stored; type Kind = Plain; }
    /// use cmd_stream::{Answer, format::Expansion};
    ///
    /// impl Answer<()> for Store {
    ///     // A text takes its bytes, and twice that while its buffer grows. A `String` is 24 bytes in any case.
    ///     const EXPANSION: Option<Expansion> = Some(Expansion::of(2).fixed(24));
    ///
    ///     async fn answer(self, _: &(), _: &Context<'_>) -> Result<Stored, Failed> {
    ///         Ok(Stored)
    ///     }
    /// }
    /// ```
    const EXPANSION: Option<Expansion> = None;

    /// Does the work, and returns the Reply.
    ///
    /// It runs concurrently with the other Commands of its connection. It continues when the connection is gone, unless its
    /// [memory](crate::server::Limits::memory) is needed; [`Context::closed`] tells it. A panic is contained, also one of a
    /// destructor. (In Rust a destructor that panics while another panic unwinds aborts the process.)
    ///
    /// # Errors
    ///
    /// `?` turns any error into [`Failed`]. A Command that fails or panics is answered with the Protocol's failure. With
    /// `failure close_connection` its connection is closed.
    fn answer(
        self,
        receiver: &R,
        context: &Context<'_>,
    ) -> impl Future<Output = Result<Self::Reply, Failed>> + Send;
}

/// How a Command acts on the Receiver `R` if it sends its Replies through a [`Proxy`].
///
/// It is for Commands that send several Replies, of one or several types, or that send them after `execute` has returned.
/// For one Reply [`Answer`] is simpler. Every type that implements `Answer` also implements `Execute`.
///
/// ```
/// use cmd_stream::{Execute, Failed, Proxy, Reply};
/// # use cmd_stream::{Command, protocol::kind::Plain};
/// # struct Count { to: u32 }
/// # struct Number { value: u32, last: bool }
/// # impl Reply for Number { fn is_last(&self) -> bool { self.last } }
/// # impl Command for Count { type Reply = Number; type Kind = Plain; }
///
/// struct Numbers;
///
/// impl Execute<Numbers> for Count {
///     async fn execute(self, _: &Numbers, proxy: Proxy<'_, Number>) -> Result<(), Failed> {
///         for value in 1..=self.to {
///             proxy.send(Number { value, last: value == self.to }).await?;
///         }
///         Ok(())
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be executed on the Receiver `{R}`",
    label = "a Server with the Receiver `{R}` needs `Answer<{R}>` or `Execute<{R}>` for every Command of its Protocol",
    note = "write `impl Answer<{R}> for {Self}`, or `impl Execute<{R}> for {Self}` if it sends several Replies"
)]
pub trait Execute<R>: Command {
    /// Where its future is polled; see [`Scheduling`].
    const SCHEDULING: Scheduling = Scheduling::Adaptive;

    /// How much memory the decoded Command takes for each of its bytes, instead of what the Format says; see
    /// [`Answer::EXPANSION`].
    const EXPANSION: Option<Expansion> = None;

    /// Does the work, and sends the Replies through `proxy`.
    ///
    /// It runs concurrently with the other Commands of its connection. It continues when the connection is gone, unless its
    /// [memory](crate::server::Limits::memory) is needed; [`Proxy::closed`] tells it. A panic is contained, also one of a
    /// destructor; see [`Answer::answer`].
    ///
    /// Code that blocks belongs in [`spawn_blocking`](tokio::task::spawn_blocking), with an
    /// [owned Proxy](Proxy::into_owned), or in `tokio::task::block_in_place`, where `Handle::block_on` may
    /// wait for [`Proxy::send`]. Replies that are sent there arrive while the Command goes on, if the runtime has another thread
    /// to write them.
    ///
    /// Code that blocks its thread and does not tell the runtime holds one of the threads of that. If it is the one that looked at
    /// the sockets and the timers, another one that sleeps is woken after 10 to 20 ms, and looks at them. This holds for
    /// Commands, Invokers, and the callbacks and destructors that run in their tasks and in those of connections. Tasks of your
    /// own are not seen. As long as all threads are blocked, nobody is served. A Command that waits there for room in the
    /// output, by an executor of its own, goes on after 100 to 200 ms all the same: its Reply exceeds
    /// [`Limits::output`](super::Limits::output). If that goes on for longer than
    /// [`Limits::output_stall`](super::Limits::output_stall) and nothing of the output is written, or if the output comes to
    /// 64 times its limit (and to 64 MiB), the connection is closed.
    ///
    /// Replies that follow each other closely, with some microseconds between two of them, are written together: when the Command
    /// waits for something, ends, or has sent for 100 µs and lets others run. If it blocks its thread or computes instead, they are
    /// written within 10 ms, or at once if it then sends by an executor of its own.
    ///
    /// A Command that is polled in place blocks the task of its own connection: one with [`Scheduling::InPlace`], or one of
    /// a type that was quick so far. Then another task writes what is sent on that connection: at once if it is sent by an
    /// executor of the Command's own, as with `Handle::block_on`, and else after 10 to 20 ms. Until the Command lets go of
    /// the thread, nothing is read from the connection, and of its time limits only
    /// [`Limits::output_stall`](super::Limits::output_stall) counts. So a Command must not wait there for a later Command of
    /// the same client; and [`Proxy::closed`] is not told. [`Scheduling::Spawned`] has none of
    /// these limits. A type for which nothing is said is not polled in place again once one of its Commands was seen to
    /// send from another executor.
    ///
    /// # Errors
    ///
    /// `?` turns any error into [`Failed`]. A Command that fails, panics, or returns without having sent a last Reply
    /// or [handed over](Proxy::into_owned) its Proxy, is answered with the Protocol's failure. With
    /// `failure close_connection` its connection is closed.
    fn execute(
        self,
        receiver: &R,
        proxy: Proxy<'_, Self::Reply>,
    ) -> impl Future<Output = Result<(), Failed>> + Send;
}

#[diagnostic::do_not_recommend]
impl<R, C, S> Execute<R> for C
where
    R: Sync,
    C: Answer<R> + Command<Kind = Plain<S>>,
{
    const SCHEDULING: Scheduling = <C as Answer<R>>::SCHEDULING;
    const EXPANSION: Option<Expansion> = <C as Answer<R>>::EXPANSION;

    #[expect(clippy::manual_async_fn, reason = "an `async fn` would hold the Proxy twice")]
    fn execute(
        self,
        receiver: &R,
        proxy: Proxy<'_, C::Reply>,
    ) -> impl Future<Output = Result<(), Failed>> + Send {
        async move {
            let context = proxy.context();
            let reply = self.answer(receiver, &context).await?;
            proxy.send_and_end(reply).await
        }
    }
}

/// Where the server polls a Command's future.
///
/// Polling it in place, where it was decoded, saves a task and doubles the rate of quick Commands. But a Command that
/// computes for long would stall its connection there. The choice does not change what a Command may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum Scheduling {
    /// In a task of its own until this type of Command has proved to be quick; then in place until it is slow once. Then the
    /// next ones have tasks again: the longer the slow one has taken, the more of them must be quick before the type returns.
    #[default]
    Adaptive,
    /// Always in place at first. For Commands that never compute for more than some ten microseconds at a time. One that
    /// blocks keeps its connection from being read. What is sent on it is written; see [`Execute::execute`].
    InPlace,
    /// Always in a task of its own. For Commands that are known to compute for long. One that blocks holds a thread; see
    /// [`Execute::execute`].
    Spawned,
}

/// The server's side of a Protocol in the Format `F` on the Receiver `R`.
///
/// [`protocol!`](crate::protocol!) implements it if the Format can decode every Command and encode every Reply, and every
/// Command implements [`Execute<R>`].
pub trait ServerProtocol<F: Format, R>: ServedIn<F> {
    /// Decodes the body of the Command with this tag and hands it to the visitor.
    fn decode_command<V: CommandVisitor<Self, R>>(
        format: &F,
        tag: Tag,
        body: &[u8],
        progress: &mut F::Progress,
        visitor: V,
    ) -> Decoded<V::Output>;

    /// Returns how many bytes the body of the Command with this tag takes, if all of it is there; see
    /// [`Decode::measure`](crate::format::Decode::measure).
    fn measure_command(format: &F, tag: Tag, body: &[u8], progress: &mut F::Progress) -> Option<usize>;

    /// Returns how much memory each Command takes, in the order of [`COMMANDS`](crate::protocol::Protocol::COMMANDS).
    fn expansions(format: &F) -> Vec<Expansion>;
}

/// Returns how much memory a Command takes: what it says itself, or what the Format says.
#[doc(hidden)]
pub fn expansion<C: Execute<R>, F: Decode<C>, R>(format: &F) -> Expansion {
    C::EXPANSION.unwrap_or_else(|| format.expansion())
}

/// What to do with a Command once its type is known.
pub trait CommandVisitor<P: Protocol, R> {
    /// What it returns.
    type Output;
    /// Takes the Command. Its body took this many bytes.
    fn visit<C: CommandOf<P> + Execute<R>>(self, command: C, body_len: usize) -> Self::Output;
}
