// error at `Duration`: `Duration` cannot be encoded in MUS
// error at `Vec<Duration>`: `Duration` cannot be encoded in MUS

use mus_format::Mus;

struct Duration;

#[derive(Mus)]
struct Race {
    best: Duration,
    all: Vec<Duration>,
}

fn main() {}
