//! Every transport, served and connected to; and addresses that fail.

use crate::lab::{Lab, Plain, World, client_by, echo, text};
use crate::{assert_error, assert_shutdown};
use cmd_stream::client::Client;
use cmd_stream::server::Limits;
use cmd_stream::transport::{Accept, Connect, Peer, Tcp, memory};
use cmd_stream::{ErrorKind, Json, Origin, Sender, Server};
use testkit::wait::within;
use tokio::net::TcpListener;

async fn serves(listener: impl Accept, transport: impl Connect + Clone, is_address: impl Fn(&Peer) -> bool) {
    let world = World::over(listener, Limits::default());
    assert!(is_address(world.handle.local_addr()), "{}", world.handle.local_addr());
    let client = client_by(&transport).await;
    let peer = client.peer().expect("it is connected");
    assert!(is_address(&peer), "{peer}");
    assert_eq!(within(client.send(echo("a"))).await.unwrap(), text("a"));
    world.handle.shutdown();
    assert_shutdown(world.served().await, 0, 0);
    assert_eq!(within(client.closed()).await.kind(), ErrorKind::Closed);
    let refused = Client::builder(Plain, Json).connect_by(transport).await.unwrap_err();
    assert_error(&refused, ErrorKind::Io, Origin::System, "cannot connect to");
}

#[tokio::test]
async fn listener_of_the_callers_own_is_served() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    serves(listener, Tcp::new(address.to_string()), |peer| *peer == Peer::from(address)).await;
}

#[cfg(unix)]
#[tokio::test]
async fn unix_socket_is_served() {
    let path = std::env::temp_dir().join(format!("cmd-stream-life-cycle-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let transport = cmd_stream::transport::Unix::new(&path);
    serves(listener, transport, |peer| *peer == Peer::unix(Some(path.clone()))).await;
    std::fs::remove_file(&path).unwrap();
}

#[tokio::test]
async fn memory_transport_is_served() {
    let (connector, listener) = memory::pair();
    serves(listener, connector, |peer| *peer == Peer::other("memory")).await;
}

#[tokio::test]
async fn address_that_cannot_be_listened_on_is_an_error() {
    let taken = World::tcp(Limits::default()).await;
    let error = Server::bind(taken.address(), Plain, Json, Lab::new()).await.unwrap_err();
    assert_error(&error, ErrorKind::Io, Origin::System, "cannot listen on");
    let error = Server::bind("no address", Plain, Json, Lab::new()).await.unwrap_err();
    assert_error(&error, ErrorKind::Io, Origin::System, "cannot listen on");
}

#[tokio::test]
async fn address_where_nobody_listens_is_an_error() {
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
    let error = within(Sender::connect(&address, Plain, Json)).await.unwrap_err();
    assert_error(&error, ErrorKind::Io, Origin::System, &format!("cannot connect to {address}"));
    assert!(!error.was_sent());
}
