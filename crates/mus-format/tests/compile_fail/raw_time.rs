// error at `raw`: `SystemTime` cannot be encoded in MUS as `
// error at `seconds`: `Duration` cannot be encoded in MUS as `

use std::time::{Duration, SystemTime};

use mus_format::Mus;

#[derive(Mus)]
struct Race {
    #[mus(raw)]
    start: SystemTime,
    #[mus(seconds)]
    best: Duration,
}

fn main() {}
