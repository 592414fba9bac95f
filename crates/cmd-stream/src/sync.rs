//! The locks and atomics of the library. They are those of `std`, except in a model: there they are loom's, and loom runs
//! the code between them in every order that threads can run it in.
//!
//! A model is a unit test below `cfg(cmd_stream_model)`. The name is our own, because `cfg(loom)` would also change tokio.
//! Models run with:
//!
//! ```sh
//! RUSTFLAGS="--cfg cmd_stream_model" cargo test -p cmd-stream --lib models
//! ```
//!
//! In the other unit tests they are those of `std`, and count how many of them a thread holds (`held.rs`). Below
//! `cfg(cmd_stream_lock_profile)` they count how often a thread waits for them, and where (`profiled.rs`).
//!
//! What loom does not have stays that of `std`:
//!
//! - `Arc` and `Weak`: loom has no `Weak`, and its `Arc` holds no `dyn` type and makes no `Waker`. So a model does not
//!   permute reference counts.
//! - `OnceLock`, which loom lacks. `PoisonError`, which loom's locks use too.
//! - Whatever stands in a `static`: loom's types cannot, because each run of a model makes its own. Such code names
//!   `std::sync`.

#![allow(
    unused_imports,
    reason = "what code between threads needs is here, whether something uses it yet or not"
)]

#[cfg(not(all(test, cmd_stream_model)))]
pub(crate) use std::sync::atomic;
pub(crate) use std::sync::{Arc, OnceLock, PoisonError, Weak};
#[cfg(not(any(test, cmd_stream_lock_profile)))]
pub(crate) use std::sync::{Mutex, MutexGuard};

#[cfg(all(test, not(cmd_stream_model)))]
pub(crate) use held::{Mutex, MutexGuard, held};
#[cfg(all(test, cmd_stream_model))]
pub(crate) use loom::sync::{Mutex, MutexGuard, atomic};
#[cfg(not(cmd_stream_model))]
pub(crate) use often::lock_often;
#[cfg(all(cmd_stream_lock_profile, not(test)))]
pub(crate) use profiled::{Mutex, MutexGuard};

#[cfg(all(test, not(cmd_stream_model)))]
mod held;
#[cfg(all(test, cmd_stream_model))]
pub(crate) mod models;
#[cfg(not(cmd_stream_model))]
mod often;
#[cfg(all(cmd_stream_lock_profile, not(test)))]
pub(crate) mod profiled;

/// Without looking: loom would run each look in every order.
#[cfg(cmd_stream_model)]
pub(crate) fn lock_often<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
