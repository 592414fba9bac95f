//! Models of callers that wait for room, and of deadlines.

use super::*;

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
