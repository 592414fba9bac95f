//! Reads structs only from JSON objects. Serde's derive would also accept an array of the fields in order, which Go
//! refuses. It would even accept `[]` for any struct whose fields have defaults.
//!
//! Values that serde buffers (in flattened, untagged and internally tagged types) do not pass through here.

use std::fmt;

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error as _, MapAccess, SeqAccess, Unexpected, VariantAccess,
    Visitor,
};

/// A deserializer, or a part of one, that reads structs only from objects, at any depth.
pub(super) struct Objects<T>(pub(super) T);

/// A visitor that passes `Objects` on to what is inside. With `STRUCT`, it is the visitor of a struct.
struct Inside<V, const STRUCT: bool>(V);

/// A seed that passes `Objects` on to what is inside.
struct Seed<T>(T);

impl<'de, T: DeserializeSeed<'de>> DeserializeSeed<'de> for Seed<T> {
    type Value = T::Value;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T::Value, D::Error> {
        self.0.deserialize(Objects(deserializer))
    }
}

/// Methods that only wrap the visitor.
macro_rules! hand_on {
    ($( $method:ident ( $( $name:ident : $type:ty ),* ) )*) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, $( $name: $type, )* visitor: V) -> Result<V::Value, D::Error> {
            self.0.$method($( $name, )* Inside::<V, false>(visitor))
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Objects<D> {
    type Error = D::Error;

    #[inline]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_struct(name, fields, Inside::<V, true>(visitor))
    }

    #[inline]
    fn is_human_readable(&self) -> bool {
        self.0.is_human_readable()
    }

    hand_on! {
        deserialize_any()
        deserialize_bool()
        deserialize_i8()
        deserialize_i16()
        deserialize_i32()
        deserialize_i64()
        deserialize_i128()
        deserialize_u8()
        deserialize_u16()
        deserialize_u32()
        deserialize_u64()
        deserialize_u128()
        deserialize_f32()
        deserialize_f64()
        deserialize_char()
        deserialize_str()
        deserialize_string()
        deserialize_bytes()
        deserialize_byte_buf()
        deserialize_option()
        deserialize_unit()
        deserialize_unit_struct(name: &'static str)
        deserialize_newtype_struct(name: &'static str)
        deserialize_seq()
        deserialize_tuple(len: usize)
        deserialize_tuple_struct(name: &'static str, len: usize)
        deserialize_map()
        deserialize_enum(name: &'static str, variants: &'static [&'static str])
        deserialize_identifier()
        deserialize_ignored_any()
    }
}

/// Methods that only forward.
macro_rules! visit {
    ($( $method:ident ( $( $value:ident : $type:ty )? ) )*) => {$(
        #[inline]
        fn $method<E: serde::de::Error>(self $( , $value: $type )?) -> Result<V::Value, E> {
            self.0.$method($( $value )?)
        }
    )*};
}

impl<'de, V: Visitor<'de>, const STRUCT: bool> Visitor<'de> for Inside<V, STRUCT> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    #[inline]
    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<V::Value, A::Error> {
        if STRUCT {
            return Err(A::Error::invalid_type(Unexpected::Seq, &self));
        }
        self.0.visit_seq(Objects(seq))
    }

    #[inline]
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        self.0.visit_map(Objects(map))
    }

    #[inline]
    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        self.0.visit_some(Objects(deserializer))
    }

    #[inline]
    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        self.0.visit_newtype_struct(Objects(deserializer))
    }

    #[inline]
    fn visit_enum<A: EnumAccess<'de>>(self, data: A) -> Result<V::Value, A::Error> {
        self.0.visit_enum(Objects(data))
    }

    visit! {
        visit_bool(value: bool)
        visit_i8(value: i8)
        visit_i16(value: i16)
        visit_i32(value: i32)
        visit_i64(value: i64)
        visit_i128(value: i128)
        visit_u8(value: u8)
        visit_u16(value: u16)
        visit_u32(value: u32)
        visit_u64(value: u64)
        visit_u128(value: u128)
        visit_f32(value: f32)
        visit_f64(value: f64)
        visit_char(value: char)
        visit_str(value: &str)
        visit_borrowed_str(value: &'de str)
        visit_string(value: String)
        visit_bytes(value: &[u8])
        visit_borrowed_bytes(value: &'de [u8])
        visit_byte_buf(value: Vec<u8>)
        visit_none()
        visit_unit()
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Objects<A> {
    type Error = A::Error;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, A::Error> {
        self.0.next_element_seed(Seed(seed))
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Objects<A> {
    type Error = A::Error;

    // Keys are forwarded unchanged, because they are strings.
    #[inline]
    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        self.0.next_key_seed(seed)
    }

    #[inline]
    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, A::Error> {
        self.0.next_value_seed(Seed(seed))
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, A: EnumAccess<'de>> EnumAccess<'de> for Objects<A> {
    type Error = A::Error;
    type Variant = Objects<A::Variant>;

    #[inline]
    fn variant_seed<T: DeserializeSeed<'de>>(
        self,
        seed: T,
    ) -> Result<(T::Value, Objects<A::Variant>), A::Error> {
        self.0.variant_seed(seed).map(|(value, variant)| (value, Objects(variant)))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Objects<A> {
    type Error = A::Error;

    #[inline]
    fn unit_variant(self) -> Result<(), A::Error> {
        self.0.unit_variant()
    }

    #[inline]
    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, A::Error> {
        self.0.newtype_variant_seed(Seed(seed))
    }

    #[inline]
    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, A::Error> {
        self.0.tuple_variant(len, Inside::<V, false>(visitor))
    }

    #[inline]
    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        self.0.struct_variant(fields, Inside::<V, true>(visitor))
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
