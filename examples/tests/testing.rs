//! Runs the tests that stand in the example `testing`. Tests of an example do not run by themselves.

#[allow(dead_code, reason = "the tests do not call its `main`")]
#[path = "../testing.rs"]
mod testing;
