//! TLS: who is let in, what each side says of those who are not, and certificates that change.

mod endings;
mod errors;
mod foreign;
#[path = "../common/lab.rs"]
mod lab;
mod peers;
#[path = "../common/pipes.rs"]
mod pipes;
mod raw;
mod reload;
mod served;
mod sources;

use cmd_stream::client::Client;
use cmd_stream::server::Limits;
use cmd_stream::transport::tls::{
    Authorities, ClientTls, ClientTlsBuilder, Identity, Listener, ServerTls, ServerTlsBuilder,
};
use cmd_stream::{Error, Json};
use lab::{Plain, World};
use testkit::certs::{Authority, Issued};
use testkit::wait::within;
use tokio::net::TcpListener;

/// The names of the server in most tests.
const NAMES: &[&str] = &["localhost", "127.0.0.1"];

fn identity(issued: &Issued) -> Identity {
    Identity::pem(&issued.chain, &issued.key)
}

fn authorities(authority: &Authority) -> Authorities {
    Authorities::pem(authority.pem())
}

/// A server with a certificate for [`NAMES`].
fn server(authority: &Authority) -> ServerTlsBuilder {
    ServerTls::builder(identity(&authority.server(NAMES)))
}

/// A client that trusts this authority.
fn client(authority: &Authority) -> ClientTlsBuilder {
    ClientTls::builder().authorities(authorities(authority))
}

/// Serves TLS on a TCP port of its own.
async fn world(tls: impl Into<ServerTls>) -> World {
    world_within(tls, Limits::default()).await
}

async fn world_within(tls: impl Into<ServerTls>, limits: Limits) -> World {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    World::over(Listener::new(listener, tls), limits)
}

async fn connect(world: &World, tls: impl Into<ClientTls>) -> Result<Client<Plain, Json>, Error> {
    within(Client::builder(Plain, Json).reconnect(false).connect_tls(world.address(), tls)).await
}
