//! A group of ours on two Go servers, which are killed in turn. While one is away, the other answers: nothing waits, and no
//! message is lost that was not sent.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cmd_stream::client::{Backoff, Limits, Link};
use cmd_stream::{Json, Sender};
use interop::numbered::{Messages, Outcome, send};
use testkit::process::Process;
use testkit::wait::{until, within};
use tokio::task::JoinSet;

use crate::{KILLS, Record, TRAFFIC, Unanswered, go_peer};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_group_and_two_go_servers_that_are_killed_in_turn() {
    let record = Record::new("group-go-servers-killed");
    let args = ["server", "--service", "reconnect", "--until-stdin-closes", "--record", record.path()];
    let mut servers =
        [Process::start_server(go_peer(), &args).await, Process::start_server(go_peer(), &args).await];
    let ms = Duration::from_millis;
    let sender = Sender::builder(Messages, Json)
        .endpoints(servers.each_ref().map(|(_, address)| address.clone()))
        .clients(4)
        .minimum(4)
        .limits(Limits::default().connection_wait(Duration::ZERO)) // there is always one
        .backoff(Backoff::default().first(ms(10)).longest(ms(50)))
        .connect();
    let sender = within(sender).await.expect("both are there");

    let told = Arc::<Mutex<Vec<_>>>::default();
    let (numbers, is_ending) = (Arc::new(AtomicU64::new(1)), Arc::<AtomicBool>::default());
    let mut tasks = JoinSet::new();
    for _ in 0..16 {
        let (sender, told) = (sender.clone(), Arc::clone(&told));
        let (numbers, is_ending) = (Arc::clone(&numbers), Arc::clone(&is_ending));
        tasks.spawn(async move {
            while !is_ending.load(Ordering::Relaxed) {
                let number = numbers.fetch_add(1, Ordering::Relaxed);
                let outcome = within(send(&sender, number)).await;
                told.lock().unwrap_or_else(PoisonError::into_inner).push((number, outcome));
            }
        });
    }
    let count = |which| {
        let told = told.lock().unwrap_or_else(PoisonError::into_inner);
        told.iter().filter(|(_, outcome)| *outcome == which).count()
    };
    let answers_more = async || {
        let before = count(Outcome::Answered);
        until(|| count(Outcome::Answered) >= before + TRAFFIC).await;
    };
    for kill in 0..KILLS {
        until(|| sender.group().members().all(|member| matches!(member.link(), Link::Up(_)))).await;
        answers_more().await;
        let (server, address) = &mut servers[(kill % 2) as usize];
        server.kill();
        answers_more().await; // by the other one
        let args = [&args[..], &["--listen", address]].concat();
        *server = Process::restart_server(go_peer(), &args, address).await;
    }
    is_ending.store(true, Ordering::Relaxed);
    while let Some(ended) = within(tasks.join_next()).await {
        ended.expect("no reply was wrong, and no call hung");
    }

    assert_eq!(count(Outcome::DidNotRun), 0, "another member takes what was not sent");
    let may_have_run = count(Outcome::MayHaveRun);
    assert!(may_have_run > 0, "no kill was in mid-traffic");
    let lost: u64 = sender.group().members().map(|member| member.counters().lost).sum();
    assert_eq!(lost, 2 * KILLS, "two connections each");
    let told = std::mem::take(&mut *told.lock().unwrap_or_else(PoisonError::into_inner));
    let ran_unanswered = record.expect(&told, Unanswered::Known);
    println!("{} messages, {may_have_run} may have run, {ran_unanswered} did", told.len());
    assert!(ran_unanswered > 0, "no command was executed and not answered");
    assert_eq!(within(sender.drain(Duration::from_secs(5))).await, 0);
}
