//! What the examples share: their command line. Not a part of any lesson.
//!
//! Without arguments an example starts both ends on a free port and ends by itself. With `--listen ADDRESS` it is only
//! the server, until SIGINT or SIGTERM; with `--connect ADDRESS` only the client. So either end can be swapped for the
//! example of the same name of the Go library.

use std::error::Error;
use std::future::Future;
use std::time::Duration;

use cmd_stream::server::Handle;
use tokio::time::Instant;

/// Any error: an example that fails prints it and exits with 1.
pub type Failure = Box<dyn Error + Send + Sync>;

/// Which ends this process is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Role {
    /// Both, on a free port.
    Both,
    /// The server, on this address.
    Server(String),
    /// The client of the server at this address.
    Client(String),
}

impl Role {
    /// What the command line says.
    ///
    /// # Errors
    ///
    /// The usage, if it says anything else than what the examples know.
    pub fn from_args() -> Result<Self, Failure> {
        Self::parse(std::env::args().skip(1))
    }

    fn parse(args: impl Iterator<Item = String>) -> Result<Self, Failure> {
        let args: Vec<_> = args.collect();
        match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            [] => Ok(Self::Both),
            ["--listen", address] => Ok(Self::Server(address.into())),
            ["--connect", address] => Ok(Self::Client(address.into())),
            _ => Err("usage: [--listen ADDRESS | --connect ADDRESS]".into()),
        }
    }

    /// The address that the server is to listen on; none if this process has no server.
    pub fn listen_address(&self) -> Option<&str> {
        match self {
            Self::Both => Some("127.0.0.1:0"),
            Self::Server(address) => Some(address),
            Self::Client(_) => None,
        }
    }
}

/// Prints where the server listens, and drains it on SIGINT or SIGTERM.
///
/// # Errors
///
/// Those of the operating system.
pub async fn serve_until_signalled(handle: Handle) -> Result<(), Failure> {
    println!("listening on {}", handle.local_addr());
    signal().await?;
    handle.shutdown();
    Ok(())
}

#[cfg(unix)]
async fn signal() -> Result<(), Failure> {
    use tokio::signal::unix::{SignalKind, signal};

    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

#[cfg(not(unix))]
async fn signal() -> Result<(), Failure> {
    Ok(tokio::signal::ctrl_c().await?)
}

/// Tries to connect for up to 5 s, as the server may have been started at the same moment.
///
/// # Errors
///
/// Those of the last attempt.
pub async fn connect<T, F>(mut attempt: impl FnMut() -> F) -> Result<T, Failure>
where
    F: Future<Output = Result<T, cmd_stream::Error>>,
{
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        match attempt().await {
            Ok(connected) => return Ok(connected),
            Err(error) if error.kind() == cmd_stream::ErrorKind::Io && Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Option<Role> {
        Role::parse(args.iter().map(ToString::to_string)).ok()
    }

    #[test]
    fn the_command_line_says_which_ends_to_start() {
        assert_eq!(parse(&[]), Some(Role::Both));
        assert_eq!(parse(&["--listen", "a:1"]), Some(Role::Server("a:1".into())));
        assert_eq!(parse(&["--connect", "a:1"]), Some(Role::Client("a:1".into())));
        for wrong in [&["--listen"][..], &["a:1"], &["--listen", "a:1", "--connect", "a:1"]] {
            assert_eq!(parse(wrong), None);
        }
    }
}
