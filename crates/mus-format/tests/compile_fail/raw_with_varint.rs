// error at `varint`: `varint` conflicts with `raw`: a value has one encoding
// error at `len`: `len` conflicts with `positive`: `positive` encodes the whole value

use mus_format::Mus;

#[derive(Mus)]
struct Point {
    #[mus(raw, varint)]
    x: u32,
    #[mus(positive, len = raw)]
    y: u32,
}

fn main() {}
