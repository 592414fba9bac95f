//! Types of all kinds, and any values of them.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mus_format::Mus;
use proptest::prelude::*;

/// A float that is equal if its bits are.
#[derive(Mus, Clone, Copy, Debug)]
pub(crate) struct Float(pub(crate) f64);

impl PartialEq for Float {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

impl Arbitrary for Float {
    type Parameters = ();
    type Strategy = BoxedStrategy<Self>;

    fn arbitrary_with((): ()) -> Self::Strategy {
        any::<u64>().prop_map(|bits| Self(f64::from_bits(bits))).boxed()
    }
}

/// Floats of both widths in both encodings.
#[derive(Mus, Clone, Debug)]
pub(crate) struct Floats(f32, #[mus(varint)] f32, f64, #[mus(varint)] f64);

impl Floats {
    const fn bits(&self) -> (u32, u32, u64, u64) {
        (self.0.to_bits(), self.1.to_bits(), self.2.to_bits(), self.3.to_bits())
    }
}

impl PartialEq for Floats {
    fn eq(&self, other: &Self) -> bool {
        self.bits() == other.bits()
    }
}

impl Arbitrary for Floats {
    type Parameters = ();
    type Strategy = BoxedStrategy<Self>;

    fn arbitrary_with((): ()) -> Self::Strategy {
        let (f32s, f64s) = (any::<u32>().prop_map(f32::from_bits), any::<u64>().prop_map(f64::from_bits));
        (f32s.clone(), f32s, f64s.clone(), f64s).prop_map(|(a, b, c, d)| Self(a, b, c, d)).boxed()
    }
}

macro_rules! numbers {
    ($($name:ident: $type:ty, $(#[$option:meta])?;)*) => {
        /// Numbers of all widths in all encodings.
        #[derive(Mus, Clone, PartialEq, Debug)]
        pub(crate) struct Numbers {
            $($(#[$option])? $name: $type,)*
        }

        impl Arbitrary for Numbers {
            type Parameters = ();
            type Strategy = BoxedStrategy<Self>;

            fn arbitrary_with((): ()) -> Self::Strategy {
                // Any bits, shifted by any number of places: all lengths are equally likely.
                let numbers = prop::collection::vec((any::<u64>(), 0..64_u32), 64);
                let numbers = numbers.prop_map(|all| {
                    let mut all = all.into_iter().map(|(bits, shift)| bits >> shift);
                    Self { $($name: all.next().expect("enough") as $type,)* }
                });
                numbers.boxed()
            }
        }
    };
}
numbers! {
    byte: u8,;
    byte_varint: u8, #[mus(varint)];
    byte_positive: u8, #[mus(positive)];
    signed_byte: i8,;
    signed_byte_varint: i8, #[mus(varint)];
    signed_byte_positive: i8, #[mus(positive)];
    short: u16,;
    short_raw: u16, #[mus(raw)];
    signed_short: i16,;
    signed_short_raw: i16, #[mus(raw)];
    signed_short_positive: i16, #[mus(positive)];
    word: u32,;
    word_raw: u32, #[mus(raw)];
    signed_word: i32,;
    signed_word_raw: i32, #[mus(raw)];
    signed_word_positive: i32, #[mus(positive)];
    long: u64,;
    long_raw: u64, #[mus(raw)];
    signed_long: i64,;
    signed_long_raw: i64, #[mus(raw)];
    signed_long_positive: i64, #[mus(positive)];
    size: usize,;
    size_raw: usize, #[mus(raw)];
    signed_size: isize,;
    signed_size_raw: isize, #[mus(raw)];
}

/// A type that contains itself in every way.
#[derive(Mus, Clone, PartialEq, Debug)]
pub(crate) enum Tree {
    Leaf,
    Number(i64),
    Pair {
        left: Box<Self>,
        right: Box<Self>,
    },
    Many(Vec<Self>),
    Named(BTreeMap<String, Self>),
    #[mus(dtm = 300)]
    Maybe(Option<Rc<Self>>),
}

impl Tree {
    pub(crate) fn any() -> impl Strategy<Value = Self> {
        let leaf = prop_oneof![Just(Self::Leaf), any::<i64>().prop_map(Self::Number)];
        leaf.prop_recursive(6, 40, 4, |inner| {
            let boxed = inner.clone().prop_map(Box::new);
            prop_oneof![
                (boxed.clone(), boxed).prop_map(|(left, right)| Self::Pair { left, right }),
                prop::collection::vec(inner.clone(), 0..4).prop_map(Self::Many),
                prop::collection::btree_map(".{0,3}", inner.clone(), 0..4).prop_map(Self::Named),
                prop::option::of(inner.prop_map(Rc::new)).prop_map(Self::Maybe),
            ]
        })
    }
}

/// Pointers that are shared, also by what is behind pointers.
#[derive(Mus, Clone, Debug)]
pub(crate) struct Shared {
    #[mus(elem(mapped))]
    texts: Vec<Option<Rc<String>>>,
    #[mus(elem(mapped))]
    groups: Vec<Rc<Group>>,
}

/// What a pointer leads to that leads further.
#[derive(Mus, Debug)]
struct Group {
    #[mus(elem(mapped))]
    texts: Vec<Rc<String>>,
}

impl Shared {
    pub(crate) fn any() -> impl Strategy<Value = Self> {
        let texts = prop::collection::vec(".{0,4}".prop_map(Rc::new), 1..5);
        let some = || prop::collection::vec(any::<prop::sample::Index>(), 0..6);
        let groups = prop::collection::vec(some(), 1..4);
        (texts, some(), groups, some()).prop_map(|(texts, top, groups, order)| {
            let text = |at: &prop::sample::Index| Rc::clone(&texts[at.index(texts.len())]);
            let groups = groups.iter().map(|all| Rc::new(Group { texts: all.iter().map(text).collect() }));
            let groups: Vec<_> = groups.collect();
            Self {
                texts: top.iter().map(|at| (at.index(5) > 0).then(|| text(at))).collect(),
                groups: order.iter().map(|at| Rc::clone(&groups[at.index(groups.len())])).collect(),
            }
        })
    }

    /// Which texts there are and where each is used; the same of the groups.
    fn uses(&self) -> (Vec<Option<&String>>, Vec<usize>, Vec<usize>) {
        let grouped = self.groups.iter().flat_map(|group| group.texts.iter().map(Some));
        let all: Vec<_> = self.texts.iter().map(Option::as_ref).chain(grouped).collect();
        let first = |a: &Option<&Rc<String>>| {
            let is = |b: &Option<&Rc<String>>| match (a, b) {
                (Some(a), Some(b)) => Rc::ptr_eq(a, b),
                (None, None) => true,
                _ => false,
            };
            all.iter().position(is).expect("itself")
        };
        let group = |a: &Rc<Group>| self.groups.iter().position(|b| Rc::ptr_eq(a, b)).expect("itself");
        let texts = all.iter().map(|text| text.map(|text| &**text)).collect();
        (texts, all.iter().map(first).collect(), self.groups.iter().map(group).collect())
    }
}

impl PartialEq for Shared {
    fn eq(&self, other: &Self) -> bool {
        let lengths = |all: &Self| all.groups.iter().map(|group| group.texts.len()).collect::<Vec<_>>();
        self.uses() == other.uses() && lengths(self) == lengths(other)
    }
}

/// Fields with options.
#[derive(Mus, Clone, PartialEq, Debug)]
pub(crate) struct Options {
    #[mus(len = raw)]
    raw_length: String,
    #[mus(len = varint, max_len = 100, elem(raw))]
    bounded: Vec<u16>,
    #[mus(elem(elem(positive)), key(len = raw))]
    nested: BTreeMap<String, Vec<i32>>,
    #[mus(milliseconds)]
    at: SystemTime,
    #[mus(raw)]
    lasts: Duration,
    #[mus(elem(validate = not_seven))]
    checked: Vec<u8>,
    #[mus(skip)]
    skipped: Vec<u64>,
}

fn not_seven(number: &u8) -> Result<(), &'static str> {
    if *number == 7 { Err("seven") } else { Ok(()) }
}

impl Arbitrary for Options {
    type Parameters = ();
    type Strategy = BoxedStrategy<Self>;

    fn arbitrary_with((): ()) -> Self::Strategy {
        let times = (-4_000_000_000_000_i64..4_000_000_000_000).prop_map(|milliseconds| {
            let distance = Duration::from_millis(milliseconds.unsigned_abs());
            if milliseconds < 0 { UNIX_EPOCH - distance } else { UNIX_EPOCH + distance }
        });
        let numbers = prop::collection::vec(any::<i32>(), 0..3);
        (
            ".{0,6}",
            prop::collection::vec(any::<u16>(), 0..8),
            prop::collection::btree_map(".{0,3}", numbers, 0..3),
            times,
            (0..i64::MAX.cast_unsigned()).prop_map(Duration::from_nanos),
            prop::collection::vec(8_u8..200, 0..5),
        )
            .prop_map(|(raw_length, bounded, nested, at, lasts, checked)| Self {
                raw_length,
                bounded,
                nested,
                at,
                lasts,
                checked,
                skipped: Vec::new(),
            })
            .boxed()
    }
}

/// A struct with a tag, and fields that take the same number of bytes whatever they hold.
#[derive(Mus, Clone, PartialEq, Debug)]
#[mus(dtm = 1000)]
pub(crate) struct Typed {
    point: (Float, Float),
    #[mus(raw)]
    id: u32,
    tail: Option<u8>,
}

impl Arbitrary for Typed {
    type Parameters = ();
    type Strategy = BoxedStrategy<Self>;

    fn arbitrary_with((): ()) -> Self::Strategy {
        any::<(Float, Float, u32, Option<u8>)>()
            .prop_map(|(x, y, id, tail)| Self { point: (x, y), id, tail })
            .boxed()
    }
}

/// Numbers that are all raw, in whatever holds them.
#[derive(Mus, Clone, Debug, PartialEq)]
#[mus(raw)]
pub(crate) struct AllRaw {
    numbers: (u16, i16, u32, i32, u64, i64),
    list: Vec<Option<i32>>,
    bulk: Vec<u64>,
    array: [u16; 3],
    map: BTreeMap<i64, Box<u32>>,
    duration: Duration,
    #[mus(varint)]
    varint: u64,
    #[mus(len = varint, max_len = 4)]
    short: Vec<u16>,
}

impl AllRaw {
    /// Any.
    pub(crate) fn any() -> impl Strategy<Value = Self> {
        let duration = (0..=i64::MAX.cast_unsigned()).prop_map(Duration::from_nanos);
        let map = prop::collection::btree_map(any::<i64>(), any::<Box<u32>>(), 0..4);
        let lists = (
            prop::collection::vec(any::<Option<i32>>(), 0..4),
            prop::collection::vec(any::<u64>(), 0..4),
            prop::collection::vec(any::<u16>(), 0..4),
        );
        (any::<(u16, i16, u32, i32, u64, i64)>(), lists, any::<[u16; 3]>(), map, duration, any::<u64>())
            .prop_map(|(numbers, (list, bulk, short), array, map, duration, varint)| Self {
                numbers,
                list,
                bulk,
                array,
                map,
                duration,
                varint,
                short,
            })
    }
}

/// Anything as its text.
#[derive(Mus, Clone, Debug, PartialEq)]
pub(crate) struct TextOf<T>(#[mus(with = mus_format::encoding::Text)] pub(crate) T);

/// Anything by way of a number.
#[derive(Mus, Clone, Debug, PartialEq)]
pub(crate) struct ViaU32<T>(#[mus(with = mus_format::encoding::Via<u32>)] pub(crate) T);

/// Times in units that are finer than seconds, each a whole number of its unit.
#[cfg(any(feature = "chrono", feature = "time"))]
#[derive(Mus, Clone, Debug, PartialEq)]
pub(crate) struct Times<T> {
    #[mus(milliseconds)]
    milliseconds: T,
    #[mus(microseconds)]
    microseconds: T,
    #[mus(nanoseconds)]
    nanoseconds: T,
}

#[cfg(any(feature = "chrono", feature = "time"))]
impl<T: std::fmt::Debug> Times<T> {
    /// Any, as far as 64 bits of nanoseconds go; `make` makes one of seconds and nanoseconds.
    pub(crate) fn any(make: fn(i64, u32) -> T) -> impl Strategy<Value = Self> {
        any::<i64>().prop_map(move |count| {
            let (seconds, nanoseconds) =
                (count.div_euclid(1_000_000_000), count.rem_euclid(1_000_000_000) as u32);
            Self {
                milliseconds: make(seconds, nanoseconds / 1_000_000 * 1_000_000),
                microseconds: make(seconds, nanoseconds / 1000 * 1000),
                nanoseconds: make(seconds, nanoseconds),
            }
        })
    }
}
