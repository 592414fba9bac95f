// error at `elem(raw)`: `String` cannot be encoded in MUS as `
// error at `elem(elem(len = raw))`: `u32` cannot be encoded in MUS as `

use mus_format::Mus;

#[derive(Mus)]
struct Names {
    #[mus(elem(raw))]
    first: Vec<String>,
    #[mus(elem(elem(len = raw)))]
    ages: Vec<Option<u32>>,
}

fn main() {}
