// error: `Secret` cannot be encoded in MUS

use mus_format::Mus;

struct Secret;

#[derive(Mus)]
struct Page<T> {
    items: Vec<T>,
}

fn main() {
    let page = Page { items: vec![Secret] };
    let _ = mus_format::to_vec(&page);
}
