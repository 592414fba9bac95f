//! The system's socket below a stream, where the stream is of a type that is known here.

use std::any::Any;

use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;

use super::Io;
#[cfg(feature = "tls")]
use super::tls::Stream;

pub(super) enum Socket<'a> {
    Tcp(&'a TcpStream),
    #[cfg(unix)]
    Unix(&'a UnixStream),
}

impl<'a> Socket<'a> {
    /// The socket of a stream, also below TLS. `None` for a transport of the user's, and for memory.
    pub(super) fn of<IO: Io>(io: &'a IO) -> Option<Self> {
        let any: &dyn Any = io;
        if let Some(tcp) = any.downcast_ref() {
            return Some(Self::Tcp(tcp));
        }
        #[cfg(feature = "tls")]
        if let Some(tls) = any.downcast_ref::<Stream<TcpStream>>() {
            return Some(Self::Tcp(tls.below()));
        }
        #[cfg(unix)]
        if let Some(unix) = any.downcast_ref() {
            return Some(Self::Unix(unix));
        }
        #[cfg(all(feature = "tls", unix))]
        if let Some(tls) = any.downcast_ref::<Stream<UnixStream>>() {
            return Some(Self::Unix(tls.below()));
        }
        None
    }
}
