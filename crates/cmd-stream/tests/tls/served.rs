//! Connections that are made: over each transport, with each kind of key, for each name.

use cmd_stream::client::Client;
use cmd_stream::server::Limits;
use cmd_stream::transport::tls::{ClientTls, Connector, Identity, Listener, ServerTls};
use cmd_stream::transport::{Connect, Tcp, memory};
use cmd_stream::{ErrorKind, Json, Server};
use testkit::certs::Authority;
use testkit::wait::within;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::lab::{Lab, Plain, World, echo, text};
use crate::{NAMES, client, connect, identity, server, world, world_within};

async fn answers(client: &Client<Plain, Json>) {
    assert_eq!(within(client.send(echo("a"))).await.unwrap(), text("a"));
}

#[tokio::test]
async fn a_server_is_verified_by_the_host_of_its_address() {
    let authority = Authority::new("ca");
    let tls = server(&authority).build().unwrap();
    let server = Server::builder(Plain, Json, Lab::new()).bind_tls("127.0.0.1:0", tls).await.unwrap();
    let port = server.handle().local_addr().socket_addr().unwrap().port();
    tokio::spawn(server.serve());
    let tls = client(&authority).build().unwrap();
    for host in ["localhost", "127.0.0.1"] {
        let client =
            within(Client::builder(Plain, Json).connect_tls((host, port), tls.clone())).await.unwrap();
        answers(&client).await;
    }
}

#[tokio::test]
async fn the_name_may_be_another_than_the_host() {
    let authority = Authority::new("ca");
    let world =
        world(ServerTls::builder(identity(&authority.server(&["shop.example"]))).build().unwrap()).await;
    let tls = client(&authority).build().unwrap();
    answers(&connect(&world, tls.clone().server_name("shop.example")).await.unwrap()).await;
    let error = connect(&world, tls.server_name("no name")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tls, "{error:#}");
    assert!(format!("{error:#}").contains("\"no name\" is not the name of a server"), "{error:#}");
}

#[tokio::test]
async fn tls_works_over_memory_if_the_name_is_set() {
    let authority = Authority::new("ca");
    let (connector, listener) = memory::pair();
    let _world = World::over(Listener::new(listener, server(&authority).build().unwrap()), Limits::default());
    let tls = client(&authority).build().unwrap();
    let connector = |tls: ClientTls| Connector::new(connector.clone(), tls);
    let named = connector(tls.clone().server_name("localhost"));
    answers(&within(Client::builder(Plain, Json).connect_by(named)).await.unwrap()).await;
    let unnamed = within(Client::builder(Plain, Json).connect_by(connector(tls))).await.unwrap_err();
    assert!(format!("{unnamed:#}").contains("set `ClientTls::server_name`"), "{unnamed:#}");
}

#[cfg(unix)]
#[tokio::test]
async fn tls_works_over_a_unix_socket() {
    let authority = Authority::new("ca");
    let path = std::env::temp_dir().join(format!("cmd-stream-tls-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let world = World::over(Listener::new(listener, server(&authority).build().unwrap()), Limits::default());
    assert_eq!(world.handle.local_addr().unix_path(), Some(&*path));
    let tls = client(&authority).build().unwrap().server_name("localhost");
    let connector = Connector::new(cmd_stream::transport::Unix::new(&path), tls);
    assert_eq!(connector.address(), path.display().to_string());
    answers(&within(Client::builder(Plain, Json).connect_by(connector)).await.unwrap()).await;
    std::fs::remove_file(&path).unwrap();
}

#[tokio::test]
async fn keys_may_be_pkcs8_sec1_or_pkcs1() {
    let authority = Authority::new("ca");
    let tls = client(&authority).build().unwrap();
    for issued in [authority.server(NAMES), authority.rsa_server(NAMES)] {
        for key in [issued.key.clone(), issued.traditional_key()] {
            let world = world(ServerTls::builder(Identity::pem(&issued.chain, key)).build().unwrap()).await;
            answers(&connect(&world, tls.clone()).await.unwrap()).await;
        }
    }
}

#[tokio::test]
async fn a_client_gets_the_certificate_of_the_name_it_asks_for_or_the_first_one() {
    let authority = Authority::new("ca");
    let issued = [&["a.example"][..], &["b.example", "*.b.example"], &["c.example"]]
        .map(|names| authority.server(names));
    let [a, b, c] = &issued;
    let tls = ServerTls::builder(identity(a)).also(identity(b)).also(identity(c)).build().unwrap();
    let world = world(tls).await;
    let tls = client(&authority).build().unwrap();
    for (name, expected) in [("a.example", a), ("b.example", b), ("x.b.example", b), ("c.example", c)] {
        let client = connect(&world, tls.clone().server_name(name)).await.unwrap();
        assert_eq!(client.peer().unwrap().certificate(), Some(&expected.der[..]), "{name}");
        answers(&client).await;
    }
    let error = connect(&world, tls.server_name("d.example")).await.unwrap_err();
    assert!(format!("{error:#}").contains("is only valid for DnsName(\"a.example\")"), "{error:#}");
}

#[tokio::test]
async fn silent_connections_do_not_delay_an_honest_client() {
    let authority = Authority::new("ca");
    let world = world(server(&authority).build().unwrap()).await;
    let mut silent = Vec::new();
    for n in 0..200 {
        let mut stream = TcpStream::connect(world.address()).await.unwrap();
        if n % 2 == 0 {
            stream.write_all(&[0x16, 3, 1]).await.unwrap(); // the beginning of a hello
        }
        silent.push(stream);
    }
    let began = std::time::Instant::now();
    let client = connect(&world, client(&authority).build().unwrap()).await.unwrap();
    answers(&client).await;
    assert!(began.elapsed().as_secs() < 1, "{:?}", began.elapsed());
    drop(silent);
}

#[tokio::test]
async fn large_values_and_many_calls_pass_in_both_directions() {
    let authority = Authority::new("ca");
    let world = world_within(server(&authority).build().unwrap(), Limits::default()).await;
    let client = connect(&world, client(&authority).build().unwrap()).await.unwrap();
    let large = "x".repeat(3 << 20);
    assert_eq!(within(client.send(echo(&large))).await.unwrap(), text(&large));
    let calls: Vec<_> = (0..2000).map(|n| echo(&"y".repeat(n))).collect();
    let replies = calls.iter().cloned().map(|call| client.send(call));
    let replies = within(futures_util::future::join_all(replies)).await;
    for (call, reply) in calls.iter().zip(replies) {
        assert_eq!(reply.unwrap(), text(&call.text));
    }
}

#[tokio::test]
async fn a_connector_names_the_address_below() {
    let tls = client(&Authority::new("ca")).build().unwrap();
    let connector = Connector::new(Tcp::new("shop.example:1"), tls);
    assert_eq!(connector.address(), "shop.example:1");
}
