//! The values of the JSON vectors: read from a vector without serde's derives, which are under test, and compared as
//! JSON.

use std::collections::BTreeMap;

use serde_json::Value;
use testkit::sample::{
    DelayCmd, DelayResult, EchoCmd, EchoResult, FailCmd, StreamCmd, StreamResult, TraceCmd,
};

/// A Command or Reply of the sample service.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Body {
    EchoCmd(EchoCmd),
    StreamCmd(StreamCmd),
    FailCmd(FailCmd),
    DelayCmd(DelayCmd),
    TraceEchoCmd(TraceCmd<EchoCmd>),
    EchoResult(EchoResult),
    StreamResult(StreamResult),
    DelayResult(DelayResult),
}

impl Body {
    /// The value of a vector; nothing if its type is unknown.
    ///
    /// # Panics
    ///
    /// If its fields are not those of the type.
    pub(crate) fn of_vector(type_name: &str, value: &Value) -> Option<Self> {
        Some(match type_name {
            "EchoCmd" => Self::EchoCmd(echo_cmd(value)),
            "StreamCmd" => {
                let [init, count] = fields(value, ["Init", "Count"]).map(integer);
                Self::StreamCmd(StreamCmd { init, count })
            }
            "FailCmd" => {
                let [] = fields(value, []);
                Self::FailCmd(FailCmd {})
            }
            "DelayCmd" => {
                let [id, delay] = fields(value, ["ID", "DelayMS"]).map(integer);
                Self::DelayCmd(DelayCmd { id, delay_ms: delay.try_into().expect("a delay is not negative") })
            }
            "TraceCmd<EchoCmd>" => {
                let [carrier, cmd] = fields(value, ["MapCarrier", "Cmd"]);
                let text = |(key, value): (&String, &Value)| (key.clone(), string(value));
                let map = |map: &Value| {
                    map.as_object().expect("a map").iter().map(text).collect::<BTreeMap<_, _>>()
                };
                let map_carrier = Some(carrier).filter(|carrier| !carrier.is_null()).map(map);
                Self::TraceEchoCmd(TraceCmd { map_carrier, cmd: echo_cmd(cmd) })
            }
            "EchoResult" => {
                let EchoCmd { bool, int64, string, float64 } = echo_cmd(value);
                Self::EchoResult(EchoResult { bool, int64, string, float64 })
            }
            "StreamResult" => {
                let [value, last] = fields(value, ["Value", "Last"]);
                Self::StreamResult(StreamResult {
                    value: integer(value),
                    last: last.as_bool().expect("a bool"),
                })
            }
            "DelayResult" => {
                let [id] = fields(value, ["ID"]).map(integer);
                Self::DelayResult(DelayResult { id })
            }
            _ => return None,
        })
    }
}

fn echo_cmd(value: &Value) -> EchoCmd {
    let [bool, int64, text, float64] = fields(value, ["Bool", "Int64", "String", "Float64"]);
    EchoCmd {
        bool: bool.as_bool().expect("a bool"),
        int64: integer(int64),
        string: string(text),
        float64: float(float64),
    }
}

/// The fields with these names, which must be all.
fn fields<'a, const N: usize>(value: &'a Value, names: [&str; N]) -> [&'a Value; N] {
    let object = value.as_object().expect("an object");
    assert_eq!(object.len(), N, "fields of {value}");
    names.map(|name| object.get(name).unwrap_or_else(|| panic!("field {name} of {value}")))
}

fn integer(value: &Value) -> i64 {
    value.as_i64().expect("a 64-bit integer")
}

fn string(value: &Value) -> String {
    value.as_str().expect("a string").to_owned()
}

/// A number, or the bits of one that JSON cannot write.
fn float(value: &Value) -> f64 {
    match value["bits"].as_str() {
        Some(bits) => f64::from_bits(u64::from_str_radix(bits, 16).expect("hex of 64 bits")),
        None => value.as_f64().expect("a number"),
    }
}

/// Whether two JSON texts are the same value: `0` and `0.0`, escapes, white space and the order of keys do not matter.
pub(crate) fn is_same_json(ours: &[u8], theirs: &[u8]) -> bool {
    let [Ok(ours), Ok(theirs)] = [ours, theirs].map(serde_json::from_slice) else { return false };
    is_same_value(&ours, &theirs)
}

fn is_same_value(ours: &Value, theirs: &Value) -> bool {
    match (ours, theirs) {
        (Value::Number(a), Value::Number(b)) => match (a.is_f64(), b.is_f64()) {
            (false, false) => a == b,
            _ => a.as_f64().map(f64::to_bits) == b.as_f64().map(f64::to_bits),
        },
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same_value(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| is_same_value(a, b)))
        }
        (a, b) => a == b,
    }
}

#[test]
fn json_is_compared_as_values() {
    let same: fn(&str, &str) -> bool = |a, b| is_same_json(a.as_bytes(), b.as_bytes());
    assert!(same(r#"{"a":0,"b":["<"]}"#, r#"{ "b": ["\u003c"], "a": 0.0 }"#));
    assert!(!same(r#"{"a":0}"#, r#"{"a":1}"#));
    assert!(!same(r#"{"a":0}"#, r#"{"a":-0.0}"#));
    assert!(!same(r#"{"a":0}"#, r#"{"a":0,"b":0}"#));
    assert!(!same("[9007199254740993]", "[9007199254740992]"));
    assert!(!same("[1]", "[1,2]"));
    assert!(!same("{}", "{"));
}
