//! Who the client is: its certificate reaches Invokers, Commands and callbacks.

use std::sync::Arc;

use cmd_stream::protocol::Protocol;
use cmd_stream::server::{Ended, Invocation, Limits};
use cmd_stream::transport::tls::Identity;
use cmd_stream::{Answer, Client, Context, Failed, Invoker, Json, Problem, Server, protocol};
use serde::{Deserialize, Serialize};
use testkit::certs::Authority;
use testkit::wait::within;

use crate::lab::{echo, text};
use crate::{authorities, client, connect, identity, server, world_within};

#[derive(Serialize, Deserialize)]
struct WhoAmI;
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct You(Vec<u8>);

impl Answer<()> for WhoAmI {
    async fn answer(self, (): &(), context: &Context<'_>) -> Result<You, Failed> {
        Ok(You(context.connection().peer().certificate().unwrap_or_default().to_vec()))
    }
}

protocol! {
    struct Who {
        commands { 0 => WhoAmI -> You }
        replies { 0 => You, 1 => Problem }
        failure Problem
    }
}

/// Lets in only those with one of these certificates.
struct Authorise(Arc<Vec<Vec<u8>>>);

impl<P: Protocol> Invoker<P> for Authorise {
    async fn invoke(&self, invocation: impl Invocation<P>) -> Result<Ended, Failed> {
        let certificate = invocation.connection().peer().certificate();
        if certificate.is_some_and(|certificate| self.0.iter().any(|allowed| allowed == certificate)) {
            invocation.run().await
        } else {
            Err(Failed::new("not for you"))
        }
    }
}

#[tokio::test]
async fn an_invoker_authorises_by_the_certificate() {
    let authority = Authority::new("ca");
    let (alice, mallory) = (authority.client("alice"), authority.client("mallory"));
    let tls = server(&authority).require_client_certificates(authorities(&authority)).build().unwrap();
    let server = Server::builder(Who, Json, ())
        .invoker(Authorise(Arc::new(vec![alice.der.clone()])))
        .bind_tls("127.0.0.1:0", tls)
        .await
        .unwrap();
    let address = server.handle().local_addr().clone();
    tokio::spawn(server.serve());
    let ask = async |issued| {
        let tls = client(&authority).identity(identity(issued)).build().unwrap();
        let client = within(Client::builder(Who, Json).connect_tls(&address, tls)).await.unwrap();
        within(client.send(WhoAmI)).await
    };
    assert_eq!(ask(&alice).await.unwrap(), You(alice.der.clone()));
    assert_eq!(ask(&mallory).await.unwrap_err().to_string(), "not for you (failed, code 1)");
}

#[tokio::test]
async fn certificates_may_be_optional() {
    let authority = Authority::new("ca");
    let tls = server(&authority).accept_client_certificates(authorities(&authority)).build().unwrap();
    let world = world_within(tls, Limits::default()).await;
    let issued = authority.client("alice");
    let tls = client(&authority);
    for (tls, expected) in [(tls.clone().identity(identity(&issued)), Some(&issued.der[..])), (tls, None)] {
        let client = connect(&world, tls.build().unwrap()).await.unwrap();
        assert_eq!(within(client.send(echo("a"))).await.unwrap(), text("a"));
        client.close();
        // Seen by the callback for lost connections.
        assert_eq!(world.lost().await.peer.certificate(), expected);
    }
}

#[tokio::test]
async fn a_client_knows_the_certificate_of_its_server() {
    let authority = Authority::new("ca");
    let issued = authority.server(crate::NAMES);
    let tls = cmd_stream::transport::tls::ServerTls::builder(identity(&issued)).build().unwrap();
    let world = world_within(tls, Limits::default()).await;
    let client = connect(&world, client(&authority).build().unwrap()).await.unwrap();
    let peer = client.peer().unwrap();
    assert_eq!(peer.certificate(), Some(&issued.der[..]));
    assert_eq!(peer.socket_addr(), world.handle.local_addr().socket_addr());
    assert_eq!(peer, peer.clone());
    assert!(!format!("{peer:?}").contains("certificate"), "{peer:?}");
}

#[tokio::test]
async fn only_the_certificate_whose_key_a_client_has_is_given() {
    let authority = Authority::new("ca");
    let (alice, admin) = (authority.client("alice"), authority.client("admin"));
    let tls = server(&authority).require_client_certificates(authorities(&authority)).build().unwrap();
    let world = world_within(tls, Limits::default()).await;
    // TLS proves that the client has the key of the first one. Anybody can have the others.
    let both = Identity::pem(format!("{}{}", alice.chain, admin.chain), &alice.key);
    let client = connect(&world, client(&authority).identity(both).build().unwrap()).await.unwrap();
    client.close();
    assert_eq!(world.lost().await.peer.certificate(), Some(&alice.der[..]));
}
