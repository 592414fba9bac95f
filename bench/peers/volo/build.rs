//! Makes the code of the service and of its messages. Volo's own generator does that. It needs no other program.

use std::path::PathBuf;

fn main() {
    let folder = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR").expect("Cargo sets it")).join("proto");
    volo_build::Builder::protobuf()
        .add_service(folder.join("bench.proto"))
        .include_dirs(vec![folder])
        .write()
        .expect("the description is well-formed");
}
