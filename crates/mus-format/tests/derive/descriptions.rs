//! Descriptions: what tells two types apart, and what does not.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use mus_format::encoding::{
    Borrow, Checked, DescribeAs, Mapped, Microseconds, Milliseconds, Nanoseconds, Of, Plain, Positive, Raw,
    Seconds, Validate, Varint,
};
use mus_format::{Describe, Description, Mus, Part, Refusal, description};

fn described_as<E: DescribeAs<T>, T: 'static>() -> String {
    struct As<E, T>(PhantomData<(E, T)>);
    impl<E: DescribeAs<T>, T: 'static> Describe for As<E, T> {
        fn describe() -> Description {
            E::describe_as()
        }
    }
    description::<As<E, T>>()
}

#[test]
fn numbers_tell_their_width_their_sign_and_their_encoding() {
    let all = [
        description::<bool>(),
        description::<u8>(),
        description::<u16>(),
        description::<u32>(),
        description::<u64>(),
        description::<i8>(),
        description::<i16>(),
        description::<i32>(),
        description::<i64>(),
        description::<f32>(),
        description::<f64>(),
        described_as::<Varint, u8>(),
        described_as::<Raw, u16>(),
        described_as::<Raw, u32>(),
        described_as::<Raw, u64>(),
        described_as::<Varint, i8>(),
        described_as::<Positive, i8>(),
        described_as::<Raw, i16>(),
        described_as::<Positive, i16>(),
        described_as::<Raw, i32>(),
        described_as::<Positive, i32>(),
        described_as::<Raw, i64>(),
        described_as::<Positive, i64>(),
        described_as::<Varint, f32>(),
        described_as::<Varint, f64>(),
        description::<Duration>(),
        described_as::<Raw, Duration>(),
        described_as::<Positive, Duration>(),
        description::<SystemTime>(),
        described_as::<Milliseconds, SystemTime>(),
        described_as::<Microseconds, SystemTime>(),
        described_as::<Nanoseconds, SystemTime>(),
        description::<String>(),
        description::<Vec<u8>>(),
        description::<[u8; 3]>(),
        description::<[u8; 4]>(),
        description::<Option<u8>>(),
        description::<()>(),
        description::<(u8,)>(),
        description::<(u8, u8)>(),
        description::<Vec<Vec<u8>>>(),
        described_as::<Of<Raw>, Vec<u8>>(),
        described_as::<Of<Varint>, Vec<u8>>(),
        described_as::<Of<Raw>, String>(),
        described_as::<Of<Varint>, String>(),
        described_as::<Of<Raw>, [u8; 3]>(),
        described_as::<Of<Positive, 10, Varint>, Vec<u8>>(),
        described_as::<Mapped, Rc<u8>>(),
        described_as::<Mapped, Option<Rc<u8>>>(),
        described_as::<Mapped<Varint>, Rc<u8>>(),
        description::<BTreeMap<u8, bool>>(),
        described_as::<Of<Positive, 5, Plain, Varint>, BTreeMap<u8, bool>>(),
    ];
    let distinct: BTreeSet<_> = all.iter().collect();
    assert_eq!(distinct.len(), all.len(), "{all:#?}");
}

#[test]
fn what_is_the_same_on_the_wire_is_described_alike() {
    for (one, other) in [
        (description::<usize>(), description::<u64>()),
        (description::<isize>(), description::<i64>()),
        (described_as::<Raw, usize>(), described_as::<Raw, u64>()),
        (described_as::<Positive, isize>(), described_as::<Positive, i64>()),
        (described_as::<Positive, u32>(), description::<u32>()),
        (described_as::<Raw, u8>(), description::<u8>()),
        (described_as::<Plain, i32>(), description::<i32>()),
        (described_as::<Varint, Duration>(), description::<Duration>()),
        (described_as::<Seconds, SystemTime>(), description::<SystemTime>()),
        (description::<&str>(), description::<String>()),
        (description::<Box<str>>(), description::<String>()),
        (description::<Arc<str>>(), description::<String>()),
        (description::<Cow<'static, str>>(), description::<String>()),
        (described_as::<Borrow, Cow<'static, str>>(), description::<String>()),
        (described_as::<Of<Raw>, Cow<'static, str>>(), described_as::<Of<Raw>, String>()),
        (description::<&[u8]>(), description::<Vec<u8>>()),
        (description::<VecDeque<u16>>(), description::<Vec<u16>>()),
        (description::<Box<[u16]>>(), description::<Vec<u16>>()),
        (description::<Arc<[u16]>>(), description::<Vec<u16>>()),
        (description::<BTreeSet<u16>>(), description::<Vec<u16>>()),
        (description::<HashSet<u16>>(), description::<Vec<u16>>()),
        (description::<HashMap<u16, bool>>(), description::<BTreeMap<u16, bool>>()),
        (description::<HashMap<u16, bool>>(), description::<Vec<(u16, bool)>>()),
        (description::<Box<u16>>(), description::<u16>()),
        (description::<Rc<Box<Arc<u16>>>>(), description::<u16>()),
        (described_as::<Of<Positive, { usize::MAX }, Raw>, Box<u16>>(), described_as::<Raw, u16>()),
        (described_as::<Mapped, Arc<u16>>(), described_as::<Mapped, Rc<u16>>()),
        (description::<PhantomData<u16>>(), description::<()>()),
        #[cfg(feature = "bytes")]
        (description::<bytes::Bytes>(), description::<Vec<u8>>()),
    ] {
        assert_eq!(one, other);
    }
}

#[test]
fn limits_and_checks_are_no_part_of_it() {
    struct Even;
    impl Validate<u32> for Even {
        fn validate(_: &u32) -> Result<(), Refusal> {
            Ok(())
        }
    }
    assert_eq!(described_as::<Of<Positive, 7>, Vec<u32>>(), description::<Vec<u32>>());
    assert_eq!(described_as::<Checked<Raw, Even>, u32>(), described_as::<Raw, u32>());

    #[derive(Mus)]
    #[mus(validate = Self::check)]
    struct Strict {
        #[mus(max_len = 5, elem(validate = check))]
        list: Vec<u32>,
    }
    impl Strict {
        fn check(&self) -> Result<(), &'static str> {
            Ok(())
        }
    }
    fn check(_: &u32) -> Result<(), &'static str> {
        Ok(())
    }
    #[derive(Mus)]
    struct Lax {
        list: Vec<u32>,
    }
    assert_eq!(description::<Strict>(), description::<Lax>());
}

/// The description of a struct with these fields, whatever its name.
macro_rules! described {
    ({ $($body:tt)* }) => {{
        #[derive(Mus)]
        #[allow(dead_code, reason = "it is described, and never made")]
        struct Type { $($body)* }
        description::<Type>()
    }};
    ($(#[$attribute:meta])* enum { $($body:tt)* }) => {{
        #[derive(Mus)]
        #[allow(dead_code, reason = "it is described, and never made")]
        $(#[$attribute])*
        enum Type { $($body)* }
        description::<Type>()
    }};
    ($(#[$attribute:meta])* ( $($body:tt)* )) => {{
        #[derive(Mus)]
        #[allow(dead_code, reason = "it is described, and never made")]
        $(#[$attribute])*
        struct Type($($body)*);
        description::<Type>()
    }};
}

#[test]
fn a_field_tells_its_name_its_place_its_type_and_its_encoding() {
    let first = described!({ a: i64, b: i64 });
    for other in [
        described!({ a: i64, c: i64 }),
        described!({ b: i64, a: i64 }),
        described!({ a: i64, b: i64, c: i64 }),
        described!({ a: i64 }),
        described!({ a: i64, b: u64 }),
        described!({ a: i64, #[mus(raw)] b: i64 }),
        described!({ a: i64, #[mus(positive)] b: i64 }),
        described!({ a: i64, b: Option<i64> }),
        described!({ a: i64, #[mus(skip)] b: i64 }),
        described!((i64, i64)),
        described!(enum { A { a: i64, b: i64 } }),
        described!(
            #[mus(dtm = 1)]
            (i64, i64)
        ),
        described!(
            #[mus(dtm = 2)]
            (i64, i64)
        ),
        String::new(),
    ] {
        assert_ne!(first, other);
    }
    assert_eq!(first, described!({ a: i64, b: i64 }));
    assert_eq!(first, described!({ a: i64, #[mus(skip)] other: i64, #[mus(varint)] b: isize }));
    assert_eq!(
        described!((
            i64,
            #[mus(skip)]
            u8,
            bool
        )),
        description::<(i64, bool)>()
    );
    assert_eq!(described!({ r#type: bool }), "#0 = {type: bool}");
    assert_ne!(
        described!(
            #[mus(dtm = 1)]
            (i64)
        ),
        described!(
            #[mus(dtm = 2)]
            (i64)
        )
    );
}

#[test]
fn a_variant_tells_its_tag_and_its_name() {
    let first = described!(enum { A, B(u8) });
    for other in [
        described!(enum { A, C(u8) }),
        described!(enum { A, B(i8) }),
        described!(enum { B(u8), A }),
        described!(enum { A, B { b: u8 } }),
        described!(enum { A, #[mus(dtm = 3)] B(u8) }),
        described!(enum { A, B(u8), C }),
        described!(enum { A }),
    ] {
        assert_ne!(first, other);
    }
    assert_eq!(first, "#0 = <1 A () | 2 B (u8 raw)>");
    assert_eq!(first, described!(enum { #[mus(dtm = 2)] B(u8), #[mus(dtm = 1)] A }));
    assert_eq!(described!(enum { #[mus(dtm = -3)] r#Self_ }), "#0 = <-3 Self_ ()>");
}

#[test]
fn a_type_that_contains_itself_ends_in_its_number() {
    #[derive(Mus)]
    struct Tree {
        children: Vec<Self>,
    }
    assert_eq!(description::<Tree>(), "#0 = {children: [#0]}");
    #[derive(Mus)]
    enum List<T> {
        End,
        Item(T, Box<Self>),
    }
    assert_eq!(description::<List<u8>>(), "#0 = <1 End () | 2 Item (u8 raw, #0)>");
    assert_eq!(description::<Vec<List<bool>>>(), "#0 = [#1]\n#1 = <1 End () | 2 Item (bool, #1)>");
    // No value of it can be made, but it can be described.
    struct Endless;
    impl Describe for Endless {
        fn describe() -> Description {
            Description::fields(&[Part::of::<Box<Self>>()])
        }
    }
    assert_eq!(description::<Endless>(), "#0 = (#0)");
}

#[test]
fn types_that_contain_each_other_end_in_their_numbers() {
    #[derive(Mus)]
    struct Folder {
        name: String,
        entries: BTreeMap<String, Entry>,
    }
    #[derive(Mus)]
    enum Entry {
        File(Vec<u8>),
        Folder(Folder),
        Link(Option<Rc<Self>>),
    }
    assert_eq!(
        description::<Folder>(),
        "#0 = {name: string, entries: [#1]}\n\
         #1 = (string, #2)\n\
         #2 = <1 File ([u8 raw]) | 2 Folder (#0) | 3 Link (option(#2))>"
    );
    assert_eq!(
        description::<Entry>(),
        "#0 = <1 File ([u8 raw]) | 2 Folder (#1) | 3 Link (option(#0))>\n\
         #1 = {name: string, entries: [#2]}\n\
         #2 = (string, #0)"
    );
}

#[test]
fn how_many_rust_types_there_are_for_one_thing_does_not_matter() {
    #[derive(Mus)]
    struct Sum(i64);
    #[derive(Mus)]
    struct Product(i64);
    #[derive(Mus)]
    struct Both {
        one: Sum,
        other: Product,
    }
    #[derive(Mus)]
    struct Twice {
        one: Sum,
        other: Sum,
    }
    assert_eq!(description::<Both>(), "#0 = {one: #1, other: #1}\n#1 = (i64 zigzag)");
    assert_eq!(description::<Both>(), description::<Twice>());

    // A cycle of one type, and one of two that are alike.
    #[derive(Mus)]
    struct One {
        next: Option<Box<Self>>,
    }
    #[derive(Mus)]
    struct First {
        next: Option<Box<Second>>,
    }
    #[derive(Mus)]
    struct Second {
        next: Option<Box<First>>,
    }
    assert_eq!(description::<One>(), "#0 = {next: option(#0)}");
    assert_eq!(description::<First>(), description::<One>());
    // Alike at first, and not in the end.
    #[derive(Mus)]
    struct Third {
        next: Option<Box<Fourth>>,
    }
    #[derive(Mus)]
    struct Fourth {
        next: Option<Box<Last>>,
    }
    #[derive(Mus)]
    struct Last {
        next: Option<Box<u8>>,
    }
    assert_eq!(
        description::<Third>(),
        "#0 = {next: option(#1)}\n#1 = {next: option(#2)}\n#2 = {next: option(u8 raw)}"
    );
}

#[test]
fn a_cycle_without_a_struct_ends_too() {
    struct Nested;
    impl Describe for Nested {
        fn describe() -> Description {
            Description::sequence::<Positive>(Part::of::<Self>())
        }
    }
    assert_eq!(description::<Nested>(), "#0 = [#0]");
    assert_eq!(description::<(Nested, bool)>(), "#0 = ([#1], bool)\n#1 = [#1]");
}

#[test]
fn types_with_parameters_are_described_with_their_arguments() {
    #[derive(Mus)]
    struct Page<'a, T, U: ?Sized, const N: usize>
    where
        T: 'a,
    {
        title: &'a str,
        #[mus(borrow)]
        body: Cow<'a, [u8]>,
        item: T,
        #[mus(max_len = N, elem(raw))]
        list: Vec<T>,
        #[mus(skip)]
        of: PhantomData<&'a U>,
        array: [T; N],
    }
    assert_eq!(
        description::<Page<'static, u16, str, 2>>(),
        "#0 = {title: string, body: [u8 raw], item: u16 varint, list: [u16 raw], array: [u16 varint; 2]}"
    );
    #[derive(Mus)]
    struct Holder<'de> {
        page: Inner<'de, 'de>,
    }
    #[derive(Mus)]
    struct Inner<'a, 'b: 'a> {
        one: &'a str,
        other: &'b [u8],
    }
    assert_eq!(description::<Holder<'static>>(), "#0 = {page: #1}\n#1 = {one: string, other: [u8 raw]}");
    assert_ne!(description::<List<u8>>(), description::<List<i8>>());
    assert_eq!(description::<List<u8>>(), "#0 = {items: [u8 raw], one: u8 varint}");
}

#[derive(Mus)]
struct List<T> {
    items: Vec<T>,
    #[mus(varint)]
    one: T,
}

#[test]
fn bounds_of_the_user_are_taken_for_it_too() {
    use mus_format::{Decode, Encode};

    trait Store {
        type Key;
    }
    struct Memory;
    impl Store for Memory {
        type Key = u32;
    }
    #[derive(Mus)]
    struct Key<S: Store>(S::Key);
    #[derive(Mus)]
    #[mus(bound = "S::Key: Encode + Decode<'de>")]
    struct Entry<S: Store> {
        key: Key<S>,
    }
    assert_eq!(description::<Entry<Memory>>(), "#0 = {key: #1}\n#1 = (u32 varint)");

    #[derive(Mus)]
    #[mus(bound = "Raw: mus_format::encoding::EncodeAs<T> + mus_format::encoding::DecodeAs<'de, T>")]
    struct Fixed<T> {
        #[mus(raw)]
        value: T,
    }
    assert_eq!(description::<Fixed<u32>>(), "#0 = {value: u32 raw}");
}

#[test]
fn names_cannot_look_like_something_else() {
    struct Odd;
    impl Describe for Odd {
        fn describe() -> Description {
            Description::fields(&[Part::of::<bool>().named("a: bool, b")])
        }
    }
    assert_eq!(description::<Odd>(), "#0 = {a\\u{3a} bool\\u{2c} b: bool}");
    assert_eq!(described!({ größe: bool }), "#0 = {größe: bool}");
}

/// A change of this text makes programs of two versions of this crate refuse each other: it goes into `CHANGELOG.md`.
#[test]
fn the_text_is_stable() {
    #[derive(Mus)]
    #[mus(dtm = 4)]
    struct Order {
        id: u64,
        #[mus(max_len = 100)]
        customer: String,
        items: Vec<Item>,
        #[mus(len = raw)]
        note: String,
        #[mus(key(max_len = 10), elem(elem(raw)))]
        prices: BTreeMap<String, [f64; 3]>,
        #[mus(milliseconds)]
        at: SystemTime,
        took: Duration,
        #[mus(len = varint, elem(positive))]
        counts: Vec<i32>,
        #[mus(mapped)]
        parent: Option<Arc<Folder>>,
        #[mus(skip)]
        _cached: bool,
        point: (i8, isize),
        #[mus(varint)]
        ratio: f32,
        unit: (),
    }
    #[derive(Mus)]
    enum Item {
        Book {
            isbn: String,
        },
        #[mus(dtm = 7)]
        Gift(#[mus(raw)] u32, Option<Box<Self>>),
        Nothing,
    }
    #[derive(Mus)]
    struct Folder {
        #[mus(elem(mapped))]
        inside: Vec<Rc<Self>>,
    }
    let expected = "\
#0 = tag 4 {id: u64 varint, customer: string, items: [#1], note: string(raw length), prices: [#2], \
at: time milliseconds, took: duration nanoseconds zigzag, counts: [i32 varint; zigzag length], \
parent: nullable shared(#3), point: #4, ratio: f32 varint, unit: #5}
#1 = <1 Book {isbn: string} | 7 Gift (u32 raw, option(#1)) | 8 Nothing ()>
#2 = (string, [f64 raw; 3])
#3 = {inside: [shared(#3)]}
#4 = (i8 raw, i64 zigzag)
#5 = ()";
    assert_eq!(description::<Order>(), expected);
}
