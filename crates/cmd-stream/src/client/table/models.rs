//! Models of the table: loom runs each of them in every order in which its threads can take the lock. A wake-up that is
//! lost leaves a thread waiting for ever, which loom reports as a deadlock.
//!
//! The table is the one that ships. What a model plays are the callers and the connection's task.

use std::future::Future;

use loom::thread;

use super::*;
use crate::client::Overflow;
use crate::sync::Arc;
use crate::sync::models::{Task, model};

mod ends;
mod moves;
mod waiting;

type Reply = u32;

/// A table whose streams hold one Reply.
fn table(overflow: Overflow) -> Arc<Table<Reply>> {
    let limits = Limits::default().stream_replies(1, overflow);
    Arc::new(up(limits))
}

/// A table that has a connection.
fn up(limits: Limits) -> Table<Reply> {
    Table::new(limits, Duration::MAX, Link::Up(Peer::other("model")), None)
}

fn send(table: &Table<Reply>, expects: Expects<Reply>, cx: &Context<'_>) -> Poll<Result<Seq, Error>> {
    let mut encoded = Scratch::new();
    encoded.buffer().push(1);
    table.poll_send(&mut encoded, &mut None, expects, None, cx)
}

/// Sends a Command, for which there is room, on behalf of nobody.
fn send_now(table: &Table<Reply>, expects: Expects<Reply>) -> Seq {
    match send(table, expects, &Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(seq)) => seq,
        other => panic!("there is room: {other:?}"),
    }
}

/// Sends a Command that is answered with a stream, and writes it.
fn open(table: &Table<Reply>) -> Seq {
    let seq = send_now(table, Expects::Stream(|_| true));
    assert!(write(table) > 0);
    seq
}

/// The task writes what there is, and the server takes it. Returns how many bytes. A Command of these models has two: a
/// seq and a byte.
fn write(table: &Table<Reply>) -> usize {
    let mut writer = Writer::default();
    match table.next_batch(&mut writer, &mut true, &mut None, &Context::from_waker(Waker::noop())) {
        Ok(Batch::Taken) => writer.left(),
        Ok(_) => 0,
        Err(reason) => panic!("it is open: {reason}"),
    }
}

/// Nobody waits, nothing is to be written, and all the room is free.
fn assert_empty(table: &Table<Reply>) {
    let state = table.lock();
    let callers = (state.pending.len(), state.abandoned, state.abandoned_bytes);
    let room = (state.room.calls, state.room.bytes, state.outbox.queued());
    assert_eq!((callers, room), ((0, 0, 0), (0, 0, 0)));
}

/// The task reads one Reply. Returns whether it is to read on, and what nobody waited for.
fn read(table: &Table<Reply>, seq: Seq, reply: Reply, is_last: bool) -> (bool, Vec<(Seq, Reply)>) {
    let (mut wakers, mut unexpected) = (Vec::new(), Vec::new());
    let read_on =
        table.complete(&mut vec![Arrived { seq, reply, size: 3, is_last }], &mut wakers, &mut unexpected);
    wakers.into_iter().for_each(Waker::wake);
    (read_on.expect("every type is accepted"), unexpected)
}

/// The task sleeps until it may read. When it is woken, it may.
fn pause(table: &Table<Reply>, task: &Task) {
    let waker = task.waker();
    if !table.may_read(&Context::from_waker(&waker)) {
        task.sleep();
        assert!(table.may_read(&Context::from_waker(&waker)), "woken while a stream is full");
    }
}

/// The task reads as many Replies of a stream, of which the last one is the last.
fn read_all(table: &Table<Reply>, task: &Task, seq: Seq, replies: Reply) {
    for reply in 1..=replies {
        let (read_on, unexpected) = read(table, seq, reply, reply == replies);
        assert!(unexpected.is_empty());
        if !read_on {
            pause(table, task);
        }
    }
}

/// All that a stream gives: its Replies, then an error if it ends with one.
fn consume(table: &Table<Reply>, seq: Seq) -> (Vec<Reply>, Option<ErrorKind>) {
    let task = Task::default();
    let mut replies = Vec::new();
    loop {
        match task.block_on(|cx| table.poll_next(seq, None, cx)) {
            Some(Ok((reply, _))) => replies.push(reply),
            Some(Err(error)) => break (replies, Some(error.kind())),
            None => break (replies, None),
        }
    }
}

#[test]
fn a_reply_that_lands_while_its_reader_goes_to_sleep_wakes_it() {
    loom::model(|| {
        let table = table(Overflow::Pause);
        let seq = open(&table);
        let reader = thread::spawn({
            let table = Arc::clone(&table);
            move || consume(&table, seq)
        });
        read_all(&table, &Task::default(), seq, 2);
        assert_eq!(reader.join().expect("no panic"), (vec![1, 2], None));
    });
}

#[test]
fn a_paused_connection_is_read_again_as_soon_as_its_stream_has_room() {
    loom::model(|| {
        let table = table(Overflow::Pause);
        let seq = open(&table);
        let reader = thread::spawn({
            let table = Arc::clone(&table);
            move || consume(&table, seq)
        });
        let task = Task::default();
        read_all(&table, &task, seq, 3);
        assert_eq!(reader.join().expect("no panic"), (vec![1, 2, 3], None));
        assert!(!task.was_woken(), "it was woken without a reason");
    });
}

#[test]
fn of_two_full_streams_the_last_one_to_get_room_wakes_the_task() {
    loom::model(|| {
        let table = table(Overflow::Pause);
        let seqs = [open(&table), open(&table)];
        for seq in seqs {
            for reply in 1..=2 {
                read(&table, seq, reply, false);
            }
        }
        let readers = seqs.map(|seq| {
            let table = Arc::clone(&table);
            thread::spawn(move || {
                for expected in 1..=2 {
                    let reply = Task::default().block_on(|cx| table.poll_next(seq, None, cx));
                    assert!(matches!(reply, Some(Ok((reply, _))) if reply == expected), "{reply:?}");
                }
            })
        });
        let task = Task::default();
        pause(&table, &task);
        readers.into_iter().for_each(|reader| reader.join().expect("no panic"));
        assert!(!task.was_woken(), "it was woken twice");
    });
}

#[test]
fn a_stream_that_is_dropped_while_replies_land_does_not_stop_the_connection() {
    loom::model(|| {
        let table = table(Overflow::Pause);
        let seq = open(&table);
        let reader = thread::spawn({
            let table = Arc::clone(&table);
            move || table.forget(seq)
        });
        let task = Task::default();
        let mut forgotten = false;
        for reply in 1..=3 {
            let (read_on, unexpected) = read(&table, seq, reply, false);
            assert!(read_on || unexpected.is_empty(), "a stream that is gone is not full");
            assert!(!forgotten || !unexpected.is_empty(), "it came back");
            forgotten = !unexpected.is_empty();
            if !read_on {
                pause(&table, &task);
            }
        }
        reader.join().expect("no panic");
        assert_eq!((table.in_flight(), read(&table, seq, 4, false)), (0, (true, vec![(seq, 4)])));
    });
}

#[test]
fn a_stream_that_overflows_ends_with_an_error_after_what_it_holds_and_the_connection_goes_on() {
    loom::model(|| {
        let table = table(Overflow::Fail);
        let seq = open(&table);
        let reader = thread::spawn({
            let table = Arc::clone(&table);
            move || consume(&table, seq)
        });
        let mut kept = Vec::new();
        for reply in 1..=3 {
            let (read_on, unexpected) = read(&table, seq, reply, reply == 3);
            assert!(read_on);
            if unexpected.is_empty() {
                kept.push(reply);
            }
        }
        let error = (kept.len() < 3).then_some(ErrorKind::Limit);
        assert_eq!(reader.join().expect("no panic"), (kept, error));
    });
}

#[test]
fn a_connection_that_ends_while_a_reader_goes_to_sleep_wakes_it() {
    loom::model(|| {
        let table = table(Overflow::Pause);
        let seq = open(&table);
        let reader = thread::spawn({
            let table = Arc::clone(&table);
            move || consume(&table, seq)
        });
        read(&table, seq, 1, false);
        table.close("the model ends");
        assert_eq!(reader.join().expect("no panic"), (vec![1], Some(ErrorKind::Closed)));
    });
}

#[test]
fn a_connection_that_ends_wakes_its_task() {
    loom::model(|| {
        let table = table(Overflow::Pause);
        let closer = thread::spawn({
            let table = Arc::clone(&table);
            move || table.close("the model ends")
        });
        let (task, mut writer) = (Task::default(), Writer::default());
        let reason = task.block_on(|cx| match table.next_batch(&mut writer, &mut false, &mut None, cx) {
            Ok(_) => Poll::Pending,
            Err(reason) => Poll::Ready(reason),
        });
        assert_eq!(reason.kind(), ErrorKind::Closed);
        closer.join().expect("no panic");
    });
}

#[test]
fn a_command_that_is_sent_while_the_task_goes_to_sleep_is_written() {
    loom::model(|| {
        let table = table(Overflow::Pause);
        // The task yields only if more than one call is in flight.
        let noop = Context::from_waker(Waker::noop());
        assert!(send(&table, Expects::Nothing, &noop).is_ready());
        let caller = thread::spawn({
            let table = Arc::clone(&table);
            move || {
                let task = Task::default();
                let seq = task.block_on(|cx| send(&table, Expects::Nothing, cx)).expect("it is open");
                task.block_on(|cx| table.poll_written(seq, None, cx)).expect("it is open");
            }
        });
        let (task, mut yielded) = (Task::default(), false);
        let mut bytes = 0;
        // Each Command is a seq and a byte. One more look books that the last ones are written.
        while bytes < 4 {
            bytes += task.block_on(|cx| {
                let mut writer = Writer::default();
                match table.next_batch(&mut writer, &mut yielded, &mut None, cx) {
                    Ok(Batch::Taken) => Poll::Ready(writer.left()),
                    Ok(Batch::Nothing | Batch::Later) => Poll::Pending,
                    Err(error) => panic!("it is open: {error}"),
                }
            });
        }
        let look = table.next_batch(
            &mut Writer::default(),
            &mut yielded,
            &mut None,
            &Context::from_waker(Waker::noop()),
        );
        assert!(matches!(look, Ok(Batch::Nothing)));
        caller.join().expect("no panic");
        assert_eq!(table.in_flight(), 0);
    });
}

#[test]
fn callers_that_wait_for_room_are_woken_when_it_is_there() {
    loom::model(|| {
        // Full with one Command. The task writes until all of them are written.
        let table = Arc::new(up(Limits::default().output(1)));
        let caller = thread::spawn({
            let table = Arc::clone(&table);
            move || {
                let (task, mut turn) = (Task::default(), None);
                for _ in 0..2 {
                    let mut encoded = Scratch::new();
                    encoded.buffer().push(1);
                    task.block_on(|cx| {
                        table.poll_send(&mut encoded, &mut turn, Expects::Reply(|_| true), None, cx)
                    })
                    .expect("it is open");
                }
            }
        });
        let (task, mut yielded, mut bytes) = (Task::default(), false, 0);
        while bytes < 4 {
            bytes += task.block_on(|cx| {
                let mut writer = Writer::default();
                match table.next_batch(&mut writer, &mut yielded, &mut None, cx) {
                    Ok(Batch::Taken) => Poll::Ready(writer.left()),
                    Ok(Batch::Nothing | Batch::Later) => Poll::Pending,
                    Err(error) => panic!("it is open: {error}"),
                }
            });
        }
        caller.join().expect("no panic");
    });
}

#[test]
fn a_connection_that_ends_while_a_write_is_blocked_wakes_its_task() {
    loom::model(|| {
        let table = table(Overflow::Pause);
        assert!(send(&table, Expects::Nothing, &Context::from_waker(Waker::noop())).is_ready());
        let closer = thread::spawn({
            let table = Arc::clone(&table);
            move || table.close("the model ends")
        });
        let (task, mut writer) = (Task::default(), Writer::default());
        let mut taken = false;
        let reason = task.block_on(|cx| {
            if !taken {
                match table.next_batch(&mut writer, &mut true, &mut None, cx) {
                    Ok(batch) => assert!(matches!(batch, Batch::Taken)),
                    Err(reason) => return Poll::Ready(reason),
                }
                taken = true;
            }
            // The server takes nothing.
            match table.book_unwritten(writer.left(), cx) {
                Ok(_) => Poll::Pending,
                Err(reason) => Poll::Ready(reason),
            }
        });
        assert_eq!(reason.kind(), ErrorKind::Closed);
        closer.join().expect("no panic");
    });
}

#[test]
fn a_call_that_is_forgotten_while_its_reply_lands_frees_its_room_once() {
    loom::model(|| {
        let table = Arc::new(up(Limits::default()));
        let seq = send_now(&table, Expects::Reply(|_| true));
        write(&table);
        let caller = thread::spawn({
            let table = Arc::clone(&table);
            move || {
                let reply = table.poll_reply(seq, None, &Context::from_waker(Waker::noop()));
                let is_here = reply.is_ready();
                // A call that has its Reply is out of the table, and forgets nothing.
                if !is_here {
                    table.forget(seq);
                }
                is_here
            }
        });
        let (read_on, unexpected) = read(&table, seq, 7, true);
        let is_here = caller.join().expect("no panic");
        assert!(read_on);
        assert!(!is_here || unexpected.is_empty(), "one Reply cannot be both");
        assert_empty(&table);
        assert_eq!(read(&table, seq, 8, true), (true, vec![(seq, 8)]), "nobody waits any more");
    });
}

#[test]
fn a_call_that_is_forgotten_while_the_task_takes_its_command_is_sent_whole_or_not_at_all() {
    loom::model(|| {
        let table = Arc::new(up(Limits::default()));
        let (first, second) =
            (send_now(&table, Expects::Reply(|_| true)), send_now(&table, Expects::Nothing));
        let caller = thread::spawn({
            let table = Arc::clone(&table);
            move || table.forget(first)
        });
        let bytes = write(&table);
        caller.join().expect("no panic");
        match bytes {
            2 => {}
            // The server has it, so its room is taken until the Reply comes.
            4 => {
                assert_eq!(table.lock().room.calls, 1);
                assert_eq!(read(&table, first, 7, true), (true, vec![(first, 7)]));
            }
            other => panic!("{other} bytes are not whole Commands"),
        }
        write(&table);
        let written = table.poll_written(second, None, &Context::from_waker(Waker::noop()));
        assert!(matches!(written, Poll::Ready(Ok(()))), "{written:?}");
        assert_empty(&table);
    });
}
