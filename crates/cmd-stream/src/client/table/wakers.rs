//! Wakers are the caller's code: here each of them fails if it is dropped or woken while a lock is held.

use std::task::Wake;

use super::{
    Arc, Arrived, Context, Duration, Error, ErrorKind, Expects, Instant, Limits, Link, Origin, Peer, Poll,
    Scratch, Seq, Table, Waker, Writer, wake_all,
};
use crate::client::Overflow;
use crate::sync::held;

/// The last one of it is that of the table, once the caller has been polled.
struct Touchy;

impl Touchy {
    fn waker() -> Waker {
        Waker::from(Arc::new(Self))
    }
}

impl Wake for Touchy {
    fn wake(self: Arc<Self>) {
        assert_eq!(held(), 0, "woken under a lock");
    }
}

impl Drop for Touchy {
    fn drop(&mut self) {
        assert_eq!(held(), 0, "dropped under a lock");
    }
}

type Reply = u32;

fn table(limits: Limits, hands_back: bool) -> Table<Reply> {
    let member = Some((Arc::default(), hands_back));
    Table::new(limits, Duration::MAX, Link::Up(Peer::other("a test")), member)
}

fn scratch() -> Scratch {
    let mut encoded = Scratch::new();
    encoded.buffer().push(1);
    encoded
}

fn send(table: &Table<Reply>, expects: Expects<Reply>, deadline: Option<Instant>) -> Seq {
    let waker = Touchy::waker();
    let cx = Context::from_waker(&waker);
    match table.poll_send(&mut scratch(), &mut None, expects, deadline, &cx) {
        Poll::Ready(Ok(seq)) => seq,
        other => panic!("there is room: {other:?}"),
    }
}

/// One of each, each polled again by another task.
struct All {
    reply: Seq,
    posted: Seq,
    stream: Seq,
}

impl All {
    fn send(table: &Table<Reply>, deadline: Option<Instant>) -> Self {
        let reply = send(table, Expects::Reply(|_| true), deadline);
        let posted = send(table, Expects::Nothing, deadline);
        let stream = send(table, Expects::Stream(|_| true), deadline);
        let all = Self { reply, posted, stream };
        all.poll(table, deadline);
        all.poll(table, deadline);
        all
    }

    /// Returns which of them are ready.
    fn poll(&self, table: &Table<Reply>, deadline: Option<Instant>) -> [bool; 3] {
        let waker = Touchy::waker();
        let cx = Context::from_waker(&waker);
        [
            table.poll_reply(self.reply, deadline, &cx).is_ready(),
            table.poll_written(self.posted, deadline, &cx).is_ready(),
            table.poll_next(self.stream, deadline, &cx).is_ready(),
        ]
    }

    fn forget(&self, table: &Table<Reply>) {
        [self.reply, self.posted, self.stream].into_iter().for_each(|seq| table.forget(seq));
    }
}

/// The client's task writes what there is. Its waker is none of the callers'.
fn write(table: &Table<Reply>) {
    let waker = Touchy::waker();
    for _ in 0..2 {
        let cx = Context::from_waker(&waker);
        assert!(table.next_batch(&mut Writer::default(), &mut true, &mut None, &cx).is_ok());
    }
}

fn complete(table: &Table<Reply>, seqs: &[Seq], is_last: bool) {
    let mut arrived: Vec<_> = seqs.iter().map(|&seq| Arrived { seq, reply: 1, size: 1, is_last }).collect();
    let (mut wakers, mut unexpected) = (Vec::new(), Vec::new());
    assert!(table.complete(&mut arrived, &mut wakers, &mut unexpected).is_ok());
    wake_all(wakers);
}

fn reason() -> Error {
    Error::new(ErrorKind::Closed, Origin::Local, "a test")
}

#[tokio::test(start_paused = true)]
async fn no_waker_is_dropped_or_woken_under_the_lock_of_the_table() {
    let now = Instant::now();
    let later = now + Duration::from_secs(1);
    type End = fn(&Table<Reply>, &All, Instant);
    let ends: [(&str, End); 12] = [
        ("answered", |table, all, _| {
            write(table);
            complete(table, &[all.reply, all.stream], true);
            assert_eq!(all.poll(table, None), [true; 3]);
        }),
        ("answered with several", |table, all, _| {
            write(table);
            complete(table, &[all.reply, all.stream], false);
            assert_eq!(all.poll(table, None), [true; 3]);
        }),
        ("forgotten", |table, all, _| all.forget(table)),
        ("forgotten when written", |table, all, _| {
            write(table);
            all.forget(table);
        }),
        ("timed out", |table, all, later| {
            assert_eq!(all.poll(table, Some(later - Duration::from_secs(1))), [true; 3]);
        }),
        ("expired", |table, all, later| {
            table.expire(later);
            all.poll(table, Some(later));
        }),
        ("expired when written", |table, _, later| {
            write(table);
            table.expire(later);
        }),
        ("lost", |table, all, later| {
            write(table);
            table.lose(&reason(), later);
            all.poll(table, None);
        }),
        ("given up", |table, all, later| {
            table.lose(&reason(), later);
            table.give_up(&reason());
            assert_eq!(all.poll(table, None), [true; 3]);
        }),
        ("closed", |table, all, _| {
            table.fail(reason());
            assert_eq!(all.poll(table, None), [true; 3]);
        }),
        ("replaced", |table, _, _| table.retire(Duration::from_secs(1))),
        ("slept", |table, _, _| {
            let waker = Touchy::waker();
            let cx = Context::from_waker(&waker);
            for _ in 0..2 {
                assert!(table.poll_alarm(&cx).is_ok() && table.book_unwritten(0, &cx).is_ok());
            }
        }),
    ];
    for (how, end) in ends {
        for (hands_back, deadline) in [(false, None), (true, None), (false, Some(later)), (true, Some(later))]
        {
            eprintln!("{how}, {hands_back}, {deadline:?}");
            let table = table(Limits::default(), hands_back);
            let all = All::send(&table, deadline);
            end(&table, &all, later);
            drop(table);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_for_those_who_wait_for_room() {
    let later = Instant::now() + Duration::from_secs(1);
    type End = fn(&Table<Reply>, Seq, Seq, Instant);
    let ends: [(&str, End); 6] = [
        ("woken", |table, first, turn, _| {
            write(table);
            complete(table, &[first], true);
            table.leave(turn);
        }),
        ("left", |table, _, turn, _| table.leave(turn)),
        ("expired", |table, _, turn, later| {
            table.expire(later);
            table.leave(turn);
        }),
        ("given up", |table, _, _, _| table.give_up(&reason())),
        ("closed", |table, _, _, _| table.fail(reason())),
        ("admitted", |table, first, turn, _| {
            table.forget(first);
            let waker = Touchy::waker();
            let cx = Context::from_waker(&waker);
            let sent = table.poll_send(&mut scratch(), &mut Some(turn), Expects::Reply(|_| true), None, &cx);
            assert!(sent.is_ready());
        }),
    ];
    for (how, end) in ends {
        eprintln!("{how}");
        let table = table(Limits::default().in_flight(1).stream_replies(1, Overflow::Pause), false);
        let first = send(&table, Expects::Reply(|_| true), None);
        let (mut turn, mut encoded) = (None, scratch());
        for _ in 0..3 {
            let waker = Touchy::waker();
            let cx = Context::from_waker(&waker);
            let sent = table.poll_send(&mut encoded, &mut turn, Expects::Reply(|_| true), Some(later), &cx);
            assert!(sent.is_pending());
        }
        end(&table, first, turn.expect("it waits"), later);
        drop(table);
    }
}
