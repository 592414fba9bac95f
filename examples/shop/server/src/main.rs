//! Serves the shop until SIGTERM or Ctrl-C, then shuts down in good order.
//!
//! ```text
//! cargo run -p shop-server -- --listen 127.0.0.1:9000
//! ```

use std::error::Error;
use std::process::ExitCode;

use cmd_stream::server::{Cut, Served};
use shop_server::{Store, opening_stock, shop};

#[tokio::main]
async fn main() -> ExitCode {
    run().await.unwrap_or_else(|error| {
        eprintln!("{error:#}"); // `#`: with what caused it
        ExitCode::FAILURE
    })
}

async fn run() -> Result<ExitCode, Box<dyn Error>> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .init();
    let args: Vec<_> = std::env::args().skip(1).collect();
    let ["--listen", address] = args.iter().map(String::as_str).collect::<Vec<_>>()[..] else {
        return Err("usage: shop-server --listen ADDRESS".into());
    };

    let server = shop(Store::new(opening_stock())).bind(address).await?;
    let handle = server.handle();
    let told_to_stop = told_to_stop()?; // from here on a signal no longer kills the process
    println!("listening on {}", handle.local_addr());
    let serving = tokio::spawn(server.serve());

    told_to_stop.await;
    tracing::info!("shutting down");
    // New connections are refused. Commands in flight may end, for as long as `Limits::drain` says. Streams without an end
    // of their own learn of it by `going_away`.
    handle.shutdown();
    match serving.await? {
        Served::Shutdown(cut) if cut == Cut::default() => {
            println!("closed: every Command has ended");
            Ok(ExitCode::SUCCESS)
        }
        // A supervisor, or whoever reads its log, should know that some customers were cut off.
        served => {
            println!("closed: {served:?}");
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Catches the signals that end the server, from now on. The future resolves at the first of them.
#[cfg(unix)]
fn told_to_stop() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Catches the signal that ends the server, from now on. The future resolves at the first of them.
#[cfg(windows)]
fn told_to_stop() -> std::io::Result<impl Future<Output = ()>> {
    let mut interrupt = tokio::signal::windows::ctrl_c()?;
    Ok(async move {
        interrupt.recv().await;
    })
}
