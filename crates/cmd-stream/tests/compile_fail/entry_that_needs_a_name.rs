// error: an entry of a Protocol is `TAG => Type`, or `TAG => path::Type<..> as Name` if the type is not a plain name

use cmd_stream::{Command, Reply, protocol};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Add {
    a: i64,
    b: i64,
}
#[derive(Serialize, Deserialize)]
struct Sum(i64);

struct Calc;

impl Reply for Sum {}
impl Command for Add {
    type Reply = Sum;
}

#[derive(Serialize, Deserialize)]
struct Traced<C>(C);
impl<C: Command> Command for Traced<C> {
    type Reply = C::Reply;
}

protocol! {
    struct Calculator {
        commands { 0 => Add, 1 => Traced<Add> }
        replies { 0 => Sum }
    }
}

fn main() {}
