//! A crate that a client and a server share: Commands, Replies and their Protocol, without the server's code.

use cmd_stream::{Command, Reply, protocol};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
pub struct Add {
    pub a: i64,
    pub b: i64,
}

#[derive(Serialize, Deserialize)]
pub struct Traced<C> {
    pub trace: String,
    pub command: C,
}

#[derive(Serialize, Deserialize)]
pub struct Sum(pub i64);

impl Reply for Sum {}

impl Command for Add {
    type Reply = Sum;
}

impl<C: Command> Command for Traced<C> {
    type Reply = C::Reply;
}

protocol! {
    pub struct Calculator {
        commands { 0 => Add, 1 => Traced<Add> as TracedAdd }
        replies { 0 => Sum }
    }
}
