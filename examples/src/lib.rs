//! What the examples share: their command line. Nothing to learn here.
//!
//! Without arguments an example starts both ends on a free port and ends by itself. With `--listen ADDRESS` it is only
//! the server, until SIGINT or SIGTERM; with `--connect ADDRESS` only the client. So either end can be swapped for the
//! example of the same name of the Go library.

use std::error::Error;
use std::future::Future;
use std::time::Duration;

use cmd_stream::format::Format;
use cmd_stream::server::ServerProtocol;
use cmd_stream::transport::Accept;
use cmd_stream::{Invoker, Server};
use tokio::time::Instant;

/// Any error. An example that fails prints it and exits with 1.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// Runs the ends that the command line asks for. `server` makes the server that listens on an address, `client` is all
/// that the client at an address does.
///
/// # Errors
///
/// Those of either end, and the usage, if the arguments are not recognised.
pub async fn run<P, F, R, I, L>(
    server: impl AsyncFnOnce(String) -> Result<Server<P, F, R, I, L>, cmd_stream::Error>,
    client: impl AsyncFnOnce(String) -> Result<(), BoxError>,
) -> Result<(), BoxError>
where
    P: ServerProtocol<F, R>,
    F: Format,
    R: Send + Sync + 'static,
    I: Invoker<P>,
    L: Accept,
{
    run_with(&[], server, client).await
}

/// As [`run`], for an example with further options, each with a value: `--name VALUE`, as the usage shows it. [`option`]
/// finds it.
///
/// # Errors
///
/// As [`run`].
pub async fn run_with<P, F, R, I, L>(
    options: &[&str],
    server: impl AsyncFnOnce(String) -> Result<Server<P, F, R, I, L>, cmd_stream::Error>,
    client: impl AsyncFnOnce(String) -> Result<(), BoxError>,
) -> Result<(), BoxError>
where
    P: ServerProtocol<F, R>,
    F: Format,
    R: Send + Sync + 'static,
    I: Invoker<P>,
    L: Accept,
{
    match Role::parse(std::env::args().skip(1), options)? {
        Role::Both => {
            let server = server("127.0.0.1:0".into()).await?;
            let handle = server.handle();
            let serving = tokio::spawn(server.serve());
            client(handle.local_addr().to_string()).await?;
            handle.shutdown();
            serving.await?;
        }
        Role::Server(address) => {
            let server = server(address).await?;
            let handle = server.handle();
            let signal = signal()?; // caught from here on: whoever reads the next line may send one
            println!("listening on {}", handle.local_addr());
            let serving = tokio::spawn(server.serve());
            signal.await;
            handle.shutdown();
            serving.await?;
        }
        Role::Client(address) => client(address).await?,
    }
    Ok(())
}

/// Returns the value of an option, if it is given. `option` is as in [`run_with`].
///
/// # Errors
///
/// If there is no value after it.
pub fn option(option: &str) -> Result<Option<String>, BoxError> {
    let mut args = std::env::args().skip(1).skip_while(|arg| arg != name_of(option));
    match (args.next(), args.next()) {
        (None, _) => Ok(None),
        (Some(_), Some(value)) => Ok(Some(value)),
        (Some(_), None) => Err(usage(&[option])),
    }
}

/// Returns whether this process is asked to be only the server or only the client.
pub fn is_one_end() -> bool {
    std::env::args().any(|arg| arg == "--listen" || arg == "--connect")
}

fn name_of(option: &str) -> &str {
    option.split_once(' ').map_or(option, |(name, _)| name)
}

fn usage(options: &[&str]) -> BoxError {
    let options: String = options.iter().map(|option| format!(" [{option}]")).collect();
    format!("usage: [--listen ADDRESS | --connect ADDRESS]{options}").into()
}

/// Which ends this process is.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Role {
    /// Both, on a free port.
    Both,
    /// The server, on this address.
    Server(String),
    /// The client of the server at this address.
    Client(String),
}

impl Role {
    fn parse(args: impl Iterator<Item = String>, options: &[&str]) -> Result<Self, BoxError> {
        let mut args: Vec<_> = args.collect();
        for option in options {
            if let Some(at) = args.iter().position(|arg| arg == name_of(option)) {
                args.drain(at..args.len().min(at + 2));
            }
        }
        match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            [] => Ok(Self::Both),
            ["--listen", address] => Ok(Self::Server(address.into())),
            ["--connect", address] => Ok(Self::Client(address.into())),
            _ => Err(usage(options)),
        }
    }
}

/// Catches SIGINT and SIGTERM, from this call on. The future is done at the first one.
///
/// # Errors
///
/// If they cannot be caught.
#[cfg(unix)]
pub fn signal() -> Result<impl Future<Output = ()>, BoxError> {
    use tokio::signal::unix::{SignalKind, signal};

    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Catches Ctrl-C, from this call on. The future is done then.
///
/// # Errors
///
/// If it cannot be caught.
#[cfg(windows)]
pub fn signal() -> Result<impl Future<Output = ()>, BoxError> {
    let mut interrupt = tokio::signal::windows::ctrl_c()?;
    Ok(async move {
        interrupt.recv().await;
    })
}

/// Tries to connect for up to 5 s, as the server may have been started at the same moment.
///
/// # Errors
///
/// Those of the last attempt.
pub async fn connect<T, F>(mut attempt: impl FnMut() -> F) -> Result<T, BoxError>
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
        Role::parse(args.iter().map(ToString::to_string), &["--certs DIR"]).ok()
    }

    #[test]
    fn the_command_line_says_which_ends_to_start() {
        assert_eq!(parse(&[]), Some(Role::Both));
        assert_eq!(parse(&["--listen", "a:1"]), Some(Role::Server("a:1".into())));
        assert_eq!(parse(&["--connect", "a:1"]), Some(Role::Client("a:1".into())));
        assert_eq!(parse(&["--certs", "c", "--listen", "a:1"]), Some(Role::Server("a:1".into())));
        assert_eq!(parse(&["--connect", "a:1", "--certs", "c"]), Some(Role::Client("a:1".into())));
        for wrong in [&["--listen"][..], &["a:1"], &["--listen", "a:1", "--connect", "a:1"]] {
            assert_eq!(parse(wrong), None);
        }
    }
}
