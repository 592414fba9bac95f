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
    certificate: Option<Arc<[u8]>>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum End {
    Tcp(SocketAddr),
    Unix(Option<PathBuf>),
    Other(String),
}

impl Peer {
    fn at(end: End) -> Self {
        Self { end, certificate: None }
    }

    /// Creates the peer of a Unix socket. Clients usually have no path.
    ///
    /// A path that begins with a zero byte is a name in Linux's abstract namespace, as in `Unix::new`.
    /// It is displayed with `@` in place of the zero byte.
    ///
    /// ```
    /// use cmd_stream::transport::Peer;
    ///
    /// assert_eq!(Peer::unix(Some("/run/shop.sock".into())).to_string(), "/run/shop.sock");
    /// assert_eq!(Peer::unix(Some("\0shop".into())).to_string(), "@shop");
    /// assert_eq!(Peer::unix(None).to_string(), "unix");
    /// ```
    pub fn unix(path: Option<PathBuf>) -> Self {
        Self::at(End::Unix(path))
    }

    /// Creates the peer of a custom transport, with a name for messages.
    pub fn other(name: impl Into<String>) -> Self {
        Self::at(End::Other(name.into()))
    }

    /// Whether it has an address of a socket. Each connection of such a listener is a file of the process.
    pub(crate) fn is_socket(&self) -> bool {
        !matches!(self.end, End::Other(_))
    }

    /// Returns the IP address and port, if it has them.
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        match self.end {
            End::Tcp(address) => Some(address),
            _ => None,
        }
    }

    /// Returns the path of a Unix socket, if it has one. A name in the abstract namespace begins with a zero byte.
    pub fn unix_path(&self) -> Option<&Path> {
        match &self.end {
            End::Unix(path) => path.as_deref(),
            _ => None,
        }
    }

    /// Adds the certificate, in DER, that the transport has verified. The peer must have proved that it has the private
    /// key.
    ///
    /// ```
    /// use cmd_stream::transport::Peer;
    ///
    /// let peer = Peer::other("a tunnel").with_certificate(b"in DER".to_vec());
    /// assert_eq!(peer.certificate(), Some(&b"in DER"[..]));
    /// ```
    #[must_use]
    pub fn with_certificate(self, certificate: Vec<u8>) -> Self {
        Self { certificate: Some(certificate.into()), ..self }
    }

    /// Returns the peer's own certificate (the end-entity certificate), in DER. It was verified, and the peer has proved
    /// that it has the private key. Returns `None` if the transport is not TLS, or if a client has sent no certificate.
    ///
    /// The certificates that the peer sent with its own are not kept. A peer can send any certificates, and those that do
    /// not lead to an authority are ignored, not verified.
    pub fn certificate(&self) -> Option<&[u8]> {
        self.certificate.as_deref()
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
            End::Unix(Some(path)) => unix_name(path, f),
            End::Unix(None) => f.write_str("unix"),
            End::Other(name) => f.write_str(name),
        }
    }
}

/// Writes the path of a Unix socket, or its abstract name after `@`, on one line whatever it contains.
fn unix_name(path: &Path, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let path = path.to_string_lossy();
    let (mark, name) = match path.strip_prefix('\0') {
        Some(name) => ("@", name),
        None => ("", &*path),
    };
    f.write_str(mark)?;
    name.chars()
        .try_for_each(|c| if c.is_control() { write!(f, "{}", c.escape_debug()) } else { write!(f, "{c}") })
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Peer({self})")
    }
}
