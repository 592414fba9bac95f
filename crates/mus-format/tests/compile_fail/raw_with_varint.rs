// error at `varint`: `varint` contradicts `raw`: a value has one encoding
// error at `len`: `len` contradicts `positive`: `positive` is how the whole value is written

use mus_format::Mus;

#[derive(Mus)]
struct Point {
    #[mus(raw, varint)]
    x: u32,
    #[mus(positive, len = raw)]
    y: u32,
}

fn main() {}
