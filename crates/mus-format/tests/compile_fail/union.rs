// error at `union`: `Mus` cannot be derived for a union

use mus_format::Mus;

#[derive(Mus)]
union Bits {
    number: u32,
    float: f32,
}

fn main() {}
