// error at `10`: a discriminant is not the tag of a variant

use mus_format::Mus;

#[derive(Mus)]
enum Level {
    Low = 10,
}

fn main() {}
