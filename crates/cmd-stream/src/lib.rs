//! The Distributed Command Pattern: a client sends *Commands*, first-class values, over one long-lived multiplexed
//! connection; the server executes each on a *Receiver* and streams *Replies* back. On the wire it is byte-compatible with
//! the Go library cmd-stream-go.
//!
//! ```
//! use cmd_stream::{Answer, CallError, Context, Failed, Failure, Json, Sender, Server, protocol};
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
//! #[derive(Debug, Serialize, Deserialize, Failure)]
//! struct CalcError {
//!     message: String,
//! }
//!
//! // What only the server needs.
//! impl Answer<Calc> for Add {
//!     async fn answer(self, _: &Calc, _: &Context<'_>) -> Result<Sum, Failed> {
//!         let sum = self.a.checked_add(self.b).ok_or_else(|| Failed::new("overflow"))?;
//!         Ok(Sum(sum))
//!     }
//! }
//!
//! protocol! {
//!     /// Arithmetic over the wire.
//!     struct Calculator {
//!         commands { 0 => Add -> Sum }
//!         replies { 0 => Sum, 1 => CalcError }
//!         failure CalcError
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
//! match sender.send(Add { a: i64::MAX, b: 1 }).await {
//!     Err(CallError::Failed(CalcError { message })) => assert_eq!(message, "overflow"),
//!     _ => unreachable!("a failure fails its call alone, and the connection goes on"),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # The words
//!
//! - [`Command`]: a value the client sends. Reply: what it is answered with. [`protocol!`] declares which there are,
//!   and what each is on the wire.
//! - Receiver: your service, any type that is `Send + Sync + 'static`. To share one, let it be an `Arc<Service>`.
//!   [`Answer`] says how a Command with one Reply acts on it; [`Execute`] how any Command does, which sends its Replies
//!   through a [`Proxy`].
//! - [`Server`] executes; an [`Invoker`] sees every Command before it runs. [`Sender`] and [`Client`] send.
//! - [`Failure`]: the Reply that reports what a Command failed with. [`CallError`]: what the caller gets then.
//! - [`Format`](format::Format): how values are serialized. [`Json`](struct@Json), `Mus`, `Protobuf`, or
//!   [one of your own](mod@format).
//! - [`ServerInfo`]: what a server greets with.
//!
//! # How to
//!
//! - answer with several Replies: [`Execute`], [`Reply::is_last`], [`Client::stream`]; with one of several types:
//!   [`protocol!`]
//! - answer later, from another task or a blocking thread: [`Proxy::into_owned`]
//! - send what needs no answer: [`Client::post`]
//! - report failures as values, without losing the connection: [`Failure`], [`Problem`]
//! - log, authorise, trace: [`Invoker`]; log in once per connection: [`server::Connection`]
//! - tell versions of a service apart: [`ServerInfo::of`]
//! - bound everything: [`server::Limits`], [`client::Limits`]
//! - shut down: [`server::Handle`]
//! - use another transport: [`transport`]
//! - talk to a Go peer in JSON: [`format::json`]; in MUS: `format::mus`; in Protobuf: `format::protobuf`
//! - test without a network: [`testing`], [`transport::memory`], [`sender::SendCommand`]
//!
//! # Features
//!
//! | feature | what | depends on |
//! | --- | --- | --- |
//! | `derive` (default) | `#[derive(Failure)]` | cmd-stream-derive |
//! | `json` (default) | the JSON Format | serde, serde_json |
//! | `mus` | the MUS Format, the smallest and the fastest, and its derive `cmd_stream::mus::Mus` | mus-format |
//! | `bytes`, `chrono`, `rust_decimal`, `time`, `uuid` | with `mus`: the types of these crates in MUS | the crate |
//! | `protobuf` | the Protobuf Format | prost |
//!
//! # Not goals
//!
//! Other languages than Rust and Go; HTTP; a schema language or a code generator; guaranteed delivery. A call on a lost
//! connection fails, and [`Error::was_sent`] tells whether its Command may have been executed; whether to send it again is
//! the application's decision.

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]
// The documentation is that of all features; with fewer, some of what it links to is not there.
#![cfg_attr(not(feature = "json"), allow(rustdoc::broken_intra_doc_links))]

pub mod client;
mod connection;
mod error;
pub mod format;
mod getters;
#[cfg(feature = "mus")]
pub mod mus;
mod problem;
pub mod proto;
pub mod protocol;
pub mod sender;
pub mod server;
pub mod testing;
pub mod transport;

#[cfg(feature = "derive")]
#[doc(inline)]
pub use cmd_stream_derive::Failure;
pub use error::{Error, ErrorKind, Origin};

#[doc(inline)]
pub use client::Client;
#[doc(inline)]
pub use error::CallError;
#[cfg(feature = "json")]
#[doc(inline)]
pub use format::json::Json;
#[cfg(feature = "mus")]
#[doc(inline)]
pub use format::mus::Mus;
#[cfg(feature = "protobuf")]
#[doc(inline)]
pub use format::protobuf::Protobuf;
#[doc(inline)]
pub use problem::Problem;
#[doc(inline)]
pub use proto::handshake::ServerInfo;
#[doc(inline)]
pub use protocol::{Command, Failed, Failure, Reply};
#[doc(inline)]
pub use sender::Sender;
#[doc(inline)]
pub use server::{Answer, Context, Execute, Invoker, Proxy, Server};

#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

/// What the expansion of [`protocol!`] refers to.
#[doc(hidden)]
pub mod __private {
    pub use pastey::paste;

    pub use crate::protocol::fingerprint::describe_command;
    pub use crate::protocol::macros::support::{
        IsAlwaysLast, Last, SaysWhichIsLast, assert_kind, assert_tags, tag_of,
    };
}
