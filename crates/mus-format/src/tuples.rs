//! Tuples, which are encoded like structs, and types without bytes.

use core::marker::PhantomData;

use crate::decode::Decode;
use crate::encode::Encode;
use crate::output::Output;
use crate::reader::{Reader, Stopped};
use crate::shape::Shape;

macro_rules! tuples {
    ($($(($type:ident $at:tt))+;)*) => {$(
        impl<$($type: Encode),+> Encode for ($($type,)+) {
            const HAS_BYTES: bool = false $(|| $type::HAS_BYTES)+;

            #[inline]
            fn encode<O: Output + ?Sized>(&self, out: &mut O) {
                $(self.$at.encode(out);)+
            }

            #[inline]
            fn encode_raw<O: Output + ?Sized>(&self, out: &mut O) {
                $(self.$at.encode_raw(out);)+
            }
        }

        impl<'de, $($type: Decode<'de>),+> Decode<'de> for ($($type,)+) {
            const SHAPE: Shape = Shape::fields(const { &[$($type::SHAPE),+] });

            #[inline]
            fn decode(reader: &mut Reader<'de>) -> Result<Self, Stopped> {
                Ok(($($type::decode(reader)?,)+))
            }

            const RAW_SHAPE: Shape = Shape::fields(const { &[$($type::RAW_SHAPE),+] });

            #[inline]
            fn decode_raw(reader: &mut Reader<'de>) -> Result<Self, Stopped> {
                Ok(($($type::decode_raw(reader)?,)+))
            }
        }
    )*};
}
tuples! {
    (A 0);
    (A 0) (B 1);
    (A 0) (B 1) (C 2);
    (A 0) (B 1) (C 2) (D 3);
    (A 0) (B 1) (C 2) (D 3) (E 4);
    (A 0) (B 1) (C 2) (D 3) (E 4) (F 5);
    (A 0) (B 1) (C 2) (D 3) (E 4) (F 5) (G 6);
    (A 0) (B 1) (C 2) (D 3) (E 4) (F 5) (G 6) (H 7);
    (A 0) (B 1) (C 2) (D 3) (E 4) (F 5) (G 6) (H 7) (I 8);
    (A 0) (B 1) (C 2) (D 3) (E 4) (F 5) (G 6) (H 7) (I 8) (J 9);
    (A 0) (B 1) (C 2) (D 3) (E 4) (F 5) (G 6) (H 7) (I 8) (J 9) (K 10);
    (A 0) (B 1) (C 2) (D 3) (E 4) (F 5) (G 6) (H 7) (I 8) (J 9) (K 10) (L 11);
}

macro_rules! empty {
    ($([$($generics:tt)*] $type:ty = $value:expr;)*) => {$(
        impl<$($generics)*> Encode for $type {
            #[inline]
            fn encode<O: Output + ?Sized>(&self, _: &mut O) {}
        }

        impl<'de, $($generics)*> Decode<'de> for $type {
            const SHAPE: Shape = Shape::fixed(0);

            #[inline]
            fn decode(_: &mut Reader<'de>) -> Result<Self, Stopped> {
                Ok($value)
            }
        }
    )*};
}
empty! {
    [] () = ();
    [T: ?Sized] PhantomData<T> = PhantomData;
}
