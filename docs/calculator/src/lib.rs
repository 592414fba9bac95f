//! The service that the pages of `docs` call: that of the README. With it, the blocks of Rust in these pages are programs that
//! compile. `cargo test` runs them.

use cmd_stream::{Answer, Context, Error, Failed, Failure, Json, Server, protocol};
use serde::{Deserialize, Serialize};

/// The Receiver.
pub struct Calc;

/// Adds two numbers.
#[derive(Debug, Serialize, Deserialize)]
pub struct Add {
    /// The first one.
    pub a: i64,
    /// The second one.
    pub b: i64,
}

/// The sum of two numbers.
#[derive(Debug, Serialize, Deserialize)]
pub struct Sum(pub i64);

/// Why a Command has failed.
#[derive(Debug, Serialize, Deserialize, Failure)]
pub struct CalcError {
    /// The reason.
    pub message: String,
}

impl Answer<Calc> for Add {
    async fn answer(self, _: &Calc, _: &Context<'_>) -> Result<Sum, Failed> {
        self.a.checked_add(self.b).map(Sum).ok_or_else(|| Failed::new("overflow"))
    }
}

protocol! {
    /// What a calculator does.
    pub struct Calculator {
        commands { 0 => Add -> Sum }
        replies { 0 => Sum, 1 => CalcError }
        failure CalcError
    }
}

/// Starts a server in the background, on a free port, and returns its address.
///
/// # Errors
///
/// There is no free port.
pub async fn serve() -> Result<String, Error> {
    let server = Server::bind("127.0.0.1:0", Calculator, Json, Calc).await?;
    let address = server.handle().local_addr().to_string();
    tokio::spawn(server.serve());
    Ok(address)
}

/// Makes the blocks of the pages tests. `tests/pages.rs` holds the list against the folder.
macro_rules! pages {
    ($($page:ident = $file:literal)*) => { $(
        #[cfg(doctest)]
        #[doc = include_str!(concat!("../../", $file))]
        mod $page {}
    )* };
}

pages! {
    readme = "../README.md"
    circuit_breaker = "CIRCUIT_BREAKER.md"
    deadlines = "DEADLINES.md"
    groups = "GROUPS.md"
    health = "HEALTH.md"
    hooks = "HOOKS.md"
    json_and_go = "JSON_AND_GO.md"
    observing = "OBSERVING.md"
    pressure = "PRESSURE.md"
    reconnecting = "RECONNECTING.md"
    retries = "RETRIES.md"
    tls = "TLS.md"
    tower = "TOWER.md"
}
