//! The Distributed Command Pattern: a client sends *Commands*, first-class values, over one long-lived multiplexed
//! connection; the server executes each on a *Receiver* and streams *Replies* back. On the wire it is byte-compatible with
//! the Go library cmd-stream-go.
//!
//! ```
//! use cmd_stream::{Command, Execute, Failed, Json, Proxy, Reply, Sender, Server, protocol};
//! use serde::{Deserialize, Serialize};
//!
//! struct Calc; // the Receiver: your service
//!
//! #[derive(Serialize, Deserialize)]
//! struct Add {
//!     a: i64,
//!     b: i64,
//! }
//!
//! #[derive(Serialize, Deserialize)]
//! struct Sum(i64);
//!
//! impl Reply for Sum {} // the last one, unless it says otherwise
//! impl Command for Add {
//!     type Reply = Sum;
//! }
//!
//! // What only the server needs.
//! impl Execute<Calc> for Add {
//!     async fn execute(self, _: &Calc, proxy: Proxy<'_, Sum>) -> Result<(), Failed> {
//!         proxy.send(Sum(self.a + self.b)).await
//!     }
//! }
//!
//! protocol! {
//!     /// Arithmetic over the wire.
//!     struct Calculator {
//!         commands { 0 => Add }
//!         replies { 0 => Sum }
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), cmd_stream::Error> {
//! let server = Server::bind("127.0.0.1:0", Calculator, Json, Calc).await?;
//! let handle = server.handle();
//! tokio::spawn(server.serve());
//!
//! let sender = Sender::connect(handle.local_addr(), Calculator, Json).await?;
//! let Sum(five) = sender.send(Add { a: 2, b: 3 }).await?;
//! assert_eq!(five, 5);
//! # Ok(())
//! # }
//! ```
//!
//! # The words
//!
//! - [`Command`]: a value the client sends. [`Reply`]: what it is answered with. [`protocol!`] declares which there are,
//!   and what each is on the wire.
//! - Receiver: your service, any type. [`Execute`] says how a Command acts on it; [`Proxy`] is what it answers through.
//! - [`Server`] executes; an [`Invoker`] sees every Command before it runs. [`Sender`] and [`Client`] send.
//! - [`Format`](format::Format): how values are serialized. [`Json`](struct@Json), `Mus`, `Protobuf`, or
//!   [one of your own](mod@format).
//! - [`ServerInfo`]: what a server greets with.
//!
//! # How to
//!
//! - answer with several Replies: [`Reply::is_last`], [`Client::stream`]; with one of several types:
//!   [`protocol!`]
//! - report failures as values, without losing the connection: [`Failure`], [`Problem`]
//! - log, authorise, trace: [`Invoker`]
//! - bound everything: [`server::Limits`], [`client::Limits`]
//! - shut down: [`server::Handle`]
//! - use another transport: [`transport`]
//! - talk to a Go peer in JSON: [`format::json`]; in MUS: `format::mus`; in Protobuf: `format::protobuf`
//! - test without a network: [`transport::memory`], [`SendCommand`]
//!
//! # Features
//!
//! | feature | what | depends on |
//! | --- | --- | --- |
//! | `derive` (default) | `#[derive(Failure)]` | cmd-stream-derive |
//! | `json` (default) | the JSON Format | serde, serde_json |
//! | `mus` | the MUS Format: the smallest and the fastest; `mus::Mus`, the derive for its types | mus-format |
//! | `protobuf` | the Protobuf Format | prost |
//!
//! # Not goals
//!
//! Other languages than Rust and Go; HTTP; a schema language or a code generator; guaranteed delivery. A call on a lost
//! connection fails, and [`Error::was_sent`] tells whether its Command may have been executed; whether to send it again is
//! the application's decision.

#![forbid(unsafe_code)]

pub mod client;
mod connection;
mod error;
pub mod format;
mod problem;
#[cfg(feature = "mus")]
pub mod mus;
pub mod proto;
pub mod protocol;
mod sender;
pub mod server;
pub mod transport;

pub use client::Client;
#[cfg(feature = "derive")]
pub use cmd_stream_derive::Failure;
pub use error::{Error, ErrorKind, Origin};
#[cfg(feature = "json")]
pub use format::json::Json;
#[cfg(feature = "mus")]
pub use format::mus::Mus;
#[cfg(feature = "protobuf")]
pub use format::protobuf::Protobuf;
pub use problem::Problem;
pub use proto::handshake::ServerInfo;
pub use protocol::{Command, Execute, Failure, Protocol, Reply, Scheduling};
pub use sender::{SendCommand, Sender};
pub use server::Server;
pub use server::failed::Failed;
pub use server::invoker::{Call, Invoker};
pub use server::proxy::Proxy;

#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

/// What the expansion of [`protocol!`] refers to.
#[doc(hidden)]
pub mod __private {
    pub use pastey::paste;

    pub use crate::format::{Decode, Encode, EncodeError, Format};
    pub use crate::proto::decode::{Decoded, Fault};
    pub use crate::proto::frame::Tag;
    pub use crate::protocol::{
        ClientProtocol, CommandOf, CommandVisitor, Entry, Execute, NoFailure, Protocol, Reply, ReplyOf,
        ServerProtocol,
    };
    pub use crate::server::failed::Failed;

    /// Fails to compile if two of the types have the same tag.
    pub const fn assert_unique_tags(entries: &[Entry]) {
        let mut i = 0;
        while i < entries.len() {
            let mut j = i + 1;
            while j < entries.len() {
                assert!(
                    entries[i].tag.get() != entries[j].tag.get(),
                    "two types of a Protocol have the same tag"
                );
                j += 1;
            }
            i += 1;
        }
    }
}
