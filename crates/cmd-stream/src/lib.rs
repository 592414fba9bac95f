//! The Distributed Command Pattern: a client sends *Commands*, first-class values, over one multiplexed connection;
//! the server executes them on a *Receiver* and streams *Replies* back. Byte-compatible with cmd-stream-go.

#![forbid(unsafe_code)]

pub mod client;
mod connection;
mod error;
pub mod format;
pub mod proto;
pub mod protocol;
mod sender;
pub mod server;
pub mod transport;

pub use client::Client;
pub use error::{Error, ErrorKind, Origin};
#[cfg(feature = "json")]
pub use format::json::Json;
pub use proto::handshake::ServerInfo;
pub use protocol::{Command, Execute, Failure, Protocol, Reply, Scheduling};
pub use sender::{SendCommand, Sender};
pub use server::Server;
pub use server::failed::Failed;
pub use server::invoker::{Call, Invoker};
pub use server::proxy::Proxy;

/// What the expansion of [`protocol!`] refers to.
#[doc(hidden)]
pub mod __private {
    pub use pastey::paste;

    pub use crate::format::{Decode, Encode, EncodeError, Format};
    pub use crate::proto::decode::{Decoded, Fault};
    pub use crate::proto::frame::Tag;
    pub use crate::protocol::{
        ClientProtocol, CommandOf, CommandVisitor, Entry, Execute, NoFailure, Protocol, Reply, ReplyOf, ServerProtocol,
    };
    pub use crate::server::failed::Failed;

    /// Fails to compile if two of the types have the same tag.
    pub const fn assert_unique_tags(entries: &[Entry]) {
        let mut i = 0;
        while i < entries.len() {
            let mut j = i + 1;
            while j < entries.len() {
                assert!(entries[i].tag.get() != entries[j].tag.get(), "two types of a Protocol have the same tag");
                j += 1;
            }
            i += 1;
        }
    }
}
