//! Models of connections that come and go, and of a client that is closed meanwhile.

use super::*;

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
    Arc::new(Table::new(Limits::default(), Duration::MAX, Link::Connecting, None))
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
