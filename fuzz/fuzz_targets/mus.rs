//! Values in MUS; see `fuzz::mus`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::mus::check(data));
