//! A client outlives its connections: it reconnects, notices dead links, and its calls have deadlines.

#[path = "../common/lab.rs"]
mod lab;
#[path = "../common/pipes.rs"]
mod pipes;
#[path = "../common/wire.rs"]
mod wire;

mod behaviours_of_go;
mod dead_links;
mod deadlines;
mod dials;
mod in_flight;
mod losses;
mod starts;
mod streams;

type Client = cmd_stream::Client<lab::Plain, cmd_stream::Json>;
type Builder = cmd_stream::client::Builder<lab::Plain, cmd_stream::Json>;

/// With a paused clock: all tasks run until each of them waits, as the clock moves only then.
async fn quiet() {
    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
}

/// What an error says of itself.
fn told(error: impl Into<cmd_stream::Error>) -> (cmd_stream::ErrorKind, cmd_stream::Origin, bool) {
    let error = error.into();
    (error.kind(), error.origin(), error.was_sent())
}

/// Polls a future once.
async fn once<F: Future + Unpin>(future: &mut F) -> std::task::Poll<F::Output> {
    std::future::poll_fn(|cx| std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(cx))).await
}

/// A call in a task of its own.
fn spawn_echo(
    client: &Client,
    said: &str,
) -> tokio::task::JoinHandle<Result<lab::Text, cmd_stream::CallError<std::convert::Infallible>>> {
    let (client, command) = (client.clone(), lab::echo(said));
    tokio::spawn(async move { client.send(command).await })
}
