// error at `T`: `T` cannot be encoded in MUS

use mus_format::Mus;

#[derive(Mus)]
#[mus(bound = "T: Clone")]
struct Page<T> {
    item: T,
}

fn main() {}
