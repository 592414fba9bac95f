//! The types of `interop/cmd/jsoncheck`, as they are declared here.

use std::collections::BTreeMap;
use std::time::Duration;

use cmd_stream::format::json::go;
use serde::{Deserialize, Serialize};
use serde_repr::{Deserialize_repr, Serialize_repr};
use time::OffsetDateTime;

/// Declares types that are a single value, written by a helper.
macro_rules! values {
    ($($name:ident = $type:ty, $helper:literal;)+) => { $(
        #[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
        #[serde(transparent)]
        pub(crate) struct $name(#[serde(with = $helper)] pub(crate) $type);
    )+ };
}

values! {
    Bytes = Option<Vec<u8>>, "go::base64";
    PlainBytes = Vec<u8>, "go::base64";
    ByteMap = Option<BTreeMap<String, Option<Vec<u8>>>>, "go::base64";
    PlainByteMap = BTreeMap<String, Vec<u8>>, "go::base64";
    PlainDuration = Duration, "go::duration";
    SignedDuration = time::Duration, "go::duration";
    Durations = Option<Vec<Option<Duration>>>, "go::duration";
    Time = OffsetDateTime, "go::time";
    Times = Option<BTreeMap<String, Option<OffsetDateTime>>>, "go::time";
    Rune = char, "go::rune";
    Runes = Option<Vec<char>>, "go::rune";
    Number = String, "go::number";
    Numbers = Option<BTreeMap<String, Option<String>>>, "go::number";
    Empty = (), "go::empty";
    Set = Option<BTreeMap<String, ()>>, "go::empty";
    Nested = BTreeMap<String, Vec<Vec<String>>>, "go::nil";
    Table = PlainTable, "go::nil";
}

/// As the documentation says enumerations are declared.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize_repr, Deserialize_repr)]
#[repr(i64)]
pub(crate) enum Color {
    Red,
    Green,
    Blue,
}

#[derive(PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Quoted {
    #[serde(with = "go::string")]
    pub(crate) int: i64,
    #[serde(with = "go::string")]
    pub(crate) uint: u64,
    #[serde(with = "go::string")]
    pub(crate) float: f64,
    #[serde(with = "go::string")]
    pub(crate) bool: bool,
    #[serde(with = "go::string")]
    pub(crate) text: String,
    #[serde(with = "go::string")]
    pub(crate) pointer: Option<i64>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PlainTable {
    rows: Vec<Row>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Row {
    cells: Vec<BTreeMap<String, Vec<i64>>>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Omitted {
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    numbers: Vec<i64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    words: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pointer: Option<i64>,
    #[serde(with = "go::time")]
    empty: OffsetDateTime,
    #[serde(with = "go::time", skip_serializing_if = "Option::is_none")]
    zero: Option<OffsetDateTime>,
}

impl Default for Omitted {
    fn default() -> Self {
        let empty = time::macros::datetime!(0001-01-01 0:00 UTC);
        Self { name: String::new(), numbers: vec![], words: vec![], pointer: None, empty, zero: None }
    }
}

#[derive(PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Point {
    x: i64,
    y: i64,
}

#[derive(PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Embedded {
    #[serde(flatten)]
    point: Point,
    name: String,
    #[serde(with = "go::base64")]
    data: Option<Vec<u8>>,
}
