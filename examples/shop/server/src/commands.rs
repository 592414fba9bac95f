//! How each Command acts on the [`Store`].
//!
//! By the time that one of them runs, [`Authorise`](crate::invokers::Authorise) has let it through.

use std::sync::Arc;

use cmd_stream::{Answer, Context, Execute, Failed, Proxy};
use shop_api::{
    AddToCart, Browse, Cart, FindProduct, Listing, Order, PlaceOrder, Product, Reason, Restock,
    ShopError, SignIn, Stock, Viewed, WatchStock,
};

use crate::store::Store;

/// Who has signed in on a connection. The connection keeps it for all its Commands.
#[derive(Debug)]
pub(crate) struct Customer {
    pub(crate) name: String,
    pub(crate) staff: bool,
}

impl Customer {
    /// A real shop would look the key up in its database.
    fn with_key(key: &str) -> Option<Self> {
        let (name, staff) = match key {
            "ann's key" => ("ann", false),
            "bob's key" => ("bob", false),
            "the clerk's key" => ("the clerk", true),
            _ => return None,
        };
        Some(Self {
            name: name.into(),
            staff,
        })
    }

    fn of(context: &Context<'_>) -> Result<Arc<Self>, ShopError> {
        let customer = context.connection().get();
        customer.ok_or_else(not_signed_in)
    }
}

pub(crate) fn not_signed_in() -> ShopError {
    ShopError::new(Reason::NotSignedIn, "sign in first")
}

// One Reply: it is what `answer` returns. `?` turns a `ShopError` into a `Failed`, and the client gets it as it is.
// begin unary

impl Answer<Store> for SignIn {
    async fn answer(self, store: &Store, context: &Context<'_>) -> Result<Cart, Failed> {
        let unknown = || ShopError::new(Reason::NotSignedIn, "the key is unknown");
        let customer = Customer::with_key(&self.0).ok_or_else(unknown)?;
        let cart = store.cart(&customer.name)?;
        context.connection().insert(customer);
        Ok(cart)
    }
}

impl Answer<Store> for FindProduct {
    async fn answer(self, store: &Store, _: &Context<'_>) -> Result<Product, Failed> {
        Ok(store.find(&self.0)?)
    }
}

impl Answer<Store> for AddToCart {
    async fn answer(self, store: &Store, context: &Context<'_>) -> Result<Cart, Failed> {
        let customer = Customer::of(context)?;
        Ok(store.add_to_cart(&customer.name, self.0)?)
    }
}

impl Answer<Store> for PlaceOrder {
    async fn answer(self, store: &Store, context: &Context<'_>) -> Result<Order, Failed> {
        let customer = Customer::of(context)?;
        Ok(store.place_order(&customer.name)?)
    }
}

impl Answer<Store> for Restock {
    async fn answer(self, store: &Store, _: &Context<'_>) -> Result<Product, Failed> {
        Ok(store.restock(&self.0)?)
    }
}
// end unary

// Several Replies: they are sent through the Proxy. `send` waits while the client reads too slowly, so that a stream never
// fills the server's memory.

impl Execute<Store> for Browse {
    async fn execute(self, store: &Store, proxy: Proxy<'_, Listing>) -> Result<(), Failed> {
        for product in store.search(&self.0) {
            proxy.send(Listing::Product(product)).await?;
        }
        proxy.send(Listing::End).await
    }
}

/// This one has no end of its own. It ends when the server is about to leave, with a last Reply that says so; a server
/// that shuts down waits for that. And it ends when its client has left.
impl Execute<Store> for WatchStock {
    async fn execute(self, store: &Store, proxy: Proxy<'_, Stock>) -> Result<(), Failed> {
        let mut stock = store.watch(&self.0)?;
        loop {
            let level = *stock.borrow_and_update();
            proxy.send(Stock::Level(level)).await?;
            tokio::select! {
                changed = stock.changed() => changed?,
                () = proxy.going_away() => return proxy.send(Stock::Closing).await,
                () = proxy.closed() => return Err(Failed::new("the client has left")),
            }
        }
    }
}

/// One-way: what it returns is not sent.
impl Answer<Store> for Viewed {
    async fn answer(self, store: &Store, _: &Context<'_>) -> Result<(), Failed> {
        store.viewed(&self.0);
        Ok(())
    }
}
