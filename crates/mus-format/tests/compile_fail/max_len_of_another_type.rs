// error at `MOST`: expected `usize`, found `u32`

use mus_format::Mus;

const MOST: u32 = 10;

#[derive(Mus)]
struct Name {
    #[mus(max_len = MOST)]
    first: String,
}

fn main() {}
