//! Types with parameters: what is asked of the parameters, and of which.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::marker::PhantomData;

use mus_format::{Decode, DecodeOwned, Encode, Mus, from_slice, to_vec};

use crate::support::{same, stands_as};

/// Can be neither encoded nor decoded.
#[derive(Debug, PartialEq, Default)]
struct Opaque;

#[test]
fn types_that_are_encoded_are_asked_to_be_encodable() {
    #[derive(Mus, Debug, PartialEq)]
    struct Page<T> {
        items: Vec<T>,
        next: Option<Box<Self>>,
    }
    #[derive(Mus, Debug, PartialEq)]
    enum Either<L, R = u8> {
        Left(L),
        Right { right: R },
    }
    let page = |items, next| Page { items, next };
    stands_as(&page(vec![1_u16, 300], Some(Box::new(page(vec![], None)))), "02 01 ac02 00 00 01");
    let page = Page { items: vec![Either::Left("a".to_owned()), Either::Right { right: 7_u8 }], next: None };
    stands_as(&page, "02 01 0161 02 07 01");
}

#[test]
fn nothing_is_asked_of_types_that_are_not_encoded() {
    #[derive(Mus, Debug, PartialEq)]
    struct Id<T, U> {
        number: u32,
        of: PhantomData<T>,
        all: Vec<std::marker::PhantomData<(U, T)>>,
        #[mus(skip)]
        skipped: Option<U>,
    }
    let id = Id::<Opaque, Opaque> { number: 5, of: PhantomData, all: vec![], skipped: None };
    stands_as(&id, "05 00");
}

#[test]
fn of_types_in_a_chosen_encoding_that_encoding_is_asked() {
    #[derive(Mus, Debug, PartialEq)]
    struct Fixed<T> {
        #[mus(raw)]
        one: T,
        #[mus(len = varint, elem(raw))]
        list: Vec<T>,
        #[mus(key(raw))]
        map: BTreeMap<u16, Option<T>>,
    }
    stands_as(
        &Fixed { one: 1_u16, list: vec![2], map: BTreeMap::from([(3, Some(4))]) },
        "0100 02 0200 01 0300 00 04",
    );
}

#[test]
fn a_type_may_hold_itself_in_a_chosen_encoding() {
    #[derive(Mus, Debug, PartialEq)]
    #[expect(clippy::use_self, reason = "its name must be as good as `Self`")]
    struct Tree<T> {
        value: T,
        #[mus(len = varint)]
        children: Vec<Tree<T>>,
        #[mus(len = varint, max_len = 5)]
        others: Vec<Self>,
    }
    let leaf = || Tree { value: 1_u8, children: vec![], others: vec![] };
    stands_as(&Tree { value: 2, children: vec![leaf()], others: vec![leaf()] }, "02 02 01 00 00 02 01 00 00");
}

trait Unit {
    type Amount;
}

#[derive(Debug, PartialEq)]
struct Metre;

impl Unit for Metre {
    type Amount = u32;
}

#[test]
fn types_that_a_parameter_leads_to_are_asked_instead_of_it() {
    #[derive(Mus, Debug, PartialEq)]
    struct Length<T: Unit> {
        amount: T::Amount,
        list: Vec<<T as Unit>::Amount>,
        #[mus(raw)]
        raw: T::Amount,
    }
    stands_as(&Length::<Metre> { amount: 300, list: vec![1], raw: 2 }, "ac02 01 01 02000000");
}

#[test]
fn parameters_may_be_constants_and_have_bounds_of_their_own() {
    #[derive(Mus, Debug, PartialEq)]
    struct Table<K: Eq + Hash, V, const N: usize>
    where
        V: Clone,
    {
        rows: [HashMap<K, V>; N],
        #[mus(max_len = N)]
        name: String,
    }
    stands_as(
        &Table { rows: [HashMap::from([(1_u8, 2_u8)]), HashMap::new()], name: "ab".into() },
        "02 01 01 02 00 026162",
    );
    assert!(from_slice::<Table<u8, u8, 1>>(&[1, 0, 2, b'a', b'b']).is_err());
}

#[test]
fn lifetimes_are_those_of_the_bytes() {
    #[derive(Mus, Debug, PartialEq)]
    struct View<'a, 'b, T> {
        text: &'a str,
        bytes: &'b [u8],
        nested: Option<Nested<'a>>,
        other: T,
    }
    #[derive(Mus, Debug, PartialEq)]
    struct Nested<'text>(&'text str);
    /// The name that the derive uses for the lifetime of the bytes.
    #[derive(Mus, Debug, PartialEq)]
    struct Named<'de, 'a> {
        one: &'de str,
        two: &'a str,
    }
    let bytes = b"\x01a\x01\xff\x00\x01b\x01c";
    same(&View { text: "a", bytes: b"\xff", nested: Some(Nested("b")), other: "c" }, bytes);
    same(&Named { one: "a", two: "b" }, b"\x01a\x01b");
    let text = {
        let view: View<'_, '_, String> = from_slice(bytes).expect("a value");
        view.text
    };
    assert_eq!(text, "a");
}

/// The value outlives its bytes.
fn from_bytes<T: DecodeOwned>(bytes: Vec<u8>) -> T {
    from_slice(&bytes).expect("a value")
}

#[test]
fn a_cow_that_does_not_borrow_needs_no_bytes_that_live_on() {
    #[derive(Mus, Debug, PartialEq)]
    struct Text<'a> {
        text: Cow<'a, str>,
        #[mus(max_len = 3, elem(max_len = 10))]
        all: Vec<Cow<'a, [u8]>>,
        #[mus(skip)]
        skipped: Option<&'a str>,
    }
    let text: Text<'static> = from_bytes(b"\x01a\x01\x01\xff".to_vec());
    assert_eq!(text, Text { text: "a".into(), all: vec![Cow::Borrowed(b"\xff")], skipped: None });
}

#[test]
fn a_bound_of_ones_own_replaces_what_would_be_asked() {
    trait Store {
        type Key;
    }
    #[derive(Mus)]
    struct Key<S: Store>(S::Key);
    /// A key can be encoded although its store cannot. The derive does not see that.
    #[derive(Mus)]
    #[mus(bound = "S: Store, S::Key: Encode + Decode<'de>, 'de: 'a")]
    struct Entry<'a, S: Store> {
        key: Key<S>,
        text: &'a str,
    }
    struct Disk;
    impl Store for Disk {
        type Key = u16;
    }
    let bytes = to_vec(&Entry::<Disk> { key: Key(300), text: "a" }).expect("a value");
    assert_eq!(bytes, b"\xac\x02\x01a");
    let entry: Entry<'_, Disk> = from_slice(&bytes).expect("a value");
    assert_eq!((entry.key.0, entry.text), (300, "a"));
}
