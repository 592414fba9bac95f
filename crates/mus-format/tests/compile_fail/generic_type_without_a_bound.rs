// error at `HashMap<K, u32>`: the trait bound `K: Hash` is not satisfied

use std::collections::HashMap;

use mus_format::Mus;

#[derive(Mus)]
struct Counts<K> {
    counts: HashMap<K, u32>,
}

fn main() {}
