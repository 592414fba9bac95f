//! Members are asked whether their servers serve, and are passed over if not.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use cmd_stream::circuit_breaker::{Settings, State};
use cmd_stream::client::Keepalive;
use cmd_stream::group::{Probes, Unavailable};
use cmd_stream::health::Health;
use cmd_stream::hooks::{Hooks, Refused};
use cmd_stream::protocol::{CommandOf, Entry};
use cmd_stream::sender::Retry;
use cmd_stream::{Json, Sender};
use testkit::log::{Event, Log};
use testkit::wait::within;
use tokio::time::{Instant, sleep};
use tracing::Level;

use crate::lab::quiet;
use crate::net::{First, Net, sets};
use crate::wire::frame;
use crate::{SECOND, call};
use site::{Says, Site, Watched, Who};

mod site;

type Builder = cmd_stream::sender::Builder<Watched, Json>;

/// Probes each second.
fn builder() -> Builder {
    Sender::builder(Watched, Json).probe(SECOND).keepalive(Keepalive::OFF)
}

/// Two servers, and a Sender with a member at each. The first server is that of member 0.
async fn two(builder: Builder) -> (Sender<Watched, Json>, [Site; 2]) {
    let net = Net::default();
    let mut sites = [Site::at(&net, "a:1"), Site::at(&net, "b:1")];
    let builder = builder.endpoints(["a:1", "b:1"]).minimum(2);
    let sender = within(builder.connect_by(net.dialer())).await.expect("both greet");
    if crate::net::peer_of(&sender, 0) != "a:1" {
        sites.reverse();
    }
    quiet().await;
    (sender, sites)
}

/// How many of so many calls each server has had.
async fn calls<H: Hooks<Watched>>(
    sender: &Sender<Watched, Json, H>,
    sites: &[Site; 2],
    count: usize,
) -> [usize; 2] {
    let before = sites.each_ref().map(|site| site.seen().calls);
    for _ in 0..count {
        within(sender.send(Who { hold: false })).await.expect("it is answered");
    }
    [0, 1].map(|site| sites[site].seen().calls - before[site])
}

/// Why each member takes no calls.
fn reasons<H: Hooks<Watched>>(sender: &Sender<Watched, Json, H>) -> Vec<String> {
    let why = |why: Unavailable| why.to_string();
    sender.group().members().map(|member| member.unavailable().map(why).unwrap_or_default()).collect()
}

fn probes<H: Hooks<Watched>>(sender: &Sender<Watched, Json, H>, member: usize) -> (u64, u64, u64) {
    let member = sender.group().members().nth(member).expect("it exists");
    let Probes { serving, not_serving, failed, .. } = member.probes().expect("it is probed");
    (serving, not_serving, failed)
}

#[tokio::test(start_paused = true)]
async fn a_member_whose_server_does_not_serve_is_passed_over_until_it_does() {
    let (sender, sites) = two(builder()).await;
    assert_eq!(sites.each_ref().map(|site| site.seen().probes), [1, 1], "as soon as they are connected");
    let [one, two] = calls(&sender, &sites, 100).await;
    assert!(one > 20 && two > 20, "{one}, {two}");
    for (says, why) in [
        (Says::NoDatabase, "its server says that it is not serving: no database"),
        (Says::Draining, "its server says that it is draining"),
    ] {
        sites[0].say(says);
        sleep(SECOND * 6 / 5).await;
        assert_eq!(reasons(&sender), [why, ""]);
        assert_eq!(calls(&sender, &sites, 100).await, [0, 100]);
        sleep(5 * SECOND).await;
        sites[0].say(Says::Serving);
        sleep(SECOND * 6 / 5).await;
        assert_eq!(reasons(&sender), ["", ""]);
        let [one, two] = calls(&sender, &sites, 100).await;
        assert!(one > 20 && two > 20, "{one}, {two}");
    }
    let (serving, not_serving, failed) = probes(&sender, 0);
    assert!((10..=16).contains(&not_serving) && serving >= 3 && failed == 0, "{serving}, {not_serving}");
}

/// By each way of choosing, and also where the breaker of the one that serves is open.
#[tokio::test(start_paused = true)]
async fn where_no_other_is_left_those_that_do_not_serve_take_the_calls() {
    let builders: [fn() -> Builder; 3] =
        [builder, || builder().strategy(First), || builder().breaker(Settings::default())];
    for builder in builders {
        let (sender, sites) = two(builder()).await;
        sites[0].say(Says::Draining);
        sites[1].say(Says::NoDatabase);
        sleep(SECOND * 6 / 5).await;
        assert!(reasons(&sender).iter().all(|why| why.starts_with("its server says")));
        let [one, two] = calls(&sender, &sites, 100).await;
        assert_eq!(one + two, 100);
        sites[1].say(Says::Serving);
        sleep(SECOND * 6 / 5).await;
        assert_eq!(calls(&sender, &sites, 100).await, [0, 100]);
    }
    let builder = builder().breaker(Settings::default().window(4).failure_rate(0.5)).retry(Retry::OFF);
    let (sender, sites) = two(builder).await;
    sites[0].say(Says::NoDatabase);
    sleep(SECOND * 6 / 5).await;
    for _ in 0..2 {
        let held = within(sender.send(Who { hold: true }).timeout(SECOND / 100)).await;
        held.expect_err("it is held");
    }
    assert_eq!(reasons(&sender)[1], "its circuit breaker is open");
    assert_eq!(calls(&sender, &sites, 10).await, [10, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_group_of_one_goes_on_whatever_its_server_says() {
    let net = Net::default();
    let site = Site::at(&net, "a:1");
    let sender = within(builder().endpoints(["a:1"]).connect_by(net.dialer())).await.unwrap();
    site.say(Says::NoDatabase);
    sleep(SECOND * 6 / 5).await;
    assert_eq!(reasons(&sender), ["its server says that it is not serving: no database"]);
    within(sender.send(Who { hold: false })).await.expect("there is no other");
}

/// One that stays out is not followed by another, and its late answer counts.
#[tokio::test(start_paused = true)]
async fn a_silent_member_is_passed_over_after_two_times_and_back_with_a_late_answer() {
    let (sender, sites) = two(builder()).await;
    sites[0].say(Says::Nothing);
    // The next probe is sent after 0.9 to 1.1 s.
    sleep(SECOND * 5 / 2).await;
    assert_eq!((probes(&sender, 0), reasons(&sender)), ((1, 0, 1), vec![String::new(), String::new()]));
    sleep(SECOND * 7 / 10).await;
    assert_eq!(probes(&sender, 0), (1, 0, 2));
    assert_eq!(reasons(&sender), ["its probes fail: no answer to a probe within 1s", ""]);
    assert_eq!(calls(&sender, &sites, 100).await, [0, 100]);
    sleep(20 * SECOND).await;
    let seen = sites[0].seen();
    assert_eq!((seen.probes, seen.waiting, seen.most_waiting), (2, 1, 1));
    assert_eq!(probes(&sender, 0).2, 22);
    sites[0].say(Says::Serving);
    quiet().await;
    assert_eq!(reasons(&sender), ["", ""]);
    let [one, two] = calls(&sender, &sites, 100).await;
    assert!(one > 20 && two > 20, "{one}, {two}");
    sleep(3 * SECOND).await;
    assert!(sites[0].seen().probes >= 4, "they go on");
    assert_eq!(sender.stats().connections.unexpected, 0);
}

#[tokio::test(start_paused = true)]
async fn one_answer_with_the_failure_is_forgiven_and_a_second_one_is_not() {
    let (sender, sites) = two(builder()).await;
    sites[0].say(Says::Failure);
    sleep(SECOND * 6 / 5).await;
    assert_eq!((probes(&sender, 0), reasons(&sender)), ((1, 0, 1), vec![String::new(), String::new()]));
    sites[0].say(Says::Serving);
    sleep(SECOND * 6 / 5).await;
    sites[0].say(Says::Failure);
    sleep(SECOND).await;
    assert_eq!(reasons(&sender), ["", ""], "there was another one in between");
    sleep(SECOND * 6 / 5).await;
    let why = reasons(&sender);
    assert!(why[0].starts_with("its probes fail: ") && why[0].contains("odd"), "{why:?}");
    assert_eq!(calls(&sender, &sites, 10).await, [0, 10]);
}

/// It is asked at once when it is connected again. Until then it stays passed over.
/// A server that does not know the Command takes calls again after each reconnection, and fails them with the next probe.
#[tokio::test(start_paused = true)]
async fn a_member_whose_server_hangs_up_on_probes_is_passed_over() {
    let (sender, sites) = two(builder()).await;
    sites[0].say(Says::HangsUp);
    sleep(5 * SECOND).await;
    assert!(probes(&sender, 0).2 >= 2);
    assert!(sender.group().members().next().unwrap().is_passed_over());
    within(async {
        while reasons(&sender)[0] == "it has no connection" {
            sleep(SECOND / 10).await;
        }
    })
    .await;
    assert_eq!(calls(&sender, &sites, 100).await, [0, 100]);
    sites[0].say(Says::Serving);
    sleep(60 * SECOND).await;
    assert_eq!(reasons(&sender), ["", ""]);
}

#[tokio::test(start_paused = true)]
async fn of_a_long_reason_the_beginning_is_kept() {
    let (sender, sites) = two(builder()).await;
    sites[0].say(Says::TooMuch);
    sleep(SECOND * 6 / 5).await;
    let why = reasons(&sender).swap_remove(0);
    assert!(why.starts_with("its server says that it is not serving: no database no database"), "{why}");
    assert!(why.len() < 400, "{}", why.len());
}

#[tokio::test(start_paused = true)]
async fn a_member_without_a_connection_is_not_probed_and_the_next_one_is_at_once() {
    let net = Net::default();
    let mut dials = net.server("a:1");
    let b = Site::at(&net, "b:1");
    let connecting = tokio::spawn(builder().endpoints(["a:1", "b:1"]).minimum(2).connect_by(net.dialer()));
    let mut peer = dials.accept().await;
    let sender = within(connecting).await.unwrap().unwrap();
    let a = usize::from(crate::net::peer_of(&sender, 0) != "a:1");
    let health = frame(1, 1, "{}");
    peer.expect(&health).await;
    peer.send(&frame(1, 1, r#"{"state":3,"reason":"no"}"#)).await;
    quiet().await;
    assert!(reasons(&sender)[a].ends_with("not serving: no"));
    drop(peer);
    quiet().await;
    assert!(reasons(&sender)[a].starts_with("down: "));
    let attempt = dials.attempt().await;
    sleep(5 * SECOND).await;
    let mut peer = crate::net::greet(attempt, crate::net::WIDE).await;
    let before = b.seen().calls;
    for _ in 0..20 {
        within(sender.send(Who { hold: false })).await.expect("it is answered");
    }
    assert_eq!(b.seen().calls - before, 20, "nothing is known of the new connection");
    let began = Instant::now();
    let sent = peer.receive(health.len()).await;
    assert_eq!((&sent[1..], began.elapsed()), (&health[1..], Duration::ZERO), "the same but for its seq");
    peer.send(&frame(i64::from(sent[0]), 1, r#"{"state":1,"reason":""}"#)).await;
    quiet().await;
    assert_eq!(reasons(&sender), ["", ""]);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_gone_from_the_endpoints_is_not_probed_any_more() {
    let net = Net::default();
    let [a, b] = ["a:1", "b:1"].map(|address| Site::at(&net, address));
    let (give, source) = sets(&["a:1", "b:1"]);
    let builder = builder().endpoints_from(source).clients(2).minimum(2);
    let sender = within(builder.connect_by(net.dialer())).await.unwrap();
    sleep(SECOND * 6 / 5).await;
    let held: Vec<_> = (0..2).map(|_| call!(sender.send(Who { hold: true }))).collect();
    quiet().await;
    assert_eq!((a.seen().calls, b.seen().calls), (1, 1));
    give.set(&["b:1"]);
    quiet().await;
    let before = a.seen();
    sleep(5 * SECOND).await;
    assert_eq!(a.seen(), before, "it still has to answer a call, and that is all");
    a.let_go();
    sleep(5 * SECOND).await;
    assert_eq!((a.seen().probes, a.seen().ended), (before.probes, 1));
    let probes = b.seen().probes;
    sleep(10 * SECOND).await;
    assert!((17..=25).contains(&(b.seen().probes - probes)), "both members are at the other one");
    b.let_go();
    for held in held {
        within(held).await.unwrap().unwrap();
    }
}

/// Also if one is out that is not answered.
#[tokio::test(start_paused = true)]
async fn probes_end_with_the_sender() {
    let ends: [fn(Sender<Watched, Json>); 2] = [drop, |sender| {
        sender.close();
        tokio::spawn(async move {
            sleep(60 * SECOND).await;
            drop(sender);
        });
    }];
    for end in ends {
        let (sender, sites) = two(builder()).await;
        sites[0].say(Says::Nothing);
        sleep(SECOND * 6 / 5).await;
        assert_eq!(sites[0].seen().waiting, 1);
        let before = sites.each_ref().map(|site| site.seen().probes);
        end(sender);
        quiet().await;
        assert_eq!(sites.each_ref().map(|site| site.seen().ended), [1, 1]);
        sleep(5 * SECOND).await;
        assert_eq!(sites.each_ref().map(|site| site.seen().probes), before);
    }
}

#[tokio::test(start_paused = true)]
async fn a_drain_does_not_wait_for_a_probe() {
    for time in [60 * SECOND, Duration::ZERO] {
        let (sender, sites) = two(builder()).await;
        sites[0].say(Says::Nothing);
        sleep(SECOND * 6 / 5).await;
        assert_eq!((sites[0].seen().waiting, sender.in_flight()), (1, 0), "it is not the user's");
        assert!(sender.group().members().all(|member| member.in_flight() == 0));
        let began = Instant::now();
        assert_eq!(within(sender.drain(time)).await, 0);
        assert!(began.elapsed() < SECOND / 10, "{:?}", began.elapsed());
        quiet().await;
        assert_eq!(sites.map(|site| site.seen().ended), [1, 1]);
    }
}

/// While calls are waited for, there are no probes.
#[tokio::test(start_paused = true)]
async fn a_sender_that_is_drained_does_not_probe() {
    let (sender, sites) = two(builder().strategy(First)).await;
    let held = call!(sender.send(Who { hold: true }));
    quiet().await;
    let draining = call!(sender.drain(60 * SECOND));
    sleep(5 * SECOND).await;
    assert_eq!(sites.each_ref().map(|site| site.seen().probes), [1, 1]);
    sites[0].let_go();
    within(held).await.unwrap().unwrap();
    assert_eq!(within(draining).await.unwrap(), 0);
}

/// Counts the calls that it is asked for.
#[derive(Clone, Default)]
struct Counts(Arc<Mutex<Vec<&'static str>>>);

impl Hooks<Watched> for Counts {
    type Call = ();

    fn before_send<C: CommandOf<Watched>>(&self, _: &mut C, entry: &'static Entry) -> Result<(), Refused> {
        self.0.lock().unwrap().push(entry.name);
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn probes_are_not_calls_for_hooks_breakers_and_statistics() {
    let counts = Counts::default();
    let net = Net::default();
    let [a, _b] = ["a:1", "b:1"].map(|address| Site::at(&net, address));
    a.say(Says::Nothing);
    let settings = Settings::default().window(1).failure_rate(0.1);
    let builder = builder().endpoints(["a:1", "b:1"]).minimum(2).breaker(settings).hooks(counts.clone());
    let sender = within(builder.connect_by(net.dialer())).await.unwrap();
    sleep(20 * SECOND).await;
    a.say(Says::Failure);
    sleep(20 * SECOND).await;
    assert!(a.seen().probes > 10);
    assert_eq!(*counts.0.lock().unwrap(), [""; 0]);
    let is_closed = |member: cmd_stream::group::Member| member.breaker() == Some(State::Closed);
    assert!(sender.group().members().all(is_closed));
    let stats = sender.stats();
    assert_eq!(stats.commands.iter().map(|command| command.started).sum::<u64>(), 0);
    assert_eq!((stats.counters.retries, stats.connections.timed_out, stats.connections.cancelled), (0, 0, 0));
    assert!(stats.members.iter().all(|member| member.latency().is_none()));
    // One that the user sends is.
    within(sender.send(Health {})).await.expect("the other one is asked");
    assert_eq!(*counts.0.lock().unwrap(), ["Health"]);
    assert_eq!(sender.stats().command("Health").map(|health| health.replied), Some(1));
}

/// The budget is a share of the calls.
#[tokio::test(start_paused = true)]
async fn probes_are_no_calls_that_allow_retries() {
    let retry = Retry::default().attempts(2).budget(10, 1);
    let (sender, sites) = two(builder().probe(SECOND / 100).retry(retry)).await;
    sites.iter().for_each(Site::cut);
    for number in 1..=5 {
        sleep(SECOND).await;
        within(sender.send(Who { hold: false })).await.expect_err("both servers cut");
        assert!(sites.iter().all(|site| site.seen().probes > number * 50));
    }
    assert_eq!(sender.stats().counters.retries, 1, "the least that is allowed");
}

#[tokio::test(start_paused = true)]
async fn a_change_is_logged_once_with_the_member_and_why() {
    let (log, _guard) = Log::start(Level::TRACE);
    let (_sender, sites) = two(builder()).await;
    sites[0].say(Says::NoDatabase);
    sleep(5 * SECOND).await;
    sites[0].say(Says::Serving);
    sleep(5 * SECOND).await;
    let events: Vec<_> = log.with("passed over").iter().map(Event::line).collect();
    let [gone, back] = &events[..] else { panic!("{events:?}") };
    assert!(gone.starts_with("INFO message=a member is passed over member=0 endpoint="), "{gone}");
    assert!(gone.ends_with(" reason=its server says that it is not serving: no database "), "{gone}");
    assert!(back.starts_with("INFO message=a member is not passed over any more"), "{back}");
}
