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

#[cfg(target_os = "linux")]
#[tokio::test]
async fn abstract_unix_socket_keeps_its_name() {
    let name = format!("\0cmd-stream-life-cycle-{}\n", std::process::id());
    let shown = name.replace('\0', "@").replace('\n', "\\n");
    let listener = tokio::net::UnixListener::bind(&name).unwrap();
    let transport = cmd_stream::transport::Unix::new(&name);
    assert_eq!(transport.address(), shown);
    serves(listener, transport, |peer| {
        peer.to_string() == shown && peer.unix_path() == Some(std::path::Path::new(&name))
    })
    .await;
    // An address that was asked for can be connected to.
    let listener = tokio::net::UnixListener::bind(&name).unwrap();
    let world = World::over(listener, Limits::default());
    let path = world.handle.local_addr().unix_path().expect("it has a name");
    let client = client_by(&cmd_stream::transport::Unix::new(path)).await;
    assert_eq!(within(client.send(echo("a"))).await.unwrap(), text("a"));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn client_that_is_bound_to_an_abstract_name_is_seen_by_it() {
    let path = std::env::temp_dir().join(format!("cmd-stream-named-client-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let mut listener = tokio::net::UnixListener::bind(&path).unwrap();
    let socket = tokio::net::UnixSocket::new_stream().unwrap();
    let name = format!("\0cmd-stream-client-{}", std::process::id());
    socket.bind(&name).unwrap();
    let (_stream, accepted) = tokio::join!(socket.connect(&path), Accept::accept(&mut listener));
    let (_, peer) = accepted.unwrap();
    assert_eq!(peer, Peer::unix(Some(name.into())));
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
