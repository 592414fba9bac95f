//! The handle by which an application sends Commands: a group of clients, hooks, a default timeout and retries.

use std::fmt;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::client::Client;
use crate::error::Error;
use crate::format::{Encode, Format};
use crate::group::Group;
use crate::hooks::{Hooks, NoHooks};
use crate::protocol::kind::{HasNoReply, HasReply};
use crate::protocol::{ClientProtocol, CommandOf, Protocol};
use crate::stats::Tally;
use crate::sync::Arc;
use crate::transport::Address;

mod apart;
mod builder;
mod call;
mod core;
mod counters;
mod course;
mod near;
#[cfg(feature = "tower")]
pub(crate) mod owned_call;
mod retry;
mod send_command;
mod stats;
mod stream;

pub use builder::Builder;
pub use call::{Call, Post};
pub use counters::Counters;
pub use retry::Retry;
pub use send_command::{Opened, Posted, Replied, Replies, SendCommand};
pub use stats::{CommandStats, Stats};
pub use stream::{OpenStream, ReplyStream};

use core::Core;

/// Sends the Commands of the Protocol `P` in the Format `F`. It can be cloned and used from any number of tasks.
///
/// It sends through a [`Group`] of clients: one for each server, or as many as [`Builder::clients`] says. All clones are the
/// same Sender. Its connections are closed by [`close`](Self::close), or when the last clone and the last stream are dropped.
///
/// ```
/// # use cmd_stream::{protocol, Answer, Context, Failed, Json, Server};
/// # use serde::{Deserialize, Serialize};
/// # struct Calc;
/// # #[derive(Serialize, Deserialize)] struct Add { a: i64, b: i64 }
/// # #[derive(Serialize, Deserialize)] struct Sum(i64);
/// # impl Answer<Calc> for Add {
/// #     async fn answer(self, _: &Calc, _: &Context<'_>) -> Result<Sum, Failed> { Ok(Sum(self.a + self.b)) }
/// # }
/// # protocol! {
/// #     struct Calculator { commands { 0 => Add -> Sum } replies { 0 => Sum } failure close_connection }
/// # }
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let server = Server::bind("127.0.0.1:0", Calculator, Json, Calc).await?;
/// # let address = server.handle().local_addr().to_string();
/// # tokio::spawn(server.serve());
/// use cmd_stream::Sender;
///
/// let sender = Sender::connect(address, Calculator, Json).await?;
/// let Sum(five) = sender.send(Add { a: 2, b: 3 }).await?;
/// assert_eq!(five, 5);
/// # Ok(()) }
/// ```
pub struct Sender<P: Protocol, F, H: Hooks<P> = NoHooks> {
    core: Arc<Core<P, F, H>>,
}

impl<P, F> Sender<P, F>
where
    P: ClientProtocol<F>,
    F: Format,
{
    /// Connects to a TCP address, with the default settings.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`Builder::connect`].
    ///
    /// # Cancel safety
    ///
    /// Dropping it closes the connection.
    pub async fn connect(address: impl Into<Address>, protocol: P, format: F) -> Result<Self, Error> {
        Self::builder(protocol, format).endpoints([address]).connect().await
    }

    /// Configures a Sender before it connects.
    pub fn builder(protocol: P, format: F) -> Builder<P, F> {
        Builder::new(protocol, format)
    }
}

impl<P, F, H> Sender<P, F, H>
where
    P: ClientProtocol<F>,
    F: Format,
    H: Hooks<P>,
{
    /// Sends a Command and waits for its Reply.
    ///
    /// The call is a future: nothing happens until it is polled. If the Command is answered with several Replies, the
    /// call returns the first one.
    ///
    /// A Command that was not sent, because the connection of its member was lost, goes to another member. One that may have
    /// been executed is sent again only if it is [idempotent](crate::Command::IDEMPOTENT); see [`Retry`].
    ///
    /// # Errors
    ///
    /// - [`CallError::Failed`](crate::CallError::Failed): the server answered with the Protocol's failure.
    /// - [`Refused`](crate::ErrorKind::Refused): a hook refuses the Command, or all circuit breakers are open.
    /// - [`Encode`](crate::ErrorKind::Encode), [`Panic`](crate::ErrorKind::Panic) or
    ///   [`Limit`](crate::ErrorKind::Limit): the Command cannot be encoded or is too large.
    /// - [`Timeout`](crate::ErrorKind::Timeout) with [`Origin::Local`](crate::Origin::Local): the deadline of the call
    ///   has passed.
    /// - [`Closed`](crate::ErrorKind::Closed) with [`Origin::Local`](crate::Origin::Local): the Sender was closed, or is being
    ///   drained.
    /// - Any other kind says why the connection was lost, or why there is none.
    ///
    /// [`Error::was_sent`] tells whether the Command may have been executed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the call forgets the Command. If it was not written yet, it is never sent. If it was, the server is not told.
    #[doc(alias = "call")]
    #[doc(alias = "request")]
    #[doc(alias = "rpc")]
    pub fn send<C>(&self, command: C) -> Call<'_, P, F, C, H>
    where
        C: CommandOf<P, Kind: HasReply>,
        F: Encode<C>,
    {
        Call::new(&self.core, command)
    }

    /// Sends a Command and returns its Replies as a [`Stream`](futures_core::Stream), which ends after the last one.
    ///
    /// Nothing happens until the call is polled. It completes when the Command is in the output of a connection.
    ///
    /// # Errors
    ///
    /// Fails as [`send`](Self::send) does if the Command cannot be sent. Later errors are items of the stream.
    ///
    /// # Cancel safety
    ///
    /// Dropping the call or the stream forgets the Command, as for [`send`](Self::send).
    ///
    /// # Examples
    ///
    /// ```
    /// # use cmd_stream::{protocol, Execute, Failed, Json, Proxy, Reply, Sender, Server};
    /// # use serde::{Deserialize, Serialize};
    /// # struct Calc;
    /// # #[derive(Serialize, Deserialize)] struct Count { to: u32 }
    /// # #[derive(Serialize, Deserialize)] struct Number { number: u32, last: bool }
    /// # impl Reply for Number {
    /// #     fn is_last(&self) -> bool { self.last }
    /// # }
    /// # impl Execute<Calc> for Count {
    /// #     async fn execute(self, _: &Calc, proxy: Proxy<'_, Number>) -> Result<(), Failed> {
    /// #         for number in 1..=self.to {
    /// #             proxy.send(Number { number, last: number == self.to }).await?;
    /// #         }
    /// #         Ok(())
    /// #     }
    /// # }
    /// # protocol! {
    /// #     struct Counter { commands { 0 => Count -> Number } replies { 0 => Number } failure close_connection }
    /// # }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let server = Server::bind("127.0.0.1:0", Counter, Json, Calc).await?;
    /// # let address = server.handle().local_addr().to_string();
    /// # tokio::spawn(server.serve());
    /// # let sender = Sender::connect(address, Counter, Json).await?;
    /// let mut numbers = sender.stream(Count { to: 3 }).await?;
    /// let mut sum = 0;
    /// while let Some(number) = numbers.next().await {
    ///     sum += number?.number;
    /// }
    /// assert_eq!(sum, 6);
    /// # Ok(()) }
    /// ```
    pub fn stream<C>(&self, command: C) -> OpenStream<'_, P, F, C, H>
    where
        C: CommandOf<P, Kind: HasReply>,
        F: Encode<C>,
    {
        OpenStream::new(&self.core, command)
    }

    /// Sends a one-way Command (`5 => Note -> ()`), which is never answered.
    ///
    /// Nothing happens until the call is polled. It completes when the Command has been written to a connection. That does
    /// not mean that it has arrived, or that it will be executed.
    ///
    /// # Errors
    ///
    /// Fails as [`send`](Self::send) does, except that the server cannot answer with a failure.
    ///
    /// # Cancel safety
    ///
    /// If the call is dropped before the Command is written, it is never sent.
    #[doc(alias = "fire_and_forget")]
    #[doc(alias = "notify")]
    pub fn post<C>(&self, command: C) -> Post<'_, P, F, C, H>
    where
        C: CommandOf<P, Kind: HasNoReply>,
        F: Encode<C>,
    {
        Post::new(&self.core, command)
    }
}

impl<P: Protocol, F, H: Hooks<P>> Sender<P, F, H> {
    /// Returns the clients that it sends through.
    pub fn group(&self) -> &Group<P, F> {
        &self.core.group
    }

    /// Returns the hooks.
    pub fn hooks(&self) -> &H {
        &self.core.hooks
    }

    /// Returns how many calls there are: those that wait for a Reply, for room, for a member of the group, or for the end of a
    /// pause before a retry, and those whose hooks run; one-way Commands that are not written yet; and open streams.
    /// [Probes](Builder::probe) are none.
    pub fn in_flight(&self) -> usize {
        self.core.in_flight()
    }

    /// Returns what it has counted: of the whole Sender, of its connections, and of each Command.
    ///
    /// It may be called at any time, as often as you like. It adds up what each thread has recorded, and holds nothing up.
    pub fn stats(&self) -> Stats {
        let members = self.core.group.members().collect();
        Stats::of(self.core.counts.snapshot(), members, &self.core.tally)
    }

    /// Takes no more calls, waits until those that there are have ended, at most for this time, and then closes the
    /// connections. Returns how many calls were left. They fail.
    ///
    /// New calls fail with an error of kind [`Closed`](crate::ErrorKind::Closed). A stream that is open counts as a call.
    ///
    /// A call has begun when its hooks are asked, or, without hooks, when its Command is encoded. So it is either waited for, or
    /// fails and was not sent.
    ///
    /// # Cancel safety
    ///
    /// If it is dropped early, the Sender takes no more calls, and its connections stay open. It can be called again.
    pub async fn drain(&self, time: Duration) -> usize {
        self.core.refuse_calls();
        self.core.group.stop_probes(); // or one would have to be waited for
        let end = Instant::now().checked_add(time);
        while !self.core.close_if_idle() {
            if end.is_some_and(|end| end <= Instant::now()) {
                let left = self.in_flight();
                self.close();
                return left;
            }
            sleep(DRAIN_LOOK).await;
        }
        0
    }

    /// Closes the connections now. All pending calls and all later ones fail with
    /// [`ErrorKind::Closed`](crate::ErrorKind::Closed). Commands that wait to be written are not sent; see
    /// [`Client::close`](crate::Client::close).
    pub fn close(&self) {
        self.core.close();
    }
}

/// How often a Sender that is drained looks how many calls are left.
const DRAIN_LOOK: Duration = Duration::from_millis(5);

impl<P: Protocol, F> From<Client<P, F>> for Sender<P, F> {
    /// Creates a Sender over a Client, which has its own [settings](crate::client::Builder), its default timeout included.
    /// Idempotent Commands are sent again as [`Retry::default`] says.
    fn from(client: Client<P, F>) -> Self {
        let timeout = client.shared().table.timeout;
        let retries = Some(retry::Retries::new(Retry::default()));
        let tally = Tally::new(P::COMMANDS, None);
        Self { core: Arc::new(Core::new(Group::of(client), NoHooks, retries, timeout, tally)) }
    }
}

impl<P: Protocol, F, H: Hooks<P>> Clone for Sender<P, F, H> {
    fn clone(&self) -> Self {
        Self { core: Arc::clone(&self.core) }
    }
}

impl<P: Protocol, F, H: Hooks<P>> fmt::Debug for Sender<P, F, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("group", self.group()).finish_non_exhaustive()
    }
}
