//! TCP addresses in the forms in which people write them.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::lookup_host;

use super::Peer;

/// A TCP address in any form: `"localhost:9000"`, `("localhost", 9000)`, a [`SocketAddr`], or the [`Peer`] that a
/// server listens on. Names are resolved on each use.
///
/// A name may have several addresses. A client tries them as [`Tcp`](super::Tcp) says. A server listens on the first one
/// that it can listen on.
///
/// Text is a host and a port. There is no default port, and a URL is not an address. Text of another form fails when
/// it is used, with an error of kind [`Io`](crate::ErrorKind::Io) that says what is wrong with it.
///
/// ```
/// use cmd_stream::transport::Address;
/// use std::net::{Ipv6Addr, SocketAddr};
///
/// let name = String::from("shop.example");
/// assert_eq!(Address::from((name, 9000)).to_string(), "shop.example:9000");
/// assert_eq!(Address::from("127.0.0.1:9000").to_string(), "127.0.0.1:9000");
/// assert_eq!(Address::from((Ipv6Addr::LOCALHOST, 9000)).to_string(), "[::1]:9000");
/// assert_eq!(Address::from(SocketAddr::from(([127, 0, 0, 1], 9000))).to_string(), "127.0.0.1:9000");
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Address(Form);

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Form {
    Text(String),
    Host(String, u16),
    Socket(SocketAddr),
    /// A peer without a TCP address.
    Other(Peer),
}

impl Address {
    /// Resolves it to IP addresses and ports, at least one.
    pub(crate) async fn resolve(&self) -> io::Result<Vec<SocketAddr>> {
        let found: Vec<_> = match &self.0 {
            Form::Socket(address) => vec![*address],
            Form::Text(text) => {
                check(text).map_err(|wrong| io::Error::new(io::ErrorKind::InvalidInput, wrong))?;
                lookup_host(text).await?.collect()
            }
            // An IPv6 address may be in brackets, as before a port.
            Form::Host(host, port) => lookup_host((unbracketed(host), *port)).await?.collect(),
            Form::Other(_) => {
                let message = "not a TCP address: use `connect_by` with its transport";
                return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
            }
        };
        if found.is_empty() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the name has no addresses"));
        }
        Ok(found)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Form::Text(text) if text.is_empty() => f.write_str("an empty address"),
            Form::Text(text) => printable(text, f),
            // Brackets tell the colons of an IPv6 address from the one before the port.
            Form::Host(host, port) if host.contains(':') => {
                f.write_str("[")?;
                printable(unbracketed(host), f)?;
                write!(f, "]:{port}")
            }
            Form::Host(host, port) => {
                printable(host, f)?;
                write!(f, ":{port}")
            }
            Form::Socket(address) => address.fmt(f),
            Form::Other(peer) => peer.fmt(f),
        }
    }
}

/// Checks that it has the form of a host and a port, so that an error says what is wrong with it.
fn check(text: &str) -> Result<(), &'static str> {
    const FORM: &str = "the address is not HOST:PORT";
    const NO_PORT: &str = "the address has no port (it must be HOST:PORT)";
    if text.contains('/') {
        return Err(FORM); // a URL or a path
    }
    match text.rsplit_once(':') {
        None | Some((_, "")) => Err(NO_PORT),
        Some(_) if text.ends_with(']') => Err(NO_PORT), // an IPv6 address in brackets, and nothing else
        Some(("", _)) => Err(FORM),
        Some((_, port)) => port.parse().map(|_: u16| ()).map_err(|_| FORM),
    }
}

fn unbracketed(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

/// Writes what was given as an address, without line breaks and of bounded length.
fn printable(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    const MOST: usize = 300;
    let mut characters = text.chars();
    characters.by_ref().take(MOST).try_for_each(|c| write!(f, "{}", c.escape_debug()))?;
    if characters.next().is_some() { f.write_str("..") } else { Ok(()) }
}

impl From<&str> for Address {
    fn from(text: &str) -> Self {
        Self(Form::Text(text.into()))
    }
}

impl From<String> for Address {
    fn from(text: String) -> Self {
        Self(Form::Text(text))
    }
}

impl From<&String> for Address {
    fn from(text: &String) -> Self {
        text.as_str().into()
    }
}

impl From<(&str, u16)> for Address {
    fn from((host, port): (&str, u16)) -> Self {
        Self(Form::Host(host.into(), port))
    }
}

impl From<(String, u16)> for Address {
    fn from((host, port): (String, u16)) -> Self {
        Self(Form::Host(host, port))
    }
}

impl From<(IpAddr, u16)> for Address {
    fn from(address: (IpAddr, u16)) -> Self {
        Self(Form::Socket(address.into()))
    }
}

impl From<(Ipv4Addr, u16)> for Address {
    fn from(address: (Ipv4Addr, u16)) -> Self {
        Self(Form::Socket(address.into()))
    }
}

impl From<(Ipv6Addr, u16)> for Address {
    fn from(address: (Ipv6Addr, u16)) -> Self {
        Self(Form::Socket(address.into()))
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self(Form::Socket(address))
    }
}

impl From<&SocketAddr> for Address {
    fn from(address: &SocketAddr) -> Self {
        (*address).into()
    }
}

impl From<Peer> for Address {
    fn from(peer: Peer) -> Self {
        Self(match peer.socket_addr() {
            Some(address) => Form::Socket(address),
            None => Form::Other(peer),
        })
    }
}

impl From<&Peer> for Address {
    fn from(peer: &Peer) -> Self {
        peer.clone().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_ipv6_address_may_stand_in_brackets() {
        let expected = SocketAddr::from((Ipv6Addr::LOCALHOST, 9));
        for address in [Address::from(("[::1]", 9)), Address::from(("::1", 9)), Address::from("[::1]:9")] {
            assert_eq!(address.resolve().await.expect("no name is looked up"), [expected]);
        }
    }
}
