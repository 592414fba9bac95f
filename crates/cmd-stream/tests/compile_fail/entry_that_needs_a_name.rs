// error: an entry of a Protocol is `TAG => Type`, or `TAG => path::Type<..> as Name` if the type is not a plain name

use cmd_stream::protocol::kind::Wrapper;
use cmd_stream::{Command, protocol};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Add {
    a: i64,
    b: i64,
}
#[derive(Serialize, Deserialize)]
struct Sum(i64);

#[derive(Serialize, Deserialize)]
struct Traced<C>(C);
impl<C: Command> Command for Traced<C> {
    type Reply = C::Reply;
    type Kind = Wrapper<C::Kind>;
}

protocol! {
    struct Calculator {
        commands { 0 => Add -> Sum, 1 => Traced<Add> }
        replies { 0 => Sum }
        failure close_connection
    }
}

fn main() {}
