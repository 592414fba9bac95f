// error at `key(raw)`: `Vec<u32>` cannot be encoded in MUS as `

use mus_format::Mus;

#[derive(Mus)]
struct Ages {
    #[mus(key(raw))]
    ages: Vec<u32>,
}

fn main() {}
