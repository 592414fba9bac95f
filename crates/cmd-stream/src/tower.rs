//! Middleware of the [`tower`](https://docs.rs/tower) crate, on both sides.
//!
//! A [`Sender`](crate::Sender) is a [`Service`](::tower::Service) of each Command of its Protocol, so that layers for
//! timeouts, retries, rate limits, hedging and load shedding can be put around it:
//!
//! ```
//! # #[cfg(feature = "json")] mod shop {
//! # use cmd_stream::{protocol, Json, Sender};
//! # use serde::{Deserialize, Serialize};
//! # #[derive(Clone, Serialize, Deserialize)] struct Add { a: i64, b: i64 }
//! # #[derive(Debug, Serialize, Deserialize)] struct Sum(i64);
//! # protocol! { struct Calculator { commands { 0 => Add -> Sum } replies { 0 => Sum } failure close_connection } }
//! use std::time::Duration;
//!
//! use tower::{BoxError, Service, ServiceBuilder, ServiceExt};
//!
//! async fn add(sender: Sender<Calculator, Json>) -> Result<Sum, BoxError> {
//!     let mut service = ServiceBuilder::new()
//!         .timeout(Duration::from_secs(1))
//!         .concurrency_limit(10)
//!         .service(sender);
//!     ServiceExt::<Add>::ready(&mut service).await?.call(Add { a: 2, b: 3 }).await
//! }
//! # }
//! ```
//!
//! On a server, a layer becomes an Invoker: [`server::Builder::layer`](crate::server::Builder::layer), or [`Layered`] for
//! more control. `docs/TOWER.md` says which layers work where.

pub use crate::sender::owned_call::OwnedCall;
pub use crate::server::layered::{BoxError, CommandFailed, Layered, Request, Run, Running};
