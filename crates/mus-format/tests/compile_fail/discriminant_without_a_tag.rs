// error at `10`: a discriminant does not set the tag of a variant

use mus_format::Mus;

#[derive(Mus)]
enum Level {
    Low = 10,
}

fn main() {}
