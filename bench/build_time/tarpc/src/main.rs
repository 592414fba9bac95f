//! The smallest echo service, with a client.

use futures::StreamExt;
use tarpc::server::{BaseChannel, Channel};
use tarpc::tokio_serde::formats::Json;
use tarpc::{client, context, serde_transport::tcp};

#[tarpc::service]
trait Echo {
    async fn send(text: String) -> String;
}

#[derive(Clone)]
struct Service;

impl Echo for Service {
    async fn send(self, _: context::Context, text: String) -> String {
        text
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut listener = tcp::listen("127.0.0.1:0", Json::default).await?;
    let address = listener.local_addr();
    tokio::spawn(async move {
        while let Some(Ok(transport)) = listener.next().await {
            let channel = BaseChannel::with_defaults(transport);
            tokio::spawn(channel.execute(Service.serve()).for_each(|call| async {
                tokio::spawn(call);
            }));
        }
    });

    let transport = tcp::connect(address, Json::default).await?;
    let client = EchoClient::new(client::Config::default(), transport).spawn();
    println!("{}", client.send(context::current(), "hello".to_owned()).await?);
    Ok(())
}
