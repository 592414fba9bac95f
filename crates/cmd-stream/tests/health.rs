//! `Health`: what a server says of itself, its bytes in each Format, and what a shutdown makes of it.

use std::sync::Arc;

use cmd_stream::format::{Decode, Encode, Format};
use cmd_stream::health::{HasHealth, Health, HealthReply, Reporter, State};
use cmd_stream::proto::Decoded;
use cmd_stream::protocol::{ClientProtocol, CommandOf};
use cmd_stream::server::ServerProtocol;
use cmd_stream::{Answer, Client, Context, Failed, Json, Mus, Protobuf, Server, protocol};
use serde::{Deserialize, Serialize};
use testkit::ends::both;
use testkit::wait::within;
use tokio::sync::Semaphore;

/// Is answered when the gate lets it through. Until then its connection is busy.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize, mus_format::Mus)]
struct Hold {}

#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize, mus_format::Mus)]
struct Held {}

struct Service {
    reporter: Reporter,
    started: Semaphore,
    gate: Semaphore,
}

impl Service {
    fn new(reporter: &Reporter) -> Arc<Self> {
        let (started, gate) = (Semaphore::new(0), Semaphore::new(0));
        Arc::new(Self { reporter: reporter.clone(), started, gate })
    }
}

impl HasHealth for Service {
    fn health(&self) -> HealthReply {
        self.reporter.health()
    }
}

impl Answer<Arc<Service>> for Hold {
    async fn answer(self, service: &Arc<Service>, _: &Context<'_>) -> Result<Held, Failed> {
        service.started.add_permits(1);
        service.gate.acquire().await?.forget();
        Ok(Held {})
    }
}

protocol! {
    struct Site {
        commands { 0 => Hold -> Held, 1 => Health }
        replies { 0 => Held, 1 => HealthReply }
        failure close_connection
    }
}

async fn is_told_in<F>(format: F)
where
    F: Format + Clone + Encode<Health>,
    Site: ServerProtocol<F, Arc<Service>> + ClientProtocol<F>,
{
    let reporter = Reporter::default();
    let server = Server::builder(Site, format.clone(), Service::new(&reporter));
    let (client, _handle) = both(server, Client::builder(Site, format)).await;
    let ask = async || within(client.send(Health {})).await.expect("it is answered");
    assert_eq!(ask().await, HealthReply::serving());
    reporter.set_not_serving("no database");
    let told = ask().await;
    assert_eq!((told.state(), told.reason(), told.is_serving()), (State::NotServing, "no database", false));
    reporter.set_draining();
    assert_eq!(ask().await.state(), State::Draining);
    reporter.set_serving();
    assert!(ask().await.is_serving());
}

#[tokio::test]
async fn what_the_reporter_was_told_is_answered_in_every_format() {
    is_told_in(Json).await;
    is_told_in(Mus::default()).await;
    is_told_in(Protobuf).await;
}

#[tokio::test]
async fn a_server_that_shuts_down_is_draining_unless_it_does_not_serve() {
    let reporter = Reporter::default();
    let service = Service::new(&reporter);
    let server = Server::builder(Site, Json, Arc::clone(&service));
    let (client, handle) = both(server, Client::builder(Site, Json)).await;
    let holding = tokio::spawn({
        let client = client.clone();
        async move { client.send(Hold {}).await.map(|_| ()) }
    });
    within(service.started.acquire()).await.expect("it is open").forget();
    assert!(!handle.is_going_away());
    handle.shutdown();
    assert!(handle.is_going_away());
    let told = within(client.send(Health {})).await.expect("the connection is busy, so it is served");
    assert_eq!(told, HealthReply::draining());
    reporter.set_not_serving("no database");
    let told = within(client.send(Health {})).await.expect("the connection is busy, so it is served");
    assert_eq!(told.to_string(), "not serving: no database");
    service.gate.add_permits(1);
    within(holding).await.expect("no panic").expect("it was started before");
}

#[test]
fn the_bytes_are_those_of_the_documentation() {
    assert_eq!(encoded(&Json, &Health {}), b"\x02{}");
    assert_eq!(encoded(&Mus::default(), &Health {}), b"");
    assert_eq!(encoded(&Protobuf, &Health {}), b"\x00");
    let told = HealthReply::not_serving("no");
    assert_eq!(encoded(&Json, &told), b"\x19{\"state\":3,\"reason\":\"no\"}");
    assert_eq!(encoded(&Mus::default(), &told), b"\x03\x02no");
    assert_eq!(encoded(&Protobuf, &told), b"\x06\x08\x03\x12\x02no");
}

#[test]
fn a_state_of_a_later_version_is_not_serving() {
    for body in [&b"\x0b{\"state\":9}"[..], b"\x02{}"] {
        let Decoded::Value(told, len) = Decode::<HealthReply>::decode(&Json, body, &mut Default::default())
        else {
            panic!("it does not decode");
        };
        assert_eq!((told.state(), told.is_serving(), len), (State::Unknown, false, body.len()));
    }
}

#[test]
fn it_may_be_sent_twice() {
    const { assert!(<Health as cmd_stream::Command>::IDEMPOTENT) };
    fn is_of<C: CommandOf<Site>>() {}
    is_of::<Health>();
}

fn encoded<T, F: Encode<T>>(format: &F, value: &T) -> Vec<u8> {
    let mut out = Vec::new();
    format.encode(value, &mut out).expect("it can be encoded");
    out
}
