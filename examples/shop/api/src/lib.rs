//! What the clients and the server of the shop share: the Commands, their Replies, the failure, and the Protocol that
//! gives each its tag on the wire.
//!
//! A client needs nothing else. Only the server knows how the Commands are executed.

use cmd_stream::mus::Mus;
use cmd_stream::{Failure, Mus, Reply, ServerInfo, protocol};

// The lines between `begin unary` and `end unary` are those that the README counts.
// begin unary

// Commands with one Reply.

/// Signs the connection in, with a key. Answered with what the customer left in the cart.
#[derive(Clone, Debug, Mus)]
pub struct SignIn(pub String);

/// Finds a product by its SKU, the name by which a shop keeps its stock.
#[derive(Clone, Debug, Mus)]
pub struct FindProduct(pub String);

/// Puts something into the customer's cart. The stock is not touched before the order.
#[derive(Clone, Debug, Mus)]
pub struct AddToCart(pub Item);

/// Orders what is in the cart. It is all or nothing.
#[derive(Clone, Debug, Mus)]
pub struct PlaceOrder;

/// Puts further pieces on the shelf. For the staff.
#[derive(Clone, Debug, Mus)]
pub struct Restock(pub Item);

// Their Replies, and what these are made of.

/// Some pieces of one product.
#[derive(Clone, Debug, PartialEq, Eq, Mus)]
pub struct Item {
    /// Which product.
    pub sku: String,
    /// How many of it.
    pub quantity: u32,
}

/// What is for sale.
#[derive(Clone, Debug, PartialEq, Eq, Mus)]
pub struct Product {
    /// Its name in the warehouse.
    pub sku: String,
    /// Its name on the label.
    pub name: String,
    /// The price of one piece.
    pub cents: u64,
    /// How many pieces are on the shelf.
    pub stock: u32,
}

/// What a customer is about to order.
#[derive(Clone, Debug, PartialEq, Eq, Mus)]
pub struct Cart {
    /// One for each product.
    pub items: Vec<Item>,
    /// What they cost together.
    pub cents: u64,
}

/// What a customer has ordered.
#[derive(Clone, Debug, PartialEq, Eq, Mus)]
pub struct Order {
    /// The orders of a shop are counted from 1.
    pub number: u64,
    /// One for each product.
    pub items: Vec<Item>,
    /// What they cost together.
    pub cents: u64,
}

// The failure: a Command that fails is answered with it, and its connection goes on.

/// Why the shop did not do what it was asked to do.
#[derive(Clone, Debug, PartialEq, Eq, Mus, Failure)]
pub struct ShopError {
    /// For programs.
    pub reason: Reason,
    /// For people.
    pub message: String,
}

/// The reason of a [`ShopError`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Mus)]
pub enum Reason {
    /// The connection has to sign in first, or the key is not known.
    NotSignedIn,
    /// This is for the staff.
    NotAllowed,
    /// There is no product with this SKU.
    NoSuchProduct,
    /// There are fewer pieces than were asked for. This is how many there are.
    OutOfStock(u32),
    /// There is nothing to order.
    EmptyCart,
    /// Anything else. `Failure` makes a `ShopError` of any error, and takes the default here.
    #[default]
    Other,
}
// end unary

// Commands with several Replies. The Reply itself says whether it is the last one.

/// Lists the products whose name contains a text, those that were viewed most first.
#[derive(Clone, Debug, Mus)]
pub struct Browse(pub String);

/// Answers [`Browse`]: any number of products, then the end.
#[derive(Clone, Debug, PartialEq, Eq, Mus)]
pub enum Listing {
    /// One of the products.
    Product(Product),
    /// There are no more.
    End,
}

impl Reply for Listing {
    fn is_last(&self) -> bool {
        matches!(self, Self::End)
    }
}

/// Watches how many pieces of a product are on the shelf, until the client or the server leaves.
#[derive(Clone, Debug, Mus)]
pub struct WatchStock(pub String);

/// Answers [`WatchStock`].
#[derive(Clone, Debug, PartialEq, Eq, Mus)]
pub enum Stock {
    /// So many pieces are there, now and after each change.
    Level(u32),
    /// The server shuts down. Another one may be there already.
    Closing,
}

impl Reply for Stock {
    fn is_last(&self) -> bool {
        matches!(self, Self::Closing)
    }
}

// A one-way Command.

/// Tells that somebody has looked at a product. It is not answered, and it does not matter if one is lost.
#[derive(Clone, Debug, Mus)]
pub struct Viewed(pub String);

// begin unary
protocol! {
    /// The shop: each Command and each Reply with its tag, what a Command is answered with, and what tells a failure.
    pub struct Shop {
        commands {
            1 => SignIn -> Cart,
            2 => FindProduct -> Product,
            3 => AddToCart -> Cart,
            4 => PlaceOrder -> Order,
            5 => Restock -> Product,
            // end unary
            6 => Browse -> Listing,
            7 => WatchStock -> Stock,
            8 => Viewed -> (),
            // begin unary
        }
        replies { 0 => ShopError, 1 => Product, 2 => Cart, 3 => Order, 4 => Listing, 5 => Stock }
        failure ShopError
    }
}
// end unary

/// What the server greets with, and what clients expect: a fingerprint of everything above. A client that was built with
/// other Commands, or with other fields, cannot connect, instead of reading one field as another.
pub fn server_info() -> ServerInfo {
    ServerInfo::of::<Shop, Mus>()
}

impl ShopError {
    /// A failure with its reason.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
        }
    }
}
