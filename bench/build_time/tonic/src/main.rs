//! The smallest echo service, with a client.

use tonic::transport::Server;
use tonic::{Request, Response, Status};

use pb::echo_client::EchoClient;
use pb::echo_server::{Echo, EchoServer};

mod pb {
    tonic::include_proto!("echo");
}

struct Service;

#[tonic::async_trait]
impl Echo for Service {
    async fn send(&self, request: Request<pb::Message>) -> Result<Response<pb::Message>, Status> {
        Ok(Response::new(request.into_inner()))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
    tokio::spawn(Server::builder().add_service(EchoServer::new(Service)).serve_with_incoming(incoming));

    let mut client = EchoClient::connect(format!("http://{address}")).await?;
    let reply = client.send(pb::Message { text: "hello".to_owned() }).await?;
    println!("{}", reply.into_inner().text);
    Ok(())
}
