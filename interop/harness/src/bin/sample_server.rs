//! A server of the sample service, as a process that tests can kill: `sample_server FORMAT`.

use cmd_stream::Server;
use examples::BoxError;
use interop::{SampleFormat, for_each_format};
use testkit::sample::Service;

macro_rules! serve_by_name {
    ($($name:ident => $format:expr;)+) => {
        /// Serves in the Format of this name.
        async fn serve_by_name(format: &str) -> Result<(), BoxError> {
            match format {
                $(stringify!($name) => serve($format).await,)+
                _ => Err(format!("unknown format {format:?}").into()),
            }
        }
    };
}

for_each_format!(serve_by_name);

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let format = std::env::args().nth(1).ok_or("usage: sample_server FORMAT")?;
    serve_by_name(&format).await
}

async fn serve<F: SampleFormat>(format: F) -> Result<(), BoxError> {
    let server = Server::bind("127.0.0.1:0", F::Protocol::default(), format, Service).await?;
    println!("listening on {}", server.handle().local_addr());
    server.serve().await;
    Ok(())
}
