//! Names whose addresses change, cannot be found, or hang, by a clock that is paused.

use super::*;
use futures_util::FutureExt;
use std::collections::VecDeque;
use std::future::pending;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};
use testkit::log::Log;
use tokio::time::{advance, sleep};
use tracing::Level;

/// What an attempt to resolve comes to. Times are in milliseconds.
#[derive(Clone, Copy)]
enum Plan {
    Finds(&'static [u8]),
    FindsAfter(u64, &'static [u8]),
    Fails(&'static str),
    Hangs,
    Panics,
    PanicsLater,
}

use Plan::{Fails, Finds, FindsAfter, Hangs, Panics, PanicsLater};

/// The times at which the attempts start, in milliseconds after the beginning.
#[derive(Clone)]
struct Starts(Arc<Mutex<Vec<u128>>>);

impl Starts {
    fn seen(&self) -> Vec<u128> {
        self.0.lock().expect("no panic").clone()
    }
}

/// Follows the plan; from then on, each attempt is like the last one of it.
fn planned(plan: &[Plan]) -> (Dns, Starts) {
    let (beginning, starts) = (Instant::now(), Starts(Arc::default()));
    let seen = starts.clone();
    let plan = Mutex::new(VecDeque::from(plan.to_vec()));
    let resolve = move |_| {
        seen.0.lock().expect("no panic").push(beginning.elapsed().as_millis());
        let mut plan = plan.lock().expect("no panic");
        let now = plan[0];
        if plan.len() > 1 {
            plan.pop_front();
        }
        drop(plan);
        if matches!(now, Panics) {
            panic!("on purpose");
        }
        async move {
            match now {
                Finds(hosts) => Ok(sockets(hosts)),
                FindsAfter(time, hosts) => {
                    sleep(Duration::from_millis(time)).await;
                    Ok(sockets(hosts))
                }
                Fails(why) => Err(io::Error::other(why)),
                Hangs => pending().await,
                Panics | PanicsLater => {
                    sleep(Duration::from_millis(100)).await;
                    panic!("on purpose")
                }
            }
        }
    };
    (Dns::new("svc.internal:9000").resolver(resolve), starts)
}

fn sockets(hosts: &[u8]) -> Vec<SocketAddr> {
    hosts.iter().map(|host| SocketAddr::from(([10, 0, 0, *host], 9000))).collect()
}

fn set(hosts: &[u8]) -> Option<Vec<Address>> {
    Some(sockets(hosts).into_iter().map(Address::from).collect())
}

/// Whether it is still waiting after so many milliseconds. Then it is dropped.
async fn waits(dns: &mut Dns, milliseconds: u64) -> bool {
    timeout(Duration::from_millis(milliseconds), dns.next()).await.is_err()
}

#[tokio::test(start_paused = true)]
async fn the_name_is_resolved_at_once_and_then_on_the_interval() {
    let (mut dns, starts) = planned(&[Finds(&[1]), Finds(&[1, 2])]);
    assert_eq!(dns.next().await, set(&[1]));
    assert_eq!(dns.next().await, set(&[1, 2]));
    assert_eq!(starts.seen(), [0, 30_000]);

    let (dns, starts) = planned(&[FindsAfter(500, &[1]), Finds(&[2])]);
    let mut dns = dns.interval(Duration::from_secs(7));
    assert_eq!(dns.next().await, set(&[1]));
    assert_eq!(dns.next().await, set(&[2]));
    assert_eq!(starts.seen(), [0, 7_500], "the interval begins with the answer");
}

#[tokio::test(start_paused = true)]
async fn the_same_addresses_in_another_order_or_twice_are_no_change() {
    let (mut dns, starts) = planned(&[Finds(&[2, 1]), Finds(&[1, 2]), Finds(&[2, 1, 2]), Finds(&[2])]);
    assert_eq!(dns.next().await, set(&[1, 2]));
    assert_eq!(dns.next().await, set(&[2]));
    assert_eq!(starts.seen(), [0, 30_000, 60_000, 90_000]);
}

#[tokio::test(start_paused = true)]
async fn an_error_keeps_the_set_and_is_followed_by_growing_pauses_up_to_the_interval() {
    let (dns, starts) =
        planned(&[Finds(&[1]), Fails("no"), Fails("no"), Finds(&[]), Fails("no"), Finds(&[1])]);
    let mut dns = dns.interval(Duration::from_secs(3));
    assert_eq!(dns.next().await, set(&[1]));
    assert!(waits(&mut dns, 16_000).await, "the set is the same all the time");
    // 3 s; then 1, 2, 3 and 3 s after a failure; then 3 s again.
    assert_eq!(starts.seen(), [0, 3_000, 4_000, 6_000, 9_000, 12_000, 15_000]);
}

#[tokio::test(start_paused = true)]
async fn each_failure_can_be_known_and_the_pauses_are_the_same() {
    let (mut dns, starts) = planned(&[Fails("no"), Finds(&[]), Fails("no"), Finds(&[1])]);
    for why in ["no", "the name has no addresses", "no"] {
        let error = dns.next_or_error().await.expect_err("it fails");
        assert_eq!(Chain(&error).to_string(), format!("cannot resolve svc.internal:9000: {why}"));
        assert_ne!(error.kind(), io::ErrorKind::NotFound);
    }
    assert_eq!(dns.next_or_error().await.expect("it has been found"), set(&[1]));
    assert_eq!(starts.seen(), [0, 1_000, 3_000, 7_000]);
    let (mut dns, _) = planned(&[Fails("failed to lookup address information: Name does not resolve")]);
    assert_eq!(dns.next_or_error().await.expect_err("it fails").kind(), io::ErrorKind::NotFound);
}

/// What the system of this machine says, without asking the network.
#[tokio::test]
async fn a_name_that_cannot_exist_is_known_as_such() {
    let error = Dns::new("invalid..:9").next_or_error().await.expect_err("it is no name");
    assert_eq!(error.kind(), io::ErrorKind::NotFound, "{}", Chain(&error));
    let error = Dns::new("svc.internal").next_or_error().await.expect_err("it has no port");
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{}", Chain(&error));
}

#[tokio::test(start_paused = true)]
async fn a_first_attempt_that_fails_is_repeated_until_there_is_a_set() {
    let (mut dns, starts) = planned(&[Fails("no"), Finds(&[]), Fails("no"), Fails("no"), Finds(&[1])]);
    assert_eq!(dns.next().await, set(&[1]));
    assert_eq!(starts.seen(), [0, 1_000, 3_000, 7_000, 15_000]);
    // The next failure begins with a short pause again.
    let (mut dns, starts) = planned(&[Fails("no"), Fails("no"), Finds(&[1]), Fails("no"), Finds(&[2])]);
    assert_eq!(dns.next().await, set(&[1]));
    assert_eq!(dns.next().await, set(&[2]));
    assert_eq!(starts.seen(), [0, 1_000, 3_000, 33_000, 34_000]);
}

#[tokio::test(start_paused = true)]
async fn a_resolver_that_hangs_is_given_up_after_the_time_limit() {
    let (mut dns, starts) = planned(&[Hangs, FindsAfter(4_999, &[1]), FindsAfter(5_001, &[2]), Finds(&[3])]);
    assert_eq!(dns.next().await, set(&[1]));
    assert_eq!(starts.seen(), [0, 6_000]);
    assert_eq!(dns.next().await, set(&[3]));
    assert_eq!(starts.seen()[2..], [40_999, 46_999]);
}

#[tokio::test(start_paused = true)]
async fn a_refresh_resolves_soon_but_not_more_than_once_a_second() {
    let (mut dns, starts) = planned(&[Finds(&[1]), Finds(&[1]), Finds(&[1]), Finds(&[2])]);
    dns.refresh(); // nothing has been resolved yet: no effect
    assert_eq!(dns.next().await, set(&[1]));
    advance(Duration::from_millis(10)).await;
    for _ in 0..100 {
        dns.refresh();
        assert!(waits(&mut dns, 20).await);
    }
    // For 2.01 s, a hundred connections were lost.
    assert_eq!(starts.seen(), [0, 1_000, 2_000]);
    advance(Duration::from_secs(10)).await;
    dns.refresh();
    assert_eq!(dns.next().await, set(&[2]));
    assert_eq!(starts.seen()[3..], [12_010]);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_loses_neither_the_attempt_nor_the_pause() {
    let (mut dns, starts) = planned(&[FindsAfter(1_000, &[1]), FindsAfter(1_000, &[2])]);
    for _ in 0..9 {
        assert!(waits(&mut dns, 100).await);
        dns.refresh();
    }
    assert_eq!(dns.next().await, set(&[1]));
    for _ in 0..300 {
        assert!(waits(&mut dns, 100).await);
    }
    assert_eq!(dns.next().await, set(&[2]));
    assert_eq!(starts.seen(), [0, 31_000]);
}

#[tokio::test(start_paused = true)]
async fn a_resolver_that_panics_is_neither_polled_again_nor_called_without_a_pause() {
    let (mut dns, starts) = planned(&[Panics, PanicsLater, Finds(&[1])]);
    for _ in 0..2 {
        AssertUnwindSafe(dns.next()).catch_unwind().await.expect_err("it panics");
        dns.refresh();
    }
    assert_eq!(dns.next().await, set(&[1]));
    assert_eq!(starts.seen(), [0, 1_000, 2_000]);
}

#[tokio::test(start_paused = true)]
async fn settings_are_kept_within_their_bounds() {
    let (dns, starts) = planned(&[Finds(&[1]), Finds(&[2]), Fails("no"), Finds(&[3]), Finds(&[4])]);
    let mut dns = dns.interval(Duration::ZERO).shortest_pause(Duration::ZERO).timeout(Duration::ZERO);
    for host in 1..=4 {
        assert_eq!(dns.next().await, set(&[host]));
    }
    assert_eq!(starts.seen(), [0, 10, 20, 30, 40]);

    let (dns, starts) = planned(&[FindsAfter(1_000_000, &[1]), Finds(&[2])]);
    let most = Duration::MAX;
    let mut dns = dns.interval(most).shortest_pause(most).timeout(most);
    assert_eq!(dns.next().await, set(&[1]));
    let years = Duration::from_secs(10 * 365 * 24 * 60 * 60);
    timeout(years, dns.next()).await.expect_err("it is never resolved again");
    dns.refresh();
    timeout(years, dns.next()).await.expect_err("nor when a connection is lost");
    assert_eq!(starts.seen(), [0]);
}

#[tokio::test]
async fn the_system_resolves_it_by_default() {
    assert_eq!(
        Dns::new("127.0.0.1:9").next().await,
        Some(vec![SocketAddr::from(([127, 0, 0, 1], 9)).into()])
    );
    let mut wrong = Dns::new("svc.internal");
    let error = wrong.answer().await.expect_err("it has no port");
    assert_eq!(error.to_string(), "the address has no port (it must be HOST:PORT)");
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_logged_when_its_reason_changes_and_when_it_is_over() {
    let (log, _guard) = Log::start(Level::INFO);
    let plan = [
        Finds(&[1]),
        Fails("a"),
        Fails("a"),
        Fails("b"),
        Finds(&[]),
        Hangs,
        Finds(&[1]),
        Fails("b"),
        Finds(&[2]),
    ];
    let (mut dns, _) = planned(&plan);
    assert_eq!(dns.next().await, set(&[1]));
    assert_eq!(dns.next().await, set(&[2]));
    let expected = [
        (Level::WARN, Some("a")),
        (Level::WARN, Some("b")),
        (Level::WARN, Some("the name has no addresses")),
        (Level::WARN, Some("no answer within 5s")),
        (Level::INFO, None),
        (Level::WARN, Some("b")),
        (Level::INFO, None),
    ];
    let events = log.events();
    let seen: Vec<_> = events.iter().map(|event| (event.level, event.get("error"))).collect();
    assert_eq!(seen, expected);
}
