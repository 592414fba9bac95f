//! The build script has generated the messages anew: the committed ones must be the same. And the programs run.

use std::process::Command;

#[test]
fn committed_code_is_what_is_generated() {
    let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    for (folder, name) in
        [("calc_protobuf", "calc"), ("protobuf_orders", "orders"), ("protobuf_orders", "shared")]
    {
        let generated = format!("{}/{name}.rs", env!("OUT_DIR"));
        let committed = format!("{examples}/{folder}/{name}.rs");
        let [new, old] = [&generated, &committed].map(|file| {
            std::fs::read_to_string(file).unwrap_or_else(|e| panic!("{file}: {e}; generated: {generated}"))
        });
        assert!(new == old, "out of date; `cp {generated} {committed}` mends it");
    }
}

#[test]
fn the_program_adds() {
    prints(env!("CARGO_BIN_EXE_protobuf_build_script"), "Result: 5\n");
}

#[test]
fn orders_come_back() {
    let expected = "placed unchanged: true
paid by voucher SPRING
waited: 2s
priority 7: there is no such priority (failed, code 1)
";
    prints(env!("CARGO_BIN_EXE_orders"), expected);
}

fn prints(program: &str, expected: &str) {
    let output = Command::new(program).output().expect("it is built");
    assert_eq!(
        (output.status.code(), String::from_utf8_lossy(&output.stdout).as_ref()),
        (Some(0), expected),
        "{output:?}"
    );
}
