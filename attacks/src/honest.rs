//! The honest client: it makes one call after the other, in a thread of its own, and notes how long each takes. It pauses
//! after each. Otherwise a thousand quick calls, made while the machine attends to it, would hide one that waits for long.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use cmd_stream::Client;
use cmd_stream::format::{Encode, Format};
use cmd_stream::protocol::ClientProtocol;
use tokio::runtime::Builder;

use crate::service::{Attacked, Quick};
use crate::setting::{self, with_format};

/// A client that calls until it is dropped.
pub(crate) struct Honest {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    over: AtomicBool,
    calls: Mutex<Calls>,
}

/// What became of calls.
#[derive(Clone, Debug, Default)]
pub(crate) struct Calls {
    times: Vec<Duration>,
    /// The error of the first that failed, and how many did.
    pub(crate) failed: Option<(String, usize)>,
}

impl Honest {
    /// Starts to call a server.
    pub(crate) fn start(format: setting::Format, address: &str) -> Self {
        let shared = Arc::<Shared>::default();
        let (of_thread, address) = (Arc::clone(&shared), address.to_owned());
        let thread = thread::spawn(move || with_format!(format, call_until_over(&address, &of_thread)));
        Self { shared, thread: Some(thread) }
    }

    /// Returns the calls that were made since this was last called.
    pub(crate) fn take(&self) -> Calls {
        std::mem::take(&mut *self.shared.calls.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Honest {
    fn drop(&mut self) {
        self.shared.over.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // it has told of its panic
        }
    }
}

impl Shared {
    fn add(&self, took: Duration, error: Option<String>) {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).add(took, error);
    }
}

impl Calls {
    pub(crate) fn count(&self) -> usize {
        self.times.len()
    }

    /// What 99 of 100 calls did not exceed. The longest, if there are fewer.
    pub(crate) fn p99(&self) -> Duration {
        let mut times = self.times.clone();
        times.sort_unstable();
        let at = (times.len() * 99 / 100).min(times.len().saturating_sub(1));
        times.get(at).copied().unwrap_or_default()
    }

    pub(crate) fn longest(&self) -> Duration {
        self.times.iter().copied().max().unwrap_or_default()
    }

    fn add(&mut self, took: Duration, error: Option<String>) {
        self.times.push(took);
        if let Some(error) = error {
            self.failed.get_or_insert((error, 0)).1 += 1;
        }
    }
}

fn call_until_over<F>(format: F, address: &str, shared: &Shared)
where
    F: Format + Encode<Quick> + Copy,
    Attacked: ClientProtocol<F>,
{
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let client = Client::builder(Attacked, format).timeout(PATIENCE).connect_lazy(address);
        while !shared.over.load(Relaxed) {
            let began = Instant::now();
            let error = client.send(Quick {}).await.err().map(|error| error.to_string());
            shared.add(began.elapsed(), error);
            tokio::time::sleep(PAUSE).await;
        }
    });
}

/// Connects anew and makes one call. Returns how long both took.
pub(crate) async fn newcomer(format: setting::Format, address: &str) -> Result<Duration, String> {
    let began = Instant::now();
    let called = match format {
        setting::Format::Json => connect_and_call(cmd_stream::Json, address).await,
        setting::Format::Mus => connect_and_call(cmd_stream::Mus, address).await,
        setting::Format::Protobuf => connect_and_call(cmd_stream::Protobuf, address).await,
    };
    called.map(|()| began.elapsed())
}

async fn connect_and_call<F>(format: F, address: &str) -> Result<(), String>
where
    F: Format + Encode<Quick> + Copy,
    Attacked: ClientProtocol<F>,
{
    let client = Client::builder(Attacked, format).timeout(PATIENCE).connect(address).await;
    let client = client.map_err(|error| format!("a new client cannot connect: {error:#}"))?;
    let called = client.send(Quick {}).await;
    client.close();
    called.map(drop).map_err(|error| format!("the call of a new client failed: {error}"))
}

/// How long the client is quiet between two calls.
const PAUSE: Duration = Duration::from_millis(1);
/// How long a call may take.
const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p99_is_what_one_of_a_hundred_exceeds() {
        let mut calls = Calls::default();
        assert_eq!(calls.p99(), Duration::ZERO);
        for n in 1..=200 {
            calls.add(Duration::from_millis(n), (n == 7).then(|| "seven".to_owned()));
        }
        assert_eq!((calls.count(), calls.p99()), (200, Duration::from_millis(199)));
        assert_eq!(calls.failed, Some(("seven".to_owned(), 1)));
    }
}
