use std::convert::Infallible;
use std::error::Error as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::advance;

use super::*;
use crate::circuit_breaker::{Settings, State};
use crate::error::{ErrorKind, Origin};
use crate::hooks::ask;
use crate::proto::Tag;
use crate::protocol::kind::Plain;
use crate::protocol::{Command, Failed, ReplyOf};
use crate::sync::Arc;

/// A Protocol without a wire: one Command, and Replies that say what they are.
#[derive(Clone, Copy)]
struct Fake;

const ENTRY: Entry = Entry::new(Tag::new(0), "Ask");

struct Ask;

#[derive(Clone, Copy, PartialEq, Debug)]
enum Answer {
    More,
    Last,
    Failure,
}

impl Command for Ask {
    type Reply = Answer;
    type Kind = Plain;
}

impl CommandOf<Fake> for Ask {
    const TAG: Tag = ENTRY.tag;
    const INDEX: usize = 0;

    fn as_command(&self) {}
}

impl ReplyOf<Fake> for Answer {
    const TAGS: &'static [Tag] = &[];

    fn into_reply(self) -> Option<Self> {
        Some(self)
    }

    fn from_reply(reply: Self) -> Result<Self, Self> {
        Ok(reply)
    }

    fn includes(_: &Self) -> bool {
        true
    }
}

impl Protocol for Fake {
    const NAME: &'static str = "Fake";
    const COMMANDS: &'static [Entry] = &[ENTRY];
    const REPLIES: &'static [Entry] = &[];
    const FAILURE: Option<&'static str> = None;

    type CommandRef<'a> = ();
    type Reply = Answer;
    type Failure = Infallible;

    fn reply_entry(_: &Answer) -> &'static Entry {
        &ENTRY
    }

    fn is_last(reply: &Answer) -> bool {
        *reply != Answer::More
    }

    fn failure_reply(_: Failed) -> Result<Answer, Failed> {
        Ok(Answer::Failure)
    }

    fn as_failure(reply: Answer) -> Result<Infallible, Answer> {
        Err(reply)
    }

    fn is_overloaded(_: &Answer) -> bool {
        false
    }

    fn is_failure(reply: &Answer) -> bool {
        *reply == Answer::Failure
    }
}

/// How a call ends, or goes on.
#[derive(Clone, Debug)]
enum Told {
    Reply(Answer),
    Error(Error),
    Timeout,
    Retry(Error),
}

use Told::{Reply, Retry, Timeout};

fn lost() -> Told {
    Told::Error(lost_error())
}

fn lost_error() -> Error {
    Error::new(ErrorKind::UnexpectedEof, Origin::Remote, "the connection was lost").into_sent()
}

fn tell<H: Hooks<Fake>>(hooks: &H, call: &mut H::Call, told: Told) {
    let about = About {
        entry: &ENTRY,
        size: None,
        reply: None,
        reply_size: None,
        seq: None,
        member: None,
        attempt: 1,
        began: None,
        peer: &|| None,
    };
    match told {
        Reply(reply) => hooks.on_reply(call, &reply, &about),
        Told::Error(error) => hooks.on_error(call, &error, &about),
        Timeout => {
            let error = Error::new(ErrorKind::Timeout, Origin::Local, "the deadline has passed");
            hooks.on_timeout(call, &error, &about);
        }
        Retry(error) => hooks.on_retry(call, &error, &about),
    }
}

/// Makes a call that is told this.
fn call<H: Hooks<Fake>>(hooks: &H, told: impl IntoIterator<Item = Told>) {
    let mut call = ask(hooks, &mut Ask, &ENTRY).expect("the call may be made");
    told.into_iter().for_each(|told| tell(hooks, &mut call, told));
}

/// Opens at the second failure, and closes at the second success.
fn breaker() -> CircuitBreaker {
    CircuitBreaker::new(Settings::default().window(4).successes(2))
}

/// A breaker that is half-open.
async fn half_open() -> CircuitBreaker {
    let breaker = breaker();
    call(&breaker, [lost()]);
    call(&breaker, [lost()]);
    advance(Duration::from_secs(5)).await;
    assert_eq!(breaker.state(), State::HalfOpen);
    breaker
}

/// Returns how many failures it takes to open the breaker.
fn failures_left(breaker: &CircuitBreaker) -> usize {
    let mut count = 0;
    while breaker.state() == State::Closed {
        call(breaker, [lost()]);
        count += 1;
    }
    count
}

/// Counts what it is told, and refuses if it is said so.
#[derive(Default)]
struct Inner {
    refuses: bool,
    asked: AtomicUsize,
    told: AtomicUsize,
}

impl Hooks<Fake> for Inner {
    type Call = Arc<()>;

    fn before_send<C: CommandOf<Fake>>(&self, _: &mut C, _: &'static Entry) -> Result<Arc<()>, Refused> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if self.refuses { Err(Refused::new("not today")) } else { Ok(Arc::default()) }
    }

    fn on_reply(&self, _: &mut Arc<()>, _: &Answer, _: &About<'_>) {
        self.told.fetch_add(1, Ordering::Relaxed);
    }

    fn on_error(&self, _: &mut Arc<()>, _: &Error, _: &About<'_>) {
        self.told.fetch_add(1, Ordering::Relaxed);
    }

    fn on_timeout(&self, _: &mut Arc<()>, _: &Error, _: &About<'_>) {
        self.told.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_call_that_is_allowed_is_passed_to_the_inner_hooks_with_what_they_answer() {
    let hooks = (breaker(), Inner::default());
    ask::<Fake, _, _>(&hooks, &mut Ask, &ENTRY).expect("the breaker is closed");
    assert_eq!(hooks.1.asked.load(Ordering::Relaxed), 1);

    let hooks = (breaker(), Inner { refuses: true, ..Inner::default() });
    let error = ask::<Fake, _, _>(&hooks, &mut Ask, &ENTRY).expect_err("the inner hooks refuse");
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(format!("{error:#}").ends_with("not today"), "{error:#}");
    for _ in 0..10 {
        let _ = ask::<Fake, _, _>(&hooks, &mut Ask, &ENTRY);
    }
    assert_eq!(failures_left(&hooks.0), 2, "a call that others refuse says nothing about the server");
}

#[test]
fn a_call_that_is_refused_has_an_error_that_says_so_and_is_not_shown_to_the_inner_hooks() {
    let hooks = (breaker(), Inner::default());
    assert_eq!(failures_left(&hooks.0), 2);
    let error = ask::<Fake, _, _>(&hooks, &mut Ask, &ENTRY).expect_err("the breaker is open");
    assert_eq!((error.kind(), error.origin(), error.was_sent()), (ErrorKind::Refused, Origin::Local, false));
    assert!(format!("{error:#}").ends_with("the circuit breaker is open"), "{error:#}");
    let source = error.source().expect("it has a reason");
    assert_eq!(source.downcast_ref(), Some(&OpenError));
    assert_eq!(hooks.1.asked.load(Ordering::Relaxed), 0);
}

#[test]
fn an_error_is_a_failure_and_is_passed_on() {
    let hooks = (breaker(), Inner::default());
    call(&hooks, [lost()]);
    assert_eq!(hooks.1.told.load(Ordering::Relaxed), 1);
    assert_eq!(failures_left(&hooks.0), 1);
}

#[test]
fn a_timeout_is_a_failure_and_is_passed_on() {
    let hooks = (breaker(), Inner::default());
    call(&hooks, [Timeout]);
    assert_eq!(hooks.1.told.load(Ordering::Relaxed), 1);
    assert_eq!(failures_left(&hooks.0), 1);
}

#[test]
fn a_reply_is_a_success_also_if_it_is_the_failure_and_is_passed_on() {
    for answer in [Answer::Last, Answer::Failure] {
        let hooks = (breaker(), Inner::default());
        call(&hooks, [lost()]);
        // As many successes as the window has places push the failure out of it.
        for told in 1..=4 {
            call(&hooks, [Reply(answer)]);
            assert_eq!(hooks.1.told.load(Ordering::Relaxed), 1 + told);
        }
        assert_eq!(failures_left(&hooks.0), 2, "{answer:?}");
    }
}

#[test]
fn errors_that_do_not_count_are_no_outcome() {
    let breaker = breaker();
    for (kind, origin) in [
        (ErrorKind::Encode, Origin::Local),
        (ErrorKind::Limit, Origin::Local),
        (ErrorKind::Closed, Origin::Local),
        (ErrorKind::Refused, Origin::Local),
    ] {
        call(&breaker, [Told::Error(Error::new(kind, origin, "on this side"))]);
    }
    call(&breaker, [lost()]);
    for _ in 0..10 {
        call(&breaker, [Told::Error(Error::new(ErrorKind::Encode, Origin::Local, "on this side"))]);
    }
    assert_eq!(failures_left(&breaker), 1, "nothing has pushed the failure out");
}

#[test]
fn a_call_with_several_replies_counts_once() {
    let breaker = breaker();
    call(&breaker, [lost()]);
    let many = [Answer::More, Answer::More, Answer::More, Answer::More, Answer::More, Answer::Last];
    call(&breaker, many.map(Reply));
    assert_eq!(failures_left(&breaker), 1, "the failure is still in the window");
}

#[test]
fn a_stream_that_is_lost_after_some_replies_is_a_failure() {
    let breaker = breaker();
    for _ in 0..2 {
        call(&breaker, [Reply(Answer::More), Reply(Answer::More), lost()]);
    }
    assert_eq!(breaker.state(), State::Open);
}

#[test]
fn attempts_that_are_followed_by_another_do_not_count() {
    let breaker = breaker();
    let retries = || (0..5).map(|_| Retry(lost_error()));
    call(&breaker, retries().chain([Reply(Answer::Last)]));
    assert_eq!(breaker.state(), State::Closed);
    call(&breaker, retries().chain([lost()]));
    assert_eq!(failures_left(&breaker), 1);
}

#[tokio::test(start_paused = true)]
async fn a_trial_is_a_success_with_its_first_reply() {
    let breaker = half_open().await;
    let mut streams = Vec::new();
    for _ in 0..2 {
        let mut stream = ask::<Fake, _, _>(&breaker, &mut Ask, &ENTRY).expect("it is a trial");
        tell(&breaker, &mut stream, Reply(Answer::More));
        streams.push(stream);
    }
    assert_eq!(breaker.state(), State::Closed);
    for mut stream in streams {
        tell(&breaker, &mut stream, Reply(Answer::More));
        tell(&breaker, &mut stream, lost());
    }
    assert_eq!(failures_left(&breaker), 2, "they were counted");
}

#[tokio::test(start_paused = true)]
async fn a_trial_that_is_dropped_or_refused_by_other_hooks_gives_its_place_back() {
    let breaker = half_open().await;
    let hooks = (breaker.clone(), Inner { refuses: true, ..Inner::default() });
    for _ in 0..5 {
        let trials = [(); 2].map(|()| ask::<Fake, _, _>(&breaker, &mut Ask, &ENTRY).expect("it is a trial"));
        let refused = ask::<Fake, _, _>(&breaker, &mut Ask, &ENTRY).expect_err("both places are taken");
        assert_eq!(refused.kind(), ErrorKind::Refused);
        drop(trials);
        assert!(ask::<Fake, _, _>(&hooks, &mut Ask, &ENTRY).is_err());
        assert_eq!(hooks.1.asked.swap(0, Ordering::Relaxed), 1, "the breaker let it through");
    }
    call(&breaker, [Reply(Answer::Last)]);
    call(&breaker, [Reply(Answer::Last)]);
    assert_eq!(breaker.state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_trial_that_fails_opens_it_again() {
    let breaker = half_open().await;
    call(&breaker, [Timeout]);
    assert_eq!(breaker.state(), State::Open);
}
