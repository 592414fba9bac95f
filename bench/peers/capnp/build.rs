//! The code of the service. `schema/bench.request` is what the compiler of Cap'n Proto says to a generator about
//! `schema/bench.capnp`, so that the build needs the generator alone, which is Rust. To make it again:
//! `cd schema && capnp compile -o- bench.capnp >bench.request`.

use std::fs::File;

fn main() {
    println!("cargo::rerun-if-changed=schema/bench.request");
    let request = File::open("schema/bench.request").expect("it is committed");
    let folder = std::env::var("OUT_DIR").expect("Cargo sets it");
    capnpc::codegen::CodeGenerationCommand::new()
        .output_directory(folder)
        .run(request)
        .expect("the request was made by the compiler");
}
