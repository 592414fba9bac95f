//! The five unary calls of the shop in tonic, written as its tutorials are. For their lines; see the README of the shop.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use prost::Message;
use shop::shop_server::{Shop, ShopServer};
use shop::{
    AddToCartRequest, Cart, FindProductRequest, Item, Order, PlaceOrderRequest, Product, Reason,
    RestockRequest, ShopError, SignInRequest,
};
use tonic::transport::Server;
use tonic::{Code, Request, Response, Status};

// begin unary
pub mod shop {
    tonic::include_proto!("shop");
}
// end unary

/// tonic knows no connections: each request says who sends it, by this entry of its metadata.
const KEY: &str = "key";

#[derive(Default)]
struct Service {
    state: Mutex<State>,
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
}

impl State {
    fn shelf(&mut self, sku: &str) -> Result<&mut Product, ShopError> {
        let shelf = self.shelves.get_mut(sku);
        shelf.ok_or_else(|| error(Reason::NoSuchProduct, 0, "there is no such product"))
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

fn error(reason: Reason, left: u32, message: &str) -> ShopError {
    ShopError {
        reason: reason.into(),
        left,
        message: message.into(),
    }
}

/// Who has this key, and whether that is one of the staff.
fn customer(key: &str) -> Result<(&'static str, bool), ShopError> {
    match key {
        "ann's key" => Ok(("ann", false)),
        "the clerk's key" => Ok(("the clerk", true)),
        _ => Err(error(Reason::NotSignedIn, 0, "sign in first")),
    }
}

fn sender<T>(request: &Request<T>) -> Result<(&'static str, bool), ShopError> {
    let key = request.metadata().get(KEY);
    customer(key.and_then(|key| key.to_str().ok()).unwrap_or_default())
}

fn nothing() -> Status {
    Status::invalid_argument("there is no item")
}

// The failure travels in the details of a status.
// begin unary

impl From<ShopError> for Status {
    fn from(error: ShopError) -> Self {
        let details = error.encode_to_vec().into();
        Self::with_details(Code::FailedPrecondition, error.message, details)
    }
}

/// For the client.
pub fn shop_error(status: &Status) -> Option<ShopError> {
    ShopError::decode(status.details()).ok()
}

#[tonic::async_trait]
impl Shop for Service {
    async fn sign_in(&self, request: Request<SignInRequest>) -> Result<Response<Cart>, Status> {
        let (name, _) = customer(&request.get_ref().key)?;
        Ok(Response::new(self.state().cart(name)))
    }

    async fn find_product(
        &self,
        request: Request<FindProductRequest>,
    ) -> Result<Response<Product>, Status> {
        let mut state = self.state();
        let product = state.shelf(&request.get_ref().sku)?;
        Ok(Response::new(product.clone()))
    }

    async fn add_to_cart(
        &self,
        request: Request<AddToCartRequest>,
    ) -> Result<Response<Cart>, Status> {
        let (name, _) = sender(&request)?;
        let item = request.into_inner().item.ok_or_else(nothing)?;
        let mut state = self.state();
        let left = state.shelf(&item.sku)?.stock;
        if item.quantity > left {
            return Err(error(Reason::OutOfStock, left, "there are not so many").into());
        }
        state.carts.entry(name.into()).or_default().push(item);
        Ok(Response::new(state.cart(name)))
    }

    async fn place_order(
        &self,
        request: Request<PlaceOrderRequest>,
    ) -> Result<Response<Order>, Status> {
        let (name, _) = sender(&request)?;
        let mut state = self.state();
        let Cart { items, cents } = state.cart(name);
        if items.is_empty() {
            return Err(error(Reason::EmptyCart, 0, "the cart is empty").into());
        }
        for item in &items {
            let left = state.shelf(&item.sku)?.stock;
            if item.quantity > left {
                return Err(error(Reason::OutOfStock, left, "there are not so many").into());
            }
        }
        for item in &items {
            state.shelf(&item.sku)?.stock -= item.quantity;
        }
        state.carts.remove(name);
        state.orders += 1;
        let number = state.orders;
        Ok(Response::new(Order {
            number,
            items,
            cents,
        }))
    }

    async fn restock(&self, request: Request<RestockRequest>) -> Result<Response<Product>, Status> {
        let (_, staff) = sender(&request)?;
        if !staff {
            return Err(error(Reason::NotAllowed, 0, "this is for the staff").into());
        }
        let item = request.into_inner().item.ok_or_else(nothing)?;
        let mut state = self.state();
        let product = state.shelf(&item.sku)?;
        product.stock += item.quantity;
        Ok(Response::new(product.clone()))
    }
}
// end unary

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    Server::builder()
        // begin unary
        .add_service(ShopServer::new(Service::default()))
        // end unary
        .serve("127.0.0.1:9000".parse()?)
        .await?;
    Ok(())
}
