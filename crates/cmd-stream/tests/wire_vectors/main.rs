//! The golden vectors of single values and of whole frames in each Format. Each is decoded, encoded and compared. Those of
//! the circuit breaker are played to ours. A file that is dropped into the folder is tested too, and anything unknown in it
//! fails.

use std::error::Error;
use std::fmt::{Debug, Write as _};
use std::marker::PhantomData;

use cmd_stream::format::{Encode, EncodeError, Format};
use cmd_stream::proto::frame::{Frame, FrameReader, Head, Seq, Tag};
use cmd_stream::proto::handshake::ServerInfo;
use cmd_stream::proto::{DecodeError, Decoded, Fault, varint};
use cmd_stream::protocol::{ClientProtocol, CommandOf, Protocol, ServedIn};
use cmd_stream::server::{CommandVisitor, ServerProtocol};
use cmd_stream::{Execute, Json, Mus, Protobuf};
use serde::Deserialize;
use serde_json::{Value, json};
use testkit::sample::{EchoCmd, Service};
use testkit::vectors::{File, Layout, files_of};
use testkit::{hex, unhex};

#[path = "../support/bodies.rs"]
mod bodies;
mod circuit;
mod frames;
mod live;
mod values;

use bodies::{Body as _, Codec, for_each_codec, is_same_json, with_codec};

/// JSON frames that Go decodes differently. The docs of the `json` module explain each difference.
const DOCUMENTED_DIFFERENCES: [(&str, Difference); 5] = [
    ("lenient/null_body", Difference::Refused),
    ("lenient/null_field", Difference::Refused),
    ("lenient/duplicate_field", Difference::Refused),
    ("lenient/invalid_utf8", Difference::Refused),
    // An unknown field is ignored, and a missing field has its default.
    ("lenient/case_insensitive", Difference::ZeroValue),
];

/// How a frame is treated here that Go decodes.
#[derive(Clone, Copy, Debug)]
enum Difference {
    /// Its body does not decode.
    Refused,
    /// It decodes to the value without any field.
    ZeroValue,
}

/// Not possible here: a Command that is not declared in the Protocol does not compile.
const COMPILE_ERRORS: [&str; 1] = ["encode_error/unregistered_type"];

type Checked = Result<(), String>;

macro_rules! ensure {
    ($holds:expr, $($message:tt)+) => {
        if !$holds {
            return Err(format!($($message)+));
        }
    };
}
use ensure;

/// The result of decoding, in a form that can be compared and printed.
#[derive(Clone, PartialEq, Debug)]
enum Outcome {
    /// A value in its textual form (in which -0 is not 0, and NaN is NaN), and how many bytes it took.
    Value(String, usize),
    Incomplete,
    /// The portable code of the error, its text, and after how many bytes it was found.
    Invalid {
        code: &'static str,
        text: String,
        at: usize,
    },
}

impl<T> From<Decoded<T>> for Outcome
where
    T: Into<String>,
{
    fn from(decoded: Decoded<T>) -> Self {
        match decoded {
            Decoded::Value(value, taken) => Self::Value(value.into(), taken),
            Decoded::Incomplete(_) => Self::Incomplete,
            Decoded::Invalid(DecodeError { fault, at, .. }) => {
                let code = match &fault {
                    Fault::VarintOverflow => "overflow",
                    Fault::NegativeLength(_) => "negative_length",
                    Fault::TooLong { .. } => "too_large_length",
                    Fault::UnknownTag(_) => "unexpected_dtm",
                    Fault::Body(error) => code_of_body(&**error),
                    _ => "a fault that this test does not know",
                };
                Self::Invalid { code, text: fault.to_string(), at }
            }
        }
    }
}

/// The code of an error within a body. MUS has some of its own.
fn code_of_body(error: &(dyn Error + 'static)) -> &'static str {
    match error.downcast_ref::<mus_format::Error>().map(|error| &error.fault) {
        Some(mus_format::Fault::InvalidBool(_) | mus_format::Fault::InvalidPointer(_)) => "wrong_format",
        _ => "body",
    }
}

/// Checks that the bytes fail with the error of the vector, after exactly as many bytes.
fn check_error(
    bytes: &[u8],
    code: Option<&str>,
    consumed: Option<usize>,
    decode: &dyn Fn(&[u8]) -> Outcome,
) -> Checked {
    let code = code.ok_or("no error is given")?;
    let consumed = consumed.ok_or("`consumed` is not given")?;
    let outcome = decode(bytes);
    match code {
        // A decoder cannot know that nothing will follow. The task of the connection turns this into an error.
        "eof" | "unexpected_eof" => {
            ensure!(
                consumed == bytes.len(),
                "the input ends after {consumed} bytes, and has {}",
                bytes.len()
            );
            ensure!(outcome == Outcome::Incomplete, "expected incomplete, got {outcome:?}");
        }
        _ => {
            let code = if code == "too_large_server_info" { "too_large_length" } else { code };
            let expected =
                matches!(&outcome, Outcome::Invalid { code: c, at, .. } if *c == code && *at == consumed);
            ensure!(expected, "expected {code} after {consumed} bytes, got {outcome:?}");
            let before = decode(&bytes[..consumed - 1]);
            ensure!(
                before == Outcome::Incomplete,
                "without the last byte expected incomplete, got {before:?}"
            );
        }
    }
    Ok(())
}

/// Checks that the bytes decode to this value, whatever follows them, and are incomplete without the last one.
fn check_value(bytes: &[u8], value: &str, consumed: usize, decode: &dyn Fn(&[u8]) -> Outcome) -> Checked {
    let expected = Outcome::Value(value.to_owned(), consumed);
    for more in [&[][..], &[0xff], &[0x00; 20]] {
        let outcome = decode(&[bytes, more].concat());
        ensure!(
            outcome == expected,
            "expected {expected:?}, got {outcome:?} with {} bytes behind",
            more.len()
        );
    }
    for cut in 0..consumed {
        let outcome = decode(&bytes[..cut]);
        ensure!(
            outcome == Outcome::Incomplete,
            "of the first {cut} bytes expected incomplete, got {outcome:?}"
        );
    }
    Ok(())
}

/// Checks each vector, and fails with the list of all that failed.
fn check_all(file: &str, vectors: &[Value], check: impl Fn(&Value) -> Checked) {
    let mut failed = String::new();
    for vector in vectors {
        if let Err(error) = check(vector) {
            let _ = write!(failed, "\n{file}, {}: {error}", vector["name"]);
        }
    }
    assert!(failed.is_empty(), "{failed}");
}

#[test]
fn every_value_vector_decodes_encodes_or_fails_as_it_says() {
    let mut checked = 0;
    for mut file in files_of(Layout::Values) {
        file.vectors.retain(values::is_ours);
        check_all(&file.name, &file.vectors, values::check);
        checked += file.vectors.len();
    }
    assert!(checked > 0, "no value of a connection, and no varint");
}

/// Returns the files of frames, and the Format that the name of each tells: `codec_json.json`, `codec_json_more.json`.
fn frame_files() -> Vec<(String, File)> {
    let codec_of =
        |name: &str| match name.strip_prefix("codec_").and_then(|name| name.split(['_', '.']).next()) {
            Some(codec) => codec.to_owned(),
            None => panic!("{name}: frames of a Format that its name does not say"),
        };
    files_of(Layout::Frames).into_iter().map(|file| (codec_of(&file.name), file)).collect()
}

fn check_frame(codec: &str, vector: &Value) -> Checked {
    with_codec!(codec, C => frames::check::<C>(vector))
}

#[test]
fn every_frame_vector_decodes_encodes_or_fails_as_it_says() {
    for (codec, file) in frame_files() {
        check_all(&file.name, &file.vectors, |vector| check_frame(&codec, vector));
    }
}

#[test]
fn frames_decode_the_same_however_they_are_cut() {
    for (codec, file) in frame_files() {
        with_codec!(&*codec, C => check_all(&file.name, &file.vectors, frames::check_cuts::<C>));
    }
}

#[test]
fn the_tables_of_exceptions_name_vectors_that_exist() {
    let files = frame_files();
    let json = files.iter().filter(|(codec, _)| codec == "json");
    let names: Vec<&Value> = json.flat_map(|(_, file)| &file.vectors).map(|vector| &vector["name"]).collect();
    for name in DOCUMENTED_DIFFERENCES.iter().map(|(name, _)| *name).chain(COMPILE_ERRORS) {
        assert_eq!(names.iter().filter(|known| **known == name).count(), 1, "vectors with the name {name}");
    }
}

#[test]
fn a_body_at_the_maximum_length_is_read_and_one_past_it_is_refused_at_its_length() {
    for (codec, name, value, hex) in [
        ("json", "FailCmd", json!({}), "0102027b7d"),
        ("protobuf", "Cmd1", json!({ "X": "1" }), "0100020801"),
    ] {
        let frame = |max_len: usize| {
            json!({
                "name": codec, "direction": "client_to_server", "kind": "roundtrip", "seq": "1", "type": name,
                "value": value, "hex": hex, "max_len": max_len,
            })
        };
        assert_eq!(check_frame(codec, &frame(2)), Ok(()));
        let mut refused = frame(1);
        refused["kind"] = json!("error");
        refused["error"] = json!("too_large_length");
        refused["consumed"] = json!(3);
        assert_eq!(check_frame(codec, &refused), Ok(()));
        refused["kind"] = json!("encode_error");
        assert_eq!(check_frame(codec, &refused), Ok(()), "it is not written either");
    }
}

/// Shows that the checks can fail: each change to a good vector is noticed.
#[test]
fn a_vector_that_is_wrong_or_unknown_fails() {
    let changed = |vector: &Value, field: &str, value: Value| {
        let mut vector = vector.clone();
        vector[field] = value;
        vector
    };

    let value =
        json!({ "name": "n", "type": "varint.uint16", "kind": "roundtrip", "value": "300", "hex": "ac02" });
    assert_eq!(values::check(&value), Ok(()));
    for (field, other) in [
        ("type", json!("varint.uint8")),
        ("type", json!("varint.uint17")),
        ("type", json!("raw.uint16")),
        ("kind", json!("error")),
        ("kind", json!("decode")),
        ("kind", json!("decode_lax")),
        ("kind", json!("skip")),
        ("value", json!("301")),
        ("value", json!(300)),
        ("hex", json!("ad02")),
        ("hex", json!("ac8200")),
        ("options", json!({ "max_len": 3 })),
    ] {
        let vector = changed(&value, field, other);
        assert!(values::check(&vector).is_err(), "{vector}");
    }

    let frames = [
        (
            "json",
            json!({
                "name": "n", "direction": "server_to_client", "kind": "roundtrip", "seq": "5",
                "type": "DelayResult", "value": { "ID": 7 }, "hex": "0502087b224944223a377d",
            }),
            json!({ "ID": 8 }),
            ["0502087b224964223a377d", "058200087b224944223a377d"],
        ),
        (
            "protobuf",
            json!({
                "name": "n", "direction": "server_to_client", "kind": "roundtrip", "seq": "5",
                "type": "CalcResult", "value": { "R": "7" }, "hex": "0502020807",
            }),
            json!({ "R": 7 }),
            ["0502021007", "058200020807"],
        ),
        (
            "mus",
            json!({
                "name": "n", "direction": "server_to_client", "kind": "roundtrip", "seq": "5",
                "type": "DelayResult", "value": { "ID": 7 }, "hex": "05030e",
            }),
            json!({ "ID": "7" }),
            ["05030f", "0583000e"],
        ),
    ];
    for (codec, frame, other_value, [other_body, other_head]) in frames {
        assert_eq!(check_frame(codec, &frame), Ok(()));
        for (field, other) in [
            ("direction", json!("client_to_server")),
            ("direction", json!("sideways")),
            ("kind", json!("error")),
            ("kind", json!("encode_error")),
            ("kind", json!("skip")),
            ("seq", json!("6")),
            ("type", json!("EchoReply")),
            ("value", other_value),
            ("hex", json!(other_body)),
            ("hex", json!(other_head)),
            ("max_len", json!(1)),
            ("wrapped", json!(true)),
        ] {
            let vector = changed(&frame, field, other);
            let failed = std::panic::catch_unwind(|| check_frame(codec, &vector))
                .map_or(true, |checked| checked.is_err());
            assert!(failed, "{codec}: {vector}");
        }
    }
}
