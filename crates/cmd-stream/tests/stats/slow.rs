//! Slow Commands and slow calls in the log.

use cmd_stream::client::Keepalive;
use cmd_stream::{Client, Json, Sender, transport};
use testkit::log::Log;
use testkit::wait::within;
use tracing::Level;

use crate::desk::{Office, Open, Quick, Sleep};
use crate::{MILLISECOND, SECOND};

/// The names, how many were left out, and the fields that there are; takes them.
fn take(log: &Log, message: &str) -> Vec<(String, u64, String)> {
    let events = log.take().into_iter().filter(|event| event.get("message") == Some(message));
    events
        .map(|event| {
            let mut fields: Vec<_> = event.fields.iter().map(|(name, _)| *name).collect();
            fields.sort_unstable();
            (event["name"].to_owned(), event["left_out"].parse().expect("it is a number"), fields.join(" "))
        })
        .collect()
}

const FIELDS: &str = "left_out message name peer took";

#[tokio::test(start_paused = true)]
async fn slow_commands_are_logged_once_per_second_and_name() {
    let (log, _guard) = Log::start(Level::WARN);
    let (connector, listener) = transport::memory::pair();
    let _open = Open::over(listener, |builder| builder.log_slower_than(50 * MILLISECOND));
    let client = Client::builder(Office, Json).keepalive(Keepalive::OFF);
    let client = within(client.connect_by(connector)).await.unwrap();
    let sleep = async |millis| within(client.send(Sleep { millis })).await.unwrap();
    sleep(40).await;
    sleep(49).await;
    assert_eq!(take(&log, "slow command"), []);
    for _ in 0..3 {
        sleep(60).await;
    }
    let logged = |left_out| ("Sleep".to_owned(), left_out, FIELDS.to_owned());
    assert_eq!(take(&log, "slow command"), [logged(0)]);
    tokio::time::sleep(SECOND).await;
    sleep(60).await;
    assert_eq!(take(&log, "slow command"), [logged(2)]);
    sleep(60).await;
    assert_eq!(take(&log, "slow command"), []);
    within(client.send(Quick)).await.unwrap();
    assert_eq!(take(&log, "slow command"), []);
}

#[tokio::test(start_paused = true)]
async fn by_default_nothing_is_logged() {
    let (log, _guard) = Log::start(Level::WARN);
    let (connector, listener) = transport::memory::pair();
    let _open = Open::over(listener, |builder| builder);
    let client = Client::builder(Office, Json).keepalive(Keepalive::OFF);
    let sender = Sender::from(within(client.connect_by(connector)).await.unwrap());
    within(sender.send(Sleep { millis: 10_000 })).await.unwrap();
    assert_eq!((take(&log, "slow command"), take(&log, "slow call")), (Vec::new(), Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn slow_calls_are_logged_whether_they_are_sampled_or_not() {
    let (log, _guard) = Log::start(Level::WARN);
    let (connector, listener) = transport::memory::pair();
    let _open = Open::over(listener, |builder| builder);
    let builder = Sender::builder(Office, Json).endpoints(["memory:1"]).keepalive(Keepalive::OFF);
    let sender = builder.log_slower_than(50 * MILLISECOND).connect_by(move |_| connector.clone());
    let sender = within(sender).await.unwrap();
    within(sender.send(Sleep { millis: 40 })).await.unwrap();
    assert_eq!(take(&log, "slow call"), []);
    // So many that only one in 32 is measured any more.
    for _ in 0..1024 {
        within(sender.send(Sleep { millis: 0 })).await.unwrap();
    }
    for _ in 0..21 {
        within(sender.send(Sleep { millis: 60 })).await.unwrap();
    }
    let logged = take(&log, "slow call");
    let logged: Vec<_> =
        logged.iter().map(|(name, left_out, fields)| (name.as_str(), *left_out, fields.as_str())).collect();
    assert_eq!(logged, [("Sleep", 0, FIELDS), ("Sleep", 16, FIELDS)]);
}
