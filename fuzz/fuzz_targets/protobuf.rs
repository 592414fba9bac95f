//! Frames in Protobuf, and a server fed with them; see `fuzz::protobuf`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::protobuf::check(data));
