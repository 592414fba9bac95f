//! Generates the messages each time that their `.proto` file has changed. It needs nothing but Rust: `protox` does what
//! `protoc` does.

use std::error::Error;

const FOLDER: &str = "../calc_protobuf";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={FOLDER}/calc.proto");
    let messages = protox::compile(["calc.proto"], [FOLDER])?;
    prost_build::compile_fds(messages)?; // into `OUT_DIR`, a file for each package
    Ok(())
}
