//! The identity of the other end of a connection.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::sync::Arc;

/// The other end of a connection, or the address a server listens on.
///
/// ```
/// use cmd_stream::transport::Peer;
/// use std::net::SocketAddr;
///
/// let peer = Peer::from(SocketAddr::from(([127, 0, 0, 1], 9000)));
/// assert_eq!(peer.to_string(), "127.0.0.1:9000");
/// assert_eq!(Peer::other("a pipe").socket_addr(), None);
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Peer {
    end: End,
    certificates: Option<Arc<[Vec<u8>]>>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum End {
    Tcp(SocketAddr),
    Unix(Option<PathBuf>),
    Other(String),
}

impl Peer {
    fn at(end: End) -> Self {
        Self { end, certificates: None }
    }

    /// Creates the peer of a Unix socket. Clients usually have no path.
    pub fn unix(path: Option<PathBuf>) -> Self {
        Self::at(End::Unix(path))
    }

    /// Creates the peer of a custom transport, with a name for messages.
    pub fn other(name: impl Into<String>) -> Self {
        Self::at(End::Other(name.into()))
    }

    /// Returns the IP address and port, if it has them.
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        match self.end {
            End::Tcp(address) => Some(address),
            _ => None,
        }
    }

    /// Returns the path of a Unix socket, if it has one.
    pub fn unix_path(&self) -> Option<&Path> {
        match &self.end {
            End::Unix(path) => path.as_deref(),
            _ => None,
        }
    }

    /// Adds the certificates by which the transport has verified it, its own one first.
    ///
    /// ```
    /// use cmd_stream::transport::Peer;
    ///
    /// let peer = Peer::other("a tunnel").with_certificates([b"in DER".to_vec()]);
    /// assert_eq!(peer.certificates(), [b"in DER"]);
    /// ```
    #[must_use]
    pub fn with_certificates(self, certificates: impl Into<Arc<[Vec<u8>]>>) -> Self {
        Self { certificates: Some(certificates.into()), ..self }
    }

    /// Returns the certificates by which it was verified, in DER: its own one, then those that lead to an authority, as
    /// it sent them. There are none if the transport is not TLS, or if the client has sent none.
    pub fn certificates(&self) -> &[Vec<u8>] {
        self.certificates.as_deref().unwrap_or_default()
    }
}

impl From<SocketAddr> for Peer {
    fn from(address: SocketAddr) -> Self {
        Self::at(End::Tcp(address))
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.end {
            End::Tcp(address) => address.fmt(f),
            End::Unix(Some(path)) => path.display().fmt(f),
            End::Unix(None) => f.write_str("unix"),
            End::Other(name) => f.write_str(name),
        }
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Peer({self})")
    }
}
