//! How an application that uses cmd-stream is tested, in three sizes.
//!
//! ```text
//! cargo run --example testing      # runs the application against a real server
//! cargo test -p examples testing   # runs the tests below, which need no network
//! ```
//!
//! The application is `cheapest`: it asks a price service about several products, and skips those that it does not know.
//! It says what it needs, *something that sends `FindPrice`*, by the trait `SendCommand`. A `Sender` is that, and so is a
//! fake. The tests at the end of this file show which size is for what:
//!
//! 1. **A fake** replaces the client. Nothing is encoded, and no task runs. A fake is the simplest way to have a call fail
//!    as it would on a lost connection.
//! 2. **A script** replaces the service. The client is the real one, so Commands and Replies pass through the Format. A
//!    script sees every Command, and answers with what the test says.
//! 3. **The real server in memory** replaces only the network. It is for the service itself: its Commands on their
//!    Receiver, its Invokers, its limits.
//!
//! `cargo run --example testing -- --listen 127.0.0.1:9000` is only the server, and `--connect 127.0.0.1:9000` only the
//! client.

use std::collections::HashMap;

use cmd_stream::sender::SendCommand;
use cmd_stream::{Answer, CallError, Context, Error, Failed, Failure, Json, Sender, Server, protocol};
use examples::BoxError;
use serde::{Deserialize, Serialize};

// What both ends share.

/// Asks what a product costs.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct FindPrice {
    product: String,
}

/// In cents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Price(u64);

#[derive(Debug, PartialEq, Serialize, Deserialize, Failure)]
struct PriceError {
    unknown_product: bool,
    message: String,
}

impl PriceError {
    fn unknown(product: &str) -> Self {
        Self { unknown_product: true, message: format!("there is no {product}") }
    }
}

protocol! {
    struct Prices {
        commands { 0 => FindPrice -> Price }
        replies { 0 => Price, 1 => PriceError }
        failure PriceError
    }
}

// The application.

/// The cheapest of the products that the service knows.
///
/// The bound says all that it asks of the service. Code that sends two Commands has two bounds:
/// `S: SendCommand<FindPrice, Failure = PriceError> + SendCommand<Buy, Failure = PriceError>`.
async fn cheapest<S>(sender: &S, products: &[&str]) -> Result<Option<(String, Price)>, CallError<PriceError>>
where
    S: SendCommand<FindPrice, Failure = PriceError>,
{
    let mut found: Option<(String, Price)> = None;
    for &product in products {
        match sender.send(FindPrice { product: product.into() }).await {
            Ok(price) if found.as_ref().is_none_or(|(_, least)| price < *least) => {
                found = Some((product.into(), price));
            }
            Ok(_) => {}
            Err(CallError::Failed(error)) if error.unknown_product => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

// The service.

struct Catalogue(HashMap<String, Price>);

impl Catalogue {
    fn new(prices: &[(&str, u64)]) -> Self {
        Self(prices.iter().map(|&(product, cents)| (product.into(), Price(cents))).collect())
    }
}

impl Answer<Catalogue> for FindPrice {
    async fn answer(self, catalogue: &Catalogue, _: &Context<'_>) -> Result<Price, Failed> {
        let price = catalogue.0.get(&self.product);
        Ok(*price.ok_or_else(|| PriceError::unknown(&self.product))?)
    }
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    examples::run(server, client).await
}

async fn server(address: String) -> Result<Server<Prices, Json, Catalogue>, Error> {
    Server::bind(address, Prices, Json, Catalogue::new(&[("teapot", 4200), ("kettle", 3495)])).await
}

async fn client(address: String) -> Result<(), BoxError> {
    let sender = examples::connect(|| Sender::connect(&address, Prices, Json)).await?;
    match cheapest(&sender, &["teapot", "samovar", "kettle"]).await? {
        Some((product, Price(cents))) => println!("the cheapest is the {product}, for {cents}"),
        None => println!("there is none of them"),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use cmd_stream::sender::Replied;
    use cmd_stream::testing::Script;
    use cmd_stream::transport::memory;
    use cmd_stream::{Client, ErrorKind, Origin};

    use super::*;

    // 1. A fake.

    /// A connection that is lost as soon as somebody asks for this product. Anything else costs one cent a letter.
    struct LostAt(&'static str);

    impl SendCommand<FindPrice> for LostAt {
        type Failure = PriceError;

        fn send(&self, FindPrice { product }: FindPrice) -> Replied<'_, Price, PriceError> {
            Box::pin(async move {
                if product == self.0 {
                    return Err(Error::new(ErrorKind::Io, Origin::System, "connection reset").into());
                }
                Ok(Price(product.len() as u64))
            })
        }
    }

    #[tokio::test]
    async fn a_lost_connection_is_not_taken_for_an_unknown_product() {
        let lost = cheapest(&LostAt("teapot"), &["kettle", "teapot", "cup"]).await;
        assert_eq!(lost.map_err(|error| error.kind()), Err(ErrorKind::Io));

        let cup = cheapest(&LostAt("nothing"), &["kettle", "teapot", "cup"]).await;
        assert_eq!(cup.expect("nothing is lost"), Some(("cup".into(), Price(3))));
    }

    // 2. A script.

    #[tokio::test]
    async fn every_product_is_asked_for_once_and_unknown_ones_are_skipped() {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        // `PricesCommand` and `PricesReply` are made by `protocol!`: all Commands and all Replies of the service.
        let service = Script::new(Prices, Json, move |PricesCommand::FindPrice(FindPrice { product })| {
            seen.lock().expect("no test panics with it").push(product.clone());
            match product.as_str() {
                "kettle" => [PricesReply::Price(Price(10))],
                other => [PricesReply::PriceError(PriceError::unknown(other))],
            }
        });
        let client =
            Client::builder(Prices, Json).connect_by(service.start()).await.expect("a script greets");

        let found = cheapest(&client, &["samovar", "kettle", "cup"]).await;
        assert_eq!(found.expect("the service answers"), Some(("kettle".into(), Price(10))));
        assert_eq!(*asked.lock().expect("no test panics with it"), ["samovar", "kettle", "cup"]);
    }

    #[tokio::test]
    async fn another_failure_is_passed_on_with_its_type() {
        let closed = || PriceError { unknown_product: false, message: "closed on Sundays".into() };
        let service = Script::new(Prices, Json, move |_| [PricesReply::PriceError(closed())]);
        let client =
            Client::builder(Prices, Json).connect_by(service.start()).await.expect("a script greets");

        match cheapest(&client, &["teapot"]).await {
            Err(CallError::Failed(error)) => assert_eq!(error, closed()),
            other => panic!("{other:?}"),
        }
    }

    // 3. The real server, in memory.

    #[tokio::test]
    async fn the_service_knows_its_prices_and_says_what_it_does_not_know() {
        let (connector, listener) = memory::pair();
        let server = Server::builder(Prices, Json, Catalogue::new(&[("teapot", 4200)]));
        let server = server.listen(listener).expect("memory has an address");
        let handle = server.handle();
        let serving = tokio::spawn(server.serve());

        let client = Client::builder(Prices, Json).connect_by(connector).await.expect("the server greets");
        assert_eq!(
            client.send(FindPrice { product: "teapot".into() }).await.expect("it is there"),
            Price(4200)
        );
        match client.send(FindPrice { product: "samovar".into() }).await {
            Err(CallError::Failed(error)) => assert_eq!(error, PriceError::unknown("samovar")),
            other => panic!("{other:?}"),
        }

        // The test ends when the server has: nothing is left running.
        handle.shutdown();
        serving.await.expect("it does not panic");
    }
}
