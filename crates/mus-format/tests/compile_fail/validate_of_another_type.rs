// error at `is_even`: expected `&u32`, found `&String`
// error at `Self::is_short`: expected `&String`, found `&u32`
// error at `is_long`: expected `Result<(), _>`, found `bool`
// error at `number`: not implemented for `u8`
// error at `LIMIT`: expected function, found `u32`

use mus_format::Mus;

const LIMIT: u32 = 10;

fn is_even(number: &u32) -> Result<(), &'static str> {
    if number % 2 == 0 { Ok(()) } else { Err("odd") }
}

fn is_long(name: &String) -> bool {
    name.len() > 10
}

fn number(_: &String) -> Result<(), u8> {
    Err(5)
}

#[derive(Mus)]
struct Name {
    #[mus(validate = is_even)]
    first: String,
    #[mus(elem(validate = Self::is_short))]
    marks: Vec<u32>,
    #[mus(validate = is_long)]
    last: String,
    #[mus(validate = number)]
    middle: String,
    #[mus(validate = LIMIT)]
    title: String,
}

impl Name {
    fn is_short(name: &String) -> Result<(), &'static str> {
        if name.len() < 10 { Ok(()) } else { Err("long") }
    }
}

fn main() {}
