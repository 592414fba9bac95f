//! Middleware of the `tower` crate on both sides of a service.
//!
//! ```text
//! cargo run --example tower
//! ```
//!
//! The server executes one `Resize` at a time. When another one comes meanwhile, it is not kept waiting: it is refused, and
//! answered as overloaded. One that takes too long is given up. That is three layers: `LoadShed` around `ConcurrencyLimit`
//! around `Timeout`.
//!
//! The client sends a Command again that was refused, after a pause, and gives up a call after ten seconds. That is
//! two layers, too: `Timeout` around `Retry`. A Sender does both by itself, with other rules, if it is told to; this shows how
//! rules of your own are put around it.
//!
//! `cargo run --example tower -- --listen 127.0.0.1:9000` is only the server, and `--connect 127.0.0.1:9000` only the
//! client.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use cmd_stream::protocol::FailedReason;
use cmd_stream::{
    Answer, CallError, Context, Error, Failed, Failure, Invoker, Json, Sender, Server, protocol,
};
use examples::BoxError;
use serde::{Deserialize, Serialize};
use tokio::time::sleep;
use tower::retry::Policy;
use tower::{ServiceBuilder, ServiceExt};

// The service: work that takes a while.

struct Images;

#[derive(Clone, Serialize, Deserialize)]
struct Resize {
    image: String,
}

#[derive(Serialize, Deserialize)]
struct Resized {
    image: String,
}

impl Answer<Images> for Resize {
    async fn answer(self, _: &Images, _: &Context<'_>) -> Result<Resized, Failed> {
        if self.image == "huge" {
            std::future::pending::<()>().await; // it takes for ever
        }
        sleep(Duration::from_millis(50)).await;
        Ok(Resized { image: format!("small {}", self.image) })
    }
}

/// What a failed Command is answered with. It says whether the server was too busy.
#[derive(Debug, Serialize, Deserialize)]
struct Refusal {
    message: String,
    is_overloaded: bool,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refusal {}

impl Failure for Refusal {
    fn from_failed(failed: &Failed) -> Self {
        let is_overloaded = failed.reason() == FailedReason::Overloaded;
        Self { message: failed.to_string(), is_overloaded }
    }

    fn is_overloaded(&self) -> bool {
        self.is_overloaded
    }
}

protocol! {
    struct ImageService {
        commands { 0 => Resize -> Resized }
        replies { 0 => Resized, 1 => Refusal }
        failure Refusal
    }
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    examples::run(server, client).await
}

async fn server(
    address: String,
) -> Result<Server<ImageService, Json, Images, impl Invoker<ImageService>>, Error> {
    let layers = ServiceBuilder::new().load_shed().concurrency_limit(1).timeout(Duration::from_secs(1)); // what takes longer makes room for others
    Server::builder(ImageService, Json, Images).layer(layers).bind(address).await
}

async fn client(address: String) -> Result<(), BoxError> {
    let sender = examples::connect(|| Sender::connect(&address, ImageService, Json)).await?;

    // Without a layer, one of two is refused. Which one is a matter of chance.
    let resize = |image: &str| Resize { image: image.into() };
    let (first, second) = tokio::join!(sender.send(resize("cat")), sender.send(resize("dog")));
    let refused = [&first, &second].into_iter().filter(|result| is_refused(result)).count();
    if refused == 0 {
        first?;
        second?;
    }
    println!("refused: {refused} of 2");

    let patient = ServiceBuilder::new()
        .timeout(Duration::from_secs(10))
        .retry(WhileOverloaded { attempts_left: 200 })
        .service(sender.clone());
    // Each call needs a service of its own: clones are cheap, and all use the same connections.
    let (first, second) =
        tokio::join!(patient.clone().oneshot(resize("cat")), patient.clone().oneshot(resize("dog")));
    println!("patient cat: {}", first?.image);
    println!("patient dog: {}", second?.image);

    // The server gives this one up.
    match patient.oneshot(resize("huge")).await {
        Ok(resized) => println!("patient huge: {}", resized.image),
        Err(error) => println!("patient huge: {error}"),
    }
    Ok(())
}

fn is_refused(result: &Result<Resized, CallError<Refusal>>) -> bool {
    matches!(result, Err(CallError::Failed(refusal)) if refusal.is_overloaded)
}

/// Sends a Command again that was refused because the server is busy, after a pause.
#[derive(Clone)]
struct WhileOverloaded {
    attempts_left: u32,
}

impl Policy<Resize, Resized, CallError<Refusal>> for WhileOverloaded {
    type Future = Pin<Box<dyn Future<Output = ()> + Send>>;

    fn retry(
        &mut self,
        _: &mut Resize,
        result: &mut Result<Resized, CallError<Refusal>>,
    ) -> Option<Self::Future> {
        match result {
            result if is_refused(result) && self.attempts_left > 0 => {
                self.attempts_left -= 1;
                Some(Box::pin(sleep(Duration::from_millis(20))))
            }
            _ => None,
        }
    }

    fn clone_request(&mut self, command: &Resize) -> Option<Resize> {
        Some(command.clone())
    }
}
