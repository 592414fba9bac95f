//! Slow Commands and slow calls in the log.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};

use cmd_stream::client::Keepalive;
use cmd_stream::{Client, Json, Sender, transport};
use testkit::wait::within;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::desk::{Office, Open, Quick, Sleep};
use crate::{MILLISECOND, SECOND};

/// A subscriber that keeps the warnings.
#[derive(Clone, Default)]
struct Warnings(Arc<Mutex<Vec<BTreeMap<String, String>>>>);

struct Collect<'a>(&'a mut BTreeMap<String, String>);

impl Visit for Collect<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }
}

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("cmd_stream") && *metadata.level() == Level::WARN
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = BTreeMap::new();
        event.record(&mut Collect(&mut fields));
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(fields);
    }
}

impl Warnings {
    /// The names, how many were left out, and the fields that there are; takes them.
    fn take(&self, message: &str) -> Vec<(String, u64, String)> {
        let events = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let of_message = events.into_iter().filter(|event| event["message"] == message);
        of_message
            .map(|event| {
                let fields: Vec<_> = event.keys().map(String::as_str).collect();
                let name = event["name"].trim_matches('"').to_owned();
                (name, event["left_out"].parse().expect("it is a number"), fields.join(" "))
            })
            .collect()
    }
}

const FIELDS: &str = "left_out message name peer took";

#[tokio::test(start_paused = true)]
async fn slow_commands_are_logged_once_per_second_and_name() {
    let log = Warnings::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let (connector, listener) = transport::memory::pair();
    let _open = Open::over(listener, |builder| builder.log_slower_than(50 * MILLISECOND));
    let client = Client::builder(Office, Json).keepalive(Keepalive::OFF);
    let client = within(client.connect_by(connector)).await.unwrap();
    let sleep = async |millis| within(client.send(Sleep { millis })).await.unwrap();
    sleep(40).await;
    sleep(49).await;
    assert_eq!(log.take("slow command"), []);
    for _ in 0..3 {
        sleep(60).await;
    }
    let logged = |left_out| ("Sleep".to_owned(), left_out, FIELDS.to_owned());
    assert_eq!(log.take("slow command"), [logged(0)]);
    tokio::time::sleep(SECOND).await;
    sleep(60).await;
    assert_eq!(log.take("slow command"), [logged(2)]);
    sleep(60).await;
    assert_eq!(log.take("slow command"), []);
    within(client.send(Quick)).await.unwrap();
    assert_eq!(log.take("slow command"), []);
}

#[tokio::test(start_paused = true)]
async fn by_default_nothing_is_logged() {
    let log = Warnings::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let (connector, listener) = transport::memory::pair();
    let _open = Open::over(listener, |builder| builder);
    let client = Client::builder(Office, Json).keepalive(Keepalive::OFF);
    let sender = Sender::from(within(client.connect_by(connector)).await.unwrap());
    within(sender.send(Sleep { millis: 10_000 })).await.unwrap();
    assert_eq!((log.take("slow command"), log.take("slow call")), (Vec::new(), Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn slow_calls_are_logged_whether_they_are_sampled_or_not() {
    let log = Warnings::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let (connector, listener) = transport::memory::pair();
    let _open = Open::over(listener, |builder| builder);
    let builder = Sender::builder(Office, Json).endpoints(["memory:1"]).keepalive(Keepalive::OFF);
    let sender = builder.log_slower_than(50 * MILLISECOND).connect_by(move |_| connector.clone());
    let sender = within(sender).await.unwrap();
    within(sender.send(Sleep { millis: 40 })).await.unwrap();
    assert_eq!(log.take("slow call"), []);
    // So many that only one in 32 is measured any more.
    for _ in 0..1024 {
        within(sender.send(Sleep { millis: 0 })).await.unwrap();
    }
    for _ in 0..21 {
        within(sender.send(Sleep { millis: 60 })).await.unwrap();
    }
    let logged = log.take("slow call");
    let logged: Vec<_> =
        logged.iter().map(|(name, left_out, fields)| (name.as_str(), *left_out, fields.as_str())).collect();
    assert_eq!(logged, [("Sleep", 0, FIELDS), ("Sleep", 16, FIELDS)]);
}
