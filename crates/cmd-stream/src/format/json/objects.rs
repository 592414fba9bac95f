//! Reads structs only from JSON objects. Serde's derive would also accept an array of the fields in order, which Go
//! refuses. It would even accept `[]` for any struct whose fields have defaults.
//!
//! Values that serde buffers (in flattened, untagged and internally tagged types) do not pass through here.

use serde::de::{Deserializer, Visitor};

use super::deep::Rule;
use super::text::Body;

/// Structs are read only from objects, and text from this body.
#[derive(Clone, Copy)]
pub(super) struct Objects<'de>(pub(super) Body<'de>);

impl<'de> Rule<'de> for Objects<'de> {
    const STRUCTS_ARE_OBJECTS: bool = true;

    #[inline]
    fn text<D: Deserializer<'de>, V: Visitor<'de>>(self, from: D, visitor: V) -> Result<V::Value, D::Error> {
        self.0.text(from, visitor)
    }

    #[inline]
    fn string<D: Deserializer<'de>, V: Visitor<'de>>(
        self,
        from: D,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.text(from, visitor) // to `serde_json` it is the same
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fmt::Debug;

    use serde::Deserialize;
    use serde::de::DeserializeOwned;

    use crate::Json;
    use crate::error::Chain;
    use crate::format::Decode;
    use crate::format::json::Length;
    use crate::proto::{Decoded, varint};

    #[derive(PartialEq, Debug, Default, Deserialize)]
    #[serde(default)]
    struct Point {
        x: i64,
        y: i64,
    }
    #[derive(PartialEq, Debug, Deserialize)]
    struct Newtype<T>(T);
    #[derive(PartialEq, Debug, Deserialize)]
    struct Tuple<T>(u8, T);
    #[derive(PartialEq, Debug, Deserialize)]
    struct Unit;
    #[derive(PartialEq, Debug, Deserialize)]
    struct Outer<T> {
        inner: T,
        other: Option<char>,
    }
    #[derive(PartialEq, Debug, Deserialize)]
    enum Enum<T> {
        Unit,
        Newtype(T),
        Tuple(u8, T),
        Struct { inner: T },
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

    /// Checks that a struct in the place of `$` in `json` is read from an object and refused from an array.
    fn only_from_an_object<T: DeserializeOwned + PartialEq + Debug>(json: &str) {
        let json = |point: &str| json.replace('$', point);
        let plain = |json: &str| serde_json::from_str::<T>(json).expect("serde_json reads it");
        let object = json(r#"{"x":1,"y":-2}"#);
        assert_eq!(decode(&object), Ok(plain(&object)), "{object}");
        for array in [json("[1,-2]"), json("[]")] {
            let _ = plain(&array);
            let refused = decode::<T>(&array).expect_err(&array);
            assert!(refused.contains("invalid type: sequence"), "{array}: {refused}");
        }
    }

    #[test]
    fn a_struct_is_read_from_an_object_alone_wherever_it_stands() {
        only_from_an_object::<Point>("$");
        only_from_an_object::<Box<Point>>("$");
        only_from_an_object::<Option<Point>>("$");
        only_from_an_object::<Vec<Point>>("[$]");
        only_from_an_object::<[Point; 2]>("[$,{}]");
        only_from_an_object::<(bool, Point)>("[true,$]");
        only_from_an_object::<BTreeMap<String, Point>>(r#"{"key":$}"#);
        only_from_an_object::<Newtype<Point>>("$");
        only_from_an_object::<Tuple<Point>>("[1,$]");
        only_from_an_object::<Outer<Point>>(r#"{"inner":$,"unknown":[1]}"#);
        only_from_an_object::<Outer<Vec<Newtype<Option<Point>>>>>(r#"{"inner":[null,$],"other":"c"}"#);
        only_from_an_object::<Enum<Point>>(r#"{"Newtype":$}"#);
        only_from_an_object::<Enum<Point>>(r#"{"Tuple":[1,$]}"#);
        only_from_an_object::<Enum<Point>>(r#"{"Struct":{"inner":$}}"#);
        assert!(decode::<Enum<u8>>(r#"{"Struct":[1]}"#).is_err());
    }

    #[test]
    fn all_else_is_read_as_serde_json_does() {
        fn same<T: DeserializeOwned + PartialEq + Debug>(json: &str) {
            assert_eq!(decode(json), Ok(serde_json::from_str::<T>(json).expect(json)), "{json}");
        }
        same::<serde_json::Value>(r#"{"a":[1,-2,3.5,null,true,"x\n",{}],"b":{"c":[[]]}}"#);
        same::<(i8, i16, i32, i64, i128, f32, f64)>("[-1,-2,-3,-4,-5,1.5,-0.0]");
        same::<(u8, u16, u32, u64, u128, bool, char)>("[1,2,3,4,5,true,\"c\"]");
        same::<Option<String>>("null");
        same::<(Unit, (), Enum<u8>)>(r#"[null,null,"Unit"]"#);
        same::<BTreeMap<i64, Vec<u8>>>(r#"{"-7":[1,2]}"#);
        same::<std::net::Ipv4Addr>("\"127.0.0.1\"");
        for wrong in ["", "{", "{}{}", "[1]", "nul", "{\"inner\":1,\"inner\":2}"] {
            let plain = serde_json::from_str::<Outer<u8>>(wrong).expect_err(wrong).to_string();
            let ours = decode::<Outer<u8>>(wrong).expect_err(wrong);
            assert!(wrong == "[1]" || ours.contains(&plain), "{wrong}: {ours} for {plain}");
        }
    }
}
