//! What the helpers write and read, through the Format. The interoperability tests hold the same against Go.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::Json;
use crate::error::Chain;
use crate::format::json::{Length, go};
use crate::format::{Decode, Encode};
use crate::proto::{Decoded, varint};

fn encode<T: Serialize>(value: &T) -> Result<String, String> {
    let mut bytes = Vec::new();
    Json.encode(value, &mut bytes).map_err(|error| error.to_string())?;
    let Decoded::Value(_, start) = varint::decode_length(&bytes) else { panic!("a length comes first") };
    Ok(String::from_utf8(bytes.split_off(start)).expect("JSON is UTF-8"))
}

fn decode<T: DeserializeOwned>(json: &str) -> Result<T, String> {
    let mut bytes = Vec::new();
    varint::encode(json.len() as u64, &mut bytes);
    bytes.extend_from_slice(json.as_bytes());
    match Decode::<T>::decode(&Json, &bytes, &mut Length::default()) {
        Decoded::Value(value, _) => Ok(value),
        Decoded::Invalid(error) => Err(Chain(&error).to_string()),
        Decoded::Incomplete(_) => panic!("all bytes are there"),
    }
}

/// Declares a field of a type, and checks what its values are in JSON. The operators say what is checked: `==` both
/// directions, `<=` that the JSON is read as the value, `>=` that it is written, and `!=` that JSON is refused with a text.
macro_rules! check {
    ($helper:literal, $type:ty: $($value:expr, $operator:tt $json:expr;)+) => {{
        #[derive(PartialEq, Debug, Serialize, Deserialize)]
        struct Field {
            #[serde(with = $helper)]
            f: $type,
        }
        $( check!(@ $operator, $value, format!("{{\"f\":{}}}", $json)); )+
    }};
    (@ ==, $value:expr, $json:expr) => {
        check!(@ >=, $value, $json);
        check!(@ <=, $value, $json);
    };
    (@ >=, $value:expr, $json:expr) => {
        assert_eq!(encode(&Field { f: $value }).as_ref(), Ok(&$json));
    };
    (@ <=, $value:expr, $json:expr) => {
        assert_eq!(decode(&$json), Ok(Field { f: $value }), "{}", $json);
    };
    (@ !=, $text:expr, $json:expr) => {
        let error = decode::<Field>(&$json).expect_err(&$json);
        assert!(error.contains($text), "{}: {error}", $json);
    };
}

/// Checks that a value cannot be written, and what the error says.
macro_rules! check_unwritable {
    ($helper:literal, $type:ty: $value:expr, $text:expr) => {{
        #[derive(Serialize)]
        struct Field {
            #[serde(with = $helper)]
            f: $type,
        }
        let error = encode(&Field { f: $value }).expect_err($text);
        assert!(error.contains($text), "{error}");
    }};
}

#[test]
fn bytes_are_base64() {
    check!("go::base64", Vec<u8>:
        vec![], == r#""""#;
        vec![1], == r#""AQ==""#;
        vec![0xfb, 0xff, 0xfe], == r#""+//+""#;
        vec![], <= "null";
        vec![1], <= r#""AQ\r\n==\n""#; // as Go does
        vec![1], <= r#""AR==""#; // bits after the last byte
        "invalid base64", != r#""AQ""#;
        "invalid base64", != r#""-__-""#;
        "expected bytes in base64", != "7";
        "expected bytes in base64", != "[1]";
    );
    check!("go::base64", Option<Vec<u8>>: None, == "null"; Some(vec![]), == r#""""#; Some(vec![1]), == r#""AQ==""#;);
    check!("go::base64", Box<[u8]>: [1].into(), == r#""AQ==""#; [].into(), <= "null";);
}

#[test]
fn durations_are_nanoseconds_up_to_those_of_go() {
    let longest = Duration::from_nanos(i64::MAX as u64);
    check!("go::duration", Duration:
        Duration::ZERO, == "0";
        Duration::new(1, 1), == "1000000001";
        longest, == i64::MAX;
        "a duration that is not negative", != "-1";
        "invalid type: floating point", != "1.5";
        "invalid value: integer `9223372036854775808`", != "9223372036854775808";
        "invalid type: null", != "null";
    );
    let text = "is longer than a duration of Go can be";
    check_unwritable!("go::duration", Duration: longest + Duration::from_nanos(1), text);
    check_unwritable!("go::duration", Option<Duration>: Some(Duration::MAX), text);
}

#[test]
fn runes_are_numbers() {
    check!("go::rune", char:
        'a', == "97";
        '\0', == "0";
        char::MAX, == "1114111";
        "integer `55296`, expected a Unicode scalar value", != "55296"; // half of a surrogate pair
        "integer `1114112`, expected a Unicode scalar value", != "1114112";
        "integer `-1`, expected a Unicode scalar value", != "-1";
        "invalid type: string", != r#""a""#;
    );
    check!("go::rune", Vec<char>: vec!['a', '语'], == "[97,35821]"; vec![], <= "null";);
}

#[test]
fn literals_are_json_within_strings() {
    check!("go::string", u64: u64::MAX, == r#""18446744073709551615""#; "u64", != "5"; "expected u64", != r#""18446744073709551616""#;);
    check!("go::string", i8: i8::MIN, == r#""-128""#; "-129", != r#""-129""#; "EOF", != r#""""#;);
    check!("go::string", bool: true, == r#""true""#; "expected a boolean", != r#""1""#;);
    check!("go::string", f64: 1.5, == r#""1.5""#; 1e300, <= r#""1e300""#; "expected f64", != r#""null""#;);
    check!("go::string", String:
        String::new(), == r#""\"\"""#;
        "a\"<".to_owned(), == r#""\"a\\\"<\"""#;
        "<".to_owned(), <= r#""\"\\u003c\"""#;
        "expected value", != r#""a""#;
    );
    check!("go::string", Option<i64>: None, == "null"; Some(7), == r#""7""#;);
    check_unwritable!("go::string", f64: f64::NAN, "JSON has no NaN");
    check_unwritable!("go::string", f32: f32::NEG_INFINITY, "JSON has no NaN");
}

#[test]
fn numbers_keep_their_text() {
    let long = format!("-{}.50e+400", "1234567890".repeat(5));
    check!("go::number", String:
        "0".to_owned(), == "0";
        long.clone(), == long;
        "7".to_owned(), <= r#""7""#; // as Go does
        "\" 7\", expected a number", != r#"" 7""#;
        String::new(), >= "0";
        "\"a\", expected a number", != r#""a""#;
        "true, expected a number", != "true";
        "null, expected a number", != "null";
        "[1], expected a number", != "[1]";
    );
    check!("go::number", BTreeMap<String, Option<String>>:
        [("a".to_owned(), Some("1.0".to_owned())), ("b".to_owned(), None)].into(), == r#"{"a":1.0,"b":null}"#;
    );
    for text in ["a", "1 ", " 1", "01", "1,2", "\"1\"", "null", "[1]", "NaN", "1}"] {
        check_unwritable!("go::number", String: text.to_owned(), "is not a number");
    }
}

#[test]
fn nothing_is_an_object() {
    check!("go::empty", ():
        (), == "{}";
        (), <= r#"{"unknown":[{}]}"#;
        "expected an object", != "null";
        "expected an object", != "[]";
    );
    check!("go::empty", BTreeMap<String, ()>: [("a".to_owned(), ())].into(), == r#"{"a":{}}"#; [].into(), <= "null";);
}

#[test]
fn the_rules_reach_into_containers_of_any_depth() {
    type Nested = HashMap<i32, Vec<Option<Box<[Vec<u8>; 2]>>>>;
    check!("go::base64", Nested:
        Nested::new(), == "{}";
        Nested::new(), <= "null";
        [(-7, vec![None, Some(Box::new([vec![1], vec![]]))])].into(), == r#"{"-7":[null,["AQ==",""]]}"#;
        [(-7, vec![])].into(), <= r#"{"-7":null}"#;
        [(1, vec![Some(Box::new([vec![], vec![]]))])].into(), <= r#"{"1":[["",null]]}"#;
        "invalid length 1, expected an array of length 2", != r#"{"1":[[""]]}"#;
        "invalid length 3, expected an array of length 2", != r#"{"1":[["","",""]]}"#;
        "expected an array", != r#"{"1":"AQ=="}"#;
        "expected an object", != "[]";
    );
}

#[derive(PartialEq, Debug, Serialize, Deserialize)]
struct Inner {
    words: Vec<String>,
    counts: BTreeMap<String, Vec<u8>>,
    pointer: Option<Vec<u8>>,
    choice: Choice,
}

#[derive(PartialEq, Debug, Serialize, Deserialize)]
enum Choice {
    Newtype(Vec<u8>),
    Tuple(Vec<u8>, u8),
    Struct { words: Vec<u8> },
}

#[test]
fn nil_is_empty_at_any_depth() {
    check!("go::nil", Vec<Vec<BTreeMap<String, Vec<u8>>>>:
        vec![], == "[]";
        vec![], <= "null";
        vec![vec![]], <= "[null]";
        vec![vec![[].into()]], <= "[[null]]";
        vec![vec![[("a".to_owned(), vec![])].into()]], <= r#"[[{"a":null}]]"#;
        vec![vec![[("a".to_owned(), vec![1])].into()]], == r#"[[{"a":[1]}]]"#;
        "invalid type: string \"a\", expected a sequence", != r#"["a"]"#;
        "invalid type: null, expected u8", != r#"[[{"a":[null]}]]"#;
    );
    let inner = |choice| Inner { words: vec![], counts: [].into(), pointer: None, choice };
    let json = |choice: &str| format!(r#"{{"words":null,"counts":null,"pointer":null,"choice":{choice}}}"#);
    check!("go::nil", Inner:
        inner(Choice::Newtype(vec![])), <= json(r#"{"Newtype":null}"#);
        inner(Choice::Tuple(vec![], 1)), <= json(r#"{"Tuple":[null,1]}"#);
        inner(Choice::Struct { words: vec![] }), <= json(r#"{"Struct":{"words":null}}"#);
        "invalid type: sequence", != "[null,null,null,null]"; // a struct is still read from objects alone
    );
    check!("go::nil", (bool, i64, f64, char, String, Option<Vec<()>>):
        (true, -1, 1.5, 'c', "a".to_owned(), Some(vec![()])), == r#"[true,-1,1.5,"c","a",[null]]"#;
        (true, -1, 1.5, 'c', "a".to_owned(), None), == r#"[true,-1,1.5,"c","a",null]"#;
    );
    check!("go::nil", serde_json::Value: serde_json::json!({"a": [null]}), == r#"{"a":[null]}"#;);
}

#[test]
fn helpers_work_where_serde_buffers_values() {
    #[derive(PartialEq, Debug, Serialize, Deserialize)]
    #[serde(tag = "type")]
    enum Tagged {
        One {
            #[serde(with = "go::base64")]
            bytes: Vec<Option<Vec<u8>>>,
            #[serde(with = "go::duration", default)]
            wait: Option<Duration>,
            #[serde(with = "go::nil")]
            rows: Vec<Vec<u8>>,
            #[serde(with = "go::string")]
            id: u64,
            #[serde(with = "go::empty")]
            seen: BTreeMap<String, ()>,
        },
    }
    let read = decode(r#"{"bytes":[null,"AQ=="],"rows":null,"id":"7","seen":{"a":{}},"type":"One"}"#);
    let (bytes, seen) = (vec![None, Some(vec![1])], [("a".to_owned(), ())].into());
    assert_eq!(read, Ok(Tagged::One { bytes, wait: None, rows: vec![], id: 7, seen }));
}

#[cfg(feature = "time")]
#[test]
fn times_are_rfc_3339_and_durations_may_be_negative() {
    use time::{Date, Month, OffsetDateTime, UtcDateTime, UtcOffset};

    let at = |year, nanosecond, offset| {
        let date = Date::from_calendar_date(year, Month::January, 2).expect("a date");
        let time = date.with_hms_nano(3, 4, 5, nanosecond).expect("a time");
        time.assume_offset(UtcOffset::from_hms(offset, offset * 10, 0).expect("an offset"))
    };
    check!("go::time", OffsetDateTime:
        at(2026, 0, 0), == r#""2026-01-02T03:04:05Z""#;
        at(2026, 600_000_000, 2), == r#""2026-01-02T03:04:05.6+02:20""#;
        at(1, 1, -3), == r#""0001-01-02T03:04:05.000000001-03:30""#;
        at(9999, 999_999_999, 0), == r#""9999-01-02T03:04:05.999999999Z""#;
        at(2026, 123_456_789, 0), <= r#""2026-01-02T03:04:05.1234567899Z""#; // Go cuts it off, too
        at(2026, 0, 0), <= r#""2026-01-02T03:04:05.000+00:00""#;
        "invalid time in RFC 3339", != r#""2026-01-02""#;
        "expected a time in RFC 3339", != "0";
    );
    check!("go::time", Vec<Option<UtcDateTime>>:
        vec![None, Some(at(2026, 0, 0).to_utc())], == r#"[null,"2026-01-02T03:04:05Z"]"#;
        vec![Some(at(2026, 0, 2).to_utc())], <= r#"["2026-01-02T03:04:05+02:20"]"#;
    );
    check_unwritable!("go::time", OffsetDateTime: at(-1, 0, 0), "year");
    let with_seconds = at(2026, 0, 0).replace_offset(UtcOffset::from_hms(1, 0, 1).expect("an offset"));
    check_unwritable!("go::time", OffsetDateTime: with_seconds, "offset");
    check!("go::duration", time::Duration:
        time::Duration::nanoseconds(i64::MIN), == i64::MIN;
        time::Duration::seconds(-1), == "-1000000000";
        time::Duration::nanoseconds(i64::MAX), == i64::MAX;
    );
    let text = "is longer than a duration of Go can be";
    check_unwritable!("go::duration", time::Duration: time::Duration::MIN, text);
    check_unwritable!("go::duration", time::Duration: time::Duration::nanoseconds(i64::MAX) + time::Duration::nanoseconds(1), text);
}
