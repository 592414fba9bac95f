//! A service whose Commands end in every way, and a server of it.

use std::sync::Arc;
use std::time::Duration;

use cmd_stream::server::{Builder, CommandStats, Handle, Scheduling};
use cmd_stream::transport::Accept;
use cmd_stream::{Answer, Client, Context, Execute, Failed, Json, Problem, Proxy, Reply, Server, protocol};
use serde::{Deserialize, Serialize};
use testkit::wait::{until, within};
use tokio::sync::Semaphore;

/// The Receiver: a gate at which some Commands wait.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) gate: Arc<Semaphore>,
}

/// Answered in place.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Quick;

/// Answered after the gate.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Wait;

/// Fails: in place, or after the gate.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Fail {
    pub(crate) waits: bool,
}

/// Panics: in place, or after the gate.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Boom {
    pub(crate) waits: bool,
}

/// Never answered; runs after the gate.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Note;

/// Answered with so many Replies.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Count {
    pub(crate) to: u32,
}

/// Handed over to a task, which answers after the gate, drops its Proxy, or fails.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Later {
    pub(crate) how: How,
    /// Whether it is handed over in the first poll.
    pub(crate) at_once: bool,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) enum How {
    Answer,
    Drop,
    Fail,
    FailItself,
}

/// Answered, and then it fails.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct After;

/// Sleeps for so many milliseconds: with a task of its own, by tokio's clock.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Sleep {
    pub(crate) millis: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Done {
    pub(crate) last: bool,
}

impl Reply for Done {
    fn is_last(&self) -> bool {
        self.last
    }
}

const DONE: Done = Done { last: true };

impl Desk {
    async fn wait(&self) {
        self.gate.acquire().await.expect("the gate is never closed").forget();
    }
}

impl Answer<Desk> for Quick {
    const SCHEDULING: Scheduling = Scheduling::InPlace;

    async fn answer(self, _: &Desk, _: &Context<'_>) -> Result<Done, Failed> {
        Ok(DONE)
    }
}

impl Answer<Desk> for Wait {
    async fn answer(self, desk: &Desk, _: &Context<'_>) -> Result<Done, Failed> {
        desk.wait().await;
        Ok(DONE)
    }
}

impl Answer<Desk> for Fail {
    const SCHEDULING: Scheduling = Scheduling::InPlace;

    async fn answer(self, desk: &Desk, _: &Context<'_>) -> Result<Done, Failed> {
        if self.waits {
            desk.wait().await;
        }
        Err(Failed::new("as it was asked to"))
    }
}

impl Answer<Desk> for Boom {
    const SCHEDULING: Scheduling = Scheduling::InPlace;

    async fn answer(self, desk: &Desk, _: &Context<'_>) -> Result<Done, Failed> {
        if self.waits {
            desk.wait().await;
        }
        panic!("as it was asked to");
    }
}

impl Answer<Desk> for Note {
    async fn answer(self, desk: &Desk, _: &Context<'_>) -> Result<(), Failed> {
        desk.wait().await;
        Ok(())
    }
}

impl Execute<Desk> for Count {
    async fn execute(self, _: &Desk, proxy: Proxy<'_, Done>) -> Result<(), Failed> {
        for number in 1..=self.to {
            proxy.send(Done { last: number == self.to }).await?;
        }
        Ok(())
    }
}

impl Execute<Desk> for Later {
    const SCHEDULING: Scheduling = Scheduling::InPlace;

    async fn execute(self, desk: &Desk, proxy: Proxy<'_, Done>) -> Result<(), Failed> {
        if !self.at_once {
            tokio::task::yield_now().await;
        }
        let (proxy, desk) = (proxy.into_owned(), desk.clone());
        let how = self.how;
        if let How::FailItself = how {
            drop(proxy);
            return Err(Failed::new("as it was asked to"));
        }
        tokio::spawn(async move {
            desk.wait().await;
            match how {
                How::Answer => drop(proxy.send(DONE).await),
                How::Fail => proxy.fail(Failed::new("as it was asked to")),
                How::Drop | How::FailItself => {}
            }
        });
        Ok(())
    }
}

impl Execute<Desk> for After {
    async fn execute(self, _: &Desk, proxy: Proxy<'_, Done>) -> Result<(), Failed> {
        proxy.send(DONE).await?;
        Err(Failed::new("as it was asked to"))
    }
}

impl Answer<Desk> for Sleep {
    const SCHEDULING: Scheduling = Scheduling::Spawned;

    async fn answer(self, _: &Desk, _: &Context<'_>) -> Result<Done, Failed> {
        tokio::time::sleep(Duration::from_millis(self.millis)).await;
        Ok(DONE)
    }
}

protocol! {
    pub(crate) struct Office {
        commands {
            0 => Quick -> Done,
            1 => Wait -> Done,
            2 => Fail -> Done,
            3 => Boom -> Done,
            4 => Note -> (),
            5 => Count -> Done,
            6 => Later -> Done,
            7 => After -> Done,
            8 => Sleep -> Done,
        }
        replies { 0 => Done, 1 => Problem }
        failure Problem
    }
}

/// A server that is served.
pub(crate) struct Open {
    pub(crate) desk: Desk,
    pub(crate) handle: Handle,
}

impl Open {
    pub(crate) fn over(
        listener: impl Accept,
        settings: impl FnOnce(Builder<Office, Json, Desk>) -> Builder<Office, Json, Desk>,
    ) -> Self {
        let desk = Desk { gate: Arc::new(Semaphore::new(0)) };
        let builder = settings(Server::builder(Office, Json, desk.clone()));
        let server = builder.listen(listener).expect("it has an address");
        let handle = server.handle();
        tokio::spawn(server.serve());
        Self { desk, handle }
    }

    pub(crate) async fn tcp() -> Self {
        Self::over(tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free"), |builder| {
            builder
        })
    }

    pub(crate) async fn client(&self) -> Client<Office, Json> {
        let address = self.handle.local_addr().to_string();
        within(Client::connect(address, Office, Json)).await.expect("the server is there")
    }

    pub(crate) fn command(&self, name: &str) -> CommandStats {
        self.handle.stats().command(name).expect("it is declared").clone()
    }

    /// Waits until the numbers of a Command are these: a Command ends after its Reply was sent.
    pub(crate) async fn until(&self, name: &str, expected: [u64; 6]) {
        let mut last = [0; 6];
        let reached = within(until(|| {
            last = crate::numbers(&self.command(name));
            last == expected
        }));
        reached.await;
    }
}
