//! Models of a line: loom runs each of them in every order in which its threads can take the lock. A wake-up that is lost
//! leaves a thread waiting for ever, which loom reports as a deadlock.
//!
//! The line is the one that ships. What a model plays are the Commands, and the socket of the connection's task.

use std::time::Duration;

use loom::thread;

use super::task::{Input, Next};
use super::*;
use crate::connection::Writer;
use crate::server::Handle;
use crate::server::control::{EndSession, Idle};
use crate::server::unstarted::Spent;
use crate::stats::Tally;
use crate::sync::models::{Task, model, model_within};
use crate::sync::{Weak, atomic::AtomicUsize};
use crate::transport::Peer;

/// The bytes of a Reply in these models.
const FRAME: usize = 2;

/// A line whose output is full with one Reply.
fn line() -> Arc<Line> {
    line_for(1)
}

/// A line whose output is full with so many.
fn line_for(replies: usize) -> Arc<Line> {
    let limits = Limits::default().output(replies * FRAME);
    let control = Control::new(Peer::other("model"), limits, Tally::new(&[], None));
    Arc::new(Line::new(Arc::new(control), Connection::new(1, Peer::other("client"))))
}

/// The same, and it has one.
fn full_line() -> Arc<Line> {
    let line = line();
    append(&line).expect("it is open");
    line
}

/// Appends a Reply, whether there is room or not.
fn append(line: &Line) -> Result<(), Error> {
    let mut bytes = Scratch::new();
    bytes.buffer().extend([1; FRAME]);
    line.append(&mut bytes, false, None, How::running()).map(drop)
}

/// A Command sends a Reply once there is room, as `Proxy::send` does.
fn send(line: &Line) -> Result<(), Error> {
    let (task, mut place) = (Task::default(), Place::new(line));
    while line.is_full() {
        task.block_on(|cx| line.poll_room(place.turn(), None, cx))?;
    }
    append(line)
}

/// The connection's task, which sleeps when there is nothing to do.
#[derive(Default)]
struct Writing {
    task: Task,
    yielded: bool,
    written: usize,
    /// How many failures it has answered.
    answered: usize,
}

impl Writing {
    /// One round: writes a batch, answers a failure, or sleeps.
    fn round(&mut self, line: &Line) -> Result<(), Error> {
        let (mut writer, waker) = (Writer::default(), self.task.waker());
        let cx = Context::from_waker(&waker);
        line.wake_up();
        match line.next_batch(Input::Quiet, &mut writer, &mut self.yielded, &cx)? {
            Next::Batch => {
                self.written += writer.left();
                // The socket takes all but one byte first, and wakes the task for that at once.
                line.book_write(1, 1, &cx)?;
            }
            Next::Nothing => self.task.sleep(),
            Next::Owed(owed) => {
                append(line)?;
                line.release(owed.arrival.seq, false);
                self.answered += 1;
            }
            Next::Left => unreachable!("the client is there"),
        }
        Ok(())
    }

    /// Writes so many Replies.
    fn write(&mut self, line: &Line, replies: usize) {
        while self.written < replies * FRAME {
            self.round(line).expect("it is open");
        }
    }

    /// Goes on until the connection ends.
    fn run(&mut self, line: &Line) -> Error {
        loop {
            if let Err(reason) = self.round(line) {
                return reason;
            }
        }
    }
}

fn arrival(seq: i64) -> Arrival {
    static ENTRY: Entry = Entry { tag: crate::proto::Tag::new(1), name: "Model" };
    Arrival { seq: Seq::new(seq), entry: &ENTRY, is_one_way: false, received_at: Instant::now(), size: 1 }
}

#[test]
fn each_command_that_waits_for_room_sends() {
    // With three it takes a minute.
    model_within(2, || {
        let line = full_line();
        let sending = [(); 2].map(|()| {
            let line = Arc::clone(&line);
            thread::spawn(move || send(&line).expect("it is open"))
        });
        Writing::default().write(&line, 3);
        sending.into_iter().for_each(|sending| sending.join().expect("it does not panic"));
        assert!(line.lock().gate.is_empty());
    });
}

#[test]
fn those_who_give_up_leave_the_room_to_the_next() {
    model(|| {
        let line = full_line();
        let others = [(); 2].map(|()| Turn::default());
        let sending = thread::spawn({
            let line = Arc::clone(&line);
            move || send(&line).expect("it is open")
        });
        let giving_up = thread::spawn({
            let line = Arc::clone(&line);
            move || {
                for mut turn in others {
                    let _ = line.poll_room(&mut turn, None, &Context::from_waker(Waker::noop()));
                    line.leave(&mut turn);
                }
            }
        });
        Writing::default().write(&line, 2);
        sending.join().expect("it does not panic");
        giving_up.join().expect("it does not panic");
        assert!(line.lock().gate.is_empty());
    });
}

/// Three wait, and two of them are woken. They neither send nor wait again, so the third one must be woken for that.
#[test]
fn those_who_come_and_send_nothing_leave_the_room_to_the_next() {
    model(|| {
        let line = full_line();
        let tasks = [(); 3].map(|()| Task::default());
        let mut turns = [(); 3].map(|()| Turn::default());
        for (task, turn) in tasks.iter().zip(&mut turns) {
            let waker = task.waker();
            assert!(line.poll_room(turn, None, &Context::from_waker(&waker)).is_pending());
        }
        let waiting: Vec<_> = tasks
            .into_iter()
            .zip(turns)
            .map(|(task, mut turn)| {
                let line = Arc::clone(&line);
                thread::spawn(move || {
                    task.sleep();
                    task.block_on(|cx| line.poll_room(&mut turn, None, cx)).expect("it is open");
                })
            })
            .collect();
        let mut writing = Writing::default();
        writing.write(&line, 1);
        // All of it is written now, and the task sleeps from here on.
        let mut writer = Writer::default();
        let cx = Context::from_waker(Waker::noop());
        assert!(matches!(line.next_batch(Input::Quiet, &mut writer, &mut false, &cx), Ok(Next::Nothing)));
        waiting.into_iter().for_each(|waiting| waiting.join().expect("it does not panic"));
        assert!(line.lock().gate.is_empty());
    });
}

/// The connection's task waits until Commands that it has spawned have started.
#[test]
fn a_connection_goes_on_when_enough_of_its_commands_have_started() {
    model(|| {
        let line = line();
        for _ in 0..100 {
            line.unstarted.polled(&mut Spent::default(), Duration::MAX); // so few may wait
        }
        let starting = [2, 3].map(|commands| {
            (0..commands).for_each(|_| line.unstarted.add());
            let line = Arc::clone(&line);
            (commands, line)
        });
        let starting =
            starting.map(|(commands, line)| thread::spawn(move || (0..commands).for_each(|_| line.starts())));
        let task = Task::default();
        let (mut writer, waker) = (Writer::default(), task.waker());
        while line.unstarted.is_over() {
            let cx = Context::from_waker(&waker);
            assert!(matches!(
                line.next_batch(Input::Pending, &mut writer, &mut false, &cx),
                Ok(Next::Nothing)
            ));
            if line.unstarted.waits() {
                task.sleep();
            }
        }
        starting.into_iter().for_each(|starting| starting.join().expect("it does not panic"));
        assert!(!line.unstarted.is_over());
    });
}

#[test]
fn nobody_waits_for_room_on_a_connection_that_has_ended() {
    model(|| {
        let line = full_line();
        let sending = thread::spawn({
            let line = Arc::clone(&line);
            move || send(&line).expect_err("nothing is written")
        });
        let starting = thread::spawn({
            let line = Arc::clone(&line);
            move || {
                let mut turn = Turn::default();
                Task::default().block_on(|cx| line.poll_start(&mut turn, cx));
            }
        });
        line.close(&Error::new(ErrorKind::Closed, Origin::Remote, "the client closed the connection"));
        assert_eq!(sending.join().expect("it does not panic").kind(), ErrorKind::Closed);
        starting.join().expect("it does not panic");
        assert!(line.lock().gate.is_empty());
    });
}

#[test]
fn a_failure_is_answered_once_whether_there_is_room_or_not() {
    model(|| {
        let line = full_line();
        let failing = thread::spawn({
            let line = Arc::clone(&line);
            move || {
                let failed = Failed::new("it is a model");
                let owed = Owed { arrival: arrival(1), failed, tells: false, kept: None };
                let is_answered = line.owe(owed).is_some();
                if is_answered {
                    append(&line).expect("it is open");
                }
                is_answered
            }
        });
        let mut writing = Writing::default();
        writing.write(&line, 2);
        let by_itself = failing.join().expect("it does not panic");
        assert_eq!(writing.answered + usize::from(by_itself), 1);
        assert!(line.lock().in_flight.is_empty() && line.control.commands() == 0);
    });
}

#[test]
fn failures_that_wait_for_room_end_with_their_connection() {
    model(|| {
        let line = full_line();
        let failing = thread::spawn({
            let line = Arc::clone(&line);
            move || {
                let failed = Failed::new("it is a model");
                line.owe(Owed { arrival: arrival(1), failed, tells: false, kept: None });
            }
        });
        line.close(&Error::new(ErrorKind::Closed, Origin::Remote, "the client closed the connection"));
        failing.join().expect("it does not panic");
        let state = line.lock();
        assert!(state.owed.is_empty() && state.in_flight.is_empty() && line.control.commands() == 0);
    });
}

#[test]
fn what_is_appended_while_the_task_falls_asleep_is_written() {
    model(|| {
        let line = line();
        let appending = [(); 2].map(|()| {
            let line = Arc::clone(&line);
            thread::spawn(move || append(&line).expect("it is open"))
        });
        Writing::default().write(&line, 2);
        appending.into_iter().for_each(|appending| appending.join().expect("it does not panic"));
    });
}

/// A poll sends two Replies that follow each other closely, for which there is room, and then does something before it ends.
/// The task writes what the poll waits for in the middle, if it does, and then the rest.
fn sends_densely(before_its_end: fn(&Line), waits: bool) {
    model(move || {
        let line = line_for(8);
        let (blocked, is_written) = (Arc::new(Task::default()), Arc::new(AtomicBool::new(!waits)));
        let sending = thread::spawn({
            let (line, blocked, is_written) =
                (Arc::clone(&line), Arc::clone(&blocked), Arc::clone(&is_written));
            move || {
                line.begin_put_off();
                for _ in 0..2 {
                    let mut bytes = Scratch::new();
                    bytes.buffer().extend([1; FRAME]);
                    line.append(&mut bytes, false, None, How::Dense).expect("it is open");
                }
                before_its_end(&line);
                // It blocks its thread until both were written.
                blocked.block_on(|_| if is_written.load(Relaxed) { Poll::Ready(()) } else { Poll::Pending });
                line.end_put_off();
            }
        });
        Writing::default().write(&line, 2);
        is_written.store(true, Relaxed);
        blocked.waker().wake();
        sending.join().expect("it does not panic");
    });
}

#[test]
fn what_waits_for_more_is_written_when_the_poll_is_over() {
    sends_densely(|_| {}, false);
}

#[test]
fn what_waits_for_more_is_written_when_somebody_looks() {
    sends_densely(|line| wake_all(line.look_at_put_off().1), true);
}

#[test]
fn what_waits_for_more_is_written_with_what_does_not() {
    let append = |line: &Line| append(line).expect("it is open");
    sends_densely(append, true);
    // It may come before the poll begins, and is written all the same.
    model(move || {
        let line = line_for(8);
        let beginning = thread::spawn({
            let line = Arc::clone(&line);
            move || line.begin_put_off() // and it never ends
        });
        let appending = thread::spawn({
            let line = Arc::clone(&line);
            move || append(&line)
        });
        Writing::default().write(&line, 1);
        beginning.join().expect("it does not panic");
        appending.join().expect("it does not panic");
    });
}

/// A connection as the server knows it, to tell it of its end.
struct Session(Arc<Line>);

impl EndSession for Session {
    fn end_session(&self, ending: Ending) {
        self.0.end(ending);
    }

    fn idle(&self) -> Option<Idle> {
        self.0.lock().idle()
    }

    fn make_room(&self, idle: Idle) -> bool {
        self.0.make_room(idle)
    }
}

/// A connection is accepted while the server begins to end: it is told, and ends when its last Command has.
fn accepted_while(ends: impl Fn(&Handle) + Clone + Send + Sync + 'static, reason: &'static str) {
    model(move || {
        let line = line();
        line.hold(Seq::new(1), 1, 0);
        let ending = thread::spawn({
            let (ends, handle) = (ends.clone(), Handle::new(Arc::clone(&line.control)));
            move || ends(&handle)
        });
        let answering = thread::spawn({
            let line = Arc::clone(&line);
            move || {
                let _ = append(&line);
                line.release(Seq::new(1), true);
            }
        });
        let session: Arc<dyn EndSession> = Arc::new(Session(Arc::clone(&line)));
        let registered = line.control.register(1, Arc::downgrade(&session) as Weak<dyn EndSession>);
        let mut writing = Writing::default();
        let ended = writing.run(&line);
        assert!(ended.to_string().contains(reason), "{ended}");
        drop(registered);
        answering.join().expect("it does not panic");
        ending.join().expect("it does not panic");
        assert_eq!(line.control.commands(), 0);
        if reason == SHUTTING_DOWN {
            assert_eq!(writing.written, FRAME, "a Command that was started is answered");
        }
    });
}

const SHUTTING_DOWN: &str = "the server is shutting down";

#[test]
fn a_connection_that_is_accepted_while_a_server_begins_to_drain_ends_when_it_is_idle() {
    accepted_while(Handle::shutdown, SHUTTING_DOWN);
}

#[test]
fn a_connection_that_is_accepted_while_a_server_is_closed_ends() {
    accepted_while(Handle::close, "the server was closed");
}

#[test]
fn a_drain_that_sees_no_command_has_missed_none() {
    model(|| {
        let line = line();
        let released = Arc::new(AtomicUsize::new(0));
        line.hold(Seq::new(1), 1, 0);
        let running = thread::spawn({
            let (line, released) = (Arc::clone(&line), Arc::clone(&released));
            move || {
                line.hold(Seq::new(1), 1, 0); // it is handed over
                for _ in 0..2 {
                    released.fetch_add(1, Relaxed);
                    line.release(Seq::new(1), true);
                }
            }
        });
        if line.control.commands() == 0 {
            assert!(line.lock().in_flight.is_empty());
            assert_eq!(released.load(Relaxed), 2);
        }
        running.join().expect("it does not panic");
        assert_eq!(line.control.commands(), 0);
    });
}
