//! Either end of the service of numbered messages, as a process that tests can kill:
//!
//! ```text
//! numbered server ADDRESS RECORD
//! numbered client ADDRESS FIRST
//! ```
//!
//! The client sends messages from the number FIRST on, and prints what became of each, until it is killed.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cmd_stream::{Client, Json, Server};
use examples::BoxError;
use interop::numbered::{Messages, Outcome, Recorder, send};
use tokio::task::JoinSet;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let args: Vec<_> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["server", address, record] => {
            let recorder = Recorder::new(Path::new(record))?;
            let server = Server::bind(address, Messages, Json, recorder).await?;
            println!("listening on {}", server.handle().local_addr());
            server.serve().await;
            Ok(())
        }
        ["client", address, first] => {
            let client = Client::connect(address, Messages, Json).await?;
            let next = Arc::new(AtomicU64::new(first.parse()?));
            let mut tasks = JoinSet::new();
            for _ in 0..16 {
                tasks.spawn(traffic(client.clone(), Arc::clone(&next)));
            }
            // They end only by a panic: a wrong Reply.
            tasks.join_next().await.ok_or("there are no tasks")??;
            Ok(())
        }
        _ => Err("usage: numbered server ADDRESS RECORD | numbered client ADDRESS FIRST".into()),
    }
}

async fn traffic(client: Client<Messages, Json>, next: Arc<AtomicU64>) {
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        match send(&client, number).await {
            Outcome::Answered => println!("answered {number}"),
            outcome => println!("failed {number}: {outcome:?}"),
        }
    }
}
