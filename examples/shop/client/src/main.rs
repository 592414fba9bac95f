//! Visits the shop once, as a customer.
//!
//! ```text
//! cargo run -p shop-client -- --connect 127.0.0.1:9000
//! ```

use std::error::Error;
use std::process::ExitCode;

use shop_client::{connect, visit};

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}"); // `#`: with what caused it
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let args: Vec<_> = std::env::args().skip(1).collect();
    let ["--connect", address] = args.iter().map(String::as_str).collect::<Vec<_>>()[..] else {
        return Err("usage: shop-client --connect ADDRESS".into());
    };
    visit(&connect(address).await?).await
}
