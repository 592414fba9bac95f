// error at `elem(raw)`: this type has no keys or elements to encode as `

use mus_format::Mus;

#[derive(Mus)]
struct Name {
    #[mus(elem(raw))]
    first: String,
}

fn main() {}
