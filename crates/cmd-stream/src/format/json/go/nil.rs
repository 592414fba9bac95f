//! Go's nil slices and maps, at any depth: `null` is read as an empty sequence or map.
//!
//! It is for fields of any type. All that the field contains is read in this way, also the fields of structs in it. An
//! `Option` remains `None`. Where serde buffers values (flattened structs, untagged and internally tagged enums), `null` in them
//! is refused as usual.
//!
//! Values are written as usual: an empty `Vec` is `[]`, which Go reads as empty and not nil. For `null` use an `Option`.
//!
//! [`null_as_default`](super::super::null_as_default) is for one level, and for any type that has a default.
//!
//! ```
//! # use std::collections::BTreeMap;
//! # use serde::{Deserialize, Serialize};
//! #[derive(Serialize, Deserialize)]
//! struct Table {
//!     /// In Go `map[string][][]string`.
//!     #[serde(with = "cmd_stream::format::json::go::nil")]
//!     cells: BTreeMap<String, Vec<Vec<String>>>,
//! }
//!
//! let table: Table = serde_json::from_str(r#"{"cells":{"a":null,"b":[null,["c"]]}}"#)?;
//! assert!(table.cells["a"].is_empty());
//! assert_eq!(table.cells["b"], [vec![], vec!["c".to_owned()]]);
//! assert!(serde_json::from_str::<Table>(r#"{"cells":null}"#)?.cells.is_empty());
//! # Ok::<(), serde_json::Error>(())
//! ```

use std::fmt;
use std::marker::PhantomData;

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor,
};
use serde::ser::{Serialize, Serializer};

/// Writes the value as usual, for serde's `with`.
///
/// # Errors
///
/// The serializer fails.
pub fn serialize<T: Serialize + ?Sized, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    value.serialize(serializer)
}

/// Reads a value, and `null` in it as empty, for serde's `with` or `deserialize_with`.
///
/// # Errors
///
/// The value has an error of another kind.
pub fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    T::deserialize(Nil(deserializer))
}

/// A deserializer, or a part of one, that reads `null` as an empty sequence or map where one is expected.
struct Nil<T>(T);

/// A visitor that passes `Nil` on to what is inside.
struct Inside<V>(V);

/// The visitor of an option, in the place of one of a sequence or, with `MAP`, of a map.
struct OrEmpty<V, const MAP: bool>(V);

/// A seed that passes `Nil` on to what is inside.
struct Seed<T>(T);

/// An empty sequence or map.
struct Empty<E>(PhantomData<E>);

impl<'de, T: DeserializeSeed<'de>> DeserializeSeed<'de> for Seed<T> {
    type Value = T::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T::Value, D::Error> {
        self.0.deserialize(Nil(deserializer))
    }
}

impl<'de, V: Visitor<'de>, const MAP: bool> OrEmpty<V, MAP> {
    fn visit_empty<E: serde::de::Error>(self) -> Result<V::Value, E> {
        if MAP { self.0.visit_map(Empty(PhantomData)) } else { self.0.visit_seq(Empty(PhantomData)) }
    }
}

impl<'de, V: Visitor<'de>, const MAP: bool> Visitor<'de> for OrEmpty<V, MAP> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<V::Value, E> {
        self.visit_empty()
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<V::Value, E> {
        self.visit_empty()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        if MAP {
            deserializer.deserialize_map(Inside(self.0))
        } else {
            deserializer.deserialize_seq(Inside(self.0))
        }
    }
}

impl<'de, E: serde::de::Error> SeqAccess<'de> for Empty<E> {
    type Error = E;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, _: T) -> Result<Option<T::Value>, E> {
        Ok(None)
    }
}

impl<'de, E: serde::de::Error> MapAccess<'de> for Empty<E> {
    type Error = E;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, _: K) -> Result<Option<K::Value>, E> {
        Ok(None)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, _: T) -> Result<T::Value, E> {
        Err(E::custom("an empty map has no values"))
    }
}

/// Methods that only wrap the visitor.
macro_rules! hand_on {
    ($( $method:ident ( $( $name:ident : $type:ty ),* ) )*) => {$(
        fn $method<V: Visitor<'de>>(self, $( $name: $type, )* visitor: V) -> Result<V::Value, D::Error> {
            self.0.$method($( $name, )* Inside(visitor))
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Nil<D> {
    type Error = D::Error;

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_option(OrEmpty::<V, false>(visitor))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_option(OrEmpty::<V, true>(visitor))
    }

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
        deserialize_tuple(len: usize)
        deserialize_tuple_struct(name: &'static str, len: usize)
        deserialize_struct(name: &'static str, fields: &'static [&'static str])
        deserialize_enum(name: &'static str, variants: &'static [&'static str])
        deserialize_identifier()
        deserialize_ignored_any()
    }
}

/// Methods that only forward.
macro_rules! visit {
    ($( $method:ident ( $( $value:ident : $type:ty )? ) )*) => {$(
        fn $method<E: serde::de::Error>(self $( , $value: $type )?) -> Result<V::Value, E> {
            self.0.$method($( $value )?)
        }
    )*};
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Inside<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<V::Value, A::Error> {
        self.0.visit_seq(Nil(seq))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        self.0.visit_map(Nil(map))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        self.0.visit_some(Nil(deserializer))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        self.0.visit_newtype_struct(Nil(deserializer))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, data: A) -> Result<V::Value, A::Error> {
        self.0.visit_enum(Nil(data))
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

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Nil<A> {
    type Error = A::Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, A::Error> {
        self.0.next_element_seed(Seed(seed))
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Nil<A> {
    type Error = A::Error;

    // Keys are forwarded unchanged, because they are strings.
    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        self.0.next_key_seed(seed)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, A::Error> {
        self.0.next_value_seed(Seed(seed))
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, A: EnumAccess<'de>> EnumAccess<'de> for Nil<A> {
    type Error = A::Error;
    type Variant = Nil<A::Variant>;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Nil<A::Variant>), A::Error> {
        self.0.variant_seed(seed).map(|(value, variant)| (value, Nil(variant)))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Nil<A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.0.unit_variant()
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, A::Error> {
        self.0.newtype_variant_seed(Seed(seed))
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, A::Error> {
        self.0.tuple_variant(len, Inside(visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        self.0.struct_variant(fields, Inside(visitor))
    }
}
