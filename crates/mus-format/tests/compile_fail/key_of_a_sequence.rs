// error at `key(raw)`: this type has no keys or elements to encode as `

use mus_format::Mus;

#[derive(Mus)]
struct Ages {
    #[mus(key(raw))]
    ages: Vec<u32>,
}

fn main() {}
