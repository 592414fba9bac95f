//! A server fed with arbitrary bytes; see `fuzz::session`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::session::check(data));
