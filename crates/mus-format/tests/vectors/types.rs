//! Which type and which encoding a vector is about.

#[cfg(any(feature = "chrono", feature = "rust_decimal", feature = "time", feature = "uuid"))]
mod foreign;
mod structs;
mod unsafe_mode;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use mus_format::encoding::{
    Checked, DecodeAs, EncodeAs, Mapped, Microseconds, Milliseconds, Nanoseconds, Of, Plain, Positive, Raw,
    Seconds, Validate, Varint,
};
use mus_format::{Decoded, Fault, Mus, Refusal, decode, to_vec};
use serde_json::{Value, json};

use crate::check::{Kind, Vector};
use crate::read;

const NO_MAX: usize = usize::MAX;

/// Checks a vector, whatever it is about.
///
/// # Panics
///
/// If it does not hold, and if its type or its options are unknown.
pub(crate) fn check(vector: &Vector) {
    let (family, rest) = vector.type_name.split_once('.').unwrap_or((&vector.type_name, ""));
    match family {
        "varint" => varint(vector, rest),
        "raw" if rest.starts_with("time_unix") => time(vector, rest),
        "raw" | "unsafe" => raw(vector, rest),
        "ord" => ord(vector),
        _ if vector.type_name.starts_with("array") => array(vector),
        "pm" => mapped(vector),
        "struct" | "defined" | "typed" | "union" => structs::check(vector),
        "unsafe_struct" | "unsafe_union" => unsafe_mode::check(vector),
        _ => unknown(vector),
    }
}

fn unknown(vector: &Vector) -> ! {
    panic!("a type that this test does not know: {} {}", vector.type_name, vector.options)
}

/// Values that are equal if they say so.
fn holds<T, E>(vector: &Vector, read: impl Fn(&Value) -> T)
where
    T: PartialEq + Debug,
    E: EncodeAs<T> + for<'de> DecodeAs<'de, T>,
{
    vector.holds_for::<T, E>(read, T::eq);
}

/// Floats are equal if their bits are.
fn floats<E>(vector: &Vector, is_64: bool)
where
    E: EncodeAs<f32> + for<'de> DecodeAs<'de, f32> + EncodeAs<f64> + for<'de> DecodeAs<'de, f64>,
{
    match is_64 {
        true => vector.holds_for::<f64, E>(read::float64, |a, b| a.to_bits() == b.to_bits()),
        false => vector.holds_for::<f32, E>(read::float32, |a, b| a.to_bits() == b.to_bits()),
    }
}

fn varint(vector: &Vector, name: &str) {
    match name {
        "uint8" | "byte" => holds::<u8, Varint>(vector, read::number),
        "uint16" => holds::<u16, Varint>(vector, read::number),
        "uint32" => holds::<u32, Varint>(vector, read::number),
        "uint64" => holds::<u64, Varint>(vector, read::number),
        "uint" => holds::<usize, Varint>(vector, read::number),
        "int8" => holds::<i8, Varint>(vector, read::number),
        "int16" => holds::<i16, Varint>(vector, read::number),
        "int32" => holds::<i32, Varint>(vector, read::number),
        "int64" => holds::<i64, Varint>(vector, read::number),
        "int" => holds::<isize, Varint>(vector, read::number),
        "positive_int8" => holds::<i8, Positive>(vector, read::number),
        "positive_int16" => holds::<i16, Positive>(vector, read::number),
        "positive_int32" => holds::<i32, Positive>(vector, read::number),
        "positive_int64" => holds::<i64, Positive>(vector, read::number),
        "positive_int" => holds::<isize, Positive>(vector, read::number),
        "float32" => floats::<Varint>(vector, false),
        "float64" => floats::<Varint>(vector, true),
        _ => unknown(vector),
    }
}

fn raw(vector: &Vector, name: &str) {
    match name {
        "uint8" | "byte" => holds::<u8, Raw>(vector, read::number),
        "uint16" => holds::<u16, Raw>(vector, read::number),
        "uint32" => holds::<u32, Raw>(vector, read::number),
        "uint64" => holds::<u64, Raw>(vector, read::number),
        "uint" => holds::<usize, Raw>(vector, read::number),
        "int8" => holds::<i8, Raw>(vector, read::number),
        "int16" => holds::<i16, Raw>(vector, read::number),
        "int32" => holds::<i32, Raw>(vector, read::number),
        "int64" => holds::<i64, Raw>(vector, read::number),
        "int" => holds::<isize, Raw>(vector, read::number),
        "float32" => floats::<Raw>(vector, false),
        "float64" => floats::<Raw>(vector, true),
        _ => unknown(vector),
    }
}

fn time(vector: &Vector, name: &str) {
    /// Every type of times.
    macro_rules! times {
        ($encoding:ident) => {{
            time_of::<SystemTime, $encoding>(vector, |time| time);
            #[cfg(feature = "chrono")]
            time_of::<chrono::DateTime<chrono::Utc>, $encoding>(vector, foreign::chrono_time);
            #[cfg(feature = "time")]
            time_of::<time::UtcDateTime, $encoding>(vector, foreign::utc_time);
            #[cfg(feature = "time")]
            time_of::<time::OffsetDateTime, $encoding>(vector, |time| foreign::utc_time(time).into());
        }};
    }
    match name.trim_end_matches("_utc") {
        "time_unix" => times!(Seconds),
        "time_unix_milli" => times!(Milliseconds),
        "time_unix_micro" => times!(Microseconds),
        "time_unix_nano" => times!(Nanoseconds),
        _ => unknown(vector),
    }
}

fn time_of<T, E>(vector: &Vector, make: impl Fn(SystemTime) -> T)
where
    T: PartialEq + Debug,
    E: EncodeAs<T> + for<'de> DecodeAs<'de, T>,
{
    let time = |value: &Value| make(read::time(value["time"].as_str().expect("a time")));
    holds::<T, E>(vector, time);
    if vector.kind == Kind::RoundTrip {
        // The count is that of the bytes; and what was cut off in Go is cut off here.
        assert_eq!(
            vector.bytes,
            read::number::<i64>(&vector.value["count"]).to_le_bytes(),
            "{}",
            vector.name
        );
        if let Some((_, input)) = vector.description.split_once("input ") {
            vector
                .holds_for::<T, E>(|_| make(read::time(input)), |decoded, _| *decoded == time(&vector.value));
        }
    }
}

fn ord(vector: &Vector) {
    type LengthVarint<E = Plain, K = Plain> = Of<Varint, NO_MAX, E, K>;
    let options = &vector.options;
    let option = |name: &str| options[name].as_str().unwrap_or_default();
    let known = |names: &[&str]| {
        let all = options.as_object().map(|all| all.keys().collect::<Vec<_>>()).unwrap_or_default();
        assert!(all.iter().all(|name| names.contains(&name.as_str())), "{}: {options}", vector.name);
    };
    match vector.type_name.as_str() {
        "ord.bool" => holds::<bool, Plain>(vector, read::boolean),
        "ord.string" => {
            known(&["len"]);
            match option("len") {
                "" => string(vector),
                "varint.int" => holds::<String, LengthVarint>(vector, read::string),
                "raw.int" => holds::<String, Of<Raw>>(vector, read::string),
                _ => unknown(vector),
            }
        }
        "ord.valid_string" if *options == json!({"max_len": 3}) => {
            holds::<String, Of<Positive, 3>>(vector, read::string);
        }
        "ord.byte_slice" => holds::<Vec<u8>, Plain>(vector, read::bytes),
        "ord.valid_byte_slice" if *options == json!({"max_len": 3}) => {
            holds::<Vec<u8>, Of<Positive, 3>>(vector, read::bytes);
        }
        "ord.slice<varint.int>" => {
            known(&[]);
            holds::<Vec<isize>, Plain>(vector, |value| read::list(value, read::number));
        }
        "ord.slice<ord.string>" => {
            known(&["len", "elem_len"]);
            match (option("len"), option("elem_len")) {
                ("", "") => holds::<Vec<String>, Plain>(vector, |value| read::list(value, read::string)),
                ("varint.int", "varint.int") => {
                    holds::<Vec<String>, LengthVarint<LengthVarint>>(vector, |value| {
                        read::list(value, read::string)
                    });
                }
                _ => unknown(vector),
            }
        }
        "ord.slice<ord.slice<raw.uint16>>" => {
            holds::<Vec<Vec<u16>>, Of<Positive, NO_MAX, Of<Positive, NO_MAX, Raw>>>(vector, |value| {
                read::list(value, |value| read::list(value, read::number))
            });
        }
        "ord.valid_slice<varint.int>" if *options == json!({"max_len": 2, "elem_min": 0}) => {
            holds::<Vec<isize>, Of<Positive, 2, Checked<Plain, NotNegative>>>(vector, |value| {
                read::list(value, read::number)
            });
        }
        "ord.map<ord.string,ord.string>" => {
            known(&[]);
            holds::<BTreeMap<String, String>, Plain>(vector, |value| {
                read::map(value, str::to_owned, read::string)
            });
        }
        "ord.map<varint.int,ord.string>" => {
            known(&["len", "value_len"]);
            let read =
                |value: &Value| read::map(value, |key| key.parse::<isize>().expect("a number"), read::string);
            match (option("len"), option("value_len")) {
                ("", "") => holds::<BTreeMap<isize, String>, Plain>(vector, read),
                ("varint.int", "varint.int") => {
                    holds::<BTreeMap<isize, String>, LengthVarint<LengthVarint>>(vector, read);
                }
                _ => unknown(vector),
            }
        }
        "ord.ptr<ord.string>" => {
            holds::<Option<String>, Plain>(vector, |value| value.as_str().map(String::from));
        }
        _ => unknown(vector),
    }
}

struct NotNegative;

impl Validate<isize> for NotNegative {
    fn validate(value: &isize) -> Result<(), Refusal> {
        if *value < 0 { Err("negative element".into()) } else { Ok(()) }
    }
}

/// Go does not look into text. Here what is not UTF-8 is no `String`; bytes take it.
fn string(vector: &Vector) {
    match read::not_text(&vector.value) {
        None => holds::<String, Plain>(vector, read::string),
        Some(bytes) => {
            holds::<Vec<u8>, Plain>(vector, |_| bytes.clone());
            let answer = decode::<String>(&vector.bytes);
            assert!(
                matches!(&answer, Decoded::Invalid(error)
                    if matches!(error.fault, Fault::InvalidUtf8) && error.at == vector.bytes.len()),
                "{}: {answer:?}",
                vector.name
            );
        }
    }
}

fn array(vector: &Vector) {
    match (vector.type_name.as_str(), vector.options["len"].as_str()) {
        ("array3<varint.int>", None) => holds::<[isize; 3], Plain>(vector, |value| {
            read::list(value, read::number).try_into().expect("three numbers")
        }),
        ("array4<raw.byte>", Some("varint.int")) => {
            holds::<[u8; 4], Of<Varint>>(vector, |value| read::bytes(value).try_into().expect("four bytes"))
        }
        ("array16<raw.byte>", len) => {
            let bytes = |value: &Value| -> [u8; 16] { read::bytes(value).try_into().expect("16 bytes") };
            match len {
                None => holds::<[u8; 16], Plain>(vector, bytes),
                Some("varint.int") => holds::<[u8; 16], Of<Varint>>(vector, bytes),
                Some("raw.int") => holds::<[u8; 16], Of<Raw>>(vector, bytes),
                Some(_) => unknown(vector),
            }
            #[cfg(feature = "uuid")]
            foreign::uuid(vector, len, |value| uuid::Uuid::from_bytes(bytes(value)));
        }
        _ => unknown(vector),
    }
}

fn mapped(vector: &Vector) {
    type Pointers = Vec<Option<Rc<isize>>>;
    if vector.type_name != "pm.slice<ptr<varint.int>>" {
        unknown(vector);
    }
    // A pointer is its id and its number. The same id is the same pointer.
    let read = |value: &Value| -> Pointers {
        let mut known = BTreeMap::new();
        read::list(value, |value| {
            let number = value.get(1).map(read::number::<isize>)?;
            Some(Rc::clone(known.entry(value[0].to_string()).or_insert_with(|| Rc::new(number))))
        })
    };
    let same = |a: &Pointers, b: &Pointers| {
        let shared = |all: &Pointers| -> Vec<Vec<bool>> {
            let is = |a: &Option<Rc<isize>>, b: &Option<Rc<isize>>| match (a, b) {
                (Some(a), Some(b)) => Rc::ptr_eq(a, b),
                _ => false,
            };
            all.iter().map(|a| all.iter().map(|b| is(a, b)).collect()).collect()
        };
        a == b && shared(a) == shared(b)
    };
    vector.holds_for::<Pointers, Of<Positive, NO_MAX, Mapped>>(read, same);
}

#[test]
fn a_pointer_that_is_met_again_is_written_as_its_id() {
    #[derive(Mus, Debug)]
    struct Pair(#[mus(mapped)] Rc<isize>, #[mus(mapped)] Option<Rc<isize>>, #[mus(mapped)] Rc<isize>);

    let shared = Rc::new(5);
    let bytes = to_vec(&Pair(Rc::clone(&shared), Some(Rc::new(7)), shared)).expect("encodes");
    assert_eq!(bytes, [2, 0, 10, 2, 1, 14, 2, 0]);
    let Decoded::Value(Pair(first, second, third), 8) = decode(&bytes) else { panic!("a value") };
    assert!(Rc::ptr_eq(&first, &third));
    assert_eq!((*first, second.as_deref()), (5, Some(&7)));
}
