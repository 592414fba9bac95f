//! The build script has generated the messages anew: the committed ones must be the same. And the program runs.

use std::process::Command;

#[test]
fn committed_code_is_what_is_generated() {
    let generated = concat!(env!("OUT_DIR"), "/calc.rs");
    let committed = concat!(env!("CARGO_MANIFEST_DIR"), "/../calc_protobuf/calc.rs");
    let [new, old] = [generated, committed]
        .map(|file| std::fs::read_to_string(file).unwrap_or_else(|e| panic!("{file}: {e}")));
    assert!(new == old, "out of date; `cp {generated} {committed}` mends it");
}

#[test]
fn the_program_adds() {
    let output = Command::new(env!("CARGO_BIN_EXE_protobuf_build_script")).output().expect("it is built");
    assert_eq!((output.status.code(), &*output.stdout), (Some(0), &b"Result: 5\n"[..]), "{output:?}");
}
