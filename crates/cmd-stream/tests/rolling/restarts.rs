//! Two servers, restarted in turn: 5 times, or as often as the environment variable `CMD_STREAM_RESTARTS` says.

use std::fmt::Debug;
use std::time::{Duration, Instant};

use cmd_stream::client::{Backoff, Link};
use cmd_stream::sender::Retry;
use cmd_stream::server::{Cut, Limits, Served};
use cmd_stream::{Json, Sender};
use testkit::wait::{until, within};

use crate::load::{Caller, Load, Summary, TIMEOUT, compare};
use crate::site::{Declared, Pace, Record, Running, Service, Stop, Works};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_that_shut_down_in_turn_lose_nothing_that_they_have_accepted() {
    for clients in [2, 4] {
        let summary = restart_in_turn(Works, clients, Stop::Gracefully).await;
        assert_eq!(summary.failed_and_ran, 0, "executed, and the reply was lost: {summary:?}");
    }
}

/// With a failure, what a server refuses while it shuts down goes to the other one, whatever it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_of_a_protocol_with_a_failure_lose_nothing_that_they_have_accepted_and_refuse_nothing() {
    for clients in [2, 4] {
        let summary = restart_in_turn(Declared, clients, Stop::Gracefully).await;
        assert_eq!(summary.failed_and_ran, 0, "executed, and the reply was lost: {summary:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_that_are_cut_off_in_turn_lose_only_what_may_have_run() {
    for clients in [2, 4] {
        let summary = restart_in_turn(Works, clients, Stop::Hard).await;
        assert!(summary.failed > 0, "no cut was in the middle of traffic: {summary:?}");
        restart_in_turn(Declared, clients, Stop::Hard).await;
    }
}

async fn restart_in_turn<P>(protocol: P, clients: usize, how: Stop) -> Summary
where
    P: Service<Failure: Debug>,
    Sender<P, Json>: Caller<P::Failure>,
{
    let record = Record::default();
    let limits = Limits::default();
    let start = async |address: &str, number| {
        Running::start(protocol, address, number, &record, Pace::Mixed, limits.clone()).await
    };
    let mut servers = [start("127.0.0.1:0", 0).await, start("127.0.0.1:0", 1).await];
    let ms = Duration::from_millis;
    let sender = Sender::builder(protocol, Json)
        .endpoints(servers.each_ref().map(|server| server.address.clone()))
        .clients(clients)
        .minimum(clients)
        .timeout(TIMEOUT)
        .backoff(Backoff::default().first(ms(5)).longest(ms(50)))
        .retry(retry())
        .connect();
    let sender = within(sender).await.expect("both are there");
    let load = Load::start(&sender, TASKS);
    let mut longest = Duration::ZERO;
    for restart in 0..restarts() {
        until(|| sender.group().members().all(|member| matches!(member.link(), Link::Up(_)))).await;
        load.answers(500).await;
        let number = restart % 2;
        let address = servers[number].address.clone();
        let began = Instant::now();
        let served = servers[number].stop(how).await;
        longest = longest.max(began.elapsed());
        match how {
            Stop::Gracefully => assert_eq!(served, Served::Shutdown(Cut::default())),
            Stop::Hard => assert!(matches!(served, Served::Closed(_)), "{served:?}"),
        }
        load.answers(100).await; // by the other one
        let before = record.by(number);
        servers[number] = start(&address, number).await;
        until(|| record.by(number) > before).await;
    }
    let told = load.stop().await;
    assert_eq!(within(sender.drain(Duration::from_secs(5))).await, 0);
    let summary = compare(&told, &record, attempts());
    println!("{clients} clients, {} restarts, {how:?}, at most {longest:?} each: {summary:?}", restarts());
    summary
}

/// The restarts follow each other as closely as the attempts of one call do, so it may be cut off by several of them. But each
/// cuts it off at most once.
fn retry() -> Retry {
    Retry::default().attempts(attempts()).budget(0, attempts() * TASKS as u32)
}

fn attempts() -> u32 {
    1 + u32::try_from(restarts()).expect("a few")
}

/// Each has one call.
const TASKS: usize = 32;

/// How often a server is restarted.
fn restarts() -> usize {
    let set = std::env::var("CMD_STREAM_RESTARTS").ok();
    set.map_or(5, |number| number.parse().expect("`CMD_STREAM_RESTARTS` is a number"))
}
