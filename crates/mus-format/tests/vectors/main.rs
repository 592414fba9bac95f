//! The golden vectors of single values (`wire/vectors`; its README is the key), made by the Go library: every varint, raw,
//! ord, time and struct, both ways, and everything invalid with its error and where that became certain.

mod check;
#[path = "../support/pieces.rs"]
mod pieces;
mod read;
mod types;

use std::fs;
use std::path::Path;

use check::{Kind, Vector};

/// The vectors of a file.
fn vectors_of(file: &str) -> Vec<Vector> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wire/vectors").join(file);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{file}: {error}"));
    let file: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    file["vectors"].as_array().expect("vectors").iter().map(Vector::new).collect()
}

/// Checks every vector of a file, and that they are as many as there are.
fn check(file: &str, count: usize) {
    let vectors = vectors_of(file);
    assert_eq!(vectors.len(), count, "{file}");
    for vector in &vectors {
        types::check(vector);
    }
}

#[test]
fn varint() {
    check("varint.json", 311);
}

#[test]
fn raw() {
    check("raw.json", 83);
}

#[test]
fn ord() {
    check("ord.json", 60);
}

#[test]
fn time() {
    check("time.json", 53);
}

#[test]
fn structs() {
    check("struct.json", 22);
}

#[test]
fn foreign() {
    check("foreign.json", 22);
}

#[test]
fn unsafe_mode() {
    check("unsafe.json", 9);
}

#[test]
#[should_panic(expected = "a type that this test does not know: ord.unheard_of")]
fn an_unknown_type_is_not_passed_over() {
    types::check(&Vector {
        name: "ord.unheard_of/1".into(),
        kind: Kind::RoundTrip,
        type_name: "ord.unheard_of".into(),
        options: serde_json::Value::Null,
        description: String::new(),
        value: serde_json::Value::Null,
        bytes: vec![0],
        consumed: None,
        error: None,
    });
}
