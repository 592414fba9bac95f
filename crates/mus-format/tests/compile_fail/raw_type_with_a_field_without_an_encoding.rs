// error at `Duration`: `Duration` cannot be encoded in MUS
// error at `Vec<Duration>`: `Duration` cannot be encoded in MUS
// error at `max_len = 5, key(raw)`: this type has no keys or elements to encode as `
//! A type that is raw points at the same places.

use mus_format::Mus;

struct Duration;

#[derive(Mus)]
#[mus(raw)]
struct Race {
    best: Duration,
    all: Vec<Duration>,
    #[mus(max_len = 5, key(raw))]
    name: String,
}

fn main() {}
