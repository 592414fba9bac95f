//! Where an end of a connection is.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Where the other end of a connection is, or where a server listens.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Peer {
    /// An IP address and a port.
    Tcp(SocketAddr),
    /// A Unix socket; clients mostly have no path.
    Unix(Option<PathBuf>),
    /// A stream of the application's own, by the name that it gave.
    Other(String),
}

impl Peer {
    /// The IP address and port; nothing if it has none.
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            _ => None,
        }
    }
}

impl From<SocketAddr> for Peer {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(Some(path)) => path.display().fmt(f),
            Self::Unix(None) => f.write_str("unix"),
            Self::Other(name) => f.write_str(name),
        }
    }
}
