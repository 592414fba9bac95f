// error at `len = raw`: `u32` cannot be encoded in MUS as `
// error at `max_len = 10, len = varint`: `bool` cannot be encoded in MUS as `

use mus_format::Mus;

#[derive(Mus)]
struct Point {
    #[mus(len = raw)]
    x: u32,
    #[mus(max_len = 10, len = varint)]
    y: bool,
}

fn main() {}
