//! One attempt to connect: the transport, its handshake, and the ServerInfo. Each step has its time.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::Limits;
use crate::connection::Inbox;
use crate::error::{Error, ErrorKind, Origin};
use crate::proto::decode::{Decoded, Fault};
use crate::proto::foreign::{self, Foreign, Told};
use crate::proto::handshake::ServerInfo;
use crate::transport::{Connect, Establish, Io, Peer};

/// A connection on which the server has greeted as it should.
pub(super) struct Dialed<IO> {
    pub(super) io: IO,
    pub(super) peer: Peer,
    /// Frames may have arrived with the ServerInfo.
    pub(super) inbox: Inbox,
}

/// The ServerInfos that a client accepts.
#[derive(Clone, Debug, Default)]
pub(super) struct Accepted {
    pub(super) info: ServerInfo,
    pub(super) also: Vec<ServerInfo>,
}

/// Connects through a transport, and waits for the greeting.
///
/// # Errors
///
/// Says which of the steps failed, or took too long. A panic in the transport is an error, too.
pub(super) async fn dial<T: Connect>(
    transport: &T,
    address: &str,
    limits: &Limits,
    accepted: &Accepted,
) -> Result<Dialed<<T::Outgoing as Establish>::Io>, Error> {
    let outgoing = match contained(limits.connect, || transport.connect()).await? {
        Some(connected) => {
            connected.map_err(|error| Error::io(format!("cannot connect to {address}"), error))?
        }
        None => {
            let message = format!("connecting to {address} took too long (`Limits::connect`)");
            return Err(Error::new(ErrorKind::Timeout, Origin::System, message));
        }
    };
    establish(outgoing, address, limits, accepted).await
}

/// Makes the transport's handshake, and waits for the greeting. Both share [`Limits::handshake`].
///
/// # Errors
///
/// As [`dial`].
pub(super) async fn establish<V: Establish>(
    outgoing: V,
    address: &str,
    limits: &Limits,
    accepted: &Accepted,
) -> Result<Dialed<V::Io>, Error> {
    let began = Instant::now();
    // The transport may be the user's, and may panic.
    let progress = catch_unwind(AssertUnwindSafe(|| outgoing.progress()))
        .map_err(|payload| Error::panic("the transport", payload))?;
    let (mut io, peer) = match contained(limits.handshake, || outgoing.establish()).await? {
        Some(established) => {
            established.map_err(|error| Error::io(format!("the handshake with {address} failed"), error))?
        }
        None => {
            let what = match progress.silence() {
                Some(likely_cause) => format!("{address} sent nothing: {likely_cause}"),
                None => format!("the handshake with {address} took too long"),
            };
            let message = format!("{what} (`Limits::handshake`)");
            return Err(Error::new(ErrorKind::Timeout, Origin::Remote, message));
        }
    };
    let mut inbox = Inbox::default();
    let left = limits.handshake.saturating_sub(began.elapsed());
    let Ok(info) = timeout(left, greeting(&mut io, &peer, &mut inbox, accepted)).await else {
        let hint = match (inbox.is_empty(), peer.certificate()) {
            (false, _) => "",
            (true, None) => {
                ": it sent nothing, and may be a server that uses TLS, or one of HTTP: both wait for the client to speak first"
            }
            // Over TLS the certificate of the server is known.
            (true, Some(_)) => {
                ": it sent nothing, and may be a server of HTTP, which waits for the client to speak first"
            }
        };
        let message = format!("{peer} sent no server info in time (`Limits::handshake`){hint}");
        return Err(Error::new(ErrorKind::Timeout, Origin::Remote, message));
    };
    let info = info?;
    accepted.check(&info, &peer)?;
    Ok(Dialed { io, peer, inbox })
}

impl Accepted {
    /// Whether the first bytes are those of another protocol, unless an accepted ServerInfo begins with them. It is named as
    /// soon as it is known: its bytes may announce a length, and no more would come.
    fn check_protocol(&self, bytes: &[u8], peer: &Peer) -> Result<(), Error> {
        let Told::Is(foreign) = foreign::tell(bytes) else { return Ok(()) };
        let is_accepted = |info: &ServerInfo| {
            let mut greeting = Vec::new();
            info.encode(&mut greeting);
            greeting.starts_with(bytes) || bytes.starts_with(&greeting)
        };
        if [&self.info].into_iter().chain(&self.also).any(is_accepted) {
            return Ok(());
        }
        let message = match foreign {
            Foreign::Tls => format!("{peer} uses TLS, and this client does not"),
            foreign => format!("{peer} speaks {foreign}, and is no server of cmd-stream"),
        };
        Err(Error::new(ErrorKind::Decode, Origin::Remote, message))
    }

    /// Checked before anything is sent: a server of another version might take the Commands for others.
    fn check(&self, info: &ServerInfo, peer: &Peer) -> Result<(), Error> {
        if *info == self.info || self.also.contains(info) {
            return Ok(());
        }
        let expected: Vec<_> = [&self.info].into_iter().chain(&self.also).map(ToString::to_string).collect();
        let expected = expected.join(" or ");
        let message = format!("server info mismatch: this client expects {expected}, {peer} has {info}");
        Err(Error::new(ErrorKind::ServerInfoMismatch, Origin::Remote, message))
    }
}

/// Runs a step of the transport, which may be the user's code, for at most this time. `None` if that was not enough.
async fn contained<V: Future>(time: Duration, make: impl FnOnce() -> V) -> Result<Option<V::Output>, Error> {
    // In an `async` block, so that a panic in making the future is contained like one in polling it.
    let mut step = pin!(async { make().await });
    let contained = poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| step.as_mut().poll(cx))) {
        Ok(poll) => poll.map(Ok),
        Err(payload) => Poll::Ready(Err(Error::panic("the transport", payload))),
    });
    timeout(time, contained).await.ok().transpose()
}

/// Reads the ServerInfo. Frames may follow it in the inbox.
async fn greeting(
    io: &mut impl Io,
    peer: &Peer,
    inbox: &mut Inbox,
    accepted: &Accepted,
) -> Result<ServerInfo, Error> {
    loop {
        accepted.check_protocol(inbox.bytes(), peer)?;
        match ServerInfo::decode(inbox.bytes()) {
            Decoded::Value(info, taken) => {
                inbox.consume(taken);
                return Ok(info);
            }
            Decoded::Incomplete(_) => {}
            Decoded::Invalid(error) => {
                let kind = if matches!(error.fault, Fault::TooLong { .. }) {
                    ErrorKind::Limit
                } else {
                    ErrorKind::Decode
                };
                let message = format!("invalid server info from {peer}");
                return Err(Error::with_source(kind, Origin::Remote, message, error));
            }
        }
        let read = poll_fn(|cx| inbox.poll_read(io, 1, cx)).await;
        let read =
            read.map_err(|error| Error::io(format!("reading the server info from {peer} failed"), error))?;
        if read == 0 {
            return Err(if inbox.is_empty() {
                let message = format!("{peer} closed the connection instead of greeting");
                Error::new(ErrorKind::Closed, Origin::Remote, message)
            } else {
                let message = format!("the connection to {peer} ended in the middle of the server info");
                Error::new(ErrorKind::UnexpectedEof, Origin::Remote, message)
            });
        }
    }
}
