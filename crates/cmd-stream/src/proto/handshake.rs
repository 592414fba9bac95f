//! ServerInfo, the first bytes on every connection. The server sends it, and the client closes the connection if it is
//! not the one expected. Knows nothing of sockets and clocks.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use super::decode::{Decoded, Fault};
use super::varint;

/// The bytes with which a server greets every client.
///
/// Both sides must be set to the same bytes, which tell the service, or its version, at the other end. The default is
/// that of the Go library, the seven bytes `default`.
///
/// ```
/// use cmd_stream::ServerInfo;
///
/// let info = ServerInfo::new("calculator/v2")?;
/// assert_eq!(info.as_bytes(), b"calculator/v2");
/// assert!(ServerInfo::new("").is_err());
/// # Ok::<(), cmd_stream::proto::handshake::InvalidServerInfo>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct ServerInfo(Arc<[u8]>);

impl ServerInfo {
    /// The maximum length of a ServerInfo, in bytes. It is fixed by the wire: a peer refuses a longer one.
    pub const MAX_LEN: usize = 1024;

    /// Creates a ServerInfo of 1 to [`MAX_LEN`](Self::MAX_LEN) bytes.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidServerInfo`] if it is empty or too long.
    pub fn new(bytes: impl AsRef<[u8]>) -> Result<Self, InvalidServerInfo> {
        match bytes.as_ref() {
            bytes if bytes.is_empty() || bytes.len() > Self::MAX_LEN => {
                Err(InvalidServerInfo { len: bytes.len() })
            }
            bytes => Ok(Self(bytes.into())),
        }
    }

    /// Returns the bytes, without the length that precedes them on the wire.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Appends its encoding on the wire.
    pub fn encode(&self, out: &mut Vec<u8>) {
        varint::encode(self.0.len() as u64, out);
        out.extend_from_slice(&self.0);
    }

    /// Decodes a ServerInfo from the start of `bytes`. It may be empty: a peer may send that, and it then differs from
    /// what the client expects.
    pub fn decode(bytes: &[u8]) -> Decoded<Self> {
        let (length, start) = match varint::decode_length(bytes) {
            Decoded::Value(length, taken) => (length, taken),
            Decoded::Incomplete(missing) => return Decoded::Incomplete(missing),
            Decoded::Invalid(error) => return Decoded::Invalid(error),
        };
        match usize::try_from(length) {
            Ok(length) if length <= Self::MAX_LEN => match bytes[start..].get(..length) {
                Some(info) => Decoded::Value(Self(info.into()), start + length),
                None => Decoded::incomplete(start + length - bytes.len()),
            },
            _ => Decoded::invalid(Fault::TooLong { length, limit: Self::MAX_LEN }, start),
        }
    }
}

impl Default for ServerInfo {
    fn default() -> Self {
        Self(Arc::from(*b"default"))
    }
}

impl fmt::Debug for ServerInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerInfo({})", self.0.escape_ascii())
    }
}

impl fmt::Display for ServerInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

/// The error of a ServerInfo that is empty or longer than [`ServerInfo::MAX_LEN`] bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct InvalidServerInfo {
    /// Its length.
    pub len: usize,
}

impl fmt::Display for InvalidServerInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "server info has {} bytes instead of 1 to {}", self.len, ServerInfo::MAX_LEN)
    }
}

impl StdError for InvalidServerInfo {}
