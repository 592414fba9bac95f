//! Refuses NaN and infinities, which JSON cannot represent. `serde_json` writes them as `null`, which a Go peer reads
//! as zero, so the value would change silently.
//!
//! Because every value passes through here, strings without anything to escape are written whole here too. `serde_json`
//! looks at each byte by itself, which took half of the time to encode a value with a string of 500 bytes. And nesting
//! that the reader would refuse is refused here.

use std::fmt::Display;
use std::io;

use serde::ser::{self, Serialize, Serializer};

/// A value whose floats must be finite, or a serializer (or a part of one) that checks that. The innermost serializer
/// is one of `serde_json` with [`Unescaped`].
pub(super) struct Finite<T>(pub(super) T);

/// Compact JSON, in which `serialize_bytes` writes the content of a string without anything to escape. Real bytes do
/// not get here: they are written as an array, as `serde_json` does by default.
///
/// It counts how deep the value is nested, and refuses what the reader would refuse.
#[derive(Default)]
pub(super) struct Unescaped {
    depth: usize,
}

/// How many arrays and objects may be nested. `serde_json` does not read more.
pub(super) const MAX_DEPTH: usize = 127;

impl Unescaped {
    #[inline]
    fn enter(&mut self) -> io::Result<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH { Err(too_deep()) } else { Ok(()) }
    }
}

#[cold]
fn too_deep() -> io::Error {
    io::Error::other(format!("nested deeper than {MAX_DEPTH} levels"))
}

impl serde_json::ser::Formatter for Unescaped {
    #[inline]
    fn write_byte_array<W: io::Write + ?Sized>(&mut self, writer: &mut W, text: &[u8]) -> io::Result<()> {
        writer.write_all(b"\"")?;
        writer.write_all(text)?;
        writer.write_all(b"\"")
    }

    #[inline]
    fn begin_array<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.enter()?;
        writer.write_all(b"[")
    }

    #[inline]
    fn end_array<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth -= 1;
        writer.write_all(b"]")
    }

    #[inline]
    fn begin_object<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.enter()?;
        writer.write_all(b"{")
    }

    #[inline]
    fn end_object<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth -= 1;
        writer.write_all(b"}")
    }
}

/// Returns whether a string needs no escapes. Without branches, so that the compiler checks many bytes at once.
#[inline]
fn needs_no_escape(text: &[u8]) -> bool {
    match text.last_chunk::<WIDE>() {
        Some(end) if text.len() >= 2 * WIDE => {
            // The end once more, as the compiler does one by one what is left over.
            let (whole, _) = text.as_chunks::<WIDE>();
            let least = end.iter().fold(Least::START, Least::with);
            whole.as_flattened().iter().fold(least, Least::with).is_plain()
        }
        _ => text.iter().fold(true, |plain, &byte| plain & (byte >= b' ') & (byte != b'"') & (byte != b'\\')),
    }
}

/// How many bytes the compiler checks at once.
const WIDE: usize = 32;

/// The least of some bytes, and of what they differ by from those that need an escape. Of many bytes that takes fewer steps than to
/// ask each one.
#[derive(Clone, Copy)]
struct Least {
    byte: u8,
    from_quote: u8,
    from_backslash: u8,
}

impl Least {
    const START: Self = Self { byte: u8::MAX, from_quote: u8::MAX, from_backslash: u8::MAX };

    #[inline]
    fn with(self, byte: &u8) -> Self {
        Self {
            byte: self.byte.min(*byte),
            from_quote: self.from_quote.min(byte ^ b'"'),
            from_backslash: self.from_backslash.min(byte ^ b'\\'),
        }
    }

    fn is_plain(self) -> bool {
        self.byte >= b' ' && self.from_quote != 0 && self.from_backslash != 0
    }
}

impl<T: Serialize + ?Sized> Serialize for Finite<&T> {
    #[inline]
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(Finite(serializer))
    }
}

/// Methods that only forward.
macro_rules! hand_on {
    ($( $method:ident ( $( $name:ident : $type:ty ),* ) -> $output:ty; )*) => {$(
        #[inline]
        fn $method(self $( , $name: $type )*) -> Result<$output, S::Error> {
            self.0.$method($( $name ),*)
        }
    )*};
}

/// Methods that begin something with parts, which are checked in turn.
macro_rules! begin {
    ($( $method:ident ( $( $name:ident : $type:ty ),* ) -> $output:ident; )*) => {$(
        #[inline]
        fn $method(self $( , $name: $type )*) -> Result<Self::$output, S::Error> {
            self.0.$method($( $name ),*).map(Finite)
        }
    )*};
}

impl<S: Serializer> Serializer for Finite<S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Finite<S::SerializeSeq>;
    type SerializeTuple = Finite<S::SerializeTuple>;
    type SerializeTupleStruct = Finite<S::SerializeTupleStruct>;
    type SerializeTupleVariant = Finite<S::SerializeTupleVariant>;
    type SerializeMap = Finite<S::SerializeMap>;
    type SerializeStruct = Struct<S::SerializeStruct>;
    type SerializeStructVariant = Finite<S::SerializeStructVariant>;

    #[inline]
    fn serialize_f32(self, value: f32) -> Result<S::Ok, S::Error> {
        if value.is_finite() { self.0.serialize_f32(value) } else { Err(not_finite(value)) }
    }

    #[inline]
    fn serialize_f64(self, value: f64) -> Result<S::Ok, S::Error> {
        if value.is_finite() { self.0.serialize_f64(value) } else { Err(not_finite(value)) }
    }

    #[inline]
    fn serialize_str(self, value: &str) -> Result<S::Ok, S::Error> {
        if needs_no_escape(value.as_bytes()) {
            self.0.serialize_bytes(value.as_bytes())
        } else {
            self.0.serialize_str(value)
        }
    }

    #[inline]
    fn serialize_bytes(self, value: &[u8]) -> Result<S::Ok, S::Error> {
        self.0.collect_seq(value)
    }

    #[inline]
    fn serialize_struct(self, name: &'static str, len: usize) -> Result<Self::SerializeStruct, S::Error> {
        let is_verbatim = name.starts_with(VERBATIM);
        self.0.serialize_struct(name, len).map(|inner| Struct { inner, is_verbatim })
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.0.serialize_some(&Finite(value))
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        self.0.serialize_newtype_struct(name, &Finite(value))
    }

    #[inline]
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        self.0.serialize_newtype_variant(name, index, variant, &Finite(value))
    }

    #[inline]
    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.0.collect_str(value)
    }

    #[inline]
    fn is_human_readable(&self) -> bool {
        self.0.is_human_readable()
    }

    hand_on! {
        serialize_bool(value: bool) -> S::Ok;
        serialize_i8(value: i8) -> S::Ok;
        serialize_i16(value: i16) -> S::Ok;
        serialize_i32(value: i32) -> S::Ok;
        serialize_i64(value: i64) -> S::Ok;
        serialize_i128(value: i128) -> S::Ok;
        serialize_u8(value: u8) -> S::Ok;
        serialize_u16(value: u16) -> S::Ok;
        serialize_u32(value: u32) -> S::Ok;
        serialize_u64(value: u64) -> S::Ok;
        serialize_u128(value: u128) -> S::Ok;
        serialize_char(value: char) -> S::Ok;
        serialize_none() -> S::Ok;
        serialize_unit() -> S::Ok;
        serialize_unit_struct(name: &'static str) -> S::Ok;
        serialize_unit_variant(name: &'static str, index: u32, variant: &'static str) -> S::Ok;
    }

    begin! {
        serialize_seq(len: Option<usize>) -> SerializeSeq;
        serialize_tuple(len: usize) -> SerializeTuple;
        serialize_tuple_struct(name: &'static str, len: usize) -> SerializeTupleStruct;
        serialize_tuple_variant(name: &'static str, index: u32, variant: &'static str, len: usize) -> SerializeTupleVariant;
        serialize_map(len: Option<usize>) -> SerializeMap;
        serialize_struct_variant(name: &'static str, index: u32, variant: &'static str, len: usize) -> SerializeStructVariant;
    }
}

/// Implements the traits for values with elements.
macro_rules! elements {
    ($( $part:ident . $method:ident ),*) => {$(
        impl<S: ser::$part> ser::$part for Finite<S> {
            type Ok = S::Ok;
            type Error = S::Error;

            #[inline]
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), S::Error> {
                self.0.$method(&Finite(value))
            }

            #[inline]
            fn end(self) -> Result<S::Ok, S::Error> {
                self.0.end()
            }
        }
    )*};
}
elements!(
    SerializeSeq.serialize_element,
    SerializeTuple.serialize_element,
    SerializeTupleStruct.serialize_field,
    SerializeTupleVariant.serialize_field
);

/// The prefix of the names of structs by which `serde_json`'s own types (`RawValue`, and `Number` of arbitrary
/// precision) pass it text to be written unchanged.
const VERBATIM: &str = "$serde_json::private::";

/// The serializer of a struct's fields.
pub(super) struct Struct<S> {
    inner: S,
    is_verbatim: bool,
}

impl<S: ser::SerializeStruct> ser::SerializeStruct for Struct<S> {
    type Ok = S::Ok;
    type Error = S::Error;

    #[inline]
    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), S::Error> {
        if self.is_verbatim {
            self.inner.serialize_field(key, value)
        } else {
            self.inner.serialize_field(key, &Finite(value))
        }
    }

    #[inline]
    fn skip_field(&mut self, key: &'static str) -> Result<(), S::Error> {
        self.inner.skip_field(key)
    }

    #[inline]
    fn end(self) -> Result<S::Ok, S::Error> {
        self.inner.end()
    }
}

impl<S: ser::SerializeStructVariant> ser::SerializeStructVariant for Finite<S> {
    type Ok = S::Ok;
    type Error = S::Error;

    #[inline]
    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        key: &'static str,
        value: &T,
    ) -> Result<(), S::Error> {
        self.0.serialize_field(key, &Finite(value))
    }

    #[inline]
    fn skip_field(&mut self, key: &'static str) -> Result<(), S::Error> {
        self.0.skip_field(key)
    }

    #[inline]
    fn end(self) -> Result<S::Ok, S::Error> {
        self.0.end()
    }
}

impl<S: ser::SerializeMap> ser::SerializeMap for Finite<S> {
    type Ok = S::Ok;
    type Error = S::Error;

    // Keys are forwarded unchanged: `serde_json` itself refuses those that are not finite.
    #[inline]
    fn serialize_key<K: Serialize + ?Sized>(&mut self, key: &K) -> Result<(), S::Error> {
        self.0.serialize_key(key)
    }

    #[inline]
    fn serialize_value<V: Serialize + ?Sized>(&mut self, value: &V) -> Result<(), S::Error> {
        self.0.serialize_value(&Finite(value))
    }

    #[inline]
    fn serialize_entry<K: Serialize + ?Sized, V: Serialize + ?Sized>(
        &mut self,
        key: &K,
        value: &V,
    ) -> Result<(), S::Error> {
        self.0.serialize_entry(key, &Finite(value))
    }

    #[inline]
    fn end(self) -> Result<S::Ok, S::Error> {
        self.0.end()
    }
}

#[cold]
fn not_finite<E: ser::Error>(value: impl Display) -> E {
    E::custom(format_args!("JSON cannot represent the number {value}"))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashMap};
    use std::net::Ipv4Addr;

    use serde::Serialize;

    use super::*;
    use crate::Json;
    use crate::format::Encode;

    #[derive(Serialize)]
    struct Unit;
    #[derive(Serialize)]
    struct Newtype<T>(T);
    #[derive(Serialize)]
    struct Tuple<T>(i8, T);
    #[derive(Serialize)]
    struct Struct<T> {
        before: u8,
        #[serde(skip_serializing_if = "Option::is_none")]
        skipped: Option<u8>,
        inner: T,
    }
    #[derive(Serialize)]
    enum Enum<T> {
        Unit,
        Newtype(T),
        Tuple(i8, T),
        Struct { inner: T },
    }
    #[derive(Serialize)]
    struct Flattened<T: Serialize> {
        #[serde(flatten)]
        inner: Struct<T>,
    }

    #[derive(Serialize)]
    #[serde(tag = "kind")]
    enum Tagged<T> {
        Some { inner: T },
    }

    /// Encodes a value in every place where one value can be inside another.
    fn nested<T: Serialize + Clone + 'static>(value: &T) -> Vec<(&'static str, Encoding)> {
        macro_rules! each {
            ($( $outer:expr ),* $(,)?) => { vec![$( {
                let outer = $outer;
                let encode: Encoding = Box::new(move || encode_both(&outer));
                (stringify!($outer), encode)
            } ),*] };
        }
        let v = || value.clone();
        each![
            v(),
            Some(v()),
            vec![v(), v()],
            (1, v()),
            [v()],
            BTreeMap::from([("key", v())]),
            HashMap::from([(7, vec![v()])]),
            Newtype(v()),
            Tuple(1, v()),
            Struct { before: 1, skipped: None, inner: v() },
            Struct { before: 1, skipped: Some(2), inner: Some(Newtype(v())) },
            Enum::Newtype(v()),
            Enum::Tuple(1, v()),
            Enum::Struct { inner: v() },
            Flattened { inner: Struct { before: 1, skipped: None, inner: v() } },
            Tagged::Some { inner: v() },
        ]
    }

    /// The output of `Json` without the length, or its error; and the output of plain `serde_json`.
    type Encoded = (Result<String, String>, String);
    type Encoding = Box<dyn Fn() -> Encoded>;

    fn encode_both<T: Serialize>(value: &T) -> Encoded {
        let mut bytes = Vec::new();
        let ours = Json.encode(value, &mut bytes).map_err(|error| error.to_string());
        let plain = serde_json::to_string(value).expect("serde_json can write it");
        (
            ours.map(|()| {
                String::from_utf8(bytes.split_off(bytes.len() - plain.len())).expect("JSON is text")
            }),
            plain,
        )
    }

    #[test]
    fn a_number_that_is_not_finite_is_refused_wherever_it_stands() {
        for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            for (place, encode) in nested(&number).into_iter().chain(nested(&(number as f32))) {
                let (ours, plain) = encode();
                assert!(plain.contains("null"), "{place}: {plain}");
                assert_eq!(ours, Err(format!("JSON cannot represent the number {number}")), "{place}");
            }
        }
    }

    #[test]
    fn all_else_is_written_as_serde_json_does() {
        let same = |place, (ours, plain): Encoded| assert_eq!(ours, Ok(plain), "{place}");
        for (place, encode) in nested(&-1.5e300_f64).into_iter().chain(nested(&f32::MIN_POSITIVE)) {
            same(place, encode());
        }
        for (place, encode) in nested(&"\"text\" \u{7f}").into_iter().chain(nested(&Ipv4Addr::LOCALHOST)) {
            same(place, encode());
        }
        for (place, encode) in nested(&None::<f64>).into_iter().chain(nested(&())).chain(nested(&'c')) {
            same(place, encode());
        }
        same("integers", encode_both(&(i8::MIN, i16::MIN, i32::MIN, i64::MIN, i128::MIN, true)));
        same("naturals", encode_both(&(u8::MAX, u16::MAX, u32::MAX, u64::MAX, u128::MAX, false)));
        same("units", encode_both(&(Unit, Enum::<u8>::Unit)));
        same("keys", encode_both(&BTreeMap::from([(Some('k'), 1)])));
        same("value", encode_both(&serde_json::json!({ "a": [1, 2.5, null, "x"], "b": {} })));
    }

    #[test]
    fn what_needs_an_escape_is_found_wherever_it_stands() {
        for len in 0..200 {
            let mut text = vec![b'a'; len];
            assert!(needs_no_escape(&text), "{len}");
            for at in 0..len {
                for (byte, is_plain) in [
                    (0, false),
                    (0x1f, false),
                    (b'"', false),
                    (b'\\', false),
                    (b' ', true),
                    (b'!', true),
                    (b'#', true),
                    (b'[', true),
                    (b']', true),
                    (0x7f, true),
                    (0x80, true),
                    (0xff, true),
                ] {
                    text[at] = byte;
                    assert_eq!(needs_no_escape(&text), is_plain, "{byte} at {at} of {len}");
                }
                text[at] = b'a';
            }
        }
    }

    #[test]
    fn any_text_is_written_as_serde_json_does() {
        for escaped in (0..0x80).map(char::from).chain(['\u{2028}', 'é', '\u{10ffff}']) {
            for text in [format!("{escaped}"), format!("{}{escaped}{}", "a".repeat(40), "é".repeat(40))] {
                for (place, encode) in nested(&text) {
                    let (ours, plain) = encode();
                    assert_eq!(ours, Ok(plain), "{place}");
                }
            }
        }
    }

    #[test]
    fn bytes_and_what_stands_as_it_is_are_written_as_serde_json_does() {
        #[derive(Clone)]
        struct Bytes(&'static [u8]);
        impl Serialize for Bytes {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_bytes(self.0)
            }
        }
        let raw = serde_json::value::RawValue::from_string(r#"{ "n":  [1.50, "\u0041"] }"#.into())
            .expect("it is JSON");
        let values = nested(&Bytes(b"a\"\0")).into_iter().chain(nested(&Bytes(b"")));
        // `serde` cannot flatten a raw value, and nothing else can be in a flattened struct with one.
        let raws = vec![encode_both(&raw), encode_both(&vec![&raw]), encode_both(&Newtype(Some(&raw)))];
        for (ours, plain) in values.map(|(_, encode)| encode()).chain(raws) {
            assert_eq!(ours, Ok(plain));
        }
    }

    #[test]
    fn a_key_that_is_not_finite_is_refused() {
        struct Pairs(f64);
        impl Serialize for Pairs {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_map([(self.0, 1)])
            }
        }
        assert!(Json.encode(&Pairs(1.5), &mut Vec::new()).is_ok());
        assert!(Json.encode(&Pairs(f64::NAN), &mut Vec::new()).is_err());
    }
}
