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
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use std::collections::VecDeque;
    use std::future::pending;
    use std::panic::AssertUnwindSafe;
    use std::sync::{Arc, Mutex};
    use tokio::time::{advance, sleep};
    use tracing::field::{Field, Visit};
    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Level, Metadata, Subscriber};

    /// What an attempt to resolve comes to. Times are in milliseconds.
    #[derive(Clone, Copy)]
    enum Plan {
        Finds(&'static [u8]),
        FindsAfter(u64, &'static [u8]),
        Fails(&'static str),
        Hangs,
        Panics,
        PanicsLater,
    }

    use Plan::{Fails, Finds, FindsAfter, Hangs, Panics, PanicsLater};

    /// The times at which the attempts start, in milliseconds after the beginning.
    #[derive(Clone)]
    struct Starts(Arc<Mutex<Vec<u128>>>);

    impl Starts {
        fn seen(&self) -> Vec<u128> {
            self.0.lock().expect("no panic").clone()
        }
    }

    /// Follows the plan; from then on, each attempt is like the last one of it.
    fn planned(plan: &[Plan]) -> (Dns, Starts) {
        let (beginning, starts) = (Instant::now(), Starts(Arc::default()));
        let seen = starts.clone();
        let plan = Mutex::new(VecDeque::from(plan.to_vec()));
        let resolve = move |_| {
            seen.0.lock().expect("no panic").push(beginning.elapsed().as_millis());
            let mut plan = plan.lock().expect("no panic");
            let now = plan[0];
            if plan.len() > 1 {
                plan.pop_front();
            }
            drop(plan);
            if matches!(now, Panics) {
                panic!("on purpose");
            }
            async move {
                match now {
                    Finds(hosts) => Ok(sockets(hosts)),
                    FindsAfter(time, hosts) => {
                        sleep(Duration::from_millis(time)).await;
                        Ok(sockets(hosts))
                    }
                    Fails(why) => Err(io::Error::other(why)),
                    Hangs => pending().await,
                    Panics | PanicsLater => {
                        sleep(Duration::from_millis(100)).await;
                        panic!("on purpose")
                    }
                }
            }
        };
        (Dns::new("svc.internal:9000").resolver(resolve), starts)
    }

    fn sockets(hosts: &[u8]) -> Vec<SocketAddr> {
        hosts.iter().map(|host| SocketAddr::from(([10, 0, 0, *host], 9000))).collect()
    }

    fn set(hosts: &[u8]) -> Option<Vec<Address>> {
        Some(sockets(hosts).into_iter().map(Address::from).collect())
    }

    /// Whether it is still waiting after so many milliseconds. Then it is dropped.
    async fn waits(dns: &mut Dns, milliseconds: u64) -> bool {
        timeout(Duration::from_millis(milliseconds), dns.next()).await.is_err()
    }

    #[tokio::test(start_paused = true)]
    async fn the_name_is_resolved_at_once_and_then_on_the_interval() {
        let (mut dns, starts) = planned(&[Finds(&[1]), Finds(&[1, 2])]);
        assert_eq!(dns.next().await, set(&[1]));
        assert_eq!(dns.next().await, set(&[1, 2]));
        assert_eq!(starts.seen(), [0, 30_000]);

        let (dns, starts) = planned(&[FindsAfter(500, &[1]), Finds(&[2])]);
        let mut dns = dns.interval(Duration::from_secs(7));
        assert_eq!(dns.next().await, set(&[1]));
        assert_eq!(dns.next().await, set(&[2]));
        assert_eq!(starts.seen(), [0, 7_500], "the interval begins with the answer");
    }

    #[tokio::test(start_paused = true)]
    async fn the_same_addresses_in_another_order_or_twice_are_no_change() {
        let (mut dns, starts) = planned(&[Finds(&[2, 1]), Finds(&[1, 2]), Finds(&[2, 1, 2]), Finds(&[2])]);
        assert_eq!(dns.next().await, set(&[1, 2]));
        assert_eq!(dns.next().await, set(&[2]));
        assert_eq!(starts.seen(), [0, 30_000, 60_000, 90_000]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_error_keeps_the_set_and_is_followed_by_growing_pauses_up_to_the_interval() {
        let (dns, starts) =
            planned(&[Finds(&[1]), Fails("no"), Fails("no"), Finds(&[]), Fails("no"), Finds(&[1])]);
        let mut dns = dns.interval(Duration::from_secs(3));
        assert_eq!(dns.next().await, set(&[1]));
        assert!(waits(&mut dns, 16_000).await, "the set is the same all the time");
        // 3 s; then 1, 2, 3 and 3 s after a failure; then 3 s again.
        assert_eq!(starts.seen(), [0, 3_000, 4_000, 6_000, 9_000, 12_000, 15_000]);
    }

    #[tokio::test(start_paused = true)]
    async fn each_failure_can_be_known_and_the_pauses_are_the_same() {
        let (mut dns, starts) = planned(&[Fails("no"), Finds(&[]), Fails("no"), Finds(&[1])]);
        for why in ["no", "the name has no addresses", "no"] {
            let error = dns.next_or_error().await.expect_err("it fails");
            assert_eq!(Chain(&error).to_string(), format!("cannot resolve svc.internal:9000: {why}"));
            assert_ne!(error.kind(), io::ErrorKind::NotFound);
        }
        assert_eq!(dns.next_or_error().await.expect("it has been found"), set(&[1]));
        assert_eq!(starts.seen(), [0, 1_000, 3_000, 7_000]);
        let (mut dns, _) = planned(&[Fails("failed to lookup address information: Name does not resolve")]);
        assert_eq!(dns.next_or_error().await.expect_err("it fails").kind(), io::ErrorKind::NotFound);
    }

    /// What the system of this machine says, without asking the network.
    #[tokio::test]
    async fn a_name_that_cannot_exist_is_known_as_such() {
        let error = Dns::new("invalid..:9").next_or_error().await.expect_err("it is no name");
        assert_eq!(error.kind(), io::ErrorKind::NotFound, "{}", Chain(&error));
        let error = Dns::new("svc.internal").next_or_error().await.expect_err("it has no port");
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{}", Chain(&error));
    }

    #[tokio::test(start_paused = true)]
    async fn a_first_attempt_that_fails_is_repeated_until_there_is_a_set() {
        let (mut dns, starts) = planned(&[Fails("no"), Finds(&[]), Fails("no"), Fails("no"), Finds(&[1])]);
        assert_eq!(dns.next().await, set(&[1]));
        assert_eq!(starts.seen(), [0, 1_000, 3_000, 7_000, 15_000]);
        // The next failure begins with a short pause again.
        let (mut dns, starts) = planned(&[Fails("no"), Fails("no"), Finds(&[1]), Fails("no"), Finds(&[2])]);
        assert_eq!(dns.next().await, set(&[1]));
        assert_eq!(dns.next().await, set(&[2]));
        assert_eq!(starts.seen(), [0, 1_000, 3_000, 33_000, 34_000]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_resolver_that_hangs_is_given_up_after_the_time_limit() {
        let (mut dns, starts) =
            planned(&[Hangs, FindsAfter(4_999, &[1]), FindsAfter(5_001, &[2]), Finds(&[3])]);
        assert_eq!(dns.next().await, set(&[1]));
        assert_eq!(starts.seen(), [0, 6_000]);
        assert_eq!(dns.next().await, set(&[3]));
        assert_eq!(starts.seen()[2..], [40_999, 46_999]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refresh_resolves_soon_but_not_more_than_once_a_second() {
        let (mut dns, starts) = planned(&[Finds(&[1]), Finds(&[1]), Finds(&[1]), Finds(&[2])]);
        dns.refresh(); // nothing has been resolved yet: no effect
        assert_eq!(dns.next().await, set(&[1]));
        advance(Duration::from_millis(10)).await;
        for _ in 0..100 {
            dns.refresh();
            assert!(waits(&mut dns, 20).await);
        }
        // For 2.01 s, a hundred connections were lost.
        assert_eq!(starts.seen(), [0, 1_000, 2_000]);
        advance(Duration::from_secs(10)).await;
        dns.refresh();
        assert_eq!(dns.next().await, set(&[2]));
        assert_eq!(starts.seen()[3..], [12_010]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_is_dropped_loses_neither_the_attempt_nor_the_pause() {
        let (mut dns, starts) = planned(&[FindsAfter(1_000, &[1]), FindsAfter(1_000, &[2])]);
        for _ in 0..9 {
            assert!(waits(&mut dns, 100).await);
            dns.refresh();
        }
        assert_eq!(dns.next().await, set(&[1]));
        for _ in 0..300 {
            assert!(waits(&mut dns, 100).await);
        }
        assert_eq!(dns.next().await, set(&[2]));
        assert_eq!(starts.seen(), [0, 31_000]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_resolver_that_panics_is_neither_polled_again_nor_called_without_a_pause() {
        let (mut dns, starts) = planned(&[Panics, PanicsLater, Finds(&[1])]);
        for _ in 0..2 {
            AssertUnwindSafe(dns.next()).catch_unwind().await.expect_err("it panics");
            dns.refresh();
        }
        assert_eq!(dns.next().await, set(&[1]));
        assert_eq!(starts.seen(), [0, 1_000, 2_000]);
    }

    #[tokio::test(start_paused = true)]
    async fn settings_are_kept_within_their_bounds() {
        let (dns, starts) = planned(&[Finds(&[1]), Finds(&[2]), Fails("no"), Finds(&[3]), Finds(&[4])]);
        let mut dns = dns.interval(Duration::ZERO).shortest_pause(Duration::ZERO).timeout(Duration::ZERO);
        for host in 1..=4 {
            assert_eq!(dns.next().await, set(&[host]));
        }
        assert_eq!(starts.seen(), [0, 10, 20, 30, 40]);

        let (dns, starts) = planned(&[FindsAfter(1_000_000, &[1]), Finds(&[2])]);
        let most = Duration::MAX;
        let mut dns = dns.interval(most).shortest_pause(most).timeout(most);
        assert_eq!(dns.next().await, set(&[1]));
        let years = Duration::from_secs(10 * 365 * 24 * 60 * 60);
        timeout(years, dns.next()).await.expect_err("it is never resolved again");
        dns.refresh();
        timeout(years, dns.next()).await.expect_err("nor when a connection is lost");
        assert_eq!(starts.seen(), [0]);
    }

    #[tokio::test]
    async fn the_system_resolves_it_by_default() {
        assert_eq!(
            Dns::new("127.0.0.1:9").next().await,
            Some(vec![SocketAddr::from(([127, 0, 0, 1], 9)).into()])
        );
        let mut wrong = Dns::new("svc.internal");
        let error = wrong.answer().await.expect_err("it has no port");
        assert_eq!(error.to_string(), "the address has no port");
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_logged_when_its_reason_changes_and_when_it_is_over() {
        let log = Log::default();
        let _guard = tracing::subscriber::set_default(log.clone());
        let plan = [
            Finds(&[1]),
            Fails("a"),
            Fails("a"),
            Fails("b"),
            Finds(&[]),
            Hangs,
            Finds(&[1]),
            Fails("b"),
            Finds(&[2]),
        ];
        let (mut dns, _) = planned(&plan);
        assert_eq!(dns.next().await, set(&[1]));
        assert_eq!(dns.next().await, set(&[2]));
        let expected = [
            (Level::WARN, Some("a")),
            (Level::WARN, Some("b")),
            (Level::WARN, Some("the name has no addresses")),
            (Level::WARN, Some("no answer within 5s")),
            (Level::INFO, None),
            (Level::WARN, Some("b")),
            (Level::INFO, None),
        ];
        let expected: Vec<_> =
            expected.iter().map(|(level, error)| (*level, error.map(str::to_owned))).collect();
        assert_eq!(*log.0.lock().expect("no panic"), expected);
    }

    /// The level and the field `error` of each event of this module.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<Seen>>>);

    type Seen = (Level, Option<String>);

    struct ErrorField(Option<String>);

    impl Visit for ErrorField {
        fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}

        fn record_str(&mut self, field: &Field, value: &str) {
            if field.name() == "error" {
                self.0 = Some(value.to_owned());
            }
        }
    }

    impl Subscriber for Log {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            metadata.target() == "cmd_stream::group::endpoints::dns"
        }

        fn event(&self, event: &Event<'_>) {
            let mut error = ErrorField(None);
            event.record(&mut error);
            self.0.lock().expect("no panic").push((*event.metadata().level(), error.0));
        }

        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }

        fn record(&self, _: &Id, _: &Record<'_>) {}
        fn record_follows_from(&self, _: &Id, _: &Id) {}
        fn enter(&self, _: &Id) {}
        fn exit(&self, _: &Id) {}
    }
}
