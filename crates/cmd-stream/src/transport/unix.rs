//! Unix sockets.

#[cfg(any(target_os = "linux", target_os = "android"))]
use std::ffi::OsStr;
use std::io;
#[cfg(target_os = "android")]
use std::os::android::net::SocketAddrExt as _;
#[cfg(target_os = "linux")]
use std::os::linux::net::SocketAddrExt as _;
#[cfg(any(target_os = "linux", target_os = "android"))]
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use tokio::net::unix::SocketAddr;
use tokio::net::{UnixListener, UnixStream};

use super::{Accept, Connect, Peer};

/// Connects to a Unix socket.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unix(PathBuf);

impl Unix {
    /// Creates a connector to the socket with this path.
    ///
    /// On Linux, a path that begins with a zero byte is a name in the abstract namespace: `"\0shop"`. tokio's
    /// `UnixListener::bind` takes the same form. Messages show it as `@shop`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }
}

impl Connect for Unix {
    type Outgoing = (UnixStream, Peer);

    async fn connect(&self) -> io::Result<(UnixStream, Peer)> {
        Ok((UnixStream::connect(&self.0).await?, Peer::unix(Some(self.0.clone()))))
    }

    fn address(&self) -> String {
        Peer::unix(Some(self.0.clone())).to_string()
    }
}

impl Accept for UnixListener {
    type Incoming = (UnixStream, Peer);

    async fn accept(&mut self) -> io::Result<(UnixStream, Peer)> {
        let (stream, address) = Self::accept(self).await?;
        let mut peer = unix_peer(&address);
        if peer.unix_path().is_none() {
            // What accepting reports has no abstract names, so the socket is asked.
            peer = stream.peer_addr().map_or(peer, |address| unix_peer(&address));
        }
        Ok((stream, peer))
    }

    fn local_addr(&self) -> io::Result<Peer> {
        Self::local_addr(self).map(|address| unix_peer(&address))
    }
}

fn unix_peer(address: &SocketAddr) -> Peer {
    Peer::unix(address.as_pathname().map(PathBuf::from).or_else(|| abstract_name(address)))
}

/// Returns a name in the abstract namespace as a path that begins with a zero byte.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn abstract_name(address: &SocketAddr) -> Option<PathBuf> {
    let address = std::os::unix::net::SocketAddr::from(address.clone());
    let name = address.as_abstract_name()?;
    Some(OsStr::from_bytes(&[b"\0", name].concat()).into())
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn abstract_name(_: &SocketAddr) -> Option<PathBuf> {
    None
}
