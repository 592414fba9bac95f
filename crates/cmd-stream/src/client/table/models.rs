//! Models of the table: loom runs each of them in every order in which its threads can take the lock. A wake-up that is
//! lost leaves a thread waiting for ever, which loom reports as a deadlock.
//!
//! The table is the one that ships. What a model plays are the callers and the connection's task.

use std::future::Future;
use std::task::Wake;

use loom::sync::Condvar;
use loom::thread;

use super::*;
use crate::client::Overflow;
use crate::sync::Arc;

type Reply = u32;

/// A task that can be woken, and can sleep until it is.
#[derive(Default)]
struct Task(Arc<Alarm>);

#[derive(Default)]
struct Alarm {
    rang: Mutex<bool>,
    condvar: Condvar,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        *self.rang.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.condvar.notify_one();
    }
}

impl Task {
    fn waker(&self) -> Waker {
        Waker::from(Arc::clone(&self.0))
    }

    /// Sleeps until it is woken, unless it was already.
    fn sleep(&self) {
        let mut rang = self.0.rang.lock().unwrap_or_else(PoisonError::into_inner);
        while !*rang {
            rang = self.0.condvar.wait(rang).unwrap_or_else(PoisonError::into_inner);
        }
        *rang = false;
    }

    fn was_woken(&self) -> bool {
        *self.0.rang.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Polls until it is ready, and sleeps in between.
    fn block_on<T>(&self, mut poll: impl FnMut(&Context<'_>) -> Poll<T>) -> T {
        let waker = self.waker();
        loop {
            match poll(&Context::from_waker(&waker)) {
                Poll::Ready(value) => return value,
                Poll::Pending => self.sleep(),
            }
        }
    }
}

/// Runs a model of many steps. What takes more switches between its threads than this, where none of them waits, is left
/// out.
fn model(run: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(run);
}

/// A table whose streams hold one Reply.
fn table(overflow: Overflow) -> Arc<Table<Reply>> {
    let limits = Limits::default().stream_replies(1, overflow);
    Arc::new(up(limits))
}

/// A table that has a connection.
fn up(limits: Limits) -> Table<Reply> {
    Table::new(limits, Duration::MAX, Link::Up(Peer::other("model")))
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
    let read_on = table.complete(&mut vec![Arrived { seq, reply, is_last }], &mut wakers, &mut unexpected);
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
            Some(Ok(reply)) => replies.push(reply),
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
                    assert!(matches!(reply, Some(Ok(reply)) if reply == expected), "{reply:?}");
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

fn lost() -> Error {
    Error::new(ErrorKind::Closed, Origin::Remote, "the model lost it")
}

/// One Command is in the output and another one is sent while a connection is lost and the next one made. Each of them goes
/// down with the first connection and fails, or is written on the second one.
fn lose_while_a_command_is_sent(expects: fn() -> Expects<Reply>, is_call: bool) {
    model(move || {
        let table = Arc::new(up(Limits::default()));
        let callers = [Task::default(), Task::default()];
        let sent = send(&table, expects(), &Context::from_waker(&callers[0].waker()));
        assert!(matches!(sent, Poll::Ready(Ok(Seq::FIRST))), "it waits in the table: {sent:?}");
        let caller = thread::spawn({
            let (table, waker) = (Arc::clone(&table), callers[1].waker());
            move || {
                let sent = send(&table, expects(), &Context::from_waker(&waker));
                assert!(matches!(sent, Poll::Ready(Ok(_))), "it waits in the table: {sent:?}");
            }
        });
        let gone = write(&table) / 2;
        assert_eq!(table.lose(&lost(), Instant::now()), gone);
        table.up(Peer::other("another model")).expect("it is open");
        let (task, mut written) = (Task::default(), 0);
        while gone + written < 2 {
            written += task.block_on(|cx| {
                let mut writer = Writer::default();
                match table.next_batch(&mut writer, &mut true, &mut None, cx) {
                    Ok(Batch::Taken) => Poll::Ready(writer.left() / 2),
                    Ok(_) => Poll::Pending,
                    Err(error) => panic!("it is open: {error}"),
                }
            });
        }
        caller.join().expect("no panic");
        assert_eq!((gone + written, write(&table)), (2, 0), "each Command is written once");
        let noop = Context::from_waker(Waker::noop());
        for (seq, caller) in (1..=2).map(Seq::new).zip(&callers) {
            let is_gone = seq <= Seq::new(gone as i64);
            let (_, unexpected) = read(&table, seq, 7, true);
            assert_eq!(unexpected.is_empty(), is_call && !is_gone, "the lost ones have no caller any more");
            assert!(caller.was_woken(), "{seq}");
            let end = match is_call {
                true => table.poll_reply(seq, None, &noop).map_ok(drop),
                false => table.poll_written(seq, None, &noop),
            };
            match end {
                Poll::Ready(Ok(())) => assert!(!is_gone, "it went down"),
                Poll::Ready(Err(error)) => assert!(is_gone && error.was_sent(), "{seq}: {error:?}"),
                Poll::Pending => panic!("{seq} waits for ever"),
            }
        }
        assert_empty(&table);
    });
}

#[test]
fn a_command_that_is_sent_while_the_connection_is_lost_fails_as_sent_or_goes_out_on_the_next_one() {
    lose_while_a_command_is_sent(|| Expects::Reply(|_| true), true);
}

#[test]
fn a_one_way_command_that_is_sent_while_the_connection_is_lost_fails_as_sent_or_goes_out_on_the_next_one() {
    lose_while_a_command_is_sent(|| Expects::Nothing, false);
}

/// A client without a connection.
fn down() -> Arc<Table<Reply>> {
    Arc::new(Table::new(Limits::default(), Duration::MAX, Link::Connecting))
}

/// The task connects, writes what there is, and then waits for more until the client ends.
fn connect(table: &Table<Reply>) {
    table.connecting();
    if table.up(Peer::other("model")).is_err() {
        return;
    }
    let reason = Task::default().block_on(|cx| {
        loop {
            match table.next_batch(&mut Writer::default(), &mut true, &mut None, cx) {
                Ok(Batch::Nothing) => return Poll::Pending,
                Ok(Batch::Taken | Batch::Later) => {}
                Err(reason) => return Poll::Ready(reason),
            }
        }
    });
    assert_eq!(reason.kind(), ErrorKind::Closed);
}

/// The task's attempt fails, and it then waits for the next one until the client ends.
fn fail_to_connect(table: &Table<Reply>) {
    table.connecting();
    table.attempt_failed(lost(), Instant::now());
    let reason = Task::default().block_on(|cx| match table.poll_alarm(cx) {
        Ok(_) => Poll::Pending,
        Err(reason) => Poll::Ready(reason),
    });
    assert_eq!(reason.kind(), ErrorKind::Closed);
}

#[test]
fn a_client_that_is_closed_while_it_connects_ends_closed_and_wakes_its_task_and_its_callers() {
    for attempt in [connect, fail_to_connect] {
        model(move || {
            let table = down();
            // It sleeps already. A caller that goes to sleep at that moment has models of its own.
            let caller = Task::default();
            let sent = send(&table, Expects::Reply(|_| true), &Context::from_waker(&caller.waker()));
            let Poll::Ready(Ok(seq)) = sent else { panic!("it waits in the table: {sent:?}") };
            let closer = thread::spawn({
                let table = Arc::clone(&table);
                move || table.close("the model ends")
            });
            attempt(&table);
            closer.join().expect("no panic");
            assert!(matches!(table.link.link(), Link::Closed(_)), "{:?}", table.link.link());
            assert!(caller.was_woken());
            let end = table.poll_reply(seq, None, &Context::from_waker(Waker::noop()));
            assert!(matches!(end, Poll::Ready(Err(error)) if error.kind() == ErrorKind::Closed));
            let later = send(&table, Expects::Reply(|_| true), &Context::from_waker(Waker::noop()));
            assert!(matches!(later, Poll::Ready(Err(error)) if error.kind() == ErrorKind::Closed));
            assert_empty(&table);
        });
    }
}

#[test]
fn whoever_watches_a_client_that_is_closed_while_it_connects_sees_it_closed_last() {
    for attempt in [connect, fail_to_connect] {
        model(move || {
            let table = down();
            let closer = thread::spawn({
                let table = Arc::clone(&table);
                move || table.close("the model ends")
            });
            let watcher = thread::spawn({
                let cell = Arc::clone(&table.link);
                move || {
                    let task = Task::default();
                    let mut closed = Box::pin(cell.closed());
                    let waker = task.waker();
                    loop {
                        match closed.as_mut().poll(&mut Context::from_waker(&waker)) {
                            Poll::Ready(reason) => return reason.kind(),
                            Poll::Pending => task.sleep(),
                        }
                    }
                }
            });
            attempt(&table);
            closer.join().expect("no panic");
            assert_eq!(watcher.join().expect("no panic"), ErrorKind::Closed);
            assert!(matches!(table.link.link(), Link::Closed(_)));
        });
    }
}

/// Room for one call, which one Command has.
fn full() -> (Arc<Table<Reply>>, Seq) {
    let table = Arc::new(up(Limits::default().in_flight(1)));
    let seq = send_now(&table, Expects::Reply(|_| true));
    write(&table);
    (table, seq)
}

/// Waits until there is room for a call, and returns its seq.
fn send_in_turn(table: &Table<Reply>, task: &Task) -> Seq {
    let (mut encoded, mut turn) = (Scratch::new(), None);
    encoded.buffer().push(1);
    let expects = || Expects::Reply(|_| true);
    task.block_on(|cx| table.poll_send(&mut encoded, &mut turn, expects(), None, cx)).expect("it is open")
}

#[test]
fn a_caller_that_goes_to_wait_while_the_last_call_is_answered_gets_its_room() {
    loom::model(|| {
        let (table, first) = full();
        let callers = [(); 2].map(|()| {
            let table = Arc::clone(&table);
            thread::spawn(move || {
                let seq = send_in_turn(&table, &Task::default());
                // Not written yet, so its room is free at once.
                table.forget(seq);
            })
        });
        assert!(read(&table, first, 7, true).0);
        callers.into_iter().for_each(|caller| caller.join().expect("no panic"));
        write(&table);
        // The first one was answered, and its caller has not come for the Reply.
        table.forget(first);
        assert_empty(&table);
    });
}

#[test]
fn a_caller_that_leaves_when_it_is_woken_for_room_hands_it_on() {
    loom::model(|| {
        let (table, first) = full();
        let noop = Context::from_waker(Waker::noop());
        let (mut encoded, mut turn) = (Scratch::new(), None);
        encoded.buffer().push(1);
        // The first in the queue.
        let expects = Expects::Reply(|_| true);
        assert!(table.poll_send(&mut encoded, &mut turn, expects, None, &noop).is_pending());
        let turn = turn.expect("it waits");
        let leaves = thread::spawn({
            let table = Arc::clone(&table);
            move || table.leave(turn)
        });
        let stays = thread::spawn({
            let table = Arc::clone(&table);
            move || send_in_turn(&table, &Task::default())
        });
        assert!(read(&table, first, 7, true).0);
        leaves.join().expect("no panic");
        let seq = stays.join().expect("no panic");
        assert_eq!(table.lock().room.calls, 1);
        table.forget(seq);
        table.forget(first);
        assert_empty(&table);
    });
}

/// Two instants ahead of the clock, which a model does not reach.
fn instants() -> [Instant; 2] {
    [1, 2].map(|hours| Instant::now() + Duration::from_secs(hours * 3600))
}

/// The task sleeps until it is woken, or until the earliest deadline, to which the clock of the model then moves.
fn sleep_until_the_alarm(table: &Table<Reply>, expected: Instant) {
    let task = Task::default();
    task.block_on(|cx| {
        let mut alarm = None;
        let batch = table.next_batch(&mut Writer::default(), &mut true, &mut alarm, cx);
        assert!(batch.is_ok());
        if alarm == Some(expected) { Poll::Ready(()) } else { Poll::Pending }
    });
    table.expire(expected);
}

/// A caller notes a deadline while the task goes to sleep: for ever, or for a later deadline. The task must hear of it.
/// `table` makes a table, what the caller waits for, and a call that may have the later deadline.
fn note_while_the_task_goes_to_sleep(
    table: fn() -> (Arc<Table<Reply>>, Seq, Seq),
    wait: fn(&Table<Reply>, Seq, Instant, &Context<'_>),
) {
    let [early, late] = instants();
    for other_waits in [false, true] {
        loom::model(move || {
            let (table, seq, other) = table();
            write(&table);
            if other_waits {
                let noop = Context::from_waker(Waker::noop());
                assert!(table.poll_reply(other, Some(late), &noop).is_pending());
            }
            let caller = thread::spawn({
                let table = Arc::clone(&table);
                move || {
                    let task = Task::default();
                    wait(&table, seq, early, &Context::from_waker(&task.waker()));
                    task.sleep();
                }
            });
            sleep_until_the_alarm(&table, early);
            caller.join().expect("no panic");
        });
    }
}

#[test]
fn a_deadline_of_a_call_that_is_noted_while_the_task_goes_to_sleep_wakes_it() {
    let table = || {
        let table = table(Overflow::Pause);
        let [seq, other] = [(); 2].map(|()| send_now(&table, Expects::Reply(|_| true)));
        (table, seq, other)
    };
    note_while_the_task_goes_to_sleep(table, |table, seq, deadline, cx| {
        assert!(table.poll_reply(seq, Some(deadline), cx).is_pending());
    });
}

#[test]
fn a_deadline_of_a_stream_that_is_noted_while_the_task_goes_to_sleep_wakes_it() {
    let table = || {
        let table = table(Overflow::Pause);
        let seq = send_now(&table, Expects::Stream(|_| true));
        let other = send_now(&table, Expects::Reply(|_| true));
        (table, seq, other)
    };
    note_while_the_task_goes_to_sleep(table, |table, seq, deadline, cx| {
        assert!(table.poll_next(seq, Some(deadline), cx).is_pending());
    });
}

#[test]
fn a_deadline_of_a_caller_without_room_that_is_noted_while_the_task_goes_to_sleep_wakes_it() {
    let table = || {
        let (table, seq) = full();
        (table, seq, seq)
    };
    note_while_the_task_goes_to_sleep(table, |table, _, deadline, cx| {
        let mut encoded = Scratch::new();
        encoded.buffer().push(1);
        let expects = Expects::Reply(|_| true);
        assert!(table.poll_send(&mut encoded, &mut None, expects, Some(deadline), cx).is_pending());
    });
}
