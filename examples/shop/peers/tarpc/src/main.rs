//! The five unary calls of the shop in tarpc, written as its own example is. For their lines; see the README of the shop.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::{StreamExt, future};
use serde::{Deserialize, Serialize};
use tarpc::context::Context;
use tarpc::serde_transport::tcp;
use tarpc::server::{BaseChannel, Channel};
use tarpc::tokio_serde::formats::Json;

// begin unary
#[tarpc::service]
pub trait Shop {
    async fn sign_in(key: String) -> Result<Cart, ShopError>;
    async fn find_product(sku: String) -> Result<Product, ShopError>;
    async fn add_to_cart(item: Item) -> Result<Cart, ShopError>;
    async fn place_order() -> Result<Order, ShopError>;
    async fn restock(item: Item) -> Result<Product, ShopError>;
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Item {
    pub sku: String,
    pub quantity: u32,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Product {
    pub sku: String,
    pub name: String,
    pub cents: u64,
    pub stock: u32,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Cart {
    pub items: Vec<Item>,
    pub cents: u64,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Order {
    pub number: u64,
    pub items: Vec<Item>,
    pub cents: u64,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct ShopError {
    pub reason: Reason,
    pub message: String,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub enum Reason {
    NotSignedIn,
    NotAllowed,
    NoSuchProduct,
    OutOfStock(u32),
    EmptyCart,
    Other,
}
// end unary

/// One for each connection.
#[derive(Clone)]
struct Service {
    state: Arc<Mutex<State>>,
    customer: Arc<Mutex<Option<(&'static str, bool)>>>,
}

#[derive(Default)]
struct State {
    shelves: HashMap<String, Product>,
    carts: HashMap<String, Vec<Item>>,
    orders: u64,
}

impl Service {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn customer(&self) -> Result<(&'static str, bool), ShopError> {
        let customer = self.customer.lock().unwrap_or_else(PoisonError::into_inner);
        customer.ok_or_else(|| error(Reason::NotSignedIn, "sign in first"))
    }
}

impl State {
    fn shelf(&mut self, sku: &str) -> Result<&mut Product, ShopError> {
        let shelf = self.shelves.get_mut(sku);
        shelf.ok_or_else(|| error(Reason::NoSuchProduct, "there is no such product"))
    }

    fn cart(&self, customer: &str) -> Cart {
        let items = self.carts.get(customer).cloned().unwrap_or_default();
        let price = |item: &Item| self.shelves.get(&item.sku).map_or(0, |shelf| shelf.cents);
        let costs = items
            .iter()
            .map(|item| price(item) * u64::from(item.quantity));
        Cart {
            cents: costs.sum(),
            items,
        }
    }
}

fn error(reason: Reason, message: &str) -> ShopError {
    ShopError {
        reason,
        message: message.into(),
    }
}

// begin unary
impl Shop for Service {
    async fn sign_in(self, _: Context, key: String) -> Result<Cart, ShopError> {
        let customer = match key.as_str() {
            "ann's key" => ("ann", false),
            "the clerk's key" => ("the clerk", true),
            _ => return Err(error(Reason::NotSignedIn, "the key is unknown")),
        };
        *self.customer.lock().unwrap_or_else(PoisonError::into_inner) = Some(customer);
        Ok(self.state().cart(customer.0))
    }

    async fn find_product(self, _: Context, sku: String) -> Result<Product, ShopError> {
        Ok(self.state().shelf(&sku)?.clone())
    }

    async fn add_to_cart(self, _: Context, item: Item) -> Result<Cart, ShopError> {
        let (name, _) = self.customer()?;
        let mut state = self.state();
        let left = state.shelf(&item.sku)?.stock;
        if item.quantity > left {
            return Err(error(Reason::OutOfStock(left), "there are not so many"));
        }
        state.carts.entry(name.into()).or_default().push(item);
        Ok(state.cart(name))
    }

    async fn place_order(self, _: Context) -> Result<Order, ShopError> {
        let (name, _) = self.customer()?;
        let mut state = self.state();
        let Cart { items, cents } = state.cart(name);
        if items.is_empty() {
            return Err(error(Reason::EmptyCart, "the cart is empty"));
        }
        for item in &items {
            let left = state.shelf(&item.sku)?.stock;
            if item.quantity > left {
                return Err(error(Reason::OutOfStock(left), "there are not so many"));
            }
        }
        for item in &items {
            state.shelf(&item.sku)?.stock -= item.quantity;
        }
        state.carts.remove(name);
        state.orders += 1;
        let number = state.orders;
        Ok(Order {
            number,
            items,
            cents,
        })
    }

    async fn restock(self, _: Context, item: Item) -> Result<Product, ShopError> {
        let (_, staff) = self.customer()?;
        if !staff {
            return Err(error(Reason::NotAllowed, "this is for the staff"));
        }
        let mut state = self.state();
        let product = state.shelf(&item.sku)?;
        product.stock += item.quantity;
        Ok(product.clone())
    }
}
// end unary

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let state = Arc::<Mutex<State>>::default();
    let listener = tcp::listen("127.0.0.1:9000", Json::default).await?;
    listener
        .filter_map(|transport| future::ready(transport.ok()))
        .for_each_concurrent(None, |transport| {
            let service = Service {
                state: Arc::clone(&state),
                customer: Arc::default(),
            };
            BaseChannel::with_defaults(transport)
                // begin unary
                .execute(service.serve())
                // end unary
                .for_each_concurrent(None, |response| response)
        })
        .await;
    Ok(())
}
