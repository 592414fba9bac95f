//! Names the protocol of a client that speaks another one.

use std::future::poll_fn;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::Driver;
use crate::error::{Error, ErrorKind, Origin};
use crate::proto::foreign::{self, Foreign, Told};
use crate::server::service::Service;
use crate::transport::Io;

impl<IO: Io, S: Service> Driver<IO, S> {
    /// Whether the first bytes of the client are the reason: no frame has come, and what has come is none, or no whole one.
    pub(super) fn is_first_frame_wrong(&self, reason: &Error) -> bool {
        use ErrorKind::{Decode, Limit, Protocol, Timeout, UnexpectedEof, UnknownTag};
        let is_wrong =
            matches!(reason.kind(), Decode | Limit | Protocol | Timeout | UnexpectedEof | UnknownTag);
        is_wrong && reason.origin() == Origin::Remote && !self.had_frame && !self.inbox.is_empty()
    }

    /// Names the protocol of a client that speaks another one. Its first bytes may come one by one, and the second one may
    /// be wrong already. So a little more is read, unless the client has had its time.
    pub(super) async fn naming_foreign(&mut self, reason: Error) -> Error {
        let waits = !matches!(reason.kind(), ErrorKind::Timeout | ErrorKind::UnexpectedEof);
        let until = Instant::now() + IN_DOUBT;
        loop {
            let message = match foreign::tell(self.inbox.bytes()) {
                Told::Is(Foreign::Tls) => "the client uses TLS, and this server does not".to_owned(),
                Told::Is(foreign) => format!("the client speaks {foreign}, and this server does not"),
                Told::MayBe if waits => {
                    let Some(stream) = &mut self.stream else { return reason };
                    let read = poll_fn(|cx| self.inbox.poll_read(&mut stream.io, 1, cx));
                    match timeout_at(until, read).await {
                        Ok(Ok(bytes)) if bytes > 0 => self.session.line.control.tally.received(bytes),
                        _ => return reason,
                    }
                    continue;
                }
                _ => return reason,
            };
            let (kind, origin, cause) = (reason.kind(), reason.origin(), reason.cause());
            return Error::with_source(kind, origin, message, reason).caused_by(cause);
        }
    }
}

/// For how long a client is read whose first bytes are no Command, and may be those of another protocol. They almost always come
/// together, and the connection keeps its place until then.
const IN_DOUBT: Duration = Duration::from_millis(200);
