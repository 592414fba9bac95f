//! Which servers there are: a list, the addresses of a name, or a source of your own.
//!
//! A source reports *sets* of addresses, each of which replaces the one before it. The order of a set means nothing, an
//! address that is in it several times counts once, and a set that is equal to the last one changes nothing. An empty
//! set is ignored, because a service without servers is more often a mistake of the source. At most 4,096 addresses of
//! a set are used.
//!
//! | source | changes |
//! | --- | --- |
//! | [`List`] | never |
//! | [`Dns`] | with the addresses of a name |
//! | [`from_stream`] | with each item of a stream |
//! | your own [`Endpoints`] | as you like |

mod dns;
mod stream;

use std::collections::HashSet;
use std::future::{Future, poll_fn};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

use crate::error::Error;
use crate::transport::Address;

pub use dns::Dns;
pub use stream::{FromStream, from_stream};

/// A source of the servers to connect to.
///
/// One task owns it, so it needs no lock. If one of its methods panics, it is not used any more, and the last set
/// stays.
///
/// ```
/// use cmd_stream::group::Endpoints;
/// use cmd_stream::transport::Address;
/// use tokio::sync::watch;
///
/// /// The servers that another part of the application knows of.
/// struct Registry(watch::Receiver<Vec<String>>);
///
/// impl Endpoints for Registry {
///     async fn next(&mut self) -> Option<Vec<Address>> {
///         // `changed` is cancel safe, and nothing is awaited after it.
///         self.0.changed().await.ok()?;
///         Some(self.0.borrow_and_update().iter().map(Address::from).collect())
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let (servers, mut receiver) = watch::channel(vec!["10.0.0.1:9000".to_owned()]);
/// receiver.mark_changed(); // so that the first call returns the first set
/// let mut registry = Registry(receiver);
/// assert_eq!(registry.next().await, Some(vec![Address::from("10.0.0.1:9000")]));
///
/// servers.send(vec!["10.0.0.2:9000".to_owned()]).expect("the registry receives");
/// assert_eq!(registry.next().await, Some(vec![Address::from("10.0.0.2:9000")]));
///
/// drop(servers);
/// assert_eq!(registry.next().await, None);
/// # }
/// ```
pub trait Endpoints: Send + 'static {
    /// Waits for the next set of addresses. The first call returns the first set. Returns `None` if the set will not
    /// change any more; it is not called again then.
    ///
    /// A source that fails should keep trying, with pauses, and return when it has a set.
    ///
    /// # Cancel safety
    ///
    /// It must be cancel safe: if it is dropped before it completes, no set is lost. It is dropped and called again
    /// often, at least whenever [`refresh`](Self::refresh) is called.
    fn next(&mut self) -> impl Future<Output = Option<Vec<Address>>> + Send;

    /// As [`next`](Self::next), and returns the error of each attempt to find a set that fails. When it is called again, it goes
    /// on trying, after a pause. [`connect`](crate::sender::Builder::connect) calls it until there is a first set, so that it
    /// can say why there is none.
    ///
    /// By default it is `next`, and never fails.
    ///
    /// # Errors
    ///
    /// An error of kind [`NotFound`](io::ErrorKind::NotFound) or [`InvalidInput`](io::ErrorKind::InvalidInput) means that it
    /// is no use to try again now. Then `connect` fails at once. Otherwise it goes on as long as
    /// [`Limits::connect`](crate::client::Limits::connect) allows.
    fn next_or_error(&mut self) -> impl Future<Output = io::Result<Option<Vec<Address>>>> + Send {
        async { Ok(self.next().await) }
    }

    /// Asks the source to look again soon, because a connection was lost or an attempt to connect failed.
    ///
    /// It is called once for each of these, so a source that asks others must limit how often it does. By default
    /// nothing happens.
    fn refresh(&mut self) {}
}

/// Waits for the first set of a source that has addresses, each of them once. Without any if there is none. Notes why there is
/// none yet.
///
/// # Errors
///
/// The source has panicked, or says that it is no use to wait.
pub(crate) async fn first_set(
    source: &mut impl Endpoints,
    failure: &mut Option<io::Error>,
) -> Result<Vec<Address>, Error> {
    loop {
        let mut next = pin!(async { source.next_or_error().await });
        let set = poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| next.as_mut().poll(cx))) {
            Ok(set) => set.map(Ok),
            Err(payload) => Poll::Ready(Err(Error::panic("the source of endpoints", payload))),
        });
        match set.await? {
            Ok(Some(set)) if set.is_empty() => {}
            Ok(set) => {
                let (mut set, mut seen) = (set.unwrap_or_default(), HashSet::new());
                set.retain(|address| seen.insert(address.clone()));
                return Ok(set);
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidInput) => {
                return Err(Error::io("there are no endpoints to connect to", error));
            }
            Err(error) => *failure = Some(error),
        }
        tokio::task::yield_now().await; // a source that never waits must not keep the thread
    }
}

/// A fixed list of addresses.
///
/// Each of them is one endpoint, also a name with several addresses: a client resolves it for each attempt and connects
/// to the first address that answers. With [`Dns`], each address of a name is an endpoint.
///
/// ```
/// use cmd_stream::group::endpoints::{Endpoints, List};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let mut list = List::new(["shop-1.example:9000", "shop-2.example:9000"]);
/// assert_eq!(list.next().await.expect("the first call returns the list").len(), 2);
/// assert_eq!(list.next().await, None, "it never changes");
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct List(Option<Vec<Address>>);

impl List {
    /// Creates a source of these addresses.
    pub fn new(addresses: impl IntoIterator<Item: Into<Address>>) -> Self {
        Self(Some(addresses.into_iter().map(Into::into).collect()))
    }
}

impl Endpoints for List {
    async fn next(&mut self) -> Option<Vec<Address>> {
        self.0.take()
    }
}
