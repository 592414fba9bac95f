//! A client of the shop: how it connects, and one customer's visit.

use std::error::Error;

use cmd_stream::transport::{Address, Connect};
use cmd_stream::{CallError, Client, Mus, Sender, client::Builder};
use shop_api::{
    AddToCart, Browse, FindProduct, Item, Listing, PlaceOrder, Reason, Restock, Shop, ShopError,
    SignIn, Viewed, WatchStock, server_info,
};

/// What the parts of an application hold. It is cheap to clone, and all its clones share one connection.
pub type ShopSender = Sender<Shop, Mus>;

/// Connects to the shop at an address.
///
/// # Errors
///
/// There is no connection, or the server is of another version.
pub async fn connect(address: impl Into<Address>) -> Result<ShopSender, cmd_stream::Error> {
    Ok(builder().connect(address).await?.into())
}

/// Connects by a transport of the caller's own. Tests connect in memory.
///
/// # Errors
///
/// Those of [`connect`].
pub async fn connect_by(transport: impl Connect) -> Result<ShopSender, cmd_stream::Error> {
    Ok(builder().connect_by(transport).await?.into())
}

fn builder() -> Builder<Shop, Mus> {
    Client::builder(Shop, Mus).server_info(server_info())
}

/// One customer's visit, which prints what happens. Every kind of call is made. At the end the clerk puts back what was
/// ordered, so that the next visit finds the same shop.
///
/// # Errors
///
/// The shop refuses what it should not, or the connection is lost.
pub async fn visit(shop: &ShopSender) -> Result<(), Box<dyn Error>> {
    // Several Replies.
    let mut listing = shop.stream(Browse("tea".into())).await?;
    while let Some(reply) = listing.next().await {
        if let Listing::Product(product) = reply? {
            println!("{}: {}, {} cents", product.sku, product.name, product.cents);
        }
    }

    // No Reply: it is done when the Command is on its way.
    shop.post(Viewed("pot-001".into())).await?;
    let pot = shop.send(FindProduct("pot-001".into())).await?;
    println!(
        "the {} has been looked at, {} are there",
        pot.name, pot.stock
    );

    // A refusal is a value, and the connection goes on.
    let pots = |quantity| Item {
        sku: "pot-001".into(),
        quantity,
    };
    let refused = refusal(shop.send(AddToCart(pots(2))).await)?;
    println!("refused: {refused}");

    // The connection remembers who has signed in.
    shop.send(SignIn("ann's key".into())).await?;
    match refusal(shop.send(AddToCart(pots(5))).await)? {
        ShopError {
            reason: Reason::OutOfStock(left),
            ..
        } => println!("refused: only {left} are left"),
        other => return Err(other.into()),
    }
    let cart = shop.send(AddToCart(pots(2))).await?;
    println!("in the cart: {} cents", cart.cents);
    let refused = refusal(shop.send(Restock(pots(1))).await)?;
    println!("refused: {refused}");

    // A stream and a call at the same time, on one connection.
    let mut stock = shop.stream(WatchStock("pot-001".into())).await?;
    let before = stock.next().await.ok_or("the stream has ended")??;
    let order = shop.send(PlaceOrder).await?;
    let after = stock.next().await.ok_or("the stream has ended")??;
    println!("order {}: {} cents", order.number, order.cents);
    println!("the shelf: {before:?}, then {after:?}");
    drop(stock); // whoever has seen enough drops the stream

    // Signing in again replaces who has signed in before.
    shop.send(SignIn("the clerk's key".into())).await?;
    let pot = shop.send(Restock(pots(2))).await?;
    println!("restocked: {} are there", pot.stock);
    Ok(())
}

/// The shop's refusal of a call that it should refuse.
fn refusal<T>(called: Result<T, CallError<ShopError>>) -> Result<ShopError, Box<dyn Error>> {
    match called {
        Err(CallError::Failed(refusal)) => Ok(refusal),
        Err(CallError::Other(error)) => Err(error.into()), // the connection was lost, for example
        Ok(_) => Err("the shop should have refused this".into()),
    }
}
