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

use serde::de::{Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, Serializer};

use crate::format::json::deep::{Deep, Inside, Rule};

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
    T::deserialize(Deep(deserializer, Nil))
}

/// `null` is read as an empty sequence or map where one is expected.
#[derive(Clone, Copy)]
struct Nil;

impl<'de> Rule<'de> for Nil {
    fn seq<D: Deserializer<'de>, V: Visitor<'de>>(self, from: D, visitor: V) -> Result<V::Value, D::Error> {
        from.deserialize_option(OrEmpty::<V, false>(visitor))
    }

    fn map<D: Deserializer<'de>, V: Visitor<'de>>(self, from: D, visitor: V) -> Result<V::Value, D::Error> {
        from.deserialize_option(OrEmpty::<V, true>(visitor))
    }
}

/// The visitor of an option, in the place of one of a sequence or, with `MAP`, of a map.
struct OrEmpty<V, const MAP: bool>(V);

/// An empty sequence or map.
struct Empty<E>(PhantomData<E>);

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
            deserializer.deserialize_map(Inside::<V, Nil>(self.0, Nil))
        } else {
            deserializer.deserialize_seq(Inside::<V, Nil>(self.0, Nil))
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

#[cfg(test)]
mod tests {
    use serde::de::value::Error;
    use serde::de::{Deserializer, Error as _, Visitor};
    use serde::forward_to_deserialize_any;

    /// A format that reads long text only as a `String`.
    struct Long;

    impl<'de> Deserializer<'de> for Long {
        type Error = Error;

        fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
            Err(Error::custom("too long"))
        }

        fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            visitor.visit_string("long".to_owned())
        }

        forward_to_deserialize_any! {
            bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str bytes byte_buf option unit unit_struct
            newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
        }
    }

    #[test]
    fn a_string_is_asked_for_as_one() {
        assert_eq!(super::deserialize::<String, _>(Long), Ok("long".to_owned()));
        assert!(super::deserialize::<Box<[u8]>, _>(Long).is_err());
    }
}
