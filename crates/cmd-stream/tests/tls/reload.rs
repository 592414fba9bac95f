//! Certificates that change while the server serves and the client connects.

use std::fs;
use std::time::Duration;

use cmd_stream::transport::tls::{Authorities, ClientTls, ServerTls};
use testkit::certs::Authority;
use testkit::log::Log;
use testkit::wait::{until, within};
use tracing::Level;

use crate::lab::{World, echo, text};
use crate::sources::Directory;
use crate::{NAMES, connect, world};

const OFTEN: Duration = Duration::from_millis(2);

/// The certificate that the server shows to a new client.
async fn shown(world: &World, tls: &ClientTls) -> Vec<u8> {
    let client = connect(world, tls.clone()).await.unwrap();
    assert_eq!(within(client.send(echo("a"))).await.unwrap(), text("a"));
    client.peer().unwrap().certificate().unwrap().to_vec()
}

#[tokio::test]
async fn new_connections_get_the_new_certificate_and_old_ones_go_on() {
    let directory = Directory::new("reload");
    let authority = Authority::new("ca");
    let (first, second) = (authority.server(NAMES), authority.server(NAMES));
    first.write(&directory.0, "server").unwrap();
    let tls = ServerTls::builder(directory.identity("server")).build().unwrap();
    let world = world(tls.clone()).await;
    let trusting = crate::client(&authority).build().unwrap();
    let old = connect(&world, trusting.clone()).await.unwrap();
    assert_eq!(shown(&world, &trusting).await, first.der);

    second.write(&directory.0, "server").unwrap();
    assert_eq!(shown(&world, &trusting).await, first.der, "not before it is read again");
    tls.reload().unwrap();
    assert_eq!(shown(&world, &trusting).await, second.der);
    assert_eq!(within(old.send(echo("still here"))).await.unwrap(), text("still here"));

    // What cannot be used is refused, and the last one stays.
    fs::write(directory.path("server.key"), &first.key).unwrap();
    let error = tls.reload().unwrap_err();
    assert!(error.to_string().contains("is not that of the certificate in"), "{error}");
    fs::remove_file(directory.path("server.pem")).unwrap();
    tls.reload().unwrap_err();
    assert_eq!(shown(&world, &trusting).await, second.der);
    assert_eq!(world.counters().handshakes_failed, 0);
}

#[tokio::test]
async fn authorities_of_the_clients_are_read_again() {
    let directory = Directory::new("reload-authorities");
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let servers = Authority::new("servers");
    fs::write(directory.path("ca.pem"), old.pem()).unwrap();
    let tls = crate::server(&servers)
        .require_client_certificates(Authorities::file(directory.path("ca.pem")))
        .build()
        .unwrap();
    let world = world(tls.clone()).await;
    let client = |authority: &Authority| {
        let issued = authority.client("alice");
        crate::client(&servers).identity(crate::identity(&issued)).build().unwrap()
    };
    shown(&world, &client(&old)).await;
    connect(&world, client(&new)).await.unwrap_err();
    fs::write(directory.path("ca.pem"), new.pem()).unwrap();
    tls.reload().unwrap();
    shown(&world, &client(&new)).await;
    connect(&world, client(&old)).await.unwrap_err();
}

#[tokio::test]
async fn a_client_shows_its_new_certificate_and_trusts_the_new_authority() {
    let directory = Directory::new("reload-client");
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    old.client("alice").write(&directory.0, "client").unwrap();
    fs::write(directory.path("ca.pem"), old.pem()).unwrap();
    let tls = ClientTls::builder()
        .authorities(Authorities::file(directory.path("ca.pem")))
        .identity(directory.identity("client"))
        .build()
        .unwrap();
    let server = |authority: &Authority| {
        let tls = crate::server(authority).require_client_certificates(crate::authorities(authority));
        world(tls.build().unwrap())
    };
    let (of_old, of_new) = (server(&old).await, server(&new).await);
    shown(&of_old, &tls).await;
    connect(&of_new, tls.clone()).await.unwrap_err();
    new.client("alice").write(&directory.0, "client").unwrap();
    fs::write(directory.path("ca.pem"), new.pem()).unwrap();
    tls.clone().server_name("localhost").reload().unwrap(); // clones share what is reloaded
    shown(&of_new, &tls).await;
    connect(&of_old, tls).await.unwrap_err();
}

#[tokio::test]
async fn a_watch_notices_new_files_and_keeps_the_old_ones_while_the_new_ones_are_bad() {
    let (log, _guard) = Log::start(Level::TRACE);
    let directory = Directory::new("watch");
    let authority = Authority::new("ca");
    let (first, second) = (authority.server(NAMES), authority.server(NAMES));
    first.write(&directory.0, "server").unwrap();
    let tls = ServerTls::builder(directory.identity("server")).build().unwrap();
    // Changed before the watch begins, and after they were read.
    second.write(&directory.0, "server").unwrap();
    let world = world(tls.clone()).await;
    let trusting = crate::client(&authority).build().unwrap();
    assert_eq!(shown(&world, &trusting).await, first.der);
    tls.watch(Duration::from_secs(1000));
    tls.watch(OFTEN); // replaces the other
    within(async { while shown(&world, &trusting).await != second.der {} }).await;

    // In one step: a watch that looks in the middle of a write would find two mistakes.
    fs::write(directory.path("new.pem"), "not a certificate").unwrap();
    fs::rename(directory.path("new.pem"), directory.path("server.pem")).unwrap();
    let warning = log.says("the files have changed, and cannot be used").await;
    assert!(warning.starts_with("WARN") && warning.contains("there is no PEM certificate in"), "{warning}");
    for _ in 0..5 {
        assert_eq!(shown(&world, &trusting).await, second.der);
    }
    assert_eq!(log.with("cannot be used").len(), 1, "a mistake is reported once");
    // Between its two files the watch may find a key of another certificate.
    first.write(&directory.0, "server").unwrap();
    within(async { while shown(&world, &trusting).await != first.der {} }).await;
    assert_eq!(log.with("connection not established").len(), 0);
}

#[tokio::test]
async fn a_watch_ends_with_the_last_clone() {
    let directory = Directory::new("watch-end");
    let tls = ServerTls::builder(directory.identity("server")).build().unwrap();
    let before = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    tls.watch(OFTEN);
    let clone = tls.clone();
    drop(tls);
    assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), before + 1);
    drop(clone);
    until(|| tokio::runtime::Handle::current().metrics().num_alive_tasks() == before).await;
}
