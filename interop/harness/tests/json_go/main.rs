//! Go's `encoding/json` and the JSON Format with its helpers (`format::json::go`), value by value. The values that
//! `interop/cmd/jsoncheck` makes are read and written here, and then mean the same to Go. Values made here come back from Go
//! unchanged. And what the documentation says Go does differently is what Go does.

mod jsoncheck;
mod types;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use cmd_stream::Json;
use cmd_stream::format::json::Length;
use cmd_stream::format::{Decode, Encode};
use cmd_stream::proto::{Decoded, varint};
use serde::Serialize;
use serde::de::DeserializeOwned;
use time::macros::datetime;

use self::types::*;

fn encode<T: Serialize>(value: &T) -> String {
    let mut bytes = Vec::new();
    Json.encode(value, &mut bytes).expect("it can be written");
    let Decoded::Value(_, start) = varint::decode_length(&bytes) else { panic!("a length comes first") };
    String::from_utf8(bytes.split_off(start)).expect("JSON is UTF-8")
}

fn decode<T: DeserializeOwned>(json: &str) -> Result<T, String> {
    let mut bytes = Vec::new();
    varint::encode(json.len() as u64, &mut bytes);
    bytes.extend_from_slice(json.as_bytes());
    match Decode::<T>::decode(&Json, &bytes, &mut Length::default()) {
        Decoded::Value(value, _) => Ok(value),
        Decoded::Invalid(error) => Err(format!("{error:?}")),
        Decoded::Incomplete(_) => panic!("all bytes are there"),
    }
}

/// Each sample of Go is read as a `T`. What is written of that means the same to Go.
fn reads_and_writes_what_go_makes<T: Serialize + DeserializeOwned>(name: &str) {
    let samples = jsoncheck::samples(name);
    let ours: Vec<_> = samples
        .iter()
        .map(|json| encode(&decode::<T>(json).unwrap_or_else(|error| panic!("{name} {json}: {error}"))))
        .collect();
    let back = jsoncheck::ask(name, &ours);
    for ((sample, ours), back) in samples.iter().zip(&ours).zip(&back) {
        assert_eq!(sample, back, "{name}: written here as {ours}");
    }
}

/// Values made here come back from Go as they were.
fn come_back_from_go<T: Serialize + DeserializeOwned + PartialEq + Debug>(name: &str, values: &[T]) {
    let ours: Vec<_> = values.iter().map(encode).collect();
    for (value, back) in values.iter().zip(jsoncheck::ask(name, &ours)) {
        assert_eq!(decode::<T>(&back).as_ref(), Ok(value), "{name} {back}");
    }
}

#[test]
fn samples_of_go_are_read_and_mean_the_same_when_they_are_written_back() {
    let mut checked = Vec::new();
    macro_rules! check {
        ($($name:ident: $type:ty;)+) => { $(
            reads_and_writes_what_go_makes::<$type>(stringify!($name));
            checked.push(stringify!($name));
        )+ };
    }
    check! {
        bytes: Bytes;
        byte_map: ByteMap;
        byte_array: [u8; 4];
        duration: SignedDuration;
        durations: Durations;
        time: Time;
        times: Times;
        runes: Runes;
        color: Color;
        colors: Option<BTreeMap<Color, Color>>;
        quoted: Quoted;
        number: Number;
        numbers: Numbers;
        empty: Empty;
        set: Set;
        nested: Option<BTreeMap<String, Option<Vec<Option<Vec<String>>>>>>;
        omitted: Omitted;
        string: String;
        int: i64;
        float: f64;
        array: [i64; 2];
        point: Point;
        embedded: Embedded;
        raw: Option<Box<serde_json::value::RawValue>>;
        any: serde_json::Value;
    }
    checked.extend(["rune", "table"]); // in tests of their own
    let mut known = jsoncheck::types();
    known.sort_unstable();
    checked.sort_unstable();
    assert_eq!(checked, known, "every type is checked");
}

#[test]
fn runes_of_go_are_chars_if_they_are_characters() {
    for json in jsoncheck::samples("rune") {
        let number: i64 = json.parse().expect("a number");
        let char = u32::try_from(number).ok().and_then(char::from_u32);
        assert_eq!(decode::<Rune>(&json).ok().map(|Rune(char)| char), char, "{json}");
    }
    come_back_from_go("rune", &['\0', 'a', '语', char::MAX].map(Rune));
    come_back_from_go("runes", &[Runes(Some("a语🦀".chars().collect())), Runes(None), Runes(Some(vec![]))]);
}

#[test]
fn nil_of_go_is_empty_at_any_depth() {
    for json in jsoncheck::samples("table") {
        let table: Table = decode(&json).unwrap_or_else(|error| panic!("{json}: {error}"));
        // Nil has become empty, and Go reads that as empty.
        let Some(back) = jsoncheck::ask("table", &[encode(&table)]).pop() else { panic!("an answer") };
        assert_eq!(back, json.replace("\"Cells\":[null,", "\"Cells\":[{},").replace("null", "[]"));
    }
    for json in jsoncheck::samples("nested") {
        decode::<Nested>(&json).unwrap_or_else(|error| panic!("{json}: {error}"));
    }
    for json in jsoncheck::samples("byte_map") {
        decode::<PlainByteMap>(&json).unwrap_or_else(|error| panic!("{json}: {error}"));
    }
}

#[test]
fn values_made_here_come_back_from_go() {
    let all_bytes: Vec<u8> = (0..=255).collect();
    come_back_from_go("bytes", &[Bytes(None), Bytes(Some(vec![])), Bytes(Some(all_bytes.clone()))]);
    come_back_from_go("bytes", &[PlainBytes(vec![]), PlainBytes(all_bytes)]);
    let longest = Duration::from_nanos(i64::MAX as u64);
    come_back_from_go("duration", &[Duration::ZERO, Duration::new(1, 1), longest].map(PlainDuration));
    come_back_from_go(
        "duration",
        &[i64::MIN, -1, i64::MAX].map(|n| SignedDuration(time::Duration::nanoseconds(n))),
    );
    come_back_from_go(
        "time",
        &[
            Time(datetime!(0000-01-01 0:00 UTC)),
            Time(datetime!(1969-12-31 23:59:59.999999999 -12:45)),
            Time(datetime!(2024-02-29 12:00:00.000001 +23:59)),
            Time(datetime!(9999-12-31 23:59:59.5 UTC)),
        ],
    );
    come_back_from_go(
        "quoted",
        &[Quoted {
            int: i64::MIN,
            uint: u64::MAX,
            float: f64::MIN_POSITIVE,
            bool: true,
            text: "\"\\\u{0}<\u{2028}🦀".to_owned(),
            pointer: Some(0),
        }],
    );
    come_back_from_go(
        "number",
        &["0", "-0", "1.50", "1E400", "-12345678901234567890.0"].map(|n| Number(n.to_owned())),
    );
    come_back_from_go("set", &[Set(Some([("a".to_owned(), ())].into())), Set(Some([].into())), Set(None)]);
    come_back_from_go("color", &[Color::Red, Color::Blue]);
}

/// What Go makes of JSON (the value, as it writes it), and what we do.
#[track_caller]
fn only_go_reads<T: DeserializeOwned + Debug>(name: &str, json: &str, go: &str, here: &str) {
    assert_eq!(jsoncheck::ask(name, &[json.to_owned()]), [go], "Go, {name} {json}");
    let error = decode::<T>(json).expect_err(json);
    assert!(error.contains(here), "{name} {json}: {error}");
}

#[test]
fn go_reads_more_than_we_do_as_documented() {
    only_go_reads::<String>("string", r#""\ud800""#, "\"\u{fffd}\"", "unexpected end of hex escape");
    only_go_reads::<String>("string", r#""\ud83da""#, "\"\u{fffd}a\"", "unexpected end of hex escape");
    only_go_reads::<String>("string", r#""\ude00""#, "\"\u{fffd}\"", "lone leading surrogate");
    only_go_reads::<String>("string", "null", r#""""#, "invalid type: null");
    only_go_reads::<i64>("int", "-0", "0", "invalid type: floating point `-0.0`");
    only_go_reads::<[i64; 2]>("array", "[1]", "[1,0]", "invalid length 1");
    only_go_reads::<[i64; 2]>("array", "[]", "[0,0]", "invalid length 0");
    only_go_reads::<[i64; 2]>("array", "[1,2,3]", "[1,2]", "trailing characters");
    only_go_reads::<Point>("point", r#"{"X":1,"X":2}"#, r#"{"X":2,"Y":0}"#, "duplicate field");
    only_go_reads::<Point>("point", r#"{"X":null}"#, r#"{"X":0,"Y":0}"#, "invalid type: null");
    only_go_reads::<Point>("point", "null", r#"{"X":0,"Y":0}"#, "invalid type: null");
    only_go_reads::<PlainBytes>("bytes", "[1,2]", r#""AQI=""#, "expected bytes in base64");
    only_go_reads::<Rune>("rune", "55296", "55296", "expected a Unicode scalar value");
    only_go_reads::<Color>("color", "7", "7", "invalid value: 7");
    only_go_reads::<PlainDuration>("duration", "-1", "-1", "a duration that is not negative");

    // Names in another case are read by Go, and unknown here.
    assert_eq!(jsoncheck::ask("point", &[r#"{"x":1,"y":2}"#.to_owned()]), [r#"{"X":1,"Y":2}"#]);
    assert_eq!(decode(r#"{"x":1,"y":2}"#), Ok(Point::default()));
    // `struct Name;` and `()` are null: Go reads them as `struct{}`, but writes `{}`.
    assert_eq!(jsoncheck::ask("empty", &["null".to_owned()]), ["{}"]);
    assert!(decode::<()>("{}").is_err());
    // Bytes without the helper are an array of numbers, which Go reads, but does not write.
    assert_eq!(jsoncheck::ask("bytes", &[encode(&vec![1_u8, 2])]), [r#""AQI=""#]);
    assert!(decode::<Vec<u8>>(r#""AQI=""#).is_err());
}

#[test]
fn what_is_refused_here_is_refused_by_go() {
    let refused = [
        ("bytes", r#""AQ""#),
        ("bytes", r#""-__-""#),
        ("duration", "1.5"),
        ("duration", "9223372036854775808"),
        ("time", r#""2026-01-02""#),
        ("quoted", r#"{"Int":5}"#),
        ("quoted", r#"{"Text":"a"}"#),
        ("number", r#""a""#),
        ("number", "true"),
        ("empty", "[]"),
        ("point", "[1,2]"),
    ];
    for (name, json) in refused {
        let [answer] = &jsoncheck::ask(name, &[json.to_owned()])[..] else { panic!("one answer") };
        assert!(answer.starts_with("error "), "{name} {json}: {answer}");
        let here = match name {
            "bytes" => decode::<Bytes>(json).err(),
            "duration" => decode::<SignedDuration>(json).err(),
            "time" => decode::<Time>(json).err(),
            "quoted" => decode::<Quoted>(json).err(),
            "number" => decode::<Number>(json).err(),
            "empty" => decode::<Empty>(json).err(),
            _ => decode::<Point>(json).err(),
        };
        assert!(here.is_some(), "{name} {json}");
    }
    // And read: line breaks and stray bits in base64, a number in a string, more digits than nanoseconds.
    for (name, json, means) in [
        ("bytes", r#""AR\r\n==""#, r#""AQ==""#),
        ("number", r#""7""#, "7"),
        ("time", r#""2026-01-02T03:04:05.1234567899Z""#, r#""2026-01-02T03:04:05.123456789Z""#),
    ] {
        assert_eq!(jsoncheck::ask(name, &[json.to_owned()]), [means]);
        let here = match name {
            "bytes" => encode(&decode::<Bytes>(json).expect(json)),
            "number" => encode(&decode::<Number>(json).expect(json)),
            _ => encode(&decode::<Time>(json).expect(json)),
        };
        assert_eq!(here, means);
    }
}
