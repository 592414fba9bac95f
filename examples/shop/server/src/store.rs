//! The Receiver: shelves, carts and orders. It knows nothing of connections, Commands that arrive, or who may do what.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use shop_api::{Cart, Item, Order, Product, Reason, ShopError};
use tokio::sync::watch;

/// The shop's state. One lock is enough for it: it is held for a few steps, and never across an `.await`.
#[derive(Debug)]
pub struct Store {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    shelves: BTreeMap<String, Shelf>,
    /// By the name of the customer, so that a cart is still there when a customer comes back.
    carts: HashMap<String, Vec<Item>>,
    orders: u64,
}

#[derive(Debug)]
struct Shelf {
    name: String,
    cents: u64,
    /// How many pieces there are. Those who watch a shelf are told of each change.
    stock: watch::Sender<u32>,
    views: u64,
}

impl Store {
    /// A shop with these products.
    pub fn new(products: impl IntoIterator<Item = Product>) -> Self {
        let shelves = products.into_iter().map(|product| {
            let (stock, _) = watch::channel(product.stock);
            let shelf = Shelf {
                name: product.name,
                cents: product.cents,
                stock,
                views: 0,
            };
            (product.sku, shelf)
        });
        let state = State {
            shelves: shelves.collect(),
            carts: HashMap::new(),
            orders: 0,
        };
        Self {
            state: Mutex::new(state),
        }
    }

    /// The product with this SKU.
    ///
    /// # Errors
    ///
    /// [`Reason::NoSuchProduct`].
    pub fn find(&self, sku: &str) -> Result<Product, ShopError> {
        Ok(self.state().shelf(sku)?.product(sku))
    }

    /// The products whose name contains the text, those that were viewed most first.
    pub fn search(&self, text: &str) -> Vec<Product> {
        let state = self.state();
        let mut found: Vec<_> = state
            .shelves
            .iter()
            .filter(|(_, shelf)| shelf.name.contains(text))
            .collect();
        found.sort_by_key(|(_, shelf)| std::cmp::Reverse(shelf.views));
        found
            .into_iter()
            .map(|(sku, shelf)| shelf.product(sku))
            .collect()
    }

    /// How many pieces there are, now and after each change.
    ///
    /// # Errors
    ///
    /// [`Reason::NoSuchProduct`].
    pub fn watch(&self, sku: &str) -> Result<watch::Receiver<u32>, ShopError> {
        Ok(self.state().shelf(sku)?.stock.subscribe())
    }

    /// Counts a view. One of an unknown product is forgotten.
    pub fn viewed(&self, sku: &str) {
        if let Some(shelf) = self.state().shelves.get_mut(sku) {
            shelf.views += 1;
        }
    }

    /// Puts further pieces on the shelf.
    ///
    /// # Errors
    ///
    /// [`Reason::NoSuchProduct`].
    pub fn restock(&self, item: &Item) -> Result<Product, ShopError> {
        let state = self.state();
        let shelf = state.shelf(&item.sku)?;
        shelf
            .stock
            .send_modify(|stock| *stock = stock.saturating_add(item.quantity));
        Ok(shelf.product(&item.sku))
    }

    /// What is in the customer's cart.
    ///
    /// # Errors
    ///
    /// The sum is too large.
    pub fn cart(&self, customer: &str) -> Result<Cart, ShopError> {
        self.state().cart(customer)
    }

    /// Puts something into the customer's cart. On an error the cart stays as it was.
    ///
    /// # Errors
    ///
    /// [`Reason::NoSuchProduct`], [`Reason::OutOfStock`], the quantity is 0, or the sum is too large.
    pub fn add_to_cart(&self, customer: &str, item: Item) -> Result<Cart, ShopError> {
        let mut state = self.state();
        let left = *state.shelf(&item.sku)?.stock.borrow();
        if item.quantity == 0 {
            return Err(ShopError::new(Reason::Other, "the quantity is 0"));
        }
        let mut items = state.items(customer);
        match items.iter_mut().find(|other| other.sku == item.sku) {
            Some(other) => {
                let wanted = other.quantity.saturating_add(item.quantity);
                enough(&item.sku, wanted, left)?;
                other.quantity = wanted;
            }
            None => {
                enough(&item.sku, item.quantity, left)?;
                items.push(item);
            }
        }
        let cart = state.priced(items)?;
        state.carts.insert(customer.into(), cart.items.clone());
        Ok(cart)
    }

    /// Orders what is in the customer's cart. Either all of it is taken from the shelves, or nothing.
    ///
    /// # Errors
    ///
    /// [`Reason::EmptyCart`], [`Reason::OutOfStock`], or the sum is too large.
    pub fn place_order(&self, customer: &str) -> Result<Order, ShopError> {
        let mut state = self.state();
        let Cart { items, cents } = state.cart(customer)?;
        if items.is_empty() {
            return Err(ShopError::new(Reason::EmptyCart, "the cart is empty"));
        }
        for item in &items {
            let left = *state.shelf(&item.sku)?.stock.borrow();
            enough(&item.sku, item.quantity, left)?;
        }
        for item in &items {
            let shelf = state.shelf(&item.sku)?;
            shelf.stock.send_modify(|stock| *stock -= item.quantity);
        }
        state.carts.remove(customer);
        state.orders += 1;
        Ok(Order {
            number: state.orders,
            items,
            cents,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn shelf(&self, sku: &str) -> Result<&Shelf, ShopError> {
        let shelf = self.shelves.get(sku);
        shelf.ok_or_else(|| ShopError::new(Reason::NoSuchProduct, format!("there is no {sku}")))
    }

    fn cart(&self, customer: &str) -> Result<Cart, ShopError> {
        self.priced(self.items(customer))
    }

    fn items(&self, customer: &str) -> Vec<Item> {
        self.carts.get(customer).cloned().unwrap_or_default()
    }

    fn priced(&self, items: Vec<Item>) -> Result<Cart, ShopError> {
        let mut cents = 0u64;
        for item in &items {
            let price = self.shelf(&item.sku)?.cents;
            let sum = price.checked_mul(item.quantity.into());
            cents = sum
                .and_then(|sum| cents.checked_add(sum))
                .ok_or_else(|| ShopError::new(Reason::Other, "this is more than can be paid"))?;
        }
        Ok(Cart { items, cents })
    }
}

impl Shelf {
    fn product(&self, sku: &str) -> Product {
        Product {
            sku: sku.into(),
            name: self.name.clone(),
            cents: self.cents,
            stock: *self.stock.borrow(),
        }
    }
}

fn enough(sku: &str, wanted: u32, left: u32) -> Result<(), ShopError> {
    if wanted <= left {
        return Ok(());
    }
    let message = format!("only {left} of {sku} are left, {wanted} were asked for");
    Err(ShopError::new(Reason::OutOfStock(left), message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(sku: &str, quantity: u32) -> Item {
        Item {
            sku: sku.into(),
            quantity,
        }
    }

    fn store() -> Store {
        let product = |sku: &str, cents, stock| Product {
            sku: sku.into(),
            name: sku.into(),
            cents,
            stock,
        };
        Store::new([product("cup", 300, 4), product("pot", u64::MAX, 4)])
    }

    #[test]
    fn an_order_takes_all_or_nothing() {
        let store = store();
        store
            .add_to_cart("ann", item("cup", 3))
            .expect("there are 4");
        store
            .add_to_cart("bob", item("cup", 3))
            .expect("none is ordered yet");
        let order = store.place_order("ann").expect("there are 4");
        assert_eq!((order.number, order.cents), (1, 900));
        let refused = store.place_order("bob").expect_err("one is left");
        assert_eq!(refused.reason, Reason::OutOfStock(1));
        assert_eq!(store.find("cup").expect("it is there").stock, 1);
        assert_eq!(
            store.cart("bob").expect("a small sum").items,
            [item("cup", 3)]
        );
    }

    #[test]
    fn the_quantities_of_one_product_are_added_up() {
        let store = store();
        store
            .add_to_cart("ann", item("cup", 3))
            .expect("there are 4");
        let refused = store
            .add_to_cart("ann", item("cup", 2))
            .expect_err("there are 4");
        assert_eq!(refused.reason, Reason::OutOfStock(4));
        let cart = store
            .add_to_cart("ann", item("cup", 1))
            .expect("there are 4");
        assert_eq!(cart.items, [item("cup", 4)]);
    }

    #[test]
    fn a_sum_that_is_too_large_is_an_error() {
        let refused = store().add_to_cart("ann", item("pot", 2));
        assert_eq!(refused.expect_err("it overflows").reason, Reason::Other);
    }

    #[test]
    fn what_is_refused_does_not_change_the_cart() {
        let store = store();
        let before = store.add_to_cart("ann", item("pot", 1));
        let before = before.expect("it is just small enough");
        for refused in [
            item("pot", 1),
            item("cup", 1),
            item("cup", 5),
            item("cup", 0),
        ] {
            store.add_to_cart("ann", refused).expect_err("it is wrong");
            assert_eq!(store.cart("ann").expect("as before"), before);
        }
    }

    #[test]
    fn nothing_cannot_be_ordered() {
        let store = store();
        let refused = store.add_to_cart("ann", item("cup", 0));
        assert_eq!(refused.expect_err("it is nothing").reason, Reason::Other);
        let refused = store.place_order("ann");
        assert_eq!(
            refused.expect_err("nothing is in it").reason,
            Reason::EmptyCart
        );
    }
}
