// error: `Sub` and `Mul` have the same tag, 12

use cmd_stream::protocol;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Add;
#[derive(Serialize, Deserialize)]
struct Sub;
#[derive(Serialize, Deserialize)]
struct Mul;
#[derive(Serialize, Deserialize)]
struct Number(i64);

protocol! {
    struct Calculator {
        commands { 0 => Add -> Number, 12 => Sub -> Number, 0xc => Mul -> Number }
        replies { 12 => Number }
        failure close_connection
    }
}

fn main() {}
