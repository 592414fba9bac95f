//! Programs that misuse `#[derive(Mus)]` must not compile, and the error points at what is wrong; programs with good
//! uses compile without a warning. `testkit` says how they are written.

use testkit::compile_fail::Suite;

const FOLDER: &str = env!("CARGO_MANIFEST_DIR");

#[test]
fn every_program_compiles_or_fails_with_an_error_at_its_mistake() {
    let dependencies = format!("mus-format = {{ path = {FOLDER:?} }}\n");
    let scratch = env!("CARGO_TARGET_TMPDIR");
    Suite { folder: FOLDER, scratch, dependencies: &dependencies, shared: None }.check();
}
