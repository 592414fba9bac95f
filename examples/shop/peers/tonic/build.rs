// begin unary
fn main() -> Result<(), Box<dyn std::error::Error>> {
    tonic_prost_build::compile_protos("proto/shop.proto")?;
    Ok(())
}
// end unary
