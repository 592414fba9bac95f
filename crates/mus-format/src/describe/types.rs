//! Descriptions of the standard types, in each of their encodings.

use alloc::borrow::{Cow, ToOwned};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::rc::Rc;
use alloc::string::String;
#[cfg(target_has_atomic = "ptr")]
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::marker::PhantomData;
use core::time::Duration;
#[cfg(feature = "std")]
use std::collections::{HashMap, HashSet};

use super::{Describe, Description, Part};
use crate::encoding::{
    AllRaw, Borrow, Checked, DescribeAs, Length, Mapped, Of, Plain, Positive, Raw, RawInside, Unsaid, Varint,
};

impl<T: Describe + ?Sized> DescribeAs<T> for Plain {
    fn describe_as() -> Description {
        T::describe()
    }
}

impl<T: Describe + ?Sized> DescribeAs<T> for AllRaw {
    fn describe_as() -> Description {
        T::describe_raw()
    }
}

impl<T: ?Sized + 'static, E: DescribeAs<T>, V: 'static> DescribeAs<T> for Checked<E, V> {
    fn describe_as() -> Description {
        E::describe_as()
    }
}

/// Names of encodings by what is on the wire: `Varint` and `Positive` are the same for unsigned numbers.
macro_rules! leaves {
    ($($type:ty: $($encoding:ident $name:literal),+;)*) => {$($(
        impl DescribeAs<$type> for $encoding {
            fn describe_as() -> Description {
                Description::leaf($name)
            }
        }
    )+)*};
}
leaves! {
    u8: Raw "u8 raw", Varint "u8 varint", Positive "u8 varint";
    u16: Raw "u16 raw", Varint "u16 varint", Positive "u16 varint";
    u32: Raw "u32 raw", Varint "u32 varint", Positive "u32 varint";
    u64: Raw "u64 raw", Varint "u64 varint", Positive "u64 varint";
    usize: Raw "u64 raw", Varint "u64 varint", Positive "u64 varint";
    i8: Raw "i8 raw", Varint "i8 zigzag", Positive "i8 varint";
    i16: Raw "i16 raw", Varint "i16 zigzag", Positive "i16 varint";
    i32: Raw "i32 raw", Varint "i32 zigzag", Positive "i32 varint";
    i64: Raw "i64 raw", Varint "i64 zigzag", Positive "i64 varint";
    isize: Raw "i64 raw", Varint "i64 zigzag", Positive "i64 varint";
    f32: Raw "f32 raw", Varint "f32 varint";
    f64: Raw "f64 raw", Varint "f64 varint";
    Duration: Raw "duration nanoseconds raw", Varint "duration nanoseconds zigzag",
        Positive "duration nanoseconds varint";
}

/// Describes types by their default encoding, and by the one that `AllRaw` uses for them.
macro_rules! by_default {
    ($($encoding:ty, $raw:ty: $([$($generics:tt)*] $type:ty),+;)*) => {$($(
        impl<$($generics)*> Describe for $type {
            fn describe() -> Description {
                <$encoding as DescribeAs<Self>>::describe_as()
            }

            fn describe_raw() -> Description {
                <$raw as DescribeAs<Self>>::describe_as()
            }
        }
    )+)*};
}
by_default! {
    Raw, Raw: [] u8, [] i8, [] f32, [] f64;
    Varint, Raw: [] u16, [] u32, [] u64, [] usize, [] i16, [] i32, [] i64, [] isize, [] Duration;
    Of, Of: [] str, [] String, [] Box<str>, [] Rc<str>;
    Of, RawInside: [T: Describe] [T], [T: Describe] Vec<T>, [T: Describe] VecDeque<T>, [T: Describe] Box<[T]>,
        [T: Describe] Rc<[T]>, [T: Describe] BTreeSet<T>, [T: Describe, const N: usize] [T; N];
    Of, RawInside: [T: Describe, V: Describe] BTreeMap<T, V>;
    Of, RawInside: [T: Describe] Option<T>, [T: Describe] Box<T>, [T: Describe] Rc<T>;
}
#[cfg(target_has_atomic = "ptr")]
by_default!(Of, Of: [] Arc<str>; Of, RawInside: [T: Describe] Arc<[T]>, [T: Describe] Arc<T>;);
#[cfg(feature = "std")]
by_default! {
    Of, RawInside: [T: Describe, S: 'static] HashSet<T, S>;
    Of, RawInside: [T: Describe, V: Describe, S: 'static] HashMap<T, V, S>;
}

impl Describe for bool {
    fn describe() -> Description {
        Description::leaf("bool")
    }
}

/// Describes references like the type they point to.
macro_rules! same {
    ($($type:ty: [$($generics:tt)*] $other:ty;)*) => {$(
        impl<$($generics)*> Describe for $type {
            fn describe() -> Description {
                <$other>::describe()
            }

            fn describe_raw() -> Description {
                <$other>::describe_raw()
            }
        }
    )*};
}
same! {
    &'static T: [T: Describe + ?Sized] T;
    &'static mut T: [T: Describe + ?Sized] T;
    Cow<'static, B>: [B: ToOwned + Describe + ?Sized] B;
}

impl<T: ?Sized + 'static> Describe for PhantomData<T> {
    fn describe() -> Description {
        Description::fields(&[])
    }
}

macro_rules! texts {
    ($($type:ty),*) => {$(
        impl<L: Length, const MAX: usize, E: Unsaid, K: Unsaid> DescribeAs<$type> for Of<L, MAX, E, K> {
            fn describe_as() -> Description {
                Description::string::<L>()
            }
        }
    )*};
}
texts!(str, String, Box<str>, Rc<str>);
#[cfg(target_has_atomic = "ptr")]
texts!(Arc<str>);

macro_rules! sequences {
    ($([$($other:ident)?] $type:ty),*) => {$(
        impl<T: 'static, L: Length, const MAX: usize, E: DescribeAs<T> $(, $other: 'static)?, K: Unsaid> DescribeAs<$type>
            for Of<L, MAX, E, K>
        {
            fn describe_as() -> Description {
                Description::sequence::<L>(Part::of_as::<E, T>())
            }
        }
    )*};
}
sequences!([] [T], [] Vec<T>, [] VecDeque<T>, [] Box<[T]>, [] Rc<[T]>, [] BTreeSet<T>);
#[cfg(target_has_atomic = "ptr")]
sequences!([] Arc<[T]>);
#[cfg(feature = "std")]
sequences!([S] HashSet<T, S>);

impl<T: 'static, L: Length, const MAX: usize, E: DescribeAs<T>, const N: usize, K: Unsaid> DescribeAs<[T; N]>
    for Of<L, MAX, E, K>
{
    fn describe_as() -> Description {
        Description::array::<L>(Part::of_as::<E, T>(), N)
    }
}

#[cfg(feature = "bytes")]
mod shared {
    use bytes::Bytes;

    use super::*;

    impl<L: Length, const MAX: usize, E: Unsaid, K: Unsaid> DescribeAs<Bytes> for Of<L, MAX, E, K> {
        fn describe_as() -> Description {
            <Of<L, MAX> as DescribeAs<[u8]>>::describe_as()
        }
    }

    by_default!(Of, Of: [] Bytes;);
}

/// The encoding of an entry of a map: a key, then a value.
struct Pair<K, E>(PhantomData<(K, E)>);

impl<T: 'static, V: 'static, K: DescribeAs<T>, E: DescribeAs<V>> DescribeAs<(T, V)> for Pair<K, E> {
    fn describe_as() -> Description {
        Description::fields(&[Part::of_as::<K, T>(), Part::of_as::<E, V>()])
    }
}

macro_rules! maps {
    ($([$($other:ident)?] $type:ty),*) => {$(
        impl<T: 'static, V: 'static, L: Length, const MAX: usize, E: DescribeAs<V>, K: DescribeAs<T> $(, $other: 'static)?>
            DescribeAs<$type> for Of<L, MAX, E, K>
        {
            fn describe_as() -> Description {
                Description::sequence::<L>(Part::of_as::<Pair<K, E>, (T, V)>())
            }
        }
    )*};
}
maps!([] BTreeMap<T, V>);
#[cfg(feature = "std")]
maps!([S] HashMap<T, V, S>);

impl<T: 'static, E: DescribeAs<T>, K: Unsaid> DescribeAs<Option<T>> for Of<Positive, { usize::MAX }, E, K> {
    fn describe_as() -> Description {
        Description::optional(Part::of_as::<E, T>())
    }
}

macro_rules! owners {
    ($($type:ident)*) => {$(
        impl<T: 'static, E: DescribeAs<T>, K: Unsaid> DescribeAs<$type<T>> for Of<Positive, { usize::MAX }, E, K> {
            fn describe_as() -> Description {
                E::describe_as()
            }
        }

        impl<T: 'static, E: DescribeAs<T>> DescribeAs<$type<T>> for Mapped<E> {
            fn describe_as() -> Description {
                Description::mapped(false, Part::of_as::<E, T>())
            }
        }

        impl<T: 'static, E: DescribeAs<T>> DescribeAs<Option<$type<T>>> for Mapped<E> {
            fn describe_as() -> Description {
                Description::mapped(true, Part::of_as::<E, T>())
            }
        }
    )*};
}
impl<T: 'static, E: DescribeAs<T>, K: Unsaid> DescribeAs<Box<T>> for Of<Positive, { usize::MAX }, E, K> {
    fn describe_as() -> Description {
        E::describe_as()
    }
}
owners!(Rc);
#[cfg(target_has_atomic = "ptr")]
owners!(Arc);

impl<T: ?Sized + 'static, L, const MAX: usize, E, K> DescribeAs<&'static T> for Of<L, MAX, E, K>
where
    Self: DescribeAs<T>,
{
    fn describe_as() -> Description {
        <Self as DescribeAs<T>>::describe_as()
    }
}

impl<B: ToOwned + ?Sized + 'static, L, const MAX: usize, E, K> DescribeAs<Cow<'static, B>>
    for Of<L, MAX, E, K>
where
    Self: DescribeAs<B>,
{
    fn describe_as() -> Description {
        <Self as DescribeAs<B>>::describe_as()
    }
}

impl<B: ToOwned + Describe + ?Sized> DescribeAs<Cow<'static, B>> for Borrow {
    fn describe_as() -> Description {
        B::describe()
    }
}

macro_rules! tuples {
    ($($($type:ident)*;)*) => {$(
        impl<$($type: Describe),*> Describe for ($($type,)*) {
            fn describe() -> Description {
                Description::fields(&[$(Part::of::<$type>()),*])
            }

            fn describe_raw() -> Description {
                Description::fields(&[$(Part::of_as::<AllRaw, $type>()),*])
            }
        }
    )*};
}
tuples! {
    ;
    A;
    A B;
    A B C;
    A B C D;
    A B C D E;
    A B C D E F;
    A B C D E F G;
    A B C D E F G H;
    A B C D E F G H I;
    A B C D E F G H I J;
    A B C D E F G H I J K;
    A B C D E F G H I J K L;
}
