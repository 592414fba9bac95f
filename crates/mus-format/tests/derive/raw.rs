//! `#[mus(raw)]` on a type: which of its integers are raw, and which are not.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mus_format::encoding::{AllRaw, EncodeAs, Positive, Varint};
use mus_format::{Decode, Encode, Fault, Mus, Output, Reader, Shape, Stopped, description, to_vec};

use crate::support::{fault, stands_as};

#[derive(Mus, Debug, PartialEq)]
#[mus(raw)]
struct Numbers(bool, u8, i8, u16, i16, u32, i32, u64, i64, usize, isize, f32, f64, Duration);

#[test]
fn integers_and_durations_have_their_width() {
    stands_as(
        &Numbers(true, 1, -1, 2, -2, 3, -3, 4, -4, 5, -5, 1.0, 1.0, Duration::from_nanos(6)),
        "01 01 ff 0200 feff 03000000 fdffffff 0400000000000000 fcffffffffffffff 0500000000000000 fbffffffffffffff \
         0000803f 000000000000f03f 0600000000000000",
    );
    assert_eq!(
        description::<Numbers>(),
        "#0 = (bool, u8 raw, i8 raw, u16 raw, i16 raw, u32 raw, i32 raw, u64 raw, i64 raw, u64 raw, i64 raw, \
         f32 raw, f64 raw, duration nanoseconds raw)"
    );
}

#[derive(Mus, Debug, PartialEq, Default)]
#[mus(raw)]
struct Holders {
    list: Vec<u16>,
    queue: VecDeque<u16>,
    array: [u16; 1],
    boxed_slice: Box<[u16]>,
    shared_slice: Arc<[u16]>,
    set: BTreeSet<u16>,
    hashed: HashSet<u16>,
    map: BTreeMap<u16, i16>,
    table: HashMap<u16, i16>,
    option: Option<u16>,
    boxed: Box<u16>,
    rc: Rc<u16>,
    arc: Arc<u16>,
    tuple: (u16, (i16,)),
    cow: Cow<'static, [u16]>,
    deep: Vec<Option<Vec<Pair>>>,
}

type Pair = (BTreeMap<Key, Box<[u16; 1]>>, i16);
type Key = u16;

#[test]
fn whatever_holds_them_passes_it_on() {
    let holders = Holders {
        list: vec![1],
        queue: VecDeque::from([2]),
        array: [3],
        boxed_slice: Box::new([4]),
        shared_slice: Arc::new([5]),
        set: BTreeSet::from([6]),
        hashed: HashSet::from([7]),
        map: BTreeMap::from([(8, -1)]),
        table: HashMap::from([(9, -1)]),
        option: Some(10),
        boxed: Box::new(11),
        rc: Rc::new(12),
        arc: Arc::new(13),
        tuple: (14, (15,)),
        cow: Cow::Borrowed(&[16]),
        deep: vec![None, Some(vec![(BTreeMap::from([(17, Box::new([18]))]), 19)])],
    };
    stands_as(
        &holders,
        "01 0100  01 0200  01 0300  01 0400  01 0500  01 0600  01 0700  01 0800 ffff  01 0900 ffff  00 0a00  0b00 \
         0c00  0d00  0e00 0f00  01 1000  02 01 00 01 01 1100 01 1200 1300",
    );
    let text = description::<Holders>();
    assert!(!text.contains("zigzag") && !text.contains("varint"), "{text}");
}

#[test]
fn what_is_borrowed_or_referred_to_passes_it_on() {
    let bytes = |value: &dyn Fn(&mut Vec<u8>)| {
        let mut out = Vec::new();
        value(&mut out);
        out
    };
    struct Sent<T>(T);
    impl<T> Encode for Sent<T>
    where
        AllRaw: EncodeAs<T>,
    {
        fn encode<O: Output + ?Sized>(&self, out: &mut O) {
            AllRaw::encode_as(&self.0, out);
        }
    }
    let mut number = 2_u16;
    assert_eq!(bytes(&|out| mus_format::encode(&Sent(&1_u16), out).unwrap()), [1, 0]);
    assert_eq!(bytes(&|out| mus_format::encode(&Sent(&[1_u16][..]), out).unwrap()), [1, 1, 0]);
    assert_eq!(to_vec(&Sent(&mut number)).unwrap(), [2, 0]);
}

#[test]
fn lengths_tags_and_everything_else_stay_as_usual() {
    #[derive(Mus, Debug, PartialEq)]
    #[mus(raw, dtm = 300)]
    struct Tagged {
        text: String,
        bytes: Vec<u8>,
        at: SystemTime,
        #[mus(milliseconds)]
        fine: SystemTime,
        unit: (),
        nothing: PhantomData<u32>,
        kind: Kind,
        own: Own,
        #[mus(skip)]
        skipped: u32,
    }
    #[derive(Mus, Debug, PartialEq)]
    #[mus(raw)]
    enum Kind {
        None,
        #[mus(dtm = 200)]
        Some {
            number: u16,
        },
    }
    // Types of one's own are written as they say.
    #[derive(Mus, Debug, PartialEq)]
    struct Own(u16, Handmade);
    #[derive(Debug, PartialEq)]
    struct Handmade(u32);
    impl Encode for Handmade {
        fn encode<O: Output + ?Sized>(&self, out: &mut O) {
            self.0.encode(out);
        }
    }
    impl<'de> Decode<'de> for Handmade {
        const SHAPE: Shape = u32::SHAPE;

        fn decode(reader: &mut Reader<'de>) -> Result<Self, Stopped> {
            u32::decode(reader).map(Self)
        }
    }
    impl mus_format::Describe for Handmade {
        fn describe() -> mus_format::Description {
            u32::describe()
        }
    }
    let at = UNIX_EPOCH + Duration::from_secs(1);
    let tagged = |kind| Tagged {
        text: "a".into(),
        bytes: vec![9],
        at,
        fine: at,
        unit: (),
        nothing: PhantomData,
        kind,
        own: Own(300, Handmade(300)),
        skipped: 0,
    };
    stands_as(
        &tagged(Kind::Some { number: 7 }),
        "ac02 01 61 01 09 0100000000000000 e803000000000000 c801 0700 ac02 ac02",
    );
    stands_as(&tagged(Kind::None), "ac02 01 61 01 09 0100000000000000 e803000000000000 01 ac02 ac02");
    assert_eq!(description::<Kind>(), "#0 = <1 None () | 200 Some {number: u16 raw}>");
}

#[test]
fn a_field_may_say_otherwise() {
    #[derive(Mus, Debug, PartialEq)]
    #[mus(raw)]
    struct Mixed {
        usual: u16,
        #[mus(varint)]
        varint: u16,
        #[mus(positive)]
        positive: i16,
        #[mus(raw)]
        raw: u16,
        #[mus(elem(varint))]
        list: Vec<u16>,
        // What says nothing of its elements leaves them raw.
        #[mus(len = varint, max_len = 3)]
        long: Vec<u16>,
        #[mus(elem(max_len = 3))]
        nested: Vec<Vec<u16>>,
        #[mus(key(varint))]
        keys: BTreeMap<u16, u16>,
        #[mus(elem(elem(positive)))]
        values: BTreeMap<u16, Option<u16>>,
        #[mus(mapped)]
        shared: Rc<u16>,
        #[mus(elem(mapped))]
        all: Vec<Rc<u16>>,
        #[mus(with = Varint)]
        with: u16,
        #[mus(validate = even)]
        checked: u16,
        #[mus(elem(validate = even))]
        all_checked: Vec<u16>,
    }
    stands_as(
        &Mixed {
            usual: 300,
            varint: 300,
            positive: 300,
            raw: 300,
            list: vec![300],
            long: vec![300],
            nested: vec![vec![300]],
            keys: BTreeMap::from([(300, 300)]),
            values: BTreeMap::from([(300, Some(300))]),
            shared: Rc::new(300),
            all: vec![Rc::new(300)],
            with: 300,
            checked: 300,
            all_checked: vec![300],
        },
        "2c01 ac02 ac02 2c01  01 ac02  02 2c01  01 01 2c01  01 ac02 2c01  01 2c01 00 ac02  02 00 2c01  01 02 01 2c01 \
         ac02 2c01 01 2c01",
    );
    #[derive(Mus, Debug)]
    #[mus(raw)]
    struct Checked(#[mus(elem(validate = even))] Vec<u16>);
    let error = fault::<Checked>("01 0300");
    assert!(matches!(error.fault, Fault::Validation(_)) && error.at == 3, "{error}");
    let _ = description::<Mixed>();
}

fn even(number: &u16) -> Result<(), &'static str> {
    if number.is_multiple_of(2) { Ok(()) } else { Err("odd") }
}

#[test]
fn types_with_parameters_and_types_that_hold_themselves_can_be_raw() {
    #[derive(Mus, Debug, PartialEq)]
    #[mus(raw)]
    struct Page<'a, T> {
        items: Vec<T>,
        text: &'a str,
        one: T,
        next: Option<Box<Self>>,
    }
    #[derive(Mus, Debug, PartialEq)]
    struct Id(u16);
    let page = |next| Page { items: vec![1_u16], text: "a", one: 2, next };
    crate::support::same(
        &page(Some(Box::new(page(None)))),
        &crate::support::unhex("01 0100 01 61 0200 00 01 0100 01 61 0200 01"),
    );
    crate::support::same(
        &Page { items: vec![Id(1)], text: "", one: Id(300), next: None },
        &crate::support::unhex("01 01 00 ac02 01"),
    );
    assert_eq!(
        description::<Page<'static, u16>>(),
        "#0 = {items: [u16 raw], text: string, one: u16 raw, next: option(#0)}"
    );
    assert_eq!(
        description::<Page<'static, Id>>(),
        "#0 = {items: [#1], text: string, one: #1, next: option(#0)}\n#1 = (u16 varint)"
    );
}

#[test]
fn it_differs_from_a_type_that_is_not_raw_in_nothing_else() {
    #[derive(Mus)]
    struct Usual(u16, Vec<Option<u32>>);
    #[derive(Mus)]
    #[mus(raw)]
    struct Raw(u16, Vec<Option<u32>>);
    #[derive(Mus)]
    struct ByHand(#[mus(raw)] u16, #[mus(elem(elem(raw)))] Vec<Option<u32>>);
    assert_ne!(description::<Raw>(), description::<Usual>());
    assert_eq!(description::<Raw>(), description::<ByHand>());
    let _ = (Usual(1, vec![]), Raw(1, vec![]), ByHand(1, vec![]), Positive);
}
