//! What may be written where an address is asked for, and errors that name it.

use std::error::Error as StdError;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use cmd_stream::client::Limits;
use cmd_stream::transport::{Address, memory};
use cmd_stream::{Client, Error, ErrorKind, Json, Sender, Server};
use testkit::sample::{EchoCmd, Sample, Service};
use testkit::wait::within;
use tokio::net::TcpListener;

async fn serve(address: impl Into<Address>) -> SocketAddr {
    let server = Server::bind(address, Sample, Json, Service).await.expect("loopback has a free port");
    let address = server.handle().local_addr().socket_addr().expect("it is TCP");
    tokio::spawn(server.serve());
    address
}

async fn check(address: impl Into<Address>) {
    let client = within(Client::connect(address, Sample, Json)).await.expect("it listens");
    within(client.send(EchoCmd::default())).await.expect("a reply");
}

#[tokio::test]
async fn text_pairs_socket_addresses_and_peers_do_on_both_sides() {
    let socket = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    for address in [
        serve("127.0.0.1:0").await,
        serve(String::from("127.0.0.1:0")).await,
        serve(("127.0.0.1", 0)).await,
        serve((String::from("127.0.0.1"), 0)).await,
        serve((Ipv4Addr::LOCALHOST, 0)).await,
        serve((IpAddr::from(Ipv4Addr::LOCALHOST), 0)).await,
        serve(socket).await,
        serve(&socket).await,
    ] {
        let text = address.to_string();
        check(text.as_str()).await;
        check(&text).await;
        check(text).await;
        check(("127.0.0.1", address.port())).await;
        check((address.ip(), address.port())).await;
        check(address).await;
    }
    let server = Server::bind(("localhost", 0), Sample, Json, Service).await.expect("it has an address");
    let handle = server.handle();
    tokio::spawn(server.serve());
    check(handle.local_addr()).await;
    check(handle.local_addr().clone()).await;
    let port = handle.local_addr().socket_addr().expect("it is TCP").port();
    check(format!("localhost:{port}")).await;
}

fn text(error: Error) -> String {
    format!("{error:#}")
}

#[tokio::test]
async fn errors_name_the_address_they_are_about() {
    let taken = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = taken.local_addr().expect("it is bound");
    let error = Server::bind(address, Sample, Json, Service).await.expect_err("it is taken");
    assert_eq!((error.kind(), error.to_string()), (ErrorKind::Io, format!("cannot listen on {address}")));

    for (address, error) in [
        ("127.0.0.1:1", Client::connect("127.0.0.1:1", Sample, Json).await.map(drop)),
        ("127.0.0.1:1", Sender::connect(("127.0.0.1", 1), Sample, Json).await.map(drop)),
        ("no port", Client::connect("no port", Sample, Json).await.map(drop)),
        ("name.invalid:80", Client::connect(("name.invalid", 80), Sample, Json).await.map(drop)),
    ] {
        let error = error.expect_err("nobody listens");
        assert_eq!(error.kind(), ErrorKind::Io, "{error:#}");
        assert_eq!(error.to_string(), format!("cannot connect to {address}"));
    }

    // One that listens and says nothing, one that hangs up, one that is no server of ours.
    let limits = Limits::default().handshake(std::time::Duration::from_millis(20));
    let silent =
        Client::builder(Sample, Json).limits(limits).connect(address).await.expect_err("it is silent");
    assert_eq!(
        (silent.kind(), silent.to_string().contains(&address.to_string())),
        (ErrorKind::Timeout, true)
    );
    let _ = taken.accept().await; // the silent one
    let hangs_up =
        tokio::join!(Client::connect(address, Sample, Json), async { drop(taken.accept().await) }).0;
    let hangs_up = hangs_up.expect_err("it hangs up");
    assert!(hangs_up.to_string().contains(&address.to_string()), "{hangs_up}");
}

#[tokio::test]
async fn text_that_is_no_host_and_port_is_refused_with_what_is_wrong() {
    for (address, expected) in [
        ("", "an empty address: the address has no port (it must be HOST:PORT)"),
        ("localhost", "localhost: the address has no port (it must be HOST:PORT)"),
        ("localhost:", "localhost:: the address has no port (it must be HOST:PORT)"),
        ("127.0.0.1", "127.0.0.1: the address has no port (it must be HOST:PORT)"),
        ("[::1]", "[::1]: the address has no port (it must be HOST:PORT)"),
        ("localhost:http", "localhost:http: the address is not HOST:PORT"),
        ("localhost:65536", "localhost:65536: the address is not HOST:PORT"),
        ("http://127.0.0.1:80", "http://127.0.0.1:80: the address is not HOST:PORT"),
        ("http://localhost", "http://localhost: the address is not HOST:PORT"),
        ("127.0.0.1:80/", "127.0.0.1:80/: the address is not HOST:PORT"),
        ("/run/shop.sock", "/run/shop.sock: the address is not HOST:PORT"),
        (":80", ":80: the address is not HOST:PORT"),
    ] {
        let connecting = within(Client::connect(address, Sample, Json)).await.expect_err("no such address");
        let binding =
            within(Server::bind(address, Sample, Json, Service)).await.expect_err("no such address");
        for (error, what) in [(connecting, "connect to"), (binding, "listen on")] {
            let io: Option<&io::Error> = error.source().and_then(<dyn StdError>::downcast_ref);
            assert_eq!(io.map(io::Error::kind), Some(io::ErrorKind::InvalidInput), "{error:#}");
            assert_eq!((error.kind(), text(error)), (ErrorKind::Io, format!("cannot {what} {expected}")));
        }
    }
}

/// Of several endpoints as of one.
#[tokio::test]
async fn a_sender_names_the_address_that_is_wrong() {
    for endpoints in [vec!["localhost"], vec!["localhost", "localhost"]] {
        let connecting = Sender::builder(Sample, Json).endpoints(endpoints).connect();
        let error = within(connecting).await.expect_err("no such address");
        let expected = "cannot connect to localhost: the address has no port (it must be HOST:PORT)";
        assert_eq!((error.kind(), text(error)), (ErrorKind::Io, expected.into()));
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_peer_that_is_no_tcp_address_is_refused_with_what_to_do() {
    let peer = cmd_stream::transport::Peer::unix(Some("/run/shop.sock".into()));
    let error = Client::connect(&peer, Sample, Json).await.expect_err("it is a Unix socket");
    let expected = "cannot connect to /run/shop.sock: not a TCP address: use `connect_by` with its transport";
    assert_eq!(text(error), expected);
    let error = Server::bind(&peer, Sample, Json, Service).await.expect_err("it is a Unix socket");
    assert!(text(error).starts_with("cannot listen on /run/shop.sock: "));
}

#[tokio::test]
async fn a_connector_without_a_listener_is_named_too() {
    let (connector, listener) = memory::pair();
    drop(listener);
    let error = Client::builder(Sample, Json).connect_by(connector).await.expect_err("nobody listens");
    assert!(error.to_string().contains("memory"), "{error}");
}

#[tokio::test]
async fn the_peer_of_a_client_is_there_for_as_long_as_its_connection() {
    let address = serve("127.0.0.1:0").await;
    let client = within(Client::connect(address, Sample, Json)).await.expect("it listens");
    assert_eq!(client.peer().expect("it is connected").socket_addr(), Some(address));
    client.close();
    assert_eq!(client.peer(), None);
}

#[test]
fn an_address_is_shown_in_one_short_line() {
    assert_eq!(Address::from(("[::1]", 9)).to_string(), "[::1]:9");
    assert_eq!(Address::from(("::1", 9)).to_string(), "[::1]:9");
    assert_eq!(Address::from("").to_string(), "an empty address");
    assert_eq!(Address::from("a\nb").to_string(), "a\\nb");
    assert_eq!(Address::from("x".repeat(1 << 20)).to_string().len(), 302);
}
