// error at `elem(raw)`: `String` cannot be encoded in MUS as `

use mus_format::Mus;

#[derive(Mus)]
struct Name {
    #[mus(elem(raw))]
    first: String,
}

fn main() {}
