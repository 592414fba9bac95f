//! Reads values by a rule that holds at any depth: a wrapper around a deserializer, which wraps all that is inside, too.
//!
//! Values that serde buffers (in flattened, untagged and internally tagged types) do not pass through here.

use std::fmt;

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error as _, MapAccess, SeqAccess, Unexpected, VariantAccess,
    Visitor,
};

/// How some values are read, in place of what the deserializer does by itself.
pub(super) trait Rule<'de>: Copy {
    /// Whether a struct is read only from an object, and not from an array of its fields.
    const STRUCTS_ARE_OBJECTS: bool = false;

    /// Reads a sequence.
    #[inline]
    fn seq<D: Deserializer<'de>, V: Visitor<'de>>(self, from: D, visitor: V) -> Result<V::Value, D::Error> {
        from.deserialize_seq(Inside::<V, Self>(visitor, self))
    }

    /// Reads a map.
    #[inline]
    fn map<D: Deserializer<'de>, V: Visitor<'de>>(self, from: D, visitor: V) -> Result<V::Value, D::Error> {
        from.deserialize_map(Inside::<V, Self>(visitor, self))
    }

    /// Reads text, for whoever borrows or copies it.
    #[inline]
    fn text<D: Deserializer<'de>, V: Visitor<'de>>(self, from: D, visitor: V) -> Result<V::Value, D::Error> {
        from.deserialize_str(Inside::<V, Self>(visitor, self))
    }

    /// Reads text, for whoever takes it as a `String` if it is one.
    #[inline]
    fn string<D: Deserializer<'de>, V: Visitor<'de>>(
        self,
        from: D,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        from.deserialize_string(Inside::<V, Self>(visitor, self))
    }
}

/// A deserializer, or a part of one, that reads by the rule `R`, at any depth.
pub(super) struct Deep<T, R>(pub(super) T, pub(super) R);

/// A visitor that passes `Deep` on to what is inside. With `STRUCT`, it is the visitor of a struct.
pub(super) struct Inside<V, R, const STRUCT: bool = false>(pub(super) V, pub(super) R);

/// A seed that passes `Deep` on to what is inside.
struct Seed<T, R>(T, R);

impl<'de, T: DeserializeSeed<'de>, R: Rule<'de>> DeserializeSeed<'de> for Seed<T, R> {
    type Value = T::Value;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T::Value, D::Error> {
        self.0.deserialize(Deep(deserializer, self.1))
    }
}

/// Methods that only wrap the visitor.
macro_rules! hand_on {
    ($( $method:ident ( $( $name:ident : $type:ty ),* ) )*) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, $( $name: $type, )* visitor: V) -> Result<V::Value, D::Error> {
            self.0.$method($( $name, )* Inside::<V, R>(visitor, self.1))
        }
    )*};
}

impl<'de, D: Deserializer<'de>, R: Rule<'de>> Deserializer<'de> for Deep<D, R> {
    type Error = D::Error;

    #[inline]
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.1.seq(self.0, visitor)
    }

    #[inline]
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.1.map(self.0, visitor)
    }

    #[inline]
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.1.text(self.0, visitor)
    }

    #[inline]
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.1.string(self.0, visitor)
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_struct(name, fields, Inside::<V, R, true>(visitor, self.1))
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
        deserialize_bytes()
        deserialize_byte_buf()
        deserialize_option()
        deserialize_unit()
        deserialize_unit_struct(name: &'static str)
        deserialize_newtype_struct(name: &'static str)
        deserialize_tuple(len: usize)
        deserialize_tuple_struct(name: &'static str, len: usize)
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

impl<'de, V: Visitor<'de>, R: Rule<'de>, const STRUCT: bool> Visitor<'de> for Inside<V, R, STRUCT> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    #[inline]
    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<V::Value, A::Error> {
        if STRUCT && R::STRUCTS_ARE_OBJECTS {
            return Err(A::Error::invalid_type(Unexpected::Seq, &self));
        }
        self.0.visit_seq(Deep(seq, self.1))
    }

    #[inline]
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        self.0.visit_map(Deep(map, self.1))
    }

    #[inline]
    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        self.0.visit_some(Deep(deserializer, self.1))
    }

    #[inline]
    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        self.0.visit_newtype_struct(Deep(deserializer, self.1))
    }

    #[inline]
    fn visit_enum<A: EnumAccess<'de>>(self, data: A) -> Result<V::Value, A::Error> {
        self.0.visit_enum(Deep(data, self.1))
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

impl<'de, A: SeqAccess<'de>, R: Rule<'de>> SeqAccess<'de> for Deep<A, R> {
    type Error = A::Error;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, A::Error> {
        self.0.next_element_seed(Seed(seed, self.1))
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, A: MapAccess<'de>, R: Rule<'de>> MapAccess<'de> for Deep<A, R> {
    type Error = A::Error;

    // Keys are forwarded unchanged, because they are strings.
    #[inline]
    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        self.0.next_key_seed(seed)
    }

    #[inline]
    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, A::Error> {
        self.0.next_value_seed(Seed(seed, self.1))
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, A: EnumAccess<'de>, R: Rule<'de>> EnumAccess<'de> for Deep<A, R> {
    type Error = A::Error;
    type Variant = Deep<A::Variant, R>;

    #[inline]
    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Self::Variant), A::Error> {
        self.0.variant_seed(seed).map(|(value, variant)| (value, Deep(variant, self.1)))
    }
}

impl<'de, A: VariantAccess<'de>, R: Rule<'de>> VariantAccess<'de> for Deep<A, R> {
    type Error = A::Error;

    #[inline]
    fn unit_variant(self) -> Result<(), A::Error> {
        self.0.unit_variant()
    }

    #[inline]
    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, A::Error> {
        self.0.newtype_variant_seed(Seed(seed, self.1))
    }

    #[inline]
    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, A::Error> {
        self.0.tuple_variant(len, Inside::<V, R>(visitor, self.1))
    }

    #[inline]
    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        self.0.struct_variant(fields, Inside::<V, R, true>(visitor, self.1))
    }
}
