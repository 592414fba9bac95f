//! From the listener to a connection that is served: a place (`places.rs`), the handshake. And back: what
//! happens when a connection, or the server, has ended (`ending.rs` says who asks for that).

use std::convert::Infallible;
use std::future::poll_fn;
use std::io::{
    self,
    ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset},
};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tracing::Instrument;

use super::connection::Connection;
use super::control::{Control, Cut, EndSession, Life, Served};
use super::counters::{Gauge, one};
use super::desk::Stream;
use super::driver::Driver;
use super::ending::Ending;
use super::ends::End;
use super::execute::ServerProtocol;
use super::handshaking::Handshaking;
use super::invoker::Invoker;
use super::memory::Orphaned;
use super::places::{Entry, NoPlace, Place, Places};
use super::rates::{Admission, Rates};
use super::service::Service;
use super::session::Session;
use super::unserved::Unserved;
use super::watch::threads::Marks;
use super::{Callbacks, LostConnection, Server};
use crate::connection::goodbye::read_out;
use crate::connection::{say_goodbye, write_all};
use crate::error::cause::Cause;
use crate::error::{Chain, Error, ErrorKind, Origin, discard, drop_contained, take_message};
use crate::format::Format;
use crate::proto::handshake::ServerInfo;
use crate::proto::never::after;
use crate::sync::{Arc, Weak};
use crate::transport::{Accept, Establish, Io, Peer, keep_accepted};

impl<P, F, R, I, L> Server<P, F, R, I, L>
where
    P: ServerProtocol<F, R>,
    F: Format,
    R: Send + Sync + 'static,
    I: Invoker<P>,
    L: Accept,
{
    /// Serves until the [handle](Self::handle) ends it.
    ///
    /// No Command, no client and no error of the listener ends it. When accepting a connection fails (there are no more
    /// file descriptors, for example), the error is counted and logged, and the server tries again after 10 ms to 1 s.
    ///
    /// Connections that were cut end in the background; see [`Handle::close`](super::Handle::close).
    ///
    /// # Cancel safety
    ///
    /// Dropping it closes the listener and all connections, as [`Handle::close`](super::Handle::close) does.
    pub async fn serve(mut self) -> Served {
        tracing::debug!(server = %self.control.address, protocol = P::NAME, "serving");
        let mut connections = Connections { tasks: JoinSet::new(), control: Arc::clone(&self.control) };
        let connections = &mut connections.tasks;
        self.accept_all(connections).await;
        // Closed before the connections drain: a new client is refused at once, and can go to another server.
        let Self { listener, control, parts, callbacks, .. } = self;
        drop_contained(listener);
        // Here or where the last connection ends: what is the application's may panic when it goes.
        drop_contained(parts);
        drop_contained(callbacks);

        let now = Instant::now();
        let (half, deadline) = (after(now, control.limits.drain / 2), after(now, control.limits.drain));
        let drained = async {
            let mut ended = pin!(async {
                while connections.join_next().await.is_some() {}
                // A Command may outlive its connection, and is waited for as well.
                control.no_commands().await;
            });
            if timeout_at(half, ended.as_mut()).await.is_err() {
                control.finish();
                ended.await;
            }
        };
        let closed = match race(control.reached(Life::Closed), timeout_at(deadline, drained)).await {
            First::Left(_) => true,
            First::Right(Ok(())) => return Served::Shutdown(Cut::default()),
            First::Right(Err(_)) => false,
        };
        // Counted before they are cut, which lets most of them end.
        let not_ended = if closed { control.open_at_close() } else { control.not_ended(connections.len()) };
        let mut cut = Cut { connections: not_ended, commands: control.commands() };
        control.end();
        // Those that can end now. The others do so in the background: those whose clients take their last output slowly, and
        // those whose threads the user's code blocks.
        let _ = timeout(CUTTING, async { while connections.join_next().await.is_some() {} }).await;
        cut.commands += control.commands_in_place();
        if cut != Cut::default() {
            tracing::warn!(server = %control.address, ?cut, "server ends before its connections");
        }
        if closed { Served::Closed(cut) } else { Served::Shutdown(cut) }
    }

    /// Accepts until the server is to end.
    async fn accept_all(&mut self, connections: &mut JoinSet<()>) {
        let control = Arc::clone(&self.control);
        let limits = &control.limits;
        let places = Places::new(Arc::clone(&control));
        let mut rates = Rates::new(limits);
        // One future for the whole loop: a new one for each connection would subscribe each time.
        let mut ending = pin!(control.reached(Life::Draining));
        let (mut id, mut pause) = (0, FIRST_PAUSE);
        loop {
            let accepted = match race(
                ending.as_mut(),
                race(self.listener.accept(), tend(connections, &control)),
            )
            .await
            {
                First::Left(_) => return,
                First::Right(First::Left(accepted)) => accepted,
                First::Right(First::Right(never)) => match never {},
            };
            let incoming = match accepted {
                Ok(accepted) => accepted,
                // An error of that one connection, not of the listener.
                Err(error)
                    if matches!(error.kind(), ConnectionAborted | ConnectionReset | ConnectionRefused) =>
                {
                    continue;
                }
                Err(error) => {
                    self.report(&error, pause);
                    if let First::Left(_) = race(ending.as_mut(), sleep(pause)).await {
                        return;
                    }
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    continue;
                }
            };
            (id, pause) = (id + 1, FIRST_PAUSE);
            one(&self.control.counts.accepted);
            let unserved = Unserved::new(Arc::clone(&self.control));
            if rates.are_set()
                && let Some(end) = self.is_refused(&mut rates, incoming.peer())
            {
                unserved.ends(end, incoming.peer(), "more came than the rate lets in");
                continue;
            }
            // A place is taken here, not in the connection's task: so the tasks are bounded, too.
            let Some(entry) = places.enter(id) else {
                unserved.ends(End::NoPlace, incoming.peer(), "too many are waiting");
                continue;
            };
            let span = tracing::debug_span!("connection", peer = %incoming.peer(), id);
            let connection = self.connection(incoming, id, entry, unserved).instrument(span);
            connections.spawn(Marks::new(&self.control.watch, connection));
        }
    }

    /// How a new connection ends that is over the rates, and is to be dropped.
    fn is_refused(&self, rates: &mut Rates, peer: &Peer) -> Option<End> {
        match rates.admit(peer, Instant::now()) {
            Admission::LetIn => None,
            Admission::Untracked => {
                one(&self.control.counts.untracked_addresses);
                None
            }
            Admission::OverConnectionRate => Some(End::OverConnectionRate),
            Admission::OverAddressRate => Some(End::OverAddressRate),
        }
    }

    fn report(&self, error: &io::Error, pause: Duration) {
        one(&self.control.counts.accept_errors);
        tracing::warn!(server = %self.control.address, %error, ?pause, "accepting a connection failed");
    }

    /// One connection, from the moment it was accepted to its end.
    ///
    /// The part before it is served is boxed. Otherwise its future would keep room for it as long as the connection lasts.
    fn connection(
        &self,
        incoming: L::Incoming,
        id: u64,
        entry: Entry,
        unserved: Unserved,
    ) -> impl Future<Output = ()> + Send + use<P, F, R, I, L> {
        let (service, control) = (Arc::clone(&self.parts), Arc::clone(&self.control));
        let (callbacks, info) = (Arc::clone(&self.callbacks), self.info.clone());
        let established = Box::pin(establish(incoming, id, entry, unserved));
        async move {
            // Taken apart at once: a variable for the whole would keep its room as long as the connection lasts.
            let Some(Established { mut stream, peer, place: _place, handshake_ends, unserved }) =
                established.await
            else {
                return;
            };
            let open = Gauge::adopt(&control.counts.open);
            tracing::debug!("connection opened");

            let session = Arc::new(Session::new(service, Arc::clone(&control), Connection::new(id, peer)));
            // Called before `end` exists: the lost-connection callback is called for exactly those that this one has seen.
            callbacks.connected(&session.line.connection);
            let end = Lost { session: Some(Arc::clone(&session)), callbacks };
            unserved.served();
            let weak: Weak<dyn EndSession> = Arc::downgrade(&(Arc::clone(&session) as Arc<dyn EndSession>));
            let _registered = control.register(id, weak);
            let greeted = Box::pin(greet(&mut stream.io, info, handshake_ends, &control)).await;
            let (reason, stream) = match greeted {
                Ok(()) => {
                    let mut driver = Driver::new(Arc::clone(&session), stream);
                    (driver.run().await, driver.into_stream())
                }
                Err(reason) => (reason, Some(stream)),
            };
            // After the report nothing of the session is needed, and lingering need not keep its memory. It is boxed, or the
            // future of every connection would keep room for it.
            drop_contained(session);
            end.report(&reason);
            // Its end is counted. It keeps its place until it is gone.
            drop(open);
            let leaving = Gauge::new(&control.counts.leaving);
            if let Some(stream) = stream {
                Box::pin(linger(stream, &reason, &control)).await;
            }
            drop(leaving);
        }
    }
}

/// The pause after an error of the listener. It doubles with each further error, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How long a server that ends waits for those that it cuts.
const CUTTING: Duration = Duration::from_millis(100);

/// The tasks of the connections. When it is dropped, as `serve` may be, the server ends: those who wait for that are told,
/// and the connections that there still are end by themselves.
struct Connections {
    tasks: JoinSet<()>,
    control: Arc<Control>,
}

impl Drop for Connections {
    fn drop(&mut self) {
        self.tasks.detach_all();
        self.control.end();
        self.control.notices.tell_rest(&self.control.address);
    }
}

/// A connection that may be served.
struct Established<IO> {
    stream: Box<Stream<IO>>,
    peer: Peer,
    place: Place,
    handshake_ends: Instant,
    unserved: Unserved,
}

/// Waits for a place, then for the transport's handshake. This runs in the connection's own task, so that a slow client
/// delays nobody else. If there is a connection in the end, it is counted as open.
async fn establish<V: Establish>(
    mut incoming: V,
    id: u64,
    entry: Entry,
    unserved: Unserved,
) -> Option<Established<V::Io>> {
    let control = Arc::clone(&unserved.control);
    let (limits, counts) = (&control.limits, &control.counts);
    let waiting = entry.waits(&control);
    let place = match race(entry.place(limits.waiting_time, &mut incoming), control.draining()).await {
        First::Left(Ok(place)) => place,
        First::Right(()) => {
            unserved.ends(End::ShutDown, incoming.peer(), "the server ends");
            tracing::debug!("connection refused: the server ends");
            return None;
        }
        First::Left(Err(NoPlace::TimeOver)) => {
            unserved.ends(End::NoPlace, incoming.peer(), "no place became free in time");
            return None;
        }
        First::Left(Err(NoPlace::HasLeft)) => {
            unserved.ends(End::LeftWaiting, incoming.peer(), "");
            tracing::debug!("the client left while its connection waited for a place");
            return None;
        }
    };
    // No longer counted as waiting, and not yet as open, for a moment; never as both.
    drop(waiting);
    let open = Gauge::new(&counts.open);
    let now = Instant::now();
    let handshake_ends = after(now, limits.handshake);
    let handshaking = Arc::new(Handshaking::new(now));
    let weak: Weak<dyn EndSession> = Arc::downgrade(&(Arc::clone(&handshaking) as Arc<dyn EndSession>));
    let _registered = control.register(id, weak);
    let (progress, peer_below) = (incoming.progress(), incoming.peer().clone());
    // In an `async` block, so that a panic in making the future is contained like one in polling it.
    let mut handshake = pin!(async { incoming.establish().await });
    let contained = poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| handshake.as_mut().poll(cx))) {
        Ok(poll) => poll.map(Ok),
        Err(payload) => Poll::Ready(Err(payload)),
    });
    let establishing = timeout_at(handshake_ends, contained);
    let (end, why) = match race(handshaking.stopped(&control), establishing).await {
        First::Right(Ok(Ok(Ok((io, peer))))) if handshaking.is_done() => {
            open.keep();
            keep_accepted(&io, &limits.tcp_keepalive);
            let stream = Stream::new(io);
            return Some(Established { stream, peer, place, handshake_ends, unserved });
        }
        First::Right(Ok(Ok(Err(error)))) => {
            tracing::debug!(error = %Chain(&error), "connection not established");
            (End::HandshakeFailed, Chain(&error).to_string())
        }
        First::Right(Ok(Err(payload))) => {
            let panic = take_message(payload);
            tracing::error!(panic, "connection not established: the transport panicked");
            (End::HandshakeFailed, "the transport panicked".to_owned())
        }
        First::Right(Err(_)) => {
            let reason = match progress.silence() {
                Some(likely_cause) => format!("the client sent nothing: {likely_cause}"),
                None => "the client began the transport's handshake and did not end it".to_owned(),
            };
            tracing::debug!(reason, "connection not established in time (`Limits::handshake`)");
            (End::HandshakeTimeout, reason)
        }
        First::Left(()) if control.is_draining() => {
            tracing::debug!("connection not established: the server ends");
            (End::ShutDown, String::new())
        }
        First::Left(()) | First::Right(Ok(Ok(Ok(_)))) => {
            tracing::debug!("connection not established: it made room for a new one");
            (End::MadeRoom, "its handshake was not over".to_owned())
        }
    };
    unserved.ends(end, &peer_below, why);
    None
}

/// Sends the server info. If the server ends meanwhile, the client has as long as for anything else that is being written.
async fn greet<IO: Io>(
    io: &mut IO,
    info: ServerInfo,
    until: Instant,
    control: &Control,
) -> Result<(), Error> {
    let mut greeting = Vec::with_capacity(info.as_bytes().len() + 2);
    info.encode(&mut greeting);
    match timeout_at(until, race(write_all(io, &greeting), control.drained_output())).await {
        Ok(First::Left(written)) => written,
        Ok(First::Right(())) => {
            let message = "the server is shutting down, and the client does not take the server info";
            Err(Error::new(ErrorKind::Closed, Origin::Local, message).caused_by(Cause::ShutDown))
        }
        Err(_) => {
            let message = "the client did not take the server info in time (`Limits::handshake`)";
            Err(Error::new(ErrorKind::Timeout, Origin::Remote, message).caused_by(Cause::Handshake))
        }
    }
}

impl Callbacks {
    fn connected(&self, connection: &Connection) {
        let Some(call) = &self.connected else { return };
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| call(connection))) {
            discard(payload);
            tracing::error!("the callback for a new connection panicked");
        }
    }

    fn lost(&self, lost: &LostConnection<'_>) {
        let Some(call) = &self.lost else { return };
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| call(lost))) {
            discard(payload);
            tracing::error!("the lost-connection callback panicked");
        }
    }
}

/// What is to be done beside accepting: ended tasks are freed, and the log gets what was left out. It never returns.
async fn tend(connections: &mut JoinSet<()>, control: &Control) -> Infallible {
    match race(reap(connections), control.notices.tell_overdue(&control.address)).await {
        First::Left(never) | First::Right(never) => never,
    }
}

/// Frees the tasks of connections that have ended. It never returns.
async fn reap(connections: &mut JoinSet<()>) -> Infallible {
    while connections.join_next().await.is_some() {}
    std::future::pending().await
}

/// Lets the client read what was written last: writes what had been taken, closes this direction, and reads until the client
/// has closed the other.
async fn linger<IO: Io>(stream: Box<Stream<IO>>, reason: &Error, control: &Control) {
    let Stream { mut io, writer, .. } = *stream;
    let nothing_left = writer.is_idle();
    match (reason.kind(), reason.origin()) {
        // The transport is broken.
        (ErrorKind::Io, _) => return,
        // The client does not react: it would not read, and only take time.
        (ErrorKind::Timeout, _) if nothing_left => return,
        // It was idle, and its place is waited for.
        (ErrorKind::Limit, Origin::Local) if nothing_left => return,
        _ => {}
    }
    let taken = control.memory.take(writer.capacity());
    if !say_goodbye(&mut io, writer, |bytes| control.tally.sent(bytes)).await {
        return;
    }
    drop(taken);
    if reason.kind() == ErrorKind::Closed && reason.origin() == Origin::Remote {
        return; // the client left first
    }
    let _ = timeout(LINGER, read_out(&mut io, LINGER_BYTES)).await;
}

/// For how long, and for how many bytes, a connection that the server closes is still read. When a socket with unread
/// bytes is closed, the system resets the connection, and the client may lose its last Replies.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 1 << 20;

/// Which of two futures was ready first.
enum First<A, B> {
    Left(A),
    Right(B),
}

/// Waits for the first of two futures. If both are ready, the left one counts. The other one is dropped.
async fn race<A, B>(left: impl Future<Output = A>, right: impl Future<Output = B>) -> First<A, B> {
    let (mut left, mut right) = (pin!(left), pin!(right));
    poll_fn(|cx| {
        if let Poll::Ready(done) = left.as_mut().poll(cx) {
            return Poll::Ready(First::Left(done));
        }
        right.as_mut().poll(cx).map(First::Right)
    })
    .await
}

/// Reports the end of a connection exactly once, even if its task is dropped.
struct Lost<S: Service> {
    session: Option<Arc<Session<S>>>,
    callbacks: Arc<Callbacks>,
}

impl<S: Service> Lost<S> {
    fn report(mut self, reason: &Error) {
        self.report_once(reason);
    }

    fn report_once(&mut self, reason: &Error) {
        // Taken out, as the destructor comes here, too.
        let Some(session) = self.session.take() else { return };
        let commands_left = session.line.close(reason);
        let end = End::of(reason);
        end.count(session.line.counts());
        // One that has been idle for as long as it may be is closed all the time.
        if reason.cause() != Some(Cause::Idle) {
            session.line.control.note_end(end, session.line.connection.peer(), format_args!("{reason:#}"));
        }
        if commands_left > 0 {
            let weak: Weak<dyn Orphaned> = Arc::downgrade(&(Arc::clone(&session) as Arc<dyn Orphaned>));
            session.line.control.add_orphans(weak);
        }
        // What an error of a Format says is the user's code.
        let report = || {
            tracing::debug!(reason = format_args!("{reason:#}"), commands_left, "connection ended");
        };
        let _ = catch_unwind(AssertUnwindSafe(report)).map_err(discard);
        let (connection, reason) = (&session.line.connection, reason.clone());
        self.callbacks.lost(&LostConnection { connection, reason, commands_left });
        // After the callback, which may still ask for them.
        connection.drop_values();
        // It may be the last one that holds what is the application's.
        drop_contained(session);
        drop_contained(std::mem::take(&mut self.callbacks));
    }
}

impl<S: Service> Drop for Lost<S> {
    fn drop(&mut self) {
        let ending = self.session.as_ref().and_then(|session| session.line.lock().ending.clone());
        self.report_once(&match ending {
            Some(Ending::Now(reason) | Ending::AfterOutput(reason)) => reason,
            _ if std::thread::panicking() => {
                Error::new(ErrorKind::Panic, Origin::Local, "the task of the connection panicked")
            }
            _ => Error::new(ErrorKind::Closed, Origin::Local, "the server ended").caused_by(Cause::Cut),
        });
    }
}
