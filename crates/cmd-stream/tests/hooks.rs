//! What hooks of a Sender are asked and told.

#[path = "common/scripted.rs"]
mod scripted;
#[path = "common/wire.rs"]
mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use cmd_stream::circuit_breaker::{CircuitBreaker, OpenError, Settings, State};
use cmd_stream::hooks::{About, Hooks, Refused};
use cmd_stream::protocol::{CommandOf, Entry};
use cmd_stream::sender::{Call, Retry};
use cmd_stream::{CallError, Error, ErrorKind, Origin, Problem, Sender};
use testkit::wait::within;

use scripted::{
    Log, MILLISECOND, Number, Odd, Put, SECOND, Store, StoreReply, Watch, answer, builder, connected,
    connected_by, get, get_frame, note, note_frame, problem_frame, put, put_frame, quiet, text, told,
    watch_frame,
};
use wire::{frame, number_frame};

/// Writes down what it is asked and told.
#[derive(Clone, Debug, Default)]
struct Recorder {
    name: &'static str,
    log: Log,
    /// Refuses Commands of this name.
    refuses: &'static str,
    /// What panics: "before", "reply", "error", "timeout", "retry" or "drop".
    panics: &'static str,
}

impl Recorder {
    fn named(name: &'static str) -> Self {
        Self { name, ..Self::default() }
    }

    fn told(&self, what: &str, outcome: &str, about: &About<'_>) {
        let (name, entry) = (self.name, about.entry().name);
        self.log.add(format!("{name}{what} {entry}: {outcome}"));
        assert!(self.panics != what, "a panic while {what} is told");
    }
}

/// What it keeps for a call.
struct Kept(Recorder);

impl Drop for Kept {
    fn drop(&mut self) {
        self.0.log.add(format!("{}dropped", self.0.name));
        assert!(self.0.panics != "drop", "a panic while the state is dropped");
    }
}

#[derive(Debug)]
struct Closed;

impl std::fmt::Display for Closed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the shop is closed")
    }
}

impl std::error::Error for Closed {}

impl Hooks<Store> for Recorder {
    type Call = Kept;

    fn before_send<C: CommandOf<Store>>(&self, _: &mut C, entry: &'static Entry) -> Result<Kept, Refused> {
        self.log.add(format!("{}before {}", self.name, entry.name));
        assert!(self.panics != "before", "a panic while before is told");
        if self.refuses == entry.name {
            return Err(Refused::new(Closed));
        }
        Ok(Kept(self.clone()))
    }

    fn on_reply(&self, _: &mut Kept, reply: &StoreReply, about: &About<'_>) {
        let outcome = match reply {
            StoreReply::Text(text) => text.0.clone(),
            StoreReply::Number(number) => number.value.to_string(),
            StoreReply::Problem(problem) => format!("problem {}", problem.code),
        };
        self.told("reply", &outcome, about);
    }

    fn on_error(&self, _: &mut Kept, error: &Error, about: &About<'_>) {
        self.told("error", &format!("{:?}", error.kind()), about);
    }

    fn on_timeout(&self, _: &mut Kept, error: &Error, about: &About<'_>) {
        self.told("timeout", &format!("{:?}", error.kind()), about);
    }

    fn on_retry(&self, _: &mut Kept, error: &Error, about: &About<'_>) {
        self.told("retry", &format!("{:?}", error.kind()), about);
    }
}

/// Attaches data to Commands that carry some.
struct Attaching(usize);

impl Hooks<Store> for Attaching {
    type Call = ();

    fn before_send<C: CommandOf<Store>>(
        &self,
        command: &mut C,
        entry: &'static Entry,
    ) -> Result<(), Refused> {
        if let Some(metadata) = command.metadata() {
            metadata.set("entry", entry.name);
            metadata.set("pad", &"p".repeat(self.0));
        }
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn data_is_attached_before_a_command_is_encoded_if_it_carries_some() {
    let (sender, [mut server], _dials) = connected(builder().hooks(Attaching(1))).await;
    let carrying = call!(sender.send(get("a")));
    let bare = call!(sender.send(put("b")));
    let mut expected = frame(1, 0, r#"{"text":"a","data":[["entry","Get"],["pad","p"]]}"#);
    expected.extend(put_frame(2, "b"));
    server.expect(&expected).await;
    answer(&mut server, 1, "A").await;
    answer(&mut server, 2, "B").await;
    assert_eq!(within(carrying).await.unwrap().unwrap(), text("A"));
    assert_eq!(within(bare).await.unwrap().unwrap(), text("B"));
}

#[tokio::test(start_paused = true)]
async fn each_outcome_is_told_once_and_the_state_is_dropped_then() {
    let hooks = Recorder::default();
    let log = hooks.log.clone();
    let (sender, [mut server], _dials) = connected(builder().hooks(hooks).retry(Retry::OFF)).await;

    let call = call!(sender.send(put("a")));
    server.expect(&put_frame(1, "a")).await;
    assert_eq!(log.take(), ["before Put"]);
    answer(&mut server, 1, "A").await;
    within(call).await.unwrap().unwrap();
    assert_eq!(log.take(), ["reply Put: A", "dropped"]);

    let call = call!(sender.send(put("b")));
    server.expect(&put_frame(2, "b")).await;
    server.send(&problem_frame(2, Problem::NOT_FOUND)).await;
    let error = within(call).await.unwrap().unwrap_err();
    assert!(matches!(error, CallError::Failed(problem) if problem.code == Problem::NOT_FOUND));
    assert_eq!(log.take(), ["before Put", "reply Put: problem 13", "dropped"]);

    let call = call!(sender.send(put("c")).timeout(SECOND));
    server.expect(&put_frame(3, "c")).await;
    within(call).await.unwrap().unwrap_err();
    assert_eq!(log.take(), ["before Put", "timeout Put: Timeout", "dropped"]);

    assert_eq!(told(sender.send(Odd {}).await.unwrap_err()), (ErrorKind::Encode, Origin::Local, false));
    assert_eq!(log.take(), ["before Odd", "error Odd: Encode", "dropped"]);

    let call = call!(sender.send(get("d")));
    server.expect(&get_frame(4, "d")).await;
    drop(server);
    within(call).await.unwrap().unwrap_err();
    assert_eq!(log.take(), ["before Get", "error Get: Closed", "dropped"]);
}

#[tokio::test(start_paused = true)]
async fn each_reply_of_a_stream_is_told_and_how_it_ends() {
    let hooks = Recorder::default();
    let log = hooks.log.clone();
    let (sender, [mut server], _dials) = connected(builder().hooks(hooks)).await;

    let mut numbers = within(sender.stream(Watch { to: 2 })).await.unwrap();
    server.expect(&watch_frame(1, 2)).await;
    server.send(&[number_frame(1, 1, false), number_frame(1, 2, true)].concat()).await;
    let Number { value, .. } = within(numbers.next()).await.unwrap().unwrap();
    assert_eq!((value, log.take()), (1, vec!["before Watch".into(), "reply Watch: 1".into()]));
    within(numbers.next()).await.unwrap().unwrap();
    assert_eq!(log.take(), ["reply Watch: 2"]);
    assert!(within(numbers.next()).await.is_none());
    assert_eq!(log.take(), ["dropped"]);
    drop(numbers);
    assert_eq!(log.take(), [""; 0]);

    // The failure of the Protocol is a Reply; a time-out is not.
    let mut numbers = within(sender.stream(Watch { to: 3 })).await.unwrap();
    server.expect(&watch_frame(2, 3)).await;
    server.send(&[number_frame(2, 1, false), problem_frame(2, 1)].concat()).await;
    within(numbers.next()).await.unwrap().unwrap();
    within(numbers.next()).await.unwrap().unwrap_err();
    assert_eq!(log.take(), ["before Watch", "reply Watch: 1", "reply Watch: problem 1", "dropped"]);
    assert!(within(numbers.next()).await.is_none());

    let mut numbers = within(sender.stream(Watch { to: 4 }).timeout(SECOND)).await.unwrap();
    within(numbers.next()).await.unwrap().unwrap_err();
    assert!(within(numbers.next()).await.is_none());
    assert_eq!(log.take(), ["before Watch", "timeout Watch: Timeout", "dropped"]);

    // After a Reply it is not sent again.
    let mut numbers = within(sender.stream(Watch { to: 5 })).await.unwrap();
    server.expect(&[watch_frame(3, 4), watch_frame(4, 5)].concat()).await;
    server.send(&number_frame(4, 1, false)).await;
    within(numbers.next()).await.unwrap().unwrap();
    drop(server);
    within(numbers.next()).await.unwrap().unwrap_err();
    assert_eq!(log.take(), ["before Watch", "reply Watch: 1", "error Watch: Closed", "dropped"]);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_moved_or_sent_again_asks_once_and_tells_each_further_attempt() {
    let hooks = Recorder::default();
    let log = hooks.log.clone();
    let (sender, [mut one, mut two], mut dials) = connected_by(builder().hooks(hooks), 64).await;
    // It fills the connection, so that the next one is not written.
    let large = "x".repeat(1000);
    let blocking = call!(sender.send(put(&large)));
    one.receive(10).await;
    let moved = call!(sender.send(put("b")));
    quiet().await;
    assert_eq!(log.take(), ["before Put", "before Put"]);
    drop(one);
    assert!(within(blocking).await.unwrap().is_err());
    two.expect(&put_frame(1, "b")).await;
    answer(&mut two, 1, "B").await;
    assert_eq!(within(moved).await.unwrap().unwrap(), text("B"));
    let mut lines = log.take();
    lines.sort();
    assert_eq!(lines, ["dropped", "dropped", "error Put: Io", "reply Put: B", "retry Put: Io"]);

    let (member, mut one) = dials.accept().await;
    assert_eq!(member, 0);
    quiet().await;
    let again = call!(sender.send(get("c")));
    one.expect(&get_frame(3, "c")).await;
    drop(one);
    two.expect(&get_frame(2, "c")).await;
    answer(&mut two, 2, "C").await;
    assert_eq!(within(again).await.unwrap().unwrap(), text("C"));
    assert_eq!(log.take(), ["before Get", "retry Get: Closed", "reply Get: C", "dropped"]);
}

#[tokio::test(start_paused = true)]
async fn a_refused_call_is_neither_encoded_nor_sent_and_the_error_has_the_reason() {
    let hooks = Recorder { refuses: "Put", ..Recorder::default() };
    let (log, format) = (hooks.log.clone(), scripted::Counting::default());
    let refuses_notes = Recorder { refuses: "Note", ..hooks.clone() };
    let refuses_streams = Recorder { refuses: "Watch", ..hooks.clone() };
    let builder = Sender::builder(Store, format.clone());
    let builder = builder.hooks((hooks, (refuses_notes, refuses_streams)));
    let (sender, [mut server], _dials) = connected(builder).await;

    let error = Error::from(within(sender.send(put("a"))).await.unwrap_err());
    assert_eq!(told(error.clone()), (ErrorKind::Refused, Origin::Local, false));
    let source = std::error::Error::source(&error).expect("the reason");
    assert!(source.is::<Closed>(), "{source:?}");
    assert_eq!(format!("{error:#}"), "a hook refuses the command: the shop is closed");
    assert_eq!(log.take(), ["before Put"], "nothing is told of a call that was refused");

    for error in [
        within(sender.post(note("b"))).await.unwrap_err(),
        within(sender.stream(Watch { to: 1 })).await.map(drop).unwrap_err(),
    ] {
        assert_eq!(told(error), (ErrorKind::Refused, Origin::Local, false));
    }
    // What the outer hooks had kept is dropped, without an outcome.
    let expected = ["before Note", "before Note", "dropped"]
        .into_iter()
        .chain(["before Watch"; 3].into_iter().chain(["dropped"; 2]));
    assert_eq!(log.take(), expected.collect::<Vec<_>>());

    assert_eq!((format.encoded(), sender.in_flight()), (0, 0));
    let next = call!(sender.send(get("c")));
    server.expect(&get_frame(1, "c")).await;
    answer(&mut server, 1, "C").await;
    within(next).await.unwrap().unwrap();
    assert_eq!(format.encoded(), 1);
}

/// A task that makes calls in a loop has to let others run now and then. That does not ask the hooks twice.
#[tokio::test(start_paused = true)]
async fn refused_calls_in_a_loop_ask_once_each() {
    let hooks = Recorder { refuses: "Put", ..Recorder::default() };
    let log = hooks.log.clone();
    let (sender, [_server], _dials) = connected(builder().hooks(hooks)).await;
    for n in 0..1000 {
        sender.send(put("a")).await.unwrap_err();
        assert_eq!(log.take(), ["before Put"], "call {n}");
    }
}

/// Writes down all that is known of a call.
#[derive(Clone, Debug, Default)]
struct Telling(Log);

impl Telling {
    fn add(&self, what: &str, about: &About<'_>) {
        let (entry, peer) = (about.entry(), about.peer().map(|peer| peer.to_string()));
        let (size, seq, member, attempt) = (about.size(), about.seq(), about.member(), about.attempt());
        let (tag, millis) = (entry.tag, about.elapsed().as_millis());
        self.0.add(format!(
            "{what} {tag} {} size {size:?} seq {seq:?} member {member:?} attempt {attempt} after {millis} ms, {peer:?}",
            entry.name
        ));
    }
}

impl Hooks<Store> for Telling {
    type Call = ();

    fn before_send<C: CommandOf<Store>>(&self, _: &mut C, _: &'static Entry) -> Result<(), Refused> {
        Ok(())
    }

    fn on_reply(&self, (): &mut (), _: &StoreReply, about: &About<'_>) {
        self.add("reply", about);
    }

    fn on_error(&self, (): &mut (), _: &Error, about: &About<'_>) {
        self.add("error", about);
    }

    fn on_timeout(&self, (): &mut (), _: &Error, about: &About<'_>) {
        self.add("timeout", about);
    }

    fn on_retry(&self, (): &mut (), _: &Error, about: &About<'_>) {
        self.add("retry", about);
    }
}

#[tokio::test(start_paused = true)]
async fn hooks_are_told_what_is_known_of_a_call() {
    let hooks = Telling::default();
    let log = hooks.0.clone();
    let (sender, [mut one, mut two], _dials) =
        connected(builder().hooks(hooks).breaker(Settings::default())).await;
    let peers: Vec<_> = sender
        .group()
        .members()
        .map(|member| match member.link() {
            cmd_stream::client::Link::Up(peer) => peer.to_string(),
            other => panic!("{other}"),
        })
        .collect();
    let size = put_frame(1, "a").len() - 1; // without its seq

    let call = call!(sender.send(put("a")));
    one.expect(&put_frame(1, "a")).await;
    tokio::time::sleep(250 * MILLISECOND).await;
    answer(&mut one, 1, "A").await;
    within(call).await.unwrap().unwrap();
    assert_eq!(
        log.take(),
        [format!(
            "reply 1 Put size Some({size}) seq Some(1) member Some(0) attempt 1 after 250 ms, Some({:?})",
            peers[0]
        )]
    );

    let call = call!(sender.send(put("b")).timeout(SECOND));
    one.expect(&put_frame(2, "b")).await;
    within(call).await.unwrap().unwrap_err();
    assert_eq!(
        log.take(),
        [format!(
            "timeout 1 Put size Some({size}) seq Some(2) member Some(0) attempt 1 after 1000 ms, Some({:?})",
            peers[0]
        )]
    );

    // It was not encoded, and so no member had it.
    sender.send(Odd {}).await.unwrap_err();
    assert_eq!(
        log.take(),
        [format!("error 4 Odd size None seq None member None attempt 0 after 0 ms, Some({:?})", peers[0])]
    );

    let call = call!(sender.send(get("c")));
    one.expect(&get_frame(3, "c")).await;
    tokio::time::sleep(100 * MILLISECOND).await;
    drop(one);
    two.expect(&get_frame(1, "c")).await;
    tokio::time::sleep(500 * MILLISECOND).await;
    answer(&mut two, 1, "C").await;
    within(call).await.unwrap().unwrap();
    let lines = log.take();
    assert_eq!(
        lines[0],
        format!("retry 0 Get size Some({size}) seq Some(3) member Some(0) attempt 1 after 100 ms, None")
    );
    let (told, after) = lines[1].split_once(" after ").unwrap();
    assert_eq!(told, format!("reply 0 Get size Some({size}) seq Some(1) member Some(1) attempt 2"));
    let (millis, peer) = after.split_once(" ms, ").unwrap();
    assert!((610..=640).contains(&millis.parse::<u32>().unwrap()), "{millis}");
    assert_eq!((peer, lines.len()), (&*format!("Some({:?})", peers[1]), 2));
}

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
    assert_eq!(lines[3..].len(), 3, "{lines:?}");
    drop(server);
    let call = call!(sender.send(put("b")).timeout(SECOND));
    within(call).await.unwrap().unwrap_err();
    assert_eq!(
        log.take()[3..6],
        ["3 timeout Put: Timeout", "2 timeout Put: Timeout", "1 timeout Put: Timeout"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_is_told_nothing_and_its_state_is_dropped() {
    for panics in ["", "drop"] {
        let hooks = Recorder { panics, ..Recorder::default() };
        let log = hooks.log.clone();
        let (sender, [mut server], mut dials) = connected_by(builder().hooks(hooks), 64).await;

        drop(sender.send(put("never polled")));
        assert_eq!(log.take(), [""; 0]);

        let call = call!(sender.send(put("written")));
        server.expect(&put_frame(1, "written")).await;
        call.abort();
        assert!(call.await.unwrap_err().is_cancelled());
        assert_eq!(log.take(), ["before Put", "dropped"], "{panics}");

        let stream = sender.stream(Watch { to: 1 }).await.unwrap();
        server.expect(&watch_frame(2, 1)).await;
        drop(stream);
        assert_eq!(log.take(), ["before Watch", "dropped"], "{panics}");

        // In a pause before it is sent again.
        let call = call!(sender.send(get("again")));
        server.expect(&get_frame(3, "again")).await;
        drop(server);
        quiet().await;
        assert_eq!(log.take(), ["before Get", "retry Get: Closed"], "{panics}");
        call.abort();
        assert!(call.await.unwrap_err().is_cancelled());
        assert_eq!(log.take(), ["dropped"], "{panics}");
        assert_eq!(sender.in_flight(), 0);

        // With its end.
        let (_, mut server) = dials.accept().await;
        let call = call!(sender.send(put("a")));
        server.expect(&put_frame(4, "a")).await;
        answer(&mut server, 4, "A").await;
        assert_eq!(within(call).await.unwrap().unwrap(), text("A"));
        let call = call!(sender.send(put("b")).timeout(SECOND));
        assert_eq!(told(within(call).await.unwrap().unwrap_err()).0, ErrorKind::Timeout);
        assert_eq!(log.take().iter().filter(|line| *line == "dropped").count(), 2, "{panics}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_one_way_command_that_is_written_has_no_outcome_and_one_that_is_not_has_an_error() {
    let hooks = Recorder::default();
    let log = hooks.log.clone();
    let (sender, [mut server], _dials) = connected_by(builder().hooks(hooks), 64).await;
    within(sender.post(note("a"))).await.unwrap();
    server.expect(&note_frame(1, "a")).await;
    assert_eq!(log.take(), ["before Note", "dropped"]);
    let large = "x".repeat(1000);
    let post = call!(sender.post(note(&large)).timeout(SECOND));
    within(post).await.unwrap().unwrap_err();
    assert_eq!(log.take(), ["before Note", "timeout Note: Timeout", "dropped"]);
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
    assert_eq!(log.take(), ["outer before Put", "before Put", "outer dropped"]);
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
            ["outer retry Get: Closed", "outer reply Get: A", "outer dropped"],
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
    // A Future is moved when it is spawned, so that this is no question of memory alone.
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
