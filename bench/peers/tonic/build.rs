//! The code of the service, made without `protoc`: its messages are those of the benchmarks, derived by prost.

fn main() {
    let codec = "tonic_prost::ProstCodec";
    let method = |name: &str, route: &str, input: &str, output: &str| {
        tonic_build::manual::Method::builder()
            .name(name)
            .route_name(route)
            .input_type(input)
            .output_type(output)
            .codec_path(codec)
    };
    let (value, number) = ("bench_harness::workload::Value", "crate::Number");
    let service = tonic_build::manual::Service::builder()
        .name("Bench")
        .package("bench")
        .method(method("echo", "Echo", value, value).build())
        .method(method("stream", "Stream", number, number).server_streaming().build())
        .method(method("burn", "Burn", number, number).build())
        .build();
    tonic_build::manual::Builder::new().compile(&[service]);
}
