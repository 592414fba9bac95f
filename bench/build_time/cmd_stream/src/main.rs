//! The smallest echo service, with a client.

use cmd_stream::{Answer, Client, Context, Failed, Json, Problem, Server, protocol};
use serde::{Deserialize, Serialize};

struct Service;

#[derive(Serialize, Deserialize)]
struct Echo(String);

#[derive(Serialize, Deserialize)]
struct Echoed(String);

impl Answer<Service> for Echo {
    async fn answer(self, _: &Service, _: &Context<'_>) -> Result<Echoed, Failed> {
        Ok(Echoed(self.0))
    }
}

protocol! {
    struct EchoProtocol {
        commands { 0 => Echo -> Echoed }
        replies { 0 => Echoed, 1 => Problem }
        failure Problem
    }
}

#[tokio::main]
async fn main() -> Result<(), cmd_stream::Error> {
    let server = Server::builder(EchoProtocol, Json, Service).bind("127.0.0.1:0").await?;
    let handle = server.handle();
    tokio::spawn(server.serve());

    let client = Client::builder(EchoProtocol, Json).connect(handle.local_addr()).await?;
    let Echoed(text) = client.send(Echo("hello".to_owned())).await?;
    println!("{text}");
    Ok(())
}
