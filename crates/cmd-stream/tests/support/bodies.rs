//! The sample service in each Format: the Format, the Protocol, and the values of the vectors, read from them without the
//! derives that are under test. Another Format is an entry of [`for_each_codec`], a word in [`with_codec`], and the
//! values of its types.

use std::collections::BTreeMap;
use std::fmt::Debug;

use cmd_stream::format::Format;
use cmd_stream::protocol::ClientProtocol;
use cmd_stream::server::ServerProtocol;
use serde_json::Value;
use testkit::sample::{
    DelayCmd, DelayResult, EchoCmd, EchoResult, FailCmd, Service, StreamCmd, StreamResult, TraceCmd,
};

/// The sample service in a Format. (The vectors call a Format a codec, as the Go library does.)
pub(crate) trait Codec: 'static {
    /// The Format.
    type Format: Format + Copy;
    /// The Protocol, with the tags of the vectors.
    type Protocol: ServerProtocol<Self::Format, Service> + ClientProtocol<Self::Format> + Default;
    /// Any of its Commands and Replies.
    type Body: Body;

    /// Without settings.
    const FORMAT: Self::Format;
    /// Whether a body is JSON, of which a value has many forms. Else it has one, and bytes are compared.
    const IS_JSON: bool;
}

/// A Command or Reply of the sample service in one Format.
pub(crate) trait Body: Clone + PartialEq + Debug + Send + 'static {
    /// The value of a vector; nothing if its type is unknown.
    ///
    /// # Panics
    ///
    /// If its fields are not those of the type.
    fn of_vector(type_name: &str, value: &Value) -> Option<Self>;
}

/// A type of which vectors have values.
trait FromVector {
    /// The value.
    ///
    /// # Panics
    ///
    /// If its fields are not those of the type.
    fn from_vector(value: &Value) -> Self;
}

/// Calls a macro with the sample service in each Format: its module here, the Format, where its types are, and which.
macro_rules! for_each_codec {
    ($macro:ident) => {
        $macro! {
            json: Json, testkit::sample,
            commands {
                0 => EchoCmd as EchoCmd,
                1 => StreamCmd as StreamCmd,
                2 => FailCmd as FailCmd,
                3 => DelayCmd as DelayCmd,
                4 => TraceCmd<EchoCmd> as TraceEchoCmd,
            }
            replies { 0 => EchoResult, 1 => StreamResult, 2 => DelayResult }
        }
        $macro! {
            mus: Mus, testkit::sample::mus,
            commands {
                1 => EchoCmd as EchoCmd,
                2 => StreamCmd as StreamCmd,
                3 => FailCmd as FailCmd,
                4 => DelayCmd as DelayCmd,
                5 => TraceCmd<EchoCmd> as TraceEchoCmd,
            }
            replies { 1 => EchoResult, 2 => StreamResult, 3 => DelayResult }
        }
        $macro! {
            protobuf: Protobuf, testkit::sample::protobuf,
            commands { 0 => Cmd1 as Cmd1, 1 => Cmd2 as Cmd2, 2 => AddCmd as AddCmd, 3 => SubCmd as SubCmd }
            replies { 0 => Result1, 1 => Result2, 2 => CalcResult }
        }
    };
}
pub(crate) use for_each_codec;

/// Does something with the sample service in the Format that the vectors call `$name`.
macro_rules! with_codec {
    ([$( $module:ident )+] $name:expr, $codec:ident => $do:expr) => {
        'known: {
            $( if $name == stringify!($module) {
                type $codec = crate::bodies::$module::Codec;
                break 'known $do;
            } )+
            panic!("a codec that no test knows: {}", $name)
        }
    };
    ($name:expr, $codec:ident => $do:expr) => {
        crate::bodies::with_codec!([json mus protobuf] $name, $codec => $do)
    };
}
pub(crate) use with_codec;

macro_rules! codec {
    (
        $module:ident: $format:ident, $($sample:ident)::+,
        commands { $( $command_tag:literal => $command:ty as $command_name:ident ),+ $(,)? }
        replies { $( $reply_tag:literal => $reply:ident ),+ $(,)? }
    ) => {
        pub(crate) mod $module {
            use $($sample)::+::*;

            pub(crate) struct Codec;

            #[derive(Clone, PartialEq, Debug)]
            pub(crate) enum Body {
                $( $command_name($command), )+
                $( $reply($reply), )+
            }

            impl super::Codec for Codec {
                type Format = cmd_stream::$format;
                type Protocol = Sample;
                type Body = Body;

                const FORMAT: cmd_stream::$format = cmd_stream::$format;
                const IS_JSON: bool = matches!(stringify!($module).as_bytes(), b"json");
            }

            impl super::Body for Body {
                fn of_vector(type_name: &str, value: &serde_json::Value) -> Option<Self> {
                    use super::FromVector as _;

                    // Where there are spaces in a type is the compiler's affair.
                    let is = |name: &str| name.replace(' ', "") == type_name;
                    $( if is(stringify!($command)) {
                        return Some(Self::$command_name(<$command>::from_vector(value)));
                    } )+
                    $( if is(stringify!($reply)) {
                        return Some(Self::$reply($reply::from_vector(value)));
                    } )+
                    None
                }
            }
        }
    };
}
for_each_codec!(codec);

impl FromVector for EchoCmd {
    fn from_vector(value: &Value) -> Self {
        let [bool, int64, text, float64] = fields(value, ["Bool", "Int64", "String", "Float64"]);
        Self {
            bool: bool.as_bool().expect("a bool"),
            int64: integer(int64),
            string: string(text),
            float64: float(float64),
        }
    }
}

impl FromVector for StreamCmd {
    fn from_vector(value: &Value) -> Self {
        let [init, count] = fields(value, ["Init", "Count"]).map(integer);
        Self { init, count }
    }
}

impl FromVector for FailCmd {
    fn from_vector(value: &Value) -> Self {
        let [] = fields(value, []);
        Self {}
    }
}

impl FromVector for DelayCmd {
    fn from_vector(value: &Value) -> Self {
        let [id, delay_ms] = fields(value, ["ID", "DelayMS"]).map(integer);
        Self { id, delay_ms }
    }
}

impl<C: FromVector> FromVector for TraceCmd<C> {
    fn from_vector(value: &Value) -> Self {
        let [carrier, cmd] = fields(value, ["MapCarrier", "Cmd"]);
        let text = |(key, value): (&String, &Value)| (key.clone(), string(value));
        let map = |map: &Value| map.as_object().expect("a map").iter().map(text).collect::<BTreeMap<_, _>>();
        let map_carrier = Some(carrier).filter(|carrier| !carrier.is_null()).map(map);
        Self { map_carrier, cmd: C::from_vector(cmd) }
    }
}

impl FromVector for EchoResult {
    fn from_vector(value: &Value) -> Self {
        let EchoCmd { bool, int64, string, float64 } = EchoCmd::from_vector(value);
        Self { bool, int64, string, float64 }
    }
}

impl FromVector for StreamResult {
    fn from_vector(value: &Value) -> Self {
        let [value, last] = fields(value, ["Value", "Last"]);
        Self { value: integer(value), last: last.as_bool().expect("a bool") }
    }
}

impl FromVector for DelayResult {
    fn from_vector(value: &Value) -> Self {
        let [id] = fields(value, ["ID"]).map(integer);
        Self { id }
    }
}

/// Messages whose fields are all of one kind.
macro_rules! messages {
    ($( $message:ident { $( $field:ident = $name:literal ),+ } by $read:ident; )+) => {$(
        impl FromVector for testkit::sample::protobuf::$message {
            fn from_vector(value: &Value) -> Self {
                let [$( $field ),+] = fields(value, [$( $name ),+]).map($read);
                Self { $( $field ),+ }
            }
        }
    )+};
}
messages! {
    Cmd1 { x = "X" } by decimal;
    Cmd2 { y = "Y" } by string;
    AddCmd { a = "A", b = "B" } by decimal;
    SubCmd { a = "A", b = "B" } by decimal;
    Result1 { x = "X" } by decimal;
    Result2 { y = "Y" } by string;
    CalcResult { r = "R" } by decimal;
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

/// A 64-bit integer of Protobuf.
fn decimal(value: &Value) -> i64 {
    value.as_str().and_then(|digits| digits.parse().ok()).expect("a 64-bit integer as text")
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
