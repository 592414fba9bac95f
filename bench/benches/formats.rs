//! The serialization formats side by side, by criterion. `cargo run --release -p bench --bin compare_formats` measures
//! the same in interleaved rounds, for ratios on a machine that is not quiet, and counts instructions.

use bench::formats::{self, Operation, Shape};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

fn formats(criterion: &mut Criterion) {
    let mut cases = formats::cases();
    for (shape, operation) in
        Shape::ALL.iter().flat_map(|shape| Operation::ALL.map(|operation| (*shape, operation)))
    {
        let mut group = criterion.benchmark_group(format!("{}/{}", shape.name(), operation.name()));
        for case in cases.iter_mut().filter(|case| case.shape == shape && case.operation == operation) {
            group.throughput(Throughput::ElementsAndBytes {
                elements: case.values as u64,
                bytes: case.bytes as u64,
            });
            group.bench_function(BenchmarkId::from_parameter(case.format), |bencher| {
                bencher.iter(|| case.pass())
            });
        }
    }
}

criterion_group!(benches, formats);
criterion_main!(benches);
