//! A library for calls between services: a client sends *Commands*, which are plain Rust values, over one long-lived
//! multiplexed connection. The server executes each on a *Receiver* and sends one or more typed *Replies* back. The
//! library implements the Distributed Command Pattern, and its bytes on the wire are those of the Go library
//! cmd-stream-go.
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
//! // Needed only by the server.
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
//!     _ => unreachable!("a failure ends only its call, and the connection stays open"),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Terms
//!
//! - [`Command`]: a value that the client sends. Reply: a value that answers it. [`protocol!`] declares those of a
//!   service, and their tags on the wire.
//! - Receiver: your service, any type that is `Send + Sync + 'static`. To share one, use an `Arc<Service>`. [`Answer`]
//!   executes a Command with one Reply on it; [`Execute`] executes any Command, which sends its Replies through a
//!   [`Proxy`].
//! - [`Server`] executes Commands; an [`Invoker`] sees each one before it runs.
//! - [`Sender`]: what an application sends with: a [`Group`](group::Group) of clients, [hooks], a default timeout and
//!   [retries](sender::Retry). [`Client`]: one connection at a time, which is replaced when it is lost.
//! - [`Failure`]: the Reply that reports why a Command failed. [`CallError`]: the error that the caller receives.
//! - [`Format`](format::Format): how values are serialized. [`Json`](struct@Json), `Mus`, `Protobuf`, or
//!   [one of your own](mod@format).
//! - [`ServerInfo`]: the bytes that a server greets with.
//!
//! # How to
//!
//! - answer with several Replies: [`Execute`], [`Reply::is_last`], [`Client::stream`]; with a Reply of one of several
//!   types: [`protocol!`]
//! - answer later, from another task or a blocking thread: [`Proxy::into_owned`]
//! - call a trait instead of sending Commands: [`service!`]
//! - send without an answer: [`Client::post`]
//! - report failures as values, without losing the connection: [`Failure`], [`Problem`]
//! - log, authorise, trace: [`Invoker`]; log in once per connection: [`server::Connection`]
//! - tell versions of a service apart: [`ServerInfo::of`]
//! - see how many Commands there are, how long they take and which limits are hit: [`stats`]
//! - set limits: [`server::Limits`], [`client::Limits`]
//! - send to several servers: [`sender::Builder::endpoints`]; choose the one that takes a call: [`group::Strategy`]; find
//!   servers: [`group::Endpoints`]
//! - see each call, refuse some, attach data: [`hooks`]; send again: [`sender::Retry`]; stop calling a server that keeps
//!   failing: [`circuit_breaker`]
//! - bound the time of a call: [`sender::Call::timeout`]; of all calls: [`sender::Builder::timeout`]
//! - start without a server: [`sender::Builder::connect_lazy`]; choose the pauses between attempts to connect:
//!   [`client::Backoff`]; watch the connection: [`Client::links`]; wait for it: [`Client::connected`]
//! - send a Command again after an error: [`Error`] says when that is safe
//! - stop calling a server that keeps failing: [`circuit_breaker`]
//! - notice dead connections sooner, or keep idle ones open: [`client::Keepalive`]
//! - shut down: [`server::Handle`], [`Sender::drain`]; replace connections from time to time:
//!   [`sender::Builder::max_age`]
//! - use TLS: `transport::tls`; another transport: [`transport`]
//! - talk to a Go peer in JSON: [`format::json`]; in MUS: `format::mus`; in Protobuf: `format::protobuf`
//! - ask a server whether it serves: [`health`]
//! - put middleware of the `tower` crate around calls or Commands: `tower`
//! - test without a network: [`testing`], [`transport::memory`], [`sender::SendCommand`]
//!
//! # Features
//!
//! | feature | adds | depends on |
//! | --- | --- | --- |
//! | `derive` (default) | `#[derive(Failure)]` | cmd-stream-derive |
//! | `json` (default) | the JSON Format | base64, serde, serde_json |
//! | `mus` | the MUS Format, the smallest and the fastest, and its derive `cmd_stream::mus::Mus` | mus-format |
//! | `bytes`, `chrono`, `rust_decimal`, `time`, `uuid` | with `mus`: the types of these crates in MUS | the crate |
//! | `time` | with `json` also: times as Go writes them in JSON, `format::json::go::time` | time |
//! | `protobuf` | the Protobuf Format | prost |
//! | `metrics` | the numbers of [`stats`] for the crate `metrics`, such as for Prometheus | metrics |
//! | `tls` | TLS over any transport: `transport::tls` | tokio-rustls, rustls-platform-verifier, aws-lc-rs |
//! | `tower` | middleware of the `tower` crate on both sides: `tower` | tower |
//!
//! # Non-goals
//!
//! Languages other than Rust and Go; HTTP; a schema language or a code generator; guaranteed delivery. When a connection
//! is lost, the calls whose Commands were written fail, because nobody knows whether these were executed, unless the
//! Commands are [idempotent](Command::IDEMPOTENT). Commands that were not written go to another server, or wait for the next
//! connection. [`Error::was_sent`] tells the two apart. For all others, the application decides whether to send them again.

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(
    not(feature = "json"),
    allow(rustdoc::broken_intra_doc_links, reason = "the documentation is written for all features")
)]

pub mod circuit_breaker;
pub mod client;
mod connection;
mod counters;
mod error;
pub mod format;
mod getters;
pub mod group;
pub mod health;
pub mod hooks;
#[cfg(feature = "mus")]
pub mod mus;
mod problem;
pub mod proto;
pub mod protocol;
pub mod sender;
pub mod server;
mod service;
pub mod stats;
mod sync;
pub mod testing;
#[cfg(feature = "tower")]
pub mod tower;
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

#[cfg(all(cmd_stream_lock_profile, not(test)))]
#[doc(hidden)]
pub use crate::sync::profiled::{LockUse, take_lock_profile};

/// Items that the expansion of [`protocol!`] refers to.
#[doc(hidden)]
pub mod __private {
    pub use pastey::paste;

    pub use crate::protocol::fingerprint::describe_command;
    pub use crate::protocol::macros::support::{
        Idempotent, IsAlwaysLast, IsCommand, IsIdempotent, Last, Listed, Says, SaysWhichIsLast, assert_kind,
        assert_tags, is_one_of, tag_of,
    };
    pub use crate::server::expansion;
}
