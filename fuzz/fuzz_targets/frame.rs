//! The reader of frames; see `fuzz::frame`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::frame::check(data));
