//! The committed inputs of the fuzz targets, through the same checks, without a fuzzer: what a target once found stays
//! found on every machine that runs the tests.

use std::fs;
use std::path::Path;

#[path = "../../../fuzz/src/lib.rs"]
pub mod fuzz;

/// Checks each input of a target.
fn replay(target: &str, check: impl Fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let files = fs::read_dir(&corpus).unwrap_or_else(|error| panic!("{}: {error}", corpus.display()));
    let mut replayed = 0;
    for file in files {
        let path = file.expect("a folder that can be read").path();
        println!("{}", path.display()); // shown if the check fails
        check(&fs::read(path).expect("a file that can be read"));
        replayed += 1;
    }
    assert!(replayed >= 10, "only {replayed} inputs in {}", corpus.display());
}

#[test]
fn inputs_of_varint_pass() {
    replay("varint", fuzz::varint::check);
}

#[test]
fn inputs_of_frame_pass() {
    replay("frame", fuzz::frame::check);
}

#[test]
fn inputs_of_handshake_pass() {
    replay("handshake", fuzz::handshake::check);
}

#[test]
fn inputs_of_json_pass() {
    replay("json", fuzz::json::check);
}

#[test]
fn inputs_of_mus_pass() {
    replay("mus", fuzz::mus::check);
}

#[test]
fn inputs_of_protobuf_pass() {
    replay("protobuf", fuzz::protobuf::check);
}

#[test]
fn inputs_of_session_pass() {
    replay("session", fuzz::session::check);
}
