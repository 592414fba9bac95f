//! Programs that misuse the library must not compile, each with a message of our own that says why; `testkit` says how
//! they are written. `compile_fail/shared/` is another crate that they may use.

use testkit::compile_fail::Suite;

const FOLDER: &str = env!("CARGO_MANIFEST_DIR");

#[test]
fn every_program_compiles_or_fails_with_our_own_message() {
    let dependencies = format!(
        "anyhow = \"1\"\n\
         cmd-stream = {{ path = {FOLDER:?}, features = [\"mus\", \"protobuf\"] }}\n\
         prost = {{ version = \"0.14\", default-features = false, features = [\"derive\"] }}\n\
         serde = {{ version = \"1\", features = [\"derive\"] }}\n"
    );
    let scratch = env!("CARGO_TARGET_TMPDIR");
    Suite { folder: FOLDER, scratch, dependencies: &dependencies, shared: Some("shared/commands.rs") }
        .check();
}
