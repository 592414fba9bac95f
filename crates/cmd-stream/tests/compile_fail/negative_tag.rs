// error: `Neg` has the tag -1: tags are integers from 0

use cmd_stream::protocol;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Add;
#[derive(Serialize, Deserialize)]
struct Neg;
#[derive(Serialize, Deserialize)]
struct Number(i64);

protocol! {
    struct Calculator {
        commands { 0 => Add -> Number, -1 => Neg -> Number }
        replies { 0 => Number }
        failure close_connection
    }
}

fn main() {}
