//! Endpoints from a name, which is resolved again and again.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout};

use super::Endpoints;
use crate::error::Chain;
use crate::proto::never::FOR_EVER;
use crate::transport::Address;

/// The addresses of a name, each of which is an endpoint.
///
/// The name is resolved on an interval, and soon after a connection was lost or an attempt to connect failed. An answer
/// with the same addresses in another order is no change. If the name cannot be resolved, or has no addresses, the last
/// set stays, and the next attempt follows after a pause. The first pause is [`shortest_pause`](Self::shortest_pause).
/// Each further one is twice as long, up to the interval. A failure is logged as a warning, but not again as long as the
/// reason stays the same.
///
/// Before there is a first set, [`connect`](crate::sender::Builder::connect) fails at once if the name does not exist. Otherwise
/// it waits as long as it may, and its error says why the name could not be resolved.
///
/// ```
/// use cmd_stream::group::endpoints::Dns;
/// use std::time::Duration;
///
/// let endpoints = Dns::new("svc.internal:9000").interval(Duration::from_secs(10));
/// # let _ = endpoints;
/// ```
///
/// # What to know
///
/// - The resolver of the operating system does not tell how long its answers are valid (their TTL). It may cache them,
///   so that a change is seen later than the interval says. If that matters, set a [`resolver`](Self::resolver).
/// - A server with an IPv4 and an IPv6 address counts as two endpoints. If it listens on only one of them, or if only one
///   of them can be reached, a part of the clients is always down. The example of [`resolver`](Self::resolver)
///   leaves out a family.
/// - Clients connect to an IP address, not to the name. With TLS, `ClientTls::server_name` must be set to the name that
///   the certificate is for.
pub struct Dns {
    name: Address,
    interval: Duration,
    shortest_pause: Duration,
    timeout: Duration,
    resolve: Resolve,
    /// The one that is under way. It outlives a call of `next` that is dropped.
    lookup: Option<Lookup>,
    /// When the last one started.
    started: Option<Instant>,
    /// When the next one will. `None`: at once.
    due: Option<Instant>,
    /// The last set, sorted.
    known: Vec<SocketAddr>,
    /// Since the last answer.
    failures: u32,
    /// The last one, as it was logged.
    failure: Option<String>,
}

type Resolve = Box<dyn Fn(Address) -> Lookup + Send>;
type Lookup = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;

impl Dns {
    /// Creates a source of the addresses of a name: `"svc.internal:9000"` or `("svc.internal", 9000)`.
    ///
    /// An address that is no host and port cannot be resolved. This is logged, and there are no endpoints.
    pub fn new(name: impl Into<Address>) -> Self {
        Self {
            name: name.into(),
            interval: Duration::from_secs(30),
            shortest_pause: Duration::from_secs(1),
            timeout: Duration::from_secs(5),
            resolve: Box::new(|name| Box::pin(async move { name.resolve().await })),
            lookup: None,
            started: None,
            due: None,
            known: Vec::new(),
            failures: 0,
            failure: None,
        }
    }

    /// Sets how long after an answer the name is resolved again. 30 s by default, and not less than
    /// [`shortest_pause`](Self::shortest_pause). With [`Duration::MAX`] it is resolved again only when a connection is lost, or
    /// if resolving has failed.
    #[must_use]
    pub fn interval(self, time: Duration) -> Self {
        Self { interval: time.min(FOR_EVER), ..self }
    }

    /// Sets the shortest time from the start of one attempt to resolve the name to that of the next one, however many
    /// connections are lost. 1 s by default, at least 10 ms. With
    /// [`Duration::MAX`] there is only one attempt.
    #[must_use]
    pub fn shortest_pause(self, time: Duration) -> Self {
        Self { shortest_pause: time.clamp(SHORTEST, FOR_EVER), ..self }
    }

    /// Limits how long one attempt to resolve the name may take. 5 s by default, at least 10 ms. When the time is
    /// over, the attempt has failed. [`Duration::MAX`] means no limit.
    ///
    /// The operating system cannot be told to stop: its attempt keeps a blocking thread of the runtime until its own
    /// time-outs, although the result is not used.
    #[must_use]
    pub fn timeout(self, time: Duration) -> Self {
        Self { timeout: time.clamp(SHORTEST, FOR_EVER), ..self }
    }

    /// Sets how the name is resolved. By default the operating system does it.
    ///
    /// The function receives what was given to [`new`](Self::new). An empty answer counts as an error. An error of kind
    /// [`NotFound`](io::ErrorKind::NotFound) says that the name does not exist.
    ///
    /// ```
    /// use cmd_stream::group::endpoints::{Dns, Endpoints};
    /// use std::net::SocketAddr;
    /// use tokio::net::lookup_host;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// // Only the IPv4 addresses.
    /// let mut endpoints = Dns::new("localhost:9000").resolver(|name| async move {
    ///     let found = lookup_host(name.to_string()).await?;
    ///     Ok(found.filter(SocketAddr::is_ipv4).collect())
    /// });
    /// let set = endpoints.next().await.expect("a name is resolved for ever");
    /// assert_eq!(set[0].to_string(), "127.0.0.1:9000");
    /// # }
    /// ```
    #[must_use]
    pub fn resolver<F>(self, resolve: impl Fn(Address) -> F + Send + 'static) -> Self
    where
        F: Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static,
    {
        Self { resolve: Box::new(move |name| Box::pin(resolve(name))), ..self }
    }

    /// Waits until the name is to be resolved, and then for the answer. Cancel safe.
    async fn answer(&mut self) -> io::Result<Vec<SocketAddr>> {
        if self.lookup.is_none() {
            if let Some(due) = self.due {
                sleep_until(due).await;
            }
            self.start();
        }
        poll_fn(|cx| self.poll_lookup(cx)).await
    }

    fn start(&mut self) {
        let now = Instant::now();
        self.started = Some(now);
        // If the resolver panics, this holds.
        self.due = Some(now + self.shortest_pause);
        let lookup = (self.resolve)(self.name.clone());
        let limit = self.timeout;
        self.lookup = Some(Box::pin(async move {
            timeout(limit, lookup).await.unwrap_or_else(|_| {
                let message = format!("no answer within {limit:?}");
                Err(io::Error::new(io::ErrorKind::TimedOut, message))
            })
        }));
    }

    fn poll_lookup(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Vec<SocketAddr>>> {
        // It is put back only if it is pending, so that one that panics is not polled again.
        let mut lookup = self.lookup.take().expect("`answer` has started it");
        let polled = lookup.as_mut().poll(cx);
        if polled.is_pending() {
            self.lookup = Some(lookup);
        }
        polled
    }

    /// Books an answer. Returns the addresses if they have changed.
    fn take(&mut self, answer: io::Result<Vec<SocketAddr>>) -> io::Result<Option<Vec<Address>>> {
        let now = Instant::now();
        let mut found = match answer {
            Ok(found) if found.is_empty() => {
                let error = io::Error::new(io::ErrorKind::AddrNotAvailable, "the name has no addresses");
                return Err(self.failed(now, error));
            }
            Ok(found) => found,
            Err(error) => return Err(self.failed(now, error)),
        };
        self.failures = 0;
        self.due = Some(now + self.interval.max(self.shortest_pause));
        if self.failure.take().is_some() {
            tracing::info!(name = %self.name, "the endpoints can be resolved again");
        }
        found.sort_unstable();
        found.dedup();
        if found == self.known {
            return Ok(None);
        }
        self.known = found;
        Ok(Some(self.known.iter().map(Address::from).collect()))
    }

    /// Books a failure. Returns it with the name.
    fn failed(&mut self, now: Instant, error: io::Error) -> io::Error {
        let pause = self.shortest_pause.saturating_mul(1 << self.failures.min(MOST_DOUBLINGS));
        self.due = Some(now + pause.min(self.interval).max(self.shortest_pause));
        self.failures = self.failures.saturating_add(1);
        let failure = Chain(&error).to_string();
        if self.failure.as_ref() != Some(&failure) {
            let endpoints = self.known.len();
            tracing::warn!(name = %self.name, error = failure, endpoints, "resolving the endpoints failed");
            self.failure = Some(failure);
        }
        let kind = if is_no_such_name(&error) { io::ErrorKind::NotFound } else { error.kind() };
        io::Error::new(kind, Unresolved { name: self.name.clone(), error })
    }
}

/// Whether the operating system says that a name does not exist. It has no kind for that, only texts.
fn is_no_such_name(error: &io::Error) -> bool {
    let text = error.to_string();
    error.raw_os_error() == Some(WINDOWS_HOST_NOT_FOUND) || NO_SUCH_NAME.iter().any(|end| text.ends_with(end))
}

/// Of `EAI_NONAME`, as glibc, musl, the BSDs and macOS name it. Programs in Rust do not have it translated.
const NO_SUCH_NAME: [&str; 4] = [
    "Name or service not known",
    "Name does not resolve",
    "nodename nor servname provided, or not known",
    "hostname nor servname provided, or not known",
];

const WINDOWS_HOST_NOT_FOUND: i32 = 11_001;

/// A name that cannot be resolved, and why.
#[derive(Debug)]
struct Unresolved {
    name: Address,
    error: io::Error,
}

impl fmt::Display for Unresolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot resolve {}", self.name)
    }
}

impl std::error::Error for Unresolved {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

impl Endpoints for Dns {
    async fn next(&mut self) -> Option<Vec<Address>> {
        loop {
            let answer = self.answer().await;
            // Nothing is awaited after this, so no set is lost.
            if let Ok(Some(changed)) = self.take(answer) {
                return Some(changed);
            }
        }
    }

    async fn next_or_error(&mut self) -> io::Result<Option<Vec<Address>>> {
        loop {
            let answer = self.answer().await;
            if let Some(changed) = self.take(answer)? {
                return Ok(Some(changed));
            }
        }
    }

    fn refresh(&mut self) {
        if let (Some(started), Some(due)) = (self.started, self.due) {
            self.due = Some(due.min(started + self.shortest_pause));
        }
    }
}

impl fmt::Debug for Dns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dns")
            .field("name", &self.name)
            .field("interval", &self.interval)
            .field("shortest_pause", &self.shortest_pause)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// So that a resolver is not asked without end.
const SHORTEST: Duration = Duration::from_millis(10);

/// From the shortest pause to the longest one.
const MOST_DOUBLINGS: u32 = 24;

#[cfg(test)]
mod tests;
