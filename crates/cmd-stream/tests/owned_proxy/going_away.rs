//! Connections and servers that go away while a Proxy is held.

use crate::{HandOver, Part, Watch, client, desk, last, next, part, server};
use cmd_stream::server::{OwnedProxy, Served};
use cmd_stream::{CallError, Client, ErrorKind, Execute, Failed, Json, Proxy, Server, protocol};
use serde::{Deserialize, Serialize};
use testkit::ends::both;
use testkit::wait::{until, within};

#[tokio::test]
async fn a_command_without_an_end_ends_when_the_server_goes_away() {
    let (desk, _handed) = desk();
    let (connector, listener) = cmd_stream::transport::memory::pair();
    let server = server(desk).listen(listener).expect("memory has an address");
    let handle = server.handle();
    let serving = tokio::spawn(server.serve());
    let client = within(client().connect_by(connector)).await.expect("it greets");
    let mut stream = within(client.stream(Watch)).await.expect("it is sent");
    assert_eq!(within(stream.next()).await.expect("more").expect("a part"), part("watching"));
    handle.shutdown();
    assert_eq!(within(stream.next()).await.expect("more").expect("a part"), last("going away"));
    let Served::Shutdown(cut) = within(serving).await.expect("no panic") else { panic!("it was a shutdown") };
    assert_eq!((cut.commands, cut.connections), (0, 0));
}

#[tokio::test]
async fn nothing_can_be_sent_when_the_connection_is_gone() {
    let (desk, mut handed) = desk();
    let (client, _) = both(server(desk), client()).await;
    let call = tokio::spawn({
        let client = client.clone();
        async move { client.send(HandOver(String::new())).await }
    });
    let proxy = next(&mut handed).await;
    client.close();
    within(proxy.closed()).await;
    assert!(within(proxy.ready()).await.is_err());
    assert!(within(proxy.send(last("too late"))).await.is_err());
    let blocking = tokio::task::spawn_blocking(move || proxy.send_blocking(last("too late")).is_err());
    assert!(within(blocking).await.expect("no panic"));
    let Err(CallError::Other(error)) = within(call).await.expect("no panic") else { panic!("it was closed") };
    assert_eq!(error.kind(), ErrorKind::Closed);
}

#[tokio::test]
async fn a_proxy_that_is_stored_in_its_own_connection_does_not_keep_the_connection_open() {
    struct Subscriptions;
    struct Subscription(OwnedProxy<Part>);
    #[derive(Serialize, Deserialize)]
    struct Subscribe;

    impl Execute<Subscriptions> for Subscribe {
        async fn execute(self, _: &Subscriptions, proxy: Proxy<'_, Part>) -> Result<(), Failed> {
            let connection = proxy.context().connection();
            connection.insert(Subscription(proxy.into_owned()));
            let Some(kept) = connection.get::<Subscription>() else {
                return Err(Failed::new("it was put in"));
            };
            kept.0.send(part("subscribed")).await
        }
    }

    protocol! {
        struct News { commands { 0 => Subscribe -> Part } replies { 0 => Part } failure close_connection }
    }

    let (connector, listener) = cmd_stream::transport::memory::pair();
    let server = Server::builder(News, Json, Subscriptions).listen(listener).expect("memory has an address");
    let handle = server.handle();
    let serving = tokio::spawn(server.serve());
    for _ in 0..10 {
        let client =
            within(Client::builder(News, Json).connect_by(connector.clone())).await.expect("it greets");
        let mut stream = within(client.stream(Subscribe)).await.expect("it is sent");
        assert_eq!(within(stream.next()).await.expect("more").expect("a part"), part("subscribed"));
    }
    until(|| handle.counters().open == 0).await;
    handle.shutdown();
    let Served::Shutdown(cut) = within(serving).await.expect("no panic") else { panic!("it was a shutdown") };
    assert_eq!((cut.commands, cut.connections), (0, 0), "Commands of connections that are gone are left");
}

#[tokio::test]
async fn going_away_resolves_when_serve_is_dropped_too() {
    let (desk, mut handed) = desk();
    let (connector, listener) = cmd_stream::transport::memory::pair();
    let server = server(desk).listen(listener).expect("memory has an address");
    let serving = tokio::spawn(server.serve());
    let client = within(client().connect_by(connector)).await.expect("it greets");
    let _call = tokio::spawn(async move { client.send(HandOver(String::new())).await });
    let proxy = next(&mut handed).await;
    serving.abort();
    within(proxy.going_away()).await;
    within(proxy.closed()).await;
}
