//! What every Rust participant of the benchmarks shares. A participant is a program of its own: it implements
//! [`Participant`](participant::Participant) and [`Client`](load::Client), and its `main` calls
//! [`participant::main`].
//!
//! It depends on none of the libraries that are compared, so that they can be built in workspaces of their own.

pub mod alloc;
mod by_reference;
pub mod format;
pub mod latency;
pub mod lines;
pub mod load;
pub mod participant;
pub mod process;
pub mod random;
pub mod rounds;
pub mod valgrind;
pub mod workload;
