use super::*;
use crate::data::Latency;

fn cell(participant: &str, format: &str, in_flight: u32, rates: &[f64]) -> Cell {
    let setting = Setting {
        workload: "echo".into(),
        transport: "tcp".into(),
        processes: 1,
        in_flight: Some(in_flight),
        connections: Some(2),
        ..Setting::default()
    };
    let sample = |(round, rate): (usize, &f64)| Sample {
        round: round as u32,
        rate: *rate,
        latency_us: Some(Latency { p50: 1e6 / rate, ..Latency::default() }),
        ..Sample::default()
    };
    let samples = rates.iter().enumerate().map(sample).collect();
    Cell { participant: participant.into(), format: format.into(), setting, samples }
}

#[test]
fn ratios_are_those_of_the_same_round() {
    let ours = cell(OURS, "mus", 1, &[10.0, 80.0, 3.0]);
    let mut theirs = cell("tonic", "protobuf", 1, &[5.0, 10.0, 1.0, 1000.0]);
    let rate = ours.times_better_than(&theirs, Metric::Rate).unwrap();
    assert_eq!((rate.median, rate.low, rate.high, rate.rounds), (3.0, 2.0, 8.0, 3));
    let latency = ours.times_better_than(&theirs, Metric::P50).unwrap();
    assert!((latency.median - 3.0).abs() < 1e-9, "a lower latency is better: {latency:?}");
    theirs.samples.retain(|sample| sample.round > 2);
    assert_eq!(ours.times_better_than(&theirs, Metric::Rate), None);
}

#[test]
fn slice_with_most_values_comes_first() {
    let mut apart = cell(OURS, "mus", 1, &[1.0]);
    apart.setting.processes = 2;
    let cells = [apart, cell(OURS, "mus", 64, &[1.0]), cell(OURS, "mus", 1, &[1.0])];
    let slices = slices(&cells.iter().collect::<Vec<_>>(), Axis::InFlight);
    assert_eq!(slices.len(), 2);
    assert_eq!(slices[0].values, [1.0, 64.0]);
    assert_eq!(by_ends(slices).len(), 1);
}

#[test]
fn commands_in_flight_may_grow_with_the_connections() {
    let with = |in_flight, connections| {
        let mut cell = cell(OURS, "mus", in_flight, &[1.0]);
        cell.setting.connections = Some(connections);
        cell
    };
    let tied = [with(10, 1), with(20, 2), with(40, 4)];
    let slices_of = |cells: &[Cell]| {
        slices(&cells.iter().collect::<Vec<_>>(), Axis::Connections)
            .iter()
            .map(|slice| slice.values.len())
            .collect::<Vec<_>>()
    };
    assert_eq!(slices_of(&tied), [3]);
    let crossed = [with(10, 1), with(10, 2), with(40, 4), with(40, 2)];
    assert_eq!(slices_of(&crossed), [2, 2]);
}

#[test]
fn rivals_have_the_same_format_or_their_own() {
    let cells = [
        cell(OURS, "mus", 1, &[1.0]),
        cell(OURS, "json", 1, &[1.0]),
        cell("go", "json", 1, &[1.0]),
        cell("go", "mus", 1, &[1.0]),
        cell("go", "mus", 64, &[1.0]),
        cell("tonic", "protobuf", 1, &[1.0]),
    ];
    let cells: Vec<_> = cells.iter().collect();
    let of = |ours: &Cell| {
        rivals(ours, &cells)
            .iter()
            .map(|cell| format!("{} {}", cell.participant, cell.format))
            .collect::<Vec<_>>()
    };
    assert_eq!(of(cells[0]), ["go mus", "tonic protobuf"]);
    assert_eq!(of(cells[1]), ["go json"]);
}

#[test]
fn each_variant_of_a_rival_counts_unless_it_has_ours() {
    let with = |name: &str, variant: &str| {
        let mut cell = cell(name, "mus", 1, &[1.0]);
        cell.setting.variant = Some(variant.into());
        cell
    };
    let cells = [
        with(OURS, "spawned"),
        with("a", "spawned"),
        with("a", "in-place"),
        with("b", "channel"),
        with("b", "iterator"),
    ];
    let cells: Vec<_> = cells.iter().collect();
    let found: Vec<_> =
        rivals(cells[0], &cells).iter().map(|cell| cell.setting.variant.clone().unwrap()).collect();
    assert_eq!(found, ["spawned", "channel", "iterator"]);
}
