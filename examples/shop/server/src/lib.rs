//! The server of the shop. `main.rs` gives it an address, a log and the signals that end it; the tests give it a
//! connection in memory.

mod commands;
mod invokers;
mod store;

pub use invokers::{Authorise, Log};
pub use store::Store;

use std::time::Duration;

use cmd_stream::server::{Builder, Limits};
use cmd_stream::{Invoker, Mus, Server};
use shop_api::{Product, Shop, server_info};

/// The server with all its settings. What remains to be said is where it listens: `bind` or `listen`.
pub fn shop(store: Store) -> Builder<Shop, Mus, Store, impl Invoker<Shop>> {
    // Everything that a client can cause is bounded by default. A shop has small Commands and people as its customers, so
    // it sets tighter limits. Commands in flight count most: each one that runs may hold a list of what it will send.
    let limits = Limits::default()
        .frame(64 << 10)
        .in_flight(256)
        .connections(1_000)
        .drain(Duration::from_secs(10));
    // begin unary
    Server::builder(Shop, Mus, store)
        // end unary
        .server_info(server_info())
        .limits(limits)
        .invoker(Log) // the outermost: it logs what the next one refuses, too
        .invoker(Authorise)
}

/// What the shop sells when it opens.
pub fn opening_stock() -> Vec<Product> {
    let product = |sku: &str, name: &str, cents, stock| Product {
        sku: sku.into(),
        name: name.into(),
        cents,
        stock,
    };
    vec![
        product("tea-001", "green tea", 850, 40),
        product("tea-002", "black tea", 790, 25),
        product("pot-001", "tea pot", 3495, 3),
    ]
}
