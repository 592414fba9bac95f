//! Models of the members of a group: Commands that are handed back, and connections that are replaced.

use super::*;
use crate::client::health::Told;

fn lost() -> Error {
    Error::new(ErrorKind::Closed, Origin::Remote, "the model lost it")
}

/// A table that hands back what it cannot send, and has a connection.
fn member(told: &Arc<Told>) -> Arc<Table<Reply>> {
    let link = Link::Up(Peer::other("model"));
    let health = Arc::new(Health::telling(Arc::clone(told)));
    Arc::new(Table::new(Limits::default(), Duration::MAX, link, Some((health, true))))
}

/// What became of a call.
#[derive(PartialEq, Eq, Debug)]
enum End {
    Refused,
    HandedBack,
    Lost,
    /// It has had its Reply, or is written if it is one-way.
    Done,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Call,
    Stream,
    OneWay,
}

const KINDS: [Kind; 3] = [Kind::Call, Kind::Stream, Kind::OneWay];

impl Kind {
    fn expects(self) -> Expects<Reply> {
        match self {
            Self::Call => Expects::Reply(|_| true),
            Self::Stream => Expects::Stream(|_| true),
            Self::OneWay => Expects::Nothing,
        }
    }
}

/// A caller, to its end.
fn call(table: &Table<Reply>, kind: Kind) -> End {
    let mut encoded = Scratch::new();
    encoded.buffer().push(1);
    call_with(table, kind, &mut encoded)
}

/// A caller whose Command is encoded, to its end. If it can be sent elsewhere, it is `encoded` then, too.
fn call_with(table: &Table<Reply>, kind: Kind, encoded: &mut Scratch) -> End {
    let task = Task::default();
    let waker = task.waker();
    let seq = match table.poll_send(encoded, &mut None, kind.expects(), None, &Context::from_waker(&waker)) {
        Poll::Ready(Ok(seq)) => seq,
        Poll::Ready(Err(error)) => {
            assert!(!error.was_sent());
            return End::Refused;
        }
        Poll::Pending => panic!("there is room"),
    };
    let end = task.block_on(|cx| match kind {
        Kind::Call => table.poll_reply(seq, None, cx).map_ok(drop),
        Kind::OneWay => table.poll_written(seq, None, cx),
        Kind::Stream => table.poll_next(seq, None, cx).map(|next| next.expect("it has not ended").map(drop)),
    });
    let back = table.take_back(seq);
    let end = match (end, back) {
        (Ok(()), None) => End::Done,
        (Err(error), Some(frame)) => {
            assert!(!error.was_sent());
            assert_eq!(frame.bytes(), [1]);
            *encoded = frame;
            End::HandedBack
        }
        (Err(error), None) => {
            assert!(error.was_sent());
            End::Lost
        }
        (Ok(()), Some(_)) => panic!("it was done, and was handed back"),
    };
    if kind == Kind::Stream {
        table.forget(seq);
    }
    end
}

/// A connection is lost while a Command is sent: it is handed back, or it may have been sent, and never both.
#[test]
fn what_is_lost_was_written_and_what_is_handed_back_was_not() {
    for kind in KINDS {
        model(move || {
            let table = member(&Arc::default());
            let caller = thread::spawn({
                let table = Arc::clone(&table);
                move || call(&table, kind)
            });
            let written = write(&table);
            table.lose(&lost(), Instant::now());
            table.give_up(&lost());
            let end = caller.join().expect("no panic");
            let expected: &[End] = if written > 0 { &[End::Lost] } else { &[End::HandedBack, End::Refused] };
            assert!(expected.contains(&end), "{end:?} after {written} bytes");
            assert_empty(&table);
            table.up(Peer::other("another model")).expect("it is open");
            assert_eq!(write(&table), 0, "what is handed back is not sent here as well");
        });
    }
}

/// The task of a connection that is lost for good, sooner or later. Returns how many bytes were written.
fn write_and_lose(table: &Table<Reply>) -> usize {
    let written = write(table);
    table.lose(&lost(), Instant::now());
    table.give_up(&lost());
    written
}

/// Two members lose their connections, one of them while a Command is on its way to the other.
#[test]
fn a_command_that_moves_between_members_that_are_lost_is_written_at_most_once_and_its_call_ends() {
    for kind in KINDS {
        model(move || {
            let members = [member(&Arc::default()), member(&Arc::default())];
            let caller = thread::spawn({
                let [one, two] = members.clone();
                move || {
                    let mut encoded = Scratch::new();
                    encoded.buffer().push(1);
                    match call_with(&one, kind, &mut encoded) {
                        End::HandedBack | End::Refused => {
                            assert_eq!(encoded.bytes(), [1], "it is encoded once");
                            call_with(&two, kind, &mut encoded)
                        }
                        end => end,
                    }
                }
            });
            let other = thread::spawn({
                let two = Arc::clone(&members[1]);
                move || write_and_lose(&two)
            });
            let written = write_and_lose(&members[0]) + other.join().expect("no panic");
            let end = caller.join().expect("no panic");
            match written {
                0 => assert!(
                    matches!(end, End::HandedBack | End::Refused),
                    "{end:?}, though it was not written"
                ),
                2 => assert_eq!(end, End::Lost),
                bytes => panic!("{bytes} bytes: it was written twice"),
            }
            members.iter().for_each(|table| assert_empty(table));
        });
    }
}

/// A caller goes away while its Command is handed back, or lost.
#[test]
fn a_call_that_is_dropped_while_its_connection_is_lost_leaves_nothing_behind() {
    for kind in KINDS {
        model(move || {
            let table = member(&Arc::default());
            let seq = send_now(&table, kind.expects());
            let other = send_now(&table, Expects::Reply(|_| true));
            let caller = thread::spawn({
                let table = Arc::clone(&table);
                move || table.forget(seq)
            });
            table.lose(&lost(), Instant::now());
            table.give_up(&lost());
            caller.join().expect("no panic");
            assert_eq!(table.take_back(other).expect("it was not sent").bytes(), [1]);
            assert_empty(&table);
        });
    }
}

/// The task of a connection whose server answers all that it gets at once, until the connection is replaced. Returns how many
/// Commands were written.
fn drive(table: &Table<Reply>, kind: Kind) -> usize {
    let (task, mut written) = (Task::default(), 0);
    let reason = task.block_on(|cx| {
        loop {
            let mut writer = Writer::default();
            match table.next_batch(&mut writer, &mut true, &mut None, cx) {
                Ok(Batch::Taken) => {}
                Ok(Batch::Nothing) => return Poll::Pending,
                Ok(Batch::Later) => continue,
                Err(reason) => return Poll::Ready(reason),
            }
            for _ in 0..writer.left() / 2 {
                written += 1;
                if kind != Kind::OneWay {
                    assert!(read(table, Seq::new(written as i64), 7, true).1.is_empty());
                }
            }
        }
    });
    assert!(table.is_replaced());
    assert_eq!(table.lose(&reason, Instant::now()), 0, "nobody waits for the connection any more");
    written
}

#[test]
fn a_call_is_answered_before_its_connection_is_replaced_or_is_handed_back() {
    for kind in KINDS {
        model(move || {
            let table = member(&Arc::default());
            let caller = thread::spawn({
                let table = Arc::clone(&table);
                move || call(&table, kind)
            });
            let retires = thread::spawn({
                let table = Arc::clone(&table);
                move || table.retire(Duration::MAX)
            });
            let written = drive(&table, kind);
            retires.join().expect("no panic");
            let end = caller.join().expect("no panic");
            let expected: &[End] = if written > 0 { &[End::Done] } else { &[End::HandedBack, End::Refused] };
            assert!(expected.contains(&end), "{end:?} after {written}");
            assert_empty(&table);
        });
    }
}

/// The server has its Command, and never answers. The last one who waits goes away, or nobody would wake the task.
#[test]
fn a_connection_is_replaced_when_nobody_waits_for_its_server_any_more() {
    model(|| {
        let table = member(&Arc::default());
        let seq = send_now(&table, Expects::Reply(|_| true));
        assert!(write(&table) > 0);
        table.retire(Duration::MAX);
        let caller = thread::spawn({
            let table = Arc::clone(&table);
            move || table.forget(seq)
        });
        let reason = Task::default().block_on(|cx| {
            match table.next_batch(&mut Writer::default(), &mut true, &mut None, cx) {
                Ok(_) => Poll::Pending,
                Err(reason) => Poll::Ready(reason),
            }
        });
        caller.join().expect("no panic");
        assert!(table.is_replaced());
        assert_eq!(table.lose(&reason, Instant::now()), 0);
        assert_empty(&table);
    });
}

/// Both are old. One of them goes on taking calls.
#[test]
fn of_two_members_that_are_replaced_for_their_age_one_stays() {
    loom::model(|| {
        let told = Arc::default();
        let (one, two) = (member(&told), member(&told));
        let other = thread::spawn({
            let two = Arc::clone(&two);
            move || two.retire_unless_last(Duration::MAX)
        });
        let retires = [one.retire_unless_last(Duration::MAX), other.join().expect("no panic")];
        assert_eq!(retires.iter().filter(|retires| **retires).count(), 1);
        assert_eq!([one, two].map(|table| !table.health.takes_calls()), retires);
        assert!(told.none_since().is_none());
    });
}
