#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

mod commands;
mod hooks;
mod invoker;
mod pre_sampler;
mod propagation;
mod semconv;
mod settings;
mod traced;
mod traceparent;

pub use commands::Status;
pub use hooks::{Call, HooksBuilder, OtelHooks};
pub use invoker::{InvokerBuilder, OtelInvoker, Received};
pub use traced::Traced;
