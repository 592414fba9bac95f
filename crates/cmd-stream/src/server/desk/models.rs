//! Models of a desk: the task of a connection, which is back at any time, and whoever stands in for it. One that nobody wakes
//! leaves a thread waiting for ever, which loom reports.

use std::io;
use std::pin::Pin;

use loom::thread;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::runtime::{Builder, Runtime};

use super::*;
use crate::connection::outbox::Scratch;
use crate::server::connection::Connection;
use crate::server::control::Control;
use crate::server::invoker::Direct;
use crate::server::limits::Limits;
use crate::server::line::How;
use crate::server::service::Parts;
use crate::stats::Tally;
use crate::sync::models::{Task, model};
use crate::transport::Peer;
use crate::{Answer, Failed, Mus, protocol};

#[derive(mus_format::Mus)]
struct Ask(u64);
#[derive(mus_format::Mus)]
struct Said(u64);
struct Nobody;

impl Answer<Nobody> for Ask {
    async fn answer(self, _: &Nobody, _: &crate::Context<'_>) -> Result<Said, Failed> {
        Ok(Said(self.0))
    }
}

protocol! {
    struct Asking {
        commands { 1 => Ask -> Said }
        replies { 1 => Said }
        failure close_connection
    }
}

type Served = Parts<Asking, Mus, Nobody, Direct>;

/// The bytes of a Reply.
const FRAME: usize = 2;

/// Takes everything, and counts it.
#[derive(Default)]
struct Sink(usize);

impl AsyncWrite for Sink {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0 += bytes.len();
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Sink {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

/// It only has to be there.
fn runtime() -> &'static Runtime {
    static RUNTIME: std::sync::OnceLock<Runtime> = std::sync::OnceLock::new();
    RUNTIME.get_or_init(|| Builder::new_current_thread().build().expect("a runtime"))
}

fn desk() -> Arc<Desk<Sink, Served>> {
    let _runtime = runtime().enter();
    let control = Control::new(Peer::other("model"), Limits::default(), Tally::new(&[], None));
    let service = Arc::new(Parts::new(Mus, Nobody, Direct));
    let connection = Connection::new(1, Peer::other("client"));
    Desk::new(&Arc::new(Session::new(service, Arc::new(control), connection)))
}

fn append(desk: &Desk<Sink, Served>) {
    let mut bytes = Scratch::new();
    bytes.buffer().extend([1; FRAME]);
    desk.session.line.append(&mut bytes, false, None, How::refusing()).expect("it is open");
}

/// Stands in for the connection's task, until that is back.
fn stand_in(desk: &Desk<Sink, Served>, round: u64) {
    Task::default().block_on(|cx| desk.poll_write(round, &mut Context::from_waker(cx.waker())));
}

/// The connection's task is back, and writes until so many Replies were written.
fn write(desk: &Desk<Sink, Served>, task: &Task, replies: usize) -> Box<Stream<Sink>> {
    let mut stream = match desk.come_back() {
        Some(stream) => stream,
        None => task.block_on(|cx| desk.poll_back(cx)),
    };
    let waker = task.waker();
    while stream.io.0 < replies * FRAME {
        desk.session.line.wake_up();
        let mut cx = Context::from_waker(&waker);
        let written = stream.write(&desk.session, Input::Quiet, |_| {}, &mut cx).expect("it is open");
        if matches!(written, Written::All) && stream.io.0 < replies * FRAME {
            task.sleep();
        }
    }
    stream
}

#[test]
fn all_that_is_sent_is_written_by_the_task_or_by_whoever_stands_in_and_that_one_goes() {
    model(|| {
        let (desk, task) = (desk(), Task::default());
        desk.leave(Stream::new(Sink::default()));
        desk.lock().stands_in = Some(1);
        let standing_in = thread::spawn({
            let desk = Arc::clone(&desk);
            move || stand_in(&desk, 1)
        });
        append(&desk);
        append(&desk);
        let stream = write(&desk, &task, 2);
        // The next Command, which sends nothing, and for which nobody stands in.
        desk.leave(stream);
        let stream = write(&desk, &task, 2);
        standing_in.join().expect("it does not panic");
        assert_eq!(stream.io.0, 2 * FRAME);
    });
}

#[test]
fn what_is_sent_while_the_command_goes_on_is_written_before_it_is_back() {
    model(|| {
        let desk = desk();
        desk.leave(Stream::new(Sink::default()));
        desk.lock().stands_in = Some(1);
        let standing_in = thread::spawn({
            let desk = Arc::clone(&desk);
            move || {
                let task = Task::default();
                let waker = task.waker();
                // It goes on until both are written, though the connection's task never comes back.
                while desk.lock().stream.as_ref().is_none_or(|stream| stream.io.0 < 2 * FRAME) {
                    if desk.poll_write(1, &mut Context::from_waker(&waker)).is_pending()
                        && desk.lock().stream.as_ref().is_none_or(|stream| stream.io.0 < 2 * FRAME)
                    {
                        task.sleep();
                    }
                }
            }
        });
        append(&desk);
        append(&desk);
        standing_in.join().expect("it does not panic");
    });
}
