// compiles
//! Commands that act on any Receiver with a certain trait, and a server that is generic in it.

#![deny(warnings)]

use cmd_stream::protocol::kind::{Plain, Wrapper};
use cmd_stream::{Answer, Command, Context, Error, Execute, Failed, Json, Proxy, Reply, Server, protocol};
use serde::{Deserialize, Serialize};

trait Store: Send + Sync + 'static {
    fn put(&self, key: String, value: String);
    fn all(&self) -> Vec<(String, String)>;
}

#[derive(Serialize, Deserialize)]
pub struct Put {
    key: String,
    value: String,
}

#[derive(Serialize, Deserialize)]
pub struct Forget(String);

#[derive(Serialize, Deserialize)]
pub struct Scan;

#[derive(Serialize, Deserialize)]
pub struct Done;

#[derive(Serialize, Deserialize)]
pub enum Scanned {
    Entry(String, String),
    End,
}

impl Reply for Scanned {
    fn is_last(&self) -> bool {
        matches!(self, Self::End)
    }
}

impl<S: Store> Answer<S> for Put {
    async fn answer(self, store: &S, _: &Context<'_>) -> Result<Done, Failed> {
        store.put(self.key, self.value);
        Ok(Done)
    }
}

impl<S: Store> Answer<S> for Forget {
    async fn answer(self, store: &S, _: &Context<'_>) -> Result<(), Failed> {
        store.put(self.0, String::new());
        Ok(())
    }
}

impl Command for Scan {
    type Reply = Scanned;
    type Kind = Wrapper<Plain>;
}

impl<S: Store> Execute<S> for Scan {
    async fn execute(self, store: &S, proxy: Proxy<'_, Scanned>) -> Result<(), Failed> {
        for (key, value) in store.all() {
            proxy.send(Scanned::Entry(key, value)).await?;
        }
        proxy.send(Scanned::End).await
    }
}

protocol! {
    pub struct Storage {
        commands { 0 => Put -> Done, 1 => Scan, 2 => Forget -> () }
        replies { 0 => Done, 1 => Scanned }
        failure close_connection
    }
}

pub async fn client(client: cmd_stream::Client<Storage, Json>) -> Result<(), Error> {
    let Done = client.send(Put { key: "a".into(), value: "b".into() }).await?;
    client.post(Forget("a".into())).await?;
    let mut all = client.stream(Scan).await?;
    while let Some(Scanned::Entry(..)) = all.next().await.transpose()? {}
    Ok(())
}

async fn server<S: Store>(store: S) -> Result<(), Error> {
    Server::bind("127.0.0.1:9000", Storage, Json, store).await?.serve().await;
    Ok(())
}

struct InMemory;

impl Store for InMemory {
    fn put(&self, _: String, _: String) {}
    fn all(&self) -> Vec<(String, String)> {
        Vec::new()
    }
}

struct OnDisk(std::path::PathBuf);

impl Store for OnDisk {
    fn put(&self, _: String, _: String) {}
    fn all(&self) -> Vec<(String, String)> {
        vec![(self.0.display().to_string(), String::new())]
    }
}

pub async fn servers() -> Result<(), Error> {
    server(InMemory).await?;
    server(OnDisk("/tmp".into())).await
}

fn main() {}
