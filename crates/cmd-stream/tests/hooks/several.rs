//! Several hooks, hooks that panic, none, and the circuit breaker as hooks.

use super::*;

#[tokio::test(start_paused = true)]
async fn the_first_of_a_pair_is_asked_first_and_told_last() {
    let log = Log::default();
    let named = |name| Recorder { log: log.clone(), ..Recorder::named(name) };
    let builder = builder().hooks(((named("1 "), named("2 ")), named("3 ")));
    let (sender, [mut server], _dials) = connected(builder).await;
    let call = call!(sender.send(put("a")));
    server.expect(&put_frame(1, "a")).await;
    assert_eq!(log.take(), ["1 before Put", "2 before Put", "3 before Put"]);
    answer(&mut server, 1, "A").await;
    within(call).await.unwrap().unwrap();
    let lines = log.take();
    assert_eq!(lines[..3], ["3 reply Put: A", "2 reply Put: A", "1 reply Put: A"]);
    assert_eq!(lines[3..6], ["3 done Put", "2 done Put", "1 done Put"]);
    assert_eq!(lines[6..].len(), 3, "{lines:?}");
    drop(server);
    let call = call!(sender.send(put("b")).timeout(SECOND));
    within(call).await.unwrap().unwrap_err();
    assert_eq!(
        log.take()[3..6],
        ["3 timeout Put: Timeout", "2 timeout Put: Timeout", "1 timeout Put: Timeout"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_before_send_refuses_the_call() {
    let log = Log::default();
    let panicking = Recorder { log: log.clone(), panics: "before", ..Recorder::default() };
    let outer = Recorder { log: log.clone(), ..Recorder::named("outer ") };
    let (sender, [mut server], _dials) = connected(builder().hooks((outer, panicking))).await;
    let error = Error::from(sender.send(put("a")).await.unwrap_err());
    assert_eq!(told(error.clone()), (ErrorKind::Panic, Origin::Local, false));
    assert_eq!(error.to_string(), "panic in a hook: a panic while before is told");
    let lines = ["outer before Put", "before Put", "outer error Put: Panic", "outer dropped"];
    assert_eq!(log.take(), lines);
    drop(sender);
    server.expect_end().await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_what_is_told_changes_nothing() {
    for panics in ["reply", "error", "timeout", "retry"] {
        let log = Log::default();
        let panicking = Recorder { log: log.clone(), panics, ..Recorder::default() };
        let outer = Recorder { log: log.clone(), ..Recorder::named("outer ") };
        let (sender, [mut one, mut two], mut dials) = connected(builder().hooks((outer, panicking))).await;

        let call = call!(sender.send(get("a")));
        one.expect(&get_frame(1, "a")).await;
        drop(one);
        two.expect(&get_frame(1, "a")).await;
        answer(&mut two, 1, "A").await;
        assert_eq!(within(call).await.unwrap().unwrap(), text("A"), "{panics}");
        let told_outer = |lines: Vec<String>| -> Vec<_> {
            lines.into_iter().filter(|line| line.starts_with("outer ") && !line.contains("before")).collect()
        };
        assert_eq!(
            told_outer(log.take()),
            ["outer retry Get: Closed", "outer reply Get: A", "outer done Get", "outer dropped"],
            "{panics}"
        );

        let call = call!(sender.send(put("b")).timeout(SECOND));
        assert_eq!(told(within(call).await.unwrap().unwrap_err()).0, ErrorKind::Timeout, "{panics}");
        assert_eq!(told_outer(log.take()), ["outer timeout Put: Timeout", "outer dropped"], "{panics}");

        let (_, mut one) = dials.accept().await;
        quiet().await;
        let call = call!(sender.send(put("c")));
        one.receive(1).await;
        drop(one);
        assert_eq!(told(within(call).await.unwrap().unwrap_err()).0, ErrorKind::Closed, "{panics}");
        assert_eq!(told_outer(log.take()), ["outer error Put: Closed", "outer dropped"], "{panics}");
    }
}

/// Hooks of nothing but a number.
struct Counted(Arc<AtomicUsize>);

impl Hooks<Store> for Counted {
    type Call = ();

    fn before_send<C: CommandOf<Store>>(&self, _: &mut C, _: &'static Entry) -> Result<(), Refused> {
        self.0.fetch_add(1, Relaxed);
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn hooks_can_be_read_from_the_sender_and_see_calls_of_all_clones() {
    let (sender, [mut server], _dials) = connected(builder().hooks(Counted(Arc::default()))).await;
    for seq in 1..=3 {
        let clone = sender.clone();
        let call = call!(clone.send(put("a")));
        server.expect(&put_frame(seq, "a")).await;
        answer(&mut server, seq, "A").await;
        within(call).await.unwrap().unwrap();
    }
    assert_eq!(sender.hooks().0.load(Relaxed), 3);
}

/// Without hooks, a call of a Sender is larger than that of a Client only by what it needs to be sent again.
#[test]
fn a_call_without_hooks_is_not_much_larger_than_that_of_a_client() {
    let of_client = size_of::<cmd_stream::client::Call<'_, Store, scripted::Counting, Put>>();
    let of_sender = size_of::<Call<'_, Store, scripted::Counting, Put>>();
    assert!(of_sender <= of_client + 120, "{of_sender} and {of_client} bytes");
    // A future is moved when it is spawned, so its size costs time as well as memory.
    assert!(of_sender <= 256, "{of_sender} bytes");
}

#[tokio::test(start_paused = true)]
async fn a_circuit_breaker_over_a_sender_opens_refuses_and_closes() {
    let log = Log::default();
    let changes = log.clone();
    let settings = Settings::default()
        .window(4)
        .failure_rate(0.5)
        .open_time(SECOND)
        .successes(1)
        .on_change(move |state| changes.add(state.to_string()));
    let breaker = CircuitBreaker::new(settings);
    let (sender, [mut server], mut dials) = connected(builder().hooks(breaker.clone())).await;

    let answered = call!(sender.send(put("1")));
    server.expect(&put_frame(1, "1")).await;
    // A failure of the Protocol is an answer.
    server.send(&problem_frame(1, Problem::FAILED)).await;
    within(answered).await.unwrap().unwrap_err();
    let lost = [call!(sender.send(put("2"))), call!(sender.send(put("3")))];
    server.expect(&[put_frame(2, "2"), put_frame(3, "3")].concat()).await;
    drop(server);
    for call in lost {
        assert_eq!(told(within(call).await.unwrap().unwrap_err()).0, ErrorKind::Closed);
    }
    assert_eq!((breaker.state(), log.take()), (State::Open, vec!["Open".into()]));

    let (_, mut server) = dials.accept().await;
    for _ in 0..3 {
        let error = Error::from(sender.send(put("refused")).await.unwrap_err());
        assert_eq!(told(error.clone()), (ErrorKind::Refused, Origin::Local, false));
        assert!(std::error::Error::source(&error).is_some_and(|source| source.is::<OpenError>()));
    }

    // A trial that is dropped gives its place to the next one.
    tokio::time::sleep(SECOND).await;
    let trial = call!(sender.send(put("4")));
    server.expect(&put_frame(4, "4")).await;
    assert_eq!(log.take(), ["HalfOpen"]);
    assert_eq!(told(sender.send(put("refused")).await.unwrap_err()).0, ErrorKind::Refused);
    trial.abort();
    assert!(trial.await.unwrap_err().is_cancelled());
    let trial = call!(sender.send(put("5")));
    server.expect(&put_frame(5, "5")).await;
    assert_eq!(breaker.state(), State::HalfOpen);
    answer(&mut server, 5, "5").await;
    within(trial).await.unwrap().unwrap();
    assert_eq!((breaker.state(), log.take()), (State::Closed, vec!["Closed".into()]));

    // Attempts that another one follows do not count.
    for seq in 6..9 {
        let again = call!(sender.send(get("again")));
        server.expect(&get_frame(2 * seq - 6, "again")).await;
        drop(server);
        (_, server) = dials.accept().await;
        server.expect(&get_frame(2 * seq - 5, "again")).await;
        answer(&mut server, 2 * seq - 5, "A").await;
        within(again).await.unwrap().unwrap();
    }
    assert_eq!(log.take(), [""; 0]);
}

/// What is not told as a last Reply, or not as a Reply at all, keeps the failures from filling the window, too.
#[tokio::test(start_paused = true)]
async fn a_circuit_breaker_counts_what_was_written_and_first_replies_of_several_as_successes() {
    let breaker = CircuitBreaker::new(Settings::default().window(4).failure_rate(0.5));
    let (sender, [mut server], _dials) = connected(builder().hooks(breaker.clone())).await;
    let mut seq = 0;
    for _ in 0..3 {
        seq += 1;
        within(sender.send(put("a")).timeout(SECOND)).await.unwrap_err();
        server.expect(&put_frame(seq, "a")).await;
        for _ in 0..2 {
            seq += 1;
            let posted = call!(sender.post(note("b")));
            server.expect(&note_frame(seq, "b")).await;
            within(posted).await.unwrap().unwrap();
            seq += 1;
            let first = call!(sender.send(Watch { to: 2 }));
            server.expect(&watch_frame(seq, 2)).await;
            server.send(&number_frame(seq, 1, false)).await;
            within(first).await.unwrap().unwrap();
        }
    }
    assert_eq!(breaker.state(), State::Closed);
}

/// Counts the calls that have ended well.
#[derive(Clone, Default)]
struct Done(Arc<AtomicUsize>);

impl Hooks<Store> for Done {
    type Call = ();

    fn before_send<C: CommandOf<Store>>(&self, _: &mut C, _: &'static Entry) -> Result<(), Refused> {
        Ok(())
    }

    fn on_done(&self, (): &mut (), _: &About<'_>) {
        self.0.fetch_add(1, Relaxed);
    }
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_call_that_has_ended_well_is_told_once() {
    let done = Done::default();
    let count = || done.0.load(Relaxed);
    let (sender, [mut server], _dials) = connected(builder().hooks((done.clone(), Done::default()))).await;
    let sent = call!(sender.send(put("a")));
    server.expect(&put_frame(1, "a")).await;
    assert_eq!(count(), 0);
    answer(&mut server, 1, "A").await;
    within(sent).await.unwrap().unwrap();
    assert_eq!(count(), 1);

    let posted = call!(sender.post(note("b")));
    server.expect(&note_frame(2, "b")).await;
    within(posted).await.unwrap().unwrap();
    assert_eq!(count(), 2);

    for (seq, asks_for_more) in [(3, true), (4, false)] {
        let before = count();
        let mut numbers = within(sender.stream(Watch { to: 2 })).await.unwrap();
        server.expect(&watch_frame(seq, 2)).await;
        server.send(&[number_frame(seq, 1, false), number_frame(seq, 2, true)].concat()).await;
        for _ in 1..=2 {
            within(numbers.next()).await.unwrap().unwrap();
        }
        assert!(!asks_for_more || within(numbers.next()).await.is_none());
        drop(numbers);
        assert_eq!(count(), before + 1);
    }
    // It ends with the failure of the Protocol.
    let mut numbers = within(sender.stream(Watch { to: 2 })).await.unwrap();
    server.expect(&watch_frame(5, 2)).await;
    server.send(&problem_frame(5, 1)).await;
    within(numbers.next()).await.unwrap().unwrap_err();
    assert_eq!(count(), 5);

    within(sender.send(put("c")).timeout(SECOND)).await.unwrap_err();
    drop(sender.stream(Watch { to: 4 }).await.unwrap());
    assert_eq!(count(), 5);
    assert_eq!(sender.hooks().1.0.load(Relaxed), 5);
}

/// Watches no call of these Commands.
struct Ignores(Recorder, &'static str);

impl Hooks<Store> for Ignores {
    type Call = (Kept, bool);

    fn before_send<C: CommandOf<Store>>(
        &self,
        command: &mut C,
        entry: &'static Entry,
    ) -> Result<Self::Call, Refused> {
        Ok((self.0.before_send(command, entry)?, entry.name != self.1))
    }

    fn watches(&self, call: &Self::Call) -> bool {
        call.1
    }

    fn on_reply(&self, call: &mut Self::Call, reply: &StoreReply, about: &About<'_>) {
        self.0.on_reply(&mut call.0, reply, about);
    }

    fn on_timeout(&self, call: &mut Self::Call, error: &Error, about: &About<'_>) {
        self.0.on_timeout(&mut call.0, error, about);
    }

    fn on_done(&self, call: &mut Self::Call, about: &About<'_>) {
        self.0.on_done(&mut call.0, about);
    }
}

#[tokio::test(start_paused = true)]
async fn of_a_call_that_is_not_watched_nothing_more_is_told() {
    let log = Log::default();
    // What is dropped without having been asked for more may panic as anything of the hook's.
    let hooks = Ignores(Recorder { log: log.clone(), panics: "drop", ..Recorder::default() }, "Put");
    let (sender, [mut server], _dials) = connected(builder().hooks(hooks)).await;
    let call = call!(sender.send(put("a")));
    server.expect(&put_frame(1, "a")).await;
    assert_eq!(log.take(), ["before Put", "dropped"], "what was kept is dropped before the Command is sent");
    answer(&mut server, 1, "A").await;
    assert_eq!(within(call).await.unwrap().unwrap(), text("A"));
    let call = call!(sender.send(put("b")).timeout(SECOND));
    within(call).await.unwrap().unwrap_err();
    assert_eq!(log.take(), ["before Put", "dropped"]);
}

#[tokio::test(start_paused = true)]
async fn a_pair_watches_a_call_if_one_of_them_does() {
    let log = Log::default();
    let named = |name| Recorder { log: log.clone(), ..Recorder::named(name) };
    let ignores = |name| Ignores(named(name), "Put");
    let (sender, [mut server], _dials) =
        connected(builder().hooks(((ignores("1 "), named("2 ")), ignores("3 ")))).await;
    let call = call!(sender.send(put("a")));
    server.expect(&put_frame(1, "a")).await;
    answer(&mut server, 1, "A").await;
    within(call).await.unwrap().unwrap();
    let lines = log.take();
    assert!(
        lines.contains(&"2 reply Put: A".to_owned()) && lines.contains(&"2 done Put".to_owned()),
        "{lines:?}"
    );
    drop(sender);

    let (sender, [mut server], _dials) = connected(builder().hooks((ignores("1 "), ignores("3 ")))).await;
    let call = call!(sender.send(put("a")));
    server.expect(&put_frame(1, "a")).await;
    answer(&mut server, 1, "A").await;
    within(call).await.unwrap().unwrap();
    let mut lines = log.take();
    lines.retain(|line| !line.contains("dropped"));
    assert_eq!(lines, ["1 before Put", "3 before Put"]);
}
