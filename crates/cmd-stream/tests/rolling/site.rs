//! The service: numbered Commands, and a record of what was executed. It survives restarts, as a database would.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cmd_stream::protocol::ClientProtocol;
use cmd_stream::server::{Handle, Limits, Served, ServerProtocol};
use cmd_stream::{Answer, Context, Execute, Failed, Json, Problem, Proxy, Reply, Server, protocol};
use serde::{Deserialize, Serialize};
use testkit::wait::within;
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// How often each number was executed, and how many were by each server.
#[derive(Clone, Debug, Default)]
pub(crate) struct Record(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    ran: Mutex<HashMap<u64, u32>>,
    by: [AtomicUsize; 2],
}

impl Record {
    fn add(&self, number: u64, server: usize) {
        *self.0.ran.lock().unwrap_or_else(PoisonError::into_inner).entry(number).or_insert(0) += 1;
        self.0.by[server].fetch_add(1, Relaxed);
    }

    /// How often this number was executed.
    pub(crate) fn times(&self, number: u64) -> u32 {
        self.0.ran.lock().unwrap_or_else(PoisonError::into_inner).get(&number).copied().unwrap_or(0)
    }

    /// How many numbers were executed.
    pub(crate) fn len(&self) -> usize {
        self.0.ran.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// How many Commands this server has executed.
    pub(crate) fn by(&self, server: usize) -> usize {
        self.0.by[server].load(Relaxed)
    }
}

/// The Receiver of one server.
pub(crate) struct Site {
    record: Record,
    number: usize,
    pace: Pace,
}

/// How long Commands take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Pace {
    /// Most are answered in place. Each fourth waits for the timer.
    Mixed,
    /// All take so long.
    Each(Duration),
}

impl Site {
    async fn run(&self, number: u64) {
        self.record.add(number, self.number);
        match self.pace {
            Pace::Mixed if !number.is_multiple_of(4) => {}
            Pace::Mixed => sleep(Duration::from_millis(1)).await,
            Pace::Each(time) => sleep(time).await,
        }
    }
}

/// Must not run twice.
#[derive(Serialize, Deserialize)]
pub(crate) struct Pay {
    pub(crate) number: u64,
}

/// May run twice.
#[derive(Serialize, Deserialize)]
pub(crate) struct Look {
    pub(crate) number: u64,
}

/// Is not answered.
#[derive(Serialize, Deserialize)]
pub(crate) struct Note {
    pub(crate) number: u64,
}

/// Is answered three times.
#[derive(Serialize, Deserialize)]
pub(crate) struct Follow {
    pub(crate) number: u64,
}

/// Of [`Pay`] and [`Look`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Done {
    pub(crate) number: u64,
    pub(crate) value: u64,
}

impl Done {
    pub(crate) fn of(number: u64) -> Self {
        Self { number, value: number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 12 }
    }
}

/// Of [`Follow`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Step {
    pub(crate) number: u64,
    pub(crate) step: u64,
}

pub(crate) const STEPS: u64 = 3;

impl Reply for Step {
    fn is_last(&self) -> bool {
        self.step == STEPS
    }
}

impl Answer<Site> for Pay {
    async fn answer(self, site: &Site, _: &Context<'_>) -> Result<Done, Failed> {
        site.run(self.number).await;
        Ok(Done::of(self.number))
    }
}

impl Answer<Site> for Look {
    async fn answer(self, site: &Site, _: &Context<'_>) -> Result<Done, Failed> {
        site.run(self.number).await;
        Ok(Done::of(self.number))
    }
}

impl Answer<Site> for Note {
    async fn answer(self, site: &Site, _: &Context<'_>) -> Result<(), Failed> {
        site.run(self.number).await;
        Ok(())
    }
}

impl Execute<Site> for Follow {
    async fn execute(self, site: &Site, proxy: Proxy<'_, Step>) -> Result<(), Failed> {
        for step in 1..=STEPS {
            if step == 1 {
                site.run(self.number).await;
            }
            proxy.send(Step { number: self.number, step }).await?;
        }
        Ok(())
    }
}

protocol! {
    pub(crate) struct Works {
        commands { 0 => Pay -> Done, 1 => Look -> Done, 2 => Note -> (), 3 => Follow -> Step }
        replies { 0 => Done, 1 => Step }
        idempotent { Look }
        failure close_connection
    }
}

protocol! {
    /// The same service, whose Protocol has a failure: a server that shuts down refuses Commands by it.
    pub(crate) struct Declared {
        commands { 0 => Pay, 1 => Look, 2 => Note, 3 => Follow }
        replies { 0 => Done, 1 => Step, 2 => Problem }
        failure Problem
    }
}

/// One of the Protocols.
pub(crate) trait Service: ServerProtocol<Json, Site> + ClientProtocol<Json> + Copy {}
impl<P: ServerProtocol<Json, Site> + ClientProtocol<Json> + Copy> Service for P {}

/// A server that can be started again on its port.
pub(crate) struct Running {
    pub(crate) address: String,
    pub(crate) handle: Handle,
    serving: JoinHandle<Served>,
}

/// How a server is stopped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stop {
    Gracefully,
    /// All connections are closed at once, as when the process is killed.
    Hard,
}

impl Running {
    pub(crate) async fn start(
        protocol: impl Service,
        address: &str,
        number: usize,
        record: &Record,
        pace: Pace,
        limits: Limits,
    ) -> Self {
        let bind = async || {
            let site = Site { record: record.clone(), number, pace };
            Server::builder(protocol, Json, site).limits(limits.clone()).bind(address).await
        };
        // Somebody else may have been given the port for a moment.
        let server = within(async {
            loop {
                match bind().await {
                    Ok(server) => return server,
                    Err(_) => sleep(Duration::from_millis(5)).await,
                }
            }
        });
        let server = server.await;
        let handle = server.handle();
        let address = handle.local_addr().to_string();
        Self { address, handle, serving: tokio::spawn(server.serve()) }
    }

    pub(crate) async fn stop(&mut self, how: Stop) -> Served {
        match how {
            Stop::Gracefully => self.handle.shutdown(),
            Stop::Hard => self.handle.close(),
        }
        within(&mut self.serving).await.expect("it does not panic")
    }
}
