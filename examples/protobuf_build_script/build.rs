//! Generates the messages each time that a `.proto` file has changed. It needs nothing but Rust: `protox` does what
//! `protoc` does.

use std::error::Error;

const CALC: &str = "../calc_protobuf";
const ORDERS: &str = "../protobuf_orders";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={CALC}/calc.proto");
    println!("cargo::rerun-if-changed={ORDERS}");
    let messages = protox::compile(["calc.proto"], [CALC])?;
    prost_build::compile_fds(messages)?; // into `OUT_DIR`, a file for each package

    // The types of `shared.proto` are in a module already, so they are not made again: the path says where they are. It may
    // be in another crate. The well-known types are those of the crate `prost-types`, if nothing else is said.
    let messages = protox::compile(["orders.proto"], [ORDERS])?;
    prost_build::Config::new()
        .extern_path(".shared", "crate::shared")
        .btree_map(["."]) // and not `HashMap`, so that equal messages are equal bytes
        .compile_fds(messages)?;

    // What another build makes, such as tonic's. It comes last, because the other one has left an empty file in its place.
    let messages = protox::compile(["shared.proto"], [ORDERS])?;
    prost_build::compile_fds(messages)?;
    Ok(())
}
