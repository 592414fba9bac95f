//! The golden vectors of single values (`wire/vectors`; its README is the key), made by the Go library: every varint, raw,
//! ord, time and struct, both ways, and everything invalid with its error and where that became certain.

mod check;
#[path = "../support/pieces.rs"]
mod pieces;
mod read;
mod types;

use check::{Kind, Vector};
use testkit::vectors::{Layout, OF_CONNECTIONS, files_of};

#[test]
fn every_value_vector_decodes_encodes_or_fails_as_it_says() {
    let mut checked = 0;
    for file in files_of(Layout::Values) {
        println!("{}", file.name); // shown if a check fails
        for vector in file.vectors.iter().map(Vector::new) {
            if !OF_CONNECTIONS.contains(&&*vector.type_name) {
                types::check(&vector);
                checked += 1;
            }
        }
    }
    assert!(checked > 0, "every value is one of a connection");
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
