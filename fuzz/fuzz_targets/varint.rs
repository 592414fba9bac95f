//! Varints; see `fuzz::varint`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::varint::check(data));
