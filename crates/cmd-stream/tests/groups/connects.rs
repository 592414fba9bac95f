//! How a Sender connects: all members at the same time, until there are enough.

use std::panic::panic_any;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cmd_stream::client::{Limits, Link};
use cmd_stream::group::Endpoints;
use cmd_stream::group::endpoints::Dns;
use cmd_stream::transport::{Address, Connect};
use cmd_stream::{ErrorKind, Origin};
use testkit::peer::BytePeer;
use testkit::wait::within;
use tokio::io::duplex;
use tokio::time::{Instant, sleep};

use crate::lab::{echo, quiet, text};
use crate::net::{Net, builder, greet, peers_of, sets};
use crate::{SECOND, call, told};

#[tokio::test(start_paused = true)]
async fn all_members_connect_at_the_same_time_and_enough_of_them_are_waited_for() {
    let net = Net::default();
    let mut dials = ["a:1", "b:1", "c:1", "d:1"].map(|address| net.server(address));
    let connecting =
        tokio::spawn(builder().endpoints(["a:1", "b:1", "c:1", "d:1"]).minimum(3).connect_by(net.dialer()));
    let mut attempts = Vec::new();
    for dials in &mut dials {
        attempts.push(within(dials.attempt()).await); // before any of them is answered
    }
    let mut peers = Vec::new();
    for (n, attempt) in attempts.into_iter().take(3).enumerate() {
        quiet().await;
        assert!(!connecting.is_finished(), "{n} are not enough");
        peers.push(greet(attempt, 100).await);
    }
    let sender = within(connecting).await.unwrap().unwrap();
    assert_eq!(
        (peers_of(&sender), sender.group().members().len()),
        (vec!["a:1".into(), "b:1".into(), "c:1".into()], 4)
    );
}

/// One never connects, one connects and never greets, one refuses.
#[tokio::test(start_paused = true)]
async fn dead_addresses_hold_nothing_up() {
    let net = Net::default();
    let (_silent, mut mute) = (net.server("silent:1"), net.server("mute:1"));
    let world = net.world("alive:1");
    let muted = tokio::spawn(async move {
        let (ours, theirs) = duplex(100);
        mute.attempt().await.send(Ok(ours)).unwrap();
        let mut peer = BytePeer::over(theirs);
        peer.expect_end().await;
        mute
    });
    let began = Instant::now();
    let addresses = ["silent:1", "mute:1", "refuses:1", "alive:1"];
    let sender = within(builder().endpoints(addresses).connect_by(net.dialer())).await.unwrap();
    for n in 0..100 {
        let said = n.to_string();
        assert_eq!(within(sender.send(echo(&said))).await.unwrap(), text(&said));
    }
    assert!(began.elapsed() < SECOND / 10, "{:?}", began.elapsed());
    assert_eq!((peers_of(&sender), world.counters().started), (vec!["alive:1".to_owned()], 100));
    let _mute = within(muted).await.unwrap();
}

/// Which one is tried first is up to chance.
#[tokio::test(start_paused = true)]
async fn dead_addresses_do_not_hold_up_fewer_clients_than_addresses() {
    for clients in [1, 2, 1, 1, 1, 1, 2, 1, 1, 1] {
        let net = Net::default();
        let (_silent, mut mute) = (net.server("silent:1"), net.server("mute:1"));
        let _world = net.world("alive:1");
        let muted = tokio::spawn(async move {
            let mut muted = Vec::new();
            loop {
                let (ours, theirs) = duplex(100);
                let _ = mute.attempt().await.send(Ok(ours));
                muted.push(theirs);
            }
        });
        let began = Instant::now();
        let addresses = ["silent:1", "mute:1", "refuses:1", "alive:1"];
        let sender = builder().endpoints(addresses).clients(clients).connect_by(net.dialer());
        let sender = within(sender).await.unwrap();
        assert!(began.elapsed() < SECOND, "{:?}", began.elapsed());
        assert_eq!(within(sender.send(echo("a"))).await.unwrap(), text("a"));
        assert_eq!(peers_of(&sender), ["alive:1"]);
        muted.abort();
    }
}

/// Each of them takes long. None is given up for that, until one has greeted.
#[tokio::test(start_paused = true)]
async fn servers_that_are_slow_are_tried_at_the_same_time_and_one_of_them_is_used() {
    let net = Net::default();
    let addresses = ["a:1", "b:1", "c:1"];
    let mut dials = addresses.map(|address| net.server(address));
    let connecting = tokio::spawn(builder().endpoints(addresses).clients(1).connect_by(net.dialer()));
    let mut attempts = Vec::new();
    for _ in 0..3 {
        sleep(SECOND / 100).await;
        let place = (0..3).find_map(|place| Some((place, dials[place].attempt_now()?)));
        attempts.push(place.expect("one more"));
        assert!(dials.iter_mut().all(|dials| dials.attempt_now().is_none()), "and no more");
        sleep(SECOND * 24 / 100).await;
    }
    sleep(2 * SECOND).await;
    let (place, first) = attempts.swap_remove(0);
    let _peer = greet(first, 1024).await;
    let sender = within(connecting).await.unwrap().unwrap();
    assert_eq!(peers_of(&sender), [addresses[place]]);
    quiet().await;
    assert!(attempts.iter().all(|(_, attempt)| attempt.is_closed()));
    let counters = sender.group().members().next().expect("there is one").counters();
    assert_eq!((counters.connected, counters.attempts_failed), (1, 0));
    sleep(2 * SECOND).await;
    assert!(dials.iter_mut().all(|dials| dials.attempt_now().is_none()));
}

/// All that fail are counted, and `connect` fails when all have.
#[tokio::test(start_paused = true)]
async fn connect_fails_soon_when_all_addresses_are_silent() {
    let net = Net::default();
    let addresses = ["a:1", "b:1", "c:1", "d:1"];
    let _dials = addresses.map(|address| net.server(address));
    let began = Instant::now();
    let error = within(builder().endpoints(addresses).clients(1).connect_by(net.dialer())).await.unwrap_err();
    assert_eq!(told(error), (ErrorKind::Timeout, Origin::System, false));
    assert!((5 * SECOND..6 * SECOND).contains(&began.elapsed()), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_minimum_of_more_clients_than_there_are_is_an_error() {
    let net = Net::default();
    let _worlds = ["a:1", "b:1"].map(|address| net.world(address));
    let error = builder().endpoints(["a:1", "b:1"]).minimum(3).connect_by(net.dialer()).await.unwrap_err();
    assert_eq!(told(error.clone()), (ErrorKind::Io, Origin::Local, false));
    assert_eq!(
        error.to_string(),
        "a minimum of 3 clients cannot be reached by 2 (`Builder::minimum`, `Builder::clients`)"
    );
    let builder = builder().endpoints(["a:1", "b:1"]);
    within(builder.clients(3).minimum(3).connect_by(net.dialer())).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn connect_fails_when_the_minimum_cannot_be_reached_any_more() {
    for (minimum, refusing, is_enough) in [(1, 3, false), (2, 2, false), (2, 1, true), (3, 1, false)] {
        let net = Net::default();
        let addresses = ["a:1", "b:1", "c:1"];
        let _worlds: Vec<_> = addresses[refusing..].iter().map(|address| net.world(address)).collect();
        let began = Instant::now();
        let connected =
            within(builder().endpoints(addresses).minimum(minimum).connect_by(net.dialer())).await;
        assert!(began.elapsed() < SECOND / 10, "{:?}", began.elapsed());
        match connected {
            Ok(_) => assert!(is_enough),
            Err(error) => {
                assert!(!is_enough);
                assert_eq!(told(error.clone()), (ErrorKind::Io, Origin::System, false));
                assert!(format!("{error:#}").ends_with(":1: connection refused"), "{error:#}");
            }
        }
    }
}

/// With fewer clients than addresses, a client whose first attempt fails is not waited for.
#[tokio::test(start_paused = true)]
async fn a_connect_that_fails_leaves_no_attempts_behind() {
    let net = Net::default();
    let mut dials = net.server("a:1");
    let limits = Limits::default().connect(SECOND);
    let connecting = tokio::spawn(builder().endpoints(["a:1"]).limits(limits).connect_by(net.dialer()));
    let attempt = dials.attempt().await;
    assert_eq!(
        told(within(connecting).await.unwrap().unwrap_err()),
        (ErrorKind::Timeout, Origin::System, false)
    );
    assert!(attempt.is_closed());
    sleep(60 * SECOND).await;
    assert!(dials.attempt_now().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_connect_that_is_dropped_closes_its_connections() {
    let net = Net::default();
    let mut dials = [net.server("a:1"), net.server("b:1")];
    let (give, source) = sets(&["a:1", "b:1"]);
    let connecting = tokio::spawn(builder().endpoints_from(source).minimum(2).connect_by(net.dialer()));
    let mut peer = dials[0].accept().await;
    let attempt = dials[1].attempt().await;
    quiet().await;
    connecting.abort();
    peer.expect_end().await;
    quiet().await;
    assert!(attempt.is_closed());
    give.dropped().await;
}

#[tokio::test(start_paused = true)]
async fn without_endpoints_there_is_nothing_to_connect_to() {
    let net = Net::default();
    let error = builder().connect_by(net.dialer()).await.unwrap_err();
    assert_eq!(told(error.clone()), (ErrorKind::Io, Origin::Local, false));
    assert_eq!(error.to_string(), "there are no endpoints to connect to (`Builder::endpoints`)");

    let began = Instant::now();
    let sender = builder().connect_lazy_by(net.dialer());
    let error = cmd_stream::Error::from(sender.send(echo("a")).await.unwrap_err());
    assert!((5 * SECOND..6 * SECOND).contains(&began.elapsed()), "{:?}", began.elapsed());
    assert_eq!(told(error.clone()), (ErrorKind::Timeout, Origin::System, false));
    assert!(format!("{error:#}").contains("no endpoint is known yet"), "{error:#}");
}

#[tokio::test(start_paused = true)]
async fn a_source_that_gives_nothing_is_waited_for_as_long_as_connecting_may_take() {
    let net = Net::default();
    let (_give, source) = sets(&[]);
    let began = Instant::now();
    let limits = Limits::default().connect(2 * SECOND);
    let error = builder().endpoints_from(source).limits(limits).connect_by(net.dialer()).await.unwrap_err();
    assert_eq!(told(error.clone()), (ErrorKind::Timeout, Origin::System, false));
    assert_eq!(error.to_string(), "no endpoints are known after 2s (`Limits::connect`)");
    assert!((2 * SECOND..2 * SECOND + SECOND / 100).contains(&began.elapsed()));
}

/// An empty set says nothing.
#[tokio::test(start_paused = true)]
async fn an_empty_first_set_is_ignored() {
    let net = Net::default();
    let _world = net.world("a:1");
    let (give, source) = sets(&[]);
    give.set(&[]);
    let connecting = tokio::spawn(builder().endpoints_from(source).connect_by(net.dialer()));
    quiet().await;
    assert!(!connecting.is_finished());
    give.set(&["a:1"]);
    assert_eq!(peers_of(&within(connecting).await.unwrap().unwrap()), ["a:1"]);
}

struct Panics;

impl Endpoints for Panics {
    async fn next(&mut self) -> Option<Vec<Address>> {
        panic_any("as it likes")
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_that_panics_fails_the_connect() {
    let error = builder().endpoints_from(Panics).connect_by(Net::default().dialer()).await.unwrap_err();
    assert_eq!(told(error.clone()), (ErrorKind::Panic, Origin::Local, false));
    assert!(format!("{error:#}").contains("as it likes"), "{error:#}");
}

/// What was not there when the Sender was made.
#[tokio::test(start_paused = true)]
async fn a_lazy_sender_goes_on_trying() {
    let net = Net::default();
    let (give, source) = sets(&[]);
    let sender = builder().endpoints_from(source).clients(2).connect_lazy_by(net.dialer());
    assert_eq!(sender.group().members().len(), 2);
    assert!(sender.group().members().all(|member| matches!(member.link(), Link::Connecting)));
    sleep(60 * SECOND).await;
    let _worlds = [net.world("a:1"), net.world("b:1")];
    give.set(&["a:1", "b:1"]);
    quiet().await;
    let call = call!(sender.send(echo("a")));
    assert_eq!(within(call).await.unwrap().unwrap(), text("a"));
    quiet().await;
    assert_eq!(peers_of(&sender), ["a:1", "b:1"]);
    assert!(sender.group().links(1).is_some() && sender.group().links(2).is_none());
}

/// A list is known before anybody asks for it.
#[tokio::test(start_paused = true)]
async fn a_lazy_sender_has_as_many_clients_as_the_list_has_addresses() {
    let net = Net::default();
    let _worlds = ["a:1", "b:1", "c:1"].map(|address| net.world(address));
    let sender = builder().endpoints(["a:1", "b:1", "a:1", "c:1"]).connect_lazy_by(net.dialer());
    assert_eq!(sender.group().members().len(), 3);
    quiet().await;
    assert_eq!(peers_of(&sender), ["a:1", "b:1", "c:1"]);
    let (_give, source) = sets(&[]);
    let sender = builder().endpoints_from(source).connect_lazy_by(net.dialer());
    assert_eq!(sender.group().members().len(), 1, "nobody knows");
}

/// What the source does not know yet is waited for.
#[tokio::test(start_paused = true)]
async fn the_first_attempt_of_a_lazy_sender_waits_for_the_source() {
    for clients in [1, 2] {
        let net = Net::default();
        let _world = net.world("a:1");
        let (give, source) = sets(&[]);
        let sender = builder().endpoints_from(source).clients(clients).connect_lazy_by(net.dialer());
        let (early, began) = (call!(sender.send(echo("a"))), Instant::now());
        sleep(4 * SECOND).await;
        assert!(sender.group().members().all(|member| matches!(member.link(), Link::Connecting)));
        give.set(&["a:1"]);
        assert_eq!(within(early).await.unwrap().unwrap(), text("a"));
        assert!(began.elapsed() < 4 * SECOND + SECOND / 100, "{:?}", began.elapsed());
        quiet().await;
        for member in sender.group().members() {
            let counters = member.counters();
            assert_eq!((counters.attempts_failed, counters.connected, counters.replaced), (0, 1, 0));
        }
    }
}

/// A transport of the application, which notes what it is told.
struct Noting<T>(T, Arc<Mutex<Vec<String>>>);

impl<T: Connect> Connect for Noting<T> {
    type Outgoing = T::Outgoing;

    async fn connect(&self) -> std::io::Result<T::Outgoing> {
        self.0.connect().await
    }

    fn address(&self) -> String {
        self.0.address()
    }

    fn failed(&self) {
        self.1.lock().unwrap().push(self.address());
    }
}

#[tokio::test(start_paused = true)]
async fn the_transport_is_told_that_it_has_failed() {
    let net = Net::default();
    let mut dials = net.server("a:1");
    let (dialer, told) = (net.dialer(), Arc::<Mutex<Vec<String>>>::default());
    let note = Arc::clone(&told);
    let builder = builder().endpoints(["a:1"]);
    let connecting =
        tokio::spawn(builder.connect_by(move |address| Noting(dialer(address), Arc::clone(&note))));
    let peer = dials.accept().await;
    let _sender = within(connecting).await.unwrap().unwrap();
    assert_eq!(told.lock().unwrap().len(), 0);
    drop(peer);
    drop(dials.attempt().await);
    quiet().await;
    assert_eq!(*told.lock().unwrap(), ["a:1", "a:1"], "its connection was lost, and an attempt has failed");
}

/// Why there are no addresses.
#[tokio::test(start_paused = true)]
async fn connect_says_why_a_name_has_no_addresses() {
    let net = Net::default();
    let dns = |error: fn() -> std::io::Error| {
        Dns::new("svc.internal:9000").resolver(move |_| std::future::ready(Err(error())))
    };
    let glibc = "failed to lookup address information: Name or service not known";
    let unknown =
        dns(|| std::io::Error::other("failed to lookup address information: Name or service not known"));
    let began = Instant::now();
    let error = builder().endpoints_from(unknown).connect_by(net.dialer()).await.unwrap_err();
    assert_eq!(began.elapsed(), Duration::ZERO, "there is no such name");
    assert_eq!(told(error.clone()), (ErrorKind::Io, Origin::System, false));
    assert_eq!(
        format!("{error:#}"),
        format!("there are no endpoints to connect to: cannot resolve svc.internal:9000: {glibc}")
    );

    let busy = dns(|| std::io::Error::other("try again"));
    let error = builder().endpoints_from(busy).connect_by(net.dialer()).await.unwrap_err();
    assert!((5 * SECOND..6 * SECOND).contains(&began.elapsed()), "{:?}", began.elapsed());
    assert_eq!(told(error.clone()), (ErrorKind::Timeout, Origin::System, false));
    assert_eq!(
        format!("{error:#}"),
        "no endpoints are known after 5s (`Limits::connect`): cannot resolve svc.internal:9000: try again"
    );

    let wrong = Dns::new("svc.internal");
    let error = builder().endpoints_from(wrong).connect_by(net.dialer()).await.unwrap_err();
    assert!(
        format!("{error:#}").contains("cannot resolve svc.internal: the address has no port"),
        "{error:#}"
    );
}
