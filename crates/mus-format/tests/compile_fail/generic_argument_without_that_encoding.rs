// error: `String` cannot be encoded in MUS as `

use mus_format::Mus;

#[derive(Mus)]
struct Page<T> {
    #[mus(elem(raw))]
    items: Vec<T>,
}

fn main() {
    let page = Page { items: vec![String::new()] };
    let _ = mus_format::to_vec(&page);
}
